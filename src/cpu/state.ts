// Typed views of the processor state in the shared memory; the bytes are stated in isa/state-layout.ts.

import {
  CONTEXT_H, type CONTEXT_V, CPL, CR0, CR4, EFLAGS_SYSTEM, EIP, FAULT, GPR_BASE, MODE, SEG_ACCESS, SEG_BASE, SEG_FAST, SEG_LIMIT, SEG_SELECTOR,
  SEGMENT_STRIDE, registerAddress, type Field,
} from "../isa/state-layout.ts";
import { type BulkMemory, bulkMemory } from "../wasm/bulk-memory.ts";

const STRIDE_WORDS = SEGMENT_STRIDE >> 2;
const SELECTOR_WORD = SEG_SELECTOR >> 2, BASE_WORD = SEG_BASE >> 2, LIMIT_WORD = SEG_LIMIT >> 2;
const ACCESS_WORD = SEG_ACCESS >> 2, FAST_WORD = SEG_FAST >> 2;

/** The memory is allocated once at its full size: the views last. */
export class CpuState {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  /** For guest memory, which is accessed at any alignment. */
  readonly view: DataView;
  /** Pages of 4 KB of this memory that may have been stored to since somebody set this to 0 and dropped the TLB's entries. */
  readonly dirtyPages: Uint8Array;
  readonly bulk: BulkMemory;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.u8 = new Uint8Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.dirtyPages = new Uint8Array(this.u8.length >>> 12);
    this.bulk = bulkMemory(memory);
  }

  /** For those who store past the TLB: the byte at this place of the memory has changed. */
  touched(host: number): void {
    this.dirtyPages[host >>> 12] = 1;
  }

  /** A shared field, as a signed 32-bit value. */
  read(field: Field): number {
    return this.i32[field.offset >> 2];
  }

  write(field: Field, value: number): void {
    this.i32[field.offset >> 2] = value;
  }

  /** A 32-bit general register, signed. */
  gpr(index: number): number {
    return this.i32[(GPR_BASE >> 2) + index];
  }

  setGpr(index: number, value: number): void {
    this.i32[(GPR_BASE >> 2) + index] = value;
  }

  /** The low `width` bytes of a register, zero-extended (width 4: signed). */
  register(index: number, width: number): number {
    if (width === 4) return this.gpr(index);
    const address = registerAddress(index, width);
    return width === 2 ? this.view.getUint16(address, true) : this.u8[address];
  }

  setRegister(index: number, width: number, value: number): void {
    if (width === 4) this.setGpr(index, value);
    else if (width === 2) this.view.setUint16(registerAddress(index, 2), value, true);
    else this.u8[registerAddress(index, 1)] = value;
  }

  get eip(): number {
    return this.i32[EIP.offset >> 2];
  }

  set eip(value: number) {
    this.i32[EIP.offset >> 2] = value;
  }

  /** 0, or the vector + 1 of the fault that waits for its delivery. */
  get fault(): number {
    return this.i32[FAULT.offset >> 2];
  }
}

/** One context block: V, the processor the guest believes in, or H, what the silicon holds while a monitor is attached. */
export class Context {
  readonly base: number;
  readonly isHardware: boolean;
  /** Grows with every write of a segment register: what was derived from them while it was the same still holds. */
  segmentWrites = 0;
  readonly #i32: Int32Array;
  readonly #word: number;

  constructor(state: CpuState, base: typeof CONTEXT_V | typeof CONTEXT_H) {
    this.base = base;
    this.isHardware = base === CONTEXT_H;
    this.#i32 = state.i32;
    this.#word = base >> 2;
  }

  /** A field of the block, as a signed 32-bit value. */
  get(field: Field): number {
    return this.#i32[this.#word + (field.offset >> 2)];
  }

  set(field: Field, value: number): void {
    this.#i32[this.#word + (field.offset >> 2)] = value;
  }

  /** Word `index` of an array field (DR0-DR3, PDPTE). */
  getAt(field: Field, index: number): number {
    return this.#i32[this.#word + (field.offset >> 2) + index];
  }

  setAt(field: Field, index: number, value: number): void {
    this.#i32[this.#word + (field.offset >> 2) + index] = value;
  }

  selector(index: number): number {
    return this.#i32[this.#word + index * STRIDE_WORDS + SELECTOR_WORD];
  }

  segmentBase(index: number): number {
    return this.#i32[this.#word + index * STRIDE_WORDS + BASE_WORD];
  }

  /** Byte-granular, unsigned. */
  segmentLimit(index: number): number {
    return this.#i32[this.#word + index * STRIDE_WORDS + LIMIT_WORD] >>> 0;
  }

  /** Bits 8-23 of the descriptor's high dword; ACCESS_UNUSABLE. */
  segmentAccess(index: number): number {
    return this.#i32[this.#word + index * STRIDE_WORDS + ACCESS_WORD];
  }

  segmentFast(index: number): number {
    return this.#i32[this.#word + index * STRIDE_WORDS + FAST_WORD];
  }

  /** The stored words of a segment register. Use `setSegment` of segmentation.ts, which keeps SEG_FAST right. */
  setSegmentWords(index: number, selector: number, base: number, limit: number, access: number, fast: number): void {
    const word = this.#word + index * STRIDE_WORDS;
    this.segmentWrites++;
    this.#i32[word + SELECTOR_WORD] = selector;
    this.#i32[word + BASE_WORD] = base;
    this.#i32[word + LIMIT_WORD] = limit;
    this.#i32[word + ACCESS_WORD] = access;
    this.#i32[word + FAST_WORD] = fast;
  }

  /** The block was written as bytes. */
  overwritten(): void {
    this.segmentWrites++;
  }

  get cpl(): number {
    return this.get(CPL);
  }

  get cr0(): number {
    return this.get(CR0);
  }

  get cr4(): number {
    return this.get(CR4);
  }

  get mode(): number {
    return this.get(MODE);
  }

  get systemFlags(): number {
    return this.get(EFLAGS_SYSTEM);
  }
}
