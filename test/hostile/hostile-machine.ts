// A machine that hostile guests run in, and the proof that they stay in it: what lies around guest RAM in the shared memory
// keeps its bytes, no translation leads anywhere else, and no access of a guest's own reaches a page of the monitor's.

import { builtinBios, builtinVgaBios } from "../../src/firmware/bios.ts";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import { VIDEO_MEMORY_BYTES } from "../../src/hardware/video-memory.ts";
import { POOL_BYTES, ROM_BYTES } from "../../src/machine/shared-memory.ts";
import { BUILT_TECHNIQUES } from "../../src/machine/supervisor.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../../src/protocol/technique.ts";
import { createPrng, type Prng } from "../support/prng.ts";
import { randomDeviceAccess } from "./random-devices.ts";
import { RAM_BYTES, randomWorld } from "./random-world.ts";

/** What the guests run on. */
export interface HostileWorld {
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly jit: boolean;
  readonly set: ProcessorSet;
}

const VARIANTS: readonly (readonly [TechniqueId, Ring, ProcessorSet])[] = [
  ["trap", 1, { vme: true, tricks: true, shadow: "cached" }], ["int3", 1, { vme: true, shadow: "unsync" }], ["scan", 3, { "scan-views": "harvard", vme: true }],
  ["scan", 3, { tlb: "p6", scan: "lax" }], ["hybrid", 1, { hybrid: "kernel" }], ["translate", 1, { shadow: "batch" }], ["translate", 1, { shadow: "drop-all" }], ["vtx", 1, { shadow: "drop-all" }], ["vtx", 1, { shadow: "unsync" }],
];

/** The bare processor, interpreted and translated; every technique at both rings; and their settings, some at a time. */
export const HOSTILE_WORLDS: readonly HostileWorld[] = [
  { technique: "emulate", ring: 1, jit: false, set: {} }, { technique: "emulate", ring: 1, jit: true, set: {} },
  ...BUILT_TECHNIQUES.filter((id) => id !== "emulate").flatMap((technique) => ([1, 3] as const).map((ring) => ({ technique, ring, jit: false, set: {} }))),
  ...VARIANTS.map(([technique, ring, set]) => ({ technique, ring, jit: false, set })),
];

export function worldName({ technique, ring, jit, set }: HostileWorld): string {
  return [`${technique}/${ring}`, ...Object.entries(set).map(([name, value]) => `${name}=${value === true ? "on" : value}`), ...(jit ? ["translated"] : [])].join(" ");
}

export const KINDS = ["code", "tables", "devices"] as const;
export type HostileKind = (typeof KINDS)[number];

const PAGES = 1 << 20, INVALID = 0xfff, PAGE_MASK = 0xfff;
const CANARY = 0xa7;
const EMPTY_STRETCH = new Int32Array(1024).fill(INVALID);
const EMPTY_BYTES = new Uint8Array(EMPTY_STRETCH.buffer);
/** Instructions of one guest; it is cut into slices, between which the host could do something else. */
const EPISODE = 6_000, SLICE = 1_500;
const DEVICE_ACCESSES = 400;

function blank(size: number): { readonly size: number; read(offset: number, into: Uint8Array): void } {
  return { size, read: (_offset, into) => void into.fill(0x5a) };
}

export class HostileMachine {
  readonly machine: Machine;
  readonly name: string;
  /** Host addresses of what must not change: from, to. */
  private readonly guarded: (readonly [number, number])[];
  private readonly before: Uint8Array[];
  private readonly u8: Uint8Array;
  private readonly i32: Int32Array;

