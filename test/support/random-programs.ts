// Random programs of integer instructions, for tests that two back-ends agree: the same seed gives the same program.
// A program is a list of units; branches go from unit to unit, so that the shrinker can drop units and lay out the rest anew.

import { createDecoded, createDecoder } from "../../src/isa/decoder.ts";
import { disassemble } from "../../src/isa/disassembler.ts";
import { isAligned } from "../../src/isa/operand-location.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import type { Row } from "../../src/isa/row.ts";
import { DS, EAX, ECX, EDI, EDX, EFLAGS_AC, EFLAGS_STATUS, ES, ESI, ESP, SS } from "../../src/isa/state-layout.ts";
import { createPrng, type Prng } from "./prng.ts";
import { type EncodedMemory, encodeRow, type Encoding, littleEndian } from "./row-encoder.ts";

/** Guest RAM, from linear and physical 0 on. */
export const RAM_BYTES = 0x4_0000;
export const PAGE_BYTES = 0x1000;
const CODE = 0x1_0000, DATA = 0x2_0000, STACK = 0x3_0000;
const REGION = 0x1_0000;

/** A segment register's contents; `access` as in state-layout.ts (SEG_ACCESS). */
export interface SegmentState {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly access: number;
}

/**
 * `flat`: 4 GB segments and paging; `limited`: small protected-mode segments of several kinds; `real`: real mode.
 * Pages: 0 absent, 1 read-only (CR0.WP is set), 2 writable; null without paging. Linear = physical.
 */
export type Segmentation = "flat" | "limited" | "real";

export interface InitialState {
  readonly registers: readonly number[];
  readonly eip: number;
  readonly eflags: number;
  readonly cpl: 0 | 3;
  /** ES CS SS DS FS GS. */
  readonly segments: readonly SegmentState[];
  readonly isProtected: boolean;
  readonly pages: Uint8Array | null;
  readonly mxcsr: number;
  /** R0-R7 in 16 bytes each, then XMM0-XMM7. */
  readonly packed: Uint8Array;
}

/** Instructions that stay together. */
interface Unit {
  readonly encodings: readonly { readonly bytes: readonly number[] }[];
  /** An operand that names another unit: `to` units from this one, a distance from the instruction's end or an EIP. */
  readonly reference: {
    readonly encoding: number;
    readonly at: number;
    readonly bytes: number;
    readonly to: number;
    readonly absolute: boolean;
    /** Added to the unit's EIP. */
    readonly offset: number;
  } | null;
}

export interface RandomProgram {
  readonly seed: number;
  readonly code32: boolean;
  readonly segmentation: Segmentation;
  readonly units: readonly Unit[];
  /** The code, as it lies from `codeAddress` (linear) on. */
  readonly bytes: Uint8Array;
  readonly codeAddress: number;
  readonly initialState: InitialState;
  /** RAM before the start, code included. */
  readonly memory: Uint8Array;
}

export interface ProgramOptions {
  /** Units, most of them one instruction. */
  readonly count: number;
  readonly code32: boolean;
  readonly segmentation?: Segmentation;
  /** Which rows to draw from; by default `isPlainInteger`. `isPacked` is another choice. */
  readonly rows?: (row: Row) => boolean;
}

// What needs helpers with a machine behind them, or leaves the program.
const NOT_PLAIN = new Set([
  "IN", "OUT", "INS", "OUTS", "INT", "INT1", "INT3", "INTO", "IRET", "RETF", "RET", "PUSHF", "POPF", "CLI", "STI", "ENTER", "CPUID", "RDTSC",
  "RDPMC", "SYSENTER", "SYSEXIT", "LES", "LDS", "LSS", "LFS", "LGS", "LAR", "LSL", "VERR", "VERW", "ARPL", "SGDT", "SIDT", "SLDT", "STR", "SMSW",
  "WAIT", "UD0", "UD1", "UD2", "PAUSE",
]);

