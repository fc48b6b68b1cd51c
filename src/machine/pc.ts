// The board: which chip sits at which ports, memory and interrupt wires of the PC.

import { Overlay } from "../block/overlay.ts";
import { RawDisk } from "../block/raw.ts";
import { acpiFiles } from "../firmware/acpi/loader-script.ts";
import { romTables, TABLES_FILE } from "../firmware/acpi/rom-tables.ts";
import { IoBus, type MmioBus } from "../hardware/bus.ts";
import { AcpiPm } from "../hardware/acpi-pm.ts";
import { AtapiCdrom } from "../hardware/atapi.ts";
import type { BlockDevice, ByteSource, Clock, Device, DeviceState, Line, Region } from "../hardware/device.ts";
import { Dma8237 } from "../hardware/dma-8237.ts";
import { Fdc82077aa } from "../hardware/fdc-82077aa.ts";
import { FW_CFG_NB_CPUS, FwCfg } from "../hardware/fw-cfg.ts";
import { Hal, HAL_IRQ } from "../hardware/hal.ts";
import { AtaDisk } from "../hardware/ide-ata.ts";
import { IdeBusMaster } from "../hardware/ide-bus-master.ts";
import { IdeChannel } from "../hardware/ide-channel.ts";
import { NE2000_PORTS, Ne2000 } from "../hardware/ne2000.ts";
import { type Place, placeOn } from "../hardware/pci-function.ts";
import { I440fxHostBridge, PciBus } from "../hardware/pci-i440fx.ts";
import { PciNe2000 } from "../hardware/pci-ne2000.ts";
import { Piix3Ide, Piix3IsaBridge, Piix4Pm } from "../hardware/pci-piix.ts";
import { PciVga, romRegion } from "../hardware/pci-vga.ts";
import type { Pic8259aPair } from "../hardware/pic-8259a.ts";
import { Pit8254 } from "../hardware/pit-8254.ts";
import { Ps2I8042 } from "../hardware/ps2-i8042.ts";
import { Ps2Keyboard } from "../hardware/ps2-keyboard.ts";
import { Ps2Mouse } from "../hardware/ps2-mouse.ts";
import { RtcMc146818a } from "../hardware/rtc-mc146818a.ts";
import { Piix4Smbus, SMBUS_PORTS } from "../hardware/smbus-piix4.ts";
import { SystemPorts, WiredOr } from "../hardware/system-ports.ts";
import { Uart16550a } from "../hardware/uart-16550a.ts";
import { VBE_FIRST_PORT, Vbe } from "../hardware/vbe.ts";
import { Vga } from "../hardware/vga.ts";
import { VIDEO_MEMORY_BYTES } from "../hardware/video-memory.ts";
import { setUpCmos } from "./cmos-setup.ts";
import { type BootOrder, type DriveName, type Drives, type DriveSource, removable, type RemovableDrive } from "./drives.ts";
import { InterruptWiring } from "./interrupt-wiring.ts";
import { Network, STATION_ADDRESS } from "./network.ts";
import type { GuestPhysical } from "./physical.ts";

