// Backwards in time: checkpoints of the whole machine now and then, and the way forward again from the last one before the instant
// that is wanted. What comes from outside goes through `input`, which writes it down (input-log.ts), so that the way forward is the same.
//
// An instant is a number of retired instructions: just before the next one, with all input that had come by then. The machine needs
// a clock that derives from instructions: virtual, or paced, whose pace is input like any other.
//
// At a checkpoint the TLBs are empty and the monitor is new, in the first pass too: a guest that relies on a stale translation, or
// a shadow page that is filled once more, is the same on each way.

import { UsageError } from "../base/errors.ts";
import { sameBytes } from "../base/same.ts";
import type { BlockDevice, DeviceState } from "../hardware/device.ts";
import { ACTIVITY, SUSPENDED } from "../isa/state-layout.ts";
import type { HistoryView } from "../protocol/debug.ts";
import type { LogState } from "../monitor/trap-log.ts";
import type { Breakpoint, BreakpointHit } from "./breakpoints.ts";
import { CheckpointList, type Kept } from "./checkpoint-list.ts";
import { type DiskPages, MachineDisks } from "./disk-pages.ts";
import { REMOVABLE_DRIVES } from "./drives.ts";
import { PacedClock, VirtualClock } from "./guest-clock.ts";
import { applyInput, type Input, type LoggedInput } from "./input-log.ts";
import type { Machine, RunReason } from "./machine.ts";
import { MachineRam, type RamPages } from "./ram-pages.ts";
import { loadProcessor, type ProcessorSnapshot, saveProcessor } from "./snapshot.ts";
import type { MonitorState } from "./supervisor.ts";

export interface HistoryOptions {
  /** Instructions between two checkpoints; Infinity: only where `mark` is called. */
  readonly every?: number;
  /** Room for memory that differs between checkpoints. */
  readonly bytes?: number;
  /** Checkpoints that are kept at most. */
  readonly keep?: number;
  /** Off: input is written down, and there is no way back. */
  readonly checkpoints?: boolean;
  /** A monotonic clock in ns that a paced clock follows. */
  readonly wallNs?: () => number;
}

interface Checkpoint extends Kept {
  readonly retired: number;
  readonly settledAt: number;
  readonly clock: readonly number[];
  readonly timeNs: number;
  readonly processor: ProcessorSnapshot;
  readonly monitor: MonitorState;
  readonly devices: Readonly<Record<string, DeviceState>>;
  readonly disks: DiskPages;
  /** What was in the drives whose media are changed. */
  readonly media: readonly (BlockDevice | null)[];
  readonly ram: RamPages;
  readonly log: LogState;
}

/** Some hours of a running guest; beyond it the oldest is forgotten, and with it the recording. */
const MOST_INPUTS = 2_000_000;
const EVERY = 2_000_000, KEEP = 64, BYTES = 256 << 20;
/** The pace is set for about this much wall time at once. */
const PACE_NS = 6e6;
/** Instructions in a nanosecond, before any have been measured. */
const FIRST_SPEED = 0.05;
/** Without an instruction or a tick in so many runs, the machine does not go on as it did. */
const FRUITLESS = 1_000;

/** The machine does not do again what was written down. */
export class WayLost extends Error {}

export class History {
  private readonly machine: Machine;
  private readonly clock: VirtualClock;
  private readonly ram: MachineRam;
  private readonly disks: MachineDisks;
  private readonly options: Required<Omit<HistoryOptions, "wallNs">>;
  private readonly wallNs: (() => number) | null;
  private readonly checkpoints: CheckpointList<Checkpoint>;
  private log: LoggedInput[] = [];
  /** Input that has been applied. */
  private index = 0;
  /** How far the machine ever came on this way. */
  private frontier: number;
  /** How far it came itself: a recording goes on behind it. */
  private seen: number;
  /** The log holds everything since power-on. */
  private complete: boolean;
  private lastMark: number;
  /** Guest time is the wall's less this. */
  private wallOffset = 0;
  private paced = { retired: -1, wallNs: 0 };
  /** Where a waiting guest has looked at its timers before something came. */
  private settledAt = -1;
  private speed = FIRST_SPEED;
  /** The machine goes over what it did before: nobody is to see it twice. */
  seeking = false;

