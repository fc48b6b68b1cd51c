// A page of the guest's code as scan-before-execute runs it: a copy that starts as all CC. What has been decoded and found
// harmless is copied in; whatever else is reached breaks by itself.

import type { Decoded } from "../../isa/decoded.ts";
import { createDecoded, type Decoder, NEEDS_MORE_BYTES } from "../../isa/decoder.ts";
import { TOO_LONG } from "../../isa/decoded.ts";
import { PAGE_BYTES } from "../pool.ts";
import { branchTarget, type CodeMode, type Flow, flowOf, isHole } from "./code-class.ts";

export const UNSCANNED = 0, SENSITIVE = 1, CROSSING = 2, INDIRECT = 3, GUEST_INT3 = 4, CONFLICT = 5, COPIED = 6;
const INT3 = 0xcc;
const NOBODY = 0, START = 1, INSIDE = 2;

export interface ScanRules {
  /** Targets that one scan follows. */
  readonly depth: number;
  /** RET and indirect branches break, so that their target is known to be scanned. */
  readonly strict: boolean;
}

export class ScannedPage {
  readonly physicalPage: number;
  /** Pool page of the copy. */
  readonly copy: number;
  /** What a CC of the copy stands for. */
  readonly kind = new Uint8Array(PAGE_BYTES);
  /** EIPs outside the page that scanned branches lead to, since they were last taken. */
  targets: number[] = [];
  private readonly owner = new Uint8Array(PAGE_BYTES);
  /** How often it changed under its copy, and since which instruction. */
  changes = 0;
  changesSince = 0;
  /** An unscanned byte: where a fetch breaks without running anything. */
  private breaksAt = 0;

  constructor(physicalPage: number, copy: number) {
    this.physicalPage = physicalPage;
    this.copy = copy;
  }

  /** Decodes from `offset` on and copies what may run. `from` and `into`: addresses of the original and the copy; `eip0`: EIP of the page's first byte. */
  scan(u8: Uint8Array, decoder: Decoder, from: number, into: number, offset: number, eip0: number, code32: boolean, mode: CodeMode, rules: ScanRules): void {
    const work = [offset];
    for (let depth = rules.depth; work.length > 0 && depth > 0; depth--) this.follow(work, u8, decoder, from, into, eip0, code32, mode, rules);
  }

  private follow(work: number[], u8: Uint8Array, decoder: Decoder, from: number, into: number, eip0: number, code32: boolean, mode: CodeMode, rules: ScanRules): void {
    let o = work.pop()!;
    while (o < PAGE_BYTES && this.owner[o] !== START) {
      const length = decoder.decodeBytes(u8, from + o, from + PAGE_BYTES, code32, decoded);
      if (length === NEEDS_MORE_BYTES || length === TOO_LONG || decoded.row === null) {
        // It goes on in the next page, or it is no instruction: the step on V knows.
        this.claim(o, 1, CROSSING);
        return;
      }
      if (!this.isFree(o, length)) {
        if (this.owner[o] === NOBODY) this.claim(o, 1, CONFLICT);
        return;
      }
      const flow = flowOf(decoded);
      const kind = kindOf(decoded, flow, mode, rules.strict);
      if (kind === COPIED) u8.copyWithin(into + o, from + o, from + o + length);
      this.claim(o, kind === COPIED ? length : 1, kind);
      if (flow === "jump" || flow === "conditional" || flow === "call") {
        const target = (branchTarget(decoded, (eip0 + o) | 0) - eip0) | 0;
        if (target < 0 || target >= PAGE_BYTES) this.targets.push((eip0 + target) | 0);
        else if (this.owner[target] === INSIDE) this.takeOut(u8, into, target);
        else if (this.kind[target] === UNSCANNED) work.push(target);
      }
      if (flow !== "next" && flow !== "conditional" && flow !== "call" && flow !== "indirect-call") return;
      o += length;
    }
  }

  private isFree(offset: number, length: number): boolean {
    for (let i = offset; i < offset + length; i++) if (this.owner[i] !== NOBODY) return false;
    return true;
  }

  private claim(offset: number, length: number, kind: number): void {
    this.owner[offset] = START;
    this.owner.fill(INSIDE, offset + 1, offset + length);
    this.kind.fill(kind, offset, offset + length);
  }

  /** Somebody goes into the middle of a copied instruction: it breaks from now on, and is stepped. */
  takeOut(u8: Uint8Array, into: number, inside: number): void {
    let start = inside;
    while (this.owner[start] === INSIDE) start--;
    let end = inside;
    while (end < PAGE_BYTES && this.owner[end] === INSIDE) end++;
    u8.fill(INT3, into + start, into + end);
    this.owner.fill(NOBODY, start, end);
    this.kind.fill(UNSCANNED, start, end);
    this.claim(start, 1, CONFLICT);
  }

  isInside(offset: number): boolean {
    return this.owner[offset] === INSIDE;
  }

  /** Whether bytes [from, to) belong to an instruction that was decoded. */
  covers(from: number, to: number): boolean {
    for (let i = from; i < to; i++) if (this.owner[i] !== NOBODY) return true;
    return false;
  }

  /** The copy is all CC again. */
  forget(u8: Uint8Array, into: number): void {
    u8.fill(INT3, into, into + PAGE_BYTES);
    this.kind.fill(UNSCANNED);
    this.owner.fill(NOBODY);
  }

  /** Offset of a CC in the copy between `first` and `last`, or -1. */
  breakBetween(first: number, last: number): number {
    if (this.breaksAt < first || this.breaksAt > last || this.kind[this.breaksAt] === COPIED) {
      let at = first;
      while (at <= last && this.kind[at] === COPIED) at++;
      if (at > last) return -1;
      this.breaksAt = at;
    }
    return this.breaksAt;
  }
}

const decoded: Decoded = createDecoded();

function kindOf(d: Decoded, flow: Flow, mode: CodeMode, strict: boolean): number {
  if (d.row!.mnemonic === "INT3") return GUEST_INT3;
  if (isHole(d, mode)) return SENSITIVE;
  if (strict && (flow === "indirect" || flow === "indirect-call")) return INDIRECT;
  // In V86 mode a far transfer is no hole; it is a jump to where nobody has looked yet.
  if (strict && flow === "far" && mode !== "protected" && d.row!.mnemonic !== "IRET") return SENSITIVE;
  return COPIED;
}
