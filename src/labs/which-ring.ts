// L6: selectors show the ring, LAR, LSL, VERR and VERW ask with it.

import type { Lab } from "./lab.ts";

export const whichRing: Lab = {
  id: "L6",
  title: "Which ring am I in?",
  question: "How does a kernel find out that it was moved out of ring 0?",
  background: [
    "The low two bits of CS are the CPL. MOV r,CS and PUSH CS show them at any level.",
    "LAR, LSL, VERR and VERW answer from the descriptor tables that are really there, for the CPL that is really there.",
  ],
  steps: [
    { id: "emulate", guest: "rings", technique: "emulate", watch: "Kernel: CS 0008. Ring 3: CS 001B." },
    { id: "trap", guest: "rings", technique: "trap", watch: "The kernel reads 0009: ring 1. LAR and LSL see the monitor's table, with limits cut below its window." },
    { id: "trap ring 3", guest: "rings", technique: "trap", ring: 3, watch: "000B: ring 3. LSL is right: there the window needs no cut limits. And the return to ring 3 goes unseen." },
    { id: "trap tricks", guest: "rings", technique: "trap", set: { tricks: true }, watch: "With tricks=on the return to ring 3 is #NP; what the kernel reads stays wrong." },
    { id: "int3", guest: "rings", technique: "int3", watch: "Eight breakpoints in the kernel, none in ring 3: there the answers are right." },
    { id: "scan", guest: "rings", technique: "scan", watch: "Eight in the kernel; and in ring 3, where its page is scanned anew." },
    { id: "translate", guest: "rings", technique: "translate", watch: "The guest's selectors." },
    { id: "vtx", guest: "rings", technique: "vtx", watch: "Ring 0 is ring 0." },
  ],
  predict: [
    { ask: "What does MOV AX,CS give the kernel under trap at ring 1?", choices: ["0008", "0009", "000B", "it faults"], answer: 1, because: "The RPL of CS is the CPL, and that is 1.", shownBy: "rpl-1" },
    { ask: "And at ring 3?", choices: ["0008", "0009", "000B"], answer: 2, because: "CPL 3.", shownBy: "rpl-3" },
  ],
  checks: [
    { kind: "text", step: "emulate", contains: "this kernel is in ring 0", says: "On bare metal the kernel is in ring 0." },
    { id: "rpl-1", kind: "text", step: "trap", contains: "MOV r,CS 0009  PUSH CS 0009", says: "At ring 1 it reads RPL 1." },
    { kind: "exactly", step: "trap", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { MOV: 3, PUSH: 1, LAR: 1, LSL: 1 }, says: "Six leaks in the kernel's questions." },
    { kind: "exactly", step: "trap", phase: 2, traps: { INT: 1, OUT: 1 }, reasons: { "#GP": 2 }, leaks: {}, says: "Asked from ring 3, all answers are right." },
    { id: "rpl-3", kind: "text", step: "trap ring 3", contains: "MOV r,CS 000B  PUSH CS 000B", says: "At ring 3 it reads RPL 3." },
    { kind: "exactly", step: "trap ring 3", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { MOV: 3, PUSH: 1, LAR: 1 }, says: "At ring 3 LSL tells the truth: limits need not be cut." },
    { kind: "exactly", step: "trap ring 3", phase: 2, traps: { INT: 1, OUT: 1 }, reasons: { "#GP": 2 }, leaks: { IRET: 1, MOV: 1, LAR: 1, LSL: 1, VERR: 1, VERW: 1 }, says: "The IRET to ring 3 is taken for one within ring 3, and then ring 3 still sees the kernel's table." },
    { kind: "exactly", step: "trap tricks", phase: 2, traps: { IRET: 1, INT: 1, OUT: 1 }, reasons: { "#GP": 2, "#NP": 1 }, leaks: {}, says: "tricks=on: the IRET is #NP, and ring 3 is ring 3." },
    { kind: "exactly", step: "trap tricks", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { MOV: 3, PUSH: 1, LAR: 1, LSL: 1 }, says: "But what the kernel reads stays wrong." },
    { kind: "exactly", step: "int3", phase: 1, traps: { MOV: 3, PUSH: 1, LAR: 1, LSL: 1, VERR: 1, VERW: 1, OUT: 1 }, reasons: { "#BP": 8, "#GP": 1 }, leaks: {}, says: "int3 stands on all eight." },
    { kind: "same-text", step: "int3", as: "emulate", says: "The kernel reads what it reads on bare metal." },
    { kind: "exactly", step: "scan", phase: 1, traps: { MOV: 3, PUSH: 1, LAR: 1, LSL: 1, VERR: 1, VERW: 1, OUT: 1 }, reasons: { "#BP": 8, "#GP": 1 }, leaks: {}, says: "scan leaves the same eight out of its copy." },
    { kind: "same-text", step: "scan", as: "emulate", says: "And the guest reads the truth." },
    { kind: "same-text", step: "translate", as: "emulate", says: "Translated, it reads the truth." },
    { kind: "number", of: { step: "translate", count: "leaks" }, is: "=", than: 0, says: "Nothing leaks." },
    { kind: "exactly", step: "vtx", phase: 1, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: nothing leaves." },
    { kind: "same-text", step: "vtx", as: "emulate", says: "And the ring is real." },
  ],
  conclude: [
    "Moving a kernel to another ring changes values that it may read at any time; nobody can trap a MOV from CS.",
    "Ring 1 keeps user code apart by the page tables and must cut segment limits to hide the monitor; ring 3 is the other way round.",
  ],
};
