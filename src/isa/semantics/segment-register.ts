// Loads and stores of segment registers. SDM Vol. 2, MOV, POP, PUSH, LDS/LES/LFS/LGS/LSS.
//
// MOV SS and POP SS hold interrupts and debug traps off for one instruction, so that the next may load ESP; LSS loads
// both at once and need not.

import type { Builder, Instance } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { DS, ES, FS, GS, SHADOW, SS } from "../state-layout.ts";
import { farPointer } from "./control-transfer.ts";
import * as stack from "./stack.ts";

/** SHADOW bit of MOV SS and POP SS. */
const SHADOW_BY_MOV_SS = 2;

function shadowNext<V>(b: Builder<V>): void {
  b.set(SHADOW, b.or(b.get(SHADOW), b.imm(SHADOW_BY_MOV_SS)));
}

export const moveToSegment: Semantics = (b, i) => {
  b.helper("loadSegment", i.op[0].number(b), i.op[1].read(b));
};

export const moveToStackSegment: Semantics = (b, i) => {
  b.helper("loadSegment", b.imm(SS), i.op[1].read(b));
  shadowNext(b);
};

/** With a 32-bit operand size the upper half is zero: the manual allows this and a 16-bit move, measured processors do this. */
export const pushSegment: Semantics = (b, i) => stack.push(b, i, i.operandSize, i.op[0].read(b));

/** Pops by the old stack: loading SS must not move or resize the access that brought its selector. */
export const popSegment: Semantics = (b, i) => {
  const top = stack.peek(b, i, i.operandSize);
  b.helper("loadSegment", i.op[0].number(b), b.and(top.value, b.imm(0xffff)));
  top.commit();
};

export const popStackSegment: Semantics = (b, i) => {
  popSegment(b, i);
  shadowNext(b);
};

function loadFarPointer<V>(b: Builder<V>, i: Instance<V>, register: number): void {
  const { offset, selector } = farPointer(b, i, 1);
  b.helper("loadSegment", b.imm(register), selector);
  i.op[0].write(b, offset);
}

export const les: Semantics = (b, i) => loadFarPointer(b, i, ES);
export const lds: Semantics = (b, i) => loadFarPointer(b, i, DS);
export const lss: Semantics = (b, i) => loadFarPointer(b, i, SS);
export const lfs: Semantics = (b, i) => loadFarPointer(b, i, FS);
export const lgs: Semantics = (b, i) => loadFarPointer(b, i, GS);
