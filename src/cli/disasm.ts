// `trapscope disasm FILE`: instructions in a file, by file offset.

import { UsageError } from "../base/errors.ts";
import { disassembleRun } from "../trace/instruction.ts";
import { hexBytes } from "../trace/trap-fields.ts";
import { parseChoice, parseCount } from "./arguments.ts";
import { argumentsOf, type CommandSpec } from "./command.ts";
import { openImage } from "./files.ts";

export const DISASM: CommandSpec = {
  name: "disasm", operands: "FILE [options]", takes: "file",
  summary: "instructions in a file",
  about: "Disassembles a file by offset, by the rows that the processor decodes with. A star marks sensitive instructions: those that show or\nchange privileged state.",
  options: {
    at: { value: "HEX", help: "offset in the file (default: 0)" },
    bits: { value: "16|32", help: "operand and address size (default: 16)" },
    count: { value: "N", help: "instructions (default: 32)" },
    help: { help: "this text" },
  },
  examples: [
    ["A boot sector", "disasm disk.img --count 20"],
    ["32-bit code further on", "disasm kernel.bin --at 1000 --bits 32"],
  ],
  outcomes: [["printed", 0], "image-refused"],
};

const LONGEST = 15;
const BYTES_COLUMN = 24;

export function disasm(argv: readonly string[]): number {
  const args = argumentsOf(DISASM, argv);
  if (!args) return 0;
  const [name, other] = args.positionals;
  if (name === undefined || other !== undefined) throw new UsageError("Give one file: trapscope disasm FILE.");
  const at = args.get("at") ?? "0";
  if (!/^(0x)?[0-9a-f]+h?$/i.test(at)) throw new UsageError(`--at ${at}: give an offset in hexadecimal, such as 7c00.`);
  const offset = Number.parseInt(at.replace(/^0x/i, "").replace(/h$/i, ""), 16);
  const count = parseCount("count", args.get("count") ?? "32");
  const code32 = parseChoice("bits", args.get("bits") ?? "16", ["16", "32"]) === "32";
  const { source } = openImage(name);
  if (offset >= source.size) throw new UsageError(`--at ${at}: ${name} has ${source.size} bytes.`);
  const bytes = new Uint8Array(Math.min(source.size - offset, count * LONGEST));
  source.read(offset, bytes);
  for (const line of disassembleRun(bytes, offset, code32, count)) {
    const address = (offset + line.offset).toString(16).padStart(8, "0");
    process.stdout.write(`${address}  ${hexBytes(line.bytes).padEnd(BYTES_COLUMN)}${line.sensitive ? "* " : "  "}${line.text}\n`);
  }
  return 0;
}
