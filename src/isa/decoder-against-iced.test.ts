// Random encodings, decoded by us and by iced-x86: which instruction it is, how long, and how it reads.
// TRAPSCOPE_DECODER_CASES sets the number of encodings.

import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { createPrng, type Prng } from "../../test/support/prng.ts";
import { TOO_LONG } from "./decoded.ts";
import { createDecoded, createDecoder } from "./decoder.ts";
import { describeBytes, disassemble } from "./disassembler.ts";
import { ROWS } from "./opcode-map/index.ts";
import type { Row } from "./row.ts";

// The package is CommonJS for Node.
const iced = createRequire(import.meta.url)("iced-x86") as typeof import("iced-x86");
const { CpuidFeature, DecoderOptions, FormatterSyntax } = iced;

const CASES = Number(process.env["TRAPSCOPE_DECODER_CASES"] ?? 200_000);

/** What the processor model has: the base, and the optional parts that rows of the map name. */
const MODEL = new Set<number>([
  CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL386_ONLY, CpuidFeature.INTEL486,
  CpuidFeature.CPUID, CpuidFeature.MULTIBYTENOP, CpuidFeature.PAUSE, CpuidFeature.RDPMC,
]);
const OPTIONAL: readonly (readonly [NonNullable<Row["feature"]>, readonly number[]])[] = [
  ["fpu", [CpuidFeature.FPU, CpuidFeature.FPU287, CpuidFeature.FPU387]], ["cmov", [CpuidFeature.CMOV]], ["cx8", [CpuidFeature.CX8]],
  ["tsc", [CpuidFeature.TSC]], ["msr", [CpuidFeature.MSR]], ["sep", [CpuidFeature.SEP]], ["mmx", [CpuidFeature.MMX]], ["sse", [CpuidFeature.SSE]],
  ["sse2", [CpuidFeature.SSE2]], ["sse3", [CpuidFeature.SSE3]], ["fxsr", [CpuidFeature.FXSR]], ["clflush", [CpuidFeature.CLFSH]], ["monitor", [CpuidFeature.MONITOR]],
];
for (const [feature, bits] of OPTIONAL) if (ROWS.some((row) => row.feature === feature)) for (const bit of bits) MODEL.add(bit);
if (!ROWS.some((row) => row.mnemonic === "FADD")) for (const bit of OPTIONAL[0]![1]) MODEL.delete(bit);

function randomEncoding(random: Prng, into: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++) into[at + i] = random.below(256);
  let p = at;
  const prefixes = random.oneIn(40) ? random.below(15) : random.pick([0, 0, 0, 1, 1, 2, 3]);
  for (let i = 0; i < prefixes; i++) into[p++] = random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x66, 0x67, 0x67, 0xf0, 0xf2, 0xf3]);
  if (p < at + 15 && random.oneIn(2)) into[p++] = 0x0f;
}

const SIZE = /\b(\w+) ptr /;

