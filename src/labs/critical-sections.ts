// L3: what a critical section costs, as Linux 2.4 and as Linux 6 write it, technique by technique.

import type { Lab } from "./lab.ts";

const ROUNDS = 1000;
const DEBIAN = { image: "debian" } as const;
const BOOT = ['expect "GUEST READY"'] as const;

export const criticalSections: Lab = {
  id: "L3",
  title: "A storm of PUSHF",
  question: "A kernel enters a critical section some hundred thousand times a second. What does one cost?",
  background: [
    "Linux 2.4 wrote pushf; cli; ... popf. Linux 6 writes pushf; cli; ... and sti where the saved image had IF=1.",
    `The guest does ${ROUNDS} of each kind, with interrupts open outside (phases 1 and 3) and closed outside (2 and 4).`,
  ],
  steps: [
    { id: "emulate", guest: "irqsave", technique: "emulate", watch: "4,000 sections without an exit." },
    { id: "trap", guest: "irqsave", technique: "trap", watch: "Phase 1: one trap a section, and each POPF leaks. Phase 3: two traps a section, no leak." },
    { id: "int3", guest: "irqsave", technique: "int3", watch: "Three exits a section." },
    { id: "scan", guest: "irqsave", technique: "scan", watch: "Three exits a section." },
    { id: "translate", guest: "irqsave", technique: "translate", watch: "After the first round nothing leaves." },
    { id: "hybrid", guest: "irqsave", technique: "hybrid", watch: "All of it is emulated." },
    { id: "vtx", guest: "irqsave", technique: "vtx", watch: "Nothing leaves." },
    { id: "lite", guest: "pvi", technique: "lite", ring: 3, watch: "Another kernel, built with macros: CLI and STI a hundred times, no exit." },
    { id: "paravirt", guest: "pv", technique: "paravirt", watch: "A ported kernel: CLI is a store into a shared page." },
    { id: "Debian trap", guest: DEBIAN, technique: "trap", instructionLimit: 60e6, watch: "A real kernel: PUSHF leaks while it starts." },
    { id: "Debian vtx", guest: DEBIAN, technique: "vtx", script: BOOT, instructionLimit: 12e9, watch: "The same kernel comes to its prompt." },
  ],
  predict: [
    { ask: "How many exits does a 2.4-style section make under trap?", choices: ["0", "1", "2", "3"], answer: 1, because: "Only CLI faults; PUSHF and POPF run as they are.", shownBy: "trap-24" },
    { ask: "And under int3?", choices: ["1", "2", "3"], answer: 2, because: "CLI faults, and PUSHF and POPF each meet a breakpoint.", shownBy: "int3-24" },
    { ask: "And translated, once it is warm?", choices: ["0", "1", "3"], answer: 0, because: "All three have become plain code on the guest's own flags.", shownBy: "translate-24" },
  ],
  checks: [
    { kind: "number", of: { step: "emulate", count: "exits" }, is: "=", than: 0, says: "Bare metal has no exits." },
    { id: "trap-24", kind: "exactly", step: "trap", phase: 1, traps: { CLI: ROUNDS, OUT: 1 }, reasons: { "#GP": ROUNDS + 1 }, leaks: { POPF: ROUNDS }, says: "2.4 style under trap: one trap and one lost write each." },
    { kind: "exactly", step: "trap", phase: 3, traps: { CLI: ROUNDS, STI: ROUNDS, OUT: 1 }, reasons: { "#GP": 2 * ROUNDS + 1 }, leaks: {}, says: "6.x style: two traps each, and it is right, as long as interrupts were open outside." },
    { kind: "exactly", step: "trap", phase: 4, traps: { CLI: ROUNDS, STI: ROUNDS, OUT: 1 }, reasons: { "#GP": 2 * ROUNDS + 1 }, leaks: { PUSHF: 1 }, says: "Closed outside, the first PUSHF shows IF=1, so the section's end opens them: from then on they are open." },
    { kind: "end", step: "trap", outcome: "exit-failure", says: "The inner sections believed that interrupts were open." },
    { id: "int3-24", kind: "exactly", step: "int3", phase: 1, traps: { PUSHF: ROUNDS, CLI: ROUNDS, POPF: ROUNDS, OUT: 1 }, reasons: { "#BP": 2 * ROUNDS, "#GP": ROUNDS + 1 }, leaks: {}, says: "int3: three exits a section." },
    { kind: "exactly", step: "scan", phase: 1, traps: { PUSHF: ROUNDS, CLI: ROUNDS, POPF: ROUNDS, OUT: 1 }, reasons: { "#BP": 2 * ROUNDS, "#GP": ROUNDS + 1 }, leaks: {}, says: "scan: three exits a section." },
    { kind: "exactly", step: "scan", phase: 4, traps: { PUSHF: ROUNDS, CLI: ROUNDS, OUT: 1 }, reasons: { "#BP": ROUNDS, "#GP": ROUNDS + 1 }, leaks: {}, says: "6.x style inside another section: the STI is not reached." },
    { id: "translate-24", kind: "exactly", step: "translate", phase: 1, traps: {}, leaks: {}, callouts: 1, says: "translate: no trap, and of the callouts only the mark's." },
    { kind: "number", of: { step: "translate", phase: 1, count: "exits" }, is: "<=", than: 20, says: "What is left are the first visits to new code, however many rounds there are." },
    { kind: "exactly", step: "hybrid", phase: 1, traps: {}, leaks: {}, says: "hybrid: no exit, the kernel is emulated." },
    { kind: "number", of: { step: "hybrid", phase: 1, count: "emulatedInstructions" }, is: ">=", than: 9 * ROUNDS, says: "Nine instructions a round, all of them emulated." },
    { kind: "exactly", step: "vtx", phase: 1, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: none." },
    { kind: "exactly", step: "lite", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: {}, says: "lite: a hundred CLI and STI without an exit." },
    { kind: "exactly", step: "paravirt", phase: 1, traps: { INT: 1 }, reasons: { "#GP": 1 }, leaks: {}, says: "paravirt: none but the mark, which is a hypercall there." },
    { kind: "end", step: "paravirt", outcome: "exit-success", says: "And it comes to its end, its interrupts and its user code with it." },
    { kind: "compare", left: { step: "Debian trap", count: "leaks", of: "PUSHF" }, is: ">", right: { step: "Debian vtx", count: "leaks" }, says: "The real kernel's PUSHF leaks under trap." },
    { kind: "end", step: "Debian vtx", outcome: "expected", says: "Under vtx it comes to its prompt." },
    { kind: "number", of: { step: "Debian vtx", count: "leaks" }, is: "=", than: 0, says: "Without a leak." },
    { kind: "compare", left: { step: "Debian trap", count: "exits" }, is: ">", right: { step: "Debian trap", count: "leaks", of: "PUSHF" }, says: "Exits outnumber its leaks: most of what is sensitive is privileged." },
  ],
  conclude: [
    "What is right need not be slow: translate, lite and paravirt make the commonest sensitive instruction free, by three different ways.",
    "What traps correctly costs an exit each: three a section is what a debugger pays.",
    "Linux 6 restores by STI and not by POPF, and so is hurt later and differently than Linux 2.4.",
  ],
};
