// XMM registers of translated code: in locals of the function, loaded before its first block and stored where it ends. Whoever knows the
// place of a register in the state when the code is made gets the local; nobody may reach one by a place that is computed, and no shared
// function does.

import type { Width } from "../isa/builder.ts";
import { XMM_BASE } from "../isa/state-layout.ts";
import { V128 } from "./encoder.ts";
import { constant, type Expression, isConstant } from "./function-emitter.ts";
import { TranslatedMemory } from "./translated-memory.ts";
import { V128_LOAD, V128_STORE } from "./vector-opcodes.ts";

const XMM_BYTES = 8 * 16;

/** Number of the lane of that many bytes that begins there. */
function laneOf(address: Expression, bytes: number): number {
  return (((address.value as number) - XMM_BASE) & 15) / bytes;
}

export abstract class TranslatedVectors extends TranslatedMemory {
  private readonly xmm: (Expression | null)[] = new Array<Expression | null>(8).fill(null);
  /** Bit mask of those that change. */
  private dirtyXmm = 0;

  /** The register that the state holds at a known address. */
  private xmmAt(address: Expression): number | null {
    const offset = isConstant(address) ? (address.value as number) - XMM_BASE : -1;
    return offset >= 0 && offset < XMM_BYTES ? offset >> 4 : null;
  }

  private xmmLocal(register: number): Expression {
    return (this.xmm[register] ??= this.fn.ownLocal(V128));
  }

  /** A copy: the register may change before the value is used. */
  private readXmm(register: number): Expression {
    this.fn.emit(this.xmmLocal(register));
    return this.fn.bindStack(V128);
  }

  private writeXmm(register: number, value: Expression): void {
    this.dirtyXmm |= 1 << register;
    this.fn.assign(this.xmmLocal(register), value);
  }

  override stateLoad128(address: Expression): Expression {
    const register = this.xmmAt(address);
    return register === null ? super.stateLoad128(address) : this.readXmm(register);
  }

  override stateLoad64(address: Expression): Expression {
    const register = this.xmmAt(address);
    return register === null ? super.stateLoad64(address) : this.fn.bind(this.lane("i64x2", this.xmmLocal(register), laneOf(address, 8)));
  }

  override stateLoad(address: Expression, width: Width): Expression {
    const register = this.xmmAt(address);
    if (register === null) return super.stateLoad(address, width);
    if (width === 1) throw new Error("a byte of an XMM register");
    return this.fn.bind(this.lane(width === 4 ? "i32x4" : "i16x8", this.xmmLocal(register), laneOf(address, width)));
  }

  override stateStore128(address: Expression, value: Expression): void {
    const register = this.xmmAt(address);
    if (register === null) super.stateStore128(address, value);
    else this.writeXmm(register, value);
  }

  override stateStore64(address: Expression, value: Expression): void {
    const register = this.xmmAt(address);
    if (register === null) super.stateStore64(address, value);
    else this.writeXmm(register, this.withLane("i64x2", this.xmmLocal(register), laneOf(address, 8), value));
  }

  override stateStore(address: Expression, width: Width, value: Expression): void {
    const register = this.xmmAt(address);
    if (register === null) super.stateStore(address, width, value);
    else if (width === 1) throw new Error("a byte of an XMM register");
    else this.writeXmm(register, this.withLane(width === 4 ? "i32x4" : "i16x8", this.xmmLocal(register), laneOf(address, width), value));
  }

  protected loadXmm(): void {
    this.xmm.forEach((local, register) => {
      if (local) this.fn.assign(local, this.fn.load(V128_LOAD, constant(XMM_BASE + register * 16), 0));
    });
  }

  protected storeXmm(): void {
    this.xmm.forEach((local, register) => {
      if (local && this.dirtyXmm & (1 << register)) this.fn.store(V128_STORE, constant(XMM_BASE + register * 16), 0, local);
    });
  }
}
