// Runs x87 vectors (test/conformance/capture/x87.c) on the interpreter or the evaluator: state in, one instruction, state out.

import { getStatus, setStatus } from "../../src/cpu/eflags.ts";
import { createDecoded, createDecoder } from "../../src/isa/decoder.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { Row } from "../../src/isa/row.ts";
import { EDX, FCW, type Field, FSW, FTOP, FTW, GPR_BASE, X87_BASE } from "../../src/isa/state-layout.ts";
import { createBareCore } from "./bare-core.ts";
import { codePlaces, flatEvaluator } from "./vector-machine.ts";

const CODE_BYTES = 4, STATE_BYTES = 104, VECTOR_BYTES = CODE_BYTES + 2 * STATE_BYTES;
const ST_AT = 8, MEMORY_AT = 88, MEMORY_BYTES = 16;
const STATUS_TOP = 0x3800, STATUS_FLAGS = 0x8d5;

/** What an x87 instruction works on. `st`: ST(0) to ST(7), sign and exponent above the significand. */
export interface X87State {
  readonly control: number;
  readonly status: number;
  /** Full tag word. */
  readonly tags: number;
  readonly flags: number;
  readonly st: readonly bigint[];
  readonly memory: Uint8Array;
}

export interface X87Vector {
  readonly code: Uint8Array;
  readonly row: Row;
  readonly before: X87State;
  readonly after: X87State;
}

const decoder = createDecoder(ROWS);

export function parseVectors(bytes: Uint8Array): X87Vector[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stateAt = (at: number): X87State => {
    const [control, status, tags, flags] = [0, 2, 4, 6].map((offset) => view.getUint16(at + offset, true)) as [number, number, number, number];
    const st = Array.from({ length: 8 }, (_, n) => {
      const place = at + ST_AT + n * 10;
      return (BigInt(view.getUint16(place + 8, true)) << 64n) | view.getBigUint64(place, true);
    });
    return { control, status, tags, flags, st, memory: bytes.slice(at + MEMORY_AT, at + MEMORY_AT + MEMORY_BYTES) };
  };
  const vectors: X87Vector[] = [];
  const decoded = createDecoded();
  for (let at = 0; at < bytes.length; at += VECTOR_BYTES) {
    const code = bytes.slice(at, at + CODE_BYTES);
    decoder.decodeBytes(code, 0, CODE_BYTES, true, decoded);
    if (!decoded.row) throw new Error(`${code.join()} is no instruction`);
    vectors.push({ code, row: decoded.row, before: stateAt(at + CODE_BYTES), after: stateAt(at + CODE_BYTES + STATE_BYTES) });
  }
  return vectors;
}

function loadState(view: DataView, before: X87State, set: (field: Field, value: number) => void): void {
  const top = (before.status & STATUS_TOP) >> 11;
  set(FCW, before.control);
  set(FSW, before.status & ~STATUS_TOP);
  set(FTOP, top);
  set(FTW, before.tags);
  before.st.forEach((value, n) => {
    const at = X87_BASE + ((top + n) & 7) * 16;
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
    view.setUint16(at + 8, Number(value >> 64n), true);
  });
}

function readState(view: DataView, get: (field: Field) => number, flags: number, memory: Uint8Array): X87State {
  const top = get(FTOP), emptiness = get(FTW);
  const physical = Array.from({ length: 8 }, (_, n) => (BigInt(view.getUint16(X87_BASE + n * 16 + 8, true)) << 64n) | view.getBigUint64(X87_BASE + n * 16, true));
  const tags = physical.reduce((word, value, n) => word | ((((emptiness >> (2 * n)) & 3) === 3 ? 3 : classOf(value)) << (2 * n)), 0);
  return { control: get(FCW), status: get(FSW) | (top << 11), tags, flags, st: physical.map((_, n) => physical[(top + n) & 7]!), memory };
}

/** Tag of a full register: valid, zero or special. */
function classOf(value: bigint): 0 | 1 | 2 {
  const exponent = (value >> 64n) & 0x7fffn;
  if (exponent === 0n) return BigInt.asUintN(64, value) === 0n ? 1 : 2;
  return exponent !== 0x7fffn && (value >> 63n) & 1n ? 0 : 2;
}

const DATA = 0x8000, CODE = 0x1000, CODE_STRIDE = 16;

export function createX87Interpreter(): (vector: X87Vector) => X87State {
  const { core, cpu, ram, memory } = createBareCore(1 << 20);
  const placeOf = codePlaces(ram, CODE + DATA, CODE_STRIDE);
  return ({ code, before }) => {
    const { state } = cpu;
    loadState(memory, before, (field, value) => state.write(field, value));
    setStatus(state, before.flags);
    ram.set(before.memory, DATA);
    state.setGpr(EDX, DATA);
    state.eip = placeOf(code);
    core.run(1);
    if (core.exception) throw new Error(`exception ${core.exception.vector}`);
    return readState(memory, (field) => state.read(field), getStatus(state) & STATUS_FLAGS, ram.slice(DATA, DATA + MEMORY_BYTES));
  };
}

export function createX87Evaluator(): (vector: X87Vector) => X87State {
  const ram = new Uint8Array(MEMORY_BYTES), { view, builder, step } = flatEvaluator(ram, DATA);
  const decoded = createDecoded();
  return ({ code, before }) => {
    loadState(view, before, (field, value) => builder.set(field, value));
    builder.setStatusFlags(before.flags);
    ram.set(before.memory);
    view.setUint32(GPR_BASE + EDX * 4, DATA, true);
    decoder.decodeBytes(code, 0, CODE_BYTES, true, decoded);
    const { fault } = step(decoded, CODE);
    if (fault) throw new Error(`exception ${fault.vector}`);
    return readState(view, (field) => Number(builder.get(field)), Number(builder.statusFlags()), ram.slice());
  };
}
