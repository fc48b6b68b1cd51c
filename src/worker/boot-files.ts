// What a page's configuration boots from, as the machine takes it.

import { Sha256 } from "../base/sha256.ts";
import type { BootRequest, NamedSource } from "../machine/boot/boot-request.ts";
import type { MachineConfig, Medium } from "../protocol/commands.ts";
import { DRIVES, type DriveName } from "../protocol/image-info.ts";

/** Images up to this size are named by their hash in the exported log. */
const LARGEST_HASHED = 16 << 20;

export function bootRequest(config: MachineConfig, named: (medium: Medium) => NamedSource): BootRequest {
  const drives: Partial<Record<DriveName, NamedSource>> = {};
  for (const drive of DRIVES) {
    const medium = config.drives[drive];
    if (medium) drives[drive] = named(medium);
  }
  const { kernel, initrd, multiboot, modules, append, boot, force, memoryBytes } = config;
  return {
    memoryBytes, drives,
    ...(kernel ? { kernel: named(kernel) } : {}),
    ...(initrd ? { initrd: named(initrd) } : {}),
    ...(multiboot ? { multiboot: named(multiboot) } : {}),
    ...(modules ? { modules: modules.map(named) } : {}),
    ...(append !== undefined ? { append } : {}),
    ...(boot ? { bootOrder: boot } : {}),
    ...(force ? { force } : {}),
  };
}

/** "sha256:..." of an image that is read at once; undefined for one that would keep the page waiting. */
export function smallImageHash(source: NamedSource["source"]): string | undefined {
  if (source.size > LARGEST_HASHED) return undefined;
  const bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  return `sha256:${new Sha256().update(bytes).hex()}`;
}
