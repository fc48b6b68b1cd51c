// 128-bit integer arithmetic on pairs of 64-bit values.

import type { Builder, SharedFunction } from "../builder.ts";

const LOW = 0xffff_ffffn;

/** Unsigned 64 x 64 -> [high, low], in place. */
export function product<V>(b: Builder<V>, x: V, y: V): readonly [V, V] {
  const mask = b.imm64(LOW), half = b.imm64(32n);
  const x0 = b.let64(b.and64(x, mask)), x1 = b.let64(b.shrU64(x, half));
  const y0 = b.let64(b.and64(y, mask)), y1 = b.let64(b.shrU64(y, half));
  const low = b.let64(b.mul64(x0, y0));
  const middle = b.let64(b.add64(b.mul64(x1, y0), b.shrU64(low, half)));
  const other = b.let64(b.add64(b.mul64(x0, y1), b.and64(middle, mask)));
  const high = b.add64(b.add64(b.mul64(x1, y1), b.shrU64(middle, half)), b.shrU64(other, half));
  return [b.let64(high), b.let64(b.or64(b.shl64(other, half), b.and64(low, mask)))];
}

/** One base-2^32 digit of (high, next 32 bits) / divisor: the digit and the remainder. */
function divideDigit<V>(b: Builder<V>, high: V, next: V, divisor: V): readonly [V, V] {
  const half = b.imm64(32n);
  const d1 = b.let64(b.shrU64(divisor, half)), d0 = b.let64(b.and64(divisor, b.imm64(LOW)));
  const digit = b.variable64(b.divU64(high, d1));
  const rest = b.variable64(b.sub64(high, b.mul64(digit.get(), d1)));
  // The estimate by the divisor's upper half is at most 2 too large.
  for (let n = 0; n < 2; n++) {
    const present = digit.get(), remainder = rest.get();
    const beyond = b.ltU64(b.or64(b.shl64(remainder, half), next), b.mul64(present, d0));
    const tooLarge = b.or(b.ne64(b.shrU64(present, half), b.imm64(0n)), beyond);
    b.when(b.and(tooLarge, b.eqz64(b.shrU64(remainder, half))), () => {
      digit.set(b.sub64(present, b.imm64(1n)));
      rest.set(b.add64(remainder, d1));
    });
  }
  const quotient = digit.get();
  const dividend = b.or64(b.shl64(high, half), next);
  return [quotient, b.let64(b.sub64(dividend, b.mul64(quotient, divisor)))];
}

/** (high, low, divisor) -> (quotient, remainder). `high` < `divisor`, whose bit 63 is set. */
export const divideWide: SharedFunction = {
  name: "divideWide", params: ["i64", "i64", "i64"], results: ["i64", "i64"],
  body: (b, [high, low, divisor]) => {
    const [q1, r1] = divideDigit(b, high, b.shrU64(low, b.imm64(32n)), divisor);
    const [q0, r0] = divideDigit(b, r1, b.and64(low, b.imm64(LOW)), divisor);
    return [b.or64(b.shl64(q1, b.imm64(32n)), q0), r0];
  },
};

/**
 * (high, low) -> (root, rest): the integer square root, and where the number lies beyond root^2: 0 at it, 1 below (root+1/2)^2,
 * 2^63+1 above. `high` >= 2^62, so that the root has 64 bits.
 */
export const rootWide: SharedFunction = {
  name: "rootWide", params: ["i64", "i64"], results: ["i64", "i64"],
  body: (b, [high, low]) => {
    const one = b.imm64(1n);
    // Newton's iteration for the upper 32 bits, from the tangent at 3/4: an error of 8 % squares away in three steps.
    const start = b.add64(b.mul64(b.shrU64(high, b.imm64(34n)), b.imm64(2731n)), b.imm64(1536n << 30n));
    const root = b.variable64(b.add64(b.shrU64(start, b.imm64(10n)), one));
    for (let n = 0; n < 3; n++) {
      const x = root.get();
      root.set(b.shrU64(b.add64(x, b.divU64(high, x)), one));
    }
    const top = b.variable64(b.select64(b.ltU64(b.imm64(LOW), root.get()), b.imm64(LOW), root.get()));
    b.loop(() => {
      const x = top.get();
      const tooLarge = b.let(b.ltU64(high, b.mul64(x, x)));
      top.set(b.sub64(x, b.extendU(tooLarge)));
      return tooLarge;
    });
    // The lower 32 bits by one division (Zimmermann, "Karatsuba Square Root").
    const s = b.let64(top.get());
    const r = b.let64(b.sub64(high, b.mul64(s, s)));
    const dividend = b.let64(b.or64(b.shl64(r, b.imm64(31n)), b.shrU64(low, b.imm64(33n))));
    const quotient = b.let64(b.divU64(dividend, s));
    const digit = b.let64(b.select64(b.ltU64(b.imm64(LOW), quotient), b.imm64(LOW), quotient));
    const left = b.sub64(dividend, b.mul64(digit, s));
    const u = b.let64(b.or64(b.shl64(left, one), b.and64(b.shrU64(low, b.imm64(32n)), one)));
    const guess = b.let64(b.add64(b.shl64(s, b.imm64(32n)), digit));
    const square = b.let64(b.mul64(digit, digit));
    const minuend = b.let64(b.or64(b.shl64(u, b.imm64(32n)), b.and64(low, b.imm64(LOW))));
    const restLow = b.variable64(b.sub64(minuend, square));
    const restHigh = b.variable64(b.sub64(b.shrU64(u, b.imm64(32n)), b.extendU(b.ltU64(minuend, square))));
    const found = b.variable64(guess);
    b.when(b.ltS64(restHigh.get(), b.imm64(0n)), () => {
      // rest += 2 (guess - 1) + 1
      const back = b.let64(b.sub64(b.shl64(guess, one), one));
      const before = restLow.get();
      const sum = b.let64(b.add64(before, back));
      restLow.set(sum);
      restHigh.set(b.add64(restHigh.get(), b.add64(b.shrU64(guess, b.imm64(63n)), b.extendU(b.ltU64(sum, before)))));
      found.set(b.sub64(guess, one));
    });
    const aboveHalf = b.or(b.ne64(restHigh.get(), b.imm64(0n)), b.ltU64(found.get(), restLow.get()));
    const below = b.extendU(b.ne64(restLow.get(), b.imm64(0n)));
    return [found.get(), b.select64(aboveHalf, b.imm64((1n << 63n) | 1n), below)];
  },
};
