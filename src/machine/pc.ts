// The board: which chip sits at which ports, memory and interrupt wires of the PC.

import { Overlay } from "../block/overlay.ts";
import { RawDisk } from "../block/raw.ts";
import { IoBus, type MmioBus } from "../hardware/bus.ts";
import type { ByteSource, Clock, Device } from "../hardware/device.ts";
import { AtaDisk } from "../hardware/ide-ata.ts";
import { IdeChannel } from "../hardware/ide-channel.ts";
import { Pic8259aPair } from "../hardware/pic-8259a.ts";
import { Pit8254 } from "../hardware/pit-8254.ts";
import { RtcMc146818a } from "../hardware/rtc-mc146818a.ts";
import { Uart16550a } from "../hardware/uart-16550a.ts";
import { Vga } from "../hardware/vga.ts";
import type { GuestPhysical } from "./physical.ts";

/** What the machine says to the outside. */
export interface PcEvents {
  serial: (port: 0 | 1, byte: number) => void;
  debugConsole: (byte: number) => void;
  notice: (text: string) => void;
}

export interface PcPins {
  intr(level: boolean): void;
  nmi(): void;
  reset(): void;
  powerOff(): void;
  exit(value: number): void;
  /** A20, shadow RAM or a memory window moved: translations are void. */
  mappingChanged(): void;
}

export interface PcOptions {
  readonly clock: Clock;
  readonly physical: GuestPhysical;
  readonly mmio: MmioBus;
  readonly memoryBytes: number;
  readonly drives: Readonly<Partial<Record<"fda" | "fdb" | "hda" | "hdb" | "cdrom", ByteSource>>>;
  readonly firmware?: { readonly bios: Uint8Array; readonly vgabios?: Uint8Array };
  readonly bootPlan?: { readonly plan: Uint8Array; readonly data: ByteSource };
  readonly bootOrder: "a" | "c" | "d" | null;
  readonly events: PcEvents;
  readonly pins: PcPins;
}

const MB = 1 << 20;

export class Pc {
  readonly io = new IoBus();
  readonly pic: Pic8259aPair;
  readonly vga: Vga;
  readonly serial: readonly [Uart16550a, Uart16550a];
  interruptPending = false;
  private readonly options: PcOptions;
  private readonly devices: Device[] = [];
  private readonly rtc: RtcMc146818a;

  constructor(options: PcOptions) {
    this.options = options;
    const { clock, pins, events, physical, mmio } = options;
    const { io } = this;
    this.pic = this.add(
      new Pic8259aPair({
        intr: {
          set: (level) => {
            this.interruptPending = level;
            pins.intr(level);
          },
        },
      }),
    );
    const irq = (n: number) => this.pic.irq(n);
    const pit = this.add(new Pit8254({ clock, irq0: irq(0) }));
    this.rtc = this.add(new RtcMc146818a({ clock, irq8: irq(8) }));
    this.vga = this.add(new Vga(clock));
    const uart = (port: 0 | 1, line: number) =>
      this.add(new Uart16550a({ id: `uart${port}`, clock, irq: irq(line), sink: { byte: (value) => events.serial(port, value) } }));
    this.serial = [uart(0, 4), uart(1, 3)];
    const ide = [
      this.add(new IdeChannel({ id: "ide0", interrupt: irq(14) })),
      this.add(new IdeChannel({ id: "ide1", interrupt: irq(15) })),
    ] as const;
    const disk = (source: ByteSource) => new AtaDisk(clock, new Overlay(new RawDisk(source)));
    const { hda, hdb } = options.drives;
    if (hda) ide[0].attach(0, disk(hda));
    if (hdb) ide[0].attach(1, disk(hdb));

    if (!options.firmware) return;
    physical.setBios(options.firmware.bios);
    if (options.firmware.vgabios) physical.setOptionRom(options.firmware.vgabios);
    io.attach(0x20, 0x21, this.pic.masterRegion);
    io.attach(0xa0, 0xa1, this.pic.slaveRegion);
    io.attach(0x4d0, 0x4d1, this.pic.elcrRegion);
    io.attach(0x40, 0x43, pit.region);
    io.attach(0x70, 0x71, this.rtc.region);
    io.attach(0x3f8, 0x3ff, this.serial[0].region);
    io.attach(0x2f8, 0x2ff, this.serial[1].region);
    io.attach(0x1f0, 0x1f7, ide[0].commandBlock);
    io.attach(0x3f6, 0x3f6, ide[0].controlBlock);
    io.attach(0x170, 0x177, ide[1].commandBlock);
    io.attach(0x376, 0x376, ide[1].controlBlock);
    io.attach(0x3b0, 0x3df, this.vga.ports);
    mmio.attach(0xa_0000, 0xb_ffff, this.vga.window);
    this.describeMemory(options.memoryBytes);
  }

  private add<T extends Device>(device: T): T {
    this.devices.push(device);
    return device;
  }

  acknowledge(): number {
    return this.pic.acknowledge();
  }

  irq13(): void {
    this.pic.irq(13).set(true);
  }

  reset(): void {
    for (const device of this.devices) device.reset();
  }

  /** CMOS memory sizes, as PC firmware has read them since the AT. */
  private describeMemory(bytes: number): void {
    const { rtc } = this;
    const word = (index: number, value: number) => {
      rtc.setCmos(index, value & 0xff);
      rtc.setCmos(index + 1, (value >>> 8) & 0xff);
    };
    word(0x15, 640);
    const extendedKb = Math.min(0xffff, (bytes - MB) >>> 10);
    word(0x17, extendedKb);
    word(0x30, extendedKb);
    word(0x34, bytes > 16 * MB ? (bytes - 16 * MB) >>> 16 : 0);
    void this.options;
  }
}
