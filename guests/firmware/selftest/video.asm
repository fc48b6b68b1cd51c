; INT 10h. Results go to COM1, so the screen is free.

        mov     si, video_modes
.mode:
        lodsb
        cmp     al, 0xFF
        je      .modes_end
        push    si
        mov     ah, 0
        push    ax
        CALL_INT 0x10
        SAY     "video.mode"
        pop     ax
        mov     [0x500], al
        BYTE_AT 0x500
        mov     ah, 0x0F
        CALL_INT 0x10
        SHOW    r_ax, 4
        BYTE_AT 0x484                   ; rows - 1
        BYTE_AT 0x485                   ; points
        WORD_AT 0x44C                   ; page size
        WORD_AT 0x463
        ; a character written with exclusive or bit clear, and read again
        mov     ah, 0x02
        mov     bh, 0
        mov     dx, 0x0203
        int     0x10
        mov     ax, 0x0900 + 'R'
        mov     bx, 0x0003
        mov     cx, 2
        int     0x10
        mov     ah, 0x02
        mov     bh, 0
        mov     dx, 0x0204
        int     0x10
        mov     ah, 0x08
        mov     bh, 0
        CALL_INT 0x10
        BYTE_AT r_ax
        ; scrolled up by one line it stands in line 1, line 2 is blank
        mov     ax, 0x0601
        mov     bh, 0
        mov     cx, 0x0000
        mov     dx, 0x0527
        int     0x10
        mov     ah, 0x02
        mov     bh, 0
        mov     dx, 0x0104
        int     0x10
        mov     ah, 0x08
        mov     bh, 0
        CALL_INT 0x10
        BYTE_AT r_ax
        mov     ax, 0x0702              ; and down by two: line 3
        mov     bh, 0
        mov     cx, 0x0000
        mov     dx, 0x0527
        int     0x10
        mov     ah, 0x02
        mov     bh, 0
        mov     dx, 0x0304
        int     0x10
        mov     ah, 0x08
        mov     bh, 0
        CALL_INT 0x10
        BYTE_AT r_ax
        mov     al, [0x449]
        cmp     al, 4
        jb      .no_pixels
        cmp     al, 7
        je      .no_pixels
        mov     ax, 0x0C01              ; colour 1, then exclusive or with 3
        mov     bh, 0
        mov     cx, 101
        mov     dx, 57
        int     0x10
        mov     ah, 0x0D
        mov     bh, 0
        mov     cx, 101
        mov     dx, 57
        CALL_INT 0x10
        BYTE_AT r_ax
        mov     ax, 0x0C83
        mov     bh, 0
        mov     cx, 101
        mov     dx, 57
        int     0x10
        mov     ah, 0x0D
        mov     bh, 0
        mov     cx, 101
        mov     dx, 57
        CALL_INT 0x10
        BYTE_AT r_ax
        mov     ah, 0x0D
        mov     bh, 0
        mov     cx, 102
        mov     dx, 57
        CALL_INT 0x10
        BYTE_AT r_ax
.no_pixels:
        END_LINE
        pop     si
        jmp     .mode
.modes_end:
        mov     ax, 0x0003
        int     0x10
        SAY     "video.teletype"        ; wraps at column 80, scrolls at line 24
        mov     ah, 0x02
        mov     bh, 0
        mov     dx, 0x184E
        int     0x10
        mov     cx, 4
