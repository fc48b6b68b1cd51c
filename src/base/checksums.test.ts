import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { crc32 } from "./crc32.ts";
import { Sha256 } from "./sha256.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("crc32", () => {
  it("gives the check value of its catalogue, whole and in parts", () => {
    expect(crc32(text("123456789"))).toBe(0xcbf4_3926);
    expect(crc32(text("6789"), crc32(text("12345")))).toBe(0xcbf4_3926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });
});

describe("Sha256", () => {
  it("gives the example of FIPS 180-4 and agrees with another implementation at every length around a block", () => {
    expect(new Sha256().update(text("abc")).hex()).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (let length = 0; length < 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
      const parts = new Sha256().update(bytes.subarray(0, length >> 1)).update(bytes.subarray(length >> 1));
      expect(parts.hex()).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });
});
