; AH=12h: alternate select, by BL. Most answer AL=12h for "supported".

select:
        mov     bl, [bp + R_BL]
        mov     al, [bp + R_AL]
        cmp     bl, 0x10
        je      .information
        cmp     bl, 0x30
        je      .lines
        cmp     bl, 0x31
        je      .default_palette
        cmp     bl, 0x32
        je      .enable
        cmp     bl, 0x33
        je      .greys
        cmp     bl, 0x34
        je      .cursor
        cmp     bl, 0x36
        je      .screen
        ret                             ; 20h: INT 05h is the system's; 35h: one display

.information:
        mov     byte [bp + R_BH], 0     ; colour
        cmp     byte [B_CRTC], 0xB4
        jne     .colour
        mov     byte [bp + R_BH], 1
.colour:
        mov     byte [bp + R_BL], 3     ; 256 KB
        mov     al, [B_SWITCHES]
        mov     ah, al
        shr     ah, 4
        mov     [bp + R_CH], ah
        and     al, 0x0F
        mov     [bp + R_CL], al
        ret

.lines:                                 ; AL: 0 = 200, 1 = 350, 2 = 400
        cmp     al, 2
        ja      nothing
        mov     ah, 0x80
        jb      .not400
        mov     ah, 0x10
.not400:
        cmp     al, 1
        jne     .set_lines
        mov     ah, 0x00
.set_lines:
        and     byte [B_VGAFLAGS], 0x6F
        or      [B_VGAFLAGS], ah
        mov     ah, [B_SWITCHES]        ; the EGA's switches: 200 lines or enhanced
        and     ah, 0xF0
        cmp     al, 0
        mov     al, 0x08
        je      .switches
        mov     al, 0x09
.switches:
        or      ah, al
        mov     [B_SWITCHES], ah
        jmp     .supported

.default_palette:                       ; AL: 0 load it, 1 do not
        cmp     al, 1
        ja      nothing
        and     byte [B_VGAFLAGS], 0xF7
        shl     al, 3
        or      [B_VGAFLAGS], al
        jmp     .supported

.enable:                                ; AL: 0 CPU access on, 1 off
        cmp     al, 1
        ja      nothing
        mov     ah, al
        xor     ah, 1
        add     ah, ah
        mov     dx, 0x3CC
        in      al, dx
        and     al, 0xFD
        or      al, ah
        mov     dx, VGA_MISC
        out     dx, al
        jmp     .supported

.greys:                                 ; AL: 0 on, 1 off
        cmp     al, 1
        ja      nothing
        and     byte [B_VGAFLAGS], 0xFD
        xor     al, 1
        add     al, al
        or      [B_VGAFLAGS], al
        jmp     .supported

.cursor:                                ; AL: 0 emulation on, 1 off
        cmp     al, 1
        ja      nothing
        and     byte [B_VIDEOCTL], 0xFE
        or      [B_VIDEOCTL], al
        jmp     .supported

.screen:                                ; AL: 0 refresh on, 1 off
        cmp     al, 1
        ja      nothing
        mov     ah, al
        shl     ah, 5
        mov     dx, VGA_SEQ
        mov     al, 1
        out     dx, al
        inc     dx
        in      al, dx
        and     al, 0xDF
        or      al, ah
        out     dx, al
.supported:
        mov     byte [bp + R_AL], 0x12
        ret
