// L10: what a guest's page tables cost, with shadow page tables and without.

import type { Check, Lab } from "./lab.ts";

const DEBIAN = { image: "debian" } as const;
const FORKS = ['expect "GUEST READY"', 'send "n=0; while [ $n -lt 40 ]; do (true); n=$((n+1)); done; echo FORKS $n\\n"', 'expect "FORKS 40"'] as const;

/**
 * Page faults of phases 1 to 4. cached: 15 watched stores (the table is known from the first read on) and 16 misses; the same with INVLPG; the
 * other directory's first four reads, code and variables; stores, the guest's faults, its handler's stores, misses. unsync: one store
 * lets the table go, and the first flush finds what changed. batch: one run on the guest's own processor from the second store to phase 3.
 */
const SHADOW_MISSES: readonly (readonly [string, number, number, number, number])[] = [["cached", 31, 32, 6, 64], ["unsync", 17, 16, 10, 33], ["batch", 2, 0, 10, 0]];

export const pageTables: Lab = {
  id: "L10",
  title: "A storm over page tables",
  question: "The processor walks tables of the monitor's, not the guest's. What does the guest's own memory management cost?",
  background: [
    "The monitor fills shadow tables from the guest's when an access misses, and drops entries when the guest flushes: to the guest they are one large TLB (SDM 3A, Invalidation of TLBs).",
    "An entry that becomes present needs no flush, and so costs one miss. INVLPG costs an exit and a miss. MOV CR3 costs an exit and a miss for every page that is used again.",
    "Extended page tables (EPT, 2008) let the processor walk both tables itself.",
  ],
  steps: [
    { id: "emulate", guest: "pt", technique: "emulate", watch: "Nothing leaves." },
    { id: "trap", guest: "pt", technique: "trap", watch: "Phase 3: seven exits for each MOV CR3, six of them misses." },
    { id: "cached", guest: "pt", technique: "trap", set: { shadow: "cached" }, watch: "A shadow for each CR3, kept, and the tables watched: phase 3 costs almost only MOV CR3, phases 1 and 2 a store each." },
    { id: "unsync", guest: "pt", technique: "trap", set: { shadow: "unsync" }, watch: "A table may get out of step until the guest flushes: one store leaves, the others do not." },
    { id: "batch", guest: "pt", technique: "trap", set: { shadow: "batch" }, watch: "From the first store on the monitor does them all in a row." },
    { id: "int3", guest: "pt", technique: "int3", watch: "The same, but for IRET." },
    { id: "scan", guest: "pt", technique: "scan", watch: "An exit more for each flush: the instruction TLB must be primed again." },
    { id: "translate", guest: "pt", technique: "translate", watch: "MOV CR3 and INVLPG are calls, and so become the stores that fault too often: each CR3 keeps its shadow, as VMware had it." },
    { id: "hybrid", guest: "pt", technique: "hybrid", watch: "The kernel is emulated, on its own tables." },
    { id: "vtx", guest: "pt", technique: "vtx", watch: "With EPT nothing leaves, not even MOV CR3 and page faults." },
    { id: "vtx 2005", guest: "pt", technique: "vtx", set: { shadow: "drop-all" }, watch: "Without EPT: MOV CR3, INVLPG and every miss leave again." },
    { id: "Debian translate", guest: DEBIAN, technique: "translate", set: { shadow: "drop-all" }, script: FORKS, instructionLimit: 12e9, watch: "A real kernel that forks: each child is an address space of its own, and no shadow is kept for it." },
    { id: "Debian kept", guest: DEBIAN, technique: "translate", script: FORKS, instructionLimit: 12e9, watch: "The same as translate does it unless told otherwise: tables are watched, and each address space keeps its shadow." },
    { id: "Debian vtx", guest: DEBIAN, technique: "vtx", script: FORKS, instructionLimit: 12e9, watch: "The same with EPT." },
  ],
  predict: [
    { ask: "16 pages become present and are read: how many exits under trap?", choices: ["16", "32"], answer: 0, because: "The store to the page table is not seen; the read misses.", shownBy: "map" },
    { ask: "16 pages are remapped with INVLPG and read?", choices: ["16", "32"], answer: 1, because: "INVLPG is privileged, and the read misses again.", shownBy: "remap" },
    { ask: "How many exits does MOV CR3 make under vtx with EPT?", choices: ["0", "1"], answer: 0, because: "The guest's CR3 is the guest's own there.", shownBy: "ept" },
  ],
  checks: [
    { kind: "end", step: "emulate", outcome: "exit-success", says: "The guest reads what it mapped." },
    { id: "map", kind: "exactly", step: "trap", phase: 1, traps: { MOV: 16, OUT: 1 }, reasons: { "#PF": 16, "#GP": 1 }, leaks: {}, says: "A new page: one miss." },
    { id: "remap", kind: "exactly", step: "trap", phase: 2, traps: { MOV: 16, INVLPG: 16, OUT: 1 }, reasons: { "#PF": 16, "#GP": 17 }, leaks: {}, says: "A remapped page: INVLPG and one miss." },
    { kind: "exactly", step: "trap", phase: 3, traps: { MOV: 80, XOR: 16, ADD: 16, OUT: 1 }, reasons: { "#PF": 96, "#GP": 17 }, leaks: {}, says: "A switch: MOV CR3, and misses for the code, four pages and the variables." },
    { kind: "exactly", step: "trap", phase: 4, traps: { MOV: 18, INC: 33, NOP: 1, CMP: 1, PUSH: 1, OR: 1, INVLPG: 16, IRET: 16, OUT: 1 }, reasons: { "#PF": 38, "#GP": 50 }, leaks: {}, says: "Copy on write: the guest's own fault and the miss after it, for each page." },
    ...SHADOW_MISSES.flatMap(([step, ...misses]) => misses.map((than, n): Check => (
      { kind: "number", of: { step, phase: n + 1, count: "traps", of: "#PF" }, is: "=", than, says: `${step}: ${than} page faults of the silicon in phase ${n + 1}.` }
    ))),
    { kind: "compare", left: { step: "cached", phase: 3, count: "traps" }, is: "<", right: { step: "trap", phase: 3, count: "traps" }, times: 0.25, says: "Changing address spaces costs less than a quarter when each keeps its shadow." },
    { kind: "compare", left: { step: "cached", phase: 1, count: "traps" }, is: ">", right: { step: "trap", phase: 1, count: "traps" }, says: "Mapping pages costs more: the stores are watched." },
    { kind: "same-text", step: "cached", as: "emulate", says: "cached: the guest reads what it mapped." },
    { kind: "same-text", step: "unsync", as: "emulate", says: "unsync: too." },
    { kind: "same-text", step: "batch", as: "emulate", says: "batch: too." },
    { kind: "exactly", step: "int3", phase: 4, traps: { MOV: 18, INC: 33, NOP: 1, CMP: 1, PUSH: 1, OR: 1, INVLPG: 16, IRET: 16, OUT: 1 }, reasons: { "#PF": 38, "#BP": 16, "#GP": 34 }, leaks: {}, says: "int3: as trap, with IRET by its breakpoint." },
    { kind: "exactly", step: "scan", phase: 3, traps: { MOV: 80, XOR: 16, ADD: 16, INT3: 16, OUT: 1 }, reasons: { "#PF": 96, "#BP": 16, "#GP": 17 }, leaks: {}, says: "scan: one primed instruction page more for each switch." },
    { kind: "exactly", step: "translate", phase: 3, traps: { MOV: 4, XOR: 1, ADD: 1 }, reasons: { "#PF": 6 }, leaks: {}, callouts: 17, says: "translate: MOV CR3 is a call, and each directory's shadow is kept." },
    { kind: "number", of: { step: "translate", phase: 1, count: "traps", of: "#PF" }, is: "=", than: 24, says: "translate: 16 misses, and 8 stores to the table; then the store is a call." },
    { kind: "exactly", step: "hybrid", phase: 3, traps: {}, leaks: {}, says: "hybrid: no exit." },
    { id: "ept", kind: "exactly", step: "vtx", phase: 3, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx with EPT: nothing." },
    { kind: "exactly", step: "vtx", phase: 4, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "Nor for page faults." },
    { kind: "exactly", step: "vtx 2005", phase: 2, traps: { MOV: 16, INVLPG: 16, OUT: 1 }, reasons: { "VMX:Exception or NMI": 16, "VMX:INVLPG": 16, "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx as in 2005, without EPT: INVLPG and the miss, as under trap." },
    { kind: "exactly", step: "vtx 2005", phase: 3, traps: { MOV: 80, XOR: 16, ADD: 16, OUT: 1 }, reasons: { "VMX:Exception or NMI": 96, "VMX:Control-register accesses": 16, "VMX:I/O instruction": 1 }, leaks: {}, says: "And MOV CR3 with all the misses after it." },
    { kind: "same-text", step: "vtx 2005", as: "emulate", says: "The guest reads what it mapped." },
    { kind: "end", step: "Debian translate", outcome: "expected", says: "A real kernel forks under translate, over shadows that go with every flush." },
    { kind: "end", step: "Debian kept", outcome: "expected", says: "And with shadows that are kept." },
    { kind: "compare", left: { step: "Debian kept", count: "traps", of: "#PF" }, is: "<", times: 0.5, right: { step: "Debian translate", count: "traps", of: "#PF" }, says: "Kept shadows save more than half of the misses." },
    { kind: "end", step: "Debian vtx", outcome: "expected", says: "And under vtx." },
    { kind: "compare", left: { step: "Debian translate", count: "traps", of: "#PF" }, is: ">", times: 5, right: { step: "Debian vtx", count: "traps", of: "VMX:EPT violation" }, says: "Shadow tables miss more than five times as often as extended ones, which map all memory from the start: what misses there is a device, ROM that is stored to, or nothing." },
  ],
  conclude: [
    "Shadows may be kept for each address space, and then the tables must be watched: what a fork gains, a kernel that maps much loses. unsync and batch take the worst from it.",
    "With shadow tables a change of address space costs in proportion to what is used after it; that is why a fork is the monitor's nightmare.",
    "EPT takes all of it away, and makes the walk after a TLB miss longer instead.",
  ],
};
