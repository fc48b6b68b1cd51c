// What plex86-lite asks before it runs a guest, and where a kernel still has instructions that would leak.

import type { Cpu } from "../../cpu/cpu.ts";
import { CR0_PE, CR4_PAE, CR4_PSE } from "../../cpu/control-bits.ts";
import type { Context } from "../../cpu/state.ts";
import { createDecoded, type Decoder, NEEDS_MORE_BYTES } from "../../isa/decoder.ts";
import { TOO_LONG } from "../../isa/decoded.ts";
import {
  ACCESS_UNUSABLE, CPL, CR0, CR4, CS, EFLAGS_IOPL, EFLAGS_SYSTEM, EFLAGS_VM, LDTR, SS,
} from "../../isa/state-layout.ts";
import { SEGMENTS } from "../limbo.ts";
import { branchTarget, flowOf } from "./code-class.ts";

/** The reasons of plex86 ("NoExecute") and two of ours: raw instructions in the kernel, 16-bit code. */
export type Cause = "METHOD" | "CR0" | "CR4" | "CS" | "SELECTOR" | "DPL" | "EFLAGS" | "STATE" | "RAW_PUSHF" | "16BIT";

const ACCESS_CODE32 = 1 << 14;
const DPL_OF_ACCESS = 3 << 5;
const TABLE_INDICATOR = 4;
const MAXIMUM_LENGTH = 15;
/** Instructions that the search for raw sites looks at, in all. */
const SEARCH = 400_000;
/** The prefix by which the macros mark what they contain: DS, which changes nothing there. */
const MACRO_PREFIX = 0x3e;

/** Why the guest, as it is between two instructions, is not one for this monitor; null: it is. */
export function objection(v: Context): readonly [Cause, string] | null {
  if ((v.get(CR0) & CR0_PE) === 0) return ["CR0", "the guest has gone back to real mode"];
  const flags = v.get(EFLAGS_SYSTEM);
  if (flags & EFLAGS_VM || (v.segmentAccess(CS) & ACCESS_CODE32) === 0) return ["16BIT", "the guest runs 16-bit code"];
  if (v.get(CR4) & (CR4_PSE | CR4_PAE)) return ["CR4", "large pages or PAE"];
  if (v.segmentBase(CS) !== 0 || v.segmentLimit(CS) >>> 0 !== 0xffff_ffff) return ["CS", "a code segment that is not flat"];
  if ((v.segmentAccess(LDTR) & ACCESS_UNUSABLE) === 0 && (v.selector(LDTR) & 0xfffc) !== 0) return ["SELECTOR", "the guest uses an LDT"];
  for (const index of SEGMENTS) {
    if ((v.segmentAccess(index) & ACCESS_UNUSABLE) === 0 && v.selector(index) & TABLE_INDICATOR) return ["SELECTOR", "a selector of an LDT"];
  }
  const dpl = (v.segmentAccess(SS) & DPL_OF_ACCESS) >>> 5;
  if (dpl !== v.get(CPL) || dpl === 1 || dpl === 2) return ["DPL", `a stack segment of DPL ${dpl} in ring ${v.get(CPL)}`];
  if (flags & EFLAGS_IOPL) return ["EFLAGS", "IOPL is not 0"];
  return null;
}

/** Finds PUSHF, POPF and IRET outside the macros, along direct control flow from wherever the kernel has been seen to run. */
export class RawSites {
  /** In the order of their discovery: instruction and address. */
  readonly found: string[] = [];
  private readonly cpu: Cpu;
  private readonly decoder: Decoder;
  private readonly seen = new Set<number>();
  private readonly decoded = createDecoded();
  private readonly bytes = new Uint8Array(MAXIMUM_LENGTH + 1);

  constructor(cpu: Cpu, decoder: Decoder) {
    this.cpu = cpu;
    this.decoder = decoder;
  }

  /** V is the active context. True: there are more than before. */
  follow(entry: number): boolean {
    const { decoded, seen } = this;
    const before = this.found.length;
    const work = [entry];
    while (work.length > 0) {
      for (let eip = work.pop()!; !seen.has(eip) && seen.size < SEARCH; ) {
        const length = this.decodeAt(eip);
        if (length === 0) break;
        seen.add(eip);
        this.judge(eip);
        const flow = flowOf(decoded);
        if (flow === "jump" || flow === "conditional" || flow === "call") work.push(branchTarget(decoded, eip));
        if (flow === "jump" || flow === "indirect" || flow === "far" || flow === "stop") break;
        eip = (eip + length) | 0;
      }
    }
    return this.found.length > before;
  }

  private judge(eip: number): void {
    const { mnemonic } = this.decoded.row!;
    if (this.bytes[0] === MACRO_PREFIX || (mnemonic === "IRET" && this.decoded.lock)) return;
    if (mnemonic === "PUSHF" || mnemonic === "POPF" || mnemonic === "IRET") this.found.push(`${mnemonic} at ${(eip >>> 0).toString(16)}`);
  }

  private decodeAt(eip: number): number {
    const { cpu } = this;
    const base = cpu.v.context.segmentBase(CS);
    let available = 0;
    for (; available < MAXIMUM_LENGTH; available++) {
      const physical = cpu.peekPhysical((base + eip + available) | 0);
      const host = physical < 0 ? 0 : cpu.v.physical.hostPage(physical >>> 12);
      if (host === 0) break;
      this.bytes[available] = cpu.state.u8[host + (physical & 0xfff)]!;
    }
    const length = this.decoder.decodeBytes(this.bytes, 0, available, true, this.decoded);
    return length === NEEDS_MORE_BYTES || length === TOO_LONG || this.decoded.row === null ? 0 : length;
  }
}
