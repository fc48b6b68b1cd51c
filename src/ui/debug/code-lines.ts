// Lines of a disassembly around an address. Backwards, instructions have no certain beginning: of the ways to read the bytes
// before an instruction, the one is taken that leads to it with the fewest bytes that are none.

import { type CodeLine, disassembleRun } from "../../trace/instruction.ts";

export interface AddressedLine extends CodeLine {
  readonly linear: number;
}

const LONGEST = 15;
/** Bytes that are read before the first line that is wanted, for each line. */
export const BYTES_BEFORE = 64;

/** Instructions from `linear` on. `eip` is the offset of `linear` in its segment: targets of branches are written so. */
export function linesFrom(bytes: Uint8Array, linear: number, eip: number, code32: boolean, count: number): AddressedLine[] {
  return disassembleRun(bytes, eip, code32, count).map((line) => ({ ...line, linear: (linear + line.offset) >>> 0 }));
}

/** Up to `count` instructions that end where `bytes` end. */
export function linesBefore(bytes: Uint8Array, linear: number, eip: number, code32: boolean, count: number): AddressedLine[] {
  let best: AddressedLine[] = [], bestBad = Infinity;
  for (let start = 0; start < Math.min(LONGEST * 2, bytes.length); start++) {
    // The bytes behind the end let the last instruction be judged, and are no line.
    const padded = new Uint8Array(bytes.length - start + LONGEST).fill(0x90);
    padded.set(bytes.subarray(start));
    const lines = linesFrom(padded, linear + start, eip + start, code32, bytes.length).filter(({ offset }) => offset < bytes.length - start);
    const last = lines.at(-1);
    if (!last || last.offset + last.bytes.length !== bytes.length - start) continue;
    const near = lines.slice(-count), bad = near.filter(({ text }) => text === "(bad)").length;
    if (bad < bestBad) [best, bestBad] = [near, bad];
    if (bad === 0) break;
  }
  return best;
}
