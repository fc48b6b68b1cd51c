// Intel 82441FX (440FX PMC): PCI bus 0, configuration mechanism #1 at ports CF8h and CFCh, and the
// host bridge 0:0.0 with the attribute registers that shadow C0000h-FFFFFh.
// Manual: Intel 440FX PCIset, 82441FX/82442FX datasheet, 290549; PCI 2.1, 3.7.4.1.
//
// Not implemented: DRAM timing and row boundaries (remembered only), SMRAM, error reporting,
// buses behind bridges, special cycles.

import type { Device, DeviceState, Region, Width } from "./device.ts";
import { checkedState } from "./device-state.ts";
import { PciFunction } from "./pci-function.ts";

const CONFIG_ADDRESS = 0;
const CONFIG_DATA = 4;
const ADDRESS_ENABLE = 0x80000000;

export class PciBus implements Device {
  readonly id = "pci";
  /** Eight ports from CF8h. */
  readonly ports: Region;
  private readonly functions = new Map<number, PciFunction>();
  private address = 0;

  constructor() {
    this.ports = {
      read: (offset, width) => this.readPort(offset, width),
      write: (offset, width, value) => this.writePort(offset, width, value),
    };
  }

  add(device: number, fn: number, pciFunction: PciFunction): void {
    this.functions.set((device << 3) | fn, pciFunction);
  }

  reset(): void {
    this.address = 0;
  }

  /** Only a dword access reaches the address register; narrower ones pass on to the bus, where nobody answers. */
  private readPort(offset: number, width: Width): number {
    if (offset === CONFIG_ADDRESS && width === 4) return this.address;
    const ones = width === 4 ? 0xffffffff : 2 ** (8 * width) - 1;
    const target = this.target();
    if (offset < CONFIG_DATA || !target) return ones;
    return target.read((this.address & 0xfc) + offset - CONFIG_DATA, width);
  }

  private writePort(offset: number, width: Width, value: number): void {
    if (offset === CONFIG_ADDRESS && width === 4) {
      this.address = (value & 0x80fffffc) >>> 0;
    } else if (offset >= CONFIG_DATA) {
      this.target()?.write((this.address & 0xfc) + offset - CONFIG_DATA, width, value);
    }
  }

  private target(): PciFunction | undefined {
    const bus = (this.address >>> 16) & 0xff;
    if ((this.address & ADDRESS_ENABLE) === 0 || bus !== 0) return undefined;
    return this.functions.get((this.address >>> 8) & 0xff);
  }

  save(): DeviceState {
    return { address: this.address };
  }

  load(state: DeviceState): void {
    this.address = checkedState(this.id, { address: 0 }, state).address;
  }
}

/** Where reads and writes of a part of C0000h-FFFFFh go: to DRAM, or on to PCI (the ROM). */
export interface ShadowSegment {
  readonly first: number;
  readonly last: number;
  readonly readDram: boolean;
  readonly writeDram: boolean;
}

const PAM0 = 0x59;
const SMRAM = 0x72;

export class I440fxHostBridge extends PciFunction {
  private readonly onShadow: (segment: ShadowSegment) => void;
  private readonly attributes = new Uint8Array(14).fill(0xff);

  /** `onShadow` hears of every segment once at reset and then of each change. */
  constructor(onShadow: (segment: ShadowSegment) => void) {
    super("i440fx", {
      vendor: 0x8086,
      device: 0x1237,
      revision: 2,
      classCode: 0x060000,
      command: 0x0006,
      commandMask: 0x0100,
      status: 0x0280,
    });
    this.onShadow = onShadow;
    this.define(0x50, 2, 0, 0xfff8); // PMC configuration
    this.define(0x52, 7, 0); // deturbo, DRAM buffer, auxiliary control
    this.define(0x57, 2, 0x0001, 0xffff); // DRAM control and timing
    this.define(PAM0, 1, 0, 0x30);
    this.define(PAM0 + 1, 4, 0, 0x33333333);
    this.define(PAM0 + 5, 2, 0, 0x3333);
    for (let row = 0; row < 8; row += 4) this.define(0x60 + row, 4, 0x01010101, 0xffffffff | 0);
    this.define(SMRAM, 1, 0x02, 0x78);
    this.define(0x90, 2, 0, 0x0303); // error command
  }

  protected override written(offset: number, width: number): void {
    if (offset > PAM0 + 6 || offset + width <= PAM0) return;
    for (let segment = 0; segment < 13; segment++) this.update(segment);
  }

  /** Segment 0 is F0000h-FFFFFh, the high nibble of PAM0; 1 to 12 are 16 KB each from C0000h, low nibbles first. */
  private update(segment: number): void {
    const register = this.config[PAM0 + ((segment + 1) >> 1)];
    const attributes = (segment & 1 ? register : register >> 4) & 3;
    if (this.attributes[segment] === attributes) return;
    this.attributes[segment] = attributes;
    const first = segment === 0 ? 0xf0000 : 0xc0000 + (segment - 1) * 0x4000;
    const last = segment === 0 ? 0xfffff : first + 0x3fff;
    this.onShadow({ first, last, readDram: (attributes & 1) !== 0, writeDram: (attributes & 2) !== 0 });
  }
}
