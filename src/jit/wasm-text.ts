// Text of a generated function for people: WebAssembly Core Specification, "Instructions", in their linear form, a line for each
// that leaves nothing on the stack.

import { I32, I64, V128 } from "../wasm/encoder.ts";
import { OP } from "../wasm/function-emitter.ts";
import { SHUFFLE, V128_CONST, V128_LOAD, V128_STORE, VECTOR, vectorNames } from "../wasm/vector-opcodes.ts";

const TYPES: Readonly<Record<number, string>> = { [I32]: "i32", [I64]: "i64", [V128]: "v128" };
const CONTROL: Readonly<Record<number, string>> = {
  [OP.unreachable]: "unreachable", [OP.block]: "block", [OP.loop]: "loop", [OP.if]: "if", [OP.else]: "else", [OP.end]: "end", [OP.br]: "br", [OP.brIf]: "br_if",
  [OP.return]: "return", [OP.call]: "call", [OP.returnCallIndirect]: "return_call_indirect", [OP.drop]: "drop", [OP.select]: "select", [OP.localGet]: "local.get", [OP.localSet]: "local.set", [OP.localTee]: "local.tee",
  [OP.const32]: "i32.const", [OP.const64]: "i64.const",
};
/** The others: the key in OP says operation, signedness and width. */
const SPECIAL: Readonly<Record<string, string>> = {
  load8s: "i32.load8_s", load8u: "i32.load8_u", load16s: "i32.load16_s", load16u: "i32.load16_u", store8: "i32.store8", store16: "i32.store16",
  wrap: "i32.wrap_i64", extendS: "i64.extend_i32_s", extendU: "i64.extend_i32_u", extend8: "i32.extend8_s", extend16: "i32.extend16_s",
};
const NAMES = new Map<number, string>();
for (const [key, op] of Object.entries(OP)) {
  const [, operation, sign, width] = /^(.+?)([SU]?)(32|64)$/.exec(key) ?? [];
  const name = CONTROL[op] ?? SPECIAL[key] ?? (operation === undefined ? key : `i${width}.${operation}${sign ? `_${sign.toLowerCase()}` : ""}`);
  NAMES.set(op, name);
}
const VECTOR_NAMES = vectorNames();
const ENDS_LINE: ReadonlySet<number> = new Set([
  OP.unreachable, OP.block, OP.loop, OP.if, OP.else, OP.end, OP.br, OP.brIf, OP.return, OP.returnCallIndirect, OP.drop, OP.localSet, OP.store32, OP.store64, OP.store8, OP.store16, V128_STORE,
]);

export interface Line {
  /** Of its first instruction in the body. */
  readonly offset: number;
  readonly text: string;
}

/** `body`: local declarations and instructions; `functionName`: of what is called. */
export function functionLines(body: Uint8Array, functionName: (index: number) => string): Line[] {
  let at = 0, depth = 0;
  const byte = () => body[at++];
  const leb = (signed: boolean): bigint => {
    let value = 0n, shift = 0n;
    for (;;) {
      const next = byte();
      value |= BigInt(next & 0x7f) << shift;
      shift += 7n;
      if (next < 0x80) return signed && next & 0x40 ? value - (1n << shift) : value;
    }
  };
  const bytes128 = () => Array.from({ length: 16 }, () => byte().toString(16).padStart(2, "0")).join(" ");
  const memory = () => {
    leb(false);
    const offset = leb(false);
    return offset === 0n ? "" : ` offset=0x${offset.toString(16)}`;
  };
  const operands = (op: number): string => {
    switch (op) {
      case OP.block: case OP.loop: case OP.if: {
        const type = TYPES[byte()];
        return type ? ` (result ${type})` : "";
      }
      case OP.br: case OP.brIf: case OP.localGet: case OP.localSet: case OP.localTee: return ` ${leb(false)}`;
      case OP.returnCallIndirect: return ` (type ${leb(false)}) (table ${leb(false)})`;
      case OP.call: return ` $${functionName(Number(leb(false)))}`;
      case OP.const32: case OP.const64: return ` ${leb(true)}`;
      case V128_CONST: case SHUFFLE: return ` ${bytes128()}`;
    }
    if (op >= OP.load32 && op <= OP.store16) return memory();
    if (op === V128_LOAD || op === V128_STORE) return memory();
    return VECTOR_NAMES.get(op)?.endsWith("_lane") ? ` ${byte()}` : "";
  };
  const lines: Line[] = [];
  const locals: string[] = [];
  for (let runs = Number(leb(false)); runs > 0; runs--) {
    const count = leb(false);
    locals.push(`${count} ${TYPES[byte()]}`);
  }
  lines.push({ offset: 0, text: `locals: ${locals.join(", ")}` });
  for (let start = at, text = ""; at < body.length;) {
    let op = byte();
    let name = NAMES.get(op);
    if (op === VECTOR >> 8) {
      op = VECTOR | Number(leb(false));
      name = VECTOR_NAMES.get(op);
    } else if (op === 0xfc) {
      // Of the bulk memory operators there are two.
      const isCopy = leb(false) === 10n;
      name = isCopy ? "memory.copy" : "memory.fill";
      at += isCopy ? 2 : 1;
    }
    if (op === OP.end || op === OP.else) depth--;
    text += `${text ? "  " : ""}${name ?? `0x${op.toString(16)}`}${operands(op)}`;
    if (ENDS_LINE.has(op) || op === 0xfc) {
      lines.push({ offset: start, text: "  ".repeat(Math.max(depth, 0)) + text });
      start = at;
      text = "";
    }
    if (op === OP.block || op === OP.loop || op === OP.if || op === OP.else) depth++;
  }
  return lines;
}