  /** The past begins here. */
  constructor(machine: Machine, { every = EVERY, keep = KEEP, bytes = BYTES, checkpoints = true, wallNs }: HistoryOptions = {}) {
    if (!(machine.clock instanceof VirtualClock)) throw new UsageError("Going back needs the virtual clock: with the real one no run is like another.");
    this.machine = machine;
    this.clock = machine.clock;
    this.ram = new MachineRam(machine);
    this.disks = new MachineDisks(machine.pc);
    this.options = { every, keep, bytes, checkpoints };
    this.wallNs = wallNs ?? null;
    this.frontier = this.seen = this.lastMark = this.now;
    this.complete = this.now === 0;
    this.checkpoints = new CheckpointList(keep, bytes);
    if (checkpoints) this.checkpoint();
    this.wake();
  }

  /** A machine as at power-on goes the way that was written down, up to an instant. */
  static replayed(machine: Machine, inputs: readonly LoggedInput[], end: number, options: HistoryOptions = { checkpoints: false }): History {
    const history = new History(machine, options);
    history.follow(inputs, end);
    while (history.replay(end) === "break");
    return history;
  }

  /** From power-on, the way that was written down lies ahead. Nobody has seen it yet. */
  follow(inputs: readonly LoggedInput[], end: number): void {
    this.log = [...inputs];
    this.frontier = end;
  }

  /** The instant that the machine is at. */
  get now(): number {
    return this.machine.core.retired();
  }

  /** The earliest instant that can be gone back to. */
  get oldest(): number {
    return this.checkpoints.first?.retired ?? this.now;
  }

  get view(): HistoryView {
    return { oldest: this.oldest, now: this.now, newest: this.frontier, checkpoints: this.checkpoints.count, bytes: this.checkpoints.bytes };
  }

  /** Everything that came since power-on; null: it is not known. */
  get inputs(): readonly LoggedInput[] | null {
    return this.complete ? this.log : null;
  }

  /** What was done before comes again: it was shown then. */
  get replaying(): boolean {
    return this.seeking || this.now < this.seen;
  }

  /** What comes next is written down. */
  get ahead(): boolean {
    return this.now < this.frontier || this.index < this.log.length;
  }

  /** Something from outside, now. Input that was to come later in another past is forgotten. */
  input(input: Input): void {
    this.forgetFuture();
    this.append(input);
  }

  /** What has changed cannot be undone: the past begins here. `known` false: nor can it be repeated (a snapshot). */
  forget(known: boolean): void {
    this.forgetFuture();
    if (!known) this.complete = false;
    this.checkpoints.clear();
    if (this.options.checkpoints) this.mark();
  }

  /** What was written down for later is not to come. */
  forgetFuture(): void {
    this.log.length = this.index;
    this.frontier = this.seen = this.now;
    this.checkpoints.dropBehind(this.now, this.index);
  }

  private forgetOldest(): void {
    const unneeded = this.checkpoints.dropBefore(this.log.length >> 1);
    if (unneeded === 0) return;
    this.complete = false;
    this.log.splice(0, unneeded);
    this.index -= unneeded;
  }

  private append(input: Input): void {
    this.settle();
    this.log.push({ retired: this.now, input });
    this.takeNext();
  }

  /** A run may end right behind the HLT, or have looked at the timers that are due there: what comes now comes behind that look. */
  private settle(): void {
    const { now, machine } = this;
    if (this.settledAt === now) return;
    this.settledAt = now;
    if (machine.supervisor.guestContext.get(ACTIVITY) !== 0) machine.run(1);
    if (this.now > this.frontier) this.frontier = this.now;
    this.noteSeen();
  }

  private noteSeen(): void {
    if (this.now > this.seen) this.seen = this.now;
  }

  /** A guest that waits goes on to where instructions say how far it came: a recording may end here. */
  settleEnd(): void {
    do this.settle();
    while (this.settledAt !== this.now);
  }

  /** Applies the next input of the log. */
  private takeNext(): void {
    const { input } = this.log[this.index++]!;
    if (input.kind === "mark") this.checkpoint();
    else applyInput(this.machine, input);
    if (input.kind === "medium") this.disks.look();
  }

  /** A checkpoint, from which can be gone forward later. */
  mark(): void {
    if (this.log.length > MOST_INPUTS) this.forgetOldest();
    this.append({ kind: "mark" });
    this.lastMark = this.now;
  }

  /** The wall clock has gone on while the machine stood still. */
  wake(): void {
    if (this.wallNs) this.wallOffset = this.wallNs() - this.clock.nowNs();
    this.paced.retired = -1;
  }

