// What a lab is: a question about virtualizing the x86, runs that answer it, and what must come out. Pure data: the command line
// runs it and checks it, the page shows it.

import type { CountTable } from "../protocol/run-counts.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";

export interface Lab {
  /** L1 ... */
  readonly id: string;
  readonly title: string;
  readonly question: string;
  /** What one has to know before. */
  readonly background: readonly string[];
  readonly steps: readonly LabStep[];
  readonly predict: readonly Question[];
  readonly checks: readonly Check[];
  readonly conclude: readonly string[];
}

export interface LabStep {
  /** By which checks name it; one word or two. */
  readonly id: string;
  readonly guest: LabGuest;
  readonly technique: TechniqueId;
  /** Absent: 1. */
  readonly ring?: Ring;
  readonly set?: ProcessorSet;
  /** For a guest that talks: lines as of the command line's --script; the run ends with them. */
  readonly script?: readonly string[];
  /** Where a run that would go on for ever is cut off. */
  readonly instructionLimit?: number;
  readonly watch: string;
}

/** A bundled guest by its name, or an image that may not be there: the step is left out then, with what depends on it. */
export type LabGuest = string | { readonly image: "debian" };

/** To be answered before anything runs. */
export interface Question {
  readonly ask: string;
  readonly choices: readonly string[];
  /** Index of the right choice. */
  readonly answer: number;
  readonly because: string;
  /** `id` of the check that shows it. */
  readonly shownBy: string;
}

/** A number of one step: of a phase of its guest, or of the whole run. */
export interface Measure {
  readonly step: string;
  readonly phase?: number;
  readonly count: Countable;
  /** An instruction (POPF), or a reason (#GP, IRQ, VMX:HLT) for traps; absent: all of them. */
  readonly of?: string;
}

const COUNTABLES = ["traps", "callouts", "exits", "leaks", "observed", "instructions", "emulatedInstructions"] as const;
/** exits: traps and callouts together. */
export type Countable = (typeof COUNTABLES)[number];

export type Relation = "=" | "<" | "<=" | ">" | ">=";

/** What must be true after the steps have run. `says`: in words. */
export type Check = { readonly id?: string; readonly says: string } & (
  | { readonly kind: "end"; readonly step: string; readonly outcome: string }
  /** The technique gave up, with these words in its reason. */
  | { readonly kind: "refused"; readonly step: string; readonly because: string }
  /** What COM1 got holds the text; `absent`: does not. */
  | { readonly kind: "text"; readonly step: string; readonly contains: string; readonly absent?: boolean }
  /** Both say the same on COM1. */
  | { readonly kind: "same-text"; readonly step: string; readonly as: string }
  /**
   * All that left and all that leaked. `reasons` absent: whatever they were. Interrupts of the host (IRQ) are not counted, unless they are
   * named. `callouts`: instructions that called the monitor; absent: nothing did, not even for code that is new to it.
   */
  | { readonly kind: "exactly"; readonly step: string; readonly phase?: number; readonly traps: CountTable; readonly reasons?: CountTable; readonly leaks: CountTable; readonly callouts?: number }
  | { readonly kind: "number"; readonly of: Measure; readonly is: Relation; readonly than: number }
  /** `left` stands so to `times` (absent: 1) times `right`. */
  | { readonly kind: "compare"; readonly left: Measure; readonly is: Relation; readonly times?: number; readonly right: Measure }
  /** What the technique itself counts, under this name. */
  | { readonly kind: "statistic"; readonly step: string; readonly name: string; readonly is: Relation; readonly than: number }
  /** So many records of the trap log match the filter (a text in its language). */
  | { readonly kind: "records"; readonly step: string; readonly filter: string; readonly is: Relation; readonly than: number }
);

/** Steps that a check needs. */
export function stepsOf(check: Check): readonly string[] {
  switch (check.kind) {
    case "number": return [check.of.step];
    case "compare": return [check.left.step, check.right.step];
    case "same-text": return [check.step, check.as];
    default: return [check.step];
  }
}
