import { describe, expect, it } from "vitest";
import { listProgram, randomProgram, shrinkProgram } from "../../test/support/random-programs.ts";
import { createReferenceMachine, runOnEvaluator } from "../../test/support/reference-run.ts";
import type { HelperName } from "./builder.ts";
import { createDecoded, createDecoder } from "./decoder.ts";
import { EvaluatingBuilder } from "./evaluating-builder.ts";
import { createEvaluator, type Fault } from "./evaluator.ts";
import { ROWS } from "./opcode-map/index.ts";
import {
  CONTEXT_BYTES, CONTEXT_H, CONTEXT_V, CPL, CR0, CR2, CS, DS, EAX, EBP, EBX, ECX, EDI, EDX, EFLAGS_AC, EFLAGS_SHARED, EFLAGS_SYSTEM, EFLAGS_VM, EIP, ESI, ESP, type Field, FAULT,
  FAULT_ERROR, FAULT_HAS_ERROR, GPR_BASE, registerAddress, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEGMENT_STRIDE, SS, STATE_BASE,
} from "./state-layout.ts";

const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;
const DATA_RW = 0x4093, CODE_RX = 0x409b, READ_ONLY = 0x4091, EXECUTE_ONLY = 0x4099, EXPAND_DOWN = 0x4097, EXPAND_DOWN_16 = 0x0097, UNUSABLE = 0x1_0000;
const decoder = createDecoder(ROWS);

function machine(options: { code32?: boolean; helper?: (name: HelperName, args: readonly number[]) => number; fault?: (linear: number, bytes: number, write: boolean) => Fault | null } = {}) {
  const state = new DataView(new ArrayBuffer(CONTEXT_H + CONTEXT_BYTES));
  const bytes = new Uint8Array(0x10000);
  const memory = {
    read: (linear: number) => bytes[linear] as number,
    write: (linear: number, byte: number) => { bytes[linear] = byte; },
    ...(options.fault ? { fault: options.fault } : {}),
  };
  const evaluator = createEvaluator({ state, memory, helper: options.helper ?? ((name) => { throw new Error(name); }) });
  const code32 = options.code32 ?? true;
  const setSegment = (index: number, base: number, limit: number, access: number) => {
    const at = CONTEXT_V + index * SEGMENT_STRIDE;
    state.setInt32(at + SEG_BASE, base, true);
    state.setUint32(at + SEG_LIMIT, limit, true);
    state.setInt32(at + SEG_ACCESS, access, true);
  };
  for (let index = 0; index < 6; index++) setSegment(index, 0, 0xffff_ffff, index === CS ? CODE_RX : DATA_RW);
  const set = (field: Field, value: number) => state.setInt32(field.offset + (field.context ? CONTEXT_V : 0), value, true);
  set(CR0, 1);
  return {
    state, bytes, setSegment, set,
    get: (register: number, width = 4) => {
      const at = registerAddress(register, width);
      return width === 1 ? state.getUint8(at) : width === 2 ? state.getUint16(at, true) : state.getUint32(at, true);
    },
    put: (register: number, value: number) => state.setInt32(GPR_BASE + register * 4, value, true),
    flags: () => evaluator.builder.statusFlags() as number,
    setFlags: (image: number) => evaluator.builder.setStatusFlags(image),
    run: (hex: string, eip = 0x100) => {
      const code = Uint8Array.from(hex.replace(/ /g, "").match(/../g)!.map((byte) => Number.parseInt(byte, 16)));
      const decoded = createDecoded();
      expect(decoder.decodeBytes(code, 0, code.length, code32, decoded)).toBe(code.length);
      return evaluator.step(decoded, eip);
    },
  };
}

