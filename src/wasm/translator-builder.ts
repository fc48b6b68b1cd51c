// Builder of translated code: operands are known, general registers and status flags live in locals of the function.
//
// What generated code cannot do itself (a TLB miss, a fault, a helper) is a side exit: the function leaves with the state as it
// was before the instruction, and the interpreter does that one. No call is ever made for it, so that V8 keeps the locals in registers.
// - The locals of general registers are always up to date. An instruction that reads a register gets a reference to the local;
//   when the register is written while that reference may still be needed, the old value moves to another local.
// - Status flags are not computed until somebody asks. An exit that is taken before asks in a stub outside the usual path.

import type { ConditionCode, FlagKind, HelperName, Instance, SegmentRef, Width } from "../isa/builder.ts";
import type { Decoded } from "../isa/decoded.ts";
import * as flags from "../isa/flags.ts";
import { instanceWidth } from "../isa/operand-location.ts";
import type { Row } from "../isa/row.ts";
import {
  BUDGET, CR0, CR4, CS, DS, EAX, ECX, EDX, EFLAGS_ZF, EIP, ESP, type Field, FLAG_CARRIES, FLAG_RESULT, FS, FSW, GPR_BASE, GS, MODE_FLAT, MODE_STACK32, MODE_USER, PROBED, RECORD, SEG_BASE, SEG_FAST,
  SEG_FAST_READ, SEG_FAST_WRITE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE, SHADOW, SS, SYSENTER_EIP, SYSENTER_ESP, WINDOW,
} from "../isa/state-layout.ts";
import type { ImportedFunctions } from "./backend.ts";
import { ByteWriter, I32, I64 } from "./encoder.ts";
import { flagInstruction } from "./flag-instructions.ts";
import { enterSupervisor, leaveSupervisor, loadDataSegment, mayWrite, NOT_KNOWN } from "./segment-instructions.ts";
import { repeatString } from "./string-instructions.ts";
import { constant, type Expression, type FunctionEmitter, isConstant, OP } from "./function-emitter.ts";
import { conditionOf, type FlagState, isPinned, localsOf, type PendingFlags } from "./pending-flags.ts";
import { REGION_SIDE_EXIT } from "./region-result.ts";
import type { GroupedAccesses, TranslatedCode } from "./translated-memory.ts";
import { EXIT_LINK, EXIT_NOT_RUN, TranslatedExits } from "./translated-exits.ts";
import type { StackState } from "./translated-stack.ts";
import { type OperandAccess, placeOf } from "./translated-places.ts";

/** A reference to a local that may be redirected when the local changes. */
interface Reference extends Expression {
  value: number | bigint;
}

const CR4_TSD = 4;
const CARRY = 2;

export class TranslatorBuilder extends TranslatedExits implements OperandAccess {
  /** EIP_BASE, which holds still inside the region; the budget; EIP of an exit that is not static. */
  readonly base: Expression;
  readonly budget: Expression;
  protected readonly code: TranslatedCode;
  private readonly gprs: readonly Expression[];
  private readonly flagResult: Expression;
  private readonly flagCarries: Expression;
  /** Control registers: nothing inside a region writes them. */
  private readonly control: readonly { readonly field: Field; readonly local: Expression; used: boolean }[];
  private readonly references: (Reference | null)[] = new Array<Reference | null>(8).fill(null);
  /** Registers whose reference was handed out to the present instruction. */
  private handed = 0;
  private pending: FlagState = null;
  private readonly stubs: ByteWriter[] = [];
  /** Of exits that only write the x87 stack, by what they write. */
  private readonly stackStubs = new Map<string, number>();
  /** Bit masks of registers. */
  usedRegisters = 0;
  private dirtyRegisters = 0;
  private flagsChanged = false;
  /** Tests that the present block has passed. */
  private readonly passed = new Set<string>();

  // The present instruction.
  private decoded!: Decoded;
  private at = 0;
  private notRun = 0;
  private operandSize: 2 | 4 = 4;
  private operandSegment = DS;
  private operandPage: string | null = null;
  /** What the instruction did to EIP: a relative jump (taken if the condition is not 0), or one to a computed EIP. */
  branch: { readonly condition: Expression | null } | null = null;
  target: Expression | null = null;

