// The trap log as comma-separated values (RFC 4180), one header row; numbers as in the JSON lines, absent fields empty.

import type { Marks } from "./jsonl.ts";
import type { TrapFields } from "./trap-fields.ts";
import { hexBytes } from "./trap-fields.ts";

const COLUMNS: readonly (readonly [string, (trap: TrapFields) => string | number | null])[] = [
  ["seq", (t) => t.seq], ["kind", (t) => t.kind], ["instruction", (t) => t.instruction], ["text", (t) => t.text],
  ["bytes", (t) => (t.bytes ? hexBytes(t.bytes) : null)], ["cs", (t) => t.cs], ["eip", (t) => t.eip], ["linear", (t) => t.linear],
  ["icount", (t) => t.icount], ["timeNs", (t) => t.timeNs], ["vcpl", (t) => t.vcpl], ["hcpl", (t) => t.hcpl], ["mode", (t) => t.mode],
  ["reason", (t) => t.reason], ["vector", (t) => t.vector], ["error", (t) => t.error], ["action", (t) => t.action],
  ["observed", (t) => t.observed], ["expected", (t) => t.expected], ["effect", (t) => t.effect], ["technique", (t) => t.technique],
];

function cell(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvHeader(): string {
  return `${COLUMNS.map(([name]) => name).join(",")},marked\r\n`;
}

export function csvLine(trap: TrapFields, marks: Marks): string {
  return `${COLUMNS.map(([, get]) => cell(get(trap))).join(",")},${marks.has(trap.seq) ? "true" : ""}\r\n`;
}
