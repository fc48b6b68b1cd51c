// L1: POPF outside ring 0 neither changes IF nor faults.

import type { Lab } from "./lab.ts";

const OUT = "OUT is the guest's mark that closes the phase.";

export const interruptFlag: Lab = {
  id: "L1",
  title: "POPF loses the interrupt flag",
  question: "A kernel closes interrupts with CLI and opens them with POPF. What happens when it does not run in ring 0?",
  background: [
    "At CPL above IOPL, CLI and STI fault (#GP), but POPF just leaves IF as it is, without a fault (SDM 2B, POPF, Operation).",
    "A monitor that waits for faults never learns that the guest wanted its interrupts open. PUSHF shows the processor's IF, which the monitor keeps at 1.",
  ],
  steps: [
    { id: "emulate", guest: "popf", technique: "emulate", watch: "The timer wakes the kernel. POPF and PUSHF are observed, nothing traps." },
    { id: "trap", guest: "popf", technique: "trap", watch: "STI and CLI trap. The POPF of phase 2 does not; after it the guest waits in HLT for a timer that is held back." },
    { id: "trap ring 3", guest: "popf", technique: "trap", ring: 3, watch: "Another ring, the same hole." },
    { id: "int3", guest: "popf", technique: "int3", watch: "POPF and PUSHF appear as #BP: breakpoints stand in their place." },
    { id: "scan", guest: "popf", technique: "scan", watch: "The same by copies of the code in which they are left out." },
    { id: "lite", guest: "popf", technique: "lite", watch: "Refused, with the list of places that would need a macro." },
    { id: "hybrid", guest: "popf", technique: "hybrid", watch: "The kernel is emulated: no exit, no leak." },
    { id: "translate", guest: "popf", technique: "translate", watch: "POPF has become code that works on the guest's own flag: no exit." },
    { id: "vtx", guest: "popf", technique: "vtx", watch: "The guest is in ring 0 of its own processor state: no exit." },
  ],
  predict: [
    { ask: "How many exits does the POPF of phase 2 make under trap?", choices: ["none", "one, #GP", "one, #BP"], answer: 0, because: "POPF has no fault to raise there: IF is simply not in the mask of bits it changes.", shownBy: "lost" },
    { ask: "What does PUSHF show the kernel after its CLI, under trap?", choices: ["IF=0, as it should be", "IF=1"], answer: 1, because: "It pushes the processor's own flags, and the monitor never runs a guest with IF=0.", shownBy: "shows-1" },
    { ask: "How many exits does POPF cost under vtx?", choices: ["none", "one"], answer: 0, because: "In non-root operation ring 0 is real; only what the control block names leaves.", shownBy: "vtx-none" },
  ],
  checks: [
    { kind: "end", step: "emulate", outcome: "exit-success", says: "On bare metal the timer wakes this kernel." },
    { kind: "number", of: { step: "emulate", count: "exits" }, is: "=", than: 0, says: "Bare metal has no exits." },
    { kind: "number", of: { step: "emulate", phase: 2, count: "observed", of: "POPF" }, is: "=", than: 1, says: "The POPF is seen going by." },
    { kind: "end", step: "trap", outcome: "halted", says: "Under trap the guest is dead: it waits for an interrupt that cannot come." },
    { kind: "exactly", step: "trap", phase: 1, traps: { STI: 1, CLI: 1, OUT: 1 }, reasons: { "#GP": 3 }, leaks: { PUSHF: 1 }, says: `STI and CLI trap; the PUSHF after CLI shows the wrong IF. ${OUT}` },
    { id: "lost", kind: "exactly", step: "trap", phase: 2, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { POPF: 1 }, says: "POPF does not trap; its write is lost." },
    { kind: "records", step: "trap", filter: 'kind == leak and instruction == POPF and action == lost-write and effect contains "IF stays 0"', is: "=", than: 1, says: "The log says what was lost: IF stays 0." },
    { id: "shows-1", kind: "text", step: "trap", contains: "CLI           PUSHF shows IF=1", says: "The kernel itself sees IF=1 after its CLI." },
    { kind: "end", step: "trap ring 3", outcome: "halted", says: "At ring 3 it ends the same way." },
    { kind: "exactly", step: "trap ring 3", phase: 2, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { POPF: 1 }, says: "At ring 3 the write is lost, too." },
    { kind: "end", step: "int3", outcome: "exit-success", says: "Breakpoints bring the guest through." },
    { kind: "exactly", step: "int3", phase: 1, traps: { STI: 1, CLI: 1, PUSHF: 2, OUT: 1 }, reasons: { "#BP": 2, "#GP": 3 }, leaks: {}, says: "Both PUSHF leave by their breakpoint." },
    { kind: "exactly", step: "int3", phase: 2, traps: { POPF: 1, PUSHF: 1, OUT: 1 }, reasons: { "#BP": 2, "#GP": 1 }, leaks: {}, says: "One #BP for the POPF, one for the PUSHF." },
    { kind: "end", step: "scan", outcome: "exit-success", says: "Scanned copies bring the guest through." },
    { kind: "exactly", step: "scan", phase: 2, traps: { POPF: 1, PUSHF: 1, OUT: 1 }, reasons: { "#BP": 2, "#GP": 1 }, leaks: {}, says: "The copies break where int3 breaks." },
    { kind: "refused", step: "lite", because: "RAW_PUSHF", says: "lite wants a kernel that was built with its macros." },
    { kind: "end", step: "hybrid", outcome: "exit-success", says: "The accelerator emulates the kernel." },
    { kind: "exactly", step: "hybrid", phase: 2, traps: {}, leaks: {}, says: "Emulated code has no exits." },
    { kind: "end", step: "translate", outcome: "exit-success", says: "Translated, the guest comes through." },
    { kind: "exactly", step: "translate", phase: 2, traps: {}, leaks: {}, callouts: 1, says: "POPF and PUSHF are inline; the OUT calls the monitor." },
    { kind: "end", step: "vtx", outcome: "exit-success", says: "Hardware assist brings the guest through." },
    { id: "vtx-none", kind: "exactly", step: "vtx", phase: 2, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "Nothing but the mark leaves." },
  ],
  conclude: [
    "POPF is sensitive and not privileged. One such instruction is enough: trapping what faults cannot virtualize this processor.",
    "Every technique after trap is an answer to it: find and replace the instruction (int3, scan, translate), change the guest (lite, paravirt), emulate the kernel (hybrid), or change the processor (vtx).",
  ],
};
