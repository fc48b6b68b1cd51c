// Emits one wasm function from expression trees. A tree is pure: constants, locals written once, and operators over them,
// so it may be emitted at any later point. Everything that reads or writes state goes through `bind` into a local at once.

import { ByteWriter, I32, I64, type ValueType, V128, VOID } from "./encoder.ts";
import { SHUFFLE, V128_CONST, V128_LOAD, VECTOR } from "./vector-opcodes.ts";

/**
 * A pure expression. `op` 0 = constant, 1 = local, otherwise the wasm opcode (0x1b = select, from VECTOR on behind the prefix);
 * `value`: of a constant, number of a local or lane, bytes of a shuffle.
 */
export interface Expression {
  readonly op: number;
  readonly type: ValueType;
  readonly value: number | bigint;
  readonly a: Expression | undefined;
  readonly b: Expression | undefined;
  readonly c: Expression | undefined;
  /** `value` is the number of a lane, which follows the opcode. */
  readonly hasLane: boolean;
}

/** All of one shape: the host's engine reads their fields much faster so. */
export function expression(op: number, type: ValueType, value: number | bigint, a?: Expression, b?: Expression, c?: Expression, hasLane = false): Expression {
  return { op, type, value, a, b, c, hasLane };
}

const CONSTANT = 0;
const LOCAL = 1;
/** Prefix of the bulk memory operators. */
const BULK = 0xfc;

export const OP = {
  unreachable: 0x00, block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, brIf: 0x0d, brTable: 0x0e, return: 0x0f, call: 0x10, callIndirect: 0x11, returnCallIndirect: 0x13,
  drop: 0x1a, select: 0x1b, localGet: 0x20, localSet: 0x21, localTee: 0x22,
  load32: 0x28, load64: 0x29, load8s: 0x2c, load8u: 0x2d, load16s: 0x2e, load16u: 0x2f, store32: 0x36, store64: 0x37, store8: 0x3a, store16: 0x3b,
  const32: 0x41, const64: 0x42,
  eqz32: 0x45, eq32: 0x46, ne32: 0x47, ltS32: 0x48, ltU32: 0x49, gtS32: 0x4a, gtU32: 0x4b, leS32: 0x4c, leU32: 0x4d, geS32: 0x4e, geU32: 0x4f,
  eqz64: 0x50, eq64: 0x51, ne64: 0x52, ltS64: 0x53, ltU64: 0x54,
  clz32: 0x67, ctz32: 0x68, popcnt32: 0x69, add32: 0x6a, sub32: 0x6b, mul32: 0x6c, and32: 0x71, or32: 0x72, xor32: 0x73,
  shl32: 0x74, shrS32: 0x75, shrU32: 0x76, rotl32: 0x77, rotr32: 0x78,
  clz64: 0x79, ctz64: 0x7a, add64: 0x7c, sub64: 0x7d, mul64: 0x7e, divS64: 0x7f, divU64: 0x80, remS64: 0x81, remU64: 0x82,
  and64: 0x83, or64: 0x84, xor64: 0x85, shl64: 0x86, shrS64: 0x87, shrU64: 0x88,
  wrap: 0xa7, extendS: 0xac, extendU: 0xad, extend8: 0xc0, extend16: 0xc1,
} as const;

export function constant(value: number): Expression {
  return expression(CONSTANT, I32, value | 0);
}
export function constant64(value: bigint): Expression {
  return expression(CONSTANT, I64, value);
}
export function constant128(value: bigint): Expression {
  return expression(CONSTANT, V128, value);
}
export function isConstant(e: Expression): boolean {
  return e.op === CONSTANT;
}

export function isLocal(e: Expression): boolean {
  return e.op === LOCAL;
}

const fold32: Partial<Record<number, (a: number, b: number) => number>> = {
  [OP.add32]: (a, b) => a + b,
  [OP.sub32]: (a, b) => a - b,
  [OP.mul32]: (a, b) => Math.imul(a, b),
  [OP.and32]: (a, b) => a & b,
  [OP.or32]: (a, b) => a | b,
  [OP.xor32]: (a, b) => a ^ b,
  [OP.shl32]: (a, b) => a << b,
  [OP.shrU32]: (a, b) => a >>> b,
  [OP.shrS32]: (a, b) => a >> b,
  [OP.eq32]: (a, b) => Number(a === b),
  [OP.ne32]: (a, b) => Number(a !== b),
};

