// Runs MMX and SSE vectors (test/conformance/capture/sse.c) on the interpreter or the evaluator: state in, one instruction, state out.

import { getStatus, setStatus } from "../../src/cpu/eflags.ts";
import { createDecoded, createDecoder } from "../../src/isa/decoder.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { Row } from "../../src/isa/row.ts";
import {
  CR4, EAX, ECX, EDI, EDX, FAULT, FCW, type Field, FSW, FTOP, FTW, GPR_BASE, MXCSR, X87_BASE, XMM_BASE,
} from "../../src/isa/state-layout.ts";
import { createBareCore } from "./bare-core.ts";
import { codePlaces, flatEvaluator } from "./vector-machine.ts";

const CODE_BYTES = 8, STATE_BYTES = 94;
export const VECTOR_BYTES = CODE_BYTES + 2 * STATE_BYTES;
const STATUS_TOP = 0x3800, STATUS_FLAGS = 0x8d5;
const CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400;
const MEMORY_BYTES = 24;

/** What an instruction works on. Registers of 128 and 80 bits as numbers. */
export interface SseState {
  readonly mxcsr: number;
  readonly flags: number;
  /** Of the x87: status word, and the full registers as bits by physical number. */
  readonly status: number;
  readonly tags: number;
  /** Vector, or 0. */
  readonly fault: number;
  readonly eax: number;
  readonly ecx: number;
  readonly xmm: readonly bigint[];
  /** R0 and R1. */
  readonly mm: readonly bigint[];
  readonly memory: Uint8Array;
}

export interface SseVector {
  readonly code: Uint8Array;
  readonly row: Row;
  readonly before: SseState;
  readonly after: SseState;
}

const decoder = createDecoder(ROWS);

function wide(view: DataView, at: number, bytes: 10 | 16): bigint {
  const high = bytes === 10 ? BigInt(view.getUint16(at + 8, true)) : view.getBigUint64(at + 8, true);
  return (high << 64n) | view.getBigUint64(at, true);
}

function setWide(view: DataView, at: number, value: bigint, bytes: 10 | 16): void {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  if (bytes === 10) view.setUint16(at + 8, Number(value >> 64n), true);
  else view.setBigUint64(at + 8, value >> 64n, true);
}

function stateAt(view: DataView, at: number): SseState {
  return {
    mxcsr: view.getUint32(at, true), flags: view.getUint16(at + 4, true), status: view.getUint16(at + 6, true), tags: view.getUint8(at + 8), fault: view.getUint8(at + 9),
    eax: view.getUint32(at + 10, true), ecx: view.getUint32(at + 14, true),
    xmm: [wide(view, at + 18, 16), wide(view, at + 34, 16)], mm: [wide(view, at + 50, 10), wide(view, at + 60, 10)],
    memory: new Uint8Array(view.buffer, view.byteOffset + at + 70, MEMORY_BYTES),
  };
}

export function* parseSseVectors(bytes: Uint8Array): Generator<SseVector> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoded = createDecoded();
  for (let at = 0; at < bytes.length; at += VECTOR_BYTES) {
    const code = bytes.subarray(at, at + CODE_BYTES);
    decoder.decodeBytes(code, 0, CODE_BYTES, true, decoded);
    if (!decoded.row) throw new Error(`${code.join()} is no instruction`);
    yield { code, row: decoded.row, before: stateAt(view, at + CODE_BYTES), after: stateAt(view, at + CODE_BYTES + STATE_BYTES) };
  }
}

function loadState(view: DataView, before: SseState, set: (field: Field, value: number) => void): void {
  set(MXCSR, before.mxcsr);
  set(FCW, 0x37f);
  set(FSW, before.status & ~STATUS_TOP);
  set(FTOP, (before.status & STATUS_TOP) >> 11);
  let tags = 0;
  for (let n = 0; n < 8; n++) if ((before.tags & (1 << n)) === 0) tags |= 3 << (2 * n);
  set(FTW, tags);
  before.xmm.forEach((value, n) => setWide(view, XMM_BASE + n * 16, value, 16));
  before.mm.forEach((value, n) => setWide(view, X87_BASE + n * 16, value, 10));
  view.setUint32(GPR_BASE + EAX * 4, before.eax, true);
  view.setUint32(GPR_BASE + ECX * 4, before.ecx, true);
  view.setUint32(GPR_BASE + EDX * 4, DATA, true);
  view.setUint32(GPR_BASE + EDI * 4, DATA, true);
}

function readState(view: DataView, get: (field: Field) => number, flags: number, fault: number, memory: Uint8Array): SseState {
  const emptiness = get(FTW);
  let tags = 0;
  for (let n = 0; n < 8; n++) if (((emptiness >> (2 * n)) & 3) !== 3) tags |= 1 << n;
  return {
    mxcsr: get(MXCSR), flags, status: get(FSW) | (get(FTOP) << 11), tags, fault,
    eax: view.getUint32(GPR_BASE + EAX * 4, true), ecx: view.getUint32(GPR_BASE + ECX * 4, true),
    xmm: [0, 1].map((n) => wide(view, XMM_BASE + n * 16, 16)), mm: [0, 1].map((n) => wide(view, X87_BASE + n * 16, 10)), memory,
  };
}

const DATA = 0x8000, CODE = 0x1_0000, CODE_STRIDE = 16;

export function createSseInterpreter(): (vector: SseVector) => SseState {
  const { core, cpu, ram, memory } = createBareCore(1 << 20);
  cpu.context.set(CR4, CR4_OSFXSR | CR4_OSXMMEXCPT);
  const placeOf = codePlaces(ram, CODE, CODE_STRIDE);
  return ({ code, before }) => {
    const { state } = cpu;
    loadState(memory, before, (field, value) => state.write(field, value));
    setStatus(state, before.flags);
    ram.set(before.memory, DATA);
    state.eip = placeOf(code);
    core.run(1);
    const fault = core.exception?.vector ?? 0;
    return readState(memory, (field) => state.read(field), getStatus(state) & STATUS_FLAGS, fault, ram.slice(DATA, DATA + MEMORY_BYTES));
  };
}

export function createSseEvaluator(): (vector: SseVector) => SseState {
  const ram = new Uint8Array(MEMORY_BYTES), { view, builder, step } = flatEvaluator(ram, DATA);
  builder.set(CR4, CR4_OSFXSR | CR4_OSXMMEXCPT);
  const decoded = createDecoded();
  return ({ code, before }) => {
    loadState(view, before, (field, value) => builder.set(field, value));
    builder.setStatusFlags(before.flags);
    builder.set(FAULT, 0);
    ram.set(before.memory);
    decoder.decodeBytes(code, 0, CODE_BYTES, true, decoded);
    const { fault } = step(decoded, CODE);
    return readState(view, (field) => Number(builder.get(field)), Number(builder.statusFlags()), fault?.vector ?? 0, ram.slice());
  };
}
