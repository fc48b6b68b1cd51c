// Which code is translated together: a hot loop or function with the functions that it calls directly.
//
// Code is followed from a hot place on through branches whose targets have been executed before. A direct call goes on into the
// function, copied for this call, and its RET back behind the call if that is where the stack says (a guarded return). What the
// translator leaves to the interpreter ends a basic block; behind it, and behind calls that are not followed, the region may be
// entered again.

import type { Decoded } from "../isa/decoded.ts";
import type { Row, Semantics } from "../isa/row.ts";
import { resolveOperand } from "../isa/operand-location.ts";
import { mov } from "../isa/semantics/data-transfer.ts";
import { cli, popf, pushf, sti } from "../isa/semantics/flag-control.ts";
import { moveToSegment, popSegment, pushSegment } from "../isa/semantics/segment-register.ts";
import { maskMove } from "../isa/semantics/sse-move.ts";
import { movs, stos } from "../isa/semantics/string.ts";
import { rdtsc, sysenter, sysexit, verw } from "../isa/semantics/system.ts";
import { fxrstor, fxsave } from "../isa/semantics/x87-fast-save.ts";
import { FS, MODE_CODE32, MODE_FLAT, MODE_HARDWARE, MODE_PROTECTED, MODE_STACK32 } from "../isa/state-layout.ts";
import { isConditionalBranch } from "../cpu/forms.ts";
import type { Effect, FlagUse } from "./effect.ts";

const PAGE = 4096;
/** Instructions of a region that follows calls, of one that does not, with the functions that it calls, and of one such function. */
const MAX_INSTRUCTIONS = 1000, MAX_ALONE = 200;
const MAX_WITH_CALLEES = 400, MAX_CALLEE = 100;
const MAX_DEPTH = 3;

type Kind = "plain" | "conditional" | "jump" | "call" | "return" | "indirect" | "indirectCall" | "transfer" | "leave";

export interface Instruction {
  /** Distance from the start of the page where the region begins, as linear addresses. */
  readonly at: number;
  readonly row: Row | null;
  readonly decoded: Decoded;
  readonly kind: Kind;
  readonly flags: FlagUse;
  /** Null: left to the interpreter. */
  readonly effect: Effect | null;
  /** Its bytes lie in two pages. */
  readonly crosses: boolean;
  /** Translated before, it left again and again. */
  readonly exitsOften: boolean;
}

/** Where control goes on: a basic block of the region, or a place outside. */
export interface Edge {
  readonly at: number;
  readonly block: BasicBlock | null;
}

export interface BasicBlock {
  readonly number: number;
  readonly at: number;
  /** All but the last are plain. */
  readonly instructions: readonly Instruction[];
  /** Behind the last instruction, where it is not a jump; the place to return to, behind a call that is followed. */
  next: Edge | null;
  /** Target of a branch, jump or followed call, or of a guarded return. */
  taken: Edge | null;
  /** Places where a return, or an indirect jump or call, has been seen to go. */
  readonly targets: Edge[];
  /** Places of the calls that lead here inside the region, the last one first. */
  readonly callers: readonly number[];
  predecessors: number;
  /** Numbers of the pages that its bytes lie in, relative to the region's first. */
  readonly pages: readonly number[];
}

export interface Region {
  readonly blocks: readonly BasicBlock[];
  /** Blocks that may be entered from outside; the first is where the region was asked for. */
  readonly entries: readonly BasicBlock[];
  /** Places of all blocks but those of called functions. */
  readonly own: readonly number[];
  readonly instructions: number;
  /** There are calls or computed transfers that were not followed, or code beyond the limit. */
  readonly couldFollow: boolean;
  /** It uses the x87 stack, in ways that can be made for a known one. */
  readonly isForStack: boolean;
  /** Bytes [from, to) relative to the region's first page. */
  readonly bytes: readonly { readonly from: number; readonly to: number }[];
}

/** What is known of the guest's code. */
export interface CodeSource {
  /** MODE_* of the code. */
  readonly mode: number;
  /** Decodes at the distance; null where the bytes cannot be had without a page walk, or are no instruction. */
  decode(at: number): { readonly decoded: Decoded; readonly crosses: boolean; readonly effect: Effect | null } | null;
  /** The instruction there made many side exits. */
  exitsOften(at: number): boolean;
  /** The place has been executed as the start of a block. */
  isKnown(at: number): boolean;
  /** Another region is entered there. */
  isEntered(at: number): boolean;
  /** Where the return or indirect transfer there has gone to, when it was reached by these calls. */
  targets(at: number, callers: readonly number[]): readonly number[];
}

/** These save, load or set up the stack as a whole, or move it by what they compute. */
const WHOLE_STACK: ReadonlySet<string> = new Set(["FNINIT", "FNSAVE", "FRSTOR", "FLDENV", "FNSTENV", "FXSAVE", "FXRSTOR", "EMMS", "FBLD", "FBSTP", "FPREM", "FPREM1", "FSCALE", "FXTRACT"]);

/** MMX registers are the x87 stack, too. */
function isForStack(blocks: readonly BasicBlock[]): boolean {
  let uses = false;
  for (const { kind, row, decoded } of blocks.flatMap(({ instructions }) => instructions)) {
    if (kind === "leave" || row === null) continue;
    if (WHOLE_STACK.has(row.mnemonic) || row.operands.some((code) => resolveOperand(code, decoded).kind === "mm")) return false;
    if (row.mnemonic.startsWith("F")) uses = true;
  }
  return uses;
}

/** The region's copy of one function. */
interface Frame {
  readonly caller: Frame | null;
  readonly returnAt: number;
  readonly depth: number;
  readonly start: number;
  readonly instructions: Map<number, Instruction>;
  readonly leaders: Set<number>;
  /** By the place of the call. */
  readonly callees: Map<number, Frame>;
  readonly callers: readonly number[];
  /** By the place of a return or indirect transfer: where it goes. */
  readonly learned: Map<number, { readonly frame: Frame; readonly at: number }[]>;
  readonly blocks: Map<number, BasicBlock>;
}

/**
 * The region that begins at distance `start` in its page; null if its first instruction is left to the interpreter.
 * `follows`: calls and computed transfers are followed.
 */
export function findRegion(source: CodeSource, start: number, follows: boolean): Region | null {
  return new RegionFinder(source, follows).find(start);
}

class RegionFinder {
  private readonly source: CodeSource;
  private readonly follows: boolean;
  private readonly limit: number;
  private couldFollow = false;
  private total = 0;
  private readonly blocks: BasicBlock[] = [];
  private readonly reentries = new Set<number>();
  private root!: Frame;
  /** Returns to these end calls of the root function by itself. */
  private readonly recursions: { readonly frame: Frame; readonly at: number }[] = [];

  constructor(source: CodeSource, follows: boolean) {
    this.source = source;
    this.follows = follows;
    this.limit = follows ? MAX_INSTRUCTIONS : MAX_ALONE;
  }

  find(start: number): Region | null {
    const root = this.root = frame(null, 0, start, []);
    this.explore(root, this.limit);
    const first = root.instructions.get(start);
    if (!first || first.kind === "leave" || first.crosses) return null;
    this.cut(root);
    this.connect(root);
    const entries = [root.blocks.get(start)!];
    for (const at of this.reentries) {
      const block = root.blocks.get(at);
      if (block && at !== start && canEnter(block)) entries.push(block);
    }
    // What begins in the midst of a function that is one region now is entered here; but with an x87 stack that nobody knows.
    const forStack = isForStack(this.blocks);
    if (this.follows && !forStack) {
      for (const block of root.blocks.values()) if (this.source.isEntered(block.at) && !entries.includes(block) && canEnter(block)) entries.push(block);
    }
    // A loop is entered again after each side exit from it.
    for (const block of root.blocks.values()) {
      for (const edge of [block.taken, block.next]) {
        const header = edge?.block;
        if (header && header.at <= block.at && root.blocks.get(header.at) === header && !entries.includes(header) && canEnter(header)) entries.push(header);
      }
    }
    const bytes = this.blocks.flatMap((block) => block.instructions.map(({ at, decoded }) => ({ from: at, to: at + decoded.length })));
    return { blocks: this.blocks, entries, own: [...root.blocks.keys()], instructions: this.total, bytes, couldFollow: this.couldFollow, isForStack: forStack };
  }

