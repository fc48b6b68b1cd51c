// The bus master of the PIIX IDE function, for both channels: it walks a table of physical regions
// and moves a drive's data to or from memory.
// Manual: Intel 82371FB/82371SB (PIIX/PIIX3), "Bus Master IDE I/O Registers"; SFF-8038i 1.0,
// "Programming Interface for Bus Master IDE Controller".
//
// A transfer takes no guest time of its own; the drive's interrupt comes a little later.
//
// Not implemented: simplex operation (both channels run at once).

import { byteRegion } from "./bus.ts";
import type { Device, DeviceState, Line, PhysicalMemory, Region } from "./device.ts";
import { checkedState } from "./device-state.ts";
import type { IdeChannel } from "./ide-channel.ts";

const COMMAND_START = 0x01;
/** Set: the bus master writes to memory (a read from the drive). */
const COMMAND_TO_MEMORY = 0x08;

const STATUS_ACTIVE = 0x01;
const STATUS_ERROR = 0x02;
const STATUS_INTERRUPT = 0x04;
/** Software's notes on what the drives can do. */
const STATUS_DRIVES = 0x60;

const REG_COMMAND = 0;
const REG_STATUS = 2;
const REG_TABLE = 4;
const CHANNEL_PORTS = 8;

const PRD_BYTES = 8;
const PRD_END_OF_TABLE = 0x80;

interface EngineState {
  command: number;
  status: number;
  /** The address of the table, as software wrote it. */
  table: number;
  /** The next descriptor to fetch. */
  next: number;
  /** What is left of the present descriptor's region. */
  address: number;
  left: number;
  lastRegion: boolean;
  interruptLevel: boolean;
}

function freshState(): EngineState {
  return { command: 0, status: 0, table: 0, next: 0, address: 0, left: 0, lastRegion: false, interruptLevel: false };
}

class Engine {
  state = freshState();
  channel: IdeChannel | null = null;
  /** Command register bit 2 of the PCI function: a bus master that is not enabled requests no bus. */
  enabled = true;
  private readonly memory: PhysicalMemory;
  private running = false;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  read(offset: number): number {
    if (offset === REG_COMMAND) return this.state.command;
    if (offset === REG_STATUS) return this.state.status;
    if (offset >= REG_TABLE) return (this.state.table >>> (8 * (offset - REG_TABLE))) & 0xff;
    return 0;
  }

  write(offset: number, value: number): void {
    const s = this.state;
    if (offset === REG_COMMAND) {
      this.writeCommand(value);
    } else if (offset === REG_STATUS) {
      s.status = (s.status & ~(value & (STATUS_ERROR | STATUS_INTERRUPT)) & ~STATUS_DRIVES) | (value & STATUS_DRIVES);
    } else if (offset >= REG_TABLE) {
      const shift = 8 * (offset - REG_TABLE);
      s.table = (((s.table & ~(0xff << shift)) | (value << shift)) & ~3) >>> 0;
    }
  }

  private writeCommand(value: number): void {
    const s = this.state;
    const started = s.command & COMMAND_START;
    // The direction is fixed while the engine runs.
    s.command = started ? (s.command & COMMAND_TO_MEMORY) | (value & COMMAND_START) : value & (COMMAND_START | COMMAND_TO_MEMORY);
    if (!started && value & COMMAND_START) {
      s.status |= STATUS_ACTIVE;
      s.next = s.table;
      s.left = 0;
      s.lastRegion = false;
      this.run();
    } else if (started && !(value & COMMAND_START)) {
      s.status &= ~STATUS_ACTIVE; // stopped in the middle: what was not moved is lost
    }
  }

  /** INTRQ: the status bit remembers its rising edge. */
  interrupt(level: boolean): void {
    if (level && !this.state.interruptLevel) this.state.status |= STATUS_INTERRUPT;
    this.state.interruptLevel = level;
  }

  /** Moves data as long as the engine is active and the drive asks. */
  run(): void {
    if (this.running) return; // the drive announces its next block while this one is being moved
    this.running = true;
    const toMemory = (this.state.command & COMMAND_TO_MEMORY) !== 0;
    while (this.enabled && this.state.status & STATUS_ACTIVE) {
      const drive = this.channel?.dmaDrive;
      if (!drive || (drive.dmaDirection === "in") !== toMemory) break;
      if (this.state.left === 0) this.fetchDescriptor();
      const s = this.state;
      const window = drive.dmaWindow();
      const length = Math.min(window.length, s.left);
      const part = window.subarray(0, length);
      if (toMemory) this.memory.write(s.address, part);
      else this.memory.read(s.address, part);
      s.address += length;
      s.left -= length;
      // The last region is used up: the engine is done, whatever the drive still wants.
      if (s.left === 0 && s.lastRegion) s.status &= ~STATUS_ACTIVE;
      drive.dmaMoved(length);
    }
    this.running = false;
  }

  private fetchDescriptor(): void {
    const s = this.state;
    const descriptor = new Uint8Array(PRD_BYTES);
    this.memory.read(s.next, descriptor);
    const view = new DataView(descriptor.buffer);
    s.next += PRD_BYTES;
    s.address = (view.getUint32(0, true) & ~1) >>> 0;
    s.left = view.getUint16(4, true) & ~1 || 0x10000;
    s.lastRegion = (descriptor[7] & PRD_END_OF_TABLE) !== 0;
  }
}

export class IdeBusMaster implements Device {
  readonly id = "ide-bus-master";
  /** Sixteen ports: eight for each channel. */
  readonly ports: Region;
  private readonly engines: readonly [Engine, Engine];

  constructor(memory: PhysicalMemory) {
    this.engines = [new Engine(memory), new Engine(memory)];
    this.ports = byteRegion({
      read: (offset) => this.engines[offset & CHANNEL_PORTS ? 1 : 0].read(offset % CHANNEL_PORTS),
      write: (offset, value) => this.engines[offset & CHANNEL_PORTS ? 1 : 0].write(offset % CHANNEL_PORTS, value),
    });
  }

  /** The wire between a channel's INTRQ and the interrupt controller: the bus master listens on it. */
  interruptLine(index: 0 | 1, onward: Line): Line {
    const engine = this.engines[index];
    return {
      set(level) {
        engine.interrupt(level);
        onward.set(level);
      },
    };
  }

  connect(index: 0 | 1, channel: IdeChannel): void {
    const engine = this.engines[index];
    engine.channel = channel;
    channel.onDmaRequest = () => engine.run();
  }

  /** The PCI function's Bus Master Enable bit. */
  setEnabled(enabled: boolean): void {
    for (const engine of this.engines) {
      engine.enabled = enabled;
      engine.run();
    }
  }

  reset(): void {
    for (const engine of this.engines) engine.state = { ...freshState(), interruptLevel: engine.state.interruptLevel };
  }

  save(): DeviceState {
    return { engines: this.engines.map((engine) => ({ ...engine.state })) };
  }

  load(state: DeviceState): void {
    const { engines } = checkedState(this.id, { engines: [freshState(), freshState()] }, state);
    this.engines.forEach((engine, i) => {
      engine.state = engines[i];
    });
  }
}
