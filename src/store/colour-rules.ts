// Colours of the trap table's rows: named filters, the first that a record passes decides.

import { compileFilter, type TrapPredicate } from "../trace/filter.ts";

export const ROW_COLOURS = ["red", "amber", "green", "blue", "violet", "grey"] as const;
export type RowColour = (typeof ROW_COLOURS)[number];

export interface ColourRule {
  readonly name: string;
  readonly filter: string;
  readonly colour: RowColour;
  readonly on: boolean;
}

export const DEFAULT_RULES: readonly ColourRule[] = [
  { name: "Leaks", filter: "kind == leak", colour: "red", on: true },
  { name: "Observed", filter: "kind == observed", colour: "grey", on: true },
  { name: "Hardware interrupts", filter: "class == interrupt", colour: "violet", on: true },
  { name: "The guest's own exceptions", filter: "action == inject", colour: "green", on: true },
  { name: "Memory", filter: "class == memory", colour: "blue", on: true },
  { name: "Dear: 1,000 modelled cycles or more", filter: "cost >= 1000", colour: "amber", on: true },
];

/** The colour of a record; null: none. A rule that does not parse colours nothing. */
export function compileRules(rules: readonly ColourRule[]): (trap: Parameters<TrapPredicate>[0]) => RowColour | null {
  const compiled = rules.flatMap(({ filter, colour, on }) => {
    const result = on && filter.trim() !== "" && ROW_COLOURS.includes(colour) ? compileFilter(filter) : null;
    return result?.ok ? [{ test: result.test, colour }] : [];
  });
  return (trap) => compiled.find(({ test }) => test(trap))?.colour ?? null;
}
