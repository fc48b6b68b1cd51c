; AH=00h: mode AL; bit 7: keep the contents of video memory.

set_mode:
        mov     al, [bp + R_AL]
        and     al, 0x7F
        call    find_mode
        jc      .none
        call    vbe_off
        mov     ah, [cs:si + M_NUMBER]
        mov     al, 0x20                ; what the PC's BIOS left in AL
        cmp     ah, 7
        ja      .answer
        mov     al, 0x30
        cmp     ah, 6
        jne     .answer
        mov     al, 0x3F
.answer:
        mov     ah, [bp + R_AL]
        mov     [bp + R_AL], al
        and     byte [B_VIDEOCTL], 0x7F
        and     ah, 0x80
        or      [B_VIDEOCTL], ah
        call    mode_parameters         ; BX: parameters, CL: palette set
        call    program_mode
        test    byte [B_VGAFLAGS], 0x08
        jnz     .memory
        call    load_palette
.memory:
        test    byte [B_VIDEOCTL], 0x80
        jnz     .kept
        call    clear_memory
.kept:
        call    mode_variables
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     .graphics
        call    load_mode_font
        jmp     .screen_on
.graphics:
        call    graphics_font
.screen_on:
        mov     dx, [B_CRTC]
        add     dx, 6
        in      al, dx
        mov     dx, VGA_ATC
        mov     al, 0x20                ; the palette belongs to the display again
        out     dx, al
.none:
        ret

; SI: mode -> BX: its entry in the parameter table (the one that the save pointer
; names, so that programs can replace it), CL: palette set.
mode_parameters:
        mov     cl, [cs:si + M_PALETTE]
        movzx   bx, byte [cs:si + M_PARAMS]
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     .indexed
        mov     al, [B_VGAFLAGS]
        and     al, 0x90
        cmp     bl, 7
        je      .mono
        cmp     al, 0x80                ; 200 lines: the colours of the CGA
        jne     .lines
        mov     cl, PALETTE_CGA
        jmp     .indexed
.lines:
        test    al, 0x10
        jz      .lines_350
        shr     bl, 1
        add     bl, 0x17
        jmp     .indexed
.lines_350:
        add     bl, 0x13
        jmp     .indexed
.mono:
        test    al, 0x10
        jz      .indexed
        mov     bl, 0x19
.indexed:
        shl     bx, 6
        add     bx, video_parameters
        ret

; CS:BX: parameters -> registers. Keeps BX, CX, SI.
program_mode:
        push    bx
        push    cx
        push    si
        lea     si, [bx + 5]
        mov     dx, VGA_SEQ
        mov     ax, 0x0100              ; synchronous reset while the clock changes
        out     dx, ax
        mov     cx, 4
        mov     al, 1
.sequencer:
        mov     ah, [cs:si]
        inc     si
        out     dx, ax
        inc     ax
        loop    .sequencer
        cs lodsb                        ; miscellaneous output
        push    ax
        mov     dx, VGA_MISC
        out     dx, al
        mov     dx, VGA_SEQ
        mov     ax, 0x0300
        out     dx, ax
        pop     ax
        mov     dx, 0x3B4
        test    al, 1
        jz      .crtc
        mov     dx, 0x3D4
.crtc:
        mov     [B_CRTC], dx
        mov     ax, 0x0011              ; unlock registers 0-7
        out     dx, ax
        mov     cx, 25
        mov     al, 0
.crtc_next:
        mov     ah, [cs:si]
        inc     si
        out     dx, ax
        inc     ax
        loop    .crtc_next
        add     dx, 6
        in      al, dx                  ; the attribute controller takes an index next
        mov     dx, VGA_ATC
        mov     cx, 20
        mov     ah, 0
.attribute:
        mov     al, ah
        out     dx, al
        cs lodsb
        out     dx, al
        inc     ah
        loop    .attribute
        mov     al, 0x14
        out     dx, al
        mov     al, 0
        out     dx, al
        mov     dx, VGA_GFX
        mov     cx, 9
        mov     al, 0
.graphics:
        mov     ah, [cs:si]
        inc     si
        out     dx, ax
        inc     ax
        loop    .graphics
        mov     dx, VGA_PELMASK
        mov     al, 0xFF
        out     dx, al
        pop     si
        pop     cx
        pop     bx
        ret

