// What may be typed next in a filter: found by asking the parser what it misses at the place of the caret.

import { compileFilter, FILTER_FIELDS } from "./filter.ts";

export interface Completion {
  readonly text: string;
  /** A few words about it; "" where it speaks for itself. */
  readonly hint: string;
}

export interface Completions {
  /** The part of the text that an accepted option takes the place of. */
  readonly from: number;
  readonly to: number;
  readonly options: readonly Completion[];
}

const PART_OF_WORD = /[A-Za-z0-9_#:?.+-]/;
const OPTIONS_SHOWN = 40;
const OPERATOR_HINTS: Readonly<Record<string, string>> = { in: "low..high", contains: "a part of it", "==": "is", "!=": "is not", "..": "up to" };

/** `known`: values of a field that the parser cannot know, as the instructions that have been seen. */
export function completeFilter(source: string, caret: number, known: (field: string) => readonly string[]): Completions {
  let from = caret;
  while (from > 0 && PART_OF_WORD.test(source[from - 1])) from--;
  let to = caret;
  while (to < source.length && PART_OF_WORD.test(source[to])) to++;
  const typed = source.slice(from, caret).toLowerCase();
  const options = expected(source.slice(0, from), known).filter(({ text }) => matches(text.toLowerCase(), typed));
  // What is there already is no news.
  return { from, to, options: options.length === 1 && options[0].text.toLowerCase() === typed ? [] : options.slice(0, OPTIONS_SHOWN) };
}

/** From its beginning, or from the letters behind its sign: `gp` finds #GP, `hlt` finds VMX:HLT. */
function matches(text: string, typed: string): boolean {
  return text.startsWith(typed) || text.replace(/^(#|vmx:)/, "").startsWith(typed);
}

function expected(before: string, known: (field: string) => readonly string[]): Completion[] {
  // A comparison of bytes may go on with bytes or end: it is complete for the parser either way.
  if (before.trim() === "") return fields();
  const result = compileFilter(before);
  if (result.ok) return [{ text: "and", hint: "both" }, { text: "or", hint: "one of them" }];
  if (result.position < before.trimEnd().length) return []; // an error further in front: first things first
  const comparison = /([A-Za-z]+)\s*(==|=|!=|contains)\s*$/i.exec(before);
  const values = comparison ? known(comparison[1].toLowerCase()) : [];
  const allowed = values.length > 0 ? values : result.allowed;
  return allowed.map((text) => (text in FILTER_FIELDS ? { text, hint: FILTER_FIELDS[text].title } : { text, hint: OPERATOR_HINTS[text] ?? "" }));
}

function fields(): Completion[] {
  return Object.entries(FILTER_FIELDS).map(([text, { title }]) => ({ text, hint: title }));
}
