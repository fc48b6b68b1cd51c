// Runs one instruction, given as bytes, on the evaluating back-end: state in, state out.

import { createDecoded, createDecoder } from "../../src/isa/decoder.ts";
import type { HelperName } from "../../src/isa/builder.ts";
import { createEvaluator, type Fault } from "../../src/isa/evaluator.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import {
  CONTEXT_V, CPL, CR0, CS, DS, EFLAGS_SHARED, EFLAGS_SHARED_MASK, EIP, ES, FAULT, FAULT_ERROR, FAULT_HAS_ERROR, type Field, FS, GS,
  registerAddress, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE, SS, STATE_BASE, STATE_BYTES,
} from "../../src/isa/state-layout.ts";

const decoder = createDecoder(ROWS);

export const REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] as const;
export type RegisterName = (typeof REGISTERS)[number];
const SEGMENTS = { es: ES, cs: CS, ss: SS, ds: DS, fs: FS, gs: GS } as const;
const PRESENT_WRITABLE = 0x93, BIG = 0x4000;

export interface Setup extends Partial<Record<RegisterName, number>> {
  /** The instruction in hex. */
  readonly code: string;
  /** Code size, and stack size unless `stack` says otherwise. 32 if absent. */
  readonly bits?: 16 | 32;
  readonly stack?: 16 | 32;
  readonly eip?: number;
  /** Status flags, DF and TF. */
  readonly flags?: number;
  readonly cpl?: number;
  /** Segment bases and limits; flat segments of 4 GB (64 KB with 16-bit code) if absent. */
  readonly segments?: Partial<Record<keyof typeof SEGMENTS, { readonly selector?: number; readonly base?: number; readonly limit?: number }>>;
  /** Bytes by linear address. */
  readonly memory?: Readonly<Record<number, readonly number[]>>;
  readonly fields?: readonly (readonly [Field, number])[];
  /** The fault that an access raises. */
  readonly faultAt?: (linear: number, bytes: number, write: boolean) => Fault | null;
  /** Stands for the accelerator of repeated string instructions; the element loop alone if absent. Returns elements done. */
  readonly bulk?: (args: readonly number[], machine: Outcome) => number;
  readonly helper?: (name: HelperName, args: readonly number[], machine: Outcome) => number;
}

export interface Outcome extends Record<RegisterName, number> {
  fault: Fault | null;
  suspended: boolean;
  eip: number;
  /** Status flags, DF and TF. */
  flags: number;
  readonly mnemonic: string;
  /** Helper calls in order: name, then arguments. */
  readonly calls: (readonly [HelperName, ...number[]])[];
  /** Linear addresses written, in order. */
  readonly writes: number[];
  byte(linear: number): number;
  word(linear: number): number;
  dword(linear: number): number;
  field(field: Field): number;
  setField(field: Field, value: number): void;
  /** A general register as it is now, also while a helper runs. */
  register(name: RegisterName): number;
  setRegister(name: RegisterName, value: number): void;
  /** Makes the instruction end with a fault: for `helper`. */
  raise(vector: number, errorCode: number | null): void;
  setStatus(image: number): void;
  /** Runs the same instruction again from the state it left. */
  again(): Outcome;
}

