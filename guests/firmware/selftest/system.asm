; INT 11h, 12h, 14h, 15h, 17h, 1Ah.

        SAY     "int11"
        CALL_INT 0x11
        SHOW    r_ax, 4
        END_LINE
        SAY     "int12"
        CALL_INT 0x12
        SHOW    r_ax, 4
        END_LINE
        SAY     "int15.88"
        mov     ah, 0x88
        CALL_INT 0x15
        CARRY
        SHOW    r_ax, 4
        END_LINE
        SAY     "int15.e801"
        mov     ax, 0xE801
        CALL_INT 0x15
        CARRY
        SHOW    r_ax, 4
        SHOW    r_bx, 4
        SHOW    r_cx, 4
        SHOW    r_dx, 4
        END_LINE
        xor     ebx, ebx
.e820:
        mov     eax, 0xE820
        mov     edx, 0x534D4150
        mov     ecx, 20
        mov     di, 0x500
        CALL_INT 0x15
        SAY     "int15.e820"
        CARRY
        SHOW    r_ax, 8
        SHOW    r_cx, 2
        SHOW    0x504, 8
        SHOW    0x500, 8
        SHOW    0x50C, 8
        SHOW    0x508, 8
        SHOW    0x510, 8
        END_LINE
        test    byte [r_flags], 1
        jnz     .e820_end
        mov     ebx, [r_bx]
        test    ebx, ebx
        jnz     .e820
.e820_end:
        SAY     "int15.e820.signature"
        mov     eax, 0xE820
        xor     ebx, ebx
        mov     edx, 0
        mov     ecx, 20
        CALL_INT 0x15
        CARRY
        END_LINE
        SAY     "int15.c0"
        mov     ah, 0xC0
        CALL_INT 0x15
        CARRY
        mov     bx, [r_bx]
        mov     es, [r_es]
        mov     al, [es:bx + 2]
        mov     [0x500], al
        push    word 0
        pop     es
        BYTE_AT 0x500
        END_LINE
        SAY     "int15.c1"
        mov     ah, 0xC1
        CALL_INT 0x15
        CARRY
        WORD_AT r_es
        END_LINE
        SAY     "int15.unknown"
        mov     ah, 0x22
        CALL_INT 0x15
        CARRY
        BYTE_AT r_ax + 1
        END_LINE
        SAY     "int15.a20"
        mov     ax, 0x2400
        int     0x15
        mov     ax, 0x2402
        CALL_INT 0x15
        BYTE_AT r_ax
        mov     ax, 0x2401
        int     0x15
        mov     ax, 0x2402
        CALL_INT 0x15
        BYTE_AT r_ax
        END_LINE

        SAY     "int15.87"              ; 200h words to 2 MB and 201h words back
        push    word BUFFER
        pop     es
        xor     di, di
        mov     al, 1
        mov     cx, 0x402
        call    pattern
        push    word 0
        pop     es
        mov     si, block_table
        mov     cx, 0x201
        mov     ah, 0x87
        CALL_INT 0x15
        CARRY
        BYTE_AT r_ax + 1
        mov     dword [block_table + 0x10], 0x0000FFFF
        mov     dword [block_table + 0x14], 0x00009320
        mov     dword [block_table + 0x18], 0x8000FFFF
        mov     dword [block_table + 0x1C], 0x00009303
        mov     si, block_table
        mov     cx, 0x201
        mov     ah, 0x87
        CALL_INT 0x15
        CARRY
        push    ds
        push    word BUFFER
        pop     ds
        push    word BUFFER
        pop     es
        xor     si, si
        mov     di, 0x8000
        mov     cx, 0x402
        repe cmpsb
        pop     ds
        push    word 0
        pop     es
        sete    al
        call    flag
        END_LINE

        SAY     "int15.86"              ; 200 ms are three ticks or more
        mov     ah, 0
        int     0x1A
        mov     [0x500], dx
        mov     cx, 200000 >> 16
        mov     dx, 200000 & 0xFFFF
        mov     ah, 0x86
        CALL_INT 0x15
        CARRY
        mov     ah, 0
        int     0x1A
        sub     dx, [0x500]
        cmp     dx, 3
        setae   al
        call    flag
        END_LINE
        SAY     "int15.83"
        mov     byte [0x500], 0
        push    word 0
        pop     es
        mov     bx, 0x500
        mov     cx, 0
        mov     dx, 50000
        mov     ax, 0x8300
        CALL_INT 0x15
        CARRY
        mov     bx, 0x500
        mov     cx, 0
        mov     dx, 50000
        mov     ax, 0x8300              ; only one at a time
        CALL_INT 0x15
        CARRY
