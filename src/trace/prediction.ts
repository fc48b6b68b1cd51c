// What a guest will do under a technique, before it is tried: by how it is booted, and by what it has been seen to execute. History says it
// of unmodified kernels as a kind; nothing here knows a guest by name. What guests really did: docs/matrix.md.

import { SENSITIVITY, type SensitivityKey } from "../isa/sensitivity.ts";
import type { ProcessorSet, TechniqueId } from "../protocol/technique.ts";
import type { CountTable } from "./counts.ts";

/** `refuses`: the technique gives up and says why. `strays`: runs, and sees or loses what is not as on bare metal. */
export type Verdict = "runs" | "strays" | "refuses";

export interface Prediction {
  readonly verdict: Verdict;
  readonly text: string;
}

/** What the guest begins as. */
export type BootKind = "drive" | "linux" | "multiboot";

const NAMES: Readonly<Record<BootKind, string>> = { drive: "what boots from a drive", linux: "a Linux kernel", multiboot: "a multiboot kernel" };
/** Instructions that are named: those that the guest has used most. */
const NAMED = 3;

/** Of these a kernel in an outer ring gets what is not its own; the others with holes are forms of instructions that everybody uses. */
const HOLES: readonly SensitivityKey[] = ["PUSHF", "POPF", "IRET", "SGDT", "SIDT", "SLDT", "STR", "SMSW", "LAR", "LSL", "VERR", "VERW", "CPUID"];
const CLOSED_BY_UMIP: ReadonlySet<string> = new Set(["SGDT", "SIDT", "SLDT", "STR", "SMSW"]);

/** Holes that the guest has gone through, or would: most used first. */
function holesOf(seen: CountTable, set: ProcessorSet): string[] {
  return HOLES.filter((name) => (seen[name] ?? 0) > 0 && SENSITIVITY[name].deprivileged !== "trap" && !(set.umip && CLOSED_BY_UMIP.has(name)))
    .sort((a, b) => seen[b]! - seen[a]!);
}

/** `seen`: how often the guest has executed what is sensitive so far, by instruction; null: nobody has looked. */
export function predict(technique: TechniqueId, set: ProcessorSet, boots: BootKind, seen: CountTable | null): Prediction {
  const holes = seen === null ? null : holesOf(seen, set);
  const used = holes === null || holes.length === 0 ? "" : ` So far it has executed ${holes.slice(0, NAMED).map((name) => `${name} ${seen![name]!.toLocaleString("en")} times`).join(", ")}.`;
  const runs = (text: string): Prediction => ({ verdict: "runs", text });
  const strays = (text: string): Prediction => ({ verdict: "strays", text: text + used });
  const refuses = (text: string): Prediction => ({ verdict: "refuses", text });
  switch (technique) {
    case "emulate": return runs(`Runs ${NAMES[boots]} as bare metal does.`);
    case "trap": return strays(
      boots === "drive"
        ? "16-bit code runs, but for SMSW. A kernel of protected mode strays: PUSHF shows a wrong IF, POPF and IRET lose it, and an interrupt never comes."
        : "Strays: PUSHF shows it a wrong IF, POPF and IRET lose it, and sooner or later an interrupt never comes.",
    );
    case "int3": return strays("A small kernel runs. A large one strays: breakpoints lie inside other instructions, or it reads, changes or checks its own code.");
    case "scan": return set.scan === "lax"
      ? strays("Runs, unless it jumps into the middle of an instruction that was scanned as another.")
      : runs(`Runs ${NAMES[boots]}; whatever calls and returns much, some ten times slower.`);
    case "lite": return set.lite === "anyway"
      ? strays("Is run all the same: PUSHF, POPF and IRET of a kernel without the macros leak.")
      : refuses("Is refused, with the list of its raw sites or as 16-bit code, unless its kernel was built with the macros.");
    case "hybrid": return runs("Runs: its kernel as under emulate, its programs directly.");
    case "translate": return runs(`Runs ${NAMES[boots]}, after some time for translating.`);
    case "paravirt": return refuses("Is refused at its first privileged instruction, unless its kernel was ported.");
    case "vtx": return runs(`Runs ${NAMES[boots]}. Port accesses, HLT and CPUID leave.`);
  }
}