  /** As the machine's own, with checkpoints. On a way that was gone before, with the input that came then. `step`: time goes on by instructions alone. */
  run(instructions: number, step = false): RunReason {
    const end = this.now + instructions;
    if (this.ahead) {
      const reason = this.replay(Math.min(end, this.frontier));
      if (reason !== "budget" || this.now >= end) return reason;
      this.wake();
    }
    for (;;) {
      if (!step) this.setPace();
      const due = this.options.checkpoints ? this.lastMark + this.options.every : Infinity;
      const reason = this.machine.run(Math.max(1, Math.min(end, due) - this.now));
      this.frontier = this.now;
      this.noteSeen();
      if (reason !== "budget") return reason;
      if (this.now >= due && this.options.checkpoints) this.mark();
      if (this.now >= end) return "budget";
    }
  }

  /** Writes down how guest time goes on, so that it comes near the wall's. */
  private setPace(): void {
    const { clock, wallNs, paced, machine } = this;
    if (!wallNs || !(clock instanceof PacedClock)) return;
    // In the middle of a repetition no instruction says where this would be.
    if (machine.cpu.state.read(SUSPENDED) !== 0) return;
    this.settle();
    const halted = machine.supervisor.guestContext.get(ACTIVITY) !== 0, { now } = this;
    if (now === paced.retired && !halted) return;
    const wall = wallNs(), ran = now - paced.retired, took = wall - paced.wallNs;
    if (paced.retired >= 0 && ran > 0 && took > 0) this.speed = (this.speed * 3 + ran / Math.min(took, 20 * PACE_NS)) / 4;
    this.paced = { retired: now, wallNs: wall };
    const wanted = wall - this.wallOffset, guest = clock.nowNs();
    // A waiting guest sees each of its timers expire at its own time.
    const timeNs = halted ? Math.max(guest, Math.min(wanted, clock.nextDeadlineNs)) : guest;
    this.append({ kind: "pace", timeNs, nsPerInstruction: PacedClock.rate((wanted + PACE_NS - timeNs) / (this.speed * PACE_NS)) });
  }

  /** Goes on by the log, up to an instant; breakpoints stop it. */
  private replay(target: number): RunReason {
    let fruitless = 0;
    for (;;) {
      this.takeDue();
      const { now } = this;
      if (now >= target) return "budget";
      const next = this.log[this.index]?.retired ?? Infinity;
      const reason = this.machine.run(Math.min(target, next, this.frontier) - now);
      this.noteSeen();
      if (reason === "breakpoint" || reason === "exception" || (reason === "break" && !this.seeking)) return reason;
      if (this.now === now && reason !== "budget" && reason !== "break") throw new WayLost(`the way forward ends after ${now} instructions: ${reason}`);
      fruitless = this.now === now && this.machine.cpu.state.read(SUSPENDED) === 0 ? fruitless + 1 : 0;
      if (fruitless > FRUITLESS) throw new WayLost(`the way forward ends after ${now} instructions`);
    }
  }

  /** Applies what came at this instant. */
  private takeDue(): void {
    const { now } = this;
    if (this.log[this.index]?.retired === now) this.settle();
    if (this.now !== now) return;
    for (let due = this.log[this.index]; due?.retired === now; due = this.log[this.index]) {
      this.takeNext();
      // A guest that waited on looked at its timers before time went on.
      const follows = this.index < this.log.length ? this.log[this.index]!.retired : this.frontier;
      if (due.input.kind === "pace" && follows === now && this.machine.supervisor.guestContext.get(ACTIVITY) !== 0) this.machine.run(1);
    }
  }

  /** Goes to an instant of the past, or back to the future that was left. */
  goTo(retired: number): void {
    if (retired < this.oldest) throw new UsageError(`The past begins after ${this.oldest} instructions.`);
    this.quietly(() => {
      const from = this.checkpoints.before(retired)!;
      if (retired < this.now || from.retired > this.now) this.restore(from);
      this.replay(Math.min(retired, this.seen));
    });
    // What was never seen is shown on the way.
    const breakpoints = this.machine.breakpoints.suspend();
    while (this.replay(Math.min(retired, this.frontier)) === "break");
    this.machine.breakpoints.resume(breakpoints);
    this.wake();
  }

  stepBack(): boolean {
    if (this.now <= this.oldest) return false;
    this.goTo(this.now - 1);
    return true;
  }

