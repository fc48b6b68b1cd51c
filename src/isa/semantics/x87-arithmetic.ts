// x87 basic arithmetic: FADD FSUB FMUL FDIV and their reversed, popping and integer forms, FSQRT.
// SDM Vol. 1, sections 8.3.5 "Basic Arithmetic Instructions" and 4.8.3.5 "Operating on SNaNs and QNaNs" (Table 4-7).

import type { Builder, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { FCW } from "../state-layout.ts";
import { divideWide, product, rootWide } from "./wide-integers.ts";
import { memoryInteger, memoryReal, widenDouble, widenSingle } from "./x87-formats.ts";
import {
  BIAS, denormalFlag, EXPONENT, exponentOf, INDEFINITE, INDEFINITE_SE, INTEGER_BIT, isInfinite, isNan, isSignalling, isSpecial, isUnsupported, normalize,
  QUIET_BIT, SIGN, signOf,
} from "./x87-number.ts";
import {
  begin, EMPTY_REGISTER, emptyFlags, finish, pop, remember, type Result, resultOf, setResult, settle, signExponent, significand, stackRegister, unary, ZE,
} from "./x87-registers.ts";
import { RC_DOWN, roundingMode, roundInto, shiftRightSticky, x87Round } from "./x87-rounding.ts";

/** (significand, sign-exponent, twice) -> result where at least one operand is a NaN or unsupported. */
export const x87Nan: SharedFunction = {
  name: "x87Nan", params: ["i64", "i32", "i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, xse, y, yse]) => {
    const result = resultOf(b);
    b.when(b.eqz(b.or(isUnsupported(b, x, xse), isUnsupported(b, y, yse))), () => {
      const xNan = b.let(isNan(b, x, xse)), yNan = b.let(isNan(b, y, yse));
      const xSignals = b.let(isSignalling(b, x, xse)), ySignals = b.let(isSignalling(b, y, yse));
      // The only NaN; else the quiet one of a quiet and a signalling one; else the larger significand; else the positive one.
      const larger = b.select(b.eq64(x, y), b.ltU(xse, yse), b.ltU64(y, x));
      const ofTwo = b.select(b.ne(xSignals, ySignals), ySignals, larger);
      const first = b.let(b.and(xNan, b.or(b.eqz(yNan), ofTwo)));
      result.value.set(b.or64(b.select64(first, x, y), b.imm64(QUIET_BIT)));
      result.se.set(b.select(first, xse, yse));
      result.flags.set(b.or(xSignals, ySignals));
    });
    return finish(result);
  },
};

/** Both operands of an operation as magnitudes with bit 63 set (or 0) and exponents without lower limit; DE of all. */
interface Operands<V> {
  readonly x: V;
  readonly xe: V;
  readonly y: V;
  readonly ye: V;
  readonly denormal: V;
}

type Finite = <V>(b: Builder<V>, result: Result<V>, operands: Operands<V>, xse: V, yse: V) => void;

/** Runs `finite` for two normal numbers, the usual case, else `others`. */
function usually<V>(b: Builder<V>, x: V, xse: V, y: V, yse: V, raised: V, finite: (operands: Operands<V>) => void, others: () => void): void {
  const xe = b.let(exponentOf(b, xse)), ye = b.let(exponentOf(b, yse));
  const inRange = (exponent: V) => b.ltU(b.sub(exponent, b.imm(1)), b.imm(EXPONENT - 1));
  const usual = b.and(b.and(inRange(xe), inRange(ye)), b.wrap(b.shrU64(b.and64(x, y), b.imm64(63n))));
  b.when(usual, () => finite({ x, xe, y, ye, denormal: raised }), others);
}

/** Runs `finite` with both operands prepared, or `special`, if one is no finite number. */
function classify<V>(
  b: Builder<V>, x: V, xse: V, y: V, yse: V, raised: V, special: (denormal: V) => void, finite: (operands: Operands<V>) => void,
): void {
  const denormal = b.let(b.or(b.or(denormalFlag(b, x, xse), denormalFlag(b, y, yse)), raised));
  b.when(b.or(isSpecial(b, x, xse), isSpecial(b, y, yse)), () => special(denormal), () => {
    const xn = normalize(b, x, xse), yn = normalize(b, y, yse);
    finite({ x: xn.value, xe: xn.exponent, y: yn.value, ye: yn.exponent, denormal });
  });
}

/** The sum of x and y. */
const addFinite: Finite = (b, result, { x: xv, xe, y: yv, ye, denormal }, xse, yse) => {
  const control = b.let(b.get(FCW));
  const swap = b.let(b.ltS(xe, ye));
  const large = b.let64(b.select64(swap, yv, xv)), other = b.let64(b.select64(swap, xv, yv));
  const sign = b.let(signOf(b, b.select(swap, yse, xse)));
  const difference = b.let(b.sub(xe, ye));
  const distance = b.let(b.select(swap, b.sub(b.imm(0), difference), difference));
  const by = b.let64(b.extendU(distance));
  const small = b.variable64(b.shrU64(other, by));
  const low = b.variable64(b.select64(distance, b.shl64(other, b.sub64(b.imm64(64n), by)), b.imm64(0n)));
  b.when(b.gtU(distance, b.imm(63)), () => {
    const [, rest] = b.call(shiftRightSticky, other, b.imm64(0n), distance);
    small.set(b.imm64(0n));
    low.set(rest);
  });
  const smallHigh = small.get(), smallRest = low.get();
  const exponent = b.variable(b.select(swap, ye, xe));
  const high = b.variable64(b.imm64(0n));
  const negative = b.variable(sign);
  const zeroSign = b.variable(sign);
  b.when(b.eqz(b.and(b.xor(xse, yse), b.imm(SIGN))), () => {
    const sum = b.let64(b.add64(large, smallHigh));
    high.set(sum);
    b.when(b.ltU64(sum, large), () => {
      high.set(b.or64(b.shrU64(sum, b.imm64(1n)), b.imm64(INTEGER_BIT)));
      const lost = b.or64(b.shrU64(smallRest, b.imm64(1n)), b.and64(smallRest, b.imm64(1n)));
      low.set(b.or64(b.shl64(sum, b.imm64(63n)), lost));
      exponent.set(b.add(exponent.get(), b.imm(1)));
    });
  }, () => {
    zeroSign.set(b.eq(roundingMode(b, control), b.imm(RC_DOWN)));
    const borrow = b.extendU(b.ne64(smallRest, b.imm64(0n)));
    const below = b.let(b.ltU64(large, smallHigh));
    const remaining = b.let64(b.sub64(b.sub64(large, smallHigh), borrow));
    // Below only with equal exponents, and then there is no rest.
    high.set(b.select64(below, b.sub64(b.imm64(0n), remaining), remaining));
    low.set(b.sub64(b.imm64(0n), smallRest));
    negative.set(b.xor(sign, below));
    b.when(b.eqz64(high.get()), () => {
      high.set(low.get());
      low.set(b.imm64(0n));
      exponent.set(b.sub(exponent.get(), b.imm(64)));
    });
    const top = high.get(), rest = low.get();
    const shift = b.let64(b.clz64(top));
    b.when(b.ne64(b.and64(shift, b.imm64(63n)), b.imm64(0n)), () => {
      high.set(b.or64(b.shl64(top, shift), b.shrU64(rest, b.sub64(b.imm64(64n), shift))));
      low.set(b.shl64(rest, shift));
      exponent.set(b.sub(exponent.get(), b.wrap(shift)));
    });
  });
  b.when(b.eqz64(high.get()), () => setResult(result, [b.imm64(0n), b.shl(zeroSign.get(), b.imm(15)), b.imm(0)]), () => {
    roundInto(b, result, negative.get(), exponent.get(), high.get(), low.get(), control);
  });
  result.flags.set(b.or(result.flags.get(), denormal));
};

/** (x, y, toggle, raised): x + y with y's sign turned over by `toggle` (0 or SIGN) unless it is a NaN. `raised`: DE of the operand's conversion. */
const x87Add: SharedFunction = {
  name: "x87Add", params: ["i64", "i32", "i64", "i32", "i32", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, xse, y, yseGiven, toggle, raised]) => {
    const result = resultOf(b);
    const yse = b.let(b.xor(yseGiven, toggle));
    classify(b, x, xse, y, yseGiven, raised, (denormal) => {
      b.when(b.or(isNan(b, x, xse), isNan(b, y, yseGiven)), () => setResult(result, b.call(x87Nan, x, xse, y, yseGiven)), () => {
        const first = b.let(isInfinite(b, xse));
        const opposed = b.and(b.and(first, isInfinite(b, yse)), b.ne(xse, yse));
        b.when(b.eqz(opposed), () => setResult(result, [b.imm64(INTEGER_BIT), b.select(first, xse, yse), denormal]));
      });
    }, (operands) => addFinite(b, result, operands, xse, yse));
    return finish(result);
  },
};

