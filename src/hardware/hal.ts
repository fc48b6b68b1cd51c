// The hardware abstraction layer of plex86 (2003): disks, a network and a console for guests that call their monitor instead of driving
// chips. INT FFh in the guest; EAX is the call, EBX, ECX and EDX are its arguments, EAX the result. Addresses are physical.
//
// Source: plex86, hal.h, "Hardware Abstraction Layer interface" (calls 1 to 8, the areas that they share with the guest, IRQ 3).
//
// Deviation: a call that cannot be done returns 0, where plex86 ended the machine; input for the console arrives as frames do, where
// plex86 laid out the area for it and never filled it; DiskGetInfo returns 1.

import type { BlockDevice, Clock, Device, DeviceState, Line, PhysicalMemory, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

export const HAL_NET_TX = 1, HAL_NET_REGISTER = 2, HAL_CONSOLE_WRITE = 3, HAL_CONSOLE_REGISTER = 4;
export const HAL_DISK_INFO = 5, HAL_DISK_WRITE = 6, HAL_DISK_READ = 7, HAL_DISK_CLEANUP = 8;
const HAL_DISKS = 4;
export const HAL_IRQ = 3;

const DONE = 1, FAILED = 0;
const SECTOR = 512;
const MAXIMUM_FRAME = 1514, MINIMUM_FRAME = 60, CONSOLE_BYTES = 1024;
/** Areas: full (the guest has not taken it yet), length, then the bytes; the console's has as many bytes to send behind them. */
const FULL = 0, LENGTH = 4, BYTES = 8;
const NET_AREA = BYTES + MAXIMUM_FRAME, CONSOLE_AREA = BYTES + 2 * CONSOLE_BYTES, CONSOLE_TX = BYTES + CONSOLE_BYTES;
/** Of a disk: exists, cylinders, heads, sectors per track, start, sectors. */
const INFO_DWORDS = 6;
const HEADS = 16, SECTORS_PER_TRACK = 63;
/** The guest says by a store to its memory that it has taken what came. */
const LOOK_NS = 200_000;
/** Frames that wait; a wire forgets more. */
const QUEUE_FRAMES = 64;

function fresh() {
  return { net: -1, console: -1, interrupting: false, frames: [] as Uint8Array[], typed: [] as number[] };
}

export interface HalWiring {
  readonly clock: Clock;
  readonly memory: PhysicalMemory;
  readonly memoryBytes: number;
  readonly irq: Line;
  readonly disks: readonly (BlockDevice | null)[];
  readonly transmit: (frame: Uint8Array) => void;
  readonly print: (byte: number) => void;
}

export class Hal implements Device {
  readonly id = "hal";
  private r = fresh();
  private readonly wiring: HalWiring;
  private readonly look: Timer;

  constructor(wiring: HalWiring) {
    this.wiring = wiring;
    this.look = wiring.clock.timer(() => this.update());
  }

  reset(): void {
    this.r = fresh();
    this.look.cancel();
    this.wiring.irq.set(false);
  }

  save(): DeviceState {
    return { ...copyState(this.r), lookNs: this.look.deadlineNs === Infinity ? -1 : this.look.deadlineNs };
  }

  load(state: DeviceState): void {
    const { lookNs, frames, ...rest } = checkedState(this.id, { ...fresh(), typed: [0], frames: [] as unknown[], lookNs: 0 }, state);
    if (!frames.every((frame) => frame instanceof Uint8Array && frame.length <= MAXIMUM_FRAME)) throw new Error("snapshot: hal.frames are not frames");
    // In the order of a fresh state: a hash of states counts it.
    this.r = { ...fresh(), ...rest, frames: frames as Uint8Array[] };
    if (lookNs >= 0) this.look.arm(lookNs);
    else this.look.cancel();
    this.wiring.irq.set(this.r.interrupting);
  }

  /** INT FFh: the result, or null where there is no such call. */
  call(call: number, b: number, c: number, d: number): number | null {
    switch (call) {
      case HAL_NET_TX: return this.transmit(b, c, d);
      case HAL_NET_REGISTER: return this.register("net", b, c, d, NET_AREA);
      case HAL_CONSOLE_WRITE: return this.print(b, d);
      case HAL_CONSOLE_REGISTER: return this.register("console", b, c, d, CONSOLE_AREA);
      case HAL_DISK_INFO: return this.describeDisks(b);
      case HAL_DISK_WRITE: case HAL_DISK_READ: return this.transfer(call === HAL_DISK_WRITE, b, c, d);
      case HAL_DISK_CLEANUP:
        for (const disk of this.wiring.disks) disk?.flush();
        return DONE;
      default: return null;
    }
  }

  /** The guest's console is here. */
  get hasConsole(): boolean {
    return this.r.console >= 0;
  }

  /** A frame from the network. */
  receive(frame: Uint8Array): void {
    if (this.r.net < 0 || frame.length > MAXIMUM_FRAME || this.r.frames.length >= QUEUE_FRAMES) return;
    this.r.frames.push(frame.slice());
    this.update();
  }

  /** A byte for the console. */
  type(byte: number): void {
    this.r.typed.push(byte);
    this.update();
  }

  private isMemory(at: number, bytes: number): boolean {
    return at + bytes <= this.wiring.memoryBytes;
  }

  private register(device: "net" | "console", number: number, at: number, bytes: number, needed: number): number {
    if (number !== 0 || this.r[device] >= 0 || bytes < needed || !this.isMemory(at, needed)) return FAILED;
    this.r[device] = at;
    this.update();
    return DONE;
  }

  private transmit(number: number, at: number, bytes: number): number {
    if (number !== 0 || this.r.net < 0 || bytes > MAXIMUM_FRAME || !this.isMemory(at, bytes)) return FAILED;
    const frame = new Uint8Array(bytes);
    this.wiring.memory.read(at, frame);
    this.wiring.transmit(frame);
    return DONE;
  }

  private print(number: number, bytes: number): number {
    if (number !== 0 || this.r.console < 0 || bytes > CONSOLE_BYTES) return FAILED;
    const text = new Uint8Array(bytes);
    this.wiring.memory.read(this.r.console + CONSOLE_TX, text);
    for (const byte of text) this.wiring.print(byte);
    return DONE;
  }

  private describeDisks(at: number): number {
    const info = new Uint32Array(HAL_DISKS * INFO_DWORDS);
    if (!this.isMemory(at, info.byteLength)) return FAILED;
    this.wiring.disks.forEach((disk, index) => {
      if (!disk || index >= HAL_DISKS) return;
      const cylinders = Math.max(1, Math.floor(disk.sectorCount / (HEADS * SECTORS_PER_TRACK)));
      info.set([1, cylinders, HEADS, SECTORS_PER_TRACK, 0, disk.sectorCount], index * INFO_DWORDS);
    });
    const bytes = new DataView(new ArrayBuffer(info.byteLength));
    info.forEach((value, i) => bytes.setUint32(4 * i, value, true));
    this.wiring.memory.write(at, new Uint8Array(bytes.buffer));
    return DONE;
  }

  private transfer(write: boolean, at: number, sector: number, unit: number): number {
    const disk = this.wiring.disks[unit];
    if (!disk || sector >= disk.sectorCount || !this.isMemory(at, SECTOR) || (write && disk.readOnly)) return FAILED;
    const bytes = new Uint8Array(SECTOR);
    if (write) {
      this.wiring.memory.read(at, bytes);
      disk.write(sector, bytes);
    } else {
      disk.read(sector, bytes);
      this.wiring.memory.write(at, bytes);
    }
    return DONE;
  }

  /** Gives the guest what it has room for, and looks again as long as something waits. */
  private update(): void {
    const { r } = this;
    const net = this.fill(r.net, r.frames.length > 0, () => padded(r.frames.shift()!));
    const console = this.fill(r.console, r.typed.length > 0, () => Uint8Array.from(r.typed.splice(0, CONSOLE_BYTES)));
    if (net === "filled" || console === "filled") {
      // The 8259 takes an edge.
      this.wiring.irq.set(false);
      this.wiring.irq.set(true);
    }
    r.interrupting = net !== "empty" || console !== "empty";
    if (!r.interrupting) this.wiring.irq.set(false);
    else this.look.arm(this.wiring.clock.nowNs() + LOOK_NS);
  }

  private fill(area: number, waits: boolean, next: () => Uint8Array): "empty" | "full" | "filled" {
    if (area < 0) return "empty";
    const head = new Uint8Array(BYTES);
    const view = new DataView(head.buffer);
    this.wiring.memory.read(area, head);
    if (view.getUint32(FULL, true) !== 0) return "full";
    if (!waits) return "empty";
    const bytes = next();
    view.setUint32(FULL, 1, true);
    view.setUint32(LENGTH, bytes.length, true);
    this.wiring.memory.write(area + BYTES, bytes);
    this.wiring.memory.write(area, head);
    return "filled";
  }
}

/** Short frames arrive as a wire would carry them. */
function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= MINIMUM_FRAME) return frame;
  const whole = new Uint8Array(MINIMUM_FRAME);
  whole.set(frame);
  return whole;
}
