// Builder<V>: the abstract machine in which every instruction's meaning is written once.
// Back-ends: wasm with operands read from a decoded record (the interpreter), wasm with operands known (the translator),
// and a plain evaluating one (the tests' oracle).
//
// Values are 32-bit integers unless a name says 64 or 128 (or `vector`). Comparisons give 0 or 1. `load`, `helper` and `raise` may end the
// instruction: nothing architectural may have been changed before them, except what a restart repeats harmlessly.

import type { Field } from "./state-layout.ts";
import type { LaneShape, VectorOperation, VectorShift, VectorTest } from "./vector-operation.ts";

/** Width in bytes of an integer access. */
export type Width = 1 | 2 | 4;

/** Condition codes in encoding order (SDM Vol. 2 Appendix B, "Condition Test"): O NO B NB Z NZ BE NBE S NS P NP L NL LE NLE. */
export type ConditionCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;

/** How the status flags follow from operands and result; the lowering is in flags.ts. Carry-in of adc/sbb is implied by x, y and result. */
export type FlagKind = "add" | "adc" | "sub" | "sbb" | "logic" | "inc" | "dec";

/** A segment register of the instruction: a known index (ES..GS), or the one that the decoded record names ("operand"). */
export type SegmentRef = 0 | 1 | 2 | 3 | 4 | 5 | "operand";

export type ValueKind = "i32" | "i64" | "v128";

/**
 * A function of the generated code that the meanings of many instructions call: arithmetic too long to be repeated in each.
 * It works on its arguments and on state fields that belong to no context; it cannot fault or end the instruction.
 */
export interface SharedFunction {
  /** Unique. */
  readonly name: string;
  readonly params: readonly ValueKind[];
  readonly results: readonly ValueKind[];
  readonly body: <V>(b: Builder<V>, args: readonly V[]) => readonly V[];
}

/** A mutable value inside one instruction's meaning. */
export interface Variable<V> {
  get(): V;
  set(value: V): void;
}

/** A place that an instruction reads or writes. Immediates and registers cannot fault; memory may at the marked calls. */
export interface Place<V> {
  /** In bytes; for tests of 8-, 16- and 32-bit forms and sign positions. */
  readonly width: number;
  readonly isMemory: boolean;
  /**
   * Zero-extended value; may fault. For places of 8 and 16 bytes a 64- and a 128-bit value. Of an XMM or MMX register, the low `width`
   * bytes; in memory, 16 bytes are aligned (else #GP(0)) unless the operand code says otherwise.
   */
  read(b: Builder<V>): V;
  /** As `read`, but proves first that the place may be written, so that the `write` after it cannot fault. */
  readForWrite(b: Builder<V>): V;
  /** May fault unless `readForWrite` came before. Of an XMM register, only the low `width` bytes change. */
  write(b: Builder<V>, value: V): void;
  /** Effective address (offset in the segment) of a memory place, wrapped to the address size. */
  address(b: Builder<V>): V;
  /** For register places: the register number as a value (segment registers, CRn, STi); of XMM and MMX registers the address in the state. */
  number(b: Builder<V>): V;
}

/** One decoded instruction as its meaning sees it. What is a JS value here is fixed for the compiled form; what is a V may vary by record. */
export interface Instance<V> {
  /** Operands in the row's order. */
  readonly op: readonly Place<V>[];
  /** Operand size in bytes: 2 or 4 (1 where the row is a byte form; x87/SSE rows: their fixed size). */
  readonly width: Width;
  /** Operand-size attribute, 2 or 4, also for byte forms (PUSH, CALL, IRET, string counters). */
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  /** SS.B: width of the stack pointer. */
  readonly stackSize: 2 | 4;
  /** 0 none, 1 REP/REPE (F3), 2 REPNE (F2); only on rows with `string`. */
  readonly rep: 0 | 1 | 2;
  /** The instruction's own EIP. */
  eip(b: Builder<V>): V;
  /** The 11 bits of an x87 opcode: the low three of D8-DF, then ModRM. */
  x87Opcode(b: Builder<V>): V;
  /** EIP of the next instruction (not wrapped to 16 bits). */
  nextEip(b: Builder<V>): V;
  /** Target of a relative branch operand, wrapped to the operand size. */
  relativeTarget(b: Builder<V>): V;
  /** Opcode low bits or other small constant fixed by the row (condition code, shift kind): see the row's semantics factory instead where possible. */
  readonly opcodeByte: number;
}

