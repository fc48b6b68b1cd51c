// The script of a run: what to wait for, type and switch, one step a line.
//
//   expect "text"      send "bytes to COM1"      keys "typed<Enter>"      wait SECONDS      technique NAME      # comment

import { UsageError } from "../base/errors.ts";
import { textToKeys } from "../machine/guest-input.ts";
import { BUILT_TECHNIQUES } from "../machine/supervisor.ts";
import type { TechniqueId } from "../protocol/technique.ts";

/** A text as it was written: as characters, and as the bytes that a serial line carries. */
export interface Quoted {
  readonly text: string;
  readonly bytes: Uint8Array;
}

export type ScriptStep =
  | { readonly kind: "expect"; readonly quoted: Quoted }
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "keys"; readonly text: string }
  | { readonly kind: "wait"; readonly seconds: number }
  | { readonly kind: "technique"; readonly technique: TechniqueId };

/** `--expect TEXT`: nothing is escaped. */
export function plainText(text: string): Quoted {
  return { text, bytes: new TextEncoder().encode(text) };
}

export function parseScript(source: string, name: string): ScriptStep[] {
  const steps: ScriptStep[] = [];
  source.split(/\r?\n/).forEach((line, index) => {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) return;
    try {
      steps.push(parseStep(text));
    } catch (error) {
      if (error instanceof UsageError) throw new UsageError(`${name}, line ${index + 1}: ${error.message}`);
      throw error;
    }
  });
  if (steps.length === 0) throw new UsageError(`${name} has no steps. A script has lines like: expect "login:"`);
  return steps;
}

function parseStep(line: string): ScriptStep {
  const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
  switch (word) {
    case "expect": {
      const quoted = parseQuoted(rest);
      if (quoted.text === "") throw new UsageError("expect needs a text that is not empty.");
      return { kind: "expect", quoted };
    }
    case "send":
      return { kind: "send", bytes: parseQuoted(rest).bytes };
    case "keys": {
      const { text } = parseQuoted(rest);
      textToKeys(text); // names a key that does not exist now, not in the middle of the run
      return { kind: "keys", text };
    }
    case "wait": {
      const seconds = Number(withoutComment(rest));
      if (rest === "" || !Number.isFinite(seconds) || seconds < 0) throw new UsageError("wait needs a number of seconds.");
      return { kind: "wait", seconds };
    }
    case "technique": {
      const technique = BUILT_TECHNIQUES.find((id) => id === withoutComment(rest));
      if (!technique) throw new UsageError(`technique ${rest}: one of ${BUILT_TECHNIQUES.join(", ")} is needed.`);
      return { kind: "technique", technique };
    }
    default:
      throw new UsageError(`"${word}" is no step; expect, send, keys, wait and technique are.`);
  }
}

function withoutComment(text: string): string {
  return text.replace(/#.*$/, "").trim();
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };

/** A quoted text with its escapes: \n \r \t \xNN \" and \\. Only a comment may follow. */
function parseQuoted(source: string): Quoted {
  if (!source.startsWith('"')) throw new UsageError('a text in double quotes is needed, like "login:".');
  const encoder = new TextEncoder();
  let text = "";
  const bytes: number[] = [];
  let at = 1;
  for (; at < source.length && source[at] !== '"'; ) {
    if (source[at] !== "\\") {
      const character = String.fromCodePoint(source.codePointAt(at)!);
      text += character;
      bytes.push(...encoder.encode(character));
      at += character.length;
      continue;
    }
    const hex = /^x([0-9a-f]{2})/i.exec(source.slice(at + 1));
    const simple = SIMPLE_ESCAPES[source[at + 1] ?? ""];
    if (hex) {
      const byte = Number.parseInt(hex[1]!, 16);
      text += String.fromCharCode(byte);
      bytes.push(byte);
      at += 4;
    } else if (simple !== undefined) {
      text += simple;
      bytes.push(simple.charCodeAt(0));
      at += 2;
    } else throw new UsageError(`"\\${source[at + 1] ?? ""}" is no escape; \\n \\r \\t \\xNN \\" and \\\\ are.`);
  }
  if (at >= source.length) throw new UsageError("the closing quote is missing.");
  if (withoutComment(source.slice(at + 1)) !== "") throw new UsageError("there is something behind the closing quote.");
  return { text, bytes: Uint8Array.from(bytes) };
}
