; Cursor, pages, characters and scrolling. In graphics modes the character work
; goes to graphics.asm.

; AH=01h: CH first, CL last scan line of the cursor, as of an 8-line character; with
; emulation on (the default) scaled to the real height. CH bits 5-6: hidden.
cursor_type:
        mov     cx, [bp + R_CX]
        mov     [B_CURSORTYPE], cx
set_cursor_shape:
        test    byte [B_VIDEOCTL], 1
        jnz     .write
        mov     ax, cx
        test    ch, 0x60
        jnz     .write
        cmp     byte [B_POINTS], 8
        jbe     .write
        cmp     ch, 7
        ja      .write
        cmp     cl, 7
        ja      .write
        mov     bl, [B_POINTS]
        cmp     cl, ch
        jb      .write
        inc     ch
        cmp     cl, ch
        jbe     .underline
        dec     ch
        mov     al, ch                  ; a block: stretch
        mul     bl
        shr     ax, 3
        mov     ch, al
        mov     al, cl
        inc     ax
        mul     bl
        shr     ax, 3
        dec     ax
        mov     cl, al
        jmp     .write
.underline:                             ; one or two lines: at the foot of the character
        sub     ch, cl                  ; CH: 1 for one line, 0 for two
        mov     al, cl
        inc     al
        mul     bl
        shr     ax, 3
        mov     cl, al
        sub     cl, 2                   ; 06h, 07h -> 0Dh, 0Eh at 16 lines
        add     ch, cl
        dec     ch
.write:
        mov     dx, [B_CRTC]
        mov     al, 0x0A
        mov     ah, ch
        out     dx, ax
        mov     al, 0x0B
        mov     ah, cl
        out     dx, ax
        ret

; AH=02h: DH row, DL column, BH page.
set_position:
        movzx   bx, byte [bp + R_BH]
        mov     dx, [bp + R_DX]
; BL: page, DX: position.
set_position_of:
        and     bx, 7
        mov     di, bx
        add     di, di
        mov     [di + B_CURSOR], dx
        cmp     bl, [B_PAGE]
        je      show_cursor
        ret

; The hardware cursor to where the active page has it.
show_cursor:
        movzx   bx, byte [B_PAGE]
        add     bx, bx
        mov     dx, [bx + B_CURSOR]
        mov     al, dh
        mul     byte [B_COLUMNS]
        add     al, dl
        adc     ah, 0
        mov     bx, [B_PAGESTART]
        shr     bx, 1
        add     bx, ax
; BX: word for the CRTC's cursor address.
        mov     dx, [B_CRTC]
        mov     al, 0x0E
        mov     ah, bh
        out     dx, ax
        mov     al, 0x0F
        mov     ah, bl
        out     dx, ax
        ret

get_position:
        movzx   bx, byte [bp + R_BH]
        and     bx, 7
        add     bx, bx
        mov     ax, [bx + B_CURSOR]
        mov     [bp + R_DX], ax
        mov     ax, [B_CURSORTYPE]
        mov     [bp + R_CX], ax
        ret

; AH=05h: AL page.
select_page:
        mov     al, [bp + R_AL]
        cmp     al, 7
        ja      .done
        mov     [B_PAGE], al
        movzx   ax, al
        mul     word [B_PAGESIZE]
        mov     [B_PAGESTART], ax
        mov     bx, ax
        call    current_mode
        jc      .done
        cmp     byte [cs:si + M_MODEL], MODEL_CGA2
        ja      .bytes
        shr     bx, 1                   ; these modes address words
.bytes:
        mov     dx, [B_CRTC]
        mov     al, 0x0C
        mov     ah, bh
        out     dx, ax
        mov     al, 0x0D
        mov     ah, bl
        out     dx, ax
        jmp     show_cursor
.done:
        ret

get_mode:
        mov     al, [B_VIDEOCTL]
        and     al, 0x80
        or      al, [B_VIDEOMODE]
        mov     [bp + R_AL], al
        mov     al, [B_COLUMNS]
        mov     [bp + R_AH], al
        mov     al, [B_PAGE]
        mov     [bp + R_BH], al
        ret