/** Bodies in TypeScript for what is rare and long or branches on privilege. Each may raise a fault. See cpu/helpers. */
export type HelperName =
  | "farJump" | "farCall" | "farReturn" | "interruptReturn" | "softwareInterrupt" | "breakpointTrap" | "overflowTrap" | "icebp"
  | "loadSegment" | "loadFarPointerSegment"
  | "pushFlags" | "popFlags" | "clearInterruptFlag" | "setInterruptFlag"
  | "halt" | "checkIo" | "portIn" | "portOut" | "bulkString"
  | "loadGdt" | "loadIdt" | "loadLdt" | "loadTask" | "storeTask" | "storeLdt" | "checkUmip"
  | "readControl" | "writeControl" | "readDebug" | "writeDebug" | "clearTaskSwitched" | "loadMachineStatus"
  | "invalidatePage" | "cacheControl" | "loadAccessRights" | "loadSegmentLimit" | "verifyRead" | "verifyWrite"
  | "cpuid" | "readTimestamp" | "readMsr" | "writeMsr" | "readPerformanceCounter" | "sysenter" | "sysexit"
  | "callout" | "clearGuestInterruptFlag" | "setGuestInterruptFlag" | "pushGuestFlags" | "popGuestFlags" | "guestSelector" | "pushGuestSelector" | "readGuestTimestamp" | "storesBeside"
  | "fpuCheck" | "fpuHelper" | "enter" | "undefined" | "monitorWait" | "sseCheck";

export interface Builder<V> {
  // --- pure 32-bit
  imm(value: number): V;
  add(a: V, b: V): V; sub(a: V, b: V): V; mul(a: V, b: V): V;
  and(a: V, b: V): V; or(a: V, b: V): V; xor(a: V, b: V): V;
  /** Shift counts are taken modulo 32 (64 for the 64-bit forms), as wasm does. */
  shl(a: V, b: V): V; shrU(a: V, b: V): V; shrS(a: V, b: V): V; rotl(a: V, b: V): V; rotr(a: V, b: V): V;
  eq(a: V, b: V): V; ne(a: V, b: V): V; ltS(a: V, b: V): V; ltU(a: V, b: V): V; gtS(a: V, b: V): V; gtU(a: V, b: V): V;
  leS(a: V, b: V): V; leU(a: V, b: V): V; geS(a: V, b: V): V; geU(a: V, b: V): V; eqz(a: V): V;
  select(condition: V, whenTrue: V, whenFalse: V): V;
  clz(a: V): V; ctz(a: V): V; popcnt(a: V): V;
  /** Sign- and zero-extension from `width` bytes. */
  signExtend(a: V, width: Width): V; zeroExtend(a: V, width: Width): V;

  // --- pure 64-bit
  imm64(value: bigint): V;
  wrap(a: V): V; extendU(a: V): V; extendS(a: V): V;
  add64(a: V, b: V): V; sub64(a: V, b: V): V; mul64(a: V, b: V): V;
  and64(a: V, b: V): V; or64(a: V, b: V): V; xor64(a: V, b: V): V;
  shl64(a: V, b: V): V; shrU64(a: V, b: V): V; shrS64(a: V, b: V): V;
  /** The divisor is known to be nonzero and the signed quotient to fit: test first. */
  divU64(a: V, b: V): V; divS64(a: V, b: V): V; remU64(a: V, b: V): V; remS64(a: V, b: V): V;
  eq64(a: V, b: V): V; ne64(a: V, b: V): V; ltU64(a: V, b: V): V; ltS64(a: V, b: V): V; eqz64(a: V): V;
  select64(condition: V, whenTrue: V, whenFalse: V): V;
  clz64(a: V): V; ctz64(a: V): V;

  // --- pure 128-bit
  imm128(value: bigint): V;
  vector(operation: VectorOperation, ...operands: V[]): V;
  /** `count`: 32 bits, modulo the lane's. */
  vectorShift(operation: VectorShift, value: V, count: V): V;
  /** A 32-bit value. */
  vectorTest(operation: VectorTest, value: V): V;
  /** Every lane of the result is `lane`. */
  splat(shape: LaneShape, lane: V): V;
  /** Zero-extended; 64 bits of i64x2, else 32. */
  lane(shape: LaneShape, vector: V, index: number): V;
  withLane(shape: LaneShape, vector: V, index: number, lane: V): V;
  /** 16 bytes by number: 0-15 from `a`, 16-31 from `b`. */
  shuffle(a: V, b: V, bytes: readonly number[]): V;
  select128(condition: V, whenTrue: V, whenFalse: V): V;

  // --- names
  /** Evaluates once; the result may be used any number of times. */
  let(value: V): V;
  let64(value: V): V;
  let128(value: V): V;
  variable(initial: V): Variable<V>;
  variable64(initial: V): Variable<V>;
  variable128(initial: V): Variable<V>;

