; AH=11h: fonts for text modes (in plane 2) and for graphics (vectors 1Fh, 43h).

; ES:DI: bits, CX: characters, DX: first, BL: block, BH: bytes each. Keeps all but AX.
load_font:
        pushad
        push    ds
        push    es
        push    es
        pop     ds
        mov     si, di
        SETSEG  es, 0xA000
        push    dx
        push    cx
        mov     dx, VGA_SEQ             ; plane 2 alone, addressed in sequence
        mov     ax, 0x0100
        out     dx, ax
        mov     ax, 0x0402
        out     dx, ax
        mov     ax, 0x0704
        out     dx, ax
        mov     ax, 0x0300
        out     dx, ax
        mov     dx, VGA_GFX
        mov     ax, 0x0005
        out     dx, ax
        mov     ax, 0x0406
        out     dx, ax
        pop     cx
        pop     dx
        and     bl, 7                   ; blocks lie 16 KB apart, 4-7 in between
        mov     al, bl
        and     ax, 3
        shl     ax, 14
        test    bl, 4
        jz      .even
        add     ax, 0x2000
.even:
        shl     dx, 5                   ; 32 bytes for each character
        add     dx, ax
        mov     di, dx
        jcxz    .restore
        movzx   ax, bh
.character:
        push    cx
        push    di
        mov     cx, ax
        rep movsb
        pop     di
        add     di, 32
        pop     cx
        loop    .character
.restore:
        pop     es
        pop     ds
        mov     dx, VGA_SEQ             ; text again: planes 0 and 1, odd and even
        mov     ax, 0x0100
        out     dx, ax
        mov     ax, 0x0302
        out     dx, ax
        mov     ax, 0x0304
        out     dx, ax
        mov     ax, 0x0300
        out     dx, ax
        mov     dx, VGA_GFX
        mov     ax, 0x1005
        out     dx, ax
        mov     ax, 0x0E06              ; B800h with colour, B000h without
        cmp     byte [B_CRTC], 0xB4
        jne     .map
        mov     ah, 0x0A
.map:
        out     dx, ax
        popad
        ret

font:
        mov     al, [bp + R_AL]
        cmp     al, 0x30
        je      font_information
        mov     bl, [bp + R_BL]
        cmp     al, 0x20
        jae     font_graphics
        mov     ah, al
        and     al, 0x0F
        cmp     al, 3
        je      .select_block
        ja      .rom16
        push    cs
        pop     es
        mov     cx, 256
        xor     dx, dx
        mov     di, font_8x14
        mov     bh, 14
        cmp     al, 1
        je      .load
        mov     di, font_8x8
        mov     bh, 8
        ja      .load
        mov     es, [bp + R_ES]         ; the caller's own
        mov     di, [bp + R_BP]
        mov     cx, [bp + R_CX]
        mov     dx, [bp + R_DX]
        mov     bh, [bp + R_BH]
        jmp     .load
.rom16:
        cmp     al, 4
        ja      nothing
        push    cs
        pop     es
        mov     cx, 256
        xor     dx, dx
        mov     di, font_8x16
        mov     bh, 16
.load:
        push    ax
        call    load_font
        pop     ax
        test    ah, 0x10
        jnz     set_height
        ret
.select_block:
        mov     dx, VGA_SEQ
        mov     al, 0x03
        mov     ah, bl
        out     dx, ax
        ret

; BH: scan lines of a character from now on: rows, page size and cursor follow.
set_height:
        mov     bl, bh
        xor     bh, bh
        mov     [B_POINTS], bx
        mov     dx, [B_CRTC]
        mov     al, 0x09
        out     dx, al
        inc     dx
        in      al, dx
        and     al, 0xE0
        mov     ah, bl
        dec     ah
        or      al, ah
        out     dx, al
        dec     dx
        mov     al, 0x12                ; last line shown: 200, 350, 400 or 480 lines
        out     dx, al
        inc     dx
        in      al, dx
        movzx   cx, al
        dec     dx
        mov     al, 0x07
        out     dx, al
        inc     dx
        in      al, dx
        test    al, 0x02
        jz      .bit9
        or      ch, 1
.bit9:
        test    al, 0x40
        jz      .lines
        or      ch, 2
.lines:
        inc     cx
        mov     ax, cx
        xor     dx, dx
        div     bx
        mov     cx, ax                  ; rows
        dec     al
        mov     [B_ROWS], al
        mov     ax, cx
        mul     bx
        dec     ax                      ; the display ends with the last whole row
        mov     dx, [B_CRTC]
        push    ax
        mov     ah, al
        mov     al, 0x12
        out     dx, ax
        pop     ax
        mov     bl, ah
        mov     al, 0x07
        out     dx, al
        inc     dx
        in      al, dx
        and     al, 0xBD
        test    bl, 1
        jz      .no_bit8
        or      al, 0x02
.no_bit8:
        test    bl, 2
        jz      .no_bit9
        or      al, 0x40
.no_bit9:
        out     dx, al
        mov     ax, cx
        mul     word [B_COLUMNS]
        add     ax, ax
        add     ax, 0xFF                ; pages begin at multiples of 256 bytes
        mov     al, 0
        mov     [B_PAGESIZE], ax
        mov     cx, [B_CURSORTYPE]
        jmp     set_cursor_shape

; AL: 20h user 8x8 above 7Fh; 21h user font, CX bytes; 22h 8x14; 23h 8x8; 24h 8x16.
; BL: rows (0: DL of them, 1: 14, 2: 25, 3: 43).
font_graphics:
        push    word 0
        pop     es
        cmp     al, 0x20
        jne     .whole
        mov     ax, [bp + R_BP]
        mov     [es:0x1F * 4], ax
        mov     ax, [bp + R_ES]
        mov     [es:0x1F * 4 + 2], ax
        ret
.whole:
        mov     dx, cs
        mov     di, font_8x14
        mov     cx, 14
        cmp     al, 0x22
        je      .store
        mov     di, font_8x8
        mov     cx, 8
        cmp     al, 0x23
        je      .store
        mov     di, font_8x16
        mov     cx, 16
        cmp     al, 0x24
        je      .store
        ja      nothing
        mov     dx, [bp + R_ES]
        mov     di, [bp + R_BP]
        mov     cx, [bp + R_CX]
.store:
        mov     [es:0x43 * 4], di
        mov     [es:0x43 * 4 + 2], dx
        mov     [B_POINTS], cx
        and     bx, 3
        mov     al, [cs:bx + .rows]
        test    bl, bl
        jnz     .set
        mov     al, [bp + R_DL]
        dec     al
.set:
        mov     [B_ROWS], al
        ret
.rows   db      0, 13, 24, 42

; BH: which -> ES:BP address, CX bytes a character, DL rows - 1.
font_information:
        mov     ax, [B_POINTS]
        mov     [bp + R_CX], ax
        mov     al, [B_ROWS]
        mov     [bp + R_DL], al
        movzx   bx, byte [bp + R_BH]
        cmp     bl, 7
        ja      nothing
        cmp     bl, 1
        ja      .rom
        push    ds
        push    word 0
        pop     ds
        mov     si, 0x1F * 4
        jb      .vector
        mov     si, 0x43 * 4
.vector:
        lds     bx, [si]
        mov     [bp + R_ES], ds
        mov     [bp + R_BP], bx
        pop     ds
        ret
.rom:
        add     bx, bx
        mov     ax, [cs:bx + .fonts - 4]
        mov     [bp + R_BP], ax
        mov     [bp + R_ES], cs
        ret
.fonts  dw      font_8x14, font_8x8, font_8x8 + 128 * 8, font_8x14, font_8x16, font_8x16
