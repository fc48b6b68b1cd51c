// `trapscope run`: one machine from power-on to its outcome.

import type { OverlayFile } from "../block/overlay-file.ts";
import { configureBoot, type NamedSource } from "../machine/boot/boot-request.ts";
import { GuestScreen } from "../machine/guest-screen.ts";
import { applyInput, type OutsideInput } from "../machine/input-log.ts";
import { Machine, type RunReason } from "../machine/machine.ts";
import { History } from "../machine/replay.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import { KINDS } from "../protocol/trap-record.ts";
import { leakSentence, trapCounts } from "../trace/counts.ts";
import { bootRequestOf } from "./boot-files.ts";
import { Director } from "./director.ts";
import { PacketCapture, packetsOf } from "./network-files.ts";
import { readText, sha256 } from "./files.ts";
import { RunRecorder } from "./run-recorder.ts";
import { withOverlay } from "./images.ts";
import { endOf, EXIT_CODES, type Outcome } from "./outcome.ts";
import { GdbServer } from "./gdb-server.ts";
import { OutputFile } from "./output-file.ts";
import { encodePng } from "./png.ts";
import type { RunResult } from "./report.ts";
import type { RunOptions } from "./run-options.ts";
import { parseScript, plainText, type ScriptStep } from "./script.ts";
import { SerialInput, SerialOutput } from "./serial-console.ts";
import { TraceFile } from "./trace-lines.ts";
import { TrapLogFile } from "./trap-log-file.ts";

/** Wall time between two looks at the clock and at input. */
const SLICE_MS = 20;
/** Bounds of the instructions that take so long: a guest that traps all the time is a thousand times slower than one that does not. */
const SMALLEST_SLICE = 1_000, LARGEST_SLICE = 10_000_000;
/** Longest sleep of an idle guest, so that `--timeout` is kept. */
const LONGEST_SLEEP_MS = 50;
/** Instructions between two checkpoints of a debugger's past: a step back takes as long as these at most. */
const CHECKPOINT_EVERY = 50_000_000;
/** Below this, timers of the host are too coarse: the thread itself waits. */
const SHORTEST_SLEEP_MS = 2;

export class Run {
  private readonly options: RunOptions;
  private readonly machine: Machine;
  private readonly screen: GuestScreen;
  private readonly director: Director;
  private readonly output: SerialOutput;
  private readonly input: SerialInput | null;
  private readonly trapLog: TrapLogFile | null;
  private readonly capture: PacketCapture | null;
  private readonly trace: TraceFile | null;
  private readonly gdb: GdbServer | null;
  private readonly recorder: RunRecorder | null;
  private readonly history: History | null;
  private readonly notices: string[] = [];
  private readonly overlays: OverlayFile[] = [];
  private readonly picture: OutputFile | null;
  private quit: Outcome | null = null;
  private slice = 100_000;

  /** Throws UsageError and ImageError before anything has begun. */
  constructor(options: RunOptions) {
    this.options = options;
    const steps = stepsOf(options);
    const request = bootRequestOf(options, (file, overlay) => this.kept(file, overlay)), boot = configureBoot(request);
    const packets = options.netReplay === undefined ? null : packetsOf(options.netReplay);
    this.output = new SerialOutput(options.serial, options.json);
    this.picture = options.screen === undefined ? null : new OutputFile("screen", options.screen);
    this.machine = new Machine({
      memoryBytes: options.memoryBytes, cpu: options.cpu, technique: options.technique, ring: options.ring, set: options.set, clock: options.clock === "real" && isWrittenDown(options) ? "paced" : options.clock, jit: options.jit && (options.jitDump === undefined || { listed: true }),
      ...(options.epochMs !== undefined ? { epochMs: options.epochMs } : options.clock === "real" ? { epochMs: Date.now() } : {}),
      wallNs: () => performance.now() * 1e6,
      ...(options.profile ? { meterNs: () => performance.now() * 1e6 } : {}),
      ...boot.machine,
    });
    const { machine } = this;
    const recorder = options.record === undefined ? null : new RunRecorder(options.record, options, machine, request);
    this.recorder = recorder;
    this.history = recorder?.history ?? (isWrittenDown(options) ? new History(machine, { every: CHECKPOINT_EVERY, ...(options.clock === "real" ? { wallNs: () => performance.now() * 1e6 } : {}) }) : null);
    machine.pc.network.kind = options.net;
    this.capture = options.netPcap === undefined ? null : new PacketCapture(options.netPcap, machine);
    if (packets) machine.pc.network.replay(packets);
    this.screen = new GuestScreen(machine.pc);
    this.trapLog = this.openTrapLog(boot.bootsFrom);
    machine.events.serial = (port, byte) => {
      if (this.history?.replaying) return;
      if (port === 0) this.output.byte(byte);
      this.director.byte(port, byte);
    };
    machine.events.debugConsole = (byte) => void (this.history?.replaying || this.director.byte("debug", byte));
    machine.events.notice = (text) => this.notice(text);
    this.director = new Director(machine, this.screen, steps, (input) => this.give(input));
    this.input = options.serial === "-" ? new SerialInput((byte) => this.give({ kind: "serial", port: 0, bytes: [byte] }), () => this.stop({ outcome: "quit", reason: "Ended at the terminal." })) : null;
    this.trace = options.trace ? new TraceFile(machine, options.trace) : null;
    this.gdb = options.gdb === undefined ? null : new GdbServer(machine, this.history, (text) => void process.stderr.write(`trapscope: ${text}\n`));
  }

  private give(input: OutsideInput): void {
    if (this.history) this.history.input(input);
    else applyInput(this.machine, input);
  }

  private kept(file: NamedSource, overlay: string | undefined): NamedSource {
    if (overlay === undefined) return file;
    const opened = withOverlay(file, overlay, () => this.notice(`${overlay} cannot grow: what the guest writes from now on is lost with this run unless there is room at its end.`));
    this.overlays.push(opened.overlay);
    return opened.file;
  }

  /** What the guest has not flushed itself. */
  private saveOverlays(): void {
    for (const overlay of this.overlays) {
      try {
        overlay.flush();
        if (overlay.unsavedBytes > 0) this.notice(`${overlay.unsavedBytes} bytes of the guest's writes found no room in its overlay.`);
        overlay.close();
      } catch (error) {
        this.notice(`What the guest wrote last could not be saved in its overlay (${(error as Error).message}).`);
      }
    }
  }

  /** The log counts all kinds; the ring and the file hold those that were asked for. */
  private openTrapLog(bootsFrom: NamedSource | null): TrapLogFile | null {
    const { options, machine } = this;
    const { log, probes } = machine.supervisor;
    log.recordKinds = options.logKinds.reduce((bits, kind) => bits | (1 << KINDS.indexOf(kind)), 0);
    probes.recordObserved = options.logKinds.includes("observed");
    if (options.trapLog === undefined) return null;
    const { technique, ring, set } = options;
    return new TrapLogFile(options.trapLog, machine, { technique, ring, set, ...(bootsFrom ? { image: sha256(bootsFrom.source) } : {}) }, options.filter);
  }

  private notice(text: string): void {
    if (this.notices.includes(text)) return;
    this.notices.push(text);
    this.output.flush();
    process.stderr.write(`trapscope: note: ${text}\n`);
  }

  /** From a person or a signal. */
  stop(outcome: Outcome): void {
    this.quit ??= outcome;
    this.machine.stop();
    this.input?.interrupt();
    this.gdb?.interrupt();
  }

  async toOutcome(): Promise<Outcome> {
    if (this.options.gdb) await this.gdb?.listen(this.options.gdb);
    this.input?.open();
    try {
      return this.explained(await this.loop());
    } finally {
      // First what belongs to the guest, then the terminal, then files that may be full.
      this.saveOverlays();
      this.gdb?.close();
      this.input?.close();
      for (const file of [this.output, this.trace, this.trapLog, this.recorder, this.capture]) file?.close();
    }
  }

  /** What the report needs, after `toOutcome`. */
  result(): RunResult {
    const { options, screen } = this;
    this.machine.supervisor.publish();
    const rows = screen.rows();
    this.picture?.write(encodePng(screen.image()));
    this.picture?.close();
    return { machine: this.machine, ...(options.profile ? { profile: options.profile } : {}), notices: this.notices, serialTail: this.output.tailText, screenText: rows?.join("\n") ?? null };
  }

  /** A guest that came to no good end: what leaked may be why. */
  private explained(end: Outcome): Outcome {
    const { supervisor, map } = this.machine;
    if (EXIT_CODES[end.outcome] === 0 || supervisor.technique === "emulate") return end;
    supervisor.publish();
    const leak = leakSentence(trapCounts(new StatsReader(map.buffer, map.view.stats)));
    return leak === "" ? end : { ...end, reason: `${end.reason} ${leak}` };
  }

  private async loop(): Promise<Outcome> {
    const { machine, director, options } = this;
    const limit = options.maxInstructions, deadline = options.timeoutSeconds * 1000;
    for (;;) {
      director.proceed();
      if (director.done) return { outcome: "expected", reason: "What was asked for was seen." };
      if (this.quit) return this.early(this.quit);
      const left = limit - machine.core.retired();
      if (left <= 0) return { outcome: "instruction-limit", reason: `${limit} instructions have run${this.missing()}.` };
      if (performance.now() >= deadline) return { outcome: "timeout", reason: `${options.timeoutSeconds} s have passed${this.missing()}.` };
      const todo = (await this.gdb?.next()) ?? "run";
      if (this.quit) continue;
      if (todo === "quit") return this.early({ outcome: "quit", reason: "Ended by the debugger." });
      const reason = todo === "step" ? this.step() : this.runSlice(left);
      this.output.flush();
      if (this.gdb?.stopped(reason) && !ENDED.includes(reason)) continue;
      const end = this.endOf(reason);
      if (end) return end;
      if (reason === "idle") await this.sleep(deadline);
      else await this.letOthersSpeak();
    }
  }

  /** How much is run at once changes nothing for the guest. */
  private runSlice(left: number): RunReason {
    const { machine, slice } = this;
    const began = performance.now(), before = machine.core.retired();
    const reason = (this.history ?? machine).run(Math.min(slice, left));
    const fitting = ((machine.core.retired() - before) * SLICE_MS) / Math.max(performance.now() - began, 0.01);
    if (reason === "budget") this.slice = Math.round(Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, (slice + fitting) / 2)));
    return reason;
  }

  private step(): RunReason {
    const { machine, history } = this;
    return history ? machine.step((instructions) => history.run(instructions, true)) : machine.step();
  }

  private endOf(reason: RunReason): Outcome | null {
    const { machine, director } = this;
    if (reason === "refused") {
      const refusal = machine.supervisor.refusal!;
      const bytes = refusal.bytes.length > 0 ? `, bytes ${Buffer.from(refusal.bytes).toString("hex")}` : "";
      return { outcome: "technique-refused", reason: `Technique ${machine.supervisor.technique} gave up: ${refusal.reason} (EIP ${refusal.eip.toString(16)}${bytes}).` };
    }
    const end = endOf(reason, machine.exitValue);
    if (!end) return null;
    director.look();
    director.proceed();
    if (director.done) return { outcome: "expected", reason: "What was asked for was seen." };
    return this.early(end);
  }

  /** An orderly end is too early while something is still waited for. */
  private early(end: Outcome): Outcome {
    const orderly = end.outcome === "power-off" || end.outcome === "exit-success" || end.outcome === "exit-failure" || end.outcome === "quit";
    return orderly && this.director.asked ? { outcome: "ended-early", reason: `${end.reason.replace(/\.$/, "")}${this.missing()}.`, ...(end.exitCode ? { exitCode: end.exitCode } : {}) } : end;
  }

  private missing(): string {
    const { awaited } = this.director;
    return awaited === null ? "" : `, and ${JSON.stringify(awaited)} has not come`;
  }

  /** The guest waits for an interrupt, with the real clock: so do we. */
  private async sleep(deadlineMs: number): Promise<void> {
    const { machine, input } = this;
    const untilEvent = (machine.nextEventNs - machine.clock.nowNs()) / 1e6;
    const milliseconds = Math.min(untilEvent, LONGEST_SLEEP_MS, deadlineMs - performance.now());
    if (input && milliseconds >= SHORTEST_SLEEP_MS) {
      await input.wait(milliseconds - 1);
      return;
    }
    if (milliseconds > 0) Atomics.wait(SLEEPER, 0, 0, milliseconds);
    await this.letOthersSpeak();
  }

  /** The terminal's input and signals come only between two turns of the event loop. */
  private async letOthersSpeak(): Promise<void> {
    await (this.input ? this.input.wait(0) : new Promise<void>((resolve) => void setImmediate(resolve)));
  }
}

/** After these the machine is gone, and there is nothing more to debug. */
const ENDED: readonly RunReason[] = ["power-off", "exit-port"];

const SLEEPER = new Int32Array(new SharedArrayBuffer(4));

/** All that comes to the machine is written down: a recording, or a past that a debugger goes back to. What leaves for a file cannot be taken back. */
function isWrittenDown({ record, gdb, overlays, netReplay, netPcap, trapLog, trace }: RunOptions): boolean {
  return record !== undefined || (gdb !== undefined && !trace && [netReplay, netPcap, trapLog].every((file) => file === undefined) && Object.keys(overlays).length === 0);
}

/** What the script and --expect ask for. */
export function stepsOf({ script, expect }: RunOptions): ScriptStep[] {
  const steps = script === undefined ? [] : parseScript(readText(script), script);
  if (expect !== undefined) steps.push({ kind: "expect", quoted: plainText(expect) });
  return steps;
}