  // --- processor state
  get(field: Field): V;
  set(field: Field, value: V): void;
  /** A general register by number (EAX..EDI; width 1: AL CL DL BL AH CH DH BH), zero-extended. */
  gpr(index: number, width: Width): V;
  /** Writes only `width` bytes of the register. */
  setGpr(index: number, width: Width, value: V): void;
  /** Word at byte `offset` of a state area whose address is computed (x87 stack slots). `base` is an absolute address value. */
  stateLoad(address: V, width: Width): V; stateStore(address: V, width: Width, value: V): void;
  stateLoad64(address: V): V; stateStore64(address: V, value: V): void;
  stateLoad128(address: V): V; stateStore128(address: V, value: V): void;
  /** Bytes between two absolute addresses, which may overlap; `count` times the low byte of `value`. */
  moveBytes(to: V, from: V, count: V): void; fillBytes(at: V, value: V, count: V): void;
  /** Field of a segment register: SEG_SELECTOR, SEG_BASE, SEG_LIMIT, SEG_ACCESS. */
  segment(ref: SegmentRef, part: number): V;

  // --- guest memory: segment-checked, paged; may fault
  load(segment: SegmentRef, offset: V, width: Width): V;
  store(segment: SegmentRef, offset: V, width: Width, value: V): void;
  load64(segment: SegmentRef, offset: V): V;
  store64(segment: SegmentRef, offset: V, value: V): void;
  /** `aligned`: #GP(0) unless the linear address is a multiple of 16. */
  load128(segment: SegmentRef, offset: V, aligned: boolean): V;
  store128(segment: SegmentRef, offset: V, value: V, aligned: boolean): void;
  /** Proves that [offset, offset+bytes) may be written, so that stores there cannot fault in the middle. */
  probeWrite(segment: SegmentRef, offset: V, bytes: number): void;

  // --- status flags (lazy; lowered in flags.ts)
  flags(kind: FlagKind, width: Width, x: V, y: V, result: V): void;
  /** Sets SF ZF PF by `result` and CF, OF, AF by 0/1 values. */
  flagsExplicit(width: Width, result: V, cf: V, of: V, af: V): void;
  /** Sets CF and OF alone (rotates). */
  setCarryOverflow(cf: V, of: V): void;
  /** 0 or 1. */
  condition(code: ConditionCode): V;
  carry(): V;
  /** CF PF AF ZF SF OF at their EFLAGS positions. */
  statusFlags(): V;
  setStatusFlags(image: V): void;
  /** What a comparison of real numbers leaves, of values of 0 or 1: CF = less or unordered, ZF = equal or unordered, PF = unordered; the rest 0. */
  flagsOrdered(less: V, equal: V, unordered: V): void;

  // --- control inside the instruction
  when(condition: V, then: () => void, otherwise?: () => void): void;
  /** As `when`, before the instruction has changed anything: a back-end may do the whole instruction in another way where the condition holds. */
  rarely(condition: V, then: () => void): void;
  /** Whether an instruction before this one, on the only way that leads here, has passed the test of the control registers already that this unit (the XMM registers) needs. */
  hasPassed(test: "xmm" | "x87"): boolean;
  /** FTOP and FTW are constants here: an x87 instruction does what is usual, and leaves the rest to another back-end by `insist`. */
  readonly stackKnown: boolean;
  /** Where the stack is known: goes on only if `condition` is 0, with nothing of the instruction done otherwise. */
  insist(condition: V): void;
  /** Where the stack is known: FIP, FCS and FOP, and FDP and FDS for the operand at `memory`, are to name this instruction once it is done. */
  rememberPointers(opcode: V, memory: V | null): void;
  /** Repeats `body` while it returns a nonzero value. */
  loop(body: () => V): void;
  /** Calls generated code; its results. */
  call(shared: SharedFunction, ...args: V[]): readonly V[];

  // --- ends of the instruction
  /** A fault: nothing of this instruction is committed by the caller after it. */
  raise(vector: number, errorCode?: V): void;
  /** Near jump; #GP(0) beyond the CS limit. `target` already wrapped to the operand size. */
  jump(target: V): void;
  /** Relative near jump of the instruction's J operand, taken if `condition` is nonzero. */
  jumpRelative(condition?: V): void;
  /** Leaves the instruction incomplete at its own EIP: the run loop looks at interrupts and resumes it. */
  suspend(): void;
  /** Calls a TypeScript body; ends the instruction if that raised a fault. Returns its value. */
  helper(name: HelperName, ...args: V[]): V;
}
