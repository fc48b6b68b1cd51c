// L8: protected-mode virtual interrupts, and where VIF shows.

import type { Lab } from "./lab.ts";

export const virtualFlag: Lab = {
  id: "L8",
  title: "A virtual interrupt flag, and where it shows",
  question: "With CR4.PVI a kernel in ring 3 has an interrupt flag of its own. What does it cost, and who can see it?",
  background: [
    "CR4.PVI = 1, CPL = 3, IOPL < 3: CLI and STI act on VIF (EFLAGS bit 19) and do not fault; STI faults while VIP (bit 20) says that an interrupt waits (SDM 3B, Protected-Mode Virtual Interrupts).",
    "PUSHF and POPF know nothing of it. plex86-lite wanted its guests built with macros for these and for IRET.",
    "In the discussion of 2003 it was asked whether user code sees VIF as well.",
  ],
  steps: [
    { id: "emulate", guest: "pvi", technique: "emulate", watch: "Bare metal: the macros do what the plain instructions do." },
    { id: "lite", guest: "pvi", technique: "lite", ring: 3, watch: "Phase 1 costs nothing. Phase 2: the raw PUSHF shows the processor's IF, and VIF. Phase 3: user code. Phase 4: STI traps, as the timer waits." },
    { id: "trap", guest: "pvi", technique: "trap", ring: 3, watch: "The same kernel without PVI: every CLI and STI traps." },
    { id: "raw", guest: "popf", technique: "lite", ring: 3, watch: "A kernel without the macros is refused." },
    { id: "raw anyway", guest: "popf", technique: "lite", ring: 3, set: { lite: "anyway" }, watch: "Run all the same, it leaks: PUSHF shows IF=1 always, and the truth in bit 19." },
  ],
  predict: [
    { ask: "How many exits do 100 CLI and 100 STI make under lite?", choices: ["0", "100", "200"], answer: 0, because: "They act on VIF, as long as nothing waits.", shownBy: "free" },
    { ask: "And an STI while the timer waits?", choices: ["0", "1"], answer: 1, because: "VIP = 1: #GP, so that the monitor can deliver it.", shownBy: "vip" },
    { ask: "Does user code see VIF in its PUSHF?", choices: ["yes", "no"], answer: 1, because: "The monitor turns PVI off and clears VIF on the way to ring 3.", shownBy: "user" },
  ],
  checks: [
    { id: "free", kind: "exactly", step: "lite", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: {}, says: "CLI and STI are free." },
    { kind: "exactly", step: "trap", phase: 1, traps: { CLI: 100, STI: 100, OUT: 1 }, reasons: { "#GP": 201 }, leaks: {}, says: "Without PVI they are 200 traps." },
    { kind: "exactly", step: "lite", phase: 2, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { PUSHF: 3 }, says: "Every PUSHF leaks, raw and inside the macro; what the macro makes of it is right." },
    { kind: "text", step: "lite", contains: "CLI, PUSHF by the macro: IF=0", says: "By the macro the kernel reads IF=0." },
    { id: "user", kind: "text", step: "lite", contains: "user code sees bit 19 =0", says: "User code sees no VIF." },
    { kind: "exactly", step: "lite", phase: 3, traps: { IRET: 1, INT: 1, OUT: 1 }, reasons: { "#UD": 1, "#GP": 2 }, leaks: {}, says: "The user's PUSHF is no leak." },
    { id: "vip", kind: "exactly", step: "lite", phase: 4, traps: { STI: 1, IRET: 1, OUT: 2 }, reasons: { "#GP": 3, "#UD": 1 }, leaks: {}, says: "While the timer waits, STI traps, and the timer's handler runs." },
    { kind: "text", step: "lite", contains: "kernel code sees bit 19 =1", says: "With interrupts open the kernel's image has VIF in bit 19." },
    { kind: "text", step: "emulate", contains: "kernel code sees bit 19 =0", says: "On bare metal it has not." },
    { kind: "refused", step: "raw", because: "RAW_PUSHF", says: "A raw kernel is refused, with its sites." },
    { kind: "records", step: "raw anyway", filter: 'kind == leak and instruction == PUSHF and effect contains "VIF=1"', is: "=", than: 1, says: "Run anyway, a kernel PUSHF after STI shows bit 19: on bare metal it would be 0." },
    { kind: "records", step: "raw anyway", filter: 'kind == leak and instruction == PUSHF and effect contains "IF=1"', is: ">=", than: 2, says: "And IF=1 whatever the kernel did." },
    { kind: "end", step: "raw anyway", outcome: "halted", says: "Its POPF is lost, as under trap." },
  ],
  conclude: [
    "The one real gain of plex86-lite: the commonest privileged instructions cost nothing.",
    "The VIF leak is in the kernel's image, bit 19, and not in user space: the discussion is corrected.",
  ],
};
