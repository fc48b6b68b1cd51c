// Runs a random program on the plain evaluating back-end: what the other back-ends are compared with.
// A faulting instruction is recorded and skipped.

import type { Decoded } from "../../src/isa/decoded.ts";
import { createDecoded, MAX_LENGTH } from "../../src/isa/decoder.ts";
import { createEvaluator, type Evaluator, type Fault, type GuestMemory, type HelperCallback, type Step } from "../../src/isa/evaluator.ts";
import {
  CONTEXT_BYTES, CONTEXT_H, CONTEXT_V, CPL, CR0, CR2, CR4, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EIP, FCS, FCW, FDP, FDS, type Field, FIP, FOP, FSW, FTOP, FTW,
  GPR_BASE, MXCSR, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE, X87_BASE, XMM_BASE,
} from "../../src/isa/state-layout.ts";
import { decoder, type InitialState, PAGE_BYTES, RAM_BYTES, type RandomProgram } from "./random-programs.ts";

const CR0_PE = 1, CR0_ET = 0x10, CR0_WP = 0x1_0000, CR0_AM = 0x4_0000, CR0_PG = 0x8000_0000;
export const PAGE_FAULT = 14;
export const STATE_MEMORY_BYTES = CONTEXT_H + CONTEXT_BYTES;

/** CR0 that the initial state needs. */
export function cr0Of(initial: InitialState): number {
  return CR0_ET | (initial.isProtected ? CR0_PE : 0) | (initial.pages ? CR0_PG | CR0_WP : 0) | (initial.cpl === 3 ? CR0_AM : 0) | 0;
}

export interface RecordedFault {
  readonly eip: number;
  readonly vector: number;
  readonly errorCode: number | null;
  /** CR2 after a page fault, else 0. */
  readonly address: number;
}

export interface RunResult {
  readonly registers: readonly number[];
  readonly eip: number;
  /** Status flags and DF. */
  readonly eflags: number;
  readonly faults: readonly RecordedFault[];
  readonly steps: number;
  readonly memory: Uint8Array;
  /** The x87's words and registers, MXCSR and the XMM registers. */
  readonly packed: Uint8Array;
}

/** CR4 of every program. */
export const PROGRAM_CR4 = 0x600; // OSFXSR, OSXMMEXCPT
/** Words of the x87 and SSE before a program. */
export function packedFields(initial: InitialState): readonly (readonly [Field, number])[] {
  return [[FCW, 0x37f], [FSW, 0], [FTOP, 5], [FTW, 0x3c5a], [FIP, 0], [FCS, 0], [FDP, 0], [FDS, 0], [FOP, 0], [MXCSR, initial.mxcsr]];
}
/** All of it, in one piece of the state. */
export const PACKED_BEGIN = X87_BASE, PACKED_BYTES = XMM_BASE + 128 - X87_BASE;

/** A program that wrote into its own code came to an instruction that needs a machine: it ends there. */
class HelperCalled extends Error {}

function noHelper(name: string): never {
  throw new HelperCalled(name);
}

export interface ReferenceMachine {
  readonly evaluator: Evaluator;
  readonly state: DataView;
  readonly memory: Uint8Array;
  /** Decodes at the present EIP; null where the program ends or its bytes are no instruction. */
  decodeNext(): Decoded | null;
  /** Executes what was decoded, a suspended repetition to its end; null where it needs a helper and there is none. */
  execute(decoded: Decoded): Step | null;
  eip(): number;
}

export function createReferenceMachine(program: RandomProgram, helper: HelperCallback = noHelper): ReferenceMachine {
  const state = new DataView(new ArrayBuffer(STATE_MEMORY_BYTES));
  const memory = program.memory.slice();
  const { initialState } = program;
  const { pages } = initialState;
  const setContext = (offset: number, value: number) => state.setInt32(CONTEXT_V + offset, value | 0, true);

  const guest: GuestMemory = {
    read: (linear) => {
      if (linear >= RAM_BYTES) throw new RangeError(`read of ${linear.toString(16)} beyond RAM`);
      return memory[linear] as number;
    },
    write: (linear, byte) => {
      if (linear >= RAM_BYTES) throw new RangeError(`write of ${linear.toString(16)} beyond RAM`);
      memory[linear] = byte;
    },
  };
  if (pages) {
    guest.fault = (linear, bytes, write): Fault | null => {
      for (let at = linear; ; at = Math.min((at & -PAGE_BYTES) + PAGE_BYTES, linear + bytes - 1)) {
        const page = (at >>> 0) / PAGE_BYTES;
        const permission = page < pages.length ? (pages[Math.floor(page)] as number) : 0;
        if (permission === 0 || (write && permission === 1)) {
          setContext(CR2.offset, at);
          return { vector: PAGE_FAULT, errorCode: (permission === 0 ? 0 : 1) | (write ? 2 : 0) | (initialState.cpl === 3 ? 4 : 0) };
        }
        if (at >= linear + bytes - 1) return null;
      }
    };
  }

  const evaluator = createEvaluator({ state, memory: guest, helper });
  initialState.registers.forEach((value, n) => void state.setInt32(GPR_BASE + n * 4, value, true));
  initialState.segments.forEach((segment, n) => {
    const at = CONTEXT_V + n * SEGMENT_STRIDE;
    state.setUint16(at + SEG_SELECTOR, segment.selector, true);
    state.setInt32(at + SEG_BASE, segment.base, true);
    state.setUint32(at + SEG_LIMIT, segment.limit, true);
    state.setInt32(at + SEG_ACCESS, segment.access, true);
  });
  setContext(CR0.offset, cr0Of(initialState));
  setContext(CR4.offset, PROGRAM_CR4);
  for (const [field, value] of packedFields(initialState)) state.setInt32(field.offset, value, true);
  const registers = new Uint8Array(state.buffer);
  registers.set(initialState.packed.subarray(0, 128), X87_BASE);
  registers.set(initialState.packed.subarray(128), XMM_BASE);
  setContext(CPL.offset, initialState.cpl);
  state.setInt32(EFLAGS_SHARED.offset, initialState.eflags & EFLAGS_SHARED_MASK, true);
  evaluator.builder.setStatusFlags(initialState.eflags);
  state.setInt32(EIP.offset, initialState.eip, true);

  const decoded = createDecoded();
  const eip = () => state.getUint32(EIP.offset, true);
  const end = program.initialState.eip + program.bytes.length;
  return {
    evaluator, state, memory, eip,
    execute: (decoded) => {
      const at = eip();
      try {
        let step = evaluator.step(decoded, at);
        while (step.suspended) step = evaluator.step(decoded, at);
        return step;
      } catch (error) {
        if (!(error instanceof HelperCalled)) throw error;
        state.setInt32(EIP.offset, at, true);
        return null;
      }
    },
    decodeNext: () => {
      const at = eip();
      if (at < initialState.eip || at >= end) return null;
      const linear = program.codeAddress + at - initialState.eip;
      const length = decoder.decodeBytes(memory, linear, linear + 16, program.code32, decoded);
      // A program may write such an instruction into its code: it ends there.
      return length > MAX_LENGTH ? null : decoded;
    },
  };
}

/** Runs to the end of the program, to an instruction that needs a helper where there is none, or for `maxSteps` instructions. */
export function runOnEvaluator(program: RandomProgram, maxSteps: number, helper?: HelperCallback): RunResult {
  const machine = createReferenceMachine(program, helper);
  const { evaluator, state } = machine;
  const faults: RecordedFault[] = [];
  let steps = 0;
  for (; steps < maxSteps; steps++) {
    const decoded = machine.decodeNext();
    if (!decoded) break;
    const eip = machine.eip();
    const step = machine.execute(decoded);
    if (!step) break;
    if (step.fault) {
      faults.push({ eip, ...step.fault, address: step.fault.vector === PAGE_FAULT ? state.getInt32(CONTEXT_V + CR2.offset, true) : 0 });
      state.setInt32(EIP.offset, eip + decoded.length, true);
    }
  }
  return {
    registers: Array.from({ length: 8 }, (_, n) => state.getInt32(GPR_BASE + n * 4, true)),
    eip: machine.eip(),
    eflags: (evaluator.builder.statusFlags() as number) | state.getInt32(EFLAGS_SHARED.offset, true),
    faults, steps,
    memory: machine.memory,
    packed: new Uint8Array(state.buffer, PACKED_BEGIN, PACKED_BYTES).slice(),
  };
}
