// Arithmetic, decimal, shift, rotate and bit instructions: captured results of a processor, the SDM's bit-by-bit loops, and memory forms.

import { describe, expect, it } from "vitest";
import { run } from "../../../test/support/one-instruction.ts";
import { createPrng } from "../../../test/support/prng.ts";
import { EFLAGS_AF as AF, EFLAGS_CF as CF, EFLAGS_OF as OF, EFLAGS_PF as PF, EFLAGS_SF as SF, EFLAGS_ZF as ZF } from "../state-layout.ts";

const DIVIDE_ERROR = { vector: 0, errorCode: null };
const BSF_UNDEFINED = CF | PF | AF | SF | OF;
const DIV_UNDEFINED = CF | PF | ZF | SF | OF;

/**
 * Run on an AMD EPYC (Zen 4) in a 32-bit process: bytes, assembly, EAX ECX EDX and flags before, EAX EDX and flags after
 * (null: #DE), and the flags that the manual leaves undefined and we leave as we like.
 */
const SILICON: readonly (readonly [string, string, readonly number[], readonly number[] | null, number?])[] = [
  ["D2E0", "shl al,cl", [0x80, 9, 0, 0], [0, 0, 0x54]],
  ["D2E0", "shl al,cl", [0x81, 8, 0, 0], [0, 0, 0x855]],
  ["D2E8", "shr al,cl", [0xff, 8, 0, 0], [0, 0, 0x55]],
  ["D2F8", "sar al,cl", [0x80, 31, 0, 0], [0xff, 0, 0x95]],
  ["D3E0", "shl eax,cl", [0xc0000001, 1, 0, 0], [0x80000002, 0, 0x91]],
  ["D3E0", "shl eax,cl", [0x80000001, 31, 0, 0], [0x80000000, 0, 0x894]],
  ["66D3E0", "shl ax,cl", [0x8001, 17, 0, 0], [0, 0, 0x54]],
  ["D3E8", "shr eax,cl", [0x80000001, 1, 0, 0], [0x40000000, 0, 0x815]],
  ["66D3E8", "shr ax,cl", [0x8001, 16, 0, 0], [0, 0, 0x55]],
  ["D3F8", "sar eax,cl", [0x80000001, 31, 0, 0], [0xffffffff, 0, 0x94]],
  ["D2C0", "rol al,cl", [0x81, 8, 0, 0xd4], [0x81, 0, 0xd5]],
  ["D2C8", "ror al,cl", [0x81, 16, 0, 0x894], [0x81, 0, 0x895]],
  ["D2D0", "rcl al,cl", [0x81, 9, 0, 1], [0x81, 0, 1]],
  ["D2D0", "rcl al,cl", [0x81, 1, 0, 0], [2, 0, 0x801]],
  ["D2D8", "rcr al,cl", [1, 9, 0, 1], [1, 0, 1]],
  ["66D3D0", "rcl ax,cl", [0x8001, 17, 0, 1], [0x8001, 0, 1]],
  ["66D3D8", "rcr ax,cl", [0x8001, 18, 0, 0], [0x4000, 0, 0x801]],
  ["D3D0", "rcl eax,cl", [0x80000001, 31, 0, 1], [0xe0000000, 0, 0x800]],
  ["D3D8", "rcr eax,cl", [0x80000001, 31, 0, 1], [7, 0, 0]],
  ["0FA5D0", "shld eax,edx,cl", [0x80000001, 4, 0xf2345678, 0], [0x1f, 0xf2345678, 0x10]],
  ["0FADD0", "shrd eax,edx,cl", [0x80000001, 4, 0xf234567f, 0], [0xf8000000, 0xf234567f, 0x94]],
  ["660FA5D0", "shld ax,dx,cl", [0x8001, 16, 0xf234, 0], [0xf234, 0xf234, 0x91], OF],
  ["660FADD0", "shrd ax,dx,cl", [0x8001, 16, 0xf234, 0], [0xf234, 0xf234, 0x91]],
  ["660FADD0", "shrd ax,dx,cl", [0x8001, 1, 0xf235, 0], [0xc000, 0xf235, 0x95]],
  ["27", "daa", [0xae, 0, 0, 0], [0x14, 0, 0x15]],
  ["27", "daa", [0x79, 0, 0, 0x11], [0xdf, 0, 0x891]],
  ["2F", "das", [3, 0, 0, 0x10], [0xfd, 0, 0x91]],
  ["2F", "das", [0x99, 0, 0, 0], [0x99, 0, 0x84]],
  ["2F", "das", [0x80, 0, 0, 0x11], [0x1a, 0, 0x811]],
  ["37", "aaa", [0xfa, 0, 0, 0], [0x200, 0, 0x15], ZF | SF | OF],
  ["37", "aaa", [0x105, 0, 0, 0], [0x105, 0, 4], ZF | SF | OF],
  ["3F", "aas", [5, 0, 0, 0x10], [0xfe0f, 0, 0x95], ZF | SF | OF],
  ["3F", "aas", [0x300, 0, 0, 0x10], [0x10a, 0, 0x15], ZF | SF | OF],
  ["D40A", "aam", [0xff3f, 0, 0, 0x8d5], [0x603, 0, 4]],
  ["D407", "aam 7", [0xff3f, 0, 0, 0x8d5], [0x900, 0, 0x44]],
  ["D400", "aam 0", [0xff3f, 0, 0, 0x8d5], null],
  ["D50A", "aad", [0x209, 0, 0, 0], [0x1d, 0, 4]],
  ["D510", "aad 16", [0xff7f, 0, 0, 0], [0x6f, 0, 5]],
  ["F6F1", "div cl", [0x100, 2, 0, 0], [0x80, 0, 0x10], DIV_UNDEFINED],
  ["F6F1", "div cl", [0x1ff, 2, 0, 0x894], [0x1ff, 0, 0x810], DIV_UNDEFINED],
  ["F6F1", "div cl", [0x200, 2, 0, 0], null],
  ["F6F9", "idiv cl", [0xff80, 0xff, 0, 0], null],
  ["F6F9", "idiv cl", [0xc000, 0x80, 0, 0], null],
  ["F6F9", "idiv cl", [0xfff9, 2, 0, 0], [0xfffd, 0, 0x10], DIV_UNDEFINED],
  ["F7F9", "idiv ecx", [7, 0xfffffffe, 0, 0], [0xfffffffd, 1, 0x10], DIV_UNDEFINED],
  ["F7F9", "idiv ecx", [0, 0xffffffff, 0x80000000, 0], null],
  ["F7F9", "idiv ecx", [0x80000000, 0xffffffff, 0xffffffff, 0], null],
  ["F7F1", "div ecx", [0xffffffff, 0xffffffff, 0xfffffffe, 0], [0xffffffff, 0xfffffffe, 0x10], DIV_UNDEFINED],
  ["F7F1", "div ecx", [0, 0xffffffff, 0xffffffff, 0], null],
  ["66F7F9", "idiv cx", [0, 0xffff, 0x8000, 0], null],
  ["66F7F9", "idiv cx", [0x8000, 1, 0xffff, 0], [0x8000, 0, 0x10], DIV_UNDEFINED],
  ["F6E1", "mul cl", [0x10, 0x10, 0, 0xd4], [0x100, 0, 0x8d5]],
  ["F7E9", "imul ecx", [0xffffffff, 2, 0, 0x895], [0xfffffffe, 0xffffffff, 0x94]],
  ["F7E9", "imul ecx", [0x80000000, 0x80000000, 0, 0], [0, 0x40000000, 0x801]],
  ["F6E9", "imul cl", [0xff, 0x80, 0, 0], [0x80, 0, 0x801]],
  ["0FAFC1", "imul eax,ecx", [0x10000, 0x8000, 0, 0], [0x80000000, 0, 0x801]],
  ["660FAFC1", "imul ax,cx", [0x100, 0x80, 0, 0], [0x8000, 0, 0x801]],
  ["0FBCC1", "bsf eax,ecx", [0x77, 0, 0, 0], [0x77, 0, ZF], BSF_UNDEFINED],
  ["0FBDC1", "bsr eax,ecx", [0, 0x10000, 0, 0], [16, 0, 0], BSF_UNDEFINED],
  ["0FC8", "bswap eax", [0x11223344, 0, 0, 0], [0x44332211, 0, 0]],
  ["660FC8", "bswap ax", [0x11223344, 0, 0, 0], [0x11220000, 0, 0]],
  ["D6", "salc", [0x1234, 0, 0, 1], [0x12ff, 0, 1]],
];