  /** Follows the code of one function; false: it has more than `limit` instructions. */
  private explore(f: Frame, limit: number): boolean {
    const before = this.total;
    const waiting = [f.start];
    const calls: Instruction[] = [];
    const jumpTo = (instruction: Instruction) => {
      if (!this.follows) {
        this.couldFollow = true;
        return;
      }
      const places = this.source.targets(instruction.at, f.callers).filter((at) => f.instructions.has(at) || this.source.isKnown(at));
      waiting.push(...places);
      f.learned.set(instruction.at, places.map((at) => ({ frame: f, at })));
    };
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      f.leaders.add(place);
      let at = place;
      for (;;) {
        if (f.instructions.has(at)) {
          f.leaders.add(at);
          break;
        }
        if (this.total - before >= limit || this.total >= this.limit) {
          if (f.caller) return false;
          this.couldFollow = true;
          break;
        }
        const instruction = this.read(at);
        if (!instruction) break;
        if (instruction.crosses || (at & (PAGE - 1)) + instruction.decoded.length === PAGE) f.leaders.add(at + instruction.decoded.length);
        if (instruction.crosses) f.leaders.add(at);
        f.instructions.set(at, instruction);
        this.total++;
        const behind = at + instruction.decoded.length;
        const target = behind + instruction.decoded.immediate;
        switch (instruction.kind) {
          case "plain":
            at = behind;
            continue;
          case "conditional":
            if (f.instructions.has(target) || this.source.isKnown(target)) waiting.push(target);
            f.leaders.add(behind);
            at = behind;
            continue;
          case "jump":
            if (f.instructions.has(target) || this.source.isKnown(target)) waiting.push(target);
            break;
          case "call": case "indirectCall":
            calls.push(instruction);
            waiting.push(behind);
            if (!f.caller) this.reentries.add(behind);
            break;
          case "leave":
            // A called function that is left cannot be entered again in its middle.
            if (f.caller) break;
            if (this.source.isKnown(behind)) {
              waiting.push(behind);
              this.reentries.add(behind);
            }
            break;
          case "return":
            if (f.caller) calls.push(instruction);
            else jumpTo(instruction);
            break;
          case "indirect":
            jumpTo(instruction);
            break;
          case "transfer": break;
        }
        break;
      }
    }
    for (const call of calls) this.follow(f, call, limit - (this.total - before));
    return true;
  }

  private follow(f: Frame, call: Instruction, room: number): void {
    if (!this.follows) {
      this.couldFollow = true;
      return;
    }
    const behind = call.at + call.decoded.length;
    if (call.kind === "call") {
      const target = behind + call.decoded.immediate;
      if (target === this.root.start && this.root.instructions.has(target)) this.recursions.push({ frame: f, at: behind });
      else {
        const callee = this.enter(f, behind, target, call.at, room);
        if (callee) f.callees.set(call.at, callee);
      }
      return;
    }
    // A return to another place than behind the call is a jump to a function that returns in its stead (a retpoline).
    const caller = call.kind === "return" ? f.caller!.caller : f;
    const returnAt = call.kind === "return" ? f.caller!.returnAt : behind;
    if (caller === null) return;
    const learned: { frame: Frame; at: number }[] = [];
    for (const target of this.source.targets(call.at, f.callers)) {
      if (call.kind === "return" && target === f.returnAt) continue;
      if (call.kind === "indirectCall" && target === this.root.start) {
        this.recursions.push({ frame: f, at: behind });
        learned.push({ frame: this.root, at: target });
        continue;
      }
      const callee = this.enter(caller, returnAt, target, call.at, room);
      if (callee) learned.push({ frame: callee, at: target });
    }
    f.learned.set(call.at, learned);
  }

  /** A copy of the function at `start`, called by `caller`; null where it is too large or not known. */
  private enter(caller: Frame, returnAt: number, start: number, callAt: number, room: number): Frame | null {
    if (caller.depth === MAX_DEPTH || !this.source.isKnown(start)) return null;
    for (let outer: Frame | null = caller; outer; outer = outer.caller) if (outer.start === start) return null;
    const callee = frame(caller, returnAt, start, [callAt, ...caller.callers].slice(0, MAX_DEPTH));
    const before = this.total;
    if (this.explore(callee, Math.min(MAX_CALLEE, room, MAX_WITH_CALLEES - before)) && callee.instructions.has(start)) return callee;
    this.total = before;
    return null;
  }

  private read(at: number): Instruction | null {
    const found = this.source.decode(at);
    if (!found) return null;
    const { decoded, crosses, effect } = found;
    return { at, row: decoded.row, decoded, kind: kindOf(decoded, effect, this.source.mode), flags: effect?.flags ?? "needed", effect, crosses, exitsOften: this.source.exitsOften(at) };
  }

  /** Makes basic blocks of a function and of those that it calls. */
  private cut(f: Frame): void {
    for (const leader of f.leaders) {
      if (!f.instructions.has(leader)) continue;
      const instructions: Instruction[] = [];
      let at = leader;
      for (;;) {
        const instruction = f.instructions.get(at);
        if (!instruction) break;
        instructions.push(instruction);
        at += instruction.decoded.length;
        if (instruction.kind !== "plain" || f.leaders.has(at)) break;
      }
      const firstPage = leader >> 12;
      const pages = instructions[0].crosses ? [firstPage, firstPage + 1] : [firstPage];
      const block: BasicBlock = { number: this.blocks.length, at: leader, instructions, next: null, taken: null, targets: [], callers: f.callers, predecessors: 0, pages };
      f.blocks.set(leader, block);
      this.blocks.push(block);
    }
    for (const callee of calledBy(f)) this.cut(callee);
  }

  private connect(f: Frame): void {
    const edge = (to: Frame, at: number): Edge => {
      const block = to.blocks.get(at) ?? null;
      if (block) block.predecessors++;
      return { at, block };
    };
    for (const block of f.blocks.values()) {
      const last = block.instructions.at(-1)!;
      const behind = last.at + last.decoded.length;
      const target = behind + last.decoded.immediate;
      switch (last.kind) {
        case "plain": block.next = edge(f, behind); break;
        case "conditional":
          block.next = edge(f, behind);
          block.taken = edge(f, target);
          break;
        case "jump": block.taken = edge(f, target); break;
        case "call": {
          const recursion = this.recursions.some(({ frame, at }) => frame === f && at === behind);
          const callee = recursion ? this.root : f.callees.get(last.at);
          block.taken = callee ? edge(callee, target) : { at: target, block: null };
          break;
        }
        case "return":
          if (f.caller) block.taken = edge(f.caller, f.returnAt);
          else for (const { frame: from, at } of this.recursions) this.addTarget(block, edge, from, at);
          break;
        case "indirect": case "indirectCall": case "transfer": case "leave": break;
      }
      for (const { frame: to, at } of f.learned.get(last.at) ?? []) this.addTarget(block, edge, to, at);
    }
    for (const callee of calledBy(f)) this.connect(callee);
  }

  private addTarget(from: BasicBlock, edge: (to: Frame, at: number) => Edge, to: Frame, at: number): void {
    if (to.blocks.has(at) && !from.targets.some((target) => target.at === at)) from.targets.push(edge(to, at));
  }
}

