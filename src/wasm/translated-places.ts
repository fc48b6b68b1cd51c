// Operands of translated instructions: what is known of them when the code is made.

import type { Place, SegmentRef, Width } from "../isa/builder.ts";
import type { Decoded } from "../isa/decoded.ts";
import type { OperandCode } from "../isa/operand.ts";
import { createOperand, isAligned, resolveOperand } from "../isa/operand-location.ts";
import { SEG_SELECTOR, X87_BASE, XMM_BASE } from "../isa/state-layout.ts";
import { constant, type Expression } from "./function-emitter.ts";

/** How the builder reaches operands. */
export interface OperandAccess {
  gpr(index: number, width: Width): Expression;
  setGpr(index: number, width: Width, value: Expression): void;
  segment(ref: SegmentRef, part: number): Expression;
  let(value: Expression): Expression;
  effectiveAddress(): Expression;
  load(segment: SegmentRef, offset: Expression, width: Width): Expression;
  load64(segment: SegmentRef, offset: Expression): Expression;
  load128(segment: SegmentRef, offset: Expression, aligned: boolean): Expression;
  store(segment: SegmentRef, offset: Expression, width: Width, value: Expression): void;
  store64(segment: SegmentRef, offset: Expression, value: Expression): void;
  store128(segment: SegmentRef, offset: Expression, value: Expression, aligned: boolean): void;
  /** Reads the memory operand, having proved that it can be written back. */
  readForWrite(width: Width): { readonly value: Expression; write(value: Expression): void };
  stateLoad(address: Expression, width: Width): Expression;
  stateLoad64(address: Expression): Expression;
  stateLoad128(address: Expression): Expression;
  stateStore(address: Expression, width: Width, value: Expression): void;
  stateStore64(address: Expression, value: Expression): void;
  stateStore128(address: Expression, value: Expression): void;
}

const operand = createOperand();

export function placeOf(b: OperandAccess, code: OperandCode, d: Decoded): Place<Expression> {
  const { kind, width, number, value, selector } = resolveOperand(code, d, operand);
  switch (kind) {
    case "gpr": return new RegisterPlace(b, number, width);
    case "mem": return new MemoryPlace(b, width, isAligned(code));
    case "xmm": return new PackedPlace(b, constant(XMM_BASE + number * 16), width);
    case "mm": return new PackedPlace(b, constant(X87_BASE + number * 16), width);
    case "segment": return new SegmentPlace(b, number);
    case "far": return new KnownPlace(width, selector, value);
    case "imm": case "const": return new KnownPlace(width, value, value);
    default: return new KnownPlace(width, number, value);
  }
}

class RegisterPlace implements Place<Expression> {
  readonly isMemory = false;
  readonly width: number;
  private readonly b: OperandAccess;
  private readonly register: number;

  constructor(b: OperandAccess, register: number, width: number) {
    this.b = b;
    this.register = register;
    this.width = width;
  }

  read(): Expression { return this.b.gpr(this.register, this.width as Width); }
  readForWrite(): Expression { return this.read(); }
  write(_b: unknown, value: Expression): void { this.b.setGpr(this.register, this.width as Width, value); }
  address(): Expression { return refuse(); }
  number(): Expression { return constant(this.register); }
}

class MemoryPlace implements Place<Expression> {
  readonly isMemory = true;
  readonly width: number;
  private readonly b: OperandAccess;
  private readonly aligned: boolean;
  private proved: { write(value: Expression): void } | null = null;

  constructor(b: OperandAccess, width: number, aligned: boolean) {
    this.b = b;
    this.width = width;
    this.aligned = aligned;
  }

  read(): Expression {
    const { b, width } = this;
    if (width === 16) return b.load128("operand", b.effectiveAddress(), this.aligned);
    return width === 8 ? b.load64("operand", b.effectiveAddress()) : b.load("operand", b.effectiveAddress(), width as Width);
  }
  readForWrite(): Expression {
    const proved = this.b.readForWrite(this.width as Width);
    this.proved = proved;
    return proved.value;
  }
  write(_b: unknown, value: Expression): void {
    const { b, width } = this;
    if (this.proved) {
      this.proved.write(value);
      return;
    }
    const bound = b.let(value);
    if (width === 16) b.store128("operand", b.effectiveAddress(), bound, this.aligned);
    else if (width === 8) b.store64("operand", b.effectiveAddress(), bound);
    else b.store("operand", b.effectiveAddress(), width as Width, bound);
  }
  address(): Expression { return this.b.effectiveAddress(); }
  number(): Expression { return refuse(); }
}

/** An XMM or MMX register, or its low part. */
class PackedPlace implements Place<Expression> {
  readonly isMemory = false;
  readonly width: number;
  private readonly b: OperandAccess;
  private readonly place: Expression;

  constructor(b: OperandAccess, place: Expression, width: number) {
    this.b = b;
    this.place = place;
    this.width = width;
  }

  read(): Expression {
    const { b, place, width } = this;
    return width === 16 ? b.stateLoad128(place) : width === 8 ? b.stateLoad64(place) : b.stateLoad(place, 4);
  }
  readForWrite(): Expression { return this.read(); }
  write(_b: unknown, value: Expression): void {
    const { b, place, width } = this;
    if (width === 16) b.stateStore128(place, value);
    else if (width === 8) b.stateStore64(place, value);
    else b.stateStore(place, 4, value);
  }
  address(): Expression { return refuse(); }
  number(): Expression { return this.place; }
}

class SegmentPlace implements Place<Expression> {
  readonly isMemory = false;
  readonly width = 2;
  private readonly b: OperandAccess;
  private readonly register: number;

  constructor(b: OperandAccess, register: number) {
    this.b = b;
    this.register = register;
  }

  read(): Expression { return this.b.segment(this.register as SegmentRef, SEG_SELECTOR); }
  readForWrite(): Expression { return this.read(); }
  write(): void { refuse(); }
  address(): Expression { return refuse(); }
  number(): Expression { return constant(this.register); }
}

/** An immediate, or a register that only its number says. */
class KnownPlace implements Place<Expression> {
  readonly isMemory = false;
  readonly width: number;
  private readonly known: number;
  private readonly value: number;

  constructor(width: number, known: number, value: number) {
    this.width = width;
    this.known = known;
    this.value = value;
  }

  read(): Expression { return constant(this.value); }
  readForWrite(): Expression { return this.read(); }
  write(): void { refuse(); }
  address(): Expression { return refuse(); }
  number(): Expression { return constant(this.known); }
}

function refuse(): never {
  throw new Error("the operand is not of that kind");
}
