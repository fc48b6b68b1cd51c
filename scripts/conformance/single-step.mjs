// Runs single-instruction cases of a real-mode 80286 (the SingleStepTests layout) on a machine of the library.
//
// A case is { f, name, bytes, init: { regs, ram }, final: { regs, ram }, exc }. `init.regs` holds all 16-bit registers,
// `final.regs` those that changed; `ram` holds [address, byte] pairs. The instruction is followed by HLT, and so is every
// exception handler. `exc` is [vector, ...] or null.

/** Real-mode segments: base = selector * 16, 64 KB, writable. */
const REAL_MODE = { limit: 0xffff, access: 0x93 };
/** LMSW, LGDT and LIDT of the case before have no say. */
const REAL_MODE_TABLES = { cr0: 0x10, gdtr: { base: 0, limit: 0xffff }, idtr: { base: 0, limit: 0x3ff } };
const SEGMENTS = ["cs", "ss", "ds", "es"];
const GENERAL = ["ax", "bx", "cx", "dx", "sp", "bp", "si", "di"];
/** An 80286 in real mode keeps bits 12-15 of FLAGS clear; later processors have IOPL and NT there. */
const FLAGS_80286 = 0x0fff;
const FLAGS_FIXED = 2;
/** Enough for a REP or a loop and the HLT behind it. */
const MOST_INSTRUCTIONS = 64;

/** Options of the machine that `runCase` wants: a bare processor. */
export const MACHINE = { memoryBytes: 2 << 20, firmware: "none" };

/** Runs one case and says what differs from the silicon, as far as the manual defines it. */
export function runCase(machine, test) {
  const { init, final } = test;
  load(machine, init);
  const { exception } = machine.step();
  const { reason } = machine.run({ instructions: MOST_INSTRUCTIONS });
  const state = machine.state();
  const differences = [];
  const compare = (what, expected, actual) => {
    if (expected !== actual) differences.push({ what, expected, actual });
  };
  const expected = { ...init.regs, ...final.regs };
  const defined = FLAGS_80286 & ~undefinedFlags(test.f);
  compare("end", "halted", reason);
  for (const name of GENERAL) compare(name, expected[name], state[`e${name}`] & 0xffff);
  for (const name of SEGMENTS) compare(name, expected[name], state[name].selector);
  compare("ip", expected.ip, state.eip & 0xffff);
  compare("flags", expected.flags & defined, state.eflags & defined);
  const memory = new Map([...init.ram, ...final.ram]);
  const masks = pushedFlagMasks(test, expected, defined);
  for (const [address, byte] of memory) {
    const mask = masks.get(address) ?? 0xff;
    compare(masks.has(address) ? "pushed flags" : `[${address.toString(16)}]`, byte & mask, machine.memory.read(address, 1)[0] & mask);
  }
  clear(machine, memory, reason === "halted");
  return { differences, exception };
}

function load(machine, { regs, ram }) {
  for (const [address, byte] of ram) machine.memory.write(address, Uint8Array.of(byte));
  const state = { ...REAL_MODE_TABLES, eip: regs.ip, eflags: (regs.flags & FLAGS_80286) | FLAGS_FIXED };
  for (const name of GENERAL) state[`e${name}`] = regs[name];
  for (const name of SEGMENTS) state[name] = { ...REAL_MODE, selector: regs[name], base: regs[name] * 16 };
  machine.setState(state);
}

/** What ran away may have written anywhere. */
function clear(machine, memory, orderly) {
  if (orderly) for (const address of memory.keys()) machine.memory.write(address, Uint8Array.of(0));
  else machine.memory.write(0, new Uint8Array(MACHINE.memoryBytes));
}

/** Where an exception left FLAGS on the stack: undefined bits are undefined there too. */
function pushedFlagMasks({ exc }, { ss, sp }, defined) {
  if (exc === null) return new Map();
  const at = (offset) => ss * 16 + ((sp + offset) & 0xffff);
  return new Map([[at(4), defined & 0xff], [at(5), defined >> 8]]);
}

const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;

/** Status flags that the manual leaves undefined, by opcode (and digit of a group). SDM Vol. 2, "Flags Affected". */
function undefinedFlags(form) {
  const [opcode, digit] = form.split(".");
  if (opcode === "37" || opcode === "3F") return OF | SF | ZF; // AAA, AAS
  if (opcode === "D5") return OF; // AAD
  if (opcode === "69" || opcode === "6B") return SF | ZF | AF | PF; // IMUL
  if (/^(C[01]|D[0-3])$/.test(opcode) && (digit === "4" || digit === "6")) return AF; // SHL
  if (opcode !== "F6" && opcode !== "F7") return 0;
  if (digit === "4" || digit === "5") return SF | ZF | AF | PF; // MUL, IMUL
  return digit === "6" || digit === "7" ? CF | OF | SF | ZF | AF | PF : 0; // DIV, IDIV
}

