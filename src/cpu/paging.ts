// The page walk: linear to physical, with the accessed and dirty bits written back to the guest's tables.
// SDM Vol. 3A, "Paging": 32-bit paging with 4 MB pages and PSE-36, PAE paging with 2 MB pages and execute-disable, "Access Rights",
// "Page-Fault Exceptions".
//
// Physical addresses have as many bits as the model says, 36 where it has PAE; what an entry holds above them is reserved. The bus
// has 32 address lines: beyond 4 GB nothing answers. An entry's accessed bit is set when a translation succeeds that used it.
// Not implemented: SMEP, SMAP, protection keys.

import { CR0, CR3, CR4, EFER, PDPTE } from "../isa/state-layout.ts";
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE, EFER_NXE } from "./control-bits.ts";
import { readPhysical32 } from "./physical-space.ts";
import { GP, type Processor } from "./processor.ts";
import { PAGE_GLOBAL, PAGE_LARGE_2M, PAGE_LARGE_4M, PAGE_RIGHTS_W, PAGE_USER, PAGE_WRITABLE } from "./tlb.ts";

const PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100;
/** Bit 63, in the high half. */
const PTE_XD = 0x8000_0000 | 0;
/** Bits 32-35 of an address, in the high half of a PAE entry; and what is reserved there besides XD. */
const ADDRESS_HIGH = 0xf, RESERVED_HIGH = 0x7fff_fff0;
/** Bits 1, 2 and 5-8 of a page-directory-pointer entry. */
const PDPTE_RESERVED = 0x1e6;
/** Below the address of a 2 MB page; of a 4 MB page without PSE-36, with it, and where it keeps address bits 32-35. */
const RESERVED_2M = 0x001f_e000, RESERVED_4M = 0x003f_e000, RESERVED_PSE36 = 0x003e_0000, PSE36_SHIFT = 13;
const ERROR_P = 1, ERROR_W = 2, ERROR_U = 4, ERROR_RSVD = 8, ERROR_FETCH = 0x10;
const TWO20 = 0x10_0000, TWO32 = 0x1_0000_0000;

/** What every translation without paging allows. */
const UNPAGED = PAGE_WRITABLE | PAGE_USER | PAGE_RIGHTS_W;

/**
 * Physical page of a linear address (before A20; more than 20 bits where nothing lies) with its properties in `walkFlags`, or -1 with #PF raised.
 * `user`: an explicit access at CPL 3; `fetch`: of code. PAGE_WRITABLE holds for accesses of this privilege.
 */
export function walk(p: Processor, linear: number, write: boolean, user: boolean, fetch = false): number {
  const cr0 = p.context.get(CR0);
  if ((cr0 & CR0_PG) === 0) {
    p.walkFlags = UNPAGED;
    return linear >>> 12;
  }
  return p.context.get(CR4) & CR4_PAE ? walkPae(p, linear, write, user, fetch, cr0) : walk32(p, linear, write, user, fetch, cr0);
}

function walk32(p: Processor, linear: number, write: boolean, user: boolean, fetch: boolean, cr0: number): number {
  const cr4 = p.context.get(CR4);
  const apart = fetch && p.codeRoot !== 0 && p.context.isHardware;
  const kind = apart ? ERROR_FETCH : 0;
  const pdeAddress = (((apart ? p.codeRoot : p.context.get(CR3)) & 0xffff_f000) | ((linear >>> 20) & 0xffc)) >>> 0;
  const pde = readEntry(p, pdeAddress);
  if ((pde & PTE_P) === 0) return pageFault(p, linear, write, user, kind);
  if (pde & PTE_PS && cr4 & CR4_PSE) {
    if (pde & (p.hasPse36 ? RESERVED_PSE36 : RESERVED_4M)) return pageFault(p, linear, write, user, ERROR_P | ERROR_RSVD);
    if (!permitted(pde, write, user, cr0)) return pageFault(p, linear, write, user, ERROR_P);
    mark(p, pdeAddress, pde, write ? PTE_A | PTE_D : PTE_A);
    p.walkFlags = PAGE_LARGE_4M | properties(pde, pde, write, user, cr0, cr4);
    return ((pde >>> 22) << 10) + ((linear >>> 12) & 0x3ff) + ((pde >>> PSE36_SHIFT) & ADDRESS_HIGH) * TWO20;
  }
  const pteAddress = ((pde & 0xffff_f000) | ((linear >>> 10) & 0xffc)) >>> 0;
  const pte = readEntry(p, pteAddress);
  if ((pte & PTE_P) === 0) return pageFault(p, linear, write, user, kind);
  const rights = pde & pte;
  if (!permitted(rights, write, user, cr0)) return pageFault(p, linear, write, user, kind | ERROR_P);
  mark(p, pdeAddress, pde, PTE_A);
  mark(p, pteAddress, pte, write ? PTE_A | PTE_D : PTE_A);
  p.walkFlags = properties(rights, pte, write, user, cr0, cr4);
  return pte >>> 12;
}

