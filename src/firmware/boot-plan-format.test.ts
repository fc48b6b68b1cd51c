import { describe, expect, it } from "vitest";
import { encodeBootPlan } from "./boot-plan-format.ts";

describe("encodeBootPlan", () => {
  it("lays the plan out as the firmware reads it", () => {
    const { plan, data } = encodeBootPlan(
      [
        { address: 0x100000, bytes: Uint8Array.of(1, 2, 3) },
        { address: 0x200000, zeros: 0x1000 },
        { address: 0x9000, bytes: Uint8Array.of(4) },
      ],
      { mode: 32, eip: 0x11223344, esp: 0x7c00, eax: 0x2badb002, ebp: 0xffffffff },
    );
    const view = new DataView(plan.buffer);
    expect(new TextDecoder().decode(plan.subarray(0, 4))).toBe("TSBP");
    expect([view.getUint16(4, true), view.getUint16(6, true), view.getUint32(8, true)]).toEqual([1, 32, 3]);
    expect(view.getUint32(16, true)).toBe(0x11223344);
    expect(view.getUint32(20, true)).toBe(0x7c00);
    expect(view.getUint32(24, true)).toBe(0x2badb002);
    expect(view.getUint32(48, true)).toBe(0xffffffff);
    const chunks = [0, 1, 2].map((i) => [view.getUint32(64 + i * 8, true), view.getUint32(68 + i * 8, true)]);
    expect(chunks).toEqual([
      [0x100000, 3],
      [0x200000, 0x80001000],
      [0x9000, 1],
    ]);
    expect([...data]).toEqual([1, 2, 3, 4]);
  });

  it("puts the segments of real mode behind the registers", () => {
    const { plan } = encodeBootPlan([], { mode: 16, eip: 0, esp: 0xe000, cs: 0x9020, ss: 0x9000, ds: 1, es: 2, fs: 3, gs: 4 });
    expect([...new Uint16Array(plan.buffer, 52, 6)]).toEqual([0x9020, 0x9000, 1, 2, 3, 4]);
  });

  it("leaves out empty chunks and refuses more than the firmware holds", () => {
    const empty = encodeBootPlan([{ address: 5, zeros: 0 }], { mode: 32, eip: 0, esp: 0 });
    expect(empty.plan.length).toBe(64);
    const chunks = Array.from({ length: 65 }, (_, i) => ({ address: i, zeros: 1 }));
    expect(() => encodeBootPlan(chunks, { mode: 32, eip: 0, esp: 0 })).toThrow(RangeError);
  });
});