/** Both texts without what is a matter of taste or of the code segment's default size. */
function sameText(row: Row, ours: string, theirs: string): boolean {
  let mine = ours;
  let other = theirs
    .replace(/^((?:data16|data32|addr16|addr32|ht|hnt|bnd|xacquire|xrelease|notrack|rep|repe|repne) )+(?!(?:ins|outs|movs|stos|lods|scas|cmps)[bwd]\b)/, "")
    .replace(/^lock (?:xacquire|xrelease) /, "lock ")
    .replace(/\b(short|near ptr) (?=\d$)/, "0x000").replace(/\b(short|near ptr) /, "")
    .replace(/ds:\[(?=\d)/, "[")
    // Operand size of an implicit stack operand, count register of LOOP.
    .replace(/^(push|pop)[wd] /, "$1 ")
    .replace(/^ret(nd|nw|w)\b/, "ret").replace(/^retf[wd]/, "retf")
    .replace(/^(enter|leave)[wd]\b/, "$1")
    .replace(/^sal /, "shl ")
    .replace(/^(jmp|call) far (\w+),(\w+)$/, (_, name, offset, selector) => `${name} far 0x${Number(selector).toString(16).padStart(4, "0")}:${offset}`).replace(/^(jmp|call) far (fword|dword) ptr /, "$1 $2 ptr ");
  if (row.mnemonic.startsWith("LOOP")) {
    mine = mine.replace(/^(loop|loope|loopne)[wd] /, "$1 ");
    other = other.replace(/^(loop|loope|loopne)[wd] /, "$1 ");
  }
  // Reserved NOPs are shown with a register operand that they do not have; 66 90 as an exchange.
  if (row.mnemonic === "NOP") other = other.replace(/,\w+$/, "").replace(/^xchg .*/, "nop");
  // String operands are written by both only where a prefix changed them; XLAT's table register by us always.
  if (row.string && !mine.includes("[")) other = other.replace(/^((?:rep |repe |repne )?\w+) .*/, "$1");
  if (row.string) other = other.replace(/( |,)\[(e?di)\]/, "$1es:[$2]");
  if (other === "xlatb") mine = mine.replace(/^xlat \[e?bx\]$/, "xlatb");
  // The displacement beside a scaled index alone is an address to us.
  other = other.replace(/\[(\w+\*\d)-(\w+)\]/, (_, index, value) => `[${index}+0x${(2 ** 32 - Number(value)).toString(16)}]`);
  // Implicit operands.
  if (row.mnemonic === "MONITOR" || row.mnemonic === "MWAIT") other = other.replace(/^(?:\w\w )?(\w+) .*/, "$1");
  if (row.mnemonic.startsWith("MASKMOV")) other = other.replace(/ \S*\[.*?\],/, " ");
  // The 16-bit register source of a selector.
  if (row.operands.includes("Ew")) other = other.replace(row.operands[0] === "Ew" ? /( )e([a-ds][xpi])$/ : /(,)e([a-ds][xpi])(?=$|,\w+$)/, "$1$2");
  if (row.mnemonic.startsWith("PREFETCH")) return other.startsWith("nop");
  if (row.mnemonic === "XCHG" && mine !== other) mine = mine.replace(/ (\S*?( ptr \S*)?),(.*)$/, " $3,$1");
  const mySize = SIZE.exec(mine)?.[1];
  const otherSize = SIZE.exec(other)?.[1];
  if (mySize && otherSize && mySize !== otherSize) return false;
  mine = mine.replace(/^(call|jmp) far (?=.*\[)/, "$1 ").replace(SIZE, "");
  other = other.replace(SIZE, "");
  return mine === other;
}

// iced's Masm syntax tells sizes where its Intel syntax is silent, but writes the code segment's view of these.
const AS_INTEL: ReadonlySet<string> = new Set(["PUSHA", "POPA", "SGDT", "SIDT", "LGDT", "LIDT", "LEA", "AAM", "AAD", "INT", "INT3", "CALL", "JMP"]);

function createFormatter(syntax: number): import("iced-x86").Formatter {
  const formatter = new iced.Formatter(syntax);
  formatter.hexPrefix = "0x";
  formatter.hexSuffix = "";
  formatter.uppercaseHex = false;
  formatter.usePseudoOps = false;
  return formatter;
}

describe("decoder against iced-x86", () => {
  for (const bits of [16, 32] as const) {
    it(`agrees on random ${bits}-bit encodings`, () => {
      const count = CASES / 2;
      const random = createPrng(bits);
      const bytes = new Uint8Array(count * 16);
      for (let i = 0; i < count; i++) randomEncoding(random, bytes, i * 16);
      const options =
        DecoderOptions.ForceReservedNop | DecoderOptions.NoWbnoinvd | DecoderOptions.MovTr | DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD;
      const theirs = new iced.Decoder(bits, bytes, options);
      const instruction = new iced.Instruction();
      const masm = createFormatter(FormatterSyntax.Masm);
      const intel = createFormatter(FormatterSyntax.Intel);
      const decoder = createDecoder(ROWS);
      const ours = createDecoded();
      const eip = bits === 32 ? 0x401000 : 0x1000;

      const differences: string[] = [];
      const seen = new Set<Row>();
      for (let at = 0; at < bytes.length && differences.length < 20; at += 16) {
        theirs.position = at;
        theirs.ip = BigInt(eip);
        theirs.decodeOut(instruction);
        const length = decoder.decodeBytes(bytes, at, at + 16, bits === 32, ours);
        const row = length !== TOO_LONG && !ours.lockInvalid ? ours.row : null;
        const differ = (what: string) => {
          const hex = Buffer.from(bytes.subarray(at, at + 16)).toString("hex");
          differences.push(`${hex}: ${what}: ${row ? `${length} bytes ${disassemble(ours, eip)}` : "undefined"}, iced ${instruction.length} bytes ${masm.format(instruction)}`);
        };
        if (instruction.isInvalid || !row) {
          if (row) differ("defined");
          if (!instruction.isInvalid && [...instruction.cpuidFeatures()].every((feature) => MODEL.has(feature))) differ("undefined");
          continue;
        }
        seen.add(row);
        if (instruction.length !== length) differ("length");
        const formatter = row.string || AS_INTEL.has(row.mnemonic) ? intel : masm;
        const text = formatter.format(instruction);
        if (!sameText(row, disassemble(ours, eip), text)) differ(`text ${text}`);
        const ranges = describeBytes(ours, bytes.subarray(at));
        const offsets = theirs.getConstantOffsets(instruction);
        const immediates = ranges.filter((range) => range.role === "immediate").reduce((sum, range) => sum + range.length, 0);
        const displacement = ranges.find((range) => range.role === "displacement");
        if (immediates !== offsets.immediateSize + offsets.immediateSize2) differ("immediate bytes");
        if ((displacement?.length ?? 0) !== offsets.displacementSize || (displacement?.start ?? 0) !== offsets.displacementOffset) differ("displacement bytes");
        if (ranges.at(-1)!.start + ranges.at(-1)!.length !== length) differ("bytes described");
        offsets.free();
      }
      for (const object of [theirs, instruction, masm, intel]) object.free();
      expect(differences).toEqual([]);
      // The test means little unless it meets most of the map.
      expect(seen.size).toBeGreaterThan(ROWS.length * 0.9);
    });
  }
});
