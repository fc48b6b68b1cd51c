import { beforeEach, describe, expect, it } from "vitest";
import { BareCpu } from "../../test/support/bare-cpu.ts";
import { createDecoded, createDecoder } from "../isa/decoder.ts";
import { ROWS } from "../isa/opcode-map/index.ts";
import { CPU_MODELS, type CpuModelName, cpuModel, offeredRows } from "./models.ts";

const EAX = 0, ECX = 1, EDX = 2, EBX = 3;
let b: BareCpu;
const gpr = (i: number): number => b.cpu.state.gpr(i);
const set = (i: number, value: number): void => b.cpu.state.setGpr(i, value);

function cpuid(leaf: number, subLeaf = 0): number[] {
  set(EAX, leaf | 0);
  set(ECX, subLeaf);
  b.call("cpuid");
  return [gpr(EAX), gpr(EBX), gpr(ECX), gpr(EDX)].map((v) => v >>> 0);
}
const text = (words: readonly number[]): string => String.fromCharCode(...words.flatMap((w) => [w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24]));
function rdmsr(n: number): string {
  set(ECX, n);
  b.call("readMsr");
  return b.fault() || `${(gpr(EDX) >>> 0).toString(16)}:${(gpr(EAX) >>> 0).toString(16)}`;
}
function wrmsr(n: number, low: number, high = 0): string {
  set(ECX, n);
  set(EAX, low);
  set(EDX, high);
  b.call("writeMsr");
  return b.fault();
}
const FPU = 1, VME = 2, DE = 4, PSE = 8, TSC = 0x10, MSR = 0x20, PAE = 0x40, MCE = 0x80, CX8 = 0x100, APIC = 0x200, CMOV = 0x8000;
const GP = "#13(0)";

describe("CPUID", () => {
  it.each([
    // Family, model and stepping; largest leaves; features that it has, and that it lacks.
    ["486", 0x480, 1, 0, FPU | VME, ~(FPU | VME)],
    ["pentium", 0x52c, 1, 0, FPU | VME | DE | PSE | TSC | MSR | MCE | CX8, PAE | CMOV | APIC],
    ["pentium3", 0x68a, 2, 0, 0x0103_f1ff, 0x1c08_0000 | APIC],
    ["pentium4", 0xf41, 5, 0x8000_0008, 0x0903_f1ff, 0x1040_0000 | APIC],
  ] as const)("of a %s", (name, signature, maximum, extended, has, lacks) => {
    b = new BareCpu(name);
    expect(gpr(EDX)).toBe(signature);
    const [last, ebx, ecx, edx] = cpuid(0);
    expect([last, text([ebx!, edx!, ecx!])]).toEqual([maximum, "GenuineIntel"]);
    expect(cpuid(1)[0]).toBe(signature);
    expect((cpuid(1)[3]! & has) >>> 0).toBe(has >>> 0);
    expect(cpuid(1)[3]! & lacks).toBe(0);
    expect(cpuid(0x8000_0000)).toEqual(extended === 0 ? cpuid(maximum) : [extended, 0, 0, 0]);
    expect(cpuid(0x7fff_ffff)).toEqual(cpuid(maximum));
  });

  it("tells of the local APIC while it is on", () => {
    b = new BareCpu();
    expect(cpuid(1)[3]! & APIC).toBe(0);
    b.apicBase = 0xfee0_0900;
    expect(cpuid(1)[3]! & APIC).toBe(APIC);
    b.apicBase = 0xfee0_0100;
    expect(cpuid(1)[3]! & APIC).toBe(0);
    b = new BareCpu("pentium");
    b.apicBase = 0xfee0_0900;
    expect(cpuid(1)[3]! & APIC).toBe(0);
  });

  it("of a Pentium 4 describes caches and addresses", () => {
    b = new BareCpu();
    // First level: 8 ways, 64-byte lines, 32 sets: 16 KB. Second: 8 x 2 x 64 x 1024: 1 MB.
    const bytes = ([, ebx, ecx]: number[]): number => ((ebx! >>> 22) + 1) * (((ebx! >>> 12) & 0x3ff) + 1) * ((ebx! & 0xfff) + 1) * (ecx! + 1);
    expect([cpuid(4, 0), cpuid(4, 1)].map(bytes)).toEqual([16 << 10, 1 << 20]);
    expect([cpuid(4, 0)[0]! & 0xff, cpuid(4, 1)[0]! & 0xff, cpuid(4, 2)]).toEqual([0x21, 0x43, [0, 0, 0, 0]]);
    expect(cpuid(1)[1]).toBe(0x800);
    expect(cpuid(0x8000_0006)[2]! >>> 16).toBe(1024);
    expect(cpuid(0x8000_0008)[0]).toBe(0x2024);
    // NX and nothing else: no SYSCALL, no long mode.
    expect(cpuid(0x8000_0001)).toEqual([0, 0, 0, 1 << 20]);
    const brand = text([...cpuid(0x8000_0002), ...cpuid(0x8000_0003), ...cpuid(0x8000_0004)]);
    expect([brand.length, brand.replace(/\0+$/, "")]).toEqual([48, "trapscope Pentium(R) 4 CPU 1.00GHz"]);
  });

  it("ends at leaf 3 where MISC_ENABLE limits it", () => {
    b = new BareCpu();
    expect(wrmsr(0x1a0, 0x0040_1801)).toBe("");
    expect(cpuid(0)[0]).toBe(3);
    expect(cpuid(5)).toEqual(cpuid(3));
    expect(cpuid(0x8000_0000)[0]).toBe(0x8000_0008);
  });
});