/** Operators whose right operand 0 changes nothing. */
const neutralZero = new Set<number>([OP.add32, OP.sub32, OP.or32, OP.xor32, OP.shl32, OP.shrU32, OP.shrS32, OP.rotl32, OP.rotr32]);

export function binary(op: number, type: ValueType, a: Expression, b: Expression): Expression {
  if (a.op === CONSTANT && b.op === CONSTANT) {
    const fold = fold32[op];
    if (fold) return constant(fold(a.value as number, b.value as number));
  }
  if (b.op === CONSTANT && b.value === 0 && neutralZero.has(op)) return a;
  if (a.op === CONSTANT && a.value === 0) {
    if (op === OP.and32) return a;
    if (op === OP.or32) return b;
  }
  return expression(op, type, 0, a, b);
}
export function unary(op: number, type: ValueType, a: Expression): Expression {
  if (op === OP.eqz32 && a.op === CONSTANT) return constant(a.value === 0 ? 1 : 0);
  return expression(op, type, 0, a);
}
export function selectOf(type: ValueType, condition: Expression, whenTrue: Expression, whenFalse: Expression): Expression {
  if (condition.op === CONSTANT) return condition.value ? whenTrue : whenFalse;
  return expression(OP.select, type, 0, whenTrue, whenFalse, condition);
}

/** Code of one function. Label depths are tracked so that branches name a label, not a distance. */
export class FunctionEmitter {
  code = new ByteWriter(4096);
  private readonly locals: ValueType[] = [];
  private readonly parameterCount: number;
  /** Locals free for reuse, by type. */
  private readonly free = new Map<ValueType, Expression[]>([[I32, []], [I64, []], [V128, []]]);
  private scope: Expression[] = [];
  depth = 0;

  constructor(params: readonly ValueType[]) {
    this.parameterCount = params.length;
  }

  parameter(index: number, type: ValueType = I32): Expression {
    return expression(LOCAL, type, index);
  }

  newLocal(type: ValueType): Expression {
    let local = this.free.get(type)!.pop();
    if (local === undefined) {
      local = expression(LOCAL, type, this.parameterCount + this.locals.length);
      this.locals.push(type);
    }
    this.scope.push(local);
    return local;
  }

  /** A local that no other value has had or will have. */
  ownLocal(type: ValueType): Expression {
    this.locals.push(type);
    return expression(LOCAL, type, this.parameterCount + this.locals.length - 1);
  }

  /** Gives back every local taken since the last call: the code that follows never reads them. */
  endScope(): void {
    for (const local of this.scope) this.free.get(local.type)!.push(local);
    this.scope.length = 0;
  }

  /** As `endScope`, but the locals with these numbers stay taken until a later scope ends without them. */
  endScopeExcept(needed: readonly number[]): void {
    let kept = 0;
    for (const local of this.scope) {
      if (needed.includes(local.value as number)) this.scope[kept++] = local;
      else this.free.get(local.type)!.push(local);
    }
    this.scope.length = kept;
  }

  /** Keeps these locals for the whole function. */
  keep(needed: readonly number[]): void {
    this.scope = this.scope.filter((local) => !needed.includes(local.value as number));
  }

  /** Keeps the locals taken so far for the whole function. */
  keepLocals(): void {
    this.scope = [];
  }

  emit(e: Expression): void {
    const w = this.code;
    if (e.op === CONSTANT) {
      if (e.type === I64) {
        w.byte(OP.const64);
        w.signed64(e.value as bigint);
      } else if (e.type === V128) {
        this.opcode(V128_CONST);
        this.bytes128(e.value as bigint);
      } else {
        w.byte(OP.const32);
        w.signed(e.value as number);
      }
      return;
    }
    if (e.op === LOCAL) {
      w.byte(OP.localGet);
      w.unsigned(e.value as number);
      return;
    }
    if (e.a) this.emit(e.a);
    if (e.b) this.emit(e.b);
    if (e.c) this.emit(e.c);
    this.opcode(e.op);
    if (e.op === SHUFFLE) this.bytes128(e.value as bigint);
    else if (e.hasLane) w.byte(e.value as number);
  }

  private opcode(op: number): void {
    if (op < VECTOR) this.code.byte(op);
    else {
      this.code.byte(VECTOR >> 8);
      this.code.unsigned(op & 0xff);
    }
  }

  private bytes128(value: bigint): void {
    for (let at = 0n; at < 128n; at += 8n) this.code.byte(Number((value >> at) & 0xffn));
  }

