// The run loop of one logical processor: the file everyone looks for.
//
// `run` executes until the budget of instructions is used up, the processor stops, or (with a monitor attached) it leaves
// towards ring 0. Generated code runs whole blocks; what must be looked at between instructions (interrupts, traps,
// shadows, faults, the exact end of the budget) is decided here. Single step is `run(1)`.

import type { HelperName } from "../isa/builder.ts";
import { createDecoder, type Decoder } from "../isa/decoder.ts";
import { H_CODE_BYTES, H_COUNT, H_HEAT, HANDLER_BREAK, HANDLER_UNDEFINED, R_HANDLER, R_LENGTH, R_OFFSET, R_REMAINING, RECORD_BYTES } from "../isa/record-layout.ts";
import type { Row } from "../isa/row.ts";
import { EMITTED_ROWS } from "../isa/translation.ts";
import { ACTIVITY, BUDGET, CS, EFLAGS_RF, EIP_BASE, FAULT, FAULT_ERROR, FAULT_HAS_ERROR, MODE_FLAT, MODE_SINGLE, PROBED, PROBED_COUNTED, PROBED_SEEN, RECORD, SHADOW, SUSPENDED, WINDOW } from "../isa/state-layout.ts";
import { BranchWatch, watchesBranches } from "./branch-records.ts";
import { BlockCache, FETCH_FAULT, type TranslatedCode } from "./block-cache.ts";
import type { Cpu } from "./cpu.ts";
import { FAULT_NEEDS_LIMITS } from "./exit.ts";
import {
  Interpreter, type InterpreterAreas, LEAVE_BUDGET, LEAVE_EXITS_OFTEN, LEAVE_FAULT, LEAVE_HOT, LEAVE_LINK, LEAVE_LOOKUP, LEAVE_ATTENTION,
  LEAVE_SIDE_EXIT, LEAVE_SUSPENDED,
} from "./interpreter.ts";
import { KnownCode } from "./known-code.ts";
import { load, load128, load64, needsLimits, probeWrite, store, store128, store64, type Width } from "./linear-memory.ts";
import { offeredRows } from "./models.ts";
import { DB, NMI } from "./processor.ts";
import { segmentCheck } from "./segmentation.ts";
import { UndefinedNotice } from "./undefined-notice.ts";

/** "exception": see `stopAtException`; "breakpoint": see `watch` and `breakAfter`; "stalled": see STALL. */
export type StopReason = "budget" | "break" | "halted" | "shutdown" | "exit" | "exception" | "breakpoint" | "stalled";

/** What the board wires to the processor's pins. */
export interface InterruptPins {
  /** Acknowledges the highest request: its vector. */
  acknowledge(): number;
}

/** Sees every execution of a sensitive instruction (row index); RECORD is the instruction. `after` only if it completed. */
export interface SensitiveProbe {
  before(row: number): void;
  after(row: number): void;
}

/** A debugger or a tracer that looks at single instructions. The guest has no way to see it: nothing in its memory or its registers changes. */
export interface InstructionWatch {
  /** Whether code of this linear page runs an instruction at a time. */
  covers(page: number): boolean;
  /** Before the instruction at `linear`, once more where it is resumed. True: `run` returns "breakpoint" in its place. */
  before(linear: number): boolean;
}

/** What the run loop asks of the translator (src/jit). */
export interface Translator extends TranslatedCode {
  /** The block at `record`, which begins at `linear`, has been entered as often as its heat said. */
  hot(record: number, linear: number, mode: number): void;
  /** Regions left so often for the instruction at `linear` that they should be made in another way. */
  exitsOften(linear: number, mode: number): void;
  /** Between two blocks: translates what waits, when it is time for it. */
  work(): void;
  /** A watch looks at single instructions: nothing is translated, and what is, is forgotten. */
  rest(resting: boolean): void;
}

/** Taken from BUDGET by `requestBreak`: far below any real budget, so that the next block entry leaves. */
const BREAK_BIAS = 0x4000_0000;
/**
 * A handler whose first instruction faults into itself never retires one, and a repetition may go over gigabytes: after so many
 * events or pieces without an instruction that retires, `run` returns for others to look around.
 */
export const STALL = 1000;
/** An instruction that retires makes up for so many: a guest that faults hundreds of times for each does not come forward either. */
export const TURNS_OF_INSTRUCTION = 4;
/** A piece of a repetition is thousands of elements. */
const PIECE_TURNS = 16;
/** Of one `run`, that are not looked at. */
const FREE_TURNS = 8;
/** ACTIVITY: the delivery of an exception has failed three times over. */
const SHUT_DOWN = 2;

