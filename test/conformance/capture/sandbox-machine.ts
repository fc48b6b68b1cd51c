// The sandbox on our own processor: runs a case on the generated interpreter, on the plain evaluating back-end, or as a translated region.
// Ring 0 belongs to a host, as on silicon to Linux: whatever would enter it ends the case with its vector, and nothing else happens.

import { Core } from "../../../src/cpu/core.ts";
import { Cpu } from "../../../src/cpu/cpu.ts";
import { EFLAGS_ALL, getEflags, setEflags } from "../../../src/cpu/eflags.ts";
import { createHelpers } from "../../../src/cpu/helpers/index.ts";
import { JUMP_CACHE_BYTES } from "../../../src/cpu/interpreter.ts";
import type { PhysicalSpace } from "../../../src/cpu/physical-space.ts";
import { accessOf, baseOf, limitOf } from "../../../src/cpu/protection.ts";
import { setSegment, setUnusable } from "../../../src/cpu/segmentation.ts";
import type { TlbTables } from "../../../src/cpu/tlb.ts";
import { createDecoded, createDecoder } from "../../../src/isa/decoder.ts";
import { CodeCache } from "../../../src/jit/code-cache.ts";
import { effectOf } from "../../../src/jit/effect.ts";
import { isTranslated } from "../../../src/jit/region.ts";
import { createEvaluator, type Evaluator, type Fault } from "../../../src/isa/evaluator.ts";
import { ROWS } from "../../../src/isa/opcode-map/index.ts";
import type { Row } from "../../../src/isa/row.ts";
import {
  ACTIVITY, CONTEXT_H, CPL, CR0, CR2, CR3, CR4, EFLAGS_FIXED, EFLAGS_IF, EFLAGS_RF, FAULT, GDTR_BASE, GDTR_LIMIT, GS, IDTR_BASE, IDTR_LIMIT, LDTR,
  MODE_CODE32, SHADOW, SUSPENDED, TR,
} from "../../../src/isa/state-layout.ts";
import { type Bytes, type Case, COMPLETED, linearEip, type Outcome } from "./case.ts";
import { idleFloat, loadFloat, saveFloat } from "./float-state.ts";
import { CODE, CODE_BYTES, globalTable, localTable, PAGE_BYTES, REGIONS } from "./sandbox.ts";

const MB = 1 << 20, WASM_PAGE = 1 << 16;
const JUMP_CACHE = 0x1_0000;
const PRESENT = 1, WRITABLE = 2, USER = 4;
const CR0_PROTECTED = 0x8005_0033 | 0; // PG AM WP NE ET MP PE, as Linux has it
const CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400;
const BREAKPOINT = 3, PAGE_FAULT = 14;
/** jmp +0; nop */
export const LEAD_IN: readonly number[] = [0xeb, 0, 0x90];
/** For the lead-in, the case, and an end that faults. */
const TRANSLATED_BUDGET = 8;
/** One sets the jump's link, one counts, one finds it hot. */
const RUNS_TO_REGION = 3;
/** For instructions that do not know it. */
const IDLE = idleFloat();

/** Supervisor pages, where the silicon's process has the harness: no case may touch them. */
const GDT = 0x0804_8000, LDT = GDT + PAGE_BYTES, IDT = LDT + PAGE_BYTES, TSS = IDT + PAGE_BYTES;
const SYSTEM_PAGES = 4;
/** Where a TSS says where its I/O permission bitmap is: beyond its end, so that no port is allowed. */
const TSS_BITMAP = 0x66;
/** The 64-bit code segment in the global table: its accessed bit tells that it was loaded. */
const LONG_CODE_TYPE = 6 * 8 + 5, LONG_CODE_UNUSED = 0xfa;

