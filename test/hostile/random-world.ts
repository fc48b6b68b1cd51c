// Guests that nobody would write: random code, registers, page tables and descriptors, all from one seed.

import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { RegisterPart } from "../../src/machine/guest-registers.ts";
import type { Prng } from "../support/prng.ts";
import { encodeRow } from "../support/row-encoder.ts";

export const PAGE = 4096;
export const RAM_BYTES = 2 << 20;
const PAGES = RAM_BYTES / PAGE;
/** Pages of code of which RAM is made. */
const DIFFERENT_PAGES = 12;

/** Instructions that change what all others mean. */
const SYSTEM_ROWS = ROWS.filter((row) => row.privileged || row.sensitivity || /^(JMPF|CALLF|RETF|IRET|INT|ENTER|BOUND|LEAVE|RSM|FXSAVE|FXRSTOR)/.test(row.mnemonic));
const BRANCH_ROWS = ROWS.filter((row) => row.operands.some((code) => code === "Jb" || code === "Jz"));
const STRING_ROWS = ROWS.filter((row) => row.string);

export function randomCode(random: Prng, length: number, code32: boolean, system: number): number[] {
  const bytes: number[] = [];
  while (bytes.length < length) {
    const kind = random.below(100);
    if (kind < 8) bytes.push(...Array.from({ length: 1 + random.below(6) }, () => random.below(256)));
    else {
      const rows = kind < 8 + system ? SYSTEM_ROWS : kind < 80 ? ROWS : kind < 90 ? BRANCH_ROWS : STRING_ROWS;
      bytes.push(...encodeRow(random.pick(rows), random, { code32, prefixRate: 5, immediate: (r) => (r.oneIn(3) ? r.below(RAM_BYTES) : r.next()) }).bytes);
    }
  }
  return bytes.slice(0, length);
}

const SYSTEM_TYPES = [1, 2, 3, 4, 5, 6, 7, 9, 0xb, 0xc, 0xe, 0xf];

/** Eight bytes of a descriptor: mostly a segment or gate that could work. */
export function randomDescriptor(random: Prng): number[] {
  if (random.oneIn(12)) return Array.from({ length: 8 }, () => random.below(256));
  const system = random.oneIn(3);
  const type = system ? random.pick(SYSTEM_TYPES) : 0x10 | random.below(16);
  const access = type | (random.pick([0, 0, 1, 2, 3, 3]) << 5) | (random.oneIn(8) ? 0 : 0x80);
  const gate = system && (type === 4 || type === 5 || type === 6 || type === 7 || type >= 0xc);
  if (gate) {
    const offset = random.below(RAM_BYTES), selector = (random.below(32) << 3) | random.below(8);
    return [offset & 0xff, (offset >> 8) & 0xff, selector & 0xff, selector >> 8, random.below(32), access, (offset >> 16) & 0xff, offset >>> 24];
  }
  const base = random.oneIn(3) ? 0 : random.oneIn(8) ? random.next() : random.below(RAM_BYTES);
  const limit = random.oneIn(3) ? 0xf_ffff : random.below(1 << 20);
  const flags = random.below(16) & ~2;
  return [limit & 0xff, (limit >> 8) & 0xff, base & 0xff, (base >> 8) & 0xff, (base >> 16) & 0xff, access, ((limit >> 16) & 0xf) | (flags << 4), base >>> 24];
}

function randomEntry(random: Prng, wild: boolean): number {
  if (random.oneIn(wild ? 4 : 40)) return random.next();
  const flags = (random.oneIn(wild ? 6 : 60) ? 0 : 1) | (random.oneIn(wild ? 3 : 20) ? 0 : 2) | (random.oneIn(2) ? 4 : 0) | (random.next() & 0x178);
  return random.below(PAGES) * PAGE | flags;
}

/** What a world is made of; `wild` tables say anything at all. */
export interface WorldOptions {
  readonly wild: boolean;
  /** How many instructions in a hundred are system instructions. */
  readonly system: number;
}

export interface World {
  readonly ram: Uint8Array;
  readonly registers: RegisterPart;
}

const CR0_PE = 1, CR0_MP = 2, CR0_ET = 0x10, CR0_NE = 0x20, CR0_WP = 0x1_0000, CR0_AM = 0x4_0000, CR0_PG = 0x8000_0000;
const CR4 = { vme: 1, pvi: 2, tsd: 4, de: 8, pse: 0x10, pae: 0x20, pge: 0x80, osfxsr: 0x200, osxmmexcpt: 0x400 };
const VM = 0x2_0000;

