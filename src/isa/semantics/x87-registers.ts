// The x87 register stack and how an instruction ends on it. SDM Vol. 1, sections 8.1 "x87 FPU Execution Environment" and
// 8.5 "x87 FPU Floating-Point Exception Conditions".
//
// A value on the stack is a pair: significand (64 bits, integer bit included) and "sign-exponent" (sign in bit 15).
// Arithmetic gives it with `flags`: the status-word bits that it raises. Nothing is committed before `settle`.

import type { Builder, Instance, SharedFunction, Variable } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { INDEFINITE, INDEFINITE_SE } from "./x87-number.ts";
import { CR0, CS, FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTOP, FTW, SEG_SELECTOR, X87_BASE } from "../state-layout.ts";

/** Status word: exceptions in the control word's order, stack fault, summary and busy, C1 (rounded up, or stack overflow), C0 C2 C3. */
export const IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20, STACK_FAULT = 0x40, SUMMARY = 0x8080;
export const C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000;
export const EXCEPTIONS = 0x3f;
export const EMPTY_REGISTER = IE | STACK_FAULT;
export const FULL_STACK = IE | STACK_FAULT | C1;
/** Exceptions that are known before the result is: unmasked, they leave the destination as it was. */
const BEFORE_RESULT = IE | DE | ZE;

export const CR0_EM_TS = 0xc;
const TAG_EMPTY = 3;
/** Kinds of `fpuCheck`. */
export const WAITING = 0, NO_WAIT = 1, WAIT = 2;

/** Device available, no exception pending. */
export function begin<V>(b: Builder<V>): void {
  if (b.hasPassed("x87")) return;
  const blocked = b.or(b.and(b.get(CR0), b.imm(CR0_EM_TS)), b.and(b.get(FSW), b.imm(SUMMARY)));
  b.when(blocked, () => void b.helper("fpuCheck", b.imm(WAITING)));
}

/** The instruction becomes the one that the pointers name. After its memory operand has been reached. */
export function remember<V>(b: Builder<V>, i: Instance<V>): void {
  if (b.stackKnown) {
    b.rememberPointers(i.x87Opcode(b), i.op.find((place) => place.isMemory)?.address(b) ?? null);
    return;
  }
  b.set(FIP, i.eip(b));
  b.set(FCS, b.segment(CS, SEG_SELECTOR));
  b.set(FOP, i.x87Opcode(b));
  const memory = i.op.find((place) => place.isMemory);
  if (!memory) return;
  b.set(FDP, memory.address(b));
  b.set(FDS, b.segment("operand", SEG_SELECTOR));
}

/** A register of the stack: physical number and address, both bound. */
export interface StackRegister<V> {
  readonly physical: V;
  readonly address: V;
}

export function stackRegister<V>(b: Builder<V>, index: V): StackRegister<V> {
  const physical = b.let(b.and(b.add(b.get(FTOP), index), b.imm(7)));
  return { physical, address: b.let(b.add(b.shl(physical, b.imm(4)), b.imm(X87_BASE))) };
}

export function isEmpty<V>(b: Builder<V>, register: StackRegister<V>): V {
  const tag = b.shrU(b.get(FTW), b.shl(register.physical, b.imm(1)));
  return b.eq(b.and(tag, b.imm(TAG_EMPTY)), b.imm(TAG_EMPTY));
}

/** EMPTY_REGISTER if the register is, else 0. */
export function emptyFlags<V>(b: Builder<V>, register: StackRegister<V>): V {
  return b.select(isEmpty(b, register), b.imm(EMPTY_REGISTER), b.imm(0));
}

export function significand<V>(b: Builder<V>, register: StackRegister<V>): V {
  return b.stateLoad64(register.address);
}
export function signExponent<V>(b: Builder<V>, register: StackRegister<V>): V {
  return b.stateLoad(b.add(register.address, b.imm(8)), 2);
}

export function writeRegister<V>(b: Builder<V>, register: StackRegister<V>, value: V, se: V): void {
  b.stateStore64(register.address, value);
  b.stateStore(b.add(register.address, b.imm(8)), 2, se);
  setTag(b, register, 0);
}

export function setTag<V>(b: Builder<V>, register: StackRegister<V>, tag: 0 | 3): void {
  const shift = b.shl(register.physical, b.imm(1));
  const others = b.and(b.get(FTW), b.xor(b.shl(b.imm(TAG_EMPTY), shift), b.imm(-1)));
  b.set(FTW, tag === 0 ? others : b.or(others, b.shl(b.imm(tag), shift)));
}

export function pop<V>(b: Builder<V>): void {
  const top = b.let(b.get(FTOP));
  b.set(FTW, b.or(b.get(FTW), b.shl(b.imm(TAG_EMPTY), b.shl(top, b.imm(1)))));
  b.set(FTOP, b.and(b.add(top, b.imm(1)), b.imm(7)));
}

/** (flags) -> whether the result is to be stored and the stack to be popped. Sets the status word. */
const x87Raise: SharedFunction = {
  name: "x87Raise", params: ["i32"], results: ["i32"],
  body: (b, [flags]) => {
    const unmasked = b.let(b.and(b.and(flags, b.imm(EXCEPTIONS)), b.xor(b.get(FCW), b.imm(-1))));
    const stopped = b.let(b.and(unmasked, b.imm(BEFORE_RESULT)));
    // What rounding found out is not raised where there is no rounding; C1 of a stack overflow is.
    const keeps = b.or(b.eqz(stopped), b.and(flags, b.imm(STACK_FAULT)));
    const raised = b.select(keeps, flags, b.and(flags, b.imm(~(OE | UE | PE | C1))));
    const status = b.or(b.and(b.get(FSW), b.imm(~C1)), raised);
    b.set(FSW, b.or(status, b.select(unmasked, b.imm(SUMMARY), b.imm(0))));
    return [b.eqz(stopped)];
  },
};

