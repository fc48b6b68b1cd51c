// Offsets and values: Multiboot Specification 0.6.96.
import { describe, expect, it } from "vitest";
import { ImageError } from "../base/errors.ts";
import type { BootPlan } from "./boot-plan-format.ts";
import { multibootBootPlan } from "./multiboot-boot-plan.ts";

const MB = 1 << 20;
const memoryBytes = 64 * MB;

function header(view: DataView, at: number, flags: number): void {
  view.setUint32(at, 0x1badb002, true);
  view.setUint32(at + 4, flags, true);
  view.setUint32(at + 8, -(0x1badb002 + flags) >>> 0, true);
}

/** ELF32 with one segment linked at C0100000h, loaded at 1 MB: 16 bytes of file, 2000h of memory. */
function elf(change: (view: DataView) => void = () => {}): Uint8Array {
  const image = new Uint8Array(0x200);
  const view = new DataView(image.buffer);
  image.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 3, true);
  view.setUint32(24, 0xc0100004, true); // entry, a virtual address
  view.setUint32(28, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, 1, true);
  [1, 0x100, 0xc0100000, 0x100000, 16, 0x2000, 5, 4096].forEach((value, i) => view.setUint32(52 + i * 4, value, true));
  header(view, 0x80, 3);
  image.fill(0xee, 0x100, 0x110);
  change(view);
  return image;
}

/** What memory would hold once the firmware has carried the plan out. */
function carryOut({ plan, data }: BootPlan) {
  const view = new DataView(plan.buffer);
  const memory = new Uint8Array(4 * MB).fill(0xa5);
  let at = 0;
  for (let i = 0; i < view.getUint32(8, true); i++) {
    const address = view.getUint32(64 + i * 8, true);
    const length = view.getUint32(68 + i * 8, true);
    if (length >= 0x80000000) memory.fill(0, address, address + length - 0x80000000);
    else {
      memory.set(data.subarray(at, at + length), address);
      at += length;
    }
  }
  const words = new DataView(memory.buffer);
  const text = (address: number) => new TextDecoder().decode(memory.subarray(address, memory.indexOf(0, address)));
  return { memory, text, word: (address: number) => words.getUint32(address, true), eip: view.getUint32(16, true), eax: view.getUint32(24, true), info: view.getUint32(28, true) };
}

describe("multibootBootPlan", () => {
  it("loads an ELF image by physical addresses and clears its bss", () => {
    const { memory, eip, eax } = carryOut(multibootBootPlan({ image: elf(), commandLine: "", memoryBytes }));
    expect([...memory.subarray(0x100000, 0x100011)]).toEqual([...Array(16).fill(0xee), 0]);
    expect([memory[0x101fff], memory[0x102000]]).toEqual([0, 0xa5]);
    expect(eip).toBe(0x100004);
    expect(eax).toBe(0x2badb002);
  });

  it("tells memory, map, command line, modules and its name", () => {
    const modules = [
      { bytes: Uint8Array.of(1, 2, 3), commandLine: "first" },
      { bytes: new Uint8Array(5000), commandLine: "second x=1" },
    ];
    const { word, text, memory, info } = carryOut(multibootBootPlan({ image: elf(), commandLine: "kernel a=b", modules, memoryBytes }));
    expect(word(info) & 0x24d).toBe(0x24d); // memory, command line, modules, map, loader name
    expect([word(info + 4), word(info + 8)]).toEqual([639, 63 * 1024]); // mem_lower, mem_upper in KB
    expect(text(word(info + 16))).toBe("kernel a=b");
    expect(text(word(info + 64))).toBe("trapscope");
    expect(word(info + 20)).toBe(2);
    const table = word(info + 24);
    expect([word(table), word(table + 4), text(word(table + 8))]).toEqual([0x102000, 0x102003, "first"]);
    expect([word(table + 16), word(table + 20), text(word(table + 24))]).toEqual([0x103000, 0x103000 + 5000, "second x=1"]);
    expect([...memory.subarray(0x102000, 0x102003)]).toEqual([1, 2, 3]);
    const map = [];
    for (let at = word(info + 48); at < word(info + 48) + word(info + 44); at += word(at) + 4) {
      map.push([word(at + 4), word(at + 8), word(at + 12), word(at + 16), word(at + 20)]);
    }
    expect(map).toContainEqual([0, 0, 639 * 1024, 0, 1]);
    expect(map).toContainEqual([MB, 0, 63 * MB, 0, 1]);
    expect(map.filter((entry) => entry[4] === 1).length).toBe(2);
  });

  it("follows the header's addresses where it has them (a.out kludge)", () => {
    const image = new Uint8Array(0x100).fill(0x90);
    const view = new DataView(image.buffer);
    header(view, 0x20, 1 << 16);
    // header, load, load end, bss end, entry: the file begins 10h before the load address
    [0x200010, 0x200000, 0x2000a0, 0x200200, 0x200040].forEach((value, i) => view.setUint32(0x2c + i * 4, value, true));
    const { memory, eip } = carryOut(multibootBootPlan({ image, commandLine: "", memoryBytes }));
    expect(eip).toBe(0x200040);
    expect([...memory.subarray(0x200010, 0x200014)]).toEqual([0x02, 0xb0, 0xad, 0x1b]);
    expect([memory[0x20009f], memory[0x2000a0], memory[0x2001ff], memory[0x200200]]).toEqual([0x90, 0, 0, 0xa5]);
  });

  it("moves the information away from an image that lies in low memory", () => {
    const image = elf((view) => {
      view.setUint32(52 + 12, 0x10000, true);
      view.setUint32(52 + 8, 0x10000, true);
      view.setUint32(24, 0x10000, true);
    });
    const { word, info } = carryOut(multibootBootPlan({ image, commandLine: "", memoryBytes }));
    expect(info).toBe(MB);
    expect(word(info + 4)).toBe(639);
  });

  it("says what is wrong with an image", () => {
    const refused = (image: Uint8Array, bytes = memoryBytes) => expect(() => multibootBootPlan({ image, commandLine: "", memoryBytes: bytes }));
    refused(new Uint8Array(0)).toThrow(/Not a multiboot image/);
    refused(elf((view) => view.setUint32(0x88, 0, true))).toThrow(/Not a multiboot image/);
    refused(elf((view) => view.setUint8(4, 2))).toThrow(/64-bit ELF/);
    refused(elf((view) => view.setUint16(18, 40, true))).toThrow(/not for the i386/);
    refused(elf().subarray(0, 0x108)).toThrow(/truncated/);
    refused(elf((view) => header(view, 0x80, 8))).toThrow(/something unknown/);
    refused(elf((view) => view.setUint32(52 + 12, 0x9f000, true))).toThrow(/memory of the firmware/);
    refused(elf((view) => view.setUint32(52 + 12, 0x8000000, true))).toThrow(/64 MB of memory/);
    refused(elf(), MB).toThrow(ImageError);
  });
});
