// FSCALE, FXTRACT, FPREM and FPREM1. SDM Vol. 1, section 8.3.5 "Basic Arithmetic Instructions"; Vol. 2 for the special operands.

import type { Builder, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { FCW, FSW } from "../state-layout.ts";
import { divideWide } from "./wide-integers.ts";
import { x87Nan } from "./x87-arithmetic.ts";
import { widenInteger } from "./x87-formats.ts";
import { BIAS, denormalFlag, EXPONENT, exponentOf, INTEGER_BIT, isInfinite, isNan, normalize, SIGN, signOf } from "./x87-number.ts";
import {
  begin, C0, C1, C2, C3, DE, emptyFlags, EXCEPTIONS, finish, FULL_STACK, isEmpty, OE, PE, push, raise, remember, resultOf, setResult, settle, signExponent,
  significand, STACK_FAULT, stackRegister, UE, writeRegister, ZE,
} from "./x87-registers.ts";
import { PRECISION_64, WRAP, x87Round } from "./x87-rounding.ts";

/** Beyond every exponent, with room for sums. */
const FAR = 0x1_0000;

/** (significand, sign-exponent of a finite number) -> the integer toward zero, at most FAR in magnitude. */
function smallInteger<V>(b: Builder<V>, value: V, se: V): V {
  const exponent = b.let(exponentOf(b, se));
  const magnitude = b.wrap(b.shrU64(value, b.extendU(b.and(b.sub(b.imm(BIAS + 63), exponent), b.imm(63)))));
  const clamped = b.select(b.gtU(exponent, b.imm(BIAS + 15)), b.imm(FAR), magnitude);
  const integer = b.let(b.select(b.ltU(exponent, b.imm(BIAS)), b.imm(0), clamped));
  return b.select(signOf(b, se), b.sub(b.imm(0), integer), integer);
}

/** (x, y): x times 2 to the integer part of y. Precision control does not count. */
const x87Scale: SharedFunction = {
  name: "x87Scale", params: ["i64", "i32", "i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, xse, y, yse]) => {
    const result = resultOf(b);
    const denormal = b.let(b.or(denormalFlag(b, x, xse), denormalFlag(b, y, yse)));
    const sign = b.let(b.and(xse, b.imm(SIGN)));
    const xInfinite = b.let(isInfinite(b, xse));
    b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => setResult(result, b.call(x87Nan, x, xse, y, yse)), () => {
      b.when(isInfinite(b, yse), () => {
        const down = b.let(signOf(b, yse));
        const undefinedProduct = b.select(down, xInfinite, b.eqz64(x));
        b.when(b.eqz(undefinedProduct), () => {
          setResult(result, [b.select64(down, b.imm64(0n), b.imm64(INTEGER_BIT)), b.or(sign, b.select(down, b.imm(0), b.imm(EXPONENT))), denormal]);
        });
      }, () => b.when(b.or(xInfinite, b.eqz64(x)), () => setResult(result, [x, xse, denormal]), () => {
        const number = normalize(b, x, xse);
        const exponent = b.let(b.add(number.exponent, smallInteger(b, y, yse)));
        const control = b.let(b.or(b.get(FCW), b.imm(PRECISION_64)));
        // What even an adjusted exponent cannot express is infinity or zero, rounded as it may be.
        const huge = b.let(b.and(b.geS(exponent, b.imm(EXPONENT + WRAP)), b.eqz(b.and(control, b.imm(OE)))));
        const minute = b.let(b.and(b.leS(exponent, b.imm(-WRAP)), b.eqz(b.and(control, b.imm(UE)))));
        b.when(huge, () => setResult(result, [b.imm64(INTEGER_BIT), b.or(sign, b.imm(EXPONENT)), b.imm(OE | PE | C1)]), () => {
          b.when(minute, () => setResult(result, [b.imm64(0n), sign, b.imm(UE | PE)]), () => {
            setResult(result, b.call(x87Round, signOf(b, xse), exponent, number.value, b.imm64(0n), control));
          });
        });
        result.flags.set(b.or(result.flags.get(), denormal));
      }));
    });
    return finish(result);
  },
};

