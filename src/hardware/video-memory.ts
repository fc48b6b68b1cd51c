// The display memory of the linear modes, and which of its pages have changed since the picture was last drawn.
// The processor may write it without anybody noticing: then a page counts as changed from its first store until `clean`, and
// the board makes that first store noticeable again.

import type { Width } from "./device.ts";

export const VIDEO_MEMORY_BYTES = 16 << 20;
const PAGE_SHIFT = 12;
const PAGES = VIDEO_MEMORY_BYTES >> PAGE_SHIFT;

export class VideoMemory {
  readonly bytes: Uint8Array<ArrayBufferLike>;
  readonly view: DataView;
  /** How often a page that was clean has been written. */
  stores = 0;
  /** The end of what has ever been written. */
  used = 0;
  /** Stores to clean pages must be noticed from now on. */
  onClean: () => void = () => {};
  private readonly changed = new Uint8Array(PAGES);
  private anyChanged = false;

  constructor(bytes: Uint8Array<ArrayBufferLike> = new Uint8Array(VIDEO_MEMORY_BYTES)) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Whether stores into the page need not be noticed. */
  isChanged(page: number): boolean {
    return this.changed[page] !== 0;
  }

  read(offset: number, width: Width): number {
    if (offset + width > VIDEO_MEMORY_BYTES) return 2 ** (8 * width) - 1;
    if (width === 4) return this.view.getUint32(offset, true);
    return width === 2 ? this.view.getUint16(offset, true) : this.bytes[offset]!;
  }

  write(offset: number, width: Width, value: number): void {
    if (offset + width > VIDEO_MEMORY_BYTES) return;
    if (width === 4) this.view.setUint32(offset, value, true);
    else if (width === 2) this.view.setUint16(offset, value, true);
    else this.bytes[offset] = value;
    this.touch(offset >> PAGE_SHIFT);
    this.touch((offset + width - 1) >> PAGE_SHIFT);
  }

  private touch(page: number): void {
    if (this.changed[page] !== 0) return;
    this.changed[page] = 1;
    this.anyChanged = true;
    this.stores++;
    this.used = Math.max(this.used, (page + 1) << PAGE_SHIFT);
  }

  /** The picture is being drawn from what is there now. */
  clean(): void {
    if (!this.anyChanged) return;
    this.changed.fill(0, 0, this.used >> PAGE_SHIFT);
    this.anyChanged = false;
    this.onClean();
  }

  clear(): void {
    this.bytes.fill(0, 0, this.used);
    this.clean();
    this.used = 0;
    this.stores++;
  }

  load(bytes: Uint8Array): void {
    this.clear();
    this.bytes.set(bytes);
    for (let page = 0; page << PAGE_SHIFT < bytes.length; page++) this.touch(page);
  }
}
