// Paging and the TLB against a slow, obvious model: random page tables in every mode, random accesses, tables changed and invalidated in between.

import { describe, expect, it } from "vitest";
import { load, store, translateCode } from "../../src/cpu/linear-memory.ts";
import { CPL, CR0, CR2, CR3, CR4, EAX, ECX, EDX, EFLAGS_SHARED } from "../../src/isa/state-layout.ts";
import { BareCpu, RAM_BYTES } from "../support/bare-cpu.ts";
import { type Access, PagingModel, type PagingMode } from "../support/paging-model.ts";
import { createPrng, type Prng } from "../support/prng.ts";

const PE = 1, WP = 0x1_0000, AM = 0x4_0000, PG = 0x8000_0000, PSE = 0x10, PAE = 0x20, PGE = 0x80;
const P = 1, PS = 0x80, AC = 0x4_0000, NXE = 0x800;
/** The first pages of RAM: directories, tables, and frames. Accesses store to frames and large pages alone. */
const PAGES = 48, DIRECTORIES = 4, TABLE_PAGES = 8;
/** Linear addresses use few table slots, so that random tables are full of what they meet. */
const SLOTS_32 = [0, 1, 2, 1022, 1023], SLOTS_PAE = [0, 1, 256, 511];

interface World {
  readonly b: BareCpu;
  readonly model: PagingModel;
  readonly random: Prng;
  readonly alignment: boolean;
  readonly pge: boolean;
}

function randomFlags(random: Prng): number {
  // Present, writable and user more often than not; the rest as it comes.
  let flags = 0;
  for (const [bit, oneIn] of [[0, 8], [1, 3], [2, 3]] as const) if (!random.oneIn(oneIn)) flags |= 1 << bit;
  for (const bit of [3, 4, 5, 6, 8, 9]) if (random.oneIn(2)) flags |= 1 << bit;
  if (random.oneIn(4)) flags |= PS;
  return flags;
}

/** A directory's entry names a table (or, recursively, a directory) or a large page, a table's any page; at times far beyond the bus. */
function randomEntry({ random, model: { mode: { pae, pse } } }: World, table: number): bigint {
  const flags = randomFlags(random);
  const isDirectory = table < DIRECTORIES * 4096;
  let low = (random.below(isDirectory ? TABLE_PAGES : PAGES) * 4096) | flags;
  if (flags & PS && random.oneIn(2)) low &= ~(pae ? 0x1f_f000 : 0x3f_f000);
  if (flags & PS && (pae || pse) && random.oneIn(8)) low |= 1 << (12 + random.below(9));
  if (!pae) return BigInt(low >>> 0);
  let high = 0;
  if (random.oneIn(4)) high |= 0x8000_0000;
  if (random.oneIn(8)) high |= 1 << random.below(32);
  return BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);
}

function writeEntry({ b, model }: World, table: number, slot: number, entry: bigint): void {
  const at = table + slot * (model.mode.pae ? 8 : 4);
  const low = Number(entry & 0xffff_ffffn) | 0;
  if (model.mode.pae) b.w32(at, low, Number(entry >> 32n) | 0);
  else b.w32(at, low);
  model.write(BigInt(at), model.mode.pae ? 8 : 4, entry);
}

function control(b: BareCpu, n: number, value: number): void {
  b.call("writeControl", n, value | 0);
  const fault = b.fault();
  if (fault) throw new Error(`MOV CR${n}, ${value.toString(16)}: ${fault}`);
}

function ramOf(b: BareCpu): Uint8Array {
  return new Uint8Array(b.view.buffer, b.view.byteOffset, RAM_BYTES);
}

