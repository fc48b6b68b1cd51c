// The file of golden vectors: one case with its outcome on silicon a line. ../vectors/README.md describes the format.

import { gunzipSync, gzipSync } from "node:zlib";
import { type Bytes, type Case, COMPLETED, hex, hexBytes, type Outcome } from "./case.ts";

export interface Vector {
  readonly case: Case;
  readonly outcome: Outcome;
}

/** Registers that a line does not name. */
export const DEFAULT_REGISTERS: readonly number[] = [0xa1b2_c3d4, 0x1c2d_3e4f, 0x4b5a_6978, 0x8796_a5b4, 0x2000_6f80, 0x2000_6fc0, 0x2000_1230, 0x2000_5670].map((value) => value | 0);

interface Line {
  readonly code: string;
  readonly eip: string;
  readonly flags: string;
  readonly sel: string;
  readonly reg?: Readonly<Record<string, string>>;
  readonly mem?: Readonly<Record<string, string>>;
  readonly float?: string;
  readonly out: {
    readonly fault?: string;
    readonly eip?: string;
    readonly flags?: string;
    readonly sel?: string;
    readonly reg?: Readonly<Record<string, string>>;
    readonly mem?: Readonly<Record<string, string>>;
    readonly float?: string;
  };
}

const number = (text: string) => Number.parseInt(text, 16);
const bytesOf = (text: string) => (text.match(/../g) ?? []).map(number);
const listSelectors = (selectors: readonly number[]) => selectors.map(hex).join(".");

function changedRegisters(before: readonly number[], after: readonly number[]): Record<string, string> | undefined {
  const changed = after.map((value, n) => [n, value] as const).filter(([n, value]) => value !== before[n]);
  return changed.length === 0 ? undefined : Object.fromEntries(changed.map(([n, value]) => [n, hex(value)]));
}

function memoryRecord(memory: readonly Bytes[]): Record<string, string> | undefined {
  return memory.length === 0 ? undefined : Object.fromEntries(memory.map(({ address, bytes }) => [hex(address), hexBytes(bytes)]));
}

/** EIP after an instruction that neither faults nor branches. */
function usualEip(c: Case, vector: number): number {
  return (vector === COMPLETED ? c.eip + c.code.length : c.eip) >>> 0;
}

export function writeVector({ case: c, outcome: o }: Vector): string {
  const differing = <T>(value: T, usual: T) => (value === usual ? undefined : value);
  const line: { [key in keyof Line]: unknown } = {
    code: hexBytes(c.code), eip: hex(c.eip), flags: hex(c.eflags), sel: listSelectors(c.selectors),
    reg: changedRegisters(DEFAULT_REGISTERS, c.registers), mem: memoryRecord(c.memory),
    float: c.float ? Buffer.from(c.float).toString("hex") : undefined,
    out: {
      fault: o.vector === COMPLETED ? undefined : [o.vector, o.error, o.cr2].map(hex).join("."),
      eip: o.eip === usualEip(c, o.vector) ? undefined : hex(o.eip),
      flags: differing(hex(o.eflags), hex(c.eflags)),
      sel: differing(listSelectors(o.selectors), listSelectors(c.selectors)),
      reg: changedRegisters(c.registers, o.registers), mem: memoryRecord(o.changes),
      float: o.float ? Buffer.from(o.float).toString("hex") : undefined,
    },
  };
  return JSON.stringify(line);
}

function readMemory(record: Readonly<Record<string, string>> | undefined): Bytes[] {
  return Object.entries(record ?? {}).map(([address, bytes]) => ({ address: number(address), bytes: bytesOf(bytes) }));
}

function readRegisters(usual: readonly number[], record: Readonly<Record<string, string>> | undefined): number[] {
  return usual.map((value, n) => (record?.[n] === undefined ? value : number(record[n]) | 0));
}

function readFloat(text: string | undefined): Uint8Array | null {
  return text === undefined ? null : Uint8Array.from(Buffer.from(text, "hex"));
}

export function readVector(text: string): Vector {
  const line = JSON.parse(text) as Line;
  const { out } = line;
  const selectors = line.sel.split(".").map(number);
  const c: Case = {
    code: bytesOf(line.code), eip: number(line.eip), eflags: number(line.flags), selectors,
    registers: readRegisters(DEFAULT_REGISTERS, line.reg), memory: readMemory(line.mem),
    float: readFloat(line.float),
  };
  const [vector = COMPLETED, error = 0, cr2 = 0] = out.fault?.split(".").map(number) ?? [];
  return {
    case: c,
    outcome: {
      vector, error, cr2,
      eip: out.eip === undefined ? usualEip(c, vector) : number(out.eip),
      eflags: out.flags === undefined ? c.eflags : number(out.flags),
      selectors: out.sel === undefined ? selectors : out.sel.split(".").map(number),
      registers: readRegisters(c.registers, out.reg),
      changes: readMemory(out.mem),
      float: readFloat(out.float),
    },
  };
}

/** `processor`: what the vectors were captured on. */
export function packVectors(processor: string, vectors: readonly Vector[]): Uint8Array {
  return gzipSync([JSON.stringify({ processor }), ...vectors.map(writeVector), ""].join("\n"), { level: 9 });
}

export function unpackVectors(file: Uint8Array): { readonly processor: string; readonly vectors: Vector[] } {
  const [header = "", ...lines] = gunzipSync(file).toString("utf8").trimEnd().split("\n");
  return { processor: (JSON.parse(header) as { processor: string }).processor, vectors: lines.map(readVector) };
}
