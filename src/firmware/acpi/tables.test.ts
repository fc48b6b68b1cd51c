import { describe, expect, it } from "vitest";
import { eisaId, integer, method, name, packageOf, path } from "./aml.ts";
import { acpiFiles } from "./loader-script.ts";
import { romTables } from "./rom-tables.ts";

const PROCESSOR = { signature: 0xf41, features: 0x0febfbff };
const BASE = 0xe_0000;

/** Memory as an operating system reads it. */
class Memory {
  readonly bytes = new Uint8Array(0x20_0000);
  readonly view = new DataView(this.bytes.buffer);
  u32 = (at: number) => this.view.getUint32(at, true);
  u16 = (at: number) => this.view.getUint16(at, true);
  text = (at: number, length: number) => String.fromCharCode(...this.bytes.subarray(at, at + length));
  sum = (at: number, length: number) => this.bytes.subarray(at, at + length).reduce((a, b) => (a + b) & 0xff, 0);
}

/** As the ACPI specification says: on a 16-byte boundary, 20 bytes that sum to zero. */
function findRsdp(memory: Memory): number {
  for (let at = BASE; at < 0x10_0000; at += 16) if (memory.text(at, 8) === "RSD PTR ") return at;
  throw new Error("no RSDP");
}

function ours(apic: boolean): Memory {
  const memory = new Memory();
  memory.bytes.set(romTables({ apic }, PROCESSOR), BASE);
  return memory;
}

/** What a firmware does with QEMU's loader script: allocate, add addresses, correct sums. */
function loaded(apic: boolean): Memory {
  const memory = new Memory();
  const files = acpiFiles({ apic });
  const script = files.get("etc/table-loader")!;
  const places = new Map<string, number>();
  let high = 0x10_0000;
  for (let at = 0; at < script.length; at += 128) {
    const view = new DataView(script.buffer, at, 128);
    const text = (offset: number) => String.fromCharCode(...script.subarray(at + offset, at + offset + 56)).replace(/\0.*/s, "");
    const file = text(4);
    switch (view.getUint32(0, true)) {
      case 1: {
        const alignment = view.getUint32(60, true);
        const place = view.getUint8(64) === 2 ? 0xf_5000 : (high = Math.ceil(high / alignment) * alignment);
        expect(place % alignment).toBe(0);
        memory.bytes.set(files.get(file)!, place);
        places.set(file, place);
        break;
      }
      case 2: {
        const where = places.get(file)! + view.getUint32(116, true);
        expect(view.getUint8(120)).toBe(4);
        memory.view.setUint32(where, memory.u32(where) + places.get(text(60))!, true);
        break;
      }
      case 3: {
        const base = places.get(file)!, where = base + view.getUint32(60, true);
        memory.bytes[where]! -= memory.sum(base + view.getUint32(64, true), view.getUint32(68, true));
        break;
      }
      default: throw new Error("unknown command");
    }
  }
  return memory;
}