.event:
        hlt
        test    byte [0x500], 0x80
        jz      .event
        BYTE_AT 0x500
        END_LINE

        SAY     "int15.c2"              ; mouse: reset, type, rate, status
        mov     ax, 0xC205
        mov     bh, 3
        CALL_INT 0x15
        CARRY
        SHOW    r_bx, 4
        mov     ax, 0xC204
        CALL_INT 0x15
        CARRY
        BYTE_AT r_bx + 1
        mov     ax, 0xC202
        mov     bh, 4
        CALL_INT 0x15
        CARRY
        mov     ax, 0xC203
        mov     bh, 3
        CALL_INT 0x15
        CARRY
        mov     ax, 0xC206
        mov     bh, 0
        CALL_INT 0x15
        CARRY
        BYTE_AT r_bx
        BYTE_AT r_cx
        BYTE_AT r_dx
        mov     ax, 0xC203
        mov     bh, 4                   ; no such resolution
        CALL_INT 0x15
        CARRY
        BYTE_AT r_ax + 1
        END_LINE
        SAY     "int15.c2.packet"       ; 5 right, 5 down, left button; then a byte out of step
        mov     ax, 0xC207
        push    word 0
        pop     es
        mov     bx, on_mouse
        CALL_INT 0x15
        CARRY
        mov     ax, 0xC200
        mov     bh, 1
        CALL_INT 0x15
        CARRY
        mov     byte [0x500], 0
        mov     al, 0x00                ; bit 3 is clear: not a first byte
        call    move
        mov     al, 0x29
        call    move
        mov     al, 0x05
        call    move
        mov     al, 0xFB
        call    move
        BYTE_AT 0x500
        WORD_AT 0x502
        WORD_AT 0x504
        WORD_AT 0x506
        WORD_AT 0x508
        mov     ax, 0xC200
        mov     bh, 0
        CALL_INT 0x15
        CARRY
        END_LINE
        jmp     mouse_end
; AL: byte, as from the mouse.
move:
        push    ax
        cli
        call    .ready
        mov     al, 0xD3                ; the next byte comes back as the mouse's
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
        ret
.ready:
        in      al, 0x64
        test    al, 2
        jnz     .ready
        ret
on_mouse:                               ; status, X, Y, Z on the stack
        push    bp
        mov     bp, sp
        push    ds
        push    ax
        push    word 0
        pop     ds
        inc     byte [0x500]
        mov     ax, [bp + 12]
        mov     [0x502], ax
        mov     ax, [bp + 10]
        mov     [0x504], ax
        mov     ax, [bp + 8]
        mov     [0x506], ax
        mov     ax, [bp + 6]
        mov     [0x508], ax
        pop     ax
        pop     ds
        pop     bp
        retf
mouse_end:
        SAY     "int15.53"
        mov     ax, 0x5300
        xor     bx, bx
        CALL_INT 0x15
        CARRY
        SHOW    r_ax, 4
        SHOW    r_bx, 4
        SHOW    r_cx, 4
        END_LINE

        SAY     "int14"
        mov     ax, 0x00E3              ; 9600 8N1
        mov     dx, 0
        CALL_INT 0x14
        mov     al, [r_ax + 1]
        and     al, 0x60
        mov     [0x500], al
        mov     dx, COM + 3
        mov     al, 0x83
        out     dx, al
        mov     dx, COM
        in      al, dx
        mov     [0x501], al
        mov     al, 1
        out     dx, al
        mov     dx, COM + 3
        mov     al, 3
        out     dx, al
        BYTE_AT 0x500
        BYTE_AT 0x501
        mov     ax, 0x0100 + '!'
        mov     dx, 0
        CALL_INT 0x14
        mov     al, [r_ax + 1]
        and     al, 0x80
        mov     [0x500], al
        BYTE_AT 0x500
        END_LINE
        SAY     "int17"
        mov     ah, 2
        mov     dx, 0
        CALL_INT 0x17
        BYTE_AT r_ax + 1
        END_LINE

        SAY     "int1a.ticks"
        mov     ah, 0x01
        mov     cx, 0x0012
        mov     dx, 0x3456
        int     0x1A
        mov     ah, 0
        CALL_INT 0x1A
        SHOW    r_cx, 4
        BYTE_AT r_dx + 1
        BYTE_AT r_ax
        END_LINE
        SAY     "int1a.midnight"        ; the tick after 1800AFh is 0, and AL says so
        mov     dword [0x46C], 0x1800AF
        mov     byte [0x470], 0
