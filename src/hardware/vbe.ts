// The Bochs display interface ("VBE dispi", version B0C5h): the linear graphics modes that VESA BIOSes
// and the drivers for 1234:1111 use. Index port 1CEh, data port 1CFh (or 1D0h).
// Sources: the interface description in the Bochs documentation; QEMU, docs/specs/standard-vga.rst.
//
// Not implemented: 4-bit modes, EDID, the memory-mapped registers of BAR 2. Deviation: the display
// memory of these modes is not the VGA's planes, so neither sees what the other has left.

import type { Device, DeviceState, Region } from "./device.ts";
import { checkedState } from "./device-state.ts";
import { VIDEO_MEMORY_BYTES, VideoMemory } from "./video-memory.ts";
import { MAX_FRAME_HEIGHT, MAX_FRAME_WIDTH, type Vga, type VgaExtension } from "./vga.ts";

/** The first port; the interface takes four. */
export const VBE_FIRST_PORT = 0x1ce;

const ID = 0;
const XRES = 1;
const YRES = 2;
const BPP = 3;
const ENABLE = 4;
const BANK = 5;
const VIRTUAL_WIDTH = 6;
const VIRTUAL_HEIGHT = 7;
const X_OFFSET = 8;
const Y_OFFSET = 9;
const MEMORY_64K = 10;
const REGISTER_COUNT = 11;

const FIRST_ID = 0xb0c0;
const LAST_ID = 0xb0c5;

const ENABLED = 0x01;
const GET_CAPABILITIES = 0x02;
const DAC_8BIT = 0x20;
const LINEAR = 0x40;
const NO_CLEAR = 0x80;

const BANK_BYTES = 0x10000;
const DEPTHS = [8, 15, 16, 24, 32];

interface VbeState {
  index: number;
  registers: number[];
}

function freshState(): VbeState {
  const registers = new Array<number>(REGISTER_COUNT).fill(0);
  registers[ID] = LAST_ID;
  return { index: 0, registers };
}

export class Vbe implements Device, VgaExtension {
  readonly id = "vbe";
  /** Four ports from 1CEh. */
  readonly ports: Region;
  /** The linear framebuffer. */
  readonly framebuffer: Region;
  /** What the VGA's window at A0000h shows while a mode is on: one bank of 64 KB. */
  readonly window: Region;
  readonly memory: VideoMemory;

  private readonly vga: Vga;
  private state = freshState();
  private changes = 0;

  constructor(vga: Vga, memory = new VideoMemory()) {
    this.vga = vga;
    this.memory = memory;
    vga.extension = this;
    this.ports = {
      read: (offset, width) => (width === 2 ? (offset === 0 ? this.state.index : this.readRegister()) : 2 ** (8 * width) - 1),
      write: (offset, width, value) => {
        if (width !== 2) return;
        if (offset === 0) this.state.index = value;
        else this.writeRegister(value);
      },
    };
    this.framebuffer = {
      read: (offset, width) => memory.read(offset, width),
      write: (offset, width, value) => memory.write(offset, width, value),
    };
    this.window = {
      read: (offset, width) => (offset < BANK_BYTES ? memory.read(this.bankBase + offset, width) : 2 ** (8 * width) - 1),
      write: (offset, width, value) => {
        if (offset < BANK_BYTES) memory.write(this.bankBase + offset, width, value);
      },
    };
  }

  reset(): void {
    this.state = freshState();
    this.memory.clear();
    this.vga.dac.eightBit = false;
    this.changes++;
  }

  // ---- registers ----

  get active(): boolean {
    return (this.state.registers[ENABLE] & ENABLED) !== 0;
  }

  private get bankBase(): number {
    return this.state.registers[BANK] * BANK_BYTES;
  }

  private readRegister(): number {
    const { index, registers } = this.state;
    if (index === MEMORY_64K) return VIDEO_MEMORY_BYTES / BANK_BYTES;
    if (registers[ENABLE] & GET_CAPABILITIES) {
      if (index === XRES) return MAX_FRAME_WIDTH;
      if (index === YRES) return MAX_FRAME_HEIGHT;
      if (index === BPP) return 32;
    }
    return registers[index] ?? 0xffff;
  }

  private writeRegister(value: number): void {
    const { index, registers } = this.state;
    switch (index) {
      case ID:
        if (value >= FIRST_ID && value <= LAST_ID) registers[ID] = value;
        break;
      case XRES:
      case YRES:
      case BPP:
      case VIRTUAL_WIDTH:
      case X_OFFSET:
      case Y_OFFSET:
        registers[index] = value;
        if (this.active) this.fit();
        break;
      case BANK:
        registers[BANK] = value % (VIDEO_MEMORY_BYTES / BANK_BYTES);
        break;
      case ENABLE:
        this.enable(value);
        break;
    }
    this.changes++;
  }

  private enable(value: number): void {
    const r = this.state.registers;
    const starting = (value & ENABLED) !== 0 && !this.active;
    r[ENABLE] = value & (ENABLED | GET_CAPABILITIES | DAC_8BIT | LINEAR | NO_CLEAR);
    this.vga.dac.eightBit = (value & DAC_8BIT) !== 0;
    if ((value & ENABLED) === 0) r[BANK] = 0;
    if (!starting) return;
    r[VIRTUAL_WIDTH] = 0;
    r[X_OFFSET] = 0;
    r[Y_OFFSET] = 0;
    this.fit();
    if ((value & NO_CLEAR) === 0) this.memory.clear();
  }

  /** Brings what was asked for into what there is: sizes that can be drawn, a picture inside the memory. */
  private fit(): void {
    const r = this.state.registers;
    r[BPP] = DEPTHS.includes(r[BPP]) ? r[BPP] : 8;
    r[XRES] = Math.max(8, Math.min(MAX_FRAME_WIDTH, r[XRES] & ~7));
    r[VIRTUAL_WIDTH] = Math.max(r[XRES], r[VIRTUAL_WIDTH] & ~7);
    const lines = Math.floor(VIDEO_MEMORY_BYTES / this.pitch);
    r[YRES] = Math.max(1, Math.min(MAX_FRAME_HEIGHT, r[YRES], lines));
    r[VIRTUAL_HEIGHT] = Math.min(0xffff, lines);
    // The offsets say where in memory the picture begins: a driver that divides an address by the pitch has a column even where the virtual screen is no wider.
    const room = VIDEO_MEMORY_BYTES - r[YRES] * this.pitch;
    r[X_OFFSET] = Math.min(r[X_OFFSET], Math.floor(room / this.bytesPerPixel));
    r[Y_OFFSET] = Math.min(r[Y_OFFSET], Math.floor((room - r[X_OFFSET] * this.bytesPerPixel) / this.pitch));
  }

  private get bytesPerPixel(): number {
    return (this.state.registers[BPP] + 7) >> 3;
  }

  private get pitch(): number {
    return this.state.registers[VIRTUAL_WIDTH] * this.bytesPerPixel;
  }

  // ---- picture ----

  get version(): number {
    return this.changes + this.memory.stores;
  }

  size(): { width: number; height: number } {
    const r = this.state.registers;
    return { width: r[XRES], height: r[YRES] };
  }

  draw(out: Uint32Array): void {
    this.memory.clean();
    const r = this.state.registers;
    const bytes = this.bytesPerPixel;
    const pixel = this.pixelReader();
    const width = r[XRES];
    for (let y = 0; y < r[YRES]; y++) {
      let at = (y + r[Y_OFFSET]) * this.pitch + r[X_OFFSET] * bytes;
      for (let x = 0; x < width; x++, at += bytes) out[y * width + x] = pixel(at);
    }
  }

  /** A pixel at a byte offset as 0xAABBGGRR. */
  private pixelReader(): (at: number) => number {
    const { bytes: memory, view } = this.memory;
    switch (this.state.registers[BPP]) {
      case 8: {
        const palette = Uint32Array.from({ length: 256 }, (_, i) => this.vga.dac.color(i));
        return (at) => palette[memory[at]];
      }
      case 15:
        return (at) => fromBits(view.getUint16(at, true), 5);
      case 16:
        return (at) => fromBits(view.getUint16(at, true), 6);
      default:
        return (at) => (0xff000000 | (memory[at] << 16) | (memory[at + 1] << 8) | memory[at + 2]) >>> 0;
    }
  }

  // ---- snapshot ----

  save(): DeviceState {
    const { index, registers } = this.state;
    return { index, registers: registers.slice(), memory: this.memory.bytes.slice(0, this.memory.used) };
  }

  load(state: DeviceState): void {
    const memory = state.memory;
    if (!(memory instanceof Uint8Array) || memory.length > VIDEO_MEMORY_BYTES) throw new Error("snapshot: vbe.memory is not a part of the display memory");
    const s = checkedState(this.id, freshState(), state);
    if (s.registers.length !== REGISTER_COUNT) throw new Error("snapshot: vbe.registers is not complete");
    this.reset();
    this.state = s;
    this.memory.load(memory);
    this.vga.dac.eightBit = (s.registers[ENABLE] & DAC_8BIT) !== 0;
    if (this.active) this.fit();
  }
}

/** Five bits of blue, `greenBits` of green, five of red, from the low end; stretched to eight each. */
function fromBits(value: number, greenBits: 5 | 6): number {
  const red = (value >> (5 + greenBits)) & 0x1f;
  const green = (value >> 5) & ((1 << greenBits) - 1);
  const blue = value & 0x1f;
  const red8 = (red << 3) | (red >> 2);
  const green8 = greenBits === 6 ? (green << 2) | (green >> 4) : (green << 3) | (green >> 2);
  const blue8 = (blue << 3) | (blue >> 2);
  return (0xff000000 | (blue8 << 16) | (green8 << 8) | red8) >>> 0;
}