  constructor(fn: FunctionEmitter, imports: ImportedFunctions, code: TranslatedCode) {
    super(fn, imports, constant(code.context), constant(code.tlbRead), constant(code.tlbWrite));
    this.code = code;
    this.flat = (code.mode & MODE_FLAT) !== 0;
    this.gprs = Array.from({ length: 8 }, () => fn.newLocal(I32));
    this.flagResult = fn.newLocal(I32);
    this.flagCarries = fn.newLocal(I32);
    this.base = fn.newLocal(I32);
    this.budget = fn.newLocal(I32);
    this.control = [CR0, CR4].map((field) => ({ field, local: fn.newLocal(I32), used: false }));
    fn.keepLocals();
  }

  // --- the frame of an instruction

  /** `at`: distance of the instruction from EIP_BASE; `notRun`: instructions of the basic block from this one on; `page`: a name for the page that its operand is probably in. */
  begin(row: Row, d: Decoded, at: number, notRun: number, exitsOften: boolean, page: string | null, accesses: GroupedAccesses | null): Instance<Expression> {
    this.accesses = accesses;
    this.decoded = d;
    this.operandPage = page;
    this.exitsOften = exitsOften;
    this.storesBeside = false;
    this.at = at;
    this.notRun = notRun;
    this.operandSize = d.operandSize;
    this.operandSegment = d.segment < 0 ? (d.segmentOverride < 0 ? DS : d.segmentOverride) : d.segment;
    this.branch = null;
    this.target = null;
    this.handed = 0;
    const next = at + d.length;
    return {
      op: row.operands.map((code) => placeOf(this, code, d)),
      width: instanceWidth(row, d.operandSize),
      operandSize: d.operandSize,
      addressSize: d.addressSize,
      stackSize: this.code.mode & MODE_STACK32 ? 4 : 2,
      rep: row.string ? d.rep : 0,
      opcodeByte: d.opcodeByte,
      eip: () => this.let(this.eipAt(at)),
      x87Opcode: () => constant(((d.opcodeByte & 7) << 8) | (d.mod << 6) | (d.reg << 3) | d.rm),
      nextEip: () => this.let(this.eipAt(next)),
      relativeTarget: () => this.let(this.relativeTarget()),
    };
  }

  /** The locals of the instruction are free, but for those that pending flags need. */
  end(): void {
    this.endPointers();
    if (this.pending === null) this.fn.endScope();
    else this.fn.endScopeExcept(localsOf(this.pending));
  }

  protected presentEip(): Expression { return this.eipAt(this.at); }
  eipAt(at: number): Expression { return this.add(this.base, constant(at)); }

  private relativeTarget(): Expression {
    const d = this.decoded;
    return this.zeroExtend(this.eipAt(this.at + d.length + d.immediate), this.operandSize);
  }

  // --- ways out

  /** Leaves with the present instruction undone, for the interpreter. */
  sideExit(): void { this.exit(this.at, this.notRun, REGION_SIDE_EXIT); }
  protected sideExitIf(condition: Expression): void {
    if (isConstant(condition)) {
      if (condition.value) this.sideExit();
      return;
    }
    this.pushExit(this.at, this.notRun, REGION_SIDE_EXIT);
    this.branchToExitIf(condition);
  }

  protected leaveWithFault(): void { this.sideExit(); }
  protected announce(): void {}
  protected operandIsSegmented(): boolean { return this.operandSegment >= FS || this.operandSegment === CS; }
  protected operandSegmentNumber(): number { return this.operandSegment; }
  protected operandSegmentOffset(): Expression { return constant(this.operandSegment * SEGMENT_STRIDE); }
  override raise(): void { this.sideExit(); }
  suspend(): void { this.sideExit(); }

  override helper(name: HelperName, ...args: Expression[]): Expression {
    if (name === "fpuCheck") this.checkFpu(args[0].value as number);
    else if (name === "sseCheck") this.checkSse(args[0].value as number);
    else if (name === "storesBeside") this.storesBeside = (this.code.mode & MODE_USER) === 0;
    else if (name === "loadSegment") {
      // FCS and FDS are the selectors of their time.
      this.settlePointers();
      this.loadSegment(args[0], args[1]);
    } else if (name === "verifyWrite") this.verifyWrite(args[0]);
    else if (name === "readTimestamp") this.readTimestamp();
    else if (name === "sysenter") {
      this.settlePointers();
      const { readSupervisor, writeSupervisor } = this.code.tables;
      this.sideExitUnless(this.call(enterSupervisor, this.context, constant(readSupervisor), constant(writeSupervisor)));
      this.setGpr(ESP, 4, this.get(SYSENTER_ESP));
      this.target = this.get(SYSENTER_EIP);
    } else if (name === "sysexit") {
      this.settlePointers();
      const { readUser, writeUser } = this.code.tables;
      this.sideExitUnless(this.call(leaveSupervisor, this.context, constant(readUser), constant(writeUser)));
      this.setGpr(ESP, 4, this.gpr(ECX, 4));
      this.target = this.gpr(EDX, 4);
    } else {
      const fast = flagInstruction(this, name, args[0], this.code.mode & MODE_STACK32 ? 4 : 2);
      if (fast === null) this.sideExit();
      else {
        this.sideExitIf(fast.slow);
        fast.act();
      }
    }
    return constant(0);
  }

  /** REP MOVS or REP STOS of flat code with 32-bit addresses: as much as the TLB lets through; the interpreter does the rest. */
  repeat(moves: boolean, width: Width): void {
    this.sideExitIf(repeatString(this, this.code, moves, width));
  }

  private loadSegment(register: Expression, selector: Expression): void {
    this.sideExitIf(this.get(WINDOW));
    this.sideExitUnless(this.call(loadDataSegment, this.context, register, this.and(selector, constant(0xffff)), constant(this.code.tables.readSupervisor)));
  }

  private verifyWrite(selector: Expression): void {
    const [answer] = this.call(mayWrite, this.context, this.and(selector, constant(0xffff)), constant(this.code.tables.readSupervisor));
    this.sideExitIf(this.eq(answer, constant(NOT_KNOWN)));
    const others = this.and(this.statusFlags(), constant(~EFLAGS_ZF));
    this.setStatusFlags(this.or(others, this.select(answer, constant(EFLAGS_ZF), constant(0))));
  }

  /** The clock asks how many instructions have retired, and may want the region to end. */
  private readTimestamp(): void {
    const { fn } = this, notRun = constant(this.notRun);
    this.sideExitIf(this.or(this.get(WINDOW), this.and(this.get(CR4), constant(CR4_TSD))));
    this.set(RECORD, constant(0));
    this.set(BUDGET, this.add(this.budget, notRun));
    fn.call(this.imports.helper("readTimestamp"), []);
    fn.code.byte(OP.drop);
    fn.assign(this.budget, this.sub(this.get(BUDGET), notRun));
    for (const register of [EAX, EDX]) this.setGpr(register, 4, fn.load(OP.load32, constant(GPR_BASE + register * 4), 0));
  }

  private sideExitUnless([done]: readonly Expression[]): void { this.sideExitIf(this.eqz(done)); }

  /** Sensitive instructions are the interpreter's while the oracle looks on. */
  override probe(when: "before" | "after", row: number): void {
    if (when === "before") this.sideExitIf(this.get(PROBED));
    else this.countObserved(row);
  }

  /** The shadow of STI covers one instruction, which has run. */
  endShadow(): void { this.set(SHADOW, constant(0)); }

  jump(target: Expression): void {
    const bound = this.let(target);
    if (!this.flat) this.sideExitIf(this.gtU(bound, this.segment(CS, SEG_LIMIT)));
    this.target = bound;
  }

  jumpRelative(condition?: Expression): void {
    const taken = condition ? this.let(condition) : null;
    if (!this.flat) {
      const beyond = this.gtU(this.relativeTarget(), this.segment(CS, SEG_LIMIT));
      this.sideExitIf(taken ? this.and(this.ne(taken, constant(0)), beyond) : beyond);
    }
    this.branch = { condition: taken };
  }

  // --- general registers

  override gpr(index: number, width: Width): Expression {
    const register = width === 1 ? index & 3 : index;
    const whole = this.reference(register);
    if (width === 4) return whole;
    if (width === 2) return this.and(whole, constant(0xffff));
    return this.and(index < 4 ? whole : this.shrU(whole, constant(8)), constant(0xff));
  }

  private reference(register: number): Expression {
    this.usedRegisters |= 1 << register;
    this.handed |= 1 << register;
    return (this.references[register] ??= { ...this.gprs[register] });
  }

