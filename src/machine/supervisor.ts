// What runs the guest: the bare processor (emulate), or a monitor over it. Switching happens between two instructions.
// Everything that the trap log shows is written below here.

import type { Core, StopReason } from "../cpu/core.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { ACCESS_DB } from "../cpu/protection.ts";
import type { Context } from "../cpu/state.ts";
import { createDecoded, createDecoder, type Decoder } from "../isa/decoder.ts";
import { ROWS } from "../isa/opcode-map/index.ts";
import { EMITTED_ROWS } from "../isa/translation.ts";
import { CPL, CR0, CS, EFLAGS_IF, EFLAGS_VM } from "../isa/state-layout.ts";
import { Counters } from "../monitor/counters.ts";
import { MonitorMeter } from "../monitor/meter.ts";
import { Probes } from "../monitor/oracle/probes.ts";
import type { TruthState } from "../monitor/oracle/truth.ts";
import { RegisterTrace } from "../monitor/register-trace.ts";
import { TECHNIQUE_LIST } from "../monitor/techniques/list.ts";
import type { TechniqueDefinition } from "../monitor/techniques/technique.ts";
import { TrapLog } from "../monitor/trap-log.ts";
import { type Refusal, Vmm } from "../monitor/vmm.ts";
import { Watchdog } from "../monitor/watchdog.ts";
import { writeTruth } from "../protocol/register-view.ts";
import { type ProcessorSet, type Ring, type TechniqueId, TECHNIQUES } from "../protocol/technique.ts";
import { packMode } from "../protocol/trap-record.ts";
import type { GuestClock } from "./guest-clock.ts";
import type { Pc } from "./pc.ts";
import { type GuestPhysical, POOL_PAGE } from "./physical.ts";
import { type MemoryMap, POOL_BYTES } from "./shared-memory.ts";

/** The parts of the machine that a monitor works with. */
export interface Parts {
  readonly map: MemoryMap;
  readonly cpu: Cpu;
  readonly core: Core;
  readonly physical: GuestPhysical;
  readonly clock: GuestClock;
  readonly pc: Pc;
  readonly notice: (text: string) => void;
  readonly checks: boolean;
  /** Absent: those that are built. */
  readonly techniques?: readonly TechniqueDefinition[];
  /** A clock of the host in ns, by which the monitor's share of its time is measured; absent: it is not. */
  readonly meterNs?: () => number;
}

/** A fault into ring 0 and the IRET back, as on a Pentium 4 (Adams and Agesen, 2006, order of magnitude). */
const TICKS_PER_EXIT = 1500;
const MAXIMUM_LENGTH = 15;

export { BUILT_TECHNIQUES } from "../monitor/techniques/list.ts";

/** Of a monitor, while there is none. */
export interface MonitorState {
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly emulated: number;
  readonly exitCount: number;
  readonly exitsBefore: number;
  readonly shownTicks: number;
  readonly truth: TruthState;
  readonly lostInterruptFlag: string | null;
}

export class Supervisor {
  readonly counters: Counters;
  readonly log: TrapLog;
  readonly probes: Probes;
  readonly registers: RegisterTrace;
  technique: TechniqueId;
  ring: Ring;
  set: ProcessorSet;
  private readonly parts: Parts;
  private readonly meter: MonitorMeter;
  private readonly decoder: Decoder;
  private vmm: Vmm | null = null;
  private watchdog: Watchdog | null = null;
  private emulatedBefore = 0;
  private exitsBefore = 0;

  constructor(parts: Parts, technique: TechniqueId, ring: Ring, set: ProcessorSet) {
    this.parts = parts;
    this.technique = technique;
    this.ring = ring;
    this.set = set;
    this.meter = new MonitorMeter(parts.meterNs ?? null);
    const { map, cpu, core, clock } = parts;
    this.decoder = createDecoder(ROWS);
    this.counters = new Counters(map.buffer, map.view.stats);
    this.log = new TrapLog({ buffer: map.buffer, ringBase: map.view.trapRing, siteBase: map.view.trapSites }, this.counters, siteDescriber(this.decoder, this.counters));
    this.registers = new RegisterTrace(cpu, map.view.registers);
    this.log.registers = this.registers;
    this.probes = new Probes({
      cpu,
      rows: [...ROWS, ...EMITTED_ROWS],
      decoder: this.decoder,
      log: this.log,
      icount: () => core.retired(),
      nowNs: () => clock.nowNs(),
      monitorTicks: () => this.monitorTicks,
    });
    core.probe = this.probes;
    this.probes.detach();
  }

