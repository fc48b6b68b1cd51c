// Random programs of system code: tables, tasks, handlers that go on behind what faulted, and slots with something in each.

import { createPrng, type Prng } from "../support/prng.ts";
import { Code } from "./code.ts";
import {
  COMPARED_BYTES, DATA, DATA_PAGES, DESCRIPTORS, END_OF_TABLES, GDT, HANDLERS, HANDLER_BYTES, IDT, LDT, PAGE_TABLES, putDescriptor, SELECTOR, SLOTS, SLOT_BYTES, SLOT_COUNT,
  SPARE, SPARE_END, STACKS, STUB, slotAt, TABLES_AT, TASKS, TSS_16, TSS_LIMIT, TSS_MAIN, TSS_OTHER, TSS_V86,
} from "./layout.ts";
import { PAGING_STEPS, pickStep, type Step, SYSTEM_STEPS, UNPROTECTED_STEPS } from "./steps.ts";

export const KINDS = ["ring0", "ring3", "rings", "paging", "pae", "v86", "real", "pm16"] as const;
export type Kind = (typeof KINDS)[number];

export interface Program {
  readonly seed: number;
  readonly kind: Kind;
  /** From physical 0. */
  readonly memory: Uint8Array;
  /** Where it begins, in real mode. */
  readonly entry: number;
}


const ERROR_VECTORS: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
const P = 1, W = 2, U = 4, PS = 0x80;
const PE = 1, PG = 0x8000_0000, VM = 0x2_0000;

interface Shape {
  readonly unprotected: boolean;
  readonly is32: boolean;
  readonly ring: number;
  readonly paging: boolean;
  readonly pae: boolean;
  readonly steps: readonly (readonly [number, Step])[];
}

function shapeOf(kind: Kind, random: Prng): Shape {
  const paging = kind === "paging" || kind === "pae";
  return {
    unprotected: kind === "real" || kind === "v86",
    is32: kind !== "real" && kind !== "v86" && kind !== "pm16",
    ring: kind === "v86" || kind === "ring3" ? 3 : kind === "rings" ? 1 + random.below(2) : random.oneIn(3) ? (kind === "ring0" ? 0 : 3) : 0,
    paging, pae: kind === "pae",
    steps: kind === "real" || kind === "v86" ? UNPROTECTED_STEPS : paging ? PAGING_STEPS : SYSTEM_STEPS,
  };
}

export function createProgram(kind: Kind, seed: number): Program {
  const random = createPrng(seed);
  const memory = new Uint8Array(COMPARED_BYTES), view = new DataView(memory.buffer);
  const shape = shapeOf(kind, random);
  // Far pointers of the 8086 lie there: their segments stay below the ROM.
  const mask = shape.unprotected ? 0x0fff_0fff : ~0;
  for (let at = DATA; at < DATA + DATA_PAGES * 4096; at += 4) view.setUint32(at, random.next() & mask, true);
  for (let at = SPARE; at < SPARE_END; at += 4) view.setUint32(at, random.next() & mask, true);
  const put = (at: number, code: Code): void => memory.set(code.bytes, at);
  const end = slotAt(SLOT_COUNT - 1);

  // Slots: whatever happens, control comes to the next one; the last waits.
  for (let slot = 0; slot < SLOT_COUNT - 1; slot++) {
    const code = new Code(shape.is32);
    pickStep(random, shape.steps)(code, { random, next: slotAt(slot + 1), mode: shape.unprotected ? (kind === "real" ? "real" : "v86") : "pm", pae: shape.pae });
    if (code.bytes.length > SLOT_BYTES - 2) throw new Error(`${code.bytes.length} bytes in a slot`);
    code.raw(0xeb, SLOT_BYTES - 2 - code.bytes.length);
    put(slotAt(slot), code);
  }
  put(end, new Code(true).raw(0xeb, 0xfe));

  descriptors(view, random);
  tasks(view, random, put, shape.paging ? PAGE_TABLES : 0);
  handlers(view, random, put);
  if (shape.paging) pages(view, random, shape.pae);
  vectors(view, put);
  stub(view, random, put, kind, shape);
  return { seed, kind, memory, entry: STUB };
}

