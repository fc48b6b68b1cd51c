// Breakpoints of a debugger over the whole machine, under every technique. The guest cannot see them: no byte of its memory and
// no debug register of its processor is used (core.ts, InstructionWatch; processor.ts, DataWatch).
//
// Addresses are linear, those of the code that really executes. Where there is a breakpoint on a class of instruction or on the
// mode, all code runs an instruction at a time; otherwise only that of pages with a breakpoint does. Code is interpreted while
// there is any breakpoint, so that a touched byte or port ends the run right behind its instruction.

import type { Core, InstructionWatch } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import type { DataWatch } from "../cpu/processor.ts";
import { CPL, CR0, CS, EFLAGS_SYSTEM, EFLAGS_VM } from "../isa/state-layout.ts";
import type { BreakpointSpec, DataAccess } from "../protocol/debug.ts";
import { InstructionMatcher } from "./instruction-matcher.ts";

export type { DataAccess };
export type Breakpoint = Exclude<BreakpointSpec, { kind: "trap" }>;

export interface BreakpointHit {
  readonly id: number;
  readonly breakpoint: Breakpoint;
  /** Of the instruction that is about to run, or of the byte or port that was touched. */
  readonly linear: number;
}

type OfKind<K extends Breakpoint["kind"]> = { readonly id: number; readonly breakpoint: Extract<Breakpoint, { kind: K }> };

const PAGE_SHIFT = 12;
const NOWHERE = { linear: -1, retired: -1 };
const CR0_PE_PG = 0x8000_0001 | 0;

export class Breakpoints {
  /** Why `run` ended with "breakpoint". */
  hit: BreakpointHit | null = null;
  /** Told of each match in place of ending the run. */
  private onMatch: ((hit: BreakpointHit) => void) | null = null;
  private readonly cpu: Cpu;
  private readonly core: Core;
  private readonly matcher: InstructionMatcher;
  private readonly all = new Map<number, Breakpoint>();
  private readonly byAddress = new Map<number, number>();
  private data: OfKind<"data">[] = [];
  private ports: OfKind<"port">[] = [];
  private instructions: (OfKind<"instruction"> & { readonly slot: number })[] = [];
  private mode: OfKind<"mode"> | null = null;
  private lastMode = -1;
  private readonly pages = new Set<number>();
  private nextId = 1;
  /** Nothing has retired since here a stop was reported, or the run began: no stop again. */
  private passed = NOWHERE;
  private tracer: InstructionWatch | null = null;

  constructor(cpu: Cpu, core: Core) {
    this.cpu = cpu;
    this.core = core;
    this.matcher = new InstructionMatcher(cpu, core.decoder);
  }

  /** The number by which it is removed. */
  add(breakpoint: Breakpoint): number {
    const id = this.nextId++;
    this.all.set(id, breakpoint);
    this.apply();
    return id;
  }

  remove(id: number): void {
    if (this.all.delete(id)) this.apply();
  }

  clear(): void {
    this.all.clear();
    this.apply();
  }

  list(): readonly (readonly [number, Breakpoint])[] {
    return [...this.all];
  }

  /** Takes them away until `resume`, which wants what this gives. */
  suspend(): readonly (readonly [number, Breakpoint])[] {
    const list = this.list();
    if (list.length > 0) this.clear();
    return list;
  }

  resume(list: readonly (readonly [number, Breakpoint])[]): void {
    if (list.length === 0) return;
    for (const [id, breakpoint] of list) this.all.set(id, breakpoint);
    this.apply();
  }

  /** From here on each match is told, and none ends the run; where the last run stopped counts again. Null: no longer. */
  search(onMatch: ((hit: BreakpointHit) => void) | null): void {
    this.onMatch = onMatch;
    this.passed = NOWHERE;
  }

  /** Sees instructions beside the breakpoints; its stops are ignored. */
  setTracer(tracer: InstructionWatch | null): void {
    this.tracer = tracer;
    this.apply();
  }

  /** The next run begins here: a breakpoint on its first instruction does not stop it. */
  pass(linear: number): void {
    this.hit = null;
    this.passed = { linear: linear >>> 0, retired: this.core.retired() };
  }

  /** Bytes of a page of code changed. */
  codeWritten(physical: number, length: number): void {
    if (this.instructions.length > 0) this.matcher.forget(physical, length);
  }

