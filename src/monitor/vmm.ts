// The monitor's loop. Ring 0 is TypeScript: whenever the guest, on context H, would enter ring 0 (or its control block asks for
// it), the processor stops and the exit lands here. Each exit gives one record, written at one place.
//
// The monitor holds the guest's processor V. What the guest may not do itself is done on V by the same interpreter with
// a budget of one instruction. What H is, and what an exit means, is the technique's (techniques/technique.ts).

import { type Core, STALL, type StopReason, TURNS_OF_INSTRUCTION } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { type ContextUnit, NMI, type Touch, type TouchWatch } from "../cpu/processor.ts";
import { ACTIVITY, CPL, DR7, EFLAGS_RF, EFLAGS_SYSTEM, PROBED, PROBED_IGNORED, SHADOW } from "../isa/state-layout.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import { type ActionName, FLAG_EMULATED_RUN, FLAG_INJECTED, FLAG_REFUSED } from "../protocol/trap-record.ts";
import { changesOf } from "./changes.ts";
import { ExitRecorder } from "./exit-record.ts";
import { runsInV86 } from "./limbo.ts";
import { PAGE_BYTES } from "./pool.ts";
import type { Monitor, MonitorParts, Technique, TechniqueDefinition } from "./techniques/technique.ts";
import { VirtualInterrupts } from "./virtual-interrupts.ts";

/** What a technique refused: the guest did something that it cannot represent. */
export interface Refusal {
  readonly reason: string;
  readonly eip: number;
  readonly bytes: Uint8Array;
}

const RUNNING = 0, SHUT_DOWN = 2;
/** Emulated instructions between two looks at whether H can hold V again: few at first, as most limbos are short. */
const FIRST_LOOKS = 64, LOOK_EVERY = 256;

export class Vmm implements Monitor, TouchWatch {
  readonly parts: MonitorParts;
  readonly cpu: Cpu;
  readonly core: Core;
  readonly id: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly recorder: ExitRecorder;
  readonly interrupts: VirtualInterrupts;
  refusal: Refusal | null = null;
  /** V has changed: H does not follow from it any more. */
  stale = true;
  /** Further flags of the present exit's record. */
  exitFlags = 0;
  private readonly technique: Technique;
  /** Instructions that had retired when the present run on V began; -1: there is none. */
  private emulatingSince = -1;
  /** Instructions that the monitor has run for the guest on V, and where the slice of them that is under way began; -1: none is. */
  private emulatedBefore = 0;
  private sliceBegan = -1;

  constructor(parts: MonitorParts, definition: TechniqueDefinition, ring: Ring, set: ProcessorSet) {
    const { cpu, core } = parts;
    this.parts = parts;
    this.cpu = cpu;
    this.core = core;
    this.id = definition.id;
    this.ring = ring;
    this.set = set;
    this.recorder = new ExitRecorder(cpu, parts.log, parts.decoder);
    this.interrupts = new VirtualInterrupts(cpu, core, parts.interrupts, () => this.noteStarvation());
    if (!definition.create) throw new Error(`${definition.id} needs no monitor`);
    this.technique = definition.create(this);
  }

  /** Takes the guest over between two instructions. */
  attach(): void {
    const { cpu } = this;
    cpu.setPrivate(this.firstPoolPage, this.poolPages, true);
    cpu.touchWatch = this;
    // A technique that lets the guest halt the silicon may have been left in the middle of a wait.
    cpu.h.context.set(ACTIVITY, RUNNING);
    this.technique.attach();
    this.cpu.v.tlb.onFlush.push(this.onFlush);
  }

  /** Gives the guest back to the bare processor. */
  detach(): void {
    const { cpu } = this;
    cpu.v.tlb.onFlush.splice(cpu.v.tlb.onFlush.indexOf(this.onFlush), 1);
    this.technique.detach();
    cpu.touchWatch = null;
    cpu.setPrivate(this.firstPoolPage, this.poolPages, false);
    cpu.switchContext("V");
    this.interrupts.release();
  }

  // --- accesses to what is the monitor's own

  private get firstPoolPage(): number {
    return this.parts.pool.firstPage;
  }
  private get poolPages(): number {
    return this.parts.pool.bytes / PAGE_BYTES;
  }