describe("instructions", () => {
  const named = (model: CpuModelName, hex: string): string | undefined => {
    const decoded = createDecoded();
    createDecoder(offeredRows(ROWS, cpuModel(model))).decodeBytes(Buffer.from(`${hex}000000000000`, "hex"), 0, 8, true, decoded);
    return decoded.row?.mnemonic;
  };
  it.each([
    ["CPUID", "0fa2", "486"], ["BSWAP", "0fc8", "486"], ["CMPXCHG", "0fb100", "486"], ["FADD", "d8c1", "486"], ["INVLPG", "0f0138", "486"],
    ["RDTSC", "0f31", "pentium"], ["RDMSR", "0f32", "pentium"], ["CMPXCHG8B", "0fc708", "pentium"],
    ["CMOVZ", "0f44c0", "pentium3"], ["FCOMI", "dbf1", "pentium3"], ["SYSENTER", "0f34", "pentium3"], ["RDPMC", "0f33", "pentium3"], ["NOP", "0f1f00", "pentium3"],
    ["FXSAVE", "0fae00", "pentium3"],
  ] as const)("%s comes with the right model", (mnemonic, hex, first) => {
    for (const model of CPU_MODELS) expect(named(model, hex)).toBe(CPU_MODELS.indexOf(model) >= CPU_MODELS.indexOf(first) ? mnemonic : undefined);
  });
});

describe("control register 4", () => {
  it.each([["486", 3], ["pentium", 0x5f], ["pentium3", 0x7ff], ["pentium4", 0x7ff]] as const)("of a %s", (model, mask) => {
    b = new BareCpu(model);
    b.call("writeControl", 4, mask);
    expect(b.fault()).toBe("");
    for (let bit = 0; bit < 32; bit++) {
      if ((mask >>> bit) & 1) continue;
      b.call("writeControl", 4, 1 << bit);
      expect(b.fault()).toBe(GP);
    }
    expect(b.call("readControl", 4)).toBe(mask);
  });
});

