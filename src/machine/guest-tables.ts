// The guest's page, descriptor and interrupt tables as a debugger shows them: read where the processor would read them, changing nothing.
// SDM Vol. 3A, "Paging", "Segment Descriptors", "Interrupt Descriptor Table", and for real mode chapter "8086 Emulation".

import { CR0_PE, CR0_PG, CR4_PAE, CR4_PSE } from "../cpu/control-bits.ts";
import type { Descriptor, Gate, PageEntry, PageRange, TaskState, TlbEntry } from "../protocol/debug.ts";
import { guestRegisters, type RegisterFile } from "./guest-registers.ts";
import type { Machine } from "./machine.ts";

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

/** System descriptor types that are gates. SDM Vol. 3A, Table "System-Segment and Gate-Descriptor Types". */
const GATE_TYPES: ReadonlySet<number> = new Set([4, 5, 6, 7, 12, 14, 15]);
const CODE_OR_DATA = 0x10;

/** The entries of a descriptor table that are not all zeros. */
export function descriptorTable(machine: Machine, which: "gdt" | "ldt" = "gdt"): Descriptor[] {
  const { gdtr, ldtr } = guestRegisters(machine);
  if (which === "ldt" && (ldtr.selector & 0xfffc) === 0) return [];
  const { base, limit: last } = which === "gdt" ? gdtr : ldtr;
  const bytes = machine.memory.read(base, Math.min(last, 0xffff) + 1);
  const table: Descriptor[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const low = wordAt(bytes, at), high = wordAt(bytes, at + 4), access = (high >>> 8) & 0xf0ff;
    if (low === 0 && high === 0) continue;
    const limit = (low & 0xffff) | (high & 0xf_0000);
    table.push({
      selector: which === "gdt" ? at : at | 4, base: ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0,
      limit: high & 0x80_0000 ? limit * PAGE + PAGE - 1 : limit, access,
      gate: (access & CODE_OR_DATA) === 0 && GATE_TYPES.has(access & 15)
        ? { selector: low >>> 16, offset: ((low & 0xffff) | (high & 0xffff_0000)) >>> 0, parameters: high & 31 } : null,
    });
  }
  return table;
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

const TSS_FIELDS_16 = ["link", "SP0", "SS0", "SP1", "SS1", "SP2", "SS2", "IP", "FLAGS", "AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI", "ES", "CS", "SS", "DS", "LDT"];
const TSS_FIELDS_32 = [
  "link", "ESP0", "SS0", "ESP1", "SS1", "ESP2", "SS2", "CR3", "EIP", "EFLAGS", "EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI", "ES", "CS", "SS", "DS", "FS",
  "GS", "LDT", "I/O map base",
];
const NARROW_FIELDS: ReadonlySet<string> = new Set(["link", "SS0", "SS1", "SS2", "ES", "CS", "SS", "DS", "FS", "GS", "LDT"]);
const TSS_32 = 8, PORTS = 0x1_0000, TSS_32_BYTES = 0x68;

/** The task-state segment that TR names; null: there is none. SDM Vol. 3A, "Task-State Segment (TSS)", "I/O Permission Bit Map". */
export function taskState(machine: Machine): TaskState | null {
  const { tr } = guestRegisters(machine);
  if ((tr.selector & 0xfffc) === 0) return null;
  const wide = (tr.access & TSS_32) !== 0;
  const bytes = machine.memory.read(tr.base, Math.min(tr.limit + 1, TSS_32_BYTES + PORTS / 8 + 1));
  const word = (at: number): number => (at + 2 <= bytes.length ? bytes[at]! | (bytes[at + 1]! << 8) : 0);
  const fields = (wide ? TSS_FIELDS_32 : TSS_FIELDS_16).flatMap((name, n): (readonly [string, number])[] => {
    if (!wide) return n * 2 + 2 <= bytes.length ? [[name, word(n * 2)]] : [];
    if (name === "I/O map base") return bytes.length >= TSS_32_BYTES ? [[name, word(TSS_32_BYTES - 2)]] : [];
    return n * 4 + 4 <= bytes.length ? [[name, NARROW_FIELDS.has(name) ? word(n * 4) : wordAt(bytes, n * 4)]] : [];
  });
  return { selector: tr.selector, base: tr.base, limit: tr.limit, wide, fields, openPorts: wide && bytes.length >= TSS_32_BYTES ? openPorts(bytes, word(TSS_32_BYTES - 2), tr.limit) : [] };
}

/** Ports whose bit is there and clear. The processor reads two bytes, both within the limit. */
function openPorts(bytes: Uint8Array, base: number, limit: number): (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (let port = 0; port < PORTS; port++) {
    const at = base + (port >>> 3);
    if (at + 1 > limit || at >= bytes.length) break;
    if (bytes[at]! & (1 << (port & 7))) continue;
    const last = ranges.at(-1);
    if (last && last[1] === port - 1) last[1] = port;
    else ranges.push([port, port]);
  }
  return ranges;
}

/** What the processor's translation look-aside buffers hold, of the guest's own processor or of the silicon under a monitor. */
export function tlbEntries({ cpu, map }: Machine, which: "v" | "h"): TlbEntry[] {
  const ram = map.ram, end = ram + map.ramBytes;
  return cpu[which].tlb.entries().map(({ page, host, physicalPage, rights, global }) => ({
    linear: page * PAGE, rights, global,
    physical: physicalPage >= 0 ? physicalPage * PAGE : host >= ram && host < end ? host - ram : -1,
  }));
}
