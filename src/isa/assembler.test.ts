import { describe, expect, it } from "vitest";
import { assemble } from "./assembler.ts";
import { createDecoded, createDecoder } from "./decoder.ts";
import { disassemble } from "./disassembler.ts";
import { ROWS } from "./opcode-map/index.ts";

const hex = (source: string, code32 = false, origin = 0): string => {
  const { bytes, errors } = assemble(source, { code32, origin });
  return errors.length > 0 ? errors.map(({ line, message }) => `${line}: ${message}`).join("; ") : Buffer.from(bytes).toString("hex");
};

describe("the assembler", () => {
  // Bytes by the SDM's opcode tables, as NASM 2.16 gives them.
  it.each([
    ["mov ax, [bx+si]", "8b00"], ["mov eax, [ebx+ecx*4+8]", "66678b448b08"], ["mov byte [bp], 5", "c6460005"], ["es mov al, [si]", "268a04"], ["mov al, [es:di]", "268a05"],
    ["add word [0x1234], 1", "8306341201"], ["push 0x80", "688000"], ["push 5", "6a05"], ["jmp 0x10:0x20", "ea20001000"], ["rep movsd", "f366a5"], ["lock inc word [bx]", "f0ff07"],
    ["mov cr0, eax", "0f22c0"], ["lgdt [0x7c80]", "0f0116807c"], ["sgdt [bx]", "0f0107"], ["popfd", "669d"], ["iretd", "66cf"], ["int 0x80", "cd80"], ["int3", "cc"], ["in al, dx", "ec"], ["out 0x20, al", "e620"],
    ["movzx ecx, byte [di]", "660fb60d"], ["shl ax, 1", "d1e0"], ["shl ax, cl", "d3e0"], ["imul ax, bx, 300", "69c32c01"], ["retf 4", "ca0400"], ["mov ds, ax", "8ed8"], ["cpuid", "0fa2"], ["fld dword [bx]", "d907"],
    ["jmp $", "ebfe"], ["call far [bx]", "ff1f"], ["xchg [bx], dl", "8617"], ["bswap eax", "660fc8"], ["movdqa xmm1, [si]", "660f6f0c"],
  ])("%s", (source, bytes) => expect(hex(source)).toBe(bytes));

  it("makes a boot sector: labels, jumps of both lengths, data, a change of mode", () => {
    const { bytes, errors, symbols } = assemble(`
org 0x7c00
start:  cli
        xor ax, ax
.again: dec ax
        jnz .again
        jz far_away        ; 128 bytes: not a short jump
        times 128 nop
far_away: jmp 8:flat
bits 32
flat:   mov eax, message + 1
message: db "Hi", 10, 'x'
size    equ $ - message
        dw size, 0xaa55
times 510-($-$$) db 0
        dw 0xaa55`);
    expect(errors).toEqual([]);
    expect([bytes.length, bytes[510], bytes[511]]).toEqual([512, 0x55, 0xaa]);
    expect(Buffer.from(bytes.subarray(0, 10)).toString("hex")).toBe("fa31c04875fd0f848000");
    expect(symbols.get("far_away")).toBe(0x7c00 + 10 + 128);
    const flat = symbols.get("flat")! - 0x7c00, message = symbols.get("message")!;
    expect(Buffer.from(bytes.subarray(flat, flat + 9)).toString("hex")).toBe(`b8${Buffer.from(Int32Array.of(message + 1).buffer).toString("hex")}48690a78`);
  });

  it("names what is wrong, and its line", () => {
    for (const [source, message] of [
      ["nop\nmov al, bx", /^1: mov does not take/], ["inc [bx]", /say the size/], ["jmp short x\ntimes 200 nop\nx:", /farther away than/], ["mov ax, y", /y is not defined/], ["db 256", /does not fit/], ["frob ax", /no instruction/],
      ["a: nop\na: nop", /defined twice/], ["mov ax, [ax]", /./], ["mov [bx+bp], al", /./], ["mov cs, ax", /./], ["times 510-($-$$) db 0\ntimes -1 nop", /too long/],
    ] as const) expect(hex(source), source).toMatch(message);
    expect(assemble("times 600 nop", { most: 512 }).errors[0]?.message).toMatch(/600 bytes/);
  });

  it("gives back what the disassembler writes", () => {
    const decoder = createDecoder(ROWS), decoded = createDecoded();
    let seed = 20030214, checked = 0;
    const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
    const read = (bytes: Uint8Array, code32: boolean): [number, string] => [decoder.decodeBytes(bytes, 0, 15, code32, decoded), decoded.row ? disassemble(decoded, 0x1000) : "(bad)"];
    const wrong: string[] = [];
    for (let n = 0; n < 1500; n++) {
      const code32 = n % 2 === 1, bytes = Uint8Array.from({ length: 16 }, random);
      if (n % 3 === 0) bytes[0] = 0x0f;
      // A prefix that changes nothing is not written.
      if ([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(bytes[0]!)) continue;
      const [length, text] = read(bytes, code32);
      if (length < 1 || length > 15 || text === "(bad)" || decoded.lockInvalid) continue;
      const { bytes: own, errors } = assemble(text, { origin: 0x1000, code32 });
      const [ownLength, ownText] = errors.length > 0 ? [0, errors[0]!.message] : read(Uint8Array.of(...own, ...new Array<number>(16).fill(0x90)), code32);
      checked++;
      if (ownText !== text || ownLength !== own.length || own.length > length) wrong.push(`${text}: ${ownText}`);
    }
    expect(checked).toBeGreaterThan(1000);
    // ST(0) by its number and the stack top are the same register.
    expect(wrong.filter((text) => !text.includes("st(0)"))).toEqual([]);
  });
});