function walkPae(p: Processor, linear: number, write: boolean, user: boolean, fetch: boolean, cr0: number): number {
  const cr4 = p.context.get(CR4);
  const noExecute = (p.context.get(EFER) & EFER_NXE) !== 0;
  const reserved = noExecute ? RESERVED_HIGH : RESERVED_HIGH | PTE_XD;
  // The error code tells of a fetch where execute-disable exists.
  const kind = fetch && noExecute ? ERROR_FETCH : 0;
  const pointer = (linear >>> 30) * 2;
  const pdpte = p.context.getAt(PDPTE, pointer);
  if ((pdpte & PTE_P) === 0) return pageFault(p, linear, write, user, kind);
  const pdeAddress = tableAt(pdpte, p.context.getAt(PDPTE, pointer + 1)) + ((linear >>> 18) & 0xff8);
  const pde = readEntry(p, pdeAddress);
  if ((pde & PTE_P) === 0) return pageFault(p, linear, write, user, kind);
  const pdeHigh = readEntry(p, pdeAddress + 4);
  if (pdeHigh & reserved || (pde & PTE_PS && pde & RESERVED_2M)) return pageFault(p, linear, write, user, kind | ERROR_P | ERROR_RSVD);
  if (pde & PTE_PS) {
    if (!permitted(pde, write, user, cr0) || (fetch && pdeHigh & PTE_XD)) return pageFault(p, linear, write, user, kind | ERROR_P);
    mark(p, pdeAddress, pde, write ? PTE_A | PTE_D : PTE_A);
    p.walkFlags = PAGE_LARGE_2M | properties(pde, pde, write, user, cr0, cr4);
    return ((pde >>> 21) << 9) + ((linear >>> 12) & 0x1ff) + (pdeHigh & ADDRESS_HIGH) * TWO20;
  }
  const pteAddress = tableAt(pde, pdeHigh) + ((linear >>> 9) & 0xff8);
  const pte = readEntry(p, pteAddress);
  if ((pte & PTE_P) === 0) return pageFault(p, linear, write, user, kind);
  const pteHigh = readEntry(p, pteAddress + 4);
  if (pteHigh & reserved) return pageFault(p, linear, write, user, kind | ERROR_P | ERROR_RSVD);
  const rights = pde & pte;
  if (!permitted(rights, write, user, cr0) || (fetch && (pdeHigh | pteHigh) & PTE_XD)) return pageFault(p, linear, write, user, kind | ERROR_P);
  mark(p, pdeAddress, pde, PTE_A);
  mark(p, pteAddress, pte, write ? PTE_A | PTE_D : PTE_A);
  p.walkFlags = properties(rights, pte, write, user, cr0, cr4);
  return (pte >>> 12) + (pteHigh & ADDRESS_HIGH) * TWO20;
}

/** The table that a PAE entry names. */
function tableAt(low: number, high: number): number {
  return ((low & 0xffff_f000) >>> 0) + (high & ADDRESS_HIGH) * TWO32;
}

/** A dword of a table; beyond 4 GB the bus floats. */
function readEntry(p: Processor, address: number): number {
  return address < TWO32 ? readPhysical32(p.state, p.physical, address) : -1;
}

function permitted(rights: number, write: boolean, user: boolean, cr0: number): boolean {
  if (user) return (rights & PTE_U) !== 0 && (!write || (rights & PTE_W) !== 0);
  return !write || (rights & PTE_W) !== 0 || (cr0 & CR0_WP) === 0;
}

function properties(rights: number, leaf: number, write: boolean, user: boolean, cr0: number, cr4: number): number {
  const dirty = write || (leaf & PTE_D) !== 0;
  return (
    (dirty && permitted(rights, true, user, cr0) ? PAGE_WRITABLE : 0) |
    (rights & PTE_U ? PAGE_USER : 0) |
    (rights & PTE_W ? PAGE_RIGHTS_W : 0) |
    (leaf & PTE_G && cr4 & CR4_PGE ? PAGE_GLOBAL : 0)
  );
}

