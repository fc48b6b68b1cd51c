// An NE2000 network adapter as the RTL8029AS puts it on PCI: a DP8390 controller with 16 KB of its own memory, an address
// PROM, and a data port to both.
//
// Manuals: National Semiconductor DP8390D/NS32490D Network Interface Controller; Realtek RTL8029AS, "Register Descriptions".
//
// Frames take their time on a wire of 10 Mbit/s. Received ones get their check sequence, which the medium does not carry, appended.
//
// Not implemented: the FIFO register and what loopback puts there (frames sent in loopback mode go nowhere and succeed),
// collisions and every other error of a real wire, "send packet" (auto-remote) commands, big-endian byte order, the EEPROM's serial
// interface, and the flash memory of the ROM socket.

import { allOnes } from "./bus.ts";
import type { Clock, Device, DeviceState, Line, Region, Timer, Width } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

export const NE2000_PORTS = 32;
const DATA_PORT = 0x10, RESET_PORT = 0x18;

const RAM_FIRST = 0x4000, RAM_BYTES = 0x4000, RAM_END = RAM_FIRST + RAM_BYTES;
const PROM_BYTES = 32;
/** The last bytes of the PROM say "16 bits wide". */
const PROM_WIDE = 0x57;

const CR_STOP = 0x01, CR_START = 0x02, CR_TRANSMIT = 0x04, CR_REMOTE_READ = 0x08, CR_REMOTE_WRITE = 0x10, CR_REMOTE_ABORT = 0x20, CR_RESET = CR_STOP | CR_REMOTE_ABORT;
const CR_REMOTE = CR_REMOTE_READ | CR_REMOTE_WRITE | CR_REMOTE_ABORT;

const ISR_RECEIVED = 0x01, ISR_TRANSMITTED = 0x02, ISR_RECEIVE_ERROR = 0x04, ISR_OVERWRITE = 0x10, ISR_COUNTER = 0x20, ISR_REMOTE_DONE = 0x40, ISR_RESET = 0x80;
const RCR_RUNT = 0x02, RCR_BROADCAST = 0x04, RCR_MULTICAST = 0x08, RCR_PROMISCUOUS = 0x10, RCR_MONITOR = 0x20;
const RSR_RECEIVED = 0x01, RSR_MISSED = 0x10, RSR_GROUP = 0x20;
const TSR_TRANSMITTED = 0x01;
const TCR_LOOPBACK = 0x06;
const DCR_WORD = 0x01;

const ADDRESS_BYTES = 6, HEADER_BYTES = 4, CHECK_BYTES = 4, MINIMUM_FRAME = 60, MAXIMUM_FRAME = 1514;
const PAGE = 256;
/** Preamble, check sequence and gap of a frame, and a byte's time. */
const WIRE_OVERHEAD_BYTES = 24, NS_PER_BYTE = 800;
/** RTL8029AS, page 0: what tells it from a plain NE2000. */
const CHIP_ID = [0x50, 0x43], CHIP_ID_PAGE3 = [0x29, 0x80];
/** CONFIG2 and CONFIG3: twisted pair, no boot ROM, full duplex off. */
const CONFIG0 = 0, CONFIG2 = 0, CONFIG3 = 0;

function powerOn() {
  return {
    command: CR_RESET,
    pageStart: 0, pageStop: 0, boundary: 0, current: 0,
    transmitPage: 0, transmitBytes: 0, transmitStatus: 0,
    interruptStatus: 0, interruptMask: 0,
    remoteAddress: 0, remoteBytes: 0,
    receiveConfiguration: 0, receiveStatus: 0, transmitConfiguration: 0, dataConfiguration: 0,
    missed: 0,
    address: new Uint8Array(ADDRESS_BYTES),
    multicast: new Uint8Array(8),
    ram: new Uint8Array(RAM_BYTES),
  };
}

export interface Ne2000Wiring {
  readonly clock: Clock;
  readonly interrupt: Line;
  /** The station address in the PROM. */
  readonly address: readonly number[];
  /** A frame goes out, without its check sequence. */
  readonly transmit: (frame: Uint8Array) => void;
}

export class Ne2000 implements Device {
  readonly id = "ne2000";
  /** 32 ports. */
  readonly region: Region;
  private r = powerOn();
  private readonly wiring: Ne2000Wiring;
  private readonly prom: Uint8Array;
  private readonly sending: Timer;

  constructor(wiring: Ne2000Wiring) {
    this.wiring = wiring;
    this.prom = new Uint8Array(PROM_BYTES).fill(PROM_WIDE);
    // On a 16-bit card every byte appears twice.
    for (let i = 0; i < ADDRESS_BYTES; i++) this.prom[2 * i] = this.prom[2 * i + 1] = wiring.address[i]!;
    this.sending = wiring.clock.timer(() => this.sent());
    this.region = {
      read: (offset, width) => this.readPort(offset, width),
      write: (offset, width, value) => this.writePort(offset, width, value),
      readBlock: (offset, width, into) => this.readBlock(offset, width, into),
      writeBlock: (offset, width, from) => this.writeBlock(offset, width, from),
    };
    this.reset();
  }

  reset(): void {
    const { ram } = this.r;
    this.r = { ...powerOn(), ram, interruptStatus: ISR_RESET };
    this.sending.cancel();
    this.update();
  }

  save(): DeviceState {
    return { ...copyState(this.r), sentNs: this.sending.deadlineNs === Infinity ? -1 : this.sending.deadlineNs };
  }

  load(state: DeviceState): void {
    const { sentNs, ...registers } = checkedState(this.id, { ...powerOn(), sentNs: 0 }, state);
    this.r = registers;
    if (sentNs >= 0) this.sending.arm(sentNs);
    else this.sending.cancel();
    this.update();
  }

  private update(): void {
    this.wiring.interrupt.set((this.r.interruptStatus & this.r.interruptMask) !== 0);
  }

  private signal(bits: number): void {
    this.r.interruptStatus |= bits;
    this.update();
  }

  // --- ports

  private readPort(offset: number, width: Width): number {
    if (offset >= DATA_PORT && offset < RESET_PORT) return this.readData(width);
    let value = 0;
    for (let i = 0; i < width; i++) value |= this.readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  private writePort(offset: number, width: Width, value: number): void {
    if (offset >= DATA_PORT && offset < RESET_PORT) this.writeData(width, value);
    else for (let i = 0; i < width; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }

  private readByte(offset: number): number {
    if (offset < DATA_PORT) return this.readRegister(offset);
    if (offset < RESET_PORT) return this.readData(1);
    // A read of the reset port resets the controller.
    this.r.command = CR_RESET;
    this.sending.cancel();
    this.signal(ISR_RESET);
    return 0;
  }

  private writeByte(offset: number, value: number): void {
    if (offset < DATA_PORT) this.writeRegister(offset, value);
    else if (offset < RESET_PORT) this.writeData(1, value);
  }

  private get page(): number {
    return this.r.command >> 6;
  }

  private readRegister(offset: number): number {
    if (offset === 0) return this.r.command;
    switch (this.page) {
      case 0: return this.readPage0(offset);
      case 1: return this.readPage1(offset);
      case 2: return this.readPage2(offset);
      default: return [0, 0, 0, CONFIG0, 0, CONFIG2, CONFIG3, 0, 0, 0, 0, 0, 0, 0, CHIP_ID_PAGE3[0]!, CHIP_ID_PAGE3[1]!][offset]!;
    }
  }

  private readPage0(offset: number): number {
    const { r } = this;
    switch (offset) {
      case 0x2: return r.current; // current local DMA address, as far as it is at rest
      case 0x3: return r.boundary;
      case 0x4: return r.transmitStatus;
      case 0x7: return r.interruptStatus;
      case 0x8: return r.remoteAddress & 0xff;
      case 0x9: return r.remoteAddress >> 8;
      case 0xa: case 0xb: return CHIP_ID[offset - 0xa]!;
      case 0xc: return r.receiveStatus;
      case 0xf: return this.takeMissed();
      default: return 0;
    }
  }

  /** Tally counters are cleared by reading them. */
  private takeMissed(): number {
    const { missed } = this.r;
    this.r.missed = 0;
    return missed;
  }

  private readPage1(offset: number): number {
    if (offset <= ADDRESS_BYTES) return this.r.address[offset - 1]!;
    return offset === 7 ? this.r.current : this.r.multicast[offset - 8]!;
  }

  private readPage2(offset: number): number {
    const { r } = this;
    switch (offset) {
      case 0x1: return r.pageStart;
      case 0x2: return r.pageStop;
      case 0x4: return r.transmitPage;
      case 0xc: return r.receiveConfiguration;
      case 0xd: return r.transmitConfiguration;
      case 0xe: return r.dataConfiguration;
      case 0xf: return r.interruptMask;
      default: return 0;
    }
  }

  private writeRegister(offset: number, value: number): void {
    if (offset === 0) this.writeCommand(value);
    else if (this.page === 0) this.writePage0(offset, value);
    else if (this.page === 1) this.writePage1(offset, value);
  }

  private writePage0(offset: number, value: number): void {
    const { r } = this;
    switch (offset) {
      case 0x1: r.pageStart = value; break;
      case 0x2: r.pageStop = value; break;
      case 0x3: r.boundary = value; break;
      case 0x4: r.transmitPage = value; break;
      case 0x5: r.transmitBytes = (r.transmitBytes & 0xff00) | value; break;
      case 0x6: r.transmitBytes = (r.transmitBytes & 0xff) | (value << 8); break;
      case 0x7:
        // The reset bit follows the controller's state, not what is written.
        r.interruptStatus &= ~(value & ~ISR_RESET);
        break;
      case 0x8: r.remoteAddress = (r.remoteAddress & 0xff00) | value; break;
      case 0x9: r.remoteAddress = (r.remoteAddress & 0xff) | (value << 8); break;
      case 0xa: r.remoteBytes = (r.remoteBytes & 0xff00) | value; break;
      case 0xb: r.remoteBytes = (r.remoteBytes & 0xff) | (value << 8); break;
      case 0xc: r.receiveConfiguration = value & 0x3f; break;
      case 0xd: r.transmitConfiguration = value & 0x1f; break;
      case 0xe: r.dataConfiguration = value & 0x7f; break;
      case 0xf: r.interruptMask = value & 0x7f; break;
    }
    this.update();
  }

  private writePage1(offset: number, value: number): void {
    if (offset <= ADDRESS_BYTES) this.r.address[offset - 1] = value;
    else if (offset === 7) this.r.current = value;
    else this.r.multicast[offset - 8] = value;
  }

  private writeCommand(value: number): void {
    const { r } = this;
    // TXP stays until the frame is out; a 0 does not stop it.
    r.command = value | (r.command & CR_TRANSMIT);
    if ((value & CR_STOP) === 0 && (value & CR_START) !== 0) r.interruptStatus &= ~ISR_RESET;
    if ((value & CR_STOP) !== 0) {
      r.command &= ~CR_TRANSMIT;
      this.sending.cancel();
      r.interruptStatus |= ISR_RESET;
    }
    if ((value & (CR_REMOTE_READ | CR_REMOTE_WRITE)) !== 0 && (value & CR_REMOTE_ABORT) === 0 && r.remoteBytes === 0) r.interruptStatus |= ISR_REMOTE_DONE;
    const started = (value & (CR_TRANSMIT | CR_STOP)) === CR_TRANSMIT && this.sending.deadlineNs === Infinity;
    if (started) this.sending.arm(this.wiring.clock.nowNs() + (r.transmitBytes + WIRE_OVERHEAD_BYTES) * NS_PER_BYTE);
    this.update();
  }

  // --- memory, and remote DMA through the data port

  private load8(address: number): number {
    if (address < PROM_BYTES) return this.prom[address]!;
    return address >= RAM_FIRST && address < RAM_END ? this.r.ram[address - RAM_FIRST]! : 0xff;
  }

  private store8(address: number, value: number): void {
    if (address >= RAM_FIRST && address < RAM_END) this.r.ram[address - RAM_FIRST] = value;
  }

  /** The next byte of remote DMA; the address wraps at the end of the receive ring. */
  private step(): void {
    const { r } = this;
    r.remoteAddress = (r.remoteAddress + 1) & 0xffff;
    if (r.remoteAddress === r.pageStop * PAGE) r.remoteAddress = r.pageStart * PAGE;
    if (r.remoteBytes > 0 && --r.remoteBytes === 0) {
      r.command &= ~CR_REMOTE;
      r.command |= CR_REMOTE_ABORT;
      this.signal(ISR_REMOTE_DONE);
    }
  }

  private takeByte(): number {
    if ((this.r.command & CR_REMOTE) !== CR_REMOTE_READ || this.r.remoteBytes === 0) return 0xff;
    const value = this.load8(this.r.remoteAddress);
    this.step();
    return value;
  }

  private putByte(value: number): void {
    if ((this.r.command & CR_REMOTE) !== CR_REMOTE_WRITE || this.r.remoteBytes === 0) return;
    this.store8(this.r.remoteAddress, value);
    this.step();
  }

  /** Bytes that one access moves: with word transfers a byte access moves a word, too. */
  private moved(width: Width): number {
    return width === 1 && (this.r.dataConfiguration & DCR_WORD) !== 0 ? 2 : width;
  }

  private readData(width: Width): number {
    let value = 0;
    for (let i = 0; i < this.moved(width); i++) value |= this.takeByte() << (8 * i);
    return (value & allOnes(width)) >>> 0;
  }

  private writeData(width: Width, value: number): void {
    for (let i = 0; i < this.moved(width); i++) this.putByte((value >>> (8 * i)) & 0xff);
  }

  private readBlock(offset: number, width: Width, into: Uint8Array): number {
    if (offset < DATA_PORT || offset >= RESET_PORT || this.moved(width) !== width) return 0;
    for (let i = 0; i < into.length; i++) into[i] = this.takeByte();
    return into.length;
  }

  private writeBlock(offset: number, width: Width, from: Uint8Array): number {
    if (offset < DATA_PORT || offset >= RESET_PORT || this.moved(width) !== width) return 0;
    for (const value of from) this.putByte(value);
    return from.length;
  }

  // --- the wire

  private sent(): void {
    const { r } = this;
    const frame = Uint8Array.from({ length: Math.min(r.transmitBytes, RAM_BYTES) }, (_, i) => this.load8(r.transmitPage * PAGE + i));
    r.command &= ~CR_TRANSMIT;
    r.transmitStatus = TSR_TRANSMITTED;
    this.signal(ISR_TRANSMITTED);
    if ((r.transmitConfiguration & TCR_LOOPBACK) === 0) this.wiring.transmit(frame);
  }

  /** A frame comes in, without its check sequence. */
  receive(frame: Uint8Array): void {
    const { r } = this;
    if ((r.command & (CR_STOP | CR_START)) !== CR_START || (r.transmitConfiguration & TCR_LOOPBACK) !== 0) return;
    const short = frame.length < MINIMUM_FRAME && (r.receiveConfiguration & RCR_RUNT) === 0;
    if (frame.length > MAXIMUM_FRAME || frame.length < ADDRESS_BYTES || !this.addressed(frame)) return;
    const ringBytes = (r.pageStop - r.pageStart) * PAGE;
    if (ringBytes <= 0) return;
    const length = short ? MINIMUM_FRAME : frame.length;
    const pages = Math.ceil((HEADER_BYTES + length + CHECK_BYTES) / PAGE);
    if ((r.receiveConfiguration & RCR_MONITOR) !== 0) return this.miss(0);
    const free = r.boundary > r.current ? r.boundary - r.current : ringBytes / PAGE - (r.current - r.boundary);
    // The ring is full before the last page is used: equal pointers would say "empty".
    if (pages >= free) return this.miss(ISR_OVERWRITE | ISR_RECEIVE_ERROR);
    this.deposit(frame, length, pages);
  }

  private miss(interrupt: number): void {
    const { r } = this;
    r.receiveStatus = RSR_MISSED;
    r.missed = Math.min(0xff, r.missed + 1);
    this.signal(interrupt | (r.missed >= 0x80 ? ISR_COUNTER : 0));
  }

  private deposit(frame: Uint8Array, length: number, pages: number): void {
    const { r } = this;
    const next = r.current + pages;
    const after = next >= r.pageStop ? next - (r.pageStop - r.pageStart) : next;
    r.receiveStatus = RSR_RECEIVED | ((frame[0]! & 1) !== 0 ? RSR_GROUP : 0);
    const padded = new Uint8Array(length);
    padded.set(frame);
    const count = length + CHECK_BYTES;
    const check = checkSequence(padded);
    const bytes = [r.receiveStatus, after, count & 0xff, count >> 8, ...padded, check & 0xff, (check >> 8) & 0xff, (check >> 16) & 0xff, check >>> 24];
    let address = r.current * PAGE;
    for (const byte of bytes) {
      this.store8(address++, byte);
      if (address === r.pageStop * PAGE) address = r.pageStart * PAGE;
    }
    r.current = after;
    this.signal(ISR_RECEIVED);
  }

  private addressed(frame: Uint8Array): boolean {
    const { receiveConfiguration: rcr, address, multicast } = this.r;
    const target = frame.subarray(0, ADDRESS_BYTES);
    if (target.every((byte) => byte === 0xff)) return (rcr & RCR_BROADCAST) !== 0;
    if ((target[0]! & 1) !== 0) {
      if ((rcr & RCR_MULTICAST) === 0) return false;
      const index = remainder(target) >>> 26;
      return (multicast[index >> 3]! & (1 << (index & 7))) !== 0;
    }
    return (rcr & RCR_PROMISCUOUS) !== 0 || target.every((byte, i) => byte === address[i]);
  }
}

const POLYNOMIAL = 0x04c1_1db7;

/** The shift register of IEEE 802.3's check sequence after `bytes`, which arrive low bit first. */
function remainder(bytes: Uint8Array): number {
  let register = -1;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const feedback = (register >>> 31) ^ ((byte >> bit) & 1);
      register = (register << 1) ^ (feedback === 1 ? POLYNOMIAL : 0);
    }
  }
  return register >>> 0;
}

/** The four bytes behind a frame, first byte lowest. */
export function checkSequence(bytes: Uint8Array): number {
  const register = remainder(bytes);
  let reversed = 0;
  for (let bit = 0; bit < 32; bit++) reversed = (reversed << 1) | ((register >>> bit) & 1);
  return ~reversed >>> 0;
}
