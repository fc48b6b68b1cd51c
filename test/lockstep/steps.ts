// What a program may do in one slot. Flags that the manual leaves undefined are never made.

import type { Prng } from "../support/prng.ts";
import type { Code } from "./code.ts";
import { DATA, DATA_PAGES, DESCRIPTORS, PAGE_TABLES, SLOT_BYTES, STACKS } from "./layout.ts";

export interface StepContext {
  readonly random: Prng;
  /** Offset of the slot behind this one: where a transfer goes on. */
  readonly next: number;
  readonly mode: "real" | "v86" | "pm";
  readonly pae: boolean;
}

export type Step = (code: Code, context: StepContext) => void;

const ES = 0, SS = 2, DS = 3, FS = 4, GS = 5;
const ESP = 4;
/** Selectors of the GDT and the LDT, right ones more often. */
export function anySelector(random: Prng): number {
  const index = random.oneIn(12) ? random.below(64) : 1 + random.below(DESCRIPTORS.length - 1);
  return random.oneIn(10) ? random.below(16) * 8 + 4 + random.below(4) : index * 8 + (random.oneIn(2) ? 3 : random.below(4));
}
function segmentValue({ random, mode }: StepContext): number {
  if (mode !== "pm") return random.pick([0, 0x1000, 0x0fff, 0x1001, random.below(0x1400)]);
  return random.oneIn(16) ? random.below(4) : random.oneIn(4) ? anySelector(random) : random.pick([0x23, 0x23, 0x20, 0x10, 0x33, 0x43, 0x73]);
}
const size = (random: Prng): 2 | 4 => (random.oneIn(2) ? 2 : 4);
const register = (random: Prng): number => random.pick([0, 1, 2, 3, 5, 6, 7]);
/** Near the ends of pages and of 64 KB, or anywhere in the data. */
function dataAddress({ random, mode }: StepContext): number {
  if (mode !== "pm") return random.oneIn(4) ? 0xffff - random.below(4) : random.below(0x1_0000);
  const page = DATA + random.below(DATA_PAGES) * 4096;
  return random.oneIn(8) ? random.pick([0x1_0ffd, 0xffff, 0xfff, 0x2344, 0x2345, 0x10_fff, 0x7fff_ffff]) : page + (random.oneIn(3) ? 0xffc + random.below(6) : random.below(4096));
}
const override = (random: Prng): number[] => (random.oneIn(3) ? [random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65])] : []);

