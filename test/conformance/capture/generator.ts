// Random cases of a given row: an encoding, a state in which it does something, and memory for its operands.

import { MAX_LENGTH } from "../../../src/isa/decoder.ts";
import type { Row } from "../../../src/isa/row.ts";
import {
  CS, DS, EAX, EBP, EBX, ECX, EDI, EDX, EFLAGS_AC, EFLAGS_DF, EFLAGS_ID, EFLAGS_NT, EFLAGS_STATUS, EFLAGS_TF, ES, ESI, ESP, SS,
} from "../../../src/isa/state-layout.ts";
import { createPrng, type Prng } from "../../support/prng.ts";
import { type Encoding, encodeRow, littleEndian } from "../../support/row-encoder.ts";
import type { Bytes, Case } from "./case.ts";
import { randomFloat, randomOperand } from "./float-generator.ts";
import {
  CODE, CODE_BYTES, DATA, descriptorOf, LOCAL_COUNT, type LocalName, localSelector, PAGE_BYTES, REGIONS, USER_CODE, USER_DATA,
} from "./sandbox.ts";
import { knowsFloat } from "./silicon-rows.ts";

export interface GeneratedCase extends Case {
  readonly row: Row;
  /** What kind of encoding this is: cases of one row should cover several. */
  readonly form: string;
}