/** Needs nothing but registers, status flags and memory; branches have relative targets. */
export function isPlainInteger(row: Row): boolean {
  if (row.privileged || NOT_PLAIN.has(row.mnemonic)) return false;
  if (row.feature && row.feature !== "cmov" && row.feature !== "cx8") return false;
  if (row.operands.some((code) => code === "Ap" || code === "Mp" || code === "Td")) return false;
  // Loads of segment registers; indirect near jumps.
  if (row.operands[0] === "Sw" || (row.mnemonic === "POP" && /^(ES|SS|DS|FS|GS)$/.test(row.operands[0] ?? ""))) return false;
  return !((row.mnemonic === "JMP" || row.mnemonic === "CALL") && row.operands[0] === "Ev");
}

const PACKED_FEATURES: ReadonlySet<Row["feature"]> = new Set<Row["feature"]>(["mmx", "sse", "sse2", "sse3", "clflush"]);

/** MMX and SSE: needs the registers of the x87 and XMM besides. */
export function isPacked(row: Row): boolean {
  return PACKED_FEATURES.has(row.feature) && !/^D[89A-F]/.test(row.opcode);
}

export const decoder = createDecoder(ROWS);

const ACCESS_DATA = 0x93, ACCESS_CODE = 0x9b, ACCESS_EXPAND_DOWN = 0x97, ACCESS_READ_ONLY = 0x91, ACCESS_BIG = 0x4000, ACCESS_GRANULAR = 0x8000;

function segmentsOf(segmentation: Segmentation, code32: boolean, cpl: 0 | 3): SegmentState[] {
  const big = code32 ? ACCESS_BIG : 0;
  if (segmentation === "flat") {
    const access = ACCESS_BIG | ACCESS_GRANULAR | (cpl << 5);
    const data = { selector: 0x10 | cpl, base: 0, limit: 0xffff_ffff, access: ACCESS_DATA | access };
    return [data, { ...data, selector: 8 | cpl, access: ACCESS_CODE | ACCESS_GRANULAR | big | (cpl << 5) }, data, data, data, data];
  }
  if (segmentation === "limited") {
    return [
      { selector: 0x20, base: DATA, limit: 0x7fff, access: ACCESS_DATA },
      { selector: 0x08, base: CODE, limit: REGION - 1, access: ACCESS_CODE | big },
      { selector: 0x18, base: STACK, limit: REGION - 1, access: ACCESS_DATA | big },
      { selector: 0x10, base: DATA, limit: REGION - 1, access: ACCESS_DATA },
      { selector: 0x28, base: DATA + 0x8000, limit: 0x7ffe, access: ACCESS_READ_ONLY },
      { selector: 0x30, base: DATA, limit: 0x7fff, access: ACCESS_EXPAND_DOWN },
    ];
  }
  const real = (base: number): SegmentState => ({ selector: base >>> 4, base, limit: 0xffff, access: ACCESS_DATA });
  return [real(DATA), real(CODE), real(STACK), real(DATA + 0x4000), real(DATA + 0x8000), real(DATA + 0xc000)];
}

/** First and last offset of the region that a segment's accesses should mostly hit. */
function usualOffsets(segmentation: Segmentation, segment: number): readonly [number, number] {
  if (segmentation === "flat") return segment === SS ? [STACK, STACK + REGION - 1] : [DATA, DATA + REGION - 1];
  if (segmentation === "real") return [0, 0xffff];
  return ([[0, 0x7fff], [0, 0xffff], [0, 0xffff], [0, 0xffff], [0, 0x7ffe], [0x8000, 0xffff]] as const)[segment] as readonly [number, number];
}

const INTERESTING = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

function interestingValue(random: Prng): number {
  switch (random.below(4)) {
    case 0: return random.pick(INTERESTING);
    case 1: return random.below(256);
    default: return random.next();
  }
}

/** Contents of the data and stack regions; every program starts elsewhere in it. */
const NOISE = (() => {
  const random = createPrng(1);
  return Uint8Array.from({ length: RAM_BYTES - DATA }, () => (random.oneIn(3) ? random.pick([0, 0xff, 0x80, 0x7f]) : random.below(256)));
})();