/** Helpers after which an interrupt that is pending already may become deliverable, or single-stepping may begin. */
const OPENS_WINDOW: readonly HelperName[] = [
  "popFlags", "interruptReturn", "setInterruptFlag", "popGuestFlags", "setGuestInterruptFlag", "sysexit", "farJump", "farCall", "farReturn", "softwareInterrupt", "writeDebug",
];

export interface CoreAreas extends InterpreterAreas {
  readonly codeCacheBegin: number;
  readonly codeCacheEnd: number;
}

export class Core {
  readonly cpu: Cpu;
  readonly interpreter: Interpreter;
  readonly blocks: BlockCache;
  readonly decoder: Decoder;
  private readonly branchWatch: BranchWatch;
  private readonly undefinedNotice: UndefinedNotice;
  private sensitiveProbe: SensitiveProbe | null = null;
  private readonly pins: InterruptPins;
  private readonly known: KnownCode;
  private biased = false;
  /** Budget at the start of `run`, and instructions retired before it. */
  private started = 0;
  private retiredBefore = 0;
  /** Budget kept back while one instruction runs alone. */
  private reserve = 0;
  private running = false;
  private stopRequested = false;
  nmiPending = false;
  /** The INTR pin. */
  private intr = false;
  /** `run` ends early, as if its budget were used up, where this holds after a transfer that may change the privilege. */
  leaveWhen: (() => boolean) | null = null;
  /** The monitor steps one instruction of the guest: an interrupt waits until the guest runs by itself again. */
  holdInterrupts = false;
  /** Off: `run` may return "budget" when the rest of it is shorter than the next block. */
  exactBudget = true;
  private watch: InstructionWatch | null = null;
  private breakPending = false;
  private stall = { retired: -1, turns: 0 };
  private translator: Translator | null = null;
  /** The record whose handler is HANDLER_BREAK for the moment, and its own handler. */
  private breakRecord = 0;
  private brokenHandler = 0;

  constructor(cpu: Cpu, rows: readonly Row[], areas: CoreAreas, pins: InterruptPins, helpers: Readonly<Record<HelperName, (...args: number[]) => number>>) {
    this.cpu = cpu;
    this.pins = pins;
    this.known = new KnownCode(cpu, areas.jumpCache);
    const decoder = createDecoder(offeredRows(rows, cpu.model));
    this.decoder = decoder;
    this.undefinedNotice = new UndefinedNotice(cpu, decoder);
    this.branchWatch = new BranchWatch(decoder);
    const wrapped: Record<string, (...args: number[]) => number> = { ...helpers };
    for (const name of OPENS_WINDOW) {
      const body = helpers[name];
      wrapped[name] = (a, b, c, d, e) => {
        const result = body(a!, b!, c!, d!, e!);
        if (this.intr || this.nmiPending || this.needsSingle() || cpu.nonRoot?.interruptWindowExiting || this.leaveWhen?.()) this.requestBreak();
        return result;
      };
    }
    this.interpreter = new Interpreter([...rows, ...EMITTED_ROWS], decoder, areas, {
      slowLoad: (linear, width) => (needsLimits(cpu, linear) ? 0 : load(cpu, linear, width as Width, cpu.user)),
      slowStore: (linear, width, value) => void (needsLimits(cpu, linear) || store(cpu, linear, width as Width, value, cpu.user)),
      slowLoadForWrite: (linear, width) => (!needsLimits(cpu, linear) && probeWrite(cpu, linear, width, cpu.user) ? load(cpu, linear, width as Width, cpu.user) : 0),
      slowProbe: (linear, bytes) => void (needsLimits(cpu, linear + bytes - 1) || probeWrite(cpu, linear, bytes, cpu.user)),
      slowLoad64: (linear) => void (needsLimits(cpu, linear) || load64(cpu, linear, cpu.user)),
      slowStore64: (linear, low, high) => void (needsLimits(cpu, linear) || store64(cpu, linear, low, high, cpu.user)),
      slowLoad128: (linear) => void (needsLimits(cpu, linear) || load128(cpu, linear, cpu.user)),
      slowStore128: (linear) => void (needsLimits(cpu, linear) || store128(cpu, linear, cpu.user)),
      segmentCheck: (segment, offset, bytesAndWrite) => void segmentCheck(cpu, segment, offset >>> 0, bytesAndWrite & 0xffff, (bytesAndWrite & 0x1_0000) !== 0),
      probeBefore: (row) => this.sensitiveProbe?.before(row),
      probeAfter: (row) => this.sensitiveProbe?.after(row),
      helpers: wrapped as Record<HelperName, (...args: number[]) => number>,
    });
    this.blocks = new BlockCache(cpu, decoder, this.interpreter, areas.codeCacheBegin, areas.codeCacheEnd, () => this.known.forget());
  }

  /** The last fault that was (or, with `deliverExceptions` off, would have been) delivered since `run` began. */
  get exception(): { readonly vector: number; readonly errorCode: number | null } | null {
    return this.faultVector < 0 ? null : { vector: this.faultVector, errorCode: this.faultHasError ? this.faultError : null };
  }
  private faultVector = -1;
  private faultHasError = false;
  private faultError = 0;
  /** Off: `run` returns "exception" in place of delivering one, with EIP as its handler would have found it on the stack. */
  deliverExceptions = true;
  /** `run` returns "exception" as soon as one has been delivered, before the handler's first instruction. */
  stopAtException = false;
  private atException = false;

  get probe(): SensitiveProbe | null {
    return this.sensitiveProbe;
  }

  /** The probe is told of every execution, unless it clears PROBED. */
  set probe(probe: SensitiveProbe | null) {
    this.sensitiveProbe = probe;
    this.cpu.state.write(PROBED, probe === null ? PROBED_COUNTED : PROBED_SEEN);
  }

  get interruptRequested(): boolean {
    return this.intr;
  }

  /** Level of the INTR pin. */
  setIntr(level: boolean): void {
    this.intr = level;
    this.noteWindow();
    if (level) this.requestBreak();
  }

  /** For those who may let an interrupt in. */
  private noteWindow(): void {
    const { cpu } = this;
    cpu.state.write(WINDOW, this.intr || this.nmiPending || this.leaveWhen !== null || cpu.nonRoot !== null ? 1 : 0);
  }

  /** An edge on the NMI pin. */
  raiseNmi(): void {
    this.nmiPending = true;
    this.noteWindow();
    this.requestBreak();
  }

  /** `run` returns "break" at the next instruction boundary. */
  stop(): void {
    this.stopRequested = true;
    this.requestBreak();
  }

  /** Sets the watch, or takes it away. Also to be called when what it covers has changed. */
  setWatch(watch: InstructionWatch | null): void {
    this.watch = watch;
    this.translator?.rest(watch !== null);
    this.known.forget();
    this.requestBreak();
  }

  /** For the watch: `run` returns "breakpoint" after the instruction that runs, if its page is covered. */
  breakAfter(): void {
    this.breakPending = true;
    this.requestBreak();
  }

  /** Instructions retired so far, exact also in the middle of a block. */
  retired(): number {
    return this.retiredBefore + (this.running ? this.started - this.remaining() : 0);
  }

  /** The areas must have been made with `translate`. */
  attachTranslator(translator: Translator): void {
    this.translator = translator;
    this.blocks.translated = translator;
  }

  /** From a snapshot, between two runs. */
  restoreRetired(count: number): void {
    this.retiredBefore = count;
    this.stall = { retired: count, turns: 0 };
  }

  /** Leaves generated code behind the present instruction: at the next record of its block, or at the next block. */
  requestBreak(): void {
    if (!this.running || this.biased) return;
    const { state } = this.cpu;
    this.biased = true;
    state.write(BUDGET, state.read(BUDGET) - BREAK_BIAS);
    const record = state.read(RECORD);
    if (record === 0 || state.u8[record + R_REMAINING]! < 2) return;
    this.breakRecord = record + RECORD_BYTES;
    this.brokenHandler = state.view.getUint16(this.breakRecord + R_HANDLER, true);
    state.view.setUint16(this.breakRecord + R_HANDLER, HANDLER_BREAK, true);
  }

  private remaining(): number {
    const { state } = this.cpu;
    const record = state.read(RECORD);
    return this.reserve + state.read(BUDGET) + (this.biased ? BREAK_BIAS : 0) + (record !== 0 ? state.u8[record + R_REMAINING]! : 0);
  }

  private unbias(): void {
    if (!this.biased) return;
    this.biased = false;
    const { state } = this.cpu;
    state.write(BUDGET, state.read(BUDGET) + BREAK_BIAS);
    if (this.breakRecord === 0) return;
    // Unless the code has changed in the meantime.
    if (state.view.getUint16(this.breakRecord + R_HANDLER, true) === HANDLER_BREAK) state.view.setUint16(this.breakRecord + R_HANDLER, this.brokenHandler, true);
    this.breakRecord = 0;
  }