/** Sets accessed and dirty bits where they are not set yet. */
function mark(p: Processor, address: number, entry: number, bits: number): void {
  if ((entry & bits) !== bits && address < TWO32) writePhysical32(p, address, entry | bits);
}

function writePhysical32(p: Processor, physical: number, value: number): void {
  const address = physical & p.physical.a20Mask, page = address >>> 12;
  const host = p.physical.hostPage(page);
  if (host === 0 || p.physical.isReadOnly(page)) {
    p.physical.write(address >>> 0, 4, value >>> 0);
    return;
  }
  p.state.dirtyPages[host >>> 12] = 1;
  p.state.i32[(host + (address & 0xfff)) >> 2] = value;
  if (p.codePages[page] !== 0) p.hooks.codeWritten(address >>> 0, 4);
}

function pageFault(p: Processor, linear: number, write: boolean, user: boolean, cause: number): -1 {
  p.raisePageFault(linear, cause | (write ? ERROR_W : 0) | (user ? ERROR_U : 0));
  return -1;
}

/** Physical address of a linear one without any effect on the guest; -1 where it is not mapped, or beyond 4 GB. For debuggers and monitors. */
export function peekPhysical(p: Processor, linear: number): number {
  const page = peekPage(p, linear);
  return page < 0 || page >= TWO20 ? -1 : (((page << 12) | (linear & 0xfff)) & p.physical.a20Mask) >>> 0;
}

function peekPage(p: Processor, linear: number): number {
  const { context } = p;
  if ((context.get(CR0) & CR0_PG) === 0) return linear >>> 12;
  if (context.get(CR4) & CR4_PAE) {
    const pointer = (linear >>> 30) * 2, pdpte = context.getAt(PDPTE, pointer);
    if ((pdpte & PTE_P) === 0) return -1;
    const pdeAddress = tableAt(pdpte, context.getAt(PDPTE, pointer + 1)) + ((linear >>> 18) & 0xff8);
    const pde = readEntry(p, pdeAddress), pdeHigh = readEntry(p, pdeAddress + 4);
    if ((pde & PTE_P) === 0) return -1;
    if (pde & PTE_PS) return ((pde >>> 21) << 9) + ((linear >>> 12) & 0x1ff) + (pdeHigh & ADDRESS_HIGH) * TWO20;
    const pteAddress = tableAt(pde, pdeHigh) + ((linear >>> 9) & 0xff8);
    const pte = readEntry(p, pteAddress);
    return pte & PTE_P ? (pte >>> 12) + (readEntry(p, pteAddress + 4) & ADDRESS_HIGH) * TWO20 : -1;
  }
  const pde = readEntry(p, ((context.get(CR3) & 0xffff_f000) | ((linear >>> 20) & 0xffc)) >>> 0);
  if ((pde & PTE_P) === 0) return -1;
  if (pde & PTE_PS && context.get(CR4) & CR4_PSE) {
    return ((pde >>> 22) << 10) + ((linear >>> 12) & 0x3ff) + (p.hasPse36 ? ((pde >>> PSE36_SHIFT) & ADDRESS_HIGH) * TWO20 : 0);
  }
  const pte = readEntry(p, ((pde & 0xffff_f000) | ((linear >>> 10) & 0xffc)) >>> 0);
  return pte & PTE_P ? pte >>> 12 : -1;
}

/** The four entries that `cr3` points to, checked and latched; false: a reserved bit is set, #GP(0) raised and nothing changed. */
export function loadPdptes(p: Processor, cr3: number): boolean {
  for (let i = 0; i < 8; i += 2) {
    const low = readPdpteWord(p, cr3, i);
    if (low & PTE_P && (low & PDPTE_RESERVED || readPdpteWord(p, cr3, i + 1) & ~ADDRESS_HIGH)) {
      p.raise(GP, 0);
      return false;
    }
  }
  latchPdptes(p, cr3);
  return true;
}

/** As above without a check. */
export function latchPdptes(p: Processor, cr3: number): void {
  for (let i = 0; i < 8; i++) p.context.setAt(PDPTE, i, readPdpteWord(p, cr3, i));
}

function readPdpteWord(p: Processor, cr3: number, i: number): number {
  return readPhysical32(p.state, p.physical, (cr3 & 0xffff_ffe0) + i * 4);
}
