// For tests only: the register values of the IBM VGA BIOS's video parameter table, and a font.

import { ManualClock } from "./describe-device.ts";
import { Vga, VGA_FIRST_PORT } from "./vga.ts";

interface ModeValues {
  readonly misc: number;
  readonly sequencer: readonly number[];
  readonly crtc: readonly number[];
  readonly graphics: readonly number[];
  readonly attribute: readonly number[];
}

const EGA_PALETTE = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f];
const LINEAR_PALETTE = Array.from({ length: 16 }, (_, i) => i);

const mode13: ModeValues = {
  misc: 0x63,
  sequencer: [3, 0x01, 0x0f, 0, 0x0e],
  crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff],
  graphics: [0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff],
  attribute: [...LINEAR_PALETTE, 0x41, 0, 0x0f, 0, 0],
};

export const MODES = {
  text80: {
    misc: 0x67,
    sequencer: [3, 0x00, 0x03, 0, 0x02],
    crtc: [0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff],
    graphics: [0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff],
    attribute: [...EGA_PALETTE, 0x0c, 0, 0x0f, 8, 0],
  },
  cga4: {
    misc: 0x63,
    sequencer: [3, 0x09, 0x03, 0, 0x02],
    crtc: [0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff],
    graphics: [0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff],
    attribute: [0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x01, 0, 0x03, 0, 0],
  },
  cga2: {
    misc: 0x63,
    sequencer: [3, 0x01, 0x01, 0, 0x06],
    crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x00, 0x96, 0xb9, 0xc2, 0xff],
    graphics: [0, 0, 0, 0, 0, 0x00, 0x0d, 0, 0xff],
    attribute: [0, ...Array<number>(15).fill(0x17), 0x01, 0, 0x01, 0, 0],
  },
  planar320: {
    misc: 0x63,
    sequencer: [3, 0x09, 0x0f, 0, 0x06],
    crtc: [0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xe3, 0xff],
    graphics: [0, 0, 0, 0, 0, 0, 0x05, 0x0f, 0xff],
    attribute: [...EGA_PALETTE, 0x01, 0, 0x0f, 0, 0],
  },
  planar640: {
    misc: 0xe3,
    sequencer: [3, 0x01, 0x0f, 0, 0x06],
    crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff],
    graphics: [0, 0, 0, 0, 0, 0, 0x05, 0x0f, 0xff],
    attribute: [...EGA_PALETTE, 0x01, 0, 0x0f, 0, 0],
  },
  chain256: mode13,
  /** 320 by 240 in 256 colours, not chained. */
  modeX: {
    ...mode13,
    misc: 0xe3,
    sequencer: [3, 0x01, 0x0f, 0, 0x06],
    crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0d, 0x3e, 0, 0x41, 0, 0, 0, 0, 0, 0, 0xea, 0xac, 0xdf, 0x28, 0x00, 0xe7, 0x06, 0xe3, 0xff],
  },
} as const satisfies Record<string, ModeValues>;

export class VgaHost {
  readonly clock = new ManualClock();
  readonly vga = new Vga(this.clock);

  out(port: number, value: number): void {
    this.vga.ports.write(port - VGA_FIRST_PORT, 1, value);
  }

  in(port: number): number {
    return this.vga.ports.read(port - VGA_FIRST_PORT, 1);
  }

  crtc(index: number, value: number): void {
    this.vga.ports.write(0x3d4 - VGA_FIRST_PORT, 2, index | (value << 8));
  }

  graphics(index: number, value: number): void {
    this.vga.ports.write(0x3ce - VGA_FIRST_PORT, 2, index | (value << 8));
  }

  sequencer(index: number, value: number): void {
    this.vga.ports.write(0x3c4 - VGA_FIRST_PORT, 2, index | (value << 8));
  }

  attribute(index: number, value: number): void {
    this.in(0x3da);
    this.out(0x3c0, index);
    this.out(0x3c0, value);
    this.out(0x3c0, 0x20);
  }

  /** DAC entry `i` gets red i mod 64, green 0, blue i div 4: every entry has its own colour. */
  setMode(mode: ModeValues): void {
    this.out(0x3c2, mode.misc);
    mode.sequencer.forEach((value, index) => this.sequencer(index, value));
    this.crtc(0x11, 0);
    mode.crtc.forEach((value, index) => this.crtc(index, value));
    mode.graphics.forEach((value, index) => this.graphics(index, value));
    mode.attribute.forEach((value, index) => this.attribute(index, value));
    this.out(0x3c6, 0xff);
    this.out(0x3c8, 0);
    for (let i = 0; i < 256; i++) {
      this.out(0x3c9, i & 0x3f);
      this.out(0x3c9, 0);
      this.out(0x3c9, i >> 2);
    }
  }

  /** A byte of guest memory at A0000h-BFFFFh. */
  poke(address: number, value: number): void {
    this.vga.window.write(address - 0xa0000, 1, value);
  }

  peek(address: number): number {
    return this.vga.window.read(address - 0xa0000, 1);
  }

  /** Character `code` of set 0 gets these rows. */
  glyph(code: number, rows: readonly number[], setOffset = 0): void {
    rows.forEach((bits, row) => {
      this.vga.memory.bytes[4 * (setOffset + code * 32 + row) + 2] = bits;
    });
  }
}

/** What `VgaHost.setMode` makes of a DAC entry: R, G, B. */
export function dacColor(entry: number): [number, number, number] {
  const wide = (v: number): number => (v << 2) | (v >> 4);
  return [wide(entry & 0x3f), 0, wide(entry >> 2)];
}
