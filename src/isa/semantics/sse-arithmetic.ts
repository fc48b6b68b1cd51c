// Floating-point arithmetic of SSE, SSE2 and SSE3: ADD SUB MUL DIV SQRT, HADD HSUB ADDSUB, packed and scalar.
// SDM Vol. 1, sections 10.4.1.2, 11.4.1.2, 12.4 and, of the results for NaNs, 4.8.3.5 "Operating on SNaNs and QNaNs" (Table 4-7).
//
// Normal numbers rounded to the nearest take the host's arithmetic, where the only flag that could be raised, PE, is already set;
// all else is done on whole numbers, element by element.

import type { Builder, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { MXCSR } from "../state-layout.ts";
import {
  defaultNan, denormalFlag, DOUBLE, everywhere, faultIf, flushOperand, type Format, IE, infinityBits, isInfinite, isNan, isSignalling, isZero, laneBits,
  leastNormal, PE, PM, quietBit, ROUNDING, signBit, signOf, SINGLE, sseRaise, unpack, withLaneBits, ZE,
} from "./sse-number.ts";
import { beginSse, readPacked } from "./sse-registers.ts";
import { roundingMode, roundTo, shiftRightJam } from "./sse-rounding.ts";
import { divideWide, product, rootWide } from "./wide-integers.ts";
import { RC_DOWN } from "./x87-rounding.ts";

type Operation = "add" | "sub" | "mul" | "div" | "sqrt";
/** (pattern, pattern, MXCSR) -> (pattern, flags) */
type Exact = SharedFunction;

interface Outcome<V> {
  /** Pattern and flags of the result. */
  set(bits: V, flags: V): void;
}

/** A function of two patterns: NaNs and flushing here, `infinite` where one is an infinity, else `finite`. */
function exact(
  name: string, f: Format,
  infinite: <V>(b: Builder<V>, x: V, y: V, denormal: V, outcome: Outcome<V>) => void,
  finite: <V>(b: Builder<V>, x: V, y: V, denormal: V, outcome: Outcome<V>, mxcsr: V) => void,
): Exact {
  return {
    name: `${name}${f.name}`, params: ["i64", "i64", "i32"], results: ["i64", "i32"],
    body: (b, [xGiven, yGiven, mxcsr]) => {
      const x = flushOperand(b, f, xGiven, mxcsr), y = flushOperand(b, f, yGiven, mxcsr);
      const bits = b.variable64(b.imm64(defaultNan(f))), flags = b.variable(b.imm(IE));
      const outcome: Outcome<typeof x> = {
        set: (value, raised) => {
          bits.set(value);
          flags.set(raised);
        },
      };
      const xNan = b.let(isNan(b, f, x));
      b.when(b.or(xNan, isNan(b, f, y)), () => {
        // The first operand's NaN goes before the second's.
        const nan = b.or64(b.select64(xNan, x, y), b.imm64(quietBit(f)));
        outcome.set(nan, b.or(isSignalling(b, f, x), isSignalling(b, f, y)));
      }, () => {
        const denormal = b.let(b.or(denormalFlag(b, f, x), denormalFlag(b, f, y)));
        b.when(b.or(isInfinite(b, f, x), isInfinite(b, f, y)), () => infinite(b, x, y, denormal, outcome), () => {
          finite(b, x, y, denormal, outcome, mxcsr);
        });
      });
      return [bits.get(), flags.get()];
    },
  };
}

const signed = <V>(b: Builder<V>, f: Format, negative: V, magnitude: bigint): V =>
  b.or64(b.shl64(b.extendU(negative), b.imm64(BigInt(f.bits - 1))), b.imm64(magnitude));

/** `toggle`: turns over the second operand's sign, of a number. */
function addition(name: string, f: Format, toggle: boolean): Exact {
  const second = <V>(b: Builder<V>, y: V): V => (toggle ? b.let64(b.xor64(y, b.imm64(signBit(f)))) : y);
  return exact(name, f, (b, x, yGiven, denormal, outcome) => {
    const y = second(b, yGiven);
    const xInfinite = b.let(isInfinite(b, f, x));
    const opposed = b.and(b.and(xInfinite, isInfinite(b, f, y)), b.ne64(x, y));
    b.when(b.eqz(opposed), () => outcome.set(b.select64(xInfinite, x, y), denormal));
  }, (b, x, yGiven, denormal, outcome, mxcsr) => {
    const y = second(b, yGiven);
    const xn = unpack(b, f, x), yn = unpack(b, f, y);
    const swap = b.let(b.ltS(xn.exponent, yn.exponent));
    const difference = b.let(b.sub(xn.exponent, yn.exponent));
    // One bit of room for a carry.
    const large = b.let64(b.shrU64(b.select64(swap, yn.significand, xn.significand), b.imm64(1n)));
    const other = b.let64(b.shrU64(b.select64(swap, xn.significand, yn.significand), b.imm64(1n)));
    const small = shiftRightJam(b, other, b.let(b.select(swap, b.sub(b.imm(0), difference), difference)));
    const sign = b.let(signOf(b, f, b.select64(swap, y, x)));
    const differ = b.let(b.ne(signOf(b, f, x), signOf(b, f, y)));
    const sum = b.let64(b.select64(differ, b.sub64(large, small), b.add64(large, small)));
    const below = b.let(b.and(differ, b.ltS64(sum, b.imm64(0n))));
    const total = b.let64(b.select64(below, b.sub64(b.imm64(0n), sum), sum));
    b.when(b.eqz64(total), () => {
      const negative = b.select(differ, b.eq(roundingMode(b, mxcsr), b.imm(RC_DOWN)), sign);
      outcome.set(signed(b, f, negative, 0n), denormal);
    }, () => {
      const shift = b.let64(b.clz64(total));
      const exponent = b.sub(b.add(b.select(swap, yn.exponent, xn.exponent), b.imm(1)), b.wrap(shift));
      const [bits, raised] = roundTo(b, f, b.xor(sign, below), exponent, b.shl64(total, shift), mxcsr);
      outcome.set(bits, b.or(raised, denormal));
    });
  });
}

const sticky = <V>(b: Builder<V>, high: V, low: V): V => b.or64(high, b.extendU(b.ne64(low, b.imm64(0n))));
const signOfProduct = <V>(b: Builder<V>, f: Format, x: V, y: V): V => b.let(b.xor(signOf(b, f, x), signOf(b, f, y)));

function multiplication(f: Format): Exact {
  return exact("sseMultiply", f, (b, x, y, denormal, outcome) => {
    const invalid = b.or(isZero(b, f, x), isZero(b, f, y));
    b.when(b.eqz(invalid), () => outcome.set(signed(b, f, signOfProduct(b, f, x, y), infinityBits(f)), denormal));
  }, (b, x, y, denormal, outcome, mxcsr) => {
    const negative = signOfProduct(b, f, x, y);
    b.when(b.or(isZero(b, f, x), isZero(b, f, y)), () => outcome.set(signed(b, f, negative, 0n), denormal), () => {
      const xn = unpack(b, f, x), yn = unpack(b, f, y);
      const [high, low] = product(b, xn.significand, yn.significand);
      const shift = b.let64(b.clz64(high));
      const exponent = b.sub(b.add(b.add(xn.exponent, yn.exponent), b.imm(1 - f.bias)), b.wrap(shift));
      const [bits, raised] = roundTo(b, f, negative, exponent, sticky(b, b.shl64(high, shift), low), mxcsr);
      outcome.set(bits, b.or(raised, denormal));
    });
  });
}

function division(f: Format): Exact {
  return exact("sseDivide", f, (b, x, y, denormal, outcome) => {
    const negative = signOfProduct(b, f, x, y);
    b.when(isInfinite(b, f, y), () => {
      b.when(b.eqz(isInfinite(b, f, x)), () => outcome.set(signed(b, f, negative, 0n), denormal));
    }, () => outcome.set(signed(b, f, negative, infinityBits(f)), denormal));
  }, (b, x, y, denormal, outcome, mxcsr) => {
    const negative = signOfProduct(b, f, x, y);
    b.when(isZero(b, f, y), () => {
      b.when(b.eqz(isZero(b, f, x)), () => outcome.set(signed(b, f, negative, infinityBits(f)), b.imm(ZE)));
    }, () => b.when(isZero(b, f, x), () => outcome.set(signed(b, f, negative, 0n), denormal), () => {
      const xn = unpack(b, f, x), yn = unpack(b, f, y);
      const atLeastOne = b.let64(b.extendU(b.eqz(b.ltU64(xn.significand, yn.significand))));
      const high = b.shrU64(xn.significand, atLeastOne), low = b.shl64(b.and64(xn.significand, atLeastOne), b.imm64(63n));
      const [quotient, rest] = b.call(divideWide, high, low, yn.significand);
      const exponent = b.add(b.sub(xn.exponent, yn.exponent), b.add(b.imm(f.bias - 1), b.wrap(atLeastOne)));
      const [bits, raised] = roundTo(b, f, negative, exponent, sticky(b, quotient, rest), mxcsr);
      outcome.set(bits, b.or(raised, denormal));
    }));
  });
}

/** Both operands are the same. */
function squareRoot(f: Format): Exact {
  return exact("sseSquareRoot", f, (b, _x, y, _denormal, outcome) => {
    b.when(b.eqz(signOf(b, f, y)), () => outcome.set(y, b.imm(0)));
  }, (b, _x, y, denormal, outcome, mxcsr) => {
    b.when(isZero(b, f, y), () => outcome.set(y, b.imm(0)), () => b.when(b.eqz(signOf(b, f, y)), () => {
      const { significand, exponent } = unpack(b, f, y);
      const distance = b.let(b.sub(exponent, b.imm(f.bias)));
      const even = b.let64(b.extendU(b.eqz(b.and(distance, b.imm(1)))));
      const [root, rest] = b.call(rootWide, b.shrU64(significand, even), b.shl64(b.and64(significand, even), b.imm64(63n)));
      const [bits, raised] = roundTo(b, f, b.imm(0), b.add(b.shrS(distance, b.imm(1)), b.imm(f.bias)), sticky(b, root, rest), mxcsr);
      outcome.set(bits, b.or(raised, denormal));
    }));
  });
}

function exactOf(f: Format): Readonly<Record<Operation, Exact>> {
  return { add: addition("sseAdd", f, false), sub: addition("sseSubtract", f, true), mul: multiplication(f), div: division(f), sqrt: squareRoot(f) };
}
const EXACT = { 32: exactOf(SINGLE), 64: exactOf(DOUBLE) } as const;

/** Lanes that hold a normal number. */
function normal<V>(b: Builder<V>, f: Format, magnitude: V): V {
  const less = b.vector(`${f.integers}.lt_s`, magnitude, everywhere(b, f, infinityBits(f)));
  return b.vector("v128.and", less, b.vector(`${f.integers}.gt_s`, magnitude, everywhere(b, f, leastNormal(f) - 1n)));
}
const zero = <V>(b: Builder<V>, f: Format, magnitude: V): V => b.vector(`${f.integers}.eq`, magnitude, b.imm128(0n));

/** Whether the host's result is the processor's in every lane, and is in range beyond doubt: not at the edge of underflow. */
function isUsual<V>(b: Builder<V>, f: Format, operation: Operation, x: V, y: V, result: V): V {
  const magnitude = (value: V) => b.let128(b.vector("v128.and", value, everywhere(b, f, signBit(f) - 1n)));
  const or = (left: V, right: V) => b.vector("v128.or", left, right), and = (left: V, right: V) => b.vector("v128.and", left, right);
  const all = (lanes: V) => b.vectorTest(`${f.integers}.all_true`, lanes);
  const ya = magnitude(y);
  if (operation === "sqrt") {
    const positive = b.vector(`${f.integers}.gt_s`, y, b.imm128((1n << 128n) - 1n));
    return all(and(or(normal(b, f, ya), zero(b, f, ya)), positive));
  }
  const xa = magnitude(x), ra = magnitude(result);
  const xZero = b.let128(zero(b, f, xa)), yZero = b.let128(zero(b, f, ya));
  const xGood = or(normal(b, f, xa), xZero), yGood = operation === "div" ? normal(b, f, ya) : or(normal(b, f, ya), yZero);
  // Sums below the normal numbers are exact; a product or quotient is 0 of right where an operand is.
  const exactZero = operation === "add" || operation === "sub" ? zero(b, f, ra) : operation === "mul" ? or(xZero, yZero) : xZero;
  const inRange = and(b.vector(`${f.integers}.lt_s`, ra, everywhere(b, f, infinityBits(f))), b.vector(`${f.integers}.gt_s`, ra, everywhere(b, f, leastNormal(f))));
  return all(and(and(xGood, yGood), or(inRange, exactZero)));
}

/** (x, y) -> (result, nonzero if an unmasked exception is raised). `each`: the operations of the even and the odd lanes; `count`: lanes that count. */
function packedFunction(f: Format, each: readonly [Operation, Operation], count: number): SharedFunction {
  const [even, odd] = each;
  return {
    name: `sse${even}${even === odd ? "" : odd}${f.name}x${count}`, params: ["v128", "v128"], results: ["v128", "i32"],
    body: (b, [x, y]) => {
      const mxcsr = b.let(b.get(MXCSR));
      const apply = (operation: Operation, second: typeof y) =>
        operation === "sqrt" ? b.vector(`${f.reals}.sqrt`, second) : b.vector(`${f.reals}.${operation}`, x, second);
      // Subtraction is addition of the opposite in the lanes that subtract.
      const second = even === odd ? y : b.let128(b.vector("v128.xor", y, evenSigns(b, f)));
      const result = b.variable128(apply(odd, second)), stop = b.variable(b.imm(0));
      const roundsToNearest = b.eq(b.and(mxcsr, b.imm(ROUNDING | PM | PE)), b.imm(PM | PE));
      b.when(b.eqz(b.and(roundsToNearest, isUsual(b, f, odd, x, second, result.get()))), () => {
        const flags = b.variable(b.imm(0));
        for (let lane = 0; lane < count; lane++) {
          const left = laneBits(b, f, odd === "sqrt" ? y : x, lane);
          const [bits, raised] = b.call(EXACT[f.name][lane % 2 === 0 ? even : odd], left, laneBits(b, f, y, lane), mxcsr);
          result.set(withLaneBits(b, f, result.get(), lane, bits));
          flags.set(b.or(flags.get(), raised));
        }
        const raised = flags.get();
        b.when(raised, () => stop.set(b.call(sseRaise, raised)[0]));
      });
      return [result.get(), stop.get()];
    },
  };
}

/** Sign bits of the even lanes. */
function evenSigns<V>(b: Builder<V>, f: Format): V {
  let bits = 0n;
  for (let lane = 0; lane < f.lanes; lane += 2) bits |= signBit(f) << BigInt(lane * f.bits);
  return b.imm128(bits);
}

/** Finishes an instruction: nothing is written where an unmasked exception was raised. */
function calculate<V>(b: Builder<V>, shared: SharedFunction, x: V, y: V): V {
  const [result, unmasked] = b.call(shared, x, y);
  faultIf(b, unmasked);
  return result;
}

/** Bytes of the even or odd elements of two vectors, one after the other. */
function everySecond(f: Format, first: 0 | 1): number[] {
  const size = f.bits / 8;
  return Array.from({ length: 16 }, (_, n) => (Math.floor(n / size) * 2 + first) * size + (n % size));
}

/** `horizontal`: between neighbours of the destination, then of the source. */
function wholeRegisters(shared: SharedFunction, horizontal?: Format): Semantics {
  return (b, i) => {
    beginSse(b);
    const y = b.let128(i.op[1].read(b)), x = b.let128(i.op[0].read(b));
    const [left, right] = horizontal ? ([0, 1] as const).map((first) => b.shuffle(x, y, everySecond(horizontal, first))) : [x, y];
    i.op[0].write(b, calculate(b, shared, left, right));
  };
}

/** The forms of an operation on one format; the scalar one fills all lanes with its operand. */
export interface Arithmetic {
  readonly packed: Semantics;
  readonly horizontal: Semantics;
  readonly scalar: Semantics;
}

function arithmetic(operation: Operation, f: Format): Arithmetic {
  const onAll = packedFunction(f, [operation, operation], f.lanes), onOne = packedFunction(f, [operation, operation], 1);
  return {
    packed: wholeRegisters(onAll),
    horizontal: wholeRegisters(onAll, f),
    scalar: operation === "sqrt" ? scalarFrom(onOne, f) : scalarOf(operation, onOne, f),
  };
}

/** The least lane is the operand's; all lanes hold it. */
function scalarFrom(shared: SharedFunction, f: Format): Semantics {
  return (b, i) => {
    beginSse(b);
    const y = b.let128(readPacked(b, i.op[1]));
    i.op[0].write(b, b.lane(f.integers, calculate(b, shared, readPacked(b, i.op[0]), y), 0));
  };
}

/** Numbers rounded to the nearest in place: normal ones by the first test, zeros by a second; all else by the function. */
function scalarOf(operation: Exclude<Operation, "sqrt">, shared: SharedFunction, f: Format): Semantics {
  return (b, i) => {
    beginSse(b);
    const [destination, source] = i.op;
    const isDouble = f.bits === 64;
    type V = Parameters<typeof b.let>[0];
    const bind = (value: V) => (isDouble ? b.let64(value) : b.let(value));
    const low = (vector: V) => bind(b.lane(f.integers, vector, 0));
    // The lanes above the least are whatever the registers hold.
    const y = b.let128(source.isMemory ? readPacked(b, source) : b.stateLoad128(source.number(b)));
    const register = destination.number(b);
    const x = b.let128(b.stateLoad128(register));
    const usual = b.let128(b.vector(`${f.reals}.${operation}`, x, y));
    const xBits = low(x), yBits = low(y), bits = low(usual);
    const magnitudeOf = (value: V) => (isDouble ? b.and64(value, b.imm64(signBit(f) - 1n)) : b.and(value, b.imm(0x7fff_ffff)));
    // A result just above the least normal number may have been rounded up to it.
    const inRange = (value: V, least: bigint) => {
      const range = infinityBits(f) - least;
      return isDouble
        ? b.ltU64(b.sub64(magnitudeOf(value), b.imm64(least)), b.imm64(range))
        : b.ltU(b.sub(magnitudeOf(value), b.imm(Number(least))), b.imm(Number(range)));
    };
    const isZero = (value: V) => (isDouble ? b.eqz64(magnitudeOf(value)) : b.eqz(magnitudeOf(value)));
    const isNormal = (value: V) => inRange(value, leastNormal(f));
    const fits = inRange(bits, leastNormal(f) + 1n);
    const roundsToNearest = b.eq(b.and(b.get(MXCSR), b.imm(ROUNDING | PM | PE)), b.imm(PM | PE));
    const result = b.variable128(usual);
    b.when(b.eqz(b.and(b.and(b.and(isNormal(xBits), isNormal(yBits)), fits), roundsToNearest)), () => {
      const xZero = b.let(isZero(xBits)), yZero = b.let(isZero(yBits));
      // Sums below the normal numbers are exact; a product or quotient is 0 of right where an operand is.
      const exactZero = operation === "add" || operation === "sub" ? isZero(bits) : operation === "mul" ? b.or(xZero, yZero) : xZero;
      const numbers = b.and(b.or(isNormal(xBits), xZero), operation === "div" ? isNormal(yBits) : b.or(isNormal(yBits), yZero));
      b.rarely(b.eqz(b.and(b.and(numbers, b.or(fits, exactZero)), roundsToNearest)), () => {
        const all = (value: V) => b.let128(b.splat(f.integers, value));
        result.set(calculate(b, shared, all(xBits), all(yBits)));
      });
    });
    b.stateStore128(register, b.shuffle(result.get(), x, lowestOf(f)));
  };
}

/** Bytes of the least element of the first vector and the others of the second. */
const lowestOf = (f: Format) => Array.from({ length: 16 }, (_, n) => (n < f.bits / 8 ? n : n + 16));

const forms = (operation: Operation) => ({ single: arithmetic(operation, SINGLE), double: arithmetic(operation, DOUBLE) });
export const add = forms("add"), subtract = forms("sub"), multiply = forms("mul"), divide = forms("div"), squareRoots = forms("sqrt");
export const addsubps = wholeRegisters(packedFunction(SINGLE, ["sub", "add"], 4)), addsubpd = wholeRegisters(packedFunction(DOUBLE, ["sub", "add"], 2));