describe("captured from silicon", () => {
  it.each(SILICON.map((capture) => ({ name: `${capture[0]} ${capture[1]}`, capture })))("$name", ({ capture }) => {
    const [code, , [eax, ecx, edx, flags], after, undefinedFlags = 0] = capture;
    const got = run({ code, eax: eax!, ecx: ecx!, edx: edx!, flags: flags! });
    if (after === null) {
      expect(got).toMatchObject({ fault: DIVIDE_ERROR, eax, edx, flags, eip: 0x1000 });
      return;
    }
    expect(got).toMatchObject({ fault: null, eax: after[0], ecx, edx: after[1] });
    expect(got.flags & ~undefinedFlags).toBe(after[2]! & ~undefinedFlags);
  });
});

/** SDM Vol. 2, "Operation" of the shifts and rotates: one bit a round. */
function byTheManual(kind: number, bits: number, value: number, count: number, carryIn: number): { value: number; carry: number } {
  let x = BigInt(value);
  let carry = BigInt(carryIn);
  const top = BigInt(bits - 1);
  const mask = (1n << BigInt(bits)) - 1n;
  const rounds = (count & 31) % (kind === 2 || kind === 3 ? (bits === 32 ? 32 : bits + 1) : 32);
  for (let round = 0; round < rounds; round++) {
    const high = (x >> top) & 1n, low = x & 1n;
    switch (kind) {
      case 0: x = ((x << 1n) & mask) | high; carry = high; break;
      case 1: x = (x >> 1n) | (low << top); carry = low; break;
      case 2: x = ((x << 1n) & mask) | carry; carry = high; break;
      case 3: x = (x >> 1n) | (carry << top); carry = low; break;
      case 4: case 6: x = (x << 1n) & mask; carry = high; break;
      case 5: x >>= 1n; carry = low; break;
      case 7: x = (x >> 1n) | (high << top); carry = low; break;
    }
  }
  return { value: Number(x), carry: Number(carry) };
}