  /** The processor that the guest believes in. */
  get guestContext(): Context {
    return this.parts.cpu.v.context;
  }

  /** Why the technique gave up, after `run` returned "refused". */
  get refusal(): Refusal | null {
    return this.vmm?.refusal ?? this.watchdog?.lost ?? null;
  }

  /** What the technique counts besides exits, by name. */
  get statistics(): Readonly<Record<string, number>> {
    return this.vmm?.statistics ?? {};
  }

  get emulatedInstructions(): number {
    return this.emulatedBefore + (this.vmm?.emulatedInstructions ?? 0);
  }

  /**
   * The processor was reset. A guest that reboots itself is one run: the log goes on. With `forget` the log and its counts
   * begin afresh.
   */
  reset(forget: boolean): void {
    this.leave();
    if (forget) {
      this.emulatedBefore = 0;
      this.log.clear();
      this.parts.cpu.exitCount = 0;
    }
    this.enter();
  }

  /** Another technique from the next instruction on. The log goes on. */
  change(technique: TechniqueId, ring: Ring, set: ProcessorSet): void {
    this.leave();
    this.technique = technique;
    this.ring = ring;
    this.set = set;
    this.enter();
  }

  /**
   * Takes the monitor away and gives what is to be known of it when another one takes its place: then the guest goes on as if
   * nothing had happened, but that what was made as it was needed (shadow tables, translations) is made anew.
   */
  suspend(): MonitorState {
    const { exitCount, shownTicks } = this.parts.cpu, { exitsBefore } = this;
    this.leave();
    const { technique, ring, set, emulatedBefore, probes } = this;
    return { technique, ring, set, emulated: emulatedBefore, exitCount, exitsBefore, shownTicks, truth: probes.truth.save(), lostInterruptFlag: probes.lostInterruptFlag };
  }

  resume({ technique, ring, set, emulated, exitCount, exitsBefore, shownTicks, truth, lostInterruptFlag }: MonitorState): void {
    const { cpu } = this.parts;
    this.technique = technique;
    this.ring = ring;
    this.set = set;
    this.emulatedBefore = emulated;
    cpu.exitCount = exitCount;
    this.enter();
    if (!this.vmm) return;
    this.exitsBefore = exitsBefore;
    cpu.shownTicks = shownTicks;
    cpu.timestampOffset -= BigInt(shownTicks);
    this.probes.truth.restore(truth);
    this.probes.lostInterruptFlag = lostInterruptFlag;
  }

  private enter(): void {
    const { counters } = this;
    counters.set("technique", TECHNIQUES.indexOf(this.technique));
    counters.set("ring", this.ring);
    counters.noteTechnique(this.log.total, TECHNIQUES.indexOf(this.technique), this.ring);
    const definition = (this.parts.techniques ?? TECHNIQUE_LIST).find(({ id }) => id === this.technique);
    if (!definition) throw new Error(`${this.technique} is not built`);
    counters.set("attached", definition.create ? 1 : 0);
    this.parts.physical.mapVideo(!definition.create);
    this.parts.cpu.v.tlb.flushAll();
    if (!definition.create) return;
    const { cpu, core, map, pc, clock, notice, checks } = this.parts;
    this.probes.attach(this.ring);
    this.exitsBefore = cpu.exitCount;
    this.vmm = new Vmm(
      {
        cpu,
        core,
        decoder: this.decoder,
        log: this.log,
        probes: this.probes,
        meter: this.meter,
        pool: { base: map.pool, bytes: POOL_BYTES, firstPage: POOL_PAGE },
        interrupts: { pending: () => pc.interruptPending, acknowledge: () => pc.acknowledge() },
        hal: (call, b, c, d) => pc.hal.call(call, b, c, d),
        nowNs: () => clock.nowNs(),
        notice,
        checks,
      },
      definition,
      this.ring,
      this.set,
    );
    this.vmm.attach();
    this.watchdog = new Watchdog({
      retired: () => core.retired(),
      lastExit: () => this.log.lastExit,
      leaks: () => counters.get("leaks"),
      leakMattered: () => counters.hasDecisiveLeak,
      acknowledged: () => pc.acknowledged,
      interruptRequested: () => pc.interrupts.requested,
      place: () => this.place(),
    });
  }

  private leave(): void {
    if (!this.vmm) return;
    this.emulatedBefore += this.vmm.emulatedInstructions;
    // The counter that the guest has read does not run back. What it has not seen of the monitor's time it need not see now.
    const { cpu } = this.parts;
    cpu.timestampOffset += BigInt(cpu.shownTicks);
    cpu.shownTicks = 0;
    this.vmm.detach();
    this.probes.detach();
    this.vmm = null;
    this.watchdog = null;
  }