; SI: text mode, BL: page, DX: position -> ES:DI: its cell.
text_cell:
        push    ax
        push    dx
        push    bx
        movzx   ax, bl
        mov     bx, dx
        mul     word [B_PAGESIZE]
        mov     di, ax
        mov     al, bh
        mul     byte [B_COLUMNS]
        xor     bh, bh
        add     ax, bx
        add     ax, ax
        add     di, ax
        mov     es, [cs:si + 4]
        pop     bx
        pop     dx
        pop     ax
        ret

; BL: page -> DX: its cursor.
page_cursor:
        push    bx
        and     bx, 7
        add     bx, bx
        mov     dx, [bx + B_CURSOR]
        pop     bx
        ret

read_character:
        call    current_mode
        jc      nothing
        mov     bl, [bp + R_BH]
        call    page_cursor
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     graphics_read
        call    text_cell
        mov     ax, [es:di]
        mov     [bp + R_AX], ax
        ret

; AH=09h: character AL, attribute BL, CX times, page BH; AH=0Ah keeps attributes.
write_attribute:
        call    current_mode
        jc      nothing
        mov     bl, [bp + R_BH]
        call    page_cursor
        mov     cx, [bp + R_CX]
        mov     al, [bp + R_AL]
        mov     ah, [bp + R_BL]
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     graphics_write
        call    text_cell
        rep stosw
        ret

write_character:
        call    current_mode
        jc      nothing
        mov     bl, [bp + R_BH]
        call    page_cursor
        mov     cx, [bp + R_CX]
        mov     al, [bp + R_AL]
        mov     ah, [bp + R_BL]
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     graphics_write
        call    text_cell
        jcxz    .done
.next:
        stosb
        inc     di
        loop    .next
.done:
        ret

; AH=0Eh: character AL at the cursor of the active page, colour BL in graphics.
teletype:
        call    current_mode
        jc      nothing
        mov     bl, [B_PAGE]
        mov     al, [bp + R_AL]
        mov     ah, [bp + R_BL]
        mov     bh, 0                   ; keep the attribute
; SI: mode, BL: page, AL: character, AH: attribute if BH is 1 (or graphics).
put_teletype:
        call    page_cursor
        cmp     al, 0x0D
        ja      .print
        je      .return
        cmp     al, 0x0A
        je      .feed
        cmp     al, 0x08
        je      .back
        cmp     al, 0x07
        je      beep
.print:
        push    bx
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     .graphics
        call    text_cell
        mov     [es:di], al
        test    bh, bh
        jz      .printed
        mov     [es:di + 1], ah
        jmp     .printed
.graphics:
        mov     cx, 1
        push    dx
        push    si
        call    graphics_put
        pop     si
        pop     dx
.printed:
        pop     bx
        inc     dl
        cmp     dl, [B_COLUMNS]
        jb      set_position_of
        mov     dl, 0
        jmp     .feed
.return:
        mov     dl, 0
        jmp     set_position_of
.back:
        test    dl, dl
        jz      .done
        dec     dl
        jmp     set_position_of
.feed:
        cmp     dh, [B_ROWS]
        jae     .scroll
        inc     dh
        jmp     set_position_of
.done:
        ret
.scroll:                                ; the new line takes the attribute at the cursor
        mov     dh, [B_ROWS]
        push    bx
        call    set_position_of
        pop     bx
        push    bx
        mov     bh, 0
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     .blank
        call    page_cursor
        push    dx
        mov     dl, 0
        call    text_cell
        pop     dx
        mov     bh, [es:di + 1]
.blank:
        mov     ah, bh
        pop     bx
        mov     bh, ah
        xor     cx, cx
        mov     dh, [B_ROWS]
        mov     dl, [B_COLUMNS]
        dec     dl
        mov     al, 1
        clc
        jmp     scroll_window