  /** Pops the value on the wasm stack into a new local. */
  bindStack(type: ValueType): Expression {
    const local = this.newLocal(type);
    this.code.byte(OP.localSet);
    this.code.unsigned(local.value as number);
    return local;
  }

  bind(e: Expression): Expression {
    if (e.op === CONSTANT || e.op === LOCAL) return e;
    this.emit(e);
    return this.bindStack(e.type);
  }

  /** Copies into a fresh local that may be assigned again. */
  variable(initial: Expression): Expression {
    this.emit(initial);
    return this.bindStack(initial.type);
  }

  assign(local: Expression, value: Expression): void {
    this.emit(value);
    this.code.byte(OP.localSet);
    this.code.unsigned(local.value as number);
  }

  private memoryOperand(op: number, offset: number): void {
    const w = this.code;
    this.opcode(op);
    w.byte(0); // alignment hint 1: guest addresses are unaligned
    w.unsigned(offset);
  }

  /** Loads at once: the value does not move past later stores. */
  load(op: number, address: Expression, offset: number): Expression {
    if (address.op === CONSTANT) {
      this.emit(constant(0));
      this.memoryOperand(op, ((address.value as number) + offset) >>> 0);
    } else {
      this.emit(address);
      this.memoryOperand(op, offset);
    }
    return this.bindStack(op === V128_LOAD ? V128 : op === OP.load64 ? I64 : I32);
  }

  store(op: number, address: Expression, offset: number, value: Expression): void {
    if (address.op === CONSTANT) {
      this.emit(constant(0));
      this.emit(value);
      this.memoryOperand(op, ((address.value as number) + offset) >>> 0);
    } else {
      this.emit(address);
      this.emit(value);
      this.memoryOperand(op, offset);
    }
  }

  /** memory.copy: the two places may overlap. */
  copyMemory(to: Expression, from: Expression, bytes: Expression): void {
    for (const part of [to, from, bytes]) this.emit(part);
    for (const byte of [BULK, 10, 0, 0]) this.code.byte(byte);
  }

  fillMemory(at: Expression, value: Expression, bytes: Expression): void {
    for (const part of [at, value, bytes]) this.emit(part);
    for (const byte of [BULK, 11, 0]) this.code.byte(byte);
  }

  call(index: number, args: readonly Expression[]): void {
    for (const arg of args) this.emit(arg);
    this.code.byte(OP.call);
    this.code.unsigned(index);
  }

  /** Opens a block or loop; returns its label. */
  open(op: number): number {
    this.code.byte(op);
    this.code.byte(VOID);
    return ++this.depth;
  }
  openIf(condition: Expression): number {
    this.emit(condition);
    return this.open(OP.if);
  }
  otherwise(): void {
    this.code.byte(OP.else);
  }
  close(): void {
    this.code.byte(OP.end);
    this.depth--;
  }
  branch(label: number): void {
    this.code.byte(OP.br);
    this.code.unsigned(this.depth - label);
  }
  /** To the label of that number, to `otherwise` beyond them. */
  branchTable(number: Expression, labels: readonly number[], otherwise: number): void {
    this.emit(number);
    this.code.byte(OP.brTable);
    this.code.unsigned(labels.length);
    for (const label of [...labels, otherwise]) this.code.unsigned(this.depth - label);
  }

  branchIf(condition: Expression, label: number): void {
    this.emit(condition);
    this.code.byte(OP.brIf);
    this.code.unsigned(this.depth - label);
  }
  /** Calls what the module's table holds there, a function of the type; the results are on the stack. */
  callIndirect(type: number, argument: Expression, index: Expression, isLast: boolean): void {
    this.emit(argument);
    this.emit(index);
    this.code.byte(isLast ? OP.returnCallIndirect : OP.callIndirect);
    this.code.unsigned(type);
    this.code.byte(0);
  }
  return(value: Expression): void {
    this.emit(value);
    this.code.byte(OP.return);
  }

  /** The body with its local declarations, as the code section wants it. */
  finish(): ByteWriter {
    const out = new ByteWriter(this.code.length + 64);
    // Consecutive locals of one type share a declaration.
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.locals) {
      const last = runs[runs.length - 1];
      if (last && last.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    out.unsigned(runs.length);
    for (const run of runs) {
      out.unsigned(run.count);
      out.byte(run.type);
    }
    out.append(this.code);
    out.byte(OP.end);
    return out;
  }
}
