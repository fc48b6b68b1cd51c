// L9: 16-bit code de-privileged, in virtual-8086 mode, with VME and without.

import type { Lab } from "./lab.ts";

const CALLS = 100, SECTIONS = 50, STORES = 1000;

export const realMode: Lab = {
  id: "L9",
  title: "16-bit code under V86",
  question: "plex86 was told that it knows nothing about 16-bit code. What does a DOS-like guest cost, and what does it see?",
  background: [
    "A monitor runs real mode as virtual-8086 mode with IOPL 0: INT n, IRET, PUSHF, POPF, CLI and STI fault there, so that nothing of them can be missed.",
    "CR4.VME (Pentium) lets them act on VIF, and sends INT n straight to the guest's handler where a bitmap in the TSS says so.",
    "SMSW, SGDT and SIDT stay silent in V86 mode. Real-mode segments of 4 GB (unreal mode) cannot be held in it at all: such code is emulated, in limbo.",
  ],
  steps: [
    { id: "emulate", guest: "dosint", technique: "emulate", watch: "Real mode as it is." },
    { id: "trap", guest: "dosint", technique: "trap", watch: "Phase 1: five exits for each INT 21h that goes through the resident program." },
    { id: "trap vme", guest: "dosint", technique: "trap", set: { vme: true }, watch: "The same phase: none. But frames and images show IOPL 3." },
    { id: "trap umip", guest: "dosint", technique: "trap", set: { umip: true }, watch: "SMSW traps." },
    { id: "int3", guest: "dosint", technique: "int3", watch: "SMSW is planted. The resident program's counter lies in its code: each store is watched." },
    { id: "scan", guest: "dosint", technique: "scan", watch: "SMSW is left out; the far CALL as well, in strict mode." },
    { id: "scan vme", guest: "dosint", technique: "scan", set: { vme: true }, watch: "With VME the scan leaves out what would leak: the exits come back as #BP." },
    { id: "translate", guest: "dosint", technique: "translate", watch: "The flags are inline, INT and IRET are calls." },
    { id: "hybrid", guest: "dosint", technique: "hybrid", watch: "All emulated." },
    { id: "vtx", guest: "dosint", technique: "vtx", watch: "An unrestricted guest: real mode is real." },
  ],
  predict: [
    { ask: `${CALLS} calls of INT 21h through a resident program: how many exits without VME?`, choices: ["100", "300", "500"], answer: 2, because: "INT, the resident program's PUSHF, the kernel's STI, two IRETs.", shownBy: "five" },
    { ask: "And with VME?", choices: ["0", "100", "500"], answer: 0, because: "All five act on VIF or the guest's own vector table.", shownBy: "none" },
    { ask: "Does SMSW tell a real-mode program that it is not in real mode?", choices: ["yes", "no"], answer: 0, because: "It is not privileged, and CR0.PE is 1 in V86 mode. Memory managers look.", shownBy: "smsw" },
  ],
  checks: [
    { kind: "end", step: "emulate", outcome: "exit-success", says: "On bare metal PE is 0, and the sum beyond 1 MB is right." },
    { id: "five", kind: "exactly", step: "trap", phase: 1, traps: { INT: CALLS, PUSHF: CALLS, STI: CALLS, IRET: 2 * CALLS, OUT: 1 }, reasons: { "#GP": 5 * CALLS + 1 }, leaks: {}, says: "Without VME: five exits a call, and no leak." },
    { id: "smsw", kind: "exactly", step: "trap", phase: 2, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { SMSW: 1 }, says: "SMSW leaks." },
    { kind: "text", step: "trap", contains: "SMSW in real mode: PE=1", says: "And the guest says so." },
    { kind: "exactly", step: "trap", phase: 3, traps: { PUSHF: SECTIONS, CLI: SECTIONS, POPF: SECTIONS, OUT: 1 }, reasons: { "#GP": 3 * SECTIONS + 1 }, leaks: {}, says: "In V86 mode POPF is no hole: it faults." },
    { kind: "exactly", step: "trap", phase: 4, traps: { CLI: 1, LGDT: 1, MOV: 2, STI: 1, OUT: 1 }, reasons: { "#GP": 6 }, leaks: {}, says: "Into unreal mode: three exits; then limbo has none." },
    { kind: "number", of: { step: "trap", phase: 4, count: "emulatedInstructions" }, is: ">=", than: 8 * STORES, says: "In limbo every instruction is emulated: four for each of 1,000 stores and 1,000 loads." },
    { kind: "text", step: "trap", contains: "sum beyond 1 MB: 500500", says: "And it is right." },
    { id: "none", kind: "exactly", step: "trap vme", phase: 1, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { INT: CALLS, PUSHF: CALLS }, says: "With VME: no exit; frames and images leak IOPL 3." },
    { kind: "records", step: "trap vme", filter: 'kind == leak and instruction == INT and bytes contains cd 21 and effect contains "IOPL=3"', is: "=", than: CALLS + 5, says: "Every INT 21h up to the POPF of phase 3 pushes IOPL 3 where bare metal has 0: 100, and five before them." },
    { kind: "exactly", step: "trap vme", phase: 3, traps: { OUT: 1 }, reasons: { "#GP": 1 }, leaks: { PUSHF: 1, POPF: SECTIONS }, says: "The guest hands the leaked IOPL back to POPF, where bare metal would take it." },
    { kind: "exactly", step: "trap umip", phase: 2, traps: { SMSW: 1, OUT: 1 }, reasons: { "#GP": 2 }, leaks: {}, says: "UMIP closes SMSW." },
    { kind: "exactly", step: "int3", phase: 2, traps: { SMSW: 1, OUT: 1 }, reasons: { "#BP": 1, "#GP": 1 }, leaks: {}, says: "int3 stands on SMSW." },
    { kind: "same-text", step: "int3", as: "emulate", says: "int3: the guest sees what bare metal shows." },
    { kind: "exactly", step: "scan", phase: 1, traps: { INT: CALLS, PUSHF: CALLS, STI: CALLS, IRET: 2 * CALLS, CALL: CALLS, INC: CALLS, OUT: 1 }, reasons: { "#GP": 5 * CALLS + 1, "#BP": CALLS, "#PF": CALLS }, leaks: {}, says: "scan: the far CALL and the counter in the code page besides." },
    { kind: "same-text", step: "scan", as: "emulate", says: "scan: right." },
    { kind: "exactly", step: "scan vme", phase: 1, traps: { INT: CALLS, PUSHF: CALLS, IRET: 2 * CALLS, CALL: CALLS, INC: CALLS, OUT: 1 }, reasons: { "#BP": 5 * CALLS, "#PF": CALLS, "#GP": 1 }, leaks: {}, says: "scan with VME: what VME let through breaks." },
    { kind: "same-text", step: "scan vme", as: "emulate", says: "And it is right." },
    { kind: "exactly", step: "translate", phase: 3, traps: {}, leaks: {}, callouts: 1, says: "translate: PUSHF, CLI, POPF are inline." },
    { kind: "same-text", step: "translate", as: "emulate", says: "translate: right." },
    { kind: "exactly", step: "hybrid", phase: 1, traps: {}, leaks: {}, says: "hybrid: no exit." },
    { kind: "exactly", step: "vtx", phase: 1, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: no exit, and no leak." },
    { kind: "exactly", step: "vtx", phase: 4, traps: { OUT: 1 }, reasons: { "VMX:I/O instruction": 1 }, leaks: {}, says: "vtx: unreal mode is no limbo." },
  ],
  conclude: [
    "16-bit code is easier to virtualize than 32-bit code: in V86 mode the flags fault. The holes that stay are SMSW, SGDT, SIDT and CPUID.",
    "VME makes it fast, and shows IOPL 3.",
    "What V86 mode cannot hold must be emulated; early VT-x parts had the same gap (exit reason 33).",
  ],
};
