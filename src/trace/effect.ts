// A few words for what an exit changed or what a leak showed. Plain ASCII: the same words stand in the exported log.

import { ACTIONS, DIGEST_PE, DIGEST_PG, DIGEST_VM, hasErrorCode, KIND_EXIT, KIND_LEAK, REASON_IRQ } from "../protocol/trap-record.ts";
import { hex } from "./trap-fields.ts";

/** Fields of a digest or an EFLAGS image: name, lowest bit, width. */
type BitField = readonly [name: string, shift: number, width: number];
const EFLAGS_FIELDS: readonly BitField[] = [
  ["IF", 9, 1], ["IOPL", 12, 2], ["TF", 8, 1], ["NT", 14, 1], ["DF", 10, 1], ["VM", 17, 1], ["AC", 18, 1], ["VIF", 19, 1], ["VIP", 20, 1], ["RF", 16, 1],
];
const DIGEST_FIELDS: readonly BitField[] = [
  ["CPL", 0, 2], ["IF", 9, 1], ["IOPL", 12, 2], ["TF", 8, 1], ["NT", 14, 1], ["DF", 10, 1], ["PE", Math.log2(DIGEST_PE), 1],
  ["PG", Math.log2(DIGEST_PG), 1], ["VM", Math.log2(DIGEST_VM), 1],
];
const CR0_FIELDS: readonly BitField[] = [["PE", 0, 1], ["MP", 1, 1], ["EM", 2, 1], ["TS", 3, 1], ["ET", 4, 1], ["NE", 5, 1]];
const TABLE_NAMES = ["GDTR", "IDTR", "LDTR", "TR"];

function pick(value: number, [, shift, width]: BitField): number {
  return (value >>> shift) & ((1 << width) - 1);
}

function changes(before: number, after: number, fields: readonly BitField[]): string[] {
  return fields.filter((field) => pick(before, field) !== pick(after, field)).map((field) => `${field[0]} ${pick(before, field)}->${pick(after, field)}`);
}

/** What a leaked value is, by the instruction that showed it. */
export type LeakedValue = "eflags" | "selector" | "msw" | "base" | "zf" | "value";

export function leakedValue(mnemonic: string): LeakedValue {
  switch (mnemonic) {
    case "PUSHF": case "POPF": case "IRET": case "INT": return "eflags";
    case "MOV": case "PUSH": case "POP": case "SLDT": case "STR": case "CALL": case "RETF": case "JMP": return "selector";
    case "LDS": case "LES": case "LSS": case "LFS": case "LGS": return "selector";
    case "SMSW": return "msw";
    case "SGDT": case "SIDT": return "base";
    case "VERR": case "VERW": case "ARPL": return "zf";
    default: return "value";
  }
}

function differing(observed: number, expected: number, fields: readonly BitField[]): BitField[] {
  return fields.filter((field) => pick(observed, field) !== pick(expected, field));
}

function leakText(mnemonic: string, action: number, observed: number, expected: number): string {
  const kind = leakedValue(mnemonic);
  const fields = kind === "eflags" ? differing(observed, expected, EFLAGS_FIELDS) : kind === "msw" ? differing(observed, expected, CR0_FIELDS) : [];
  if (action === ACTIONS["lost-write"] && fields.length > 0) {
    return `write lost: ${fields.map((field) => `${field[0]} stays ${pick(observed, field)}, bare metal ${pick(expected, field)}`).join("; ")}`;
  }
  if (action === ACTIONS["wrong-fault"]) return observed === 0 ? `no fault, bare metal: vector ${hex(expected, 2)}` : `fault ${hex(observed, 2)}, bare metal: ${expected === 0 ? "none" : hex(expected, 2)}`;
  if (action === ACTIONS["wrong-frame"]) return `wrong frame: pops ${observed} bytes, bare metal ${expected}`;
  if (action === ACTIONS["patch-seen"]) return `read a planted byte: ${hex(observed, 8)}, bare metal ${hex(expected, 8)}`;
  if (action === ACTIONS["patch-run"]) return `ran with a planted byte in it: ${hex(observed, 8)}, bare metal ${hex(expected, 8)}`;
  if (action === ACTIONS.isolation) return `${expected ? "stored to" : "read from"} the monitor's page at ${hex(observed, 8)}`;
  const verb = action === ACTIONS["lost-write"] ? "keeps" : "guest saw";
  if (fields.length > 0) {
    return `${verb} ${fields.map((field) => `${field[0]}=${pick(observed, field)}`).join(" ")}, bare metal ${fields.map((field) => `${field[0]}=${pick(expected, field)}`).join(" ")}`;
  }
  switch (kind) {
    case "selector": return `${verb} ${hex(observed, 4)} (RPL ${observed & 3}), bare metal ${hex(expected, 4)} (RPL ${expected & 3})`;
    case "zf": return `${verb} ZF=${observed & 1}, bare metal ZF=${expected & 1}`;
    default: return `${verb} ${hex(observed, 8)}, bare metal ${hex(expected, 8)}`;
  }
}

