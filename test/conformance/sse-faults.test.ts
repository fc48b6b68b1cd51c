// MMX and SSE instructions that do not complete, on the interpreter: nothing of them shows, but the flags of MXCSR. Every row of the maps.
// SDM Vol. 2, section 2.4 "Instruction Exception Specification" and the instructions' own pages; Vol. 3A, sections 2.5 (CR0.EM, CR0.TS,
// CR4.OSFXSR, CR4.OSXMMEXCPT), 6.15 (vectors 6, 7, 13, 14, 16, 19), 12.5, 13.1.

import { beforeEach, describe, expect, it } from "vitest";
import { parseOpcode } from "../../src/isa/decode-table.ts";
import { MMX_ROWS } from "../../src/isa/opcode-map/mmx.ts";
import type { UnnumberedRow } from "../../src/isa/opcode-map/row-builder.ts";
import { SSE_ROWS } from "../../src/isa/opcode-map/sse.ts";
import { OPERAND_SHAPES } from "../../src/isa/operand-location.ts";
import { CR0, CR2, CR3, CR4, EDI, EDX, FCW, FSW, FTOP, FTW, MXCSR, STATE_BASE, STATE_BYTES, X87_BASE, XMM_BASE } from "../../src/isa/state-layout.ts";
import { createBareCore } from "../support/bare-core.ts";

const PAGE = 0x1000, CODE = 0x1000, DATA = 0x5000, ABSENT = DATA + PAGE, DIRECTORY = 0x8000, TABLE = 0x9000;
const PE = 1, EM = 4, TS = 8, ET = 0x10, NE = 0x20, PG = 0x8000_0000, OSFXSR = 0x200, OSXMMEXCPT = 0x400;
const UD = 6, NM = 7, GP = 13, PF = 14, MF = 16, XM = 19;
const ERROR_SUMMARY = 0x81, MXCSR_INITIAL = 0x1f80;
const PRESENT_WRITABLE = 3;

const { core, cpu, ram, memory } = createBareCore(1 << 20);
const ramView = new DataView(ram.buffer, ram.byteOffset, ram.byteLength);

function setUp(cr0 = 0, cr4 = OSFXSR | OSXMMEXCPT): void {
  ramView.setUint32(DIRECTORY, TABLE | PRESENT_WRITABLE, true);
  for (let page = 0; page < 256; page++) ramView.setUint32(TABLE + page * 4, page * PAGE === ABSENT ? 0 : (page * PAGE) | PRESENT_WRITABLE, true);
  const { context, state } = cpu;
  context.set(CR3, DIRECTORY);
  context.set(CR0, PE | ET | NE | PG | cr0);
  context.set(CR4, cr4);
  cpu.v.tlb.flushAll();
  cpu.updateMode();
  for (const [field, value] of [[FCW, 0x37f], [FSW, 0], [FTOP, 3], [FTW, 0xffff], [MXCSR, MXCSR_INITIAL]] as const) state.write(field, value);
  for (let n = 0; n < 16; n++) memory.setBigUint64(X87_BASE + n * 8, 0x3f80_0000_3f80_0000n, true);
  for (let n = 0; n < 16; n++) memory.setBigUint64(XMM_BASE + n * 8, 0x3f80_0000_3f80_0000n, true);
  ram.fill(0x3f, DATA, DATA + PAGE);
  // A value that LDMXCSR takes.
  for (const at of [DATA, DATA + 4]) ramView.setUint32(at, MXCSR_INITIAL, true);
  state.setGpr(EDX, DATA);
  state.setGpr(EDI, DATA);
}

/** The registers that an instruction might change: all of the shared state up to the interpreter's own words. */
function registers(): Uint8Array {
  const all = new Uint8Array(memory.buffer, STATE_BASE, STATE_BYTES).slice();
  all.fill(0, 0x20, 0x100);
  return all;
}

function execute(code: readonly number[]): number | null {
  ram.set([...code, 0x90], CODE);
  core.blocks.flush();
  cpu.state.eip = CODE;
  core.run(1);
  const vector = core.exception?.vector ?? null;
  expect(cpu.state.eip).toBe(vector === null ? CODE + code.length : CODE);
  return vector;
}

const ROWS = [...MMX_ROWS, ...SSE_ROWS];
type Form = "mem" | "reg";

/** [edx] or register 1, with register 0. */
function encode(row: UnnumberedRow, form: Form): number[] {
  const pattern = parseOpcode(row.opcode);
  const bytes = [...(pattern.prefix ? [[0, 0x66, 0xf3, 0xf2][pattern.prefix] as number] : []), 0x0f, pattern.opcode];
  if (row.mnemonic === "EMMS") return bytes;
  bytes.push((form === "mem" ? 2 : 0xc1) | ((pattern.reg < 0 ? 0 : pattern.reg) << 3));
  if (row.operands.includes("Ib")) bytes.push(1);
  return bytes;
}

