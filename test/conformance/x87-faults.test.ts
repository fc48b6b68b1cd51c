// x87 instructions that do not complete, on the interpreter: nothing of them shows. SDM Vol. 3A, sections 6.15 (vectors 7, 14, 16)
// and 8.6 of Vol. 1 "x87 FPU Exception Synchronization".

import { beforeEach, describe, expect, it } from "vitest";
import { CR0, CR2, CR3, EDX, FCW, FSW, FTOP, FTW, MXCSR, X87_BASE } from "../../src/isa/state-layout.ts";
import { createBareCore } from "../support/bare-core.ts";

const PAGE = 0x1000, CODE = 0x1000, DATA = 0x5000, ABSENT = DATA + PAGE, DIRECTORY = 0x8000, TABLE = 0x9000;
const PE = 1, MP = 2, EM = 4, TS = 8, ET = 0x10, NE = 0x20, PG = 0x8000_0000;
const NM = 7, PF = 14, MF = 16;
const PRESENT_WRITABLE = 3;

let errors = 0;
const { core, cpu, ram, memory } = createBareCore(1 << 20, () => errors++);
const ramView = new DataView(ram.buffer, ram.byteOffset, ram.byteLength);

function setPaging(on: boolean): void {
  ramView.setUint32(DIRECTORY, TABLE | PRESENT_WRITABLE, true);
  for (let page = 0; page < 256; page++) ramView.setUint32(TABLE + page * 4, page * PAGE === ABSENT ? 0 : (page * PAGE) | PRESENT_WRITABLE, true);
  cpu.context.set(CR3, DIRECTORY);
  cpu.context.set(CR0, PE | ET | NE | (on ? PG : 0));
  cpu.v.tlb.flushAll();
  cpu.updateMode();
}

/** ST(0) = 1.5 in R6 and 1.0 in R7. */
function prepare(): void {
  const { state } = cpu;
  for (const [field, value] of [[FCW, 0x37f], [FSW, 0], [FTOP, 6], [FTW, 0x0fff]] as const) state.write(field, value);
  memory.setBigUint64(X87_BASE + 6 * 16, 0xc000_0000_0000_0000n, true);
  memory.setBigUint64(X87_BASE + 7 * 16, 0x8000_0000_0000_0000n, true);
  for (const register of [6, 7]) memory.setUint16(X87_BASE + register * 16 + 8, 0x3fff, true);
  ram.fill(0x5a, DATA, DATA + PAGE);
}

const x87State = () => new Uint8Array(memory.buffer, X87_BASE, MXCSR.offset - X87_BASE).slice();

function execute(hex: string): { vector: number | null; eip: number } {
  const code = Buffer.from(hex.replaceAll(" ", ""), "hex");
  ram.set(code, CODE);
  core.blocks.flush();
  cpu.state.eip = CODE;
  core.run(1);
  return { vector: core.exception?.vector ?? null, eip: cpu.state.eip };
}

beforeEach(() => {
  errors = 0;
  setPaging(false);
  prepare();
});

