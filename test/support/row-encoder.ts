// Random encodings of a given opcode row: the decoder's inverse, for tests that want a certain instruction.

import { parseOpcode } from "../../src/isa/decode-table.ts";
import { OPERAND_SHAPES } from "../../src/isa/operand-location.ts";
import type { Row } from "../../src/isa/row.ts";
import { EBP, EBX, EDI, ESI, ESP } from "../../src/isa/state-layout.ts";
import type { Prng } from "./prng.ts";

export interface EncodingOptions {
  readonly code32: boolean;
  /** One in how many: operand-size, address-size, segment prefixes, LOCK where it is allowed. 0: never. */
  readonly prefixRate?: number;
  /** Immediate values worth more than chance. */
  readonly immediate?: (random: Prng, bytes: number) => number;
}

/** Instructions of these extensions are others, or none, with a 66, F2 or F3 that their row does not name. */
const NO_OTHER_PREFIX: ReadonlySet<string> = new Set(["mmx", "sse", "sse2", "sse3", "fxsr", "clflush", "monitor"]);
/** MOV CR1 and CR5-CR7 are no instructions. */
const CONTROL_REGISTERS = [0, 2, 3, 4];

/** A memory operand as encoded; `base` and `index` are register numbers or -1. */
export interface EncodedMemory {
  readonly addressSize: 2 | 4;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** Where its displacement lies in the bytes, to be filled in. */
  readonly displacementAt: number;
  readonly displacementBytes: 0 | 1 | 2 | 4;
  readonly segmentOverride: number;
}

export interface Encoding {
  readonly row: Row;
  readonly bytes: number[];
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  readonly memory: EncodedMemory | null;
  /** Where a relative target lies in the bytes, and how long it is. */
  readonly relativeAt: number;
  readonly relativeBytes: 0 | 1 | 2 | 4;
  /** Register of an r/m operand (mod = 3), or -1. */
  readonly registerOperand: number;
}

const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const BASES_16 = [EBX, EBX, EBP, EBP, -1, -1, EBP, EBX];
const INDEXES_16 = [ESI, EDI, ESI, EDI, ESI, EDI, -1, -1];

export function littleEndian(value: number, bytes: number): number[] {
  const all: number[] = [];
  for (let shift = 0; shift < bytes * 8; shift += 8) all.push((value >>> shift) & 0xff);
  return all;
}

const patterns = new Map<Row, ReturnType<typeof parseOpcode>>();

function patternOf(row: Row): ReturnType<typeof parseOpcode> {
  const known = patterns.get(row);
  if (known) return known;
  const pattern = parseOpcode(row.opcode);
  patterns.set(row, pattern);
  return pattern;
}

