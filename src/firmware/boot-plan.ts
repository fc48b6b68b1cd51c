// Direct boot: what the host hands to the firmware so that it starts a kernel without
// a disk. The host only computes tables; the guest's processor copies and jumps.

export { BOOT_DATA_FILE, BOOT_PLAN_FILE, type BootChunk, type BootEntry, type BootPlan, encodeBootPlan } from "./boot-plan-format.ts";
export { type LinuxImage, linuxBootPlan } from "./linux-boot-plan.ts";
export { type MultibootImage, multibootBootPlan } from "./multiboot-boot-plan.ts";
