// L11: where the monitor's own tables are in a guest that uses all of its linear space.

import type { Lab } from "./lab.ts";

const OWN = "and the descriptor table stayed where this kernel put it";

export const nowhereToHide: Lab = {
  id: "L11",
  title: "Nowhere to hide",
  question: "The processor needs a GDT, an IDT and a TSS of the monitor's at linear addresses. What if the guest uses them all?",
  background: [
    "The monitor keeps its tables in a window of 4 MB. A kernel in ring 3 is kept out by the page tables, and the window can move to 4 MB that the guest leaves free.",
    "A kernel in ring 1 is a supervisor to the page tables. Segment limits, cut below the window, keep it out, and so the window has to stay at the top.",
    "SGDT shows where it is.",
  ],
  steps: [
    { id: "emulate", guest: "window", technique: "emulate", watch: "One descriptor table, the guest's." },
    { id: "ring 1", guest: "window", technique: "trap", ring: 1, watch: "The read in the top 4 MB is #GP, above the limit. The window stays." },
    { id: "ring 3", guest: "window", technique: "trap", ring: 3, watch: "The window moves ahead of the reads: SGDT shows ten different bases. Then there is no room: refused." },
    { id: "ring 3 umip", guest: "window", technique: "trap", ring: 3, set: { umip: true }, watch: "With UMIP nobody sees the moves; there are as many." },
    { id: "int3", guest: "window", technique: "int3", watch: "Ring 1, and SGDT by a breakpoint: the guest notices nothing." },
    { id: "scan", guest: "window", technique: "scan", watch: "Ring 3: moves, and each move flushes both TLBs." },
    { id: "translate", guest: "window", technique: "translate", watch: "Ring 1: the reads above the limit are emulated." },
    { id: "vtx", guest: "window", technique: "vtx", watch: "The monitor's tables are in no address space of the guest's." },
  ],
  predict: [
    { ask: "How many different bases does SGDT show in ring 3, at the start and after nine reads?", choices: ["1", "2", "10"], answer: 2, because: "Each read takes the place where the window just went.", shownBy: "moves" },
    { ask: "Which technique has to give up?", choices: ["trap in ring 1", "trap in ring 3", "vtx"], answer: 1, because: "In ring 3 the window lives in the guest's free space, and there is none.", shownBy: "full" },
  ],
  checks: [
    { kind: "text", step: "emulate", contains: OWN, says: "On bare metal the table stays." },
    { kind: "exactly", step: "ring 1", phase: 1, traps: { MOV: 1, OUT: 1 }, reasons: { "#GP": 2 }, leaks: { SGDT: 1 }, says: "Ring 1: the read at the top is #GP." },
    { kind: "text", step: "ring 1", contains: "bases that SGDT showed: 1", says: "Ring 1: the window does not move." },
    { kind: "text", step: "ring 1", contains: OWN, absent: true, says: "But SGDT shows it, and not the guest's table." },
    { kind: "exactly", step: "ring 1", phase: 3, traps: { MOV: 1014, OUT: 1 }, reasons: { "#PF": 1014, "#GP": 1 }, leaks: {}, says: "Ring 1: the rest of 4 GB is there to be used, a miss for each 4 MB." },
    { id: "moves", kind: "text", step: "ring 3", contains: "bases that SGDT showed: 10", says: "Ring 3: ten bases." },
    { kind: "exactly", step: "ring 3", phase: 2, traps: { MOV: 8, OUT: 1 }, reasons: { "#PF": 8, "#GP": 1 }, leaks: { SGDT: 8 }, says: "Ring 3: a move costs one #PF." },
    { id: "full", kind: "refused", step: "ring 3", because: "no room for the monitor's window", says: "Ring 3: all is used, and the technique gives up." },
    { kind: "exactly", step: "ring 3 umip", phase: 2, traps: { MOV: 8, SGDT: 8, OUT: 1 }, reasons: { "#PF": 8, "#GP": 9 }, leaks: {}, says: "With UMIP the guest is told its own base each time." },
    { kind: "refused", step: "ring 3 umip", because: "no room", says: "There is no more room for that." },
    { kind: "same-text", step: "int3", as: "emulate", says: "int3 in ring 1: the guest notices nothing." },
    { kind: "exactly", step: "scan", phase: 2, traps: { MOV: 24, INT3: 8, SGDT: 8, OUT: 1 }, reasons: { "#PF": 24, "#BP": 16, "#GP": 1 }, leaks: {}, says: "scan: three misses and a primed page for each move." },
    { kind: "refused", step: "scan", because: "no room", says: "scan needs ring 3, and gives up in the end." },
    { kind: "same-text", step: "translate", as: "emulate", says: "translate in ring 1: the guest notices nothing." },
    { kind: "exactly", step: "vtx", phase: 3, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: nothing to hide." },
    { kind: "same-text", step: "vtx", as: "emulate", says: "And nothing to notice." },
  ],
  conclude: [
    "A monitor without help of the processor lives inside the guest's linear space: it can be seen, pushed about, and squeezed out.",
    "Protecting it by pages lets it move and needs room; protecting it by limits needs no room but one fixed place.",
  ],
};