export function run(setup: Setup): Outcome {
  const bits = setup.bits ?? 32;
  const state = new DataView(new ArrayBuffer(CONTEXT_V + 0x200));
  if (STATE_BASE + STATE_BYTES > state.byteLength) throw new Error("state does not fit");
  const memory = new Map<number, number>();
  for (const [at, bytes] of Object.entries(setup.memory ?? {}))
    for (const [n, byte] of bytes.entries()) memory.set((Number(at) + n) >>> 0, byte);
  const calls: (readonly [HelperName, ...number[]])[] = [];
  const writes: number[] = [];

  const { builder, step } = createEvaluator({
    state,
    memory: {
      read: (linear) => memory.get(linear) ?? 0,
      write: (linear, byte) => {
        writes.push(linear);
        memory.set(linear, byte);
      },
      ...(setup.faultAt ? { fault: setup.faultAt } : {}),
    },
    helper: (name, args) => {
      calls.push([name, ...args]);
      return setup.helper?.(name, args, outcome) ?? 0;
    },
  });

  const { bulk } = setup;
  if (bulk) {
    const others = builder.helper.bind(builder);
    builder.helper = (name, ...args) => (name === "bulkString" ? bulk(args.map(Number), outcome) : others(name, ...args));
  }

  for (const [name, index] of Object.entries(SEGMENTS)) {
    const given = setup.segments?.[name as keyof typeof SEGMENTS];
    const at = CONTEXT_V + index * SEGMENT_STRIDE;
    const size = index === SS ? (setup.stack ?? bits) : bits;
    state.setUint16(at + SEG_SELECTOR, given?.selector ?? 0, true);
    state.setUint32(at + SEG_BASE, given?.base ?? 0, true);
    state.setUint32(at + SEG_LIMIT, given?.limit ?? (bits === 16 ? 0xffff : 0xffffffff), true);
    state.setUint32(at + SEG_ACCESS, (index === CS ? 0x9b : PRESENT_WRITABLE) | (size === 32 ? BIG : 0), true);
  }
  for (const [n, name] of REGISTERS.entries()) state.setUint32(registerAddress(n, 4), (setup[name] ?? 0) >>> 0, true);
  const flags = setup.flags ?? 0;
  builder.set(EFLAGS_SHARED, flags & EFLAGS_SHARED_MASK);
  builder.setStatusFlags(flags);
  builder.set(CR0, 1);
  builder.set(CPL, setup.cpl ?? 0);
  for (const [field, value] of setup.fields ?? []) builder.set(field, value | 0);

  const bytes = Uint8Array.from(setup.code.replace(/ /g, "").match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  const decoded = createDecoded();
  const length = decoder.decodeBytes(bytes, 0, bytes.length, bits === 32, decoded);
  if (length !== bytes.length) throw new Error(`${setup.code} decodes to ${length} bytes`);

  const read = (linear: number, count: number): number => {
    let value = 0;
    for (let n = count - 1; n >= 0; n--) value = value * 256 + (memory.get((linear + n) >>> 0) ?? 0);
    return value;
  };
  const outcome = {
    fault: null, suspended: false, eip: 0, flags: 0, mnemonic: decoded.row?.mnemonic ?? "", calls, writes,
    byte: (linear: number) => read(linear, 1),
    word: (linear: number) => read(linear, 2),
    dword: (linear: number) => read(linear, 4),
    field: (field: Field) => Number(builder.get(field)) >>> 0,
    setField: (field: Field, value: number) => builder.set(field, value | 0),
    register: (name: RegisterName) => state.getUint32(registerAddress(REGISTERS.indexOf(name), 4), true),
    setRegister: (name: RegisterName, value: number) => state.setUint32(registerAddress(REGISTERS.indexOf(name), 4), value >>> 0, true),
    raise: (vector: number, errorCode: number | null) => {
      builder.set(FAULT, vector + 1);
      builder.set(FAULT_ERROR, errorCode ?? 0);
      builder.set(FAULT_HAS_ERROR, errorCode === null ? 0 : 1);
    },
    setStatus: (image: number) => builder.setStatusFlags(image),
    again: () => execute(Number(builder.get(EIP)) >>> 0),
  } as unknown as Outcome;

  function execute(eip: number): Outcome {
    const result = step(decoded, eip);
    outcome.fault = result.fault;
    outcome.suspended = result.suspended;
    outcome.eip = result.eip >>> 0;
    outcome.flags = Number(builder.statusFlags()) | Number(builder.get(EFLAGS_SHARED));
    for (const [n, name] of REGISTERS.entries()) outcome[name] = state.getUint32(registerAddress(n, 4), true);
    return outcome;
  }
  return execute(setup.eip ?? 0x1000);
}
