// The second leak oracle: the same guest on two machines, compared by retired instructions. With the virtual clock time, interrupts
// and everything that a device says derive from retired instructions, so that two machines under correct techniques stay equal to
// the last byte; the first difference is the technique's. Where registers or memory differ at a mark, both start again
// from power-on and are compared more and more closely, until one instruction is left.
//
// Not implemented: the state of the devices is not compared (a difference shows when the guest reads it); a difference that heals
// before the next mark is found only near one that does not.

import type { RunReason } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { type Difference, type InstructionAt, instructionAt, memoryDifference, registerDifferences } from "./machine-state.ts";

/** A machine and what works its inputs, which must depend on the guest alone. */
export interface Side {
  readonly machine: Machine;
  /** Called whenever the machine was stopped from within: may give input. */
  readonly proceed?: () => void;
  /** What was waited for has come: the run is over. */
  readonly done?: () => boolean;
}

export interface Divergence {
  /** Instructions that had retired before the one that went wrong. */
  readonly icount: number;
  /** That instruction, on the first machine. */
  readonly instruction: InstructionAt;
  /** What it left different, by what the two machines hold. */
  readonly differences: readonly Difference[];
  /** Where the two went on to different instructions; null: not within REACH. */
  readonly parting: { readonly icount: number; readonly instruction: InstructionAt } | null;
}

export interface Comparison {
  readonly divergence: Divergence | null;
  /** Instructions that were compared. */
  readonly instructions: number;
  /** How both ended; "budget": at the limit. */
  readonly end: RunReason | "done";
}

/** Instructions between two comparisons of the registers, and between two of all memory. */
const MARK = 65_536, MEMORY_MARK = 128 * MARK;
/** Parts that an interval is divided into, each time that it is looked at more closely. */
const PARTS = 64;
/** An interval this short is gone through instruction by instruction, and as much before it. */
const WALK = MARK / 2;
/** Instructions after the divergence in which the ways of the two are followed. */
const REACH = 1_000_000;
/** Stops without an instruction in between, after which a machine counts as ended. */
const FRUITLESS = 1_000;
const ENDS: ReadonlySet<RunReason> = new Set(["halted", "triple-fault", "power-off", "exit-port", "refused"]);

/** One side on its way. */
class Runner {
  readonly machine: Machine;
  private readonly side: Side;
  end: RunReason | "done" | null = null;

  constructor(side: Side) {
    this.side = side;
    this.machine = side.machine;
  }

  /** Runs until `target` instructions have retired, or to its end. */
  to(target: number): void {
    const { machine, side } = this;
    let fruitless = 0;
    while (!this.end) {
      const before = machine.core.retired();
      if (before >= target) return;
      const reason = machine.run(target - before);
      if (ENDS.has(reason)) this.end = reason;
      side.proceed?.();
      if (side.done?.()) this.end = "done";
      if (machine.core.retired() === before && ++fruitless > FRUITLESS) this.end ??= reason;
    }
  }
}

interface Pair {
  readonly a: Runner;
  readonly b: Runner;
}

/** `create` makes a machine as at power-on, the same each time. `watch` is told now and then how far the first pass is. */
export function compareMachines(create: (side: "a" | "b") => Side, limit: number, watch: (icount: number) => void = () => {}): Comparison {
  const start = (): Pair => ({ a: new Runner(create("a")), b: new Runner(create("b")) });
  const first = start();
  let equalAt = 0, at = 0;
  for (;;) {
    const next = Math.min(at + MARK, limit);
    const ended = advance(first, next);
    at = ended ? Math.max(first.a.machine.core.retired(), first.b.machine.core.retired()) : next;
    const isLast = ended || at >= limit;
    let equal = !differs(first, false);
    if (equal && (isLast || at % MEMORY_MARK === 0)) {
      equal = !differs(first, true);
      if (equal) equalAt = at;
    }
    if (!equal) return { divergence: narrow(start, equalAt, at), instructions: at, end: "budget" };
    if (isLast) return { divergence: null, instructions: at, end: first.a.end ?? "budget" };
    watch(at);
  }
}

/** Runs both; true where one of them has ended. */
function advance({ a, b }: Pair, target: number): boolean {
  a.to(target);
  b.to(target);
  return a.end !== null || b.end !== null;
}

function differs({ a, b }: Pair, memory: boolean): boolean {
  if (a.end !== b.end || a.machine.core.retired() !== b.machine.core.retired()) return true;
  return registerDifferences(a.machine, b.machine).length > 0 || (memory && memoryDifference(a.machine, b.machine) !== null);
}

/** They are equal at `low` and not at `high`: which instruction? */
function narrow(start: () => Pair, low: number, high: number): Divergence {
  const oldest = low;
  for (let walked = false; ; ) {
    const pair = start();
    // What registers differ in may be gone again a few instructions later: once they are near, every instruction is looked at.
    if (high - low <= WALK && !walked) {
      walked = true;
      const at = walk(pair, Math.max(oldest, low - WALK), high);
      if (at < 0) continue;
      // Memory may have differed before.
      const before = start();
      advance(before, at);
      if (!differs(before, true)) return oneStep(before, at);
      if (at <= low) low = oldest;
      high = at;
      continue;
    }
    advance(pair, low);
    const step = Math.ceil((high - low) / PARTS);
    let instruction = instructionAt(pair.a.machine);
    let at = low;
    for (; at < high; at += step) {
      if (step === 1) instruction = instructionAt(pair.a.machine);
      advance(pair, Math.min(at + step, high));
      if (differs(pair, true)) break;
    }
    if (step === 1) return { icount: at, instruction, differences: differencesOf(pair), parting: follow(pair) };
    low = at;
    high = Math.min(at + step, high);
  }
}

/** Instruction by instruction, by the registers alone: how many had retired before the first that left them different; -1: none did. */
function walk(pair: Pair, low: number, high: number): number {
  advance(pair, low);
  for (let at = low; at < high; at++) {
    advance(pair, at + 1);
    if (differs(pair, false)) return at;
  }
  return -1;
}

/** The instruction that comes next is the one. */
function oneStep(pair: Pair, at: number): Divergence {
  const instruction = instructionAt(pair.a.machine);
  advance(pair, at + 1);
  return { icount: at, instruction, differences: differencesOf(pair), parting: follow(pair) };
}

function differencesOf({ a, b }: Pair): Difference[] {
  const ends: Difference[] = a.end === b.end ? [] : [{ what: "end", a: a.end ?? "runs on", b: b.end ?? "runs on" }];
  const memory = memoryDifference(a.machine, b.machine);
  return [...ends, ...registerDifferences(a.machine, b.machine), ...(memory ? [memory] : [])];
}

/** Steps both until they come to different places. */
function follow(pair: Pair): Divergence["parting"] {
  const { a, b } = pair;
  let instruction = instructionAt(a.machine);
  const from = a.machine.core.retired();
  for (let icount = from; icount < from + REACH; icount++) {
    const here = instructionAt(a.machine), there = instructionAt(b.machine);
    if (here.linear !== there.linear || a.end !== b.end) return icount === from ? null : { icount: icount - 1, instruction };
    if (a.end) return null;
    instruction = here;
    advance(pair, icount + 1);
  }
  return null;
}
