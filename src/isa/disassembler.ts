// Text and byte structure of a decoded instruction: Intel operand order, `dword ptr` only where no register tells the size,
// numbers in hexadecimal with 0x from ten on, branch targets as addresses. SDM Vol. 2 chapter 2 and section 3.1.1.
//
// The text does not depend on the default sizes of the code segment: PUSHF with a 32-bit operand is `pushfd` in any of them.

import { immediateBytes, parseOpcode } from "./decode-table.ts";
import type { Decoded } from "./decoded.ts";
import { type Operand, OPERAND_SHAPES, resolveOperand } from "./operand-location.ts";
import type { OperandCode } from "./operand.ts";
import { DS, EBP, EBX, ESP, SS } from "./state-layout.ts";

const GPR_8 = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"];
const GPR_16 = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const GPR_32 = GPR_16.map((name) => `e${name}`);
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "segr6", "segr7"];
const SIZES: Readonly<Record<number, string>> = { 1: "byte", 2: "word", 4: "dword", 6: "fword", 8: "qword", 10: "tbyte", 16: "xmmword" };

/** Mnemonics whose written form depends on the operand size: 16 bits, 32 bits. */
const BY_OPERAND_SIZE: Readonly<Record<string, readonly [string, string]>> = {
  PUSHF: ["pushf", "pushfd"], POPF: ["popf", "popfd"], IRET: ["iret", "iretd"], PUSHA: ["pusha", "pushad"], POPA: ["popa", "popad"],
  CBW: ["cbw", "cwde"], CWD: ["cwd", "cdq"],
};

/** The customary one of the SDM's synonyms: `jne`, not `jnz`. */
const CONDITIONS: Readonly<Record<string, string>> = { NB: "ae", Z: "e", NZ: "ne", NBE: "a", NL: "ge", NLE: "g" };

/** x87 instructions on the stack top that name the other operand alone. */
const TOP_UNSAID: ReadonlySet<string> = new Set(["FLD", "FST", "FSTP", "FXCH", "FCOM", "FCOMP", "FUCOM", "FUCOMP"]);

function hex(value: number): string {
  const unsigned = value >>> 0;
  return unsigned < 10 ? String(unsigned) : `0x${unsigned.toString(16)}`;
}

function padded(value: number, bytes: number): string {
  return `0x${(value >>> 0).toString(16).padStart(bytes * 2, "0")}`;
}

function registerName(kind: Operand["kind"], number: number, width: number): string {
  switch (kind) {
    case "segment": return SEGMENTS[number] as string;
    case "control": return `cr${number}`;
    case "debug": return `dr${number}`;
    case "test": return `tr${number}`;
    case "st": return `st(${number})`;
    case "mm": return `mm${number}`;
    case "xmm": return `xmm${number}`;
    default: return (width === 1 ? GPR_8 : width === 2 ? GPR_16 : GPR_32)[number] as string;
  }
}

/** The memory operand's address: `[ebx+ecx*4+8]`, with its segment where an override differs from the default. */
function memoryText(decoded: Decoded): string {
  const { base, index, scale, displacement, addressSize, segment } = decoded;
  const names = addressSize === 4 ? GPR_32 : GPR_16;
  let text = "";
  if (base >= 0) text = names[base] as string;
  if (index >= 0) text += (text ? "+" : "") + names[index] + (scale > 0 || (base < 0 && addressSize === 4) ? `*${1 << scale}` : "");
  if (!text) text = hex(addressSize === 4 ? displacement : displacement & 0xffff);
  else if (displacement !== 0) text += displacement < 0 && (base >= 0 || addressSize === 2) ? `-${hex(-displacement)}` : `+${hex(displacement)}`;
  const usual = base === EBP || (base === ESP && addressSize === 4) ? SS : DS;
  // LEA computes an offset: no segment takes part.
  return `${segment !== usual && decoded.row?.mnemonic !== "LEA" ? `${SEGMENTS[segment]}:` : ""}[${text}]`;
}

function stringOperandText(operand: Operand, decoded: Decoded): string {
  // XLAT reads through the source's segment, but from a table at (E)BX.
  const register = decoded.row!.mnemonic === "XLAT" ? EBX : operand.number;
  const name = (decoded.addressSize === 4 ? GPR_32 : GPR_16)[register];
  if (operand.kind === "string-dst") return `es:[${name}]`;
  return decoded.segment !== DS ? `${SEGMENTS[decoded.segment]}:[${name}]` : `[${name}]`;
}

/** Whether a register beside the memory operand tells its width (not a count or a port, nor MOVZX r16,m16's by accident). */
function sizeIsTold(decoded: Decoded, memory: OperandCode): boolean {
  const { width } = OPERAND_SHAPES[memory];
  return decoded.row!.operands.some((code) => {
    const shape = OPERAND_SHAPES[code];
    const isRegister = shape.kind === "gpr" || shape.kind === "segment" || shape.kind === "mm" || shape.kind === "xmm";
    return code !== memory && code !== "CL" && code !== "DX" && isRegister && shape.width === width;
  });
}