describe("evaluator", () => {
  it("adds with every flag", () => {
    const m = machine();
    m.put(EAX, 0x7fff_ffff);
    expect(m.run("83 C0 01")).toEqual({ fault: null, eip: 0x103, suspended: false });
    expect(m.get(EAX)).toBe(0x8000_0000);
    expect(m.flags()).toBe(SF | OF | AF | PF);
    m.run("01 C0");
    expect(m.get(EAX)).toBe(0);
    expect(m.flags()).toBe(CF | ZF | OF | PF);
  });

  it("writes only the operand's bytes of a register", () => {
    const m = machine();
    m.put(EAX, 0x11223344);
    m.run("B4 FF");
    expect(m.get(EAX)).toBe(0x1122ff44);
    m.run("66 B8 0000");
    expect(m.get(EAX)).toBe(0x11220000);
  });

  it("multiplies to 64 bits and divides back", () => {
    const m = machine();
    m.put(EAX, 0xffff_ffff);
    m.put(ECX, 0xffff_fffe);
    m.run("F7 E1");
    expect([m.get(EDX), m.get(EAX)]).toEqual([0xffff_fffd, 2]);
    m.run("F7 F1");
    expect([m.get(EAX), m.get(EDX)]).toEqual([0xffff_ffff, 0]);
    m.put(ECX, 0);
    expect(m.run("F7 F1").fault).toEqual({ vector: 0, errorCode: null });
    expect(m.get(EAX)).toBe(0xffff_ffff);
  });

  it("wraps 16-bit addresses", () => {
    const m = machine();
    m.put(EBX, 0xabcd_fff0);
    m.put(ESI, 0x20);
    m.bytes[0x10] = 0x77;
    m.run("67 8A 00");
    expect(m.get(EAX, 1)).toBe(0x77);
  });

  it("writes back to the place it read, also when the address register changed between", () => {
    const m = machine();
    m.put(EAX, 0x200);
    m.bytes.set([5, 0, 0, 0], 0x200);
    m.run("0F C1 00"); // xadd [eax],eax
    expect(m.get(EAX)).toBe(5);
    expect([...m.bytes.subarray(0x200, 0x204)]).toEqual([5, 2, 0, 0]);
  });

  it("jumps within the CS limit alone", () => {
    const m = machine();
    m.setSegment(CS, 0, 0x1ff, CODE_RX);
    expect(m.run("EB 7F")).toMatchObject({ fault: null, eip: 0x181 });
    expect(m.run("EB 7F", 0x181)).toMatchObject({ fault: { vector: 13, errorCode: 0 }, eip: 0x181 });
    m.setFlags(0);
    expect(m.run("74 7F", 0x181)).toMatchObject({ fault: null, eip: 0x183 });
    m.setFlags(ZF);
    expect(m.run("66 74 7F", 0x10)).toMatchObject({ fault: null, eip: 0x92 });
  });

  it("keeps what a repetition has done when an element faults", () => {
    const m = machine({ fault: (linear, bytes) => (linear + bytes > 0x1000 && linear < 0x2000 ? { vector: 14, errorCode: 2 } : null) });
    m.put(ESI, 0x200);
    m.put(EDI, 0xff8);
    m.put(ECX, 4);
    m.bytes.set([1, 2, 3, 4, 5, 6, 7, 8, 9], 0x200);
    expect(m.run("F3 A5")).toEqual({ fault: { vector: 14, errorCode: 2 }, eip: 0x100, suspended: false });
    expect([m.get(ECX), m.get(ESI), m.get(EDI)]).toEqual([2, 0x208, 0x1000]);
    expect([...m.bytes.subarray(0xff8, 0x1001)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0]);
  });

  it("changes nothing when a write faults on its second page", () => {
    const m = machine({ fault: (linear, bytes) => (linear + bytes > 0x1000 ? { vector: 14, errorCode: 2 } : null) });
    m.put(EAX, 0xffff_ffff);
    m.setFlags(0);
    expect(m.run("01 05 FE0F0000").fault).toEqual({ vector: 14, errorCode: 2 });
    expect([...m.bytes.subarray(0xffe, 0x1002)]).toEqual([0, 0, 0, 0]);
    expect(m.flags()).toBe(0);
  });

  it("passes helpers their arguments and ends with the fault they raise", () => {
    const calls: unknown[] = [];
    const m = machine({
      helper: (name, args) => {
        calls.push([name, ...args]);
        if (name === "loadSegment") {
          m.set(FAULT, 13 + 1);
          m.set(FAULT_ERROR, 0x1234);
          m.set(FAULT_HAS_ERROR, 1);
        }
        return 0;
      },
    });
    m.put(EAX, 0x1234);
    expect(m.run("8E D8")).toEqual({ fault: { vector: 13, errorCode: 0x1234 }, eip: 0x100, suspended: false });
    expect(calls).toEqual([["loadSegment", DS, 0x1234]]);
  });
});

describe("checks before the meaning", () => {
  it("undefined opcodes and LOCK", () => {
    const m = machine();
    expect(m.run("0F 04").fault).toEqual({ vector: 6, errorCode: null });
    expect(m.run("F0 01 C0").fault).toEqual({ vector: 6, errorCode: null });
    expect(m.run("F0 01 05 00000000").fault).toBeNull();
  });
  it("processor mode before privilege", () => {
    const m = machine({ helper: () => 0 });
    m.set(CPL, 3);
    expect(m.run("F4").fault).toEqual({ vector: 13, errorCode: 0 });
    expect(m.run("0F 00 D0").fault).toEqual({ vector: 13, errorCode: 0 }); // LLDT AX
    m.set(EFLAGS_SYSTEM, EFLAGS_VM);
    expect(m.run("0F 00 D0").fault).toEqual({ vector: 6, errorCode: null });
    expect(m.run("F4").fault).toEqual({ vector: 13, errorCode: 0 });
    m.set(EFLAGS_SYSTEM, 0);
    m.set(CR0, 0);
    m.set(CPL, 0);
    expect(m.run("0F 00 D0").fault).toEqual({ vector: 6, errorCode: null });
    expect(m.run("F4").fault).toBeNull();
  });
});

