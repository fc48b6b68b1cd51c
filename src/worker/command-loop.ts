// One machine for one page: commands in, events out. Between messages the machine runs in slices of a few milliseconds.

import { ImageError, UsageError } from "../base/errors.ts";
import { hashImage } from "../block/image-hash.ts";
import type { Sibling } from "../block/open-image.ts";
import { openMedium } from "../machine/boot/boot-request.ts";
import { describeImage } from "../machine/boot/image-info.ts";
import { removable, type RemovableDrive } from "../machine/drives.ts";
import { GuestScreen } from "../machine/guest-screen.ts";
import { type Input, inputOfEdit } from "../machine/input-log.ts";
import type { Machine, RunReason } from "../machine/machine.ts";
import { WayLost } from "../machine/replay.ts";
import { BUILT_TECHNIQUES } from "../machine/supervisor.ts";
import type { Command, MachineConfig, Medium } from "../protocol/commands.ts";
import type { BackTarget, Breakpoint, BreakpointHit } from "../protocol/debug.ts";
import type { RunState } from "../protocol/events.ts";
import { RUN_ENDED, RUN_PAUSED, RUN_RUNNING } from "../protocol/stats-view.ts";
import { KIND_OBSERVED } from "../protocol/trap-record.ts";
import { mediumSource } from "./blob-source.ts";
import type { DebugControl } from "./debug-control.ts";
import type { Host } from "./host.ts";
import { inspect } from "./inspector.ts";
import { logFile } from "./log-file.ts";
import type { AutosavePlace } from "./machine-files.ts";
import { type Made, makeMachine } from "./made-machine.ts";
import { recordingInfo } from "./recorded-run.ts";
import { defect, fileRefusal, rejection } from "./refusals.ts";
import { goBack } from "./way-back.ts";

const SLICE_NS = 6e6;
const LONGEST_SLEEP_MS = 100;
/** Instructions; where each traps, even a thousand take their time. */
const SMALLEST_SLICE = 1_000, FIRST_SLICE = 500_000, LARGEST_SLICE = 20_000_000;
/** Run time between two checkpoints: a step back takes as long at most. */
const CHECKPOINT_NS = 180e6;
/** One instruction after the other, while a trap is looked for with nothing else to show. */
const TRAP_SEARCH_SLICE = 1_000_000;

export class CommandLoop {
  private readonly host: Host;
  private made: Made | null = null;
  private state: RunState | null = null;
  private scheduled = false;
  private slice = FIRST_SLICE;
  private untilTrap = false;
  private trapSeen = false;
  /** Outlive the machine: the next one gets them, too. */
  private breakpoints: readonly Breakpoint[] = [];
  private hit: BreakpointHit | null = null;
  private sinceCheckpointNs = 0;

  constructor(host: Host) {
    this.host = host;
    host.post({ type: "hello", techniques: BUILT_TECHNIQUES });
  }

  handle(command: Command): void {
    try {
      this.perform(command);
    } catch (error) {
      if (command.type === "create" && (error instanceof ImageError || error instanceof UsageError || error instanceof RangeError)) this.host.post(rejection(command.config, error));
      else if (error instanceof ImageError) this.host.post({ type: "notice", text: error.message });
      else this.failed(error);
    }
  }

  private perform(command: Command): void {
    switch (command.type) {
      case "identify": return this.identify(command.id, command.medium);
      case "readRecording": return this.readRecording(command.id, command.file);
      case "hash":
        this.host.post({ type: "hashed", id: command.id, hashes: command.media.map((medium) => hashOf(medium)) });
        return;
      case "create": return this.create(command.config);
      case "dispose":
        this.made = null;
        return;
      case "setBreakpoints":
        this.breakpoints = command.breakpoints;
        return this.armBreakpoints();
    }
    const { made } = this;
    if (!made) return;
    const { machine, debug, history, output } = made;
    switch (command.type) {
      case "run":
        if (this.state?.kind !== "ended") this.start(made, false);
        return;
      case "pause": return this.pause("user");
      case "takeOver":
        if (!history.ahead) return;
        this.leaveRecording(made);
        return history.forgetFuture();
      case "step":
        if (this.state?.kind === "ended") return;
        return this.step(made);
      case "stepOver":
        if (this.state?.kind === "ended") return;
        if (debug.stepOver()) return this.start(made, false);
        return this.step(made);
      case "stepOut":
        if (this.state?.kind === "ended") return;
        debug.stepOut();
        return this.start(made, false);
      case "runTo":
        if (this.state?.kind === "ended") return;
        debug.runTo(command.linear);
        return this.start(made, false);
      case "inspect":
        this.host.post({ type: "inspected", id: command.id, answer: inspect(machine, command.request) });
        return;
      case "edit": {
        const input = inputOfEdit(machine, command.edit);
        if (input) this.enter(made, input);
        if (this.state?.kind !== "running") output.show();
        this.host.post({ type: "edited", refused: input ? null : "There is no memory that can be written." });
        return;
      }
      case "saveSnapshot": return this.offer("The snapshot could not be taken", () => made.files.snapshot());
      case "saveRecording": return this.offer("There is no recording", () => made.files.recording(history));
      case "restoreSnapshot": return this.restore(made, command.file);
      case "back":
        if (this.state?.kind !== "running") this.goBack(made, command.to);
        return;
      case "stepToNextTrap":
        if (this.state?.kind !== "ended") this.start(made, true);
        return;
      case "reset":
        this.enter(made, { kind: "reset" });
        this.pause("reset");
        return;
      case "setTechnique":
        this.enter(made, { kind: "technique", technique: command.technique, ring: command.ring, set: command.set });
        this.host.post({ type: "techniqueChanged", technique: command.technique, ring: command.ring, set: command.set });
        output.show();
        return;
      case "serialInput": return this.give(made, { kind: "serial", port: command.port, bytes: [...command.bytes] });
      case "key": return this.give(made, { kind: "key", code: command.code, down: command.down });
      case "typeKeys": return this.give(made, { kind: "keys", keys: command.keys });
      case "takePicture": {
        const { width, height, rgba } = new GuestScreen(machine.pc).image();
        this.host.post({ type: "picture", width, height, rgba }, [rgba.buffer as ArrayBuffer]);
        return;
      }
      case "mouse": return this.give(made, { kind: "mouse", dx: command.dx, dy: command.dy, dz: command.dz, buttons: command.buttons });
      case "insertMedia": return this.changeMedium(made, removable(command.drive), command.medium);
      case "ejectMedia": return this.changeMedium(made, removable(command.drive), null);
      case "exportLog": {
        const event = logFile(machine, made.image, command.filter, command.format, command.marks);
        this.host.post(event, event.type === "exportReady" ? [event.bytes.buffer as ArrayBuffer] : []);
        return;
      }
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
    const { host } = this;
    this.made = null;
    this.state = null;
    const made = makeMachine(host, config), { output, image } = made;
    this.made = made;
    this.armBreakpoints();
    this.sinceCheckpointNs = 0;
    const buffer = output.firstView();
    host.post({ type: "ready", buffer, layout: made.machine.map.view, technique: config.technique, ring: config.ring, set: config.set, ...(image ? { imageHash: image } : {}) }, buffer instanceof ArrayBuffer ? [buffer] : []);
    this.tellReplay(made);
    this.pause("created");
  }

  // --- recordings

  private readRecording(id: number, file: Medium): void {
    try {
      this.host.post({ type: "recordingRead", id, info: recordingInfo(file), reason: "", whatToDo: "" });
    } catch (error) {
      const { reason, whatToDo } = fileRefusal("", error);
      this.host.post({ type: "recordingRead", id, info: null, reason, whatToDo });
    }
  }

  private tellReplay({ recorded }: Made): void {
    if (recorded) this.host.post({ type: "replay", replay: recorded.status });
  }

  private leaveRecording(made: Made): void {
    const { recorded } = made;
    if (!recorded || recorded.status.state === "left") return;
    recorded.left();
    this.tellReplay(made);
  }

  /** True where what was written down has come to its end, and the machine stands there. */
  private endRecording(made: Made): boolean {
    const { recorded, history } = made;
    if (!recorded || recorded.status.state === "left" || history.ahead) return false;
    if (recorded.status.state === "on") recorded.ended();
    this.tellReplay(made);
    this.pause("replayed");
    return true;
  }

  /** As `history.run`, but at the end of a recording it stops, or where the machine does not go on as it did. */
  private runOn({ history, recorded }: Made, instructions: number, step = false): RunReason {
    const repeats = recorded !== null && recorded.status.state !== "left" && history.ahead;
    try {
      return history.run(repeats ? Math.max(0, Math.min(instructions, history.view.newest - history.now)) : instructions, step);
    } catch (error) {
      if (!repeats || !(error instanceof WayLost)) throw error;
      history.forgetFuture();
      recorded.ended([error.message]);
      return "break";
    }
  }

  // --- running

  private step(made: Made): void {
    const { debug } = made;
    this.hit = null;
    debug.leave();
    this.goOnByItself(made);
    const reason = this.runOn(made, 1, true);
    if (this.endRecording(made)) return;
    if (reason === "breakpoint") this.noteReached(debug);
    this.finish(made, reason, "step");
  }

  private goBack(made: Made, to: BackTarget): void {
    const { machine, history, recorded } = made;
    if (!goBack(machine, history, to)) {
      this.host.post({ type: "notice", text: to.kind === "record" ? `There was no ${to.records} before.` : "It did not happen in the past that is kept: this is its beginning." });
    }
    if (recorded?.status.state === "ended" && history.ahead) {
      recorded.again();
      this.tellReplay(made);
    }
    this.state = null;
    this.hit = null;
    this.pause("back");
  }

  private offer(title: string, make: () => { readonly name: string; readonly bytes: Uint8Array }): void {
    try {
      const { name, bytes } = make();
      this.host.post({ type: "fileReady", name, bytes }, [bytes.buffer as ArrayBuffer]);
    } catch (error) {
      this.host.post(fileRefusal(title, error));
    }
  }

  /** For the browser's storage: takes a snapshot. Null: there is no machine that could go on, or it has not run. */
  autosave(): (() => Uint8Array) | null {
    const { made } = this;
    return made && made.machine.core.retired() > 0 && this.state?.kind !== "ended" ? () => made.files.snapshot().bytes : null;
  }

  get autosavePlace(): AutosavePlace | null {
    return this.made?.files.place ?? null;
  }

  private restore(made: Made, file: Medium): void {
    const { history, files } = made;
    try {
      const source = mediumSource(file), bytes = new Uint8Array(source.size);
      source.read(0, bytes);
      files.restore(bytes);
    } catch (error) {
      return this.host.post(fileRefusal(`${file.name} cannot be restored`, error));
    }
    this.leaveRecording(made);
    history.forget(false);
    this.state = null;
    this.pause("back");
    this.host.post({ type: "snapshotRestored", name: file.name });
  }

  private changeMedium(made: Made, drive: RemovableDrive, given: Medium | null): void {
    const { machine, files, output } = made;
    const medium = given && machine.pc.mediumFor(drive, openMedium(this.host.open(given)));
    if (medium) {
      output.know(medium, given);
      files.put(medium, given);
    }
    this.enter(made, { kind: "medium", drive, medium });
    output.tellMedia();
  }

  /** Something is done to the machine on purpose: a recording that is under way is left for it. */
  private enter(made: Made, input: Input): void {
    this.leaveRecording(made);
    made.history.input(input);
  }

  /** Keys and the like. A recording that is under way has its own. */
  private give({ history, recorded }: Made, input: Input): void {
    if (recorded && recorded.status.state !== "left" && history.ahead) {
      if (input.kind !== "mouse") this.host.post({ type: "notice", text: "The recording brings its own input. Take over to give the guest yours." });
      return;
    }
    history.input(input);
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
    this.made?.debug.set(this.breakpoints, (id, reason) => this.host.post({ type: "breakpointRefused", id, reason }));
    this.listen();
  }

  /** Each record is looked at only while one of them may stop the machine: that takes longer than to write it. */
  private listen(): void {
    if (!this.made) return;
    const { machine, debug, history } = this.made;
    machine.supervisor.log.onRecord = !this.untilTrap && !debug.watchesRecords ? null : (kind, sequence) => {
      if (history.seeking) return;
      this.hit ??= debug.recordMatches(kind, sequence);
      if (!this.hit && (!this.untilTrap || kind === KIND_OBSERVED)) return;
      this.trapSeen = true;
      machine.stop();
    };
  }

  /** Behind the end of a recording. */
  private goOnByItself(made: Made): void {
    if (made.recorded?.status.state === "ended" && !made.history.ahead) this.leaveRecording(made);
  }

  private start(made: Made, untilTrap: boolean): void {
    const { debug, history } = made;
    this.goOnByItself(made);
    this.untilTrap = untilTrap;
    this.trapSeen = false;
    this.hit = null;
    this.listen();
    debug.leave();
    history.wake();
    this.setState({ kind: "running" });
    this.schedule(0);
  }

  private schedule(delayMs: number): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.host.later(() => {
      this.scheduled = false;
      if (this.state?.kind !== "running" || !this.made) return;
      try {
        this.runSlice(this.made);
      } catch (error) {
        this.failed(error);
      }
    }, delayMs);
  }

  private runSlice(made: Made): void {
    const { machine, history, debug, output } = made;
    const start = this.host.wallNs();
    const before = machine.core.retired();
    let reason: RunReason;
    // Where a return is waited for, those of what is called are passed at once.
    do reason = this.runOn(made, this.untilTrap ? Math.min(this.slice, TRAP_SEARCH_SLICE) : this.slice);
    while (reason === "breakpoint" && debug.reached === "on" && this.host.wallNs() - start < SLICE_NS);
    const took = this.host.wallNs() - start;
    const ran = machine.core.retired() - before;
    machine.supervisor.counters.add("runNs", took);
    this.sinceCheckpointNs += took;
    if (this.sinceCheckpointNs >= CHECKPOINT_NS && (reason === "budget" || reason === "idle") && !history.ahead) {
      this.sinceCheckpointNs = 0;
      history.mark();
    }
    if (ran >= this.slice) this.slice = Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, Math.round((this.slice * SLICE_NS) / Math.max(took, 1e5))));
    output.tick(start);
    if (this.endRecording(made)) return;
    machine.supervisor.counters.set("waiting", reason === "idle" ? 1 : 0);
    if (reason === "budget" || reason === "idle" || (reason === "break" && !this.trapSeen)) {
      this.schedule(reason === "idle" ? this.sleepMs(machine) : 0);
      return;
    }
    if (reason === "breakpoint") {
      if (!this.noteReached(debug)) return this.schedule(0);
      if (debug.atReturn) {
        debug.dropTarget();
        return this.step(made);
      }
      return this.finish(made, reason, this.hit ? "user" : "step");
    }
    this.finish(made, reason, this.trapSeen ? "trap" : "user");
  }

  private sleepMs(machine: Machine): number {
    const milliseconds = (machine.nextEventNs - machine.clock.nowNs()) / 1e6;
    return Math.max(0, Math.min(milliseconds, LONGEST_SLEEP_MS));
  }

  /** After a run that will not go on by itself. */
  private finish({ machine, history, output }: Made, reason: RunReason, why: "user" | "step" | "trap"): void {
    const eip = machine.cpu.state.eip >>> 0;
    this.host.post({ type: "history", history: history.view });
    const end = (outcome: Extract<RunState, { kind: "ended" }>["outcome"], text: string, more: object = {}) =>
      this.setState({ kind: "ended", outcome, reason: text, eip, ...more });
    output.show();
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
    const { made, hit } = this;
    made?.output.show();
    if (this.state?.kind === "ended" && why !== "reset" && why !== "created") return;
    made?.debug.dropTarget();
    this.hit = null;
    if (made) this.host.post({ type: "history", history: made.history.view });
    this.setState({ kind: "paused", why, ...(hit ? { hit } : {}) });
  }

  private setState(state: RunState): void {
    this.state = state;
    const code = state.kind === "running" ? RUN_RUNNING : state.kind === "paused" ? RUN_PAUSED : RUN_ENDED;
    this.made?.machine.supervisor.counters.set("runState", code);
    this.made?.output.sendChanges();
    this.host.post({ type: "state", state });
  }

  /** By a fault of ours. */
  private failed(error: unknown): void {
    this.state = null;
    this.host.post(defect(error, this.made?.machine ?? null));
  }
}

/** By which a recording or a kept machine knows its files; null: it cannot be read. */
function hashOf(medium: Medium): string | null {
  try {
    return hashImage(mediumSource(medium)).hash;
  } catch (error) {
    if (error instanceof ImageError) return null;
    throw error;
  }
}
