// One machine for one page: commands in, events out. Between messages the machine runs in slices of a few milliseconds.

import { ImageError, UsageError } from "../base/errors.ts";
import { Sha256 } from "../base/sha256.ts";
import type { Sibling } from "../block/open-image.ts";
import { type BootRequest, configureBoot, type NamedSource, openMedium } from "../machine/boot/boot-request.ts";
import { describeImage } from "../machine/boot/image-info.ts";
import { GuestScreen } from "../machine/guest-screen.ts";
import { type Input, inputOfEdit } from "../machine/input-log.ts";
import { Machine, type RunReason } from "../machine/machine.ts";
import { History } from "../machine/replay.ts";
import { ScreenPublisher } from "../machine/screen-publisher.ts";
import { BUILT_TECHNIQUES } from "../machine/supervisor.ts";
import type { Command, LogFormat, MachineConfig, Medium } from "../protocol/commands.ts";
import type { BackTarget, Breakpoint, BreakpointHit } from "../protocol/debug.ts";
import type { MachineEvent, RunState } from "../protocol/events.ts";
import { DRIVES, type DriveName } from "../protocol/image-info.ts";
import { SoundWriter } from "../protocol/sound-view.ts";
import { RUN_ENDED, RUN_PAUSED, RUN_RUNNING, StatsReader } from "../protocol/stats-view.ts";
import { emptyRawTrap, KIND_EXIT, KIND_LEAK, KIND_OBSERVED, TrapReader } from "../protocol/trap-record.ts";
import { exportLog, LOG_ENDINGS } from "../trace/export.ts";
import { compileFilter } from "../trace/filter.ts";
import { disassembleBytes } from "../trace/instruction.ts";
import { rowContext } from "../trace/trap-row.ts";
import { DebugControl } from "./debug-control.ts";
import { inspect } from "./inspector.ts";
import { MachineFiles } from "./machine-files.ts";
import { ViewMirror } from "./view-mirror.ts";
import { mediumSource } from "./blob-source.ts";

/** What the worker gives: time, and a way to be called again. */
export interface Host {
  post(event: MachineEvent, transfer?: Transferable[]): void;
  /** A medium as bytes, with what the guest wrote to it before. */
  open(medium: Medium): NamedSource;
  /** Memory can be shared with the page; if not, it is sent what changed. */
  readonly shares: boolean;
  /** Monotonic, in nanoseconds. */
  wallNs(): number;
  epochMs(): number;
  /** Calls `continue` after `delayMs`, or sooner when a message comes; 0: at once, but after waiting messages. */
  later(continueRun: () => void, delayMs: number): void;
}

const SLICE_NS = 6e6;
/** Where the page has a copy, it is brought up to date so often. */
const MIRROR_NS = 50e6;
const FRAME_NS = 16e6;
const LONGEST_SLEEP_MS = 100;
/** Images up to this size are named by their hash in the exported log. */
const LARGEST_HASHED = 16 << 20;
/** Instructions; where each traps, even a thousand take their time. */
const SMALLEST_SLICE = 1_000, FIRST_SLICE = 500_000, LARGEST_SLICE = 20_000_000;
/** Run time between two checkpoints: a step back takes as long at most. */
const CHECKPOINT_NS = 250e6;
/** One instruction after the other, while a trap is looked for with nothing else to show. */
const TRAP_SEARCH_SLICE = 1_000_000;

export class CommandLoop {
  private readonly host: Host;
  private machine: Machine | null = null;
  private screen: ScreenPublisher | null = null;
  private mirror: ViewMirror | null = null;
  private state: RunState | null = null;
  private scheduled = false;
  private slice = FIRST_SLICE;
  private lastFrameNs = 0;
  private untilTrap = false;
  private trapSeen = false;
  private readonly serial: [number[], number[]] = [[], []];
  private readonly debugBytes: number[] = [];
  private image: string | undefined;
  private debug: DebugControl | null = null;
  /** Outlive the machine: the next one gets them, too. */
  private breakpoints: readonly Breakpoint[] = [];
  private hit: BreakpointHit | null = null;
  private history: History | null = null;
  private files: MachineFiles | null = null;
  private sinceCheckpointNs = 0;

