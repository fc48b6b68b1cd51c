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

/** How shadow page tables follow the guest's; `ept`: there are none. */
const SHADOW_MODES = ["drop-all", "cached", "unsync", "batch", "ept"] as const;
export type ShadowMode = (typeof SHADOW_MODES)[number];

const SHADOWS = ["drop-all", "cached", "unsync", "batch"] as const;
/** The modes that a technique can be run with, its default first. Scan closes every page, lite empties its tables, paravirt is told of changes: they have one way. translate is VMware's, which kept a shadow for each CR3 and watched the tables. */
export const TECHNIQUE_SHADOWS: Readonly<Partial<Record<TechniqueId, readonly ShadowMode[]>>> = {
  trap: SHADOWS, int3: SHADOWS, hybrid: SHADOWS, translate: ["cached", "drop-all", "unsync", "batch"], vtx: ["ept", "drop-all", "cached", "unsync"],
};

/** Settings of single techniques: what they may be, the default first; a number where nothing is listed. */
export const TECHNIQUE_SETTINGS = {
  scan: ["strict", "lax"],
  "scan-depth": [],
  "scan-views": ["tlbs", "harvard"],
  tlb: ["unbounded", "p6"],
  hybrid: ["user", "kernel"],
  int3: ["continue", "refuse"],
  lite: ["checked", "anyway"],
  shadow: SHADOW_MODES,
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type TechniqueSetting = keyof typeof TECHNIQUE_SETTINGS;
export interface TechniqueSettings {
  readonly scan?: "strict" | "lax";
  /** Branch targets that one scan follows. */
  readonly "scan-depth"?: number;
  /** How code and data of one page come apart: by priming the processor's two TLBs, or by hypothetical hardware with two page directories. */
  readonly "scan-views"?: "tlbs" | "harvard";
  readonly tlb?: "unbounded" | "p6";
  /** When the guest reads a planted byte, or breakpoints overlap with other instructions: go on, and leak, or give up. */
  readonly int3?: "continue" | "refuse";
  /** What runs directly: user code, or also what a scan of the kernel finds clean. */
  readonly hybrid?: "user" | "kernel";
  readonly lite?: "checked" | "anyway";
  readonly shadow?: ShadowMode;
}
export type ProcessorSet = Readonly<Partial<Record<ProcessorSwitch, boolean>>> & TechniqueSettings;

/** `set` with one more setting, as text; null where there is no such setting or it cannot be that. */
export function withSetting(set: ProcessorSet, name: string, value: string): ProcessorSet | null {
  if ((PROCESSOR_SWITCHES as readonly string[]).includes(name)) return value === "on" || value === "off" ? { ...set, [name]: value === "on" } : null;
  const values: readonly string[] | undefined = Object.hasOwn(TECHNIQUE_SETTINGS, name) ? TECHNIQUE_SETTINGS[name as TechniqueSetting] : undefined;
  if (!values) return null;
  if (values.length > 0) return values.includes(value) ? { ...set, [name]: value } : null;
  return /^[1-9]\d{0,6}$/.test(value) ? { ...set, [name]: Number(value) } : null;
}

/** The shadow mode that a technique runs with: what is set, where it has that, else its default. */
export function shadowModeOf(technique: TechniqueId, { shadow }: ProcessorSet): ShadowMode {
  const modes = TECHNIQUE_SHADOWS[technique] ?? ["drop-all"];
  return shadow !== undefined && modes.includes(shadow) ? shadow : modes[0]!;
}

/** What a setting may be, for a message: `umip=on|off`. */
export const SETTING_CHOICES: readonly string[] = [
  ...PROCESSOR_SWITCHES.map((name) => `${name}=on|off`),
  ...Object.entries(TECHNIQUE_SETTINGS).map(([name, values]) => `${name}=${values.length > 0 ? values.join("|") : "N"}`),
];

export type ClockKind = "virtual" | "real";
