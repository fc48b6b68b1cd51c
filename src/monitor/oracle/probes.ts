// Leak probes: around every sensitive instruction that runs without an exit, what it really did is compared with what
// bare metal would have done. What is right is an observation; what is not is a leak. Neither is ever counted as a trap.

import type { SensitiveProbe } from "../../cpu/core.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import type { Touch } from "../../cpu/processor.ts";
import type { Decoder } from "../../isa/decoder.ts";
import type { Row } from "../../isa/row.ts";
import { sensitivityNote } from "../../isa/sensitivity.ts";
import { OBSERVED_BASE, PROBED, PROBED_COUNTED, PROBED_SEEN } from "../../isa/state-layout.ts";
import type { Ring } from "../../protocol/technique.ts";
import { ACTIONS } from "../../protocol/trap-record.ts";
import type { TrapLog } from "../trap-log.ts";
import { GuestDescriptors } from "./guest-descriptors.ts";
import { Judgement } from "./judgement.ts";
import { NativeInstruction } from "./native-instruction.ts";
import { Truth } from "./truth.ts";
import { parting } from "./two-worlds.ts";

/** The same leak is followed this often: later it shows the same thing to the same code, mostly. */
const FORETOLD_PER_SITE = 4;

export interface ProbeParts {
  readonly cpu: Cpu;
  readonly rows: readonly Row[];
  readonly decoder: Decoder;
  readonly log: TrapLog;
  readonly icount: () => number;
  readonly nowNs: () => number;
  /** Time-stamp ticks that the monitor has spent. */
  readonly monitorTicks: () => number;
}

export class Probes implements SensitiveProbe {
  readonly truth: Truth;
  private readonly parts: ProbeParts;
  private readonly insn: NativeInstruction;
  private readonly guest: GuestDescriptors;
  private readonly judgement: Judgement;
  private readonly mnemonicIds: Int32Array;
  /** Rows that mostly leave, and of which nothing from before they ran decides: they are read once they have run. */
  private readonly readLate: Uint8Array;
  /** Executions per row that are not written down one by one. */
  private readonly bulk: Float64Array;
  /** Numbers of the rows that have a probe. */
  private readonly probed: readonly number[];
  /** By EIP of a leak: how often it was foretold what comes of it. */
  private readonly foretold = new Map<number, number>();
  private records = false;
  /** The last write of IF that got lost: the instruction and where it is. */
  lostInterruptFlag: string | null = null;

  constructor(parts: ProbeParts) {
    const { cpu, decoder } = parts;
    this.parts = parts;
    this.truth = new Truth(cpu);
    this.insn = new NativeInstruction(cpu, decoder);
    this.guest = new GuestDescriptors(cpu);
    this.judgement = new Judgement(cpu, this.truth, this.insn, this.guest, parts.monitorTicks);
    this.bulk = new Float64Array(parts.rows.length);
    this.probed = parts.rows.flatMap((row, number) => (row.sensitivity ? [number] : []));
    this.readLate = Uint8Array.from(parts.rows, (row) => (sensitivityNote(row)?.deprivileged === "trap" && !Judgement.notes(row.mnemonic) ? 1 : 0));
    this.mnemonicIds = Int32Array.from(parts.rows, (row) => (row.sensitivity ? parts.log.counters.mnemonicId(row.mnemonic) : 0));
  }

  private monitored = false;

  /** Write every observation into the ring; off: only count. */
  get recordObserved(): boolean {
    return this.records;
  }

  set recordObserved(records: boolean) {
    this.records = records;
    this.chooseCounter();
  }

  /** What is only to be counted, generated code counts by itself. */
  private chooseCounter(): void {
    this.parts.cpu.state.write(PROBED, (this.monitored && !this.inNonRoot) || this.records ? PROBED_SEEN : PROBED_COUNTED);
  }

  /** VM entry, or exit: between them the guest's own rings need no look. */
  enterNonRoot(entered: boolean): void {
    this.inNonRoot = entered;
    this.chooseCounter();
  }
  private inNonRoot = false;

  /** Without a monitor, or in the guest's own rings in non-root operation: what an instruction does is what bare metal does. */
  private get runsBare(): boolean {
    return !this.monitored || this.parts.cpu.nonRoot !== null;
  }

  /** A monitor takes over, with the guest's kernel in `ring`; V is right. */
  attach(ring: Ring): void {
    this.guest.ring = ring;
    this.lostInterruptFlag = null;
    this.foretold.clear();
    this.monitored = true;
    this.chooseCounter();
    this.truth.adopt();
  }

  detach(): void {
    this.monitored = false;
    this.inNonRoot = false;
    this.chooseCounter();
  }

  /** Moves what was only counted into the shared statistics. Call before they are read. */
  flush(): void {
    const counted = this.parts.cpu.state.i32;
    for (const row of this.probed) {
      const word = (OBSERVED_BASE >> 2) + row;
      const count = this.bulk[row]! + (counted[word]! >>> 0);
      if (count === 0) continue;
      counted[word] = 0;
      this.bulk[row] = 0;
      this.parts.log.counters.countObserved(this.mnemonicIds[row]!, count);
    }
  }

