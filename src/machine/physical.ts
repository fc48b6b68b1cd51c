// The physical address space of the PC: RAM, the hole of the video memory, ROM and its shadow RAM, devices, nothing.

import type { PhysicalSpace } from "../cpu/physical-space.ts";
import type { MmioBus } from "../hardware/bus.ts";
import type { PhysicalMemory, Width } from "../hardware/device.ts";
import { VIDEO_MEMORY_BYTES, VideoMemory } from "../hardware/video-memory.ts";
import { type MemoryMap, OPTION_ROM_BYTES, POOL_BYTES, ROM_BYTES } from "./shared-memory.ts";

const PAGE_SHIFT = 12;
const VIDEO_FIRST = 0xa0, VIDEO_LAST = 0xbf;
const SHADOW_FIRST = 0xc0, SHADOW_LAST = 0xff;
/** What of the system BIOS shows below 1 MB. */
const LOW_BIOS_BYTES = 0x2_0000;
const VIDEO_PAGES = VIDEO_MEMORY_BYTES >>> PAGE_SHIFT;
const NOWHERE = Infinity;
/** First physical page of the monitor's pool in the space of context H: no guest RAM reaches it. */
export const POOL_PAGE = 0x8_0000;

/** What the guest's processor sees: context V. */
export class GuestPhysical implements PhysicalSpace {
  a20Mask = ~0;
  /** RAM and nothing else, as a bare processor has it: no video memory, no ROM, no windows. */
  plain = false;
  private readonly map: MemoryMap;
  private readonly mmio: MmioBus;
  private readonly u8: Uint8Array;
  private readonly ramPages: number;
  /** By page C0h-FFh: bit 0 reads from RAM, bit 1 writes to RAM (the PAM registers of the host bridge). */
  private readonly shadow = new Uint8Array(SHADOW_LAST - SHADOW_FIRST + 1);
  private biosBytes = 0;
  /** Display memory of the linear modes; its stores come through the bus where it is not mapped here. */
  readonly video: VideoMemory;
  private videoBase: number | null = null;
  private videoPage = NOWHERE;
  /** The processor reaches display memory as it reaches RAM. */
  videoMapped = true;
  private optionBytes = 0;
  /** Stores by bus masters into pages that hold decoded code. */
  codeWritten: (physical: number, length: number) => void = () => {};
  /** Of the whole memory, as the processor marks them (cpu/state.ts). */
  dirtyPages: Uint8Array = new Uint8Array(0);
  isCode: (physicalPage: number) => boolean = () => false;

  constructor(map: MemoryMap, mmio: MmioBus) {
    this.map = map;
    this.mmio = mmio;
    this.u8 = new Uint8Array(map.buffer);
    this.ramPages = map.ramBytes >>> PAGE_SHIFT;
    this.video = new VideoMemory(this.u8.subarray(map.video, map.video + VIDEO_MEMORY_BYTES));
  }

  /** System BIOS: ends at FFFFFFFFh, and the last 128 KB of it at FFFFFh. */
  setBios(image: Uint8Array): void {
    this.biosBytes = image.length;
    this.u8.set(image, this.map.rom + ROM_BYTES - image.length);
  }

  /** Option ROM at C0000h. */
  setOptionRom(image: Uint8Array): void {
    this.optionBytes = (image.length + 0xfff) & ~0xfff;
    this.u8.fill(0xff, this.map.rom, this.map.rom + OPTION_ROM_BYTES);
    this.u8.set(image, this.map.rom);
  }

  /** Host bridge: where 16 KB (or 64 KB) of C0000-FFFFF are read and written. Flush the TLB after it. */
  setShadow(physical: number, bytes: number, readRam: boolean, writeRam: boolean): void {
    const first = physical >>> PAGE_SHIFT;
    this.shadow.fill((readRam ? 1 : 0) | (writeRam ? 2 : 0), first - SHADOW_FIRST, first - SHADOW_FIRST + (bytes >>> PAGE_SHIFT));
  }

  /** Where the display memory answers. Flush the TLB after it. */
  placeVideo(base: number | null): void {
    this.videoBase = base;
    this.videoPage = base === null || !this.videoMapped ? NOWHERE : base >>> PAGE_SHIFT;
  }

  /** Under a monitor display memory is a device: every access is the monitor's to see. Flush the TLB after it. */
  mapVideo(mapped: boolean): void {
    this.videoMapped = mapped;
    this.placeVideo(this.videoBase);
  }

  hostPage(page: number): number {
    const inVideo = page - this.videoPage;
    if (inVideo >= 0 && inVideo < VIDEO_PAGES) return this.map.video + inVideo * 4096;
    if (page < this.ramPages && (page < VIDEO_FIRST || page > SHADOW_LAST || this.plain)) return this.map.ram + page * 4096;
    if (page >= VIDEO_FIRST && page <= VIDEO_LAST) return 0;
    if (page >= SHADOW_FIRST && page <= SHADOW_LAST) {
      if (this.shadow[page - SHADOW_FIRST]! & 1) return this.map.ram + page * 4096;
      return this.romPage(page);
    }
    const fromTop = 0x10_0000 - page;
    return fromTop > 0 && fromTop * 4096 <= this.biosBytes ? this.map.rom + ROM_BYTES - fromTop * 4096 : 0;
  }

