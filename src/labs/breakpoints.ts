// L4: a debugger's breakpoints over what would leak, and what they cannot do.

import type { Lab } from "./lab.ts";

const DATA = "data behind a call     9C9C9C9C", CODE = "code compared          as it was", RIGHT = "all five as on bare metal";

export const breakpoints: Lab = {
  id: "L4",
  title: "Breakpoints, and who else looks at the code",
  question: "A monitor plants INT3 over every sensitive instruction. What goes wrong?",
  background: [
    "INT3 is one byte, CC, and so fits over any instruction without touching its neighbour; a jump of five bytes does not.",
    "Where instructions begin is found by decoding along direct control flow: in most code far more bytes look like PUSHF than are.",
    "Five cases: data behind a call; code that is compared with a copy; a prefix on a page's last byte; the same with the next page absent; the guest's own INT3.",
  ],
  steps: [
    { id: "emulate", guest: "int3", technique: "emulate", watch: "All five as on bare metal." },
    { id: "trap", guest: "int3", technique: "trap", watch: "Nothing is planted: every PUSHF leaks, but the code is as it was." },
    { id: "int3", guest: "int3", technique: "int3", watch: "Two of five fail: the data and the comparison read CC. Follow the #BP rows: which are planted, which is the guest's?" },
    { id: "scan", guest: "int3", technique: "scan", watch: "None fails: the breaks are in copies that the guest cannot read." },
    { id: "scan lax", guest: "int3", technique: "scan", set: { scan: "lax" }, watch: "The same with fewer exits: RET and indirect jumps are copied." },
    { id: "translate", guest: "int3", technique: "translate", watch: "None fails." },
    { id: "vtx", guest: "int3", technique: "vtx", watch: "None fails, and nothing leaves." },
  ],
  predict: [
    { ask: "How many of the five go wrong under int3?", choices: ["none", "two", "four", "all"], answer: 1, because: "What only runs is right; what is read is not.", shownBy: "two" },
    { ask: "Bytes 66 9C stand over a page's end, and the code also calls the 9C alone. How many breakpoints does that take?", choices: ["one", "two"], answer: 1, because: "Both are entries, and each gets its own.", shownBy: "split" },
    { ask: "Who gets the guest's own INT3?", choices: ["the monitor keeps it", "the guest"], answer: 1, because: "There is no site at that address in the monitor's list, so it is delivered.", shownBy: "own" },
  ],
  checks: [
    { kind: "text", step: "emulate", contains: RIGHT, says: "On bare metal all five are right." },
    { kind: "exactly", step: "trap", phase: 3, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { PUSHF: 2 }, says: "Without breakpoints both PUSHF leak." },
    { kind: "text", step: "trap", contains: CODE, says: "But nobody has changed the code." },
    { id: "two", kind: "text", step: "int3", contains: "not as on bare metal: 3", says: "int3: cases one and two fail (bits 0 and 1), the others do not." },
    { kind: "text", step: "int3", contains: DATA, absent: true, says: "int3: the data has been taken for code." },
    { kind: "text", step: "int3", contains: CODE, absent: true, says: "int3: the comparison finds a CC." },
    { kind: "exactly", step: "int3", phase: 2, traps: { PUSHF: 1, OUT: 1 }, reasons: { "#BP": 1, "#GP": 1 }, leaks: { CMPS: 1 }, says: "int3: the compared routine itself runs right; the comparison reads the CC." },
    { id: "split", kind: "exactly", step: "int3", phase: 3, traps: { PUSHF: 2, OUT: 1 }, reasons: { "#BP": 2, "#GP": 1 }, leaks: {}, says: "int3: a breakpoint at the 66 and one at the 9C." },
    { kind: "exactly", step: "int3", phase: 4, traps: { "(unknown)": 1, MOV: 2, INVLPG: 1, IRET: 1, PUSHF: 2, OUT: 1 }, reasons: { "#PF": 2, "#BP": 3, "#GP": 3 }, leaks: {}, says: "int3: the instruction whose tail was absent is found when the tail comes." },
    { id: "own", kind: "exactly", step: "int3", phase: 5, traps: { INT3: 1, IRET: 1, OUT: 1 }, reasons: { "#BP": 1, "#GP": 2 }, leaks: {}, says: "int3: the guest's own INT3 is delivered; its handler's IRET, behind an indirect jump, was never found." },
    { kind: "records", step: "int3", filter: "kind == leak and action == patch-seen", is: "=", than: 4, says: "int3: four instructions read a planted byte: two that touch the pages of the split PUSHF, the one that loads the data, the comparison." },
    { kind: "number", of: { step: "int3", count: "leaks" }, is: "=", than: 4, says: "int3: nothing else leaks." },
    { kind: "same-text", step: "scan", as: "emulate", says: "scan: none of the five fails." },
    { kind: "exactly", step: "scan", phase: 2, traps: { PUSHF: 1, RET: 1, OUT: 1 }, reasons: { "#BP": 2, "#GP": 1 }, leaks: {}, says: "scan, strict: PUSHF and RET break; the comparison reads the original." },
    { kind: "exactly", step: "scan", phase: 3, traps: { PUSHF: 4, INT3: 2, MOV: 1, RET: 2, OUT: 1 }, reasons: { "#PF": 2, "#BP": 7, "#GP": 1 }, leaks: {}, says: "scan, strict: two pages primed, one crossing instruction, one that had not been looked at." },
    { kind: "exactly", step: "scan lax", phase: 3, traps: { PUSHF: 4, INT3: 2, MOV: 1, OUT: 1 }, reasons: { "#PF": 2, "#BP": 5, "#GP": 1 }, leaks: {}, says: "scan, lax: without the RETs." },
    { kind: "same-text", step: "scan lax", as: "emulate", says: "scan, lax: none fails either." },
    { kind: "same-text", step: "translate", as: "emulate", says: "translate: none fails." },
    { kind: "exactly", step: "translate", phase: 5, traps: { INT3: 1 }, reasons: { "#BP": 1 }, leaks: {}, callouts: 2, says: "translate: an INT3 runs as it is; CALLOUT for the handler's IRET and the mark." },
    { kind: "same-text", step: "vtx", as: "emulate", says: "vtx: none fails." },
    { kind: "exactly", step: "vtx", phase: 4, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: even the page fault is the guest's own business." },
  ],
  conclude: [
    "A breakpoint runs right and reads wrong. A kernel that checks, copies or patches its own code finds it.",
    "Planting by decoding needs control flow; a byte search would have hit the data and the middle of instructions too.",
    "scan answers with a second view of the page for execution: that needs two TLBs.",
  ],
};