function descriptors(view: DataView, random: Prng): void {
  DESCRIPTORS.forEach((entry, i) => putDescriptor(view, GDT + i * 8, entry, HANDLERS + random.below(32) * HANDLER_BYTES));
  // The LDT repeats a part of it; at times a bit of a descriptor is another.
  for (let i = 0; i < 16; i++) putDescriptor(view, LDT + i * 8, DESCRIPTORS[1 + random.below(25)]!, 0);
  for (let n = random.below(3); n > 0; n--) {
    const at = GDT + (9 + random.below(DESCRIPTORS.length - 9)) * 8 + random.pick([1, 4, 5, 5, 5, 6]);
    view.setUint8(at, view.getUint8(at) ^ (1 << random.below(8)));
  }
}

function tasks(view: DataView, random: Prng, put: (at: number, code: Code) => void, cr3: number): void {
  for (const [tss, n] of [[TSS_MAIN, 0], [TSS_OTHER, 1], [TSS_V86, 2]] as const) {
    [STACKS[0], SELECTOR.data0, STACKS[1], 0x31, STACKS[2], 0x42].forEach((value, i) => view.setUint32(tss + 4 + i * 4, value, true));
    view.setUint32(tss + 0x1c, cr3, true);
    view.setUint32(tss + 0x20, TASKS + n * 16, true);
    view.setUint32(tss + 0x24, n === 2 ? VM | 0x3002 : 2 | (random.oneIn(8) ? 0x4000 : 0), true);
    for (let i = 0; i < 8; i++) view.setUint32(tss + 0x28 + i * 4, i === 4 ? STACKS[0] - 0x200 : random.next(), true);
    const segments = n === 2 ? [0x1000, 0, 0xd00, 0x1000, 0x1000, 0x1000] : [0x23, 0x08, 0x10, 0x10, 0, random.oneIn(8) ? 0x98 : 0x23];
    segments.forEach((value, i) => view.setUint32(tss + 0x48 + i * 4, value, true));
    view.setUint32(tss + 0x60, random.oneIn(2) ? SELECTOR.ldt : 0, true);
    // The I/O map, with the redirection map below it.
    view.setUint16(tss + 0x66, 0x88, true);
  }
  for (let i = 0; i < 32; i++) view.setUint8(TSS_MAIN + 0x68 + i, random.next() & random.next() & 0xff);
  for (let i = 0; i < TSS_LIMIT - 0x88; i++) view.setUint8(TSS_MAIN + 0x88 + i, random.oneIn(3) ? 0 : random.next() & 0xff);
  // A 286 task: stacks of rings 0 to 2, IP, flags, registers, ES CS SS DS, LDT.
  [0, STACKS[0], SELECTOR.data0, STACKS[1], 0x31, STACKS[2], 0x42, TASKS + 0x30, 2, ...Array.from({ length: 4 }, () => random.below(0x1_0000)), STACKS[0] - 0x300,
    random.below(0x1_0000), 0x1000, 0x2000, 0x23, 0x58, 0x60, 0x10, random.oneIn(2) ? SELECTOR.ldt : 0].forEach((value, i) => view.setUint16(TSS_16 + i * 2, value, true));
  // A task returns at once, and goes on behind that when it is entered again.
  put(TASKS, new Code(true).raw(0xcf, 0xeb, 0xfd));
  put(TASKS + 16, new Code(true).raw(0xcf, 0xeb, 0xfd));
  put(TASKS + 32, new Code(false).raw(0xcd, 0x20, 0xeb, 0xfc));
  put(TASKS + 48, new Code(false).raw(0xcf, 0xeb, 0xfd));
}