export function randomProgram(seed: number, options: ProgramOptions): RandomProgram {
  const random = createPrng(seed);
  const { code32 } = options;
  const segmentation = options.segmentation ?? random.pick(code32 ? (["flat", "limited"] as const) : (["real", "limited", "flat"] as const));
  const generator = new Generator(random, segmentation, code32, ROWS.filter(options.rows ?? isPlainInteger));
  const units: Unit[] = [];
  for (let i = 0; i < options.count; i++) units.push(generator.unit(i, options.count));

  const memory = new Uint8Array(RAM_BYTES);
  const turn = random.below(NOISE.length);
  memory.set(NOISE.subarray(turn), DATA);
  memory.set(NOISE.subarray(0, turn), RAM_BYTES - turn);
  let pages: Uint8Array | null = null;
  if (segmentation === "flat") {
    pages = new Uint8Array(RAM_BYTES / PAGE_BYTES).fill(2);
    pages[DATA / PAGE_BYTES + 1 + random.below(6)] = 0;
    pages[DATA / PAGE_BYTES + 8 + random.below(6)] = 1;
  }
  const cpl = segmentation === "flat" && random.oneIn(3) ? 3 : 0;
  const top = segmentation === "flat" ? STACK : 0;
  const registers = Array.from({ length: 8 }, (_, n) => (n === ESP ? top + 0x8000 - random.below(3) : interestingValue(random) | 0));
  const initialState: InitialState = {
    registers,
    eip: segmentation === "flat" ? CODE : 0,
    // CR0.AM is set with CPL 3: alignment checks are on where AC is.
    eflags: 2 | (random.next() & EFLAGS_STATUS) | (cpl === 3 && random.oneIn(3) ? EFLAGS_AC : 0),
    cpl,
    segments: segmentsOf(segmentation, code32, cpl),
    isProtected: segmentation !== "real",
    pages,
    mxcsr: (random.oneIn(3) ? random.next() & 0xffff : 0x1f80) | (random.next() & 0xe07f),
    packed: Uint8Array.from(NOISE.subarray(turn % 0x1000, (turn % 0x1000) + 256)),
  };
  return layOut({ seed, code32, segmentation, units, bytes: new Uint8Array(0), codeAddress: CODE, initialState, memory });
}

/** Places the units one after the other and fills in the branches. */
function layOut(program: RandomProgram): RandomProgram {
  const { units } = program;
  const starts: number[] = [];
  let end = 0;
  for (const unit of units) {
    starts.push(end);
    for (const { bytes } of unit.encodings) end += bytes.length;
  }
  const bytes = new Uint8Array(end);
  units.forEach((unit, number) => {
    const { reference } = unit;
    let at = starts[number] as number;
    unit.encodings.forEach((encoding, position) => {
      bytes.set(encoding.bytes, at);
      const next = at + encoding.bytes.length;
      if (reference?.encoding === position) {
        const target = starts[Math.max(number + reference.to, 0)] ?? end;
        let value = reference.absolute ? program.initialState.eip + target + reference.offset : target - next;
        // A short branch that cannot reach falls through.
        if (reference.bytes === 1 && (value < -128 || value > 127)) value = 0;
        bytes.set(littleEndian(value, reference.bytes), at + reference.at);
      }
      at = next;
    });
  });
  const memory = program.memory.slice();
  memory.fill(0x90, CODE, CODE + REGION);
  memory.set(bytes, CODE);
  return { ...program, bytes, memory };
}

class Generator {
  private readonly random: Prng;
  private readonly segmentation: Segmentation;
  private readonly code32: boolean;
  /** Rows by mnemonic, so that 16 conditions weigh no more than one ADD. */
  private readonly kinds: readonly (readonly Row[])[];

  constructor(random: Prng, segmentation: Segmentation, code32: boolean, rows: readonly Row[]) {
    this.random = random;
    this.segmentation = segmentation;
    this.code32 = code32;
    const kinds = new Map<string, Row[]>();
    for (const row of rows) {
      const kind = row.mnemonic.replace(/^(J|SET|CMOV)N?[A-Z]{1,2}$/, "$1cc");
      kinds.set(kind, [...(kinds.get(kind) ?? []), row]);
    }
    this.kinds = [...kinds.values()];
  }

