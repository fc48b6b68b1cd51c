// What the exits of a run would have cost on a processor of the time. A model, not a measurement: counts times figures that a person
// may edit. Figures that we have not read in their source are marked unverified and shown with a star.
//
//   cycles = instructions x CPI + exits x (way in and out) + work of the monitor + shadow refills + callouts + emulated runs
//
// What the host measured of this program (ns per exit) is another thing, and never part of a sum here.
//
// Not modelled: caches, the TLB misses that follow a flush, the memory accesses of an emulated instruction.

import { type RunCounts, totalOf } from "../protocol/run-counts.ts";

const FIGURES = {
  instruction: "each instruction of the guest (CPI)",
  fault: "a fault or interrupt into the monitor and the IRET back",
  "vm-exit": "a VM exit and the VM entry after it",
  work: "what the monitor does about an exit: one instruction emulated, an event delivered",
  refill: "one shadow page table entry, in place of that work, after a page fault",
  callout: "translated code calls the monitor and goes on",
  emulated: "each instruction of a run that the monitor emulates as a whole",
} as const;
export type FigureName = keyof typeof FIGURES;
export const FIGURE_NAMES = Object.keys(FIGURES) as readonly FigureName[];

export interface Figure {
  readonly cycles: number;
  readonly source: string;
  /** Read in the source itself, or set by the person who asks. */
  readonly verified: boolean;
}

export interface CostProfile {
  readonly id: string;
  readonly name: string;
  readonly hertz: number;
  readonly figures: Readonly<Record<FigureName, Figure>>;
}

const unverified = (cycles: number, source: string): Figure => ({ cycles, source, verified: false });
const DEFAULT_CHARGE = "our own default charge, order of magnitude";
const ADAMS_AGESEN = "Adams and Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization, ASPLOS 2006, table 1, by a transcription";
const PLEX86 = "plex86, vmm/monitor-space/fault.c, CyclesOverhead";
const WITHIN = "within the constant of plex86";

export const COST_PROFILES: readonly CostProfile[] = [
  {
    id: "p4",
    name: "Pentium 4 672, 3.8 GHz",
    hertz: 3.8e9,
    figures: {
      instruction: unverified(1, DEFAULT_CHARGE),
      fault: unverified(1500, DEFAULT_CHARGE),
      "vm-exit": unverified(2409 + 1931, `${ADAMS_AGESEN}: entry 2409, page fault exit 1931`),
      work: unverified(300, DEFAULT_CHARGE),
      refill: unverified(900, DEFAULT_CHARGE),
      callout: unverified(1100, `${DEFAULT_CHARGE}: 400 less than a fault`),
      emulated: unverified(50, DEFAULT_CHARGE),
    },
  },
  {
    id: "core2",
    name: "Core 2, 2.66 GHz",
    hertz: 2.66e9,
    figures: {
      instruction: unverified(1, DEFAULT_CHARGE),
      fault: unverified(600, DEFAULT_CHARGE),
      "vm-exit": unverified(937 + 1186, `${ADAMS_AGESEN}: entry 937, page fault exit 1186`),
      work: unverified(300, DEFAULT_CHARGE),
      refill: unverified(900, DEFAULT_CHARGE),
      callout: unverified(200, `${DEFAULT_CHARGE}: 400 less than a fault`),
      emulated: unverified(50, DEFAULT_CHARGE),
    },
  },
  {
    id: "plex86",
    name: "plex86-lite's own constant, at 1 GHz",
    hertz: 1e9,
    figures: {
      instruction: unverified(1, DEFAULT_CHARGE),
      fault: { cycles: 980, source: `${PLEX86}: what its clock takes off between two looks at the time-stamp counter`, verified: true },
      "vm-exit": { cycles: 980, source: `${PLEX86}; it knew of no other way in`, verified: true },
      work: { cycles: 0, source: WITHIN, verified: true },
      refill: { cycles: 0, source: WITHIN, verified: true },
      callout: { cycles: 980, source: `${PLEX86}; it knew of no other way in`, verified: true },
      emulated: unverified(50, DEFAULT_CHARGE),
    },
  },
];

export function costProfileOf(id: string): CostProfile | undefined {
  return COST_PROFILES.find((profile) => profile.id === id);
}

/** The profile with a figure of the reader's own. */
export function withFigure(profile: CostProfile, name: FigureName, cycles: number): CostProfile {
  return { ...profile, figures: { ...profile.figures, [name]: { cycles, source: "set by hand", verified: true } } };
}

export interface CostPart {
  readonly figure: FigureName;
  readonly count: number;
  readonly cycles: number;
}

export interface ModelledCost {
  readonly profile: string;
  readonly cycles: number;
  readonly seconds: number;
  /** What the same instructions take by themselves. */
  readonly bareCycles: number;
  /** A figure that was used is unverified. */
  readonly starred: boolean;
  readonly parts: readonly CostPart[];
}

export type Countables = Pick<RunCounts, "traps" | "callouts" | "instructions" | "emulatedInstructions">;

/** How often each figure is due. */
function duesOf({ traps, callouts, instructions, emulatedInstructions }: Countables): Record<FigureName, number> {
  const exits = totalOf(traps.byReason), called = totalOf(callouts.byReason);
  const vmExits = Object.entries(traps.byReason).reduce((sum, [reason, count]) => sum + (reason.startsWith("VMX:") ? count : 0), 0);
  const refills = traps.byReason["#PF"] ?? 0;
  return {
    instruction: instructions, fault: exits - vmExits, "vm-exit": vmExits, work: exits - refills, refill: refills, callout: called,
    // An exit emulates one instruction at most; what is beyond that ran in one go.
    emulated: Math.max(0, emulatedInstructions - exits - called),
  };
}

export function modelledCost(profile: CostProfile, counts: Countables): ModelledCost {
  const dues = duesOf(counts);
  const parts = FIGURE_NAMES.flatMap((figure): CostPart[] => (dues[figure] === 0 ? [] : [{ figure, count: dues[figure], cycles: dues[figure] * profile.figures[figure].cycles }]));
  const cycles = parts.reduce((sum, part) => sum + part.cycles, 0);
  return {
    profile: profile.id, cycles, seconds: cycles / profile.hertz, bareCycles: dues.instruction * profile.figures.instruction.cycles,
    starred: parts.some(({ figure }) => !profile.figures[figure].verified), parts,
  };
}
