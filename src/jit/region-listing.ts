// What a region was made of and into, for developers: guest instructions, each followed by its WebAssembly, and what was counted.

import { disassemble } from "../isa/disassembler.ts";
import { isConditionalBranch } from "../cpu/forms.ts";
import type { BasicBlock, Region } from "./region.ts";
import { functionLines } from "./wasm-text.ts";

/** Where the code of an instruction begins in the body. */
export interface Mark {
  readonly block: BasicBlock;
  readonly instruction: number;
  readonly offset: number;
}

export interface Listed {
  readonly region: Region;
  readonly body: Uint8Array;
  readonly marks: readonly Mark[];
  readonly functionNames: readonly string[];
  /** Linear address that the region's distances count from. */
  readonly page: number;
  /** Address space of EIP: linear address less this. */
  readonly base: number;
}

export function regionListing({ region, body, marks, functionNames, page, base }: Listed, counted: string): string {
  const address = (at: number) => ((page + at) >>> 0).toString(16).padStart(8, "0");
  const exits = region.blocks.flatMap((block) => block.instructions.flatMap(({ exitsOften, at }) => (exitsOften ? [address(at)] : [])));
  const text = [
    `${region.instructions} instructions in ${region.blocks.length} blocks, ${body.length} bytes of WebAssembly; ${counted}`,
    `entered at ${region.entries.map(({ at }) => address(at)).join(" ")}`,
    ...(exits.length === 0 ? [] : [`left again and again before: ${exits.join(" ")}`]),
    "",
  ];
  const next = [...marks];
  for (const { offset, text: line } of functionLines(body, (index) => functionNames[index] ?? String(index))) {
    for (; next.length > 0 && next[0].offset <= offset; next.shift()) {
      const [{ block, instruction }] = next;
      const { at, decoded } = block.instructions[instruction];
      if (instruction === 0) text.push("", `block ${block.number}${block.callers.length === 0 ? "" : `, called from ${block.callers.map(address).join(" ")}`}`);
      const goesOn = [block.taken, block.next].flatMap((edge) => (edge ? [edge.block ? `block ${edge.block.number}` : "out"] : []));
      const arrow = instruction === block.instructions.length - 1 ? `   -> ${goesOn.join(isConditionalBranch(decoded.row!) ? " or " : ", ")}` : "";
      text.push(`${address(at)}  ${disassemble(decoded, (page + at - base) >>> 0)}${goesOn.length === 0 ? "" : arrow}`);
    }
    text.push(`            ${line}`);
  }
  return `${text.join("\n")}\n`;
}
