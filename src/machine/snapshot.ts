// The whole machine as plain values: processor, clock, devices, what the guest wrote to its disks, memory. Taken and restored between
// two instructions. What is outside of the machine is not in it: images and ROMs, which must be the same, and the trap log.
//
// Under a technique it is the processor that the guest believes in that is saved; the monitor is built anew from it, so that the leak
// oracle takes what the guest believes for the truth from there on.

import { ImageError } from "../base/errors.ts";
import type { DeviceState } from "../hardware/device.ts";
import { PDPTE } from "../isa/state-layout.ts";
import { Hasher } from "./hasher.ts";
import { guestRegisters, type RegisterFile, setGuestRegisters } from "./guest-registers.ts";
import type { Machine } from "./machine.ts";
import type { MachineRam, RamPages } from "./ram-pages.ts";

export const SNAPSHOT_VERSION = 2;

export interface ProcessorSnapshot {
  readonly registers: RegisterFile;
  /** Latched page-directory pointers: memory may hold others by now. */
  readonly pdptes: readonly number[];
  readonly msrs: readonly (readonly [index: number, low: number, high: number])[];
  /** A 64-bit number in decimal. */
  readonly timestampOffset: string;
  readonly keepResumeFlag: boolean;
  readonly nmiPending: boolean;
}

export interface MachineSnapshot {
  readonly version: number;
  readonly cpu: string;
  readonly memoryBytes: number;
  /** Of the ROMs. */
  readonly firmware: string;
  readonly retired: number;
  readonly timeNs: number;
  readonly processor: ProcessorSnapshot;
  readonly devices: Readonly<Record<string, DeviceState>>;
  readonly disks: Readonly<Record<string, DeviceState>>;
  readonly ram: RamPages;
  /** The images that the machine was made of, where they are known: another machine must have the same. */
  readonly files?: readonly SnapshotFile[];
}

export interface SnapshotFile {
  readonly role: string;
  readonly name: string;
  readonly hash: string;
}

/** Why a snapshot with these images cannot go on over those; null: it can. */
export function filesDiffer(snapshot: readonly SnapshotFile[], own: readonly SnapshotFile[]): string | null {
  for (const { role, name, hash } of snapshot) {
    const other = own.find((file) => file.role === role);
    if (!other) return `it was taken with ${name} as ${role}, and there is none here`;
    if (other.hash !== hash) return `it was taken with another ${role}: ${name} (${hash}), and here is ${other.name} (${other.hash})`;
  }
  const more = own.find(({ role }) => !snapshot.some((file) => file.role === role));
  return more ? `it was taken without ${more.role}, and here is ${more.name}` : null;
}

export function takeSnapshot(machine: Machine, ram: MachineRam): MachineSnapshot {
  const { cpu, core, clock, pc, supervisor } = machine;
  // A monitor may have written into the guest's memory what is its own.
  const monitor = supervisor.suspend();
  const snapshot = {
    version: SNAPSHOT_VERSION, cpu: cpu.model.name, memoryBytes: machine.map.ramBytes, firmware: machine.firmwareHash,
    retired: core.retired(), timeNs: clock.nowNs(), processor: saveProcessor(machine), devices: pc.save(), disks: pc.saveDisks(), ram: ram.save(null),
  };
  supervisor.resume(monitor);
  supervisor.setIntr(pc.interruptPending);
  return snapshot;
}

/** The guest's own processor; no monitor is attached. */
export function saveProcessor(machine: Machine): ProcessorSnapshot {
  const { cpu, core } = machine;
  return {
    registers: guestRegisters(machine), pdptes: Array.from({ length: 8 }, (_, i) => cpu.v.context.getAt(PDPTE, i)), msrs: cpu.msrs.save(),
    timestampOffset: cpu.timestampOffset.toString(), keepResumeFlag: cpu.keepResumeFlag, nmiPending: core.nmiPending,
  };
}

export function loadProcessor(machine: Machine, processor: ProcessorSnapshot): void {
  const { cpu, core } = machine;
  cpu.msrs.load(processor.msrs);
  setGuestRegisters(machine, processor.registers);
  processor.pdptes.forEach((value, i) => cpu.v.context.setAt(PDPTE, i, value));
  cpu.timestampOffset = BigInt(processor.timestampOffset);
  cpu.keepResumeFlag = processor.keepResumeFlag;
  core.nmiPending = processor.nmiPending;
}

/** Throws an ImageError, with the machine as it was, for a snapshot of another machine or one that no machine can be in. */
export function restoreSnapshot(machine: Machine, ram: MachineRam, snapshot: MachineSnapshot): void {
  refuseOther(machine, snapshot);
  const before = takeSnapshot(machine, ram);
  try {
    applySnapshot(machine, ram, snapshot);
  } catch (error) {
    applySnapshot(machine, ram, before);
    throw new ImageError(`This snapshot is damaged (${error instanceof Error ? error.message : String(error)}).`);
  }
}

function applySnapshot(machine: Machine, ram: MachineRam, snapshot: MachineSnapshot): void {
  const { cpu, core, clock, pc, supervisor } = machine;
  const monitor = supervisor.suspend();
  core.restoreRetired(snapshot.retired);
  clock.restore(snapshot.timeNs);
  ram.load(snapshot.ram);
  pc.load(snapshot.devices);
  pc.loadDisks(snapshot.disks);
  loadProcessor(machine, snapshot.processor);
  cpu.v.tlb.flushAll();
  machine.wake();
  supervisor.resume({ ...monitor, exitsBefore: monitor.exitCount, shownTicks: 0 });
  supervisor.guestChanged();
  supervisor.setIntr(pc.interruptPending);
}

function refuseOther(machine: Machine, snapshot: MachineSnapshot): void {
  const refuse = (why: string): never => {
    throw new ImageError(`This snapshot cannot be restored here: ${why}.`);
  };
  if (snapshot.version !== SNAPSHOT_VERSION) refuse(`it is of version ${snapshot.version}, and ${SNAPSHOT_VERSION} is understood`);
  if (snapshot.memoryBytes !== machine.map.ramBytes) refuse(`it is of a machine with ${snapshot.memoryBytes} bytes of memory`);
  if (snapshot.cpu !== machine.cpu.model.name) refuse(`it is of a machine with a ${snapshot.cpu}`);
  if (snapshot.firmware !== machine.firmwareHash) refuse("it is of a machine with other ROMs");
  const names = (record: object): string => Object.keys(record).sort().join(" ");
  if (names(snapshot.devices) !== names(machine.pc.save())) refuse("it is of a machine with other devices");
  if (names(snapshot.disks) !== names(machine.pc.saveDisks())) refuse("it is of a machine with other drives");
}

/** A number for the whole state: machines with the same one behave alike from here on. 16 hexadecimal digits. */
export function stateHash(machine: Machine): string {
  const { map, pc } = machine;
  const hasher = new Hasher();
  hasher.words(new Int32Array(map.buffer, map.ram, map.ramBytes >> 2));
  hasher.value({
    registers: guestRegisters(machine), retired: machine.core.retired(), timeNs: machine.clock.nowNs(), devices: pc.save(), disks: pc.saveDisks(),
  });
  return hasher.digest();
}