  before(row: number): void {
    const { cpu, log, rows } = this.parts;
    if (this.runsBare) {
      if (!this.recordObserved) return;
      log.registersBefore();
      this.insn.read();
    } else if (cpu.context.isHardware) { // on V the monitor steps: that is no execution by the guest
      log.registersBefore();
      if (this.readLate[row] !== 0) return;
      this.insn.read();
      this.judgement.note(rows[row]!.mnemonic);
    }
  }

  after(row: number): void {
    const { cpu, log, icount, nowNs, rows } = this.parts;
    const { judgement, insn } = this;
    if (this.runsBare) {
      if (this.recordObserved) {
        log.registers?.within(insn.eip, insn.nextEip);
        log.observed(insn.site(log), icount(), nowNs(), ACTIONS.native, 0, this.shown(rows[row]!));
      } else this.bulk[row]!++;
      return;
    }
    if (!cpu.context.isHardware) return;
    const { mnemonic } = rows[row]!;
    if (this.readLate[row] !== 0) insn.read();
    judgement.judge(mnemonic);
    if (judgement.action !== 0 || this.recordObserved) log.registers?.within(insn.eip, insn.nextEip);
    if (judgement.action !== 0) {
      log.leak(insn.site(log), icount(), nowNs(), judgement.action, 0, judgement.observed, judgement.expected);
      if (judgement.lostInterruptFlag) {
        this.lostInterruptFlag = `${mnemonic} at ${insn.place}`;
        log.holdLeak();
      }
      if (!log.counters.hasDecisiveLeak) this.foretell(mnemonic);
    } else if (this.recordObserved) {
      log.observed(insn.site(log), icount(), nowNs(), ACTIONS.native, 0, judgement.observed);
    } else {
      this.bulk[row]!++;
    }
  }

  private isToForetell(eip: number): boolean {
    const times = this.foretold.get(eip) ?? 0;
    if (times < FORETOLD_PER_SITE) this.foretold.set(eip, times + 1);
    return times < FORETOLD_PER_SITE;
  }

  /** Finds out whether the guest will act on what just leaked. */
  private foretell(mnemonic: string): void {
    const { cpu, decoder, log } = this.parts;
    const { insn, judgement } = this;
    const place = judgement.action === ACTIONS["leaked-read"] ? insn.leakPlace(mnemonic, judgement.observed, judgement.expected) : null;
    if (place === null || !this.isToForetell(insn.eip)) return;
    const decision = parting(cpu, decoder, insn.nextEip, place, judgement.expected);
    if (decision) log.leakDecided(decision);
  }

  /** The instruction at EIP is about to reach a page of the monitor's. */
  isolationBroken({ linear, write }: Touch): void {
    this.toldAtEip(ACTIONS.isolation, linear, write ? 1 : 0);
  }

  /** The instruction at EIP is about to read what the monitor has planted, `observed`, in the place of `expected`. */
  patchSeen({ linear, width }: Touch, observed: number, expected: number): void {
    const { cpu, decoder, log } = this.parts;
    const { eip } = cpu.state;
    this.toldAtEip(ACTIONS["patch-seen"], observed, expected);
    if (log.counters.hasDecisiveLeak || !this.isToForetell(eip)) return;
    const decision = parting(cpu, decoder, eip, { kind: "memory", linear, width }, expected);
    if (decision) log.leakDecided(decision);
  }

  /** The instruction at EIP is about to run with bytes that the monitor has planted in it: from the first of them on `observed`, in the place of `expected`. */
  patchRun(observed: number, expected: number): void {
    this.toldAtEip(ACTIONS["patch-run"], observed, expected);
  }

  private toldAtEip(action: number, observed: number, expected: number): void {
    const { cpu, log, icount, nowNs } = this.parts;
    log.registersBefore();
    this.insn.readAt(cpu.state.eip);
    log.leak(this.insn.site(log), icount(), nowNs(), action, 0, observed, expected);
  }

  /** The guest waits for an interrupt in vain: the write of IF that got lost is to blame, if there was one. */
  interruptNeverCame(): void {
    const { cpu, log } = this.parts;
    this.truth.look();
    if (this.truth.interruptFlagDiffers) log.heldLeakDecided({ eip: cpu.state.eip >>> 0, distance: 0 });
  }

  /** What a guest on the bare processor saw, for an observation's record. */
  private shown(row: Row): number {
    const { insn } = this;
    if (!insn.row) return 0;
    switch (row.mnemonic) {
      case "PUSHF": return insn.stack(0);
      case "SLDT": case "STR": case "SMSW": return insn.operand(0);
      case "SGDT": case "SIDT": return insn.memory((insn.address() + 2) | 0, 4);
      default: return 0;
    }
  }
}
