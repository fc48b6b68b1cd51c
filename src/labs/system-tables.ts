// L2: SGDT, SIDT, SLDT, STR and SMSW store the processor's own registers at any privilege level.

import type { Lab } from "./lab.ts";

const FIVE = { SGDT: 1, SIDT: 1, SLDT: 1, STR: 1, SMSW: 1 };
const OWN = "these are this kernel's own tables";

export const systemTables: Lab = {
  id: "L2",
  title: "Whose tables are these?",
  question: "Can a guest find the monitor by looking where the descriptor tables are?",
  background: [
    "SGDT, SIDT, SLDT, STR and SMSW read supervisor registers and are not privileged (SDM 3A, Privileged Instructions, names only the loads).",
    "The registers hold what the monitor put there. A program that compares them with what it expects is called a red pill.",
    "CR4.UMIP, of 2017, makes the five fault outside ring 0.",
  ],
  steps: [
    { id: "emulate", guest: "tables", technique: "emulate", watch: "The values that the guest set itself." },
    { id: "trap", guest: "tables", technique: "trap", watch: "Five leaks in phase 1; what the guest prints are addresses of the monitor's window." },
    { id: "trap umip", guest: "tables", technique: "trap", set: { umip: true }, watch: "With umip=on the five rows move from leak to trap." },
    { id: "trap ring 3 umip", guest: "tables", technique: "trap", ring: 3, set: { umip: true }, watch: "The same at ring 3." },
    { id: "int3", guest: "tables", technique: "int3", watch: "Five breakpoints." },
    { id: "scan", guest: "tables", technique: "scan", watch: "Five places that were never copied." },
    { id: "translate", guest: "tables", technique: "translate", watch: "No fault: calls of the monitor, which reads the guest's own registers." },
    { id: "vtx", guest: "tables", technique: "vtx", watch: "No exit: they are the guest's registers." },
  ],
  predict: [
    { ask: "How many of the five trap under trap with umip=off?", choices: ["none", "SGDT and SIDT", "all five"], answer: 0, because: "None of them checks CPL on a processor without UMIP.", shownBy: "leaks" },
    { ask: "And with umip=on?", choices: ["none", "all five"], answer: 1, because: "CR4.UMIP = 1 and CPL > 0: #GP(0) for each of them.", shownBy: "umip" },
  ],
  checks: [
    { kind: "text", step: "emulate", contains: OWN, says: "On bare metal the kernel finds its own tables." },
    { kind: "end", step: "trap", outcome: "exit-failure", says: "Under trap it notices that it is not alone." },
    { id: "leaks", kind: "exactly", step: "trap", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: FIVE, says: "Five leaks, no trap but the mark." },
    { kind: "text", step: "trap", contains: OWN, absent: true, says: "It says so." },
    { id: "umip", kind: "exactly", step: "trap umip", phase: 1, traps: { ...FIVE, OUT: 1 }, reasons: { "#GP": 6 }, leaks: {}, says: "With UMIP each of the five is one #GP." },
    { kind: "same-text", step: "trap umip", as: "emulate", says: "Then the guest prints what it prints on bare metal." },
    { kind: "exactly", step: "trap ring 3 umip", phase: 1, traps: { ...FIVE, OUT: 1 }, reasons: { "#GP": 6 }, leaks: {}, says: "UMIP asks whether CPL is 0, not which ring it is." },
    { kind: "exactly", step: "int3", phase: 1, traps: { ...FIVE, OUT: 1 }, reasons: { "#BP": 5, "#GP": 1 }, leaks: {}, says: "int3 needs no UMIP: a breakpoint each." },
    { kind: "exactly", step: "scan", phase: 1, traps: { ...FIVE, OUT: 1 }, reasons: { "#BP": 5, "#GP": 1 }, leaks: {}, says: "Nor does scan." },
    { kind: "exactly", step: "translate", phase: 1, traps: {}, leaks: {}, callouts: 6, says: "Translated, each calls the monitor, without a fault; so does the mark." },
    { kind: "same-text", step: "translate", as: "emulate", says: "And the values are the guest's." },
    { kind: "exactly", step: "vtx", phase: 1, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "Under vtx nothing of it leaves." },
    { kind: "same-text", step: "vtx", as: "emulate", says: "And the values are the guest's." },
  ],
  conclude: [
    "The guest can find a monitor of the trapping kind with one unprivileged instruction.",
    "UMIP closes these five of the holes, and no others.",
  ],
};