  constructor(host: Host) {
    this.host = host;
    host.post({ type: "hello", techniques: BUILT_TECHNIQUES });
  }

  handle(command: Command): void {
    try {
      this.perform(command);
    } catch (error) {
      if (command.type === "create" && (error instanceof ImageError || error instanceof UsageError || error instanceof RangeError)) this.rejected(command.config, error);
      else if (error instanceof ImageError) this.host.post({ type: "notice", text: error.message });
      else this.defect(error);
    }
  }

  private perform(command: Command): void {
    switch (command.type) {
      case "identify": return this.identify(command.id, command.medium);
      case "create": return this.create(command.config);
      case "dispose":
        this.machine = null;
        return;
      case "setBreakpoints":
        this.breakpoints = command.breakpoints;
        return this.armBreakpoints();
    }
    const { machine, debug, history } = this;
    if (!machine || !debug || !history) return;
    switch (command.type) {
      case "run":
        if (this.state?.kind !== "ended") this.start(false);
        return;
      case "pause": return this.pause("user");
      case "step":
        if (this.state?.kind === "ended") return;
        return this.step(history, debug);
      case "stepOver":
        if (this.state?.kind === "ended") return;
        if (debug.stepOver()) return this.start(false);
        return this.step(history, debug);
      case "stepOut":
        if (this.state?.kind === "ended") return;
        debug.stepOut();
        return this.start(false);
      case "runTo":
        if (this.state?.kind === "ended") return;
        debug.runTo(command.linear);
        return this.start(false);
      case "inspect":
        this.host.post({ type: "inspected", id: command.id, answer: inspect(machine, command.request) });
        return;
      case "edit": {
        const input = inputOfEdit(machine, command.edit);
        if (input) history.input(input);
        if (this.state?.kind !== "running") this.show();
        this.host.post({ type: "edited", refused: input ? null : "There is no memory that can be written." });
        return;
      }
      case "saveSnapshot": return this.offer("The snapshot could not be taken", () => this.files!.snapshot());
      case "saveRecording": return this.offer("There is no recording", () => this.files!.recording(history));
      case "restoreSnapshot": return this.restore(history, command.file);
      case "back":
        if (this.state?.kind !== "running") this.goBack(machine, history, command.to);
        return;
      case "stepToNextTrap":
        if (this.state?.kind !== "ended") this.start(true);
        return;
      case "reset":
        history.input({ kind: "reset" });
        this.flushBytes();
        this.pause("reset");
        return;
      case "setTechnique":
        history.input({ kind: "technique", technique: command.technique, ring: command.ring, set: command.set });
        this.host.post({ type: "techniqueChanged", technique: command.technique, ring: command.ring, set: command.set });
        this.show();
        return;
      case "serialInput": return this.give({ kind: "serial", port: command.port, bytes: [...command.bytes] });
      case "key": return this.give({ kind: "key", code: command.code, down: command.down });
      case "typeKeys": return this.give({ kind: "keys", keys: command.keys });
      case "takePicture": {
        const { width, height, rgba } = new GuestScreen(machine.pc).image();
        this.host.post({ type: "picture", width, height, rgba }, [rgba.buffer as ArrayBuffer]);
        return;
      }
      case "mouse": return this.give({ kind: "mouse", dx: command.dx, dy: command.dy, dz: command.dz, buttons: command.buttons });
      case "insertMedia":
        machine.pc.insert(command.drive, openMedium(this.host.open(command.medium)));
        history.forget(false);
        this.host.post({ type: "mediaChanged", drive: command.drive, name: command.medium.name });
        return;
      case "ejectMedia":
        machine.pc.insert(command.drive, null);
        history.forget(false);
        this.host.post({ type: "mediaChanged", drive: command.drive, name: null });
        return;
      case "exportLog": return this.export(command.filter, command.format, command.marks);
    }
  }

