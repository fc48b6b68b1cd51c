// The small world in which single instructions run alike on silicon and on our back-ends: 32-bit user mode of a Linux process.
// Linear memory (one code page, eight data pages of which one is absent and one read-only), its contents, and the descriptors
// of the local table. Everything else is not present.

import { createPrng } from "../../support/prng.ts";

export const PAGE_BYTES = 0x1000;
/** One page, writable and executable, filled with INT3. */
export const CODE = 0x1000_0000;
export const CODE_BYTES = PAGE_BYTES;
/** Eight pages: page ABSENT_PAGE is not there, page READ_ONLY_PAGE may not be written. */
export const DATA = 0x2000_0000;
export const DATA_BYTES = 8 * PAGE_BYTES;
export const ABSENT_PAGE = 2, READ_ONLY_PAGE = 4;

export interface Region {
  readonly address: number;
  readonly contents: Uint8Array;
  readonly writable: boolean;
  readonly executable: boolean;
}

const INT3 = 0xcc;
const INTERESTING = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** Contents of a data page: random dwords; in pages 3 and 5 long runs of equal bytes, for repeated comparisons. */
function pageContents(page: number): Uint8Array {
  const random = createPrng(0x5a0 + page);
  const view = new DataView(new ArrayBuffer(PAGE_BYTES));
  if (page === 3 || page === 5) {
    let byte = 0;
    for (let at = 0; at < PAGE_BYTES; at++) {
      if (random.oneIn(24)) byte = random.pick([0, 0, 0xff, 0x55, 0x80]);
      view.setUint8(at, byte);
    }
  } else for (let at = 0; at < PAGE_BYTES; at += 4) view.setUint32(at, random.oneIn(2) ? random.pick(INTERESTING) : random.next(), true);
  const bytes = new Uint8Array(view.buffer);
  // No word is the selector of the 64-bit code segment or of the per-processor segment, which our side does not model.
  for (let at = 0; at < PAGE_BYTES - 1; at++) if (bytes[at + 1] === 0 && isHostSelector(bytes[at] as number)) bytes[at]! ^= 0x80;
  return bytes;
}

/** Selectors of the host's global table that must not be loaded. */
export function isHostSelector(selector: number): boolean {
  return (selector & 0xfffc) === 0x30 || (selector & 0xfffc) === 0x78;
}

export const REGIONS: readonly Region[] = [
  { address: CODE, contents: new Uint8Array(CODE_BYTES).fill(INT3), writable: true, executable: true },
  ...[0, 1, 2, 3, 4, 5, 6, 7].filter((page) => page !== ABSENT_PAGE).map((page) => (
    { address: DATA + page * PAGE_BYTES, contents: pageContents(page), writable: page !== READ_ONLY_PAGE, executable: false }
  )),
];

/** Names of modify_ldt's `contents`. */
type DescriptorKind = "data" | "expand-down" | "code";

export interface LocalDescriptor {
  readonly kind: DescriptorKind;
  readonly base: number;
  /** As the descriptor holds it: in pages if `inPages`. */
  readonly limit: number;
  readonly big: boolean;
  readonly inPages: boolean;
  /** Data that may be written, code that may be read. */
  readonly open: boolean;
  readonly present: boolean;
  /** Offsets of what is usually to be hit. */
  readonly usual: readonly [number, number];
}

function local(kind: DescriptorKind, base: number, limit: number, big: boolean, usual: readonly [number, number], rest: Partial<LocalDescriptor> = {}): LocalDescriptor {
  return { kind, base, limit, big, inPages: false, open: true, present: true, usual, ...rest };
}

const WHOLE = [0, DATA_BYTES - 1] as const;
const HIGH_HALF = [0x8000, 0xffff] as const;

/** From entry 1 of the local descriptor table on, all of DPL 3. */
export const LOCAL_DESCRIPTORS = {
  code32: local("code", CODE, CODE_BYTES - 1, true, [0, CODE_BYTES - 1]),
  code16: local("code", CODE, CODE_BYTES - 1, false, [0, CODE_BYTES - 1]),
  executeOnly: local("code", CODE, CODE_BYTES - 1, true, [0, CODE_BYTES - 1], { open: false }),
  stack32: local("data", DATA, DATA_BYTES - 1, true, WHOLE),
  stack16: local("data", DATA, DATA_BYTES - 1, false, WHOLE),
  // 64 KB of which the upper half is there: 16-bit offsets wrap without a fault.
  wrap16: local("data", DATA - 0x8000, 0xffff, false, HIGH_HALF),
  down16: local("expand-down", DATA - 0x8000, 0x8ffe, false, [0x8fff, 0xffff]),
  down32: local("expand-down", DATA, 0x2fff, true, [0x3000, DATA_BYTES - 1]),
  readOnly: local("data", DATA, DATA_BYTES - 1, false, WHOLE, { open: false }),
  small: local("data", DATA + 0x3000, 0x1ffe, true, [0, 0x1ffe]),
  pages: local("data", DATA, 5, true, [0, 0x5fff], { inPages: true }),
  flat: local("data", 0, 0xf_ffff, true, [DATA, DATA + DATA_BYTES - 1], { inPages: true }),
  absent: local("data", DATA, DATA_BYTES - 1, true, WHOLE, { present: false }),
  absentCode: local("code", CODE, CODE_BYTES - 1, true, [0, CODE_BYTES - 1], { present: false }),
} as const satisfies Record<string, LocalDescriptor>;
export type LocalName = keyof typeof LOCAL_DESCRIPTORS;