/** mov eax, selector; mov sreg, ax */
const loadSegment: Step = (code, context) => {
  code.load(0, segmentValue(context)).raw(0x8e, 0xc0 | (context.random.pick([ES, SS, DS, DS, FS, GS, ES]) << 3));
};
const pushPopSegment: Step = (code, context) => {
  const { random } = context, width = size(random);
  if (random.oneIn(2)) code.size(width).raw(...random.pick([[0x06], [0x0e], [0x16], [0x1e], [0x0f, 0xa0], [0x0f, 0xa8]]));
  else code.push(width, segmentValue(context)).size(width).raw(...random.pick([[0x07], [0x17], [0x1f], [0x0f, 0xa1], [0x0f, 0xa9]]));
};
const storeSegment: Step = (code, { random }) => {
  code.size(size(random)).raw(0x8c, 0xc0 | (random.below(6) << 3) | register(random));
};
const arithmetic: Step = (code, { random }) => {
  code.size(size(random));
  switch (random.below(5)) {
    case 0:
      code.raw(random.pick([0x01, 0x29, 0x11, 0x19, 0x39, 0x89, 0x87]), 0xc0 | (register(random) << 3) | register(random));
      break;
    case 1:
      code.raw(0x40 + register(random));
      break;
    case 2:
      code.raw(0x48 + register(random));
      break;
    case 3:
      code.raw(0xf7, 0xd0 | (random.oneIn(2) ? 8 : 0) | register(random));
      break;
    default:
      code.raw(0x83, 0xc0 | (random.pick([0, 2, 3, 5, 7]) << 3) | register(random)).word(random.next(), 1);
  }
};
/** mov, add, xchg, inc, cmp, bts, cmpxchg8b ... with memory, through any segment. */
const memory: Step = (code, context) => {
  const { random } = context, reg = register(random), address = dataAddress(context);
  code.raw(...override(random));
  switch (random.below(9)) {
    case 0: code.absolute(size(random), [0x8b], reg, address); break;
    case 1: code.absolute(size(random), [0x89], reg, address); break;
    case 2: code.absolute(size(random), [random.pick([0x01, 0x29, 0x39, 0x87])], reg, address); break;
    case 3: code.absolute(0, [random.pick([0x8a, 0x88, 0x86, 0x38])], random.below(8), address); break;
    case 4: code.absolute(size(random), [0xff], random.below(2), address); break;
    case 5: code.raw(0xf0).absolute(size(random), [0xff], random.below(2), address); break;
    case 6: code.absolute(0, [0x0f, 0xc7], 1, address); break;
    case 7: code.absolute(size(random), [0xff], 6, address); break;
    default: code.absolute(size(random), [0x8f], 0, address);
  }
};
const farPointer: Step = (code, context) => {
  const { random } = context;
  const address = DATA + random.below(0x700) * 4;
  if (context.mode !== "pm") code.absolute(size(random), random.pick([[0xc4], [0xc5], [0x0f, 0xb2], [0x0f, 0xb4], [0x0f, 0xb5]]), register(random), address & 0xffff);
  else {
    code.load(0, segmentValue(context)).raw(0x36).absolute(2, [0x89], 0, address + 4);
    code.raw(0x36).absolute(4, random.pick([[0xc4], [0xc5], [0x0f, 0xb2], [0x0f, 0xb4], [0x0f, 0xb5]]), register(random), address);
  }
};
const stack: Step = (code, { random }) => {
  const width = size(random);
  switch (random.below(6)) {
    case 0: code.size(width).raw(0x50 + random.below(8)); break;
    case 1: code.size(width).raw(0x58 + register(random)); break;
    case 2: code.size(width).raw(0x60); break;
    case 3: code.push(width, random.next()); break;
    case 4: code.size(width).raw(0xc8).word(random.below(64), 2).word(random.oneIn(2) ? 0 : random.below(4), 1); break;
    default: code.size(width).raw(0xc9);
  }
};
/** ESP elsewhere: odd, near an end of a stack, of 64 KB. */
const moveStack: Step = (code, { random }) => {
  code.load(ESP, random.pick([STACKS[0], STACKS[3], STACKS[0] - 2, 0xd002, 0xe001, 0x1_d000, 0xffff, 2, 0xdffe, 0xe002]));
};
const pushFlags: Step = (code, { random }) => void code.size(size(random)).raw(0x9c);
function flagsImage({ random }: StepContext): number {
  // TF is dear, as every slot then traps.
  return 2 | (random.next() & 0x24_7cd5 & ~0x2_0000) | (random.oneIn(10) ? 0x100 : 0);
}
const popFlags: Step = (code, context) => {
  const width = size(context.random);
  code.push(width, flagsImage(context)).size(width).raw(0x9d);
};
const interruptFlag: Step = (code, { random }) => void code.raw(random.pick([0xfa, 0xfb, 0xfc, 0xfd, 0xf5, 0xf9]));
const softwareInterrupt: Step = (code, { random }) => {
  switch (random.below(6)) {
    case 0: code.raw(0xcc); break;
    case 1: code.raw(0xce); break;
    case 2: code.raw(0xcd, random.below(24)); break;
    default: code.raw(0xcd, 0x20 + random.below(32));
  }
};
const farTransfer: Step = (code, context) => {
  const { random, next, mode } = context, width = size(random);
  const selector = mode === "pm" ? (random.oneIn(2) ? random.pick([0x08, 0x1b, 0x48, 0x53, 0x5b, 0x58, 0x6b]) : anySelector(random)) : random.pick([0, 0, 1, 0x10]);
  const offset = mode === "pm" ? next : next - selector * 16;
  switch (random.below(4)) {
    case 0: code.far(0xea, width, selector, offset); break;
    case 1: code.far(0x9a, width, selector, offset); break;
    default: {
      // The frame of RETF: an outer ring finds a stack of its own.
      const outer = random.oneIn(2);
      if (outer) code.push(width, random.pick([0x23, 0x33, 0x73, 0x10, 0x7b])).push(width, STACKS[3]);
      code.push(width, selector).push(width, offset).size(width).raw(random.oneIn(3) ? 0xca : 0xcb);
      if (code.bytes.at(-1) === 0xca) code.word(random.pick([0, 4, 8]), 2);
    }
  }
};
const interruptReturn: Step = (code, context) => {
  const { random, next, mode } = context, width = size(random);
  const selector = mode === "pm" ? (random.oneIn(2) ? random.pick([0x08, 0x1b, 0x48, 0x53, 0x58, 0x6b]) : anySelector(random)) : random.pick([0, 0, 1]);
  if (mode === "pm" && random.oneIn(2)) code.push(width, random.pick([0x23, 0x23, 0x10, 0x73, 0x33])).push(width, STACKS[3]);
  code.push(width, flagsImage(context)).push(width, selector).push(width, mode === "pm" ? next : next - selector * 16).size(width).raw(0xcf);
};
const selectorQuestions: Step = (code, context) => {
  const { random } = context;
  code.load(1, anySelector(random));
  switch (random.below(4)) {
    case 0: code.size(size(random)).raw(0x0f, 0x02, 0xd1); break;
    case 1: code.size(size(random)).raw(0x0f, 0x03, 0xd1); break;
    case 2: code.raw(0x0f, 0x00, 0xe1 | (random.oneIn(2) ? 8 : 0)); break;
    default: code.load(2, random.next()).raw(0x63, 0xca);
  }
};
const tableRegisters: Step = (code, context) => {
  const { random } = context;
  switch (random.below(6)) {
    case 0: code.raw(0x36).absolute(size(random), [0x0f, 0x01], random.below(2), DATA + 0x100); break;
    case 1: code.size(size(random)).raw(0x0f, 0x00, 0xc0 | (random.oneIn(2) ? 8 : 0) | register(random)); break;
    case 2: code.raw(0x36).absolute(0, [0x0f, 0x00], random.below(2), DATA + 0x110); break;
    case 3: code.load(0, random.pick([0, 3, 0xe8, 0xf0, 0x10, 0xec, 0xc0])).raw(0x0f, 0x00, 0xd0); break;
    case 4: code.load(0, random.pick([0xc0, 0xc8, 0xd0, 0xe0, 0, 0x10, 0xcc])).raw(0x0f, 0x00, 0xd8); break;
    default: code.size(4).raw(0x0f, 0x01, 0xe0 | register(random));
  }
};
const controlRegisters: Step = (code, { random }) => {
  switch (random.below(7)) {
    case 0: code.raw(0x0f, 0x20, 0xc0 | (random.pick([0, 2, 3, 4, 1, 7]) << 3) | register(random)); break;
    // CR0: MP EM TS NE WP AM.
    case 1: code.raw(0x0f, 0x20, 0xc0).size(4).raw(0x35).word(random.pick([2, 4, 8, 0x20, 0x1_0000, 0x4_0000]), 4).raw(0x0f, 0x22, 0xc0); break;
    case 2: code.raw(0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8); break;
    // CR4: TSD DE PGE.
    case 3: code.raw(0x0f, 0x20, 0xe0).size(4).raw(0x35).word(random.pick([4, 8, 0x80]), 4).raw(0x0f, 0x22, 0xe0); break;
    case 4: code.raw(0x0f, 0x06); break;
    case 5: code.load(0, 0x11 | (random.next() & 0xe)).raw(0x0f, 0x01, 0xf0); break;
    default: code.raw(0x0f, random.pick([0x08, 0x09]));
  }
};
/**
 * An image of DR7: kinds and lengths, some enabled, at times GD. Lengths of 8 bytes are left out, they mean nothing in 32 bits; data
 * breakpoints stay disabled, as QEMU reports them late when it is stepped by its gdb stub.
 */
