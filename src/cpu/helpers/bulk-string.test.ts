import { beforeEach, describe, expect, it } from "vitest";
import { BareCpu, DEVICE_PAGE, ROM_PAGE, protectedCpu } from "../../../test/support/bare-cpu.ts";
import { DS, EFLAGS_DF, EFLAGS_SHARED, ES } from "../../isa/state-layout.ts";
import { load, store } from "../linear-memory.ts";
import { setSegment } from "../segmentation.ts";
import { BULK_INS, BULK_LODS, BULK_MOVS, BULK_OUTS, BULK_STOS } from "./bulk-string.ts";

let b: BareCpu;
const EAX = 0, ECX = 1, EDX = 2, ESI = 6, EDI = 7, FROM = 0x10_0000, TO = 0x20_0000;

function registers(count: number, from: number, to: number): void {
  b.cpu.state.setGpr(ECX, count);
  b.cpu.state.setGpr(ESI, from);
  b.cpu.state.setGpr(EDI, to);
}
const left = (): number[] => [ECX, ESI, EDI].map((i) => b.cpu.state.gpr(i) >>> 0);
/** Puts pages into the TLB as the element loop would. */
function warm(first: number, pages: number, write = true): void {
  for (let i = 0; i < pages; i++) {
    load(b.cpu, first + i * 4096, 1, false);
    if (write) store(b.cpu, first + i * 4096, 1, b.r8(first + i * 4096), false);
  }
}

beforeEach(() => {
  b = protectedCpu();
  for (let i = 0; i < 0x4000; i++) b.w8(FROM + i, (i * 7) ^ (i >> 5));
  b.log.length = 0;
});

describe("MOVS", () => {
  it("copies over pages of different alignment", () => {
    warm(FROM, 4);
    warm(TO, 4);
    registers(0x2000 / 4, FROM + 0x10, TO + 0x20);
    expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(0x800);
    expect(left()).toEqual([0, FROM + 0x2010, TO + 0x2020]);
    for (let i = 0; i < 0x2000; i += 4) expect(b.r32(TO + 0x20 + i)).toBe(b.r32(FROM + 0x10 + i));
    expect(b.r32(TO + 0x2020)).toBe(0);
  });

  it("stops before an element that crosses a page, and where the TLB ends", () => {
    warm(FROM, 4);
    warm(TO, 1);
    registers(0x1000, FROM, TO + 2);
    expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(0x3ff);
    expect(left()).toEqual([0x1000 - 0x3ff, FROM + 0xffc, TO + 0xffe]);
    expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(0);
    expect(left()).toEqual([0x1000 - 0x3ff, FROM + 0xffc, TO + 0xffe]);
  });

  it.each([[1, 1], [1, 3], [2, 2], [2, 6], [4, 4], [4, 12], [4, 0x100], [1, -1], [4, -3], [2, -2]])("width %d, destination %d ahead: as element by element", (width, distance) => {
    warm(FROM, 2);
    const count = Math.floor(0x300 / width);
    const expected = new Uint8Array(0x1000);
    for (let i = 0; i < 0x1000; i++) expected[i] = b.r8(FROM + i);
    for (let i = 0; i < count; i++) {
      const element = expected.slice(0x100 + i * width, 0x100 + (i + 1) * width);
      expected.set(element, 0x100 + distance + i * width);
    }
    registers(count, FROM + 0x100, FROM + 0x100 + distance);
    expect(b.call("bulkString", BULK_MOVS, width, 4, DS)).toBe(count);
    for (let i = 0; i < 0x1000; i++) expect(b.r8(FROM + i)).toBe(expected[i]);
  });

  it("leaves elements that overlap themselves to the element loop", () => {
    warm(FROM, 2);
    registers(16, FROM, FROM + 3);
    expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(0);
  });

  it("16-bit addresses use SI DI CX and end at 64 KB", () => {
    setSegment(b.cpu.context, DS, 0x1000, FROM, 0xffff, 0x93);
    setSegment(b.cpu.context, ES, 0x2000, TO, 0xffff, 0x93);
    warm(FROM, 16);
    warm(TO, 16);
    registers(0x7_0020, 0x7_fff0, 0x7_0000);
    expect(b.call("bulkString", BULK_MOVS, 1, 2, DS)).toBe(16);
    expect(left()).toEqual([0x7_0010, 0x7_0000, 0x7_0010]);
    registers(0x10, 0xfff9, 0);
    expect(b.call("bulkString", BULK_MOVS, 2, 2, DS)).toBe(3);
  });

  it("ends at the segment's limit", () => {
    setSegment(b.cpu.context, ES, 0x10, 0, TO + 0x15, 0x4093);
    warm(FROM, 1);
    warm(TO, 1);
    registers(0x100, FROM, TO);
    expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(5);
  });

  it.each([
    ["DF", () => b.cpu.state.write(EFLAGS_SHARED, EFLAGS_DF)],
    ["a null source", () => setSegment(b.cpu.context, DS, 0, 0, 0, 1 << 16)],
    ["a read-only destination", () => setSegment(b.cpu.context, ES, 8, 0, 0xffff_ffff, 0xc091)],
    ["an expand-down destination", () => setSegment(b.cpu.context, ES, 8, 0, 0xfff, 0xc097)],
    ["pages that hold code", () => b.cpu.markCode(TO >> 12)],
    ["a count of 0", () => b.cpu.state.setGpr(ECX, 0)],
  ])("does nothing with %s", (_name, prepare) => {
    warm(FROM, 1);
    warm(TO, 1);
    registers(16, FROM, TO);
    prepare();
    expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(0);
  });

  it("reads ROM, writes neither ROM nor devices", () => {
    const rom = ROM_PAGE << 12, device = DEVICE_PAGE << 12;
    warm(TO, 1);
    load(b.cpu, rom, 1, false);
    registers(16, rom, TO);
    expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(16);
    warm(FROM, 1);
    for (const to of [rom, device]) {
      store(b.cpu, to, 1, 0, false);
      registers(16, FROM, to);
      expect(b.call("bulkString", BULK_MOVS, 4, 4, DS)).toBe(0);
    }
  });

  it("returns after a slice, so that interrupts are seen", () => {
    warm(FROM, 64);
    warm(TO, 64);
    registers(0x4_0000, FROM, TO);
    expect(b.call("bulkString", BULK_MOVS, 1, 4, DS)).toBe(0x1_0000);
  });
});

