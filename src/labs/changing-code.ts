// L5: a monitor that reads code before it runs, and code that is not what it was.

import type { Lab } from "./lab.ts";

const ROUNDS = 100;
const RIGHT = "its middle shows      IF=0";

export const changingCode: Lab = {
  id: "L5",
  title: "Scan before execute meets changing code",
  question: "A monitor scans every page before it runs. What does the guest pay that rewrites its code, jumps into the middle of an instruction, or hops about?",
  background: [
    "Under scan the guest executes copies of its pages that begin as all CC. What was decoded and found harmless is copied in; whatever was never looked at breaks by itself.",
    "A store to a scanned page makes its copy all CC again. A page that changes more than 64 times within a million instructions is hostile: it is emulated.",
    "strict breaks at every RET and indirect branch, as nobody knows where they go; lax copies them.",
    "scan-depth is how many branch targets one scan follows.",
  ],
  steps: [
    { id: "emulate", guest: "smc", technique: "emulate", watch: "The right values." },
    { id: "trap", guest: "smc", technique: "trap", watch: "The code is the guest's own: nothing to pay for changes, and the hidden PUSHF leaks." },
    { id: "int3", guest: "smc", technique: "int3", watch: "The searched page is watched: a store, an exit. The hidden PUSHF is not on any path that was searched." },
    { id: "scan", guest: "smc", technique: "scan", watch: "Phase 1: store, break, store, break ... and then nothing more: hostile. Phase 2: the call into the MOV breaks." },
    { id: "scan lax", guest: "smc", technique: "scan", set: { scan: "lax" }, watch: "Fewer exits, and one leak." },
    { id: "depth 1", guest: "smc", technique: "scan", set: { "scan-depth": 1 }, watch: "Phase 3: a break for every link of the chain." },
    { id: "depth 8", guest: "smc", technique: "scan", set: { "scan-depth": 8 }, watch: "Phase 3: a break for every eighth." },
    { id: "translate", guest: "smc", technique: "translate", watch: "Eight faults, then the store is a call: the translator adapts." },
    { id: "hybrid", guest: "smc", technique: "hybrid", watch: "Emulated." },
    { id: "vtx", guest: "smc", technique: "vtx", watch: "Nobody looks at the code." },
    { id: "lite", guest: "smc", technique: "lite", ring: 3, watch: "The check before the start follows control flow and does not find the hidden PUSHF." },
  ],
  predict: [
    { ask: `Of ${ROUNDS} rounds that rewrite the loop, how many cost an exit for the store under scan?`, choices: ["0", "65", "100"], answer: 1, because: "The 65th change makes the page hostile, and from then on it is emulated.", shownBy: "hostile" },
    { ask: "Which mode lets the hidden PUSHF through?", choices: ["strict", "lax", "both", "neither"], answer: 1, because: "lax copied the indirect CALL, and the middle of the MOV is in the copy.", shownBy: "lax" },
    { ask: "How many breaks does the chain of 40 jumps take with scan-depth=8, besides the last RET?", choices: ["1", "6", "40"], answer: 1, because: "41 pieces, eight at a time.", shownBy: "depth-8" },
  ],
  checks: [
    { kind: "text", step: "emulate", contains: RIGHT, says: "On bare metal the hidden PUSHF shows IF=0." },
    { kind: "exactly", step: "trap", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: {}, says: "trap: changing code costs nothing." },
    { kind: "exactly", step: "trap", phase: 2, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { PUSHF: 1 }, says: "trap: the hidden PUSHF leaks." },
    { kind: "exactly", step: "int3", phase: 1, traps: { MOV: ROUNDS, OUT: 1 }, reasons: { "#PF": ROUNDS, "#GP": 1 }, leaks: {}, says: "int3: a watched store each round." },
    { kind: "exactly", step: "int3", phase: 2, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { PUSHF: 1 }, says: "int3: the hidden PUSHF was never found." },
    { id: "hostile", kind: "exactly", step: "scan", phase: 1, traps: { XOR: 1, MOV: 130, OUT: 1 }, reasons: { "#PF": 65, "#BP": 66, "#GP": 1 }, leaks: {}, says: "scan: 65 stores and as many breaks, one for the first look; then the page is hostile." },
    { kind: "number", of: { step: "scan", phase: 1, count: "emulatedInstructions" }, is: ">=", than: 65 + 180, says: "The 36 rounds that are left are emulated, five instructions each." },
    { kind: "exactly", step: "scan", phase: 2, traps: { MOV: 1, RET: 2, CALL: 1, PUSHF: 2, OUT: 1 }, reasons: { "#BP": 6, "#GP": 1 }, leaks: {}, says: "strict: the call breaks, the MOV is taken out of the copy, the PUSHF is found." },
    { kind: "text", step: "scan", contains: RIGHT, says: "strict: the guest sees what is right." },
    { id: "lax", kind: "exactly", step: "scan lax", phase: 2, traps: { MOV: 1, OUT: 1 }, reasons: { "#BP": 1, "#GP": 1 }, leaks: { PUSHF: 1 }, says: "lax: the hidden PUSHF leaks." },
    { kind: "compare", left: { step: "scan lax", count: "exits" }, is: "<", right: { step: "scan", count: "exits" }, says: "lax has fewer exits." },
    { kind: "exactly", step: "scan", phase: 3, traps: { JMP: 2, RET: 1, OUT: 1 }, reasons: { "#BP": 3, "#GP": 1 }, leaks: {}, says: "The chain at the default depth of 32: two looks, and the RET of strict mode." },
    { kind: "exactly", step: "depth 1", phase: 3, traps: { JMP: 40, RET: 2, OUT: 1 }, reasons: { "#BP": 42, "#GP": 1 }, leaks: {}, says: "At depth 1 each of its 41 pieces is a break." },
    { id: "depth-8", kind: "exactly", step: "depth 8", phase: 3, traps: { JMP: 5, RET: 2, OUT: 1 }, reasons: { "#BP": 7, "#GP": 1 }, leaks: {}, says: "At depth 8, six." },
    { kind: "exactly", step: "depth 1", phase: 4, traps: { RET: 1, OUT: 1 }, reasons: { "#BP": 1, "#GP": 1 }, leaks: {}, says: "The second time round, what is scanned is scanned: whatever the depth." },
    { kind: "exactly", step: "depth 1", phase: 1, traps: { XOR: 1, MOV: 194, OUT: 1 }, reasons: { "#PF": 65, "#BP": 130, "#GP": 1 }, leaks: {}, says: "With code that changes, a small depth costs a break more a round." },
    { kind: "exactly", step: "translate", phase: 1, traps: { MOV: 8 }, reasons: { "#PF": 8 }, leaks: {}, callouts: ROUNDS - 8 + 1, says: "translate: eight faults, then calls." },
    { kind: "text", step: "translate", contains: RIGHT, says: "translate: the middle of an instruction is another unit." },
    { kind: "exactly", step: "hybrid", phase: 1, traps: {}, leaks: {}, says: "hybrid: no exit." },
    { kind: "exactly", step: "vtx", phase: 1, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: no exit." },
    { kind: "number", of: { step: "vtx", count: "leaks" }, is: "=", than: 0, says: "vtx: no leak." },
    { kind: "exactly", step: "lite", phase: 2, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { PUSHF: 1 }, says: "lite: its check saw no PUSHF, and it leaks." },
  ],
  conclude: [
    "Scanning is safe against any code only if every transfer that cannot be foretold breaks: that is what strict pays for.",
    "Code that changes all the time is cheaper emulated than scanned; a monitor has to notice.",
    "A check of the kernel before it starts sees what control flow shows, and no more.",
  ],
};