/** What the machine says to the outside. */
export interface PcEvents {
  serial: (port: 0 | 1, byte: number) => void;
  debugConsole: (byte: number) => void;
  notice: (text: string) => void;
  /** What the loudspeaker sounds like from guest time `nowNs` on: a tone, or 0 and the level of its cone. */
  speaker: (nowNs: number, hz: number, high: boolean) => void;
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

/** What the board must know of its processor: leaf 1 of CPUID, EAX and EDX, and whether it has a local APIC. */
export interface ProcessorDescription {
  readonly signature: number;
  readonly features: number;
  readonly apic: boolean;
}

export interface PcOptions {
  readonly clock: Clock;
  readonly physical: GuestPhysical;
  readonly mmio: MmioBus;
  readonly processor: ProcessorDescription;
  readonly memoryBytes: number;
  readonly drives: Drives;
  readonly firmware?: { readonly bios: Uint8Array; readonly vgabios?: Uint8Array };
  readonly bootPlan?: { readonly plan: Uint8Array; readonly data: ByteSource | Uint8Array };
  readonly bootOrder: BootOrder | null;
  readonly events: PcEvents;
  readonly pins: PcPins;
}

const MB = 1 << 20;
/** Sectors of the floppy formats from 160 KB to 2.88 MB. */
const FLOPPY_SECTORS: readonly number[] = [320, 360, 640, 720, 1440, 2400, 2880, 3360, 3444, 5760];
const HIGH_DENSITY = 2880;
/** SLP_TYP of soft off, as the firmware's _S5 would name it. */
const SOFT_OFF_TYPE = 0;
const NETWORK_SLOT = 3;

export class Pc {
  readonly io = new IoBus();
  readonly interrupts: InterruptWiring;
  readonly pic: Pic8259aPair;
  readonly vga: Vga;
  readonly serial: readonly [Uart16550a, Uart16550a];
  readonly keyboard: Ps2Keyboard;
  readonly mouse: Ps2Mouse;
  readonly network: Network;
  /** For guests that call a monitor; it answers under `lite`. */
  readonly hal: Hal;
  private readonly fdc: Fdc82077aa;
  private readonly system: SystemPorts;
  private readonly power: AcpiPm;
  private readonly cdrom: AtapiCdrom;
  private readonly devices: Device[] = [];
  private readonly overlays = new Map<DriveName, Overlay>();
  private readonly media = new Map<RemovableDrive, BlockDevice | null>();
  /** All that were ever in a drive. */
  private readonly floppies = new Set<Overlay>();
  /** No firmware: the chips are there, and nothing is wired to them. */
  private readonly bare: boolean;

