// From the files that a person names to what the machine is made of: drives, or a boot plan for the firmware, and ROMs.
// Shared by the command line, the library and the page's worker, so that all three refuse the same file in the same words.

import { ImageError, UsageError } from "../../base/errors.ts";
import type { BlockStore } from "../../block/block-store.ts";
import type { ImageIdentity } from "../../block/image-identity.ts";
import { openImage, type OpenedImage, type Sibling } from "../../block/open-image.ts";
import { builtinBios, builtinVgaBios } from "../../firmware/bios.ts";
import { linuxBootPlan, multibootBootPlan } from "../../firmware/boot-plan.ts";
import type { ByteSource } from "../../hardware/device.ts";
import type { MachineOptions } from "../machine.ts";
import { type BootOrder, DRIVE_NAMES, type DriveName, type DriveSource } from "../drives.ts";
import { checkBios, checkVgaBios } from "./rom-images.ts";

export type { ByteSource } from "../../hardware/device.ts";
export type { ImageIdentity } from "../../block/image-identity.ts";

/** A file by the name that messages use. */
export interface NamedSource {
  readonly name: string;
  readonly source: ByteSource;
  /** What it was taken out of: "gzip (1F8Bh at byte 0)". */
  readonly packedIn?: string;
  /** Other files of its folder, for images of several files. */
  readonly sibling?: Sibling;
  /** Where the guest's writes are kept; absent: in memory, while the machine lives. */
  readonly store?: BlockStore;
}

/** What the file is, and the disk inside. */
export function openNamed({ source, name, sibling }: NamedSource): OpenedImage {
  return openImage(source, name, sibling);
}

export interface BootRequest {
  /** A file whose content says where it goes. */
  readonly image?: NamedSource;
  readonly drives?: Readonly<Partial<Record<DriveName, NamedSource>>>;
  readonly kernel?: NamedSource;
  readonly initrd?: NamedSource;
  readonly multiboot?: NamedSource;
  /** Multiboot modules: the text after the file name is the module's own command line. */
  readonly modules?: readonly (NamedSource & { readonly commandLine?: string })[];
  /** Command line of the kernel or multiboot image. */
  readonly append?: string;
  readonly bios?: NamedSource;
  readonly vgabios?: NamedSource;
  readonly bootOrder?: BootOrder;
  /** Boot although there is no boot signature, or an image is shorter than it says. */
  readonly force?: boolean;
  readonly memoryBytes: number;
}

/** What `new Machine` takes of it. */
export interface BootConfiguration {
  readonly machine: Pick<MachineOptions, "firmware" | "drives" | "bootPlan" | "bootOrder">;
  /** The file that the machine boots from; null: the ROM alone. */
  readonly bootsFrom: NamedSource | null;
}

/** Throws ImageError for a file that cannot be used and UsageError for a combination that means nothing. */
export function configureBoot(given: BootRequest): BootConfiguration {
  const request = given.image ? placeImage(given, given.image) : given;
  const firmware = {
    bios: request.bios ? checkBios(readWhole(request.bios), request.bios.name) : builtinBios(),
    vgabios: request.vgabios ? checkVgaBios(readWhole(request.vgabios), request.vgabios.name) : builtinVgaBios(),
  };
  const drives: Partial<Record<DriveName, DriveSource>> = {};
  const identities = new Map<DriveName, ImageIdentity>();
  for (const drive of DRIVE_NAMES) {
    const file = request.drives?.[drive];
    if (!file) continue;
    const { identity, source } = openNamed(file);
    if (identity.details.sectorCount === undefined && (!request.force || identity.refusal?.force === false)) refuse(file, identity);
    identities.set(drive, identity);
    drives[drive] = medium(source, identity, file.store);
  }
  const plan = directBoot(request);
  const machine = {
    firmware,
    drives,
    ...(plan ? { bootPlan: plan } : {}),
    ...(request.bootOrder ? { bootOrder: request.bootOrder } : {}),
  };
  const direct = request.kernel ?? request.multiboot;
  if (direct) return { machine, bootsFrom: direct };
  const first = bootDrive(request, identities);
  if (first) {
    if (!identities.get(first)!.bootable) drives[first] = signed(drives[first]!);
    return { machine, bootsFrom: request.drives![first]! };
  }
  if (!request.bios) throw new UsageError("There is nothing to boot: give an image, a drive (--hda FILE ...) or a kernel (--kernel FILE).");
  return { machine, bootsFrom: null };
}

/** Puts the file where its content says, as if the option of that name had been given. */
export function placeImage(request: BootRequest, image: NamedSource): BootRequest {
  const { identity } = openNamed(image);
  if (identity.refusal && !(request.force && identity.refusal.force)) refuse(image, identity);
  const target = identity.suggestedDrive;
  if (target === "kernel" || target === "multiboot" || target === "initrd") {
    if (request[target]) throw new UsageError(`${image.name} is a ${identity.description}, and --${target} is given too: leave one of them out.`);
    return { ...request, [target]: image };
  }
  if (request.drives?.[target]) throw new UsageError(`${image.name} is a ${identity.description} for drive ${target}, and --${target} is given too: leave one of them out.`);
  return { ...request, drives: { ...request.drives, [target]: image } };
}