  unit(number: number, count: number): Unit {
    const { random } = this;
    const to = random.oneIn(8) ? -random.below(Math.min(number, 6) + 1) : 1 + random.below(Math.min(count - number, 5));
    if (random.oneIn(24)) return { encodings: [this.move(ESP, this.stackTop())], reference: null };
    if (random.oneIn(24)) return this.indirectJump(to);
    if (random.oneIn(48)) return this.codeWrite(to);
    let encoding = this.encode();
    // ESP as a destination soon leads nowhere.
    for (let i = 0; i < 3 && encoding.registerOperand === ESP; i++) encoding = this.encode();
    const before: { bytes: readonly number[] }[] = [];
    const { row } = encoding;
    // Where 16 bytes must be aligned, they mostly are: every segment begins at a multiple of 16.
    const align = row.operands.some(isAligned) && !random.oneIn(8) ? -16 : -1;
    if (encoding.memory) before.push(...this.aim(encoding.memory, encoding.bytes, align));
    if (row.mnemonic.startsWith("MASKMOV") && !random.oneIn(8)) before.push(this.move(EDI, this.target(DS)));
    if (row.mnemonic === "XLAT" && !random.oneIn(4)) before.push(this.move(3, this.target(DS)));
    if (row.string) {
      // A count that ends, now and then longer than what runs in one go; pointers into the data, often close together.
      before.push(this.move(ECX, random.oneIn(40) ? 5000 + random.below(5000) : random.below(40)));
      const source = this.target(DS);
      if (!random.oneIn(6)) before.push(this.move(ESI, source));
      if (!random.oneIn(6)) before.push(this.move(EDI, random.oneIn(3) ? source + random.below(17) - 8 : this.target(ES)));
    }
    if ((row.mnemonic === "DIV" || row.mnemonic === "IDIV") && random.oneIn(2)) before.push(this.move(random.pick([EAX, EDX]), random.below(3)));
    const encodings = [...before, encoding];
    const reference = encoding.relativeBytes > 0
      ? { encoding: encodings.length - 1, at: encoding.relativeAt, bytes: encoding.relativeBytes, to, absolute: false, offset: 0 }
      : null;
    return { encodings, reference };
  }

  /** PUSH target and RET; or MOV EAX,target and JMP or CALL EAX. */
  private indirectJump(to: number): Unit {
    const size = this.code32 ? 4 : 2;
    const blank = littleEndian(0, size);
    const encodings = this.random.oneIn(2)
      ? [{ bytes: [0x68, ...blank] }, { bytes: this.random.oneIn(2) ? [0xc3] : [0xc2, 4, 0] }]
      : [{ bytes: [0xb8, ...blank] }, { bytes: [0xff, this.random.oneIn(2) ? 0xe0 : 0xd0] }];
    return { encodings, reference: { encoding: 0, at: 1, bytes: size, to, absolute: true, offset: 0 } };
  }

  /** A store into another unit's code: MOV byte ptr [target],imm8, through CS where DS is elsewhere. */
  private codeWrite(to: number): Unit {
    const { random } = this;
    const prefix = this.segmentation === "flat" ? [] : [0x2e];
    // 16-bit code reaches linear 1xxxxh with 32-bit addresses.
    const wide = this.code32 || this.segmentation === "flat";
    if (!this.code32 && wide) prefix.push(0x67);
    const size = wide ? 4 : 2;
    const bytes = [...prefix, 0xc6, wide ? 0x05 : 0x06, ...littleEndian(0, size), random.below(256)];
    return { encodings: [{ bytes }], reference: { encoding: 0, at: prefix.length + 2, bytes: size, to, absolute: true, offset: random.below(6) } };
  }

  private encode(): Encoding {
    const { random } = this;
    const row = random.pick(random.pick(this.kinds));
    const immediate = (source: Prng, bytes: number) => interestingValue(source) & (bytes === 4 ? -1 : (1 << (bytes * 8)) - 1);
    // A branch with the other operand size would leave 32-bit code.
    const isBranch = row.operands.some((code) => code === "Jb" || code === "Jz");
    return encodeRow(row, random, { code32: this.code32, immediate, prefixRate: isBranch ? 0 : 6 });
  }

