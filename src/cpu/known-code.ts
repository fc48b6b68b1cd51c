// Where decoded code was found before, so that the block cache need not be searched: by physical address and mode, as processors
// tag what they have decoded. Two tables: the jump cache, in which generated code looks by itself, and a larger one for the run loop.

import { H_CODE_BYTES, HANDLER_CONTINUE, HANDLER_REFETCH, R_HANDLER } from "../isa/record-layout.ts";
import { CS } from "../isa/state-layout.ts";
import { FETCH_FAULT } from "./block-cache.ts";
import type { Cpu } from "./cpu.ts";
import { JUMP_CACHE_BYTES, JUMP_CACHE_ENTRIES } from "./interpreter.ts";
import { TLB_CODE_USER } from "./tlb.ts";

const ENTRIES = 4096;
const EMPTY = -1;

function slotOf(physical: number, mode: number): number {
  return ((physical ^ (physical >>> 13) ^ Math.imul(mode, 0x9e5)) & (ENTRIES - 1)) << 2;
}

function keep(table: Int32Array, slot: number, physical: number, mode: number, record: number): void {
  table[slot] = physical;
  table[slot + 1] = mode;
  table[slot + 2] = record;
}

export class KnownCode {
  private readonly cpu: Cpu;
  private readonly jumpCacheWord: number;
  /** All modes side by side: physical address, mode, record. */
  private readonly table = new Int32Array(ENTRIES * 4);

  constructor(cpu: Cpu, jumpCache: number) {
    this.cpu = cpu;
    this.jumpCacheWord = jumpCache >> 2;
    this.forget();
  }

  forget(): void {
    this.table.fill(EMPTY);
    this.cpu.state.i32.fill(EMPTY, this.jumpCacheWord, this.jumpCacheWord + (JUMP_CACHE_BYTES >> 2));
  }

  /** What was found for EIP before; FETCH_FAULT: nothing, or code that has changed since. */
  find(linear: number, eip: number, mode: number): number {
    const { cpu, table } = this;
    const { view } = cpu.state;
    const entry = cpu.tlb.code(linear >>> 12);
    if (entry === 0 || (cpu.user && (entry & TLB_CODE_USER) === 0)) return FETCH_FAULT;
    const physical = (entry & ~0xfff) | (linear & 0xfff);
    const slot = slotOf(physical, mode);
    if (table[slot] !== physical || table[slot + 1] !== mode) return FETCH_FAULT;
    const record = table[slot + 2]!;
    const handler = view.getUint16(record + R_HANDLER, true);
    if (handler === HANDLER_REFETCH || handler === HANDLER_CONTINUE) return FETCH_FAULT;
    const limit = cpu.context.segmentLimit(CS);
    return eip >>> 0 <= limit && (eip >>> 0) + view.getUint16(record + H_CODE_BYTES, true) - 1 <= limit ? record : FETCH_FAULT;
  }

  /** The page of `linear` is in the code TLB. */
  keep(linear: number, mode: number, record: number): void {
    const physical = this.physicalOf(linear);
    keep(this.table, slotOf(physical, mode), physical, mode, record);
  }

  /** For generated code. What is displaced moves to the slot beside it, unless it has moved there before. */
  keepJump(linear: number, mode: number, record: number): void {
    const { i32 } = this.cpu.state;
    const physical = this.physicalOf(linear);
    const slot = this.jumpSlot(physical), displaced = i32[slot]!;
    if (displaced !== physical && displaced !== EMPTY && this.jumpSlot(displaced) === slot) i32.copyWithin(slot ^ 4, slot, slot + 3);
    keep(i32, slot, physical, mode, record);
  }

  private jumpSlot(physical: number): number {
    return this.jumpCacheWord + (((physical ^ (physical >>> 13)) & (JUMP_CACHE_ENTRIES - 1)) << 2);
  }

  private physicalOf(linear: number): number {
    return (this.cpu.tlb.code(linear >>> 12) & ~0xfff) | (linear & 0xfff);
  }
}