describe("segment checks (SDM Vol. 3 chapter 5)", () => {
  const load = "8B 00", store = "89 00", GP = { vector: 13, errorCode: 0 };
  const at = (offset: number, limit: number, access: number, code = load) => {
    const m = machine();
    m.setSegment(DS, 0, limit, access);
    m.put(EAX, offset);
    return m.run(code).fault;
  };
  it("limit", () => {
    expect(at(0xffc, 0xfff, DATA_RW)).toBeNull();
    expect(at(0xffd, 0xfff, DATA_RW)).toEqual(GP);
    expect(at(0xffff_fffd, 0xfff, DATA_RW)).toEqual(GP);
    expect(at(0, 2, DATA_RW)).toEqual(GP);
    expect(at(0, 3, DATA_RW)).toBeNull();
  });
  it("limit of an expand-down segment", () => {
    expect(at(0x1000, 0xfff, EXPAND_DOWN)).toBeNull();
    expect(at(0xfff, 0xfff, EXPAND_DOWN)).toEqual(GP);
    expect(at(0xfffc, 0xfff, EXPAND_DOWN_16)).toBeNull();
    expect(at(0xfffd, 0xfff, EXPAND_DOWN_16)).toEqual(GP);
  });
  it("type", () => {
    expect(at(0, 0xffff, READ_ONLY)).toBeNull();
    expect(at(0, 0xffff, READ_ONLY, store)).toEqual(GP);
    expect(at(0, 0xffff, CODE_RX)).toBeNull();
    expect(at(0, 0xffff, CODE_RX, store)).toEqual(GP);
    expect(at(0, 0xffff, EXECUTE_ONLY)).toEqual(GP);
    expect(at(0, 0xffff, UNUSABLE)).toEqual(GP);
  });
  it("stack-segment faults have their own vector", () => {
    const m = machine();
    m.setSegment(SS, 0, 0xfff, DATA_RW);
    m.put(ESP, 2);
    expect(m.run("50").fault).toEqual({ vector: 12, errorCode: 0 });
    m.put(EBP, 0x1000);
    expect(m.run("8B 45 00").fault).toEqual({ vector: 12, errorCode: 0 });
    expect(m.run("3E 8B 45 00").fault).toBeNull();
    expect(m.get(ESP)).toBe(2);
  });
});

describe("alignment checks", () => {
  const at = (options: { cpl: number; am: boolean; ac: boolean }, hex: string, absent = false) => {
    const m = machine(absent ? { fault: () => ({ vector: 14, errorCode: 4 }) } : {});
    m.set(CPL, options.cpl);
    m.set(CR0, options.am ? 0x4_0001 : 1);
    m.set(EFLAGS_SHARED, options.ac ? EFLAGS_AC : 0);
    return m.run(hex).fault;
  };
  const on = { cpl: 3, am: true, ac: true }, AC = { vector: 17, errorCode: 0 };
  it("hold at CPL 3 with CR0.AM and EFLAGS.AC, after page faults", () => {
    expect(at(on, "A1 02010000")).toEqual(AC);
    expect(at(on, "66 A1 02010000")).toBeNull();
    expect(at(on, "A0 01010000")).toBeNull();
    expect(at(on, "0F C7 0D 04010000")).toEqual(AC); // CMPXCHG8B: eight bytes
    expect(at({ ...on, cpl: 0 }, "A1 02010000")).toBeNull();
    expect(at({ ...on, am: false }, "A1 02010000")).toBeNull();
    expect(at({ ...on, ac: false }, "A1 02010000")).toBeNull();
    expect(at(on, "A1 02010000", true)).toEqual({ vector: 14, errorCode: 4 });
  });
});

