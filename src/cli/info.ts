// `trapscope info IMAGE`: what it is, how it would boot, or why not.

import { UsageError } from "../base/errors.ts";
import { type ImageIdentity, openNamed } from "../machine/boot/boot-request.ts";
import { argumentsOf, type CommandSpec } from "./command.ts";
import { openBootImage } from "./images.ts";
import { EXIT_CODES } from "./outcome.ts";

export const INFO: CommandSpec = {
  name: "info", operands: "IMAGE [--json]", takes: "image",
  summary: "what a file is, how it would boot, or why not",
  about: "Looks at the content of a file, not at its name: its format and by what it was recognised, its size, geometry and partitions.",
  options: {
    json: { help: "print one line of JSON" },
    help: { help: "this text" },
  },
  examples: [
    ["What is in this download, and would it boot?", "info debian.qcow2"],
    ["One file of an archive", "info disks.zip:boot.img"],
    ["A script decides by exit code and JSON", "info disk.img --json"],
  ],
  outcomes: [["bootable", 0], "image-refused"],
};

export function info(argv: readonly string[]): number {
  const args = argumentsOf(INFO, argv);
  if (!args) return 0;
  const [name, other] = args.positionals;
  if (name === undefined || other !== undefined) throw new UsageError("Give one file: trapscope info IMAGE.");
  const file = openBootImage(name);
  const { identity } = openNamed(file);
  const exitCode = identity.bootable ? 0 : EXIT_CODES["image-refused"];
  if (args.has("json")) process.stdout.write(`${JSON.stringify(asJson(name, identity, exitCode, file.packedIn))}\n`);
  else process.stdout.write(`${asText(name, identity, file.packedIn)}\n`);
  return exitCode;
}

function asJson(image: string, identity: ImageIdentity, exitCode: number, packedIn: string | undefined): object {
  const { kind, description, detectedBy, bootable, suggestedDrive, details, refusal } = identity;
  return {
    version: 1, outcome: bootable ? "bootable" : "image-refused", reason: refusal?.reason ?? "", exitCode, image, kind, description, detectedBy, bootable,
    drive: suggestedDrive, whatToDo: refusal?.whatToDo ?? "", forceable: refusal?.force ?? false, ...(packedIn ? { packedIn } : {}), details,
  };
}

const WAYS: Readonly<Record<ImageIdentity["suggestedDrive"], string>> = {
  fda: "as floppy A",
  hda: "as the first hard disk",
  cdrom: "as the CD-ROM",
  kernel: "directly, as a Linux kernel (--kernel)",
  initrd: "beside a Linux kernel (--initrd)",
  multiboot: "directly, as a multiboot image (--multiboot)",
};

function asText(name: string, { description, detectedBy, details, refusal, suggestedDrive }: ImageIdentity, packedIn: string | undefined): string {
  const lines = [`${name}: ${description}`, `  recognised by: ${detectedBy}`, `  size:          ${details.sizeBytes} bytes`];
  if (packedIn) lines.splice(1, 0, `  unpacked from: ${packedIn}`);
  if (details.container) lines.push(`  container:     ${details.container}, a disk of ${details.virtualBytes} bytes`);
  if (details.geometry) lines.push(`  geometry:      ${details.geometry.cylinders} cylinders, ${details.geometry.heads} heads, ${details.geometry.sectorsPerTrack} sectors a track`);
  for (const part of details.partitions ?? []) {
    lines.push(`  partition ${part.number}:   ${part.typeName}, sectors ${part.firstSector} to ${part.firstSector + part.sectorCount - 1}${part.active ? ", active" : ""}`);
  }
  if (refusal) lines.push(`  does not boot: ${refusal.reason}`, `  what to do:    ${refusal.whatToDo}`);
  else lines.push(`  boots:         ${WAYS[suggestedDrive]}`);
  return lines.join("\n");
}
