// From a decoded instruction to the form that a handler is made for, and to the record that the handler reads.

import type { Decoded } from "../isa/decoded.ts";
import { createOperand, instanceWidth, isAligned, resolveOperand } from "../isa/operand-location.ts";
import {
  HANDLER_UNDEFINED, LINK_NEVER, LINK_UNRESOLVED, R_BASE, R_DISPLACEMENT, R_HANDLER, R_IMMEDIATE, R_INDEX, R_LENGTH, R_LINK, R_OFFSET, R_OPCODE,
  R_REG0, R_REG1, R_REG2, R_REMAINING, R_SCALE, R_SEGMENT,
} from "../isa/record-layout.ts";
import { CS, DS, FS, GPR_BASE, MODE_FLAT, MODE_STACK32, registerAddress, SEGMENT_STRIDE, X87_BASE, XMM_BASE, ZERO_ADDRESS } from "../isa/state-layout.ts";
import type { Row } from "../isa/row.ts";
import type { Form, OperandForm } from "../wasm/interpreter-builder.ts";

/** Bits of a form key, under the row's index. */
const KEY_OPERAND32 = 1, KEY_ADDRESS32 = 2, KEY_MEMORY = 4, KEY_FLAT = 8, KEY_SEGMENTED = 16, KEY_STACK32 = 32;
const KEY_REP_SHIFT = 6;
export const KEY_BITS = 8;

/** A number that is equal for instructions that one handler can serve. */
export function formKey(row: Row, d: Decoded, mode: number): number {
  const memory = d.segment >= 0;
  const flat = (mode & MODE_FLAT) !== 0;
  return (
    (row.index << KEY_BITS) |
    (d.operandSize === 4 ? KEY_OPERAND32 : 0) |
    (d.addressSize === 4 ? KEY_ADDRESS32 : 0) |
    (d.mod !== 3 && memory ? KEY_MEMORY : 0) |
    (flat ? KEY_FLAT : 0) |
    (flat && memory && (d.segment >= FS || d.segment === CS) ? KEY_SEGMENTED : 0) |
    (mode & MODE_STACK32 ? KEY_STACK32 : 0) |
    (row.string ? d.rep << KEY_REP_SHIFT : 0)
  );
}

const operand = createOperand();

export function formOf(row: Row, d: Decoded, mode: number): Form {
  const operands: OperandForm[] = [];
  let slot = 0;
  let immediates = 0;
  for (const code of row.operands) {
    resolveOperand(code, d, operand);
    switch (operand.kind) {
      case "gpr": operands.push({ kind: "gpr", slot: slot++ as 0 | 1 | 2, width: operand.width as 1 | 2 | 4 }); break;
      case "segment": operands.push({ kind: "segment", slot: slot++ as 0 | 1 | 2 }); break;
      case "control": case "debug": case "test": case "st":
        operands.push({ kind: "number", slot: slot++ as 0 | 1 | 2 }); break;
      case "xmm": operands.push({ kind: "xmm", slot: slot++ as 0 | 1 | 2, width: operand.width }); break;
      case "mm": operands.push({ kind: "mmx", slot: slot++ as 0 | 1 | 2, width: operand.width }); break;
      case "mem": operands.push({ kind: "memory", width: operand.width, aligned: isAligned(code) }); break;
      case "imm": case "const":
        operands.push({ kind: immediates++ === 0 ? "immediate" : "second-immediate", width: operand.width }); break;
      case "rel": operands.push({ kind: "relative" }); break;
      case "far": operands.push({ kind: "far" }); break;
      case "string-src": case "string-dst": operands.push({ kind: "immediate", width: operand.width }); break;
    }
  }
  return {
    operands,
    width: instanceWidth(row, d.operandSize),
    operandSize: d.operandSize,
    addressSize: d.addressSize,
    stackSize: mode & MODE_STACK32 ? 4 : 2,
    rep: row.string ? d.rep : 0,
    flat: (mode & MODE_FLAT) !== 0,
    segmented: d.segment >= FS || d.segment === CS,
    opcodeByte: 0,
  };
}

