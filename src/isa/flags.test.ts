import { describe, expect, it } from "vitest";
import { createPrng } from "../../test/support/prng.ts";
import type { ConditionCode, FlagKind, Width } from "./builder.ts";
import { EvaluatingBuilder } from "./evaluating-builder.ts";
import { lowerSetAuxiliaryCarry } from "./flags.ts";
import {
  CONTEXT_BYTES, CONTEXT_V, EFLAGS_AF, EFLAGS_CF, EFLAGS_OF, EFLAGS_PF, EFLAGS_SF, EFLAGS_STATUS, EFLAGS_ZF,
} from "./state-layout.ts";

const b = new EvaluatingBuilder(
  new DataView(new ArrayBuffer(CONTEXT_V + CONTEXT_BYTES)), CONTEXT_V, { read: () => 0, write: () => {} }, () => 0,
);

/** SF, ZF and PF of a result: SDM Vol. 1, "Status Flags". */
function ofResult(result: number, bits: number): number {
  const value = bits === 32 ? result >>> 0 : result & (2 ** bits - 1);
  let ones = 0;
  for (let n = 0; n < 8; n++) ones += (value >>> n) & 1;
  return (value === 0 ? EFLAGS_ZF : 0) | (Math.floor(value / 2 ** (bits - 1)) & 1 ? EFLAGS_SF : 0) | (ones % 2 === 0 ? EFLAGS_PF : 0);
}

/** The flags by plain arithmetic on integers of any size. */
function expected(kind: FlagKind, bits: number, x: number, y: number, carryIn: number): { result: number; flags: number } {
  const size = 2 ** bits;
  const signed = (v: number) => (v >= size / 2 ? v - size : v);
  const sign = kind === "add" || kind === "adc" || kind === "inc" ? 1 : -1;
  if (kind === "logic") return { result: x & y, flags: ofResult(x & y, bits) };
  const carry = kind === "adc" || kind === "sbb" ? carryIn : 0;
  const exact = x + sign * (y + carry);
  const exactSigned = signed(x) + sign * (signed(y) + carry);
  const exactNibble = (x % 16) + sign * ((y % 16) + carry);
  const result = ((exact % size) + size) % size;
  let flags = ofResult(result, bits);
  if (exact < 0 || exact >= size) flags |= EFLAGS_CF;
  if (exactSigned < -size / 2 || exactSigned >= size / 2) flags |= EFLAGS_OF;
  if (exactNibble < 0 || exactNibble >= 16) flags |= EFLAGS_AF;
  if (kind === "inc" || kind === "dec") flags = (flags & ~EFLAGS_CF) | (carryIn ? EFLAGS_CF : 0);
  return { result, flags };
}

function check(kind: FlagKind, width: Width, x: number, y: number, carryIn: number): void {
  const { result, flags } = expected(kind, width * 8, x, y, carryIn);
  // The state before: every flag the opposite of what is expected, except CF, which some kinds take in.
  b.setStatusFlags((~flags & EFLAGS_STATUS & ~EFLAGS_CF) | (carryIn ? EFLAGS_CF : 0));
  b.flags(kind, width, x | 0, y | 0, result | 0);
  const got = Number(b.statusFlags());
  if (got !== flags) throw new Error(`${kind}${width * 8} ${x.toString(16)}, ${y.toString(16)}, carry ${carryIn}: ${got.toString(16)} for ${flags.toString(16)}`);
}

const KINDS: readonly FlagKind[] = ["add", "adc", "sub", "sbb", "logic"];

describe("flags of an operation", () => {
  it.each(KINDS)("%s: every pair of bytes", (kind) => {
    for (let x = 0; x < 256; x++) for (let y = 0; y < 256; y++) for (let carry = 0; carry < 2; carry++) check(kind, 1, x, y, carry);
  });
  it.each(["inc", "dec"] as const)("%s keeps CF: every byte", (kind) => {
    for (let x = 0; x < 256; x++) for (let carry = 0; carry < 2; carry++) check(kind, 1, x, 1, carry);
  });
  it("16 and 32 bits: edges against each other and random values", () => {
    const prng = createPrng(1);
    for (const width of [2, 4] as const) {
      const size = 2 ** (width * 8);
      const edges = [0, 1, 7, 8, 15, 16, 0x7f, 0x80, 0xff, 0x100, size / 2 - 1, size / 2, size / 2 + 1, size - 2, size - 1];
      const values = edges.concat(Array.from({ length: 40 }, () => prng.next() % size));
      for (const kind of KINDS) for (const x of values) for (const y of values) for (const carry of [0, 1]) check(kind, width, x, y, carry);
      for (const kind of ["inc", "dec"] as const) for (const x of values) for (const carry of [0, 1]) check(kind, width, x, 1, carry);
    }
  });
  it("counts only the low bytes of operands and result", () => {
    b.flags("add", 1, 0x1280, 0x3480, 0x4700);
    expect(b.statusFlags()).toBe(EFLAGS_CF | EFLAGS_OF | EFLAGS_ZF | EFLAGS_PF);
  });
});