export const fscale: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
  const top = stackRegister(b, b.imm(0)), other = stackRegister(b, b.imm(1));
  const empty = b.let(b.or(emptyFlags(b, top), emptyFlags(b, other)));
  const result = resultOf(b);
  result.flags.set(empty);
  b.when(b.eqz(empty), () => {
    setResult(result, b.call(x87Scale, significand(b, top), signExponent(b, top), significand(b, other), signExponent(b, other)));
  });
  settle(b, top, result.value.get(), result.se.get(), result.flags.get());
};

/** ST(0) becomes the exponent, and the significand is pushed. */
export const fxtract: Semantics = (b, i) => {
  begin(b);
  remember(b, i);
  const top = stackRegister(b, b.imm(0)), next = stackRegister(b, b.imm(-1));
  const value = significand(b, top), se = signExponent(b, top);
  const empty = b.let(emptyFlags(b, top));
  const full = b.select(isEmpty(b, next), b.imm(0), b.imm(FULL_STACK));
  const stackFault = b.let(b.select(empty, empty, full));
  const part = resultOf(b), exponent = resultOf(b);
  part.flags.set(stackFault);
  b.when(b.eqz(stackFault), () => {
    b.when(isNan(b, value, se), () => {
      const nan = b.call(x87Nan, value, se, value, se);
      setResult(part, nan);
      setResult(exponent, nan);
    }, () => b.when(isInfinite(b, se), () => {
      setResult(part, [value, se, b.imm(0)]);
      setResult(exponent, [value, b.imm(EXPONENT), b.imm(0)]);
    }, () => b.when(b.eqz64(value), () => {
      setResult(part, [value, se, b.imm(ZE)]);
      setResult(exponent, [b.imm64(INTEGER_BIT), b.imm(SIGN | EXPONENT), b.imm(0)]);
    }, () => {
      const number = normalize(b, value, se);
      setResult(part, [number.value, b.or(b.and(se, b.imm(SIGN)), b.imm(BIAS)), denormalFlag(b, value, se)]);
      setResult(exponent, [...b.call(widenInteger, b.extendS(b.sub(number.exponent, b.imm(BIAS)))), b.imm(0)]);
    })));
  });
  b.when(raise(b, part.flags.get()), () => {
    writeRegister(b, top, exponent.value.get(), exponent.se.get());
    push(b, part.value.get(), part.se.get(), b.imm(0));
    // The push has set C1 as for itself.
    b.set(FSW, b.or(b.and(b.get(FSW), b.imm(~C1)), b.and(part.flags.get(), b.imm(C1))));
  });
};

/** Beside the flags: there is a quotient, whose bits 2, 1 and 0 go to C0, C3 and C1. Else C0 and C3 stay as they were. */
const CODED = 0x1_0000;

/**
 * (x, y, nearest) -> (significand, sign-exponent, flags with the condition codes): the remainder of x / y with the quotient cut off
 * (FPREM) or rounded to the nearest even (FPREM1). C2: the exponents are 64 or more apart, x is only reduced.
 */
