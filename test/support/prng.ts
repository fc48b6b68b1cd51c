// A seeded generator (xorshift32) for tests that want the same random cases every time.

export interface Prng {
  /** 0 .. 2^32 - 1. */
  next(): number;
  /** 0 .. n - 1. */
  below(n: number): number;
  /** True once in `n` times. */
  oneIn(n: number): boolean;
  pick<T>(from: readonly T[]): T;
}

export function createPrng(seed: number): Prng {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let i = 0; i < 8; i++) next();
  const below = (n: number) => Math.floor((next() / 0x1_0000_0000) * n);
  return { next, below, oneIn: (n) => below(n) === 0, pick: (from) => from[below(from.length)] as (typeof from)[number] };
}