; CL: palette set. The rest of the DAC becomes black.
load_palette:
        push    bx
        push    si
        movzx   bx, cl
        shl     bx, 2
        mov     si, [cs:bx + palette_sets]
        mov     cx, [cs:bx + palette_sets + 2]
        mov     bx, cx
        mov     dx, VGA_DACWRITE
        mov     al, 0
        out     dx, al
        inc     dx
        imul    cx, cx, 3
        push    ds
        push    cs
        pop     ds
        rep outsb
        pop     ds
        mov     cx, 256
        sub     cx, bx
        jz      .full
        imul    cx, cx, 3
        mov     al, 0
.black:
        out     dx, al
        loop    .black
.full:
        test    byte [B_VGAFLAGS], 0x02
        jz      .colours
        xor     bx, bx
        mov     cx, 256
        call    sum_greys
.colours:
        pop     si
        pop     bx
        ret

; SI: mode.
clear_memory:
        push    es
        mov     es, [cs:si + 4]
        xor     di, di
        mov     cx, 0x4000
        mov     ax, 0x0720
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        je      .fill
        xor     ax, ax
        cmp     byte [cs:si + M_MODEL], MODEL_PLANAR
        jb      .fill
        mov     ch, 0x80
.fill:
        rep stosw
        pop     es
        ret

; SI: mode, CS:BX: parameters.
mode_variables:
        mov     al, [cs:si + M_NUMBER]
        mov     [B_VIDEOMODE], al
        movzx   ax, byte [cs:bx]
        mov     [B_COLUMNS], ax
        mov     al, [cs:bx + 1]
        mov     [B_ROWS], al
        mov     al, [cs:bx + 2]
        mov     [B_POINTS], ax
        mov     ax, [cs:bx + 3]
        mov     [B_PAGESIZE], ax
        mov     word [B_PAGESTART], 0
        mov     byte [B_PAGE], 0
        push    es
        push    ds
        pop     es
        mov     di, B_CURSOR
        mov     cx, 8
        xor     ax, ax
        rep stosw
        pop     es
        mov     word [B_CURSORTYPE], 0x0607
        cmp     byte [cs:bx + 2], 14    ; monochrome 350 lines: as the MDA
        jne     .cga
        cmp     byte [cs:si + M_NUMBER], 7
        jne     .cga
        mov     word [B_CURSORTYPE], 0x0B0C
.cga:
        movzx   di, byte [cs:si + M_NUMBER]
        mov     al, 0x29
        cmp     di, 7
        ja      .store
        mov     al, [cs:di + .cga_modes]
.store:
        mov     [B_CGAMODE], al
        mov     byte [B_CGACOLOUR], 0x30
        cmp     di, 6
        jne     .done
        mov     byte [B_CGACOLOUR], 0x3F
.done:
        ret
.cga_modes db   0x2C, 0x28, 0x2D, 0x29, 0x2A, 0x2E, 0x1E, 0x29

; Text modes: the font of the character height into memory block 0.
load_mode_font:
        mov     di, font_8x16
        mov     bh, 16
        mov     al, [B_POINTS]
        cmp     al, 16
        je      .load
        mov     di, font_8x14
        mov     bh, 14
        cmp     al, 14
        je      .load
        mov     di, font_8x8
        mov     bh, 8
.load:
        mov     cx, 256
        xor     dx, dx
        mov     bl, 0
        push    cs
        pop     es
        call    load_font
        xor     ax, ax                  ; text has no graphics font, yet INT 43h tells this one
        mov     es, ax
        mov     [es:0x43 * 4], di
        mov     [es:0x43 * 4 + 2], cs
        ret

; Graphics modes: the font behind INT 43h that draws characters.
graphics_font:
        xor     ax, ax
        mov     es, ax
        mov     ax, font_8x8
        cmp     byte [B_POINTS], 14
        jb      .store
        mov     ax, font_8x14
        je      .store
        mov     ax, font_8x16
.store:
        mov     [es:0x43 * 4], ax
        mov     [es:0x43 * 4 + 2], cs
        ret
