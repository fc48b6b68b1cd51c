// Memory accesses of a basic block whose distance from each other is known, because they go by the same register, which only known
// numbers are added to in between: PUSH and POP, a frame's variables, the fields of a structure. The first of them asks the TLB for all.

import type { Decoded } from "../isa/decoded.ts";
import { resolveOperand } from "../isa/operand-location.ts";
import { ESP, FS } from "../isa/state-layout.ts";
import type { AccessGroup, GroupedAccesses } from "../wasm/translated-memory.ts";
import type { BasicBlock, Instruction } from "./region.ts";

/** A group that is wider leaves too often because it crosses a page boundary. */
const MAX_SPAN = 128;
/** These reach bits beyond their operand, and what ESP points at afterwards. */
const APART: ReadonlySet<string> = new Set(["BT", "BTS", "BTR", "BTC", "POP"]);
/** Bytes of operands that are reached from their begin on. */
const SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8, 10, 16]);

/** What a register holds: a value without a name, and a number. */
interface Known {
  value: object;
  plus: number;
}

type Accesses = { -readonly [K in keyof GroupedAccesses]: GroupedAccesses[K] };
const WAYS = ["operandRead", "operandWrite", "stackRead", "stackWrite"] as const;
const NONE: ReadonlyMap<Instruction, GroupedAccesses> = new Map();

interface Collected extends AccessGroup {
  count: number;
  to: number;
}

/** Of flat code. `isStack32`: PUSH and POP go by ESP. */
export function accessGroups({ instructions }: BasicBlock, isStack32: boolean): ReadonlyMap<Instruction, GroupedAccesses> {
  let candidates = 0;
  for (const instruction of instructions) if (mayAccess(instruction)) candidates++;
  if (candidates < 2) return NONE;
  const found = new Map<Instruction, Accesses>();
  const registers: Known[] = Array.from({ length: 8 }, () => ({ value: {}, plus: 0 }));
  const groups = new Map<object, { read: Collected | null; write: Collected | null }>();
  const join = (register: number, distance: number, bytes: number, way: "read" | "write") => {
    const { value, plus } = registers[register], from = (plus + distance) | 0;
    let ways = groups.get(value);
    if (!ways) groups.set(value, (ways = { read: null, write: null }));
    let group = ways[way];
    if (group === null || Math.max(group.to, from + bytes) - Math.min(group.from, from) > MAX_SPAN) {
      group = { from, to: from + bytes, span: bytes, count: 0, entry: null };
      ways[way] = group;
    }
    group.from = Math.min(group.from, from);
    group.to = Math.max(group.to, from + bytes);
    group.span = group.to - group.from;
    group.count++;
    return { group, at: from };
  };
  for (const instruction of instructions) {
    const { row, decoded, effect, kind, exitsOften } = instruction;
    if (kind === "leave" || row === null || effect === null) break;
    // Accesses that are known to cross pages ask for themselves.
    if (exitsOften) for (const known of registers) known.value = {};
    else if (mayAccess(instruction)) {
      const accesses: Accesses = {};
      const operand = operandOf(decoded);
      if (operand !== null) {
        const { position, bytes } = operand, writes = (effect.writes & (1 << position)) !== 0;
        // What is read and written is reached once, for both.
        if (writes) accesses.operandWrite = join(decoded.base, decoded.displacement, bytes, "write");
        else accesses.operandRead = join(decoded.base, decoded.displacement, bytes, "read");
      }
      if (isStack32 && decoded.operandSize === 4) {
        if (row.mnemonic === "PUSH" || kind === "call" || kind === "indirectCall") accesses.stackWrite = join(ESP, -4, 4, "write");
        else if (row.mnemonic === "POP" || kind === "return") accesses.stackRead = join(ESP, 0, 4, "read");
      }
      found.set(instruction, accesses);
    }
    follow(instruction, registers);
  }
  for (const [instruction, accesses] of found) {
    for (const way of WAYS) if (accesses[way] !== undefined && (accesses[way].group as Collected).count === 1) delete accesses[way];
    if (WAYS.every((way) => accesses[way] === undefined)) found.delete(instruction);
  }
  return found;
}

/** By its form: whether there can be anything to group. */
function mayAccess({ row, decoded, kind }: Instruction): boolean {
  if (decoded.mod >= 0 && decoded.mod < 3) return true;
  return kind === "call" || kind === "indirectCall" || kind === "return" || row?.mnemonic === "PUSH" || row?.mnemonic === "POP";
}

/** The memory operand by a base register alone. */
function operandOf(d: Decoded): { readonly position: number; readonly bytes: number } | null {
  const { operands, mnemonic, string } = d.row!;
  if (d.mod < 0 || d.mod === 3 || d.base < 0 || d.index >= 0 || d.addressSize !== 4 || d.segment >= FS || string || APART.has(mnemonic)) return null;
  const position = operands.findIndex((code) => resolveOperand(code, d).kind === "mem");
  const bytes = position < 0 ? 0 : resolveOperand(operands[position], d).width;
  return SIZES.has(bytes) ? { position, bytes } : null;
}

/** What the instruction does to the registers. */
function follow({ row, decoded: d, effect }: Instruction, registers: readonly Known[]): void {
  const { mnemonic, operands } = row!;
  const other = (register: number) => {
    registers[register].value = {};
  };
  const by = distanceOf(d);
  operands.forEach((code, position) => {
    if ((effect!.writes & (1 << position)) === 0) return;
    const { kind, number, width } = resolveOperand(code, d);
    if (kind !== "gpr") return;
    if (by !== null && width === 4) registers[number].plus += by;
    else other(width === 1 ? number & 3 : number);
  });
  for (let register = 0; register < 8; register++) {
    if ((effect!.sets & (1 << register)) === 0) continue;
    const isPush = mnemonic === "PUSH", isPop = mnemonic === "POP";
    if (register === ESP && d.operandSize === 4 && (isPush || (isPop && resolveOperand(operands[0], d).number !== ESP))) registers[ESP].plus += isPush ? -4 : 4;
    else other(register);
  }
}

/** What the instruction adds to its destination; null: who knows. */
function distanceOf(d: Decoded): number | null {
  const { mnemonic, operands } = d.row!;
  const immediate = () => {
    const source = resolveOperand(operands[1], d);
    return source.kind === "imm" ? source.value | 0 : null;
  };
  switch (mnemonic) {
    case "INC": return 1;
    case "DEC": return -1;
    case "ADD": return immediate();
    case "SUB": {
      const value = immediate();
      return value === null ? null : -value;
    }
    case "LEA": return d.base === d.reg && d.index < 0 && d.addressSize === 4 && d.operandSize === 4 ? d.displacement : null;
    default: return null;
  }
}