function breakpoints(random: Prng): number {
  let image = 0x400 | (random.next() & random.next() & 0xff) | (random.oneIn(6) ? 0x2000 : 0) | (random.next() & 0x300);
  for (let n = 0; n < 4; n++) {
    const kind = random.below(4);
    image |= (kind | ((kind === 0 ? 0 : random.pick([0, 1, 3])) << 2)) << (16 + n * 4);
    if (kind === 1 || kind === 3) image &= ~(3 << (n * 2));
  }
  return image;
}
const debugRegisters: Step = (code, context) => {
  const { random } = context;
  switch (random.below(6)) {
    // Slots to come as instruction breakpoints, data, ports.
    case 0: code.load(0, random.oneIn(3) ? context.next + random.below(8) * SLOT_BYTES : random.oneIn(8) ? 0x2e0 + random.below(12) : dataAddress(context)).raw(0x0f, 0x23, 0xc0 | (random.below(4) << 3)); break;
    case 4: case 5: code.load(0, breakpoints(random)).raw(0x0f, 0x23, 0xf8); break;
    case 1: code.raw(0x0f, 0x21, 0xc0 | (random.below(8) << 3) | random.below(4)); break;
    case 2: code.load(0, random.next() & 0xe00f).raw(0x0f, 0x23, 0xf0); break;
    default: code.raw(0x0f, 0x21, 0xf0 | random.below(4));
  }
};
/** Changes a page's entry and invalidates it. */
const pageTable: Step = (code, { random, pae }) => {
  const page = (DATA >> 12) + random.below(DATA_PAGES);
  const at = pae ? PAGE_TABLES + 0x2000 + page * 8 : PAGE_TABLES + 0x1000 + page * 4;
  // Flips present, writable, user, accessed, dirty.
  code.raw(0x36).absolute(4, [0x81], 6, at).word(random.pick([1, 2, 4, 6, 0x20, 0x40, 0x60]), 4);
  code.raw(0x36).absolute(0, [0x0f, 0x01], 7, page << 12);
};
const strings: Step = (code, context) => {
  const { random } = context;
  code.load(1, random.below(9)).load(6, dataAddress(context)).load(7, dataAddress(context));
  code.raw(...(random.oneIn(2) ? [random.pick([0xf3, 0xf2])] : []), ...override(random)).size(size(random)).address32().raw(random.pick([0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xa6, 0xaf]));
};
const ports: Step = (code, { random }) => {
  code.load(2, 0x2e0 + random.below(12));
  code.size(size(random)).raw(random.pick([0xec, 0xed, 0xee, 0xef]));
};
const fastCall: Step = (code, { random }) => void code.raw(0x0f, random.pick([0x34, 0x35]));
const oddities: Step = (code, { random }) => {
  const choice = random.pick([[0x0f, 0x0b], [0x0f, 0xff, 0xc0], [0xf0, 0x90], [0xf0, 0x89, 0xc0], [0xf0, 0x8b, 0x00], [0xd6], [0xf4], [0x9b], [0xd9, 0xd0], [0x8e, 0xc8], [0x8c, 0xf0], [0xfe, 0xd0], [0xff, 0xf8],
    [0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90], [0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90],
    [0x62, 0xc0], [0xc4, 0xc0], [0x8d, 0xc0], [0x0f, 0x20, 0xc8], [0x0f, 0x01, 0xf8], [0xc8, 0, 0, 31]]);
  code.raw(...choice);
};

