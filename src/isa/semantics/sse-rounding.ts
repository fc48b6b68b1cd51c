// Rounding to single and double precision, with overflow, underflow and flush-to-zero. SDM Vol. 1, sections 4.8.4 "Rounding",
// 10.2.3.3 "Flush-To-Zero", 11.5.2.4 "Numeric Overflow Exception", 11.5.2.5 "Numeric Underflow Exception".
// Tininess is judged after rounding, as if the exponent had no lower limit.

import type { Builder, SharedFunction } from "../builder.ts";
import { DOUBLE, FLUSH_TO_ZERO, type Format, infinityBits, OE, OM, PE, SINGLE, UE, UM } from "./sse-number.ts";
import { RC_UP, roundsUp } from "./x87-rounding.ts";

/** MXCSR's rounding field: to nearest (even), down, up, toward zero. */
export function roundingMode<V>(b: Builder<V>, mxcsr: V): V {
  return b.and(b.shrU(mxcsr, b.imm(13)), b.imm(3));
}

/** Shifts right by `count` of at least 0; ones that fall out stay visible in the lowest bit. */
export function shiftRightJam<V>(b: Builder<V>, value: V, count: V): V {
  const by = b.let64(b.extendU(count));
  const fallen = b.extendU(b.ne64(b.shl64(value, b.sub64(b.imm64(64n), by)), b.imm64(0n)));
  const shifted = b.or64(b.shrU64(value, by), b.select64(b.eqz64(by), b.imm64(0n), fallen));
  return b.let64(b.select64(b.ltU(count, b.imm(64)), shifted, b.extendU(b.ne64(value, b.imm64(0n)))));
}

function rounding(f: Format): SharedFunction {
  const drop = 63 - f.fractionBits;
  return {
    name: `sseRound${f.name}`, params: ["i32", "i32", "i64", "i32"], results: ["i64", "i32"],
    body: <V>(b: Builder<V>, [negative, exponent, given, mxcsr]: readonly V[]) => {
      const mode = b.let(roundingMode(b, mxcsr));
      const value = b.variable64(given), flags = b.variable(b.imm(0)), result = b.variable64(b.imm64(0n)), finished = b.variable(b.imm(0));
      const tiny = b.variable(b.imm(0));
      const round = () => {
        const present = value.get();
        const kept = b.let64(b.shrU64(present, b.imm64(BigInt(drop))));
        const rest = b.let64(b.shl64(present, b.imm64(BigInt(64 - drop))));
        const up = b.let(roundsUp(b, negative, b.wrap(b.and64(kept, b.imm64(1n))), rest, mode));
        return { rest, sum: b.let64(b.add64(kept, b.extendU(up))) };
      };
      b.when(b.leS(exponent, b.imm(0)), () => {
        // Would rounding carry up to the smallest normal number?
        const carries = b.wrap(b.shrU64(round().sum, b.imm64(BigInt(f.fractionBits + 1))));
        tiny.set(b.eqz(b.and(carries, b.eqz(exponent))));
        // Of an unmasked underflow the result is that of an unlimited exponent: none is written, but PE tells of it.
        b.when(b.or(b.and(mxcsr, b.imm(UM)), b.eqz(tiny.get())), () => b.when(b.and(tiny.get(), b.ne(b.and(mxcsr, b.imm(FLUSH_TO_ZERO)), b.imm(0))), () => {
          flags.set(b.imm(UE | PE));
          finished.set(b.imm(1));
        }, () => value.set(shiftRightJam(b, value.get(), b.let(b.sub(b.imm(1), exponent))))));
      });
      b.when(b.eqz(finished.get()), () => {
        const { rest, sum } = round();
        // The integer bit of a normal number adds one to the exponent, a carry too.
        const below = b.let(b.select(b.gtS(exponent, b.imm(0)), b.sub(exponent, b.imm(1)), b.imm(0)));
        result.set(b.add64(b.shl64(b.extendU(below), b.imm64(BigInt(f.fractionBits))), sum));
        const inexact = b.let(b.select(b.ne64(rest, b.imm64(0n)), b.imm(PE), b.imm(0)));
        const masked = b.select(inexact, b.imm(UE | PE), b.imm(0));
        flags.set(b.select(tiny.get(), b.select(b.and(mxcsr, b.imm(UM)), masked, b.or(inexact, b.imm(UE))), inexact));
        b.when(b.or(b.gtS(exponent, b.imm(f.infinity)), b.eqz(b.ltU64(result.get(), b.imm64(infinityBits(f))))), () => {
          const toInfinity = b.or(b.eqz(mode), b.eq(mode, b.sub(b.imm(RC_UP), negative)));
          result.set(b.sub64(b.imm64(infinityBits(f)), b.extendU(b.eqz(toInfinity))));
          flags.set(b.or(b.imm(OE), b.select(b.and(mxcsr, b.imm(OM)), b.imm(PE), inexact)));
        });
      });
      return [b.or64(result.get(), b.shl64(b.extendU(negative), b.imm64(BigInt(f.bits - 1)))), flags.get()];
    },
  };
}

const ROUNDINGS = { 32: rounding(SINGLE), 64: rounding(DOUBLE) } as const;

/** (negative, biased exponent of any size, significand with bit 63 set and a sticky last bit, MXCSR) -> (pattern, flags). */
export function roundTo<V>(b: Builder<V>, f: Format, negative: V, exponent: V, significand: V, mxcsr: V): readonly V[] {
  return b.call(ROUNDINGS[f.name], negative, exponent, significand, mxcsr);
}