describe("shifts and rotates", () => {
  const prng = createPrng(3);
  for (const [bits, code] of [[8, "D2"], [16, "66D3"], [32, "D3"]] as const)
    it(`${bits} bits: every kind and count as the manual's loop`, () => {
      for (let kind = 0; kind < 8; kind++)
        for (let count = 0; count < 64; count++)
          for (const value of [0, 1, 2 ** (bits - 1), 2 ** bits - 1, prng.next() % 2 ** bits]) {
            const before = prng.next() & (CF | PF | AF | ZF | SF | OF);
            const upper = bits === 32 ? 0 : (0xdead0000 >>> 0) + (bits === 8 ? 0xbe00 : 0);
            const got = run({ code: code + (0xc0 | (kind << 3)).toString(16), eax: upper + value, ecx: 0xabcd0000 + count, flags: before });
            const want = byTheManual(kind, bits, value, count, before & CF);
            const what = `${code} /${kind} ${value.toString(16)} by ${count}`;
            expect(got.eax, what).toBe(upper + want.value);
            if ((count & 31) === 0) expect(got.flags, what).toBe(before);
            else {
              // A byte or word shifted further than its width: the carry is the bit beyond, which is a zero or the sign.
              expect(got.flags & CF, what).toBe(want.carry);
              const rotate = kind < 4;
              if (rotate) expect(got.flags & (PF | AF | ZF | SF), what).toBe(before & (PF | AF | ZF | SF));
              else expect((got.flags & ZF) !== 0, what).toBe(want.value === 0);
            }
          }
    });

  it("takes the count 1 and immediate counts", () => {
    expect(run({ code: "D1 E0", eax: 0x40000000 })).toMatchObject({ eax: 0x80000000, flags: SF | OF | PF | AF });
    expect(run({ code: "C1 E0 20", eax: 5, flags: CF })).toMatchObject({ eax: 5, flags: CF });
    expect(run({ code: "C0 E4 04", eax: 0x1234 })).toMatchObject({ eax: 0x2034 });
    expect(run({ code: "C1 F0 04", eax: 0x12345678 })).toMatchObject({ mnemonic: "SHL", eax: 0x23456780 });
  });

  it("works in memory and proves it writable before the flags change", () => {
    const memory = { 0x2000: [0x01, 0x80] };
    const ok = run({ code: "66 D1 07", edi: 0x2000, memory });
    expect(ok.word(0x2000)).toBe(0x0003);
    expect(ok.flags & CF).toBe(CF);
    const readOnly = run({
      code: "66 D1 07", edi: 0x2000, memory, flags: ZF, faultAt: (_at, _bytes, write) => (write ? { vector: 14, errorCode: 3 } : null),
    });
    expect(readOnly).toMatchObject({ fault: { vector: 14, errorCode: 3 }, flags: ZF, eip: 0x1000 });
  });

  it("SHLD and SHRD by 0 change nothing; 16 bits by more than 16 goes round through the destination", () => {
    expect(run({ code: "0F A4 D0 20", eax: 1, edx: 2, flags: CF | SF })).toMatchObject({ eax: 1, flags: CF | SF });
    // 1234:ABCD:1234 left by 20: 5 hexadecimal digits.
    expect(run({ code: "66 0F A4 D0 14", eax: 0x1234, edx: 0xabcd }).eax).toBe(0xbcd1);
    // 1234:ABCD:1234 right by 20.
    expect(run({ code: "66 0F AC D0 14", eax: 0x1234, edx: 0xabcd }).eax).toBe(0x4abc);
  });
});

