// L12: emulator and direct execution in turns: what it gains, and when.

import type { Lab } from "./lab.ts";

const DEBIAN = { image: "debian" } as const;
const COMPUTE = ['expect "GUEST READY"', 'send "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); done; echo COUNTED $n\\n"', 'expect "COUNTED 2000"'] as const;
const USER_LOOP = 250_000, CALLS = 100;

export const accelerator: Lab = {
  id: "L12",
  title: "The accelerator",
  question: "An emulator lets user code run on the processor itself, and takes over whenever that leaves. What share of a guest runs by itself, and what does a change of sides cost?",
  background: [
    "hybrid runs user code directly when nothing about its state needs the kernel: ring 3, paging or not, interrupts open, no TF, IOPL 0, 32-bit code, no LDT. Everything else is emulated.",
    "Whatever leaves is done again by the emulator. Nothing of the kernel can leak, as it never runs on the silicon.",
    "The guest: a loop of 250,000 instructions in ring 3; 100 system calls and nothing between; the loop again with interrupts closed.",
  ],
  steps: [
    { id: "emulate", guest: "userland", technique: "emulate", watch: "All of it on the guest's own processor." },
    { id: "hybrid", guest: "userland", technique: "hybrid", watch: "Phase 1: one switch there and one back. Phase 2: a switch a call. Phase 3: never." },
    { id: "translate", guest: "userland", technique: "translate", watch: "User code runs directly here, too; the kernel is translated and not emulated." },
    { id: "trap", guest: "userland", technique: "trap", set: { tricks: true }, watch: "Everything runs by itself; every return and every call leaves." },
    { id: "vtx", guest: "userland", technique: "vtx", watch: "Nothing leaves." },
    { id: "Debian hybrid", guest: DEBIAN, technique: "hybrid", script: COMPUTE, instructionLimit: 12e9, watch: "A real system: it starts in its kernel, then a shell counts to 2,000." },
  ],
  predict: [
    { ask: "What share of phase 1 is emulated under hybrid?", choices: ["less than a hundredth", "about half", "all"], answer: 0, because: "Only the way in and out of the kernel is.", shownBy: "native" },
    { ask: "And of phase 3, the same loop with IF=0 in ring 3?", choices: ["less than a hundredth", "all"], answer: 1, because: "The silicon's IF is always 1; user code that is not to be interrupted cannot be left to it.", shownBy: "closed" },
    { ask: "How many exits do 100 system calls make?", choices: ["100", "101", "200"], answer: 1, because: "One each, and one for the call that ends the program. The way back is emulated.", shownBy: "calls" },
  ],
  checks: [
    { kind: "end", step: "hybrid", outcome: "exit-success", says: "hybrid: the guest comes through." },
    { kind: "same-text", step: "hybrid", as: "emulate", says: "And computes what bare metal computes." },
    { kind: "exactly", step: "hybrid", phase: 1, traps: { INT: 1 }, reasons: { "#GP": 1 }, leaks: {}, says: "Phase 1: it leaves once." },
    { id: "native", kind: "compare", left: { step: "hybrid", phase: 1, count: "instructions" }, is: ">", times: 100, right: { step: "hybrid", phase: 1, count: "emulatedInstructions" }, says: "Phase 1: less than a hundredth is emulated." },
    { kind: "number", of: { step: "hybrid", phase: 1, count: "instructions" }, is: ">=", than: USER_LOOP, says: "Of a quarter of a million instructions." },
    { id: "calls", kind: "exactly", step: "hybrid", phase: 2, traps: { INT: CALLS + 1 }, reasons: { "#GP": CALLS + 1 }, leaks: {}, says: "Phase 2: an exit a call." },
    { kind: "compare", left: { step: "hybrid", phase: 2, count: "emulatedInstructions" }, is: ">", times: 0.5, right: { step: "hybrid", phase: 2, count: "instructions" }, says: "Phase 2: most of it is emulated, the kernel's side of each call." },
    { kind: "exactly", step: "hybrid", phase: 3, traps: {}, leaks: {}, says: "Phase 3: it never runs directly, so that nothing leaves." },
    { id: "closed", kind: "number", of: { step: "hybrid", phase: 3, count: "emulatedInstructions" }, is: ">=", than: USER_LOOP, says: "Phase 3: all of the loop is emulated." },
    { kind: "statistic", step: "hybrid", name: "switches", is: "=", than: CALLS + 2, says: "102 changes to direct execution: one for phase 1, 101 for phase 2." },
    { kind: "statistic", step: "hybrid", name: "refused: IF", is: "=", than: 1, says: "The histogram of refusals: IF, once, for phase 3." },
    { kind: "exactly", step: "translate", phase: 2, traps: { INT: CALLS + 1 }, reasons: { "#GP": CALLS + 1 }, leaks: {}, callouts: 3 * CALLS + 5, says: "translate: the same exits; in the kernel MOV to DS, POP DS and IRET of each call are calls, and some at the begin and the end." },
    { kind: "compare", left: { step: "translate", phase: 2, count: "emulatedInstructions" }, is: "<", right: { step: "hybrid", phase: 2, count: "emulatedInstructions" }, says: "But the kernel between them runs, and is not emulated." },
    { kind: "exactly", step: "trap", phase: 2, traps: { INT: CALLS + 1, IRET: CALLS + 1, MOV: 1, OUT: 1 }, reasons: { "#GP": CALLS + 3, "#NP": CALLS + 1 }, leaks: {}, says: "trap, with tricks: two exits a call." },
    { kind: "exactly", step: "vtx", phase: 2, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: none." },
    { kind: "end", step: "Debian hybrid", outcome: "expected", says: "A real system comes to its shell and counts." },
    { kind: "compare", left: { step: "Debian hybrid", count: "emulatedInstructions" }, is: ">", times: 0.5, right: { step: "Debian hybrid", count: "instructions" }, says: "Most of its start is the kernel's, and emulated." },
  ],
  conclude: [
    "An accelerator is worth as much as its guest computes in user code between two system calls.",
    "It is easy to get right: what it cannot run it emulates, and what leaves is simply done again.",
  ],
};