.midnight:
        hlt
        cmp     byte [0x470], 0
        je      .midnight
        mov     ah, 0
        CALL_INT 0x1A
        SHOW    r_cx, 4
        BYTE_AT r_ax
        END_LINE
        SAY     "int1a.clock"
        mov     ah, 0x03
        mov     cx, 0x2359
        mov     dx, 0x5800
        int     0x1A
        mov     ah, 0x05
        mov     cx, 0x2004
        mov     dx, 0x0228
        int     0x1A
        mov     ah, 0x02
        CALL_INT 0x1A
        CARRY
        SHOW    r_cx, 4
        mov     ah, 0x04
        CALL_INT 0x1A
        CARRY
        SHOW    r_cx, 4
        SHOW    r_dx, 4
        END_LINE
        SAY     "int1a.alarm"           ; one second later INT 4Ah
        mov     word [0x4A * 4], alarm
        mov     word [0x4A * 4 + 2], 0
        mov     byte [0x500], 0
        mov     ah, 0x02
        int     0x1A
        mov     al, dh
        add     al, 1
        daa
        cmp     al, 0x60
        jb      .alarm_set
        mov     al, 0xC0                ; any second
.alarm_set:
        mov     dh, al
        mov     cx, 0xC0C0
        mov     ah, 0x06
        CALL_INT 0x1A
        CARRY
        mov     dh, 0
        mov     ah, 0x06                ; set already
        CALL_INT 0x1A
        CARRY
        mov     cx, 60
.alarm_wait:
        hlt
        cmp     byte [0x500], 0
        jne     .alarm_came
        loop    .alarm_wait
.alarm_came:
        BYTE_AT 0x500
        mov     ah, 0x07
        int     0x1A
        END_LINE
        jmp     alarm_end
alarm:
        mov     byte [cs:0x500], 0x4A
        iret
alarm_end:
        SAY     "int1a.pci"
        mov     ax, 0xB101
        xor     edi, edi
        CALL_INT 0x1A
        CARRY
        SHOW    r_dx, 8
        SHOW    r_bx, 4
        BYTE_AT r_ax + 1
        mov     ax, 0xB103              ; the IDE controller
        mov     ecx, 0x010180
        xor     si, si
        CALL_INT 0x1A
        CARRY
        SHOW    r_bx, 4
        mov     bx, [r_bx]
        mov     ax, 0xB10A
        mov     di, 0
        CALL_INT 0x1A
        CARRY
        SHOW    r_cx, 8
        mov     bx, [r_bx]
        mov     ax, 0xB109
        mov     di, 1                   ; not aligned
        CALL_INT 0x1A
        CARRY
        BYTE_AT r_ax + 1
        mov     ax, 0xB102
        mov     cx, 0x1237
        mov     dx, 0x8086
        xor     si, si
        CALL_INT 0x1A
        CARRY
        SHOW    r_bx, 4
        mov     ax, 0xB102
        mov     cx, 0x1237
        mov     dx, 0x8086
        mov     si, 1
        CALL_INT 0x1A
        CARRY
        BYTE_AT r_ax + 1
        END_LINE
        jmp     system_end
block_table:
        times 16 db 0
        dw 0xFFFF, 0
        dd 0x00009303                   ; source 30000h
        dw 0xFFFF, 0
        dd 0x00009320                   ; destination 200000h
        times 16 db 0
system_end:
