// Builder over wasm expressions: what the interpreter and the translator share. Operand places and the ways out of an
// instruction are left to the subclass.

import type { Builder, ConditionCode, FlagKind, HelperName, SegmentRef, SharedFunction, Variable, Width } from "../isa/builder.ts";
import * as flags from "../isa/flags.ts";
import {
  CS, type Field, FAULT, FAULT_ERROR, FAULT_HAS_ERROR, FS, GS, OBSERVED_BASE, PROBED, PROBED_SEEN, registerAddress, SEG_BASE, SEG_FAST, SEG_FAST_READ, SEG_FAST_WRITE, SEG_LIMIT,
  SEG_SELECTOR, SEGMENT_STRIDE, SLOW_RESULT,
} from "../isa/state-layout.ts";
import type { LaneShape, VectorOperation, VectorShift, VectorTest } from "../isa/vector-operation.ts";
import { I32, I64, V128, valueType } from "./encoder.ts";
import { binary, constant, constant128, constant64, expression, type Expression, type FunctionEmitter, isConstant, OP, selectOf, unary } from "./function-emitter.ts";
import { EXTRACT_LANE, REPLACE_LANE, SHUFFLE, SPLAT, V128_LOAD, V128_STORE, vectorOpcode } from "./vector-opcodes.ts";

/** Parameters of the functions behind the fast paths, all i32, and whether they give a value. */
export const SLOW_PATHS = {
  /** (linear, bytes): the value. */
  slowLoad: [2, true],
  /** (linear, bytes, value) */
  slowStore: [3, false],
  /** (linear, bytes): the value, of an operand that will be stored to. */
  slowLoadForWrite: [2, true],
  /** (linear, bytes): may they be stored to? */
  slowProbe: [2, false],
  /** (linear): the value is left in SLOW_RESULT. */
  slowLoad64: [1, false],
  /** (linear, low, high) */
  slowStore64: [3, false],
  /** (linear): the value is left in SLOW_RESULT. */
  slowLoad128: [1, false],
  /** (linear): of the value in SLOW_RESULT. */
  slowStore128: [1, false],
  /** (segment, offset, bytes | write << 8): the check that the fast test could not pass; may leave a fault. */
  segmentCheck: [3, false],
  /** (row index): around sensitive instructions. */
  probeBefore: [1, false],
  probeAfter: [1, false],
} as const;
export type SlowPath = keyof typeof SLOW_PATHS;

/** Indices of what a module's code calls: asking for one declares the import. */
export interface ImportedFunctions {
  slow(path: SlowPath): number;
  helper(name: HelperName): number;
  shared(definition: SharedFunction): number;
}

export const loadOp = { 1: OP.load8u, 2: OP.load16u, 4: OP.load32 } as const;
export const storeOp = { 1: OP.store8, 2: OP.store16, 4: OP.store32 } as const;

export abstract class WasmBuilder implements Builder<Expression> {
  protected readonly fn: FunctionEmitter;
  protected readonly imports: ImportedFunctions;
  /** Address of the active context block. */
  protected readonly context: Expression;
  protected readonly tlbRead: Expression;
  protected readonly tlbWrite: Expression;
  /** CS DS ES SS are flat in this code's mode. */
  protected flat = true;

  constructor(fn: FunctionEmitter, imports: ImportedFunctions, context: Expression, tlbRead: Expression, tlbWrite: Expression) {
    this.fn = fn;
    this.imports = imports;
    this.context = context;
    this.tlbRead = tlbRead;
    this.tlbWrite = tlbWrite;
  }

  /** Emits the way out with a fault that is already recorded in the state. */
  protected abstract leaveWithFault(): void;
  /** Emits what a call to TypeScript needs to know of the present instruction. */
  protected abstract announce(): void;
  /** Whether "operand" (the decoded record's segment) may be other than flat DS ES SS here. */
  protected abstract operandIsSegmented(): boolean;
  /** Offset of the operand's segment in the context block. */
  protected abstract operandSegmentOffset(): Expression;
  abstract jump(target: Expression): void;
  abstract jumpRelative(condition?: Expression): void;
  abstract suspend(): void;

