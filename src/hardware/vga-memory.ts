// The VGA's display memory: four planes of 64 KB and the data path between them and the processor
// (latches, rotate, set/reset, logic function, bit mask, map mask; write modes 0-3, read modes 0-1).
// IBM PS/2 Hardware Interface Technical Reference, Video Subsystem: "Graphics Controller",
// "Sequencer: Memory Mode Register".
//
// The four planes at one offset are one 32-bit number, plane 0 in the low byte: that is also what
// the latches hold, so every mode is a few operations on 32 bits.
//
// Not implemented: the odd/even page bit of the Miscellaneous Output register (boards with 64 KB).

import type { Region, Width } from "./device.ts";

export const PLANE_BYTES = 0x10000;

/** Registers of the graphics controller. */
export const GC_SET_RESET = 0;
export const GC_ENABLE_SET_RESET = 1;
export const GC_COLOR_COMPARE = 2;
export const GC_DATA_ROTATE = 3;
export const GC_READ_MAP = 4;
export const GC_MODE = 5;
export const GC_MISC = 6;
export const GC_COLOR_DONT_CARE = 7;
export const GC_BIT_MASK = 8;

/** Registers of the sequencer. */
export const SEQ_CLOCKING = 1;
export const SEQ_MAP_MASK = 2;
export const SEQ_CHAR_MAP = 3;
export const SEQ_MEMORY_MODE = 4;

/** Four bits, one a plane, as a mask of bytes. */
const PLANES = Int32Array.from({ length: 16 }, (_, bits) =>
  [0, 1, 2, 3].reduce((mask, plane) => ((bits >> plane) & 1 ? mask | (0xff << (8 * plane)) : mask), 0),
);

/** Where each value of the memory map select appears, from A0000h. */
const WINDOWS: readonly { readonly base: number; readonly size: number }[] = [
  { base: 0x00000, size: 0x20000 },
  { base: 0x00000, size: 0x10000 },
  { base: 0x10000, size: 0x08000 },
  { base: 0x18000, size: 0x08000 },
];

export class VgaMemory {
  /** Plane p at offset n is `bytes[4 * n + p]`. */
  readonly bytes = new Uint8Array(4 * PLANE_BYTES);
  readonly words = new Int32Array(this.bytes.buffer);
  latch = 0;
  /** Counts stores, so that a renderer knows whether it has anything to do. */
  stores = 0;

  private readonly sequencer: Uint8Array;
  private readonly graphics: Uint8Array;

  // What the registers say, kept ready for every access.
  private windowBase = 0;
  private windowSize = 0x20000;
  private chain4 = false;
  private oddEvenWrite = false;
  private oddEvenRead = false;
  private writeMode = 0;
  private rotate = 0;
  private mapMask = 0;
  private setReset = 0;
  private enableSetReset = 0;
  private bitMask = 0;
  private logic = 0;
  /** Write mode 0 with nothing between processor and planes. */
  private plain = false;

  constructor(sequencer: Uint8Array, graphics: Uint8Array) {
    this.sequencer = sequencer;
    this.graphics = graphics;
    this.configure();
  }

  /** To be called after a register of the sequencer or the graphics controller has changed. */
  configure(): void {
    const s = this.sequencer;
    const g = this.graphics;
    const window = WINDOWS[(g[GC_MISC] >> 2) & 3];
    this.windowBase = window.base;
    this.windowSize = window.size;
    this.chain4 = (s[SEQ_MEMORY_MODE] & 8) !== 0;
    this.oddEvenWrite = (s[SEQ_MEMORY_MODE] & 4) === 0;
    this.oddEvenRead = (g[GC_MODE] & 0x10) !== 0;
    this.writeMode = g[GC_MODE] & 3;
    this.rotate = g[GC_DATA_ROTATE] & 7;
    this.logic = (g[GC_DATA_ROTATE] >> 3) & 3;
    this.mapMask = PLANES[s[SEQ_MAP_MASK] & 15];
    this.setReset = PLANES[g[GC_SET_RESET] & 15];
    this.enableSetReset = PLANES[g[GC_ENABLE_SET_RESET] & 15];
    this.bitMask = Math.imul(g[GC_BIT_MASK], 0x01010101);
    this.plain = this.writeMode === 0 && this.rotate === 0 && this.logic === 0 && this.enableSetReset === 0 && this.bitMask === -1;
  }

