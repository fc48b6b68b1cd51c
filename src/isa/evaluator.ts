// The plain back-end: executes one decoded instruction directly over the processor state. The tests' oracle.
// Order of checks: undefined, processor mode, privilege, then what the meaning itself raises (SDM Vol. 3 section 6.9).
//
// Not implemented: what the run loop does around an instruction (fetch, interrupt shadow, RF, traps, delivery of faults).

import type { Instance, Place, Width } from "./builder.ts";
import type { Decoded } from "./decoded.ts";
import { asInt, EvaluatingBuilder, type Fault, type GuestMemory, type HelperCallback, InstructionEnd, type Value } from "./evaluating-builder.ts";
import { instanceWidth, isAligned, type Operand, resolveOperand } from "./operand-location.ts";
import type { Row } from "./row.ts";
import {
  CONTEXT_V, CPL, CR0, EFLAGS_SYSTEM, EFLAGS_VM, EIP, FAULT, FAULT_ERROR, FAULT_HAS_ERROR, SEG_ACCESS, SEG_SELECTOR, SS, SUSPENDED, X87_BASE, XMM_BASE,
} from "./state-layout.ts";

export type { Fault, GuestMemory, HelperCallback, Value };

export interface EvaluatorOptions {
  /** The memory that holds the processor state, at the addresses of state-layout.ts. */
  readonly state: DataView;
  readonly memory: GuestMemory;
  readonly helper: HelperCallback;
  /** CONTEXT_V (the default) or CONTEXT_H. */
  readonly context?: number;
  /** Whether the processor has the optional part that a row names; without it, every part. */
  readonly hasFeature?: (feature: NonNullable<Row["feature"]>) => boolean;
}

export interface Step {
  /** The fault the instruction raised; EIP is then its own. It stays recorded in the state, undelivered. */
  readonly fault: Fault | null;
  readonly eip: number;
  /** The instruction wants to be resumed: EIP is its own. */
  readonly suspended: boolean;
}

export interface Evaluator {
  readonly builder: EvaluatingBuilder;
  /** Executes the instruction that was decoded at `eip`. */
  step(decoded: Decoded, eip: number): Step;
}

const CR0_PE = 1;
const SEG_ACCESS_BIG = 1 << 14;
const VECTOR_UD = 6, VECTOR_GP = 13;

export function createEvaluator(options: EvaluatorOptions): Evaluator {
  const b = new EvaluatingBuilder(options.state, options.context ?? CONTEXT_V, options.memory, options.helper);

  function check(decoded: Decoded): Row {
    const row = decoded.row;
    if (!row || decoded.lockInvalid) return b.raiseFault({ vector: VECTOR_UD, errorCode: null });
    if (row.feature && options.hasFeature && !options.hasFeature(row.feature)) b.raiseFault({ vector: VECTOR_UD, errorCode: null });
    const isProtected = (asInt(b.get(CR0)) & CR0_PE) !== 0 && (asInt(b.get(EFLAGS_SYSTEM)) & EFLAGS_VM) === 0;
    if (row.protectedOnly && !isProtected) b.raiseFault({ vector: VECTOR_UD, errorCode: null });
    if (row.privileged && b.get(CPL) !== 0) b.raiseFault({ vector: VECTOR_GP, errorCode: 0 });
    return row;
  }

  function step(decoded: Decoded, eip: number): Step {
    b.set(FAULT, 0);
    b.set(SUSPENDED, 0);
    const next = (eip + decoded.length) | 0;
    try {
      const row = check(decoded);
      const instance = instanceOf(b, row, decoded, next);
      b.instruction = { operandSegment: decoded.segment, relativeTarget: asInt(instance.relativeTarget(b)) };
      b.set(EIP, next);
      row.semantics(b, instance);
      return { fault: null, eip: asInt(b.get(EIP)) >>> 0, suspended: false };
    } catch (end) {
      if (!(end instanceof InstructionEnd)) throw end;
      b.set(EIP, eip | 0);
      if (end.reason === "suspended") {
        b.set(SUSPENDED, 1);
        return { fault: null, eip, suspended: true };
      }
      const errorCode = b.get(FAULT_HAS_ERROR) !== 0 ? asInt(b.get(FAULT_ERROR)) : null;
      return { fault: { vector: asInt(b.get(FAULT)) - 1, errorCode }, eip, suspended: false };
    }
  }

  return { builder: b, step };
}

function instanceOf(b: EvaluatingBuilder, row: Row, decoded: Decoded, next: number): Instance<Value> {
  const { operandSize, addressSize } = decoded;
  const target = (next + decoded.immediate) | 0;
  return {
    op: row.operands.map((code) => placeOf(b, resolveOperand(code, decoded), decoded, isAligned(code))),
    width: instanceWidth(row, operandSize),
    operandSize,
    addressSize,
    stackSize: asInt(b.segment(SS, SEG_ACCESS)) & SEG_ACCESS_BIG ? 4 : 2,
    rep: row.string ? decoded.rep : 0,
    eip: () => (next - decoded.length) | 0,
    x87Opcode: () => ((decoded.opcodeByte & 7) << 8) | (decoded.mod << 6) | (decoded.reg << 3) | decoded.rm,
    nextEip: () => next,
    relativeTarget: () => (operandSize === 2 ? target & 0xffff : target),
    opcodeByte: decoded.opcodeByte,
  };
}

