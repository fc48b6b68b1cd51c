; AH=0Bh (CGA palettes) and AH=10h (attribute controller and DAC).

; DX <- index port of the attribute controller, which expects an index next.
attribute_reset:
        push    ax
        mov     dx, [B_CRTC]
        add     dx, 6
        in      al, dx
        mov     dx, VGA_ATC
        pop     ax
        ret

; AL: index, AH: value. The screen stays on.
attribute_write:
        push    dx
        call    attribute_reset
        out     dx, al
        xchg    al, ah
        out     dx, al
        xchg    al, ah
        mov     al, 0x20
        out     dx, al
        pop     dx
        ret

; AL: index -> AH: value.
attribute_read:
        push    dx
        push    ax
        call    attribute_reset
        out     dx, al
        inc     dx
        in      al, dx
        mov     ah, al
        push    ax
        call    attribute_reset
        mov     al, 0x20
        out     dx, al
        pop     ax
        mov     dl, ah
        pop     ax
        mov     ah, dl
        pop     dx
        ret

; AH=0Bh. BH=0: BL border (and background); BH=1: BL palette of mode 4 (0: green,
; red, brown; 1: cyan, magenta, white).
cga_palette:
        mov     bl, [bp + R_BL]
        cmp     byte [bp + R_BH], 0
        jne     .palette
        mov     al, [B_CGACOLOUR]
        and     al, 0xE0
        mov     ah, bl
        and     ah, 0x1F
        or      al, ah
        mov     [B_CGACOLOUR], al
        mov     ah, bl
        and     ah, 0x0F
        test    ah, 0x08
        jz      .dark
        add     ah, 0x08                ; the CGA's bright colours are at 10h-17h
.dark:
        push    ax
        mov     al, 0x11
        call    attribute_write
        pop     ax
        cmp     byte [B_VIDEOMODE], 3
        jbe     .done
        mov     al, 0
        call    attribute_write
        and     bl, 0x10                ; intensity of the three others
        mov     al, 1
.intensity:
        call    attribute_read
        and     ah, 0xEF
        or      ah, bl
        push    ax
        call    attribute_write
        pop     ax
        inc     al
        cmp     al, 4
        jb      .intensity
.done:
        ret
.palette:
        and     bl, 1
        mov     al, [B_CGACOLOUR]
        and     al, 0xDF
        mov     ah, bl
        shl     ah, 5
        or      al, ah
        mov     [B_CGACOLOUR], al
        cmp     byte [B_VIDEOMODE], 3
        jbe     .done
        mov     al, 1
.colour:
        call    attribute_read
        and     ah, 0xFE
        or      ah, bl
        push    ax
        call    attribute_write
        pop     ax
        inc     al
        cmp     al, 4
        jb      .colour
        ret

; ---- AH=10h ------------------------------------------------------------------
palette:
        movzx   bx, byte [bp + R_AL]
        cmp     bl, 0x1B
        ja      nothing
        add     bx, bx
        jmp     [cs:bx + .functions]
.functions:
        dw      palette_set, palette_border, palette_set_all, palette_blink
        dw      nothing, nothing, nothing, palette_get
        dw      palette_get_border, palette_get_all, nothing, nothing
        dw      nothing, nothing, nothing, nothing
        dw      dac_set, nothing, dac_set_block, dac_select_page
        dw      nothing, dac_get, nothing, dac_get_block
        dw      dac_set_mask, dac_get_mask, dac_get_page, dac_sum_greys

palette_set:                            ; BL register, BH value
        mov     al, [bp + R_BL]
        cmp     al, 0x14
        ja      nothing
        mov     ah, [bp + R_BH]
        jmp     attribute_write

palette_border:
        mov     al, 0x11
        mov     ah, [bp + R_BH]
        jmp     attribute_write

palette_set_all:                        ; ES:DX: 16 values and the border
        mov     es, [bp + R_ES]
        mov     si, [bp + R_DX]
        mov     al, 0
.next:
        mov     ah, [es:si]
        inc     si
        push    ax
        call    attribute_write
        pop     ax
        inc     ax
        cmp     al, 0x10
        jb      .next
        mov     al, 0x11
        mov     ah, [es:si]
        jmp     attribute_write

palette_blink:                          ; BL: 0 bright background, 1 blink
        mov     al, 0x10
        call    attribute_read
        and     ah, 0xF7
        and     byte [B_CGAMODE], 0xDF
        test    byte [bp + R_BL], 1
        jz      attribute_write
        or      ah, 0x08
        or      byte [B_CGAMODE], 0x20
        jmp     attribute_write

