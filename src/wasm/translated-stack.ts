// The x87 stack of translated code that was made for one FTOP and FTW at each of its entries: which register ST(i) is, and whether it is
// empty, is known when the code is made, so that the registers are locals of the function, exchanging two is nothing, and FTOP and FTW
// are written where the region is left. What needs more than the usual way (a stack fault, an unmasked exception) is a side exit.

import type { Width } from "../isa/builder.ts";
import { CR0, CR4, CS, FCS, FCW, FDP, FDS, type Field, FIP, FOP, FSW, FTOP, FTW, SEG_SELECTOR, SEGMENT_STRIDE, X87_BASE } from "../isa/state-layout.ts";
import { I32, I64 } from "./encoder.ts";
import { constant, type Expression, isConstant, OP } from "./function-emitter.ts";
import { TranslatedVectors } from "./translated-vectors.ts";

const CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR4_OSFXSR = 0x200, FSW_ES = 0x80;
const REGISTER_BYTES = 16, REGISTERS = 8;

export interface StackState {
  readonly top: number;
  readonly tags: number;
}

interface StackLocals {
  readonly value: Expression;
  readonly se: Expression;
}

/** The instruction that FIP, FCS and FOP are to name, and the operand for FDP and FDS. */
interface Pointers {
  readonly at: Expression;
  readonly opcode: Expression;
  readonly segment: number | null;
}

export abstract class TranslatedStack extends TranslatedVectors {
  /** EIP_BASE, which holds still inside the region. */
  abstract readonly base: Expression;
  /** Null: FTOP and FTW are whatever the state says. */
  stack: StackState | null = null;
  private readonly registers = new Map<number, StackLocals>();
  /** Bit mask of the registers that change. */
  private dirtyStack = 0;
  private status: Expression | null = null;
  private statusChanged = false;
  private controlWord: Expression | null = null;
  /** Of the instructions of the present block that have run; and what the present one will make of it. */
  private pointers: Pointers | null = null;
  private following: (Pointers & { readonly address: Expression | null }) | null = null;
  private operandAddress: Expression | null = null;

  override get stackKnown(): boolean { return this.stack !== null; }

  /** Leaves with the present instruction undone. */
  override insist(condition: Expression): void { this.sideExitIf(condition); }

  override rememberPointers(opcode: Expression, memory: Expression | null): void {
    this.following = { at: this.presentEip(), opcode, segment: memory ? this.operandSegmentNumber() : this.pointers?.segment ?? null, address: memory };
  }
  protected abstract operandSegmentNumber(): number;
  /** EIP of the present instruction, as an expression that always holds. */
  protected abstract presentEip(): Expression;

  /** The present instruction is done. */
  protected endPointers(): void {
    const { following } = this;
    if (following === null) return;
    if (following.address) this.fn.assign((this.operandAddress ??= this.fn.ownLocal(I32)), following.address);
    this.pointers = following;
    this.following = null;
  }

  private storePointers(): void {
    const { pointers } = this;
    if (pointers === null) return;
    const selector = (segment: number) => this.fn.load(OP.load16u, this.context, segment * SEGMENT_STRIDE + SEG_SELECTOR);
    super.set(FIP, pointers.at);
    super.set(FCS, selector(CS));
    super.set(FOP, pointers.opcode);
    if (pointers.segment === null) return;
    super.set(FDP, this.operandAddress!);
    super.set(FDS, selector(pointers.segment));
  }

  /** Ends a basic block: what it has to say of the last instruction is in the state. */
  protected settlePointers(): void {
    this.endPointers();
    this.storePointers();
    this.pointers = null;
  }

  /** What an exit has to write; the same text stands for the same code. */
  protected stackKey(): string {
    const { stack, pointers } = this;
    return stack ? `${stack.top} ${stack.tags} ${pointers ? `${JSON.stringify(pointers.at)} ${pointers.segment}` : ""}` : "";
  }

  protected storeStack(): void {
    const { stack } = this;
    if (stack === null) return;
    super.set(FTOP, constant(stack.top));
    super.set(FTW, constant(stack.tags));
    this.storePointers();
  }

  // --- fields

  override get(field: Field): Expression {
    if (this.stack === null) return super.get(field);
    if (field === FTOP) return constant(this.stack.top);
    if (field === FTW) return constant(this.stack.tags);
    if (field === FSW) return this.copyOf((this.status ??= this.fn.ownLocal(I32)));
    if (field === FCW) return this.copyOf((this.controlWord ??= this.fn.ownLocal(I32)));
    return super.get(field);
  }