/** What a store instruction showed, where it showed the right thing. */
function shownText(mnemonic: string, value: number): string | null {
  switch (mnemonic) {
    case "PUSHF": return `IF=${pick(value, ["IF", 9, 1])} IOPL=${pick(value, ["IOPL", 12, 2])}`;
    case "SGDT": case "SIDT": return `base ${hex(value, 8)}`;
    case "SLDT": case "STR": case "SMSW": return hex(value, 4);
    default: return null;
  }
}

function controlName(register: number): string {
  return register < 16 ? `CR${register}` : `DR${register - 16}`;
}

function exitText(reason: number, action: number, a: number, b: number): string | null {
  const port = hex(a & 0xffff, 4);
  const digits = ((a >>> 16) & 0xff) * 2;
  switch (action) {
    case ACTIONS.emulate: case ACTIONS.callout: {
      if (reason === 14) return `at ${hex(b, 8)}`;
      const parts = changes(b & 0xffff, b >>> 16, DIGEST_FIELDS);
      return parts.length > 0 ? parts.join(", ") : null;
    }
    case ACTIONS["port-in"]: return `port ${port} -> ${hex(b, digits)}`;
    case ACTIONS["port-out"]: return `port ${port} <- ${hex(b, digits)}`;
    case ACTIONS["port-block"]: return `port ${port}, ${b} elements`;
    case ACTIONS.control: return `${controlName(a)} = ${hex(b, 8)}`;
    case ACTIONS.table: {
      const which = a >>> 16;
      return which < 2 ? `${TABLE_NAMES[which]} = ${hex(b, 8)}/${hex(a & 0xffff, 4)}` : `${TABLE_NAMES[which & 3]} = ${hex(b, 4)}`;
    }
    case ACTIONS.msr: return `MSR ${hex(a, 1)} = ${hex(b, 8)}`;
    case ACTIONS["deliver-irq"]: return `vector ${hex(a, 2)} delivered`;
    case ACTIONS["park-irq"]: return `vector ${hex(a, 2)} waits: IF=0`;
    case ACTIONS["shadow-fill"]: case ACTIONS.mmio: case ACTIONS["traced-write"]: return `at ${hex(b, 8)}`;
    case ACTIONS.inject: return reason === 14 ? `#PF at ${hex(b, 8)} delivered` : "delivered to the guest";
    case ACTIONS.halt: return "halted";
    default: return null;
  }
}

/** Null when there is nothing to say beyond kind, reason and action. */
export function effectText(kind: number, reason: number, action: number, mnemonic: string, a: number, b: number): string | null {
  if (kind === KIND_LEAK) return leakText(mnemonic, action, a, b);
  return kind === KIND_EXIT ? exitText(reason, action, a, b) : shownText(mnemonic, a);
}

/** The vector of an exit: the exception's, or that of IRQ and INT. */
export function exitVector(kind: number, reason: number, a: number): number | null {
  if (kind !== KIND_EXIT) return null;
  if (reason < 32) return reason;
  return reason === REASON_IRQ || reason === REASON_IRQ + 1 ? a & 0xff : null;
}

const A_IS_NO_ERROR: ReadonlySet<number> = new Set([ACTIONS["port-in"], ACTIONS["port-out"], ACTIONS["port-block"], ACTIONS.control, ACTIONS.table, ACTIONS.msr]);

/** The error code that the processor pushed, or null where it pushes none. What names a port, register, table or MSR in `a` faulted with #GP(0). */
export function exitError(kind: number, reason: number, action: number, a: number): number | null {
  if (kind !== KIND_EXIT || reason >= 32 || !hasErrorCode(reason)) return null;
  return A_IS_NO_ERROR.has(action) ? 0 : a;
}