/** Those exceptions of `flags` that are not masked. */
export function unmaskedOf<V>(b: Builder<V>, flags: V): V {
  return b.and(b.and(flags, b.imm(EXCEPTIONS)), b.xor(b.get(FCW), b.imm(-1)));
}

/** As x87Raise, in place where no unmasked exception is raised. `cleared`: bits of the status word that go first. */
export function raise<V>(b: Builder<V>, flags: V, cleared = C1): V {
  const raised = b.let(flags);
  const clear = () => b.and(b.get(FSW), b.imm(~cleared));
  if (b.stackKnown) {
    b.insist(unmaskedOf(b, raised));
    b.set(FSW, b.or(clear(), raised));
    // Nothing has become pending.
    b.hasPassed("x87");
    return b.imm(1);
  }
  const done = b.variable(b.imm(1));
  b.when(unmaskedOf(b, raised), () => {
    if (cleared !== C1) b.set(FSW, clear());
    done.set(b.call(x87Raise, raised)[0]);
  }, () => b.set(FSW, b.or(clear(), raised)));
  return done.get();
}

/** The end of an instruction that writes a register: whether the stack is to be popped. */
export function settle<V>(b: Builder<V>, register: StackRegister<V>, value: V, se: V, flags: V, cleared = C1): V {
  const done = raise(b, flags, cleared);
  b.when(done, () => writeRegister(b, register, value, se));
  return done;
}

/**
 * (significand, sign-exponent, flags): pushes; the real indefinite where the stack is full. A denormal operand that memory held
 * is loaded even if its exception is unmasked; an empty source goes before a full stack.
 */
const x87Push: SharedFunction = {
  name: "x87Push", params: ["i64", "i32", "i32"], results: [],
  body: (b, [value, se, flags]) => {
    const register = stackRegister(b, b.imm(-1));
    const full = b.let(b.eqz(b.or(isEmpty(b, register), b.and(flags, b.imm(STACK_FAULT)))));
    const raised = b.let(b.select(full, b.imm(FULL_STACK), flags));
    raise(b, raised);
    b.when(b.eqz(b.and(b.and(raised, b.imm(IE)), b.xor(b.get(FCW), b.imm(-1)))), () => {
      b.set(FTOP, register.physical);
      writeRegister(b, register, b.select64(full, b.imm64(INDEFINITE), value), b.select(full, b.imm(INDEFINITE_SE), se));
    });
    return [];
  },
};

/** As x87Push, in place where there is nothing to raise. */
export function push<V>(b: Builder<V>, value: V, se: V, flags: V): void {
  const register = stackRegister(b, b.imm(-1));
  const raised = b.let(flags), exponent = b.let(se), bits = b.let64(value);
  if (b.stackKnown) {
    b.insist(b.eqz(isEmpty(b, register)));
    raise(b, raised);
    b.set(FTOP, register.physical);
    writeRegister(b, register, bits, exponent);
    return;
  }
  b.when(b.or(raised, b.eqz(isEmpty(b, register))), () => void b.call(x87Push, bits, exponent, raised), () => {
    b.set(FSW, b.and(b.get(FSW), b.imm(~C1)));
    b.set(FTOP, register.physical);
    writeRegister(b, register, bits, exponent);
  });
}

/** A result in the making, defined on every path of a shared function. */
export interface Result<V> {
  readonly value: Variable<V>;
  readonly se: Variable<V>;
  readonly flags: Variable<V>;
}

/** Starts as the real indefinite of an invalid operation. */
export function resultOf<V>(b: Builder<V>): Result<V> {
  return { value: b.variable64(b.imm64(INDEFINITE)), se: b.variable(b.imm(INDEFINITE_SE)), flags: b.variable(b.imm(IE)) };
}

export function setResult<V>(result: Result<V>, [value, se, flags]: readonly V[]): void {
  result.value.set(value);
  result.se.set(se);
  result.flags.set(flags);
}

export function finish<V>(result: Result<V>): readonly V[] {
  return [result.value.get(), result.se.get(), result.flags.get()];
}

/** An instruction that replaces ST(0) by a function of it. */
export function unary(calculate: SharedFunction): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const top = stackRegister(b, b.imm(0));
    const empty = b.let(emptyFlags(b, top));
    const result = resultOf(b);
    result.flags.set(empty);
    b.when(b.eqz(empty), () => setResult(result, b.call(calculate, significand(b, top), signExponent(b, top))));
    settle(b, top, result.value.get(), result.se.get(), result.flags.get());
  };
}

/** An instruction that replaces ST(1) by a function of ST(1) and ST(0), and pops ST(0). */
export function binaryPop(calculate: SharedFunction): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const top = stackRegister(b, b.imm(0)), other = stackRegister(b, b.imm(1));
    const empty = b.let(b.or(emptyFlags(b, top), emptyFlags(b, other)));
    const result = resultOf(b);
    result.flags.set(empty);
    b.when(b.eqz(empty), () => {
      setResult(result, b.call(calculate, significand(b, other), signExponent(b, other), significand(b, top), signExponent(b, top)));
    });
    const done = settle(b, other, result.value.get(), result.se.get(), result.flags.get());
    b.when(done, () => pop(b));
  };
}