/** Identity of a form, so that rows with one meaning share a handler. */
export function formIdentity(form: Form, row: Row, d: Decoded, semanticsId: number): string {
  const operands = form.operands.map((o) => `${o.kind}${"slot" in o ? o.slot : ""}${"width" in o ? o.width : ""}${"aligned" in o && o.aligned ? "a" : ""}`).join(",");
  const memory = d.segment >= 0 || row.string !== undefined;
  const addressed = memory || form.operands.some((o) => o.kind === "relative");
  const checks = `${row.privileged ? "P" : ""}${row.protectedOnly ? "M" : ""}${row.ends ? "E" : ""}${row.sensitivity ? row.index : ""}`;
  return `${semanticsId}|${operands}|${form.width}${form.operandSize}${addressed ? form.addressSize : ""}${form.stackSize}${form.rep}${form.flat ? "F" : ""}${
    memory && form.segmented ? "S" : ""}|${checks}`;
}

/** Writes the record of `d`. `pageOffset`: offset of its first byte in its linear page. */
export function packRecord(view: DataView, at: number, row: Row | null, d: Decoded, handler: number, pageOffset: number, mode: number): void {
  view.setUint16(at + R_HANDLER, handler, true);
  view.setUint8(at + R_LENGTH, d.length);
  view.setUint8(at + R_REMAINING, 0);
  view.setUint16(at + R_OFFSET, pageOffset, true);
  view.setInt32(at + R_LINK, LINK_NEVER, true);
  if (row === null || handler === HANDLER_UNDEFINED) return;
  view.setUint16(at + R_SEGMENT, (d.segment < 0 ? (d.segmentOverride < 0 ? DS : d.segmentOverride) : d.segment) * SEGMENT_STRIDE, true);
  view.setUint16(at + R_BASE, d.base < 0 ? ZERO_ADDRESS : GPR_BASE + d.base * 4, true);
  view.setUint16(at + R_INDEX, d.index < 0 ? ZERO_ADDRESS : GPR_BASE + d.index * 4, true);
  view.setUint8(at + R_SCALE, d.scale);
  view.setUint8(at + R_OPCODE, d.opcodeByte);
  view.setInt32(at + R_DISPLACEMENT, d.displacement, true);
  if (isX87(row)) view.setInt32(at + R_IMMEDIATE, ((d.opcodeByte & 7) << 8) | (d.mod << 6) | (d.reg << 3) | d.rm, true);
  let slot = 0;
  let immediates = 0;
  for (const code of row.operands) {
    resolveOperand(code, d, operand);
    switch (operand.kind) {
      case "gpr":
        view.setUint16(at + slotAddress(slot++), registerAddress(operand.number, operand.width), true); break;
      case "xmm": view.setUint16(at + slotAddress(slot++), XMM_BASE + operand.number * 16, true); break;
      // MMn is the significand of the physical register Rn.
      case "mm": view.setUint16(at + slotAddress(slot++), X87_BASE + operand.number * 16, true); break;
      case "segment": case "control": case "debug": case "test": case "st":
        view.setUint16(at + slotAddress(slot++), operand.number, true); break;
      case "imm": case "const":
        view.setInt32(at + (immediates++ === 0 ? R_IMMEDIATE : R_LINK), operand.value, true); break;
      case "rel": {
        const target = pageOffset + d.length + operand.value;
        view.setInt32(at + R_IMMEDIATE, target, true);
        if (mode & MODE_FLAT && target >= 0 && target < 4096) view.setInt32(at + R_LINK, LINK_UNRESOLVED, true);
        break;
      }
      case "far":
        view.setInt32(at + R_IMMEDIATE, operand.value, true);
        view.setInt32(at + R_LINK, operand.selector, true);
        break;
      case "mem": case "string-src": case "string-dst": break;
    }
  }
}

function slotAddress(slot: number): number {
  return slot === 0 ? R_REG0 : slot === 1 ? R_REG1 : R_REG2;
}


function isX87(row: Row): boolean {
  return /^D[89A-F]/.test(row.opcode);
}

/** Jcc, LOOPcc, JCXZ: the block goes on behind them. */
export function isConditionalBranch(row: Row): boolean {
  return row.mnemonic !== "JMP" && row.mnemonic !== "CALL" && row.operands.some((code) => code === "Jb" || code === "Jz");
}
