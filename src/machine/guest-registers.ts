// The registers of the processor that the guest believes in, whoever runs it.

import { readRegisters, type RegisterFile, writeRegisters } from "../cpu/register-file.ts";
import type { Machine } from "./machine.ts";

export type { RegisterFile, SegmentState, TableState, X87State } from "../cpu/register-file.ts";

/** Any part of the registers; of a segment or table register, too. */
export type RegisterPart = { readonly [Name in keyof RegisterFile]?: PartOf<RegisterFile[Name]> };
type PartOf<T> = T extends Uint8Array ? T : T extends object ? Partial<T> : T;

export function guestRegisters(machine: Machine): RegisterFile {
  return onGuestContext(machine, () => readRegisters(machine.cpu));
}

/**
 * Sets what is named and leaves the rest. A new EIP makes a halted processor run again, unless `activity` says otherwise,
 * and takes it out of the shadow of STI and MOV SS.
 */
export function setGuestRegisters(machine: Machine, part: RegisterPart): void {
  onGuestContext(machine, () => {
    const before = readRegisters(machine.cpu);
    const whole: Record<string, unknown> = part.eip === undefined ? {} : { activity: 0, interruptShadow: 0 };
    for (const [name, value] of Object.entries(part)) {
      const old = before[name as keyof RegisterFile];
      whole[name] = typeof old === "object" && !(old instanceof Uint8Array) ? { ...old, ...(value as object) } : value;
    }
    writeRegisters(machine.cpu, whole as Partial<RegisterFile>);
  });
  machine.supervisor.guestChanged();
}

/** The monitor's processor may be the active one. */
function onGuestContext<T>({ cpu }: Machine, work: () => T): T {
  const back = cpu.context.isHardware ? "H" : "V";
  cpu.switchContext("V");
  try {
    return work();
  } finally {
    cpu.switchContext(back);
  }
}