  /** MOV r32,imm32. */
  private move(register: number, value: number): { bytes: readonly number[] } {
    const bytes = [0xb8 + register, ...littleEndian(value, 4)];
    return { bytes: this.code32 ? bytes : [0x66, ...bytes] };
  }

  private stackTop(): number {
    const [low] = usualOffsets(this.segmentation, SS);
    return low + 0x8000 - this.random.below(8);
  }

  /** An offset in a segment, often beside a page boundary or the limit. */
  private target(segment: number): number {
    const { random } = this;
    const [low, high] = usualOffsets(this.segmentation, segment);
    switch (random.below(8)) {
      case 0: return high - random.below(10);
      case 1: return low + random.below(4) - 2;
      case 2: case 3: return low + (1 + random.below(15)) * PAGE_BYTES - random.below(9);
      default: return low + random.below(high - low + 1);
    }
  }

  /** Fills in a displacement and mostly sets the address registers so that the operand lies where data is. */
  private aim(memory: EncodedMemory, bytes: number[], align: number): { bytes: readonly number[] }[] {
    const { random } = this;
    const { base, index, scale, displacementBytes } = memory;
    const segment = memory.segmentOverride >= 0 ? memory.segmentOverride : base === 5 || base === 4 ? SS : DS;
    const target = this.target(segment) & align;
    const free = base < 0 && index < 0;
    const displacement = free ? target : displacementBytes === 1 ? (random.below(256) << 24) >> 24 : displacementBytes === 0 ? 0 : interestingValue(random) | 0;
    littleEndian(displacement, displacementBytes).forEach((byte, i) => { bytes[memory.displacementAt + i] = byte; });
    if (free || random.oneIn(6) || base === ESP) return [];
    const rest = target - displacement;
    if (base < 0) return [this.move(index, (rest >>> scale) | 0)];
    if (index < 0) return [this.move(base, rest)];
    if (index === base) return [this.move(base, Math.floor((rest >>> 0) / (1 + (1 << scale))))];
    const offset = random.below(64);
    return [this.move(index, offset), this.move(base, rest - (offset << scale))];
  }
}

/** The smallest program found that still fails. */
export function shrinkProgram(program: RandomProgram, fails: (candidate: RandomProgram) => boolean): RandomProgram {
  let best = program;
  for (let chunk = Math.max(1, best.units.length >> 1); chunk >= 1; chunk >>= 1) {
    for (let at = 0; at < best.units.length;) {
      const candidate = layOut({ ...best, units: best.units.filter((_, n) => n < at || n >= at + chunk) });
      if (candidate.units.length > 0 && fails(candidate)) best = candidate;
      else at += chunk;
    }
  }
  best.initialState.registers.forEach((value, n) => {
    if (value === 0 || n === ESP) return;
    const registers = best.initialState.registers.map((other, m) => (m === n ? 0 : other));
    const candidate = { ...best, initialState: { ...best.initialState, registers } };
    if (fails(candidate)) best = candidate;
  });
  return best;
}

/** A listing for failure messages. */
export function listProgram(program: RandomProgram): string {
  const decoded = createDecoded();
  const lines = [`seed ${program.seed}, ${program.segmentation}, ${program.code32 ? 32 : 16}-bit`];
  lines.push(program.initialState.registers.map((value) => (value >>> 0).toString(16)).join(" "));
  for (let at = 0; at < program.bytes.length;) {
    const eip = program.initialState.eip + at;
    const length = decoder.decodeBytes(program.memory, CODE + at, CODE + at + 15, program.code32, decoded);
    const hex = Array.from(program.bytes.subarray(at, at + length), (byte) => byte.toString(16).padStart(2, "0")).join("");
    lines.push(`${eip.toString(16).padStart(8, "0")}  ${hex.padEnd(24)} ${disassemble(decoded, eip)}`);
    at += Math.max(length, 1);
  }
  return lines.join("\n");
}