  /** Runs at most `budget` instructions (less than BREAK_BIAS) of the active context. `cpu.exit` says more after "exit". */
  run(budget: number): StopReason {
    const { state } = this.cpu;
    this.started = budget;
    state.write(BUDGET, budget);
    state.write(RECORD, 0);
    this.biased = false;
    this.faultVector = -1;
    this.atException = false;
    this.running = true;
    try {
      // The monitor's step: nothing is to be asked before its one instruction.
      if (budget === 1 && this.holdInterrupts && this.watch === null && !this.stopRequested && this.stepsWhole()) return "budget";
      return this.loop();
    } finally {
      this.unbias();
      this.retiredBefore += this.started - state.read(BUDGET);
      // Generated code loads segment registers itself where no monitor is attached.
      if (!this.cpu.hostAttached) this.cpu.context.overwritten();
      this.running = false;
      if (!this.holdInterrupts) this.stopRequested = false;
    }
  }

  /** Runs one instruction; true: that was all, and nothing has come of it that is to be looked at. */
  private stepsWhole(): boolean {
    this.stepOne();
    const { cpu } = this;
    return cpu.touched === null && !cpu.exit.pending && !this.atException && cpu.state.read(BUDGET) <= 0 && cpu.context.get(ACTIVITY) === 0 && !this.stopRequested;
  }

  /** `stop` was called and `run` has not answered it yet. */
  get stopping(): boolean {
    return this.stopRequested;
  }

  /** Answers a `stop` that came while the monitor was stepping. */
  takeStop(): boolean {
    const stopping = this.stopRequested;
    this.stopRequested = false;
    return stopping;
  }

  private loop(): StopReason {
    const { cpu } = this;
    const { state } = cpu;
    for (let turn = 0; ; turn++) {
      this.unbias();
      if (cpu.touched !== null) this.goOnTouching();
      if (cpu.exit.pending) return "exit";
      if (this.atException && cpu.context.get(ACTIVITY) !== SHUT_DOWN) return "exception";
      if (this.breakPending && !this.holdInterrupts) {
        this.breakPending = false;
        return "breakpoint";
      }
      if (cpu.context.get(SHADOW) === 0 && this.takeInterrupt()) {
        // It may be there again at once.
        if (turn > FREE_TURNS && this.stalls()) return "stalled";
        continue;
      }
      this.noteWindow();
      const activity = cpu.context.get(ACTIVITY);
      if (activity !== 0) return activity === 1 ? "halted" : "shutdown";
      if (this.stopRequested) return "break";
      if (state.read(BUDGET) <= 0 || this.leaveWhen?.()) return "budget";
      if (turn > FREE_TURNS && this.stalls()) return "stalled";
      const watched = this.isWatched();
      if (watched && this.watch?.before(this.linearEip()) === true) {
        if (!this.holdInterrupts) return "breakpoint";
        this.breakPending = true; // the monitor's step comes first
      }
      if (watched || cpu.context.get(SHADOW) !== 0 || this.started === 1 || this.needsSingle() || this.limitsWanted) this.stepOne();
      else if (!this.runBlocks()) return "budget";
    }
  }

  private stalls(): boolean {
    const { stall } = this, retired = this.retired(), inRepetition = this.cpu.state.read(SUSPENDED) !== 0;
    // The monitor's step ends with the instruction's fault; a repetition may be left and stepped again.
    if (this.holdInterrupts && !inRepetition) return false;
    const ran = retired - stall.retired;
    if (inRepetition) stall.turns = ran === 0 ? stall.turns + PIECE_TURNS : 0;
    else stall.turns = Math.max(0, stall.turns + 1 - ran * TURNS_OF_INSTRUCTION);
    stall.retired = retired;
    if (stall.turns < STALL) return false;
    stall.turns = 0;
    return true;
  }

  private deliver(): void {
    const { state } = this.cpu;
    const needsLimits = state.read(FAULT) === FAULT_NEEDS_LIMITS;
    if (this.cpu.exit.pending || this.cpu.touched !== null || needsLimits) {
      this.limitsWanted = needsLimits;
      state.write(FAULT, 0);
      return;
    }
    this.note(state.read(FAULT) - 1, state.read(FAULT_HAS_ERROR) !== 0, state.read(FAULT_ERROR));
    if (this.deliverExceptions) this.cpu.deliverFault();
    else state.write(FAULT, 0);
  }

