// A whole machine: processor, memory, clock, board and, when a technique asks for one, a monitor. The composition root:
// the same in the page's worker, on the command line, in the library and in tests.

import { Core, STALL } from "../cpu/core.ts";
import { Cpu } from "../cpu/cpu.ts";
import { createHelpers } from "../cpu/helpers/index.ts";
import { type CpuModelName, featureWord } from "../cpu/models.ts";
import { MmioBus } from "../hardware/bus.ts";
import type { ByteSource } from "../hardware/device.ts";
import { CodeCache, DEFAULT_TRANSLATION, type TranslationOptions } from "../jit/code-cache.ts";
import { ROWS } from "../isa/opcode-map/index.ts";
import { ACCESS_DB } from "../cpu/protection.ts";
import { ACTIVITY, CS, EFLAGS_IF, SUSPENDED } from "../isa/state-layout.ts";
import { writeCodeWindow } from "../protocol/register-view.ts";
import type { TechniqueDefinition } from "../monitor/techniques/technique.ts";
import type { ClockKind, ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import { Breakpoints } from "./breakpoints.ts";
import { type GuestClock, NS_PER_INSTRUCTION, PacedClock, RealClock, TSC_PER_NS, VIRTUAL_EPOCH_MS, VirtualClock } from "./guest-clock.ts";
import type { BootOrder, Drives } from "./drives.ts";
import { Pc, type PcEvents } from "./pc.ts";
import { hashOf } from "./hasher.ts";
import { GuestMemory } from "./guest-memory.ts";
import { GuestPhysical, HardwarePhysical } from "./physical.ts";
import { allocateMemory, type MemoryMap } from "./shared-memory.ts";
import { Supervisor } from "./supervisor.ts";

/** With the real clock the machine looks at its timers about this often, by the host's time. */
const REAL_SLICE_NS = 1e6;
const SMALLEST_SLICE = 5_000, LARGEST_SLICE = 1_000_000, FIRST_SLICE = 50_000;
/** With the virtual clock, a guest that waits this long without an instruction waits forever. */
const FOREVER_NS = 24 * 3600e9;

export interface MachineOptions {
  readonly memoryBytes: number;
  /** A Pentium 4 by default. */
  readonly cpu?: CpuModelName;
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  /** "paced": by instructions, at a pace that the caller sets (replay.ts). */
  readonly clock: ClockKind | "paced";
  /** Guest UTC at power-on; with the virtual clock by default 2003-02-14T14:18:30Z. */
  readonly epochMs?: number;
  /** A monotonic wall clock in ns; needed with `clock: "real"`. */
  readonly wallNs?: () => number;
  /** A monotonic clock in ns, by which the monitor's share of the host's time is measured. The guest never sees it. */
  readonly meterNs?: () => number;
  /** ROM images; absent: a bare processor without devices. */
  readonly firmware?: { readonly bios: Uint8Array; readonly vgabios?: Uint8Array };
  readonly drives: Drives;
  /** Files that the firmware loads in place of booting a drive (firmware/boot-plan.ts). */
  readonly bootPlan?: { readonly plan: Uint8Array; readonly data: ByteSource | Uint8Array };
  readonly bootOrder?: BootOrder;
  /** Techniques to choose from; absent: those that are built. */
  readonly techniques?: readonly TechniqueDefinition[];
  /** Hot code is translated to WebAssembly, unless this is false; nothing that the guest or the log shows depends on it. */
  readonly jit?: boolean | Partial<TranslationOptions>;
  /** The monitor checks itself after each exit; slow. */
  readonly checks?: boolean;
}

/** "exception": only from `step`, and with `core.deliverExceptions` off. */
export type RunReason = "budget" | "exception" | "breakpoint" | "break" | "idle" | "halted" | "triple-fault" | "power-off" | "exit-port" | "refused";

export class Machine {
  readonly map: MemoryMap;
  readonly clock: GuestClock;
  readonly cpu: Cpu;
  readonly core: Core;
  /** Null: everything is interpreted. */
  readonly translations: CodeCache | null;
  readonly physical: GuestPhysical;
  readonly pc: Pc;
  readonly supervisor: Supervisor;
  readonly breakpoints: Breakpoints;
  /** As a debugger sees it. */
  readonly memory: GuestMemory;
  /** Outputs of the machine: set what is wanted. */
  readonly events: PcEvents = { serial: () => {}, debugConsole: () => {}, notice: () => {}, speaker: () => {} };
  exitValue: number | null = null;
  /** Of the ROMs: a snapshot wants the same. */
  readonly firmwareHash: string;
  private ended: RunReason | null = null;
  private resetRequested = false;
  private realSlice = FIRST_SLICE;
  private readonly wallNs: () => number;
  private complete = false;

  constructor(options: MachineOptions) {
    this.map = allocateMemory(options.memoryBytes);
    const real = options.clock === "real", epochMs = options.epochMs ?? VIRTUAL_EPOCH_MS;
    this.wallNs = real ? requireClock(options.wallNs) : () => 0;
    this.clock = real
      ? new RealClock(epochMs, this.wallNs, () => this.core.retired())
      : new (options.clock === "paced" ? PacedClock : VirtualClock)(epochMs, () => this.core.retired());
    const mmio = new MmioBus();
    this.physical = new GuestPhysical(this.map, mmio);
    this.physical.plain = !options.firmware;
    this.firmwareHash = hashOf(options.firmware ?? {});
    const { map, physical } = this;
    this.cpu = new Cpu({
      memory: map.memory,
      tables: map.tlb,
      ...(options.cpu ? { model: options.cpu } : {}),
      physical: { v: physical, h: new HardwarePhysical(physical, map) },
      hooks: {
        ports: {
          read: (port, width) => {
            this.breakpoints.port(port, width, false);
            return this.pc.io.read(port, width);
          },
          write: (port, width, value) => {
            this.breakpoints.port(port, width, true);
            this.pc.io.write(port, width, value);
          },
          readBlock: (port, width, into) => {
            this.breakpoints.port(port, width, false);
            return this.pc.io.readBlock(port, width, into);
          },
          writeBlock: (port, width, from) => {
            this.breakpoints.port(port, width, true);
            return this.pc.io.writeBlock(port, width, from);
          },
        },
        codeWritten: (address, length) => this.codeWritten(address, length),
        readTimestamp: (hardware) => Math.floor(this.clock.nowNs() * TSC_PER_NS) + (hardware ? this.supervisor.monitorTicks : 0),
        floatingPointError: () => this.pc.floatingPointError(),
        apicBase: {
          read: () => this.pc.interrupts.localApic?.base ?? null,
          write: (value) => this.pc.interrupts.localApic?.setBase(value) ?? false,
        },
        notice: (text) => this.events.notice(text),
      },
    });
    physical.codeWritten = (address, length) => this.codeWritten(address, length);
    physical.isCode = (page) => this.cpu.codePages[page] !== 0;
    physical.dirtyPages = this.cpu.state.dirtyPages;
    const jit = options.jit ?? true;
    this.core = new Core(this.cpu, ROWS, { ...map, translate: jit !== false }, { acknowledge: () => this.pc.acknowledge() }, createHelpers(this.cpu));
    this.breakpoints = new Breakpoints(this.cpu, this.core);
    this.memory = new GuestMemory(this.cpu, physical);
    this.translations = jit === false ? null : new CodeCache(this.core, map.memory, map.memoryPages, { ...DEFAULT_TRANSLATION, ...(jit === true ? {} : jit) });
    this.clock.onDue = () => this.core.stop();
    const { model } = this.cpu;
    this.pc = new Pc({
      clock: this.clock,
      physical,
      mmio,
      processor: { signature: model.signature, features: featureWord(model, "edx", true), apic: model.features.has("apic") },
      memoryBytes: options.memoryBytes,
      drives: options.drives,
      ...(options.firmware ? { firmware: options.firmware } : {}),
      ...(options.bootPlan ? { bootPlan: options.bootPlan } : {}),
      bootOrder: options.bootOrder ?? null,
      events: {
        serial: (port, byte) => this.events.serial(port, byte),
        debugConsole: (byte) => this.events.debugConsole(byte),
        notice: (text) => this.events.notice(text),
        speaker: (nowNs, hz, high) => this.events.speaker(nowNs, hz, high),
      },
      pins: {
        intr: (level) => (this.complete ? this.supervisor.setIntr(level) : this.core.setIntr(level)),
        nmi: () => this.core.raiseNmi(),
        reset: () =>
          this.request(() => {
            this.resetRequested = true;
          }),
        powerOff: () =>
          this.request(() => {
            this.ended = "power-off";
          }),
        exit: (value) =>
          this.request(() => {
            this.exitValue = value;
            this.ended = "exit-port";
          }),
        mappingChanged: () => this.flushTranslations(),
      },
    });
    this.supervisor = new Supervisor(
      {
        map, cpu: this.cpu, core: this.core, physical, clock: this.clock, pc: this.pc, notice: (text) => this.events.notice(text),
        checks: options.checks === true,
        ...(options.meterNs ? { meterNs: options.meterNs } : {}), ...(options.techniques ? { techniques: options.techniques } : {}),
      },
      options.technique,
      options.ring,
      options.set,
    );
    this.complete = true;
    this.powerOn();
  }

  private request(note: () => void): void {
    note();
    this.core.stop();
  }

  /** Stores into pages that hold decoded code or that the monitor watches, whoever made them. */
  private codeWritten(address: number, length: number): void {
    this.core.blocks.invalidate(address, length);
    this.breakpoints.codeWritten(address, length);
    this.supervisor.codeWritten(address, length);
  }

  private flushTranslations(): void {
    if (!this.complete) return; // chips drive their wires while the board is being built
    this.cpu.v.tlb.flushAll();
    this.cpu.h.tlb.flushAll();
    this.supervisor.mappingChanged();
  }

  private powerOn(forget = false): void {
    this.ended = null;
    this.exitValue = null;
    this.resetRequested = false;
    this.cpu.reset();
    this.pc.reset();
    this.supervisor.reset(forget);
  }

  /** A snapshot has been restored: whatever ended the run before is no more. */
  wake(): void {
    this.ended = null;
    this.exitValue = null;
    this.resetRequested = false;
    this.stopping = false;
    this.waiting = { retired: -1, sinceNs: 0 };
  }

  /** The reset button. RAM keeps its contents, as on hardware; the log begins afresh. */
  reset(): void {
    this.powerOn(true);
  }

  /** Guest time of the next timer in ns, for a host that sleeps while the guest is idle; Infinity: none. */
  get nextEventNs(): number {
    return this.clock.nextDeadlineNs;
  }

  /**
   * Runs at most `instructions`; fewer, with "budget", where the guest retires none for long (core.ts, STALL). "idle" (real clock only): the guest waits; call again when its next event is due or input
   * has come. "break": `stop` was called.
   */
  run(instructions: number): RunReason {
    const reason = this.runUntil(instructions);
    this.supervisor.publish();
    return reason;
  }

  /** One whole instruction (a REP to its end), or the delivery of the exception that it raised. */
  step(run: (instructions: number) => RunReason = (instructions) => this.run(instructions)): RunReason {
    const { core } = this;
    core.stopAtException = true;
    const before = core.retired();
    try {
      for (;;) {
        const reason = run(1);
        if (reason !== "budget" || core.retired() !== before) return reason;
      }
    } finally {
      core.stopAtException = false;
    }
  }

  private runUntil(instructions: number): RunReason {
    const { clock, core } = this;
    if (clock instanceof RealClock) clock.resume();
    let left = instructions, fruitless = 0;
    while (left > 0) {
      if (this.ended) return this.ended;
      if (clock instanceof RealClock && this.supervisor.guestContext.get(ACTIVITY) !== 0) clock.catchUp();
      clock.expire();
      // A halted processor would not answer before it wakes.
      if (this.takeStop()) return "break";
      const slice = clock instanceof VirtualClock ? Math.max(1, clock.instructionsUntil(clock.nextDeadlineNs)) : this.realSlice;
      const before = core.retired();
      // Where a slice of real time ends is not exact anyway.
      core.exactBudget = clock instanceof VirtualClock || left <= slice;
      const began = this.wallNs();
      const reason = this.supervisor.run(Math.min(left, slice, MAX_SLICE));
      const ran = core.retired() - before;
      left -= ran;
      if (ran > 0) fruitless = 0;
      if (ran > SMALLEST_SLICE / 2) this.measure(ran, this.wallNs() - began);
      if (this.resetRequested) {
        this.powerOn();
        continue;
      }
      if (this.ended) return this.ended;
      if (reason === "shutdown") return "triple-fault";
      if (reason === "refused" || reason === "exception" || reason === "breakpoint") return reason;
      if (reason === "stalled") {
        // What takes no instruction takes time all the same, or no timer would ever end it. Instructions have taken theirs, and a
        // repetition ends by itself: where a run is cut must not decide what time it is.
        if (ran === 0 && core.cpu.state.read(SUSPENDED) === 0 && clock instanceof VirtualClock) clock.skipTo(clock.nowNs() + STALL * NS_PER_INSTRUCTION);
        return "budget";
      }
      if (reason === "halted") {
        const waiting = this.wait();
        if (waiting) return waiting;
      } else if (reason === "break") {
        if (ran === 0) fruitless++;
        if (this.takeStop() || fruitless > FRUITLESS_BREAKS) return "break";
      }
    }
    return "budget";
  }
  private stopping = false;
  private takeStop(): boolean {
    const { stopping } = this;
    this.stopping = false;
    return stopping;
  }
  /** When the present wait began, by the instructions that had retired then. */
  private waiting = { retired: -1, sinceNs: 0 };

  /** Chooses how many instructions the next slice of real time holds. */
  private measure(ran: number, tookNs: number): void {
    const fitting = (ran / Math.max(tookNs, 1)) * REAL_SLICE_NS;
    this.realSlice = Math.round(Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, (this.realSlice + fitting) / 2)));
  }

  /** From a device callback or a host event: `run` returns "break" soon. */
  stop(): void {
    this.stopping = true;
    this.core.stop();
  }

  /** The real clock stands still until the next `run`. */
  pauseClock(): void {
    if (this.clock instanceof RealClock) this.clock.pause();
  }

  /** Puts the code at the guest's EIP where the page reads it. */
  publishCodeWindow(): void {
    const { cpu, map } = this;
    const v = cpu.v.context;
    const eip = cpu.state.eip;
    const linear = (v.segmentBase(CS) + eip) | 0;
    const bytes = this.supervisor.fetchCode(linear);
    const code32 = (v.segmentAccess(CS) & ACCESS_DB) !== 0;
    writeCodeWindow(cpu.state.view, map.view.codeWindow, { linear: linear >>> 0, eip: eip >>> 0, code32, bytes });
  }

  /** The guest is in HLT. Virtual time jumps to the next event; real time is waited for by the caller. */
  private wait(): RunReason | null {
    const { clock } = this;
    const wakeable = (this.supervisor.guestContext.systemFlags & EFLAGS_IF) !== 0;
    if (!wakeable) return "halted";
    if (clock instanceof VirtualClock && clock.jumps) {
      const next = clock.nextDeadlineNs, retired = this.core.retired();
      if (this.waiting.retired !== retired) this.waiting = { retired, sinceNs: clock.nowNs() };
      if (next === Infinity || next - this.waiting.sinceNs > FOREVER_NS) return "halted";
      clock.skipTo(next);
      return null;
    }
    if (clock instanceof RealClock) clock.catchUp();
    clock.expire();
    return this.pc.interruptPending ? null : "idle";
  }

  dispose(): void {
    this.core.stop();
  }
}

const MAX_SLICE = 100_000_000;
/** Breaks without an instruction in between after which the caller is asked: the guest may be caught in faults that fault. */
const FRUITLESS_BREAKS = 1_000;

function requireClock(wallNs: (() => number) | undefined): () => number {
  if (!wallNs) throw new Error("a machine with the real clock needs a wall clock");
  return wallNs;
}
