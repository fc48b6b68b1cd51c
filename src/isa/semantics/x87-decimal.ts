// FBLD and FBSTP: 18 packed decimal digits and a sign byte. SDM Vol. 1, section 4.7 "BCD and Packed BCD Integers".

import type { SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { FCW } from "../state-layout.ts";
import { roundToInteger, widenInteger } from "./x87-formats.ts";
import { BIAS, exponentOf, isUnsupported, SIGN } from "./x87-number.ts";
import { begin, EMPTY_REGISTER, emptyFlags, IE, pop, push, raise, remember, signExponent, significand, stackRegister } from "./x87-registers.ts";
import { store80 } from "./x87-load-store.ts";
import { roundingMode } from "./x87-rounding.ts";

const LARGEST = 999_999_999_999_999_999n;
/** The packed decimal indefinite. */
const INDEFINITE_LOW = 0xc000_0000_0000_0000n, INDEFINITE_HIGH = 0xffff;

/** (digits 0-15, digits 16-17 and the sign byte) -> (magnitude) */
const decimalToInteger: SharedFunction = {
  name: "x87DecimalToInteger", params: ["i64", "i32"], results: ["i64"],
  body: (b, [low, high]) => {
    const digits = (byte: Parameters<typeof b.let>[0]) => b.add(b.mul(b.and(b.shrU(byte, b.imm(4)), b.imm(15)), b.imm(10)), b.and(byte, b.imm(15)));
    const sum = b.variable64(b.extendU(digits(high)));
    const shift = b.variable64(b.imm64(56n));
    b.loop(() => {
      const present = shift.get();
      const byte = b.let(b.wrap(b.shrU64(low, present)));
      sum.set(b.add64(b.mul64(sum.get(), b.imm64(100n)), b.extendU(digits(byte))));
      shift.set(b.sub64(present, b.imm64(8n)));
      return b.ne64(present, b.imm64(0n));
    });
    return [sum.get()];
  },
};

/** (magnitude, at most 18 digits) -> (digits 0-15, digits 16-17) */
const integerToDecimal: SharedFunction = {
  name: "x87IntegerToDecimal", params: ["i64"], results: ["i64", "i32"],
  body: (b, [magnitude]) => {
    const rest = b.variable64(magnitude), low = b.variable64(b.imm64(0n)), shift = b.variable64(b.imm64(0n));
    const pair = (value: Parameters<typeof b.let>[0]) => {
      const two = b.let64(value);
      return b.add64(two, b.mul64(b.divU64(two, b.imm64(10n)), b.imm64(6n)));
    };
    b.loop(() => {
      const present = rest.get(), at = shift.get();
      low.set(b.or64(low.get(), b.shl64(pair(b.remU64(present, b.imm64(100n))), at)));
      rest.set(b.divU64(present, b.imm64(100n)));
      shift.set(b.add64(at, b.imm64(8n)));
      return b.ltU64(at, b.imm64(56n));
    });
    return [low.get(), b.wrap(pair(rest.get()))];
  },
};

export const fbld: Semantics = (b, i) => {
  begin(b);
  const address = b.let(i.op[0].address(b));
  const low = b.load64("operand", address);
  const high = b.load("operand", b.add(address, b.imm(8)), 2);
  remember(b, i);
  const [value, se] = b.call(widenInteger, b.call(decimalToInteger, low, high)[0]);
  push(b, value, b.or(se, b.and(high, b.imm(SIGN))), b.imm(0));
};

/** (significand, sign-exponent) -> (digits 0-15, digits 16-17 and sign, flags) */
const x87ToDecimal: SharedFunction = {
  name: "x87ToDecimal", params: ["i64", "i32"], results: ["i64", "i32", "i32"],
  body: (b, [value, se]) => {
    const low = b.variable64(b.imm64(INDEFINITE_LOW)), high = b.variable(b.imm(INDEFINITE_HIGH)), flags = b.variable(b.imm(IE));
    b.when(b.and(b.ltU(exponentOf(b, se), b.imm(BIAS + 60)), b.eqz(isUnsupported(b, value, se))), () => {
      const [magnitude, raised] = b.call(roundToInteger, value, se, roundingMode(b, b.get(FCW)));
      b.when(b.eqz(b.ltU64(b.imm64(LARGEST), magnitude)), () => {
        const [first, last] = b.call(integerToDecimal, magnitude);
        low.set(first);
        high.set(b.or(last, b.and(se, b.imm(SIGN))));
        flags.set(raised);
      });
    });
    return [low.get(), high.get(), flags.get()];
  },
};

export const fbstp: Semantics = (b, i) => {
  begin(b);
  const address = b.let(i.op[0].address(b));
  const top = stackRegister(b, b.imm(0));
  const low = b.variable64(b.imm64(INDEFINITE_LOW)), high = b.variable(b.imm(INDEFINITE_HIGH)), flags = b.variable(b.imm(EMPTY_REGISTER));
  b.when(b.eqz(emptyFlags(b, top)), () => {
    const [first, last, raised] = b.call(x87ToDecimal, significand(b, top), signExponent(b, top));
    low.set(first);
    high.set(last);
    flags.set(raised);
  });
  store80(b, address, low.get(), high.get(), flags.get());
  remember(b, i);
  b.when(raise(b, flags.get()), () => pop(b));
};
