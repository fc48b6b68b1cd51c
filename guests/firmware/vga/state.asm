; AH=1Ah display combination, 1Bh functionality and state, 1Ch save and restore.

display_combination:
        cmp     byte [bp + R_AL], 1
        ja      nothing
        je      .set
        movzx   bx, byte [B_DCC]
        add     bx, bx
        mov     ax, [cs:bx + dcc_table.first]
        test    al, al                  ; the active display in BL
        jnz     .store
        xchg    al, ah
.store:
        mov     [bp + R_BX], ax
        jmp     .supported
.set:
        mov     ax, [bp + R_BX]
        mov     si, dcc_table.first
        mov     bl, 0
.search:
        cmp     ax, [cs:si]
        je      .found
        xchg    al, ah
        cmp     ax, [cs:si]
        je      .found
        xchg    al, ah
        inc     bx
        add     si, 2
        cmp     si, dcc_table.end
        jb      .search
        mov     bl, 0xFF
.found:
        mov     [B_DCC], bl
.supported:
        mov     byte [bp + R_AL], 0x1A
        ret

; AH=1Bh, BX=0: 64 bytes at ES:DI.
functionality:
        cmp     word [bp + R_BX], 0
        jne     nothing
        mov     es, [bp + R_ES]
        mov     di, [bp + R_DI]
        push    di
        mov     cx, 32
        xor     ax, ax
        rep stosw
        pop     di
        mov     word [es:di], static_functionality
        mov     [es:di + 2], cs
        push    di
        add     di, 4
        mov     si, B_VIDEOMODE
        mov     cx, 0x66 - 0x49 + 1     ; mode to CGA colour, as in the data area
        rep movsb
        mov     al, [B_ROWS]
        inc     ax
        stosb
        mov     ax, [B_POINTS]
        stosw
        pop     di
        call    active_display
        mov     [es:di + 0x25], al
        call    current_mode
        jc      .done
        mov     bx, 16                  ; colours
        mov     al, 8                   ; pages
        mov     cl, [cs:si + M_MODEL]
        cmp     cl, MODEL_TEXT
        je      .colours
        mov     al, 1
        mov     bx, 256
        cmp     cl, MODEL_BYTES
        je      .colours
        mov     bx, 4
        cmp     cl, MODEL_CGA4
        je      .colours
        mov     bx, 2
        cmp     cl, MODEL_CGA2
        je      .colours
        mov     bx, 16
        mov     al, 4
        cmp     byte [cs:si + M_NUMBER], 0x0E
        je      .colours
        mov     al, 8
        jb      .colours
        mov     al, 1
        cmp     byte [cs:si + M_NUMBER], 0x11
        mov     cl, 2
        ja      .colours
        je      .two
        mov     al, 2
        cmp     byte [cs:si + M_NUMBER], 0x10
        je      .colours
.two:
        mov     bx, 2
.colours:
        mov     [es:di + 0x27], bx
        mov     [es:di + 0x29], al
        mov     al, [B_VGAFLAGS]        ; 0 = 200, 1 = 350, 2 = 400, 3 = 480 lines
        mov     ah, 2
        cmp     byte [cs:si + M_NUMBER], 0x11
        jb      .not480
        cmp     byte [cs:si + M_NUMBER], 0x13
        je      .not480
        mov     ah, 3
        jmp     .lines
.not480:
        test    al, 0x10
        jnz     .lines
        mov     ah, 0
        test    al, 0x80
        jnz     .lines
        mov     ah, 1
.lines:
        mov     [es:di + 0x2A], ah
.done:
        mov     al, [B_VGAFLAGS]        ; all modes work, greys, palette, emulation, blinking
        mov     ah, 1
        test    al, 0x02
        jz      .no_greys
        or      ah, 2
.no_greys:
        test    al, 0x08
        jz      .palette
        or      ah, 8
.palette:
        test    byte [B_VIDEOCTL], 1
        jnz     .no_emulation
        or      ah, 4
.no_emulation:
        mov     al, [B_CGAMODE]
        and     al, 0x20
        or      ah, al
        mov     [es:di + 0x2D], ah
        mov     byte [es:di + 0x31], 3  ; 256 KB
        mov     byte [bp + R_AL], 0x1B
        ret

; AL <- display combination code of the active display.
active_display:
        movzx   bx, byte [B_DCC]
        add     bx, bx
        mov     al, [cs:bx + dcc_table.first]
        test    al, al
        jnz     .done
        mov     al, [cs:bx + dcc_table.first + 1]
.done:
        ret

static_functionality:
        dd      0x000FE0FF              ; modes 0-7, 0Dh-13h
        db      0, 0, 0
        db      0x07                    ; 200, 350, 400 lines
        db      2, 8                    ; character blocks: active, in all
        db      0xFF, 0x0E
        dw      0
        db      0x38                    ; save pointer: DCC, fonts, palette profiles
        db      0

; ---- AH=1Ch: CX bit 0 hardware, 1 data area, 2 DAC; AL: 0 size, 1 save, 2 restore
SAVED_HARDWARE  equ 2 + 5 + 25 + 20 + 9 + 4
SAVED_BDA       equ (0x66 - 0x49 + 1) + 7 + 4 + 5 * 4
SAVED_DAC       equ 3 + 768

