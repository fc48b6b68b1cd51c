// x87 data transfer and constants: FLD FST FILD FIST FXCH FCMOVcc FLD1..., FABS FCHS FRNDINT. SDM Vol. 1, sections 8.3.3, 8.3.4.

import type { Builder, ConditionCode, Instance, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { FCW, FSW } from "../state-layout.ts";
import { x87Nan } from "./x87-arithmetic.ts";
import { type ExtendedOperand, memoryInteger, memoryReal, narrowDouble, narrowInteger, narrowSingle, roundToInteger } from "./x87-formats.ts";
import { BIAS, denormalFlag, EXPONENT, exponentOf, INDEFINITE, INDEFINITE_SE, isNan, isSignalling, QUIET_BIT, SIGN } from "./x87-number.ts";
import {
  begin, C1, EMPTY_REGISTER, emptyFlags, IE, isEmpty, pop, push, raise, remember, resultOf, setResult, settle, signExponent, significand, stackRegister,
  type StackRegister, unary, unmaskedOf, writeRegister,
} from "./x87-registers.ts";
import { roundingMode } from "./x87-rounding.ts";

function load(read: ExtendedOperand): Semantics {
  return (b, i) => {
    begin(b);
    const [value, se, raised] = read(b, i);
    remember(b, i);
    // A signalling NaN becomes quiet; an integer is none.
    const signals = b.let(isSignalling(b, value, se));
    push(b, b.or64(value, b.select64(signals, b.imm64(QUIET_BIT), b.imm64(0n))), se, b.or(raised, signals));
  };
}

export const fldReal = load(memoryReal);
export const fild = load(memoryInteger);

/** Extended precision comes as it is. */
export const fldExtended: Semantics = (b, i) => {
  begin(b);
  const address = b.let(i.op[0].address(b));
  const value = b.load64("operand", address);
  const se = b.load("operand", b.add(address, b.imm(8)), 2);
  remember(b, i);
  push(b, value, se, b.imm(0));
};

export const fldStack: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
  const source = stackRegister(b, i.op[0].number(b));
  const empty = b.let(emptyFlags(b, source));
  const value = b.select64(empty, b.imm64(INDEFINITE), significand(b, source));
  push(b, value, b.select(empty, b.imm(INDEFINITE_SE), signExponent(b, source)), empty);
};

/** FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ; `down`: the significand that rounding down or toward zero gives, `up`: rounding up. */
function constant(exponent: number, nearest: bigint, down = nearest, up = nearest): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const mode = b.let(roundingMode(b, b.get(FCW)));
    const directed = b.select64(b.eq(mode, b.imm(2)), b.imm64(up), b.imm64(down));
    push(b, nearest === down && nearest === up ? b.imm64(nearest) : b.select64(mode, directed, b.imm64(nearest)), b.imm(exponent), b.imm(0));
  };
}

export const fld1 = constant(BIAS, 0x8000_0000_0000_0000n);
export const fldl2t = constant(0x4000, 0xd49a_784b_cd1b_8afen, 0xd49a_784b_cd1b_8afen, 0xd49a_784b_cd1b_8affn);
export const fldl2e = constant(0x3fff, 0xb8aa_3b29_5c17_f0bcn, 0xb8aa_3b29_5c17_f0bbn);
export const fldpi = constant(0x4000, 0xc90f_daa2_2168_c235n, 0xc90f_daa2_2168_c234n);
export const fldlg2 = constant(0x3ffd, 0x9a20_9a84_fbcf_f799n, 0x9a20_9a84_fbcf_f798n);
export const fldln2 = constant(0x3ffe, 0xb172_17f7_d1cf_79acn, 0xb172_17f7_d1cf_79abn);
export const fldz = constant(0, 0n);

/** Faults as a store would. */
function reach<V>(b: Builder<V>, address: V, width: number): void {
  const at = b.let(address);
  b.probeWrite("operand", at, width);
  // What is misaligned says so to a load.
  if (width === 2) b.load("operand", at, 2);
  else if (width === 4) b.load("operand", at, 4);
  else b.load64("operand", at);
}

