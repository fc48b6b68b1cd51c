// Comparisons of SSE and SSE2: MIN MAX CMPcc COMIS UCOMIS. SDM Vol. 1, sections 10.4.1.4, 11.4.1.4, Vol. 2, the instructions' own pages.
// The host's comparisons are exact, of denormal numbers too: nothing is left but the flags.

import type { Builder, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { MXCSR } from "../state-layout.ts";
import { DENORMALS_ARE_ZEROS, DOUBLE, everywhere, faultIf, type Format, infinityBits, leastNormal, quietBit, signBit, SINGLE, sseRaise } from "./sse-number.ts";
import { beginSse, readPacked } from "./sse-registers.ts";

interface Lanes<V> {
  readonly x: V;
  readonly y: V;
  /** Of all lanes, with quiet NaNs as invalid operands. */
  readonly signalling: V;
  /** The same without. */
  readonly quiet: V;
}

function lanesOf<V>(b: Builder<V>, f: Format, xGiven: V, yGiven: V): Lanes<V> {
  const and = (left: V, right: V) => b.vector("v128.and", left, right), or = (left: V, right: V) => b.vector("v128.or", left, right);
  const absolute = everywhere(b, f, signBit(f) - 1n);
  const denormals = (value: V) => {
    const magnitude = b.let128(and(value, absolute));
    const small = b.vector(`${f.integers}.lt_s`, magnitude, everywhere(b, f, leastNormal(f)));
    return b.let128(b.vector("v128.andnot", small, b.vector(`${f.integers}.eq`, magnitude, b.imm128(0n))));
  };
  const flushes = b.let(b.and(b.get(MXCSR), b.imm(DENORMALS_ARE_ZEROS)));
  const xTiny = denormals(xGiven), yTiny = denormals(yGiven);
  const flush = (value: V, tiny: V) => b.let128(b.select128(flushes, b.vector("v128.andnot", value, and(tiny, absolute)), value));
  const x = flush(xGiven, xTiny), y = flush(yGiven, yTiny);
  const nans = (value: V) => b.let128(b.vector(`${f.reals}.ne`, value, value));
  const xNan = nans(x), yNan = nans(y);
  const either = b.let128(or(xNan, yNan));
  const isQuiet = (value: V) => b.vector(`${f.integers}.ne`, and(value, everywhere(b, f, quietBit(f))), b.imm128(0n));
  const signals = or(b.vector("v128.andnot", xNan, isQuiet(x)), b.vector("v128.andnot", yNan, isQuiet(y)));
  // The denormal of a pair counts only beside a number.
  const denormal = b.vectorTest("v128.any_true", b.vector("v128.andnot", or(xTiny, yTiny), either));
  const flag = b.let(b.select(flushes, b.imm(0), b.shl(denormal, b.imm(1))));
  return { x, y, signalling: b.or(flag, b.vectorTest("v128.any_true", either)), quiet: b.or(flag, b.vectorTest("v128.any_true", signals)) };
}

function raised<V>(b: Builder<V>, flags: V): V {
  const stop = b.variable(b.imm(0)), bound = b.let(flags);
  b.when(bound, () => stop.set(b.call(sseRaise, bound)[0]));
  return stop.get();
}

/** (x, y) -> (result, unmasked): the second operand where either is a NaN, or both are zeros. */
function extreme(which: "minimum" | "maximum", f: Format): SharedFunction {
  return {
    name: `sse${which}${f.name}`, params: ["v128", "v128"], results: ["v128", "i32"],
    body: (b, [xGiven, yGiven]) => {
      const { x, y, signalling } = lanesOf(b, f, xGiven, yGiven);
      const chosen = which === "minimum" ? b.vector(`${f.reals}.lt`, x, y) : b.vector(`${f.reals}.lt`, y, x);
      return [b.vector("v128.bitselect", x, y, chosen), raised(b, signalling)];
    },
  };
}

/** (x, y, predicate) -> (masks, unmasked). Predicates: EQ LT LE UNORD, and from 4 on their opposites. */
function comparison(f: Format): SharedFunction {
  return {
    name: `sseCompare${f.name}`, params: ["v128", "v128", "i32"], results: ["v128", "i32"],
    body: (b, [xGiven, yGiven, predicate]) => {
      const { x, y, signalling, quiet } = lanesOf(b, f, xGiven, yGiven);
      const kind = b.let(b.and(predicate, b.imm(3)));
      const unordered = b.vector("v128.or", b.vector(`${f.reals}.ne`, x, x), b.vector(`${f.reals}.ne`, y, y));
      const low = b.select128(b.and(kind, b.imm(1)), b.vector(`${f.reals}.lt`, x, y), b.vector(`${f.reals}.eq`, x, y));
      const high = b.select128(b.and(kind, b.imm(1)), unordered, b.vector(`${f.reals}.le`, x, y));
      const holds = b.let128(b.select128(b.and(kind, b.imm(2)), high, low));
      const ordering = b.ltU(b.sub(kind, b.imm(1)), b.imm(2));
      const masks = b.let128(b.select128(b.and(predicate, b.imm(4)), b.vector("v128.not", holds), holds));
      return [masks, raised(b, b.select(ordering, signalling, quiet))];
    },
  };
}

/** (x, y) -> (less, equal, unordered, unmasked), of all lanes alike. */
function ordering(name: string, signals: "signalling" | "quiet", f: Format): SharedFunction {
  return {
    name: `${name}${f.name}`, params: ["v128", "v128"], results: ["i32", "i32", "i32", "i32"],
    body: (b, [xGiven, yGiven]) => {
      const lanes = lanesOf(b, f, xGiven, yGiven);
      const { x, y } = lanes;
      const holds = (vector: typeof x) => b.vectorTest("v128.any_true", vector);
      const unordered = b.or(holds(b.vector(`${f.reals}.ne`, x, x)), holds(b.vector(`${f.reals}.ne`, y, y)));
      return [holds(b.vector(`${f.reals}.lt`, x, y)), holds(b.vector(`${f.reals}.eq`, x, y)), b.let(unordered), raised(b, lanes[signals])];
    },
  };
}

/** Both operands, of all lanes or of the one that scalar forms have. */
function operate(f: Format, calculate: <V>(b: Builder<V>, x: V, y: V, read: (operand: number) => V) => readonly V[]): Semantics {
  return (b, i) => {
    beginSse(b);
    const [destination, source] = i.op;
    const y = b.let128(readPacked(b, source)), x = b.let128(readPacked(b, destination));
    const [result, unmasked] = calculate(b, x, y, (operand) => i.op[operand].read(b));
    faultIf(b, unmasked);
    destination.write(b, destination.width === 16 ? result : b.lane(f.integers, result, 0));
  };
}

function extremes(which: "minimum" | "maximum") {
  const of = (f: Format): Semantics => {
    const shared = extreme(which, f);
    return operate(f, (b, x, y) => b.call(shared, x, y));
  };
  return { single: of(SINGLE), double: of(DOUBLE) };
}
export const minimum = extremes("minimum"), maximum = extremes("maximum");

function compare(f: Format): Semantics {
  const shared = comparison(f);
  return operate(f, (b, x, y, read) => b.call(shared, x, y, read(2)));
}
export const compares = { single: compare(SINGLE), double: compare(DOUBLE) };

/** Two numbers that are not denormal, in place; all else by the function. */
function order(name: string, signals: "signalling" | "quiet") {
  const of = (f: Format): Semantics => {
    const shared = ordering(name, signals, f);
    const isDouble = f.bits === 64, range = infinityBits(f) - leastNormal(f);
    return (b, i) => {
      beginSse(b);
      const y = b.let128(readPacked(b, i.op[1])), x = b.let128(readPacked(b, i.op[0]));
      const isUsual = (vector: typeof x) => {
        const bits = b.lane(f.integers, vector, 0);
        if (isDouble) {
          const magnitude = b.let64(b.and64(bits, b.imm64(signBit(f) - 1n)));
          return b.or(b.eqz64(magnitude), b.ltU64(b.sub64(magnitude, b.imm64(leastNormal(f))), b.imm64(range)));
        }
        const magnitude = b.let(b.and(bits, b.imm(0x7fff_ffff)));
        return b.or(b.eqz(magnitude), b.ltU(b.sub(magnitude, b.imm(Number(leastNormal(f)))), b.imm(Number(range))));
      };
      const holds = (comparison: "lt" | "eq") => b.variable(b.vectorTest("v128.any_true", b.vector(`${f.reals}.${comparison}`, x, y)));
      const less = holds("lt"), equal = holds("eq"), unordered = b.variable(b.imm(0));
      b.rarely(b.eqz(b.and(isUsual(x), isUsual(y))), () => {
        const [below, same, none, unmasked] = b.call(shared, x, y);
        faultIf(b, unmasked);
        less.set(below);
        equal.set(same);
        unordered.set(none);
      });
      b.flagsOrdered(less.get(), equal.get(), unordered.get());
    };
  };
  return { single: of(SINGLE), double: of(DOUBLE) };
}
export const comis = order("sseComis", "signalling"), ucomis = order("sseUcomis", "quiet");