  // --- pure
  imm(value: number): Expression { return constant(value); }
  add(a: Expression, b: Expression): Expression { return binary(OP.add32, I32, a, b); }
  sub(a: Expression, b: Expression): Expression { return binary(OP.sub32, I32, a, b); }
  mul(a: Expression, b: Expression): Expression { return binary(OP.mul32, I32, a, b); }
  and(a: Expression, b: Expression): Expression { return binary(OP.and32, I32, a, b); }
  or(a: Expression, b: Expression): Expression { return binary(OP.or32, I32, a, b); }
  xor(a: Expression, b: Expression): Expression { return binary(OP.xor32, I32, a, b); }
  shl(a: Expression, b: Expression): Expression { return binary(OP.shl32, I32, a, b); }
  shrU(a: Expression, b: Expression): Expression { return binary(OP.shrU32, I32, a, b); }
  shrS(a: Expression, b: Expression): Expression { return binary(OP.shrS32, I32, a, b); }
  rotl(a: Expression, b: Expression): Expression { return binary(OP.rotl32, I32, a, b); }
  rotr(a: Expression, b: Expression): Expression { return binary(OP.rotr32, I32, a, b); }
  eq(a: Expression, b: Expression): Expression { return binary(OP.eq32, I32, a, b); }
  ne(a: Expression, b: Expression): Expression { return binary(OP.ne32, I32, a, b); }
  ltS(a: Expression, b: Expression): Expression { return binary(OP.ltS32, I32, a, b); }
  ltU(a: Expression, b: Expression): Expression { return binary(OP.ltU32, I32, a, b); }
  gtS(a: Expression, b: Expression): Expression { return binary(OP.gtS32, I32, a, b); }
  gtU(a: Expression, b: Expression): Expression { return binary(OP.gtU32, I32, a, b); }
  leS(a: Expression, b: Expression): Expression { return binary(OP.leS32, I32, a, b); }
  leU(a: Expression, b: Expression): Expression { return binary(OP.leU32, I32, a, b); }
  geS(a: Expression, b: Expression): Expression { return binary(OP.geS32, I32, a, b); }
  geU(a: Expression, b: Expression): Expression { return binary(OP.geU32, I32, a, b); }
  eqz(a: Expression): Expression { return unary(OP.eqz32, I32, a); }
  select(c: Expression, t: Expression, f: Expression): Expression { return selectOf(I32, c, t, f); }
  clz(a: Expression): Expression { return unary(OP.clz32, I32, a); }
  ctz(a: Expression): Expression { return unary(OP.ctz32, I32, a); }
  popcnt(a: Expression): Expression { return unary(OP.popcnt32, I32, a); }
  signExtend(a: Expression, width: Width): Expression {
    return width === 4 ? a : unary(width === 1 ? OP.extend8 : OP.extend16, I32, a);
  }
  zeroExtend(a: Expression, width: Width): Expression {
    return width === 4 ? a : this.and(a, constant(width === 1 ? 0xff : 0xffff));
  }
  imm64(value: bigint): Expression { return constant64(value); }
  wrap(a: Expression): Expression { return unary(OP.wrap, I32, a); }
  extendU(a: Expression): Expression { return unary(OP.extendU, I64, a); }
  extendS(a: Expression): Expression { return unary(OP.extendS, I64, a); }
  add64(a: Expression, b: Expression): Expression { return binary(OP.add64, I64, a, b); }
  sub64(a: Expression, b: Expression): Expression { return binary(OP.sub64, I64, a, b); }
  mul64(a: Expression, b: Expression): Expression { return binary(OP.mul64, I64, a, b); }
  and64(a: Expression, b: Expression): Expression { return binary(OP.and64, I64, a, b); }
  or64(a: Expression, b: Expression): Expression { return binary(OP.or64, I64, a, b); }
  xor64(a: Expression, b: Expression): Expression { return binary(OP.xor64, I64, a, b); }
  shl64(a: Expression, b: Expression): Expression { return binary(OP.shl64, I64, a, b); }
  shrU64(a: Expression, b: Expression): Expression { return binary(OP.shrU64, I64, a, b); }
  shrS64(a: Expression, b: Expression): Expression { return binary(OP.shrS64, I64, a, b); }
  divU64(a: Expression, b: Expression): Expression { return binary(OP.divU64, I64, a, b); }
  divS64(a: Expression, b: Expression): Expression { return binary(OP.divS64, I64, a, b); }
  remU64(a: Expression, b: Expression): Expression { return binary(OP.remU64, I64, a, b); }
  remS64(a: Expression, b: Expression): Expression { return binary(OP.remS64, I64, a, b); }
  eq64(a: Expression, b: Expression): Expression { return binary(OP.eq64, I32, a, b); }
  ne64(a: Expression, b: Expression): Expression { return binary(OP.ne64, I32, a, b); }
  ltU64(a: Expression, b: Expression): Expression { return binary(OP.ltU64, I32, a, b); }
  ltS64(a: Expression, b: Expression): Expression { return binary(OP.ltS64, I32, a, b); }
  eqz64(a: Expression): Expression { return unary(OP.eqz64, I32, a); }
  select64(c: Expression, t: Expression, f: Expression): Expression { return selectOf(I64, c, t, f); }
  clz64(a: Expression): Expression { return unary(OP.clz64, I64, a); }
  ctz64(a: Expression): Expression { return unary(OP.ctz64, I64, a); }