function formsOf(row: UnnumberedRow): Form[] {
  const pattern = parseOpcode(row.opcode);
  if (pattern.form !== "any") return [pattern.form];
  const shapes = row.operands.map((code) => OPERAND_SHAPES[code]);
  if (shapes.some(({ memoryOnly }) => memoryOnly)) return ["mem"];
  return shapes.some(({ source }) => source === "rm") ? ["mem", "reg"] : ["reg"];
}

/** Width of the memory operand. */
function memoryBytes(row: UnnumberedRow): number {
  if (row.operands.includes("Edw")) return 2;
  return Math.max(...row.operands.map((code) => OPERAND_SHAPES[code]).filter(({ source }) => source === "rm").map(({ width }) => width));
}

/** Which registers an instruction is about: those of its operands, MXCSR with XMM, none for caches and order. */
function kindOf(row: UnnumberedRow, form: Form): "mmx" | "xmm" | "both" | "none" {
  if (row.mnemonic === "EMMS") return "mmx";
  if (/MXCSR$/.test(row.mnemonic)) return "xmm";
  const shapes = row.operands.map((code) => OPERAND_SHAPES[code]);
  // An operand of an MMX instruction of SSE that is in memory has nothing to do with the x87.
  const mmx = shapes.some(({ kind, source }) => kind === "mm" && (form === "reg" || source !== "rm"));
  const xmm = shapes.some(({ kind }) => kind === "xmm");
  return mmx && xmm ? "both" : mmx ? "mmx" : xmm ? "xmm" : "none";
}

const CASES = ROWS.flatMap((row) => formsOf(row).map((form) => [`${row.opcode} ${row.mnemonic} ${form}`, row, form] as const));
const IN_MEMORY = CASES.filter(([, , form]) => form === "mem");

beforeEach(() => setUp());

describe("availability", () => {
  it.each(CASES)("of %s", (_name, row, form) => {
    const code = encode(row, form), kind = kindOf(row, form);
    const run = (cr0: number, cr4: number, status: number) => {
      setUp(cr0, cr4);
      cpu.state.write(FSW, status);
      const before = registers();
      const vector = execute(code);
      if (vector !== null) expect(registers()).toEqual(before);
      return vector;
    };
    const usesXmm = kind === "xmm" || kind === "both", usesMmx = kind === "mmx" || kind === "both", uses = kind !== "none";
    expect(run(0, OSFXSR, 0)).toBe(null);
    expect(run(TS, OSFXSR, ERROR_SUMMARY)).toBe(uses ? NM : null);
    expect(run(EM | TS, OSFXSR, ERROR_SUMMARY)).toBe(uses ? UD : null);
    expect(run(0, 0, 0)).toBe(usesXmm ? UD : null);
    expect(run(TS, 0, 0)).toBe(usesXmm ? UD : usesMmx ? NM : null);
    expect(run(0, OSFXSR, ERROR_SUMMARY)).toBe(usesMmx ? MF : null);
  });
});

describe("memory operands", () => {
  it.each(IN_MEMORY)("of %s: alignment", (_name, row, form) => {
    const aligned = row.operands.includes("Wx") || row.operands.includes("Mx");
    for (const offset of [1, 4, 8]) {
      cpu.state.setGpr(EDX, DATA + 0x40 + offset);
      if (row.mnemonic === "LDMXCSR") ramView.setUint32(DATA + 0x40 + offset, MXCSR_INITIAL, true);
      const before = registers();
      expect(execute(encode(row, form))).toBe(aligned ? GP : null);
      if (aligned) expect(registers()).toEqual(before);
      setUp();
    }
    // #GP goes before what paging finds.
    cpu.state.setGpr(EDX, ABSENT + 8);
    expect(execute(encode(row, form))).toBe(aligned ? GP : PF);
  });

  it.each(IN_MEMORY)("of %s: page faults", (_name, row, form) => {
    const bytes = memoryBytes(row);
    const aligned = row.operands.includes("Wx") || row.operands.includes("Mx");
    const first = aligned ? ABSENT : ABSENT - bytes + 1;
    cpu.state.setGpr(EDX, first);
    const before = registers(), contents = ram.slice(DATA, DATA + PAGE);
    expect(execute(encode(row, form))).toBe(PF);
    expect(cpu.context.get(CR2)).toBe(ABSENT);
    expect(registers()).toEqual(before);
    expect(ram.subarray(DATA, DATA + PAGE)).toEqual(contents);
    cpu.state.setGpr(EDX, ABSENT - bytes);
    if (row.mnemonic === "LDMXCSR") ramView.setUint32(ABSENT - bytes, MXCSR_INITIAL, true);
    expect(execute(encode(row, form))).toBe(null);
  });

  it("across two pages are read and written whole", () => {
    const at = DATA - 7;
    ramView.setBigUint64(at, 0x0123_4567_89ab_cdefn, true);
    ramView.setBigUint64(at + 8, 0xfedc_ba98_7654_3210n, true);
    cpu.state.setGpr(EDX, at);
    expect(execute([0x0f, 0x10, 0x02])).toBe(null); // movups xmm0,[edx]
    expect([memory.getBigUint64(XMM_BASE, true), memory.getBigUint64(XMM_BASE + 8, true)]).toEqual([0x0123_4567_89ab_cdefn, 0xfedc_ba98_7654_3210n]);
    cpu.state.setGpr(EDX, DATA + 0x200 - 7 - 0x200);
    ram.fill(0, at, at + 16);
    expect(execute([0x0f, 0x11, 0x02])).toBe(null); // movups [edx],xmm0
    expect([ramView.getBigUint64(at, true), ramView.getBigUint64(at + 8, true)]).toEqual([0x0123_4567_89ab_cdefn, 0xfedc_ba98_7654_3210n]);
  });
});

