// Breakpoints of a debugger over the whole machine, under every technique. The guest cannot see them: no byte of its memory and
// no debug register of its processor is used (core.ts, InstructionWatch; processor.ts, DataWatch).
//
// Addresses are linear, those of the code that really executes. Where there is a breakpoint on data, on a class of instruction or
// on the mode, all code runs an instruction at a time; otherwise only that of pages with a breakpoint does.

import type { Core, InstructionWatch } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import type { DataWatch } from "../cpu/processor.ts";

export type DataAccess = "write" | "read" | "access";

export type Breakpoint =
  | { readonly kind: "execute"; readonly linear: number }
  | { readonly kind: "data"; readonly access: DataAccess; readonly linear: number; readonly bytes: number };

export interface BreakpointHit {
  readonly id: number;
  readonly breakpoint: Breakpoint;
  /** Of the instruction that is about to run, or of the byte that was touched. */
  readonly linear: number;
}

type DataBreakpoint = Extract<Breakpoint, { kind: "data" }>;

const PAGE_SHIFT = 12;

export class Breakpoints {
  /** Why `run` ended with "breakpoint". */
  hit: BreakpointHit | null = null;
  private readonly cpu: Cpu;
  private readonly core: Core;
  private readonly all = new Map<number, Breakpoint>();
  private readonly byAddress = new Map<number, number>();
  private readonly data: { id: number; breakpoint: DataBreakpoint }[] = [];
  private readonly pages = new Set<number>();
  private nextId = 1;
  /** Nothing has retired since here a stop was reported, or the run began: no stop again. */
  private passed = { linear: -1, retired: -1 };
  private tracer: InstructionWatch | null = null;

  constructor(cpu: Cpu, core: Core) {
    this.cpu = cpu;
    this.core = core;
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

  private apply(): void {
    const { cpu, core, data, pages, byAddress } = this;
    byAddress.clear();
    pages.clear();
    data.length = 0;
    for (const [id, breakpoint] of this.all) {
      if (breakpoint.kind === "data") data.push({ id, breakpoint });
      else {
        byAddress.set(breakpoint.linear >>> 0, id);
        pages.add(breakpoint.linear >>> PAGE_SHIFT);
      }
    }
    cpu.dataWatch = data.length === 0 ? null : this.dataWatch();
    cpu.updateMode();
    core.setWatch(this.all.size === 0 && this.tracer === null ? null : this.watch);
  }

  private readonly watch: InstructionWatch = {
    covers: (page) => this.data.length > 0 || this.pages.has(page) || this.tracer?.covers(page) === true,
    before: (linear) => {
      const id = this.byAddress.get(linear);
      const retired = this.core.retired();
      if (id !== undefined && !(this.passed.linear === linear && this.passed.retired === retired)) {
        this.pass(linear);
        this.hit = { id, breakpoint: this.all.get(id)!, linear };
        return true;
      }
      if (this.tracer?.covers(linear >>> PAGE_SHIFT) === true) this.tracer.before(linear);
      return false;
    },
  };

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
      this.hit = { id, breakpoint, linear: Math.max(linear, from) };
      this.core.breakAfter();
      return;
    }
  }
}