  /** The processor reads or writes a port. */
  port(port: number, width: number, write: boolean): void {
    for (const { id, breakpoint } of this.ports) {
      if (breakpoint.access !== "access" && (breakpoint.access === "write") !== write) continue;
      if (port > breakpoint.last || port + width <= breakpoint.first) continue;
      this.touched({ id, breakpoint, linear: Math.max(port, breakpoint.first) });
      return;
    }
  }

  private apply(): void {
    const { cpu, core, pages, byAddress } = this;
    byAddress.clear();
    pages.clear();
    this.data = [];
    this.ports = [];
    this.instructions = [];
    this.mode = null;
    this.lastMode = -1;
    for (const [id, breakpoint] of this.all) {
      switch (breakpoint.kind) {
        case "execute":
          byAddress.set(breakpoint.linear >>> 0, id);
          pages.add(breakpoint.linear >>> PAGE_SHIFT);
          break;
        case "data": this.data.push({ id, breakpoint }); break;
        case "port": this.ports.push({ id, breakpoint }); break;
        case "instruction": this.instructions.push({ id, breakpoint, slot: this.instructions.length }); break;
        case "mode": this.mode = { id, breakpoint }; break;
      }
    }
    this.matcher.look(this.instructions.map(({ breakpoint }) => breakpoint.what));
    cpu.dataWatch = this.data.length === 0 ? null : this.dataWatch();
    cpu.updateMode();
    core.setWatch(this.all.size === 0 && this.tracer === null ? null : this.watch);
  }

  private readonly watch: InstructionWatch = {
    covers: (page) => this.instructions.length > 0 || this.mode !== null || this.pages.has(page) || this.tracer?.covers(page) === true,
    before: (linear) => {
      const found = this.matchAt(linear);
      const retired = this.core.retired();
      if (found && !(this.passed.linear === linear && this.passed.retired === retired)) {
        this.pass(linear);
        if (!this.onMatch) {
          this.hit = found;
          return true;
        }
        this.onMatch(found);
      }
      if (this.tracer?.covers(linear >>> PAGE_SHIFT) === true) this.tracer.before(linear);
      return false;
    },
  };

  private matchAt(linear: number): BreakpointHit | null {
    const changed = this.mode !== null && this.modeChanged();
    const id = this.byAddress.get(linear);
    if (id !== undefined) return { id, breakpoint: this.all.get(id)!, linear };
    if (changed) return { ...this.mode!, linear };
    if (this.instructions.length === 0) return null;
    const slots = this.matcher.match(linear);
    if (slots === 0) return null;
    const { breakpoint, id: own } = this.instructions[31 - Math.clz32(slots)]!;
    return { id: own, breakpoint, linear };
  }

  /** Since the last instruction that was looked at: what the guest believes. */
  private modeChanged(): boolean {
    const { context } = this.cpu.v;
    const now = (context.get(CR0) & CR0_PE_PG) | (context.get(CPL) << 1) | (context.get(EFLAGS_SYSTEM) & EFLAGS_VM);
    const before = this.lastMode;
    this.lastMode = now;
    return before !== -1 && before !== now;
  }

  private dataWatch(): DataWatch {
    const pages = new Set<number>();
    for (const { breakpoint } of this.data) {
      for (let page = breakpoint.linear >>> PAGE_SHIFT; page <= (breakpoint.linear + breakpoint.bytes - 1) >>> PAGE_SHIFT; page++) pages.add(page);
    }
    return { pages: [...pages], note: (linear, width, write) => this.noteData(linear, width, write) };
  }

  private noteData(linear: number, width: number, write: boolean): void {
    for (const { id, breakpoint } of this.data) {
      const { access } = breakpoint, from = breakpoint.linear >>> 0;
      if (access !== "access" && (access === "write") !== write) continue;
      if (linear >= from + breakpoint.bytes || linear + width <= from) continue;
      this.touched({ id, breakpoint, linear: Math.max(linear, from) });
      return;
    }
  }

  private touched(hit: BreakpointHit): void {
    if (this.onMatch) {
      this.onMatch(hit);
      return;
    }
    this.hit = hit;
    this.core.breakAfter();
  }

  /** Linear address of the guest's next instruction. */
  get place(): number {
    return (this.cpu.v.context.segmentBase(CS) + this.cpu.state.eip) >>> 0;
  }
}