save_state:
        mov     cx, [bp + R_CX]
        mov     al, [bp + R_AL]
        cmp     al, 1
        jb      .size
        cmp     al, 2
        ja      nothing
        mov     es, [bp + R_ES]
        mov     di, [bp + R_BX]
        je      .restore
        test    cl, 1
        jz      .no_hardware
        call    save_hardware
.no_hardware:
        test    byte [bp + R_CX], 2
        jz      .no_bda
        call    save_bda
.no_bda:
        test    byte [bp + R_CX], 4
        jz      .supported
        call    save_dac
        jmp     .supported
.restore:
        mov     si, di
        test    cl, 1
        jz      .hardware_kept
        call    restore_hardware
.hardware_kept:
        test    byte [bp + R_CX], 2
        jz      .bda_kept
        call    restore_bda
.bda_kept:
        test    byte [bp + R_CX], 4
        jz      .supported
        call    restore_dac
        jmp     .supported
.size:                                  ; BX <- blocks of 64 bytes
        xor     bx, bx
        test    cl, 1
        jz      .add_bda
        add     bx, SAVED_HARDWARE
.add_bda:
        test    cl, 2
        jz      .add_dac
        add     bx, SAVED_BDA
.add_dac:
        test    cl, 4
        jz      .round
        add     bx, SAVED_DAC
.round:
        add     bx, 63
        shr     bx, 6
        mov     [bp + R_BX], bx
.supported:
        mov     byte [bp + R_AL], 0x1C
        ret

; Reads CX registers behind index port DX to ES:DI.
save_indexed:
        mov     ah, 0
.next:
        mov     al, ah
        out     dx, al
        inc     dx
        in      al, dx
        dec     dx
        stosb
        inc     ah
        loop    .next
        ret

restore_indexed:
        mov     al, 0
.next:
        mov     ah, [es:si]
        inc     si
        out     dx, ax
        inc     ax
        loop    .next
        ret

save_hardware:
        mov     ax, [B_CRTC]
        stosw
        mov     dx, VGA_SEQ
        mov     cx, 5
        call    save_indexed
        mov     dx, 0x3CC
        in      al, dx
        stosb
        mov     dx, [B_CRTC]
        mov     cx, 25
        call    save_indexed
        mov     al, 0
.attribute:
        call    attribute_read
        mov     [es:di], ah
        inc     di
        inc     ax
        cmp     al, 20
        jb      .attribute
        mov     dx, VGA_GFX
        mov     cx, 9
        call    save_indexed
        mov     dx, 0x3CA
        in      al, dx
        stosb
        ret

restore_hardware:
        mov     dx, [es:si]
        add     si, 2
        push    dx
        mov     dx, VGA_SEQ
        mov     cx, 5
        call    restore_indexed
        mov     dx, VGA_SEQ
        mov     ax, 0x0100
        out     dx, ax
        mov     al, [es:si]
        inc     si
        mov     dx, VGA_MISC
        out     dx, al
        mov     dx, VGA_SEQ
        mov     ax, 0x0300
        out     dx, ax
        pop     dx
        mov     [B_CRTC], dx
        mov     ax, 0x0011
        out     dx, ax
        mov     cx, 25
        call    restore_indexed
        mov     al, 0
.attribute:
        mov     ah, [es:si]
        inc     si
        push    ax
        call    attribute_write
        pop     ax
        inc     ax
        cmp     al, 20
        jb      .attribute
        mov     dx, VGA_GFX
        mov     cx, 9
        call    restore_indexed
        inc     si                      ; feature control
        ret

; The parts of the data area and the vectors that belong to the display.
bda_parts:
        dw      0x449, 0x66 - 0x49 + 1
        dw      0x484, 7
        dw      0x4A8, 4
        dw      0x05 * 4, 4
        dw      0x1D * 4, 4
        dw      0x1F * 4, 4
        dw      0x43 * 4, 4
        dw      0x44 * 4, 4
bda_parts_end:

save_bda:
        push    ds
        push    word 0
        pop     ds
        mov     bx, bda_parts
.part:
        mov     si, [cs:bx]
        mov     cx, [cs:bx + 2]
        rep movsb
        add     bx, 4
        cmp     bx, bda_parts_end
        jb      .part
        pop     ds
        ret

restore_bda:
        push    es
        push    ds
        push    es
        pop     ds
        push    word 0
        pop     es
        mov     bx, bda_parts
.part:
        mov     di, [cs:bx]
        mov     cx, [cs:bx + 2]
        rep movsb
        add     bx, 4
        cmp     bx, bda_parts_end
        jb      .part
        pop     ds
        pop     es
        ret

save_dac:
        mov     dx, VGA_DACREAD
        in      al, dx
        stosb
        inc     dx
        in      al, dx                  ; write index
        stosb
        mov     dx, VGA_PELMASK
        in      al, dx
        stosb
        mov     dx, VGA_DACREAD
        mov     al, 0
        out     dx, al
        mov     dx, VGA_DACDATA
        mov     cx, 768
        rep insb
        ret

restore_dac:
        inc     si
        mov     bl, [es:si]
        inc     si
        mov     al, [es:si]
        inc     si
        mov     dx, VGA_PELMASK
        out     dx, al
        mov     dx, VGA_DACWRITE
        mov     al, 0
        out     dx, al
        inc     dx
        mov     cx, 768
        es rep outsb
        dec     dx
        mov     al, bl
        out     dx, al
        ret
