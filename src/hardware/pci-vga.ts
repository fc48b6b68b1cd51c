// The display adapter on PCI, 0:2.0: vendor 1234h, device 1111h, as BIOSes and drivers know it, with the
// linear framebuffer in BAR 0 and the VGA BIOS as expansion ROM.
// Source: QEMU, docs/specs/standard-vga.rst.

import type { Region } from "./device.ts";
import { PciFunction, type Place } from "./pci-function.ts";
import { VIDEO_MEMORY_BYTES } from "./video-memory.ts";

export interface PciVgaOptions {
  readonly placeFramebuffer: Place;
  /** A power of two, at least 2 KB. */
  readonly romBytes?: number;
  readonly placeRom?: Place;
}

export class PciVga extends PciFunction {
  constructor({ placeFramebuffer, romBytes, placeRom }: PciVgaOptions) {
    super("pci-vga", {
      vendor: 0x1234,
      device: 0x1111,
      revision: 2,
      classCode: 0x030000,
      subsystemVendor: 0x1af4,
      subsystem: 0x1100,
      commandMask: 0x0003,
      status: 0x0000,
    });
    this.defineBar(0, "memory", VIDEO_MEMORY_BYTES, placeFramebuffer, true);
    if (romBytes !== undefined && placeRom !== undefined) this.defineRom(romBytes, placeRom);
  }
}

/** A ROM as a memory window of whole pages; ones past its end. */
export function romRegion(rom: Uint8Array): { readonly region: Region; readonly bytes: number } {
  const bytes = 2 ** Math.max(12, Math.ceil(Math.log2(rom.length)));
  return {
    bytes,
    region: {
      read(offset, width) {
        let value = 0;
        for (let i = 0; i < width; i++) value |= (rom[offset + i] ?? 0xff) << (8 * i);
        return value >>> 0;
      },
      write: () => undefined,
    },
  };
}
