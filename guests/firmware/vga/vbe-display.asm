; VESA functions 4F04h-4F09h: state, window, line length, display start, colours.

; 4F04h: DL: 0 size, 1 save, 2 restore; CX: what, bit 3 our registers; ES:BX: buffer.
; Ours come first, then what AH=1Ch keeps.
VBE_SAVED       equ 64

vbe_state:
        mov     al, [bp + R_DL]
        cmp     al, 2
        ja      .failed
        push    word [bp + R_BX]
        cmp     al, 1
        jb      .size
        mov     es, [bp + R_ES]
        mov     di, [bp + R_BX]
        je      .save
        mov     bx, VBE_ENABLE          ; off while the others change
        xor     ax, ax
        call    vbe_write
        call    .vga
        mov     es, [bp + R_ES]
        pop     si
        push    si
        mov     cx, [es:si]
        mov     bx, VBE_XRES            ; size and depth, then on, then window and offsets
.restore_next:
        add     si, 2
        mov     ax, [es:si]
        cmp     bx, VBE_ENABLE
        jne     .restore
        or      al, 0x80                ; the picture stays
.restore:
        call    vbe_write
        inc     bx
        cmp     bx, VBE_YOFFSET
        jbe     .restore_next
        mov     [B_VBEMODE], cx
        jmp     .end
.save:
        mov     ax, [B_VBEMODE]
        stosw
        mov     bx, VBE_XRES
.save_next:
        call    vbe_read
        stosw
        inc     bx
        cmp     bx, VBE_YOFFSET
        jbe     .save_next
        call    .vga
        jmp     .end
.size:
        mov     byte [bp + R_AL], 0
        call    save_state
        inc     word [bp + R_BX]
        pop     ax
        clc
        ret
.end:
        pop     word [bp + R_BX]
        clc
        ret
.failed:
        stc
        ret
.vga:
        mov     al, [bp + R_DL]
        mov     [bp + R_AL], al
        add     word [bp + R_BX], VBE_SAVED
        jmp     save_state

; 4F05h: BH: 0 set, 1 get; BL: window (A only); DX: 64 KB unit.
vbe_window:
        cmp     byte [bp + R_BL], 0
        jne     .failed
        cmp     byte [bp + R_BH], 1
        ja      .failed
        je      .get
        mov     ax, [bp + R_DX]
        mov     bx, VBE_BANK
        call    vbe_write
        clc
        ret
.get:
        mov     bx, VBE_BANK
        call    vbe_read
        mov     [bp + R_DX], ax
        clc
        ret
.failed:
        stc
        ret

; The same, by far call: BH, DX as there.
vbe_window_call:
        push    ax
        push    bx
        test    bh, bh
        mov     bx, VBE_BANK
        jnz     .get
        mov     ax, dx
        call    vbe_write
        jmp     .done
.get:
        call    vbe_read
        mov     dx, ax
.done:
        pop     bx
        pop     ax
        retf

; 4F06h: BL: 0 set in pixels, 2 in bytes (CX), 1 get, 3 the most -> BX bytes, CX
; pixels, DX lines.
vbe_line_length:
        mov     bx, VBE_BPP
        call    vbe_read
        add     ax, 7
        shr     ax, 3
        jz      .failed
        movzx   ecx, ax                 ; bytes a pixel
        mov     al, [bp + R_BL]
        cmp     al, 3
        ja      .failed
        je      .most
        cmp     al, 1
        je      .get
        movzx   eax, word [bp + R_CX]
        cmp     byte [bp + R_BL], 0
        je      .set
        add     eax, ecx
        dec     eax
        xor     edx, edx
        div     ecx
.set:
        mov     bx, VBE_WIDTH
        call    vbe_write
.get:
        mov     bx, VBE_WIDTH
        call    vbe_read
        mov     [bp + R_CX], ax
        mul     cx
        mov     [bp + R_BX], ax
        movzx   ecx, ax
        mov     bx, VBE_MEMORY
        call    vbe_read
        movzx   eax, ax
        shl     eax, 16
        xor     edx, edx
        div     ecx
        cmp     eax, 0xFFFF
        jbe     .lines
        mov     ax, 0xFFFF
.lines:
        mov     [bp + R_DX], ax
        clc
        ret
.most:
        mov     bx, VBE_YRES
        call    vbe_read
        movzx   ebx, ax
        push    ebx
        mov     bx, VBE_MEMORY
        call    vbe_read
        pop     ebx
        movzx   eax, ax
        shl     eax, 16
        xor     edx, edx
        div     ebx
        xor     edx, edx
        div     ecx
        cmp     eax, 0x3FF8
        jbe     .most_fits
        mov     eax, 0x3FF8
.most_fits:
        mov     [bp + R_CX], ax
        mul     cx
        mov     [bp + R_BX], ax
        clc
        ret
.failed:
        stc
        ret

; 4F07h: BL: 0 or 80h set, 1 get; CX: first pixel, DX: first line.
vbe_display_start:
        mov     al, [bp + R_BL]
        cmp     al, 1
        je      .get
        and     al, 0x7F
        jnz     .failed
        mov     ax, [bp + R_CX]
        mov     bx, VBE_XOFFSET
        call    vbe_write
        mov     ax, [bp + R_DX]
        mov     bx, VBE_YOFFSET
        call    vbe_write
        clc
        ret
.get:
        mov     bx, VBE_XOFFSET
        call    vbe_read
        mov     [bp + R_CX], ax
        mov     bx, VBE_YOFFSET
        call    vbe_read
        mov     [bp + R_DX], ax
        mov     byte [bp + R_BH], 0
        clc
        ret
.failed:
        stc
        ret

; 4F08h: BL: 0 set BH bits a colour, 1 get -> BH.
vbe_dac_width:
        mov     bx, VBE_ENABLE
        call    vbe_read
        cmp     byte [bp + R_BL], 1
        ja      .failed
        je      .get
        and     al, 0xDF
        cmp     byte [bp + R_BH], 8
        jb      .set
        or      al, 0x20
.set:
        or      al, 0x80                ; the picture stays
        call    vbe_write
.get:
        test    al, 0x20
        mov     al, 6
        jz      .store
        mov     al, 8
.store:
        mov     [bp + R_BH], al
        clc
        ret
.failed:
        stc
        ret

; 4F09h: BL: 0 or 80h set, 1 get; DX: first, CX: how many, ES:DI: blue, green, red, 0.
vbe_palette:
        mov     al, [bp + R_BL]
        mov     es, [bp + R_ES]
        mov     di, [bp + R_DI]
        mov     cx, [bp + R_CX]
        cmp     cx, 256
        ja      .failed
        cmp     al, 1
        je      .get
        and     al, 0x7F
        jnz     .failed
        jcxz    .done
        mov     dx, VGA_DACWRITE
        mov     al, [bp + R_DL]
        out     dx, al
        inc     dx
.set_next:
        mov     al, [es:di + 2]
        out     dx, al
        mov     al, [es:di + 1]
        out     dx, al
        mov     al, [es:di]
        out     dx, al
        add     di, 4
        loop    .set_next
.done:
        clc
        ret
.get:
        jcxz    .done
        mov     dx, VGA_DACREAD
        mov     al, [bp + R_DL]
        out     dx, al
        mov     dx, VGA_DACDATA
.get_next:
        in      al, dx
        mov     [es:di + 2], al
        in      al, dx
        mov     [es:di + 1], al
        in      al, dx
        mov     [es:di], al
        mov     byte [es:di + 3], 0
        add     di, 4
        loop    .get_next
        clc
        ret
.failed:
        stc
        ret
