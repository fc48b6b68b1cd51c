// The VGA's registers: Miscellaneous Output, sequencer, CRT controller, graphics controller,
// attribute controller, DAC, and the beam position that Input Status 1 shows.
// IBM PS/2 Hardware Interface Technical Reference, Video Subsystem ("VGA Function").
//
// Not implemented: vertical retrace interrupt, light pen, feature connector, the video status
// multiplexer (Input Status 1 bits 5:4), the diagnostic sense of the DAC comparators beyond
// "a colour monitor is there". Deviation: palette registers may be written while the palette
// address source bit shows the picture.

import { byteRegion } from "./bus.ts";
import type { Clock, Device, DeviceState, Region } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { type DacState, VgaDac } from "./vga-dac.ts";
import { PLANE_BYTES, VgaMemory } from "./vga-memory.ts";
import { beamStatus, type VgaTiming, vgaTiming } from "./vga-timing.ts";

/** The first port of `Vga.ports`; the window has 30h ports, of which 3BCh-3BFh are not the VGA's. */
export const VGA_FIRST_PORT = 0x3b0;

const MISC_COLOR_PORTS = 0x01;
const MISC_RAM_ENABLE = 0x02;

export const ATTRIBUTE_MODE = 0x10;
export const ATTRIBUTE_OVERSCAN = 0x11;
export const ATTRIBUTE_PLANE_ENABLE = 0x12;
export const ATTRIBUTE_PANNING = 0x13;
export const ATTRIBUTE_COLOR_SELECT = 0x14;
/** Bit 5 of the attribute index: the palette feeds the picture, not the port. */
const PALETTE_ADDRESS_SOURCE = 0x20;

const CRTC_COUNT = 0x19;
const CRTC_PROTECT = 0x80;

/** Bits that exist in each register; the others read as zero. */
const SEQUENCER_BITS = [0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0];
const GRAPHICS_BITS = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];

interface VgaState {
  miscOutput: number;
  featureControl: number;
  enabled: boolean;
  sequencerIndex: number;
  graphicsIndex: number;
  crtcIndex: number;
  attributeIndex: number;
  /** The attribute controller's one port takes index and data in turn. */
  attributeDataNext: boolean;
  sequencer: Uint8Array;
  graphics: Uint8Array;
  crtc: Uint8Array;
  attribute: Uint8Array;
}

function freshState(): VgaState {
  return {
    miscOutput: 0,
    featureControl: 0,
    enabled: true,
    sequencerIndex: 0,
    graphicsIndex: 0,
    crtcIndex: 0,
    attributeIndex: 0,
    attributeDataNext: false,
    sequencer: new Uint8Array(8),
    graphics: new Uint8Array(9),
    crtc: new Uint8Array(CRTC_COUNT),
    attribute: new Uint8Array(0x15),
  };
}

/** The largest picture that any mode gives. */
export const MAX_FRAME_WIDTH = 1920;
export const MAX_FRAME_HEIGHT = 1080;

/** Modes beyond the VGA's own: while one is active, window and picture come from there. */
export interface VgaExtension {
  readonly active: boolean;
  readonly window: Region;
  readonly version: number;
  size(): { width: number; height: number };
  /** 0xAABBGGRR, line by line. */
  draw(out: Uint32Array): void;
}

export class Vga implements Device {
  readonly id = "vga";
  /** 30h ports from 3B0h. */
  readonly ports: Region;
  /** 128 KB from A0000h. */
  readonly window: Region;
  readonly memory: VgaMemory;
  readonly dac = new VgaDac();
  extension: VgaExtension | null = null;

  private readonly clock: Clock;
  private readonly s = freshState();
  private timing: VgaTiming;
  private registerWrites = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.memory = new VgaMemory(this.s.sequencer, this.s.graphics);
    this.timing = vgaTiming(this.s.crtc, this.s.sequencer, this.s.miscOutput);
    this.ports = byteRegion({
      read: (offset) => this.readPort(VGA_FIRST_PORT + offset),
      write: (offset, value) => this.writePort(VGA_FIRST_PORT + offset, value),
    });
    const planes = this.memory.region(() => (this.s.miscOutput & MISC_RAM_ENABLE) !== 0 && this.s.enabled);
    const owner = (): Region => (this.extension?.active ? this.extension.window : planes);
    this.window = {
      read: (offset, width) => owner().read(offset, width),
      write: (offset, width, value) => owner().write(offset, width, value),
    };
  }

  reset(): void {
    this.restore(freshState());
    this.dac.reset();
    this.memory.bytes.fill(0);
    this.memory.latch = 0;
  }

  // ---- for the renderer ----

  get sequencer(): Uint8Array {
    return this.s.sequencer;
  }
  get graphics(): Uint8Array {
    return this.s.graphics;
  }
  get crtc(): Uint8Array {
    return this.s.crtc;
  }
  get attribute(): Uint8Array {
    return this.s.attribute;
  }
  /** The palette feeds the picture; otherwise the screen shows the overscan colour. */
  get paletteShown(): boolean {
    return (this.s.attributeIndex & PALETTE_ADDRESS_SOURCE) !== 0;
  }
  /** A number that differs whenever something that the screen depends on may have changed. */
  get version(): number {
    return this.registerWrites + this.memory.stores + (this.extension?.version ?? 0);
  }
  /** Whole frames since power-on: what the blinking counts. */
  get frame(): number {
    return Math.floor(this.clock.nowNs() / this.timing.frameNs);
  }

  // ---- ports ----

  /** The CRT controller and Input Status 1 answer at 3Dxh or, for monochrome, at 3Bxh. */
  private hidden(port: number): boolean {
    const color = (this.s.miscOutput & MISC_COLOR_PORTS) !== 0;
    return color ? port < 0x3c0 : port >= 0x3d0;
  }

  private readPort(port: number): number {
    if (this.hidden(port)) return 0xff;
    const s = this.s;
    switch (port) {
      case 0x3c0:
        return s.attributeIndex;
      case 0x3c1:
        return s.attribute[s.attributeIndex & 0x1f] ?? 0;
      case 0x3c2:
        return 0x10; // switch sense: a colour monitor
      case 0x3c3:
        return s.enabled ? 1 : 0;
      case 0x3c4:
        return s.sequencerIndex;
      case 0x3c5:
        return s.sequencer[s.sequencerIndex];
      case 0x3c6:
        return this.dac.state.mask;
      case 0x3c7:
        return this.dac.state.direction;
      case 0x3c8:
        return this.dac.state.index;
      case 0x3c9:
        return this.dac.readData();
      case 0x3ca:
        return s.featureControl;
      case 0x3cc:
        return s.miscOutput;
      case 0x3ce:
        return s.graphicsIndex;
      case 0x3cf:
        return s.graphics[s.graphicsIndex] ?? 0;
      case 0x3b4:
      case 0x3d4:
        return s.crtcIndex;
      case 0x3b5:
      case 0x3d5:
        return s.crtc[s.crtcIndex] ?? 0;
      case 0x3ba:
      case 0x3da:
        s.attributeDataNext = false;
        return beamStatus(this.timing, this.clock.nowNs());
      default:
        return 0xff;
    }
  }

  private writePort(port: number, value: number): void {
    if (this.hidden(port)) return;
    const s = this.s;
    switch (port) {
      case 0x3c0:
        this.writeAttribute(value);
        break;
      case 0x3c2:
        s.miscOutput = value;
        this.configure();
        break;
      case 0x3c3:
        s.enabled = (value & 1) !== 0;
        break;
      case 0x3c4:
        s.sequencerIndex = value & 7;
        break;
      case 0x3c5:
        s.sequencer[s.sequencerIndex] = value & SEQUENCER_BITS[s.sequencerIndex];
        this.configure();
        break;
      case 0x3c6:
        this.dac.state.mask = value;
        this.registerWrites++;
        break;
      case 0x3c7:
        this.dac.setReadIndex(value);
        break;
      case 0x3c8:
        this.dac.setWriteIndex(value);
        break;
      case 0x3c9:
        this.dac.writeData(value);
        this.registerWrites++;
        break;
      case 0x3ce:
        s.graphicsIndex = value & 0x0f;
        break;
      case 0x3cf:
        if (s.graphicsIndex >= GRAPHICS_BITS.length) break;
        s.graphics[s.graphicsIndex] = value & GRAPHICS_BITS[s.graphicsIndex];
        this.configure();
        break;
      case 0x3b4:
      case 0x3d4:
        s.crtcIndex = value & 0x3f;
        break;
      case 0x3b5:
      case 0x3d5:
        this.writeCrtc(value);
        break;
      case 0x3ba:
      case 0x3da:
        s.featureControl = value & 3;
        break;
    }
  }

  private writeAttribute(value: number): void {
    const s = this.s;
    if (s.attributeDataNext) {
      const index = s.attributeIndex & 0x1f;
      if (index < s.attribute.length) s.attribute[index] = index < 0x10 ? value & 0x3f : value;
    } else {
      s.attributeIndex = value & 0x3f;
    }
    s.attributeDataNext = !s.attributeDataNext;
    this.registerWrites++;
  }

  private writeCrtc(value: number): void {
    const { crtc, crtcIndex: index } = this.s;
    if (index >= CRTC_COUNT) return;
    if (index <= 7 && crtc[0x11] & CRTC_PROTECT) {
      // Registers 0-7 are locked, apart from the line compare bit.
      if (index !== 7) return;
      crtc[7] = (crtc[7] & ~0x10) | (value & 0x10);
    } else {
      crtc[index] = value;
    }
    this.configure();
  }

  /** After a register has changed: what is derived from them. */
  private configure(): void {
    this.memory.configure();
    this.timing = vgaTiming(this.s.crtc, this.s.sequencer, this.s.miscOutput);
    this.registerWrites++;
  }

  // ---- snapshot ----

  save(): DeviceState {
    return { ...copyState(this.s), dac: copyState(this.dac.state), planes: this.memory.bytes.slice(), latch: this.memory.latch };
  }

  load(state: DeviceState): void {
    const like = { ...freshState(), dac: this.dac.state, planes: new Uint8Array(4 * PLANE_BYTES), latch: 0 };
    const { dac, planes, latch, ...registers } = checkedState(this.id, like, state);
    this.restore(registers);
    this.dac.state = dac as DacState;
    this.memory.bytes.set(planes);
    this.memory.latch = latch;
  }

  /** The register arrays stay the same objects: memory and renderer look at them. */
  private restore(from: VgaState): void {
    const { sequencer, graphics, crtc, attribute, ...rest } = from;
    Object.assign(this.s, rest);
    this.s.sequencer.set(sequencer);
    this.s.graphics.set(graphics);
    this.s.crtc.set(crtc);
    this.s.attribute.set(attribute);
    this.configure();
  }
}