const EFLAGS_FIXED_AND_IF = 0x202;
const INTERESTING = [0, 1, 2, 3, 7, 8, 9, 15, 16, 31, 32, 33, 0x7f, 0x80, 0x99, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
const STACKS: readonly LocalName[] = ["stack32", "stack16", "stack16", "wrap16", "down16", "down32", "small", "pages"];
const READABLE: readonly LocalName[] = ["stack32", "stack16", "wrap16", "down16", "down32", "readOnly", "small", "pages", "flat", "code32"];
const ALL: readonly LocalName[] = [...READABLE, "executeOnly", "code16", "absent", "absentCode"];

function value(random: Prng): number {
  switch (random.below(4)) {
    case 0: return random.pick(INTERESTING) | 0;
    case 1: return random.below(256);
    default: return random.next() | 0;
  }
}

/** For an instruction that loads or asks about a selector: mostly one that exists, with any RPL. */
function anySelector(random: Prng, kinds: readonly LocalName[]): number {
  switch (random.below(8)) {
    case 0: return random.pick([0, 1, 2, 3, 0x08, 0x10, 0x18, 0x40, 0x50]) | random.below(4);
    case 1: return random.pick([LOCAL_COUNT * 8 | 7, 0xfff8 | 7, 4, 7]);
    case 2: return random.pick([USER_CODE, USER_DATA]);
    case 3: return localSelector(random.pick(kinds)) & ~random.below(4);
    default: return localSelector(random.pick(kinds));
  }
}

/** A case under construction. */
class Draft {
  readonly random: Prng;
  readonly encoding: Encoding;
  readonly registers: number[];
  readonly selectors: number[];
  readonly bytes: number[];
  readonly memory: Bytes[] = [];
  eflags: number;
  readonly eip: number;

  constructor(random: Prng, encoding: Encoding, selectors: number[]) {
    this.random = random;
    this.encoding = encoding;
    this.bytes = encoding.bytes;
    this.selectors = selectors;
    this.registers = Array.from({ length: 8 }, () => value(random));
    this.eflags = EFLAGS_FIXED_AND_IF | (random.next() & (EFLAGS_STATUS | EFLAGS_DF));
    if (random.oneIn(16)) this.eflags |= EFLAGS_AC;
    if (random.oneIn(16)) this.eflags |= EFLAGS_ID;
    if (random.oneIn(24)) this.eflags |= EFLAGS_TF;
    if (random.oneIn(16) && encoding.row.mnemonic !== "IRET") this.eflags |= EFLAGS_NT;
    // Now and then at the end of the code, which may cut it off.
    this.eip = random.oneIn(48) ? this.codeBase() + CODE_BYTES - 1 - random.below(encoding.bytes.length + 1) : this.codeTarget();
  }

  private base(segment: number): number {
    return descriptorOf(this.selectors[segment] as number)?.base ?? 0;
  }

  /** An offset in CS within the code page, far enough from its end. */
  codeTarget(selector = this.selectors[CS] as number): number {
    return this.codeBase(selector) + 0x400 + this.random.below(CODE_BYTES - 0x800);
  }

  /** Offset of the code page in CS. */
  codeBase(selector = this.selectors[CS] as number): number {
    return selector === USER_CODE ? CODE : 0;
  }

  /** An offset in a segment, often beside a page boundary or the limit. */
  target(segment: number): number {
    const { random } = this;
    const d = descriptorOf(this.selectors[segment] as number);
    if (!d) return random.next();
    const [low, high] = d.usual;
    const where = random.below(12);
    if (where === 0) return high - random.below(10);
    if (where === 1) return low + random.below(4) - 2;
    if (where <= 3) return DATA - d.base + (1 + random.below(7)) * PAGE_BYTES - random.below(9);
    const page = random.pick([0, 1, 3, 5, 6, 7]);
    const offset = DATA - d.base + page * PAGE_BYTES + random.below(PAGE_BYTES - 64);
    return offset >= low && offset <= high - 64 ? offset : low + random.below(high - low - 64);
  }

  /** Sets a register as far as a 16-bit address takes notice of it. */
  setAddress(register: number, offset: number, addressSize: number): void {
    const keep = addressSize === 2 && this.random.oneIn(2);
    this.registers[register] = keep ? ((this.registers[register] as number) & 0xffff_0000) | (offset & 0xffff) : offset | 0;
  }

  /** Points the stack into its segment. */
  aimStack(): void {
    const { random } = this;
    const top = random.oneIn(4) ? this.target(SS) : this.target(SS) & ~3;
    this.setAddress(ESP, top, descriptorOf(this.selectors[SS] as number)?.big ? 4 : 2);
  }

  memorySegment(): number {
    const { memory, row } = this.encoding;
    if (!memory) return row.string ? DS : -1;
    if (memory.segmentOverride >= 0) return memory.segmentOverride;
    return memory.base === EBP || memory.base === ESP ? SS : DS;
  }

  /** Fills in the displacement and mostly sets the address registers so that the operand lies where data is. */
  aimMemory(): void {
    const { memory } = this.encoding;
    if (!memory) return;
    const { random, registers } = this;
    const { base, index, scale, addressSize, displacementBytes } = memory;
    const target = this.target(this.memorySegment());
    const free = base < 0 && index < 0;
    const displacement = free ? target : displacementBytes === 1 ? (random.below(256) << 24) >> 24 : displacementBytes === 0 ? 0 : value(random);
    littleEndian(displacement, displacementBytes).forEach((byte, i) => { this.bytes[memory.displacementAt + i] = byte; });
    if (free || random.oneIn(24)) return;
    const rest = target - displacement;
    if (base < 0) this.setAddress(index, (rest >>> scale) | 0, addressSize);
    else if (index < 0) this.setAddress(base, rest, addressSize);
    else if (index === base) this.setAddress(base, Math.floor((rest >>> 0) / (1 + (1 << scale))), addressSize);
    else {
      if (!random.oneIn(4)) registers[index] = random.below(64);
      this.setAddress(base, rest - ((registers[index] as number) << scale), addressSize);
    }
  }

  /** Linear address of the memory operand, or -1. */
  operandAddress(): number {
    const { memory } = this.encoding;
    if (!memory) return -1;
    const { base, index, scale, addressSize, displacementAt, displacementBytes } = memory;
    let displacement = 0;
    for (let i = displacementBytes - 1; i >= 0; i--) displacement = (displacement << 8) | (this.bytes[displacementAt + i] as number);
    if (displacementBytes === 1) displacement = (displacement << 24) >> 24;
    const register = (n: number) => (n < 0 ? 0 : (this.registers[n] as number));
    const offset = register(base) + (register(index) << scale) + displacement;
    return (this.base(this.memorySegment()) + (addressSize === 2 ? offset & 0xffff : offset)) >>> 0;
  }

  stackAddress(above = 0): number {
    const esp = (this.registers[ESP] as number) + above;
    return (this.base(SS) + (descriptorOf(this.selectors[SS] as number)?.big ? esp : esp & 0xffff)) >>> 0;
  }

  /** Puts bytes in memory where the sandbox may be changed. */
  patch(address: number, bytes: readonly number[]): void {
    const region = REGIONS.find((r) => address >= r.address && address + bytes.length <= r.address + r.contents.length);
    if (region?.writable && !this.memory.some((m) => m.address < address + bytes.length && address < m.address + m.bytes.length)) this.memory.push({ address, bytes });
  }

  /** Gives the r/m operand a value. */
  setOperand(operand: number, width: number): void {
    const { registerOperand } = this.encoding;
    if (registerOperand < 0) this.patch(this.operandAddress(), littleEndian(operand, width));
    else if (width === 1) {
      const shift = registerOperand >= 4 ? 8 : 0;
      const mask = 0xff << shift;
      this.registers[registerOperand & 3] = ((this.registers[registerOperand & 3] as number) & ~mask) | ((operand << shift) & mask);
    } else if (width === 2) this.registers[registerOperand] = ((this.registers[registerOperand] as number) & 0xffff_0000) | (operand & 0xffff);
    else this.registers[registerOperand] = operand | 0;
  }
}

function selectorsFor(random: Prng, code32: boolean, encoding: Encoding): number[] {
  const flat = random.oneIn(2) && (encoding.addressSize === 4 || random.oneIn(8));
  const cs = code32 ? (flat || random.oneIn(4) ? USER_CODE : localSelector(random.oneIn(6) ? "executeOnly" : "code32")) : localSelector("code16");
  const data = () => (flat && !random.oneIn(8) ? USER_DATA : random.oneIn(24) ? 0 : localSelector(random.pick(READABLE)));
  const ss = flat && !random.oneIn(6) ? USER_DATA : localSelector(random.pick(STACKS));
  const other = () => (random.oneIn(16) ? 0 : localSelector(random.pick(READABLE)));
  return [data(), cs, ss, data(), other(), other()];
}

/** A case of `row`; the same seed gives the same case. */
export function generateCase(row: Row, seed: number): GeneratedCase {
  const random = createPrng(seed);
  const code32 = !random.oneIn(3);
  const immediate = (source: Prng, bytes: number) => immediateFor(row, source, bytes);
  const encoding = encodeRow(row, random, { code32, immediate, prefixRate: 3 });
  const draft = new Draft(random, encoding, selectorsFor(random, code32, encoding));
  draft.aimStack();
  draft.aimMemory();
  prepare(draft);
  addPrefixes(random, encoding);
  const { registers, selectors, eip, eflags, memory } = draft;
  const float = knowsFloat(row) ? randomFloat(random, row) : null;
  const code = encoding.bytes.slice(0, draft.codeBase() + CODE_BYTES - eip);
  return { row, form: formOf(encoding, code32), registers, eip, eflags, selectors, code, memory, float };
}

const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
const LOCK = 0xf0, REPNE = 0xf2, REP = 0xf3, PAUSE = 0x90;

/** LOCK where it is refused, REP where it is ignored, the same prefix twice or up to and beyond the longest instruction. */
function addPrefixes(random: Prng, { row, memory, bytes }: Encoding): void {
  const own = bytes.slice(0, bytes.findIndex((byte) => !PREFIXES.includes(byte)));
  const first = own[0];
  if (random.oneIn(64) && !own.includes(LOCK) && !(row.lock && memory)) bytes.unshift(LOCK);
  // Two-byte opcodes and, with LOCK, some others are different instructions to later processors.
  if (random.oneIn(48) && row.opcode.length === 2 && !row.string && bytes[0] !== PAUSE && !own.includes(LOCK)) bytes.unshift(random.oneIn(2) ? REP : REPNE);
  if (first === undefined || !random.oneIn(24)) return;
  const count = random.oneIn(4) ? MAX_LENGTH + random.below(2) - bytes.length : 1;
  for (let i = 0; i < count; i++) bytes.unshift(first);
}

function formOf(encoding: Encoding, code32: boolean): string {
  const { row, operandSize, addressSize, memory, bytes } = encoding;
  const repeat = row.string ? bytes.find((byte) => byte === 0xf2 || byte === 0xf3) ?? 0 : 0;
  return `${code32 ? 32 : 16}${operandSize}${memory ? `m${addressSize}` : row.string ? `s${addressSize}` : "r"}${repeat}`;
}

function immediateFor(row: Row, random: Prng, bytes: number): number {
  const any = value(random) & (bytes === 4 ? -1 : (1 << (bytes * 8)) - 1);
  switch (row.mnemonic) {
    // 80h would enter the host's kernel.
    case "INT": return any === 0x80 ? 0x81 : any;
    case "ENTER": return bytes === 2 && !random.oneIn(6) ? random.below(256) : bytes === 1 && random.oneIn(2) ? random.below(4) : any;
    case "RET": case "RETF": return random.oneIn(3) ? any : random.below(64);
    case "AAM": case "AAD": return random.oneIn(2) ? 10 : any;
    default: return any;
  }
}

/** An EIP for a transfer: mostly in the code page. */
function nearTarget(d: Draft, selector = d.selectors[CS] as number): number {
  return d.random.oneIn(8) ? value(d.random) : d.codeTarget(selector);
}

function anyCodeSelector(random: Prng): number {
  return random.oneIn(3) ? anySelector(random, ALL) : random.pick([USER_CODE, localSelector("code32"), localSelector("code16"), localSelector("executeOnly")]);
}

/** Values without which the row's instruction would mostly fault or do nothing. */
function prepare(d: Draft): void {
  const { random, registers, encoding } = d;
  const { row, operandSize, addressSize } = encoding;
  const first = row.operands[0] ?? "";
  const isCall = row.mnemonic === "CALL" || row.mnemonic === "JMP";
  if (encoding.relativeAt >= 0) {
    const target = nearTarget(d) - (d.eip + d.bytes.length);
    littleEndian(encoding.relativeBytes === 1 ? random.next() : target, encoding.relativeBytes).forEach((byte, i) => { d.bytes[encoding.relativeAt + i] = byte; });
  }
  if (first === "Ap") {
    const selector = anyCodeSelector(random);
    d.bytes.splice(-operandSize - 2, operandSize + 2, ...littleEndian(nearTarget(d, selector), operandSize), ...littleEndian(selector, 2));
  }
  if (row.operands.includes("Mp")) {
    const selector = isCall ? anyCodeSelector(random) : anySelector(random, row.mnemonic === "LSS" ? STACKS : READABLE);
    d.patch(d.operandAddress(), [...littleEndian(isCall ? nearTarget(d, selector) : value(random), operandSize), ...littleEndian(selector, 2)]);
  }
  if (isCall && first === "Ev") d.setOperand(nearTarget(d), operandSize);
  if (row.string) prepareString(d);
  if (knowsFloat(row)) prepareFloat(d);
  switch (row.mnemonic) {
    case "DIV": case "IDIV": {
      if (random.oneIn(4)) break;
      const low = registers[EAX] as number;
      registers[EDX] = random.oneIn(2) ? random.below(3) - 1 : low >> 31;
      if (row.operands[0] === "Eb") registers[EAX] = (low & ~0xff00) | ((random.below(3) - 1) << 8 & 0xff00);
      break;
    }
    case "BT": case "BTS": case "BTR": case "BTC":
      if (row.operands[1] === "Gv" && encoding.memory && !random.oneIn(8)) {
        const modrm = d.bytes[d.bytes.indexOf(0x0f) + 2] as number;
        const index = (modrm >> 3) & 7;
        if (index !== encoding.memory.base && index !== encoding.memory.index) registers[index] = random.below(2000) - 1000;
      }
      break;
    case "CMPXCHG": {
      const width = first === "Eb" ? 1 : operandSize;
      if (random.oneIn(2)) d.setOperand(registers[EAX] as number, width);
      break;
    }
    case "CMPXCHG8B":
      if (random.oneIn(2)) d.patch(d.operandAddress(), [...littleEndian(registers[EAX] as number, 4), ...littleEndian(registers[EDX] as number, 4)]);
      break;
    case "BOUND": {
      const lower = value(random);
      d.patch(d.operandAddress(), [...littleEndian(lower, operandSize), ...littleEndian(lower + random.below(0x7fff_ffff), operandSize)]);
      break;
    }
    case "XLAT": if (!random.oneIn(8)) d.setAddress(EBX, d.target(DS) - ((registers[EAX] as number) & 0xff), addressSize); break;
    case "LOOP": case "LOOPE": case "LOOPNE": case "JCXZ":
      if (!random.oneIn(4)) d.setAddress(ECX, random.below(3), addressSize);
      break;
    case "LEAVE": case "ENTER":
      if (!random.oneIn(8)) d.setAddress(EBP, d.target(SS), 2);
      break;
    case "LAR": case "LSL": case "VERR": case "VERW": d.setOperand(anySelector(random, ALL), 2); break;
    case "ARPL": break;
    case "MOV": if (first === "Sw") d.setOperand(anySelector(random, d.bytes.includes(0x8e) ? ALL : READABLE), 2); break;
    case "POP":
      if (/^[ES]S$|^[DFG]S$/.test(first)) d.patch(d.stackAddress(), littleEndian(anySelector(random, ALL), 2));
      break;
    case "RET": d.patch(d.stackAddress(), littleEndian(nearTarget(d), operandSize)); break;
    case "RETF": case "IRET": {
      const selector = anyCodeSelector(random);
      d.patch(d.stackAddress(), [...littleEndian(nearTarget(d, selector), operandSize), ...littleEndian(selector, 2)]);
      if (row.mnemonic === "IRET") d.patch(d.stackAddress(2 * operandSize), littleEndian(flagsImage(random), operandSize));
      break;
    }
    case "POPF": d.patch(d.stackAddress(), littleEndian(flagsImage(random), operandSize)); break;
  }
}

/** Any flags, but TF less often. */
function flagsImage(random: Prng): number {
  return random.next() & 0x3f_ffff & ~(random.oneIn(4) ? 0 : EFLAGS_TF);
}

/** Aligned more often than not, with numbers in it; MASKMOV's destination too. */
function prepareFloat(d: Draft): void {
  const { random, encoding, registers } = d;
  const { row, memory } = encoding;
  if (row.mnemonic.startsWith("MASKMOV") && !random.oneIn(8)) registers[EDI] = d.target(DS);
  if (!memory) return;
  const { base, index, displacementAt, displacementBytes } = memory;
  if (!random.oneIn(6) && displacementBytes <= 4) {
    const wrong = d.operandAddress() & 15;
    const alone = base >= 0 && index < 0;
    if (alone) registers[base] = ((registers[base] as number) - wrong) | 0;
    else if (displacementBytes > 1) {
      for (let n = 0, borrow = wrong; n < displacementBytes; n++) {
        const value = (d.bytes[displacementAt + n] as number) - borrow;
        d.bytes[displacementAt + n] = value & 0xff;
        borrow = value < 0 ? 1 : 0;
      }
    }
  }
  if (!random.oneIn(8)) d.patch(d.operandAddress(), randomOperand(random, row));
}

function prepareString(d: Draft): void {
  const { random, registers, encoding } = d;
  const { addressSize, row } = encoding;
  const override = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].findIndex((prefix) => d.bytes.slice(0, -1).includes(prefix));
  const source = override >= 0 ? override : DS;
  d.setAddress(ECX, random.oneIn(24) ? value(random) : random.below(40), addressSize);
  const from = d.target(source);
  if (!random.oneIn(8)) d.setAddress(ESI, from, addressSize);
  const close = d.selectors[source] === d.selectors[ES] && random.oneIn(2);
  if (!random.oneIn(8)) d.setAddress(EDI, close ? from + random.below(33) - 16 : d.target(ES), addressSize);
  if (row.mnemonic === "SCAS" && random.oneIn(2)) registers[EAX] = random.pick([0, -1, 0x5555_5555, 0x8080_8080 | 0]);
}