type SegmentNumber = 0 | 1 | 2 | 3 | 4 | 5;

/** A place of which every use is an error, until a subclass allows it. */
class NoPlace implements Place<Value> {
  readonly width: number;
  readonly isMemory: boolean = false;
  protected readonly b: EvaluatingBuilder;
  protected readonly operand: Operand;
  constructor(b: EvaluatingBuilder, operand: Operand) {
    this.b = b;
    this.operand = operand;
    this.width = operand.width;
  }
  read(): Value { return this.refuse("read"); }
  readForWrite(): Value { return this.refuse("readForWrite"); }
  write(_b: unknown, _value: Value): void { this.refuse("write"); }
  address(): Value { return this.refuse("address"); }
  number(): Value { return this.refuse("number"); }
  protected refuse(use: string): never {
    throw new Error(`${use} of a ${this.operand.kind} operand of ${this.width} bytes`);
  }
  protected get integerWidth(): Width {
    return this.width === 1 || this.width === 2 || this.width === 4 ? this.width : this.refuse("access");
  }
}

class ConstantPlace extends NoPlace {
  override read(): Value { return this.operand.value; }
}

/** ptr16:16/32: the offset is its value, the selector its number. */
class FarPlace extends ConstantPlace {
  override number(): Value { return this.operand.selector; }
}

class GeneralRegisterPlace extends NoPlace {
  override read(): Value { return this.b.gpr(this.operand.number, this.integerWidth); }
  override readForWrite(): Value { return this.read(); }
  override write(_b: unknown, value: Value): void { this.b.setGpr(this.operand.number, this.integerWidth, value); }
}

/** Registers with rules of their own: helpers and meanings go by their number. */
class NumberedPlace extends NoPlace {
  override number(): Value { return this.operand.number; }
}

class SegmentPlace extends NumberedPlace {
  override read(): Value { return this.b.segment(this.operand.number as SegmentNumber, SEG_SELECTOR); }
}

/** An XMM or MMX register, or its low part. */
class PackedRegisterPlace extends NoPlace {
  override read(): Value {
    const at = this.number();
    return this.width === 16 ? this.b.stateLoad128(at) : this.width === 8 ? this.b.stateLoad64(at) : this.b.stateLoad(at, this.integerWidth);
  }
  override write(_b: unknown, value: Value): void {
    const at = this.number();
    if (this.width === 16) this.b.stateStore128(at, value);
    else if (this.width === 8) this.b.stateStore64(at, value);
    else this.b.stateStore(at, this.integerWidth, value);
  }
  override number(): number { return (this.operand.kind === "xmm" ? XMM_BASE : X87_BASE) + this.operand.number * 16; }
}

class MemoryPlace extends NoPlace {
  override readonly isMemory = true;
  private readonly decoded: Decoded;
  /** Linear address that `readForWrite` proved: the registers of the address may change before the write. */
  private proved = -1;
  private readonly aligned: boolean;
  constructor(b: EvaluatingBuilder, operand: Operand, decoded: Decoded, aligned: boolean) {
    super(b, operand);
    this.decoded = decoded;
    this.aligned = aligned;
  }
  override read(): Value {
    if (this.width === 16) return this.b.load128("operand", this.address(), this.aligned);
    return this.width === 8 ? this.b.load64("operand", this.address()) : this.b.load("operand", this.address(), this.integerWidth);
  }
  override readForWrite(): Value {
    const width = this.integerWidth;
    this.proved = this.b.proveWritable("operand", this.address(), width);
    return Number(BigInt.asIntN(32, this.b.readBytes(this.proved, width)));
  }
  override write(_b: unknown, value: Value): void {
    if (this.proved >= 0) this.b.writeBytes(this.proved, this.integerWidth, BigInt(asInt(value) >>> 0));
    else if (this.width === 16) this.b.store128("operand", this.address(), value, this.aligned);
    else if (this.width === 8) this.b.store64("operand", this.address(), value);
    else this.b.store("operand", this.address(), this.integerWidth, value);
  }
  override address(): Value {
    const { base, index, scale, displacement, addressSize } = this.decoded;
    const register = (number: number) => (number < 0 ? 0 : asInt(this.b.gpr(number, 4)));
    const sum = (register(base) + (register(index) << scale) + displacement) | 0;
    return addressSize === 2 ? sum & 0xffff : sum;
  }
}

function placeOf(b: EvaluatingBuilder, operand: Operand, decoded: Decoded, aligned: boolean): Place<Value> {
  switch (operand.kind) {
    case "gpr": return new GeneralRegisterPlace(b, operand);
    case "imm": case "const": return new ConstantPlace(b, operand);
    case "far": return new FarPlace(b, operand);
    case "segment": return new SegmentPlace(b, operand);
    case "control": case "debug": case "test": case "st": return new NumberedPlace(b, operand);
    case "mm": case "xmm": return new PackedRegisterPlace(b, operand);
    case "mem": return new MemoryPlace(b, operand, decoded, aligned);
    case "rel": case "string-src": case "string-dst": return new NoPlace(b, operand);
  }
}
