// The library: the machine of the page and the command line, for programs. docs/library.md has examples.

import { ImageError, RefusedError, UsageError } from "./base/errors.ts";
import { CPU_MODELS, type CpuModelName } from "./machine/cpu-model.ts";
import { type ByteSource, configureBoot, type NamedSource } from "./machine/boot/boot-request.ts";
import { isKeyName, textToKeys } from "./machine/guest-input.ts";
import { guestRegisters, type RegisterFile, type RegisterPart, setGuestRegisters } from "./machine/guest-registers.ts";
import { GuestScreen } from "./machine/guest-screen.ts";
import { Machine, type RunReason } from "./machine/machine.ts";
import { type BootOrder, DRIVE_NAMES, type DriveName } from "./machine/drives.ts";
import { MAXIMUM_RAM, MINIMUM_RAM } from "./machine/shared-memory.ts";
import { MachineRam } from "./machine/ram-pages.ts";
import { restoreSnapshot, stateHash, takeSnapshot } from "./machine/snapshot.ts";
import { decodeSnapshot, encodeSnapshot } from "./machine/snapshot-file.ts";
import { BUILT_TECHNIQUES } from "./machine/supervisor.ts";
import { StatsReader } from "./protocol/stats-view.ts";
import type { ClockKind, ProcessorSet, Ring, TechniqueId } from "./protocol/technique.ts";
import { emptyRawTrap, TrapReader } from "./protocol/trap-record.ts";
import { type TrapCounts, trapCounts } from "./trace/counts.ts";
import { disassembleBytes } from "./trace/instruction.ts";
import type { TrapFields } from "./trace/trap-fields.ts";
import { copyFields, rowContext, TrapRow } from "./trace/trap-row.ts";

export { ImageError, RefusedError, UsageError };
export type { ByteSource, ClockKind, CpuModelName, DriveName, ProcessorSet, RegisterFile, RegisterPart, Ring, TechniqueId, TrapCounts, TrapFields };
export type { SegmentState, TableState, X87State } from "./machine/guest-registers.ts";

/** Bytes in memory, or anything that can be read in parts. */
export type Bytes = Uint8Array | ByteSource;

export interface CreateOptions {
  /** 1 MB to 1 GB, in steps of 64 KB; 128 MB by default. */
  readonly memoryBytes?: number;
  /** "pentium4" by default; older processors lack what they do not report. */
  readonly cpu?: CpuModelName;
  readonly technique?: TechniqueId;
  readonly ring?: Ring;
  readonly set?: ProcessorSet;
  /** "virtual" by default: guest time derives from retired instructions. */
  readonly clock?: ClockKind;
  /** false: everything is interpreted. Nothing but the speed depends on it. */
  readonly jit?: boolean;
  /** UTC at power-on in milliseconds since 1970. */
  readonly epochMs?: number;
  /** "none": a processor with memory and ports and nothing else, at its reset state. */
  readonly firmware?: "builtin" | "none" | { readonly bios: Uint8Array; readonly vgabios?: Uint8Array };
  readonly drives?: Readonly<Partial<Record<DriveName, Bytes>>>;
  readonly boot?: BootOrder;
  readonly kernel?: Bytes;
  readonly initrd?: Bytes;
  readonly multiboot?: Bytes;
  readonly modules?: readonly Bytes[];
  readonly append?: string;
  /** Boot although there is no boot signature. */
  readonly force?: boolean;
  /** false: an exception stops the machine in place of entering its handler. */
  readonly deliverExceptions?: boolean;
}

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

