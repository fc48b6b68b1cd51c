// Two 8237A DMA controllers with the page registers of a PC/AT: channels 0 to 3 move bytes, 5 to 7 words.
//
// Manuals: Intel 8237A datasheet (231466); IBM PC/AT Technical Reference, "DMA" (page registers, word channels).
//
// A transfer takes no guest time: the device asks when its own delay is over and moves what the channel takes. Single,
// demand and block mode therefore look alike, as they differ only in who has the bus meanwhile.
//
// Deviation: channels 0 to 3 work whatever the mask of channel 4, through which they are cascaded, says.
// Not implemented: memory-to-memory transfers, transfers by software request (the bit is shown in status), priority.

import { byteRegion } from "./bus.ts";
import type { Device, DeviceState, PhysicalMemory, Region } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

const COMMAND_DISABLE = 0x04;

const MODE_WRITE_MEMORY = 0x04;
const MODE_READ_MEMORY = 0x08;
const MODE_TYPE = 0x0c;
const MODE_AUTOINIT = 0x10;
const MODE_DECREMENT = 0x20;
const MODE_CASCADE = 0xc0;

/** Register numbers from 8 on. */
const STATUS_COMMAND = 8;
const REQUEST = 9;
const SINGLE_MASK = 10;
const MODE = 11;
const CLEAR_FLIP_FLOP = 12;
const MASTER_CLEAR = 13;
const CLEAR_MASK = 14;
const ALL_MASK = 15;

/** Page registers from port 80h on, by channel; channel 4 refreshes memory. */
const PAGE_OF_CHANNEL = [7, 3, 1, 2, 15, 11, 9, 10] as const;

function powerOnChannel() {
  return { baseAddress: 0, baseCount: 0, address: 0, count: 0, mode: 0 };
}

function powerOn() {
  return {
    channels: [powerOnChannel(), powerOnChannel(), powerOnChannel(), powerOnChannel()],
    command: 0,
    mask: 0x0f,
    softwareRequests: 0,
    /** DREQ inputs. */
    dreq: 0,
    terminalCounts: 0,
    /** The next byte of an address or count is the high one. */
    flipFlop: false,
  };
}

/** One channel, as the device wired to its DREQ and DACK sees it. */
export interface DmaChannel {
  /** Set by the device: called when DREQ is up and the guest opens the channel. */
  onReady: () => void;
  /** DREQ. */
  request(level: boolean): void;
  /** Whether a transfer would move anything now. */
  readonly ready: boolean;
  /**
   * Moves up to `bytes.length` bytes between the device and memory in the direction that the guest has programmed:
   * "write" takes them from `bytes` to memory, "read" fills `bytes` from memory, "verify" only counts. Returns how many.
   */
  transfer(bytes: Uint8Array): number;
  /** Whether the last transfer ended with terminal count (the TC line). */
  readonly terminalCount: boolean;
}

class Controller {
  r = powerOn();
  /** Bytes a unit: 1 or 2. */
  readonly unit: 1 | 2;
  readonly onReady: (() => void)[] = [0, 1, 2, 3].map(() => () => {});

  constructor(unit: 1 | 2) {
    this.unit = unit;
  }

  ready(index: number): boolean {
    const { mask, command, channels } = this.r;
    return (mask & (1 << index)) === 0 && (command & COMMAND_DISABLE) === 0 && ((channels[index]?.mode ?? 0) & MODE_CASCADE) !== MODE_CASCADE;
  }

  /** Tells devices that wait with DREQ up for a channel that is now open. */
  private wake(): void {
    for (const [i, onReady] of this.onReady.entries()) {
      if ((this.r.dreq & (1 << i)) !== 0 && this.ready(i)) onReady();
    }
  }

  read(register: number): number {
    const { r } = this;
    if (register < 8) {
      const channel = r.channels[register >> 1];
      if (channel === undefined) return 0xff;
      const value = (register & 1) === 0 ? channel.address : channel.count;
      return this.flip() ? value >> 8 : value & 0xff;
    }
    if (register === STATUS_COMMAND) {
      const status = r.terminalCounts | ((r.dreq | r.softwareRequests) << 4);
      r.terminalCounts = 0;
      return status;
    }
    if (register === MASTER_CLEAR) return 0;
    // Only later parts read the mask back; the others float.
    return register === ALL_MASK ? 0xf0 | r.mask : 0xff;
  }

  private flip(): boolean {
    this.r.flipFlop = !this.r.flipFlop;
    return !this.r.flipFlop;
  }

  write(register: number, value: number): void {
    const { r } = this;
    const bit = 1 << (value & 3);
    switch (register) {
      case STATUS_COMMAND:
        r.command = value;
        break;
      case REQUEST:
        r.softwareRequests = (value & 4) !== 0 ? r.softwareRequests | bit : r.softwareRequests & ~bit;
        break;
      case SINGLE_MASK:
        r.mask = (value & 4) !== 0 ? r.mask | bit : r.mask & ~bit;
        break;
      case MODE: {
        const channel = r.channels[value & 3];
        if (channel !== undefined) channel.mode = value & 0xfc;
        break;
      }
      case CLEAR_FLIP_FLOP:
        r.flipFlop = false;
        break;
      case MASTER_CLEAR:
        this.r = { ...powerOn(), channels: r.channels, dreq: r.dreq };
        break;
      case CLEAR_MASK:
        r.mask = 0;
        break;
      case ALL_MASK:
        r.mask = value & 0x0f;
        break;
      default:
        this.writeChannel(register, value);
        return;
    }
    this.wake();
  }