const multiplyFinite: Finite = (b, result, { x, xe, y, ye, denormal }, xse, yse) => {
  const sign = b.let(b.and(b.xor(xse, yse), b.imm(SIGN)));
  const [high, low] = product(b, x, y);
  b.when(b.eqz64(high), () => setResult(result, [b.imm64(0n), sign, b.imm(0)]), () => {
    const full = b.let64(b.shrU64(high, b.imm64(63n)));
    const shift = b.let64(b.xor64(full, b.imm64(1n)));
    const top = b.let64(b.or64(b.shl64(high, shift), b.and64(b.shrU64(low, b.imm64(63n)), shift)));
    const exponent = b.let(b.add(b.sub(b.add(xe, ye), b.imm(BIAS)), b.wrap(full)));
    roundInto(b, result, signOf(b, sign), exponent, top, b.let64(b.shl64(low, shift)), b.let(b.get(FCW)));
  });
  result.flags.set(b.or(result.flags.get(), denormal));
};

/** (x, y, raised) */
const x87Multiply: SharedFunction = {
  name: "x87Multiply", params: ["i64", "i32", "i64", "i32", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, xse, y, yse, raised]) => {
    const result = resultOf(b);
    const sign = b.let(b.and(b.xor(xse, yse), b.imm(SIGN)));
    classify(b, x, xse, y, yse, raised, (denormal) => {
      b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => setResult(result, b.call(x87Nan, x, xse, y, yse)), () => {
        const zero = b.or(b.eqz64(x), b.eqz64(y));
        b.when(b.eqz(zero), () => setResult(result, [b.imm64(INTEGER_BIT), b.or(sign, b.imm(EXPONENT)), denormal]));
      });
    }, (operands) => multiplyFinite(b, result, operands, xse, yse));
    return finish(result);
  },
};

