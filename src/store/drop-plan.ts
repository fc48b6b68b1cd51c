// Which dropped file goes where. Pure: the dialog shows the plan and may change it.

import type { ImageInfo, MediaTarget } from "../protocol/image-info.ts";

export interface DroppedFile {
  readonly name: string;
  readonly info: ImageInfo;
}

export interface PlannedFile extends DroppedFile {
  /** Null: there is no place for it. */
  readonly target: MediaTarget | null;
}

/** Each file gets its likeliest target that no earlier file took. `preferred` is where the person dropped the first one. */
export function planDrop(files: readonly DroppedFile[], preferred: MediaTarget | null): PlannedFile[] {
  const taken = new Set<MediaTarget>();
  return files.map((file, index) => {
    const wishes = index === 0 && preferred && file.info.targets.includes(preferred) ? [preferred, ...file.info.targets] : file.info.targets;
    const target = wishes.find((wish) => !taken.has(wish)) ?? null;
    if (target) taken.add(target);
    return { ...file, target };
  });
}

/** A single image without a problem that can only mean one thing is booted without a question. */
export function needsQuestion(files: readonly PlannedFile[], machineExists: boolean): boolean {
  if (machineExists || files.length !== 1) return true;
  const [file] = files;
  return file.target === null || file.info.problem !== null || file.target === "kernel" || file.target === "initrd" || file.target === "multiboot";
}

/** Why the plan cannot be booted, or null. */
export function planProblem(files: readonly PlannedFile[], force: boolean): string | null {
  const placed = files.filter((file) => file.target !== null);
  if (placed.length === 0) return "None of these files can be used.";
  const useless = placed.find((file) => file.info.problem && !file.info.problem.canForce);
  // What does not boot by itself may still be a second disk.
  const unbootable = placed.every((file) => file.info.problem) && !force ? placed[0] : undefined;
  const blocked = useless ?? unbootable;
  if (blocked) return `${blocked.name}: ${blocked.info.problem?.reason ?? ""}`;
  const targets = placed.map((file) => file.target);
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice) return `Two files are planned for ${twice}.`;
  if (targets.includes("initrd") && !targets.includes("kernel")) return "An initrd needs the kernel that it belongs to: drop both.";
  if (targets.includes("kernel") && targets.includes("multiboot")) return "Only one kernel can be started.";
  return null;
}