function createWorld(random: Prng): World {
  const b = new BareCpu();
  const kind = random.below(8);
  const paging = kind !== 0, pae = kind >= 4, pse = random.oneIn(2), wp = random.oneIn(2), nxe = pae && random.oneIn(2), pge = random.oneIn(2);
  const cr3 = pae ? random.below(DIRECTORIES) * 4096 + random.below(128) * 32 : random.below(DIRECTORIES) * 4096;
  for (let at = TABLE_PAGES * 4096; at < PAGES * 4096; at += 4) b.w32(at, random.next() | 0);
  const ram = ramOf(b).slice();
  const mode: PagingMode = { paging, pae, pse, wp, nxe, cr3, pdptes: [] };
  const world: World = { b, model: new PagingModel(ram, mode), random, alignment: random.oneIn(4), pge };
  if (paging) {
    const slots = pae ? SLOTS_PAE : SLOTS_32;
    for (let table = 0; table < TABLE_PAGES; table++) for (const slot of slots) writeEntry(world, table * 4096, slot, randomEntry(world, table * 4096));
  }
  const pointers: bigint[] = [];
  for (let i = 0; i < 4 && pae; i++) {
    const present = random.oneIn(6) ? 0 : P, high = random.oneIn(16) ? random.below(16) : 0;
    const pointer = BigInt(random.below(DIRECTORIES) * 4096 | present | (present ? 0 : 0x1e6)) | (BigInt(high) << 32n);
    pointers.push(pointer);
    b.w32(cr3 + i * 8, Number(pointer & 0xffff_ffffn) | 0, Number(pointer >> 32n));
    world.model.write(BigInt(cr3 + i * 8), 8, pointer);
  }
  world.model.mode = { ...mode, pdptes: pointers };
  if (nxe) {
    b.cpu.state.setGpr(ECX, 0xc000_0080 | 0);
    b.cpu.state.setGpr(EAX, NXE);
    b.cpu.state.setGpr(EDX, 0);
    b.call("writeMsr");
  }
  control(b, 4, (pae ? PAE : 0) | (pse ? PSE : 0) | (pge ? PGE : 0));
  control(b, 3, cr3);
  control(b, 0, PE | AM | (wp ? WP : 0) | (paging ? PG : 0));
  return world;
}

function randomLinear({ random, model }: World): number {
  const offset = random.oneIn(3) ? 0xffd + random.below(3) : random.below(4096);
  if (!model.mode.paging) return random.below(PAGES - 1) * 4096 + offset;
  const slots = model.mode.pae ? SLOTS_PAE : SLOTS_32;
  const top = model.mode.pae ? random.below(4) * 2 ** 30 + random.pick(slots) * 2 ** 21 : random.pick(slots) * 2 ** 22;
  return (top + random.pick(slots) * 4096 + offset) >>> 0;
}

/** The byte addresses of an access as the model has them, or the fault. */
function locate(model: PagingModel, linear: number, bytes: number, access: Access): bigint[] | string {
  const first = model.translate(linear, access);
  if ("error" in first) return `#14(${first.error.toString(16)}) ${linear.toString(16)}`;
  const inFirst = Math.min(bytes, 4096 - (linear & 0xfff));
  const addresses = Array.from({ length: inFirst }, (_, i) => first.physical + BigInt(i));
  if (inFirst === bytes) return addresses;
  const next = (linear + inFirst) >>> 0, second = model.translate(next, access);
  if ("error" in second) return `#14(${second.error.toString(16)}) ${next.toString(16)}`;
  for (let i = 0; i < bytes - inFirst; i++) addresses.push(second.physical + BigInt(i));
  return addresses;
}

function faultOf(b: BareCpu): string {
  const cr2 = b.cpu.context.get(CR2) >>> 0, fault = b.fault();
  return fault.startsWith("#14") ? `${fault} ${cr2.toString(16)}` : fault;
}