  /** Physical addresses mean something else now (A20, shadow RAM, a BAR). */
  mappingChanged(): void {
    this.vmm?.mappingChanged();
  }

  /** The guest's registers were set from outside: what they are now is right. */
  guestChanged(): void {
    this.vmm?.guestChanged();
    this.probes.truth.adopt();
  }

  /** Bytes of a watched page changed. */
  codeWritten(physical: number, length: number): void {
    this.vmm?.tracedWrite(physical, length);
  }

  /** The interrupt controller's INTR output. */
  setIntr(level: boolean): void {
    if (this.vmm) this.vmm.interrupts.setLine(level);
    else this.parts.core.setIntr(level);
  }

  /** Time-stamp ticks that the silicon spent in the monitor since it was attached: RDTSC that does not leave shows them. */
  get monitorTicks(): number {
    return this.vmm ? (this.parts.cpu.exitCount - this.exitsBefore) * TICKS_PER_EXIT : 0;
  }

  /** Up to 64 bytes of code at a linear address of the guest, through its own paging, without any effect. */
  fetchCode(linear: number): Uint8Array {
    const { cpu } = this.parts;
    const active = cpu.context === cpu.v.context ? "V" : "H";
    cpu.switchContext("V");
    const bytes: number[] = [];
    for (let i = 0; i < 64; i++) {
      const physical = cpu.peekPhysical((linear + i) | 0);
      const host = physical < 0 ? 0 : cpu.physical.hostPage(physical >>> 12);
      if (host === 0) break;
      bytes.push(cpu.state.u8[host + (physical & 0xfff)]!);
    }
    cpu.switchContext(active);
    return Uint8Array.from(bytes);
  }

  /** Calls `look` while RAM holds what the guest made of it: nothing that a monitor has planted. */
  unplanted(look: () => void): void {
    if (this.vmm) this.vmm.unplanted(look);
    else look();
  }

  /** Where the guest is: EIP, and the bytes of the instruction there. */
  private place(): { eip: number; bytes: Uint8Array } {
    const { state } = this.parts.cpu;
    const v = this.guestContext;
    const bytes = this.fetchCode((v.segmentBase(CS) + state.eip) | 0).subarray(0, MAXIMUM_LENGTH);
    const length = this.decoder.decodeBytes(bytes, 0, bytes.length, (v.segmentAccess(CS) & ACCESS_DB) !== 0, createDecoded());
    return { eip: state.eip >>> 0, bytes: bytes.subarray(0, Math.max(length, 0)) };
  }

  run(budget: number): StopReason | "refused" {
    const { vmm, watchdog } = this;
    if (!vmm || !watchdog) return this.parts.core.run(budget);
    if (watchdog.lost) return "refused";
    const reason = vmm.run(Math.min(budget, watchdog.room));
    watchdog.look();
    if (reason === "halted" && (this.guestContext.systemFlags & EFLAGS_IF) === 0) this.probes.interruptNeverCame();
    return watchdog.lost ? "refused" : reason;
  }

  /** Brings the shared statistics up to date; the machine calls it when it looks around. */
  publish(): void {
    const { counters, parts } = this;
    this.probes.flush();
    this.log.publish();
    counters.set("processorExits", parts.cpu.exitCount);
    counters.set("instructions", parts.core.retired());
    counters.set("emulatedInstructions", this.emulatedInstructions);
    counters.set("guestNs", parts.clock.nowNs());
    counters.set("monitorNs", this.meter.ns);
    const v = this.guestContext;
    counters.sample(parts.clock.nowNs(), packMode(v.get(CPL), 0, (v.systemFlags & EFLAGS_VM) !== 0, (v.get(CR0) & 1) !== 0, false));
    writeTruth(parts.cpu.state.view, parts.map.view.truth, this.vmm ? this.probes.truth.snapshot() : null);
  }
}

function siteDescriber(decoder: Decoder, counters: Counters) {
  const decoded = createDecoded();
  const unknown = counters.mnemonicId("(unknown)");
  return (code: Uint8Array, offset: number, available: number, code32: boolean) => {
    const length = available > 0 ? decoder.decodeBytes(code, offset, offset + available, code32, decoded) : 0;
    if (available === 0) return { length: 0, mnemonicId: 0 };
    if (length < 1 || length > 15 || !decoded.row) return { length: Math.min(available, 15), mnemonicId: unknown };
    return { length, mnemonicId: counters.mnemonicId(decoded.row.mnemonic) };
  };
}