  private isInPool(physical: number): boolean {
    const { cpu } = this;
    const page = (cpu.physical.behind?.(physical >>> 12) ?? physical >>> 12) - this.firstPoolPage;
    return cpu.context.isHardware && page >= 0 && page < this.poolPages;
  }

  /** TouchWatch. */
  concerns(physical: number, width: number, write: boolean): boolean {
    if (this.isInPool(physical)) return true;
    return !write && this.guestBytes(physical, width) !== this.bytes(physical, width);
  }

  /** TouchWatch. */
  spoils(physical: number, length: number): boolean {
    for (let i = 0; i < length; i++) if ((this.technique.originalByte?.(physical + i) ?? -1) >= 0) return true;
    return false;
  }

  /** TouchWatch. */
  note(touch: Touch): void {
    const { probes } = this.parts;
    const { physical, width, fetched } = touch;
    if (this.isInPool(physical)) probes.isolationBroken(touch);
    else {
      if (fetched) this.noteSpoilt(physical, width);
      else probes.patchSeen(touch, this.bytes(physical, width), this.guestBytes(physical, width));
      this.recorder.forget();
      this.technique.patchSeen?.(fetched);
      if (this.refusal) this.core.stop();
    }
  }

  private noteSpoilt(physical: number, length: number): void {
    let first = 0;
    while (!this.spoils(physical + first, 1)) first++;
    const width = Math.min(length - first, 4);
    this.parts.probes.patchRun(this.bytes(physical + first, width), this.guestBytes(physical + first, width));
  }

  private bytes(physical: number, width: number): number {
    const page = this.cpu.v.physical.hostPage(physical >>> 12);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = (value << 8) | this.cpu.state.u8[page + (physical & (PAGE_BYTES - 1)) + i]!;
    return value;
  }

  /** What `bytes` would be without anything planted. */
  private guestBytes(physical: number, width: number): number {
    let value = this.bytes(physical, width);
    for (let i = 0; i < width; i++) {
      const original = this.technique.originalByte?.(physical + i) ?? -1;
      if (original >= 0) value = (value & ~(0xff << (8 * i))) | (original << (8 * i));
    }
    return value;
  }

  /** Calls `look` while the guest's memory is as the guest made it. */
  unplanted(look: () => void): void {
    if (this.technique.unplanted) this.technique.unplanted(look);
    else look();
  }

  /** What the technique counts besides exits, by name. */
  get statistics(): Readonly<Record<string, number>> {
    return this.technique.statistics ?? {};
  }

  /** The guest flushed its own TLB: what stands for it follows. */
  private readonly onFlush = (linear: number | null): void => this.technique.flushed(linear);

  /** Physical addresses mean something else (A20, shadow RAM). */
  mappingChanged(): void {
    this.technique.mappingChanged();
  }

  /** V is another one: its registers were set from outside. */
  guestChanged(): void {
    this.emulatingSince = -1;
    this.stale = true;
    this.technique.guestChanged();
  }

  /** Bytes of a watched page changed: by V, or by a bus master. */
  tracedWrite(physical: number, length: number): void {
    this.technique.written(physical, length);
  }

  run(budget: number): StopReason | "refused" {
    const { core, cpu, technique } = this;
    const v = cpu.v.context;
    const end = core.retired() + budget;
    const stopsAtException = core.stopAtException;
    const { meter } = this.parts;
    meter.forget();
    let progress = core.retired(), fruitless = 0;
    for (;;) {
      if (this.refusal) return "refused";
      while (this.interrupts.waits && this.deliverWaiting(end - core.retired() > 0)) {}
      const activity = v.get(ACTIVITY);
      if (activity !== RUNNING) return activity === SHUT_DOWN ? "shutdown" : "halted";
      const left = Math.max(end - core.retired(), 0);
      // As the bare processor does, an interrupt that is due goes in before the run ends.
      if (left === 0 && !core.interruptRequested) return "budget";
      const emulated = this.enter(left);
      if (emulated !== null) {
        if (emulated === "exception" || emulated === "breakpoint" || emulated === "stalled") return emulated;
        if (core.takeStop()) return "break";
        if (left === 0) return "budget";
        continue;
      }
      core.stopAtException = stopsAtException && technique.deliversNatively === true;
      meter.enters();
      const reason = core.run(left);
      if (reason === "exit") meter.left();
      core.stopAtException = stopsAtException;
      if (technique.absorb()) this.stale = true;
      if (reason !== "exit") return reason;
      if (this.handle() && stopsAtException) return "exception";
      if (core.takeStop()) return "break";
      if (this.stalled) {
        this.stalled = false;
        return "stalled";
      }
      // A guest whose faults fault is not to keep its host from everything else.
      const ran = core.retired() - progress;
      progress += ran;
      fruitless = Math.max(0, fruitless + 1 - ran * TURNS_OF_INSTRUCTION);
      if (fruitless > STALL) return "stalled";
    }
  }