  private identify(id: number, medium: Medium): void {
    const file = this.host.open(medium), uses: string[] = [];
    const sibling: Sibling = (name) => {
      const found = file.sibling?.(name) ?? null;
      if (found) uses.push(name);
      return found;
    };
    this.host.post({ type: "identified", id, info: describeImage({ ...file, sibling }), uses });
  }

  private create(config: MachineConfig): void {
    this.machine = null;
    this.state = null;
    const boot = configureBoot(bootRequest(config, (medium) => this.host.open(medium)));
    const machine = new Machine({
      memoryBytes: config.memoryBytes, technique: config.technique, ring: config.ring, set: config.set, clock: config.clock === "real" ? "paced" : "virtual",
      ...(config.clock === "real" ? { epochMs: this.host.epochMs() } : {}),
      meterNs: () => this.host.wallNs(),
      ...boot.machine,
    });
    // What is done again is not to be heard again.
    machine.events.serial = (port, byte) => !this.history?.replaying && this.serial[port].push(byte);
    machine.events.debugConsole = (byte) => !this.history?.replaying && this.debugBytes.push(byte);
    machine.events.notice = (text) => !this.history?.replaying && this.host.post({ type: "notice", text });
    const sound = new SoundWriter(machine.map.buffer, machine.map.view.sound);
    machine.events.speaker = (timeNs, hz, high) => !this.history?.replaying && sound.write({ timeNs, hz, high });
    const { log, probes } = machine.supervisor;
    probes.recordObserved = true;
    machine.supervisor.registers.enabled = true;
    this.machine = machine;
    const debug = new DebugControl(machine);
    this.debug = debug;
    this.history = null;
    log.onRecord = (kind, sequence) => {
      if (this.history?.seeking) return;
      this.hit ??= debug.recordMatches(kind, sequence);
      if (!this.hit && (!this.untilTrap || kind === KIND_OBSERVED)) return;
      this.trapSeen = true;
      machine.stop();
    };
    this.armBreakpoints();
    this.image = boot.bootsFrom ? smallImageHash(boot.bootsFrom.source) : undefined;
    this.history = new History(machine, { every: Infinity, ...(config.clock === "real" ? { wallNs: () => this.host.wallNs() } : {}) });
    this.sinceCheckpointNs = 0;
    this.files = new MachineFiles(config, machine, (medium) => this.host.open(medium));
    this.screen = new ScreenPublisher(machine.pc, machine.map);
    this.mirror = this.host.shares ? null : new ViewMirror(machine.map.buffer, machine.map.view);
    const buffer = this.mirror?.first() ?? machine.map.buffer;
    this.host.post({ type: "ready", buffer, layout: machine.map.view, technique: config.technique, ring: config.ring, set: config.set, ...(this.image ? { imageHash: this.image } : {}) }, buffer instanceof ArrayBuffer ? [buffer] : []);
    this.pause("created");
  }

  // --- running

  private step(history: History, debug: DebugControl): void {
    this.hit = null;
    debug.leave();
    const reason = history.run(1, true);
    if (reason === "breakpoint") this.noteReached(debug);
    this.finish(reason, "step");
  }

  private goBack(machine: Machine, history: History, to: BackTarget): void {
    const { now, oldest } = history;
    const found = ((): boolean => {
      switch (to.kind) {
        case "instructions": history.goTo(Math.max(oldest, now - to.count)); return true;
        case "instant": history.goTo(Math.max(oldest, to.retired)); return true;
        case "record": {
          const at = lastRecord(machine, now, to.records);
          if (at !== null && at >= oldest) history.goTo(at);
          return at !== null && at >= oldest;
        }
        case "breakpoint": return history.runBackTo(machine.breakpoints.list().map(([, breakpoint]) => breakpoint)) !== null;
        case "write": return history.runBackTo([{ kind: "data", access: "write", linear: to.linear, bytes: to.bytes }]) !== null;
      }
    })();
    if (!found) this.host.post({ type: "notice", text: to.kind === "record" ? `There was no ${to.records} before.` : "It did not happen in the past that is kept: this is its beginning." });
    this.state = null;
    this.hit = null;
    this.pause("back");
  }

