// The files that the options name, opened, as the machine's boot wants them.

import { UsageError } from "../base/errors.ts";
import type { BootRequest, NamedSource } from "../machine/boot/boot-request.ts";
import { DRIVE_NAMES, type DriveName } from "../machine/drives.ts";
import { openFile } from "./files.ts";
import { openBootImage, openDrive } from "./images.ts";
import type { RunOptions } from "./run-options.ts";

/** `kept`: a medium with its overlay, where one is asked for. */
export function bootRequestOf(options: RunOptions, kept: (file: NamedSource, overlay: string | undefined) => NamedSource): BootRequest {
  const drives: Partial<Record<DriveName, NamedSource>> = {};
  for (const drive of DRIVE_NAMES) {
    const path = options.drives[drive];
    if (path !== undefined) drives[drive] = kept(openDrive(path), options.overlays[drive]);
  }
  const { kernel, initrd, multiboot, bios, vgabios, boot, append } = options;
  if (boot === "a" && !drives.fda && options.image === undefined) throw new UsageError("--boot a needs a floppy: --fda FILE.");
  return {
    memoryBytes: options.memoryBytes, force: options.force, drives,
    ...(options.image !== undefined ? { image: kept(openBootImage(options.image), options.overlays.image) } : {}),
    ...(kernel !== undefined ? { kernel: openFile(kernel) } : {}),
    ...(initrd !== undefined ? { initrd: openFile(initrd) } : {}),
    ...(multiboot !== undefined ? { multiboot: openFile(multiboot) } : {}),
    modules: options.modules.map(openFile),
    ...(bios !== undefined ? { bios: openFile(bios) } : {}),
    ...(vgabios !== undefined ? { vgabios: openFile(vgabios) } : {}),
    ...(append !== undefined ? { append } : {}),
    ...(boot !== undefined ? { bootOrder: boot } : {}),
  };
}
