// The trap log as JSON lines: a header, then one line a record. No wall-clock time and no path, so that the same run
// writes the same bytes. Field names and order are fixed (docs/trap-log.md).

import { isTechnique, type ProcessorSet, type Ring, type TechniqueId } from "../protocol/technique.ts";
import type { ActionName, ModeName, TrapKind } from "../protocol/trap-record.ts";
import { KINDS } from "../protocol/trap-record.ts";
import type { TrapFields } from "./trap-fields.ts";
import { hexBytes } from "./trap-fields.ts";

export interface LogHeader {
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  /** "sha256:..." of the image, where it is known. */
  readonly image?: string;
}

/** Records that a person marked, by number. */
export type Marks = ReadonlySet<number>;
const NO_MARKS: Marks = new Set();

const FORMAT = "trapscope-trap-log";

export function jsonlHeader(header: LogHeader): string {
  const { technique, ring, set, image } = header;
  return `${JSON.stringify({ format: FORMAT, version: 1, technique, ring, set, image })}\n`;
}

/** The record's technique is written where it is not the header's. */
export function jsonlLine(trap: TrapFields, header: Pick<LogHeader, "technique">, marks: Marks = NO_MARKS): string {
  return `${JSON.stringify({
    seq: trap.seq, kind: trap.kind, instruction: trap.instruction, text: trap.text ?? undefined, bytes: trap.bytes ? hexBytes(trap.bytes) : undefined,
    cs: trap.cs, eip: trap.eip, linear: trap.linear, icount: trap.icount, timeNs: trap.timeNs, vcpl: trap.vcpl, hcpl: trap.hcpl, mode: trap.mode,
    reason: trap.reason ?? undefined, vector: trap.vector ?? undefined, error: trap.error ?? undefined, action: trap.action ?? undefined,
    observed: trap.observed ?? undefined, expected: trap.expected ?? undefined, effect: trap.effect ?? undefined,
    technique: trap.technique !== null && trap.technique !== header.technique ? trap.technique : undefined, marked: marks.has(trap.seq) ? true : undefined,
  })}\n`;
}

export class LogFormatError extends Error {
  override readonly name = "LogFormatError";
}

function parseBytes(text: unknown): Uint8Array | null {
  if (typeof text !== "string") return null;
  return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => Number.parseInt(pair, 16));
}

function parseLine(line: string, lineNumber: number, header: LogHeader, marks: Set<number>): TrapFields {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    throw new LogFormatError(`Line ${lineNumber} is not JSON.`);
  }
  const number = (name: string): number => {
    if (typeof value[name] !== "number") throw new LogFormatError(`Line ${lineNumber}: "${name}" is not a number.`);
    return value[name];
  };
  const optional = (name: string): number | null => (value[name] === undefined ? null : number(name));
  const text = (name: string): string | null => (typeof value[name] === "string" ? value[name] : null);
  if (!(KINDS as readonly unknown[]).includes(value.kind)) throw new LogFormatError(`Line ${lineNumber}: "kind" is not one of ${KINDS.join(", ")}.`);
  if (value.marked === true) marks.add(number("seq"));
  const technique = value.technique ?? header.technique;
  return {
    seq: number("seq"), kind: value.kind as TrapKind, technique: typeof technique === "string" && isTechnique(technique) ? technique : null, instruction: text("instruction") ?? "", text: text("text"), bytes: parseBytes(value.bytes),
    cs: number("cs"), eip: number("eip"), linear: number("linear"), icount: number("icount"), timeNs: number("timeNs"), vcpl: number("vcpl"),
    hcpl: number("hcpl"), mode: (text("mode") ?? "pm32") as ModeName, reason: text("reason"), vector: optional("vector"), error: optional("error"),
    action: text("action") as ActionName | null, observed: optional("observed"), expected: optional("expected"), effect: text("effect"),
  };
}

/** Reads what `jsonlHeader` and `jsonlLine` wrote. Fields added later are ignored. Throws LogFormatError. */
export function readJsonl(text: string): { header: LogHeader; traps: TrapFields[]; marks: Marks } {
  const lines = text.split("\n").filter((line) => line !== "");
  if (lines.length === 0) throw new LogFormatError("The file is empty.");
  let first: Record<string, unknown>;
  try {
    first = JSON.parse(lines[0]) as Record<string, unknown>;
  } catch {
    throw new LogFormatError("This is no trap log: the first line is not JSON.");
  }
  if (first.format !== FORMAT) throw new LogFormatError(`This is no trap log: the first line has no "format":"${FORMAT}".`);
  if (first.version !== 1) throw new LogFormatError(`Version ${String(first.version)} of the trap log cannot be read, only version 1.`);
  const header = first as unknown as LogHeader;
  const marks = new Set<number>();
  return { header, traps: lines.slice(1).map((line, index) => parseLine(line, index + 2, header, marks)), marks };
}