  private offer(title: string, make: () => { readonly name: string; readonly bytes: Uint8Array }): void {
    try {
      const { name, bytes } = make();
      this.host.post({ type: "fileReady", name, bytes }, [bytes.buffer as ArrayBuffer]);
    } catch (error) {
      this.refused(title, error);
    }
  }

  private refused(title: string, error: unknown): void {
    if (!(error instanceof ImageError)) throw error;
    const split = error.message.indexOf(". ");
    this.host.post({ type: "fileRefused", title, reason: split < 0 ? error.message : error.message.slice(0, split + 1), whatToDo: split < 0 ? "" : error.message.slice(split + 2) });
  }

  /** For the browser's storage: what the machine is kept under, and the machine. Null: there is none, or it has not run. */
  autosave(): { readonly key: string; readonly take: () => Uint8Array } | null {
    const { files, machine } = this;
    const key = files?.key ?? null;
    return files && machine && key !== null && machine.core.retired() > 0 && this.state?.kind !== "ended" ? { key, take: () => files.snapshot().bytes } : null;
  }

  get autosaveKey(): string | null {
    return this.files?.key ?? null;
  }

  private restore(history: History, file: Medium): void {
    try {
      const source = mediumSource(file), bytes = new Uint8Array(source.size);
      source.read(0, bytes);
      this.files!.restore(bytes);
    } catch (error) {
      return this.refused(`${file.name} cannot be restored`, error);
    }
    history.forget(false);
    this.state = null;
    this.pause("back");
    this.host.post({ type: "snapshotRestored", name: file.name });
  }

  private give(input: Input): void {
    this.history?.input(input);
    if (this.state?.kind === "running") this.schedule(0);
  }

  /** False: the run goes on. */
  private noteReached(debug: DebugControl): boolean {
    const { reached } = debug;
    if (reached === "on") return false;
    this.hit = reached;
    return true;
  }

  private armBreakpoints(): void {
    this.debug?.set(this.breakpoints, (id, reason) => this.host.post({ type: "breakpointRefused", id, reason }));
  }

  private start(untilTrap: boolean): void {
    this.untilTrap = untilTrap;
    this.trapSeen = false;
    this.hit = null;
    this.debug?.leave();
    this.history?.wake();
    this.setState({ kind: "running" });
    this.schedule(0);
  }