  constructor(options: PcOptions) {
    this.bare = !options.firmware;
    const { clock, pins, events, physical, mmio, drives } = options;
    const { io } = this;
    physical.video.onClean = () => {
      if (physical.videoMapped) pins.mappingChanged();
    };
    const mappingChanged = () => pins.mappingChanged();
    this.interrupts = new InterruptWiring({
      clock, mmio, mappingChanged,
      apic: options.processor.apic && !this.bare,
      intr: (level) => pins.intr(level),
      nmi: () => pins.nmi(),
    });
    for (const device of this.interrupts.devices) this.add(device);
    this.pic = this.interrupts.pic;
    const irq = (n: number) => this.interrupts.irq(n);
    const pit = this.add(new Pit8254({ clock, irq0: irq(0) }));
    const rtc = this.add(new RtcMc146818a({ clock, irq8: irq(8) }));
    this.vga = this.add(new Vga(clock));
    const irq3 = new WiredOr(irq(HAL_IRQ));
    const uart = (port: 0 | 1, line: Line) =>
      this.add(new Uart16550a({ id: `uart${port}`, clock, irq: line, sink: { byte: (value) => events.serial(port, value) } }));
    this.serial = [uart(0, irq(4)), uart(1, irq3.input())];

    const a20 = new WiredOr({
      set: (open) => {
        const mask = open ? ~0 : ~MB;
        if (physical.a20Mask === mask || this.bare) return;
        physical.a20Mask = mask;
        pins.mappingChanged();
      },
    });
    const system = (this.system = this.add(
      new SystemPorts({
        clock, pit, a20: a20.input(), resetPulse: pins.reset, debug: { byte: events.debugConsole }, exit: pins.exit,
        speaker: ({ hz, high }) => events.speaker(clock.nowNs(), hz, high),
      }),
    ));
    this.keyboard = this.add(new Ps2Keyboard({ clock }));
    this.mouse = this.add(new Ps2Mouse({ clock }));
    const i8042 = this.add(
      new Ps2I8042({ clock, irq1: irq(1), irq12: irq(12), a20: a20.input(), resetPulse: pins.reset, keyboard: this.keyboard, mouse: this.mouse }),
    );

    const busMaster = this.add(new IdeBusMaster(physical.busMaster));
    const channel = (index: 0 | 1) => {
      const ide = this.add(new IdeChannel({ id: `ide${index}`, interrupt: busMaster.interruptLine(index, irq(14 + index)) }));
      busMaster.connect(index, ide);
      return ide;
    };
    const ide = [channel(0), channel(1)] as const;
    const disks = [drives.hda, drives.hdb, undefined, drives.hdd].map((source) => (source ? new Overlay(new RawDisk(source), source.store) : null));
    const [hda, hdb, , hdd] = disks;
    const disk = (name: DriveName, medium: Overlay, serial: string) => new AtaDisk(clock, this.keep(name, medium), { serial });
    if (hda) ide[0].attach(0, disk("hda", hda, "TS00000001"));
    if (hdb) ide[0].attach(1, disk("hdb", hdb, "TS00000003"));

    const inserted = drives.cdrom ? disc(drives.cdrom) : null;
    this.media.set("cdrom", inserted);
    this.cdrom = new AtapiCdrom(clock, inserted);
    ide[1].attach(0, this.cdrom);
    if (hdd) ide[1].attach(1, disk("hdd", hdd, "TS00000004"));

    const dma = this.add(new Dma8237({ memory: physical.busMaster }));
    const fdc = this.add(new Fdc82077aa({ clock, irq6: irq(6), dma: dma.channel(2) }));
    this.fdc = fdc;
    for (const drive of ["fda", "fdb"] as const) if (drives[drive]) this.put(drive, this.mediumFor(drive, drives[drive]));

    const power = (this.power = this.add(new AcpiPm({ clock, sci: irq(9), softOffType: SOFT_OFF_TYPE, powerOff: pins.powerOff })));
    const smbus = this.add(new Piix4Smbus());
    const pci = this.add(new PciBus());
    const hostBridge = this.add(
      new I440fxHostBridge((s) => {
        physical.setShadow(s.first, s.last - s.first + 1, s.readDram, s.writeDram);
        pins.mappingChanged();
      }),
    );
    const isaBridge = this.add(new Piix3IsaBridge(Array.from({ length: 16 }, (_, n) => irq(n)), pins.reset));
    const ideFunction = this.add(new Piix3Ide(busMaster, placeOn(io, 16, busMaster.ports)));
    pci.add(0, 0, hostBridge);
    pci.add(1, 0, isaBridge);
    pci.add(1, 1, ideFunction);
    this.network = new Network(clock);
    const nic = this.add(
      new Ne2000({ clock, interrupt: isaBridge.interruptPin(NETWORK_SLOT, 1), address: STATION_ADDRESS, transmit: (frame) => this.network.transmit(frame) }),
    );
    this.hal = this.add(
      new Hal({
        clock, disks,
        memory: physical.busMaster,
        memoryBytes: options.memoryBytes,
        irq: irq3.input(),
        transmit: (frame) => this.network.transmit(frame),
        print: (byte) => events.serial(0, byte),
      }),
    );
    this.network.receive = (frame) => {
      nic.receive(frame);
      this.hal.receive(frame);
    };
    pci.add(NETWORK_SLOT, 0, this.add(new PciNe2000(placeOn(io, NE2000_PORTS, nic.region))));
    const vbe = this.add(new Vbe(this.vga, physical.video));
    const window = (bytes: number, region: Region): Place => {
      const place = placeOn(mmio, bytes, region);
      return (base) => {
        place(base);
        pins.mappingChanged();
      };
    };
    // The ROM of the card is at C0000h from the start; a firmware that makes RAM of that takes it from here.
    const rom = options.firmware?.vgabios && romRegion(options.firmware.vgabios);
    const placeFramebuffer = window(VIDEO_MEMORY_BYTES, vbe.framebuffer);
    const display = new PciVga({
      placeFramebuffer: (base) => {
        physical.placeVideo(base);
        placeFramebuffer(base);
      },
      ...(rom ? { romBytes: rom.bytes, placeRom: window(rom.bytes, rom.region) } : {}),
    });
    pci.add(2, 0, this.add(display));
    pci.add(1, 3, this.add(new Piix4Pm(placeOn(io, 0x40, power.region), placeOn(io, SMBUS_PORTS, smbus.region))));

    const fwCfg = this.add(new FwCfg({ memory: physical.busMaster }));
    describeBoard(fwCfg, options.processor);
    if (options.bootPlan) {
      fwCfg.addFile("opt/trapscope/bootplan", options.bootPlan.plan);
      fwCfg.addFile("opt/trapscope/bootdata", options.bootPlan.data);
    }

    if (!options.firmware) return; // a bare processor
    physical.setBios(options.firmware.bios);
    if (options.firmware.vgabios) physical.setOptionRom(options.firmware.vgabios);
    io.attach(0x00, 0x0f, dma.byteRegion);
    io.attach(0x20, 0x21, this.pic.masterRegion);
    io.attach(0x40, 0x43, pit.region);
    io.attach(0x60, 0x60, i8042.dataRegion);
    io.attach(0x61, 0x61, system.port61);
    io.attach(0x64, 0x64, i8042.commandRegion);
    io.attach(0x70, 0x71, rtc.region);
    io.attach(0x80, 0x8f, dma.pageRegion);
    io.attach(0x80, 0x80, system.port80);
    io.attach(0x92, 0x92, system.port92);
    io.attach(0xa0, 0xa1, this.pic.slaveRegion);
    io.attach(0xb2, 0xb3, power.apmRegion);
    io.attach(0xc0, 0xdf, dma.wordRegion);
    io.attach(0xe9, 0xe9, system.portE9);
    io.attach(0xf0, 0xf1, { read: () => 0xff, write: () => irq(13).set(false) });
    io.attach(0xf4, 0xf4, system.portF4);
    io.attach(0x170, 0x177, ide[1].commandBlock);
    io.attach(VBE_FIRST_PORT, VBE_FIRST_PORT + 3, vbe.ports);
    io.attach(0x1f0, 0x1f7, ide[0].commandBlock);
    io.attach(0x2f8, 0x2ff, this.serial[1].region);
    io.attach(0x376, 0x376, ide[1].controlBlock);
    io.attach(0x3b0, 0x3df, this.vga.ports);
    io.attach(0x3f0, 0x3f5, fdc.region);
    io.attach(0x3f6, 0x3f6, ide[0].controlBlock);
    io.attach(0x3f7, 0x3f7, fdc.dirRegion);
    io.attach(0x3f8, 0x3ff, this.serial[0].region);
    io.attach(0x4d0, 0x4d1, this.pic.elcrRegion);
    io.attach(0x510, 0x511, fwCfg.region);
    io.attach(0x514, 0x51b, fwCfg.dmaRegion);
    io.attach(0xcf8, 0xcff, withResetControl(pci.ports, isaBridge.resetControl));
    mmio.attach(0xa_0000, 0xb_ffff, this.vga.window);
    setUpCmos(rtc, options);
  }

