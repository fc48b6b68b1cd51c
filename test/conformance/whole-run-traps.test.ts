// Whole runs of the bundled guests, firmware included, under `trap`: every instruction that the guest comes to is decoded by iced-x86,
// and a table typed from the manual says whether the processor lets it pass at the ring, IOPL and mode that the guest really has.
// The sum by instruction must be the count of exits, exactly. TRAPSCOPE_WHOLE_RUNS=all takes every guest at both rings (a minute).
//
// Not foretold, because no instruction's own rule makes them: page faults of the shadow tables, interrupts, returns and loads of
// selectors that the shadow tables do not hold. So PUSHF, POPF and IRET in protected mode are bounds, and MOV of control registers,
// which the log counts with all MOV.

import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { CR0, CS, EFLAGS_SYSTEM } from "../../src/isa/state-layout.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { guestCards, guestExpectation } from "../support/guest-expectations.ts";
import { countsOf, optionsOfKey, runGuest } from "../support/guest-run.ts";

const iced = createRequire(import.meta.url)("iced-x86") as typeof import("iced-x86");

const VM = 1 << 17, PE = 1, D = 0x4000;

/** Under CPL 3 and IOPL 0, or V86 mode with IOPL 0 and an I/O bitmap of ones, VME, UMIP and TSD off: what raises #GP or #UD by its own rule. SDM Vol. 2. */
const ALWAYS = new Set(["CLI", "STI", "IN", "OUT", "INS", "OUTS", "HLT", "LGDT", "LIDT", "LLDT", "LTR", "LMSW", "CLTS", "MOV CR", "MOV DR", "INVD", "WBINVD", "INVLPG", "RDMSR", "WRMSR", "INT"]);
/** V86 mode: IOPL-sensitive, or undefined there. */
const V86_ONLY = new Set(["PUSHF", "POPF", "IRET", "SLDT", "STR", "LAR", "LSL", "VERR", "VERW", "ARPL"]);
/** The log's name for both is MOV. */
const MOV_SYSTEM = ["MOV CR", "MOV DR"];
/** Those whose exits all follow from the table. */
const DECIDED = new Set([...ALWAYS].filter((name) => !MOV_SYSTEM.includes(name)));
/** In protected mode they may leave for their stack's page, and IRET for its selectors. */
const STACK = ["PUSHF", "POPF", "IRET"] as const;

/** iced's name without operand size: PUSHFD, IRETD, INSB, OUTSD. */
function nameOf(bytes: Uint8Array, code32: boolean): string {
  const decoder = new iced.Decoder(code32 ? 32 : 16, bytes, iced.DecoderOptions.None);
  const instruction = decoder.decode();
  const name = iced.Mnemonic[instruction.mnemonic]!.toUpperCase();
  const register = instruction.opCount === 2 && instruction.mnemonic === iced.Mnemonic.Mov ? [instruction.op0Register, instruction.op1Register].map((r) => iced.Register[r]!) : [];
  instruction.free();
  decoder.free();
  if (register.some((r) => /^CR\d/.test(r))) return "MOV CR";
  if (register.some((r) => /^DR\d/.test(r))) return "MOV DR";
  return /^(PUSHF|POPF|IRET|INS|OUTS)[BWDQ]?$/.exec(name)?.[1] ?? name;
}

/** Counts, before each instruction of the guest, what the table says of it. */
class Foretold {
  readonly counts: Record<string, number> = {};
  /** Of STACK, in protected mode. */
  readonly unsure: Record<string, number> = {};
  private readonly names = new Map<string, string>();
  private last = { linear: -1, retired: -1 };

  constructor(machine: Machine) {
    machine.breakpoints.setTracer({ covers: () => true, before: (linear) => {
      this.before(machine, linear);
      return false;
    } });
  }

  private before(machine: Machine, linear: number): void {
    const retired = machine.core.retired();
    // A repeated instruction that goes on after an exit is the same one.
    if (this.last.linear === linear && this.last.retired === retired) return;
    // Code whose state the de-privileged processor cannot hold runs on the guest's own: nothing there can leave.
    if (machine.cpu.context !== machine.cpu.h.context) return;
    this.last = { linear, retired };
    const guest = machine.supervisor.guestContext;
    const code32 = (guest.segmentAccess(CS) & D) !== 0;
    const bytes = machine.memory.read(linear, 15);
    const key = `${code32}${bytes}`;
    let name = this.names.get(key);
    if (name === undefined) this.names.set(key, name = nameOf(bytes, code32));
    const v86 = (guest.get(CR0) & PE) === 0 || (guest.get(EFLAGS_SYSTEM) & VM) !== 0;
    if (ALWAYS.has(name) || (v86 && V86_ONLY.has(name))) this.counts[name] = (this.counts[name] ?? 0) + 1;
    else if (V86_ONLY.has(name)) this.unsure[name] = (this.unsure[name] ?? 0) + 1;
  }
}

const all = process.env["TRAPSCOPE_WHOLE_RUNS"] === "all";
// compute runs half a thousand million instructions without a sensitive one.
const runs = guestCards().filter(({ id }) => id !== "compute").flatMap(({ id }) => Object.keys(guestExpectation(id).techniques).filter((key) => /^trap\/[13]$/.test(key)).map((key) => [id, key] as const));

describe("every exit of a whole run", () => {
  it.each(all ? runs : [["popf", "trap/1"], ["irqsave", "trap/3"]] as const)("%s under %s", { timeout: 300_000 }, (id, key) => {
    const technique = guestExpectation(id).techniques[key]!, script = technique.script ?? guestExpectation(id).script;
    let foretold: Foretold | undefined;
    const run = runGuest(id, { ...optionsOfKey(key), ...(script ? { script } : {}), toEnd: technique.end !== undefined, prepare: (machine) => void (foretold = new Foretold(machine)) });
    const { byInstruction } = countsOf(run.machine).traps;
    const { counts, unsure } = foretold!;
    const decided = (table: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(table).filter(([name]) => DECIDED.has(name)));
    expect(decided(byInstruction)).toEqual(decided(counts));
    for (const name of STACK) {
      const left = byInstruction[name] ?? 0, must = counts[name] ?? 0;
      expect(left, name).toBeGreaterThanOrEqual(must);
      expect(left, name).toBeLessThanOrEqual(must + (unsure[name] ?? 0));
    }
    expect(byInstruction["MOV"] ?? 0).toBeGreaterThanOrEqual(MOV_SYSTEM.reduce((sum, name) => sum + (counts[name] ?? 0), 0));
  });
});
