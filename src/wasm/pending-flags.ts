// Status flags that have been set and not computed: operands and results of the instruction, from which most conditions follow directly.

import type { Builder, ConditionCode, FlagKind, Width } from "../isa/builder.ts";
import { constant, type Expression, isLocal } from "./function-emitter.ts";

type Arithmetic = Pick<Builder<Expression>, "zeroExtend" | "signExtend" | "eq" | "ne" | "eqz" | "ltU" | "geU" | "leU" | "gtU" | "ltS" | "geS" | "leS" | "gtS" | "or">;

const OF = 0, CARRY = 2, ZERO = 4, SIGN = 8;

/** Status flags that have not been computed. Null stands for the locals of FLAG_RESULT and FLAG_CARRIES. */
export interface PendingFlags {
  readonly kind: FlagKind | "explicit" | "carryOverflow" | "ordered";
  readonly width: Width;
  /** Operands; of "explicit": CF and OF; of "carryOverflow": the two, and no result; of "ordered": less and equal, and no result. */
  readonly x: Expression;
  readonly y: Expression;
  readonly result: Expression;
  /** Of "explicit": AF; of "ordered": unordered. */
  readonly auxiliary: Expression | null;
  /** Flags that these leave as they are: of "inc" and "dec" CF, of "carryOverflow" the rest. */
  readonly previous: PendingFlags | null;
  /** The stub that computes them for exits, 0 while there is none; what else it writes. */
  stub: number;
  stubKey?: string;
}
export type FlagState = PendingFlags | null;

/** The condition straight from operands and result; null where only the flags tell. */
export function conditionOf(b: Arithmetic, p: PendingFlags, code: ConditionCode): Expression | null {
  const { width } = p;
  const negated = (code & 1) !== 0;
  const even = (code & ~1) as ConditionCode;
  if (p.kind === "carryOverflow") {
    if (even === CARRY) return negated ? b.eqz(p.x) : p.x;
    if (even === OF) return negated ? b.eqz(p.y) : p.y;
    return (even === ZERO || even === SIGN) && p.previous ? conditionOf(b, p.previous, code) : null;
  }
  if (p.kind === "ordered") {
    const below = () => b.or(p.x, p.auxiliary!), zero = () => b.or(p.y, p.auxiliary!);
    const answer = (holds: Expression) => (negated ? b.eqz(holds) : holds);
    switch (even) {
      case CARRY: return answer(below());
      case ZERO: case 14: return answer(zero());
      case 6: return answer(b.or(below(), p.y));
      case 10: return answer(p.auxiliary!);
      default: return constant(negated ? 1 : 0);
    }
  }
  if (even === CARRY && (p.kind === "inc" || p.kind === "dec")) return p.previous ? conditionOf(b, p.previous, code) : null;
  if (p.kind === "sub") {
    const x = b.zeroExtend(p.x, width), y = b.zeroExtend(p.y, width);
    switch (code) {
      case 2: return b.ltU(x, y);
      case 3: return b.geU(x, y);
      case 4: return b.eq(x, y);
      case 5: return b.ne(x, y);
      case 6: return b.leU(x, y);
      case 7: return b.gtU(x, y);
      case 12: return b.ltS(b.signExtend(p.x, width), b.signExtend(p.y, width));
      case 13: return b.geS(b.signExtend(p.x, width), b.signExtend(p.y, width));
      case 14: return b.leS(b.signExtend(p.x, width), b.signExtend(p.y, width));
      case 15: return b.gtS(b.signExtend(p.x, width), b.signExtend(p.y, width));
    }
  }
  if (p.kind === "logic") {
    switch (code) {
      case 0: case 2: return constant(0);
      case 1: case 3: return constant(1);
      case 6: return conditionOf(b, p, 4);
      case 7: return conditionOf(b, p, 5);
      case 12: return conditionOf(b, p, 8);
      case 13: return conditionOf(b, p, 9);
      case 14: return b.leS(b.signExtend(p.result, width), constant(0));
      case 15: return b.gtS(b.signExtend(p.result, width), constant(0));
    }
  }
  if (p.kind === "explicit" && even === CARRY) return negated ? b.eqz(p.x) : p.x;
  if (p.kind === "explicit" && even === OF) return negated ? b.eqz(p.y) : p.y;
  if (p.kind === "add" && even === CARRY) {
    const sum = b.zeroExtend(p.result, width), x = b.zeroExtend(p.x, width);
    return negated ? b.geU(sum, x) : b.ltU(sum, x);
  }
  switch (code) {
    case 4: return b.eqz(b.zeroExtend(p.result, width));
    case 5: return b.ne(b.zeroExtend(p.result, width), constant(0));
    case 8: return b.ltS(b.signExtend(p.result, width), constant(0));
    case 9: return b.geS(b.signExtend(p.result, width), constant(0));
  }
  return null;
}

/** Numbers of the locals that pending flags are made of. */
export function localsOf(pending: PendingFlags): number[] {
  const locals: number[] = [];
  for (let p: FlagState = pending; p !== null; p = p.previous) {
    collectLocals(p.x, locals);
    collectLocals(p.y, locals);
    collectLocals(p.result, locals);
    if (p.auxiliary) collectLocals(p.auxiliary, locals);
  }
  return locals;
}

function collectLocals(e: Expression, into: number[]): void {
  if (isLocal(e)) into.push(e.value as number);
  if (e.a) collectLocals(e.a, into);
  if (e.b) collectLocals(e.b, into);
  if (e.c) collectLocals(e.c, into);
}

function contains(e: Expression, part: Expression): boolean {
  return e === part || (e.a !== undefined && contains(e.a, part)) || (e.b !== undefined && contains(e.b, part)) || (e.c !== undefined && contains(e.c, part));
}

export function isPinned(pending: FlagState, reference: Expression): boolean {
  for (let p = pending; p !== null; p = p.previous) {
    if (contains(p.x, reference) || contains(p.y, reference) || contains(p.result, reference) || (p.auxiliary && contains(p.auxiliary, reference))) return true;
  }
  return false;
}