  /** Another medium in a drive, or none. */
  insert(drive: DriveName, source: DriveSource | null): void {
    const own = removable(drive);
    this.put(own, source && this.mediumFor(own, source));
  }

  /** What `put` takes. What was in a drive before, by where the guest's writes to it are kept, is the same medium again. */
  mediumFor(drive: RemovableDrive, source: DriveSource): BlockDevice {
    if (drive === "cdrom") return disc(source);
    const known = [...this.floppies].find(({ store }) => store === source.store);
    return known ?? this.noted(floppy(source));
  }

  /** As a person changes it. */
  put(drive: RemovableDrive, medium: BlockDevice | null): void {
    this.media.set(drive, medium);
    if (drive === "cdrom") return this.cdrom.changeDisc(medium);
    this.overlays.delete(drive);
    if (medium instanceof Overlay) this.keep(drive, medium);
    this.fdc.insert(drive === "fda" ? 0 : 1, medium);
  }

  mediumIn(drive: RemovableDrive): BlockDevice | null {
    return this.media.get(drive) ?? null;
  }

  private noted(overlay: Overlay): Overlay {
    this.floppies.add(overlay);
    return overlay;
  }

  private add<T extends Device>(device: T): T {
    this.devices.push(device);
    return device;
  }

  get interruptPending(): boolean {
    return this.interrupts.pending;
  }

  /** Interrupts that the processor has taken. */
  acknowledged = 0;