/** By weight. */
export const SYSTEM_STEPS: readonly (readonly [number, Step])[] = [
  [6, loadSegment], [4, pushPopSegment], [2, storeSegment], [2, arithmetic], [8, memory], [3, farPointer], [4, stack], [2, moveStack], [2, pushFlags], [4, popFlags],
  [3, interruptFlag], [5, softwareInterrupt], [6, farTransfer], [6, interruptReturn], [5, selectorQuestions], [5, tableRegisters], [5, controlRegisters],
  [3, debugRegisters], [2, strings], [2, ports], [1, fastCall], [2, oddities],
];
export const PAGING_STEPS: readonly (readonly [number, Step])[] = [...SYSTEM_STEPS, [12, pageTable], [14, memory], [6, strings]];
export const UNPROTECTED_STEPS: readonly (readonly [number, Step])[] = [
  [6, loadSegment], [4, pushPopSegment], [2, storeSegment], [3, arithmetic], [10, memory], [4, farPointer], [6, stack], [3, moveStack], [4, pushFlags], [6, popFlags],
  [5, interruptFlag], [6, softwareInterrupt], [6, farTransfer], [6, interruptReturn], [2, selectorQuestions], [4, tableRegisters], [3, controlRegisters], [4, strings],
  [2, ports], [2, oddities],
];

export function pickStep(random: Prng, steps: readonly (readonly [number, Step])[]): Step {
  let at = random.below(steps.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, step] of steps) {
    at -= weight;
    if (at < 0) return step;
  }
  return arithmetic;
}