/** Stores ST(0) as `convert` has it: memory first, which may fault though an unmasked exception forbids the store, then the status word and the stack. */
function store(pops: boolean, convert: <V>(b: Builder<V>, i: Instance<V>, value: V, se: V) => readonly V[], indefinite: (width: number) => bigint): Semantics {
  return (b, i) => {
    begin(b);
    const place = i.op[0];
    const top = stackRegister(b, b.imm(0));
    const bits = b.variable64(b.imm64(indefinite(place.width)));
    const flags = b.variable(b.imm(EMPTY_REGISTER));
    b.when(b.eqz(emptyFlags(b, top)), () => {
      const [converted, raised] = convert(b, i, significand(b, top), signExponent(b, top));
      bits.set(converted);
      flags.set(raised);
    });
    const raised = flags.get();
    // Memory is not written by what is done over.
    if (b.stackKnown) b.insist(unmaskedOf(b, raised));
    const stopped = b.stackKnown ? b.imm(0) : b.let(b.and(b.and(raised, b.imm(0x1f)), b.xor(b.get(FCW), b.imm(-1))));
    b.when(b.eqz(stopped), () => place.write(b, place.width === 8 ? bits.get() : b.wrap(bits.get())), () => reach(b, place.address(b), place.width));
    remember(b, i);
    raise(b, raised);
    if (pops) b.when(b.eqz(stopped), () => pop(b));
  };
}

const realIndefinite = (width: number) => (width === 4 ? 0xffc0_0000n : 0xfff8_0000_0000_0000n);
const integerIndefinite = (width: number) => 1n << BigInt(width * 8 - 1);

function real<V>(b: Builder<V>, i: Instance<V>, value: V, se: V): readonly V[] {
  return b.call(i.op[0].width === 4 ? narrowSingle : narrowDouble, value, se, b.get(FCW));
}
function integer<V>(b: Builder<V>, i: Instance<V>, value: V, se: V): readonly V[] {
  return b.call(narrowInteger, value, se, roundingMode(b, b.get(FCW)), b.imm(i.op[0].width * 8));
}
/** FISTTP rounds toward zero whatever the control word says. */
function truncated<V>(b: Builder<V>, i: Instance<V>, value: V, se: V): readonly V[] {
  return b.call(narrowInteger, value, se, b.imm(3), b.imm(i.op[0].width * 8));
}

export const fstReal = store(false, real, realIndefinite);
export const fstpReal = store(true, real, realIndefinite);
export const fist = store(false, integer, integerIndefinite);
export const fistp = store(true, integer, integerIndefinite);
export const fisttp = store(true, truncated, integerIndefinite);

/** Stores 80 bits unless `flags` has an unmasked invalid operation; the memory must be writable all the same. */
export function store80<V>(b: Builder<V>, address: V, low: V, high: V, flags: V): void {
  if (b.stackKnown) b.insist(unmaskedOf(b, flags));
  const stopped = b.stackKnown ? b.imm(0) : b.and(b.and(flags, b.imm(IE)), b.xor(b.get(FCW), b.imm(-1)));
  b.probeWrite("operand", address, 10);
  b.when(stopped, () => reach(b, address, 10), () => {
    b.store64("operand", address, low);
    b.store("operand", b.add(address, b.imm(8)), 2, high);
  });
}

export const fstpExtended: Semantics = (b, i) => {
  begin(b);
  const address = b.let(i.op[0].address(b));
  const top = stackRegister(b, b.imm(0));
  const empty = b.let(emptyFlags(b, top));
  const value = b.select64(empty, b.imm64(INDEFINITE), significand(b, top));
  store80(b, address, value, b.select(empty, b.imm(INDEFINITE_SE), signExponent(b, top)), empty);
  remember(b, i);
  b.when(raise(b, empty), () => pop(b));
};

/** FST and FSTP ST(i). */
function storeStack(pops: boolean): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const top = stackRegister(b, b.imm(0));
    const empty = b.let(emptyFlags(b, top));
    const value = b.select64(empty, b.imm64(INDEFINITE), significand(b, top));
    const done = settle(b, stackRegister(b, i.op[0].number(b)), value, b.select(empty, b.imm(INDEFINITE_SE), signExponent(b, top)), empty);
    if (pops) b.when(done, () => pop(b));
  };
}
/** FSTPNCE (D9 D8+i): as FSTP ST(i), but an empty ST(0) is dropped without an exception. */
export const fstpNoException: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
  const top = stackRegister(b, b.imm(0));
  b.when(b.eqz(isEmpty(b, top)), () => void settle(b, stackRegister(b, i.op[0].number(b)), significand(b, top), signExponent(b, top), b.imm(0)), () => void raise(b, b.imm(0)));
  pop(b);
};
export const fstStack = storeStack(false);
export const fstpStack = storeStack(true);

