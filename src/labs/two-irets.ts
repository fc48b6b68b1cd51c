// L7: IRET pops three words or five, and loads IF or not, by the real CPL.

import type { Lab } from "./lab.ts";

const TRIPS = 100;

export const twoIrets: Lab = {
  id: "L7",
  title: "The two sizes of IRET",
  question: "A kernel returns to user code with IRET. What does the processor do when the kernel is not in ring 0?",
  background: [
    "To an outer ring IRET pops EIP, CS, EFLAGS, ESP and SS; within a ring the first three. It writes IF at CPL <= IOPL alone (SDM 2A, IRET, Operation).",
    "From ring 1 to ring 3 it is an outer return, and legal. From a kernel in ring 3 to ring 3 it is none at all.",
  ],
  steps: [
    { id: "emulate", guest: "iret", technique: "emulate", watch: "Every return does what the manual says." },
    { id: "trap", guest: "iret", technique: "trap", watch: "Phase 4: 100 returns to ring 3 that nobody saw; IF is lost each time." },
    { id: "trap ring 3", guest: "iret", technique: "trap", ring: 3, watch: "Three words where five were meant: user code runs on the kernel's stack." },
    { id: "trap tricks", guest: "iret", technique: "trap", set: { tricks: true }, watch: "User code segments are not present while the kernel runs: the return is #NP, and the monitor does it right." },
    { id: "int3", guest: "iret", technique: "int3", watch: "One #BP a return." },
    { id: "scan", guest: "iret", technique: "scan", watch: "One #BP a return." },
    { id: "hybrid", guest: "iret", technique: "hybrid", watch: "The return is emulated; then user code runs by itself until INT 80h leaves." },
    { id: "translate", guest: "iret", technique: "translate", watch: "The return is a callout; then user code runs by itself until INT 80h leaves." },
    { id: "vtx", guest: "iret", technique: "vtx", watch: "Neither leaves." },
    { id: "lite", guest: "pvi", technique: "lite", ring: 3, watch: "plex86's macro: F0 CF, an IRET with a LOCK prefix, is #UD and so reaches the monitor." },
  ],
  predict: [
    { ask: "How many of 100 returns to ring 3 trap under trap at ring 1?", choices: ["none", "all"], answer: 0, because: "Ring 1 may return to ring 3; nothing is wrong with it.", shownBy: "unseen" },
    { ask: "And with tricks=on?", choices: ["none", "all"], answer: 1, because: "A code segment that is not present cannot be returned to: #NP.", shownBy: "tricks" },
  ],
  checks: [
    { kind: "end", step: "emulate", outcome: "exit-success", says: "On bare metal every return is right." },
    { id: "unseen", kind: "exactly", step: "trap", phase: 4, traps: { INT: TRIPS, OUT: 1 }, reasons: { "#GP": TRIPS + 1 }, leaks: { IRET: TRIPS }, says: "Ring 1: only the way in is seen; 100 returns leak." },
    { kind: "text", step: "trap", contains: "100 round trips: 0 with IF=1, 100 with a stack switch", says: "Ring 1: the stack was switched, IF was lost." },
    { kind: "exactly", step: "trap", phase: 3, traps: { STI: 1, CLI: 1, IRET: 1, OUT: 1 }, reasons: { "#GP": 4 }, leaks: {}, says: "A return to ring 0 faults where its image says RPL 0." },
    { kind: "exactly", step: "trap", phase: 2, traps: { STI: 1, CLI: 1, OUT: 1 }, reasons: { "#GP": 3 }, leaks: { PUSH: 1, IRET: 1 }, says: "And does not where the image came from PUSH CS: RPL 1." },
    { kind: "exactly", step: "trap ring 3", phase: 4, traps: { INT: TRIPS, OUT: 1 }, reasons: { "#GP": TRIPS + 1 }, leaks: { IRET: TRIPS }, says: "Ring 3: 100 returns leak." },
    { kind: "records", step: "trap ring 3", filter: "kind == leak and instruction == IRET and action == wrong-frame", is: ">=", than: TRIPS, says: "Ring 3: each with the wrong frame, three words in place of five." },
    { id: "tricks", kind: "exactly", step: "trap tricks", phase: 4, traps: { IRET: TRIPS, INT: TRIPS, OUT: 1 }, reasons: { "#NP": TRIPS, "#GP": TRIPS + 1 }, leaks: {}, says: "tricks=on: every return is #NP." },
    { kind: "end", step: "trap tricks", outcome: "exit-success", says: "And the guest is content." },
    { kind: "exactly", step: "int3", phase: 4, traps: { IRET: TRIPS, INT: TRIPS, OUT: 1 }, reasons: { "#BP": TRIPS, "#GP": TRIPS + 1 }, leaks: {}, says: "int3: one #BP a return." },
    { kind: "exactly", step: "scan", phase: 4, traps: { IRET: TRIPS, INT: TRIPS, OUT: 1, BT: 1 }, reasons: { "#BP": TRIPS + 1, "#GP": TRIPS + 1 }, leaks: {}, says: "scan: one #BP a return, and one for the handler's first instruction, which it had not looked at." },
    { kind: "exactly", step: "hybrid", phase: 4, traps: { INT: TRIPS }, reasons: { "#GP": TRIPS }, leaks: {}, says: "hybrid: one switch a round trip." },
    { kind: "exactly", step: "translate", phase: 4, traps: { INT: TRIPS }, reasons: { "#GP": TRIPS }, leaks: {}, callouts: TRIPS + 1, says: "translate: INT leaves, IRET calls out." },
    { kind: "exactly", step: "vtx", phase: 4, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: 100 round trips without an exit." },
    { kind: "exactly", step: "lite", phase: 3, traps: { INT: 1, IRET: 1, OUT: 1 }, reasons: { "#UD": 1, "#GP": 2 }, leaks: {}, says: "lite: the marked IRET is #UD." },
  ],
  conclude: [
    "IRET is three instructions in one opcode, and the processor chooses by a CPL that is not the guest's.",
    "A hole can be closed without a patch where a descriptor can be made to fault; there is no such descriptor for POPF.",
  ],
};
