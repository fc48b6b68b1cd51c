; Scrolling in graphics modes. SI: entry of the mode table.

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
