// Expected values: the functions themselves to 30 digits (computed with a multiple-precision library), rounded here to 64 bits.

import { describe, expect, it } from "vitest";
import { run } from "../../../test/support/one-instruction.ts";
import { FCW, type Field, FSW, FTOP, FTW, X87_BASE } from "../state-layout.ts";

const BIAS = 0x3fff;
const NEAREST = 0x37f, DOWN = 0x77f, UP = 0xb7f;
const PE = 0x20, IE = 1, C1 = 0x200, C2 = 0x400;

interface Extended {
  readonly significand: bigint;
  readonly se: number;
}

/** numerator / denominator rounded to 64 bits: to nearest, or cut off and optionally incremented. */
function rational(numerator: bigint, denominator: bigint, rounding: "nearest" | "down" | "up" = "nearest"): Extended {
  const sign = numerator < 0n !== denominator < 0n ? 0x8000 : 0;
  const n = numerator < 0n ? -numerator : numerator, d = denominator < 0n ? -denominator : denominator;
  if (n === 0n) return { significand: 0n, se: sign };
  let exponent = n.toString(2).length - d.toString(2).length;
  const scaled = (shift: number) => (shift >= 0 ? [n << BigInt(shift), d] : [n, d << BigInt(-shift)]) as [bigint, bigint];
  let [top, bottom] = scaled(63 - exponent);
  if (top / bottom < 1n << 63n) [top, bottom] = scaled(63 - --exponent);
  let significand = top / bottom;
  const rest = top % bottom;
  if (rounding === "up" ? rest > 0n : rounding === "nearest" && 2n * rest >= bottom) significand++;
  if (significand === 1n << 64n) [significand, exponent] = [1n << 63n, exponent + 1];
  return { significand, se: sign | (exponent + BIAS) };
}

function decimal(text: string, rounding: "nearest" | "down" | "up" = "nearest"): Extended {
  const [, sign, whole, fraction = "", power = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e(-?\d+))?$/.exec(text) as unknown as string[];
  const scale = (fraction as string).length - Number(power);
  const digits = BigInt(`${whole}${fraction}`) * (sign ? -1n : 1n);
  return scale >= 0 ? rational(digits, 10n ** BigInt(scale), rounding) : rational(digits * 10n ** BigInt(-scale), 1n, rounding);
}

function slot(physical: number, { significand, se }: Extended): (readonly [Field, number])[] {
  const at = (offset: number): Field => ({ name: "", offset: X87_BASE + physical * 16 + offset, context: false });
  return [[at(0), Number(BigInt.asIntN(32, significand))], [at(4), Number(BigInt.asIntN(32, significand >> 32n))], [at(8), se]];
}

/** Runs with x in ST(0) and y in ST(1); ST(0) and ST(1) afterwards, and the status word. */
function evaluate(code: string, x: Extended, y: Extended = rational(1n, 1n), control = NEAREST) {
  const got = run({ code, fields: [[FCW, control], [FTOP, 5], [FTW, 0xc3ff], ...slot(5, x), ...slot(6, y)] });
  const top = got.field(FTOP);
  const st = (n: number): Extended => {
    const word = (offset: number) => BigInt(got.field({ name: "", offset: X87_BASE + ((top + n) & 7) * 16 + offset, context: false }));
    return { significand: word(0) | (word(4) << 32n), se: Number(word(8) & 0xffffn) };
  };
  return { top, st0: st(0), st1: st(1), status: got.field(FSW) };
}

const FSIN = "D9 FE", FCOS = "D9 FF", FSINCOS = "D9 FB", FPTAN = "D9 F2", FPATAN = "D9 F3", F2XM1 = "D9 F0", FYL2X = "D9 F1", FYL2XP1 = "D9 F9";
const ONE = rational(1n, 1n);