  private schedule(delayMs: number): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.host.later(() => {
      this.scheduled = false;
      if (this.state?.kind !== "running" || !this.machine) return;
      try {
        this.runSlice(this.machine);
      } catch (error) {
        this.defect(error);
      }
    }, delayMs);
  }

  private runSlice(machine: Machine): void {
    const start = this.host.wallNs();
    const before = machine.core.retired();
    const history = this.history!;
    let reason: RunReason;
    // Where a return is waited for, those of what is called are passed at once.
    do reason = history.run(this.untilTrap ? Math.min(this.slice, TRAP_SEARCH_SLICE) : this.slice);
    while (reason === "breakpoint" && this.debug?.reached === "on" && this.host.wallNs() - start < SLICE_NS);
    const took = this.host.wallNs() - start;
    const ran = machine.core.retired() - before;
    machine.supervisor.counters.add("runNs", took);
    this.sinceCheckpointNs += took;
    if (this.sinceCheckpointNs >= CHECKPOINT_NS && (reason === "budget" || reason === "idle") && !history.replaying) {
      this.sinceCheckpointNs = 0;
      history.mark();
    }
    if (ran >= this.slice) this.slice = Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, Math.round((this.slice * SLICE_NS) / Math.max(took, 1e5))));
    this.flushBytes();
    if (start - this.lastFrameNs >= (this.mirror ? MIRROR_NS : FRAME_NS)) {
      this.lastFrameNs = start;
      this.screen?.publish();
      this.sendChanges();
    }
    machine.supervisor.counters.set("waiting", reason === "idle" ? 1 : 0);
    if (reason === "budget" || reason === "idle" || (reason === "break" && !this.trapSeen)) {
      this.schedule(reason === "idle" ? this.sleepMs(machine) : 0);
      return;
    }
    if (reason === "breakpoint") {
      if (this.debug && !this.noteReached(this.debug)) return this.schedule(0);
      if (this.debug?.atReturn) {
        this.debug.dropTarget();
        return this.step(history, this.debug);
      }
      return this.finish(reason, this.hit ? "user" : "step");
    }
    this.finish(reason, this.trapSeen ? "trap" : "user");
  }

  private sleepMs(machine: Machine): number {
    const milliseconds = (machine.nextEventNs - machine.clock.nowNs()) / 1e6;
    return Math.max(0, Math.min(milliseconds, LONGEST_SLEEP_MS));
  }

  /** After a run that will not go on by itself. */
  private finish(reason: RunReason, why: "user" | "step" | "trap"): void {
    const machine = this.machine!;
    const eip = machine.cpu.state.eip >>> 0;
    if (this.history) this.host.post({ type: "history", history: this.history.view });
    const end = (outcome: Extract<RunState, { kind: "ended" }>["outcome"], text: string, more: object = {}) =>
      this.setState({ kind: "ended", outcome, reason: text, eip, ...more });
    this.show();
    switch (reason) {
      case "power-off": return end("power-off", "The guest switched the machine off.");
      case "exit-port": {
        const exitValue = machine.exitValue ?? 0;
        return end(exitValue === 0 ? "exit-success" : "exit-failure", `The guest ended itself with ${exitValue} at port F4h.`, { exitValue });
      }
      case "triple-fault": return end("triple-fault", "The guest's processor shut down: a fault while it delivered a double fault.");
      case "halted": return end("halted", "The guest waits in HLT for an interrupt that cannot come.");
      case "refused": {
        const refusal = machine.supervisor.refusal;
        return end("technique-refused", refusal?.reason ?? "The technique gave up.", refusal ? { refusal } : {});
      }
      default: return this.pause(why);
    }
  }

  private pause(why: Extract<RunState, { kind: "paused" }>["why"]): void {
    if (this.machine) this.show();
    if (this.state?.kind === "ended" && why !== "reset" && why !== "created") return;
    this.debug?.dropTarget();
    const { hit } = this;
    this.hit = null;
    if (this.history) this.host.post({ type: "history", history: this.history.view });
    this.setState({ kind: "paused", why, ...(hit ? { hit } : {}) });
  }

  /** Brings everything that the page reads up to date. */
  private show(): void {
    const machine = this.machine!;
    machine.supervisor.publish();
    machine.publishCodeWindow();
    this.flushBytes();
    this.screen?.publish();
    this.sendChanges();
  }

  private sendChanges(): void {
    const changes = this.mirror?.changes();
    if (changes) this.host.post({ type: "mirrored", ...changes }, [changes.data.buffer as ArrayBuffer]);
  }

  private setState(state: RunState): void {
    this.state = state;
    const code = state.kind === "running" ? RUN_RUNNING : state.kind === "paused" ? RUN_PAUSED : RUN_ENDED;
    this.machine?.supervisor.counters.set("runState", code);
    this.sendChanges();
    this.host.post({ type: "state", state });
  }

  private flushBytes(): void {
    for (const port of [0, 1] as const) {
      const bytes = this.serial[port];
      if (bytes.length === 0) continue;
      this.host.post({ type: "serial", port, bytes: Uint8Array.from(bytes) });
      bytes.length = 0;
    }
    if (this.debugBytes.length === 0) return;
    this.host.post({ type: "debugConsole", bytes: Uint8Array.from(this.debugBytes) });
    this.debugBytes.length = 0;
  }

  private export(filter: string, format: LogFormat, marks: readonly number[]): void {
    const machine = this.machine!;
    const compiled = compileFilter(filter);
    if (!compiled.ok) {
      this.host.post({ type: "exportFailed", reason: compiled.message });
      return;
    }
    machine.supervisor.publish();
    const { buffer, view } = machine.map;
    const stats = new StatsReader(buffer, view.stats);
    const context = rowContext(stats, disassembleBytes);
    const { technique, ring, set } = machine.supervisor;
    const header = { technique, ring, set, ...(this.image ? { image: this.image } : {}) };
    const { bytes, records } = exportLog(new TrapReader(buffer, view.trapRing, view.trapSites), context, header, compiled.test, format, new Set(marks));
    this.host.post({ type: "exportReady", format, name: `trapscope-${technique}.${LOG_ENDINGS[format]}`, bytes, records }, [bytes.buffer as ArrayBuffer]);
  }

  // --- what goes wrong

  private rejected(config: MachineConfig, error: Error): void {
    const names = Object.values(config.drives).map((medium) => medium.name);
    const isMemory = error instanceof RangeError || error.message.includes("guest memory");
    const text = isMemory && error instanceof RangeError ? `This browser has no room for ${config.memoryBytes >> 20} MB of guest memory. Choose a smaller size.` : error.message;
    const split = text.indexOf(". ");
    this.host.post({
      type: "rejected", what: isMemory ? "memory" : error instanceof ImageError ? "image" : "configuration",
      name: names[0] ?? config.kernel?.name ?? config.multiboot?.name ?? "",
      reason: split < 0 ? text : text.slice(0, split + 1), whatToDo: split < 0 ? "" : text.slice(split + 2),
      canForce: error instanceof ImageError && /signature/.test(text) && config.force !== true,
    });
  }

  private defect(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const machine = this.machine;
    const where = machine ? `\nEIP ${(machine.cpu.state.eip >>> 0).toString(16)}, ${machine.core.retired()} instructions, technique ${machine.supervisor.technique}` : "";
    this.state = null;
    this.host.post({ type: "defect", message, report: `${error instanceof Error ? error.stack : message}${where}` });
  }
}