/** The drive that the firmware will boot from; null where there is no drive at all. Throws where none of them boots. */
function bootDrive(request: BootRequest, identities: ReadonlyMap<DriveName, ImageIdentity>): DriveName | null {
  const present = bootSequence(request).filter((drive) => identities.has(drive));
  const bootable = present.find((drive) => identities.get(drive)!.bootable);
  if (bootable) return bootable;
  const forced = present.find((drive) => request.force && identities.get(drive)!.refusal!.force);
  if (forced) return forced;
  const [first] = present;
  if (first) refuse(request.drives![first]!, identities.get(first)!);
  const [other] = identities.keys();
  if (other) throw new UsageError(`Drive ${other} is not one that the BIOS boots from: give --fda, --hda or --cdrom as well.`);
  return null;
}

const BOOT_DRIVES = { a: "fda", c: "hda", d: "cdrom" } as const satisfies Record<BootOrder, DriveName>;

/** As the firmware goes about it: `--boot` first, else a floppy before a hard disk before a CD. */
function bootSequence(request: BootRequest): readonly DriveName[] {
  const order: readonly BootOrder[] = request.bootOrder ? [request.bootOrder, "a", "c", "d"] : ["a", "c", "d"];
  return [...new Set(order)].map((letter) => BOOT_DRIVES[letter]);
}

function directBoot(request: BootRequest): { plan: Uint8Array; data: Uint8Array } | null {
  const { kernel, multiboot, initrd, modules, append, memoryBytes } = request;
  if (kernel && multiboot) throw new UsageError("--kernel and --multiboot exclude each other.");
  if (initrd && !kernel) throw new UsageError("--initrd needs a Linux kernel beside it: --kernel FILE.");
  if (modules?.length && !multiboot) throw new UsageError("--module needs a multiboot image beside it: --multiboot FILE.");
  if (append !== undefined && !kernel && !multiboot) throw new UsageError("--append is the command line of a kernel: give --kernel FILE or --multiboot FILE.");
  const load = (file: NamedSource): Uint8Array => readWhole(file, memoryBytes);
  const file = kernel ?? multiboot;
  if (!file) return null;
  const image = load(file);
  try {
    if (kernel) return linuxBootPlan({ kernel: image, commandLine: append ?? "", memoryBytes, ...(initrd ? { initrd: load(initrd) } : {}) });
    return multibootBootPlan({
      image, commandLine: append ?? "", memoryBytes,
      modules: (modules ?? []).map((module) => ({ bytes: load(module), commandLine: module.commandLine ?? module.name })),
    });
  } catch (error) {
    if (error instanceof ImageError && !error.message.startsWith(file.name)) throw new ImageError(`${file.name}: ${error.message}`);
    throw error;
  }
}

function refuse(file: NamedSource, { description, refusal }: ImageIdentity): never {
  if (refusal) throw new ImageError(`${file.name}: ${refusal.reason} ${refusal.whatToDo}`);
  throw new ImageError(`${file.name} is a ${description}, not a disk. Give it as an image, or with the option that fits it.`);
}

/** The bytes that a drive shows of this image. */
export function mediumBytes({ details }: ImageIdentity, source: ByteSource): number {
  const { sectorSize = 512, sectorCount = Math.ceil(source.size / sectorSize) } = details;
  return Math.max(sectorSize * sectorCount, source.size);
}

/** The disk as the drive shows it: what it lacks to its last sector reads as zeros. */
export function medium(source: ByteSource, identity: ImageIdentity, store?: BlockStore): DriveSource {
  return {
    size: mediumBytes(identity, source),
    read(offset, into) {
      const held = Math.max(0, Math.min(into.length, source.size - offset));
      if (held > 0) source.read(offset, into.subarray(0, held));
      into.fill(0, held);
    },
    ...(store ? { store } : {}),
  };
}

/** A file as the medium of a drive of a machine that runs. Throws ImageError for what is no disk. */
export function openMedium(file: NamedSource): DriveSource {
  const { identity, source } = openNamed(file);
  if (identity.details.sectorCount === undefined) refuse(file, identity);
  return medium(source, identity, file.store);
}

const SIGNATURE_OFFSET = 510;
const SIGNATURE = [0x55, 0xaa];

/** A BIOS starts no boot sector without a signature: a forced one is shown with it. */
function signed(source: DriveSource): DriveSource {
  return {
    ...source,
    read(offset, into) {
      source.read(offset, into);
      SIGNATURE.forEach((byte, index) => {
        const at = SIGNATURE_OFFSET + index - offset;
        if (at >= 0 && at < into.length) into[at] = byte;
      });
    },
  };
}

function readWhole({ name, source }: NamedSource, limit = 64 << 20): Uint8Array {
  if (source.size > limit) throw new ImageError(`${name} has ${source.size} bytes, more than the machine's memory holds: check the file, or give more --memory.`);
  const bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  return bytes;
}
