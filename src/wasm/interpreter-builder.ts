// Builder whose operands come from a decoded record at run time: one handler serves every instruction of its form.

import type { HelperName, Instance, Place, Width } from "../isa/builder.ts";
import {
  R_BASE, R_DISPLACEMENT, R_IMMEDIATE, R_INDEX, R_LENGTH, R_LINK, R_OFFSET, R_REG0, R_REG1, R_REG2, R_REMAINING, R_SCALE, R_SEGMENT, LINK_NEVER,
} from "../isa/record-layout.ts";
import { BUDGET, CS, EIP, EIP_BASE, RECORD, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE } from "../isa/state-layout.ts";
import { loadOp, storeOp, WasmBuilder, type ImportedFunctions } from "./backend.ts";
import { I32 } from "./encoder.ts";
import { flagInstruction } from "./flag-instructions.ts";
import { constant, type Expression, type FunctionEmitter, OP } from "./function-emitter.ts";

/** What one operand of a form is. `slot`: which register field of the record. */
export type OperandForm =
  | { readonly kind: "gpr"; readonly slot: 0 | 1 | 2; readonly width: Width }
  | { readonly kind: "segment"; readonly slot: 0 | 1 | 2 }
  | { readonly kind: "number"; readonly slot: 0 | 1 | 2 }
  /** The record holds the register's address in the state. */
  | { readonly kind: "xmm" | "mmx"; readonly slot: 0 | 1 | 2; readonly width: number }
  /** `aligned`: #GP(0) unless its linear address is a multiple of its 16 bytes. */
  | { readonly kind: "memory"; readonly width: number; readonly aligned: boolean }
  | { readonly kind: "immediate"; readonly width: number }
  | { readonly kind: "second-immediate"; readonly width: number }
  | { readonly kind: "far" }
  | { readonly kind: "relative" };

/** Everything about an instruction that is fixed for one handler. */
export interface Form {
  readonly operands: readonly OperandForm[];
  readonly width: Width;
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  readonly stackSize: 2 | 4;
  readonly rep: 0 | 1 | 2;
  readonly flat: boolean;
  /** The operand's segment is not one of the flat ones. */
  readonly segmented: boolean;
  readonly opcodeByte: number;
}

/** How a handler leaves: inside the dispatch loop by branches, outlined by return codes. */
export interface WaysOut {
  fault(): void;
  suspended(): void;
  /** EIP is set: look the target up. */
  lookup(): void;
  /** Go to the record `target`; `refund` instructions of this block did not run. */
  transition(target: Expression, refund: Expression): void;
  /** EIP is set and the record's link is to be filled in. */
  resolveLink(): void;
}

const slotOffset = [R_REG0, R_REG1, R_REG2] as const;

export class InterpreterBuilder extends WasmBuilder {
  private readonly record: Expression;
  private readonly out: WaysOut;
  private form!: Form;
  /** Whether the last instruction emitted set EIP itself on every path, and whether it may have. */
  jumped = false;
  branched = false;

  constructor(
    fn: FunctionEmitter, imports: ImportedFunctions, record: Expression, context: Expression, tlbRead: Expression, tlbWrite: Expression, out: WaysOut,
  ) {
    super(fn, imports, context, tlbRead, tlbWrite);
    this.record = record;
    this.out = out;
  }

  begin(form: Form): Instance<Expression> {
    this.form = form;
    this.flat = form.flat;
    this.jumped = false;
    this.branched = false;
    return {
      op: form.operands.map((operand) => this.placeOf(operand)),
      width: form.width,
      operandSize: form.operandSize,
      addressSize: form.addressSize,
      stackSize: form.stackSize,
      rep: form.rep,
      opcodeByte: form.opcodeByte,
      eip: () => this.let(this.add(this.get(EIP_BASE), this.field16(R_OFFSET))),
      x87Opcode: () => this.field32(R_IMMEDIATE),
      nextEip: () => this.nextEip(),
      relativeTarget: () => this.relativeTarget(),
    };
  }

  nextEip(): Expression {
    return this.let(this.add(this.add(this.get(EIP_BASE), this.field16(R_OFFSET)), this.field8(R_LENGTH)));
  }

  private relativeTarget(): Expression {
    return this.let(this.zeroExtend(this.add(this.get(EIP_BASE), this.field32(R_IMMEDIATE)), this.form.operandSize));
  }

  private field8(offset: number): Expression { return this.fn.load(OP.load8u, this.record, offset); }
  field16(offset: number): Expression { return this.fn.load(OP.load16u, this.record, offset); }
  private field32(offset: number): Expression { return this.fn.load(OP.load32, this.record, offset); }

  protected leaveWithFault(): void { this.out.fault(); }
  protected announce(): void { this.set(RECORD, this.record); }
  protected operandIsSegmented(): boolean { return this.form.segmented; }
  protected operandSegmentOffset(): Expression { return this.field16(R_SEGMENT); }

  suspend(): void {
    this.announce();
    this.out.suspended();
  }

  override helper(name: HelperName, ...args: Expression[]): Expression {
    const fast = flagInstruction(this, name, args[0], this.form.stackSize);
    if (fast === null) return super.helper(name, ...args);
    this.when(fast.slow, () => void super.helper(name, ...args), fast.act);
    return constant(0);
  }

  jump(target: Expression): void {
    const bound = this.let(target);
    if (!this.flat) {
      this.when(this.gtU(bound, this.segment(CS, SEG_LIMIT)), () => this.raise(13, constant(0)));
    }
    this.set(EIP, bound);
    this.jumped = true;
  }

  jumpRelative(condition?: Expression): void {
    if (condition) this.when(condition, () => this.takeRelative());
    else {
      this.takeRelative();
      this.branched = true;
    }
  }