  constructor(world: HostileWorld) {
    const { technique, ring, jit, set } = world;
    this.name = worldName(world);
    this.machine = new Machine({
      memoryBytes: RAM_BYTES, technique, ring, set, clock: "virtual", firmware: { bios: builtinBios(), vgabios: builtinVgaBios() },
      drives: { hda: blank(4 << 20), cdrom: blank(64 << 10), fda: blank(1440 << 10) }, jit: jit && { threshold: 20, promotion: 200, batch: 4, patience: 5000 },
    });
    const { map, supervisor } = this.machine;
    supervisor.probes.isolationBroken = ({ linear, write }) => {
      throw new Error(`the guest ${write ? "stored to" : "read"} a page of the monitor's, at ${(linear >>> 0).toString(16)}`);
    };
    this.u8 = new Uint8Array(map.buffer);
    this.i32 = new Int32Array(map.buffer);
    const poolEnd = map.pool + POOL_BYTES;
    const videoEnd = map.video + VIDEO_MEMORY_BYTES;
    // The null page, the ROM, what lies between the areas and, where no monitor uses it, the pool. Behind RAM there is nothing: WebAssembly itself traps.
    this.guarded = [[0, 0x1000], [technique === "emulate" ? map.pool : poolEnd, map.video], [videoEnd, map.ram]];
    this.u8.fill(CANARY, poolEnd, map.rom);
    this.u8.fill(CANARY, map.rom + ROM_BYTES, map.video);
    this.u8.fill(CANARY, videoEnd, map.ram);
    this.before = this.guarded.map(([from, to]) => this.u8.slice(from, to));
    if (map.ram + map.ramBytes !== map.buffer.byteLength) throw new Error("something lies behind guest RAM");
  }

  /** One guest from its seed. Throws what the machine throws, or an Error that says what the guest broke. */
  episode(kind: HostileKind, seed: number): void {
    const { machine } = this;
    const random = createPrng(seed);
    machine.reset();
    const world = randomWorld(random, { wild: kind === "tables", system: kind === "tables" ? 45 : 12 });
    machine.physical.writeBytes(0, world.ram.subarray(0, 0xa_0000));
    machine.physical.writeBytes(0x10_0000, world.ram.subarray(0x10_0000));
    setGuestRegisters(machine, world.registers);
    if (kind === "devices") this.disturbDevices(random);
    for (let ran = 0; ran < EPISODE; ran += SLICE) {
      const reason = machine.run(SLICE);
      if (kind === "devices") this.disturbDevices(random);
      if (reason !== "budget" && reason !== "break" && reason !== "halted" && kind !== "devices") break;
    }
    this.check();
  }

  private disturbDevices(random: Prng): void {
    for (let n = 0; n < DEVICE_ACCESSES; n++) randomDeviceAccess(this.machine, random);
  }

  private check(): void {
    this.guarded.forEach(([from, to], n) => {
      const before = this.before[n]!, now = this.u8.subarray(from, to);
      if (Buffer.compare(now, before) === 0) return;
      const at = now.findIndex((byte, i) => byte !== before[i]);
      const place = from + at, { rom } = this.machine.map;
      throw new Error(`a byte outside of guest RAM changed: ${place.toString(16)}, ${place < rom ? "before the ROM" : `offset ${(place - rom).toString(16)} of the ROM`}`);
    });
    const { tlb } = this.machine.map;
    this.checkTables(tlb.v);
    if (this.machine.cpu.hostAttached || this.machine.supervisor.technique === "vtx") this.checkTables(tlb.h);
  }

  /** Every entry of the translation tables leads to guest RAM or the memory of the video card; to ROM for reading. None leads to the monitor's pool: the processor reads its tables there past them. */
  private checkTables(tables: Machine["map"]["tlb"]["v"]): void {
    const { map } = this.machine;
    const inRam = (host: number): boolean => (host >= map.ram && host < map.ram + map.ramBytes) || (host >= map.video && host < map.video + VIDEO_MEMORY_BYTES);
    const inRom = (host: number): boolean => host >= map.rom && host < map.rom + ROM_BYTES;
    for (const [table, writes] of [[tables.readSupervisor, false], [tables.readUser, false], [tables.writeSupervisor, true], [tables.writeUser, true]] as const) {
      const first = table >> 2;
      for (let page = 0; page < PAGES; page++) {
        // Nearly all is empty, and stretches of it are compared faster than looked at.
        if (page % EMPTY_STRETCH.length === 0 && Buffer.compare(this.u8.subarray(table + page * 4, table + page * 4 + EMPTY_STRETCH.byteLength), EMPTY_BYTES) === 0) {
          page += EMPTY_STRETCH.length - 1;
          continue;
        }
        const entry = this.i32[first + page]!;
        if ((entry & PAGE_MASK) === INVALID) continue;
        const host = (entry + page * 4096) >>> 0;
        if ((entry & PAGE_MASK) === 0 && (inRam(host) || (!writes && inRom(host)))) continue;
        throw new Error(`the ${writes ? "write" : "read"} translation of linear page ${page.toString(16)} leads to ${host.toString(16)}, which is not the guest's`);
      }
    }
  }
}
