// What the guest wrote to its disks, by blocks, at several instants: only blocks that were written since the first of them take room.

import type { Overlay } from "../block/overlay.ts";
import type { Pc } from "./pc.ts";

type Block = Uint8Array | null;
/** Blocks that differ from the beginning, by medium: also of those that are in no drive now. */
export type DiskPages = ReadonlyMap<Overlay, ReadonlyMap<number, Block>>;

class Disk {
  readonly overlay: Overlay;
  /** Of each block that was ever written: what was held in the beginning. */
  private readonly origin = new Map<number, Block>();
  private current: ReadonlyMap<number, Block> = new Map();
  private readonly written = new Set<number>();

  constructor(overlay: Overlay) {
    this.overlay = overlay;
    overlay.onWrite = (block) => {
      if (this.written.has(block)) return;
      this.written.add(block);
      if (!this.origin.has(block)) this.origin.set(block, overlay.held(block));
    };
  }

  save(): ReadonlyMap<number, Block> {
    if (this.written.size === 0) return this.current;
    const next = new Map(this.current);
    for (const block of this.written) next.set(block, this.overlay.held(block));
    this.written.clear();
    this.current = next;
    return next;
  }

  load(wanted: ReadonlyMap<number, Block>): void {
    for (const [block, origin] of this.origin) {
      const target = wanted.has(block) ? wanted.get(block)! : origin;
      const known = this.current.has(block) ? this.current.get(block)! : origin;
      if (this.written.has(block) || target !== known) this.overlay.putBack(block, target);
    }
    this.written.clear();
    this.current = wanted;
  }
}

export class MachineDisks {
  private readonly pc: Pc;
  private readonly disks = new Map<Overlay, Disk>();

  constructor(pc: Pc) {
    this.pc = pc;
    this.look();
  }

  /** A medium that is new in a drive begins as it is now. */
  look(): void {
    for (const overlay of this.pc.writableMedia.values()) if (!this.disks.has(overlay)) this.disks.set(overlay, new Disk(overlay));
  }

  save(): DiskPages {
    return new Map([...this.disks].map(([overlay, disk]) => [overlay, disk.save()]));
  }

  load(pages: DiskPages): void {
    for (const [overlay, disk] of this.disks) disk.load(pages.get(overlay) ?? new Map());
  }
}