; A short click: port 61h bit 4 turns over every 15 us.
beep:
        mov     al, 0xB6
        out     PIT_MODE, al
        mov     ax, 1193182 / 900
        out     PIT_CH2, al
        mov     al, ah
        out     PIT_CH2, al
        in      al, PORT_B
        mov     ah, al
        or      al, 3
        out     PORT_B, al
        mov     cx, 0x1000
.wait:
        in      al, PORT_B
        loop    .wait
        mov     al, ah
        and     al, 0xFC
        out     PORT_B, al
        ret

; AH=06h, 07h: window CX to DX of the active page, AL lines, blanks of attribute BH.
scroll_up:
        xor     di, di
        jmp     scroll
scroll_down:
        mov     di, 1
scroll:
        call    current_mode
        jc      nothing
        mov     al, [bp + R_AL]
        mov     bh, [bp + R_BH]
        mov     bl, [B_PAGE]
        mov     cx, [bp + R_CX]
        mov     dx, [bp + R_DX]
        shr     di, 1

; SI: mode, CF: down, AL: lines (0: all), CX, DX: corners, BH: blank, BL: page.
scroll_window:
        setc    ah
        cmp     dh, [B_ROWS]
        jbe     .rows
        mov     dh, [B_ROWS]
.rows:
        cmp     dl, [B_COLUMNS]
        jb      .columns
        mov     dl, [B_COLUMNS]
        dec     dl
.columns:
        sub     dl, cl
        jb      nothing
        inc     dl                      ; DL: columns
        sub     dh, ch
        jb      nothing
        inc     dh                      ; DH: rows
        test    al, al
        jz      .all
        cmp     al, dh
        jbe     .lines
.all:
        mov     al, dh
.lines:
        cmp     byte [cs:si + M_MODEL], MODEL_TEXT
        jne     graphics_scroll
        push    bp
        movzx   bp, byte [B_COLUMNS]
        add     bp, bp                  ; bytes from row to row
        test    ah, ah
        jz      .up
        neg     bp
        add     ch, dh                  ; begin with the last row
        dec     ch
.up:
        push    dx
        mov     dx, cx
        call    text_cell
        pop     dx
        mov     cl, al                  ; lines to move over
        mov     ch, bh
        movsx   bx, cl
        push    dx
        mov     ax, bp
        imul    bx
        pop     dx
        mov     bx, ax                  ; source is that far from the destination
        sub     dh, cl                  ; rows to move
        push    ds
        push    es
        pop     ds
        mov     al, cl
        mov     ah, ch
        jz      .blank
.move:
        push    di
        lea     si, [bx + di]
        movzx   cx, dl
        rep movsw
        pop     di
        add     di, bp
        dec     dh
        jnz     .move
.blank:
        mov     dh, al
        mov     al, ' '
.blank_row:
        push    di
        movzx   cx, dl
        rep stosw
        pop     di
        add     di, bp
        dec     dh
        jnz     .blank_row
        pop     ds
        pop     bp
        ret

; AH=13h: string ES:BP of the caller, CX characters, page BH, start DX; AL bit 0: move
; the cursor, bit 1: attributes stand in the string, else BL.
write_string:
        call    current_mode
        jc      nothing
        mov     bl, [bp + R_BH]
        and     bl, 7
        call    page_cursor
        push    dx
        mov     dx, [bp + R_DX]
        push    bx
        call    set_position_of
        pop     bx
        mov     es, [bp + R_ES]
        mov     di, [bp + R_BP]
        mov     cx, [bp + R_CX]
        jcxz    .end
.next:
        mov     al, [es:di]
        inc     di
        mov     ah, [bp + R_BL]
        test    byte [bp + R_AL], 2
        jz      .put
        mov     ah, [es:di]
        inc     di
.put:
        push    es
        push    di
        push    cx
        push    bx
        push    si
        mov     bh, 1
        call    put_teletype
        pop     si
        pop     bx
        pop     cx
        pop     di
        pop     es
        loop    .next
.end:
        pop     dx
        test    byte [bp + R_AL], 1
        jnz     .done
        jmp     set_position_of
.done:
        ret