  /** To before the last instruction at which one of these breakpoints would have stopped, which is told, or to the oldest instant. */
  runBackTo(breakpoints: readonly Breakpoint[]): BreakpointHit | null {
    const own = this.machine.breakpoints;
    let last: BreakpointHit | null = null;
    this.search((found) => {
      const others = own.suspend();
      for (const breakpoint of breakpoints) own.add(breakpoint);
      own.search((hit) => {
        if (found()) last = hit;
      });
      return () => {
        own.search(null);
        own.clear();
        own.resume(others);
      };
    });
    return last;
  }

  /** To the last instant before this one at which `matches` held between two instructions, or to the oldest one. It must change nothing. */
  runBack(matches: () => boolean): boolean {
    const own = this.machine.breakpoints;
    return this.search((found) => {
      own.setTracer({
        covers: () => true,
        before: () => {
          if (matches()) found();
          return false;
        },
      });
      return () => own.setTracer(null);
    });
  }

  /** `arm` makes the machine call `found` where it should, until what it gives is called; `found` says whether that is in the past that is searched. */
  private search(arm: (found: () => boolean) => () => void): boolean {
    const present = this.now;
    let end = present, last = -1;
    for (let from = this.checkpoints.before(present - 1); from; from = this.checkpoints.before(from.retired - 1)) {
      const { retired } = from;
      this.quietly(() => {
        this.restore(from!);
        const disarm = arm(() => {
          const counts = this.now < end;
          if (counts) last = this.now;
          return counts;
        });
        try {
          this.replay(end);
        } finally {
          disarm();
        }
      });
      if (last >= 0) {
        this.goTo(last);
        return true;
      }
      end = retired;
    }
    this.goTo(this.oldest);
    return false;
  }

  /** Breakpoints do not stop it, and nobody sees what is done again. */
  private quietly(work: () => void): void {
    const list = this.machine.breakpoints.suspend();
    this.seeking = true;
    try {
      work();
    } finally {
      this.seeking = false;
      this.machine.breakpoints.resume(list);
      this.wake();
    }
  }

  private checkpoint(): void {
    const { machine, ram, clock, disks } = this;
    const { supervisor, pc } = machine;
    const monitor = supervisor.suspend();
    if (this.options.checkpoints) {
      const before = this.checkpoints.before(this.now);
      const pages = ram.save();
      this.checkpoints.add({
        retired: this.now, index: this.index, settledAt: this.settledAt, clock: clock.parameters, timeNs: clock.nowNs(), processor: saveProcessor(machine), monitor,
        devices: sharing(pc.save(), before?.devices ?? {}), disks: disks.save(), media: REMOVABLE_DRIVES.map((drive) => pc.mediumIn(drive)), ram: pages, log: supervisor.log.save(before?.log ?? null),
      });
      ram.begin(pages);
    } else {
      machine.cpu.v.tlb.flushAll();
      machine.cpu.h.tlb.flushAll();
    }
    supervisor.resume(monitor);
    supervisor.setIntr(pc.interruptPending);
  }

  private restore(checkpoint: Checkpoint): void {
    const { machine, ram } = this;
    const { core, clock, pc, supervisor, physical } = machine;
    supervisor.suspend();
    core.restoreRetired(checkpoint.retired);
    clock.restore(checkpoint.timeNs);
    this.clock.parameters = checkpoint.clock;
    ram.load(checkpoint.ram);
    // The state of the drives themselves comes with the devices'.
    REMOVABLE_DRIVES.forEach((drive, n) => checkpoint.media[n] !== pc.mediumIn(drive) && pc.put(drive, checkpoint.media[n]!));
    pc.load(checkpoint.devices);
    physical.codeWritten(0xc_0000, 0x4_0000); // shadow RAM may be ROM now
    this.disks.load(checkpoint.disks);
    loadProcessor(machine, checkpoint.processor);
    ram.begin(checkpoint.ram);
    machine.wake();
    supervisor.resume(checkpoint.monitor);
    supervisor.log.restore(checkpoint.log);
    supervisor.setIntr(pc.interruptPending);
    this.index = checkpoint.index;
    this.settledAt = checkpoint.settledAt;
  }
}

const LARGE = 1 << 14;

/** Large arrays that have not changed take room once. */
function sharing<T>(value: T, before: unknown): T {
  if (value instanceof Uint8Array) {
    return value.length >= LARGE && before instanceof Uint8Array && sameBytes(value, before) ? (before as T) : value;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const other = (before ?? {}) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, sharing(inner, other[name])])) as T;
}