  private writeChannel(register: number, value: number): void {
    const channel = this.r.channels[register >> 1];
    if (channel === undefined) return;
    const high = this.flip();
    const merge = (old: number) => (high ? (old & 0x00ff) | (value << 8) : (old & 0xff00) | value);
    if ((register & 1) === 0) {
      channel.baseAddress = merge(channel.baseAddress);
      channel.address = channel.baseAddress;
    } else {
      channel.baseCount = merge(channel.baseCount);
      channel.count = channel.baseCount;
    }
  }

  /** Moves whole units; `page` is the address above the 16 bits that count. */
  transfer(index: number, page: number, bytes: Uint8Array, memory: PhysicalMemory): number {
    const channel = this.r.channels[index];
    if (channel === undefined || !this.ready(index)) return 0;
    const units = Math.min(Math.floor(bytes.length / this.unit), channel.count + 1);
    for (let done = 0; done < units; ) {
      done += this.run(channel, page, bytes.subarray(done * this.unit, units * this.unit), memory);
    }
    if (units > 0 && units > channel.count) this.endOfCount(index);
    else channel.count -= units;
    return units * this.unit;
  }

  /** The longest piece that stays in order: up to the wrap of the 16-bit address, or one unit when it counts down. */
  private run(channel: ReturnType<typeof powerOnChannel>, page: number, bytes: Uint8Array, memory: PhysicalMemory): number {
    const down = (channel.mode & MODE_DECREMENT) !== 0;
    const units = down ? 1 : Math.min(bytes.length / this.unit, 0x10000 - channel.address);
    const piece = bytes.subarray(0, units * this.unit);
    const physical = page + channel.address * this.unit;
    const type = channel.mode & MODE_TYPE;
    if (type === MODE_WRITE_MEMORY) memory.write(physical, piece);
    else if (type === MODE_READ_MEMORY) memory.read(physical, piece);
    channel.address = (channel.address + (down ? -1 : units)) & 0xffff;
    return units;
  }

  private endOfCount(index: number): void {
    const { r } = this;
    const channel = r.channels[index];
    if (channel === undefined) return;
    const bit = 1 << index;
    r.terminalCounts |= bit;
    r.softwareRequests &= ~bit;
    if ((channel.mode & MODE_AUTOINIT) !== 0) {
      channel.address = channel.baseAddress;
      channel.count = channel.baseCount;
    } else {
      channel.count = 0xffff;
      r.mask |= bit;
    }
  }
}

export class Dma8237 implements Device {
  readonly id = "8237A";
  /** Ports 00h-0Fh: channels 0 to 3. */
  readonly byteRegion: Region;
  /** Ports C0h-DFh: channels 4 to 7, a register every second port. */
  readonly wordRegion: Region;
  /** Ports 80h-8Fh: page registers. The unused ones are plain storage. */
  readonly pageRegion: Region;
  private readonly controllers = [new Controller(1), new Controller(2)] as const;
  private readonly pages = new Uint8Array(16);
  private readonly memory: PhysicalMemory;

  constructor(wiring: { memory: PhysicalMemory }) {
    this.memory = wiring.memory;
    const [low, high] = this.controllers;
    this.byteRegion = byteRegion({ read: (offset) => low.read(offset), write: (offset, value) => low.write(offset, value) });
    this.wordRegion = byteRegion({ read: (offset) => high.read(offset >> 1), write: (offset, value) => high.write(offset >> 1, value) });
    this.pageRegion = byteRegion({
      read: (offset) => this.pages[offset] as number,
      write: (offset, value) => {
        this.pages[offset] = value;
      },
    });
  }

  /** Channel 0 to 7 for the device on it. Channel 4 is the cascade and moves nothing. */
  channel(number: number): DmaChannel {
    const controller = this.controllers[number < 4 ? 0 : 1];
    const index = number & 3;
    const bit = 1 << index;
    const { memory, pages } = this;
    let terminalCount = false;
    return {
      set onReady(callback: () => void) {
        controller.onReady[index] = callback;
      },
      get onReady() {
        return controller.onReady[index] as () => void;
      },
      request(level) {
        controller.r.dreq = level ? controller.r.dreq | bit : controller.r.dreq & ~bit;
      },
      get ready() {
        return controller.ready(index);
      },
      transfer(bytes) {
        const before = controller.r.terminalCounts;
        controller.r.terminalCounts &= ~bit;
        // A word channel's address has 17 bits, so its page register's bit 0 is not used.
        const page = (pages[PAGE_OF_CHANNEL[number] as number] as number) & (controller.unit === 2 ? 0xfe : 0xff);
        const moved = controller.transfer(index, page * 0x10000, bytes, memory);
        terminalCount = (controller.r.terminalCounts & bit) !== 0;
        controller.r.terminalCounts |= before;
        return moved;
      },
      get terminalCount() {
        return terminalCount;
      },
    };
  }

  /** RESET acts as the master clear command; page registers keep what they hold. */
  reset(): void {
    for (const controller of this.controllers) controller.r = { ...powerOn(), dreq: controller.r.dreq };
  }

  save(): DeviceState {
    return copyState({ low: this.controllers[0].r, high: this.controllers[1].r, pages: this.pages });
  }

  load(state: DeviceState): void {
    const { low, high, pages } = checkedState(this.id, { low: powerOn(), high: powerOn(), pages: this.pages }, state);
    this.controllers[0].r = low;
    this.controllers[1].r = high;
    this.pages.set(pages);
  }
}
