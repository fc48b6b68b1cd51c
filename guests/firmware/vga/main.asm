; Start-up of the video BIOS and the way into INT 10h.

video_init:
        SERVICE_SAVE
        xor     ax, ax
        mov     ds, ax
        mov     word [0x10 * 4], int10
        mov     [0x10 * 4 + 2], cs
        mov     word [0x1D * 4], cga_parameters
        mov     [0x1D * 4 + 2], cs
        mov     word [0x1F * 4], font_8x8 + 128 * 8
        mov     [0x1F * 4 + 2], cs
        mov     word [0x43 * 4], font_8x16
        mov     [0x43 * 4 + 2], cs
        SETSEG  ds, BDA
        mov     al, [B_EQUIP]
        and     al, 0xCF
        or      al, 0x20                ; 80x25 colour
        mov     [B_EQUIP], al
        mov     word [B_CRTC], 0x3D4
        mov     byte [B_VIDEOCTL], 0x60 ; 256 KB, colour
        mov     byte [B_SWITCHES], 0xF9
        mov     byte [B_VGAFLAGS], 0x11 ; 400 lines, VGA active
        mov     byte [B_DCC], 0x0B      ; index of "VGA with colour display" in dcc_table
        mov     word [B_SAVEPTR], save_pointer_table
        mov     [B_SAVEPTR + 2], cs
        mov     ax, 0x0003
        int     0x10
        SERVICE_RESTORE
        retf

; What 40:A8 points to: video parameters, dynamic save area, fonts, the second table.
save_pointer_table:
        dw      video_parameters, ROM_SEGMENT
        dw      0, 0, 0, 0, 0, 0
        dw      secondary_table, ROM_SEGMENT
        dw      0, 0, 0, 0
secondary_table:
        dw      26
        dw      dcc_table, ROM_SEGMENT
        times 20 db 0
dcc_table:                              ; combinations of displays
        db      (.end - .first) / 2, 1, 8, 0
.first  db      0,0, 0,1, 0,2, 2,1, 0,4, 4,1, 0,5, 2,5, 0,6, 6,1, 6,5, 0,8, 1,8, 0,7, 2,7, 6,7
.end:

; INT 1Dh: CRTC values of the CGA and MDA for those who program them.
cga_parameters:
        db      0x38, 0x28, 0x2D, 0x0A, 0x1F, 6, 0x19, 0x1C, 2, 7, 6, 7, 0, 0, 0, 0
        db      0x71, 0x50, 0x5A, 0x0A, 0x1F, 6, 0x19, 0x1C, 2, 7, 6, 7, 0, 0, 0, 0
        db      0x38, 0x28, 0x2D, 0x0A, 0x7F, 6, 0x64, 0x70, 2, 1, 6, 7, 0, 0, 0, 0
        db      0x61, 0x50, 0x52, 0x0F, 0x19, 6, 0x19, 0x19, 2, 0x0D, 0x0B, 0x0C, 0, 0, 0, 0
        dw      0x0800, 0x1000, 0x4000, 0x4000
        db      40, 40, 80, 80, 40, 40, 80, 80
        db      0x2C, 0x28, 0x2D, 0x29, 0x2A, 0x2E, 0x1E, 0x29

int10:
        sti
        SERVICE
        SETSEG  ds, BDA
        movzx   bx, byte [bp + R_AH]
        cmp     bl, 0x1C
        ja      .extended
        add     bx, bx
        call    [cs:bx + int10_table]
.end:
        SERVICE_END
.extended:
        cmp     bl, 0x4F
        jne     .end
        call    vbe
        jmp     .end

; Each: DS = BDA, BP = frame; all registers free.
int10_table:
        dw      set_mode, cursor_type, set_position, get_position
        dw      light_pen, select_page, scroll_up, scroll_down
        dw      read_character, write_attribute, write_character, cga_palette
        dw      write_pixel, read_pixel, teletype, get_mode
        dw      palette, font, select, write_string
        dw      nothing, nothing, nothing, nothing, nothing, nothing
        dw      display_combination, functionality, save_state

nothing:
        ret

light_pen:                              ; there is none
        mov     byte [bp + R_AH], 0
        ret

; SI <- entry of the mode table for the current mode; CF when it has none (VESA).
current_mode:
        mov     al, [B_VIDEOMODE]
; The same for mode AL.
find_mode:
        mov     si, mode_table
.next:
        cmp     al, [cs:si + M_NUMBER]
        je      .found
        add     si, M_SIZE
        cmp     si, mode_table_end
        jb      .next
        stc
        ret
.found:
        clc
        ret
