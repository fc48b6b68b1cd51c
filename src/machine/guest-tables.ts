// The guest's page, descriptor and interrupt tables as a debugger shows them: read where the processor would read them, changing nothing.
// SDM Vol. 3A, "Paging", "Segment Descriptors", "Interrupt Descriptor Table", and for real mode chapter "8086 Emulation".

import { CR0_PE, CR0_PG, CR4_PAE, CR4_PSE } from "../cpu/control-bits.ts";
import { guestRegisters, type RegisterFile } from "./guest-registers.ts";
import type { Machine } from "./machine.ts";

export interface PageEntry {
  readonly name: "PDPTE" | "PDE" | "PTE";
  readonly address: number;
  readonly low: number;
  /** 0 without PAE. */
  readonly high: number;
}

const PRESENT = 1, WRITABLE = 2, USER = 4, LARGE = 0x80;
const PAGE = 0x1000, LARGE_PAE = 0x20_0000, LARGE_32 = 0x40_0000, GIGABYTE = 0x4000_0000, ALL = 0x1_0000_0000;

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** The entries on the way to a linear address; the last is that of the page, or the one that is absent. Null: paging is off. */
export function pageEntries(machine: Machine, linear: number, file = guestRegisters(machine)): PageEntry[] | null {
  if ((file.cr0 & CR0_PG) === 0) return null;
  const pae = (file.cr4 & CR4_PAE) !== 0;
  const entries: PageEntry[] = [];
  const read = (name: PageEntry["name"], address: number): PageEntry => {
    const length = pae ? 8 : 4;
    const bytes = machine.memory.readPhysical(address >>> 0, length);
    const whole = bytes.length === length;
    const entry = { name, address: address >>> 0, low: whole ? wordAt(bytes, 0) : 0, high: whole && pae ? wordAt(bytes, 4) : 0 };
    entries.push(entry);
    return entry;
  };
  let table = file.cr3 & 0xffff_f000;
  if (pae) {
    const pointer = read("PDPTE", (file.cr3 & 0xffff_ffe0) + (linear >>> 30) * 8);
    if ((pointer.low & PRESENT) === 0) return entries;
    table = pointer.low & 0xffff_f000;
  }
  const directory = read("PDE", table + (pae ? ((linear >>> 21) & 0x1ff) * 8 : (linear >>> 22) * 4));
  if ((directory.low & PRESENT) === 0 || (directory.low & LARGE && (pae || file.cr4 & CR4_PSE))) return entries;
  read("PTE", (directory.low & 0xffff_f000) + (pae ? ((linear >>> 12) & 0x1ff) * 8 : ((linear >>> 12) & 0x3ff) * 4));
  return entries;
}

export interface PageRange {
  readonly first: number;
  readonly last: number;
  readonly user: boolean;
  readonly writable: boolean;
}

/** Linear ranges that are mapped, joined where their rights are the same. Null: paging is off. */
export function pageRanges(machine: Machine): PageRange[] | null {
  const file = guestRegisters(machine);
  if ((file.cr0 & CR0_PG) === 0) return null;
  const ranges: PageRange[] = [];
  for (let linear = 0; linear < ALL; ) {
    const entries = pageEntries(machine, linear, file)!;
    const last = entries.at(-1)!;
    const next = (Math.floor(linear / span(last, file)) + 1) * span(last, file);
    if (last.low & PRESENT) {
      // The first level of PAE has no rights.
      const rights = entries.reduce((bits, { name, low }) => (name === "PDPTE" ? bits : bits & low), WRITABLE | USER);
      const range = { first: linear, last: next - 1, user: (rights & USER) !== 0, writable: (rights & WRITABLE) !== 0 };
      const before = ranges.at(-1);
      if (before && before.last + 1 === linear && before.user === range.user && before.writable === range.writable) ranges[ranges.length - 1] = { ...range, first: before.first };
      else ranges.push(range);
    }
    linear = next;
  }
  return ranges;
}

/** Linear space that an entry at which the walk ends stands for. */
function span({ name }: PageEntry, { cr4 }: RegisterFile): number {
  if (name === "PTE") return PAGE;
  return name === "PDPTE" ? GIGABYTE : cr4 & CR4_PAE ? LARGE_PAE : LARGE_32;
}

export interface Descriptor {
  readonly selector: number;
  readonly base: number;
  /** In bytes. */
  readonly limit: number;
  /** Bits 8 to 23 of the high dword, without the limit's. */
  readonly access: number;
}

/** The entries of the global descriptor table that are not all zeros. */
export function descriptorTable(machine: Machine): Descriptor[] {
  const { gdtr } = guestRegisters(machine);
  const bytes = machine.memory.read(gdtr.base, gdtr.limit + 1);
  const table: Descriptor[] = [];
  for (let selector = 0; selector + 8 <= bytes.length; selector += 8) {
    const low = wordAt(bytes, selector), high = wordAt(bytes, selector + 4);
    if (low === 0 && high === 0) continue;
    const limit = (low & 0xffff) | (high & 0xf_0000);
    table.push({
      selector, base: ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0, limit: high & 0x80_0000 ? limit * PAGE + PAGE - 1 : limit,
      access: (high >>> 8) & 0xf0ff,
    });
  }
  return table;
}

export interface Gate {
  readonly vector: number;
  readonly selector: number;
  readonly offset: number;
  /** Type, DPL and presence; null in real mode, whose vectors have none. */
  readonly access: number | null;
}

/** The interrupt table's entries that are not all zeros. */
export function gateTable(machine: Machine): Gate[] {
  const { idtr, cr0 } = guestRegisters(machine);
  const real = (cr0 & CR0_PE) === 0, size = real ? 4 : 8;
  const bytes = machine.memory.read(idtr.base, Math.min(idtr.limit + 1, 256 * size));
  const table: Gate[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) {
    const low = wordAt(bytes, at), high = real ? 0 : wordAt(bytes, at + 4);
    if (low === 0 && high === 0) continue;
    const selector = low >>> 16, vector = at / size;
    table.push(real ? { vector, selector: low >>> 16, offset: low & 0xffff, access: null } : { vector, selector, offset: ((low & 0xffff) | (high & 0xffff_0000)) >>> 0, access: (high >>> 8) & 0xff });
  }
  return table;
}
