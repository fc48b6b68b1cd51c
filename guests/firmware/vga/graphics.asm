; Characters, scrolling and pixels in graphics modes. SI: entry of the mode table.

; BL: page, DX: position -> ES:DI: first byte of the character cell.
graphics_cell:
        push    ax
        push    bx
        push    cx
        push    dx
        mov     es, [cs:si + 4]
        movzx   ax, bl
        mul     word [B_PAGESIZE]
        mov     di, ax
        pop     dx
        push    dx
        mov     al, dh
        mul     byte [B_COLUMNS]
        mov     cl, [cs:si + M_MODEL]
        cmp     cl, MODEL_PLANAR
        jb      .cga
        movzx   bx, byte [B_POINTS]
        push    dx
        mul     bx
        pop     dx
        movzx   dx, dl
        add     ax, dx
        cmp     cl, MODEL_PLANAR
        je      .done
        shl     ax, 3                   ; eight bytes a cell and row
        jmp     .done
.cga:
        mov     al, 160                 ; four lines of 80 bytes in each half
        mul     dh
        add     ax, ax
        movzx   dx, dl
        add     ax, dx
        cmp     cl, MODEL_CGA2
        je      .done
        add     ax, dx
.done:
        add     di, ax
        pop     dx
        pop     cx
        pop     bx
        pop     ax
        ret

; AL: character -> DX:BX: its bits. The CGA modes keep 80h-FFh behind INT 1Fh.
glyph_address:
        push    ds
        push    ax
        mov     cl, [B_POINTS]
        xor     bx, bx
        mov     ds, bx
        mov     bx, 0x43 * 4
        cmp     byte [cs:si + M_MODEL], MODEL_CGA2
        ja      .take
        test    al, al
        jns     .take
        and     al, 0x7F
        mov     bx, 0x1F * 4
.take:
        mul     cl
        mov     dx, [bx + 2]
        mov     bx, [bx]
        add     bx, ax
        pop     ax
        pop     ds
        ret

; AH=09h, 0Ah: CX times.
graphics_write:
        jcxz    graphics_none
        mov     bh, 0
        cmp     byte [bp + R_AH], 0x09
        jne     .next
        mov     bh, [bp + R_BH]         ; the background, with a byte a pixel
        cmp     byte [cs:si + M_MODEL], MODEL_BYTES
        jne     .next
        mov     bl, 0
.next:
        push    cx
        call    draw_character
        pop     cx
        inc     dl
        loop    .next
graphics_none:
        ret

; For teletype: one character on black.
graphics_put:
        mov     bh, 0

; AL: character, AH: colour (bit 7: exclusive or), BH: background, BL: page, DX: cell.
draw_character:
        pushad
        mov     ch, ah
        call    graphics_cell
        push    bx
        call    glyph_address           ; DX:BX; CL: lines
        push    bx
        movzx   bx, byte [cs:si + M_MODEL]
        pop     si
        pop     ax
        mov     bp, [B_COLUMNS]         ; bytes a line of the planar modes
        push    ds
        mov     ds, dx
        mov     dh, ah                  ; background
        mov     ax, cx
        call    [cs:bx + .models]
        pop     ds
        popad
        ret
.models dw      0, draw_cga4, draw_cga2, draw_planar, draw_bytes

; Each: DS:SI: bits, ES:DI: cell, AL: lines, AH: colour, DH: background, BP: line.
draw_planar:
        mov     cl, al
        mov     bh, ah
        mov     dx, VGA_GFX
        mov     ax, 0x0003
        test    bh, 0x80
        jz      .replace
        mov     ah, 0x18                ; exclusive or with the latches
.replace:
        out     dx, ax
        mov     ax, 0x0005
        out     dx, ax
        mov     ax, 0x0001
        out     dx, ax
        mov     ax, 0xFF08
        out     dx, ax
        mov     dx, VGA_SEQ
        mov     bl, 1
.plane:
        mov     al, 0x02
        mov     ah, bl
        out     dx, ax
        push    si
        push    di
        mov     ch, cl
        mov     ah, 0
        test    bh, bl
        jz      .line
        mov     ah, 0xFF
.line:
        lodsb
        and     al, ah
        mov     dh, [es:di]             ; loads the latches
        mov     [es:di], al
        add     di, bp
        dec     ch
        jnz     .line
        mov     dx, VGA_SEQ
        pop     di
        pop     si
        add     bl, bl
        cmp     bl, 0x10
        jb      .plane
        mov     ax, 0x0F02
        out     dx, ax
        mov     dx, VGA_GFX
        mov     ax, 0x0003
        out     dx, ax
        ret

