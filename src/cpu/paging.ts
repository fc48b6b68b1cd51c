// The page walk: linear to physical, with the accessed and dirty bits written back to the guest's tables.
// SDM Vol. 3A, "Paging": 32-bit paging with 4 MB pages, PAE paging with 2 MB pages, "Access Rights", "Page-Fault Exceptions".
//
// Physical addresses have 32 bits (CPUID leaf 80000008h says so): whatever a PAE entry holds above, bit 63 included, is reserved.
// Not implemented: PSE-36 (bits 13-21 of a 4 MB entry are reserved), execute-disable, SMEP, SMAP.

import { CR0, CR3, CR4, PDPTE } from "../isa/state-layout.ts";
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE } from "./control-bits.ts";
import { readPhysical32 } from "./physical-space.ts";
import { GP, type Processor } from "./processor.ts";
import { PAGE_GLOBAL, PAGE_LARGE_2M, PAGE_LARGE_4M, PAGE_RIGHTS_W, PAGE_USER, PAGE_WRITABLE } from "./tlb.ts";

const PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100;
/** Bits 1, 2 and 5-8 of a page-directory-pointer entry. */
const PDPTE_RESERVED = 0x1e6;
const ERROR_P = 1, ERROR_W = 2, ERROR_U = 4, ERROR_RSVD = 8;

/** What every translation without paging allows. */
const UNPAGED = PAGE_WRITABLE | PAGE_USER | PAGE_RIGHTS_W;

/**
 * Physical page of a linear address (before A20) with its properties in `walkFlags`, or -1 with #PF raised.
 * `user`: an explicit access at CPL 3. PAGE_WRITABLE holds for accesses of this privilege.
 */
export function walk(p: Processor, linear: number, write: boolean, user: boolean): number {
  const cr0 = p.context.get(CR0);
  if ((cr0 & CR0_PG) === 0) {
    p.walkFlags = UNPAGED;
    return linear >>> 12;
  }
  return p.context.get(CR4) & CR4_PAE ? walkPae(p, linear, write, user, cr0) : walk32(p, linear, write, user, cr0);
}

function walk32(p: Processor, linear: number, write: boolean, user: boolean, cr0: number): number {
  const cr4 = p.context.get(CR4);
  const pdeAddress = (p.context.get(CR3) & 0xffff_f000) | ((linear >>> 20) & 0xffc);
  const pde = readPhysical32(p.state, p.physical, pdeAddress);
  if ((pde & PTE_P) === 0) return pageFault(p, linear, write, user, 0);
  if (pde & PTE_PS && cr4 & CR4_PSE) {
    if (pde & 0x003f_e000) return pageFault(p, linear, write, user, ERROR_P | ERROR_RSVD);
    if (!permitted(pde, write, user, cr0)) return pageFault(p, linear, write, user, ERROR_P);
    mark(p, pdeAddress, pde, write ? PTE_A | PTE_D : PTE_A);
    p.walkFlags = PAGE_LARGE_4M | properties(pde, pde, write, user, cr0, cr4);
    return ((pde >>> 22) << 10) | ((linear >>> 12) & 0x3ff);
  }
  const pteAddress = (pde & 0xffff_f000) | ((linear >>> 10) & 0xffc);
  const pte = readPhysical32(p.state, p.physical, pteAddress);
  if ((pte & PTE_P) === 0) return pageFault(p, linear, write, user, 0);
  const rights = pde & pte;
  if (!permitted(rights, write, user, cr0)) return pageFault(p, linear, write, user, ERROR_P);
  mark(p, pdeAddress, pde, PTE_A);
  mark(p, pteAddress, pte, write ? PTE_A | PTE_D : PTE_A);
  p.walkFlags = properties(rights, pte, write, user, cr0, cr4);
  return pte >>> 12;
}

