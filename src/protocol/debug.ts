// What a debugger on the page asks of the machine, and what it is told. Registers, counters and the log it reads from shared
// memory; what needs the guest's paging or a chip's inside is asked for here, while the machine runs or stands still.

/** `access`: reads and writes. */
export type DataAccess = "write" | "read" | "access";

export type BreakpointSpec =
  | { readonly kind: "execute"; readonly linear: number }
  | { readonly kind: "data"; readonly access: DataAccess; readonly linear: number; readonly bytes: number }
  | { readonly kind: "port"; readonly access: DataAccess; readonly first: number; readonly last: number }
  /** An SDM mnemonic in upper case, or a class of sensitive instructions. */
  | { readonly kind: "instruction"; readonly what: string }
  /** The ring, real, protected or virtual-8086 mode, or paging has changed. */
  | { readonly kind: "mode" }
  /** A record of the trap log that passes this filter. */
  | { readonly kind: "trap"; readonly filter: string };

/** What `instruction` may name besides mnemonics. */
export const INSTRUCTION_CLASSES = ["sensitive", "privileged", "behavior", "control", "io"] as const;

export interface Breakpoint {
  readonly id: number;
  readonly spec: BreakpointSpec;
}

export interface BreakpointHit {
  readonly id: number;
  /** Of the instruction that is about to run, or of the byte or port that was touched. */
  readonly address: number;
}

export type MemorySpace = "linear" | "physical";

export interface PageEntry {
  readonly name: "PDPTE" | "PDE" | "PTE";
  readonly address: number;
  readonly low: number;
  /** 0 without PAE. */
  readonly high: number;
}

export interface PageRange {
  readonly first: number;
  readonly last: number;
  readonly user: boolean;
  readonly writable: boolean;
}

export interface Descriptor {
  readonly selector: number;
  readonly base: number;
  /** In bytes. */
  readonly limit: number;
  /** Bits 8 to 23 of the high dword, without the limit's. */
  readonly access: number;
  /** A gate's target; for others the same bytes mean base and limit. */
  readonly gate: { readonly selector: number; readonly offset: number; readonly parameters: number } | null;
}

export interface Gate {
  readonly vector: number;
  readonly selector: number;
  readonly offset: number;
  /** Type, DPL and presence; null in real mode, whose vectors have none. */
  readonly access: number | null;
}

/** The task-state segment by its own names, and where the I/O permission bitmap forbids. */
export interface TaskState {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly wide: boolean;
  readonly fields: readonly (readonly [name: string, value: number])[];
  readonly openPorts: readonly (readonly [first: number, last: number])[];
}

/** A translation that the processor holds. `rights`: which of its tables hold it. */
export interface TlbEntry {
  readonly linear: number;
  /** -1: no guest memory (the monitor's, a ROM, the display). */
  readonly physical: number;
  readonly rights: readonly TlbRight[];
  readonly global: boolean;
}
export type TlbRight = "supervisor read" | "supervisor write" | "user read" | "user write" | "execute";

/** Names of chips, and the registers of one: plain values, long byte arrays cut off. */
export type ChipState = { readonly [name: string]: unknown };

export type DebugRequest =
  | { readonly kind: "memory"; readonly space: MemorySpace; readonly address: number; readonly length: number }
  | { readonly kind: "walk"; readonly linear: number }
  | { readonly kind: "pages" }
  | { readonly kind: "descriptors"; readonly table: "gdt" | "ldt" }
  | { readonly kind: "gates" }
  | { readonly kind: "task" }
  | { readonly kind: "tlb"; readonly context: "v" | "h" }
  | { readonly kind: "chips" }
  | { readonly kind: "chip"; readonly name: string };

export interface DebugAnswers {
  /** As much as is there: less than was asked for where the next page is not mapped or is no memory. */
  readonly memory: { readonly address: number; readonly bytes: Uint8Array };
  /** `entries` null: paging is off. `physical` -1: not mapped. */
  readonly walk: { readonly linear: number; readonly entries: readonly PageEntry[] | null; readonly physical: number };
  readonly pages: { readonly ranges: readonly PageRange[] | null };
  readonly descriptors: { readonly entries: readonly Descriptor[] };
  readonly gates: { readonly entries: readonly Gate[] };
  /** null: TR holds none. */
  readonly task: { readonly task: TaskState | null };
  readonly tlb: { readonly entries: readonly TlbEntry[] };
  readonly chips: { readonly names: readonly string[] };
  readonly chip: { readonly name: string; readonly state: ChipState };
}
export type DebugAnswer = { readonly [K in DebugRequest["kind"]]: { readonly kind: K } & DebugAnswers[K] }[DebugRequest["kind"]];

/** What a person changes by hand. */
export type DebugEdit =
  | { readonly kind: "memory"; readonly space: MemorySpace; readonly address: number; readonly bytes: Uint8Array }
  /** EAX ... EDI, EIP, EFLAGS by their names in lower case. */
  | { readonly kind: "register"; readonly name: EditableRegister; readonly value: number };
export const EDITABLE_REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"] as const;
export type EditableRegister = (typeof EDITABLE_REGISTERS)[number];

/** Where to go back to. `write`: to before the last instruction that wrote there. */
export type BackTarget =
  | { readonly kind: "instructions"; readonly count: number }
  | { readonly kind: "instant"; readonly retired: number }
  | { readonly kind: "record"; readonly records: "trap" | "leak" }
  | { readonly kind: "breakpoint" }
  | { readonly kind: "write"; readonly linear: number; readonly bytes: number };

/** How far back the machine's past goes, and how far ahead the future that was left. */
export interface HistoryView {
  readonly oldest: number;
  readonly now: number;
  readonly newest: number;
  readonly checkpoints: number;
  readonly bytes: number;
}
