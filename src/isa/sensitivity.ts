// Why an instruction is sensitive: the data behind the "Why is this sensitive?" drawer and the `sensitivity` column of the rows.
//
// Popek and Goldberg (1974) call an instruction sensitive if it changes or shows the processor's privileged state, and a
// machine virtualizable if every sensitive instruction is privileged, that is, traps outside ring 0. The entries whose
// `deprivileged` is "silent" or "partly" are where the x86 is not.

import type { Sensitivity } from "./row.ts";

/** Control bits that move an instruction between "executes" and "traps". PCE and TSD are CR4 bits as the rest. */
export type SensitivitySwitch = "UMIP" | "TSD" | "VME" | "PVI" | "PCE" | "I/O bitmap";

export interface SensitivityNote extends Sensitivity {
  /** What the processor does with it outside ring 0 with IOPL 0: "trap", "silent" (executes), or "partly" (some operands trap). */
  readonly deprivileged: "trap" | "silent" | "partly";
  /** What a de-privileged guest sees or loses when nobody intervenes. */
  readonly guestSees: string;
  /** SDM volume and section title. */
  readonly manual: string;
  /** What each switch changes. Absent: none of them matters. */
  readonly switches?: Readonly<Partial<Record<SensitivitySwitch, string>>>;
}

type Note = Omit<SensitivityNote, "manual" | "guestSees" | "why">;

const traps: Note = { class: "privileged", deprivileged: "trap" };
const hole: Note = { class: "behavior", deprivileged: "silent" };
const silentControl: Note = { class: "control", deprivileged: "silent" };
const partControl: Note = { class: "control", deprivileged: "partly" };
const gate: Note = { class: "control", deprivileged: "trap" };
const io: Note = { class: "io", deprivileged: "trap" };

const NOTHING_LOST = "Nothing: it faults with #GP(0), and the monitor does it on the virtual processor.";
const UMIP_TRAPS = { UMIP: "With CR4.UMIP set it faults with #GP(0) at CPL > 0, so the monitor gets to answer." } as const;

const FAR_POINTER = "Vol. 2A, LDS/LES/LFS/LGS/LSS - Load Far Pointer";
const INTERRUPT = "Vol. 2A, INT n/INTO/INT3/INT1 - Call to Interrupt Procedure";

/** Loading a segment register, whatever the source. */
const segmentLoad = (manual: string): SensitivityNote => ({
  ...partControl, manual,
  why: "Loads a segment register from the descriptor tables, checked against the real CPL, DPL and RPL.",
  guestSees:
    "The descriptor comes from the monitor's tables, with shifted privilege levels. A data segment of DPL 3 loads unseen; " +
    "a stack segment with RPL 0 faults because RPL, DPL and CPL must agree.",
});

const segmentStore = (manual: string): SensitivityNote => ({
  ...hole, manual,
  why: "Shows a selector, and with CS or SS the privilege level in its two low bits.",
  guestSees: "CS and SS show RPL 1 or 3 to a kernel that believes it runs in ring 0.",
});

/** The x87's last instruction and operand, with their selectors. */
const pointerSave = (manual: string): SensitivityNote => ({
  ...hole, manual,
  why: "Stores the selectors that CS and the operand's segment register held at the last x87 instruction.",
  guestSees: "Where a kernel has computed, the selectors of CS and SS with the RPL of the ring that it really ran in.",
});

export const SENSITIVITY = {
  PUSHF: {
    ...hole,
    why: "Shows the real IF and IOPL.",
    guestSees: "IF is 1 although the guest cleared it, and IOPL is the monitor's: a kernel that saves and restores its interrupt state restores the wrong one.",
    manual: "Vol. 2B, PUSHF/PUSHFD/PUSHFQ - Push EFLAGS Register Onto the Stack",
    switches: {
      VME: "In virtual-8086 mode with IOPL < 3 the 16-bit form pushes VIF in the place of IF with IOPL read as 3; without VME it faults with #GP(0).",
    },
  },
  POPF: {
    ...silentControl,
    why: "Changes IF and IOPL if the privilege level allows it, and otherwise keeps them without a fault.",
    guestSees: "Interrupts that the guest disabled stay enabled: the change is lost and nobody is told.",
    manual: "Vol. 2B, POPF/POPFD/POPFQ - Pop Stack Into EFLAGS Register",
    switches: {
      VME: "In virtual-8086 mode with IOPL < 3 the 16-bit form writes VIF instead of IF, and faults if it would set TF, or IF while VIP is pending; without VME it faults.",
    },
  },
  IRET: {
    ...partControl,
    why: "Returns to another privilege level and restores IF and IOPL by the real CPL.",
    guestSees:
      "A return to the same or an outer ring succeeds unseen with IF lost; at ring 3 a return from the guest's kernel to its user pops three words " +
      "instead of five and keeps the kernel's stack. Only a return to a lower ring number faults.",
    manual: "Vol. 2A, IRET/IRETD/IRETQ - Interrupt Return",
    switches: { VME: "In virtual-8086 mode with IOPL < 3 the 16-bit form restores VIF from the image; without VME it faults with #GP(0)." },
  },
  CLI: {
    ...io,
    why: "Clears IF, which belongs to whoever owns the machine; allowed only if CPL <= IOPL.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2A, CLI - Clear Interrupt Flag",
    switches: { VME: "In virtual-8086 mode it clears VIF and does not trap.", PVI: "At CPL 3 it clears VIF and does not trap." },
  },
  STI: {
    ...io,
    why: "Sets IF, which belongs to whoever owns the machine; allowed only if CPL <= IOPL.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2B, STI - Set Interrupt Flag",
    switches: {
      VME: "In virtual-8086 mode it sets VIF and traps only if VIP is pending.",
      PVI: "At CPL 3 it sets VIF and traps only if VIP is pending.",
    },
  },
  SGDT: {
    ...hole,
    why: "Shows base and limit of the GDT that the processor really uses.",
    guestSees: "The address and size of the monitor's descriptor table.",
    manual: "Vol. 2B, SGDT - Store Global Descriptor Table Register",
    switches: UMIP_TRAPS,
  },
  SIDT: {
    ...hole,
    why: "Shows base and limit of the IDT that the processor really uses.",
    guestSees: "The address of the monitor's interrupt table: the classic one-instruction test for a virtual machine.",
    manual: "Vol. 2B, SIDT - Store Interrupt Descriptor Table Register",
    switches: UMIP_TRAPS,
  },
  SLDT: {
    ...hole,
    why: "Shows the selector in LDTR.",
    guestSees: "The monitor's LDT selector, or 0 where the guest loaded one.",
    manual: "Vol. 2B, SLDT - Store Local Descriptor Table Register",
    switches: UMIP_TRAPS,
  },
  STR: {
    ...hole,
    why: "Shows the selector in TR.",
    guestSees: "The selector of the monitor's task-state segment.",
    manual: "Vol. 2B, STR - Store Task Register",
    switches: UMIP_TRAPS,
  },
  SMSW: {
    ...hole,
    why: "Shows the low word of CR0, in a 32-bit register all of it.",
    guestSees: "PE is 1 even to a guest that believes it is in real mode; TS, EM and MP are the monitor's.",
    manual: "Vol. 2B, SMSW - Store Machine Status Word",
    switches: UMIP_TRAPS,
  },
  LMSW: { ...traps, why: "Loads PE, MP, EM and TS of CR0.", guestSees: NOTHING_LOST, manual: "Vol. 2A, LMSW - Load Machine Status Word" },
  CLTS: { ...traps, why: "Clears CR0.TS.", guestSees: NOTHING_LOST, manual: "Vol. 2A, CLTS - Clear Task-Switched Flag in CR0" },
  LGDT: {
    ...traps,
    why: "Replaces the global descriptor table.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2A, LGDT/LIDT - Load Global/Interrupt Descriptor Table Register",
  },
  LIDT: {
    ...traps,
    why: "Replaces the interrupt descriptor table.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2A, LGDT/LIDT - Load Global/Interrupt Descriptor Table Register",
  },
  LLDT: { ...traps, why: "Replaces the local descriptor table.", guestSees: NOTHING_LOST, manual: "Vol. 2A, LLDT - Load Local Descriptor Table Register" },
  LTR: {
    ...traps,
    why: "Loads the task register and marks its descriptor busy.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2A, LTR - Load Task Register",
  },
  LAR: {
    ...hole,
    why: "Shows the access rights of a descriptor, and answers by CPL whether it may be seen.",
    guestSees: "The answer comes from the monitor's table: DPL 1 or 3 where the guest wrote 0, ZF by the real CPL.",
    manual: "Vol. 2A, LAR - Load Access Rights Byte",
  },
  LSL: {
    ...hole,
    why: "Shows the limit of a descriptor, and answers by CPL whether it may be seen.",
    guestSees: "The answer comes from the monitor's table: limits cut below the monitor's window, ZF by the real CPL.",
    manual: "Vol. 2A, LSL - Load Segment Limit",
  },
  VERR: {
    ...hole,
    why: "Answers whether a segment may be read at the present CPL.",
    guestSees: "The answer for the monitor's table and the real CPL.",
    manual: "Vol. 2B, VERR/VERW - Verify a Segment for Reading or Writing",
  },
  VERW: {
    ...hole,
    why: "Answers whether a segment may be written at the present CPL.",
    guestSees: "The answer for the monitor's table and the real CPL.",
    manual: "Vol. 2B, VERR/VERW - Verify a Segment for Reading or Writing",
  },
  ARPL: {
    ...hole,
    why: "Compares and adjusts privilege levels in selectors.",
    guestSees: "It asks nothing of the processor, but computes with RPLs that came from a leaked CS or SS.",
    manual: "Vol. 2A, ARPL - Adjust RPL Field of Segment Selector",
  },
  FNSTENV: pointerSave("Vol. 2A, FSTENV/FNSTENV - Store x87 FPU Environment"),
  FNSAVE: pointerSave("Vol. 2A, FSAVE/FNSAVE - Store x87 FPU State"),
  FXSAVE: pointerSave("Vol. 2A, FXSAVE - Save x87 FPU, MMX Technology, and SSE State"),
  "MOV r,Sreg": segmentStore("Vol. 2B, MOV - Move"),
  "PUSH Sreg": segmentStore("Vol. 2B, PUSH - Push Word, Doubleword, or Quadword Onto the Stack"),
  "MOV Sreg": segmentLoad("Vol. 2B, MOV - Move"),
  "POP Sreg": segmentLoad("Vol. 2B, POP - Pop a Value From the Stack"),
  LDS: segmentLoad(FAR_POINTER),
  LES: segmentLoad(FAR_POINTER),
  LSS: segmentLoad(FAR_POINTER),
  LFS: segmentLoad(FAR_POINTER),
  LGS: segmentLoad(FAR_POINTER),
  "CALL far": {
    ...partControl,
    why: "Loads CS through the descriptor tables, possibly through a gate into an inner ring.",
    guestSees: "Within one ring it works, but pushes a CS with the real RPL; gates are judged by the real CPL.",
    manual: "Vol. 2A, CALL - Call Procedure",
  },
  "JMP far": {
    ...partControl,
    why: "Loads CS through the descriptor tables, possibly switching tasks.",
    guestSees: "Within one ring it works unseen; gates and conforming segments are judged by the real CPL.",
    manual: "Vol. 2A, JMP - Jump",
  },
  RETF: {
    ...partControl,
    why: "Loads CS, and on a return to an outer ring SS, judged by the real CPL.",
    guestSees: "A return to RPL 0 faults; one to RPL 3 succeeds unseen, from a ring-3 kernel without the stack switch.",
    manual: "Vol. 2B, RET - Return From Procedure",
  },
  INT: {
    ...gate,
    why: "Enters ring 0 through the interrupt table, if the gate's DPL allows it.",
    guestSees: "The monitor's gates have DPL 0, so it faults with #GP and the monitor delivers it through the guest's own table.",
    manual: INTERRUPT,
    switches: {
      VME: "In virtual-8086 mode a clear bit in the redirection bitmap sends it straight to the guest's real-mode table, with no exit at all.",
    },
  },
  INT3: {
    ...gate,
    why: "Raises #BP through gate 3, which user code may use.",
    guestSees: "Nothing: it enters the monitor, which decides whether the breakpoint is the guest's.",
    manual: INTERRUPT,
  },
  INTO: {
    ...gate,
    why: "Raises #OF through gate 4 if OF is set.",
    guestSees: "Nothing: it enters the monitor, which delivers it to the guest.",
    manual: INTERRUPT,
  },
  BOUND: {
    ...gate,
    why: "Raises #BR through the interrupt table if the index is out of bounds.",
    guestSees: "Nothing: the fault enters the monitor, which delivers it to the guest.",
    manual: "Vol. 2A, BOUND - Check Array Index Against Bounds",
  },
  INT1: {
    ...gate,
    why: "Raises #DB through gate 1 without asking the gate's DPL.",
    guestSees: "Nothing: it enters the monitor, which delivers it to the guest.",
    manual: INTERRUPT,
  },
  IN: {
    ...io,
    why: "Reads a device.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2A, IN - Input From Port",
    switches: { "I/O bitmap": "A clear bit in the task-state segment's bitmap lets it reach the real port; virtual-8086 mode asks the bitmap whatever the IOPL." },
  },
  OUT: {
    ...io,
    why: "Writes to a device.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2B, OUT - Output to Port",
    switches: { "I/O bitmap": "A clear bit in the task-state segment's bitmap lets it reach the real port; virtual-8086 mode asks the bitmap whatever the IOPL." },
  },
  INS: {
    ...io,
    why: "Reads a device into memory.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2A, INS/INSB/INSW/INSD - Input from Port to String",
    switches: { "I/O bitmap": "A clear bit in the task-state segment's bitmap lets it reach the real port." },
  },
  OUTS: {
    ...io,
    why: "Writes memory to a device.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2B, OUTS/OUTSB/OUTSW/OUTSD - Output String to Port",
    switches: { "I/O bitmap": "A clear bit in the task-state segment's bitmap lets it reach the real port." },
  },
  HLT: { ...traps, why: "Stops the processor until an interrupt.", guestSees: NOTHING_LOST, manual: "Vol. 2A, HLT - Halt" },
  MONITOR: {
    ...gate, why: "Watches a line of memory for MWAIT.", guestSees: "Nothing: it faults with #UD, and the monitor does it on the virtual processor.",
    manual: "Vol. 2B, MONITOR - Set Up Monitor Address",
  },
  MWAIT: {
    ...gate, why: "Stops the processor until an interrupt.", guestSees: "Nothing: it faults with #UD, and the monitor does it on the virtual processor.",
    manual: "Vol. 2B, MWAIT - Monitor Wait",
  },
  "MOV CR": {
    ...traps,
    why: "Shows or changes paging, protection and the other switches of CR0-CR4.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2B, MOV - Move to/from Control Registers",
  },
  "MOV DR": {
    ...traps,
    why: "Shows or changes breakpoints.",
    guestSees: NOTHING_LOST,
    manual: "Vol. 2B, MOV - Move to/from Debug Registers",
  },
  "MOV TR": {
    ...traps,
    why: "Tested the translation buffer and cache of the 386 and 486; later processors have no such registers.",
    guestSees: "Nothing: it is undefined (#UD) on this processor in every ring.",
    manual: "Vol. 3B, Architecture Compatibility, Test Registers",
  },
  INVLPG: { ...traps, why: "Drops a page translation.", guestSees: NOTHING_LOST, manual: "Vol. 2A, INVLPG - Invalidate TLB Entries" },
  INVD: { ...traps, why: "Discards the caches, even lines not written back.", guestSees: NOTHING_LOST, manual: "Vol. 2A, INVD - Invalidate Internal Caches" },
  WBINVD: { ...traps, why: "Empties the caches.", guestSees: NOTHING_LOST, manual: "Vol. 2D, WBINVD - Write Back and Invalidate Cache" },
  RDMSR: { ...traps, why: "Shows a model-specific register.", guestSees: NOTHING_LOST, manual: "Vol. 2B, RDMSR - Read From Model Specific Register" },
  WRMSR: { ...traps, why: "Changes a model-specific register.", guestSees: NOTHING_LOST, manual: "Vol. 2D, WRMSR - Write to Model Specific Register" },
  RDTSC: {
    ...hole,
    why: "Shows real time.",
    guestSees: "The cycles that the monitor spent are visible: time jumps at every trap.",
    manual: "Vol. 2B, RDTSC - Read Time-Stamp Counter",
    switches: { TSD: "With CR4.TSD set it faults with #GP(0) at CPL > 0." },
  },
  RDPMC: {
    class: "behavior", deprivileged: "trap",
    why: "Shows the performance counters.",
    guestSees: "Nothing while CR4.PCE is clear: it faults with #GP(0).",
    manual: "Vol. 2B, RDPMC - Read Performance-Monitoring Counters",
    switches: { PCE: "With CR4.PCE set it executes at every CPL and shows the real counters." },
  },
  CPUID: {
    ...hole,
    why: "Shows what the processor is.",
    guestSees: "Vendor, model and features of the real processor, whatever the virtual one has.",
    manual: "Vol. 2A, CPUID - CPU Identification",
  },
  SYSENTER: {
    ...gate,
    why: "Enters ring 0 at the address in the SYSENTER registers.",
    guestSees: "Nothing: it enters the monitor, which uses the virtual registers.",
    manual: "Vol. 2B, SYSENTER - Fast System Call",
  },
  SYSEXIT: { ...traps, why: "Leaves ring 0 for ring 3.", guestSees: NOTHING_LOST, manual: "Vol. 2B, SYSEXIT - Fast Return from Fast System Call" },
} as const satisfies Readonly<Record<string, SensitivityNote>>;

export type SensitivityKey = keyof typeof SENSITIVITY;

/** The `sensitivity` column of a row. */
export function sensitive(key: SensitivityKey): { readonly sensitivity: SensitivityNote } {
  return { sensitivity: SENSITIVITY[key] };
}

const NOTES: ReadonlySet<Sensitivity> = new Set(Object.values(SENSITIVITY));

/** The whole note of a sensitive row, or null. */
export function sensitivityNote(row: { readonly sensitivity?: Sensitivity }): SensitivityNote | null {
  return row.sensitivity !== undefined && NOTES.has(row.sensitivity) ? (row.sensitivity as SensitivityNote) : null;
}