/** All 64 combinations of the six flags. */
function* images(): Generator<number> {
  const bits = [EFLAGS_CF, EFLAGS_PF, EFLAGS_AF, EFLAGS_ZF, EFLAGS_SF, EFLAGS_OF];
  for (let n = 0; n < 64; n++) yield bits.reduce((image, bit, k) => image | ((n >> k) & 1 ? bit : 0), 0);
}

describe("an EFLAGS image", () => {
  it("goes in and comes out, ZF with SF and odd parities included", () => {
    for (const image of images()) {
      b.setStatusFlags(image | ~EFLAGS_STATUS);
      expect(b.statusFlags()).toBe(image);
    }
  });
  it("decides the sixteen conditions as SDM Vol. 1 appendix B has them", () => {
    for (const image of images()) {
      b.setStatusFlags(image);
      const cf = (image & EFLAGS_CF) !== 0, zf = (image & EFLAGS_ZF) !== 0, sf = (image & EFLAGS_SF) !== 0;
      const of = (image & EFLAGS_OF) !== 0, pf = (image & EFLAGS_PF) !== 0;
      const truth = [of, cf, zf, cf || zf, sf, pf, sf !== of, zf || sf !== of];
      truth.forEach((holds, n) => {
        expect(b.condition((2 * n) as ConditionCode), `condition ${2 * n} of ${image}`).toBe(holds ? 1 : 0);
        expect(b.condition((2 * n + 1) as ConditionCode), `condition ${2 * n + 1} of ${image}`).toBe(holds ? 0 : 1);
      });
      expect(b.carry()).toBe(cf ? 1 : 0);
    }
  });
  it("takes CF and OF alone", () => {
    for (const image of images())
      for (const [cf, of] of [[0, 0], [0, 1], [1, 0], [1, 1]] as const) {
        b.setStatusFlags(image);
        b.setCarryOverflow(cf, of);
        const kept = image & ~(EFLAGS_CF | EFLAGS_OF);
        expect(b.statusFlags()).toBe(kept | (cf ? EFLAGS_CF : 0) | (of ? EFLAGS_OF : 0));
      }
  });
  it("takes AF alone", () => {
    for (const image of images()) {
      b.setStatusFlags(image);
      lowerSetAuxiliaryCarry(b);
      expect(b.statusFlags()).toBe(image | EFLAGS_AF);
    }
  });
});

describe("explicit flags", () => {
  it("take SF ZF PF from the result and the rest as given", () => {
    for (const width of [1, 2, 4] as const)
      for (const result of [0, 1, 3, 0x80, 0x8000, 0x80000000, 0xffffffff])
        for (let n = 0; n < 8; n++) {
          b.flagsExplicit(width, result | 0, n & 1, (n >> 1) & 1, n >> 2);
          const given = (n & 1 ? EFLAGS_CF : 0) | (n & 2 ? EFLAGS_OF : 0) | (n & 4 ? EFLAGS_AF : 0);
          expect(b.statusFlags()).toBe(ofResult(result, width * 8) | given);
        }
  });
});

describe("flags of a comparison of real numbers", () => {
  // SDM Vol. 2, COMISD, "Operation".
  it.each([
    ["greater", [0, 0, 0], 0], ["less", [1, 0, 0], EFLAGS_CF], ["equal", [0, 1, 0], EFLAGS_ZF], ["unordered", [0, 0, 1], EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF],
  ] as const)("%s", (_relation, [less, equal, unordered], flags) => {
    for (const image of images()) {
      b.setStatusFlags(image);
      b.flagsOrdered(less, equal, unordered);
      expect(b.statusFlags()).toBe(flags);
    }
  });
});