  /** ROM behind a page of C0000-FFFFF, 0 where there is none. */
  private romPage(page: number): number {
    const fromTop = 0x100 - page;
    if (fromTop * 4096 <= this.biosBytes && fromTop * 4096 <= LOW_BIOS_BYTES) return this.map.rom + ROM_BYTES - fromTop * 4096;
    const offset = (page - SHADOW_FIRST) * 4096;
    return offset < this.optionBytes ? this.map.rom + offset : 0;
  }

  isReadOnly(page: number): boolean {
    const inVideo = page - this.videoPage;
    // The first store into a page is noticed, so that the picture is drawn anew.
    if (inVideo >= 0 && inVideo < VIDEO_PAGES) return !this.video.isChanged(inVideo);
    if (page >= SHADOW_FIRST && page <= SHADOW_LAST && !this.plain) return (this.shadow[page - SHADOW_FIRST]! & 3) !== 3;
    return page >= this.ramPages;
  }

  read(physical: number, width: Width): number {
    return this.mmio.read(physical >>> 0, width);
  }

  write(physical: number, width: Width, value: number): void {
    const page = physical >>> PAGE_SHIFT;
    if (page >= SHADOW_FIRST && page <= SHADOW_LAST) {
      if (!(this.shadow[page - SHADOW_FIRST]! & 2)) return;
      for (let i = 0; i < width; i++) this.u8[this.map.ram + physical + i] = value >>> (8 * i);
      this.dirtyPages[(this.map.ram + physical) >>> 12] = this.dirtyPages[(this.map.ram + physical + width - 1) >>> 12] = 1;
      if (this.isCode(page)) this.codeWritten(physical, width);
      return;
    }
    this.mmio.write(physical >>> 0, width, value);
  }

  // --- as bus masters and the library see it; `read` and `write` above are the processor's

  readBytes(physical: number, into: Uint8Array): void {
    this.chunks(physical, into.length, (address, at, length) => {
      const host = this.hostPage(address >>> PAGE_SHIFT);
      if (host !== 0) into.set(this.u8.subarray(host + (address & 0xfff), host + (address & 0xfff) + length), at);
      else for (let i = 0; i < length; i++) into[at + i] = this.read(address + i, 1);
    });
  }

  writeBytes(physical: number, from: Uint8Array): void {
    this.chunks(physical, from.length, (address, at, length) => {
      const page = address >>> PAGE_SHIFT;
      const host = this.hostPage(page);
      if (host !== 0 && !this.isReadOnly(page)) {
        this.u8.set(from.subarray(at, at + length), host + (address & 0xfff));
        this.dirtyPages[host >>> 12] = 1;
        if (this.isCode(page)) this.codeWritten(address, length);
      } else for (let i = 0; i < length; i++) this.write(address + i, 1, from[at + i]!);
    });
  }

  /** The space as devices get it. */
  readonly busMaster: PhysicalMemory = {
    read: (physical, into) => this.readBytes(physical, into),
    write: (physical, from) => this.writeBytes(physical, from),
  };

  private chunks(physical: number, length: number, each: (address: number, at: number, length: number) => void): void {
    for (let at = 0; at < length; ) {
      const address = (physical + at) >>> 0;
      const part = Math.min(length - at, 4096 - (address & 0xfff));
      each(address, at, part);
      at += part;
    }
  }
}

/** What the silicon sees while a monitor is attached, context H: guest RAM and ROM, and the monitor's pool behind them. */
export class HardwarePhysical implements PhysicalSpace {
  readonly a20Mask = ~0;
  private readonly guest: GuestPhysical;
  private readonly pool: number;

  constructor(guest: GuestPhysical, map: MemoryMap) {
    this.guest = guest;
    this.pool = map.pool;
  }

  hostPage(page: number): number {
    const inPool = page - POOL_PAGE;
    if (inPool >= 0 && inPool < POOL_BYTES >>> PAGE_SHIFT) return this.pool + inPool * 4096;
    return this.guest.hostPage(page);
  }

  isReadOnly(page: number): boolean {
    const inPool = page - POOL_PAGE;
    return !(inPool >= 0 && inPool < POOL_BYTES >>> PAGE_SHIFT) && this.guest.isReadOnly(page);
  }

  /** No shadow page table maps a device: reached only if the monitor made a mistake. */
  read(physical: number, width: Width): number {
    return this.guest.read(physical, width);
  }

  write(physical: number, width: Width, value: number): void {
    this.guest.write(physical, width, value);
  }
}