/** One access on both; what the model says and what the processor did. */
function access(world: World): readonly [expected: string, actual: string] {
  const { b, model, random } = world;
  const user = random.oneIn(2), linear = randomLinear(world), kind = random.below(5);
  b.cpu.context.set(CPL, user ? 3 : 0);
  b.cpu.state.write(EFLAGS_SHARED, world.alignment ? AC : 0);
  b.cpu.updateMode();
  if (kind === 4) {
    const place = model.translate(linear, { write: false, user, fetch: true });
    const entry = translateCode(b.cpu, linear | 0);
    // Beyond 4 GB the bus gives FF FF, which is no instruction.
    const expected = "error" in place ? `#14(${place.error.toString(16)}) ${linear.toString(16)}` : place.physical >> 32n ? "#6" : `${place.physical >> 12n}`;
    return [expected, faultOf(b) || `${entry >>> 12}`];
  }
  const bytes = random.pick([1, 2, 4] as const), write = kind < 2;
  const where = locate(model, linear, bytes, { write, user, fetch: false });
  const misaligned = world.alignment && user && linear % bytes !== 0;
  if (!write) {
    const value = load(b.cpu, linear | 0, bytes, user) >>> 0;
    const expected = typeof where === "string" ? where : misaligned ? "#17(0)" : where.reduce((sum, at, i) => sum + Number(model.read(at, 1)) * 256 ** i, 0).toString();
    return [expected, faultOf(b) || value.toString()];
  }
  const value = random.next();
  // The tables are changed by `edit` alone: stores into them would have to be followed by an invalidation.
  if (typeof where !== "string" && where.some((address) => address < BigInt(TABLE_PAGES * 4096))) {
    model.ram.set(ramOf(b));
    return ["", ""];
  }
  store(b.cpu, linear | 0, bytes, value | 0, user);
  const expected = typeof where === "string" ? where : misaligned ? "#17(0)" : "";
  if (expected === "" && typeof where !== "string") where.forEach((at, i) => model.write(at, 1, BigInt((value >>> (8 * i)) & 0xff)));
  return [expected, faultOf(b)];
}

/** An entry changes, and software invalidates as it must: by INVLPG, by CR3 where no page was global, by CR4.PGE. */
function edit(world: World): void {
  const { b, model, random } = world;
  if (!model.mode.paging) return;
  const { pae } = model.mode;
  const table = random.below(TABLE_PAGES) * 4096;
  writeEntry(world, table, random.pick(pae ? SLOTS_PAE : SLOTS_32), randomEntry(world, table));
  if (pae) {
    // The pointers in memory may have been what changed: they count when CR3 is written, and only if they are right.
    for (let i = 0; i < 4; i++) {
      b.w32(model.mode.cr3 + i * 8, Number(model.mode.pdptes[i]! & 0xffff_ffffn) | 0, Number(model.mode.pdptes[i]! >> 32n));
      model.write(BigInt(model.mode.cr3 + i * 8), 8, model.mode.pdptes[i]!);
    }
  }
  if (world.pge) {
    control(b, 4, b.cpu.context.get(CR4) & ~PGE);
    control(b, 4, b.cpu.context.get(CR4) | PGE);
  } else if (random.oneIn(2)) control(b, 3, b.cpu.context.get(CR3));
  else {
    // Accesses across a boundary touch the next page as well.
    const slots = pae ? SLOTS_PAE : SLOTS_32;
    for (let g = 0; g < (pae ? 4 : 1); g++) for (const top of slots) for (const low of slots) for (const next of [0, 4096]) {
      b.call("invalidatePage", (g * 2 ** 30 + top * (pae ? 2 ** 21 : 2 ** 22) + low * 4096 + next) | 0);
    }
  }
}

describe("paging", () => {
  it.each(Array.from({ length: 12 }, (_, i) => i + 1))("does what a slow model does, seed %d", (seed) => {
    const random = createPrng(seed);
    const seen = { fault: 0, value: 0 };
    for (let round = 0; round < 12; round++) {
      const world = createWorld(random);
      for (let step = 0; step < 120; step++) {
        if (random.oneIn(10)) edit(world);
        const [expected, actual] = access(world);
        if (expected !== actual) expect.fail(`seed ${seed}, world ${round}, step ${step}: ${actual || "done"}, the model says ${expected || "done"} ${JSON.stringify({ ...world.model.mode, pdptes: world.model.mode.pdptes.map(String), cr0: world.b.cpu.context.get(CR0) })}`);
        seen[expected.startsWith("#") ? "fault" : "value"]++;
      }
      const ours = ramOf(world.b);
      const different = Buffer.compare(ours, world.model.ram) === 0 ? -1 : ours.findIndex((byte, at) => byte !== world.model.ram[at]);
      expect(different === -1 ? "" : `seed ${seed}, world ${round}: byte ${different.toString(16)} is ${ours[different]?.toString(16)}, in the model ${world.model.ram[different]?.toString(16)}`).toBe("");
    }
    // Both outcomes are common, or the tables would prove nothing.
    expect(Math.min(seen.fault, seen.value)).toBeGreaterThan(200);
  });
});
