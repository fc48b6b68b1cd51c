// The page's breakpoints on the machine, and runs that end somewhere: over a call, at a place.

import type { BreakpointHit as MachineHit } from "../machine/breakpoints.ts";
import { isInstructionName } from "../machine/instruction-matcher.ts";
import type { Machine } from "../machine/machine.ts";
import { instructionAt } from "../machine/machine-state.ts";
import type { Breakpoint, BreakpointHit } from "../protocol/debug.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { emptyRawTrap, KIND_OBSERVED, TrapReader } from "../protocol/trap-record.ts";
import { compileFilter, type TrapPredicate } from "../trace/filter.ts";
import { disassembleBytes, explainInstruction } from "../trace/instruction.ts";
import { rowContext, TrapRow } from "../trace/trap-row.ts";

/** What a step over does not go into: they come back to the instruction behind them. */
const RETURNING: ReadonlySet<string> = new Set(["CALL", "INT", "INT3", "INTO", "LOOP", "LOOPE", "LOOPNE"]);
/** What leaves a function. */
const RETURNS = ["RET", "RETF", "IRET"] as const;
/** Numbers of registers in instructions. */
const ESP = 4, SS = 2;

interface Target {
  readonly id: number;
  /** Deeper in the stack it is another call of the same code. */
  readonly above: number;
}

/** A function that is to be left. */
interface Frame {
  readonly ids: readonly number[];
  /** Its own return finds the stack here or above; those of what it calls, below. */
  readonly above: number;
  readonly stack: number;
}

export class DebugControl {
  readonly #machine: Machine;
  /** Breakpoints of the machine: number there, number of the page. */
  readonly #numbers = new Map<number, number>();
  readonly #raw = emptyRawTrap();
  readonly #reader: TrapReader;
  readonly #row: TrapRow;
  #filters: { id: number; test: TrapPredicate }[] = [];
  #target: Target | null = null;
  #frame: Frame | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
    const { buffer, view } = machine.map, stats = new StatsReader(buffer, view.stats);
    this.#reader = new TrapReader(buffer, view.trapRing, view.trapSites);
    this.#row = new TrapRow(this.#raw, rowContext(stats, disassembleBytes));
  }

  /** `refused` is told of those that cannot be watched for, and why. */
  set(breakpoints: readonly Breakpoint[], refused: (id: number, reason: string) => void): void {
    const own = this.#machine.breakpoints;
    for (const number of this.#numbers.keys()) own.remove(number);
    this.#numbers.clear();
    this.#filters = [];
    for (const { id, spec } of breakpoints) {
      if (spec.kind === "trap") {
        const compiled = compileFilter(spec.filter);
        if (compiled.ok) this.#filters.push({ id, test: compiled.test });
        else refused(id, compiled.message);
      } else if (spec.kind === "instruction" && !isInstructionName(spec.what)) refused(id, `${spec.what} is no instruction or class.`);
      else this.#numbers.set(own.add(spec), id);
    }
  }

  /** The machine is about to run: where it stands it does not stop. */
  leave(): void {
    const { breakpoints } = this.#machine;
    breakpoints.pass(breakpoints.place);
  }

  runTo(linear: number): void {
    this.#aim(linear, 0);
  }

  /** False: the next instruction comes back by itself, one step is enough. */
  stepOver(): boolean {
    const machine = this.#machine, { bytes, eip, code32, linear } = instructionAt(machine);
    const instruction = explainInstruction(bytes, eip, code32);
    if (!instruction || !RETURNING.has(instruction.mnemonic)) return false;
    this.#aim((linear + instruction.bytes.length) >>> 0, machine.cpu.state.gpr(ESP) >>> 0);
    return true;
  }

  stepOut(): void {
    this.dropTarget();
    const { state, context } = this.#machine.cpu, { breakpoints } = this.#machine;
    this.#frame = { ids: RETURNS.map((what) => breakpoints.add({ kind: "instruction", what })), above: state.gpr(ESP) >>> 0, stack: context.selector(SS) };
  }

  /** The run stopped at the return of the function that is to be left: one instruction more. */
  get atReturn(): boolean {
    const { hit } = this.#machine.breakpoints;
    return hit !== null && (this.#frame?.ids.includes(hit.id) ?? false) && this.reached === null;
  }

  #aim(linear: number, above: number): void {
    this.dropTarget();
    this.#target = { id: this.#machine.breakpoints.add({ kind: "execute", linear }), above };
  }

  dropTarget(): void {
    if (this.#target) this.#machine.breakpoints.remove(this.#target.id);
    this.#target = null;
    for (const id of this.#frame?.ids ?? []) this.#machine.breakpoints.remove(id);
    this.#frame = null;
  }

  /** After a run that ended at a breakpoint. "on": not here. Null: where a step or a run was to end. */
  get reached(): BreakpointHit | "on" | null {
    const { hit } = this.#machine.breakpoints;
    if (!hit) return null;
    if (this.#frame?.ids.includes(hit.id)) {
      const { above, stack } = this.#frame, { state, context } = this.#machine.cpu;
      return state.gpr(ESP) >>> 0 >= above && context.selector(SS) === stack ? null : "on";
    }
    if (hit.id !== this.#target?.id) return this.#pageHit(hit);
    return this.#machine.cpu.state.gpr(ESP) >>> 0 < this.#target.above ? "on" : null;
  }

  #pageHit({ id, linear }: MachineHit): BreakpointHit | null {
    const own = this.#numbers.get(id);
    return own === undefined ? null : { id: own, address: linear };
  }

  /** Whether a record may be a breakpoint. */
  get watchesRecords(): boolean {
    return this.#filters.length > 0;
  }

  /** A record has been written: the breakpoint that wanted it. */
  recordMatches(kind: number, sequence: number): BreakpointHit | null {
    if (this.#filters.length === 0 || kind === KIND_OBSERVED || sequence < 0 || !this.#reader.read(sequence, this.#raw)) return null;
    const found = this.#filters.find(({ test }) => test(this.#row));
    return found ? { id: found.id, address: this.#raw.linear } : null;
  }
}