describe("a page fault", () => {
  // [edx], by the bytes of the operand.
  it.each([
    ["FLD m32", "D9 02", 4], ["FLD m64", "DD 02", 8], ["FLD m80", "DB 2A", 10], ["FILD m16", "DF 02", 2], ["FILD m64", "DF 2A", 8], ["FBLD", "DF 22", 10],
    ["FADD m32", "D8 02", 4], ["FADD m64", "DC 02", 8], ["FIADD m16", "DE 02", 2], ["FCOMP m64", "DC 1A", 8], ["FLDCW", "D9 2A", 2], ["FLDENV", "D9 22", 28],
    ["FLDENV, 16 bits", "66 D9 22", 14], ["FRSTOR", "DD 22", 108], ["FRSTOR, 16 bits", "66 DD 22", 94],
    ["FST m32", "D9 12", 4], ["FSTP m64", "DD 1A", 8], ["FSTP m80", "DB 3A", 10], ["FISTP m16", "DF 1A", 2], ["FISTP m64", "DF 3A", 8], ["FBSTP", "DF 32", 10],
    ["FNSTCW", "D9 3A", 2], ["FNSTSW", "DD 3A", 2], ["FNSTENV", "D9 32", 28], ["FNSTENV, 16 bits", "66 D9 32", 14], ["FNSAVE", "DD 32", 108], ["FNSAVE, 16 bits", "66 DD 32", 94],
  ] as const)("in the last byte of %s changes nothing", (_name, code, bytes) => {
    setPaging(true);
    cpu.state.setGpr(EDX, ABSENT - bytes + 1);
    const before = x87State();
    expect(execute(code)).toEqual({ vector: PF, eip: CODE });
    expect(cpu.context.get(CR2)).toBe(ABSENT);
    expect(x87State()).toEqual(before);
    expect(ram.subarray(DATA, DATA + PAGE).every((byte) => byte === 0x5a)).toBe(true);
  });
  it("is not raised by an operand that ends before it, and one across two pages is read and written whole", () => {
    setPaging(true);
    for (const [fld, fstp, bytes] of [["D9 02", "D9 1A", 4], ["DD 02", "DD 1A", 8], ["DB 2A", "DB 3A", 10]] as const) {
      for (const at of [ABSENT - bytes, DATA - 1, DATA - bytes + 1]) {
        prepare();
        cpu.state.setGpr(EDX, at);
        expect(execute(fstp)).toEqual({ vector: null, eip: CODE + 2 });
        expect(execute(fld)).toEqual({ vector: null, eip: CODE + 2 });
        expect([memory.getBigUint64(X87_BASE + 6 * 16, true), memory.getUint16(X87_BASE + 6 * 16 + 8, true)]).toEqual([0xc000_0000_0000_0000n, 0x3fff]);
      }
    }
  });
});

describe("device not available", () => {
  const withCr0 = (bits: number) => {
    cpu.context.set(CR0, PE | ET | NE | bits);
    cpu.updateMode();
  };
  it.each([["FADD", "D8 C1"], ["FNSTCW", "D9 3A"], ["FNINIT", "DB E3"], ["FNSAVE", "DD 32"]])("by TS or EM stops %s", (_name, code) => {
    cpu.state.setGpr(EDX, DATA);
    for (const bits of [TS, EM, TS | EM | MP]) {
      withCr0(bits);
      const before = x87State();
      expect(execute(code)).toEqual({ vector: NM, eip: CODE });
      expect(x87State()).toEqual(before);
    }
  });
  it("WAIT needs MP and TS", () => {
    for (const [bits, vector] of [[0, null], [TS, null], [MP, null], [EM, null], [TS | MP, NM]] as const) {
      withCr0(bits);
      expect(execute("9B").vector).toBe(vector);
    }
  });
});

describe("an unmasked exception", () => {
  /** FLDZ, FDIVP: 1.5 / 0 with ZE unmasked. */
  function divideByZero(): void {
    cpu.state.write(FCW, 0x37b);
    expect(execute("D9 EE").vector).toBeNull();
    expect(execute("DE F9").vector).toBeNull();
    expect(cpu.state.read(FSW)).toBe(0x8084);
    expect(cpu.state.read(FTOP)).toBe(5);
  }
  it.each([["FADD", "D8 C1"], ["FLD", "D9 02"], ["WAIT", "9B"], ["FLDCW", "D9 2A"], ["FRSTOR", "DD 22"]])("is delivered at the next waiting instruction: %s", (_name, code) => {
    divideByZero();
    const before = x87State();
    expect(execute(code)).toEqual({ vector: MF, eip: CODE });
    expect(x87State()).toEqual(before);
    expect(errors).toBe(0);
  });
  it("does not stop the control instructions that do not wait", () => {
    cpu.state.setGpr(EDX, DATA);
    for (const code of ["DF E0", "D9 3A", "DD 3A", "D9 32"]) {
      prepare();
      divideByZero();
      expect(execute(code).vector, code).toBeNull();
    }
    prepare();
    divideByZero();
    expect(execute("DB E2").vector).toBeNull();
    expect(execute("D8 C1").vector).toBeNull();
  });
  it("goes to the FERR# pin where NE is clear", () => {
    divideByZero();
    cpu.context.set(CR0, PE | ET);
    cpu.updateMode();
    expect(execute("9B").vector).toBeNull();
    expect(errors).toBe(1);
  });
});