it("STOS fills with every width", () => {
  warm(TO, 2);
  b.cpu.state.setGpr(EAX, 0x4433_2211);
  for (const [width, expected] of [[1, 0x1111_1111], [2, 0x2211_2211], [4, 0x4433_2211]] as const) {
    registers(0x1800 / width, FROM, TO + 4);
    expect(b.call("bulkString", BULK_STOS, width, 4, -1)).toBe(0x1800 / width);
    for (let i = 0; i < 0x1800; i += 4) expect(b.r32(TO + 4 + i)).toBe(expected);
    expect([b.r32(TO), b.r32(TO + 0x1804), left()]).toEqual([0, 0, [0, FROM, TO + 0x1804]]);
  }
});

it("LODS leaves the last element", () => {
  warm(FROM, 2);
  registers(0x1001, FROM, TO);
  b.cpu.state.setGpr(EAX, 0x7777_7777);
  expect(b.call("bulkString", BULK_LODS, 1, 4, DS)).toBe(0x1001);
  expect([b.cpu.state.gpr(EAX), left()]).toEqual([0x7777_7700 | b.r8(FROM + 0x1000), [0, FROM + 0x1001, TO]]);
});

describe("INS and OUTS", () => {
  it("need a port that takes blocks", () => {
    warm(TO, 1);
    registers(16, FROM, TO);
    expect(b.call("bulkString", BULK_INS, 2, 4, -1)).toBe(0);
    expect(b.call("bulkString", BULK_OUTS, 2, 4, DS)).toBe(0);
    expect(b.log).toEqual([]);
  });

  it("transfer what the port gives and takes", () => {
    const out: number[] = [];
    b.cpu.hooks.ports.readBlock = (port, width, into) => {
      expect([port, width]).toEqual([0x1f0, 2]);
      const bytes = Math.min(into.length, 512);
      for (let i = 0; i < bytes; i++) into[i] = i ^ 0x5a;
      return bytes;
    };
    b.cpu.hooks.ports.writeBlock = (_port, _width, from) => {
      out.push(...from);
      return from.length;
    };
    warm(TO, 1);
    warm(FROM, 1);
    b.cpu.state.setGpr(EDX, 0x1_01f0);
    registers(0x200, FROM, TO);
    expect(b.call("bulkString", BULK_INS, 2, 4, -1)).toBe(256);
    expect([left(), b.r8(TO + 1), b.r8(TO + 511), b.r8(TO + 512)]).toEqual([[0x100, FROM, TO + 512], 0x5b, 0xff ^ 0x5a, 0]);
    registers(4, FROM, TO);
    expect(b.call("bulkString", BULK_OUTS, 1, 4, DS)).toBe(4);
    expect([out, left()]).toEqual([[0, 1, 2, 3].map((i) => b.r8(FROM + i)), [0, FROM + 4, TO]]);
  });
});

it("works in real mode after reset", () => {
  b = new BareCpu();
  warm(0x5000, 1);
  registers(8, 0x5000, 0x5100);
  b.w32(0x5000, 1, 2);
  expect(b.call("bulkString", BULK_MOVS, 1, 2, DS)).toBe(8);
  expect([b.r32(0x5100), b.r32(0x5104)]).toEqual([1, 2]);
});