function operandText(code: OperandCode, decoded: Decoded, eip: number): string {
  const operand = resolveOperand(code, decoded);
  switch (operand.kind) {
    case "imm": case "const": return hex(operand.value);
    case "rel": return padded(branchTarget(decoded, eip), decoded.operandSize);
    case "far": return `far ${padded(operand.selector, 2)}:${padded(operand.value, decoded.operandSize)}`;
    case "string-src": case "string-dst": return stringOperandText(operand, decoded);
    case "mem": {
      const text = memoryText(decoded);
      const flow = decoded.row!.mnemonic === "JMP" || decoded.row!.mnemonic === "CALL";
      if (code === "Mp" && flow) return `far ${SIZES[operand.width]} ptr ${text}`;
      const size = code === "Mp" || code === "Ms" || code === "Ma" ? undefined : SIZES[operand.width];
      return size === undefined || sizeIsTold(decoded, code) ? text : `${size} ptr ${text}`;
    }
    // ST alone is the implicit top of the stack, ST(0) a register that the encoding names.
    case "st": return code === "ST" ? "st" : `st(${operand.number})`;
    default: return registerName(operand.kind, operand.number, operand.width);
  }
}

/** Target of a relative branch, wrapped to the operand size. */
export function branchTarget(decoded: Decoded, eip: number): number {
  const target = eip + decoded.length + decoded.immediate;
  return decoded.operandSize === 4 ? target >>> 0 : target & 0xffff;
}

function mnemonicText(decoded: Decoded): string {
  const row = decoded.row!;
  if (row.string) {
    const data = row.operands.find((code) => OPERAND_SHAPES[code].kind === "string-src" || OPERAND_SHAPES[code].kind === "string-dst");
    const wide = data === "Xv" || data === "Yv";
    return row.mnemonic.toLowerCase() + (wide ? (decoded.operandSize === 4 ? "d" : "w") : "b");
  }
  const conditional = /^(J|SET|CMOV)(NB|Z|NZ|NBE|NL|NLE)$/.exec(row.mnemonic);
  if (conditional) return conditional[1]!.toLowerCase() + CONDITIONS[conditional[2]!];
  // Which of CX and ECX counts is written where the address size is not that of the operands.
  if (row.mnemonic.startsWith("LOOP") && decoded.addressSize !== decoded.operandSize)
    return row.mnemonic.toLowerCase() + (decoded.addressSize === 4 ? "d" : "w");
  if (row.mnemonic === "JCXZ") return decoded.addressSize === 4 ? "jecxz" : "jcxz";
  const forms = BY_OPERAND_SIZE[row.mnemonic];
  return forms ? forms[decoded.operandSize === 4 ? 1 : 0] : row.mnemonic.toLowerCase();
}

/** Text of the instruction at `eip`; `(bad)` where there is none. */
export function disassemble(decoded: Decoded, eip: number): string {
  const row = decoded.row;
  if (!row) return "(bad)";
  let text = decoded.lock ? "lock " : "";
  if (row.string && decoded.rep !== 0) text += decoded.rep === 2 ? "repne " : row.string === "repe" ? "repe " : "rep ";
  text += mnemonicText(decoded);

  // The operands of string instructions are fixed: they are written where a prefix changed them, AL and EAX never.
  if (row.string && decoded.segmentOverride < 0 && decoded.addressSize === decoded.operandSize) return text;
  const operands: string[] = [];
  row.operands.forEach((code, position) => {
    if (row.string && (code === "AL" || code === "eAX")) return;
    // Arithmetic between the x87 stack top and memory names the memory alone.
    if (code === "ST" && position === 0 && row.operands.length === 2 && (decoded.mod !== 3 || TOP_UNSAID.has(row.mnemonic))) return;
    operands.push(operandText(code, decoded, eip));
  });
  return operands.length ? `${text} ${operands.join(",")}` : text;
}

export interface ByteRange {
  readonly start: number;
  readonly length: number;
  readonly role: "prefix" | "opcode" | "modrm" | "sib" | "displacement" | "immediate";
}

/** What each byte of the instruction is, in order. `bytes` start at the instruction. */
export function describeBytes(decoded: Decoded, bytes: ArrayLike<number>): ByteRange[] {
  const ranges: ByteRange[] = [];
  let at = 0;
  const take = (role: ByteRange["role"], length: number) => {
    if (length > 0) ranges.push({ start: at, length, role });
    at += length;
  };
  const { row, mod, rm, addressSize } = decoded;
  const immediate = row ? immediateBytes(row, decoded.operandSize) : 0;
  const offset = row?.operands.some((code) => OPERAND_SHAPES[code].source === "moffs") ? addressSize : 0;
  while (isPrefix(bytes[at] as number)) take("prefix", 1);
  take("opcode", (row ? parseOpcode(row.opcode).twoByte : bytes[at] === 0x0f) ? 2 : 1);
  if (mod >= 0) take("modrm", 1);
  if (mod >= 0 && mod !== 3 && addressSize === 4 && rm === 4) take("sib", 1);
  take("displacement", offset || decoded.length - immediate - at);
  take("immediate", immediate);
  return ranges;
}

function isPrefix(byte: number): boolean {
  return (byte & 0xe7) === 0x26 || (byte >= 0x64 && byte <= 0x67) || byte === 0xf0 || byte === 0xf2 || byte === 0xf3;
}