describe("transcendental functions", () => {
  it.each([
    ["sin 1", FSIN, ONE, ONE, "0.84147098480789650665250232163"],
    ["cos 1", FCOS, ONE, ONE, "0.540302305868139717400936607443"],
    ["2^(1/2) - 1", F2XM1, rational(1n, 2n), ONE, "0.41421356237309504880168872421"],
    ["2^(-1/2) - 1", F2XM1, rational(-1n, 2n), ONE, "-0.292893218813452475599155637895"],
    ["2^(2^-40) - 1", F2XM1, rational(1n, 1n << 40n), ONE, "6.30413688268312211359931904501e-13"],
    ["log2 10", FYL2X, rational(10n, 1n), ONE, "3.32192809488736234787031942949"],
    ["log2 (5/4)", FYL2X, rational(5n, 4n), ONE, "0.321928094887362347870319429489"],
    ["3 log2 (1 + 1/1024)", FYL2XP1, rational(1n, 1024n), rational(3n, 1n), "0.00422458317842516671983049950507"],
    ["atan (1/2)", FPATAN, rational(2n, 1n), ONE, "0.463647609000806116214256231461"],
    ["atan of the second quadrant", FPATAN, rational(-3n, 1n), ONE, "2.81984209919315104506123876892"],
    ["atan of the fourth quadrant", FPATAN, rational(1n, 4n), rational(-5n, 1n), "-1.5208379310729538578213154046"],
  ] as const)("%s", (_name, code, x, y, expected) => {
    const got = evaluate(code, x, y);
    expect(got.st0).toEqual(decimal(expected));
    expect(got.status & ~C1).toBe(PE);
    expect(evaluate(code, x, y, DOWN).st0).toEqual(decimal(expected, expected.startsWith("-") ? "up" : "down"));
    expect(evaluate(code, x, y, UP).st0).toEqual(decimal(expected, expected.startsWith("-") ? "down" : "up"));
  });

  it("FPTAN pushes 1 above the tangent, FSINCOS the cosine above the sine", () => {
    const tangent = evaluate(FPTAN, ONE);
    expect([tangent.top, tangent.st0, tangent.st1]).toEqual([4, ONE, decimal("1.55740772465490223050697480746")]);
    const both = evaluate(FSINCOS, ONE);
    expect([both.st0, both.st1]).toEqual([decimal("0.540302305868139717400936607443"), decimal("0.84147098480789650665250232163")]);
  });

  // Pi of 66 bits lies 2^-64 below pi rounded to 64.
  it("angles are reduced by a pi of 66 bits", () => {
    const pi = { significand: 0xc90f_daa2_2168_c235n, se: 0x4000 };
    expect(evaluate(FSIN, pi).st0).toEqual({ significand: 1n << 63n, se: 0x8000 | (BIAS - 64) });
    expect(evaluate(FCOS, { ...pi, se: BIAS }).st0).toEqual({ significand: 1n << 63n, se: 0x8000 | (BIAS - 65) });
    expect(evaluate(FSIN, rational(10n ** 10n, 1n)).st0).toEqual(decimal("-0.487506025076270021339827452493"));
    const far = evaluate(FSINCOS, rational(1n << 62n, 1n));
    expect([far.st0, far.st1]).toEqual([decimal("-0.707080633953485476072918160506"), decimal("-0.707132927452778910781767379568")]);
  });

  it("angles from 2^63 on stay, and C2 tells", () => {
    const large = rational(1n << 63n, 1n);
    for (const code of [FSIN, FCOS, FSINCOS, FPTAN]) expect(evaluate(code, large), code).toMatchObject({ top: 5, st0: large, status: C2 });
    expect(evaluate(FSIN, { significand: 1n << 63n, se: 0x7fff }).status).toBe(IE);
  });

  it("small arguments keep their side under directed rounding", () => {
    const small = rational(3n, 1n << 60n);
    const above = { ...small, significand: small.significand + 1n }, below = { ...small, significand: small.significand - 1n };
    for (const code of [FSIN, FPATAN]) expect([evaluate(code, code === FSIN ? small : ONE, small, DOWN).st0, evaluate(code, code === FSIN ? small : ONE, small, UP).st0]).toEqual([below, small]);
    expect([evaluate(FPTAN, small, ONE, DOWN).st1, evaluate(FPTAN, small, ONE, UP).st1]).toEqual([small, above]);
  });

  it("exact cases are exact", () => {
    expect(evaluate(FYL2X, rational(1n, 8n), rational(5n, 1n), UP).st0).toEqual(rational(-15n, 1n));
    expect(evaluate(F2XM1, rational(-1n, 1n), ONE, DOWN).st0).toEqual(rational(-1n, 2n));
    expect(evaluate(FSIN, rational(0n, 1n))).toMatchObject({ st0: rational(0n, 1n), status: 0 });
    expect(evaluate(FYL2X, ONE)).toMatchObject({ st0: rational(0n, 1n), status: 0 });
  });
});