describe("model-specific registers", () => {
  beforeEach(() => {
    b = new BareCpu();
  });

  it("the time-stamp counter takes 64 bits on a Pentium 4 and 32 before it", () => {
    b.ticks = 0x12_3456_789a;
    expect(wrmsr(0x10, -1, 5)).toBe("");
    expect(rdmsr(0x10)).toBe("5:ffffffff");
    b.ticks += 2;
    expect(rdmsr(0x10)).toBe("6:1");
    expect(wrmsr(0x10, -1, -1)).toBe("");
    b.ticks += 1;
    expect(rdmsr(0x10)).toBe("0:0");
    b = new BareCpu("pentium3");
    b.ticks = 0x12_3456_789a;
    expect(wrmsr(0x10, -1, 5)).toBe("");
    expect(rdmsr(0x10)).toBe("0:ffffffff");
  });

  it("SYSENTER registers", () => {
    expect([wrmsr(0x174, 8), wrmsr(0x175, 0x1000), wrmsr(0x176, 0x2000)]).toEqual(["", "", ""]);
    expect([rdmsr(0x174), rdmsr(0x175), rdmsr(0x176)]).toEqual(["0:8", "0:1000", "0:2000"]);
    b = new BareCpu("pentium");
    expect([rdmsr(0x174), wrmsr(0x175, 0)]).toEqual([GP, GP]);
  });

  it("IA32_APIC_BASE is the local APIC's, where there is one", () => {
    expect([rdmsr(0x1b), wrmsr(0x1b, 0xfee0_0900)]).toEqual([GP, GP]);
    b.apicBase = 0xfee0_0900;
    expect(rdmsr(0x1b)).toBe("0:fee00900");
    expect(wrmsr(0x1b, 0xfec0_0900 | 0)).toBe("");
    expect(b.apicBase).toBe(0xfec0_0900);
    expect(wrmsr(0x1b, 0xfec0_0901 | 0)).toBe(GP);
    expect(wrmsr(0x1b, 0xfec0_0900 | 0, 1)).toBe(GP);
  });

  it("EFER has NXE alone, and only with NX", () => {
    const EFER = 0xc000_0080 | 0;
    expect([rdmsr(EFER), wrmsr(EFER, 0x800), rdmsr(EFER)]).toEqual(["0:0", "", "0:800"]);
    for (const low of [1, 0x100, 0x400, 0x1000]) expect(wrmsr(EFER, low)).toBe(GP);
    expect(wrmsr(EFER, 0, 1)).toBe(GP);
    b = new BareCpu("pentium3");
    expect(rdmsr(EFER)).toBe(GP);
  });

  it("memory types: eight variable ranges of 36 bits, fixed ranges, a default", () => {
    expect(rdmsr(0xfe)).toBe("0:508");
    expect(wrmsr(0xfe, 0x508)).toBe(GP);
    expect([wrmsr(0x200, 0xe000_0006 | 0, 0xf), wrmsr(0x201, 0xf000_0800 | 0, 0xf)]).toEqual(["", ""]);
    expect([rdmsr(0x200), rdmsr(0x201)]).toEqual(["f:e0000006", "f:f0000800"]);
    expect([wrmsr(0x200, 2), wrmsr(0x200, 7), wrmsr(0x200, 0x100), wrmsr(0x200, 0, 0x10), wrmsr(0x201, 0x400)]).toEqual([GP, GP, GP, GP, GP]);
    expect([rdmsr(0x20f), rdmsr(0x210)]).toEqual(["0:0", GP]);
    expect([wrmsr(0x250, 0x0605_0401, 0x0606_0606), wrmsr(0x26f, 0x0600_0200)]).toEqual(["", GP]);
    expect([wrmsr(0x2ff, 0xc06), rdmsr(0x2ff), wrmsr(0x2ff, 0x100), wrmsr(0x2ff, 3)]).toEqual(["", "0:c06", GP, GP]);
  });

  it("PAT: a type a byte, UC- among them", () => {
    expect(rdmsr(0x277)).toBe("70406:70406");
    expect([wrmsr(0x277, 0x0007_0106, 0x0004_0605), rdmsr(0x277)]).toEqual(["", "40605:70106"]);
    expect([wrmsr(0x277, 2), wrmsr(0x277, 0x300), wrmsr(0x277, 0x8000_0000 | 0), wrmsr(0x277, 0, 0x0b00)]).toEqual([GP, GP, GP, GP]);
  });

  it("machine-check banks can be enabled and cleared, and hold nothing", () => {
    expect([rdmsr(0x179), rdmsr(0x17a), wrmsr(0x17a, 0)]).toEqual(["0:4", "0:0", ""]);
    expect([wrmsr(0x400, -1, -1), rdmsr(0x400)]).toEqual(["", "ffffffff:ffffffff"]);
    expect([wrmsr(0x401, 0), wrmsr(0x401, 1), rdmsr(0x401), rdmsr(0x40f), rdmsr(0x410)]).toEqual(["", GP, "0:0", "0:0", GP]);
  });

  it("MISC_ENABLE: reserved bits fault, what the processor lacks stays said", () => {
    expect(rdmsr(0x1a0)).toBe("0:41801");
    // No performance monitoring (7), no BTS (11), no PEBS (12).
    expect([wrmsr(0x1a0, 0x0004_0080), rdmsr(0x1a0)]).toEqual(["", "0:41800"]);
    expect([wrmsr(0x1a0, 2), wrmsr(0x1a0, 0, 1)]).toEqual([GP, GP]);
  });

  it("microcode: no update is loaded", () => {
    expect([wrmsr(0x8b, 0), wrmsr(0x79, 0x1_0000), rdmsr(0x8b), rdmsr(0x79), rdmsr(0x17), rdmsr(0x2a)]).toEqual(["", "", "0:0", GP, "0:0", "0:0"]);
  });

  it("come back after reset, and from what was saved", () => {
    wrmsr(0x277, 0);
    wrmsr(0x2ff, 0x806);
    const saved = b.cpu.msrs.save();
    b.cpu.reset();
    expect([rdmsr(0x277), rdmsr(0x2ff)]).toEqual(["70406:70406", "0:0"]);
    b.cpu.msrs.load(saved);
    expect([rdmsr(0x277), rdmsr(0x2ff)]).toEqual(["0:0", "0:806"]);
  });

  it("DEBUGCTL has LBR, BTF and TR; the branch trace store is not there", () => {
    expect([wrmsr(0x1d9, 0x7f), rdmsr(0x1d9), wrmsr(0x1d9, 0x80), wrmsr(0x1d9, 0, 1)]).toEqual(["", "0:7", GP, GP]);
    expect([rdmsr(0x1da), wrmsr(0x1da, 1), rdmsr(0x68f), wrmsr(0x6cf, 5), rdmsr(0x6cf), rdmsr(0x690)]).toEqual(["0:0", GP, "0:0", "", "0:5", GP]);
    b = new BareCpu("pentium3");
    expect([wrmsr(0x1d9, 0x7f), rdmsr(0x1d9), rdmsr(0x1db), wrmsr(0x1de, 0), rdmsr(0x680)]).toEqual(["", "0:7f", "0:0", GP, GP]);
  });

  it("others do not exist", () => {
    for (const n of [2, 0xc1, 0x186, 0x1db, 0x300, 0xc000_0081 | 0]) expect([rdmsr(n), wrmsr(n, 0)]).toEqual([GP, GP]);
    b = new BareCpu("pentium");
    for (const n of [0x17, 0x8b, 0xfe, 0x179, 0x1a0, 0x1d9, 0x277]) expect([rdmsr(n), wrmsr(n, 0)]).toEqual([GP, GP]);
    expect([rdmsr(0), rdmsr(1)]).toEqual(["0:0", "0:0"]);
  });
});