describe("values", () => {
  const b = new EvaluatingBuilder(new DataView(new ArrayBuffer(STATE_BASE)), 0, { read: () => 0, write: () => {} }, () => 0);
  it("keep 32 and 64 bits apart", () => {
    expect(() => b.add(1, 2n)).toThrow(TypeError);
    expect(() => b.add64(1n, 2)).toThrow(TypeError);
    expect(() => b.let(1n)).toThrow(TypeError);
    expect(() => b.when(1n, () => {})).toThrow(TypeError);
  });
  it("behave as wasm's", () => {
    expect(b.shrU(-1, 0)).toBe(-1);
    expect(b.shl(1, 33)).toBe(2);
    expect(b.rotr(1, 1)).toBe(-0x8000_0000);
    expect(b.rotl(0x1234, 32)).toBe(0x1234);
    expect([b.clz(0), b.ctz(0), b.ctz(8), b.popcnt(-1)]).toEqual([32, 32, 3, 32]);
    expect([b.ltU(-1, 1), b.ltS(-1, 1), b.geU(-1, 1)]).toEqual([0, 1, 1]);
    expect(b.signExtend(0x80, 1)).toBe(-128);
    expect(b.zeroExtend(-1, 2)).toBe(0xffff);
    expect(b.wrap(0x1_8000_0000n)).toBe(-0x8000_0000);
    expect([b.extendU(-1), b.extendS(-1)]).toEqual([0xffff_ffffn, 0xffff_ffff_ffff_ffffn]);
    expect(b.shrS64(1n << 63n, 63n)).toBe(0xffff_ffff_ffff_ffffn);
    expect(b.shl64(1n, 65n)).toBe(2n);
    expect([b.clz64(1n), b.ctz64(0n), b.clz64(0n)]).toEqual([63n, 64n, 64n]);
    expect(b.divS64(b.extendS(-7), 2n)).toBe(BigInt.asUintN(64, -3n));
    expect(b.remS64(b.extendS(-7), 2n)).toBe(BigInt.asUintN(64, -1n));
    expect(() => b.divS64(1n << 63n, b.extendS(-1))).toThrow(RangeError);
    expect(() => b.divU64(1n, 0n)).toThrow(RangeError);
  });
});

describe("random programs", () => {
  it("are the same for the same seed", () => {
    for (const code32 of [false, true]) {
      const options = { count: 50, code32 };
      const first = randomProgram(7, options);
      const again = randomProgram(7, options);
      expect(again.bytes).toEqual(first.bytes);
      expect(again.initialState).toEqual(first.initialState);
      expect(Buffer.compare(again.memory, first.memory)).toBe(0);
      expect(randomProgram(8, options).bytes).not.toEqual(first.bytes);
      const { memory: left, ...results } = runOnEvaluator(first, 200);
      const { memory: right, ...resultsAgain } = runOnEvaluator(again, 200);
      expect(resultsAgain).toEqual(results);
      expect(Buffer.compare(left, right)).toBe(0);
    }
  });

  it("shrink to the units that matter", () => {
    const program = randomProgram(11, { count: 60, code32: true });
    const hasDivision = (candidate: typeof program) => listProgram(candidate).includes(" cwde");
    const withIt = Array.from({ length: 40 }, (_, n) => randomProgram(n, { count: 60, code32: true })).find(hasDivision);
    expect(withIt).toBeDefined();
    const small = shrinkProgram(withIt!, hasDivision);
    expect(small.units.length).toBe(1);
    expect(listProgram(small)).toContain(" cwde");
  });

  // "Nothing architectural may have been changed before a fault, except what a restart repeats harmlessly."
  it("leave registers and flags alone where an instruction faults", () => {
    const vectors = new Set<number>();
    const differences: string[] = [];
    const bookkeeping = [FAULT, FAULT_ERROR, FAULT_HAS_ERROR].map((field) => field.offset);
    for (let seed = 1; seed <= 400; seed++) {
      const program = randomProgram(seed, { count: 40, code32: seed % 2 === 0 });
      const { state, decodeNext, execute, eip } = createReferenceMachine(program);
      for (let steps = 0; steps < 120; steps++) {
        const decoded = decodeNext();
        if (!decoded) break;
        const before = new Uint8Array(state.buffer.slice(0));
        const at = eip();
        const step = execute(decoded);
        if (!step) break;
        if (!step.fault) continue;
        vectors.add(step.fault.vector);
        const after = new Uint8Array(state.buffer);
        for (let i = STATE_BASE; i < after.length; i++) {
          if (after[i] === before[i] || bookkeeping.includes(i & -4) || (i & -4) === CONTEXT_V + CR2.offset) continue;
          // The elements before the one that faulted stay done.
          const register = (i - GPR_BASE) >> 2;
          if (decoded.row?.string && (register === EAX || register === ECX || register === ESI || register === EDI)) continue;
          differences.push(`seed ${seed}: ${decoded.row?.mnemonic} at ${at.toString(16)} changed state byte ${i.toString(16)}`);
        }
        state.setInt32(EIP.offset, at + decoded.length, true);
      }
    }
    expect(differences).toEqual([]);
    expect([...vectors]).toEqual(expect.arrayContaining([0, 5, 6, 12, 13, 14]));
  });
});
