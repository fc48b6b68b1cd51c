// The techniques by id, in the order T0-T8, and what a person may set about the processor that the monitor runs on.

export const TECHNIQUES = ["emulate", "trap", "int3", "scan", "lite", "hybrid", "translate", "paravirt", "vtx"] as const;
export type TechniqueId = (typeof TECHNIQUES)[number];

export function isTechnique(name: string): name is TechniqueId {
  return (TECHNIQUES as readonly string[]).includes(name);
}

/** The ring that the guest's kernel really runs in while a monitor is attached. */
export type Ring = 1 | 3;

/** Switches of the processor that the monitor runs on; the guest is told nothing. All off by default. */
export const PROCESSOR_SWITCHES = ["umip", "tsd", "vme", "tricks"] as const;
export type ProcessorSwitch = (typeof PROCESSOR_SWITCHES)[number];
export type ProcessorSet = Readonly<Partial<Record<ProcessorSwitch, boolean>>>;

export type ClockKind = "virtual" | "real";