describe("floating-point exceptions", () => {
  const divideByZero = [0xf3, 0x0f, 0x5e, 0xc1]; // divss xmm0,xmm1
  const prepare = (mxcsr: number, cr4: number) => {
    setUp(0, cr4);
    cpu.state.write(MXCSR, mxcsr);
    memory.setUint32(XMM_BASE + 16, 0, true);
  };
  it("are #XM where the operating system handles it, else #UD, and leave the flag and nothing else", () => {
    for (const [cr4, vector] of [[OSFXSR | OSXMMEXCPT, XM], [OSFXSR, UD]] as const) {
      prepare(0x1d80, cr4);
      const before = registers();
      expect(execute(divideByZero)).toBe(vector);
      expect(cpu.state.read(MXCSR)).toBe(0x1d84);
      cpu.state.write(MXCSR, 0x1d80);
      expect(registers()).toEqual(before);
    }
  });
  it("masked are flags alone", () => {
    prepare(MXCSR_INITIAL, OSFXSR);
    expect(execute(divideByZero)).toBe(null);
    expect([cpu.state.read(MXCSR), memory.getUint32(XMM_BASE, true)]).toEqual([0x1f84, 0x7f80_0000]);
  });
  it("are raised by the instruction itself, not by a flag that is set already", () => {
    prepare(0x0004, OSFXSR | OSXMMEXCPT);
    expect(execute([0xf3, 0x0f, 0x58, 0xc0])).toBe(null); // addss xmm0,xmm0
  });
  it("do not change EFLAGS in comparisons", () => {
    prepare(0, OSFXSR | OSXMMEXCPT);
    memory.setUint32(XMM_BASE + 16, 0x7fc0_0000, true);
    const before = registers();
    expect(execute([0x0f, 0x2f, 0xc1])).toBe(XM); // comiss xmm0,xmm1
    cpu.state.write(MXCSR, 0);
    expect(registers()).toEqual(before);
    expect(execute([0x0f, 0x2e, 0xc1])).toBe(null); // ucomiss takes quiet NaNs
  });
});

describe("LDMXCSR", () => {
  it("refuses bits that do not exist", () => {
    for (let bit = 16; bit < 32; bit++) {
      ramView.setUint32(DATA, 1 << bit, true);
      expect(execute([0x0f, 0xae, 0x12])).toBe(GP);
      expect(cpu.state.read(MXCSR)).toBe(MXCSR_INITIAL);
    }
    ramView.setUint32(DATA, 0xffff, true);
    expect(execute([0x0f, 0xae, 0x12])).toBe(null);
    expect(cpu.state.read(MXCSR)).toBe(0xffff);
  });
});

describe("MASKMOVDQU", () => {
  const maskmovdqu = [0x66, 0x0f, 0xf7, 0xc1]; // maskmovdqu xmm0,xmm1
  const setMask = (low: bigint, high: bigint) => {
    memory.setBigUint64(XMM_BASE + 16, low, true);
    memory.setBigUint64(XMM_BASE + 24, high, true);
  };
  it("writes the bytes of its mask, also across a page", () => {
    setMask(0x8000_0000_0000_ff01n, 0x8100_0000_0000_007fn);
    for (const at of [DATA + 0x101, DATA - 3]) {
      ram.fill(0, at, at + 16);
      cpu.state.setGpr(EDI, at);
      expect(execute(maskmovdqu)).toBe(null);
      expect([...ram.subarray(at, at + 16)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x3f].map((byte, n) => (n === 1 ? 0 : byte)));
    }
  });
  it("faults before the first byte, and never without a byte to write", () => {
    cpu.state.setGpr(EDI, ABSENT - 8);
    setMask(0x80n, 0x80n);
    const contents = ram.slice(DATA, DATA + PAGE);
    expect(execute(maskmovdqu)).toBe(PF);
    expect(cpu.context.get(CR2)).toBe(ABSENT);
    expect(ram.subarray(DATA, DATA + PAGE)).toEqual(contents);
    setMask(0x7fn, 0n);
    expect(execute(maskmovdqu)).toBe(null);
  });
});