describe("two-operand arithmetic", () => {
  it("reads and writes memory once, at the proved place, whatever the registers become", () => {
    // xadd [eax],eax
    const got = run({ code: "0F C1 00", eax: 0x3000, memory: { 0x3000: [5, 0, 0, 0] } });
    expect(got).toMatchObject({ eax: 5, flags: PF });
    expect(got.dword(0x3000)).toBe(0x3005);
  });
  it("leaves registers and flags when the destination cannot be written", () => {
    const got = run({ code: "11 18", eax: 0x3000, ebx: 7, flags: CF, faultAt: () => ({ vector: 14, errorCode: 2 }) });
    expect(got).toMatchObject({ fault: { vector: 14 }, eax: 0x3000, ebx: 7, flags: CF });
    expect(got.writes).toEqual([]);
  });
  it("ADC and SBB take CF in", () => {
    expect(run({ code: "11 C8", eax: 0xffffffff, ecx: 0, flags: CF })).toMatchObject({ eax: 0, flags: CF | PF | AF | ZF });
    expect(run({ code: "19 C8", eax: 0, ecx: 0xffffffff, flags: CF })).toMatchObject({ eax: 0, flags: CF | PF | AF | ZF });
    expect(run({ code: "83 D8 FF", eax: 5, flags: 0 })).toMatchObject({ eax: 6 });
  });
  it("sign-extends an 8-bit immediate to the operand size", () => {
    expect(run({ code: "83 C0 80", eax: 0x100 }).eax).toBe(0x80);
    expect(run({ code: "66 83 C0 80", eax: 0xffff0100 }).eax).toBe(0xffff0080);
    expect(run({ code: "82 C0 80", eax: 0x100 }).eax).toBe(0x180);
  });
  it("NEG sets CF unless the operand is 0", () => {
    expect(run({ code: "F7 D8", eax: 0, flags: CF })).toMatchObject({ eax: 0, flags: ZF | PF });
    expect(run({ code: "F6 D8", eax: 0x180 })).toMatchObject({ eax: 0x180, flags: CF | OF | SF });
  });
  it("NOT changes no flag", () => expect(run({ code: "F7 D0", eax: 0x0f0f0f0f, flags: CF | ZF })).toMatchObject({ eax: 0xf0f0f0f0, flags: CF | ZF }));
  it("CMP and TEST write nothing, not even to memory that they could not write", () => {
    const faultAt = (_at: number, _bytes: number, write: boolean) => (write ? { vector: 14, errorCode: 3 } : null);
    const memory = { 0x3000: [7, 0, 0, 0] };
    expect(run({ code: "83 38 07", eax: 0x3000, memory, faultAt })).toMatchObject({ fault: null, flags: ZF | PF });
    expect(run({ code: "F7 00 08 00 00 00", eax: 0x3000, memory, faultAt, flags: CF | OF })).toMatchObject({ fault: null, flags: ZF | PF });
  });
  it("three-operand IMUL multiplies the source by the immediate", () => {
    expect(run({ code: "6B C3 FE", ebx: 3 })).toMatchObject({ eax: 0xfffffffa, flags: 0 });
    expect(run({ code: "66 69 C3 00 40", eax: 0x12340000, ebx: 4 })).toMatchObject({ eax: 0x12340000, flags: CF | OF });
  });
});

