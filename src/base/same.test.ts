import { expect, it } from "vitest";
import { sameBytes } from "./same.ts";

it("compares bytes of any length, wherever they stand", () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i * 5);
  for (const from of [0, 1, 4]) {
    for (const length of [0, 3, 8, 13]) {
      const own = bytes.subarray(from, from + length);
      expect(sameBytes(own, own.slice())).toBe(true);
      expect(sameBytes(own, bytes.slice(from, from + length + 1))).toBe(false);
      for (let changed = 0; changed < length; changed++) expect(sameBytes(own, own.map((byte, i) => (i === changed ? byte ^ 0x80 : byte))), `${from} ${length} ${changed}`).toBe(false);
    }
  }
});