const divideFinite: Finite = (b, result, { x: xv, xe, y: yv, ye, denormal }, xse, yse) => {
  const sign = b.let(b.and(b.xor(xse, yse), b.imm(SIGN)));
  b.when(b.eqz64(yv), () => {
    b.when(b.ne64(xv, b.imm64(0n)), () => setResult(result, [b.imm64(INTEGER_BIT), b.or(sign, b.imm(EXPONENT)), b.imm(ZE)]));
  }, () => b.when(b.eqz64(xv), () => setResult(result, [b.imm64(0n), sign, denormal]), () => {
    const atLeastOne = b.let64(b.extendU(b.eqz(b.ltU64(xv, yv))));
    const [quotient, rest] = b.call(divideWide, b.shrU64(xv, atLeastOne), b.shl64(b.and64(xv, atLeastOne), b.imm64(63n)), yv);
    // Never one half: a quotient of 65 bits, the last one set, times y has more bits than x.
    const aboveHalf = b.ltU64(b.sub64(yv, rest), rest);
    const low = b.let64(b.select64(aboveHalf, b.imm64(INTEGER_BIT | 1n), b.extendU(b.ne64(rest, b.imm64(0n)))));
    const exponent = b.let(b.add(b.sub(xe, ye), b.add(b.imm(BIAS - 1), b.wrap(atLeastOne))));
    roundInto(b, result, signOf(b, sign), exponent, quotient, low, b.let(b.get(FCW)));
    result.flags.set(b.or(result.flags.get(), denormal));
  }));
};

/** (x, y, raised): x / y. */
const x87Divide: SharedFunction = {
  name: "x87Divide", params: ["i64", "i32", "i64", "i32", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, xse, y, yse, raised]) => {
    const result = resultOf(b);
    const sign = b.let(b.and(b.xor(xse, yse), b.imm(SIGN)));
    classify(b, x, xse, y, yse, raised, (denormal) => {
      b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => setResult(result, b.call(x87Nan, x, xse, y, yse)), () => {
        b.when(isInfinite(b, xse), () => {
          b.when(b.eqz(isInfinite(b, yse)), () => setResult(result, [b.imm64(INTEGER_BIT), b.or(sign, b.imm(EXPONENT)), denormal]));
        }, () => setResult(result, [b.imm64(0n), sign, denormal]));
      });
    }, (operands) => divideFinite(b, result, operands, xse, yse));
    return finish(result);
  },
};

