// QEMU's firmware configuration device, through which a firmware asks its machine for tables, the boot order and a kernel.
//
// Manual: QEMU, docs/specs/fw_cfg ("QEMU Firmware Configuration (fw_cfg) Device"): port interface at 510h and 511h, DMA interface at 514h.
//
// Not implemented: writing items (no item here can be written: the DMA interface answers with its error bit).

import { byteRegion } from "./bus.ts";
import type { ByteSource, Device, DeviceState, PhysicalMemory, Region } from "./device.ts";
import { checkedState } from "./device-state.ts";

/** Well-known items. */
const FW_CFG_SIGNATURE = 0x00;
const FW_CFG_ID = 0x01;
export const FW_CFG_NB_CPUS = 0x05;
export const FW_CFG_FILE_DIR = 0x19;
const FW_CFG_FILE_FIRST = 0x20;
const FW_CFG_FILE_LAST = 0x3fff;
/** Bit 14 of a selector asks for writing; it is not part of the key. */
const FW_CFG_WRITE_CHANNEL = 0x4000;
/** Feature bits of FW_CFG_ID. */
const FW_CFG_VERSION_TRADITIONAL = 1, FW_CFG_VERSION_DMA = 2;
/** What the DMA address register reads as. */
const DMA_SIGNATURE = "QEMU CFG";
/** The structure at the address: control, length, address (64 bits), big-endian. Control: bits, and above them a selector. */
const DMA_ACCESS_BYTES = 16, DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 0x10;

const FILE_NAME_BYTES = 56;
const DIRECTORY_ENTRY_BYTES = 64;
/** A source is read ahead in pieces, since the guest takes it byte by byte. */
const CHUNK = 4096;

function sourceOf(data: Uint8Array | ByteSource): ByteSource {
  if (!(data instanceof Uint8Array)) return data;
  return { size: data.length, read: (offset, into) => into.set(data.subarray(offset, offset + into.length)) };
}

