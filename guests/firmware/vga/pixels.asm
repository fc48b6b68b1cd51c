; Pixels: AH=0Ch and 0Dh.

; The frame's CX column, DX line, BH page -> ES:DI byte, CL shift (pixels from the
; left in the byte). SI: mode.
pixel_address:
        mov     es, [cs:si + 4]
        mov     bx, [bp + R_CX]
        mov     ax, [bp + R_DX]
        mov     cl, bl
        movzx   dx, byte [cs:si + M_MODEL]
        cmp     dx, MODEL_PLANAR
        ja      .bytes
        je      .planar
        mov     di, ax
        shr     di, 1
        imul    di, di, 80
        test    al, 1
        jz      .even
        add     di, 0x2000
.even:
        shr     bx, 2
        and     cl, 3
        cmp     dx, MODEL_CGA4
        je      .add
        mov     cl, [bp + R_CL]
        and     cl, 7
        shr     bx, 1
.add:
        add     di, bx
        ret
.planar:
        mul     word [B_COLUMNS]
        mov     di, ax
        movzx   ax, byte [bp + R_BH]
        mul     word [B_PAGESIZE]
        add     di, ax
        shr     bx, 3
        and     cl, 7
        jmp     .add
.bytes:
        imul    di, ax, 320
        jmp     .add

; AH=0Ch: AL colour, bit 7: exclusive or (not with a byte a pixel).
write_pixel:
        call    current_mode
        jc      nothing
        call    pixel_address
        movzx   bx, byte [cs:si + M_MODEL]
        mov     al, [bp + R_AL]
        jmp     [cs:bx + .models]
.models dw      nothing, .cga4, .cga2, .planar, .bytes
.bytes:
        mov     [es:di], al
        ret
.planar:
        mov     bl, al
        mov     dx, VGA_GFX
        mov     ax, 0x8008              ; only this pixel's bit
        shr     ah, cl
        out     dx, ax
        mov     ax, 0x0205              ; the byte written is a colour
        out     dx, ax
        test    bl, 0x80
        jz      .replace
        mov     ax, 0x1803
        out     dx, ax
.replace:
        mov     al, [es:di]             ; loads the latches
        mov     [es:di], bl
        mov     ax, 0xFF08
        out     dx, ax
        mov     ax, 0x0005
        out     dx, ax
        mov     ax, 0x0003
        out     dx, ax
        ret
.cga4:
        mov     ah, 0xC0
        add     cl, cl
        shr     ah, cl
        mov     bl, al
        and     bl, 3
        ror     bl, 2
        shr     bl, cl
        jmp     .bits
.cga2:
        mov     ah, 0x80
        shr     ah, cl
        mov     bl, al
        and     bl, 1
        ror     bl, 1
        shr     bl, cl
.bits:                                  ; AH: mask, BL: colour in place
        test    al, 0x80
        jnz     .xor
        not     ah
        and     [es:di], ah
.xor:
        xor     [es:di], bl
        ret

read_pixel:
        call    current_mode
        jc      nothing
        call    pixel_address
        movzx   bx, byte [cs:si + M_MODEL]
        call    [cs:bx + .models]
        mov     [bp + R_AL], al
        ret
.models dw      nothing, .cga4, .cga2, .planar, .bytes
.bytes:
        mov     al, [es:di]
        ret
.planar:
        mov     dx, VGA_GFX
        mov     bl, 0x80
        shr     bl, cl
        mov     bh, 0
        mov     ax, 0x0304              ; read plane 3, 2, 1, 0
.plane:
        out     dx, ax
        push    ax
        mov     al, [es:di]
        and     al, bl
        neg     al                      ; CF: the bit is set
        adc     bh, bh
        pop     ax
        dec     ah
        jns     .plane
        mov     ax, 0x0004
        out     dx, ax
        mov     al, bh
        ret
.cga4:
        mov     al, [es:di]
        inc     cl
        add     cl, cl
        rol     al, cl
        and     al, 3
        ret
.cga2:
        mov     al, [es:di]
        inc     cl
        rol     al, cl
        and     al, 1
        ret