/** Empty registers are exchanged as the real indefinite. */
export const fxch: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
  const top = stackRegister(b, b.imm(0)), other = stackRegister(b, i.op[0].number(b));
  const contents = (register: StackRegister<Parameters<typeof b.let>[0]>) => {
    const empty = b.let(emptyFlags(b, register));
    return {
      empty,
      value: b.let64(b.select64(empty, b.imm64(INDEFINITE), significand(b, register))),
      se: b.let(b.select(empty, b.imm(INDEFINITE_SE), signExponent(b, register))),
    };
  };
  const x = contents(top), y = contents(other);
  b.when(raise(b, b.or(x.empty, y.empty)), () => {
    writeRegister(b, top, y.value, y.se);
    writeRegister(b, other, x.value, x.se);
  });
};

/** FCMOVcc, by the conditions B E BE U and their negations. C1 tells of a stack fault alone. */
function fcmov(condition: ConditionCode): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const top = stackRegister(b, b.imm(0)), source = stackRegister(b, i.op[1].number(b));
    const empty = b.let(b.or(emptyFlags(b, top), emptyFlags(b, source)));
    const taken = b.let(b.condition(condition));
    b.when(b.or(empty, taken), () => {
      const value = b.select64(empty, b.imm64(INDEFINITE), significand(b, source));
      const rounding = b.let(b.select(empty, b.imm(0), b.and(b.get(FSW), b.imm(C1))));
      settle(b, top, value, b.select(empty, b.imm(INDEFINITE_SE), signExponent(b, source)), b.or(empty, rounding));
    });
  };
}

export const fcmovb = fcmov(2), fcmovnb = fcmov(3), fcmove = fcmov(4), fcmovne = fcmov(5);
export const fcmovbe = fcmov(6), fcmovnbe = fcmov(7), fcmovu = fcmov(10), fcmovnu = fcmov(11);

/** FABS and FCHS: the sign of anything, NaNs included. */
function signChange(change: <V>(b: Builder<V>, se: V) => V): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const top = stackRegister(b, b.imm(0));
    const empty = b.let(emptyFlags(b, top));
    const value = b.select64(empty, b.imm64(INDEFINITE), significand(b, top));
    settle(b, top, value, b.select(empty, b.imm(INDEFINITE_SE), change(b, signExponent(b, top))), empty);
  };
}
export const fabs = signChange((b, se) => b.and(se, b.imm(EXPONENT)));
export const fchs = signChange((b, se) => b.xor(se, b.imm(SIGN)));

/** (significand, sign-exponent) -> result */
const x87RoundInteger: SharedFunction = {
  name: "x87RoundInteger", params: ["i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [value, se]) => {
    const result = resultOf(b);
    const exponent = b.let(exponentOf(b, se));
    b.when(isNan(b, value, se), () => setResult(result, b.call(x87Nan, value, se, value, se)), () => {
      // Zero, and what has no fraction.
      b.when(b.or(b.eqz64(value), b.geU(exponent, b.imm(BIAS + 63))), () => setResult(result, [value, se, b.imm(0)]), () => {
        const [magnitude, raised] = b.call(roundToInteger, value, se, roundingMode(b, b.get(FCW)));
        const shift = b.let64(b.clz64(magnitude));
        const rounded = b.select(b.eqz64(magnitude), b.imm(0), b.sub(b.imm(BIAS + 63), b.wrap(shift)));
        setResult(result, [b.shl64(magnitude, shift), b.or(b.and(se, b.imm(SIGN)), rounded), b.or(raised, denormalFlag(b, value, se))]);
      });
    });
    return [result.value.get(), result.se.get(), result.flags.get()];
  },
};

export const frndint = unary(x87RoundInteger);
