// The worker's side of `createMachineWorker`: has the machine and carries out the calls.

import { UsageError } from "../base/errors.ts";
import { createMachine, type MachineEvents, type RunOutcome, type TrapscopeMachine } from "./machine.ts";
import type { Bytes, CreateOptions } from "./options.ts";
import { Mailbox, MAILBOX_BYTES } from "./mailbox.ts";
import { afterMessages, type Port } from "./thread.ts";
import { type CallName, CREATED, type FromWorker, type Question, type RemoteSource, type SentHook, sentError, type ToWorker, withMedia } from "./worker-messages.ts";

/** Host time between two looks at what has come. */
const SLICE_MS = 10;
const SMALLEST_SLICE = 1_000, LARGEST_SLICE = 20_000_000;
/** Longest sleep of an idle guest: input ends it at the latest then. */
const LONGEST_SLEEP_MS = 20;
/** Events of a name that are sent together. */
const LARGEST_BATCH = 4096;

export class MachineHost {
  private readonly port: Port<FromWorker, ToWorker>;
  private mailbox: Mailbox | null = null;
  private machine: TrapscopeMachine | null = null;
  private readonly silent = new Map<keyof MachineEvents, () => void>();
  private readonly batches = new Map<keyof MachineEvents, unknown[]>();
  private readonly hooks = new Map<number, () => void>();
  /** `run` and `step` wait for the one before. */
  private advancing: Promise<unknown> = Promise.resolve();
  private slice = 200_000;

  constructor(port: Port<FromWorker, ToWorker>) {
    this.port = port;
    port.listen((message) => void this.handle(message));
  }

  private async handle(message: ToWorker): Promise<void> {
    const id = message.type === "call" ? message.id : CREATED;
    try {
      switch (message.type) {
        case "create":
          this.mailbox = new Mailbox(message.mailbox);
          this.machine = await createMachine(withMedia<Uint8Array | RemoteSource, Bytes>(message.options, (medium) => this.opened(medium)) as CreateOptions);
          return this.answer(id, null);
        case "listen": return this.listen(message.name, message.wanted);
        case "call": {
          const value = await this.perform(message.name, message.values);
          return this.answer(id, value);
        }
      }
    } catch (error) {
      this.flush();
      this.port.post({ type: "failed", id, error: sentError(error) });
    }
  }

  private answer(id: number, value: unknown): void {
    this.flush();
    const own = value instanceof Uint8Array && value.buffer instanceof ArrayBuffer ? [value.buffer] : [];
    this.port.post({ type: "answer", id, value }, own);
  }

  private perform(name: CallName, values: readonly unknown[]): unknown {
    const { machine } = this;
    if (!machine) throw new UsageError("The machine has not been made.");
    switch (name) {
      case "memory.read": return machine.memory.read(values[0] as number, values[1] as number);
      case "memory.write": return machine.memory.write(values[0] as number, values[1] as Uint8Array);
      case "run": return this.inTurn(() => this.run(machine, (values[0] as { instructions: number }).instructions));
      case "step": return this.inTurn(() => machine.step());
      case "onPort": return this.hook(machine, values[0] as SentHook);
      case "removePort":
        this.hooks.get(values[0] as number)?.();
        return;
      case "insert": return machine.insert(values[0] as "cdrom", values[1] === null ? null : this.opened(values[1] as Uint8Array | RemoteSource));
      case "refusal": return machine.refusal && sentError(machine.refusal);
      default: {
        const member: unknown = machine[name];
        return typeof member === "function" ? (member as (...values: unknown[]) => unknown).apply(machine, [...values]) : member;
      }
    }
  }

  private inTurn<T>(advance: () => T | Promise<T>): Promise<T> {
    const turn = this.advancing.then(advance).finally(() => this.mailbox?.forgetStop());
    this.advancing = turn.catch(() => {});
    return turn;
  }

  /** In slices, between which messages are handled. How long they are changes nothing for the guest. */
  private async run(machine: TrapscopeMachine, instructions: number): Promise<RunOutcome> {
    let done = 0, exception: RunOutcome["exception"] = null;
    if (!(instructions >= 1)) return machine.run({ instructions }); // says why not
    for (;;) {
      const began = performance.now();
      const outcome = machine.run({ instructions: Math.min(this.slice, instructions - done) });
      const fitting = (outcome.instructions * SLICE_MS) / Math.max(performance.now() - began, 0.01);
      this.slice = Math.round(Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, (this.slice + fitting) / 2)));
      done += outcome.instructions;
      exception = outcome.exception ?? exception;
      this.flush();
      const goesOn = outcome.reason === "idle" || (outcome.reason === "budget" && done < instructions);
      if (!goesOn) return { reason: outcome.reason, instructions: done, exception };
      await (outcome.reason === "idle" ? new Promise((resolve) => setTimeout(resolve, sleepMs(machine))) : afterMessages());
      if (this.mailbox?.stopAsked) return { reason: "breakpoint", instructions: done, exception };
    }
  }

  private hook(machine: TrapscopeMachine, { hook, first, last, reads, writes }: SentHook): void {
    const remove = machine.onPort({
      first, last,
      ...(reads ? { read: (port, width) => this.ask({ kind: "portRead", hook, port, width }) } : {}),
      ...(writes ? { write: (port, width, value) => void this.ask({ kind: "portWrite", hook, port, width, value }) } : {}),
    });
    this.hooks.set(hook, () => {
      this.hooks.delete(hook);
      remove();
    });
  }

  /** What the program's thread has: read there, in parts. */
  private opened(medium: Uint8Array | RemoteSource): Bytes {
    if (medium instanceof Uint8Array) return medium;
    const { remote, size } = medium;
    return {
      size,
      read: (offset, into) => {
        for (let at = 0; at < into.length; at += MAILBOX_BYTES) {
          const part = into.subarray(at, at + MAILBOX_BYTES);
          this.ask({ kind: "read", source: remote, offset: offset + at, length: part.length }, part);
        }
      },
    };
  }

  private ask(question: Question, into?: Uint8Array): number {
    if (!this.mailbox) throw new Error("There is nobody to ask.");
    this.flush();
    this.port.post({ type: "question", question });
    const value = this.mailbox.wait(into);
    if (this.mailbox.stopAsked) this.machine?.stop();
    return value;
  }

  private listen(name: keyof MachineEvents, wanted: boolean): void {
    this.silent.get(name)?.();
    this.silent.delete(name);
    if (!wanted || !this.machine) return;
    const batch: unknown[] = [];
    this.batches.set(name, batch);
    const remove = this.machine.on(name, (event) => {
      // A whole run is one for whoever called; its slices are not.
      if (name === "stop") return;
      if (batch.push(event) >= LARGEST_BATCH) this.flush();
    });
    this.silent.set(name, remove);
  }

  private flush(): void {
    for (const [name, batch] of this.batches) {
      if (batch.length > 0) this.port.post({ type: "events", name, events: batch.splice(0) });
    }
  }
}

function sleepMs(machine: TrapscopeMachine): number {
  const untilEvent = machine.nextEventNs / 1e6 - machine.counters().guestSeconds * 1e3;
  return Math.max(0, Math.min(untilEvent, LONGEST_SLEEP_MS));
}
