// The map of the one shared WebAssembly.Memory: processor state, TLBs, decoded code, what the page reads, monitor pool, guest RAM.
// All areas are fixed but the last: guest RAM has the size that was asked for. The host commits pages as they are touched.

import { ImageError } from "../base/errors.ts";
import { JUMP_CACHE_BYTES } from "../cpu/interpreter.ts";
import type { TlbTables } from "../cpu/tlb.ts";
import { VIDEO_MEMORY_BYTES } from "../hardware/video-memory.ts";
import type { SharedLayout } from "../protocol/events.ts";
import { CODE_WINDOW_BYTES, TRUTH_BYTES } from "../protocol/register-view.ts";
import { SCREEN_BYTES } from "../protocol/screen-view.ts";
import { REGISTER_TRACE_BYTES } from "../protocol/register-trace.ts";
import { SOUND_BYTES } from "../protocol/sound-view.ts";
import { STATS_BYTES } from "../protocol/stats-view.ts";
import { SITE_TABLE_BYTES, TRAP_RING_BYTES } from "../protocol/trap-record.ts";

const MB = 1 << 20;
const WASM_PAGE = 1 << 16;

const JUMP_CACHE = 0x1_0000;
const CODE_CACHE_BYTES = 48 * MB;
/** Pages of the monitor: shadow tables, GDT, IDT, TSS. */
export const POOL_BYTES = 18 * MB;
/** Option ROMs, C0000h to DFFFFh. */
export const OPTION_ROM_BYTES = 128 * 1024;
/** A flash chip of the PC decodes FF000000h and up at most. */
export const LARGEST_BIOS = 16 * MB;
/** Option ROMs, and at the end the system BIOS, as the processor fetches them. */
export const ROM_BYTES = OPTION_ROM_BYTES + LARGEST_BIOS;

export const MINIMUM_RAM = 1 * MB;
export const MAXIMUM_RAM = 1024 * MB;

export interface MemoryMap {
  readonly memory: WebAssembly.Memory;
  readonly buffer: SharedArrayBuffer;
  readonly memoryPages: number;
  readonly jumpCache: number;
  readonly tlb: { readonly v: TlbTables; readonly h: TlbTables };
  readonly codeCacheBegin: number;
  readonly codeCacheEnd: number;
  readonly pool: number;
  readonly rom: number;
  /** Display memory of the linear modes. */
  readonly video: number;
  readonly ram: number;
  readonly ramBytes: number;
  readonly view: SharedLayout;
}

/** Allocates the memory of a machine. Throws an ImageError where the host has no room. */
export function allocateMemory(ramBytes: number): MemoryMap {
  let next = JUMP_CACHE + JUMP_CACHE_BYTES;
  const take = (bytes: number, alignment: number): number => {
    next = Math.ceil(next / alignment) * alignment;
    const at = next;
    next += bytes;
    return at;
  };
  const truth = take(TRUTH_BYTES, 64);
  const codeWindow = take(CODE_WINDOW_BYTES, 64);
  const stats = take(STATS_BYTES, 4096);
  const trapRing = take(TRAP_RING_BYTES, 4096);
  const trapSites = take(SITE_TABLE_BYTES, 4096);
  const registers = take(REGISTER_TRACE_BYTES, 4096);
  const sound = take(SOUND_BYTES, 4096);
  const screen = take(SCREEN_BYTES, 4096);
  const tables = (): TlbTables => ({
    readSupervisor: take(4 * MB, 4096), writeSupervisor: take(4 * MB, 4096), readUser: take(4 * MB, 4096), writeUser: take(4 * MB, 4096),
    code: take(4 * MB, 4096),
  });
  const tlb = { v: tables(), h: tables() };
  const codeCacheBegin = take(CODE_CACHE_BYTES, 4096);
  const pool = take(POOL_BYTES, 4096);
  const rom = take(ROM_BYTES, 4096);
  const video = take(VIDEO_MEMORY_BYTES, 4096);
  const ram = take(ramBytes, WASM_PAGE);
  const memoryPages = Math.ceil(next / WASM_PAGE);
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: true });
  } catch {
    throw new ImageError(`this host has no room for ${ramBytes / MB} MB of guest memory: choose a smaller --memory`);
  }
  return {
    memory,
    buffer: memory.buffer as unknown as SharedArrayBuffer,
    memoryPages,
    jumpCache: JUMP_CACHE,
    tlb,
    codeCacheBegin,
    codeCacheEnd: codeCacheBegin + CODE_CACHE_BYTES,
    pool,
    rom,
    video,
    ram,
    ramBytes,
    view: { trapRing, trapSites, stats, registers, screen, sound, truth, codeWindow, ram: { base: ram, bytes: ramBytes } },
  };
}