describe.each([["in our ROM", ours], ["placed by the loader script", loaded]] as const)("ACPI tables %s", (_where, place) => {
  function tables(apic: boolean): { memory: Memory; at: Map<string, number> } {
    const memory = place(apic);
    const rsdp = findRsdp(memory);
    expect(memory.sum(rsdp, 20)).toBe(0);
    const rsdt = memory.u32(rsdp + 16);
    const at = new Map([["RSDT", rsdt]]);
    for (let entry = rsdt + 36; entry < rsdt + memory.u32(rsdt + 4); entry += 4) at.set(memory.text(memory.u32(entry), 4), memory.u32(entry));
    at.set("DSDT", memory.u32(at.get("FACP")! + 40));
    for (const [signature, address] of at) {
      expect(memory.text(address, 4)).toBe(signature);
      expect(memory.sum(address, memory.u32(address + 4)), signature).toBe(0);
    }
    return { memory, at };
  }

  it("link RSDP, RSDT and every table, with sums of zero", () => {
    expect([...tables(true).at.keys()]).toEqual(["RSDT", "FACP", "APIC", "HPET", "DSDT"]);
    expect([...tables(false).at.keys()]).toEqual(["RSDT", "FACP", "DSDT"]);
  });

  it("name the PIIX4's registers in the FADT", () => {
    const { memory, at } = tables(true);
    const fadt = at.get("FACP")!;
    // Offsets of ACPI 1.0b, "Fixed ACPI Description Table".
    expect(memory.u32(fadt + 4)).toBe(116);
    expect(memory.u16(fadt + 46)).toBe(9);
    expect([memory.u32(fadt + 48), memory.bytes[fadt + 52], memory.bytes[fadt + 53]]).toEqual([0xb2, 0xf1, 0xf0]);
    expect([56, 64, 76, 80].map((offset) => memory.u32(fadt + offset))).toEqual([0x600, 0x604, 0x608, 0x60c]);
    expect([...memory.bytes.subarray(fadt + 88, fadt + 94)]).toEqual([4, 2, 0, 4, 4, 0]);
    expect(memory.bytes[fadt + 108]).toBe(0x32);
  });

  it("point to a FACS on a boundary of 64 bytes", () => {
    const { memory, at } = tables(true);
    expect(memory.u32(at.get("FACP")! + 36) % 64).toBe(0);
  });

  it("list a processor, an I/O APIC, the timer at input 2 and the level-triggered inputs in the MADT", () => {
    const { memory, at } = tables(true);
    const madt = at.get("APIC")!;
    expect([memory.u32(madt + 36), memory.u32(madt + 40)]).toEqual([0xfee0_0000, 1]);
    const entries: number[][] = [];
    for (let entry = madt + 44; entry < madt + memory.u32(madt + 4); entry += memory.bytes[entry + 1]!) entries.push([...memory.bytes.subarray(entry, entry + memory.bytes[entry + 1]!)]);
    expect(entries.filter(([type]) => type === 0)).toEqual([[0, 8, 0, 0, 1, 0, 0, 0]]);
    expect(entries.filter(([type]) => type === 1)).toEqual([[1, 12, 1, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]]);
    expect(entries.filter(([type]) => type === 2).map((e) => [e[3], e[4], e[8]])).toEqual([[0, 2, 0], [5, 5, 13], [9, 9, 13], [10, 10, 13], [11, 11, 13]]);
  });

  it("give the HPET's address", () => {
    const { memory, at } = tables(true);
    const hpet = at.get("HPET")!;
    expect([memory.u32(hpet + 36), memory.u32(hpet + 44), memory.u32(hpet + 4)]).toEqual([0x8086_a201, 0xfed0_0000, 56]);
  });
});

describe("MP tables", () => {
  it("stand behind a pointer of 16 bytes, with entries for every PCI pin", () => {
    const memory = ours(true);
    const pointer = BASE + 0x20;
    expect([memory.text(pointer, 4), memory.bytes[pointer + 8], memory.sum(pointer, 16)]).toEqual(["_MP_", 1, 0]);
    const table = memory.u32(pointer + 4);
    expect([memory.text(table, 4), memory.sum(table, memory.u16(table + 4)), memory.u32(table + 36)]).toEqual(["PCMP", 0, 0xfee0_0000]);
    let at = table + 44, count = 0;
    const isa = new Map<number, number>(), pci = new Map<number, number>();
    for (; at < table + memory.u16(table + 4); count++) {
      const type = memory.bytes[at]!;
      if (type === 3) (memory.bytes[at + 4] === 0 ? pci : isa).set(memory.bytes[at + 5]!, memory.bytes[at + 7]!);
      at += type === 0 ? 20 : 8;
    }
    expect([at, count]).toEqual([table + memory.u16(table + 4), memory.u16(table + 34)]);
    expect([isa.get(0), isa.get(1), isa.has(2), isa.get(15)]).toEqual([2, 1, false, 15]);
    // Pin A of slot 1 is line A, the pins and slots go round; lines A and B are IRQ 10, C and D IRQ 11.
    expect([pci.get(1 << 2), pci.get((1 << 2) | 2), pci.get(3 << 2), pci.get((3 << 2) | 2)]).toEqual([10, 11, 11, 10]);
  });

  it("are left out where there is no I/O APIC", () => {
    expect(ours(false).u32(BASE + 0x20)).toBe(0);
  });
});

describe("AML", () => {
  // Encodings of the ACPI specification, "AML Byte Stream Byte Values".
  it("encodes names, integers and EISA numbers", () => {
    expect(path("\\_SB.PCI0")).toEqual([0x5c, 0x2e, ..."_SB_PCI0"].map((c) => (typeof c === "string" ? c.charCodeAt(0) : c)));
    expect([integer(1), integer(0x10), integer(0x1234), integer(0x12345678)]).toEqual([[1], [0x0a, 0x10], [0x0b, 0x34, 0x12], [0x0c, 0x78, 0x56, 0x34, 0x12]]);
    expect(eisaId("PNP0A03")).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  });

  it("counts a package's length with its own bytes", () => {
    expect(packageOf(integer(0))).toEqual([0x12, 3, 1, 0]);
    const long = method("M", 0, new Array<number>(60).fill(0xa3));
    expect(long.slice(0, 3)).toEqual([0x14, 0x40 | (67 & 15), 67 >> 4]);
    expect(long).toHaveLength(68);
    expect(name("X", [0])).toEqual([8, ..."X___".split("").map((c) => c.charCodeAt(0)), 0]);
  });
});