/** (x) */
const x87SquareRoot: SharedFunction = {
  name: "x87SquareRoot", params: ["i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, se]) => {
    const result = resultOf(b);
    const denormal = b.let(denormalFlag(b, x, se));
    const negative = b.let(signOf(b, se));
    b.when(isNan(b, x, se), () => setResult(result, b.call(x87Nan, x, se, x, se)), () => {
      b.when(b.eqz64(x), () => setResult(result, [x, se, b.imm(0)]), () => b.when(b.eqz(negative), () => {
        b.when(isInfinite(b, se), () => setResult(result, [x, se, b.imm(0)]), () => {
          const xn = normalize(b, x, se);
          const odd = b.let(b.and(b.sub(xn.exponent, b.imm(BIAS)), b.imm(1)));
          const even = b.let64(b.extendU(b.eqz(odd)));
          const [root, rest] = b.call(rootWide, b.shrU64(xn.value, even), b.shl64(b.and64(xn.value, even), b.imm64(63n)));
          const exponent = b.add(b.shrS(b.sub(xn.exponent, b.imm(BIAS)), b.imm(1)), b.imm(BIAS));
          setResult(result, b.call(x87Round, b.imm(0), exponent, root, rest, b.get(FCW)));
          result.flags.set(b.or(result.flags.get(), denormal));
        });
      }));
    });
    return finish(result);
  },
};

type Operation = "add" | "subtract" | "subtractReversed" | "multiply" | "divide" | "divideReversed";

type Calculate = <V>(b: Builder<V>, x: V, xse: V, y: V, yse: V, raised: V) => readonly V[];

/** The whole of an instruction with two operands: the register becomes the result; whether the stack is to be popped. */
function replace<V>(b: Builder<V>, calculate: Calculate, index: V, source: V, sourceSe: V, raised: V): V {
  const destination = stackRegister(b, index);
  const stackFault = b.let(b.or(emptyFlags(b, destination), b.and(raised, b.imm(EMPTY_REGISTER))));
  const done = b.variable(b.imm(1));
  b.when(stackFault, () => {
    done.set(settle(b, destination, b.imm64(INDEFINITE), b.imm(INDEFINITE_SE), stackFault));
  }, () => {
    const [value, se, flags] = calculate(b, significand(b, destination), signExponent(b, destination), source, sourceSe, raised);
    done.set(settle(b, destination, value, se, flags));
  });
  return done.get();
}

/** Calls cost more than the usual case of what they do: the arithmetic is in place. */
interface Operations {
  /** (ST index of the destination, source, its flags) -> whether the stack is to be popped. */
  readonly register: SharedFunction;
  /** (bits in memory): to ST(0). */
  readonly single: SharedFunction;
  readonly double: SharedFunction;
  /** (value, sign-exponent, source, its sign-exponent, flags) -> (value, sign-exponent | flags << 16): the arithmetic alone. */
  readonly values: SharedFunction;
}

/** `finite`: of two finite numbers, in place where both are normal; `others`: of any, by a call. */
function operation(name: string, finite: Finite, others: Calculate): Operations {
  const calculate: Calculate = (b, x, xse, y, yse, raised) => {
    const result = resultOf(b);
    usually(b, x, xse, y, yse, raised, (operands) => finite(b, result, operands, xse, yse), () => setResult(result, others(b, x, xse, y, yse, raised)));
    return finish(result);
  };
  const real = (format: string, widen: SharedFunction): SharedFunction => ({
    name: `${name}${format}`, params: ["i64"], results: [],
    body: (b, bits) => {
      const [source, se, raised] = widen.body(b, bits);
      replace(b, calculate, b.imm(0), b.let64(source), b.let(se), b.let(raised));
      return [];
    },
  });
  return {
    register: { name, params: ["i32", "i64", "i32", "i32"], results: ["i32"], body: (b, [index, source, se, raised]) => [replace(b, calculate, index, source, se, raised)] },
    single: real("Single", widenSingle),
    double: real("Double", widenDouble),
    values: {
      name: `${name}Values`, params: ["i64", "i32", "i64", "i32", "i32"], results: ["i64", "i32"],
      body: (b, [x, xse, y, yse, raised]) => {
        const [value, se, flags] = calculate(b, x, xse, y, yse, raised);
        return [value, b.or(se, b.shl(flags, b.imm(16)))];
      },
    },
  };
}

