// One instruction in one state, what came of it, and how two outcomes are compared.

import { CS } from "../../../src/isa/state-layout.ts";
import { listFloat } from "./float-state.ts";
import { descriptorOf } from "./sandbox.ts";

/** Bytes in linear memory. */
export interface Bytes {
  readonly address: number;
  readonly bytes: readonly number[];
}

export interface Case {
  /** EAX ECX EDX EBX ESP EBP ESI EDI, signed. */
  readonly registers: readonly number[];
  readonly eip: number;
  readonly eflags: number;
  /** ES CS SS DS FS GS. */
  readonly selectors: readonly number[];
  /** The instruction; lies at CS:EIP. */
  readonly code: readonly number[];
  /** Memory that differs from the sandbox's usual contents. */
  readonly memory: readonly Bytes[];
  /** x87, MMX and SSE (float-state.ts), where the instruction knows them. */
  readonly float: Uint8Array | null;
}

/** `vector` of an instruction that completed. */
export const COMPLETED = -1;

export interface Outcome {
  /** The fault or trap, or COMPLETED. */
  readonly vector: number;
  /** 0 where the vector has none. */
  readonly error: number;
  /** After a page fault, else 0. */
  readonly cr2: number;
  readonly registers: readonly number[];
  /** Of the next instruction, or what the handler of the fault finds. */
  readonly eip: number;
  /** Without RF: a handler finds it set, and the instruction after IRET drops it. */
  readonly eflags: number;
  readonly selectors: readonly number[];
  /** Bytes that changed, by address. */
  readonly changes: readonly Bytes[];
  /** Null if the case had none. */
  readonly float: Uint8Array | null;
}

/** Linear address of the instruction. */
export function linearEip(c: Case): number {
  return ((descriptorOf(c.selectors[CS] as number)?.base ?? 0) + c.eip) >>> 0;
}

const REGISTERS = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
const SEGMENTS = ["ES", "CS", "SS", "DS", "FS", "GS"];
export const hex = (value: number) => (value >>> 0).toString(16);
export const hexBytes = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
const listChanges = (changes: readonly Bytes[]) => changes.map(({ address, bytes }) => `${hex(address)}:${hexBytes(bytes)}`).join(" ");
const nameVector = (o: Outcome) => (o.vector === COMPLETED ? "completed" : `vector ${o.vector}(${hex(o.error)})`);

/** Runs of neighbouring changed bytes, however they were cut. */
function joined(changes: readonly Bytes[]): Bytes[] {
  const runs: { address: number; bytes: number[] }[] = [];
  for (const { address, bytes } of [...changes].sort((a, b) => a.address - b.address)) {
    const last = runs[runs.length - 1];
    if (last && last.address + last.bytes.length === address) last.bytes.push(...bytes);
    else runs.push({ address, bytes: [...bytes] });
  }
  return runs;
}

/** What differs in words, empty if nothing does. Bits of `undefinedFlags` do not count. */
export function difference(expected: Outcome, actual: Outcome, undefinedFlags: number): string {
  const lines: string[] = [];
  const note = (what: string, left: string, right: string) => void (left !== right && lines.push(`${what}: silicon ${left}, ours ${right}`));
  const compare = (what: string, left: number, right: number) => void ((left ^ right) !== 0 && note(what, hex(left), hex(right)));
  if (expected.vector !== actual.vector || expected.error !== actual.error) note("end", nameVector(expected), nameVector(actual));
  compare("CR2", expected.cr2, actual.cr2);
  compare("EIP", expected.eip, actual.eip);
  const mask = ~undefinedFlags;
  compare("EFLAGS", expected.eflags & mask, actual.eflags & mask);
  for (let n = 0; n < 8; n++) compare(REGISTERS[n] as string, expected.registers[n] as number, actual.registers[n] as number);
  for (let n = 0; n < 6; n++) compare(SEGMENTS[n] as string, expected.selectors[n] as number, actual.selectors[n] as number);
  if (expected.changes.length > 0 || actual.changes.length > 0) note("memory", listChanges(joined(expected.changes)), listChanges(joined(actual.changes)));
  if (expected.float && actual.float && Buffer.compare(expected.float, actual.float) !== 0) {
    const mine = listFloat(actual.float);
    for (const [n, [name, value]] of listFloat(expected.float).entries()) note(name, value, (mine[n] as readonly [string, string])[1]);
  }
  return lines.join("\n");
}

/** The state before, for failure messages. */
export function describeCase(c: Case): string {
  const registers = c.registers.map((value, n) => `${REGISTERS[n]}=${hex(value)}`).join(" ");
  const selectors = c.selectors.map((value, n) => `${SEGMENTS[n]}=${hex(value)}`).join(" ");
  const memory = c.memory.map(({ address, bytes }) => `${hex(address)}:${hexBytes(bytes)}`).join(" ");
  return `${registers}\nEIP=${hex(c.eip)} EFLAGS=${hex(c.eflags)} ${selectors}${memory === "" ? "" : `\nmemory ${memory}`}${c.float ? `\n${listFloat(c.float).map((part) => part.join("=")).join(" ")}` : ""}`;
}