  override setGpr(index: number, width: Width, value: Expression): void {
    const register = width === 1 ? index & 3 : index;
    this.usedRegisters |= 1 << register;
    this.dirtyRegisters |= 1 << register;
    const whole = this.gprs[register];
    if (width === 4) this.write(register, value);
    else if (width === 2) this.write(register, this.or(this.and(whole, constant(~0xffff)), this.and(value, constant(0xffff))));
    else if (index < 4) this.write(register, this.or(this.and(whole, constant(~0xff)), this.and(value, constant(0xff))));
    else this.write(register, this.or(this.and(whole, constant(~0xff00)), this.shl(this.and(value, constant(0xff)), constant(8))));
  }

  private write(register: number, value: Expression): void {
    const { fn } = this;
    fn.emit(value);
    this.detach(register);
    fn.code.byte(OP.localSet);
    fn.code.unsigned(this.gprs[register].value as number);
  }

  /** The local is about to change: what refers to its present value gets a copy. */
  private detach(register: number): void {
    const reference = this.references[register];
    if (reference === null) return;
    const pinned = isPinned(this.pending, reference);
    if (pinned || this.handed & (1 << register)) {
      const { fn } = this;
      fn.emit(this.gprs[register]);
      reference.value = fn.bindStack(I32).value;
      // The stub of the flags knows the value by its old place.
      if (pinned) for (let p = this.pending; p !== null; p = p.previous) p.stub = 0;
    }
    this.references[register] = null;
    this.handed &= ~(1 << register);
  }

  private detachAll(): void {
    for (let register = 0; register < 8; register++) this.detach(register);
  }

  // --- status flags

  override get(field: Field): Expression {
    if (field === FLAG_RESULT || field === FLAG_CARRIES) {
      this.settleFlags();
      this.fn.emit(field === FLAG_RESULT ? this.flagResult : this.flagCarries);
      return this.fn.bindStack(I32);
    }
    const control = this.control.find((known) => known.field === field);
    if (!control) return super.get(field);
    control.used = true;
    return control.local;
  }

  override set(field: Field, value: Expression): void {
    if (field === FSW) this.passed.delete("x87");
    if (field !== FLAG_RESULT && field !== FLAG_CARRIES) {
      super.set(field, value);
      return;
    }
    const bound = this.fn.bind(value);
    this.settleFlags();
    this.flagsChanged = true;
    this.fn.assign(field === FLAG_RESULT ? this.flagResult : this.flagCarries, bound);
  }

  override flags(kind: FlagKind, width: Width, x: Expression, y: Expression, result: Expression): void {
    let previous: FlagState = null;
    if (kind === "inc" || kind === "dec") {
      previous = this.pending;
      while (previous !== null && (previous.kind === "inc" || previous.kind === "dec")) previous = previous.previous;
    }
    this.setPending({ kind, width, x, y, result, auxiliary: null, previous, stub: 0 });
  }

  override flagsExplicit(width: Width, result: Expression, cf: Expression, of: Expression, af: Expression): void {
    this.setPending({ kind: "explicit", width, x: cf, y: of, result, auxiliary: af, previous: null, stub: 0 });
  }

  override flagsOrdered(less: Expression, equal: Expression, unordered: Expression): void {
    const [x, y, auxiliary] = [less, equal, unordered].map((value) => this.fn.bind(value));
    this.setPending({ kind: "ordered", width: 4, x, y, result: constant(0), auxiliary, previous: null, stub: 0 });
  }

  override setCarryOverflow(cf: Expression, of: Expression): void {
    let previous = this.pending;
    if (previous?.kind === "carryOverflow") previous = previous.previous;
    this.setPending({ kind: "carryOverflow", width: 4, x: cf, y: of, result: constant(0), auxiliary: null, previous, stub: 0 });
  }

  override setStatusFlags(image: Expression): void {
    const bound = this.fn.bind(image);
    this.pending = null;
    super.setStatusFlags(bound);
  }

  private setPending(p: PendingFlags): void {
    // A long chain would be computed again at every exit.
    if (p.previous?.previous) this.settle(p.previous.previous);
    this.pending = p.previous?.previous ? { ...p, previous: { ...p.previous, previous: null } } : p;
  }

  /** Computes pending flags into their locals. */
  settleFlags(): void {
    const p = this.pending;
    if (p === null) return;
    this.settle(p);
  }

