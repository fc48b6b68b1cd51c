// The machine in a worker: the calls of TrapscopeMachine, each with a promise. Programs stay responsive while a guest runs.

import { UsageError } from "../base/errors.ts";
import type { DriveName } from "../machine/drives.ts";
import type { RegisterFile, RegisterPart } from "../machine/guest-registers.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import type { TrapFields } from "../trace/trap-fields.ts";
import type { Counters, Listener, MachineEvents, PortHook, RunOutcome } from "./machine.ts";
import { Mailbox } from "./mailbox.ts";
import { openThread, type Thread } from "./thread.ts";
import {
  type CallName, CREATED, type FromWorker, type OptionsWith, type Question, receivedError, type RemoteSource, type SentError, type SentHook, type ToWorker,
  withMedia, type WorkerBytes,
} from "./worker-messages.ts";

/** As for `createMachine`; media may also be Blobs, Files, and sources whose `read` gives a promise. */
export interface WorkerOptions extends OptionsWith<WorkerBytes> {
  /** The worker's script, where a bundler has moved it: `dist/machine-worker.js` of this package. */
  readonly worker?: URL | string;
}

/** Starts a worker and makes the machine there. Rejects with ImageError and UsageError as `createMachine` does. `dispose` ends the worker. */
export async function createMachineWorker(options: WorkerOptions = {}): Promise<MachineWorker> {
  const { worker, ...rest } = options;
  const machine = new MachineWorker(openThread(worker === undefined ? new URL("./machine-worker.js", import.meta.url) : new URL(worker, import.meta.url)));
  try {
    await machine.create(rest);
  } catch (error) {
    await machine.dispose();
    throw error;
  }
  return machine;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

export class MachineWorker {
  /** Physical memory, with what lies in it besides RAM. */
  readonly memory = {
    read: (physical: number, length: number): Promise<Uint8Array> => this.call("memory.read", physical, length),
    write: (physical: number, bytes: Uint8Array): Promise<void> => this.call("memory.write", physical, bytes),
  };
  private readonly thread: Thread<ToWorker, FromWorker>;
  private readonly mailbox = new Mailbox();
  private readonly pending = new Map<number, Pending>();
  private readonly listeners: { readonly [Name in keyof MachineEvents]: Set<Listener<Name>> } = {
    serial: new Set(), debug: new Set(), frame: new Set(), record: new Set(), notice: new Set(), stop: new Set(),
  };
  private readonly sources: Exclude<WorkerBytes, Uint8Array>[] = [];
  private readonly hooks = new Map<number, PortHook>();
  private ended: Error | null = null;
  private nextId = CREATED;
  private nextHook = 0;
  private advancing = 0;

  /** @internal */
  constructor(thread: Thread<ToWorker, FromWorker>) {
    this.thread = thread;
    thread.listen((message) => this.receive(message));
    thread.onFailure((message) => this.end(new Error(`The machine's worker failed: ${message}`)));
  }

  /** @internal */
  create(options: OptionsWith<WorkerBytes>): Promise<void> {
    return this.expect((id) => {
      if (id !== CREATED) throw new UsageError("The machine has been made already.");
      this.thread.post({ type: "create", options: withMedia(options, (medium) => this.sent(medium)), mailbox: this.mailbox.buffer });
    });
  }

  /** Calls `listener` at each event of this name; the result takes it away. */
  on<Name extends keyof MachineEvents>(name: Name, listener: Listener<Name>): () => void {
    const own = (event: MachineEvents[Name]): void => listener(event);
    const listeners: Set<Listener<Name>> = this.listeners[name];
    listeners.add(own);
    if (listeners.size === 1) this.thread.post({ type: "listen", name, wanted: true });
    return () => {
      if (listeners.delete(own) && listeners.size === 0) this.thread.post({ type: "listen", name, wanted: false });
    };
  }

  /** Every register of the processor that the guest believes in. */
  state(): Promise<RegisterFile> { return this.call("state"); }
  /** Sets what is named and leaves the rest. */
  setState(part: RegisterPart): Promise<void> { return this.call("setState", part); }

  /** One whole instruction, after a run that is under way. */
  step(): Promise<RunOutcome> { return this.advance("step"); }

  /**
   * Until `instructions` have retired, however long that takes, or something ends the run. With the real clock a waiting guest sleeps in its worker, and the run goes on.
   * Meanwhile input arrives, and everything but `run` and `step` is answered.
   */
  run({ instructions }: { readonly instructions: number }): Promise<RunOutcome> { return this.advance("run", { instructions }); }

  /** Ends a run that is under way with "breakpoint": called by a port's hook, after this instruction. */
  async stop(): Promise<void> {
    if (this.advancing > 0) this.mailbox.askStop();
  }

  /** Guest time of the next timer in ns. */
  get nextEventNs(): Promise<number> { return this.call("nextEventNs"); }

  /** Answers ports in the place of whatever is there; the machine waits for the hook. The result takes it away. */
  async onPort(hook: PortHook): Promise<() => Promise<void>> {
    const number = this.nextHook++;
    this.hooks.set(number, hook);
    const sent: SentHook = { hook: number, first: hook.first, last: hook.last, reads: hook.read !== undefined, writes: hook.write !== undefined };
    await this.call("onPort", sent);
    return async () => {
      await this.call("removePort", number);
      this.hooks.delete(number);
    };
  }

  /** Bytes that the guest sends on COM1 (0) or COM2 (1). The result takes the listener away. */
  onSerial(port: 0 | 1, listener: (byte: number) => void): () => void {
    return this.on("serial", (event) => {
      if (event.port === port) listener(event.byte);
    });
  }

  /** Bytes arrive at COM1 (0) or COM2 (1), at the speed that the guest has set. */
  serialWrite(port: 0 | 1, bytes: Uint8Array): Promise<void> { return this.call("serialWrite", port, bytes); }
  /** Frames that the guest's network adapter sends. The result takes the listener away. */
  onFrame(listener: (frame: Uint8Array) => void): () => void { return this.on("frame", ({ frame }) => listener(frame)); }
  /** A frame arrives at the network adapter. */
  sendFrame(frame: Uint8Array): Promise<void> { return this.call("sendFrame", frame); }
  /** A person presses the power button. */
  pressPowerButton(): Promise<void> { return this.call("pressPowerButton"); }
  /** The tone of the PC's loudspeaker in Hz; 0: silence. */
  get speakerHz(): Promise<number> { return this.call("speakerHz"); }
  /** A key goes down and up: a KeyboardEvent.code or one character of a US keyboard. */
  key(name: string): Promise<void> { return this.call("key", name); }
  /** Types a text on a US keyboard; `<Enter>`, `<F1>`, `<Ctrl+C>` name keys. */
  type(text: string): Promise<void> { return this.call("type", text); }
  /** The text screen by rows; null in graphics modes. */
  screenText(): Promise<string[] | null> { return this.call("screenText"); }
  /** Another medium in a drive; null takes out what is there. */
  insert(drive: DriveName, medium: WorkerBytes | null): Promise<void> { return this.call("insert", drive, medium && this.sent(medium)); }
  /** What the guest wrote to port F4h, or null. */
  get exitValue(): Promise<number | null> { return this.call("exitValue"); }
  /** Another technique from the next instruction on. */
  setTechnique(technique: TechniqueId, how: { readonly ring?: Ring; readonly set?: ProcessorSet } = {}): Promise<void> { return this.call("setTechnique", technique, how); }

  /** Why the technique gave up, after `run` ended with "refused". */
  get refusal(): Promise<Error | null> {
    return this.call<SentError | null>("refusal").then((error) => error && receivedError(error));
  }

  /** The records that the log still holds, from sequence number `since` on. */
  traps(since = 0): Promise<TrapFields[]> { return this.call("traps", since); }
  /** Exact counts since power-on. */
  counters(): Promise<Counters> { return this.call("counters"); }
  /** The whole machine between two instructions, as bytes for `restore`, here or in `createMachine`'s. */
  snapshot(): Promise<Uint8Array> { return this.call("snapshot"); }
  /** Makes this machine the one of the snapshot. */
  restore(snapshot: Uint8Array): Promise<void> { return this.call("restore", snapshot); }
  /** 16 hexadecimal digits: two machines with the same ones are in the same state. */
  stateHash(): Promise<string> { return this.call("stateHash"); }

  /** Ends the machine and its worker at once. What was asked and not answered is rejected. */
  async dispose(): Promise<void> {
    this.end(new UsageError("The machine has been disposed of."));
    await this.thread.close();
  }

  private call<T>(name: CallName, ...values: readonly unknown[]): Promise<T> {
    return this.expect((id) => this.thread.post({ type: "call", id, name, values }));
  }

  private expect<T>(post: (id: number) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.ended) throw this.ended;
      const id = this.nextId++;
      this.pending.set(id, { resolve, reject });
      post(id);
    });
  }

  private async advance(name: "run" | "step", ...values: readonly unknown[]): Promise<RunOutcome> {
    this.advancing++;
    try {
      const outcome = await this.call<RunOutcome>(name, ...values);
      for (const listener of this.listeners.stop) listener(outcome);
      return outcome;
    } finally {
      this.advancing--;
    }
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const { reject } of this.pending.values()) reject(this.ended);
    this.pending.clear();
  }

  private receive(message: FromWorker): void {
    switch (message.type) {
      case "answer":
        this.pending.get(message.id)?.resolve(message.value as never);
        this.pending.delete(message.id);
        return;
      case "failed":
        this.pending.get(message.id)?.reject(receivedError(message.error));
        this.pending.delete(message.id);
        return;
      case "events":
        for (const event of message.events) for (const listener of this.listeners[message.name]) listener(event as never);
        return;
      case "question":
        void this.answer(message.question);
    }
  }

  /** The machine stands still meanwhile: it gets an answer whatever happens here. */
  private async answer(question: Question): Promise<void> {
    const { mailbox } = this;
    try {
      switch (question.kind) {
        case "read": {
          const bytes = new Uint8Array(question.length);
          await readPart(this.sources[question.source]!, question.offset, bytes);
          return mailbox.answer(0, bytes);
        }
        case "portRead": return mailbox.answer(this.hooks.get(question.hook)?.read?.(question.port, question.width) ?? 0xffff_ffff);
        case "portWrite":
          this.hooks.get(question.hook)?.write?.(question.port, question.width, question.value);
          return mailbox.answer(0);
      }
    } catch (error) {
      mailbox.fail(error instanceof Error ? error.message : String(error));
    }
  }

  private sent(medium: WorkerBytes): Uint8Array | RemoteSource {
    if (medium instanceof Uint8Array) return medium;
    this.sources.push(medium);
    return { remote: this.sources.length - 1, size: medium.size };
  }
}

async function readPart(source: Exclude<WorkerBytes, Uint8Array>, offset: number, into: Uint8Array): Promise<void> {
  if ("read" in source) await source.read(offset, into);
  else into.set(new Uint8Array(await source.slice(offset, offset + into.length).arrayBuffer()));
}