describe("CMPXCHG", () => {
  it("stores the source if the accumulator is equal", () => {
    const got = run({ code: "0F B1 0E", eax: 5, ecx: 9, esi: 0x3000, memory: { 0x3000: [5, 0, 0, 0] } });
    expect(got).toMatchObject({ eax: 5, flags: ZF | PF });
    expect(got.dword(0x3000)).toBe(9);
  });
  it("loads the accumulator otherwise, and writes the destination back", () => {
    const got = run({ code: "0F B1 0E", eax: 4, ecx: 9, esi: 0x3000, memory: { 0x3000: [5, 0, 0, 0] } });
    expect(got).toMatchObject({ eax: 5 });
    expect(got.flags & (ZF | CF | SF)).toBe(CF | SF);
    expect(got.dword(0x3000)).toBe(5);
    expect(got.writes).toEqual([0x3000, 0x3001, 0x3002, 0x3003]);
  });
  it("faults on read-only memory even if it would not change it", () => {
    const got = run({ code: "0F B0 0E", eax: 4, esi: 0x3000, faultAt: (_a, _b, write) => (write ? { vector: 14, errorCode: 3 } : null) });
    expect(got).toMatchObject({ fault: { vector: 14, errorCode: 3 }, eax: 4 });
  });
  it("CMPXCHG8B compares EDX:EAX and changes ZF alone", () => {
    const memory = { 0x3000: [1, 0, 0, 0, 2, 0, 0, 0] };
    const equal = run({ code: "0F C7 0E", eax: 1, edx: 2, ebx: 0x11111111, ecx: 0x22222222, esi: 0x3000, memory, flags: CF | SF | OF });
    expect(equal).toMatchObject({ eax: 1, edx: 2, flags: CF | SF | OF | ZF });
    expect([equal.dword(0x3000), equal.dword(0x3004)]).toEqual([0x11111111, 0x22222222]);
    const other = run({ code: "0F C7 0E", eax: 1, edx: 3, ebx: 7, ecx: 8, esi: 0x3000, memory, flags: ZF | PF });
    expect(other).toMatchObject({ eax: 1, edx: 2, flags: PF });
    expect([other.dword(0x3000), other.dword(0x3004)]).toEqual([1, 2]);
  });
});

describe("bit instructions", () => {
  it("reach beyond a memory operand with a register index, to both sides", () => {
    const at = (index: number) => run({ code: "0F AB 06", eax: index, esi: 0x3000 }).writes[0];
    expect(at(0)).toBe(0x3000);
    expect(at(31)).toBe(0x3000);
    expect(at(32)).toBe(0x3004);
    expect(at(-1)).toBe(0x2ffc);
    expect(at(0x80000000)).toBe((0x3000 - 0x10000000) >>> 0);
  });
  it("take a word index as signed and address words", () => {
    const got = run({ code: "66 0F BB 06", eax: 0x1234ffef, esi: 0x3000 });
    expect(got.writes).toEqual([0x2ffc, 0x2ffd]);
    expect(got.word(0x2ffc)).toBe(0x8000);
  });
  it("wrap the bit string's address with 16-bit addresses", () => {
    // bts [si],ax in 16-bit code
    const got = run({ bits: 16, code: "0F AB 04", eax: 0xfff0, esi: 0x0000 });
    expect(got.writes).toEqual([0xfffe, 0xffff]);
  });
  it("take the index modulo the operand size in registers and with immediates", () => {
    expect(run({ code: "0F AB C8", eax: 0, ecx: 33 }).eax).toBe(2);
    expect(run({ code: "0F BA 2E 21", esi: 0x3000 }).writes).toEqual([0x3000, 0x3001, 0x3002, 0x3003]);
    expect(run({ code: "66 0F BA F0 1F", eax: 0xffffffff })).toMatchObject({ eax: 0xffff7fff, flags: CF });
  });
  it("change CF alone", () => {
    expect(run({ code: "0F A3 C8", eax: 2, ecx: 1, flags: ZF | SF | OF | PF | AF }).flags).toBe(ZF | SF | OF | PF | AF | CF);
    expect(run({ code: "0F A3 C8", eax: 2, ecx: 2, flags: ZF | OF | CF }).flags).toBe(ZF | OF);
  });
  it("leave the destination of BSF and BSR of 0", () => {
    expect(run({ code: "0F BC C1", eax: 0x1234, ecx: 0 })).toMatchObject({ eax: 0x1234 });
    expect(run({ code: "66 0F BD C1", eax: 0xaaaa1234, ecx: 0xffff0000 })).toMatchObject({ eax: 0xaaaa1234 });
    expect(run({ code: "66 0F BD C1", eax: 0xaaaa1234, ecx: 0x4000 })).toMatchObject({ eax: 0xaaaa000e });
  });
  it("SETcc writes a byte of 0 or 1", () => {
    expect(run({ code: "0F 92 C4", eax: 0xffffffff, flags: CF }).eax).toBe(0xffff01ff);
    expect(run({ code: "0F 93 C4", eax: 0xffffffff, flags: CF }).eax).toBe(0xffff00ff);
  });
});