  private takeRelative(): void {
    const fn = this.fn;
    const refund = this.let(this.sub(this.field8(R_REMAINING), constant(1)));
    if (!this.flat) {
      const target = this.relativeTarget();
      this.when(this.gtU(target, this.segment(CS, SEG_LIMIT)), () => this.raise(13, constant(0)));
      this.set(EIP, target);
      this.set(BUDGET, this.add(this.get(BUDGET), refund));
      this.out.lookup();
      return;
    }
    const link = this.field32(R_LINK);
    fn.openIf(this.gtU(link, constant(LINK_NEVER)));
    this.out.transition(link, refund);
    fn.close();
    this.set(EIP, this.relativeTarget());
    this.set(BUDGET, this.add(this.get(BUDGET), refund));
    fn.openIf(link);
    this.out.lookup();
    fn.close();
    this.out.resolveLink();
  }

  /** Effective address of the record's memory operand. */
  private effectiveAddress(): Expression {
    const { fn } = this;
    const base = fn.load(OP.load32, this.field16(R_BASE), 0);
    const index = fn.load(OP.load32, this.field16(R_INDEX), 0);
    const sum = this.add(this.add(base, this.shl(index, this.field8(R_SCALE))), this.field32(R_DISPLACEMENT));
    return this.let(this.zeroExtend(sum, this.form.addressSize));
  }

  private placeOf(operand: OperandForm): Place<Expression> {
    switch (operand.kind) {
      case "gpr": return this.registerPlace(operand.slot, operand.width);
      case "segment": return this.numberPlace(operand.slot, () => this.fn.load(OP.load16u, this.add(this.context, this.mul(this.field16(slotOffset[operand.slot]), constant(SEGMENT_STRIDE))), SEG_SELECTOR));
      case "number": return this.numberPlace(operand.slot, () => this.field16(slotOffset[operand.slot]));
      case "xmm": case "mmx": return this.packedPlace(operand.slot, operand.width);
      case "memory": return this.memoryPlace(operand.width, operand.aligned);
      case "immediate": return this.constantPlace(operand.width, R_IMMEDIATE);
      case "second-immediate": return this.constantPlace(operand.width, R_LINK);
      case "far": {
        // ptr16:16/32: the offset is the value, the selector the number.
        const offset = this.constantPlace(this.form.operandSize, R_IMMEDIATE);
        return { ...offset, number: () => this.field32(R_LINK) };
      }
      case "relative": return this.constantPlace(4, R_IMMEDIATE);
    }
  }

  private registerPlace(slot: 0 | 1 | 2, width: Width): Place<Expression> {
    const address = () => this.field16(slotOffset[slot]);
    const read = () => this.fn.load(loadOp[width], address(), 0);
    return {
      width,
      isMemory: false,
      read,
      readForWrite: read,
      write: (_b, value) => {
        const bound = this.let(value);
        this.fn.store(storeOp[width], address(), 0, bound);
      },
      address: notMemory,
      number: () => {
        throw new Error("a general register has no number at run time");
      },
    };
  }

  private numberPlace(slot: 0 | 1 | 2, read: () => Expression): Place<Expression> {
    return { width: 2, isMemory: false, read, readForWrite: read, write: notWritable, address: notMemory, number: () => this.field16(slotOffset[slot]) };
  }

  /** An XMM or MMX register, or its low part. */
  private packedPlace(slot: 0 | 1 | 2, width: number): Place<Expression> {
    const address = () => this.field16(slotOffset[slot]);
    const read = () => (width === 16 ? this.stateLoad128(address()) : width === 8 ? this.stateLoad64(address()) : this.stateLoad(address(), 4));
    return {
      width,
      isMemory: false,
      read,
      readForWrite: read,
      write: (_b, value) => {
        const bound = this.fn.bind(value);
        if (width === 16) this.stateStore128(address(), bound);
        else if (width === 8) this.stateStore64(address(), bound);
        else this.stateStore(address(), 4, bound);
      },
      address: notMemory,
      number: address,
    };
  }

  private constantPlace(width: number, offset: number): Place<Expression> {
    const read = () => this.field32(offset);
    return { width, isMemory: false, read, readForWrite: read, write: notWritable, address: notMemory, number: read };
  }

  private memoryPlace(width: number, aligned: boolean): Place<Expression> {
    const size = width as Width;
    let proved: { linear: Expression; host: Expression } | null = null;
    return {
      width,
      isMemory: true,
      read: () => {
        if (width === 16) return this.load128("operand", this.effectiveAddress(), aligned);
        return width === 8 ? this.load64("operand", this.effectiveAddress()) : this.load("operand", this.effectiveAddress(), size);
      },
      readForWrite: () => {
        const linear = this.linear("operand", this.effectiveAddress(), width, true);
        const { value, host } = this.loadForWrite(linear, size);
        proved = { linear, host };
        return value;
      },
      write: (_b, value) => {
        if (proved) this.storeProved(proved.linear, proved.host, size, value);
        else if (width === 16) {
          const bound = this.let128(value);
          this.store128("operand", this.effectiveAddress(), bound, aligned);
        } else if (width === 8) this.store64("operand", this.effectiveAddress(), value);
        else {
          const bound = this.let(value);
          this.store("operand", this.effectiveAddress(), size, bound);
        }
      },
      address: () => this.effectiveAddress(),
      number: () => {
        throw new Error("memory has no register number");
      },
    };
  }
}

function notMemory(): never {
  throw new Error("not a memory operand");
}
function notWritable(): never {
  throw new Error("not a writable operand");
}

export const HANDLER_PARAMS = [I32, I32, I32, I32] as const;