  /** The instruction at EIP was left to tell of an access that it makes: it is told of, and runs. */
  private goOnTouching(): void {
    const { cpu } = this;
    const { touched } = cpu;
    cpu.touched = null;
    cpu.touchWatch?.note(touched!);
    cpu.touchTold = true;
    this.stepOne();
    cpu.touchTold = false;
    this.unbias();
  }

  /** The instruction at EIP reaches to where flat code does not look at limits: it is run alone, as code with limits. */
  private limitsWanted = false;

  private note(vector: number, hasError: boolean, error: number): void {
    this.faultVector = vector;
    this.faultHasError = hasError;
    this.faultError = error;
    this.atException = this.stopAtException || !this.deliverExceptions;
  }

  /** #DB traps of the instruction that has retired. */
  private endInstruction(): void {
    if (this.cpu.afterInstruction(this.deliverExceptions)) this.note(DB, false, 0);
  }

  private linearEip(): number {
    return (this.cpu.context.segmentBase(CS) + this.cpu.state.eip) >>> 0;
  }

  /** The watch wants each instruction at EIP by itself. Links join code of one page only, so that no other page leads into it unseen. */
  private isWatched(): boolean {
    return this.watch?.covers(this.linearEip() >>> 12) ?? false;
  }

  /** TF, instruction breakpoints, and RF, which the next instruction clears. */
  private needsSingle(): boolean {
    const { context } = this.cpu;
    return (context.mode & MODE_SINGLE) !== 0 || (context.systemFlags & EFLAGS_RF) !== 0;
  }

  private takeInterrupt(): boolean {
    const { cpu } = this;
    if (cpu.nonRoot !== null && !this.holdInterrupts && cpu.exitBetweenInstructions(this.intr, this.nmiPending)) {
      if (cpu.exit.vector === NMI) this.nmiPending = false;
      return true;
    }
    if (this.nmiPending && !this.holdInterrupts && cpu.nmiDeliverable()) {
      this.nmiPending = false;
      cpu.deliverNmi();
      return true;
    }
    if (this.intr && !this.holdInterrupts && cpu.interruptible()) {
      if (cpu.hostAttached && cpu.context.isHardware) cpu.exitForInterrupt();
      else cpu.deliverInterrupt(this.pins.acknowledge());
      return true;
    }
    return false;
  }

  /** One instruction with everything that is looked at around it. */
  private stepOne(): void {
    const { cpu } = this;
    const { state, context } = cpu;
    // The shadow of MOV SS covers breakpoints on this instruction, too.
    const mayRun = cpu.beforeInstruction((context.segmentBase(CS) + state.eip) | 0);
    context.set(SHADOW, 0);
    if (!mayRun) {
      this.deliver();
      return;
    }
    this.reserve = state.read(BUDGET) - 1;
    state.write(BUDGET, 1);
    let retired = this.enterAlone();
    if (this.limitsWanted) retired = this.enterAlone();
    this.unbias();
    state.write(BUDGET, this.reserve + state.read(BUDGET));
    this.reserve = 0;
    // A repetition that paused has done an element: TF traps after each.
    if (retired || state.read(SUSPENDED) !== 0) this.endInstruction();
  }

  /** The instruction at EIP; true if it retired. */
  private enterAlone(): boolean {
    const { cpu } = this;
    cpu.mindsLimits = this.limitsWanted;
    this.limitsWanted = false;
    const record = this.recordAt(MODE_SINGLE);
    let retired = false;
    if (record === FETCH_FAULT) {
      this.deliver();
    } else {
      const branches = watchesBranches(cpu);
      if (branches) this.branchWatch.before(cpu, cpu.state.u8[record + R_LENGTH]!);
      retired = this.enter(record);
      if (branches && retired) this.branchWatch.after(cpu);
    }
    cpu.mindsLimits = false;
    return retired;
  }

  /** Blocks until something needs a look, or the budget is shorter than the next block. False: the rest of the budget may be left unused. */
  private runBlocks(): boolean {
    const { state } = this.cpu;
    this.translator?.work();
    const record = this.recordAt(0);
    if (record === FETCH_FAULT) {
      this.deliver();
      return true;
    }
    const budget = state.read(BUDGET);
    if (state.view.getUint16(record + H_COUNT, true) > budget) {
      if (!this.exactBudget && budget < this.started) return false;
      this.stepOne();
      return true;
    }
    this.enter(record);
    if (this.cpu.pendingDebug !== 0) this.endInstruction();
    return true;
  }

