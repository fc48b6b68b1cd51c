// What each technique does with one sensitive instruction, where it stands: by what the processor does with it outside ring 0
// (isa/sensitivity.ts), the guest's mode and ring, and the switches. How the techniques work: monitor/techniques.

import type { SensitivityNote } from "../isa/sensitivity.ts";
import { type ProcessorSet, type TechniqueId, TECHNIQUES } from "../protocol/technique.ts";
import type { TrapFields } from "./trap-fields.ts";

/** `sometimes`: traps with some operands and runs with others. `none`: runs by itself, and rightly. */
export type Verdict = "none" | "trap" | "leak" | "sometimes" | "breakpoint" | "emulated" | "inline" | "callout" | "asks" | "refused";

export interface TechniqueNote {
  readonly technique: TechniqueId;
  readonly verdict: Verdict;
  readonly text: string;
}

const VIRTUAL_8086_FLAGS: ReadonlySet<string> = new Set(["CLI", "STI", "PUSHF", "POPF", "INT", "IRET"]);
/** In real and virtual-8086 mode what these do has nothing to do with privilege, or they are undefined. */
const PLAIN_IN_V86: ReadonlySet<string> = new Set([
  "MOV", "PUSH", "POP", "LDS", "LES", "LSS", "LFS", "LGS", "RETF", "JMP", "CALL", "ARPL", "LAR", "LSL", "VERR", "VERW", "SLDT", "STR",
]);
const UMIP: ReadonlySet<string> = new Set(["SGDT", "SIDT", "SLDT", "STR", "SMSW"]);
const PORTS: ReadonlySet<string> = new Set(["IN", "OUT", "INS", "OUTS"]);
/** What leaves non-root operation under the control block of the vtx technique, and the name of the exit. */
const VMX_EXITS: Readonly<Record<string, string>> = {
  CPUID: "CPUID", HLT: "HLT", INVD: "INVD", RDPMC: "RDPMC", RDMSR: "RDMSR", WRMSR: "WRMSR", IN: "I/O instruction", OUT: "I/O instruction",
  INS: "I/O instruction", OUTS: "I/O instruction",
};
const INLINE: ReadonlySet<string> = new Set(["CLI", "STI", "PUSHF", "POPF"]);
/** Exceptions by which the guest asks for its own handler. */
const BY_VECTOR: ReadonlySet<string> = new Set(["INT3", "INTO", "BOUND", "INT1"]);

type Subject = Pick<TrapFields, "instruction" | "text" | "mode" | "vcpl">;
/** What H does with it when nobody changed the code. */
type Native = "trap" | "sometimes" | "leak" | "none";

const moves = ({ instruction, text }: Subject, kind: RegExp): boolean => instruction === "MOV" && kind.test(text ?? "");

function native(subject: Subject, note: SensitivityNote, set: ProcessorSet): Native {
  const { instruction, mode } = subject;
  if (set.umip && UMIP.has(instruction)) return "trap";
  if (set.tsd && (instruction === "RDTSC" || instruction === "RDTSCP")) return "trap";
  if (mode === "real" || mode === "v86") {
    // Under VME they act on VIF; an image of the flags then shows IOPL 3.
    if (VIRTUAL_8086_FLAGS.has(instruction)) return !set.vme ? "trap" : instruction === "PUSHF" || instruction === "INT" ? "leak" : "none";
    if (PLAIN_IN_V86.has(instruction) && !moves(subject, /\b[cdt]r\d/)) return "none";
  }
  return note.deprivileged === "trap" ? "trap" : note.deprivileged === "partly" ? "sometimes" : "leak";
}

const NATIVE_TEXTS: Readonly<Record<Native, string>> = {
  trap: "It faults into the monitor, which does it on the guest's own processor state.",
  sometimes: "It faults with some operands; with others it runs, and what it does is decided by the wrong ring.",
  leak: "Nothing faults: the guest sees, or fails to change, what is not its own.",
  none: "It runs as it is: here it has nothing to do with privilege.",
};

export function techniqueNotes(subject: Subject, note: SensitivityNote, set: ProcessorSet): readonly TechniqueNote[] {
  return TECHNIQUES.map((technique) => ({ technique, ...noteOf(technique, subject, note, native(subject, note, set)) }));
}

function noteOf(technique: TechniqueId, subject: Subject, note: SensitivityNote, own: Native): Omit<TechniqueNote, "technique"> {
  const { instruction, mode, vcpl } = subject;
  const old = mode === "real" || mode === "v86", user = vcpl === 3 && !old;
  const direct = { verdict: own, text: NATIVE_TEXTS[own] } as const;
  const hole = own === "leak" || own === "sometimes";
  switch (technique) {
    case "emulate": return { verdict: "none", text: "The guest has the processor to itself: it runs as the manual says, and is only observed." };
    case "trap": return direct;
    case "int3":
      return hole && !old ? { verdict: "breakpoint", text: "A breakpoint stands in its place, where direct branches lead to it: #BP, and the monitor does it. Code that is reached in other ways leaks." } : direct;
    case "scan":
      return hole ? { verdict: "breakpoint", text: "The copy that runs has a breakpoint there: #BP, and the monitor does it. The guest's own code is untouched." } : direct;
    case "lite":
      if (old || mode === "pm16") return { verdict: "refused", text: "It cannot run 16-bit code." };
      if (instruction === "CLI" || instruction === "STI") return { verdict: "none", text: "CR4.PVI: it changes VIF and leaves only where an interrupt waits." };
      if (["PUSHF", "POPF", "IRET"].includes(instruction)) return { verdict: "asks", text: "A macro of the kernel stands in its place. A kernel that was not built with it is refused." };
      return direct;
    case "hybrid":
      if (!user) return { verdict: "emulated", text: "The kernel is emulated: nothing leaves, nothing leaks." };
      return own === "trap" ? { verdict: "trap", text: "User code runs directly: it faults, and the emulator runs it again." } : { ...direct, text: `User code runs directly. ${direct.text}` };
    case "translate":
      if (user) return { ...direct, text: `User code runs directly. ${direct.text}` };
      if (own === "none") return { verdict: "none", text: "It is translated to itself." };
      if (BY_VECTOR.has(instruction)) return { verdict: "trap", text: "It runs as it is and leaves by its vector: the guest asks for its own handler." };
      if (INLINE.has(instruction) || (!old && note.deprivileged === "silent" && (instruction === "MOV" || instruction === "PUSH"))) {
        return { verdict: "inline", text: "The translation works on the guest's own state in its place: no exit." };
      }
      return { verdict: "callout", text: "The translation calls the monitor there: nothing faults." };
    case "paravirt":
      if (instruction === "CLI" || instruction === "STI") return { verdict: "asks", text: "A ported kernel writes a flag in a page that it shares with the monitor: no exit." };
      if (PORTS.has(instruction) || own === "trap") return { verdict: "asks", text: "A ported kernel asks by INT 82h. One that does this itself is refused." };
      return { verdict: "leak", text: "A ported kernel does not use it. Where it is used, it leaks." };
    case "vtx": {
      const exit = VMX_EXITS[instruction];
      if (exit) return { verdict: "trap", text: `The control block names it: VM exit, ${exit}.` };
      return { verdict: "none", text: "The guest is in its own ring of a second processor state: it runs as on bare metal, without an exit." };
    }
  }
}