  override set(field: Field, value: Expression): void {
    const { stack } = this;
    if (stack === null) super.set(field, value);
    else if (field === FTOP || field === FTW) {
      if (!isConstant(value)) throw new Error("the x87 stack moves by an unknown distance");
      this.stack = field === FTOP ? { ...stack, top: value.value as number } : { ...stack, tags: value.value as number };
    } else if (field === FSW) {
      this.statusChanged = true;
      this.fn.assign((this.status ??= this.fn.ownLocal(I32)), value);
    } else if (field === FCW) {
      // Shared functions read it in the state.
      this.fn.assign((this.controlWord ??= this.fn.ownLocal(I32)), value);
      super.set(FCW, this.controlWord);
    } else super.set(field, value);
  }

  /** #NM and #MF are the interpreter's. */
  protected checkFpu(kind: number): void {
    const cr0 = this.get(CR0);
    const unavailable = kind === 2
      ? this.eq(this.and(cr0, constant(CR0_MP | CR0_TS)), constant(CR0_MP | CR0_TS))
      : this.and(cr0, constant(CR0_EM | CR0_TS));
    this.sideExitIf(kind === 1 ? unavailable : this.or(unavailable, this.and(this.get(FSW), constant(FSW_ES))));
  }

  /** `kind` 0: XMM registers, 1: MMX registers. */
  protected checkSse(kind: number): void {
    const unavailable = this.and(this.get(CR0), constant(CR0_EM | CR0_TS));
    if (kind === 0) this.sideExitIf(this.or(unavailable, this.eqz(this.and(this.get(CR4), constant(CR4_OSFXSR)))));
    else this.sideExitIf(this.or(unavailable, this.and(this.get(FSW), constant(FSW_ES))));
  }

  // --- registers

  private copyOf(local: Expression): Expression {
    this.fn.emit(local);
    return this.fn.bindStack(local.type);
  }

  /** The register that the state holds at a known address, and the offset in it. */
  private registerAt(address: Expression): { readonly number: number; readonly locals: StackLocals; readonly offset: number } | null {
    const offset = this.stack !== null && isConstant(address) ? (address.value as number) - X87_BASE : -1;
    if (offset < 0 || offset >= REGISTERS * REGISTER_BYTES) return null;
    const number = offset >> 4;
    let locals = this.registers.get(number);
    if (!locals) {
      locals = { value: this.fn.ownLocal(I64), se: this.fn.ownLocal(I32) };
      this.registers.set(number, locals);
    }
    return { number, locals, offset: offset & 15 };
  }

  override stateLoad64(address: Expression): Expression {
    const register = this.registerAt(address);
    return register ? this.copyOf(register.locals.value) : super.stateLoad64(address);
  }

  override stateLoad(address: Expression, width: Width): Expression {
    const register = this.registerAt(address);
    if (!register) return super.stateLoad(address, width);
    if (register.offset !== 8 || width !== 2) throw new Error("a part of an x87 register");
    return this.copyOf(register.locals.se);
  }

  override stateStore64(address: Expression, value: Expression): void {
    const register = this.registerAt(address);
    if (!register) {
      super.stateStore64(address, value);
      return;
    }
    this.dirtyStack |= 1 << register.number;
    this.fn.assign(register.locals.value, value);
  }

  override stateStore(address: Expression, width: Width, value: Expression): void {
    const register = this.registerAt(address);
    if (!register) {
      super.stateStore(address, width, value);
      return;
    }
    if (register.offset !== 8 || width !== 2) throw new Error("a part of an x87 register");
    this.dirtyStack |= 1 << register.number;
    this.fn.assign(register.locals.se, value);
  }

  // --- the whole function

  /** 1 where the state is not the one that the entry was made for. */
  differs(expected: StackState): Expression {
    const load = (field: Field) => this.fn.load(OP.load32, constant(field.offset), 0);
    return this.or(this.ne(load(FTOP), constant(expected.top)), this.ne(load(FTW), constant(expected.tags)));
  }

  protected loadStack(): void {
    const { fn } = this;
    for (const [number, { value, se }] of this.registers) {
      const address = constant(X87_BASE + number * REGISTER_BYTES);
      fn.assign(value, fn.load(OP.load64, address, 0));
      fn.assign(se, fn.load(OP.load16u, address, 8));
    }
    if (this.status) fn.assign(this.status, fn.load(OP.load32, constant(FSW.offset), 0));
    if (this.controlWord) fn.assign(this.controlWord, fn.load(OP.load32, constant(FCW.offset), 0));
  }

  protected storeRegisters(): void {
    const { fn } = this;
    for (const [number, { value, se }] of this.registers) {
      if ((this.dirtyStack & (1 << number)) === 0) continue;
      const address = constant(X87_BASE + number * REGISTER_BYTES);
      fn.store(OP.store64, address, 0, value);
      fn.store(OP.store16, address, 8, se);
    }
    if (this.status && this.statusChanged) fn.store(OP.store32, constant(FSW.offset), 0, this.status);
  }
}
