// Our firmware boots from every size of floppy disk and from CDs in every mode of El Torito, and its INT 13h reaches their last sector.

import { describe, expect, it } from "vitest";
import { builtinBios, builtinVgaBios } from "../firmware/bios.ts";
import type { Drives } from "./drives.ts";
import { Machine } from "./machine.ts";

/**
 * jmp 0:7C05, segments and stack; then: INT 13h AH=08h of the drive in DL, CH CL DH to port E9h, reads that last sector to 8000h, its first byte
 * to E9h, exit 0; exit 1 on an error.
 */
const PROGRAM =
  "ea057c0000 31c0 8ed8 8ed0 bc007c fc 52b408cd13722688e8e6e988c8e6e988f0e6e931c08ec05888c2bb0080b80102cd137209a00080e6e9b000e6f4b001e6f4";
const MARK = 0x5a;

function bootable(bytes: number): Uint8Array {
  const image = new Uint8Array(bytes);
  image.set((PROGRAM.replace(/\s/g, "").match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
  image.set([0x55, 0xaa], 510);
  return image;
}

const source = (bytes: Uint8Array) => ({ size: bytes.length, read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)) });

/** What the guest says, or its failure. */
function boot(drives: Drives): number[] | string {
  const machine = new Machine({
    memoryBytes: 4 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives, firmware: { bios: builtinBios(), vgabios: builtinVgaBios() },
  });
  const said: number[] = [];
  machine.events.debugConsole = (byte) => said.push(byte);
  const reason = machine.run(400e6);
  return reason === "exit-port" && machine.exitValue === 0 ? said : `${reason} ${machine.exitValue}`;
}

/** CH, CL and DH for the last sector of a disk. */
const last = (cylinders: number, heads: number, sectors: number): number[] => [(cylinders - 1) & 0xff, sectors | (((cylinders - 1) >> 2) & 0xc0), heads - 1, MARK];

describe("floppy disks", () => {
  it.each([
    ["360 KB", 40, 2, 9], ["720 KB", 80, 2, 9], ["1.2 MB", 80, 2, 15], ["1.44 MB", 80, 2, 18], ["2.88 MB", 80, 2, 36],
  ])("%s", (_name, cylinders, heads, sectors) => {
    const image = bootable(cylinders * heads * sectors * 512);
    image[image.length - 512] = MARK;
    expect(boot({ fda: source(image) })).toEqual(last(cylinders, heads, sectors));
  });

  // The smaller disks of the first PC start in the 360 KB drive; they lack the last sector of its geometry.
  it.each([["160 KB", 1, 8], ["180 KB", 1, 9], ["320 KB", 2, 8]])("%s starts", (_name, heads, sectors) => {
    expect(boot({ fda: source(bootable(40 * heads * sectors * 512)) })).toBe("exit-port 1");
  });
});

const BLOCK = 2048, CATALOG = 18, IMAGE = 20;

/** A CD with one El Torito entry. ECMA-119, "Volume Descriptors"; El Torito 1.0, "Booting Catalog". */
function cd(media: number, image: Uint8Array, sectors: number, segment = 0): Uint8Array {
  const disc = new Uint8Array((IMAGE + Math.ceil(image.length / BLOCK) + 1) * BLOCK);
  const text = (at: number, value: string) => disc.set(new TextEncoder().encode(value), at);
  const view = new DataView(disc.buffer);
  disc[16 * BLOCK] = 1;
  text(16 * BLOCK + 1, "CD001\x01");
  text(17 * BLOCK + 1, "CD001\x01EL TORITO SPECIFICATION");
  view.setUint32(17 * BLOCK + 0x47, CATALOG, true);
  const catalog = CATALOG * BLOCK;
  disc.set([1, 0], catalog);
  view.setUint16(catalog + 28, 0x55aa, true);
  disc.set([0x55, 0xaa], catalog + 30);
  view.setUint16(catalog + 28, -(0x0001 + 0xaa55) & 0xffff, true);
  disc.set([0x88, media], catalog + 32);
  view.setUint16(catalog + 34, segment, true);
  view.setUint16(catalog + 38, sectors, true);
  view.setUint32(catalog + 40, IMAGE, true);
  disc.set(image, IMAGE * BLOCK);
  return disc;
}

describe("El Torito", () => {
  it.each([["1.2 MB", 1, 15], ["1.44 MB", 2, 18], ["2.88 MB", 3, 36]])("a floppy disk of %s", (_name, media, sectors) => {
    const image = bootable(80 * 2 * sectors * 512);
    image[image.length - 512] = MARK;
    expect(boot({ cdrom: source(cd(media, image, 1)) })).toEqual(last(80, 2, sectors));
  });

  it("a hard disk, with the geometry of its partition", () => {
    const [cylinders, heads, sectors] = [20, 4, 17];
    const image = bootable(cylinders * heads * sectors * 512);
    image.set([0x80, 1, 1, 0, 6, heads - 1, sectors, cylinders - 1], 0x1be);
    image[image.length - 512] = MARK;
    expect(boot({ cdrom: source(cd(4, image, 1)) })).toEqual(last(cylinders, heads, sectors));
  });

  it("no emulation: sectors of 2048 bytes from a segment of choice, by INT 13h AH=42h", () => {
    // mov si,packet / mov ah,42h / int 13h / jc fail / mov al,[8000h] / out 0E9h,al / mov al,0 / out 0F4h,al / fail: mov al,1 / out 0F4h,al
    const code = "0e1f be2000 b442 cd13 720c 31c08ed8 a00080 e6e9 b000e6f4 b001e6f4".replace(/\s/g, "");
    const image = new Uint8Array(BLOCK);
    image.set((code.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
    // Packet: 16 bytes, one block, to 0000:8000h, from the block behind the image.
    image.set([16, 0, 1, 0, 0x00, 0x80, 0, 0, IMAGE + 1, 0, 0, 0, 0, 0, 0, 0], 0x20);
    const disc = cd(0, image, 4, 0x1000);
    disc[(IMAGE + 1) * BLOCK] = MARK;
    expect(boot({ cdrom: source(disc) })).toEqual([MARK]);
  });
});
