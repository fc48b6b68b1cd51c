; A diskette that calls the services of whatever BIOS booted it and reports each
; answer as a line on COM1, for the tests of src/firmware. It runs on any PC; our BIOS
; and others can be compared by it. Needs a 1.44 MB drive and a fixed disk, writes to
; both.

        cpu 386
        bits 16
        org 0x7C00

SECTORS         equ 26                  ; of this program, boot sector included
BUFFER          equ 0x3000              ; segment of a 64 KB buffer
COM             equ 0x3F8

start:
        jmp     0:.here
.here:
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7C00
        mov     [drive], dl
        mov     cx, 2                   ; the rest of the first track, then the next head
        mov     bx, 0x7E00
        mov     ax, 0x0200 + 17
        mov     dh, 0
        int     0x13
        jc      .stop
        mov     cx, 1
        mov     bx, 0x7E00 + 17 * 512
        mov     ax, 0x0200 + SECTORS - 18
        mov     dh, 1
        mov     dl, [drive]
        int     0x13
        jc      .stop
        jmp     main
.stop:
        hlt
        jmp     .stop
drive   db      0
        times 510 - ($ - $$) db 0
        dw      0xAA55

; ---- reporting ---------------------------------------------------------------
; AL to COM1.
send:
        push    dx
        push    ax
        mov     dx, COM + 5
.wait:
        in      al, dx
        test    al, 0x20
        jz      .wait
        pop     ax
        mov     dx, COM
        out     dx, al
        pop     dx
        ret

; Text behind the call.
say:
        pop     si
.next:
        cs lodsb
        test    al, al
        jz      .done
        call    send
        jmp     .next
.done:
        jmp     si

%macro SAY 1
        call    say
        db      %1, 0
%endmacro

; EAX in hexadecimal, CL digits.
hex:
        pushad
        mov     ch, cl
        mov     bl, 8
        sub     bl, cl
        shl     bl, 2
        mov     cl, bl
        shl     eax, cl
.digit:
        rol     eax, 4
        push    eax
        and     al, 0x0F
        cmp     al, 10
        sbb     al, 0x69
        das
        call    send
        pop     eax
        dec     ch
        jnz     .digit
        popad
        ret

; The state after a service: " ax bx cx dx si di c z", from the copies below.
answer:
        mov     [cs:r_ax], eax
        mov     [cs:r_bx], ebx
        mov     [cs:r_cx], ecx
        mov     [cs:r_dx], edx
        mov     [cs:r_si], esi
        mov     [cs:r_di], edi
        pushf
        pop     word [cs:r_flags]
        mov     [cs:r_es], es
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        cld
        ret
r_ax    dd 0
r_bx    dd 0
r_cx    dd 0
r_dx    dd 0
r_si    dd 0
r_di    dd 0
r_es    dw 0
r_flags dw 0

%macro SHOW 2                   ; name of a saved register, digits
        SAY     " "
        mov     eax, [%1]
        mov     cl, %2
        call    hex
%endmacro
%macro BYTE_AT 1
        SAY     " "
        movzx   eax, byte [%1]
        mov     cl, 2
        call    hex
%endmacro
%macro WORD_AT 1
        SAY     " "
        movzx   eax, word [%1]
        mov     cl, 4
        call    hex
%endmacro
%macro CARRY 0
        mov     al, [r_flags]
        and     al, 1
        call    flag
%endmacro
%macro ZERO 0
        mov     al, [r_flags]
        shr     al, 6
        and     al, 1
        call    flag
%endmacro
%macro CALL_INT 1               ; the service, then its answer is kept
        int     %1
        call    answer
%endmacro
%macro END_LINE 0
        call    end_line
%endmacro

flag:
        push    ax
        mov     al, ' '
        call    send
        pop     ax
        add     al, '0'
        jmp     send

end_line:
        mov     al, 10
        jmp     send

%macro DUMP 2
        mov     si, %1
        mov     cx, %2
        call    dump_at
%endmacro
dump_at:
        mov     al, ' '
        call    send
.next:
        lodsb
        movzx   eax, al
        push    cx
        mov     cl, 2
        call    hex
        pop     cx
        loop    .next
        ret

; ES:DI: CX bytes from a simple generator, seed AL.
pattern:
        mov     [es:di], al
        inc     di
        imul    ax, ax, 5
        add     al, 0x37
        loop    pattern
        ret

; Sum of CX bytes at ES:SI -> AX.
sum:
        xor     ax, ax
        xor     bh, bh
.next:
        es lodsb
        mov     bl, al
        add     dx, bx
        rol     dx, 1
        loop    .next
        mov     ax, dx
        ret

main:
        mov     dx, COM + 3             ; 115200 8N1
        mov     al, 0x83
        out     dx, al
        mov     dx, COM
        mov     al, 1
        out     dx, al
        inc     dx
        mov     al, 0
        out     dx, al
        mov     dx, COM + 3
        mov     al, 3
        out     dx, al
        SAY     {"BEGIN", 10}
%include "selftest/system.asm"
%include "selftest/disks.asm"
%include "selftest/keyboard.asm"
%include "selftest/video.asm"
        SAY     {"END", 10}
        mov     ax, 0x5307              ; power off
        mov     bx, 1
        mov     cx, 3
        int     0x15
.stop:
        hlt
        jmp     .stop

        times SECTORS * 512 - ($ - $$) db 0
        times 1474560 - ($ - $$) db 0
