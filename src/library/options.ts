// What a machine of the library is made of.

import { UsageError } from "../base/errors.ts";
import { CPU_MODELS, type CpuModelName } from "../machine/cpu-model.ts";
import { type ByteSource, configureBoot, type NamedSource } from "../machine/boot/boot-request.ts";
import { type BootOrder, DRIVE_NAMES, type DriveName } from "../machine/drives.ts";
import type { MachineOptions } from "../machine/machine.ts";
import { MAXIMUM_RAM, MINIMUM_RAM } from "../machine/shared-memory.ts";
import { BUILT_TECHNIQUES } from "../machine/supervisor.ts";
import type { ClockKind, ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";

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

const DEFAULT_MEMORY = 128 << 20;
const RAM_UNIT = 1 << 16;

/** Throws ImageError for an image that cannot be used and UsageError for an option that means nothing. */
export function machineOptions(options: CreateOptions): MachineOptions {
  const memoryBytes = options.memoryBytes ?? DEFAULT_MEMORY;
  if (!(memoryBytes >= MINIMUM_RAM && memoryBytes <= MAXIMUM_RAM) || memoryBytes % RAM_UNIT !== 0) {
    throw new UsageError(`memoryBytes ${memoryBytes}: from ${MINIMUM_RAM} to ${MAXIMUM_RAM}, in steps of ${RAM_UNIT}.`);
  }
  if (options.cpu !== undefined && !CPU_MODELS.includes(options.cpu)) throw new UsageError(`cpu ${options.cpu}: ${CPU_MODELS.join(", ")} can be chosen.`);
  return {
    memoryBytes, technique: built(options.technique ?? "emulate"), ring: options.ring ?? 1, set: options.set ?? {}, clock: options.clock ?? "virtual",
    ...(options.cpu ? { cpu: options.cpu } : {}),
    ...(options.jit !== undefined ? { jit: options.jit } : {}),
    wallNs: () => performance.now() * 1e6,
    ...(options.epochMs !== undefined ? { epochMs: options.epochMs } : options.clock === "real" ? { epochMs: Date.now() } : {}),
    ...(options.firmware === "none" ? { drives: {} } : bootOf(options, memoryBytes)),
  };
}

export function built(technique: TechniqueId): TechniqueId {
  if (!BUILT_TECHNIQUES.includes(technique)) throw new UsageError(`Technique ${technique} is not built; ${BUILT_TECHNIQUES.join(", ")} are.`);
  return technique;
}

function bootOf(options: CreateOptions, memoryBytes: number): ReturnType<typeof configureBoot>["machine"] {
  const { firmware, drives, kernel, initrd, multiboot, modules, append, boot, force } = options;
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

/** Under the name that messages use. */
export function named(name: string, bytes: Bytes): NamedSource {
  if (!(bytes instanceof Uint8Array)) return { name, source: bytes };
  return { name, source: { size: bytes.length, read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)) } };
}
