// What a binary translator has made of one page of the guest's code: which instructions it knows. It goes on from each place that
// is reached, a unit at a time, and knows the place of each instruction in it, so that a fault or an interrupt in the middle of
// a unit finds its way back.

import { isConditionalBranch } from "../../cpu/forms.ts";
import { createDecoded, type Decoder, NEEDS_MORE_BYTES } from "../../isa/decoder.ts";
import { type Decoded, TOO_LONG } from "../../isa/decoded.ts";
import { MODE_CODE32, MODE_V86 } from "../../isa/state-layout.ts";
import type { Row } from "../../isa/row.ts";
import { PAGE_BYTES } from "../pool.ts";

/** Instructions of a unit. */
const UNIT = 12;
const LONGEST = 15;

const decoded: Decoded = createDecoded();

export class TranslatedPage {
  /** Of each variant of the code: the length of the instruction that begins at the offset, 0: none is known. */
  private readonly lengths: (Uint8Array | undefined)[] = [];

  /** `mode`: MODE_* bits. */
  knows(offset: number, mode: number): boolean {
    const lengths = this.lengths[variantOf(mode)];
    return lengths !== undefined && lengths[offset] !== 0;
  }

  /** Goes through the unit at `offset`. `host`: address of the page, 0 where it is no memory; `emit`: what is made of an instruction. */
  translate(u8: Uint8Array, decoder: Decoder, host: number, offset: number, mode: number, emit: (row: Row, decoded: Decoded, offset: number) => Row): void {
    const lengths = (this.lengths[variantOf(mode)] ??= new Uint8Array(PAGE_BYTES));
    // An instruction that goes on in the next page, or is none, is a unit of its own.
    lengths[offset] = 1;
    if (host === 0) return;
    for (let o = offset, count = 0; count < UNIT && o < PAGE_BYTES; count++) {
      const length = decoder.decodeBytes(u8, host + o, host + PAGE_BYTES, (mode & MODE_CODE32) !== 0, decoded);
      if (length === NEEDS_MORE_BYTES || length === TOO_LONG) return;
      lengths[o] = length;
      if (decoded.row === null) return;
      const row = emit(decoded.row, decoded, o);
      if (row.ends === true && !isConditionalBranch(row)) return;
      o += length;
    }
  }

  /** Bytes [from, to) are not what they were. */
  forget(from: number, to: number): void {
    for (const lengths of this.lengths) {
      if (!lengths) continue;
      for (let o = Math.max(from - LONGEST, 0); o < to; o++) if (o + lengths[o]! > from) lengths[o] = 0;
    }
  }
}

/** 16-bit and 32-bit code, and virtual-8086 mode, have nothing in common. */
function variantOf(mode: number): number {
  return (mode & MODE_CODE32 ? 1 : 0) | (mode & MODE_V86 ? 2 : 0);
}