draw_cga4:
        mov     ch, al
        mov     bl, ah
        and     ax, 0x0300
        mov     al, ah
        mov     ah, 0x55
        mul     ah
        mov     ah, al
        mov     bp, ax                  ; the colour in all eight pixels
.line:
        lodsb
        mov     cl, 8
        xor     dx, dx
.bit:
        shl     dx, 2
        add     al, al
        jnc     .clear
        or      dl, 3
.clear:
        dec     cl
        jnz     .bit
        and     dx, bp
        xchg    dl, dh
        test    bl, 0x80
        jz      .store
        xor     dx, [es:di]
.store:
        mov     [es:di], dx
        call    cga_next_line
        dec     ch
        jnz     .line
        ret

draw_cga2:
        mov     ch, al
.line:
        lodsb
        test    ah, 1
        jnz     .colour
        mov     al, 0
.colour:
        test    ah, 0x80
        jz      .store
        xor     al, [es:di]
.store:
        mov     [es:di], al
        call    cga_next_line
        dec     ch
        jnz     .line
        ret

cga_next_line:
        xor     di, 0x2000
        test    di, 0x2000
        jnz     .done
        add     di, 80
.done:
        ret

draw_bytes:
        mov     ch, al
        mov     bl, ah
        shl     bp, 3
.line:
        lodsb
        mov     ah, al
        push    di
        mov     cl, 8
.pixel:
        mov     al, bl
        add     ah, ah
        jc      .store
        mov     al, dh
.store:
        stosb
        dec     cl
        jnz     .pixel
        pop     di
        add     di, bp
        dec     ch
        jnz     .line
        ret

; AH=08h: the character whose bits stand in the cell, or 0. ES:DI: cell.
graphics_read:
        call    graphics_cell
        push    bp
        mov     bp, sp
        sub     sp, 32                  ; the cell's bits, a byte a line
        mov     ch, [B_POINTS]
        movzx   bx, byte [cs:si + M_MODEL]
        cmp     bx, MODEL_PLANAR
        jne     .gather
        mov     dx, VGA_GFX             ; read mode 1: where is colour 0?
        mov     ax, 0x0805
        out     dx, ax
        mov     ax, 0x0002
        out     dx, ax
        mov     ax, 0x0F07
        out     dx, ax
.gather:
        push    si
        lea     si, [bp - 32]
.line:
        call    [cs:bx + .models]
        mov     [ss:si], al
        inc     si
        dec     ch
        jnz     .line
        pop     si
        cmp     bx, MODEL_PLANAR
        jne     .compare
        mov     ax, 0x0005
        out     dx, ax
.compare:
        mov     al, 0                   ; every character in turn
.character:
        call    glyph_address           ; DX:BX
        movzx   cx, byte [B_POINTS]
        mov     es, dx
        mov     di, bx
        push    ds
        push    si
        push    ss
        pop     ds
        lea     si, [bp - 32]
        repe cmpsb
        pop     si
        pop     ds
        je      .found
        inc     al
        jnz     .character
.found:
        mov     sp, bp
        pop     bp
        mov     [bp + R_AL], al
        ret
.models dw      0, read_cga4, read_cga2, read_planar, read_bytes

; Each: AL <- which of the eight pixels at ES:DI are not colour 0; DI: next line.
read_planar:
        mov     al, [es:di]
        not     al
        add     di, [B_COLUMNS]
        ret

read_cga4:
        push    dx
        mov     dx, [es:di]
        xchg    dl, dh
        mov     cl, 8
.pixel:
        rol     dx, 2
        test    dl, 3
        setnz   ah
        add     al, al
        or      al, ah
        dec     cl
        jnz     .pixel
        pop     dx
        jmp     cga_next_line

read_cga2:
        mov     al, [es:di]
        jmp     cga_next_line

read_bytes:
        mov     cl, 8
.pixel:
        cmp     byte [es:di], 0
        setnz   ah
        inc     di
        add     al, al
        or      al, ah
        dec     cl
        jnz     .pixel
        add     di, 320 - 8
        ret

; ---- scrolling ---------------------------------------------------------------
; AH: 1 = down, AL: text lines, CH, CL: upper left, DH: rows, DL: columns, BH: colour
; of the new lines, BL: page.
S_X             equ -2                  ; first byte of a line, page included
S_WIDTH         equ -4                  ; bytes
S_TOP           equ -6                  ; first pixel line
S_MOVE          equ -8                  ; lines to move
S_SHIFT         equ -10                 ; by how many
S_MODEL         equ -12
S_DOWN          equ -14
S_COLOUR        equ -16

