; Characters in graphics modes. SI: entry of the mode table.

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