.tty:
        mov     ax, 0x0E00 + 'x'
        mov     bx, 7
        int     0x10
        loop    .tty
        mov     ah, 0x03
        mov     bh, 0
        CALL_INT 0x10
        SHOW    r_dx, 4
        SHOW    r_cx, 4
        mov     ax, 0x0E08              ; backspace, line feed, return
        int     0x10
        mov     ah, 0x03
        mov     bh, 0
        CALL_INT 0x10
        SHOW    r_dx, 4
        mov     ax, 0x0E0D
        int     0x10
        mov     ah, 0x03
        mov     bh, 0
        CALL_INT 0x10
        SHOW    r_dx, 4
        push    word 0xB800
        pop     es
        mov     ax, [es:23 * 160 + 78 * 2]
        mov     [0x500], ax
        push    word 0
        pop     es
        WORD_AT 0x500
        END_LINE
        SAY     "video.string"          ; with attributes, on page 1
        mov     ax, 0x1303
        mov     bx, 0x0100
        mov     cx, 3
        mov     dx, 0x0A10
        push    bp
        mov     bp, video_text
        int     0x10
        pop     bp
        mov     ah, 0x03
        mov     bh, 1
        CALL_INT 0x10
        SHOW    r_dx, 4
        push    word 0xB800
        pop     es
        mov     eax, [es:0x1000 + 10 * 160 + 16 * 2]
        mov     [0x500], eax
        push    word 0
        pop     es
        SHOW    0x500, 8
        mov     ax, 0x0501
        int     0x10
        mov     al, [0x462]
        mov     [0x500], al
        BYTE_AT 0x500
        WORD_AT 0x44E
        mov     ax, 0x0500
        int     0x10
        END_LINE
        SAY     "video.cursor"          ; 06h 07h on 16 lines
        mov     ah, 0x01
        mov     cx, 0x0607
        int     0x10
        mov     dx, 0x3D4
        mov     al, 0x0A
        out     dx, al
        inc     dx
        in      al, dx
        mov     [0x500], al
        dec     dx
        mov     al, 0x0B
        out     dx, al
        inc     dx
        in      al, dx
        mov     [0x501], al
        BYTE_AT 0x500
        BYTE_AT 0x501
        END_LINE
        SAY     "video.1a"
        mov     ax, 0x1A00
        CALL_INT 0x10
        BYTE_AT r_ax
        SHOW    r_bx, 4
        END_LINE
        SAY     "video.12.10"
        mov     ax, 0x1200
        mov     bx, 0xFF10
        CALL_INT 0x10
        SHOW    r_bx, 4
        SHOW    r_cx, 4
        END_LINE
        SAY     "video.11.30"
        mov     ax, 0x1130
        mov     bx, 0x0600
        push    bp
        CALL_INT 0x10
        mov     [0x500], bp
        pop     bp
        SHOW    r_cx, 4
        BYTE_AT r_dx
        END_LINE
        SAY     "video.11.12"           ; 8x8: 50 lines
        mov     ax, 0x1112
        mov     bx, 0
        CALL_INT 0x10
        BYTE_AT 0x484
        BYTE_AT 0x485
        WORD_AT 0x44C
        mov     ax, 0x0003
        int     0x10
        END_LINE
        SAY     "video.10"              ; palette register, DAC register
        mov     ax, 0x1007
        mov     bl, 6
        CALL_INT 0x10
        BYTE_AT r_bx + 1
        mov     ax, 0x1015
        mov     bx, 0x003E
        CALL_INT 0x10
        BYTE_AT r_dx + 1
        SHOW    r_cx, 4
        mov     ax, 0x1010
        mov     bx, 0x0005
        mov     dx, 0x1100
        mov     cx, 0x2233
        int     0x10
        mov     ax, 0x1015
        mov     bx, 0x0005
        CALL_INT 0x10
        BYTE_AT r_dx + 1
        SHOW    r_cx, 4
        mov     ax, 0x101B
        mov     bx, 0x0005
        mov     cx, 1
        int     0x10
        mov     ax, 0x1015
        mov     bx, 0x0005
        CALL_INT 0x10
        BYTE_AT r_dx + 1
        SHOW    r_cx, 4
        END_LINE
        SAY     "video.13h"             ; colours of mode 13h: brown, grey 1, blue, last
        mov     ax, 0x0013
        int     0x10
        mov     si, dac_samples
.dac:
        lodsb
        cmp     al, 0xFF
        je      .dac_end
        push    si
        movzx   bx, al
        mov     ax, 0x1015
        CALL_INT 0x10
        BYTE_AT r_dx + 1
        SHOW    r_cx, 4
        pop     si
        jmp     .dac