export function randomWorld(random: Prng, { wild, system }: WorldOptions): World {
  const ram = new Uint8Array(RAM_BYTES), view = new DataView(ram.buffer);
  const mode = random.pick(["real", "real", "v86", "pm16", "pm32", "pm32", "pm32"] as const);
  const code32 = mode === "pm32";
  const page = (): number => (1 + random.below(0x9e)) * PAGE; // below the video memory
  const [gdt, idt, ldt, tss, tss2, directory] = Array.from({ length: 6 }, page) as [number, number, number, number, number, number];
  const code = Array.from({ length: DIFFERENT_PAGES }, () => randomCode(random, PAGE, random.oneIn(6) ? !code32 : code32, system));
  for (let at = 0; at < RAM_BYTES; at += PAGE) if (!random.oneIn(8)) ram.set(random.pick(code), at);
  const fill = (at: number, count: number, make: () => number[]): void => {
    for (let n = 0; n < count; n++) ram.set(make(), at + n * 8);
  };
  for (const table of [gdt, ldt]) fill(table, 64, () => randomDescriptor(random));
  const FLAT = [0xff, 0xff, 0, 0, 0];
  // 8: code, 10h: data, 18h, 20h: the same of ring 3, 28h: TSS, 30h: LDT, 38h: TSS.
  const known = [[0, 0, 0, 0, 0, 0, 0, 0], [...FLAT, 0x9b, code32 ? 0xcf : 0x8f, 0], [...FLAT, 0x93, 0xcf, 0], [...FLAT, 0xfb, code32 ? 0xcf : 0x8f, 0], [...FLAT, 0xf3, 0xcf, 0],
    [0x67, 0x20, tss & 0xff, (tss >> 8) & 0xff, tss >> 16, 0x8b, 0, 0], [0xff, 1, ldt & 0xff, (ldt >> 8) & 0xff, ldt >> 16, 0x82, 0, 0],
    [0x67, 0, tss2 & 0xff, (tss2 >> 8) & 0xff, tss2 >> 16, 0x89, 0, 0]];
  known.forEach((descriptor, n) => {
    if (n === 1 || !wild || !random.oneIn(6)) ram.set(descriptor, gdt + n * 8);
  });
  const gate = (): number[] => {
    if (wild && random.oneIn(4)) return randomDescriptor(random);
    const offset = page() + random.below(PAGE), selector = random.oneIn(20) ? random.below(512) : random.oneIn(16) ? 0x38 : 8;
    const type = selector === 0x38 ? 5 : code32 || random.oneIn(2) ? random.pick([0xe, 0xf]) : random.pick([6, 7]);
    return [offset & 0xff, (offset >> 8) & 0xff, selector & 0xff, selector >> 8, 0, 0x80 | (random.oneIn(2) ? 0x60 : 0) | type, (offset >> 16) & 0xff, 0];
  };
  if (mode !== "real") fill(idt, 256, gate);
  else for (let n = 0; n < 256; n++) view.setUint32(n * 4, (random.below(0x9000) << 16) | random.below(0x1000), true);
  for (const at of [tss, tss2]) {
    for (let n = 0; n < 26; n++) view.setUint32(at + n * 4, random.below(RAM_BYTES), true);
    [4, 12, 20].forEach((offset) => view.setUint32(at + offset, page() + PAGE - 16, true));
    [8, 16, 24].forEach((offset) => view.setUint32(at + offset, random.oneIn(6) ? random.below(512) : 0x10, true));
    view.setUint32(at + 0x1c, directory, true);
    [0x48, 0x50, 0x54, 0x58, 0x5c].forEach((offset) => view.setUint32(at + offset, 0x10, true));
    view.setUint32(at + 0x4c, 8, true);
    view.setUint32(at + 0x24, random.oneIn(8) ? VM | 2 : 2, true);
  }
  const pae = random.oneIn(3), paging = mode !== "real" && !random.oneIn(3);
  if (paging) fillPageTables(random, view, directory, pae, wild);
  const registers: Record<string, unknown> = {};
  for (const name of ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"]) {
    registers[name] = random.oneIn(4) ? random.next() : name === "ecx" || mode !== "pm32" ? random.below(0x400) : random.below(RAM_BYTES);
  }
  registers["esp"] = mode === "pm32" ? page() + PAGE - 64 : 0xf000 - random.below(0x8000);
  const bits = (...values: number[]): number => values.reduce((all, bit) => (random.oneIn(2) ? all | bit : all), 0);
  registers["cr3"] = directory;
  registers["cr4"] = bits(CR4.vme, CR4.pvi, CR4.tsd, CR4.de, CR4.pse, CR4.pge, CR4.osfxsr, CR4.osxmmexcpt) | (pae ? CR4.pae : 0);
  registers["cr0"] = (mode === "real" ? 0 : CR0_PE) | CR0_ET | bits(CR0_MP, CR0_NE, CR0_WP, CR0_AM) | (paging ? CR0_PG : 0);
  const user = mode === "v86" || (mode !== "real" && random.oneIn(3));
  registers["eflags"] = (2 | (mode === "v86" ? VM : 0) | (random.next() & 0x4_0cd5) | (random.oneIn(2) ? 0x200 : 0) | (random.below(4) << 12) | (random.oneIn(20) ? 0x100 : 0)) >>> 0;
  const real = (selector: number): object => ({ selector, base: selector * 16, limit: 0xffff, access: mode === "v86" ? 0xf3 : 0x93 });
  const flat = (selector: number, access: number): object => ({ selector, base: 0, limit: 0xffff_ffff, access });
  const data = user ? flat(0x23, 0xc0f3) : flat(0x10, 0xc093);
  for (const name of ["ss", "ds", "es", "fs", "gs"]) registers[name] = mode === "real" || mode === "v86" ? real(random.below(0x9000)) : data;
  registers["cs"] = mode === "real" || mode === "v86" ? real(random.below(0x9000)) : flat(user ? 0x1b : 8, (user ? 0xfb : 0x9b) | (code32 ? 0xc000 : 0x8000));
  registers["eip"] = mode === "pm32" ? page() : random.below(0xf000);
  registers["gdtr"] = { base: gdt, limit: 0x1ff };
  registers["idtr"] = mode === "real" ? { base: 0, limit: 0x3ff } : { base: idt, limit: 0x7ff };
  registers["ldtr"] = { selector: 0x30, base: ldt, limit: 0x1ff, access: 0x82 };
  registers["tr"] = { selector: 0x28, base: tss, limit: 0x2067, access: 0x8b };
  if (random.oneIn(6)) {
    registers["dr0"] = random.below(RAM_BYTES);
    registers["dr7"] = 0x402 | (random.below(16) << 16);
  }
  return { ram, registers: registers as RegisterPart };
}