  /** Finds code at EIP and notes it in the jump cache. */
  private recordAt(single: number): number {
    const { cpu } = this;
    const { state, context } = cpu;
    const mode = (context.mode & (cpu.mindsLimits ? ~MODE_FLAT : -1)) | single;
    const eip = state.eip;
    const linear = (context.segmentBase(CS) + eip) | 0;
    let record = this.known.find(linear, eip, mode);
    if (record === FETCH_FAULT) {
      record = this.blocks.find(eip, mode);
      if (record === FETCH_FAULT) return FETCH_FAULT;
      if (this.blocks.isKept(record) && (linear & 0xfff) + state.view.getUint16(record + H_CODE_BYTES, true) <= 0x1000) {
        this.known.keep(linear, mode, record);
        if (single === 0) this.known.keepJump(linear, mode, record);
      }
    } else if (single === 0) {
      this.known.keepJump(linear, mode, record);
    }
    state.write(EIP_BASE, (eip - (linear & 0xfff)) | 0);
    return record;
  }

  /** Runs generated code from `record`; true if the last thing it did was to retire an instruction. */
  private enter(first: number): boolean {
    const { cpu } = this;
    const { state } = cpu;
    let record = this.begin(first, false);
    state.write(SUSPENDED, 0);
    for (;;) {
      const leave = this.interpreter.run(cpu.context.base, record);
      const at = state.read(RECORD);
      switch (leave) {
        case LEAVE_FAULT:
          this.giveBack(at);
          state.eip = state.read(EIP_BASE) + state.view.getUint16(at + R_OFFSET, true);
          if (state.view.getUint16(at + R_HANDLER, true) === HANDLER_UNDEFINED) this.undefinedNotice.look();
          this.deliver();
          return false;
        case LEAVE_SUSPENDED:
          this.giveBack(at);
          state.write(SUSPENDED, 1);
          state.eip = state.read(EIP_BASE) + state.view.getUint16(at + R_OFFSET, true);
          return false;
        case LEAVE_BUDGET:
        case LEAVE_ATTENTION:
          state.write(RECORD, 0);
          return true;
        case LEAVE_LINK: case LEAVE_LOOKUP: case LEAVE_SIDE_EXIT: case LEAVE_HOT: case LEAVE_EXITS_OFTEN: {
          state.write(RECORD, 0);
          const shadowed = cpu.context.get(SHADOW) !== 0;
          const single = cpu.context.get(ACTIVITY) !== 0 || this.biased || this.needsSingle() || this.isWatched();
          if (single || state.read(BUDGET) <= 0) return true;
          this.translator?.work();
          const { generation } = this.blocks;
          const found = this.recordAt(0);
          if (found === FETCH_FAULT) {
            this.deliver();
            return true;
          }
          const count = state.view.getUint16(found - 8, true);
          if (count > state.read(BUDGET)) return true;
          if (leave === LEAVE_LINK && generation === this.blocks.generation && cpu.context.mode & MODE_FLAT && this.blocks.isKept(found)) this.blocks.link(at, found);
          if (leave === LEAVE_HOT) this.translator?.hot(found, (cpu.context.segmentBase(CS) + state.eip) | 0, cpu.context.mode);
          if (leave === LEAVE_EXITS_OFTEN) this.translator?.exitsOften((cpu.context.segmentBase(CS) + state.eip) | 0, cpu.context.mode);
          // The shadow covers the first instruction of the block, if it is interpreted.
          if (shadowed) cpu.context.set(SHADOW, 0);
          record = this.begin(found, shadowed || leave === LEAVE_SIDE_EXIT || leave === LEAVE_EXITS_OFTEN);
          break;
        }
        default:
          throw new Error(`interpreter left with ${leave}`);
      }
    }
  }

  /** What `run` is called with: 0 for the region that begins at the block, or the record; then its instructions are taken from the budget. */
  private begin(record: number, behindSideExit: boolean): number {
    const { state } = this.cpu;
    if (!behindSideExit && state.view.getInt32(record + H_HEAT, true) < 0) return 0;
    state.write(BUDGET, state.read(BUDGET) - state.view.getUint16(record + H_COUNT, true));
    return record;
  }

  /** The instruction at `record` and what follows it in its block did not retire. */
  private giveBack(record: number): void {
    const { state } = this.cpu;
    state.write(BUDGET, state.read(BUDGET) + state.u8[record + R_REMAINING]!);
    state.write(RECORD, 0);
  }
}