/** Looking the place up proves one page, and the region must do something before it leaves. */
function canEnter(block: BasicBlock): boolean {
  return block.pages.length === 1 && block.instructions[0].kind !== "leave";
}

function frame(caller: Frame | null, returnAt: number, start: number, callers: readonly number[]): Frame {
  return {
    caller, returnAt, depth: caller ? caller.depth + 1 : 0, start, callers,
    instructions: new Map(), leaders: new Set(), callees: new Map(), learned: new Map(), blocks: new Map(),
  };
}

/** The frames that `f` made. */
function calledBy(f: Frame): Frame[] {
  const learned = [...f.learned.values()].flat().flatMap(({ frame: callee }) => (callee === f || callee.caller === null ? [] : [callee]));
  return [...f.callees.values(), ...learned];
}

function kindOf(decoded: Decoded, effect: Effect | null, mode: number): Kind {
  const { row } = decoded;
  if (row === null || effect === null || decoded.lockInvalid || isLeftToInterpreter(row, decoded, mode)) return "leave";
  if (isConditionalBranch(row)) return "conditional";
  if (FAST_SYSTEM_CALLS.has(row.semantics)) return "transfer";
  const [operand] = row.operands;
  const relative = operand === "Jb" || operand === "Jz";
  if (row.mnemonic === "JMP") return relative ? "jump" : "indirect";
  if (row.mnemonic === "CALL") return relative ? "call" : "indirectCall";
  if (row.mnemonic === "RET") return "return";
  return (row.ends && row.sensitivity === undefined) || effect.leaves ? "leave" : "plain";
}