  private enter(left: number): StopReason | null {
    const { technique } = this;
    if (this.stale || !technique.resume) return technique.enter(left);
    technique.resume();
    return null;
  }

  // --- the guest on V

  /** Instructions that the monitor ran for the guest on V, up to now. */
  get emulatedInstructions(): number {
    return this.emulatedBefore + (this.sliceBegan < 0 ? 0 : this.core.retired() - this.sliceBegan);
  }

  get emulating(): boolean {
    return this.emulatingSince >= 0;
  }

  emulate(left: number, done: () => boolean, atTransfers = false): StopReason {
    const { cpu, core } = this;
    const { truth } = this.parts.probes;
    const v = cpu.v.context;
    const start = core.retired();
    if (this.emulatingSince < 0) this.emulatingSince = start;
    let reason: StopReason = "budget";
    this.sliceBegan = start;
    truth.look();
    this.interrupts.whileEmulating(() => {
      for (;;) {
        const spent = core.retired() - start;
        if (spent >= left) return;
        cpu.switchContext("V");
        core.leaveWhen = atTransfers ? done : null;
        reason = core.run(atTransfers ? left - spent : Math.min(left - spent, this.untilLook()));
        core.leaveWhen = null;
        // Generated code loads segment registers of V itself.
        v.overwritten();
        if (reason === "break") core.stop(); // `run` answers it
        this.refuseInnerRing();
        if (reason !== "budget" || this.refusal) return;
        if ((atTransfers || this.isLookDue()) && done()) {
          this.emulatingSince = -1;
          return;
        }
      }
    });
    this.emulatedBefore = this.emulatedInstructions;
    this.sliceBegan = -1;
    truth.follow(0, false);
    this.stale = true;
    return reason;
  }

  beginEmulation(): void {
    this.emulatingSince = this.core.retired();
    this.stale = true;
  }

  /** At first after every instruction, as most such runs are short; later now and then. */
  private isLookDue(): boolean {
    const since = this.core.retired() - this.emulatingSince;
    return since < FIRST_LOOKS || since % LOOK_EVERY === 0;
  }

  private untilLook(): number {
    const since = this.core.retired() - this.emulatingSince;
    return since < FIRST_LOOKS ? 1 : LOOK_EVERY - (since % LOOK_EVERY);
  }

  step(staysInside = false): "emulate" {
    const { cpu, core } = this;
    cpu.useGuest();
    const before = core.retired(), stopsAtException = core.stopAtException;
    core.holdInterrupts = true;
    core.stopAtException = true;
    this.technique.around(this.runOne);
    core.stopAtException = stopsAtException;
    core.holdInterrupts = false;
    this.emulatedBefore += core.retired() - before;
    if (!staysInside || cpu.delivered !== null || core.retired() === before) this.stale = true;
    return "emulate";
  }
  private readonly runOne = (): void => {
    const { core, cpu: { state, nonRoot } } = this;
    const probed = state.read(PROBED);
    // What the monitor does is no execution by the guest.
    if (nonRoot === null) state.write(PROBED, PROBED_IGNORED);
    this.stalled = core.run(1) === "stalled";
    state.write(PROBED, probed);
  };
  /** The last step left a repetition that goes on for long. */
  private stalled = false;

  // --- exits