/** The operation with its operands, or their signs, turned over. */
const reversed = (finite: Finite): Finite => (b, result, { x, xe, y, ye, denormal }, xse, yse) => finite(b, result, { x: y, xe: ye, y: x, ye: xe, denormal }, yse, xse);
const opposed = (finite: Finite): Finite => (b, result, operands, xse, yse) => finite(b, result, operands, xse, b.let(b.xor(yse, b.imm(SIGN))));

function operationOf(name: string, shared: SharedFunction, finite: Finite, isReversed: boolean, toggle: readonly number[]): Operations {
  const args = <V>(b: Builder<V>, x: V, xse: V, y: V, yse: V, raised: V) => [...(isReversed ? [y, yse, x, xse] : [x, xse, y, yse]), ...toggle.map((bits) => b.imm(bits)), raised];
  const ofSigns = toggle.includes(SIGN) ? opposed(finite) : finite;
  return operation(name, isReversed ? reversed(ofSigns) : ofSigns, (b, ...operands) => b.call(shared, ...args(b, ...operands)));
}

const OPERATIONS: Readonly<Record<Operation, Operations>> = {
  add: operationOf("x87AddTo", x87Add, addFinite, false, [0]),
  subtract: operationOf("x87SubtractFrom", x87Add, addFinite, false, [SIGN]),
  subtractReversed: operationOf("x87SubtractReversed", x87Add, addFinite, true, [SIGN]),
  multiply: operationOf("x87MultiplyBy", x87Multiply, multiplyFinite, false, []),
  divide: operationOf("x87DivideBy", x87Divide, divideFinite, false, []),
  divideReversed: operationOf("x87DivideReversed", x87Divide, divideFinite, true, []),
};

/** The forms of one operation: destination op[0] and source op[1] on the stack, the same with a pop, and ST(0) with a memory operand. */
export interface Arithmetic {
  readonly stack: Semantics;
  readonly stackPop: Semantics;
  readonly real: Semantics;
  readonly integer: Semantics;
}

function arithmetic(name: Operation): Arithmetic {
  const shared = OPERATIONS[name];
  /** Where the stack is known: its registers are at hand, and what can go wrong with it is known, too. */
  const inPlace = <V>(b: Builder<V>, index: V, source: V, sourceSe: V, raised: V) => {
    const destination = stackRegister(b, index);
    b.insist(emptyFlags(b, destination));
    const [value, rest] = b.call(shared.values, significand(b, destination), signExponent(b, destination), source, sourceSe, raised);
    settle(b, destination, value, b.and(rest, b.imm(0xffff)), b.shrU(rest, b.imm(16)));
  };
  const onStack = (pops: boolean): Semantics => (b, i) => {
    begin(b);
    remember(b, i);
    const source = stackRegister(b, i.op[1].number(b));
    if (b.stackKnown) {
      b.insist(emptyFlags(b, source));
      inPlace(b, i.op[0].number(b), significand(b, source), signExponent(b, source), b.imm(0));
      if (pops) pop(b);
      return;
    }
    const done = b.call(shared.register, i.op[0].number(b), significand(b, source), signExponent(b, source), emptyFlags(b, source))[0];
    if (pops) b.when(done, () => pop(b));
  };
  const real: Semantics = (b, i) => {
    begin(b);
    if (b.stackKnown) {
      const [value, se, raised] = memoryReal(b, i);
      remember(b, i);
      inPlace(b, b.imm(0), value, se, raised);
      return;
    }
    const bits = i.op[0].read(b);
    remember(b, i);
    if (i.op[0].width === 4) b.call(shared.single, b.extendU(bits));
    else b.call(shared.double, bits);
  };
  const integer: Semantics = (b, i) => {
    begin(b);
    const [value, se, raised] = memoryInteger(b, i);
    remember(b, i);
    if (b.stackKnown) {
      inPlace(b, b.imm(0), value, se, raised);
      return;
    }
    b.call(shared.register, b.imm(0), value, se, raised);
  };
  return { stack: onStack(false), stackPop: onStack(true), real, integer };
}

export const fadd = arithmetic("add");
export const fsub = arithmetic("subtract");
export const fsubr = arithmetic("subtractReversed");
export const fmul = arithmetic("multiply");
export const fdiv = arithmetic("divide");
export const fdivr = arithmetic("divideReversed");

export const fsqrt = unary(x87SquareRoot);