/** For each vector: away with an error code, the return address to the next slot, back. */
function handlers(view: DataView, random: Prng, put: (at: number, code: Code) => void): void {
  for (let vector = 0; vector < 64; vector++) {
    const wide = random.oneIn(6) ? 2 : 4;
    const code = new Code(true);
    if (ERROR_VECTORS.has(vector)) code.raw(0x83, 0xc4, wide);
    code.size(wide).raw(0x83, 0x24, 0x24, 0x100 - SLOT_BYTES).size(wide).raw(0x83, 0x04, 0x24, SLOT_BYTES).size(wide).raw(0xcf);
    put(HANDLERS + vector * HANDLER_BYTES, code);
    const dpl = random.oneIn(3) ? random.below(4) : 3, type = random.oneIn(2) ? 6 : 7;
    const absent = random.oneIn(24);
    const selector = random.oneIn(10) ? random.pick([0x28, 0x48, 0x50, 0x10, 0x58, 0]) : SELECTOR.code0;
    putDescriptor(view, IDT + vector * 8, [selector, HANDLERS + vector * HANDLER_BYTES, (absent ? 0 : 0x80) | (dpl << 5) | (wide === 4 ? 8 : 0) | type], 0);
    if (random.oneIn(16)) putDescriptor(view, IDT + vector * 8, [random.pick([0xc8, 0xd0, 0xd8, 0xc0, 0xe0]), 0, 0x85 | (dpl << 5)], 0);
  }
}

/** The 8086's table: one handler that does the same with words. */
function vectors(view: DataView, put: (at: number, code: Code) => void): void {
  const at = HANDLERS + 64 * HANDLER_BYTES;
  // push bp; mov bp,sp; and word [bp+2],-64; add word [bp+2],64; pop bp; iret
  put(at, new Code(false).raw(0x55, 0x89, 0xe5, 0x83, 0x66, 2, 0x100 - SLOT_BYTES, 0x83, 0x46, 2, SLOT_BYTES, 0x5d, 0xcf));
  for (let vector = 0; vector < 256; vector++) view.setUint32(vector * 4, at, true);
}

/** Identity, but for the data pages: absent, read-only, for the supervisor, elsewhere. */
function pages(view: DataView, random: Prng, pae: boolean): void {
  const directory = pae ? PAGE_TABLES + 0x1000 : PAGE_TABLES, table = pae ? PAGE_TABLES + 0x2000 : PAGE_TABLES + 0x1000, width = pae ? 8 : 4;
  if (pae) for (let i = 0; i < 4; i++) view.setUint32(PAGE_TABLES + i * 8, i === 0 ? directory | P : 0, true);
  view.setUint32(directory, table | P | W | U, true);
  view.setUint32(directory + width, 0 | PS | P | W | (random.oneIn(2) ? U : 0), true);
  for (let page = 0; page < 256; page++) view.setUint32(table + page * width, (page << 12) | P | W | U, true);
  for (let n = 0; n < DATA_PAGES; n++) {
    const page = (DATA >> 12) + n;
    const frame = random.oneIn(4) ? SPARE + random.below(8) * 4096 : page << 12;
    view.setUint32(table + page * width, frame | (random.oneIn(5) ? 0 : P) | (random.oneIn(3) ? 0 : W) | (random.oneIn(3) ? 0 : U) | (random.next() & 0x60), true);
    if (pae && random.oneIn(12)) view.setUint32(table + page * width + 4, random.pick([0x8000_0000, 0x4000_0000]), true);
  }
  // Who may change an entry may invalidate it, too: otherwise either side may know the old one.
  for (let page = PAGE_TABLES >> 12; page < SLOTS >> 12; page++) view.setUint32(table + page * width, (page << 12) | P | W, true);
  // The stacks' and tables' pages are the supervisor's in part.
  if (random.oneIn(2)) for (let page = GDT >> 12; page < END_OF_TABLES >> 12; page++) view.setUint32(table + page * width, (page << 12) | P | W, true);
}

