// What the page says about techniques, switches, actions and outcomes.

import type { MediaTarget } from "../protocol/image-info.ts";
import type { Outcome } from "../protocol/events.ts";
import type { ProcessorSwitch, ShadowMode, TechniqueId } from "../protocol/technique.ts";
import type { ActionName } from "../protocol/trap-record.ts";
import type { Grouping } from "../trace/group-by.ts";
import type { Verdict } from "../trace/technique-notes.ts";
import type { TrapClass } from "../trace/trap-fields.ts";

export const TECHNIQUE_TEXTS: Readonly<Record<TechniqueId, { readonly name: string; readonly line: string }>> = {
  emulate: {
    name: "Full emulation",
    line: "Bochs, 1994. Nothing traps: the guest owns the processor, sensitive instructions are only observed. It runs everything, and says nothing of how a monitor would fare.",
  },
  trap: {
    name: "Trap and emulate",
    line: "Popek and Goldberg, 1974, on a processor that they rule out. The kernel runs in an outer ring; what faults is emulated, what does not fault leaks.",
  },
  int3: {
    name: "INT3 patching",
    line: "Peter Kese, plex86 list. Breakpoints over what would leak, in the guest's own memory. It finds only what direct branches lead to, and the guest can read the patches.",
  },
  scan: {
    name: "Scan before execute",
    line: "plex86, 2000. Code runs from copies in which nothing is left that would leak; instructions and data come from two TLBs. Sound, and slow: every RET breaks.",
  },
  lite: {
    name: "Modified guest",
    line: "plex86-lite, 2003. A guest built with macros for its few holes; PVI gives its kernel a virtual IF. It cannot run an unmodified kernel, nor 16-bit code.",
  },
  hybrid: {
    name: "Hybrid accelerator",
    line: "Gregory Alexander, plex86 list, 2003. User code runs directly, the kernel is emulated. No faster where the kernel works; user code can still see SGDT and CPUID.",
  },
  translate: {
    name: "Binary translation",
    line: "VMware, 1998. Kernel code is rewritten as it is reached and never runs as it is. User code runs directly, and can still see SGDT and CPUID.",
  },
  paravirt: {
    name: "Paravirtualization",
    line: "Xen, 2003. A ported kernel asks the monitor instead of trapping into it. It refuses every kernel that was not ported.",
  },
  vtx: {
    name: "Hardware assist",
    line: "Intel VT-x, 2005, with EPT, 2008. The processor keeps two states and leaves where the monitor wants. It needs a processor that history did not have before.",
  },
};

export const SWITCH_TEXTS: Readonly<Record<ProcessorSwitch, string>> = {
  umip: "SGDT, SIDT, SLDT, STR and SMSW fault outside ring 0 (CR4.UMIP).",
  tsd: "RDTSC faults outside ring 0 (CR4.TSD).",
  vme: "Real-mode code gets a virtual interrupt flag and direct INT n (CR4.VME).",
  tricks: "Segments are marked not present, so that leaving the guest's kernel faults.",
};

export const SHADOW_TEXTS: Readonly<Record<ShadowMode, string>> = {
  "drop-all": "What the guest flushes goes, and is filled again as it is missed; nothing is watched.",
  cached: "Shadows of earlier address spaces are kept, and writes to the guest's tables fault.",
  unsync: "As cached; but after its first store a table may be written freely until the guest flushes.",
  batch: "As cached; and after a store the monitor goes on for the guest until its stores have ended: one exit for many.",
  ept: "The processor walks the guest's own tables: there are no shadows.",
};