const x87Remainder: SharedFunction = {
  name: "x87Remainder", params: ["i64", "i32", "i64", "i32", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [x, xse, y, yse, nearest]) => {
    const result = resultOf(b);
    const denormal = b.let(b.or(denormalFlag(b, x, xse), denormalFlag(b, y, yse)));
    b.when(b.or(isNan(b, x, xse), isNan(b, y, yse)), () => setResult(result, b.call(x87Nan, x, xse, y, yse)), () => {
      b.when(b.eqz(b.or(isInfinite(b, xse), b.eqz64(y))), () => {
        b.when(b.eqz64(x), () => setResult(result, [x, xse, b.or(denormal, b.imm(CODED))]), () => {
          const xn = normalize(b, x, xse), yn = normalize(b, y, yse);
          // Infinity is far above any number.
          const distance = b.let(b.select(isInfinite(b, yse), b.imm(-2), b.sub(xn.exponent, yn.exponent)));
          const partial = b.let(b.gtS(distance, b.imm(63)));
          const rest = b.variable64(xn.value), exponent = b.variable(xn.exponent), quotient = b.variable64(b.imm64(0n));
          const negative = b.variable(signOf(b, xse));
          b.when(b.geS(distance, b.imm(0)), () => {
            // Of a larger distance 32 to 63 bits at a time, so that what remains is a multiple of 32.
            const bits = b.let(b.select(partial, b.or(b.and(distance, b.imm(31)), b.imm(32)), distance));
            const shift = b.let64(b.extendU(bits));
            const high = b.select64(bits, b.shrU64(xn.value, b.sub64(b.imm64(64n), shift)), b.imm64(0n));
            const [q, r] = b.call(divideWide, high, b.shl64(xn.value, shift), yn.value);
            quotient.set(q);
            rest.set(r);
            exponent.set(b.sub(xn.exponent, bits));
          });
          b.when(b.and(nearest, b.eqz(partial)), () => {
            const r = rest.get();
            const below = b.let64(b.sub64(yn.value, r));
            const odd = b.wrap(b.and64(quotient.get(), b.imm64(1n)));
            const up = b.and(b.geS(distance, b.imm(0)), b.or(b.ltU64(below, r), b.and(b.eq64(below, r), odd)));
            // A quotient below 1: x is more than y / 2, with the exponent one less.
            const upToOne = b.let(b.and(b.eq(distance, b.imm(-1)), b.ltU64(yn.value, r)));
            b.when(b.or(up, upToOne), () => {
              quotient.set(b.add64(quotient.get(), b.imm64(1n)));
              rest.set(b.select64(upToOne, b.add64(below, yn.value), below));
              negative.set(b.eqz(negative.get()));
            });
          });
          const left = rest.get();
          const sign = b.shl(negative.get(), b.imm(15));
          b.when(b.eqz64(left), () => setResult(result, [left, b.and(xse, b.imm(SIGN)), b.imm(0)]), () => {
            const shift = b.let64(b.clz64(left));
            const control = b.or(b.get(FCW), b.imm(PRECISION_64));
            setResult(result, b.call(x87Round, b.shrU(sign, b.imm(15)), b.sub(exponent.get(), b.wrap(shift)), b.shl64(left, shift), b.imm64(0n), control));
          });
          const low = b.let(b.wrap(quotient.get()));
          const bit = (n: number, code: number) => b.select(b.and(low, b.imm(1 << n)), b.imm(code), b.imm(0));
          const codes = b.select(partial, b.imm(C2), b.or(bit(0, C1), b.or(bit(1, C3), bit(2, C0))));
          result.flags.set(b.or(b.or(result.flags.get(), b.imm(CODED)), b.or(denormal, codes)));
        });
      });
    });
    return finish(result);
  },
};

function remainder(nearest: 0 | 1): Semantics {
  return (b, i) => {
    begin(b);
    remember(b, i);
    const top = stackRegister(b, b.imm(0)), other = stackRegister(b, b.imm(1));
    const empty = b.let(b.or(emptyFlags(b, top), emptyFlags(b, other)));
    const result = resultOf(b);
    result.flags.set(empty);
    b.when(b.eqz(empty), () => {
      setResult(result, b.call(x87Remainder, significand(b, top), signExponent(b, top), significand(b, other), signExponent(b, other), b.imm(nearest)));
    });
    const flags = b.let(result.flags.get());
    const stopped = b.and(b.and(flags, b.imm(DE)), b.xor(b.get(FCW), b.imm(-1)));
    const coded = b.let(b.and(b.ne(b.and(flags, b.imm(CODED)), b.imm(0)), b.eqz(stopped)));
    b.set(FSW, b.and(b.get(FSW), b.select(coded, b.imm(~(C0 | C2 | C3)), b.imm(~C2))));
    settle(b, top, result.value.get(), result.se.get(), b.and(flags, b.select(coded, b.imm(~CODED), b.imm(EXCEPTIONS | STACK_FAULT))));
  };
}
export const fprem = remainder(0);
export const fprem1 = remainder(1);
