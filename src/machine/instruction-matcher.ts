// Which of some mnemonics or classes an instruction belongs to, asked before each instruction: the answer is kept by physical
// address until the code there changes.

import type { Cpu } from "../cpu/cpu.ts";
import { ACCESS_DB } from "../cpu/protection.ts";
import { createDecoded, type Decoder } from "../isa/decoder.ts";
import { ROWS } from "../isa/opcode-map/index.ts";
import type { Row } from "../isa/row.ts";
import { CS } from "../isa/state-layout.ts";

const LONGEST = 15, PAGE = 4096;
const UNKNOWN = 0xff;

/** Bit n: the row is one of what `wanted[n]` names. */
function bitsOf(row: Row, wanted: readonly string[]): number {
  return wanted.reduce((bits, what, n) => (belongs(row, what) ? bits | (1 << n) : bits), 0);
}

function belongs({ mnemonic, sensitivity }: Row, what: string): boolean {
  if (what === "sensitive") return sensitivity !== undefined;
  return mnemonic === what || sensitivity?.class === what;
}

/** Whether any instruction is named or classed so. */
export function isInstructionName(what: string): boolean {
  return ROWS.some((row) => belongs(row, what));
}

export class InstructionMatcher {
  private readonly cpu: Cpu;
  private readonly decoder: Decoder;
  private readonly decoded = createDecoded();
  private readonly bytes = new Uint8Array(LONGEST);
  private wanted: readonly string[] = [];
  /** By physical page, doubled by the size of the code: bits of the instruction at each byte. */
  private readonly pages = new Map<number, Uint8Array>();

  constructor(cpu: Cpu, decoder: Decoder) {
    this.cpu = cpu;
    this.decoder = decoder;
  }

  /** At most seven. */
  look(wanted: readonly string[]): void {
    this.wanted = wanted.slice(0, 7);
    this.pages.clear();
  }

  forget(physical: number, length: number): void {
    // An instruction may begin in the page before.
    for (let page = ((physical - LONGEST) >>> 12); page <= (physical + length - 1) >>> 12; page++) {
      this.pages.delete(page * 2);
      this.pages.delete(page * 2 + 1);
    }
  }

  /** Bits of what the instruction at `linear`, in the active context, is. */
  match(linear: number): number {
    const { cpu } = this;
    const physical = cpu.peekPhysical(linear | 0);
    if (physical < 0) return 0;
    const code32 = (cpu.context.segmentAccess(CS) & ACCESS_DB) !== 0;
    const key = (physical >>> 12) * 2 + (code32 ? 1 : 0), at = physical & (PAGE - 1);
    let page = this.pages.get(key);
    if (!page) this.pages.set(key, (page = new Uint8Array(PAGE).fill(UNKNOWN)));
    // What crosses into another page may change there unseen.
    if (page[at] !== UNKNOWN) return page[at]!;
    const bits = this.decode(linear, code32);
    if (at <= PAGE - LONGEST) page[at] = bits;
    return bits;
  }

  private decode(linear: number, code32: boolean): number {
    const { cpu, bytes } = this;
    let count = 0;
    for (; count < LONGEST; count++) {
      const physical = cpu.peekPhysical((linear + count) | 0);
      const host = physical < 0 ? 0 : cpu.physical.hostPage(physical >>> 12);
      if (host === 0) break;
      bytes[count] = cpu.state.u8[host + (physical & (PAGE - 1))]!;
    }
    const length = this.decoder.decodeBytes(bytes, 0, count, code32, this.decoded);
    return length > 0 && length <= LONGEST && this.decoded.row ? bitsOf(this.decoded.row, this.wanted) : 0;
  }
}