export function encodeRow(row: Row, random: Prng, options: EncodingOptions): Encoding {
  const pattern = patternOf(row);
  const rate = options.prefixRate ?? 6;
  const sometimes = () => rate > 0 && random.oneIn(rate);
  const shapes = row.operands.map((code) => OPERAND_SHAPES[code]);
  const moffs = shapes.some((shape) => shape.source === "moffs");
  const hasModrm = pattern.reg >= 0 || pattern.second >= 0 || pattern.form !== "any" || shapes.some((s) => s.source === "reg" || s.source === "rm" || s.source === "rm-register");
  const memoryOnly = pattern.form === "mem" || shapes.some((shape) => shape.memoryOnly);
  const registerOnly = pattern.form === "reg" || pattern.second >= 0 || row.operands.includes("Rd") || !hasModrm;
  const inMemory = moffs || (hasModrm && !registerOnly && (memoryOnly || random.oneIn(2)));
  const addressed = inMemory || row.string !== undefined || shapes.some((s) => s.kind === "string-src") || /^(LOOP|JCXZ)/.test(row.mnemonic);

  const bytes: number[] = [];
  let operandSize: 2 | 4 = options.code32 ? 4 : 2;
  let addressSize = operandSize;
  let segmentOverride = -1;
  if (pattern.prefix === 0 && !(row.feature && NO_OTHER_PREFIX.has(row.feature)) && sometimes()) {
    bytes.push(0x66);
    operandSize = operandSize === 4 ? 2 : 4;
  }
  if (addressed && sometimes()) {
    bytes.push(0x67);
    addressSize = addressSize === 4 ? 2 : 4;
  }
  if (addressed && sometimes()) {
    segmentOverride = random.below(6);
    bytes.push(SEGMENT_PREFIXES[segmentOverride] as number);
  }
  if (row.lock && inMemory && sometimes()) bytes.push(0xf0);
  if (row.string && !random.oneIn(3)) bytes.push(random.oneIn(3) ? 0xf2 : 0xf3);
  // The order of prefixes means nothing.
  for (let i = bytes.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [bytes[i], bytes[j]] = [bytes[j] as number, bytes[i] as number];
  }
  if (pattern.prefix > 0) bytes.push([0, 0x66, 0xf3, 0xf2][pattern.prefix] as number);
  if (row.fixedOperandSize === 2 || row.fixedOperandSize === 4) operandSize = row.fixedOperandSize;
  if (pattern.twoByte) bytes.push(0x0f);
  bytes.push(pattern.opcode + (pattern.registerInOpcode ? random.below(8) : 0));

  let memory: EncodedMemory | null = null;
  let registerOperand = -1;
  if (hasModrm) {
    const reg = pattern.reg >= 0 ? pattern.reg : row.operands.includes("Cd") ? CONTROL_REGISTERS[random.below(CONTROL_REGISTERS.length)]! : random.below(8);
    if (pattern.second >= 0) bytes.push(pattern.second + (pattern.secondRange ? random.below(8) : 0));
    else if (!inMemory) {
      registerOperand = random.below(8);
      bytes.push(0xc0 | (reg << 3) | registerOperand);
    } else memory = encodeMemory(bytes, random, reg, addressSize, segmentOverride);
  } else if (moffs) {
    memory = { addressSize, base: -1, index: -1, scale: 0, displacementAt: bytes.length, displacementBytes: addressSize, segmentOverride };
    bytes.push(...littleEndian(0, addressSize));
  }

  let relativeAt = -1;
  let relativeBytes: Encoding["relativeBytes"] = 0;
  const immediate = (size: number) => bytes.push(...littleEndian(options.immediate ? options.immediate(random, size) : random.next(), size));
  for (const code of row.operands) {
    switch (code) {
      case "Ib": case "Ibs": immediate(1); break;
      case "Iw": immediate(2); break;
      case "Iv": case "Iz": immediate(operandSize); break;
      case "Ap": immediate(operandSize); immediate(2); break;
      case "Jb": case "Jz":
        relativeAt = bytes.length;
        relativeBytes = code === "Jb" ? 1 : operandSize;
        bytes.push(...littleEndian(0, relativeBytes));
        break;
    }
  }
  return { row, bytes, operandSize, addressSize, memory, relativeAt, relativeBytes, registerOperand };
}

function encodeMemory(bytes: number[], random: Prng, reg: number, addressSize: 2 | 4, segmentOverride: number): EncodedMemory {
  const mod = random.below(3);
  const rm = random.below(8);
  bytes.push((mod << 6) | (reg << 3) | rm);
  let base = rm, index = -1, scale = 0;
  let displacementBytes = (mod === 2 ? addressSize : mod) as EncodedMemory["displacementBytes"];
  if (addressSize === 2) {
    base = BASES_16[rm] as number;
    index = INDEXES_16[rm] as number;
    if (mod === 0 && rm === 6) {
      base = -1;
      displacementBytes = 2;
    }
  } else {
    if (rm === ESP) {
      base = random.below(8);
      index = random.below(8);
      scale = random.below(4);
      bytes.push((scale << 6) | (index << 3) | base);
      if (index === ESP) {
        index = -1;
        scale = 0;
      }
    }
    if (mod === 0 && base === EBP) {
      base = -1;
      displacementBytes = 4;
    }
  }
  const displacementAt = bytes.length;
  bytes.push(...littleEndian(0, displacementBytes));
  return { addressSize, base, index, scale, displacementAt, displacementBytes, segmentOverride };
}
