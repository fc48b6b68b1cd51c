; INT 09h and 16h: scan codes come in through the 8042's own "write output buffer"
; command, as if the keyboard had sent them.

%macro KEYS 1-*
%rep %0
        mov     al, %1
        call    type
%rotate 1
%endrep
%endmacro
%macro READ_KEY 1               ; function 00h or 10h
        mov     ah, %1
        CALL_INT 0x16
        SHOW    r_ax, 4
%endmacro

        SAY     "keys.empty"
        mov     ah, 0x01
        CALL_INT 0x16
        ZERO
        END_LINE
        SAY     "keys.store"
        mov     ah, 0x05
        mov     cx, 0x1E61
        CALL_INT 0x16
        BYTE_AT r_ax
        mov     ah, 0x01
        CALL_INT 0x16
        ZERO
        READ_KEY 0x00
        END_LINE
        SAY     "keys.letters"          ; a A ^A Alt-A
        KEYS    0x1E, 0x9E, 0x2A, 0x1E, 0x9E, 0xAA, 0x1D, 0x1E, 0x9E, 0x9D, 0x38, 0x1E, 0x9E, 0xB8
        READ_KEY 0x00
        READ_KEY 0x00
        READ_KEY 0x00
        READ_KEY 0x00
        END_LINE
        SAY     "keys.caps"             ; a, then 1 and shift-a with CapsLock
        KEYS    0x3A, 0xBA, 0x1E, 0x02, 0x2A, 0x1E, 0xAA, 0x3A, 0xBA
        READ_KEY 0x00
        READ_KEY 0x00
        READ_KEY 0x00
        END_LINE
        SAY     "keys.arrows"           ; grey up: as 84-key and as enhanced; keypad up
        KEYS    0xE0, 0x48, 0xE0, 0xC8, 0xE0, 0x48, 0xE0, 0xC8, 0x48, 0xC8
        READ_KEY 0x00
        READ_KEY 0x10
        READ_KEY 0x10
        END_LINE
        SAY     "keys.numlock"          ; 8, then up with shift
        KEYS    0x45, 0xC5, 0x48, 0x2A, 0x48, 0xAA, 0x45, 0xC5
        READ_KEY 0x00
        READ_KEY 0x00
        END_LINE
        SAY     "keys.keypad"           ; Enter and / behind E0h, both ways
        KEYS    0xE0, 0x1C, 0xE0, 0x35, 0xE0, 0x1C, 0xE0, 0x35
        READ_KEY 0x00
        READ_KEY 0x00
        READ_KEY 0x10
        READ_KEY 0x10
        END_LINE
        SAY     "keys.function"         ; F1, shift-F1, ^F1, Alt-F1, F11 hidden and shown
        KEYS    0x3B, 0x2A, 0x3B, 0xAA, 0x1D, 0x3B, 0x9D, 0x38, 0x3B, 0xB8, 0x57, 0x57
        READ_KEY 0x00
        READ_KEY 0x00
        READ_KEY 0x00
        READ_KEY 0x00
        READ_KEY 0x10
        mov     ah, 0x01                ; F11 is no key of an 84-key keyboard
        CALL_INT 0x16
        ZERO
        END_LINE
        SAY     "keys.alt-number"       ; Alt with 6 5 of the keypad
        KEYS    0x38, 0x4D, 0xCD, 0x4C, 0xCC, 0xB8
        READ_KEY 0x00
        END_LINE
        SAY     "keys.flags"            ; right Ctrl, left shift held
        KEYS    0xE0, 0x1D, 0x2A
        mov     ah, 0x02
        CALL_INT 0x16
        BYTE_AT r_ax
        mov     ah, 0x12
        CALL_INT 0x16
        SHOW    r_ax, 4
        KEYS    0xE0, 0x9D, 0xAA
        mov     ah, 0x02
        CALL_INT 0x16
        BYTE_AT r_ax
        END_LINE
        SAY     "keys.break"            ; Ctrl-Break: INT 1Bh, buffer emptied, 0000 in it
        mov     word [0x1B * 4], on_break
        mov     word [0x1B * 4 + 2], 0
        mov     byte [0x500], 0
        KEYS    0x1E, 0x1D, 0xE0, 0x46, 0xE0, 0xC6, 0x9D
        BYTE_AT 0x500
        BYTE_AT 0x471
        READ_KEY 0x00
        END_LINE
        SAY     "keys.full"             ; 15 keys fit
        mov     cx, 20
.fill:
        push    cx
        mov     ah, 0x05
        mov     cx, 0x2020
        int     0x16
        mov     [0x500], al
        pop     cx
        loop    .fill
        BYTE_AT 0x500
        mov     cx, 0
.drain:
        mov     ah, 0x01
        int     0x16
        jz      .drained
        mov     ah, 0x00
        int     0x16
        inc     cx
        jmp     .drain
.drained:
        mov     [0x500], cx
        BYTE_AT 0x500
        END_LINE
        SAY     "keys.intercept"        ; INT 15h AH=4Fh turns b into c and swallows d
        cli
        mov     eax, [0x15 * 4]
        mov     [old_15], eax
        mov     word [0x15 * 4], on_key
        mov     word [0x15 * 4 + 2], 0
        sti
        KEYS    0x30, 0xB0, 0x20, 0xA0
        cli
        mov     eax, [old_15]
        mov     [0x15 * 4], eax
        sti
        READ_KEY 0x00
        mov     ah, 0x01
        CALL_INT 0x16
        ZERO
        END_LINE
        jmp     keyboard_end

; AL: scan code, as from the keyboard.
type:
        push    cx
        push    ax
        cli
        call    .ready
        mov     al, 0xD2                ; the next byte comes back as the keyboard's
        out     0x64, al
        call    .ready
        pop     ax
        out     0x60, al
        sti
        mov     cx, 0x2000
.wait:
        in      al, 0x64
        test    al, 1
        loopnz  .wait
        mov     cx, 100
.settle:
        in      al, 0x64
        loop    .settle
        pop     cx
        ret
.ready:
        in      al, 0x64
        test    al, 2
        jnz     .ready
        ret
on_break:
        mov     byte [cs:0x500], 0x1B
        iret
old_15  dd 0
on_key:
        cmp     ah, 0x4F
        jne     .old
        cmp     al, 0x30
        jne     .not_b
        mov     al, 0x2E
        stc
        retf    2
.not_b:
        cmp     al, 0x20
        jne     .old
        clc
        retf    2
.old:
        jmp     far [cs:old_15]
keyboard_end:
