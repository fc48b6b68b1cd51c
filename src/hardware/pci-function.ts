// One PCI function: 256 bytes of configuration space with type 0 header, and the address decoders
// behind its base address registers. PCI Local Bus Specification 2.1, chapter 6.
//
// Not implemented: capabilities list, 64-bit base addresses, built-in self test, type 1 headers.

import type { Device, DeviceState, Region, Width } from "./device.ts";
import { checkedState } from "./device-state.ts";

export const PCI_COMMAND = 0x04;
const PCI_STATUS = 0x06;
const PCI_BAR0 = 0x10;
const PCI_ROM = 0x30;
const PCI_INTERRUPT_LINE = 0x3c;
const PCI_INTERRUPT_PIN = 0x3d;

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_BUS_MASTER = 0x0004;

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, subclass, programming interface: 24 bits. */
  readonly classCode: number;
  /** Bit 7: the device has more than one function. */
  readonly headerType?: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** 1 to 4 for INTA# to INTD#. */
  readonly interruptPin?: number;
  readonly command?: number;
  /** Command bits that software may change. */
  readonly commandMask?: number;
  readonly status?: number;
}

/** Lays a window over its bus at `base`, or takes it away (null). The board supplies it. */
export type Place = (base: number | null) => void;

/** `Place` for a bus that regions can be attached to. */
export function placeOn<A>(
  bus: { attach(first: number, last: number, region: Region): A; detach(attachment: A): void },
  size: number,
  region: Region,
): Place {
  let attachment: A | null = null;
  return (base) => {
    if (attachment !== null) bus.detach(attachment);
    attachment = base === null ? null : bus.attach(base, base + size - 1, region);
  };
}

interface Decoder {
  readonly offset: number;
  readonly kind: "io" | "memory" | "rom";
  readonly size: number;
  readonly place: Place;
  base: number | null;
}

export class PciFunction implements Device {
  readonly id: string;
  readonly config = new Uint8Array(256);
  /** Bits that a configuration write changes. */
  protected readonly writable = new Uint8Array(256);
  /** Bits that a configuration write clears by writing ones. */
  private readonly clearable = new Uint8Array(256);
  private readonly initial = new Uint8Array(256);
  private readonly decoders: Decoder[] = [];

  constructor(id: string, identity: PciIdentity) {
    this.id = id;
    this.define(0x00, 2, identity.vendor);
    this.define(0x02, 2, identity.device);
    this.define(PCI_COMMAND, 2, identity.command ?? 0, identity.commandMask ?? 0);
    this.define(PCI_STATUS, 2, identity.status ?? 0x0200); // medium DEVSEL# timing
    this.define(0x08, 1, identity.revision);
    this.define(0x09, 3, identity.classCode);
    this.define(0x0e, 1, identity.headerType ?? 0);
    this.define(0x2c, 2, identity.subsystemVendor ?? 0);
    this.define(0x2e, 2, identity.subsystem ?? 0);
    this.define(PCI_INTERRUPT_LINE, 1, 0, 0xff);
    this.define(PCI_INTERRUPT_PIN, 1, identity.interruptPin ?? 0);
    // Latency timer and cache line size are remembered and mean nothing here.
    this.define(0x0c, 2, 0, 0xf8ff);
    this.clearable[PCI_STATUS + 1] = 0xf9;
  }

  /** A register's reset value and the bits that software may change. */
  protected define(offset: number, width: number, value: number, mask = 0): void {
    for (let i = 0; i < width; i++) {
      this.initial[offset + i] = (value >>> (8 * i)) & 0xff;
      this.writable[offset + i] = (mask >>> (8 * i)) & 0xff;
      this.config[offset + i] = this.initial[offset + i];
    }
  }

  /** A base address register: `size` bytes (a power of two) of ports or memory. */
  protected defineBar(index: number, kind: "io" | "memory", size: number, place: Place, prefetchable = false): void {
    const offset = PCI_BAR0 + 4 * index;
    const flags = kind === "io" ? 1 : prefetchable ? 8 : 0;
    this.define(offset, 4, flags, -size);
    this.decoders.push({ offset, kind, size, place, base: null });
  }

  /** The expansion ROM's base address register; bit 0 enables it. */
  protected defineRom(size: number, place: Place): void {
    this.define(PCI_ROM, 4, 0, -size | 1);
    this.decoders.push({ offset: PCI_ROM, kind: "rom", size, place, base: null });
  }

  /** Software has written `width` bytes at `offset`. */
  protected written(_offset: number, _width: number): void {}

  reset(): void {
    this.config.set(this.initial);
    this.decode();
    this.written(0, 256);
  }

  read(offset: number, width: Width): number {
    let value = 0;
    for (let i = 0; i < width; i++) value |= this.config[offset + i] << (8 * i);
    return value >>> 0;
  }

  write(offset: number, width: Width, value: number): void {
    for (let i = 0; i < width; i++) {
      const at = offset + i;
      const byte = (value >>> (8 * i)) & 0xff;
      const mask = this.writable[at];
      this.config[at] = ((this.config[at] & ~mask) | (byte & mask)) & ~(byte & this.clearable[at]);
    }
    this.decode();
    this.written(offset, width);
  }

  /** Moves every window whose base or enable bit has changed. */
  private decode(): void {
    const command = this.config[PCI_COMMAND];
    for (const decoder of this.decoders) {
      const { offset, kind, size } = decoder;
      const register = this.read(offset, 4);
      const enabled = command & (kind === "io" ? COMMAND_IO : COMMAND_MEMORY) && (kind !== "rom" || register & 1);
      const address = (register & -size) >>> 0;
      // All ones is software asking for the size, and zero an address never given.
      const usable = address !== 0 && (kind === "io" ? address <= 0xffff : address !== -size >>> 0);
      const base = enabled && usable ? address : null;
      if (base === decoder.base) continue;
      decoder.base = base;
      decoder.place(base);
    }
  }

  save(): DeviceState {
    return { config: this.config.slice() };
  }

  load(state: DeviceState): void {
    this.config.set(checkedState(this.id, { config: this.config }, state).config);
    this.decode();
    this.written(0, 256);
  }
}
