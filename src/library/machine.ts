// One machine for a program: synchronous, in the thread of its caller.

import { RefusedError, UsageError } from "../base/errors.ts";
import { openMedium } from "../machine/boot/boot-request.ts";
import { isKeyName, textToKeys } from "../machine/guest-input.ts";
import { guestRegisters, type RegisterFile, type RegisterPart, setGuestRegisters } from "../machine/guest-registers.ts";
import { GuestScreen } from "../machine/guest-screen.ts";
import { Machine, type RunReason } from "../machine/machine.ts";
import type { DriveName } from "../machine/drives.ts";
import { MachineRam } from "../machine/ram-pages.ts";
import { restoreSnapshot, stateHash, takeSnapshot } from "../machine/snapshot.ts";
import { decodeSnapshot, encodeSnapshot } from "../machine/snapshot-file.ts";
import { StatsReader } from "../protocol/stats-view.ts";
import type { ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import { emptyRawTrap, TrapReader } from "../protocol/trap-record.ts";
import { type TrapCounts, trapCounts } from "../trace/counts.ts";
import { disassembleBytes } from "../trace/instruction.ts";
import { followRecords, type RecordFeed } from "../trace/record-feed.ts";
import type { TrapFields } from "../trace/trap-fields.ts";
import { copyFields, rowContext, TrapRow } from "../trace/trap-row.ts";
import { built, type Bytes, type CreateOptions, machineOptions, named } from "./options.ts";

export type StopCause =
  | "budget" | "halted" | "triple-fault" | "power-off" | "exit-port" | "breakpoint" | "refused"
  /** With `deliverExceptions: false`. */
  | "exception"
  /** With the real clock: the guest waits; call again when `nextEventNs` has come or there is input. */
  | "idle";

export interface RunOutcome {
  readonly reason: StopCause;
  /** Instructions that have retired. */
  readonly instructions: number;
  /** The last exception that was delivered (or, with `deliverExceptions: false`, would have been). */
  readonly exception: { readonly vector: number; readonly error: number | null } | null;
}

/** Ports `first` to `last`. `read` and `write` get the port number and 1, 2 or 4 bytes; values are unsigned. */
export interface PortHook {
  readonly first: number;
  readonly last: number;
  readonly read?: (port: number, width: 1 | 2 | 4) => number;
  readonly write?: (port: number, width: 1 | 2 | 4, value: number) => void;
}

export interface Counters extends TrapCounts {
  readonly instructions: number;
  readonly emulatedInstructions: number;
  readonly guestSeconds: number;
}

/** What `on` tells, by name. */
export interface MachineEvents {
  /** A byte that the guest sends on COM1 (0) or COM2 (1). */
  serial: { readonly port: 0 | 1; readonly byte: number };
  /** A byte that the guest writes to port E9h. */
  debug: { readonly byte: number };
  /** A frame that its network adapter sends, without the check sequence. */
  frame: { readonly frame: Uint8Array };
  /** An exit, a leak or an observation, as it stands in the log. */
  record: TrapFields;
  /** Something that a person should know. */
  notice: { readonly text: string };
  /** `run` or `step` has come to its end. */
  stop: RunOutcome;
}

export type Listener<Name extends keyof MachineEvents> = (event: MachineEvents[Name]) => void;

/** Throws ImageError for an image that cannot be used and UsageError for an option that means nothing. */
export async function createMachine(options: CreateOptions = {}): Promise<TrapscopeMachine> {
  return new TrapscopeMachine(options);
}

export class TrapscopeMachine {
  /** Physical memory, with what lies in it besides RAM. */
  readonly memory: { write(physical: number, bytes: Uint8Array): void; read(physical: number, length: number): Uint8Array };
  private readonly machine: Machine;
  private readonly screen: GuestScreen;
  private readonly stats: StatsReader;
  private readonly listeners: { readonly [Name in keyof MachineEvents]: Set<Listener<Name>> } = {
    serial: new Set(), debug: new Set(), frame: new Set(), record: new Set(), notice: new Set(), stop: new Set(),
  };
  private records: RecordFeed | null = null;
  private disposed = false;

  constructor(options: CreateOptions) {
    const machine = new Machine(machineOptions(options));
    this.machine = machine;
    const { physical, events, core, map, pc } = machine;
    core.deliverExceptions = options.deliverExceptions ?? true;
    this.memory = {
      write: (address, bytes) => physical.writeBytes(address, bytes),
      read: (address, length) => {
        const bytes = new Uint8Array(length);
        physical.readBytes(address, bytes);
        return bytes;
      },
    };
    events.serial = (port, byte) => this.tell("serial", { port, byte });
    events.debugConsole = (byte) => this.tell("debug", { byte });
    events.notice = (text) => this.tell("notice", { text });
    pc.network.seen = (frame, fromGuest) => {
      if (fromGuest) this.tell("frame", { frame });
    };
    this.screen = new GuestScreen(pc);
    this.stats = new StatsReader(map.buffer, map.view.stats);
  }

  /** Calls `listener` at each event of this name; the result takes it away. Records of the log come at the latest when `run` or `step` returns, all of them, in order. */
  on<Name extends keyof MachineEvents>(name: Name, listener: Listener<Name>): () => void {
    const own = (event: MachineEvents[Name]): void => listener(event);
    const listeners: Set<Listener<Name>> = this.listeners[name];
    listeners.add(own);
    if (name === "record") this.records ??= followRecords(this.machine, (row) => this.tell("record", copyFields(row)));
    return () => {
      listeners.delete(own);
      if (name === "record" && listeners.size === 0) this.forgetRecords();
    };
  }

  private tell<Name extends keyof MachineEvents>(name: Name, event: MachineEvents[Name]): void {
    for (const listener of this.listeners[name]) listener(event);
  }

  private forgetRecords(): void {
    this.records?.end();
    this.records = null;
  }

  /** Every register of the processor that the guest believes in. */
  state(): RegisterFile {
    return guestRegisters(this.machine);
  }

  /** Sets what is named and leaves the rest; nothing is checked. A new `eip` wakes a halted processor. */
  setState(part: RegisterPart): void {
    setGuestRegisters(this.machine, part);
  }

  /** One whole instruction, a REP to its end, or the delivery of the exception that it raised. */
  step(): RunOutcome {
    return this.advance(() => this.machine.step());
  }

  /**
   * Until `instructions` have retired or something ends the run. "budget" after fewer: none has retired for long (a REP goes over megabytes, a fault's
   * handler faults into itself), and the caller may look around before the next call.
   */
  run({ instructions }: { readonly instructions: number }): RunOutcome {
    if (!(instructions >= 1)) throw new UsageError(`run needs a number of instructions above 0, not ${instructions}.`);
    return this.advance(() => this.machine.run(instructions));
  }

  /** From a hook: `run` ends with "breakpoint" after this instruction. */
  stop(): void {
    this.machine.stop();
  }

  private advance(go: () => RunReason): RunOutcome {
    if (this.disposed) throw new UsageError("The machine has been disposed of.");
    const { core, cpu } = this.machine;
    const before = core.retired();
    cpu.delivered = null;
    const reason = go();
    this.records?.flush();
    const raised = this.lastDelivered();
    const stopped = reason === "exception" || reason === "triple-fault" ? core.exception : null;
    const exception = raised?.isException ? raised : stopped;
    const outcome: RunOutcome = {
      reason: reason === "break" ? "breakpoint" : reason === "exception" && core.deliverExceptions ? "budget" : reason,
      instructions: core.retired() - before,
      exception: exception && { vector: exception.vector, error: exception.errorCode },
    };
    this.tell("stop", outcome);
    return outcome;
  }

  private lastDelivered(): Machine["cpu"]["delivered"] {
    return this.machine.cpu.delivered;
  }

  /** Guest time of the next timer in ns. */
  get nextEventNs(): number {
    return this.machine.nextEventNs;
  }

  /** Answers ports in the place of whatever is there. The result takes the hook away. */
  onPort({ first, last, read, write }: PortHook): () => void {
    const { io } = this.machine.pc;
    const attachment = io.attach(first, last, {
      read: (offset, width) => read?.(first + offset, width) ?? (width === 1 ? 0xff : width === 2 ? 0xffff : 0xffff_ffff),
      write: (offset, width, value) => write?.(first + offset, width, value),
    });
    return () => io.detach(attachment);
  }

  /** Bytes that the guest sends on COM1 (0) or COM2 (1). The result takes the listener away. */
  onSerial(port: 0 | 1, listener: (byte: number) => void): () => void {
    return this.on("serial", (event) => {
      if (event.port === port) listener(event.byte);
    });
  }

  /** Bytes arrive at COM1 (0) or COM2 (1), at the speed that the guest has set. */
  serialWrite(port: 0 | 1, bytes: Uint8Array): void {
    for (const byte of bytes) this.machine.pc.receiveSerial(port, byte);
  }

  /** Frames that the guest's network adapter sends, without their check sequence. The result takes the listener away. */
  onFrame(listener: (frame: Uint8Array) => void): () => void {
    return this.on("frame", ({ frame }) => listener(frame));
  }

  /** A frame arrives at the network adapter, if the guest has set it up to take it. */
  sendFrame(frame: Uint8Array): void {
    this.machine.pc.network.deliver(frame);
  }

  /** A person presses the power button: an operating system with ACPI shuts down. */
  pressPowerButton(): void {
    this.machine.pc.pressPowerButton();
  }

  /** The tone of the PC's loudspeaker in Hz; 0: silence. */
  get speakerHz(): number {
    return this.machine.pc.speakerHz;
  }

  /** A key goes down and up: a KeyboardEvent.code ("Enter", "KeyA", "F1") or one character of a US keyboard. */
  key(name: string): void {
    if (name.length !== 1 && !isKeyName(name)) throw new UsageError(`${JSON.stringify(name)} is no key: give a KeyboardEvent.code or one character.`);
    this.machine.pc.keyboard.type(textToKeys(name.length === 1 ? name.replace("<", "<Less>") : `<${name}>`));
  }

  /** Types a text on a US keyboard; `<Enter>`, `<F1>`, `<Ctrl+C>` name keys. */
  type(text: string): void {
    this.machine.pc.keyboard.type(textToKeys(text));
  }

  /** The text screen by rows; null in graphics modes. */
  screenText(): string[] | null {
    return this.screen.rows();
  }

  /** Another medium in a drive while the guest runs; null takes out what is there. */
  insert(drive: DriveName, medium: Bytes | null): void {
    this.machine.pc.insert(drive, medium && openMedium(named(drive, medium)));
  }

  /** What the guest wrote to port F4h, or null. */
  get exitValue(): number | null {
    return this.machine.exitValue;
  }

  /** Another technique from the next instruction on. */
  setTechnique(technique: TechniqueId, { ring, set }: { readonly ring?: Ring; readonly set?: ProcessorSet } = {}): void {
    const { supervisor } = this.machine;
    supervisor.change(built(technique), ring ?? supervisor.ring, set ?? supervisor.set);
  }

  /** Why the technique gave up, after `run` ended with "refused". */
  get refusal(): RefusedError | null {
    const { refusal } = this.machine.supervisor;
    return refusal && new RefusedError(refusal.reason, refusal.eip, refusal.bytes);
  }

  /** The records that the log still holds (65,536 at most), from sequence number `since` on. */
  traps(since = 0): TrapFields[] {
    const { buffer, view } = this.machine.map;
    const reader = new TrapReader(buffer, view.trapRing, view.trapSites);
    const raw = emptyRawTrap();
    const row = new TrapRow(raw, rowContext(this.stats, disassembleBytes));
    const traps: TrapFields[] = [];
    for (let sequence = Math.max(since, reader.oldest); sequence < reader.total; sequence++) {
      if (reader.read(sequence, raw)) traps.push(copyFields(row));
    }
    return traps;
  }

  /** Exact counts since power-on. */
  counters(): Counters {
    const { supervisor, core, clock } = this.machine;
    supervisor.publish();
    return {
      ...trapCounts(this.stats), instructions: core.retired(), emulatedInstructions: supervisor.emulatedInstructions, guestSeconds: clock.nowNs() / 1e9,
    };
  }

  /**
   * The whole machine between two instructions, what was written to its disks included, as bytes for `restore`. Images and ROMs are not in it.
   */
  snapshot(): Uint8Array {
    return encodeSnapshot(takeSnapshot(this.machine, new MachineRam(this.machine)));
  }

  /** Makes this machine the one of the snapshot; one made with the same options is needed. Throws an ImageError, with nothing changed, where it is not. */
  restore(snapshot: Uint8Array): void {
    restoreSnapshot(this.machine, new MachineRam(this.machine), decodeSnapshot(snapshot));
    if (!this.records) return;
    this.forgetRecords();
    this.records = followRecords(this.machine, (row) => this.tell("record", copyFields(row)));
  }

  /** 16 hexadecimal digits: two machines with the same ones are in the same state. */
  stateHash(): string {
    return stateHash(this.machine);
  }

  /** The machine runs no more. Its memory is freed with the last reference to this object. */
  dispose(): void {
    this.disposed = true;
    this.machine.dispose();
  }
}
