// Transcendental functions on random arguments beside the same functions by series of rational arithmetic with 240 bits, which share
// nothing with what is tested: the error stays within 0.51 units in the last place, and directed rounding keeps to its side.

import { describe, expect, it } from "vitest";
import { run } from "../../../test/support/one-instruction.ts";
import { FCW, type Field, FTOP, FTW, X87_BASE } from "../state-layout.ts";

const SAMPLES = process.env["TRAPSCOPE_LONG"] ? 2000 : 40;
const BIAS = 0x3fff, BITS = 240n, ONE = 1n << BITS;
/** Pi to 66 bits, by which the processor reduces, times 2^64. */
const PI_66 = 0x3_243f_6a88_85a3_08d3n;

interface Extended {
  readonly significand: bigint;
  readonly se: number;
}

/** Numbers over 2^240. */
const multiply = (x: bigint, y: bigint) => (x * y) >> BITS;
const divide = (x: bigint, y: bigint) => (x << BITS) / y;
const realOf = ({ significand, se }: Extended): bigint => {
  const power = BITS + BigInt((se & 0x7fff) - BIAS - 63);
  const magnitude = power >= 0n ? significand << power : significand >> -power;
  return se & 0x8000 ? -magnitude : magnitude;
};

function sum(first: bigint, next: (term: bigint, n: bigint) => bigint): bigint {
  let total = 0n;
  for (let term = first, n = 1n; term !== 0n && term !== -1n; n++) {
    total += term;
    term = next(term, n);
  }
  return total;
}
const exponential = (x: bigint) => sum(ONE, (term, n) => multiply(term, x) / n);
const sine = (x: bigint) => sum(x, (term, n) => -multiply(multiply(term, x), x) / (2n * n * (2n * n + 1n)));
const cosine = (x: bigint) => sum(ONE, (term, n) => -multiply(multiply(term, x), x) / (2n * n * (2n * n - 1n)));
/** artanh(x) or arctan(x) for small x. */
function inverse(x: bigint, sign: bigint): bigint {
  let power = x, total = 0n;
  for (let n = 1n; power !== 0n && power !== -1n; n += 2n) {
    total += power / n;
    power = (sign * multiply(multiply(power, x), x)) as bigint;
  }
  return total;
}
function root(x: bigint): bigint {
  let r = x > ONE ? x : ONE;
  for (let n = 0; n < 400; n++) {
    const better = (r + divide(x, r)) / 2n;
    if (better >= r) break;
    r = better;
  }
  return r;
}
/** Halved three times first. */
function arctangent(x: bigint): bigint {
  let t = x, factor = 1n;
  for (; factor < 64n; factor *= 2n) t = divide(t, ONE + root(ONE + multiply(t, t)));
  return factor * inverse(t, -1n);
}
const PI = 4n * (4n * inverse(ONE / 5n, -1n) - inverse(ONE / 239n, -1n));
const logarithm = (x: bigint): bigint => (x > 2n * ONE ? logarithm(x / 2n) + LN_2 : 2n * inverse(divide(x - ONE, x + ONE), 1n));
const LN_2 = 2n * inverse(ONE / 3n, 1n);

const FSIN = "D9 FE", FCOS = "D9 FF", FPTAN = "D9 F2", FPATAN = "D9 F3", F2XM1 = "D9 F0", FYL2X = "D9 F1", FYL2XP1 = "D9 F9";

/** Sine and cosine of an angle that quarters of the shorter pi are taken away from. */
function circle(x: bigint): readonly [bigint, bigint] {
  const quarter = PI_66 << (BITS - 65n);
  const turns = (2n * x + (x < 0n ? -quarter : quarter)) / (2n * quarter), rest = x - turns * quarter;
  const s = sine(rest), c = cosine(rest);
  return ([[s, c], [c, -s], [-s, -c], [-c, s]] as const)[Number(((turns % 4n) + 4n) % 4n)]!;
}

const FUNCTIONS: readonly (readonly [string, string, readonly [number, number], boolean, (x: bigint, y: bigint) => bigint])[] = [
  ["sin", FSIN, [-30, 40], false, (x) => circle(x)[0]],
  ["cos", FCOS, [-30, 40], false, (x) => circle(x)[1]],
  ["tan", FPTAN, [-30, 40], false, (x) => divide(...circle(x))],
  ["atan", FPATAN, [-20, 20], true, (x, y) => (x < 0n ? (y < 0n ? -PI : PI) : 0n) + arctangent(divide(y, x))],
  ["2^x - 1", F2XM1, [-30, -1], false, (x) => exponential(multiply(x, LN_2)) - ONE],
  ["y log2 x", FYL2X, [-3, 60], true, (x, y) => multiply(y, divide(logarithm(x), LN_2))],
  ["y log2 (x + 1)", FYL2XP1, [-30, -2], true, (x, y) => multiply(y, divide(logarithm(x + ONE), LN_2))],
];

function evaluate(code: string, x: Extended, y: Extended, control: number): Extended {
  const at = (physical: number, offset: number): Field => ({ name: "", offset: X87_BASE + physical * 16 + offset, context: false });
  const slot = (physical: number, { significand, se }: Extended) =>
    [[at(physical, 0), Number(BigInt.asIntN(32, significand))], [at(physical, 4), Number(BigInt.asIntN(32, significand >> 32n))], [at(physical, 8), se]] as (readonly [Field, number])[];
  const got = run({ code, fields: [[FCW, control], [FTOP, 5], [FTW, 0xc3ff], ...slot(5, x), ...slot(6, y)] });
  // FPTAN has pushed 1.
  const top = code === FPTAN ? 5 : got.field(FTOP);
  const word = (offset: number) => BigInt(got.field(at(top, offset)));
  return { significand: word(0) | (word(4) << 32n), se: Number(word(8) & 0xffffn) };
}

describe("transcendental functions", () => {
  it.each(FUNCTIONS)("%s is within 0.51 ulp", (name, code, [from, to], usesY, expected) => {
    let state = 0x9e37_79b9_7f4a_7c15n + BigInt(name.length);
    const random = (bits: bigint) => {
      state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
      return state >> (64n - bits);
    };
    for (let n = 0; n < SAMPLES; n++) {
      const number = (low: number, high: number, negative: boolean): Extended => ({
        significand: (1n << 63n) | random(n % 3 === 0 ? 20n : 63n) << (n % 3 === 0 ? 43n : 0n), se: BIAS + low + Number(random(16n) % BigInt(high - low + 1)) + (negative && random(1n) ? 0x8000 : 0),
      });
      const x = number(from, to, code !== FYL2X), y = usesY ? number(-4, 4, true) : { significand: 1n << 63n, se: BIAS };
      const exact = expected(realOf(x), realOf(y)), magnitude = exact < 0n ? -exact : exact;
      const ulp = 1n << BigInt(magnitude.toString(2).length - 64);
      for (const [control, low, high] of [[0x37f, -51n, 51n], [0x77f, -101n, 1n], [0xb7f, -1n, 101n]] as const) {
        const error = ((realOf(evaluate(code, x, y, control)) - exact) * 100n) / ulp;
        expect(error >= low && error <= high, `${name} of ${x.significand.toString(16)} ${x.se.toString(16)}, ${y.significand.toString(16)} ${y.se.toString(16)}: off by ${error}/100 ulp under ${control.toString(16)}`).toBe(true);
      }
    }
  });
});
