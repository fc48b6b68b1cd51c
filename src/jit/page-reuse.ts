// Which memory accesses probably stay in the page of their last time: look-ups in a table, by a byte, inside a loop. What is looked up
// often decides what is looked up next (a checksum, an interpreter), so that the host would wait for the TLB's entry each time; whether
// the page is that of the last time it guesses. Other accesses do not wait, and the locals for their pages cost more than they save.
// A guess: only the speed depends on it.

import type { Decoded } from "../isa/decoded.ts";
import { resolveOperand } from "../isa/operand-location.ts";
import { movzx } from "../isa/semantics/data-transfer.ts";
import type { FlowNode } from "./control-flow.ts";
import type { BasicBlock, Instruction } from "./region.ts";

/** What a loop does with a register: nothing, adding small constants, something else. */
type Change = "none" | "steps" | "other";
type Changes = readonly Change[];

const STEPPING: ReadonlySet<string> = new Set(["ADD", "SUB", "INC", "DEC"]);

/** Names of the page that the operand of each instruction is probably in, the same for accesses that probably share one. */
export function reusedPages(blocks: readonly BasicBlock[], nodes: readonly FlowNode[]): ReadonlyMap<Instruction, string> {
  const names = new Map<Instruction, string>();
  const visit = (level: readonly FlowNode[], changes: Changes | null) => {
    for (const node of level) {
      if (typeof node !== "number") visit(node.body, changesIn(blocksOf(node).map((number) => blocks[number])));
      else if (changes) nameAccesses(blocks[node], changes, names);
    }
  };
  visit(nodes, null);
  return names;
}

function blocksOf(node: FlowNode): number[] {
  return typeof node === "number" ? [node] : node.body.flatMap(blocksOf);
}

function changesIn(blocks: readonly BasicBlock[]): Changes {
  const changes = new Array<Change>(8).fill("none");
  for (const { instructions } of blocks) {
    for (const instruction of instructions) {
      eachWritten(instruction, (register, change) => {
        if (changes[register] !== "other") changes[register] = change;
      });
    }
  }
  return changes;
}

function eachWritten({ row, decoded, effect }: Instruction, then: (register: number, change: Change) => void): void {
  if (!row || !effect) return;
  row.operands.forEach((code, position) => {
    if ((effect.writes & (1 << position)) === 0) return;
    const { kind, number, width } = resolveOperand(code, decoded);
    if (kind === "gpr") then(width === 1 ? number & 3 : number, isStep(decoded, number) ? "steps" : "other");
  });
  for (let register = 0; register < 8; register++) if (effect.sets & (1 << register)) then(register, row.string ? "steps" : "other");
}

function isStep(d: Decoded, register: number): boolean {
  const { mnemonic, operands } = d.row!;
  if (mnemonic === "LEA") return d.base === register && d.index < 0;
  return STEPPING.has(mnemonic) && (operands.length === 1 || resolveOperand(operands[1], d).kind === "imm");
}

function nameAccesses({ instructions }: BasicBlock, changes: Changes, names: Map<Instruction, string>): void {
  /** Registers that hold one byte. */
  let bytes = 0;
  for (const instruction of instructions) {
    const { decoded, row } = instruction;
    const { base, index, displacement } = decoded;
    const near = (register: number) => changes[register] !== "other";
    if (row !== null && decoded.mod >= 0 && decoded.mod < 3) {
      const byByte = (register: number) => register >= 0 && (bytes & (1 << register)) !== 0;
      if (index < 0 ? byByte(base) : (base < 0 || near(base)) && byByte(index)) names.set(instruction, `${base}+${index}+${displacement >> 12}`);
    }
    eachWritten(instruction, (register) => {
      bytes &= ~(1 << register);
    });
    if (row?.semantics === movzx && resolveOperand(row.operands[1], decoded).width === 1) bytes |= 1 << decoded.reg;
  }
}
