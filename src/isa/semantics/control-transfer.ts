// Control transfer. SDM Vol. 1, "Control Transfer Instructions"; Vol. 2, CALL, Jcc, JMP, LOOP, RET, INT n, IRET, BOUND, ENTER, LEAVE.
//
// A target beyond the CS limit faults before anything is stored or committed.
// Far transfers, interrupts and returns from them branch on privilege and have one TypeScript body each (helpers).

import type { Builder, ConditionCode, Instance } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { CS, EBP, ECX, SEG_LIMIT, SS } from "../state-layout.ts";
import { behind } from "./address.ts";
import * as stack from "./stack.ts";

const BOUND_RANGE_EXCEEDED = 5;
const GENERAL_PROTECTION = 13;

export const jmp: Semantics = (b) => b.jumpRelative();

export const jmpIndirect: Semantics = (b, i) => b.jump(i.op[0].read(b));

/** Jcc in encoding order. */
export const jcc: readonly Semantics[] = Array.from({ length: 16 }, (_, code): Semantics => (b) => {
  b.jumpRelative(b.condition(code as ConditionCode));
});

/** #GP(0) for a relative target that may not be reached: where a register changes before the jump is taken. */
function checkTarget<V>(b: Builder<V>, i: Instance<V>, taken?: V): void {
  const beyond = b.gtU(i.relativeTarget(b), b.segment(CS, SEG_LIMIT));
  b.when(taken === undefined ? beyond : b.and(taken, beyond), () => b.raise(GENERAL_PROTECTION, b.imm(0)));
}

function loopWhile<V>(b: Builder<V>, i: Instance<V>, condition?: ConditionCode): void {
  const count = b.let(b.zeroExtend(b.sub(b.gpr(ECX, i.addressSize), b.imm(1)), i.addressSize));
  const more = b.ne(count, b.imm(0));
  const taken = b.let(condition === undefined ? more : b.and(more, b.condition(condition)));
  checkTarget(b, i, taken);
  b.setGpr(ECX, i.addressSize, count);
  b.jumpRelative(taken);
}

export const loop: Semantics = (b, i) => loopWhile(b, i);
export const loope: Semantics = (b, i) => loopWhile(b, i, 4);
export const loopne: Semantics = (b, i) => loopWhile(b, i, 5);

export const jcxz: Semantics = (b, i) => b.jumpRelative(b.eqz(b.gpr(ECX, i.addressSize)));

export const call: Semantics = (b, i) => {
  const top = stack.stackOffset(b, i, stack.stackPointer(b, i), -i.operandSize);
  checkTarget(b, i);
  b.store(SS, top, i.operandSize, i.nextEip(b));
  stack.setStackPointer(b, i, top);
  b.jumpRelative();
};

export const callIndirect: Semantics = (b, i) => {
  const target = b.let(i.op[0].read(b));
  const top = stack.stackOffset(b, i, stack.stackPointer(b, i), -i.operandSize);
  b.jump(target);
  b.store(SS, top, i.operandSize, i.nextEip(b));
  stack.setStackPointer(b, i, top);
};

export const ret: Semantics = (b, i) => {
  const top = stack.peek(b, i, i.operandSize);
  b.jump(top.value);
  top.commit();
};

export const retPop: Semantics = (b, i) => {
  const top = stack.peek(b, i, i.operandSize);
  b.jump(top.value);
  top.commit(i.op[0].read(b));
};

export const jmpFarPointer: Semantics = (b, i) => {
  b.helper("farJump", i.op[0].number(b), i.op[0].read(b), b.imm(i.operandSize));
};

export const callFarPointer: Semantics = (b, i) => {
  b.helper("farCall", i.op[0].number(b), i.op[0].read(b), b.imm(i.operandSize));
};

/** The far pointer at a memory operand: offset, and the selector behind it. */
export function farPointer<V>(b: Builder<V>, i: Instance<V>, operand: number): { readonly offset: V; readonly selector: V } {
  const address = b.let(i.op[operand].address(b));
  const offset = b.let(b.load("operand", address, i.operandSize));
  const selector = b.let(b.load("operand", behind(b, i, address, i.operandSize), 2));
  return { offset, selector };
}

export const jmpFarMemory: Semantics = (b, i) => {
  const { offset, selector } = farPointer(b, i, 0);
  b.helper("farJump", selector, offset, b.imm(i.operandSize));
};

export const callFarMemory: Semantics = (b, i) => {
  const { offset, selector } = farPointer(b, i, 0);
  b.helper("farCall", selector, offset, b.imm(i.operandSize));
};

export const retFar: Semantics = (b, i) => {
  b.helper("farReturn", b.imm(i.operandSize), b.imm(0));
};

export const retFarPop: Semantics = (b, i) => {
  b.helper("farReturn", b.imm(i.operandSize), i.op[0].read(b));
};

export const iret: Semantics = (b, i) => {
  b.helper("interruptReturn", b.imm(i.operandSize));
};

export const int: Semantics = (b, i) => {
  b.helper("softwareInterrupt", i.op[0].read(b));
};

export const int3: Semantics = (b) => {
  b.helper("breakpointTrap");
};

export const int1: Semantics = (b) => {
  b.helper("icebp");
};

export const into: Semantics = (b) => {
  b.when(b.condition(0), () => {
    b.helper("overflowTrap");
  });
};

/** Both bounds are signed and inclusive. */
export const bound: Semantics = (b, i) => {
  const width = i.operandSize;
  const address = b.let(i.op[1].address(b));
  const lower = b.signExtend(b.load("operand", address, width), width);
  const upper = b.signExtend(b.load("operand", behind(b, i, address, width), width), width);
  const index = b.let(b.signExtend(i.op[0].read(b), width));
  b.when(b.or(b.ltS(index, lower), b.gtS(index, upper)), () => b.raise(BOUND_RANGE_EXCEEDED));
};

export const enter: Semantics = (b, i) => {
  b.helper("enter", b.imm(i.operandSize), i.op[0].read(b), i.op[1].read(b));
};

/** ESP takes the frame pointer by the stack's width, EBP the saved one by the operand's. */
export const leave: Semantics = (b, i) => {
  const frame = b.let(b.gpr(EBP, i.stackSize));
  const saved = b.let(b.load(SS, frame, i.operandSize));
  stack.setStackPointer(b, i, stack.stackOffset(b, i, frame, i.operandSize));
  b.setGpr(EBP, i.operandSize, saved);
};
