// Builder that computes at once: numbers for 32-bit values, bigints for 64-bit ones, Vector for 128-bit ones. Obvious, slow and strict: the oracle
// of the interpreter and the translator. A value of another kind than the one that belongs is an error here.

import type { Builder, ConditionCode, FlagKind, HelperName, SegmentRef, SharedFunction, ValueKind, Variable, Width } from "./builder.ts";
import { evaluateShift, evaluateTest, evaluateVector, join, split } from "./evaluating-vectors.ts";
import * as flags from "./flags.ts";
import {
  ACCESS_UNUSABLE, CPL, CR0, CS, EFLAGS_AC, EFLAGS_SHARED, EIP, FAULT, FAULT_ERROR, FAULT_HAS_ERROR, type Field, registerAddress, SEG_ACCESS,
  SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE, SS,
} from "./state-layout.ts";
import type { LaneShape, VectorOperation, VectorShift, VectorTest } from "./vector-operation.ts";

/** A 128-bit value. */
export class Vector {
  readonly bits: bigint;
  constructor(bits: bigint) {
    this.bits = BigInt.asUintN(128, bits);
  }
}
export type Value = number | bigint | Vector;

export interface Fault {
  readonly vector: number;
  /** Null: the vector has no error code. */
  readonly errorCode: number | null;
}

/** Guest memory by linear address. */
export interface GuestMemory {
  read(linear: number): number;
  write(linear: number, byte: number): void;
  /** The fault that an access to these bytes raises, if any. Asked before each access, and before a write's first byte. */
  fault?(linear: number, bytes: number, write: boolean): Fault | null;
}

export type HelperCallback = (name: HelperName, args: readonly number[]) => number;

/** The instruction ended before its meaning did. */
export class InstructionEnd extends Error {
  readonly reason: "fault" | "suspended";
  constructor(reason: "fault" | "suspended") {
    super(`instruction ended: ${reason}`);
    this.reason = reason;
  }
}

const DIVIDE_ERROR_IN_MEANING = "division by zero or quotient too large: the meaning has to test first";
const EXPAND_DOWN = 4, CODE = 8, READABLE_OR_WRITABLE = 2, BIG = 1 << 14;
const VECTOR_SS = 12, VECTOR_GP = 13, VECTOR_AC = 17;
const CR0_AM = 0x4_0000;

export function asInt(value: Value): number {
  if (typeof value !== "number") throw new TypeError(`${typeof value} used as 32-bit value`);
  return value | 0;
}
function asLong(value: Value): bigint {
  if (typeof value !== "bigint") throw new TypeError(`${typeof value} used as 64-bit value`);
  return BigInt.asUintN(64, value);
}
function asVector(value: Value): bigint {
  if (!(value instanceof Vector)) throw new TypeError(`${typeof value} used as 128-bit value`);
  return value.bits;
}
const LANE_BITS: Readonly<Record<LaneShape, number>> = { i16x8: 16, i32x4: 32, i64x2: 64 };
const signed = (value: Value) => BigInt.asIntN(64, asLong(value));
const bit = (condition: boolean) => (condition ? 1 : 0);

/** What one instruction gives its builder. */
export interface EvaluationContext {
  /** Segment of the decoded memory operand. */
  readonly operandSegment: number;
  readonly relativeTarget: number;
}

export class EvaluatingBuilder implements Builder<Value> {
  instruction: EvaluationContext = { operandSegment: -1, relativeTarget: 0 };
  private readonly state: DataView;
  private readonly context: number;
  private readonly memory: GuestMemory;
  private readonly callback: HelperCallback;

  constructor(state: DataView, context: number, memory: GuestMemory, callback: HelperCallback) {
    this.state = state;
    this.context = context;
    this.memory = memory;
    this.callback = callback;
  }

  // --- pure 32-bit
  imm(value: number): Value { return value | 0; }
  add(a: Value, b: Value): Value { return (asInt(a) + asInt(b)) | 0; }
  sub(a: Value, b: Value): Value { return (asInt(a) - asInt(b)) | 0; }
  mul(a: Value, b: Value): Value { return Math.imul(asInt(a), asInt(b)); }
  and(a: Value, b: Value): Value { return asInt(a) & asInt(b); }
  or(a: Value, b: Value): Value { return asInt(a) | asInt(b); }
  xor(a: Value, b: Value): Value { return asInt(a) ^ asInt(b); }
  shl(a: Value, b: Value): Value { return asInt(a) << asInt(b); }
  shrU(a: Value, b: Value): Value { return (asInt(a) >>> asInt(b)) | 0; }
  shrS(a: Value, b: Value): Value { return asInt(a) >> asInt(b); }
  rotl(a: Value, b: Value): Value {
    const count = asInt(b) & 31;
    return count === 0 ? asInt(a) : (asInt(a) << count) | (asInt(a) >>> (32 - count));
  }
  rotr(a: Value, b: Value): Value { return this.rotl(a, -asInt(b)); }
  eq(a: Value, b: Value): Value { return bit(asInt(a) === asInt(b)); }
  ne(a: Value, b: Value): Value { return bit(asInt(a) !== asInt(b)); }
  ltS(a: Value, b: Value): Value { return bit(asInt(a) < asInt(b)); }
  ltU(a: Value, b: Value): Value { return bit(asInt(a) >>> 0 < asInt(b) >>> 0); }
  gtS(a: Value, b: Value): Value { return bit(asInt(a) > asInt(b)); }
  gtU(a: Value, b: Value): Value { return bit(asInt(a) >>> 0 > asInt(b) >>> 0); }
  leS(a: Value, b: Value): Value { return bit(asInt(a) <= asInt(b)); }
  leU(a: Value, b: Value): Value { return bit(asInt(a) >>> 0 <= asInt(b) >>> 0); }
  geS(a: Value, b: Value): Value { return bit(asInt(a) >= asInt(b)); }
  geU(a: Value, b: Value): Value { return bit(asInt(a) >>> 0 >= asInt(b) >>> 0); }
  eqz(a: Value): Value { return bit(asInt(a) === 0); }
  select(condition: Value, whenTrue: Value, whenFalse: Value): Value { return asInt(condition) !== 0 ? asInt(whenTrue) : asInt(whenFalse); }
  clz(a: Value): Value { return Math.clz32(asInt(a)); }
  ctz(a: Value): Value {
    const value = asInt(a);
    return value === 0 ? 32 : 31 - Math.clz32(value & -value);
  }
  popcnt(a: Value): Value {
    let count = 0;
    for (let rest = asInt(a); rest !== 0; rest &= rest - 1) count++;
    return count;
  }
  signExtend(a: Value, width: Width): Value { return (asInt(a) << (32 - width * 8)) >> (32 - width * 8); }
  zeroExtend(a: Value, width: Width): Value { return width === 4 ? asInt(a) : asInt(a) & (width === 1 ? 0xff : 0xffff); }

  // --- pure 64-bit, kept unsigned
  imm64(value: bigint): Value { return BigInt.asUintN(64, value); }
  wrap(a: Value): Value { return Number(BigInt.asIntN(32, asLong(a))); }
  extendU(a: Value): Value { return BigInt(asInt(a) >>> 0); }
  extendS(a: Value): Value { return BigInt.asUintN(64, BigInt(asInt(a))); }
  add64(a: Value, b: Value): Value { return BigInt.asUintN(64, asLong(a) + asLong(b)); }
  sub64(a: Value, b: Value): Value { return BigInt.asUintN(64, asLong(a) - asLong(b)); }
  mul64(a: Value, b: Value): Value { return BigInt.asUintN(64, asLong(a) * asLong(b)); }
  and64(a: Value, b: Value): Value { return asLong(a) & asLong(b); }
  or64(a: Value, b: Value): Value { return asLong(a) | asLong(b); }
  xor64(a: Value, b: Value): Value { return asLong(a) ^ asLong(b); }
  shl64(a: Value, b: Value): Value { return BigInt.asUintN(64, asLong(a) << (asLong(b) & 63n)); }
  shrU64(a: Value, b: Value): Value { return asLong(a) >> (asLong(b) & 63n); }
  shrS64(a: Value, b: Value): Value { return BigInt.asUintN(64, signed(a) >> (asLong(b) & 63n)); }
  divU64(a: Value, b: Value): Value { return asLong(a) / nonzero(asLong(b)); }
  divS64(a: Value, b: Value): Value {
    const quotient = signed(a) / nonzero(signed(b));
    if (BigInt.asIntN(64, quotient) !== quotient) throw new RangeError(DIVIDE_ERROR_IN_MEANING);
    return BigInt.asUintN(64, quotient);
  }
  remU64(a: Value, b: Value): Value { return asLong(a) % nonzero(asLong(b)); }
  remS64(a: Value, b: Value): Value { return BigInt.asUintN(64, signed(a) % nonzero(signed(b))); }
  eq64(a: Value, b: Value): Value { return bit(asLong(a) === asLong(b)); }
  ne64(a: Value, b: Value): Value { return bit(asLong(a) !== asLong(b)); }
  ltU64(a: Value, b: Value): Value { return bit(asLong(a) < asLong(b)); }
  ltS64(a: Value, b: Value): Value { return bit(signed(a) < signed(b)); }
  eqz64(a: Value): Value { return bit(asLong(a) === 0n); }
  select64(condition: Value, whenTrue: Value, whenFalse: Value): Value { return asInt(condition) !== 0 ? asLong(whenTrue) : asLong(whenFalse); }
  clz64(a: Value): Value {
    let count = 0n;
    for (let probe = 1n << 63n; probe !== 0n && (asLong(a) & probe) === 0n; probe >>= 1n) count++;
    return count;
  }
  ctz64(a: Value): Value {
    let count = 0n;
    while (count < 64n && ((asLong(a) >> count) & 1n) === 0n) count++;
    return count;
  }

  // --- pure 128-bit
  imm128(value: bigint): Value { return new Vector(value); }
  vector(operation: VectorOperation, ...operands: Value[]): Value {
    const [x, y, z] = operands.map(asVector);
    return new Vector(evaluateVector(operation, x!, y, z));
  }
  vectorShift(operation: VectorShift, value: Value, count: Value): Value { return new Vector(evaluateShift(operation, asVector(value), asInt(count))); }
  vectorTest(operation: VectorTest, value: Value): Value { return evaluateTest(operation, asVector(value)); }
  splat(shape: LaneShape, lane: Value): Value {
    const bits = LANE_BITS[shape];
    return new Vector(join(new Array<bigint>(128 / bits).fill(laneBits(shape, lane)), bits));
  }
  lane(shape: LaneShape, vector: Value, index: number): Value {
    const bits = split(asVector(vector), LANE_BITS[shape])[index]!;
    return shape === "i64x2" ? bits : Number(BigInt.asIntN(32, bits));
  }
  withLane(shape: LaneShape, vector: Value, index: number, lane: Value): Value {
    return new Vector(join(split(asVector(vector), LANE_BITS[shape]).with(index, laneBits(shape, lane)), LANE_BITS[shape]));
  }
  shuffle(a: Value, b: Value, bytes: readonly number[]): Value {
    const both = [...split(asVector(a), 8), ...split(asVector(b), 8)];
    return new Vector(join(bytes.map((number) => both[number]!), 8));
  }
  select128(condition: Value, whenTrue: Value, whenFalse: Value): Value { return new Vector(asInt(condition) !== 0 ? asVector(whenTrue) : asVector(whenFalse)); }

  // --- names
  let(value: Value): Value { return asInt(value); }
  let64(value: Value): Value { return asLong(value); }
  let128(value: Value): Value { return new Vector(asVector(value)); }
  variable(initial: Value): Variable<Value> {
    let present = asInt(initial);
    return { get: () => present, set: (value) => { present = asInt(value); } };
  }
  variable64(initial: Value): Variable<Value> {
    let present = asLong(initial);
    return { get: () => present, set: (value) => { present = asLong(value); } };
  }
  variable128(initial: Value): Variable<Value> {
    let present = asVector(initial);
    return { get: () => new Vector(present), set: (value) => { present = asVector(value); } };
  }

  // --- processor state
  get(field: Field): Value { return this.state.getInt32(this.addressOf(field), true); }
  set(field: Field, value: Value): void { this.state.setInt32(this.addressOf(field), asInt(value), true); }
  gpr(index: number, width: Width): Value { return this.stateLoad(registerAddress(index, width), width); }
  setGpr(index: number, width: Width, value: Value): void { this.stateStore(registerAddress(index, width), width, value); }
  stateLoad(address: Value, width: Width): Value {
    const at = asInt(address);
    return width === 1 ? this.state.getUint8(at) : width === 2 ? this.state.getUint16(at, true) : this.state.getInt32(at, true);
  }
  stateStore(address: Value, width: Width, value: Value): void {
    const at = asInt(address);
    if (width === 1) this.state.setUint8(at, asInt(value));
    else if (width === 2) this.state.setUint16(at, asInt(value), true);
    else this.state.setInt32(at, asInt(value), true);
  }
  stateLoad64(address: Value): Value { return this.state.getBigUint64(asInt(address), true); }
  stateStore64(address: Value, value: Value): void { this.state.setBigUint64(asInt(address), asLong(value), true); }
  stateLoad128(address: Value): Value {
    const at = asInt(address);
    return new Vector((this.state.getBigUint64(at + 8, true) << 64n) | this.state.getBigUint64(at, true));
  }
  stateStore128(address: Value, value: Value): void {
    const at = asInt(address), bits = asVector(value);
    this.state.setBigUint64(at, BigInt.asUintN(64, bits), true);
    this.state.setBigUint64(at + 8, bits >> 64n, true);
  }
  moveBytes(to: Value, from: Value, count: Value): void { this.bytes().copyWithin(asInt(to), asInt(from), asInt(from) + asInt(count)); }
  fillBytes(at: Value, value: Value, count: Value): void { this.bytes().fill(asInt(value), asInt(at), asInt(at) + asInt(count)); }
  private bytes(): Uint8Array { return new Uint8Array(this.state.buffer, this.state.byteOffset, this.state.byteLength); }
  segment(ref: SegmentRef, part: number): Value {
    const address = this.context + this.segmentNumber(ref) * SEGMENT_STRIDE + part;
    return part === SEG_SELECTOR ? this.state.getUint16(address, true) : this.state.getInt32(address, true);
  }

  private addressOf(field: Field): number {
    return field.context ? this.context + field.offset : field.offset;
  }
  private segmentNumber(ref: SegmentRef): number {
    if (ref !== "operand") return ref;
    if (this.instruction.operandSegment < 0) throw new Error("the instruction has no memory operand");
    return this.instruction.operandSegment;
  }

  // --- guest memory
  /** Segment checks (SDM Vol. 3 sections 5.3 to 5.5), then the linear address. */
  linear(ref: SegmentRef, offset: Value, bytes: number, write: boolean): number {
    const first = asInt(offset) >>> 0;
    const access = asInt(this.segment(ref, SEG_ACCESS));
    const limit = asInt(this.segment(ref, SEG_LIMIT)) >>> 0;
    const usable = (access & ACCESS_UNUSABLE) === 0;
    const permitted = access & CODE ? !write && (access & READABLE_OR_WRITABLE) !== 0 : !write || (access & READABLE_OR_WRITABLE) !== 0;
    if (!usable || !permitted) this.raiseFault({ vector: VECTOR_GP, errorCode: 0 });
    const expandDown = (access & CODE) === 0 && (access & EXPAND_DOWN) !== 0;
    const last = first + bytes - 1;
    // Offsets wrap at 4 GB, in a 4 GB segment without a fault.
    const outside = expandDown
      ? first <= limit || last > (access & BIG ? 0xffff_ffff : 0xffff)
      : last > limit && limit !== 0xffff_ffff;
    if (outside) this.raiseFault({ vector: this.segmentNumber(ref) === SS ? VECTOR_SS : VECTOR_GP, errorCode: 0 });
    return (asInt(this.segment(ref, SEG_BASE)) + first) >>> 0;
  }