/** Instructions that had retired at the last exit or leak before `now`; null: the ring holds none. */
function lastRecord({ map }: Machine, now: number, records: "trap" | "leak"): number | null {
  const reader = new TrapReader(map.buffer, map.view.trapRing, map.view.trapSites), raw = emptyRawTrap();
  for (let sequence = reader.total - 1; sequence >= reader.oldest; sequence--) {
    if (reader.read(sequence, raw) && raw.kind === (records === "trap" ? KIND_EXIT : KIND_LEAK) && raw.icount < now) return raw.icount;
  }
  return null;
}

/** "sha256:..." of an image that is read at once; undefined for one that would keep the page waiting. */
function smallImageHash(source: NamedSource["source"]): string | undefined {
  if (source.size > LARGEST_HASHED) return undefined;
  const bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  return `sha256:${new Sha256().update(bytes).hex()}`;
}

export function bootRequest(config: MachineConfig, named: (medium: Medium) => NamedSource): BootRequest {
  const drives: Partial<Record<DriveName, NamedSource>> = {};
  for (const drive of DRIVES) {
    const medium = config.drives[drive];
    if (medium) drives[drive] = named(medium);
  }
  const { kernel, initrd, multiboot, modules, append, boot, force, memoryBytes } = config;
  return {
    memoryBytes, drives,
    ...(kernel ? { kernel: named(kernel) } : {}),
    ...(initrd ? { initrd: named(initrd) } : {}),
    ...(multiboot ? { multiboot: named(multiboot) } : {}),
    ...(modules ? { modules: modules.map(named) } : {}),
    ...(append !== undefined ? { append } : {}),
    ...(boot ? { bootOrder: boot } : {}),
    ...(force ? { force } : {}),
  };
}