/** The first megabytes mostly map onto themselves, unless the tables are wild. */
function fillPageTables(random: Prng, view: DataView, directory: number, pae: boolean, wild: boolean): void {
  const step = pae ? 8 : 4, perTable = PAGE / step;
  const table = (): number => (0x100 + random.below(0x100)) * PAGE;
  let level = directory;
  if (pae) {
    level = table();
    for (let n = 0; n < 4; n++) view.setUint32(directory + n * 8, (n === 0 ? level : table()) | (random.oneIn(8) ? 0 : 1), true);
    for (let n = 0; n < 4; n++) view.setUint32(directory + n * 8 + 4, wild && random.oneIn(16) ? random.next() : 0, true);
  }
  for (let n = 0; n < perTable; n++) {
    view.setUint32(level + n * step, randomEntry(random, wild) | (random.oneIn(8) ? 0x80 : 0), true);
    if (pae) view.setUint32(level + n * step + 4, random.oneIn(wild ? 8 : 80) ? random.next() : 0, true);
  }
  for (let first = 0; first * perTable < PAGES; first++) {
    const at = table();
    view.setUint32(level + first * step, at | 7, true);
    if (pae) view.setUint32(level + first * step + 4, 0, true);
    for (let n = 0; n < perTable; n++) {
      const own = (first * perTable + n) * PAGE;
      view.setUint32(at + n * step, wild || random.oneIn(30) ? randomEntry(random, wild) : own | 7, true);
      if (pae) view.setUint32(at + n * step + 4, random.oneIn(wild ? 8 : 100) ? random.next() : 0, true);
    }
  }
}