  /** As `linear`, and the access cannot fault any more: page faults, then alignment (SDM Vol. 3 section 6.9). */
  private proved(ref: SegmentRef, offset: Value, bytes: number, write: boolean): number {
    const linear = this.pageProved(ref, offset, bytes, write);
    if ((linear & (bytes - 1)) !== 0 && this.checksAlignment()) this.raiseFault({ vector: VECTOR_AC, errorCode: 0 });
    return linear;
  }
  private pageProved(ref: SegmentRef, offset: Value, bytes: number, write: boolean): number {
    const linear = this.linear(ref, offset, bytes, write);
    const fault = this.memory.fault?.(linear, bytes, write) ?? null;
    if (fault) this.raiseFault(fault);
    return linear;
  }
  private checksAlignment(): boolean {
    return this.get(CPL) === 3 && (asInt(this.get(CR0)) & CR0_AM) !== 0 && (asInt(this.get(EFLAGS_SHARED)) & EFLAGS_AC) !== 0;
  }
  readBytes(linear: number, bytes: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.memory.read((linear + i) >>> 0));
    return value;
  }
  writeBytes(linear: number, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) this.memory.write((linear + i) >>> 0, Number((value >> BigInt(i * 8)) & 0xffn));
  }
  load(ref: SegmentRef, offset: Value, width: Width): Value {
    return Number(BigInt.asIntN(32, this.readBytes(this.proved(ref, offset, width, false), width)));
  }
  store(ref: SegmentRef, offset: Value, width: Width, value: Value): void {
    this.writeBytes(this.proved(ref, offset, width, true), width, BigInt(asInt(value) >>> 0));
  }
  load64(ref: SegmentRef, offset: Value): Value { return this.readBytes(this.proved(ref, offset, 8, false), 8); }
  store64(ref: SegmentRef, offset: Value, value: Value): void { this.writeBytes(this.proved(ref, offset, 8, true), 8, asLong(value)); }
  /** The alignment that #GP enforces is judged before paging: it needs the linear address alone. */
  private proved128(ref: SegmentRef, offset: Value, write: boolean, aligned: boolean): number {
    const linear = this.linear(ref, offset, 16, write);
    if (aligned && (linear & 15) !== 0) this.raiseFault({ vector: VECTOR_GP, errorCode: 0 });
    return this.proved(ref, offset, 16, write);
  }
  load128(ref: SegmentRef, offset: Value, aligned: boolean): Value { return new Vector(this.readBytes(this.proved128(ref, offset, false, aligned), 16)); }
  store128(ref: SegmentRef, offset: Value, value: Value, aligned: boolean): void {
    this.writeBytes(this.proved128(ref, offset, true, aligned), 16, asVector(value));
  }
  probeWrite(ref: SegmentRef, offset: Value, bytes: number): void { this.pageProved(ref, offset, bytes, true); }
  /** The address of a place that is read now and written later in the instruction. */
  proveWritable(ref: SegmentRef, offset: Value, bytes: number): number { return this.proved(ref, offset, bytes, true); }

  // --- status flags
  flags(kind: FlagKind, width: Width, x: Value, y: Value, result: Value): void { flags.lowerFlags(this, kind, width, x, y, result); }
  flagsExplicit(width: Width, result: Value, cf: Value, of: Value, af: Value): void { flags.lowerFlagsExplicit(this, width, result, cf, of, af); }
  setCarryOverflow(cf: Value, of: Value): void { flags.lowerSetCarryOverflow(this, cf, of); }
  condition(code: ConditionCode): Value { return flags.lowerCondition(this, code); }
  carry(): Value { return flags.lowerCarry(this); }
  statusFlags(): Value { return flags.lowerStatusFlags(this); }
  setStatusFlags(image: Value): void { flags.lowerSetStatusFlags(this, image); }
  flagsOrdered(less: Value, equal: Value, unordered: Value): void { flags.lowerFlagsOrdered(this, less, equal, unordered); }

  // --- control inside the instruction
  when(condition: Value, then: () => void, otherwise?: () => void): void {
    if (asInt(condition) !== 0) then();
    else otherwise?.();
  }
  rarely(condition: Value, then: () => void): void { this.when(condition, then); }
  hasPassed(): boolean { return false; }
  readonly stackKnown = false;
  insist(): void { throw new Error("the x87 stack is not known"); }
  rememberPointers(): void { throw new Error("the x87 stack is not known"); }
  loop(body: () => Value): void {
    while (asInt(body()) !== 0);
  }
  call(shared: SharedFunction, ...args: Value[]): readonly Value[] {
    return asKinds(shared.results, shared.body(this, asKinds(shared.params, args)));
  }

  // --- ends of the instruction
  raise(vector: number, errorCode?: Value): void {
    this.raiseFault({ vector, errorCode: errorCode === undefined ? null : asInt(errorCode) });
  }
  raiseFault(fault: Fault): never {
    this.set(FAULT, fault.vector + 1);
    this.set(FAULT_ERROR, fault.errorCode ?? 0);
    this.set(FAULT_HAS_ERROR, bit(fault.errorCode !== null));
    throw new InstructionEnd("fault");
  }
  jump(target: Value): void {
    if (asInt(target) >>> 0 > asInt(this.segment(CS, SEG_LIMIT)) >>> 0) this.raiseFault({ vector: VECTOR_GP, errorCode: 0 });
    this.set(EIP, target);
  }
  jumpRelative(condition?: Value): void {
    if (condition === undefined || asInt(condition) !== 0) this.jump(this.instruction.relativeTarget);
  }
  suspend(): void {
    throw new InstructionEnd("suspended");
  }
  helper(name: HelperName, ...args: Value[]): Value {
    // An accelerator of the element loop, which is the meaning.
    if (name === "bulkString") return 0;
    const value = this.callback(name, args.map(asInt)) | 0;
    if (this.get(FAULT) !== 0) throw new InstructionEnd("fault");
    return value;
  }
}

function asKinds(kinds: readonly ValueKind[], values: readonly Value[]): Value[] {
  if (kinds.length !== values.length) throw new TypeError(`${values.length} values for ${kinds.length}`);
  return values.map((value, n) => (kinds[n] === "i64" ? asLong(value) : kinds[n] === "v128" ? new Vector(asVector(value)) : asInt(value)));
}

function laneBits(shape: LaneShape, lane: Value): bigint {
  return shape === "i64x2" ? asLong(lane) : BigInt(asInt(lane));
}

function nonzero(divisor: bigint): bigint {
  if (divisor === 0n) throw new RangeError(DIVIDE_ERROR_IN_MEANING);
  return divisor;
}
