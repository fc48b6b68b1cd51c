import { describe, expect, it } from "vitest";
import { createPrng } from "../../test/support/prng.ts";
import { encodeRow } from "../../test/support/row-encoder.ts";
import { createDecoded, createDecoder } from "./decoder.ts";
import { describeBytes, disassemble } from "./disassembler.ts";
import { ROWS } from "./opcode-map/index.ts";

const decoder = createDecoder(ROWS);

function decode(hex: string, code32: boolean) {
  const bytes = Uint8Array.from(hex.replace(/ /g, "").match(/../g)!.map((byte) => Number.parseInt(byte, 16)));
  const decoded = createDecoded();
  decoder.decodeBytes(bytes, 0, bytes.length, code32, decoded);
  return { bytes, decoded };
}

describe("disassemble", () => {
  it.each([
    ["8B 44 8B 08", "mov eax,[ebx+ecx*4+8]"],
    ["8B 44 8B F8", "mov eax,[ebx+ecx*4-8]"],
    ["C7 45 FC 00000000", "mov dword ptr [ebp-4],0"],
    ["F0 83 00 01", "lock add dword ptr [eax],1"],
    ["64 A1 00000000", "mov eax,fs:[0]"],
    ["36 8B 45 00", "mov eax,[ebp]"],
    ["FF 14 85 001012C0", "call dword ptr [eax*4+0xc0121000]"],
    ["0F B7 03", "movzx eax,word ptr [ebx]"],
    ["8E D8", "mov ds,ax"],
    ["8C 18", "mov [eax],ds"],
    ["83 C4 F8", "add esp,0xfffffff8"],
    ["66 83 C0 FF", "add ax,0xffff"],
    ["D3 20", "shl dword ptr [eax],cl"],
    ["D1 E0", "shl eax,1"],
    ["9C", "pushfd"], ["66 9C", "pushf"], ["CF", "iretd"], ["60", "pushad"], ["98", "cwde"], ["66 99", "cwd"], ["E3 00", "jecxz 0x00401002"], ["67 E3 00", "jcxz 0x00401003"],
    ["E8 FBFFFFFF", "call 0x00401000"], ["75 FE", "jne 0x00401000"], ["0F 87 FAFFFFFF", "ja 0x00401000"], ["66 E9 FCFF", "jmp 0x1000"],
    ["9A 78563412 1000", "call far 0x0010:0x12345678"], ["FF 28", "jmp far fword ptr [eax]"], ["66 FF 28", "jmp far dword ptr [eax]"],
    ["F3 A5", "rep movsd"], ["F2 AE", "repne scasb"], ["F3 A6", "repe cmpsb"], ["64 AC", "lodsb fs:[esi]"], ["67 AA", "stosb es:[di]"], ["67 64 D7", "xlat fs:[bx]"],
    ["0F 01 18", "lidt [eax]"], ["0F 00 08", "str word ptr [eax]"], ["0F 20 C0", "mov eax,cr0"], ["0F 23 F8", "mov dr7,eax"], ["0F 94 C0", "sete al"], ["C8 1000 01", "enter 0x10,1"],
    ["E4 64", "in al,0x64"], ["EF", "out dx,eax"], ["CD 80", "int 0x80"], ["67 E2 FD", "loopw 0x00401000"], ["FF FF", "(bad)"],
  ])("%s", (hex, text) => {
    expect(disassemble(decode(hex, true).decoded, 0x401000)).toBe(text);
  });
  it.each([
    ["8B 07", "mov ax,[bx]"], ["8B 42 FE", "mov ax,[bp+si-2]"], ["26 8B 0E FEFF", "mov cx,es:[0xfffe]"], ["9C", "pushf"], ["66 9C", "pushfd"], ["CF", "iret"],
    ["EA 00F0 00F0", "jmp far 0xf000:0xf000"], ["EB FE", "jmp 0xfff0"], ["EB 0E", "jmp 0x0000"], ["F3 AB", "rep stosw"], ["66 F3 AB", "rep stosd es:[di]"], ["E3 00", "jcxz 0xfff2"],
  ])("16-bit %s", (hex, text) => {
    expect(disassemble(decode(hex, false).decoded, 0xfff0)).toBe(text);
  });
});

describe("describeBytes", () => {
  const roles = (hex: string, code32 = true) => {
    const { bytes, decoded } = decode(hex, code32);
    return describeBytes(decoded, bytes).map(({ start, length, role }) => `${start}+${length} ${role}`);
  };
  it("names every part", () => {
    expect(roles("F0 64 81 84 C8 78563412 F0DEBC9A")).toEqual(["0+1 prefix", "1+1 prefix", "2+1 opcode", "3+1 modrm", "4+1 sib", "5+4 displacement", "9+4 immediate"]);
    expect(roles("0F B6 45 FC")).toEqual(["0+2 opcode", "2+1 modrm", "3+1 displacement"]);
    expect(roles("A1 00100000")).toEqual(["0+1 opcode", "1+4 displacement"]);
    expect(roles("C8 1000 01")).toEqual(["0+1 opcode", "1+3 immediate"]);
    expect(roles("F3 90")).toEqual(["0+1 prefix", "1+1 opcode"]);
    expect(roles("8B 06 3412", false)).toEqual(["0+1 opcode", "1+1 modrm", "2+2 displacement"]);
    expect(roles("FF FF")).toEqual(["0+1 opcode", "1+1 modrm"]);
  });
});

// What the encoder of a row writes, the decoder reads as that row: no row is unreachable or shadowed.
describe("every row", () => {
  it("is decoded from its encodings", () => {
    const random = createPrng(5);
    const decoded = createDecoded();
    const wrong: string[] = [];
    for (const row of ROWS) {
      for (let i = 0; i < 24; i++) {
        const code32 = random.oneIn(2);
        const encoding = encodeRow(row, random, { code32, prefixRate: 3 });
        const bytes = Uint8Array.from(encoding.bytes);
        const length = decoder.decodeBytes(bytes, 0, bytes.length, code32, decoded);
        if (decoded.row !== row || length !== bytes.length || decoded.lockInvalid) wrong.push(`${row.opcode} ${row.mnemonic}: ${Buffer.from(bytes).toString("hex")} is ${decoded.row?.opcode}`);
        const { memory } = encoding;
        if (memory && (decoded.base !== memory.base || decoded.index !== memory.index || decoded.scale !== memory.scale)) wrong.push(`${row.opcode}: address of ${Buffer.from(bytes).toString("hex")}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
