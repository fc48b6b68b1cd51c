// What an instruction means for the translator before any code is made of it: whether it needs a helper on every way, and
// whether the status flags of the instructions before it may still be asked for. Found by running its meaning on a builder that
// emits nothing.

import type { Builder, Instance, Place } from "../isa/builder.ts";
import type { Decoded } from "../isa/decoded.ts";
import { instanceWidth, resolveOperand } from "../isa/operand-location.ts";
import type { Row } from "../isa/row.ts";
import { type Field, FLAG_CARRIES, FLAG_RESULT } from "../isa/state-layout.ts";

/** `needed`: it reads flags, or may leave before it has set them all. `replaced`: it sets all of them first. */
export type FlagUse = "none" | "needed" | "replaced";

export interface Effect {
  readonly flags: FlagUse;
  /** A helper is called whatever the operands are. */
  readonly leaves: boolean;
  /** Bit mask of the operands that it writes, and of the general registers that it writes though they are none. */
  readonly writes: number;
  readonly sets: number;
}

/** Helpers that the translator replaces by a test, or by code for the usual case. */
const TESTED: ReadonlySet<string> = new Set(["fpuCheck", "sseCheck", "pushFlags", "popFlags", "clearInterruptFlag", "setInterruptFlag", "loadSegment", "sysenter", "sysexit", "storesBeside", "verifyWrite", "readTimestamp"]);
/** Helpers that write no general register. */
const LEAVES_REGISTERS: ReadonlySet<string> = new Set(["fpuCheck", "sseCheck", "loadSegment", "storesBeside"]);
/** Accesses and ways out. */
const LEAVING: ReadonlySet<string> = new Set([
  "load", "store", "load64", "store64", "load128", "store128", "probeWrite", "raise", "suspend", "helper",
]);
const VALUE = {};

export function effectOf(row: Row, d: Decoded): Effect {
  let flags: FlagUse = "none";
  let leaves = false;
  let depth = 0, writes = 0, sets = 0;
  const needed = () => {
    if (flags === "none") flags = "needed";
  };
  const replaced = () => {
    if (depth === 0 && flags === "none") flags = "replaced";
  };
  const inside = (body: () => void) => {
    depth++;
    body();
    depth--;
  };
  const special: Record<string, (...args: never[]) => unknown> = {
    when: (_condition: unknown, then: () => void, otherwise?: () => void) => inside(() => {
      then();
      otherwise?.();
    }),
    rarely: (_condition: unknown, then: () => void) => {
      needed();
      inside(then);
    },
    hasPassed: () => false,
    loop: (body: () => unknown) => inside(body),
    variable: () => ({ get: () => VALUE, set: () => {} }),
    call: (shared: { results: readonly unknown[] }) => shared.results.map(() => VALUE),
    flags: (kind: string) => (kind === "inc" || kind === "dec" ? needed() : replaced()),
    flagsExplicit: replaced, setStatusFlags: replaced, flagsOrdered: replaced, setCarryOverflow: needed,
    condition: needed, carry: needed, statusFlags: needed,
    get: (field: Field) => {
      if (field === FLAG_RESULT || field === FLAG_CARRIES) needed();
      return VALUE;
    },
    jump: () => {}, jumpRelative: () => {},
    setGpr: (register: number) => {
      sets |= 1 << (register & 7);
    },
    helper: (name: string) => {
      needed();
      if (depth === 0 && !TESTED.has(name)) leaves = true;
      if (!LEAVES_REGISTERS.has(name)) sets = 0xff;
      return VALUE;
    },
  };
  const b = new Proxy({}, {
    get: (_target, name: string) => name === "stackKnown" ? false : (...args: never[]) => {
      const handle = special[name.startsWith("variable") ? "variable" : name];
      if (handle) return handle(...args) ?? VALUE;
      if (LEAVING.has(name)) needed();
      return VALUE;
    },
  }) as Builder<object>;
  row.semantics(b, instanceOf(row, d, needed, (operand) => {
    writes |= 1 << operand;
  }));
  return { flags, leaves, writes, sets };
}

function instanceOf(row: Row, d: Decoded, touched: () => void, written: (operand: number) => void): Instance<object> {
  const value = () => VALUE;
  return {
    op: row.operands.map((code, position): Place<object> => {
      const { kind, width } = resolveOperand(code, d);
      const isMemory = kind === "mem";
      const access = () => {
        if (isMemory) touched();
        return VALUE;
      };
      const write = () => {
        written(position);
        access();
      };
      return { width, isMemory, read: access, readForWrite: access, write, address: value, number: value };
    }),
    width: instanceWidth(row, d.operandSize), operandSize: d.operandSize, addressSize: d.addressSize, stackSize: 4, rep: row.string ? d.rep : 0,
    opcodeByte: d.opcodeByte, eip: value, x87Opcode: value, nextEip: value, relativeTarget: value,
  };
}
