// Offsets and values: Documentation/arch/x86/boot.rst of the Linux kernel.
import { describe, expect, it } from "vitest";
import { ImageError, UsageError } from "../base/errors.ts";
import type { BootPlan } from "./boot-plan-format.ts";
import { linuxBootPlan } from "./linux-boot-plan.ts";

const MB = 1 << 20;
const CODE_BYTES = 0x4000;

/** A kernel of protocol 2.12: 4 setup sectors, then code. */
function bzImage(change: (header: DataView) => void = () => {}): Uint8Array {
  const kernel = new Uint8Array(5 * 512 + CODE_BYTES).fill(0xc0, 5 * 512);
  const view = new DataView(kernel.buffer);
  view.setUint8(0x1f1, 4);
  view.setUint32(0x1f4, CODE_BYTES / 16, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x53726448, true); // "HdrS"
  view.setUint16(0x206, 0x020c, true);
  view.setUint8(0x211, 0x01);
  view.setUint32(0x22c, 0x7fffffff, true);
  view.setUint32(0x238, 2047, true);
  view.setBigUint64(0x258, BigInt(MB), true);
  view.setUint32(0x260, 2 * MB, true);
  change(view);
  return kernel;
}

function chunksOf({ plan, data }: BootPlan): { address: number; bytes: Uint8Array }[] {
  const view = new DataView(plan.buffer);
  let at = 0;
  return Array.from({ length: view.getUint32(8, true) }, (_, i) => {
    const length = view.getUint32(68 + i * 8, true);
    const bytes = data.subarray(at, at + length);
    at += length;
    return { address: view.getUint32(64 + i * 8, true), bytes };
  });
}

const base = { commandLine: "console=ttyS0", memoryBytes: 64 * MB };

describe("linuxBootPlan", () => {
  it("puts setup code, command line, kernel and initrd where the protocol wants them", () => {
    const initrd = new Uint8Array(5000).fill(7);
    const chunks = chunksOf(linuxBootPlan({ ...base, kernel: bzImage(), initrd }));
    expect(chunks.map((chunk) => [chunk.address, chunk.bytes.length])).toEqual([
      [0x90000, 5 * 512],
      [0x9e000, "console=ttyS0".length + 1],
      [0x100000, CODE_BYTES],
      [64 * MB - 2 * 4096, 5000],
    ]);
    const setup = new DataView(chunks[0]!.bytes.slice().buffer);
    expect(setup.getUint8(0x210)).toBe(0xff); // type_of_loader
    expect(setup.getUint8(0x211)).toBe(0x81); // loadflags: LOADED_HIGH, CAN_USE_HEAP
    expect(setup.getUint16(0x224, true)).toBe(0xde00); // heap_end_ptr, 200h below the end
    expect(setup.getUint32(0x228, true)).toBe(0x9e000); // cmd_line_ptr
    expect(setup.getUint32(0x218, true)).toBe(64 * MB - 2 * 4096); // ramdisk_image
    expect(setup.getUint32(0x21c, true)).toBe(5000); // ramdisk_size
    expect(new TextDecoder().decode(chunks[1]!.bytes)).toBe("console=ttyS0\0");
  });

  it("enters at 9020:0000 with the other segments at 9000h", () => {
    const { plan } = linuxBootPlan({ ...base, kernel: bzImage() });
    const view = new DataView(plan.buffer);
    expect(view.getUint16(6, true)).toBe(16);
    expect([view.getUint32(16, true), view.getUint32(20, true)]).toEqual([0, 0xe000]);
    expect([...new Uint16Array(plan.buffer, 52, 6)]).toEqual([0x9020, 0x9000, 0x9000, 0x9000, 0x9000, 0x9000]);
  });

  it("keeps the initrd below initrd_addr_max", () => {
    const kernel = bzImage((view) => view.setUint32(0x22c, 16 * MB - 1, true));
    const chunks = chunksOf(linuxBootPlan({ ...base, kernel, initrd: new Uint8Array(4096) }));
    expect(chunks[3]!.address).toBe(16 * MB - 4096);
  });

  it("leaves the image it was given as it is", () => {
    const kernel = bzImage();
    const before = kernel.slice();
    linuxBootPlan({ ...base, kernel, initrd: new Uint8Array(10) });
    expect(kernel).toEqual(before);
  });

  it("hands vga= to the kernel's setup code", () => {
    const setup = (commandLine: string) => new DataView(chunksOf(linuxBootPlan({ ...base, kernel: bzImage(), commandLine }))[0]!.bytes.slice().buffer);
    expect(setup("quiet vga=0x317").getUint16(0x1fa, true)).toBe(0x317);
    expect(setup("vga=ask").getUint16(0x1fa, true)).toBe(0xfffd);
    expect(() => setup("vga=blue")).toThrow(UsageError);
  });

  it("uses the old command line fields before protocol 2.02", () => {
    const kernel = bzImage((view) => view.setUint16(0x206, 0x0201, true));
    const setup = new DataView(chunksOf(linuxBootPlan({ ...base, kernel }))[0]!.bytes.slice().buffer);
    expect([setup.getUint16(0x20, true), setup.getUint16(0x22, true)]).toEqual([0xa33f, 0xe000]);
  });

  it("loads a zImage at 10000h", () => {
    const kernel = bzImage((view) => view.setUint8(0x211, 0));
    expect(chunksOf(linuxBootPlan({ ...base, kernel }))[2]!.address).toBe(0x10000);
  });

  it("says what is wrong with an image", () => {
    const refused = (kernel: Uint8Array, rest: object = {}) => expect(() => linuxBootPlan({ ...base, kernel, ...rest }));
    refused(new Uint8Array(0)).toThrow(/Not a Linux kernel/);
    refused(new Uint8Array(100_000).fill(0x5a)).toThrow(/Not a Linux kernel/);
    refused(bzImage().subarray(0, 0x1000)).toThrow(/truncated/);
    refused(bzImage((view) => view.setUint16(0x236, 1, true))).toThrow(/64-bit kernel/);
    refused(bzImage((view) => view.setUint16(0x206, 0x0100, true))).toThrow(/protocol 1\.0/);
    refused(bzImage(), { memoryBytes: 2 * MB }).toThrow(/3 MB of memory; the machine has 2 MB/);
    refused(bzImage(), { memoryBytes: 4 * MB, initrd: new Uint8Array(2 * MB) }).toThrow(ImageError);
    refused(bzImage(), { commandLine: "x".repeat(2048) }).toThrow(UsageError);
  });
});