.dac_end:
        mov     ax, 0x0003
        int     0x10
        END_LINE
        SAY     "video.1b"
        mov     ah, 0x1B
        mov     bx, 0
        mov     di, 0x500
        CALL_INT 0x10
        BYTE_AT r_ax
        BYTE_AT 0x504                   ; mode
        BYTE_AT 0x522                   ; rows
        WORD_AT 0x523                   ; points
        BYTE_AT 0x525                   ; display
        WORD_AT 0x527                   ; colours
        BYTE_AT 0x529                   ; pages
        BYTE_AT 0x52A                   ; scan lines
        END_LINE
        SAY     "video.1c"              ; saved in mode 3, restored from mode 13h
        mov     ax, 0x1C01
        mov     cx, 7
        push    word BUFFER
        pop     es
        mov     bx, 0
        CALL_INT 0x10
        BYTE_AT r_ax
        mov     ax, 0x0093
        int     0x10
        mov     ax, 0x1C02
        mov     cx, 7
        push    word BUFFER
        pop     es
        mov     bx, 0
        CALL_INT 0x10
        BYTE_AT 0x449
        mov     dx, 0x3CE
        mov     al, 6
        out     dx, al
        inc     dx
        in      al, dx
        and     al, 0x0F
        mov     [0x500], al
        BYTE_AT 0x500
        mov     ax, 0x0003
        int     0x10
        END_LINE
        SAY     "video.font"            ; the glyph of A in plane 2 is that of the ROM
        mov     ax, 0x1130
        mov     bh, 6
        push    bp
        int     0x10
        mov     di, bp
        pop     bp
        add     di, 'A' * 16
        mov     dx, 0x3C4
        mov     ax, 0x0604
        out     dx, ax
        mov     dx, 0x3CE
        mov     ax, 0x0204
        out     dx, ax
        mov     ax, 0x0005
        out     dx, ax
        mov     ax, 0x0406
        out     dx, ax
        push    ds
        push    word 0xA000
        pop     ds
        mov     si, 'A' * 32
        mov     cx, 16
        repe cmpsb
        pop     ds
        sete    [0x500]
        mov     ax, 0x0003
        int     0x10
        push    word 0
        pop     es
        BYTE_AT 0x500
        END_LINE

        SAY     "video.font.8x8"        ; A of the ROM's 8x8 font stands at F000:FA6E too
        mov     ax, 0x1130
        mov     bh, 3
        push    bp
        int     0x10
        mov     di, bp
        pop     bp
        add     di, 'A' * 8
        push    ds
        push    word 0xF000
        pop     ds
        mov     si, 0xFA6E + 'A' * 8
        mov     cx, 8
        repe cmpsb
        pop     ds
        sete    [0x500]
        push    word 0
        pop     es
        BYTE_AT 0x500
        END_LINE

        SAY     "vbe.00"
        mov     dword [0x500], 'VBE2'
        mov     ax, 0x4F00
        mov     di, 0x500
        CALL_INT 0x10
        SHOW    r_ax, 4
        SHOW    0x500, 8
        WORD_AT 0x504
        END_LINE
        SAY     "vbe.01"
        mov     ax, 0x4F01
        mov     cx, 0x0111
        mov     di, 0x500
        CALL_INT 0x10
        SHOW    r_ax, 4
        WORD_AT 0x510
        WORD_AT 0x512
        WORD_AT 0x514
        BYTE_AT 0x519
        BYTE_AT 0x51B
        DUMP    0x51F, 8
        SHOW    0x528, 8
        END_LINE
        SAY     "vbe.02"
        mov     ax, 0x4F02
        mov     bx, 0x0101
        CALL_INT 0x10
        SHOW    r_ax, 4
        mov     ax, 0x4F03
        CALL_INT 0x10
        SHOW    r_bx, 4
        mov     ax, 0x4F05              ; bank 3, written and seen again
        mov     bx, 0
        mov     dx, 3
        int     0x10
        push    word 0xA000
        pop     es
        mov     byte [es:0x1234], 0x5C
        mov     ax, 0x4F05
        mov     bx, 0
        mov     dx, 2
        int     0x10
        mov     al, [es:0x1234]
        mov     [0x500], al
        mov     ax, 0x4F05
        mov     bx, 0
        mov     dx, 3
        int     0x10
        mov     al, [es:0x1234]
        mov     [0x501], al
        push    word 0
        pop     es
        BYTE_AT 0x500
        BYTE_AT 0x501
        mov     ax, 0x4F06
        mov     bx, 1
        CALL_INT 0x10
        SHOW    r_bx, 4
        SHOW    r_cx, 4
        mov     ax, 0x4F08
        mov     bx, 0x0800
        CALL_INT 0x10
        BYTE_AT r_bx + 1
        mov     ax, 0x0003
        int     0x10
        END_LINE
        SAY     "vbe.02.none"
        mov     ax, 0x4F02
        mov     bx, 0x01FE
        CALL_INT 0x10
        SHOW    r_ax, 4
        END_LINE
        jmp     video_end
video_modes:
        db      0, 1, 2, 3, 4, 5, 6, 7, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x13, 3, 0xFF
dac_samples:
        db      6, 17, 32, 247, 0xFF
video_text:
        db      'a', 0x1E, 'b', 0x2F, 'c', 0x3A
video_end:
        mov     ax, 0x0003
        int     0x10