export const ACTION_TEXTS: Readonly<Record<ActionName, string>> = {
  resume: "The monitor had nothing to do for the guest and let it go on.",
  emulate: "The monitor ran this one instruction on the guest's own processor state and let the guest go on behind it.",
  "port-in": "The monitor read the port from the virtual device and put the value into the guest's register.",
  "port-out": "The monitor gave the value to the virtual device.",
  "port-block": "The monitor moved a block between the virtual device and the guest's memory.",
  control: "The monitor changed the guest's copy of the register, and the shadow structures that follow from it.",
  table: "The monitor noted the guest's table and rebuilt the shadow that the processor really uses.",
  msr: "The monitor answered from, or changed, the guest's own model-specific register.",
  inject: "The fault is the guest's own business: the monitor delivered it through the guest's interrupt table.",
  "deliver-irq": "A device interrupted; the guest accepts interrupts, so the monitor delivered it.",
  "park-irq": "A device interrupted, but the guest's IF is 0: the interrupt waits.",
  "shadow-fill": "The guest's page tables allow the access: the monitor added the page to the shadow page table.",
  mmio: "The address belongs to a device: the monitor performed the access there.",
  "traced-write": "The page holds something that the monitor mirrors: it performed the store and updated its mirror.",
  halt: "The guest waits for an interrupt.",
  refuse: "The technique cannot represent this; the machine stopped.",
  end: "The guest cannot go on.",
  callout: "Translated code called the monitor: nothing faulted.",
  native: "Nothing: the instruction ran directly and gave what bare metal gives.",
  "leaked-read": "Nothing: it never knew. The instruction ran directly and showed the guest a value that is not its own.",
  "lost-write": "Nothing: it never knew. The processor dropped the change without a fault.",
  "wrong-frame": "Nothing: it never knew. The instruction ran directly with the wrong stack frame.",
  "wrong-fault": "Nothing: the processor decided about a fault by the wrong privilege level.",
  "patch-seen": "Nothing: it never knew. The guest read its own code, and with it a byte that the monitor had planted there.",
  "patch-run": "Nothing: it never knew. The guest ran an instruction in whose middle the monitor had planted a byte, and it was another one.",
  isolation: "Nothing kept the guest out: it reached a page of the monitor's own.",
};

export const CLASS_TEXTS: Readonly<Record<TrapClass, { readonly glyph: string; readonly title: string }>> = {
  privileged: { glyph: "P", title: "privileged: always faults outside ring 0" },
  sensitive: { glyph: "S", title: "sensitive but not privileged" },
  io: { glyph: "I", title: "port I/O" },
  memory: { glyph: "M", title: "memory access" },
  exception: { glyph: "X", title: "exception or software interrupt" },
  call: { glyph: "V", title: "call into the monitor" },
  interrupt: { glyph: "Q", title: "hardware interrupt" },
  missed: { glyph: "!", title: "leak: should have trapped and did not" },
};

export const GROUPING_NAMES: Readonly<Record<Grouping, string>> = { instruction: "instruction", site: "hot spot", page: "page", reason: "cause", technique: "technique" };

export const VERDICT_TEXTS: Readonly<Record<Verdict, string>> = {
  none: "no exit", trap: "traps", leak: "leaks", sometimes: "sometimes", breakpoint: "#BP", emulated: "emulated", inline: "inline", callout: "callout", asks: "asks", refused: "refused",
};

export const TARGET_NAMES: Readonly<Record<MediaTarget, string>> = {
  fda: "Floppy A", fdb: "Floppy B", hda: "Hard disk", hdb: "Second hard disk", cdrom: "CD-ROM", kernel: "Linux kernel", initrd: "initrd", multiboot: "Multiboot kernel",
};

export const OUTCOME_TEXTS: Readonly<Record<Outcome, { readonly title: string; readonly good: boolean }>> = {
  "power-off": { title: "The guest switched itself off", good: true },
  "exit-success": { title: "The guest ended with success", good: true },
  "exit-failure": { title: "The guest ended with a failure code", good: false },
  "triple-fault": { title: "Triple fault: the processor shut down", good: false },
  halted: { title: "The guest halted and nothing can wake it", good: false },
  "technique-refused": { title: "The technique refused to go on", good: false },
  "instruction-limit": { title: "The instruction limit was reached", good: false },
  timeout: { title: "Time is up", good: false },
};
