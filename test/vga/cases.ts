// Random pictures: a mode of the VGA, its registers changed in what QEMU's drawing knows, random display memory and colours.

import { MODES } from "../../src/hardware/vga-test-modes.ts";
import { createPrng, type Prng } from "../support/prng.ts";

export const KINDS = ["text80", "cga4", "cga2", "planar320", "planar640", "chain256", "modeX"] as const satisfies readonly (keyof typeof MODES)[];
export type Kind = (typeof KINDS)[number];

export interface VgaCase {
  readonly kind: Kind;
  readonly seed: number;
  readonly misc: number;
  readonly sequencer: readonly number[];
  readonly crtc: readonly number[];
  readonly graphics: readonly number[];
  readonly attribute: readonly number[];
  /** Red, green and blue of each entry, six bits each. */
  readonly colors: readonly number[];
  /** 64 KB of each plane. */
  readonly planes: readonly Uint8Array[];
  /** What the processor writes in the mode: nothing where planes have all. */
  readonly window: { readonly at: number; readonly bytes: Uint8Array };
  /** In words, for reports. */
  readonly what: string;
}

const PLANE = 0x1_0000, NO_SPLIT = 0x3ff;
const BLINK = 8, WIDE_BACKGROUND = 0xff;

function setLineCompare(crtc: number[], line: number): void {
  crtc[0x18] = line & 0xff;
  crtc[7] = (crtc[7]! & ~0x10) | ((line >> 4) & 0x10);
  crtc[9] = (crtc[9]! & ~0x40) | ((line >> 3) & 0x40);
}

function setShownLines(crtc: number[], lines: number): void {
  crtc[0x12] = (lines - 1) & 0xff;
  crtc[7] = (crtc[7]! & ~0x42) | (((lines - 1) >> 7) & 2) | (((lines - 1) >> 3) & 0x40);
}

const isChained = (crtc: readonly number[]): boolean => (crtc[0x14]! & 0x40) !== 0;

/** Lines, start address, pitch and split. */
function graphicsScreen(random: Prng, crtc: number[]): string {
  const said: string[] = [];
  const note = (text: string): void => void said.push(text);
  const rowAddressed = (crtc[0x17]! & 3) !== 3;
  if (!rowAddressed && random.oneIn(2)) {
    const repeats = random.pick(isChained(crtc) ? [1, 2, 3, 7] : [0, 1, 2, 3, 7]);
    crtc[9] = (crtc[9]! & ~0x1f) | repeats;
    note(`each line ${repeats + 1} times`);
  }
  if (random.oneIn(3)) {
    // Four bytes to a count: 200 lines are all that fits without wrapping.
    const lines = isChained(crtc) ? random.pick([350, 399, 400, 240, 333]) : random.pick([350, 399, 400, 240, 333, rowAddressed ? 398 : 480]);
    setShownLines(crtc, lines);
    note(`${lines} lines`);
  }
  // What lies beyond 64 KB wraps around here and on a VGA, and is more memory there.
  if (!rowAddressed && random.oneIn(2)) {
    const pitch = crtc[0x13]! + (isChained(crtc) ? -random.below(3) : random.pick([1, 4, -2]));
    crtc[0x13] = pitch;
    note(`pitch ${pitch}`);
  }
  if (!rowAddressed && random.oneIn(2)) {
    const start = random.below(isChained(crtc) ? 0x100 : 0x800);
    crtc[0x0c] = start >> 8;
    crtc[0x0d] = start & 0xff;
    note(`from ${start.toString(16)}`);
  }
  setLineCompare(crtc, NO_SPLIT);
  // The split starts the row counter anew, which QEMU leaves running: its first line is that of a cell here.
  if (!rowAddressed && random.oneIn(2)) {
    const times = ((crtc[9]! & 0x1f) + 1) * (crtc[9]! & 0x80 ? 2 : 1), split = (1 + random.below(Math.floor(380 / times))) * times - 1;
    setLineCompare(crtc, split);
    note(`split at ${split}`);
  }
  return said.join(", ");
}

