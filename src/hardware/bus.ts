// The I/O space and the memory windows of a PC: who answers which port or page.
//
// Manuals: Intel SDM Vol. 1, "Input/Output"; 82371AB (PIIX4), "I/O Cycle decode".
//
// The rule for wide accesses: an access belongs to the region that owns its first port, if it fits inside
// that region; otherwise the bus splits it into bytes, low address first, as an 8-bit ISA bus does.
// A small region laid over a large one (reset control CF9h over the PCI ports CF8h-CFFh) therefore
// takes the byte cycles at its own ports and leaves the larger region's dword cycles whole.
//
// Not implemented: wait states, bus contention (the region attached last wins).

import type { Region, Width } from "./device.ts";

/** A region in its place. Give it back to `detach`. */
export interface Attachment {
  readonly first: number;
  readonly last: number;
  readonly region: Region;
}

/** What an undriven data bus reads as. */
export function allOnes(width: Width): number {
  return width === 1 ? 0xff : width === 2 ? 0xffff : 0xffffffff;
}

/** A chip on an 8-bit data bus: wide cycles arrive as byte cycles at rising offsets. */
export function byteRegion(chip: { read(offset: number): number; write(offset: number, value: number): void }): Region {
  return {
    read(offset, width) {
      let value = 0;
      for (let i = 0; i < width; i++) value |= (chip.read(offset + i) & 0xff) << (8 * i);
      return value >>> 0;
    },
    write(offset, width, value) {
      for (let i = 0; i < width; i++) chip.write(offset + i, (value >>> (8 * i)) & 0xff);
    },
  };
}

/** Attachments in the order they were made; a lookup table is repainted from it when something is detached. */
abstract class Bus {
  protected readonly attachments: Attachment[] = [];

  /** Lays `region` over `first`..`last` (inclusive). It hides what was there until it is detached. */
  attach(first: number, last: number, region: Region): Attachment {
    this.check(first, last);
    const attachment = { first, last, region };
    this.attachments.push(attachment);
    this.paint(attachment);
    return attachment;
  }

  detach(attachment: Attachment): void {
    const index = this.attachments.indexOf(attachment);
    if (index < 0) return;
    this.attachments.splice(index, 1);
    this.clear(attachment.first, attachment.last);
    for (const other of this.attachments) {
      if (other.first <= attachment.last && attachment.first <= other.last) this.paint(other);
    }
  }

  protected abstract find(address: number): Attachment | undefined;
  protected abstract check(first: number, last: number): void;
  protected abstract paint(attachment: Attachment): void;
  protected abstract clear(first: number, last: number): void;

  read(address: number, width: Width): number {
    const owner = this.find(address);
    if (owner !== undefined && address + width - 1 <= owner.last) {
      return (owner.region.read(address - owner.first, width) & allOnes(width)) >>> 0;
    }
    if (width === 1) return 0xff;
    let value = 0;
    for (let i = 0; i < width; i++) value |= this.read(address + i, 1) << (8 * i);
    return value >>> 0;
  }

  write(address: number, width: Width, value: number): void {
    const owner = this.find(address);
    if (owner !== undefined && address + width - 1 <= owner.last) {
      owner.region.write(address - owner.first, width, (value & allOnes(width)) >>> 0);
    } else if (width > 1) {
      for (let i = 0; i < width; i++) this.write(address + i, 1, (value >>> (8 * i)) & 0xff);
    }
  }
}

/** The 64 KB port space. */
export class IoBus extends Bus {
  private readonly table: (Attachment | undefined)[] = new Array<Attachment | undefined>(0x10000).fill(undefined);

  protected override find(port: number): Attachment | undefined {
    return this.table[port];
  }

  protected override check(first: number, last: number): void {
    if (!(first >= 0 && first <= last && last <= 0xffff)) throw new RangeError(`ports ${first}-${last}`);
  }

  protected override paint(attachment: Attachment): void {
    this.table.fill(attachment, attachment.first, attachment.last + 1);
  }

  protected override clear(first: number, last: number): void {
    this.table.fill(undefined, first, last + 1);
  }

  /** Bytes really read by the region's bulk path; 0 means: use `read`. */
  readBlock(port: number, width: Width, into: Uint8Array): number {
    const owner = this.table[port];
    if (owner?.region.readBlock === undefined || port + width - 1 > owner.last) return 0;
    return owner.region.readBlock(port - owner.first, width, into);
  }

  /** Bytes really written by the region's bulk path; 0 means: use `write`. */
  writeBlock(port: number, width: Width, from: Uint8Array): number {
    const owner = this.table[port];
    if (owner?.region.writeBlock === undefined || port + width - 1 > owner.last) return 0;
    return owner.region.writeBlock(port - owner.first, width, from);
  }
}

/** Memory windows that are not RAM, by physical page of 4 KB. `first` and `last` are byte addresses at page edges. */
export class MmioBus extends Bus {
  private readonly pages = new Map<number, Attachment>();

  /** Whether a device, not RAM, answers at this physical address. */
  has(physical: number): boolean {
    return this.pages.has(Math.floor(physical / 4096));
  }

  protected override find(physical: number): Attachment | undefined {
    return this.pages.get(Math.floor(physical / 4096));
  }

  protected override check(first: number, last: number): void {
    if (!(first >= 0 && first <= last) || first % 4096 !== 0 || (last + 1) % 4096 !== 0) {
      throw new RangeError(`memory window ${first.toString(16)}-${last.toString(16)} is not whole pages`);
    }
  }

  protected override paint(attachment: Attachment): void {
    for (let page = attachment.first / 4096; page <= (attachment.last + 1) / 4096 - 1; page++) this.pages.set(page, attachment);
  }

  protected override clear(first: number, last: number): void {
    for (let page = first / 4096; page <= (last + 1) / 4096 - 1; page++) this.pages.delete(page);
  }
}