  private settle(p: PendingFlags): void {
    this.pending = null;
    this.flagsChanged = true;
    if (p.previous) this.settle(p.previous);
    if (p.kind === "explicit") flags.lowerFlagsExplicit(this, p.width, p.result, p.x, p.y, p.auxiliary!);
    else if (p.kind === "ordered") flags.lowerFlagsOrdered(this, p.x, p.y, p.auxiliary!);
    else if (p.kind === "carryOverflow") flags.lowerSetCarryOverflow(this, p.x, p.y);
    else flags.lowerFlags(this, p.kind, p.width, p.x, p.y, p.result);
  }

  /** Number of the stub that exits go through now: 0 does nothing. */
  protected override stubOfFlags(): number {
    const { pending } = this;
    const key = this.stackKey();
    if (pending === null) {
      if (key === "") return 0;
      let stub = this.stackStubs.get(key);
      if (stub === undefined) this.stackStubs.set(key, (stub = this.addStub(null)));
      return stub;
    }
    if (pending.stub === 0 || pending.stubKey !== key) {
      pending.stub = this.addStub(pending);
      pending.stubKey = key;
    }
    return pending.stub;
  }

  private addStub(pending: FlagState): number {
    const { fn } = this;
    const { code } = fn;
    fn.code = new ByteWriter(64);
    if (pending) this.settle(pending);
    this.pending = pending;
    this.storeStack();
    this.stubs.push(fn.code);
    fn.code = code;
    return this.stubs.length;
  }

  /** Pending flags for the basic blocks that follow: their values keep their places until the end of the function. */
  handOver(): FlagState {
    this.settlePointers();
    if (this.pending === null) return null;
    this.handed = 0;
    this.detachAll();
    this.fn.keep(localsOf(this.pending));
    return this.pending;
  }

  /** Goes on behind a branch. */
  resume(pending: FlagState): void {
    this.pending = pending;
    this.references.fill(null);
    this.handed = 0;
  }

  /** Begins a basic block. */
  beginBlock(pending: FlagState, stack: StackState | null): void {
    this.resume(pending);
    this.stack = stack;
    this.blockDepth = this.fn.depth;
    this.passed.clear();
  }

  /** Control registers are the same everywhere in the region; an x87 exception becomes pending only where `set` says so. */
  override hasPassed(test: "xmm" | "x87"): boolean {
    if (test === "x87" && !this.stackKnown) return false;
    const known = this.passed.has(test);
    this.passed.add(test);
    return known;
  }

  override carry(): Expression { return this.condition(CARRY); }

  override condition(code: ConditionCode): Expression {
    return (this.pending && conditionOf(this, this.pending, code)) ?? super.condition(code);
  }

  // --- control inside the instruction

  override when(condition: Expression, then: () => void, otherwise?: () => void): void {
    if (isConstant(condition)) {
      super.when(condition, then, otherwise);
      return;
    }
    const { fn } = this;
    // What a branch moves would be missing on the other way.
    this.detachAll();
    if (otherwise) this.settleFlags();
    const before = this.pending;
    fn.openIf(condition);
    then();
    if (otherwise) {
      this.settleFlags();
      fn.otherwise();
      this.pending = null;
      otherwise();
      this.settleFlags();
    } else if (this.pending !== before) {
      this.settleFlags();
      fn.otherwise();
      this.pending = before;
      this.settleFlags();
    }
    fn.close();
  }

  override rarely(condition: Expression, then: () => void): void {
    if (this.exitsOften) this.when(condition, then);
    else this.sideExitIf(condition);
  }

  override loop(body: () => Expression): void {
    const { fn } = this;
    this.detachAll();
    this.settleFlags();
    const label = fn.open(OP.loop);
    const again = fn.bind(body());
    this.settleFlags();
    this.detachAll();
    fn.branchIf(again, label);
    fn.close();
  }

  // --- memory

  /** The hidden part of a flat segment is known. */
  override segment(ref: SegmentRef, part: number): Expression {
    const number = ref === "operand" ? this.operandSegment : ref;
    if (this.flat && number < FS && part === SEG_BASE) return constant(0);
    if (this.flat && number < FS && part === SEG_LIMIT) return constant(-1);
    return this.fn.load(part === SEG_SELECTOR ? OP.load16u : OP.load32, this.context, number * SEGMENT_STRIDE + part);
  }

  override gtU(a: Expression, b: Expression): Expression {
    return isConstant(b) && b.value === -1 ? constant(0) : super.gtU(a, b);
  }