/** Physical memory: the regions, the system pages, a page directory and its tables. */
const SYSTEM = REGIONS.length * PAGE_BYTES, DIRECTORY = SYSTEM + SYSTEM_PAGES * PAGE_BYTES, TABLES = DIRECTORY + PAGE_BYTES;
const PHYSICAL_BYTES = TABLES + 3 * PAGE_BYTES;

/** A case that loads what the host's tables have and ours do not model. */
export class LeavesSandbox extends Error {}

export class SandboxMachine {
  readonly core: Core;
  private readonly cpu: Cpu;
  private readonly evaluator: Evaluator;
  private readonly decoder = createDecoder(ROWS);
  private readonly decoded = createDecoded();
  private readonly ram: Uint8Array;
  private readonly view: DataView;
  /** The regions as they are before a case. */
  private readonly before: Uint8Array;
  private readonly pristine: Uint8Array;
  /** Where a case differs from the usual contents: offset and length. */
  /** Whether the case has a floating state; at first there is one to be replaced. */
  private hasFloat = true;
  private readonly patched: [number, number][] = [];
  private readonly pages = new Map<number, { readonly physical: number; readonly writable: boolean; readonly user: boolean }>();

  private readonly translations: CodeCache | null;

  /** `translate`: for `runTranslated`. */
  constructor(translate = false) {
    let next = JUMP_CACHE + JUMP_CACHE_BYTES;
    const take = (bytes: number) => {
      next = Math.ceil(next / PAGE_BYTES) * PAGE_BYTES;
      const at = next;
      next += bytes;
      return at;
    };
    const tables = (): TlbTables => ({ readSupervisor: take(4 * MB), writeSupervisor: take(4 * MB), readUser: take(4 * MB), writeUser: take(4 * MB), code: take(4 * MB) });
    const tlb = { v: tables(), h: tables() };
    const codeCacheBegin = take(4 * MB), codeCacheEnd = next;
    const ram = take(PHYSICAL_BYTES);
    const memoryPages = Math.ceil(next / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: true });
    this.ram = new Uint8Array(memory.buffer, ram, PHYSICAL_BYTES);
    this.view = new DataView(memory.buffer, ram, PHYSICAL_BYTES);
    const beyond = (): never => { throw new RangeError("access beyond RAM"); };
    const physical: PhysicalSpace = {
      a20Mask: ~0, isReadOnly: () => false, read: beyond, write: beyond,
      hostPage: (page) => (page < PHYSICAL_BYTES / PAGE_BYTES ? ram + page * PAGE_BYTES : 0),
    };
    this.cpu = new Cpu({
      memory, tables: tlb, physical: { v: physical, h: physical },
      hooks: {
        ports: { read: beyond, write: beyond }, readTimestamp: () => 0, floatingPointError: () => {}, notice: () => {},
        codeWritten: (address, length) => this.core.blocks.invalidate(address, length),
      },
    });
    const helpers = createHelpers(this.cpu);
    const areas = { memory, memoryPages, jumpCache: JUMP_CACHE, codeCacheBegin, codeCacheEnd, translate };
    this.core = new Core(this.cpu, ROWS, areas, { acknowledge: () => 0 }, helpers);
    this.translations = translate ? new CodeCache(this.core, memory, memoryPages, { threshold: 1, promotion: 8, batch: 1, patience: 0 }) : null;
    this.evaluator = createEvaluator({
      state: this.cpu.state.view, context: CONTEXT_H,
      helper: (name, [a = 0, b = 0, c = 0, d = 0, e = 0]) => helpers[name](a, b, c, d, e),
      memory: {
        read: (linear) => this.ram[this.physicalOf(linear)] as number,
        write: (linear, byte) => { this.ram[this.physicalOf(linear)] = byte; },
        fault: (linear, bytes, write) => this.pageFault(linear, bytes, write),
      },
    });
    this.fillMemory();
    this.pristine = this.ram.slice(0, SYSTEM);
    this.before = this.ram.slice(0, SYSTEM);
    this.setUp();
  }

  private map(linear: number, physical: number, writable: boolean, user: boolean): void {
    this.pages.set(linear >>> 12, { physical, writable, user });
    const flags = PRESENT | (writable ? WRITABLE : 0) | (user ? USER : 0);
    const entry = DIRECTORY + (linear >>> 22) * 4;
    if (this.view.getInt32(entry, true) === 0) {
      const used = new Set(Array.from({ length: 1024 }, (_, n) => this.view.getInt32(DIRECTORY + n * 4, true))).size - 1;
      this.view.setInt32(entry, (TABLES + used * PAGE_BYTES) | PRESENT | WRITABLE | USER, true);
    }
    const table = this.view.getInt32(entry, true) & -PAGE_BYTES;
    this.view.setInt32(table + ((linear >>> 12) & 0x3ff) * 4, physical | flags, true);
  }

  private fillMemory(): void {
    for (const [n, { address, contents, writable }] of REGIONS.entries()) {
      this.ram.set(contents, n * PAGE_BYTES);
      this.map(address, n * PAGE_BYTES, writable, true);
    }
    for (let n = 0; n < SYSTEM_PAGES; n++) this.map(GDT + n * PAGE_BYTES, SYSTEM + n * PAGE_BYTES, true, false);
    const words = (at: number, table: readonly (readonly [number, number])[]) => table.flat().forEach((word, n) => this.view.setInt32(at + n * 4, word, true));
    words(SYSTEM, globalTable());
    words(SYSTEM + PAGE_BYTES, localTable());
    // Interrupt gates to selector 10h, ring 0; user code may use vectors 3 and 4.
    const gate = (vector: number) => [0x10 << 16, vector === 3 || vector === 4 ? 0xee00 : 0x8e00] as const;
    this.view.setUint16(SYSTEM + 3 * PAGE_BYTES + TSS_BITMAP, 0xffff, true);
    words(SYSTEM + 2 * PAGE_BYTES, Array.from({ length: 256 }, (_, vector) => gate(vector)));
  }

  /** Puts bytes in physical memory; code that lay there is forgotten. */
  private change(physical: number, bytes: ArrayLike<number>): void {
    this.ram.set(bytes, physical);
    this.core.blocks.invalidate(physical, bytes.length);
  }

  private setUp(): void {
    const { cpu } = this;
    cpu.reset();
    cpu.switchContext("H");
    cpu.hostAttached = true;
    const { context } = cpu;
    context.set(CR0, CR0_PROTECTED);
    context.set(CR3, DIRECTORY);
    context.set(CR4, CR4_OSFXSR | CR4_OSXMMEXCPT);
    context.set(GDTR_BASE, GDT);
    context.set(GDTR_LIMIT, globalTable().length * 8 - 1);
    context.set(IDTR_BASE, IDT);
    context.set(IDTR_LIMIT, 0x7ff);
    setSegment(context, LDTR, 0x50, LDT, localTable().length * 8 - 1, 0x82);
    setSegment(context, TR, 0x40, TSS, 0x67, 0x8b);
    cpu.tlb.flushAll();
  }

  private physicalOf(linear: number): number {
    const page = this.pages.get(linear >>> 12);
    if (!page) throw new RangeError(`no page at ${linear.toString(16)}`);
    return page.physical | (linear & (PAGE_BYTES - 1));
  }

  private pageFault(linear: number, bytes: number, write: boolean): Fault | null {
    const last = linear + bytes - 1;
    for (let at = linear; ; at = Math.min((at & -PAGE_BYTES) + PAGE_BYTES, last)) {
      const page = this.pages.get(at >>> 12);
      if (!page?.user || (write && !page.writable)) {
        this.cpu.context.set(CR2, at);
        return { vector: PAGE_FAULT, errorCode: (page ? 1 : 0) | (write ? 2 : 0) | 4 };
      }
      if (at >= last) return null;
    }
  }

  private loadSelector(index: number, selector: number): void {
    const { context } = this.cpu;
    if ((selector & 0xfffc) === 0) {
      setUnusable(context, index, selector);
      return;
    }
    const at = SYSTEM + (selector & 4 ? PAGE_BYTES : 0) + (selector & 0xfff8);
    const low = this.view.getInt32(at, true), high = this.view.getInt32(at + 4, true);
    setSegment(context, index, selector, baseOf(low, high), limitOf(low, high), accessOf(high));
  }

  private put({ address, bytes }: Bytes): void {
    const physical = this.physicalOf(address);
    this.change(physical, bytes);
    this.before.set(bytes, physical);
    this.patched.push([physical, bytes.length]);
  }

  private prepare(c: Case): void {
    c.memory.forEach((patch) => this.put(patch));
    this.put({ address: linearEip(c), bytes: c.code });
    this.loadRegisters(c);
  }

  private loadRegisters(c: Case): void {
    const { cpu } = this;
    const { context, state } = cpu;
    cpu.exit.clear();
    state.write(FAULT, 0);
    state.write(SUSPENDED, 0);
    context.set(SHADOW, 0);
    context.set(ACTIVITY, 0);
    context.set(CPL, 3);
    for (let n = 0; n < 8; n++) state.setGpr(n, c.registers[n] as number);
    for (let n = 0; n <= GS; n++) this.loadSelector(n, c.selectors[n] as number);
    setEflags(state, context, c.eflags | EFLAGS_IF, EFLAGS_ALL);
    state.eip = c.eip;
    if (c.float || this.hasFloat) loadFloat(cpu, c.float ?? IDLE);
    this.hasFloat = c.float !== null;
    cpu.updateMode();
  }

  private outcome(vector: number, error: number, eip: number, cr2 = 0): Outcome {
    const { context, state } = this.cpu;
    if (this.ram[SYSTEM + LONG_CODE_TYPE] !== LONG_CODE_UNUSED) {
      this.ram[SYSTEM + LONG_CODE_TYPE] = LONG_CODE_UNUSED;
      this.takeBack();
      throw new LeavesSandbox();
    }
    return {
      vector, error, cr2,
      registers: Array.from({ length: 8 }, (_, n) => state.gpr(n)),
      eip: eip >>> 0,
      eflags: (getEflags(state, context) | EFLAGS_FIXED) & ~EFLAGS_RF,
      selectors: Array.from({ length: 6 }, (_, n) => context.selector(n)),
      changes: this.takeBack(),
      float: this.hasFloat ? saveFloat(this.cpu) : null,
    };
  }

  /** Restores the usual contents; what the case had changed. */
  private takeBack(): Bytes[] {
    const { ram, before, pristine } = this;
    const changes: Bytes[] = [];
    for (const [n, { address }] of REGIONS.entries()) {
      const from = n * PAGE_BYTES, to = from + PAGE_BYTES;
      if (Buffer.compare(ram.subarray(from, to), before.subarray(from, to)) !== 0) {
        for (let at = from; at < to; at++) {
          if (ram[at] === before[at]) continue;
          const first = at;
          while (at < to && ram[at] !== before[at]) at++;
          changes.push({ address: address + first - from, bytes: [...ram.subarray(first, at)] });
        }
        this.change(from, before.subarray(from, to));
      }
    }
    for (const [at, length] of this.patched.splice(0)) {
      const usual = pristine.subarray(at, at + length);
      this.change(at, usual);
      before.set(usual, at);
    }
    return changes;
  }

  private exitOutcome(): Outcome {
    const { exit } = this.cpu;
    return this.outcome(exit.vector, exit.hasErrorCode ? exit.errorCode : 0, exit.returnEip, exit.cr2);
  }

  /** Decodes the case's instruction into `decoded`; the case is prepared. False: it is only the beginning of one. */
  private decode(c: Case): boolean {
    const bytes = Uint8Array.from(c.code);
    const code32 = (this.cpu.context.mode & MODE_CODE32) !== 0;
    return this.decoder.decodeBytes(bytes, 0, bytes.length, code32, this.decoded) === bytes.length;
  }

  /** The row of the case's instruction, or null. Has the interpreter generate its code with the other cases' at the next run, which is quicker than one by one. */
  announce(c: Case): Row | null {
    const { core, cpu, decoded } = this;
    this.prepare(c);
    const row = this.decode(c) ? decoded.row : null;
    if (row) core.interpreter.handlerFor(row, decoded, cpu.context.mode);
    this.takeBack();
    return row;
  }

  /** `before`: bytes that lie before the instruction. */
  runInterpreter(c: Case, before: readonly number[] = []): Outcome {
    this.prepare(c);
    if (before.length > 0) this.put({ address: linearEip(c) - before.length, bytes: before });
    const reason = this.core.run(1);
    if (reason === "exit") return this.exitOutcome();
    if (reason !== "budget") throw new Error(`the interpreter stopped: ${reason}`);
    return this.outcome(COMPLETED, 0, this.cpu.state.eip);
  }

  /**
   * As the second instruction of a region, behind a NOP that a jump leads to: runs that link the jump and make the region, then one that enters it and ends
   * at what comes behind, an INT3 or the fault of its fetch. Null: no place for the jump, or the instruction is one that is left to the interpreter.
   */
  runTranslated(c: Case): Outcome | null {
    const { core, cpu, translations } = this, { exit } = cpu;
    if (translations === null) throw new Error("a machine without translator");
    const begin = linearEip(c);
    if (c.eip < LEAD_IN.length || begin < CODE + LEAD_IN.length || begin + c.code.length >= CODE + CODE_BYTES) return null;
    c.memory.forEach((patch) => this.put(patch));
    this.put({ address: begin - LEAD_IN.length, bytes: [...LEAD_IN, ...c.code] });
    this.loadRegisters(c);
    const { decoded } = this, isOurs = this.decode(c) && decoded.row !== null && isTranslated(decoded, effectOf(decoded.row, decoded), cpu.context.mode);
    const { regions } = translations.counters;
    /** False: it has come back to the lead-in. */
    const run = () => {
      this.loadRegisters(c);
      cpu.state.eip = c.eip - LEAD_IN.length;
      return core.run(TRANSLATED_BUDGET) === "exit" && (exit.returnEip >= c.eip || exit.returnEip < c.eip - LEAD_IN.length);
    };
    for (let n = 0; isOurs && n < RUNS_TO_REGION && translations.counters.regions === regions; n++) {
      const ended = run();
      // Its data as they were; code that it changed gives no region.
      if (Buffer.compare(this.ram.subarray(0, SYSTEM), this.before) !== 0) this.ram.set(this.before.subarray(PAGE_BYTES), PAGE_BYTES);
      if (!ended) break;
      translations.work();
    }
    if (translations.counters.regions !== regions + 1 || !run()) {
      this.takeBack();
      return null;
    }
    if (exit.returnEip === c.eip) return this.exitOutcome();
    const trapped = exit.kind === "exception" && exit.vector === BREAKPOINT;
    return this.outcome(COMPLETED, 0, exit.returnEip - (trapped ? 1 : 0));
  }

  runEvaluator(c: Case): Outcome {
    const { cpu, decoded, evaluator } = this;
    this.prepare(c);
    if (!this.decode(c)) throw new Error("the case is not one instruction");
    let step = evaluator.step(decoded, c.eip);
    while (step.suspended) step = evaluator.step(decoded, c.eip);
    if (cpu.exit.pending) return this.exitOutcome();
    const { fault } = step;
    if (fault) return this.outcome(fault.vector, fault.errorCode ?? 0, step.eip, fault.vector === PAGE_FAULT ? cpu.context.get(CR2) : 0);
    return this.outcome(COMPLETED, 0, step.eip);
  }
}
