// Runs random programs on the interpreter, alone on a board of nothing but RAM. A faulting instruction is recorded and skipped.

import { Core } from "../../src/cpu/core.ts";
import { Cpu } from "../../src/cpu/cpu.ts";
import { createHelpers } from "../../src/cpu/helpers/index.ts";
import { JUMP_CACHE_BYTES } from "../../src/cpu/interpreter.ts";
import type { PhysicalSpace } from "../../src/cpu/physical-space.ts";
import { setSegment } from "../../src/cpu/segmentation.ts";
import type { TlbTables } from "../../src/cpu/tlb.ts";
import { createDecoded } from "../../src/isa/decoder.ts";
import { CodeCache, type TranslationOptions } from "../../src/jit/code-cache.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import { CPL, CR0, CR2, CR3, CR4, CS, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EFLAGS_STATUS, X87_BASE, XMM_BASE } from "../../src/isa/state-layout.ts";
import { getEflags, setStatus } from "../../src/cpu/eflags.ts";
import { decoder, PAGE_BYTES, RAM_BYTES, type RandomProgram } from "./random-programs.ts";
import { cr0Of, PACKED_BEGIN, PACKED_BYTES, packedFields, PAGE_FAULT, PROGRAM_CR4, type RecordedFault, type RunResult } from "./reference-run.ts";

const MB = 1 << 20, WASM_PAGE = 1 << 16;
const JUMP_CACHE = 0x1_0000;
/** Page directory and table lie behind the program's RAM. */
const DIRECTORY = RAM_BYTES, PAGE_TABLE = RAM_BYTES + PAGE_BYTES, PHYSICAL_BYTES = RAM_BYTES + 2 * PAGE_BYTES;
const PRESENT = 1, WRITABLE = 2, USER = 4;

export class InterpreterMachine {
  readonly core: Core;
  readonly translations: CodeCache | null = null;
  private readonly cpu: Cpu;
  private readonly ram: Uint8Array;
  private readonly ramView: DataView;

  /** CR4 when a program begins. */
  cr4 = 0;

  /** `jit`: hot code is translated. */
  constructor(jit?: TranslationOptions) {
    let next = JUMP_CACHE + JUMP_CACHE_BYTES;
    const take = (bytes: number) => {
      next = Math.ceil(next / PAGE_BYTES) * PAGE_BYTES;
      const at = next;
      next += bytes;
      return at;
    };
    const tables = (): TlbTables => ({ readSupervisor: take(4 * MB), writeSupervisor: take(4 * MB), readUser: take(4 * MB), writeUser: take(4 * MB), code: take(4 * MB) });
    const tlb = { v: tables(), h: tables() };
    const codeCacheBegin = take(16 * MB);
    const codeCacheEnd = next;
    const ram = take(PHYSICAL_BYTES);
    const memoryPages = Math.ceil(next / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: true });
    this.ram = new Uint8Array(memory.buffer, ram, PHYSICAL_BYTES);
    this.ramView = new DataView(memory.buffer, ram, PHYSICAL_BYTES);
    const physical: PhysicalSpace = {
      a20Mask: ~0,
      hostPage: (page) => (page < PHYSICAL_BYTES / PAGE_BYTES ? ram + page * PAGE_BYTES : 0),
      isReadOnly: () => false,
      read: (address) => { throw new RangeError(`read of ${address.toString(16)} beyond RAM`); },
      write: (address) => { throw new RangeError(`write of ${address.toString(16)} beyond RAM`); },
    };
    const noPort = () => { throw new Error("port accessed"); };
    this.cpu = new Cpu({
      memory, tables: tlb, physical: { v: physical, h: physical },
      hooks: {
        ports: { read: noPort, write: noPort },
        codeWritten: (address, length) => this.core.blocks.invalidate(address, length),
        readTimestamp: () => 0, floatingPointError: () => {}, notice: () => {},
      },
    });
    const areas = { memory, memoryPages, jumpCache: JUMP_CACHE, codeCacheBegin, codeCacheEnd, translate: jit !== undefined };
    this.core = new Core(this.cpu, ROWS, areas, { acknowledge: () => 0 }, createHelpers(this.cpu));
    if (jit) this.translations = new CodeCache(this.core, memory, memoryPages, jit);
    this.core.deliverExceptions = false;
  }

  private load(program: RandomProgram): void {
    const { cpu, ramView } = this;
    const { initialState } = program;
    this.core.blocks.flush();
    cpu.reset();
    this.ram.set(program.memory);
    ramView.setInt32(DIRECTORY, PAGE_TABLE | PRESENT | WRITABLE | USER, true);
    for (let page = 0; page < PAGE_BYTES / 4; page++) {
      const permission = initialState.pages?.[page] ?? 0;
      ramView.setInt32(PAGE_TABLE + page * 4, permission === 0 ? 0 : (page * PAGE_BYTES) | PRESENT | USER | (permission === 2 ? WRITABLE : 0), true);
    }
    const { context, state } = cpu;
    context.set(CR0, cr0Of(initialState));
    context.set(CR3, DIRECTORY);
    context.set(CR4, PROGRAM_CR4 | this.cr4);
    for (const [field, value] of packedFields(initialState)) state.write(field, value);
    state.u8.set(initialState.packed.subarray(0, 128), X87_BASE);
    state.u8.set(initialState.packed.subarray(128), XMM_BASE);
    context.set(CPL, initialState.cpl);
    initialState.segments.forEach((segment, n) => setSegment(context, n, segment.selector, segment.base, segment.limit, segment.access));
    initialState.registers.forEach((value, n) => state.setGpr(n, value));
    state.write(EFLAGS_SHARED, initialState.eflags & EFLAGS_SHARED_MASK);
    setStatus(state, initialState.eflags);
    state.eip = initialState.eip;
    cpu.v.tlb.flushAll();
    cpu.updateMode();
  }

  /** Executes `steps` instructions, skipped ones included, in runs of at most `slice`. */
  run(program: RandomProgram, steps: number, slice: number): RunResult {
    this.load(program);
    const { core, cpu } = this;
    const { context, state } = cpu;
    const decoded = createDecoded();
    const faults: RecordedFault[] = [];
    let done = 0;
    while (done < steps) {
      const before = core.retired();
      // A program may have written HLT into its code: nothing would wake it.
      if (core.run(Math.min(slice, steps - done)) === "halted") throw new Error("halted");
      done += core.retired() - before;
      const { exception } = core;
      if (!exception) continue;
      const { eip } = state;
      faults.push({ eip: eip >>> 0, ...exception, address: exception.vector === PAGE_FAULT ? context.get(CR2) : 0 });
      const linear = context.segmentBase(CS) + eip;
      state.eip = eip + decoder.decodeBytes(this.ram, linear, linear + 15, program.code32, decoded);
      done++;
    }
    return {
      registers: Array.from({ length: 8 }, (_, n) => state.gpr(n)),
      eip: state.eip >>> 0,
      eflags: getEflags(state, context) & (EFLAGS_STATUS | EFLAGS_SHARED_MASK),
      faults, steps,
      memory: this.ram.slice(0, RAM_BYTES),
      packed: state.u8.slice(PACKED_BEGIN, PACKED_BEGIN + PACKED_BYTES),
    };
  }
}