const DEFAULT_MEMORY = 128 << 20;
const RAM_UNIT = 1 << 16;

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
  private readonly frameListeners = new Set<(frame: Uint8Array) => void>();
  private readonly serialListeners: readonly [Set<(byte: number) => void>, Set<(byte: number) => void>] = [new Set(), new Set()];
  private disposed = false;

  constructor(options: CreateOptions) {
    const memoryBytes = options.memoryBytes ?? DEFAULT_MEMORY;
    if (!(memoryBytes >= MINIMUM_RAM && memoryBytes <= MAXIMUM_RAM) || memoryBytes % RAM_UNIT !== 0) {
      throw new UsageError(`memoryBytes ${memoryBytes}: from ${MINIMUM_RAM} to ${MAXIMUM_RAM}, in steps of ${RAM_UNIT}.`);
    }
    if (options.cpu !== undefined && !CPU_MODELS.includes(options.cpu)) throw new UsageError(`cpu ${options.cpu}: ${CPU_MODELS.join(", ")} can be chosen.`);
    const boot = options.firmware === "none" ? { drives: {} } : bootOf(options, memoryBytes);
    this.machine = new Machine({
      memoryBytes, technique: built(options.technique ?? "emulate"), ring: options.ring ?? 1, set: options.set ?? {}, clock: options.clock ?? "virtual",
      ...(options.cpu ? { cpu: options.cpu } : {}),
      ...(options.jit !== undefined ? { jit: options.jit } : {}),
      wallNs: () => performance.now() * 1e6,
      ...(options.epochMs !== undefined ? { epochMs: options.epochMs } : options.clock === "real" ? { epochMs: Date.now() } : {}),
      ...boot,
    });
    const { physical, events, core, map, pc } = this.machine;
    core.deliverExceptions = options.deliverExceptions ?? true;
    events.serial = (port, byte) => {
      for (const listener of this.serialListeners[port]) listener(byte);
    };
    this.memory = {
      write: (address, bytes) => physical.writeBytes(address, bytes),
      read: (address, length) => {
        const bytes = new Uint8Array(length);
        physical.readBytes(address, bytes);
        return bytes;
      },
    };
    pc.network.seen = (frame, fromGuest) => {
      if (fromGuest) for (const listener of this.frameListeners) listener(frame);
    };
    this.screen = new GuestScreen(pc);
    this.stats = new StatsReader(map.buffer, map.view.stats);
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

  /** Until `instructions` have retired or something ends the run. */
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
    const raised = this.lastDelivered();
    const stopped = reason === "exception" || reason === "triple-fault" ? core.exception : null;
    const exception = raised?.isException ? raised : stopped;
    return {
      reason: reason === "break" ? "breakpoint" : reason === "exception" && core.deliverExceptions ? "budget" : reason,
      instructions: core.retired() - before,
      exception: exception && { vector: exception.vector, error: exception.errorCode },
    };
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
    this.serialListeners[port].add(listener);
    return () => void this.serialListeners[port].delete(listener);
  }

  /** Bytes arrive at COM1 (0) or COM2 (1), at the speed that the guest has set. */
  serialWrite(port: 0 | 1, bytes: Uint8Array): void {
    for (const byte of bytes) this.machine.pc.receiveSerial(port, byte);
  }

  /** Frames that the guest's network adapter sends, without their check sequence. The result takes the listener away. */
  onFrame(listener: (frame: Uint8Array) => void): () => void {
    this.frameListeners.add(listener);
    return () => void this.frameListeners.delete(listener);
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

function built(technique: TechniqueId): TechniqueId {
  if (!BUILT_TECHNIQUES.includes(technique)) throw new UsageError(`Technique ${technique} is not built; ${BUILT_TECHNIQUES.join(", ")} are.`);
  return technique;
}

function bootOf(options: CreateOptions, memoryBytes: number): ReturnType<typeof configureBoot>["machine"] {
  const { firmware, drives, kernel, initrd, multiboot, modules, append, boot, force } = options;
  const named = (name: string, bytes: Bytes): NamedSource => ({ name, source: bytes instanceof Uint8Array ? sourceOf(bytes) : bytes });
  const one = <K extends string>(name: K, bytes: Bytes | undefined): Partial<Record<K, NamedSource>> =>
    bytes === undefined ? {} : ({ [name]: named(name, bytes) } as Record<K, NamedSource>);
  return configureBoot({
    memoryBytes,
    drives: Object.assign({}, ...DRIVE_NAMES.map((drive) => one(drive, drives?.[drive]))) as Partial<Record<DriveName, NamedSource>>,
    ...one("kernel", kernel), ...one("initrd", initrd), ...one("multiboot", multiboot),
    modules: (modules ?? []).map((bytes, index) => named(`module ${index}`, bytes)),
    ...(typeof firmware === "object" ? { ...one("bios", firmware.bios), ...one("vgabios", firmware.vgabios) } : {}),
    ...(append !== undefined ? { append } : {}),
    ...(boot !== undefined ? { bootOrder: boot } : {}),
    ...(force !== undefined ? { force } : {}),
  }).machine;
}

function sourceOf(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)) };
}