const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf0, 0xf2, 0xf3]);
const STRING_OPCODES = new Set([0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]);
const UD = 6, SS = 12, GP = 13;
/** Bytes of the longest instruction. */
const LIMIT_80286 = 10;

/** The instruction without the HLT behind it. */
function instructionBytes({ bytes }) {
  return Array.from(bytes.matchAll(/../g), ([pair]) => Number.parseInt(pair, 16)).slice(0, -1);
}

/**
 * What an 80386 and its successors do otherwise than an 80286, each with its reason. SDM Vol. 3B, "Differences From 286
 * Real-Address Mode" and "Differences From 8086 Processor"; the rest of the list is what the 80386 added to the instruction set.
 */
export const EXPLAINED = [
  {
    id: "lock",
    why: "LOCK before an instruction that does not allow it is #UD; the 80286 takes it before any instruction.",
    applies: ({ code, vector, wanted }) => vector === UD && wanted !== UD && code.prefixes.includes(0xf0),
  },
  {
    id: "length",
    why: "An instruction may have 15 bytes, on the 80286 10.",
    applies: ({ code, vector, wanted }) => wanted === GP && vector !== GP && code.length > LIMIT_80286,
  },
  {
    id: "newer-instruction",
    why: "The 80386 and later define it (FS and GS, operand and address size, 0F xx); it is #UD on the 80286.",
    applies: ({ code, vector, wanted }) =>
      wanted === UD && vector !== UD && (code.opcode === 0x0f || (code.opcode >= 0x64 && code.opcode <= 0x67) || code.opcode === 0xf1 || ((code.opcode === 0x8c || code.opcode === 0x8e) && code.digit >= 4)),
  },
  {
    id: "stack-fault",
    why: "A word at offset FFFFh of the stack segment is #SS (12); the 80286 has vector 13 for every segment in real mode.",
    applies: ({ vector, wanted }) => wanted === GP && vector === SS,
  },
  {
    id: "string-fault",
    why: "A string instruction that faults leaves CX, SI and DI as they were before the element; the 80286 has moved them on.",
    applies: ({ code, vector, wanted, changed }) => wanted === GP && vector === GP && STRING_OPCODES.has(code.opcode) && changed.every((what) => what === "cx" || what === "si" || what === "di"),
  },
  {
    id: "idiv-minimum",
    why: "IDIV gives the most negative quotient; on the 80286 it is #DE.",
    applies: ({ code, vector, wanted }) => wanted === 0 && vector === null && (code.opcode === 0xf6 || code.opcode === 0xf7) && code.digit === 7,
  },
  {
    id: "machine-status",
    why: "SMSW shows CR0, whose bits 4 to 15 are not all ones as the 80286's are; LMSW has no more than four bits to load.",
    applies: ({ code }) => code.opcode === 0x0f && code.second === 0x01 && (code.digit === 4 || code.digit === 6),
  },
];

/** The entry of EXPLAINED that a difference falls under, or null. */
export function explain(test, { differences, exception }) {
  const bytes = instructionBytes(test);
  const first = bytes.findIndex((byte) => !PREFIXES.has(byte));
  const opcode = bytes[first] ?? 0, second = bytes[first + 1] ?? 0;
  const modrm = opcode === 0x0f ? (bytes[first + 2] ?? 0) : second;
  const facts = {
    code: { prefixes: bytes.slice(0, first), opcode, second, digit: (modrm >> 3) & 7, length: bytes.length },
    vector: exception?.vector ?? null,
    wanted: test.exc?.[0] ?? null,
    changed: differences.map(({ what }) => what),
  };
  return EXPLAINED.find((entry) => entry.applies(facts)) ?? null;
}

/** Runs all cases; `onUnexplained` hears of each one that differs without a reason. */
export function runCases(machine, tests, onUnexplained) {
  const explained = new Map(EXPLAINED.map(({ id }) => [id, 0]));
  const result = { cases: 0, passed: 0, unexplained: 0, explained };
  for (const test of tests) {
    result.cases++;
    const outcome = runCase(machine, test);
    if (outcome.differences.length === 0) {
      result.passed++;
      continue;
    }
    const reason = explain(test, outcome);
    if (reason) explained.set(reason.id, explained.get(reason.id) + 1);
    else {
      result.unexplained++;
      onUnexplained(test, outcome);
    }
  }
  return result;
}