  protected override linear(ref: SegmentRef, offset: Expression, bytes: number, write: boolean): Expression {
    const { fn } = this;
    const number = ref === "operand" ? this.operandSegment : ref;
    const at = fn.bind(offset);
    this.isOperand = ref === "operand";
    this.isStack = ref === SS;
    this.page = this.isOperand ? this.operandPage : null;
    if (this.flat && number !== FS && number !== GS && !(number === CS && write)) return at;
    const field = (part: number) => fn.load(OP.load32, this.context, number * SEGMENT_STRIDE + part);
    const limit = field(SEG_LIMIT);
    let bad = this.or(this.eqz(this.and(field(SEG_FAST), constant(write ? SEG_FAST_WRITE : SEG_FAST_READ))), this.gtU(at, limit));
    if (bytes > 1) bad = this.or(bad, this.ltU(this.sub(limit, at), constant(bytes - 1)));
    this.sideExitIf(bad);
    return fn.bind(this.add(field(SEG_BASE), at));
  }

  // --- operands

  effectiveAddress(): Expression {
    const d = this.decoded;
    let sum = d.base < 0 ? constant(0) : this.reference(d.base);
    if (d.index >= 0) {
      const scaled = this.shl(this.reference(d.index), constant(d.scale));
      sum = d.base < 0 ? scaled : this.add(sum, scaled);
    }
    return this.fn.bind(this.zeroExtend(this.add(sum, constant(d.displacement)), d.addressSize));
  }

  // --- the whole function

  /** Where the code that `finish` was given lies in what it returned. */
  bodyAt = 0;

  /** Wraps the code emitted so far: loads the state before it, and behind it stubs and the one place where the state is stored. */
  finish(prologue: () => void, epilogue: (link: Expression, distance: Expression, again: number) => void, mayRepeat: boolean): ByteWriter {
    const { fn } = this;
    const body = fn.code;
    const out = new ByteWriter(body.length + 512);
    fn.code = out;
    const again = fn.open(mayRepeat ? OP.loop : OP.block);
    const used = this.usedRegisters | this.dirtyRegisters;
    prologue();
    for (let register = 0; register < 8; register++) {
      if (used & (1 << register)) this.loadState(this.gprs[register], GPR_BASE + register * 4);
    }
    this.loadXmm();
    this.loadStack();
    this.forgetPages();
    for (const { field, local, used } of this.control) if (used) fn.assign(local, fn.load(OP.load32, this.context, field.offset));
    this.loadState(this.flagResult, FLAG_RESULT.offset);
    this.loadState(this.flagCarries, FLAG_CARRIES.offset);
    for (let i = 0; i <= this.stubs.length + 1; i++) {
      out.byte(OP.block);
      out.byte(I64);
    }
    const before = out.length;
    out.append(body);
    out.byte(OP.unreachable);
    out.byte(OP.end);
    for (let i = 0; i < this.stubs.length; i++) {
      out.byte(OP.br);
      out.unsigned(this.stubs.length - i);
      out.byte(OP.end);
      out.append(this.stubs[i]);
    }
    out.byte(OP.end);
    const exit = fn.bindStack(I64);
    const word = fn.bind(this.wrap(exit));
    const store = (address: number, value: Expression) => fn.store(OP.store32, constant(address), 0, value);
    for (let register = 0; register < 8; register++) {
      if (this.dirtyRegisters & (1 << register)) store(GPR_BASE + register * 4, this.gprs[register]);
    }
    this.storeXmm();
    this.storeRegisters();
    if (this.flagsChanged) {
      store(FLAG_RESULT.offset, this.flagResult);
      store(FLAG_CARRIES.offset, this.flagCarries);
    }
    const distance = fn.bind(this.wrap(this.shrS64(exit, this.imm64(16n))));
    const field = (from: number, to: number) => this.and(this.shrU(word, constant(from)), constant((1 << (to - from)) - 1));
    store(EIP.offset, this.add(this.base, distance));
    store(BUDGET.offset, this.add(this.budget, field(EXIT_NOT_RUN, EXIT_LINK)));
    epilogue(field(EXIT_LINK, 16), distance, again);
    fn.return(this.and(word, constant(1)));
    fn.close();
    fn.code.byte(OP.unreachable);
    const finished = fn.finish();
    this.bodyAt = finished.length - 1 - out.length + before;
    return finished;
  }

  private loadState(local: Expression, address: number): void {
    this.fn.assign(local, this.fn.load(OP.load32, constant(address), 0));
  }
}