graphics_scroll:
        push    bp
        mov     bp, sp
        sub     sp, 16
        mov     es, [cs:si + 4]
        mov     [bp + S_COLOUR], bh
        mov     [bp + S_DOWN], ah
        push    dx
        push    ax
        movzx   ax, bl
        mul     word [B_PAGESIZE]
        mov     di, ax
        movzx   bx, byte [cs:si + M_MODEL]
        mov     [bp + S_MODEL], bx
        pop     ax
        pop     dx
        push    cx
        movzx   bx, cl
        mov     cl, 0                   ; bytes a column: 1, 2 or 8
        cmp     byte [bp + S_MODEL], MODEL_CGA4
        jne     .not_cga4
        mov     cl, 1
.not_cga4:
        cmp     byte [bp + S_MODEL], MODEL_BYTES
        jne     .not_bytes
        mov     cl, 3
.not_bytes:
        shl     bx, cl
        add     di, bx
        mov     [bp + S_X], di
        movzx   bx, dl
        shl     bx, cl
        mov     [bp + S_WIDTH], bx
        pop     cx
        mov     bl, [B_POINTS]
        mov     cl, al
        mov     al, ch
        mul     bl
        mov     [bp + S_TOP], ax
        mov     al, cl
        mul     bl
        mov     [bp + S_SHIFT], ax
        mov     al, dh
        mul     bl
        sub     ax, [bp + S_SHIFT]
        mov     [bp + S_MOVE], ax
        cmp     byte [bp + S_MODEL], MODEL_PLANAR
        jne     .move
        mov     dx, VGA_GFX
        mov     ax, 0x0105              ; write mode 1: a byte moves in all planes at once
        out     dx, ax
.move:
        mov     cx, [bp + S_MOVE]
        jcxz    .moved
        mov     bx, [bp + S_TOP]
        cmp     byte [bp + S_DOWN], 0
        je      .next
        add     bx, cx                  ; from the last line upwards
        dec     bx
.next:
        push    cx
        mov     ax, bx
        cmp     byte [bp + S_DOWN], 0
        jne     .from
        add     ax, [bp + S_SHIFT]
.from:
        call    scan_line
        mov     si, di
        mov     ax, bx
        cmp     byte [bp + S_DOWN], 0
        je      .to
        add     ax, [bp + S_SHIFT]
.to:
        call    scan_line
        mov     cx, [bp + S_WIDTH]
        es rep movsb
        pop     cx
        inc     bx
        cmp     byte [bp + S_DOWN], 0
        je      .counted
        sub     bx, 2
.counted:
        loop    .next
.moved:
        mov     bx, [bp + S_TOP]
        cmp     byte [bp + S_DOWN], 0
        jne     .fill
        add     bx, [bp + S_MOVE]
.fill:
        cmp     byte [bp + S_MODEL], MODEL_PLANAR
        jne     .fill_lines
        mov     dx, VGA_GFX
        mov     ax, 0x0005
        out     dx, ax
        mov     ah, [bp + S_COLOUR]
        mov     al, 0x00
        out     dx, ax
        mov     ax, 0x0F01              ; all planes take the colour
        out     dx, ax
.fill_lines:
        mov     dx, [bp + S_SHIFT]
.fill_next:
        mov     ax, bx
        call    scan_line
        mov     cx, [bp + S_WIDTH]
        mov     al, [bp + S_COLOUR]
        rep stosb
        inc     bx
        dec     dx
        jnz     .fill_next
        cmp     byte [bp + S_MODEL], MODEL_PLANAR
        jne     .done
        mov     dx, VGA_GFX
        mov     ax, 0x0001
        out     dx, ax
.done:
        mov     sp, bp
        pop     bp
        ret

; AX: pixel line -> DI: its first byte in the window.
scan_line:
        push    dx
        cmp     byte [bp + S_MODEL], MODEL_PLANAR
        ja      .bytes
        je      .planar
        mov     di, ax
        shr     di, 1
        imul    di, di, 80
        test    al, 1
        jz      .done
        add     di, 0x2000
        jmp     .done
.planar:
        mul     word [B_COLUMNS]
        mov     di, ax
        jmp     .done
.bytes:
        imul    di, ax, 320
.done:
        add     di, [bp + S_X]
        pop     dx
        ret

; ---- pixels ------------------------------------------------------------------
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
