// Data transfer. SDM Vol. 1, "Data Transfer Instructions", and the miscellaneous LEA, XLAT and NOP.

import type { ConditionCode } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { EAX, EBP, EBX, ECX, EDI, EDX, EFLAGS_ZF, ESI, ESP, SS } from "../state-layout.ts";
import { inSegment } from "./address.ts";
import * as stack from "./stack.ts";

/** Also for hints that do nothing: their operand is not accessed. */
export const nop: Semantics = () => {};

export const mov: Semantics = (b, i) => {
  i.op[0].write(b, i.op[1].read(b));
};

export const xchg: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const y = b.let(i.op[1].read(b));
  i.op[0].write(b, y);
  i.op[1].write(b, x);
};

export const lea: Semantics = (b, i) => {
  i.op[0].write(b, i.op[1].address(b));
};

export const movzx: Semantics = (b, i) => {
  i.op[0].write(b, i.op[1].read(b));
};

export const movsx: Semantics = (b, i) => {
  i.op[0].write(b, b.signExtend(i.op[1].read(b), i.op[1].width === 1 ? 1 : 2));
};

/** CMOVcc in encoding order. The source is read, and may fault, whatever the condition. */
export const cmov: readonly Semantics[] = Array.from({ length: 16 }, (_, code): Semantics => (b, i) => {
  const source = b.let(i.op[1].read(b));
  b.when(b.condition(code as ConditionCode), () => i.op[0].write(b, source));
});

/** CBW, CWDE. */
export const cbw: Semantics = (b, i) => {
  const half = i.operandSize === 2 ? 1 : 2;
  b.setGpr(EAX, i.operandSize, b.signExtend(b.gpr(EAX, half), half));
};

/** CWD, CDQ. */
export const cwd: Semantics = (b, i) => {
  const value = b.signExtend(b.gpr(EAX, i.operandSize), i.operandSize);
  b.setGpr(EDX, i.operandSize, b.shrS(value, b.imm(31)));
};

export const xlat: Semantics = (b, i) => {
  const offset = inSegment(b, i, b.add(b.gpr(EBX, i.addressSize), b.gpr(EAX, 1)));
  b.setGpr(EAX, 1, b.load("operand", b.let(offset), 1));
};

/** Undefined with a 16-bit register; silicon clears it. */
export const bswap: Semantics = (b, i) => {
  if (i.width === 2) {
    i.op[0].write(b, b.imm(0));
    return;
  }
  const x = b.let(i.op[0].read(b));
  const odd = b.and(b.rotl(x, b.imm(8)), b.imm(0x00ff00ff));
  const even = b.and(b.rotr(x, b.imm(8)), b.imm(0xff00ff00));
  i.op[0].write(b, b.or(odd, even));
};

export const push: Semantics = (b, i) => stack.push(b, i, i.operandSize, i.op[0].read(b));

/** A memory destination is addressed with ESP already incremented, but a fault there leaves ESP as it was. */
export const pop: Semantics = (b, i) => {
  if (!i.op[0].isMemory) {
    const top = stack.peek(b, i, i.operandSize);
    top.commit();
    i.op[0].write(b, top.value);
    return;
  }
  const before = b.let(b.gpr(ESP, 4));
  const top = stack.peek(b, i, i.operandSize);
  top.commit();
  const address = b.let(i.op[0].address(b));
  const after = b.let(b.gpr(ESP, 4));
  b.setGpr(ESP, 4, before);
  b.store("operand", address, i.operandSize, top.value);
  b.setGpr(ESP, 4, after);
};

/** The order of PUSHA; ESP as it was before. */
const ALL_REGISTERS = [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI] as const;

export const pushAll: Semantics = (b, i) => {
  const size = i.operandSize;
  const pointer = stack.stackPointer(b, i);
  // What was stored before a fault lies below the stack, and is stored again.
  ALL_REGISTERS.forEach((register, n) => {
    b.store(SS, stack.stackOffset(b, i, pointer, -(n + 1) * size), size, b.gpr(register, size));
  });
  stack.setStackPointer(b, i, stack.stackOffset(b, i, pointer, -8 * size));
};

/** The image of ESP is skipped. All is read, upwards from EDI, before a register changes. */
export const popAll: Semantics = (b, i) => {
  const size = i.operandSize;
  const pointer = stack.stackPointer(b, i);
  const upwards = [...ALL_REGISTERS].reverse();
  const values = upwards.map((_, n) => b.let(b.load(SS, stack.stackOffset(b, i, pointer, n * size), size)));
  upwards.forEach((register, n) => {
    if (register !== ESP) b.setGpr(register, size, values[n]);
  });
  stack.setStackPointer(b, i, stack.stackOffset(b, i, pointer, 8 * size));
};

/** Writes the destination also when the comparison fails: a locked cycle is never a read alone. */
export const cmpxchg: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const accumulator = b.let(b.gpr(EAX, i.width));
  const equal = b.let(b.eq(x, accumulator));
  const source = i.op[1].read(b);
  b.when(b.eqz(equal), () => b.setGpr(EAX, i.width, x));
  i.op[0].write(b, b.select(equal, source, x));
  b.flags("sub", i.width, accumulator, x, b.let(b.sub(accumulator, x)));
};

/** Sets ZF alone. */
export const cmpxchg8b: Semantics = (b, i) => {
  const address = b.let(i.op[0].address(b));
  b.probeWrite("operand", address, 8);
  const x = b.let64(b.load64("operand", address));
  const pair = (high: number, low: number) => b.or64(b.shl64(b.extendU(b.gpr(high, 4)), b.imm64(32n)), b.extendU(b.gpr(low, 4)));
  const equal = b.let(b.eq64(x, pair(EDX, EAX)));
  b.store64("operand", address, b.select64(equal, pair(ECX, EBX), x));
  b.when(b.eqz(equal), () => {
    b.setGpr(EAX, 4, b.wrap(x));
    b.setGpr(EDX, 4, b.wrap(b.shrU64(x, b.imm64(32n))));
  });
  b.setStatusFlags(b.or(b.and(b.statusFlags(), b.imm(~EFLAGS_ZF)), b.select(equal, b.imm(EFLAGS_ZF), b.imm(0))));
};

/** Source first, so that XADD of a register with itself leaves the sum. */
export const xadd: Semantics = (b, i) => {
  const x = b.let(i.op[0].readForWrite(b));
  const y = b.let(i.op[1].read(b));
  const sum = b.let(b.add(x, y));
  i.op[1].write(b, x);
  i.op[0].write(b, sum);
  b.flags("add", i.width, x, y, sum);
};