palette_get:
        mov     al, [bp + R_BL]
        cmp     al, 0x14
        ja      nothing
        call    attribute_read
        mov     [bp + R_BH], ah
        ret

palette_get_border:
        mov     al, 0x11
        call    attribute_read
        mov     [bp + R_BH], ah
        ret

palette_get_all:
        mov     es, [bp + R_ES]
        mov     di, [bp + R_DX]
        mov     al, 0
.next:
        call    attribute_read
        mov     [es:di], ah
        inc     di
        inc     ax
        cmp     al, 0x10
        jb      .next
        mov     al, 0x11
        call    attribute_read
        mov     [es:di], ah
        ret

dac_set:                                ; BX register; DH, CH, CL: red, green, blue
        mov     al, [bp + R_BL]
        mov     bl, [bp + R_DH]
        mov     cx, [bp + R_CX]
        test    byte [B_VGAFLAGS], 0x02
        jz      .write
        call    grey_of
.write:
        mov     dx, VGA_DACWRITE
        out     dx, al
        inc     dx
        mov     al, bl
        out     dx, al
        mov     al, ch
        out     dx, al
        mov     al, cl
        out     dx, al
        ret

dac_get:
        mov     al, [bp + R_BL]
        call    dac_read
        mov     [bp + R_DH], bl
        mov     [bp + R_CX], cx
        ret

; AL: register -> BL, CH, CL.
dac_read:
        mov     dx, VGA_DACREAD
        out     dx, al
        mov     dx, VGA_DACDATA
        in      al, dx
        mov     bl, al
        in      al, dx
        mov     ch, al
        in      al, dx
        mov     cl, al
        ret

dac_set_block:                          ; ES:DX: CX entries for BX and on
        mov     al, [bp + R_BL]
        mov     dx, VGA_DACWRITE
        out     dx, al
        inc     dx
        mov     es, [bp + R_ES]
        mov     si, [bp + R_DX]
        imul    cx, [bp + R_CX], 3
        es rep outsb
        test    byte [B_VGAFLAGS], 0x02
        jz      nothing
        mov     bx, [bp + R_BX]
        mov     cx, [bp + R_CX]
        jmp     sum_greys

dac_get_block:
        mov     al, [bp + R_BL]
        mov     dx, VGA_DACREAD
        out     dx, al
        mov     dx, VGA_DACDATA
        mov     es, [bp + R_ES]
        mov     di, [bp + R_DX]
        imul    cx, [bp + R_CX], 3
        rep insb
        ret

dac_select_page:                        ; BL=0: BH 4 or 16 pages; BL=1: page BH
        mov     al, 0x10
        call    attribute_read
        mov     bh, [bp + R_BH]
        cmp     byte [bp + R_BL], 0
        jne     .page
        and     ah, 0x7F
        shl     bh, 7
        or      ah, bh
        jmp     attribute_write
.page:
        test    ah, 0x80
        jnz     .sixteen
        shl     bh, 2                   ; 64 colours: bits 2-3 only
.sixteen:
        mov     al, 0x14
        mov     ah, bh
        and     ah, 0x0F
        jmp     attribute_write

dac_get_page:
        mov     al, 0x10
        call    attribute_read
        mov     bl, ah
        shr     bl, 7
        mov     [bp + R_BL], bl
        mov     al, 0x14
        call    attribute_read
        test    bl, bl
        jnz     .sixteen
        shr     ah, 2
.sixteen:
        mov     [bp + R_BH], ah
        ret

dac_set_mask:
        mov     al, [bp + R_BL]
        mov     dx, VGA_PELMASK
        out     dx, al
        ret

dac_get_mask:
        mov     dx, VGA_PELMASK
        in      al, dx
        mov     [bp + R_BL], al
        ret

dac_sum_greys:
        mov     bx, [bp + R_BX]
        mov     cx, [bp + R_CX]

; Registers BX to BX+CX-1 become greys of the same brightness.
sum_greys:
        jcxz    .done
.next:
        push    cx
        push    bx
        mov     al, bl
        call    dac_read
        call    grey_of
        pop     ax
        push    ax
        call    dac_set.write
        pop     bx
        pop     cx
        inc     bx
        loop    .next
.done:
        ret

; BL, CH, CL: colour -> all three: 30 % red, 59 % green, 11 % blue. Keeps AL.
grey_of:
        push    ax
        push    dx
        mov     al, 77
        mul     bl
        mov     dx, ax
        mov     al, 151
        mul     ch
        add     dx, ax
        mov     al, 28
        mul     cl
        add     dx, ax
        add     dx, 0x80                ; rounded
        mov     bl, dh
        mov     ch, dh
        mov     cl, dh
        pop     dx
        pop     ax
        ret