/** A big-endian register's value as a little-endian cycle brings it. */
function swapped(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

export class FwCfg implements Device {
  readonly id = "fw-cfg";
  /** Ports 510h (selector, 16 bits) and 511h (data, 8 bits). */
  readonly region: Region;
  /** Ports 514h to 51Bh: the address of a DMA access, big-endian; its lower half starts the access. */
  readonly dmaRegion: Region;
  private readonly memory: PhysicalMemory;
  private key = 0;
  private offset = 0;
  private dmaHigh = 0;
  private readonly items = new Map<number, ByteSource>();
  private readonly files: { name: string; key: number }[] = [];
  private readonly chunk = new Uint8Array(CHUNK);
  /** Where `chunk` begins in the selected item; -1 = it holds nothing. */
  private chunkOffset = -1;

  constructor(wiring: { readonly memory: PhysicalMemory }) {
    this.memory = wiring.memory;
    this.addItem(FW_CFG_SIGNATURE, Uint8Array.from("QEMU", (c) => c.charCodeAt(0)));
    this.addItem(FW_CFG_ID, Uint8Array.of(FW_CFG_VERSION_TRADITIONAL | FW_CFG_VERSION_DMA, 0, 0, 0));
    this.writeDirectory();
    this.region = {
      ...byteRegion({ read: (offset) => (offset === 1 ? this.nextByte() : 0xff), write: () => {} }),
      // The selector takes 16-bit cycles only and cannot be read back.
      write: (offset, width, value) => {
        if (offset === 0 && width === 2) this.select(value);
      },
      readBlock: (offset, width, into) => (offset === 1 && width === 1 ? this.take(into) : 0),
    };
    this.dmaRegion = {
      ...byteRegion({ read: (offset) => DMA_SIGNATURE.charCodeAt(offset), write: () => {} }),
      write: (offset, width, value) => {
        if (width === 4 && offset === 0) this.dmaHigh = swapped(value);
        else if (width === 4 && offset === 4) this.startDma(swapped(value));
      },
    };
  }

  /** Gives the item of a numeric key. */
  addItem(key: number, data: Uint8Array | ByteSource): void {
    this.items.set(key, sourceOf(data));
    if (key === this.key) this.chunkOffset = -1;
  }

  /** An item that is one little-endian number of 16 or 32 bits. */
  addNumber(key: number, value: number, bytes: 2 | 4 = 4): void {
    this.addItem(key, Uint8Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 0xff));
  }

  /** Adds or replaces a file of the directory, for example `etc/e820`. Names have at most 55 bytes. */
  addFile(name: string, data: Uint8Array | ByteSource): void {
    if (name.length >= FILE_NAME_BYTES) throw new RangeError(`fw_cfg file name too long: ${name}`);
    let file = this.files.find((known) => known.name === name);
    if (file === undefined) {
      if (this.files.length > FW_CFG_FILE_LAST - FW_CFG_FILE_FIRST) throw new RangeError("fw_cfg directory is full");
      file = { name, key: FW_CFG_FILE_FIRST + this.files.length };
      this.files.push(file);
    }
    this.addItem(file.key, data);
    this.writeDirectory();
  }

  reset(): void {
    this.select(0);
    this.dmaHigh = 0;
  }

  /** Items belong to the machine's configuration, not to its state. */
  save(): DeviceState {
    return { key: this.key, offset: this.offset, dmaHigh: this.dmaHigh };
  }

  load(state: DeviceState): void {
    const { key, offset, dmaHigh } = checkedState(this.id, { key: 0, offset: 0, dmaHigh: 0 }, state);
    this.select(key);
    this.offset = offset;
    this.dmaHigh = dmaHigh;
  }

  /** File directory: a count, then size, key, reserved and name of each file; numbers are big-endian. */
  private writeDirectory(): void {
    const bytes = new Uint8Array(4 + DIRECTORY_ENTRY_BYTES * this.files.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.files.length);
    for (const [i, { name, key }] of this.files.entries()) {
      const at = 4 + DIRECTORY_ENTRY_BYTES * i;
      view.setUint32(at, this.items.get(key)?.size ?? 0);
      view.setUint16(at + 4, key);
      for (let c = 0; c < name.length; c++) view.setUint8(at + 8 + c, name.charCodeAt(c));
    }
    this.addItem(FW_CFG_FILE_DIR, bytes);
  }

  private select(key: number): void {
    this.key = key & ~FW_CFG_WRITE_CHANNEL & 0xffff;
    this.offset = 0;
    this.chunkOffset = -1;
  }

  /** Fills `into` with the next bytes of the item; beyond its end, or without an item, they are 0. */
  private take(into: Uint8Array): number {
    const source = this.items.get(this.key);
    const left = Math.max(0, (source?.size ?? 0) - this.offset);
    const count = Math.min(left, into.length);
    if (source !== undefined && count > 0) source.read(this.offset, into.subarray(0, count));
    into.fill(0, count);
    this.offset += count;
    return into.length;
  }

  /** The access described at `low`, done at once: its control word tells the result. */
  private startDma(low: number): void {
    const high = this.dmaHigh;
    this.dmaHigh = 0;
    if (high !== 0) return; // no memory is there
    const access = new Uint8Array(DMA_ACCESS_BYTES), view = new DataView(access.buffer);
    this.memory.read(low, access);
    const control = view.getUint32(0), length = view.getUint32(4), address = view.getUint32(12);
    if (control & DMA_SELECT) this.select(control >>> 16);
    const known = this.items.has(this.key);
    let result = 0;
    if (control & DMA_READ) {
      if (view.getUint32(8) !== 0 || address + length > 2 ** 32) result = DMA_ERROR;
      else this.readDma(address, length);
    } else if (control & DMA_WRITE) result = DMA_ERROR;
    else if (control & DMA_SKIP && known) this.moveBy(length);
    view.setUint32(0, result);
    this.memory.write(low, access.subarray(0, 4));
  }

  private readDma(address: number, length: number): void {
    const piece = new Uint8Array(Math.min(CHUNK, length));
    for (let done = 0; done < length; done += CHUNK) {
      const part = piece.subarray(0, Math.min(CHUNK, length - done));
      this.take(part);
      this.memory.write(address + done, part);
    }
  }

  private moveBy(length: number): void {
    this.offset = Math.min(this.offset + length, this.items.get(this.key)?.size ?? 0);
  }

  private nextByte(): number {
    const source = this.items.get(this.key);
    if (source === undefined || this.offset >= source.size) return 0;
    if (this.chunkOffset < 0 || this.offset < this.chunkOffset || this.offset >= this.chunkOffset + CHUNK) {
      this.chunkOffset = this.offset;
      source.read(this.offset, this.chunk.subarray(0, Math.min(CHUNK, source.size - this.offset)));
    }
    return this.chunk[this.offset++ - this.chunkOffset] as number;
  }
}