function walkPae(p: Processor, linear: number, write: boolean, user: boolean, cr0: number): number {
  const cr4 = p.context.get(CR4);
  const pdpte = p.context.getAt(PDPTE, (linear >>> 30) * 2);
  if ((pdpte & PTE_P) === 0) return pageFault(p, linear, write, user, 0);
  const pdeAddress = (pdpte & 0xffff_f000) | ((linear >>> 18) & 0xff8);
  const pde = readPhysical32(p.state, p.physical, pdeAddress);
  if ((pde & PTE_P) === 0) return pageFault(p, linear, write, user, 0);
  const pdeHigh = readPhysical32(p.state, p.physical, pdeAddress + 4);
  if (pde & PTE_PS) {
    if (pdeHigh !== 0 || pde & 0x001f_e000) return pageFault(p, linear, write, user, ERROR_P | ERROR_RSVD);
    if (!permitted(pde, write, user, cr0)) return pageFault(p, linear, write, user, ERROR_P);
    mark(p, pdeAddress, pde, write ? PTE_A | PTE_D : PTE_A);
    p.walkFlags = PAGE_LARGE_2M | properties(pde, pde, write, user, cr0, cr4);
    return ((pde >>> 21) << 9) | ((linear >>> 12) & 0x1ff);
  }
  if (pdeHigh !== 0) return pageFault(p, linear, write, user, ERROR_P | ERROR_RSVD);
  const pteAddress = (pde & 0xffff_f000) | ((linear >>> 9) & 0xff8);
  const pte = readPhysical32(p.state, p.physical, pteAddress);
  if ((pte & PTE_P) === 0) return pageFault(p, linear, write, user, 0);
  if (readPhysical32(p.state, p.physical, pteAddress + 4) !== 0) return pageFault(p, linear, write, user, ERROR_P | ERROR_RSVD);
  const rights = pde & pte;
  if (!permitted(rights, write, user, cr0)) return pageFault(p, linear, write, user, ERROR_P);
  mark(p, pdeAddress, pde, PTE_A);
  mark(p, pteAddress, pte, write ? PTE_A | PTE_D : PTE_A);
  p.walkFlags = properties(rights, pte, write, user, cr0, cr4);
  return pte >>> 12;
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
  if ((entry & bits) !== bits) writePhysical32(p, address, entry | bits);
}

function writePhysical32(p: Processor, physical: number, value: number): void {
  const address = physical & p.physical.a20Mask, page = address >>> 12;
  const host = p.physical.hostPage(page);
  if (host === 0 || p.physical.isReadOnly(page)) {
    p.physical.write(address >>> 0, 4, value >>> 0);
    return;
  }
  p.state.i32[(host + (address & 0xfff)) >> 2] = value;
  if (p.codePages[page] !== 0) p.hooks.codeWritten(address >>> 0, 4);
}

function pageFault(p: Processor, linear: number, write: boolean, user: boolean, cause: number): -1 {
  p.raisePageFault(linear, cause | (write ? ERROR_W : 0) | (user ? ERROR_U : 0));
  return -1;
}

/** Physical address of a linear one without any effect on the guest, or -1. For debuggers and monitors. */
export function peekPhysical(p: Processor, linear: number): number {
  const { context, physical, state } = p;
  const offset = linear & 0xfff;
  const address = (entry: number, low: number): number => ((entry & ~low) | (linear & low)) & physical.a20Mask;
  if ((context.get(CR0) & CR0_PG) === 0) return (linear & physical.a20Mask) >>> 0;
  const pae = (context.get(CR4) & CR4_PAE) !== 0;
  let pde: number;
  if (pae) {
    const pdpte = context.getAt(PDPTE, (linear >>> 30) * 2);
    if ((pdpte & PTE_P) === 0) return -1;
    pde = readPhysical32(state, physical, (pdpte & 0xffff_f000) | ((linear >>> 18) & 0xff8));
    if (pde & PTE_P && pde & PTE_PS) return address(pde, 0x001f_ffff) >>> 0;
  } else {
    pde = readPhysical32(state, physical, (context.get(CR3) & 0xffff_f000) | ((linear >>> 20) & 0xffc));
    if (pde & PTE_P && pde & PTE_PS && context.get(CR4) & CR4_PSE) return address(pde, 0x003f_ffff) >>> 0;
  }
  if ((pde & PTE_P) === 0) return -1;
  const pte = readPhysical32(state, physical, (pde & 0xffff_f000) | (pae ? (linear >>> 9) & 0xff8 : (linear >>> 10) & 0xffc));
  return pte & PTE_P ? (address(pte, 0xfff) | offset) >>> 0 : -1;
}

/** The four entries that `cr3` points to, checked and latched; false: a reserved bit is set, #GP(0) raised and nothing changed. */
export function loadPdptes(p: Processor, cr3: number): boolean {
  for (let i = 0; i < 8; i += 2) {
    const low = readPdpteWord(p, cr3, i);
    if (low & PTE_P && (low & PDPTE_RESERVED || readPdpteWord(p, cr3, i + 1) !== 0)) {
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