const LOCAL_NAMES = Object.keys(LOCAL_DESCRIPTORS) as LocalName[];
export const LOCAL_COUNT = LOCAL_NAMES.length + 1;

/** Selector of a local descriptor, with RPL 3. */
export function localSelector(name: LocalName): number {
  return ((LOCAL_NAMES.indexOf(name) + 1) << 3) | 7;
}

/** Selectors of the flat segments that Linux gives a 32-bit process. */
export const USER_CODE = 0x23, USER_DATA = 0x2b;

/** The descriptor behind a selector with which a segment register may begin a case; null for null selectors. */
export function descriptorOf(selector: number): LocalDescriptor | null {
  if ((selector & 0xfffc) === 0) return null;
  if (selector === USER_DATA) return LOCAL_DESCRIPTORS.flat;
  if (selector === USER_CODE) return { ...LOCAL_DESCRIPTORS.flat, kind: "code", usual: [CODE, CODE + CODE_BYTES - 1] };
  const name = (selector & 7) === 7 ? LOCAL_NAMES[(selector >> 3) - 1] : undefined;
  if (name === undefined) throw new RangeError(`no descriptor for selector ${selector.toString(16)}`);
  return LOCAL_DESCRIPTORS[name];
}

/** The eight bytes of a descriptor as two dwords; `access`: bits 8-15 and 20-23 of the high one. */
export function descriptorWords(base: number, limit: number, access: number): readonly [number, number] {
  return [(limit & 0xffff) | (base << 16), ((base >>> 16) & 0xff) | (base & 0xff00_0000) | (limit & 0xf_0000) | ((access & 0xf0ff) << 8)];
}

const ACCESSED = 1, OPEN = 2, EXPAND_DOWN = 4, CODE_TYPE = 8, SEGMENT = 0x10, DPL3 = 0x60, PRESENT = 0x80, BIG = 0x4000, GRANULAR = 0x8000;

/** Access rights as Linux writes them: accessed already. */
export function accessOfLocal(d: LocalDescriptor): number {
  const type = ACCESSED | (d.open ? OPEN : 0) | (d.kind === "code" ? CODE_TYPE : d.kind === "expand-down" ? EXPAND_DOWN : 0);
  return type | SEGMENT | DPL3 | (d.present ? PRESENT : 0) | (d.big ? BIG : 0) | (d.inPages ? GRANULAR : 0);
}

/** The local table, entry 0 empty. */
export function localTable(): (readonly [number, number])[] {
  return [[0, 0], ...LOCAL_NAMES.map((name) => {
    const d: LocalDescriptor = LOCAL_DESCRIPTORS[name];
    return descriptorWords(d.base, d.limit, accessOfLocal(d));
  })];
}

/** The local table as entries of modify_ldt: struct user_desc. */
export function userDescriptors(): number[][] {
  return LOCAL_NAMES.map((name, n) => {
    const d: LocalDescriptor = LOCAL_DESCRIPTORS[name];
    const contents = d.kind === "data" ? 0 : d.kind === "expand-down" ? 1 : 2;
    return [n + 1, d.base, d.limit, (d.big ? 1 : 0) | (contents << 1) | (d.open ? 0 : 8) | (d.inPages ? 16 : 0) | (d.present ? 0 : 32)];
  });
}

/** The global table of a 64-bit Linux as a 32-bit process finds it; the 64-bit code segment is not marked as accessed, which shows who loads it. */
export function globalTable(): (readonly [number, number])[] {
  const flat = (access: number) => descriptorWords(0, 0xf_ffff, access | GRANULAR);
  const none = [0, 0] as const;
  const system = (type: number) => descriptorWords(0, 0xffff, PRESENT | type);
  const LONG = 0x2000;
  return [
    none, flat(0x9b | BIG), flat(0x9b | LONG), flat(0x93 | BIG), flat(0xfb | BIG), flat(0xf3 | BIG), flat(0xfa | LONG), none,
    system(0xb), none, system(2), none, none, none, none, flat(0xf4 | BIG),
  ];
}