/** From real mode to where the slots begin. */
function stub(view: DataView, random: Prng, put: (at: number, code: Code) => void, kind: Kind, shape: Shape): void {
  const code = new Code(false);
  code.raw(0xdb, 0xe3).size(4).raw(0x31, 0xc0).raw(0x0f, 0x23, 0xf8, 0x0f, 0x23, 0xc0, 0x0f, 0x23, 0xc8, 0x0f, 0x23, 0xd0, 0x0f, 0x23, 0xd8).load(0, 0xffff_0ff0).raw(0x0f, 0x23, 0xf0);
  view.setUint16(TABLES_AT, DESCRIPTORS.length * 8 - 1, true);
  view.setUint32(TABLES_AT + 2, GDT, true);
  view.setUint16(TABLES_AT + 8, kind === "real" ? 0x3ff : 64 * 8 - 1, true);
  view.setUint32(TABLES_AT + 10, kind === "real" ? 0 : IDT, true);
  code.size(4).raw(0x0f, 0x01, 0x16).word(TABLES_AT, 2).size(4).raw(0x0f, 0x01, 0x1e).word(TABLES_AT + 8, 2);
  const cr4 = (shape.pae ? 0x20 : 0) | (random.oneIn(2) ? 0x10 : 0) | (random.oneIn(4) ? 8 : 0) | (random.oneIn(4) ? 0x80 : 0);
  if (kind === "real") {
    for (const register of [0, 1, 2, 3, 5, 6, 7]) code.load(register, random.next());
    code.load(4, 0xd000).raw(0x68).word(0x1000, 2).raw(0x1f).far(0xea, 2, 0, SLOTS);
    put(STUB, code);
    return;
  }
  code.load(0, cr4).raw(0x0f, 0x22, 0xe0).load(0, shape.paging ? PAGE_TABLES : 0).raw(0x0f, 0x22, 0xd8);
  const cr0 = PE | 0x10 | (random.oneIn(2) ? 0x20 : 0) | (random.oneIn(2) ? 0x1_0000 : 0) | (random.oneIn(4) ? 0x4_0000 : 0) | (shape.paging ? PG : 0);
  code.load(0, cr0 | 0).raw(0x0f, 0x22, 0xc0).far(0xea, 2, SELECTOR.code0, STUB + 0x80);
  if (code.bytes.length > 0x80) throw new Error("the stub is too long");
  put(STUB, code);

  const inside = new Code(true);
  for (const segment of [2, 3, 0, 4, 5]) inside.load(0, segment >= 4 ? 0x23 : SELECTOR.data0).raw(0x8e, 0xc0 | (segment << 3));
  inside.load(4, STACKS[0]).load(0, SELECTOR.tss).raw(0x0f, 0x00, 0xd8).load(0, SELECTOR.ldt).raw(0x0f, 0x00, 0xd0);
  const iopl = (random.oneIn(2) ? 3 : random.below(4)) << 12;
  if (kind === "v86") {
    for (const value of [0x1000, 0x1000, 0x1000, 0x1000, 0xd00, 0x800, VM | 2 | iopl | (random.oneIn(2) ? 0x200 : 0), 0, SLOTS]) inside.push(4, value);
  } else {
    const { ring } = shape;
    const codeSelector = kind === "pm16" ? (ring === 0 ? SELECTOR.code16 : SELECTOR.user16) : [SELECTOR.code0, 0x29, 0x3a, SELECTOR.code3][ring]!;
    const stackSelector = kind === "pm16" && random.oneIn(2) ? (ring === 0 ? SELECTOR.data16 : SELECTOR.userData16) : [SELECTOR.data0, 0x31, 0x42, SELECTOR.data3][ring]!;
    const data = ring === 0 ? SELECTOR.data0 : SELECTOR.data3;
    for (const segment of [3, 0]) inside.load(0, data).raw(0x8e, 0xc0 | (segment << 3));
    if (ring === 0) inside.load(0, stackSelector).raw(0x8e, 0xd0);
    else inside.push(4, stackSelector).push(4, STACKS[ring]!);
    inside.push(4, 2 | iopl).push(4, codeSelector).push(4, SLOTS);
  }
  for (const register of [0, 1, 2, 3, 5, 6, 7]) inside.load(register, random.next());
  inside.raw(0xcf);
  if (inside.bytes.length > 0x180) throw new Error("the second half of the stub is too long");
  put(STUB + 0x80, inside);
}