  /** A0000h-BFFFFh. */
  region(enabled: () => boolean): Region {
    return {
      read: (offset, width) => this.read(enabled() ? offset - this.windowBase : -1, width),
      write: (offset, width, value) => this.write(enabled() ? offset - this.windowBase : -1, width, value),
    };
  }

  /** `address` counts from the start of the window; outside of it nobody answers. */
  private read(address: number, width: Width): number {
    let value = 0;
    for (let i = 0; i < width; i++) {
      const at = address + i;
      const byte = address < 0 || at >= this.windowSize ? 0xff : this.readByte(at & 0xffff);
      value |= byte << (8 * i);
    }
    return value >>> 0;
  }

  private write(address: number, width: Width, value: number): void {
    if (address < 0) return;
    this.stores++;
    if (this.plain && this.chain4 && width === 4 && (address & 3) === 0 && address + 4 <= this.windowSize) {
      const index = chain4Offset(address & 0xffff);
      this.words[index] = (this.words[index] & ~this.mapMask) | (value & this.mapMask);
      return;
    }
    for (let i = 0; i < width && address + i < this.windowSize; i++) this.writeByte((address + i) & 0xffff, (value >>> (8 * i)) & 0xff);
  }

  private readByte(address: number): number {
    let offset = address;
    let plane = this.graphics[GC_READ_MAP] & 3;
    if (this.chain4) {
      plane = address & 3;
      offset = chain4Offset(address);
    } else if (this.oddEvenRead) {
      plane = (plane & 2) | (address & 1);
      offset = address & ~1;
    }
    this.latch = this.words[offset];
    if ((this.graphics[GC_MODE] & 8) === 0) return (this.latch >>> (8 * plane)) & 0xff;
    // Read mode 1: a one for every pixel whose cared-for planes equal the compare colour.
    const care = PLANES[this.graphics[GC_COLOR_DONT_CARE] & 15];
    const different = (this.latch ^ PLANES[this.graphics[GC_COLOR_COMPARE] & 15]) & care;
    return ~(different | (different >>> 8) | (different >>> 16) | (different >>> 24)) & 0xff;
  }

  private writeByte(address: number, value: number): void {
    let offset = address;
    let planes = this.mapMask;
    if (this.chain4) {
      planes &= 0xff << (8 * (address & 3));
      offset = chain4Offset(address);
    } else if (this.oddEvenWrite) {
      planes &= (address & 1) === 0 ? 0x00ff00ff : 0xff00ff00;
      offset = address & ~1;
    }
    const data = this.plain ? Math.imul(value, 0x01010101) : this.dataPath(value);
    this.words[offset] = (this.words[offset] & ~planes) | (data & planes);
  }

  /** What the four planes are offered for one byte from the processor. */
  private dataPath(value: number): number {
    const latch = this.latch;
    if (this.writeMode === 1) return latch;
    const rotated = ((value >>> this.rotate) | (value << (8 - this.rotate))) & 0xff;
    let data: number;
    let mask = this.bitMask;
    if (this.writeMode === 0) {
      data = (Math.imul(rotated, 0x01010101) & ~this.enableSetReset) | (this.setReset & this.enableSetReset);
    } else if (this.writeMode === 2) {
      data = PLANES[value & 15];
    } else {
      data = this.setReset;
      mask &= Math.imul(rotated, 0x01010101);
    }
    if (this.logic === 1) data &= latch;
    else if (this.logic === 2) data |= latch;
    else if (this.logic === 3) data ^= latch;
    return (data & mask) | (latch & ~mask);
  }
}

/**
 * Chain 4: address bits 1:0 choose the plane; in their places the planes see bits 15:14, which is
 * also how the CRT controller's doubleword mode counts.
 */
function chain4Offset(address: number): number {
  return (address & 0xfffc) | (address >> 14);
}
