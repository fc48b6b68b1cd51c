// A boot sector that tells on COM1 what its keyboard and its mouse sent, a line a byte, and beeps on request: what really reaches a guest.

import { assemble } from "../../src/isa/assembler.ts";

const SOURCE = `
org 0x7c00
        cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        mov al, 0xa8            ; the second port of the 8042 is used
        call command
        mov al, 0xd4            ; to the mouse: report
        call command
        call empty
        mov al, 0xf4
        out 0x60, al
        mov al, '>'
        call send
next:   in al, 0x64
        test al, 1
        jz next
        mov ah, al
        in al, 0x60
        test ah, 0x20
        mov ah, 'K'
        jz .who
        mov ah, 'M'
.who:   push ax
        mov al, 10
        call send
        mov al, 13
        call send
        mov al, ah
        call send
        pop ax
        push ax
        shr al, 4
        call digit
        pop ax
        push ax
        call digit
        pop ax
        cmp ah, 'K'
        jnz next
        cmp al, 0x3b            ; F1: 1193 counts of 1.19318 MHz
        jz beep
        cmp al, 0x3d            ; F3: the cone out and in, without the counter
        jz move
        cmp al, 0x3c            ; F2
        jnz next
        in al, 0x61
        and al, 0xfc
        out 0x61, al
        jmp next
beep:   mov al, 0xb6
        out 0x43, al
        mov al, 0xa9
        out 0x42, al
        mov al, 4
        out 0x42, al
        in al, 0x61
        or al, 3
        out 0x61, al
        jmp next
move:   in al, 0x61
        and al, 0xfc
        or al, 2
        out 0x61, al
        mov cx, 0x4000
.out:   loop .out
        and al, 0xfd
        out 0x61, al
        jmp next
digit:  and al, 15
        add al, '0'
        cmp al, '9'
        jbe send
        add al, 7
send:   push dx
        push ax
        mov dx, 0x3fd
.busy:  in al, dx
        test al, 0x20
        jz .busy
        pop ax
        mov dx, 0x3f8
        out dx, al
        pop dx
        ret
empty:  in al, 0x64
        test al, 2
        jnz empty
        ret
command: push ax
        call empty
        pop ax
        out 0x64, al
        ret
times 510-($-$$) db 0
        dw 0xaa55`;

export function inputGuest(): Uint8Array {
  const { bytes, errors } = assemble(SOURCE);
  if (errors.length > 0) throw new Error(errors.map(({ line, message }) => `${line}: ${message}`).join("\n"));
  return bytes;
}
