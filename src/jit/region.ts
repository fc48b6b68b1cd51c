// Which code is translated together: a hot loop or function with the functions that it calls directly.
//
// Code is followed from a hot place on through branches whose targets have been executed before. A direct call goes on into the
// function, copied for this call, and its RET back behind the call if that is where the stack says (a guarded return). What the
// translator leaves to the interpreter ends a basic block; behind it, and behind calls that are not followed, the region may be
// entered again.

import type { Decoded } from "../isa/decoded.ts";
import type { Row } from "../isa/row.ts";
import { isConditionalBranch } from "../cpu/forms.ts";
import type { Effect, FlagUse } from "./effect.ts";

const PAGE = 4096;
/** Instructions of a region, and of one function that is followed. */
export const MAX_INSTRUCTIONS = 400;
const MAX_CALLEE = 100;
const MAX_DEPTH = 3;

type Kind = "plain" | "conditional" | "jump" | "call" | "return" | "indirect" | "indirectCall" | "leave";

export interface Instruction {
  /** Distance from the start of the page where the region begins, as linear addresses. */
  readonly at: number;
  readonly row: Row | null;
  readonly decoded: Decoded;
  readonly kind: Kind;
  readonly flags: FlagUse;
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
  /** Bytes [from, to) relative to the region's first page. */
  readonly bytes: readonly { readonly from: number; readonly to: number }[];
}

/** What is known of the guest's code. */
export interface CodeSource {
  /** Decodes at the distance; null where the bytes cannot be had without a page walk, or are no instruction. */
  decode(at: number): { readonly decoded: Decoded; readonly crosses: boolean; readonly effect: Effect | null } | null;
  /** The instruction there made many side exits. */
  exitsOften(at: number): boolean;
  /** The place has been executed as the start of a block. */
  isKnown(at: number): boolean;
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
  readonly blocks: Map<number, BasicBlock>;
}

/** The region that begins at distance `start` in its page; null if its first instruction is left to the interpreter. */
export function findRegion(source: CodeSource, start: number): Region | null {
  return new RegionFinder(source).find(start);
}

class RegionFinder {
  private readonly source: CodeSource;
  private total = 0;
  private readonly blocks: BasicBlock[] = [];
  private readonly reentries = new Set<number>();

  constructor(source: CodeSource) {
    this.source = source;
  }

  find(start: number): Region | null {
    const root = frame(null, 0, start);
    this.explore(root, MAX_INSTRUCTIONS);
    const first = root.instructions.get(start);
    if (!first || first.kind === "leave" || first.crosses) return null;
    this.cut(root);
    this.connect(root);
    const entries = [root.blocks.get(start)!];
    for (const at of this.reentries) {
      const block = root.blocks.get(at);
      if (block && at !== start && canEnter(block)) entries.push(block);
    }
    // A loop is entered again after each side exit from it.
    for (const block of root.blocks.values()) {
      for (const edge of [block.taken, block.next]) {
        const header = edge?.block;
        if (header && header.at <= block.at && root.blocks.get(header.at) === header && !entries.includes(header) && canEnter(header)) entries.push(header);
      }
    }
    const bytes = this.blocks.flatMap((block) => block.instructions.map(({ at, decoded }) => ({ from: at, to: at + decoded.length })));
    return { blocks: this.blocks, entries, own: [...root.blocks.keys()], instructions: this.total, bytes };
  }

  /** Follows the code of one function; false: it has more than `limit` instructions. */
  private explore(f: Frame, limit: number): boolean {
    const before = this.total;
    const waiting = [f.start];
    const calls: Instruction[] = [];
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      f.leaders.add(place);
      let at = place;
      for (;;) {
        if (f.instructions.has(at)) {
          f.leaders.add(at);
          break;
        }
        if (this.total - before >= limit || this.total >= MAX_INSTRUCTIONS) {
          if (f.caller) return false;
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
            if (instruction.kind === "call") calls.push(instruction);
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
          case "return": case "indirect":
            break;
        }
        break;
      }
    }
    for (const call of calls) this.follow(f, call, limit - (this.total - before));
    return true;
  }

  private follow(f: Frame, call: Instruction, room: number): void {
    const behind = call.at + call.decoded.length;
    const target = behind + call.decoded.immediate;
    if (f.depth === MAX_DEPTH || !this.source.isKnown(target)) return;
    for (let outer: Frame | null = f; outer; outer = outer.caller) if (outer.start === target) return;
    const callee = frame(f, behind, target);
    const before = this.total;
    if (this.explore(callee, Math.min(MAX_CALLEE, room)) && callee.instructions.has(target)) {
      f.callees.set(call.at, callee);
      return;
    }
    this.total = before;
  }

  private read(at: number): Instruction | null {
    const found = this.source.decode(at);
    if (!found) return null;
    const { decoded, crosses, effect } = found;
    return { at, row: decoded.row, decoded, kind: kindOf(decoded, effect), flags: effect?.flags ?? "needed", crosses, exitsOften: this.source.exitsOften(at) };
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
      const block: BasicBlock = { number: this.blocks.length, at: leader, instructions, next: null, taken: null, predecessors: 0, pages };
      f.blocks.set(leader, block);
      this.blocks.push(block);
    }
    for (const callee of f.callees.values()) this.cut(callee);
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
          const callee = f.callees.get(last.at);
          block.taken = callee ? edge(callee, target) : { at: target, block: null };
          break;
        }
        case "return":
          if (f.caller) block.taken = edge(f.caller, f.returnAt);
          break;
        case "indirect": case "indirectCall": case "leave": break;
      }
    }
    for (const callee of f.callees.values()) this.connect(callee);
  }
}

/** Looking the place up proves one page, and the region must do something before it leaves. */
function canEnter(block: BasicBlock): boolean {
  return block.pages.length === 1 && block.instructions[0].kind !== "leave";
}

function frame(caller: Frame | null, returnAt: number, start: number): Frame {
  return {
    caller, returnAt, depth: caller ? caller.depth + 1 : 0, start, instructions: new Map(), leaders: new Set(), callees: new Map(), blocks: new Map(),
  };
}

function kindOf(decoded: Decoded, effect: Effect | null): Kind {
  const { row } = decoded;
  if (row === null || effect === null || decoded.lockInvalid || isLeftToInterpreter(row, decoded)) return "leave";
  if (isConditionalBranch(row)) return "conditional";
  const [operand] = row.operands;
  const relative = operand === "Jb" || operand === "Jz";
  if (row.mnemonic === "JMP") return relative ? "jump" : "indirect";
  if (row.mnemonic === "CALL") return relative ? "call" : "indirectCall";
  if (row.mnemonic === "RET") return "return";
  return row.ends || effect.leaves ? "leave" : "plain";
}

/** Whether regions hold the instruction. */
export function isTranslated(decoded: Decoded, effect: Effect | null): boolean {
  return kindOf(decoded, effect) !== "leave";
}

/** Sensitive and privileged instructions, which the run loop, the monitor and the leak oracle want to see; repetitions. */
export function isLeftToInterpreter(row: Row, decoded: Decoded): boolean {
  return row.sensitivity !== undefined || row.privileged === true || row.protectedOnly === true || (row.string !== undefined && decoded.rep !== 0);
}