function textScreen(random: Prng, crtc: number[], sequencer: number[], attribute: number[]): string {
  const said: string[] = [];
  const height = random.pick([8, 14, 16, 16, 9, 12]);
  crtc[9] = (crtc[9]! & ~0x1f) | (height - 1);
  setShownLines(crtc, Math.floor(400 / height) * height);
  sequencer[1] = random.oneIn(2) ? 1 : 0;
  said.push(`${sequencer[1] ? 8 : 9} dots by ${height}`);
  sequencer[3] = random.oneIn(2) ? 0 : random.next() & 0x3f;
  const start = random.below(0x400), cursor = start + random.below(400);
  [crtc[0x0c], crtc[0x0d], crtc[0x0e], crtc[0x0f]] = [start >> 8, start & 0xff, cursor >> 8, cursor & 0xff];
  crtc[0x0a] = random.below(height) | (random.oneIn(5) ? 0x20 : 0);
  crtc[0x0b] = random.below(height);
  said.push(`cursor ${crtc[0x0a]} to ${crtc[0x0b]}`);
  if (random.oneIn(3)) {
    crtc[0x13] = crtc[0x13]! + random.below(8);
    said.push(`pitch ${crtc[0x13]}`);
  }
  // No underline, no blinking; box drawing from C0h on, where QEMU begins at B0h: the eighth dot of such characters stays clear.
  crtc[0x14] = 0x1f;
  attribute[0x10] = (attribute[0x10]! | 4) & ~BLINK;
  return said.join(", ");
}

export function createCase(kind: Kind, seed: number): VgaCase {
  const random = createPrng(seed);
  const mode = MODES[kind], sequencer = [...mode.sequencer], crtc = [...mode.crtc], graphics = [...mode.graphics], attribute = [...mode.attribute];
  const what: string[] = [];
  const isText = kind === "text80";
  what.push(isText ? textScreen(random, crtc, sequencer, attribute) : graphicsScreen(random, crtc));
  const wide = (graphics[5]! & 0x40) !== 0;
  if (!wide && random.oneIn(2)) {
    for (let i = 0; i < 16; i++) attribute[i] = random.next() & 0x3f;
    attribute[0x14] = random.next() & 0x0f;
    if (random.oneIn(2)) attribute[0x10] = attribute[0x10]! | 0x80;
    what.push("palette");
  }
  // Four colours come from pairs of planes, of which QEMU masks the bytes.
  if (!wide && !isText && kind !== "cga4" && random.oneIn(2)) {
    attribute[0x12] = random.next() & 0x0f;
    what.push(`planes ${attribute[0x12]}`);
  }
  const bytes = (length: number): Uint8Array => {
    const words = new Uint32Array(length / 4);
    for (let i = 0; i < words.length; i++) words[i] = random.next();
    return new Uint8Array(words.buffer);
  };
  const planes = Array.from({ length: 4 }, () => bytes(PLANE));
  // Characters B0h to BFh, as above: none with the eighth dot.
  if (isText) planes[2] = planes[2]!.map((byte, at) => (((at >> 5) & 0xf0) === 0xb0 ? byte & 0xfe : byte) & WIDE_BACKGROUND);
  const map = (graphics[6]! >> 2) & 3, chained = isText || kind === "cga4" || kind === "chain256";
  const window = { at: map === 1 ? 0xa_0000 : 0xb_8000, bytes: bytes(!chained ? 0 : map === 1 ? 0x1_0000 : 0x8000) };
  const colors = Array.from({ length: 768 }, () => random.next() & 0x3f);
  return { kind, seed, misc: mode.misc, sequencer, crtc, graphics, attribute, colors, planes, window, what: what.filter((text) => text !== "").join(", ") };
}