  acknowledge(): number {
    this.acknowledged++;
    return this.interrupts.acknowledge();
  }

  /** A byte comes over a serial line. The console of the HAL, once a guest has it, hangs at the first in the place of COM1. */
  receiveSerial(port: 0 | 1, byte: number): void {
    if (port === 0 && this.hal.hasConsole) this.hal.type(byte);
    else this.serial[port].receive(byte);
  }

  /** The tone of the loudspeaker in Hz; 0: silence. */
  get speakerHz(): number {
    return this.system.speakerHz;
  }

  /** A person presses the power button: an operating system with ACPI shuts down. */
  pressPowerButton(): void {
    this.power.pressPowerButton();
  }

  /** FERR# of the processor; on a bare one nothing hears it. */
  floatingPointError(): void {
    if (!this.bare) this.interrupts.irq(13).set(true);
  }

  reset(): void {
    for (const device of this.devices) device.reset();
  }

  get chips(): readonly string[] {
    return this.devices.map((device) => device.id);
  }

  /** The registers of one chip; null: there is none of that name. */
  chip(id: string): DeviceState | null {
    return this.devices.find((device) => device.id === id)?.save() ?? null;
  }

  /** The state of every chip by its id. */
  save(): Record<string, DeviceState> {
    return Object.fromEntries(this.devices.map((device) => [device.id, device.save()]));
  }

  load(states: Readonly<Record<string, DeviceState>>): void {
    for (const device of this.devices) device.load(states[device.id] ?? {});
  }

  /** The media under what the guest writes to them. */
  get writableMedia(): ReadonlyMap<DriveName, Overlay> {
    return this.overlays;
  }

  /** What the guest has written to its disks. */
  saveDisks(): Record<string, DeviceState> {
    return Object.fromEntries([...this.overlays].map(([name, overlay]) => [name, overlay.save()]));
  }

  loadDisks(states: Readonly<Record<string, DeviceState>>): void {
    for (const [name, overlay] of this.overlays) overlay.load(states[name] ?? { indices: [], bytes: new Uint8Array(0) });
  }

  /** A medium under what the guest writes to it. */
  private keep(name: DriveName, overlay: Overlay): Overlay {
    this.overlays.set(name, overlay);
    return overlay;
  }
}

function disc(source: ByteSource): BlockDevice {
  return new RawDisk(source, { sectorSize: 2048 });
}

/** A floppy medium with its overlay. A file of no floppy's size (a boot sector, a small image) lies on an otherwise empty 1.44 MB disk. */
function floppy(source: DriveSource): Overlay {
  const sectors = Math.ceil(source.size / 512);
  const sectorCount = FLOPPY_SECTORS.includes(sectors) ? sectors : (FLOPPY_SECTORS.find((size) => size >= Math.max(sectors, HIGH_DENSITY)) ?? sectors);
  return new Overlay(new RawDisk(source, { sectorCount }), source.store);
}

/** Key of QEMU's machine-specific items: IRQ 0 comes in at input 2 of the I/O APIC. */
const FW_CFG_IRQ0_OVERRIDE = 0x8002;

/** The tables about the board, for our firmware and for those that know QEMU's way. */
function describeBoard(fwCfg: FwCfg, processor: ProcessorDescription): void {
  fwCfg.addNumber(FW_CFG_NB_CPUS, 1, 2);
  fwCfg.addItem(FW_CFG_IRQ0_OVERRIDE, Uint8Array.of(1));
  fwCfg.addFile(TABLES_FILE, romTables(processor, processor));
  for (const [name, bytes] of acpiFiles(processor)) fwCfg.addFile(name, bytes);
}

/** Port CF9h lies inside the PCI configuration address register: a byte access to it is the reset control register. */
function withResetControl(pci: Region, cf9: Region): Region {
  return {
    read: (offset, width) => (offset === 1 && width === 1 ? cf9.read(0, 1) : pci.read(offset, width)),
    write: (offset, width, value) => (offset === 1 && width === 1 ? cf9.write(0, 1, value) : pci.write(offset, width, value)),
  };
}
