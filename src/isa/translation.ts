// What a binary translator emits in the place of an instruction that must not run as it is: rows of the same encoding and
// operands with another meaning. Inline ones do their work on the guest's own flags and selectors without leaving; callouts
// leave to the monitor, and nothing faults. Checked ones are the instruction itself; a store of theirs goes past what is watched in its page.

import type { HelperName, Instance, Builder } from "./builder.ts";
import { ROWS } from "./opcode-map/index.ts";
import type { Row, Semantics } from "./row.ts";
import { CS, DS, ES, FS, GS, SS } from "./state-layout.ts";

const SEGMENTS: Readonly<Record<string, number>> = { ES, CS, SS, DS, FS, GS };

const callout: Semantics = (b) => {
  b.helper("callout");
};

function checked({ semantics }: Row): Semantics {
  return (b, i) => {
    b.helper("storesBeside");
    semantics(b, i);
  };
}

function inlineHelper(name: HelperName, sized: boolean): Semantics {
  return (b, i) => {
    if (sized) b.helper(name, b.imm(i.operandSize));
    else b.helper(name);
  };
}

/** PUSH and MOV of CS or SS: the selector that the guest believes in. */
const storeSelector: Semantics = (b, i) => {
  i.op[0].write(b, b.helper("guestSelector", i.op[1].number(b)));
};

function pushSelector(segment: number): Semantics {
  return <V>(b: Builder<V>, i: Instance<V>) => {
    b.helper("pushGuestSelector", b.imm(segment), b.imm(i.operandSize));
  };
}

function inlineSemantics(row: Row): Semantics | null {
  switch (row.mnemonic) {
    case "CLI": return inlineHelper("clearGuestInterruptFlag", false);
    case "STI": return inlineHelper("setGuestInterruptFlag", false);
    case "PUSHF": return inlineHelper("pushGuestFlags", true);
    case "POPF": return inlineHelper("popGuestFlags", true);
    case "RDTSC": return inlineHelper("readGuestTimestamp", false);
    case "MOV": return row.operands[1] === "Sw" ? storeSelector : null;
    case "PUSH": return row.operands[0]! in SEGMENTS ? pushSelector(SEGMENTS[row.operands[0]!]!) : null;
    default: return null;
  }
}

/** The row with another meaning: what the processor would have checked before is the translator's matter. */
function emitted(row: Row, index: number, semantics: Semantics, ends: boolean): Row {
  const { privileged: _privileged, protectedOnly: _protectedOnly, ...rest } = row;
  return { ...rest, index, semantics, ends };
}

const rows: Row[] = [];
const inline = new Map<Row, Row>();
const callouts = new Map<Row, Row>();
const checkedRows = new Map<Row, Row>();

for (const row of ROWS) {
  const semantics = inlineSemantics(row);
  if (semantics) {
    const own = emitted(row, ROWS.length + rows.length, semantics, row.ends === true);
    rows.push(own);
    inline.set(row, own);
  }
  const own = emitted(row, ROWS.length + rows.length, callout, true);
  rows.push(own);
  callouts.set(row, own);
  if (row.sensitivity !== undefined || row.privileged === true || row.protectedOnly === true) continue;
  const plain = emitted(row, ROWS.length + rows.length, checked(row), row.ends === true);
  rows.push(plain);
  checkedRows.set(row, plain);
}

/** Rows beyond those of the decoder, numbered behind them. */
export const EMITTED_ROWS: readonly Row[] = rows;

/** What does the row's work without leaving; null where nothing does. */
export function inlineRow(row: Row): Row | null {
  return inline.get(row) ?? null;
}

export function calloutRow(row: Row): Row {
  return callouts.get(row)!;
}

/** The row with its stores checked against what is watched in their page; itself where the processor looks at it more closely. */
export function checkedRow(row: Row): Row {
  return checkedRows.get(row) ?? row;
}
