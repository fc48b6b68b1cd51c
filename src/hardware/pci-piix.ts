// The PIIX south bridge on PCI: 82371SB (PIIX3) ISA bridge 0:1.0 and IDE function 0:1.1, and the
// 82371AB (PIIX4) power management function 0:1.3.
// Manuals: Intel 82371FB/82371SB, 290550; Intel 82371AB, 290562.
//
// Not implemented: chip select, DMA and X-bus registers (remembered only), USB function, serial
// interrupts, SMI. Deviations: both IDE channels are decoded after reset
// (a BIOS enables them), and always at their compatible ports.

import type { DeviceState, Line, Region } from "./device.ts";
import { checkedState } from "./device-state.ts";
import type { IdeBusMaster } from "./ide-bus-master.ts";
import { COMMAND_BUS_MASTER, PCI_COMMAND, PciFunction, type Place } from "./pci-function.ts";
import { SMBUS_PORTS } from "./smbus-piix4.ts";

const PIRQ_ROUTE = 0x60;
const PIRQ_DISABLED = 0x80;
const PIRQ_COUNT = 4;

/** Bits of the Reset Control register. */
const RESET_HARD = 0x02;
const RESET_CPU = 0x04;

export class Piix3IsaBridge extends PciFunction {
  /** One port, CF9h: a rising bit 2 resets the machine. */
  readonly resetControl: Region;
  private readonly irqLines: readonly Line[];
  /** The interrupt pins that are asserted now, each as device * 4 + pin - 1. */
  private readonly asserted = new Set<number>();
  /** Inputs that a PIRQ has been routed to: they must fall when the route changes. */
  private readonly routed = new Set<number>();
  private resetRegister = 0;

  /** `irqLines` are the inputs 0-15 of the interrupt controllers. */
  constructor(irqLines: readonly Line[], resetMachine: () => void) {
    super("piix3", { vendor: 0x8086, device: 0x7000, revision: 0, classCode: 0x060100, headerType: 0x80, command: 0x0007 });
    this.irqLines = irqLines;
    this.define(0x4c, 1, 0x4d, 0x7f); // ISA recovery time
    this.define(0x4e, 2, 0x0003, 0xffff); // X-bus chip selects
    for (let i = 0; i < PIRQ_COUNT; i++) this.define(PIRQ_ROUTE + i, 1, PIRQ_DISABLED, 0x8f);
    this.define(0x69, 1, 0x02, 0xfe); // top of memory
    this.define(0x70, 2, 0x8080, 0xffff); // motherboard interrupts
    this.define(0x76, 2, 0x0c0c, 0x8f8f);
    this.define(0xa0, 1, 0x08, 0x1f); // SMI control
    this.resetControl = {
      read: () => this.resetRegister,
      write: (_offset, _width, value) => {
        const before = this.resetRegister;
        this.resetRegister = value & (RESET_HARD | RESET_CPU);
        if (value & ~before & RESET_CPU) resetMachine();
      },
    };
  }

  /** INTA# to INTD# (pin 1 to 4) of a device. The board rotates the pins by device number, so that single-function devices share evenly. */
  interruptPin(device: number, pin: number): Line {
    const key = device * 4 + pin - 1;
    return {
      set: (level) => {
        if (level) this.asserted.add(key);
        else this.asserted.delete(key);
        this.updateInterrupts();
      },
    };
  }

  override reset(): void {
    this.resetRegister = 0;
    super.reset();
  }

  protected override written(): void {
    this.updateInterrupts();
  }

  private updateInterrupts(): void {
    const high = new Set<number>();
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) {
      const route = this.config[PIRQ_ROUTE + pirq];
      if (route & PIRQ_DISABLED) continue;
      this.routed.add(route & 0x0f);
      if (this.pirqAsserted(pirq)) high.add(route & 0x0f);
    }
    for (const irq of this.routed) this.irqLines[irq].set(high.has(irq));
  }

  private pirqAsserted(pirq: number): boolean {
    for (const key of this.asserted) {
      if ((((key >> 2) + (key & 3) - 1) & 3) === pirq) return true;
    }
    return false;
  }

  override save(): DeviceState {
    return { ...super.save(), asserted: [...this.asserted].sort((a, b) => a - b), resetRegister: this.resetRegister };
  }

  override load(state: DeviceState): void {
    const s = checkedState(this.id, { asserted: [0], resetRegister: 0 }, state);
    this.asserted.clear();
    for (const key of s.asserted) this.asserted.add(key);
    this.resetRegister = s.resetRegister;
    super.load(state);
  }
}

/** Offset and decode bit of the timing register of each channel. */
const IDETIM = [0x40, 0x42];
const IDETIM_DECODE = 0x8000;

export class Piix3Ide extends PciFunction {
  private readonly busMaster: IdeBusMaster;

  /** `placeBusMaster` lays the sixteen bus master ports over the I/O space. */
  constructor(busMaster: IdeBusMaster, placeBusMaster: Place) {
    super("piix3-ide", { vendor: 0x8086, device: 0x7010, revision: 0, classCode: 0x010180, commandMask: 0x0005, status: 0x0280 });
    this.busMaster = busMaster;
    for (const offset of IDETIM) this.define(offset, 2, IDETIM_DECODE, 0xffff);
    this.define(0x44, 1, 0, 0xff); // slave timing
    this.defineBar(4, "io", 16, placeBusMaster);
    busMaster.setEnabled(false);
  }

  protected override written(offset: number): void {
    if (offset <= PCI_COMMAND) this.busMaster.setEnabled((this.config[PCI_COMMAND] & COMMAND_BUS_MASTER) !== 0);
  }
}

const PMBASE = 0x40;
const PM_PORTS = 0x40;
const DEVACTB = 0x58;
const DEVACTB_APMC_ENABLE = 0x02000000;
const PMREGMISC = 0x80;
const SMBBASE = 0x90;
const SMBHSTCFG = 0xd2;

export class Piix4Pm extends PciFunction {
  private readonly windows: readonly { readonly place: Place; readonly size: number; readonly register: number; readonly enable: number; base: number | null }[];

  /** They lay the 64 power management ports and the sixteen of the SMBus over the I/O space. */
  constructor(placeRegisters: Place, placeSmbus: Place) {
    super("piix4-pm", { vendor: 0x8086, device: 0x7113, revision: 3, classCode: 0x068000, interruptPin: 1, commandMask: 0x0001, status: 0x0280 });
    this.windows = [
      { place: placeRegisters, size: PM_PORTS, register: PMBASE, enable: PMREGMISC, base: null },
      { place: placeSmbus, size: SMBUS_PORTS, register: SMBBASE, enable: SMBHSTCFG, base: null },
    ];
    this.define(PMBASE, 4, 0x0001, 0xffc0);
    // There is no SMM: firmware takes SMI on APMC writes as set up already and leaves it alone.
    this.define(DEVACTB, 4, DEVACTB_APMC_ENABLE, 0x03ffffff);
    this.define(PMREGMISC, 1, 0, 0x01);
    this.define(SMBBASE, 4, 0x0001, 0xfff0);
    this.define(SMBHSTCFG, 1, 0, 0x0f);
    this.define(0x5c, 4, 0, -1); // device resources: remembered only
    this.define(0x60, 4, 0, -1);
    this.define(0x64, 4, 0, -1);
  }

  protected override written(): void {
    for (const window of this.windows) {
      const address = this.read(window.register, 2) & ~(window.size - 1);
      const base = this.config[window.enable]! & 1 && address !== 0 ? address : null;
      if (base === window.base) continue;
      window.base = base;
      window.place(base);
    }
  }
}