  imm128(value: bigint): Expression { return constant128(value); }
  vector(operation: VectorOperation, ...[a, b, c]: Expression[]): Expression { return expression(vectorOpcode(operation), V128, 0, a, b, c); }
  vectorShift(operation: VectorShift, value: Expression, count: Expression): Expression { return binary(vectorOpcode(operation), V128, value, count); }
  vectorTest(operation: VectorTest, value: Expression): Expression { return unary(vectorOpcode(operation), I32, value); }
  splat(shape: LaneShape, lane: Expression): Expression { return unary(SPLAT[shape], V128, lane); }
  lane(shape: LaneShape, vector: Expression, index: number): Expression {
    return expression(EXTRACT_LANE[shape], shape === "i64x2" ? I64 : I32, index, vector, undefined, undefined, true);
  }
  withLane(shape: LaneShape, vector: Expression, index: number, lane: Expression): Expression {
    return expression(REPLACE_LANE[shape], V128, index, vector, lane, undefined, true);
  }
  shuffle(a: Expression, b: Expression, bytes: readonly number[]): Expression {
    return expression(SHUFFLE, V128, bytes.reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n), a, b);
  }
  select128(c: Expression, t: Expression, f: Expression): Expression { return selectOf(V128, c, t, f); }

  // --- names
  let(value: Expression): Expression { return this.fn.bind(value); }
  let64(value: Expression): Expression { return this.fn.bind(value); }
  let128(value: Expression): Expression { return this.fn.bind(value); }
  variable(initial: Expression): Variable<Expression> { return this.variableOf(initial); }
  variable64(initial: Expression): Variable<Expression> { return this.variableOf(initial); }
  variable128(initial: Expression): Variable<Expression> { return this.variableOf(initial); }
  private variableOf(initial: Expression): Variable<Expression> {
    const local = this.fn.variable(initial);
    return {
      get: () => this.copy(local),
      set: (value) => this.fn.assign(local, value),
    };
  }
  /** A variable's present value: a copy, because trees over it may be emitted after it changes. */
  private copy(local: Expression): Expression {
    this.fn.emit(local);
    return this.fn.bindStack(local.type);
  }

  // --- state
  protected place(field: Field): readonly [Expression, number] {
    return field.context ? [this.context, field.offset] : [constant(field.offset), 0];
  }
  get(field: Field): Expression {
    const [address, offset] = this.place(field);
    return this.fn.load(OP.load32, address, offset);
  }
  set(field: Field, value: Expression): void {
    const [address, offset] = this.place(field);
    this.fn.store(OP.store32, address, offset, value);
  }
  gpr(index: number, width: Width): Expression {
    return this.fn.load(loadOp[width], constant(registerAddress(index, width)), 0);
  }
  setGpr(index: number, width: Width, value: Expression): void {
    this.fn.store(storeOp[width], constant(registerAddress(index, width)), 0, value);
  }
  stateLoad(address: Expression, width: Width): Expression { return this.fn.load(loadOp[width], address, 0); }
  stateStore(address: Expression, width: Width, value: Expression): void { this.fn.store(storeOp[width], address, 0, value); }
  stateLoad64(address: Expression): Expression { return this.fn.load(OP.load64, address, 0); }
  stateStore64(address: Expression, value: Expression): void { this.fn.store(OP.store64, address, 0, value); }
  stateLoad128(address: Expression): Expression { return this.fn.load(V128_LOAD, address, 0); }
  stateStore128(address: Expression, value: Expression): void { this.fn.store(V128_STORE, address, 0, value); }
  moveBytes(to: Expression, from: Expression, count: Expression): void { this.fn.copyMemory(to, from, count); }
  fillBytes(at: Expression, value: Expression, count: Expression): void { this.fn.fillMemory(at, value, count); }
  segment(ref: SegmentRef, part: number): Expression {
    const op = part === SEG_SELECTOR ? OP.load16u : OP.load32;
    if (ref !== "operand") return this.fn.load(op, this.context, ref * SEGMENT_STRIDE + part);
    return this.fn.load(op, this.add(this.context, this.operandSegmentOffset()), part);
  }

  // --- guest memory
  /** Segmentation: linear address of `bytes` bytes at `offset`; leaves with #GP or #SS. */
  protected linear(ref: SegmentRef, offset: Expression, bytes: number, write: boolean): Expression {
    const segmented = ref === "operand" ? !this.flat || this.operandIsSegmented() : !this.flat || ref === FS || ref === GS || ref === CS;
    if (!segmented) return this.fn.bind(offset);
    const fn = this.fn;
    const at = fn.bind(offset);
    const segmentOffset = ref === "operand" ? this.operandSegmentOffset() : constant(ref * SEGMENT_STRIDE);
    const segment = fn.bind(this.add(this.context, segmentOffset));
    const fast = fn.load(OP.load32, segment, SEG_FAST);
    const limit = fn.load(OP.load32, segment, SEG_LIMIT);
    let bad = this.or(this.eqz(this.and(fast, constant(write ? SEG_FAST_WRITE : SEG_FAST_READ))), this.gtU(at, limit));
    if (bytes > 1) bad = this.or(bad, this.ltU(this.sub(limit, at), constant(bytes - 1)));
    fn.openIf(bad);
    this.announce();
    fn.call(this.imports.slow("segmentCheck"), [this.shrU(segmentOffset, constant(5)), at, constant(bytes | (write ? 0x1_0000 : 0))]);
    this.leaveOnFault();
    fn.close();
    return fn.bind(this.add(fn.load(OP.load32, segment, SEG_BASE), at));
  }

  /** TLB entry for `linear` and the test that the fast path is closed. */
  protected lookup(table: Expression, linear: Expression, bytes: number): { entry: Expression; miss: Expression } {
    const entry = this.fn.load(OP.load32, this.add(table, this.shl(this.shrU(linear, constant(12)), constant(2))), 0);
    const miss =
      bytes === 1 ? this.and(entry, constant(4095)) : this.gtU(this.and(this.or(linear, entry), constant(4095)), constant(4096 - bytes));
    return { entry, miss };
  }

  protected leaveOnFault(): void {
    const fn = this.fn;
    fn.openIf(this.get(FAULT));
    this.leaveWithFault();
    fn.close();
  }

  load(ref: SegmentRef, offset: Expression, width: Width): Expression {
    const linear = this.linear(ref, offset, width, false);
    return this.loadLinear(linear, width);
  }

  protected loadLinear(linear: Expression, width: Width): Expression {
    const fn = this.fn;
    const { entry, miss } = this.lookup(this.tlbRead, linear, width);
    const result = fn.newLocal(I32);
    fn.openIf(miss);
    this.announce();
    fn.call(this.imports.slow("slowLoad"), [linear, constant(width)]);
    setLocal(fn, result);
    this.leaveOnFault();
    fn.otherwise();
    fn.assign(result, fn.load(loadOp[width], this.add(linear, entry), 0));
    fn.close();
    return result;
  }

  store(ref: SegmentRef, offset: Expression, width: Width, value: Expression): void {
    const bound = this.fn.bind(value);
    this.storeLinear(this.linear(ref, offset, width, true), width, bound);
  }

  protected storeLinear(linear: Expression, width: Width, value: Expression): void {
    const fn = this.fn;
    const { entry, miss } = this.lookup(this.tlbWrite, linear, width);
    fn.openIf(miss);
    this.announce();
    fn.call(this.imports.slow("slowStore"), [linear, constant(width), value]);
    this.leaveOnFault();
    fn.otherwise();
    fn.store(storeOp[width], this.add(linear, entry), 0, value);
    fn.close();
  }

  /** Reads a place that is to be written: the value, and the host address (0: only the slow store may write it). */
  protected loadForWrite(linear: Expression, width: Width): { value: Expression; host: Expression } {
    const fn = this.fn;
    const { entry, miss } = this.lookup(this.tlbWrite, linear, width);
    const value = fn.newLocal(I32);
    const host = fn.newLocal(I32);
    fn.openIf(miss);
    this.announce();
    fn.call(this.imports.slow("slowLoadForWrite"), [linear, constant(width)]);
    setLocal(fn, value);
    this.leaveOnFault();
    fn.assign(host, constant(0));
    fn.otherwise();
    fn.assign(host, this.add(linear, entry));
    fn.assign(value, fn.load(loadOp[width], host, 0));
    fn.close();
    return { value, host };
  }

  protected storeProved(linear: Expression, host: Expression, width: Width, value: Expression): void {
    const fn = this.fn;
    const bound = fn.bind(value);
    fn.openIf(host);
    fn.store(storeOp[width], host, 0, bound);
    fn.otherwise();
    this.announce();
    fn.call(this.imports.slow("slowStore"), [linear, constant(width), bound]);
    this.leaveOnFault();
    fn.close();
  }

  load64(ref: SegmentRef, offset: Expression): Expression {
    const fn = this.fn;
    const linear = this.linear(ref, offset, 8, false);
    const { entry, miss } = this.lookup(this.tlbRead, linear, 8);
    const result = fn.newLocal(I64);
    fn.openIf(miss);
    this.announce();
    fn.call(this.imports.slow("slowLoad64"), [linear]);
    this.leaveOnFault();
    fn.assign(result, fn.load(OP.load64, constant(SLOW_RESULT.offset), 0));
    fn.otherwise();
    fn.assign(result, fn.load(OP.load64, this.add(linear, entry), 0));
    fn.close();
    return result;
  }

  store64(ref: SegmentRef, offset: Expression, value: Expression): void {
    const fn = this.fn;
    const bound = fn.bind(value);
    const linear = this.linear(ref, offset, 8, true);
    const { entry, miss } = this.lookup(this.tlbWrite, linear, 8);
    fn.openIf(miss);
    this.announce();
    fn.call(this.imports.slow("slowStore64"), [linear, this.wrap(bound), this.wrap(this.shrU64(bound, constant64(32n)))]);
    this.leaveOnFault();
    fn.otherwise();
    fn.store(OP.store64, this.add(linear, entry), 0, bound);
    fn.close();
  }

  /** The alignment that #GP enforces is judged before paging: it needs the linear address alone. */
  private linear128(ref: SegmentRef, offset: Expression, write: boolean, aligned: boolean): Expression {
    const linear = this.linear(ref, offset, 16, write);
    if (aligned) this.when(this.and(linear, constant(15)), () => this.raise(13, constant(0)));
    return linear;
  }

  load128(ref: SegmentRef, offset: Expression, aligned: boolean): Expression {
    const fn = this.fn;
    const linear = this.linear128(ref, offset, false, aligned);
    const { entry, miss } = this.lookup(this.tlbRead, linear, aligned ? 1 : 16);
    const result = fn.newLocal(V128);
    fn.openIf(miss);
    this.announce();
    fn.call(this.imports.slow("slowLoad128"), [linear]);
    this.leaveOnFault();
    fn.assign(result, fn.load(V128_LOAD, constant(SLOW_RESULT.offset), 0));
    fn.otherwise();
    fn.assign(result, fn.load(V128_LOAD, this.add(linear, entry), 0));
    fn.close();
    return result;
  }

  store128(ref: SegmentRef, offset: Expression, value: Expression, aligned: boolean): void {
    const fn = this.fn;
    const bound = fn.bind(value);
    const linear = this.linear128(ref, offset, true, aligned);
    const { entry, miss } = this.lookup(this.tlbWrite, linear, aligned ? 1 : 16);
    fn.openIf(miss);
    this.announce();
    fn.store(V128_STORE, constant(SLOW_RESULT.offset), 0, bound);
    fn.call(this.imports.slow("slowStore128"), [linear]);
    this.leaveOnFault();
    fn.otherwise();
    fn.store(V128_STORE, this.add(linear, entry), 0, bound);
    fn.close();
  }

  probeWrite(ref: SegmentRef, offset: Expression, bytes: number): void {
    const linear = this.linear(ref, offset, bytes, true);
    this.announce();
    this.fn.call(this.imports.slow("slowProbe"), [linear, constant(bytes)]);
    this.leaveOnFault();
  }

  // --- flags
  flags(kind: FlagKind, width: Width, x: Expression, y: Expression, result: Expression): void { flags.lowerFlags(this, kind, width, x, y, result); }
  flagsExplicit(width: Width, result: Expression, cf: Expression, of: Expression, af: Expression): void { flags.lowerFlagsExplicit(this, width, result, cf, of, af); }
  setCarryOverflow(cf: Expression, of: Expression): void { flags.lowerSetCarryOverflow(this, cf, of); }
  condition(code: ConditionCode): Expression { return flags.lowerCondition(this, code); }
  carry(): Expression { return flags.lowerCarry(this); }
  statusFlags(): Expression { return flags.lowerStatusFlags(this); }
  setStatusFlags(image: Expression): void { flags.lowerSetStatusFlags(this, image); }

  flagsOrdered(less: Expression, equal: Expression, unordered: Expression): void { flags.lowerFlagsOrdered(this, less, equal, unordered); }

  // --- control
  rarely(condition: Expression, then: () => void): void { this.when(condition, then); }
  hasPassed(_test: "xmm" | "x87"): boolean { return false; }
  get stackKnown(): boolean { return false; }
  insist(_condition: Expression): void { throw new Error("the x87 stack is not known"); }
  rememberPointers(_opcode: Expression, _memory: Expression | null): void { throw new Error("the x87 stack is not known"); }
  when(condition: Expression, then: () => void, otherwise?: () => void): void {
    if (isConstant(condition)) {
      if (condition.value) then();
      else otherwise?.();
      return;
    }
    this.fn.openIf(condition);
    then();
    if (otherwise) {
      this.fn.otherwise();
      otherwise();
    }
    this.fn.close();
  }
  loop(body: () => Expression): void {
    const label = this.fn.open(OP.loop);
    this.fn.branchIf(body(), label);
    this.fn.close();
  }
  call(shared: SharedFunction, ...args: Expression[]): readonly Expression[] {
    this.fn.call(this.imports.shared(shared), args);
    return shared.results.map((kind) => valueType(kind)).reverse().map((type) => this.fn.bindStack(type)).reverse();
  }
  raise(vector: number, errorCode?: Expression): void {
    this.set(FAULT, constant(vector + 1));
    if (errorCode) this.set(FAULT_ERROR, errorCode);
    this.set(FAULT_HAS_ERROR, constant(errorCode ? 1 : 0));
    this.leaveWithFault();
  }
  /** Tells the leak oracle that the instruction is about to run, or has run. */
  probe(when: "before" | "after", row: number): void {
    const probed = this.get(PROBED);
    this.fn.openIf(this.eq(probed, constant(PROBED_SEEN)));
    this.announce();
    this.fn.call(this.imports.slow(when === "before" ? "probeBefore" : "probeAfter"), [constant(row)]);
    if (when === "after") {
      this.fn.otherwise();
      this.fn.openIf(this.eqz(probed));
      this.countObserved(row);
      this.fn.close();
    }
    this.fn.close();
  }
  protected countObserved(row: number): void {
    const place = constant(OBSERVED_BASE + row * 4);
    this.fn.store(OP.store32, place, 0, this.add(this.fn.load(OP.load32, place, 0), constant(1)));
  }
  helper(name: HelperName, ...args: Expression[]): Expression {
    this.announce();
    this.fn.call(this.imports.helper(name), args);
    const result = this.fn.bindStack(I32);
    this.leaveOnFault();
    return result;
  }
}

function setLocal(fn: FunctionEmitter, local: Expression): void {
  fn.code.byte(OP.localSet);
  fn.code.unsigned(local.value as number);
}

