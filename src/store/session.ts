// One page, one machine at a time: turns what the person does into commands, and events into state that panels show.

import type { MachineClient, OpenClient } from "../client/machine-client.ts";
import type { Command, LogFormat, MachineConfig, Medium } from "../protocol/commands.ts";
import type { MachineEvent, RunState, SharedLayout } from "../protocol/events.ts";
import type { RemoteFile } from "../protocol/medium.ts";
import type { DriveName, ImageInfo, MediaTarget } from "../protocol/image-info.ts";
import { DRIVES } from "../protocol/image-info.ts";
import { RegisterReader } from "../protocol/register-view.ts";
import { RegisterTraceReader } from "../protocol/register-trace.ts";
import { ScreenReader } from "../protocol/screen-view.ts";
import { SoundReader } from "../protocol/sound-view.ts";
import { type LeakDecision, StatsReader } from "../protocol/stats-view.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import { emptyRawTrap, TrapReader } from "../protocol/trap-record.ts";
import { type CountTable, executedOf } from "../trace/counts.ts";
import { exportLog, LOG_ENDINGS } from "../trace/export.ts";
import { compileFilter } from "../trace/filter.ts";
import { disassembleBytes } from "../trace/instruction.ts";
import { readJsonl } from "../trace/jsonl.ts";
import type { TrapFields } from "../trace/trap-fields.ts";
import type { RowContext } from "../trace/trap-row.ts";
import { copyFields, rowContext, TrapRow } from "../trace/trap-row.ts";
import { ByteStream } from "./byte-stream.ts";
import { DebugStore } from "./debug.ts";
import { Disks } from "./disks.ts";
import type { PlannedFile } from "./drop-plan.ts";
import { needsQuestion, planDrop } from "./drop-plan.ts";
import type { GuestCard } from "./guests.ts";
import { listSource, ringSource } from "./log-source.ts";
import { MeterStore } from "./meter-store.ts";
import { Observable } from "./observable.ts";
import { RecordedRuns } from "./recorded-runs.ts";
import { RegisterStore } from "./register-store.ts";
import { StorageStore } from "./storage.ts";
import { TrapStore } from "./trap-store.ts";

export interface BootOptions {
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly memoryBytes: number;
  readonly clock: "virtual" | "real";
}

export interface MachineInfo {
  readonly title: string;
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly memoryBytes: number;
  readonly media: Readonly<Partial<Record<DriveName, string>>>;
  readonly imageHash: string | null;
}

/** Something that a person must see. `retry` is what may be done about it at once. */
export interface Problem {
  readonly title: string;
  readonly reason: string;
  readonly whatToDo: string;
  readonly retry: { readonly label: string; readonly run: () => void } | null;
  /** A fault of ours: offered as a file. */
  readonly report: string | null;
}

interface Identified {
  readonly info: ImageInfo;
  readonly uses: readonly string[];
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

export interface DropQuestion {
  readonly files: readonly (PlannedFile & { readonly medium: Medium })[];
}

export interface SessionState {
  readonly phase: "empty" | "starting" | "live" | "crashed";
  readonly machine: MachineInfo | null;
  readonly run: RunState | null;
  /** Techniques that this build has. */
  readonly techniques: readonly TechniqueId[];
  readonly options: BootOptions;
  readonly problem: Problem | null;
  readonly question: DropQuestion | null;
  /** What is being read or loaded, or null. */
  readonly busy: string | null;
  readonly notices: readonly { readonly id: number; readonly text: string }[];
}

export const DEFAULT_OPTIONS: BootOptions = { technique: "emulate", ring: 1, set: {}, memoryBytes: 128 << 20, clock: "real" };
const NOTICES_KEPT = 4;
const LOG_FIRST_BYTES = '{"format":"trapscope-trap-log"';

/** A file as the page got it. */
export interface GivenFile extends Medium {
  readonly data: Blob | Uint8Array | RemoteFile;
}

export class Session {
  readonly state: Observable<SessionState>;
  readonly traps = new TrapStore();
  readonly registers = new RegisterStore();
  readonly meter = new MeterStore();
  readonly screen = new Observable<ScreenReader | null>(null);
  readonly sound = new Observable<SoundReader | null>(null);
  readonly serial: readonly [ByteStream, ByteStream] = [new ByteStream(), new ByteStream()];
  readonly debugConsole = new ByteStream();
  readonly disks: Disks;
  readonly debug: DebugStore;
  readonly recorded: RecordedRuns;
  /** Takes a finished export or report. */
  saveFile: (name: string, bytes: Uint8Array) => void = () => {};
  private readonly openClient: OpenClient;
  private client: MachineClient | null = null;
  /** `goOn`: with the machine that is kept of these images. */
  private pending: { readonly config: MachineConfig; readonly title: string; readonly goOn?: boolean } | null = null;
  private running: { readonly config: MachineConfig; readonly title: string } | null = null;
  /** The kept machine is being restored, and runs then. */
  private goesOn = false;
  private stats: StatsReader | null = null;
  private log: { readonly reader: TrapReader; readonly context: RowContext; readonly registers: RegisterTraceReader } | null = null;
  private readonly identifying = new Map<number, (found: Identified) => void>();
  private nextId = 1;
  private readonly pictures: ((picture: Picture) => void)[] = [];
  private answered: () => void = () => {};
  /** The worker has said which techniques it has, or has failed. */
  readonly warm: Promise<void> = new Promise((resolve) => {
    this.answered = resolve;
  });

  constructor(openClient: OpenClient, options: BootOptions = DEFAULT_OPTIONS, storage: StorageStore = new StorageStore(null)) {
    this.openClient = openClient;
    this.disks = new Disks({
      send: (command) => this.send(command), identify: async (medium) => (await this.identify(medium)).info, isRunning: () => this.state.get().run?.kind === "running",
      run: () => this.run(), pause: () => this.pause(), restart: () => this.restart(), notice: (text) => this.notice(text),
      showProblem: (title, reason, whatToDo, retry) => this.showProblem(title, reason, whatToDo, retry),
    }, storage);
    this.debug = new DebugStore({
      send: (command) => this.send(command), registers: () => this.registers.state.get().registers, notice: (text) => this.notice(text),
      saveFile: (name, bytes) => this.saveFile(name, bytes), showProblem: (title, reason, whatToDo) => this.showProblem(title, reason, whatToDo),
    });
    this.recorded = new RecordedRuns({
      send: (command) => this.send(command), boot: (config, title, goOn) => this.boot(config, title, goOn), setBusy: (busy) => this.setBusy(busy),
      showProblem: (title, reason, whatToDo) => this.showProblem(title, reason, whatToDo), storage,
    });
    this.state = new Observable<SessionState>({
      phase: "empty", machine: null, run: null, techniques: ["emulate"], options, problem: null, question: null, busy: null, notices: [],
    });
  }

  /** Starts the worker, so that it is warm when the first image comes. */
  start(): void {
    if (this.client) return;
    const client = this.openClient((event) => {
      if (this.client === client || this.client === null) this.onEvent(event);
    });
    this.client = client;
  }

  private send(command: Command): void {
    this.start();
    this.client?.send(command);
  }

  /** One animation frame. */
  tick(nowMs: number): void {
    this.traps.tick(nowMs);
    this.registers.tick(nowMs);
    this.meter.tick(nowMs);
  }

  // --- images

  setOptions(options: Partial<BootOptions>): void {
    this.state.patch({ options: { ...this.state.get().options, ...options } });
  }

  private identify(medium: Medium): Promise<Identified> {
    return new Promise((resolve) => {
      const id = this.nextId++;
      this.identifying.set(id, resolve);
      this.send({ type: "identify", id, medium });
    });
  }

  /** Files that a person dropped or chose: boots what is clear, asks about the rest. */
  async offer(files: readonly (GivenFile | Medium)[], preferred: MediaTarget | null): Promise<void> {
    if (files.length === 0) return;
    if (this.recorded.state.get().question) return this.recorded.give(files);
    if (await this.recorded.open(files)) return;
    if (files.length === 1 && (await this.openLog(files[0]))) return;
    const { left, named } = await this.debug.takeSymbols<GivenFile | Medium>(files);
    files = left;
    if (files.length === 0) return;
    this.state.patch({ busy: files.length === 1 ? `Looking at ${files[0].name}` : `Looking at ${files.length} files`, question: null });
    const unpacked = this.disks.areUnpacked(files) ? files : await this.disks.unpackAll(files);
    if (!unpacked) return this.state.patch({ busy: null });
    const looked = await Promise.all(unpacked.map(async (medium) => ({ medium, ...(await this.identify({ ...medium, beside: unpacked.filter((other) => other !== medium) })) })));
    this.state.patch({ busy: null });
    // What is a part of another image is none of its own; and an ELF file that cannot boot has done its part with its symbols.
    const parts = new Set(looked.flatMap(({ uses }) => uses)), whole = looked.filter(({ medium, info }) => !parts.has(medium.name) && !(named.has(medium) && info.problem));
    if (whole.length === 0) return;
    const plan = planDrop(whole.map(({ medium, info }) => ({ name: medium.name, info })), preferred);
    const media = whole.map(({ medium, uses }): Medium => (uses.length === 0 ? medium : { ...medium, beside: unpacked.filter(({ name }) => uses.includes(name)) }));
    const question = { files: plan.map((file, index) => ({ ...file, medium: media[index] })) };
    if (needsQuestion(plan, this.machineExists)) this.state.patch({ question });
    else this.bootPlan(question.files, "", false);
  }

  /** An image that is kept in the browser's storage. */
  async bootStored(id: string): Promise<void> {
    this.disks.storage.closeDialog();
    const medium = await this.disks.stored(id);
    if (medium) await this.offer([medium], null);
  }

  private get machineExists(): boolean {
    return this.state.get().phase === "live" || this.state.get().phase === "starting";
  }

  cancelQuestion(): void {
    this.state.patch({ question: null });
  }

  /** Boots the files of the plan, each at its target. */
  bootPlan(files: DropQuestion["files"], append: string, force: boolean): void {
    const at = (target: MediaTarget): Medium | undefined => files.find((file) => file.target === target)?.medium;
    const drives: Partial<Record<DriveName, Medium>> = {};
    for (const drive of DRIVES) {
      const medium = at(drive);
      if (medium) drives[drive] = medium;
    }
    const kernel = at("kernel"), initrd = at("initrd"), multiboot = at("multiboot");
    this.boot({
      ...this.state.get().options, drives, ...(kernel ? { kernel } : {}), ...(initrd ? { initrd } : {}), ...(multiboot ? { multiboot } : {}),
      ...(append !== "" ? { append } : {}), ...(force ? { force } : {}),
    }, files.filter((file) => file.target !== null).map((file) => file.name).join(", "));
  }

  /** Puts the files into the drives of the machine that runs. */
  insertPlan(files: DropQuestion["files"]): void {
    this.state.patch({ question: null });
    for (const file of files) {
      const drive = DRIVES.find((own) => own === file.target);
      if (drive) this.insert(drive, file.medium);
    }
  }

  insert(drive: DriveName, medium: Medium): void {
    this.send({ type: "insertMedia", drive, medium });
  }

  eject(drive: DriveName): void {
    this.send({ type: "ejectMedia", drive });
  }

  bootGuest(guest: GuestCard, image: Uint8Array, overrides: Partial<BootOptions>): void {
    const options: BootOptions = { ...this.state.get().options, technique: guest.technique, ring: guest.ring, memoryBytes: guest.memoryBytes, set: {}, ...overrides };
    const technique = this.state.get().techniques.includes(options.technique) ? options.technique : "emulate";
    this.boot({ ...options, technique, drives: { fda: { name: guest.file, data: image } } }, guest.title);
  }

  boot(given: MachineConfig, title: string, goOn = false): void {
    const config = { ...given, title };
    if (this.state.get().phase === "crashed") this.discardClient();
    this.pending = { config, title, goOn };
    this.state.patch({
      phase: "starting", question: null, problem: null, busy: null, notices: [],
      options: { technique: config.technique, ring: config.ring, set: config.set, memoryBytes: config.memoryBytes, clock: config.clock },
    });
    this.send({ type: "create", config });
  }

  /** Boots the same images again, as the options say now. */
  restart(changes: Partial<BootOptions> = {}): void {
    const last = this.running ?? this.pending;
    if (!last) return;
    const { recording, ...config } = last.config;
    // Otherwise than it was recorded, it is a run of its own.
    this.boot({ ...config, ...(recording && Object.keys(changes).length === 0 ? { recording } : {}), ...changes }, last.title);
  }

  /** What the machine that runs, or ran last, was started with. */
  get started(): { readonly config: MachineConfig; readonly title: string } | null {
    return this.running;
  }

  private discardClient(): void {
    this.client?.close();
    this.client = null;
    this.identifying.clear();
  }

  // --- run control

  run(): void { this.send({ type: "run" }); }
  pause(): void { this.send({ type: "pause" }); }
  step(): void { this.send({ type: "step" }); }
  stepToNextTrap(): void { this.send({ type: "stepToNextTrap" }); }
  reset(): void {
    for (const stream of [...this.serial, this.debugConsole]) stream.clear();
    this.send({ type: "reset" });
    this.run();
  }

  toggleRun(): void {
    const { run } = this.state.get();
    if (run?.kind === "running") this.pause();
    else if (run?.kind === "paused") this.run();
  }

  setTechnique(technique: TechniqueId, ring: Ring, set: ProcessorSet): void {
    this.setOptions({ technique, ring, set });
    if (this.state.get().phase === "live" && this.state.get().run?.kind !== "ended") this.send({ type: "setTechnique", technique, ring, set });
  }

  // --- input

  serialInput(port: 0 | 1, bytes: Uint8Array): void { this.send({ type: "serialInput", port, bytes }); }
  key(code: string, down: boolean): void { this.send({ type: "key", code, down }); }
  typeKeys(keys: readonly (readonly [code: string, down: boolean])[]): void { this.send({ type: "typeKeys", keys }); }
  mouse(dx: number, dy: number, dz: number, buttons: number): void { this.send({ type: "mouse", dx, dy, dz, buttons }); }

  /** The screen as the guest's adapter draws it. */
  takePicture(): Promise<Picture> {
    return new Promise((resolve) => {
      this.pictures.push(resolve);
      this.send({ type: "takePicture" });
    });
  }

  // --- the log as a file

  exportLog(format: LogFormat): void {
    const { filter, filterError } = this.traps.state.get();
    const source = filterError ? "" : filter;
    if (this.state.get().phase === "live") this.send({ type: "exportLog", filter: source, format, marks: [...this.traps.state.get().marks] });
    else this.exportHere(source, format);
  }

  /** The machine is dead; its memory is not. */
  private exportHere(filter: string, format: LogFormat): void {
    const { machine } = this.state.get();
    const compiled = compileFilter(filter);
    if (!this.log || !machine || !compiled.ok) return;
    const { technique, ring, set, imageHash } = machine;
    const { bytes } = exportLog(this.log.reader, this.log.context, { technique, ring, set, ...(imageHash ? { image: imageHash } : {}) }, compiled.test, format, this.traps.state.get().marks);
    this.saveFile(`trapscope-log.${LOG_ENDINGS[format]}`, bytes);
  }

  /** The first leak of the run, however long ago it was. */
  firstLeak(): TrapFields | null {
    const raw = emptyRawTrap();
    return this.log && this.stats?.firstLeak(raw) ? copyFields(new TrapRow(raw, this.log.context)) : null;
  }

  /** How often the guest has executed what is sensitive, by instruction, whatever came of it. */
  executed(): CountTable {
    return this.stats ? executedOf(this.stats) : {};
  }

  /** The first leak that changed what the guest did, and what it decided. */
  decisiveLeak(): { readonly leak: TrapFields; readonly decision: LeakDecision } | null {
    const raw = emptyRawTrap();
    const decision = this.stats?.decisiveLeak(raw);
    return this.log && decision ? { leak: copyFields(new TrapRow(raw, this.log.context)), decision } : null;
  }

  /** True if the file is an exported log, which is then shown. */
  private async openLog(file: GivenFile | Medium): Promise<boolean> {
    if (!(file.data instanceof Uint8Array || file.data instanceof Blob)) return false;
    const data = file.data instanceof Uint8Array ? file.data : new Uint8Array(await file.data.slice(0, LOG_FIRST_BYTES.length).arrayBuffer());
    if (data.length < LOG_FIRST_BYTES.length || String.fromCharCode(...data.subarray(0, LOG_FIRST_BYTES.length)) !== LOG_FIRST_BYTES) return false;
    try {
      const text = file.data instanceof Uint8Array ? new TextDecoder().decode(file.data) : await file.data.text();
      const { traps, marks } = readJsonl(text);
      this.traps.open(listSource(traps), file.name, marks);
    } catch (error) {
      this.showProblem(`${file.name} cannot be opened`, error instanceof Error ? error.message : String(error), "Export the log again.");
    }
    return true;
  }

  /** Back from an opened log to the machine's own. */
  closeLog(): void {
    if (this.log && this.stats) this.traps.bind(ringSource(this.log.reader, this.log.context), this.stats, this.log.registers);
    else this.traps.close();
  }

  // --- what a person must see

  showProblem(title: string, reason: string, whatToDo: string, retry: Problem["retry"] = null): void {
    this.state.patch({ problem: { title, reason, whatToDo, retry, report: null }, busy: null });
  }

  dismissProblem(): void {
    this.state.patch({ problem: null });
  }

  setBusy(busy: string | null): void {
    this.state.patch({ busy });
  }

  notice(text: string): void {
    const { notices } = this.state.get();
    if (notices.some((notice) => notice.text === text)) return;
    this.state.patch({ notices: [...notices, { id: this.nextId++, text }].slice(-NOTICES_KEPT) });
  }

  dismissNotice(id: number): void {
    this.state.patch({ notices: this.state.get().notices.filter((notice) => notice.id !== id) });
  }

  // --- events

  private onEvent(event: MachineEvent): void {
    if (event.type === "edited" || event.type === "techniqueChanged") this.registers.look();
    if (this.goesOn && (event.type === "snapshotRestored" || event.type === "fileRefused")) {
      this.goesOn = false;
      if (event.type === "snapshotRestored") return this.run();
    }
    if (this.disks.onEvent(event) || this.recorded.onEvent(event) || this.debug.onEvent(event)) return;
    switch (event.type) {
      case "hello": {
        this.answered();
        return this.state.patch({ techniques: event.techniques });
      }
      case "identified": {
        this.identifying.get(event.id)?.(event);
        this.identifying.delete(event.id);
        return;
      }
      case "ready": return this.onReady(event);
      case "mirrored": return; // the client has brought the copy up to date
      case "state": return this.onState(event.state);
      case "serial": return this.serial[event.port].append(event.bytes);
      case "debugConsole": return this.debugConsole.append(event.bytes);
      case "picture": return this.pictures.shift()?.(event);
      case "notice": return this.notice(event.text);
      case "rejected": return this.onRejected(event);
      case "techniqueChanged": {
        const { technique, ring, set } = event;
        const { machine, options } = this.state.get();
        return this.state.patch({ options: { ...options, technique, ring, set }, machine: machine && { ...machine, technique, ring, set } });
      }
      case "mediaChanged": {
        const { machine } = this.state.get();
        if (!machine) return;
        const { [event.drive]: _, ...others } = machine.media;
        return this.state.patch({ machine: { ...machine, media: event.name === null ? others : { ...others, [event.drive]: event.name } } });
      }
      case "exportReady": return this.saveFile(event.name, event.bytes);
      case "exportFailed": return this.showProblem("The log could not be exported", event.reason, "Narrow the filter and try again.");
      case "defect": return this.onDefect(event.message, event.report);
    }
  }

  private onReady(event: Extract<MachineEvent, { type: "ready" }>): void {
    const { buffer, layout, technique, ring, set } = event;
    const { pending } = this;
    this.pending = null;
    this.running = pending;
    for (const stream of [...this.serial, this.debugConsole]) stream.clear();
    this.bindViews(buffer, layout);
    const media: Partial<Record<DriveName, string>> = {};
    for (const drive of DRIVES) {
      const name = pending?.config.drives[drive]?.name;
      if (name !== undefined) media[drive] = name;
    }
    this.state.patch({
      phase: "live", run: { kind: "paused", why: "created" }, options: { ...this.state.get().options, technique, ring, set },
      machine: { title: pending?.title ?? "", technique, ring, set, memoryBytes: layout.ram.bytes, media, imageHash: event.imageHash ?? null },
    });
    this.goesOn = pending?.goOn ?? false;
    if (this.goesOn) this.debug.restoreAutosave();
    else this.run();
  }

  private bindViews(buffer: ArrayBufferLike, layout: SharedLayout): void {
    const stats = new StatsReader(buffer, layout.stats);
    const context = rowContext(stats, disassembleBytes);
    const reader = new TrapReader(buffer, layout.trapRing, layout.trapSites);
    this.stats = stats;
    const registers = new RegisterTraceReader(buffer, layout.registers, reader);
    this.log = { reader, context, registers };
    this.traps.bind(ringSource(reader, context), stats, registers);
    this.registers.bind(new RegisterReader(buffer, layout.truth, layout.codeWindow), stats);
    this.meter.bind(stats);
    this.screen.set(new ScreenReader(buffer, layout.screen));
    this.sound.set(new SoundReader(buffer, layout.sound));
  }

  private onState(run: RunState): void {
    if (run.kind === "running") {
      this.registers.started();
      this.meter.started();
    } else {
      this.registers.stopped();
      this.meter.stopped();
    }
    this.state.patch({ run });
  }

  private onRejected(event: Extract<MachineEvent, { type: "rejected" }>): void {
    const { pending } = this;
    this.pending = null;
    const retry = event.canForce && pending ? { label: "Boot anyway", run: () => this.boot({ ...pending.config, force: true }, pending.title) }
      : event.what === "memory" && pending ? { label: "Try with 32 MB", run: () => this.boot({ ...pending.config, memoryBytes: 32 << 20 }, pending.title) }
      : null;
    this.state.patch({
      busy: null,
      problem: { title: event.what === "memory" ? "Not enough memory" : `${event.name} cannot be used`, reason: event.reason, whatToDo: event.whatToDo, retry, report: null },
    });
    if (!pending) return; // a medium that was not inserted: the machine goes on
    this.running = null;
    this.state.patch({ phase: "empty", machine: null, run: null });
  }

  private onDefect(message: string, report: string): void {
    this.answered();
    for (const resolve of this.identifying.values()) {
      resolve({ info: { title: "Unknown", evidence: "", size: 0, targets: [], problem: { reason: message, whatToDo: "Reload the page.", canForce: false } }, uses: [] });
    }
    this.identifying.clear();
    this.registers.stopped();
    this.meter.stopped();
    this.state.patch({
      phase: "crashed", busy: null, run: null,
      problem: {
        title: "The machine stopped: a fault of trapscope", reason: message, report,
        whatToDo: "Its registers and its log can still be read. Please send us the report; it holds no data of your disks.",
        retry: this.running ? { label: "Start again", run: () => this.restart() } : null,
      },
    });
  }
}