/** Whether regions hold the instruction. */
export function isTranslated(decoded: Decoded, effect: Effect | null, mode: number): boolean {
  return kindOf(decoded, effect, mode) !== "leave";
}

const FAST_SYSTEM_CALLS: ReadonlySet<Semantics> = new Set([sysenter, sysexit]);
/** Sensitive instructions that regions hold: everywhere, and in flat 32-bit code that no monitor has put there. */
const HELD: ReadonlySet<Semantics> = new Set([cli, popf, pushf, sti, pushSegment, mov]);
const HELD_IN_FLAT: ReadonlySet<Semantics> = new Set([moveToSegment, popSegment, rdtsc, verw, ...FAST_SYSTEM_CALLS]);
const FLAT_MODE = MODE_CODE32 | MODE_STACK32 | MODE_FLAT | MODE_PROTECTED;

/** They reach XMM registers by a number that is computed: regions have them in locals. */
const BY_NUMBER: ReadonlySet<Semantics> = new Set([fxsave, fxrstor, maskMove]);

function holds({ semantics }: Row, mode: number): boolean {
  return HELD.has(semantics) || (HELD_IN_FLAT.has(semantics) && (mode & (FLAT_MODE | MODE_HARDWARE)) === FLAT_MODE);
}

/** REP MOVS and REP STOS of flat code (wasm/string-instructions.ts). */
export function isHeldRepetition({ semantics }: Row, { rep, addressSize, segment, segmentOverride }: Decoded, mode: number): boolean {
  return rep !== 0 && (semantics === movs || semantics === stos) && (mode & MODE_FLAT) !== 0 && addressSize === 4 && segment < FS && segmentOverride < FS;
}

/** Sensitive and privileged instructions, which the run loop, the monitor and the leak oracle want to see; repetitions but for some. */
export function isLeftToInterpreter(row: Row, decoded: Decoded, mode: number): boolean {
  if (BY_NUMBER.has(row.semantics)) return true;
  if (row.string !== undefined && decoded.rep !== 0) return !isHeldRepetition(row, decoded, mode);
  return (row.sensitivity !== undefined || row.privileged === true || row.protectedOnly === true) && !holds(row, mode);
}