  /** One exit, one record. True: the guest was given an exception. */
  private handle(): boolean {
    const { cpu, core, recorder } = this;
    const { exit } = cpu;
    const { truth } = this.parts.probes;
    exit.clear();
    cpu.useGuest();
    cpu.delivered = null;
    truth.look();
    const cpl = cpu.v.context.get(CPL);
    this.exitFlags = 0;
    recorder.begin(exit, core.retired(), this.parts.nowNs(), this.codeUnit, this.technique);
    let action = exit.kind === "interrupt" ? this.hostInterrupt() : this.technique.react(exit);
    const { delivered } = this.cpu;
    const injected = delivered?.isException ?? false;
    if (injected) action = "inject";
    if (cpu.v.context.get(ACTIVITY) === SHUT_DOWN) action = "end";
    this.refuseInnerRing();
    if (this.refusal) action = "refuse";
    if (action !== "shadow-fill" && action !== "park-irq") {
      const changes = changesOf(cpu, recorder.facts, cpl);
      truth.follow(changes.flags, changes.transfer);
    }
    if (injected) this.exitFlags |= FLAG_INJECTED;
    if (this.refusal) this.exitFlags |= FLAG_REFUSED;
    if (this.stale && this.technique.emulatesNext) this.exitFlags |= FLAG_EMULATED_RUN;
    recorder.commit(action, this.exitFlags);
    return injected;
  }

  /** Where the instruction that left is read: through what fetched it, or as the guest has it. */
  private get codeUnit(): ContextUnit {
    return this.technique.hidesCode ? this.cpu.v : this.cpu.h;
  }

  provoke(action: ActionName, flags: number): void {
    const { core, cpu } = this;
    const h = cpu.h.context;
    const kept = [h.get(SHADOW), h.get(EFLAGS_SYSTEM), h.get(DR7)] as const;
    h.set(SHADOW, 0);
    h.set(EFLAGS_SYSTEM, kept[1] & ~EFLAGS_RF);
    h.set(DR7, 0);
    cpu.switchContext("H");
    core.holdInterrupts = true;
    const stopping = core.takeStop();
    const reason = core.run(1);
    core.holdInterrupts = false;
    if (stopping) core.stop(); // `run` answers it
    if (reason !== "exit") throw new Error(`a provoked exit ended as ${reason}`);
    h.set(SHADOW, kept[0]);
    h.set(EFLAGS_SYSTEM, kept[1]);
    h.set(DR7, kept[2]);
    cpu.exit.clear();
    this.recorder.begin(cpu.exit, core.retired(), this.parts.nowNs(), cpu.h, null);
    this.recorder.commit(action, flags);
  }

  private hostInterrupt(): ActionName {
    const { interrupts, recorder } = this;
    this.stale = true;
    const delivered = this.cpu.exit.vector === NMI ? interrupts.handleNmi() : interrupts.handle();
    if (delivered) recorder.vector = interrupts.vector;
    return delivered ? "deliver-irq" : "park-irq";
  }

  /** What waited for the guest's IF. True: V has changed, and there may be more. */
  private deliverWaiting(roomToStep: boolean): boolean {
    const { truth } = this.parts.probes;
    const cpl = this.cpu.v.context.get(CPL);
    truth.look();
    this.cpu.delivered = null;
    if (!this.interrupts.deliverWaiting(roomToStep ? this.stepShadowed : null)) return false;
    this.stale = true;
    const changes = changesOf(this.cpu, null, cpl);
    truth.follow(changes.flags, changes.transfer);
    return true;
  }

  /** The instruction behind STI or MOV SS, after which a request that waits may go in. */
  private readonly stepShadowed = (): void => {
    this.recorder.forget();
    this.step();
  };

  // --- what cannot go on

  private refuseInnerRing(): void {
    const v = this.cpu.v.context;
    const cpl = v.get(CPL);
    if (!this.technique.deliversNatively && !runsInV86(v) && (cpl === 1 || cpl === 2)) this.refuse(`the guest runs code in ring ${cpl}`);
  }

  refuse(reason: string): void {
    if (this.refusal) return;
    this.refusal = { reason, eip: this.recorder.eip >>> 0, bytes: this.recorder.bytes };
  }

  private noteStarvation(): void {
    const lost = this.parts.probes.lostInterruptFlag;
    this.parts.notice(
      `An interrupt has waited for 50 million instructions with the guest's IF = 0; ${lost ? `the last write of IF that got lost: ${lost}` : "no write of IF was lost"}.`,
    );
  }
}
