; INT 09h: scan codes (set 1) to the keyboard buffer, US layout.

; flag bits of B_KEYFLAGS
KF_RSHIFT       equ 0x01
KF_LSHIFT       equ 0x02
KF_CTRL         equ 0x04
KF_ALT          equ 0x08
KF_SCROLL       equ 0x10
KF_NUM          equ 0x20
KF_CAPS         equ 0x40
KF_INSERT       equ 0x80
; B_KEYFLAGS2
KF2_LCTRL       equ 0x01
KF2_LALT        equ 0x02
KF2_SYSREQ      equ 0x04
KF2_PAUSE       equ 0x08
; B_KEYFLAGS3
KF3_E1          equ 0x01
KF3_E0          equ 0x02
KF3_RCTRL       equ 0x04
KF3_RALT        equ 0x08

int09:
        SERVICE
        SETSEG  ds, BDA
        mov     al, 0xAD                ; no further byte while this one is served
        call    kbc_command
        in      al, KBD_DATA
        stc
        mov     ah, 0x4F                ; keyboard intercept; CF clear: swallow the key
        int     0x15
        jnc     .done
        call    key_event
.done:
        mov     al, 0xAE
        call    kbc_command
        cli
        mov     al, EOI
        out     PIC1_CMD, al
        test    byte [B_KEYFLAGS2], KF2_PAUSE
        jz      .end
        call    pause_loop
.end:
        SERVICE_END

; Pause holds whatever ran until a key is pressed; that key ends the pause only.
pause_loop:
        sti
.wait:
        hlt
        test    byte [B_KEYFLAGS2], KF2_PAUSE
        jnz     .wait
        cli
        ret

; AL: scan code.
key_event:
        cmp     al, 0xE0
        je      .prefix_e0
        cmp     al, 0xE1
        je      .prefix_e1
        cmp     al, 0xEE                ; answers of the keyboard, not keys
        jae     .ret
        mov     bl, [B_KEYFLAGS3]
        and     byte [B_KEYFLAGS3], ~(KF3_E0 | KF3_E1) & 0xFF
        test    bl, KF3_E1
        jnz     .pause_tail
        mov     ah, al
        and     ah, 0x7F
        mov     cl, [B_KEYFLAGS]
        push    ax
        call    .modifier
        pop     ax
        jc      .ret                    ; it was a modifier
        test    al, 0x80
        jnz     .release
        test    byte [B_KEYFLAGS2], KF2_PAUSE
        jz      .pressed
        and     byte [B_KEYFLAGS2], ~KF2_PAUSE & 0xFF
.ret:
        ret
.prefix_e0:
        or      byte [B_KEYFLAGS3], KF3_E0
        ret
.prefix_e1:
        or      byte [B_KEYFLAGS3], KF3_E1
        ret
.pause_tail:                            ; E1 1D 45 (E1 9D C5): 1Dh keeps the prefix alive
        cmp     al, 0x1D
        je      .prefix_e1
        cmp     al, 0x9D
        je      .prefix_e1
        cmp     al, 0x45
        jne     .ret
        or      byte [B_KEYFLAGS2], KF2_PAUSE
        ret
.release:
        cmp     al, 0x80 | 0x54
        jne     .ret
        and     byte [B_KEYFLAGS2], ~KF2_SYSREQ & 0xFF
        mov     ax, 0x8501
        int     0x15
        ret

.pressed:
        test    bl, KF3_E0
        jnz     key_extended
        mov     cl, [B_KEYFLAGS]
        cmp     al, 0x54
        je      .sysreq
        cmp     al, 0x46                ; on an 84-key keyboard Ctrl-ScrollLock is Break
        je      .ret
        cmp     al, 0x53
        jne     .not_reboot
        call    check_reboot
.not_reboot:
        cmp     al, 0x58
        ja      .ret
        mov     bh, cl
        test    cl, KF_ALT
        jz      .not_alt
        call    alt_number
        jc      .ret
        mov     di, 6
        jmp     .translate
.not_alt:
        test    cl, KF_CTRL
        jz      .not_ctrl
        mov     di, 4
        jmp     .translate
.not_ctrl:
        xor     di, di
        test    cl, KF_LSHIFT | KF_RSHIFT
        setnz   bh
        cmp     al, 0x47                ; keypad: NumLock turns the meaning of shift round
        jb      .letters
        cmp     al, 0x53
        ja      .shifted
        cmp     al, 0x4A
        je      .shifted
        cmp     al, 0x4E
        je      .shifted
        test    cl, KF_NUM
        jz      .shifted
        xor     bh, 1
        jmp     .shifted
.letters:
        test    cl, KF_CAPS
        jz      .shifted
        call    is_letter
        jne     .shifted
        xor     bh, 1
.shifted:
        test    bh, bh
        jz      .translate
        mov     di, 2
.translate:
        movzx   bx, al
        shl     bx, 3
        mov     ax, [cs:bx + di + key_table]
        test    ax, ax
        jz      .ret
        jmp     buffer_put
.sysreq:
        test    byte [B_KEYFLAGS2], KF2_SYSREQ
        jnz     .ret
        or      byte [B_KEYFLAGS2], KF2_SYSREQ
        mov     ax, 0x8500
        int     0x15
        ret

; Modifier and lock keys: AH make code, AL with the release bit, BL old flags 3.
; CF set when the key was one of them.
.modifier:
        mov     dl, KF_LSHIFT
        cmp     ah, 0x2A
        je      .shift
        mov     dl, KF_RSHIFT
        cmp     ah, 0x36
        je      .shift
        cmp     ah, 0x1D
        je      .ctrl
        cmp     ah, 0x38
        je      .alt
        test    bl, KF3_E0
        jnz     .insert
        mov     dx, (KF_SCROLL << 8) | 0x10
        cmp     ah, 0x46
        je      .scroll
        mov     dx, (KF_NUM << 8) | 0x20
        cmp     ah, 0x45
        je      .num
        mov     dx, (KF_CAPS << 8) | 0x40
        cmp     ah, 0x3A
        je      .lock
.insert:
        cmp     ah, 0x52
        je      .ins
        clc
        ret
.shift:
        test    bl, KF3_E0              ; E0 2A, E0 36 are fake shifts around arrow keys
        jnz     .was_modifier
        mov     dh, KF_LSHIFT | KF_RSHIFT
        test    al, al
        js      .shift_up
        or      [B_KEYFLAGS], dl
        jmp     .was_modifier
.shift_up:
        not     dl
        and     [B_KEYFLAGS], dl
.was_modifier:
        stc
        ret
.ctrl:
        mov     si, B_KEYFLAGS3
        mov     dl, KF3_RCTRL
        test    bl, KF3_E0
        jnz     .ctrl_which
        mov     si, B_KEYFLAGS2
        mov     dl, KF2_LCTRL
.ctrl_which:
        call    .set_or_clear
        and     byte [B_KEYFLAGS], ~KF_CTRL & 0xFF
        test    byte [B_KEYFLAGS2], KF2_LCTRL
        jnz     .ctrl_down
        test    byte [B_KEYFLAGS3], KF3_RCTRL
        jz      .was_modifier
.ctrl_down:
        or      byte [B_KEYFLAGS], KF_CTRL
        jmp     .was_modifier
.alt:
        mov     si, B_KEYFLAGS3
        mov     dl, KF3_RALT
        test    bl, KF3_E0
        jnz     .alt_which
        mov     si, B_KEYFLAGS2
        mov     dl, KF2_LALT
.alt_which:
        call    .set_or_clear
        and     byte [B_KEYFLAGS], ~KF_ALT & 0xFF
        test    byte [B_KEYFLAGS2], KF2_LALT
        jnz     .alt_down
        test    byte [B_KEYFLAGS3], KF3_RALT
        jnz     .alt_down
        movzx   ax, byte [B_ALTNUM]     ; Alt let go: the number typed meanwhile
        test    al, al
        jz      .was_modifier
        mov     byte [B_ALTNUM], 0
        call    buffer_put
        jmp     .was_modifier
.alt_down:
        or      byte [B_KEYFLAGS], KF_ALT
        jmp     .was_modifier
.set_or_clear:
        test    al, al
        js      .clear
        or      [si], dl
        ret
.clear:
        not     dl
        and     [si], dl
        ret
.scroll:
        test    cl, KF_CTRL             ; Ctrl-ScrollLock: Break
        jz      .lock
        test    al, al
        js      .was_modifier
        call    key_break
        jmp     .was_modifier
.num:
        test    cl, KF_CTRL             ; Ctrl-NumLock: Pause
        jz      .lock
        test    al, al
        js      .was_modifier
        or      byte [B_KEYFLAGS2], KF2_PAUSE
        jmp     .was_modifier
.lock:                                  ; DH: state bit, DL: bit "held" in flags 2
        test    al, al
        js      .lock_up
        test    [B_KEYFLAGS2], dl       ; typematic repeats toggle nothing
        jnz     .was_modifier
        or      [B_KEYFLAGS2], dl
        xor     [B_KEYFLAGS], dh
        call    update_leds
        jmp     .was_modifier
.lock_up:
        not     dl
        and     [B_KEYFLAGS2], dl
        jmp     .was_modifier
.ins:                                   ; toggles, and is a key like any other
        test    bl, KF3_E0
        jnz     .ins_key
        test    cl, KF_NUM
        setnz   dl
        test    cl, KF_LSHIFT | KF_RSHIFT
        setnz   dh
        cmp     dl, dh
        jne     .not_modifier           ; the keypad key means 0
.ins_key:
        test    cl, KF_ALT
        jnz     .not_modifier
        test    al, al
        js      .ins_up
        test    byte [B_KEYFLAGS2], 0x80
        jnz     .not_modifier
        or      byte [B_KEYFLAGS2], 0x80
        xor     byte [B_KEYFLAGS], KF_INSERT
.not_modifier:
        clc
        ret
.ins_up:
        and     byte [B_KEYFLAGS2], 0x7F
        clc
        ret

; Alt with the keypad's digits builds a character. AL: scan code; CF when taken.
alt_number:
        push    bx
        cmp     al, 0x47
        jb      .no
        cmp     al, 0x52
        ja      .no
        movzx   bx, al
        mov     bl, [cs:bx + .digits - 0x47]
        cmp     bl, 10
        jae     .no
        mov     al, 10
        mul     byte [B_ALTNUM]
        add     al, bl
        mov     [B_ALTNUM], al
        pop     bx
        stc
        ret
.no:
        mov     byte [B_ALTNUM], 0
        pop     bx
        clc
        ret
.digits db      7, 8, 9, 255, 4, 5, 6, 255, 1, 2, 3, 0

; Ctrl-Alt-Del; returns when it is not.
check_reboot:
        push    ax
        mov     al, [B_KEYFLAGS]
        and     al, KF_CTRL | KF_ALT
        cmp     al, KF_CTRL | KF_ALT
        pop     ax
        je      .now
        ret
.now:
        mov     word [B_WARM], 0x1234
        jmp     reboot

; ZF when the key AL is a letter.
is_letter:
        push    ax
        cmp     al, 0x10
        jb      .no
        cmp     al, 0x32
        ja      .no
        cmp     al, 0x19
        jbe     .yes
        cmp     al, 0x1E
        jb      .no
        cmp     al, 0x26
        jbe     .yes
        cmp     al, 0x2C
        jb      .no
.yes:
        cmp     al, al
        pop     ax
        ret
.no:
        or      al, 1
        pop     ax
        ret

key_break:
        mov     ax, [B_KEYSTART]
        mov     [B_KEYHEAD], ax
        mov     [B_KEYTAIL], ax
        mov     byte [B_BREAK], 0x80
        int     0x1B
        xor     ax, ax
        jmp     buffer_put

; Keys behind E0h, AL: scan code.
key_extended:
        mov     cl, [B_KEYFLAGS]
        cmp     al, 0x46
        je      key_break
        cmp     al, 0x37
        je      .print
        cmp     al, 0x53
        jne     .search
        call    check_reboot
.search:
        mov     si, extended_table
        mov     bl, al
.next:
        cs lodsb
        test    al, al
        jz      .none
        cmp     al, bl
        je      .found
        add     si, 8
        jmp     .next
.found:
        xor     di, di
        test    cl, KF_ALT
        jz      .not_alt
        mov     di, 6
        jmp     .take
.not_alt:
        test    cl, KF_CTRL
        jz      .not_ctrl
        mov     di, 4
        jmp     .take
.not_ctrl:
        test    cl, KF_LSHIFT | KF_RSHIFT
        jz      .take
        mov     di, 2
.take:
        mov     bx, di
        mov     ax, [cs:bx + si]
        test    ax, ax
        jnz     buffer_put
.none:
        ret
.print:
        test    cl, KF_CTRL
        mov     ax, 0x7200
        jnz     buffer_put
        test    cl, KF_ALT
        jnz     .none
        int     0x05
        ret

; AX: key for the buffer; CF when it is full (the PC beeps; we stay silent).
buffer_put:
        pushf
        cli
        mov     si, [B_KEYTAIL]
        mov     di, si
        call    buffer_advance
        cmp     si, [B_KEYHEAD]
        je      .full
        mov     [di], ax
        mov     [B_KEYTAIL], si
        popf
        clc
        ret
.full:
        popf
        stc
        ret

buffer_advance:
        add     si, 2
        cmp     si, [B_KEYEND]
        jb      .ok
        mov     si, [B_KEYSTART]
.ok:
        ret

; plain, shift, ctrl, alt; 0 = nothing. Indexed by scan code.
key_table:
        dw 0, 0, 0, 0
        dw 0x011B, 0x011B, 0x011B, 0x01F0       ; 01 Esc
        dw 0x0231, 0x0221, 0x0000, 0x7800       ; 02 1 !
        dw 0x0332, 0x0340, 0x0300, 0x7900       ; 03 2 @
        dw 0x0433, 0x0423, 0x0000, 0x7A00
        dw 0x0534, 0x0524, 0x0000, 0x7B00
        dw 0x0635, 0x0625, 0x0000, 0x7C00
        dw 0x0736, 0x075E, 0x071E, 0x7D00
        dw 0x0837, 0x0826, 0x0000, 0x7E00
        dw 0x0938, 0x092A, 0x0000, 0x7F00
        dw 0x0A39, 0x0A28, 0x0000, 0x8000
        dw 0x0B30, 0x0B29, 0x0000, 0x8100
        dw 0x0C2D, 0x0C5F, 0x0C1F, 0x8200       ; 0C - _
        dw 0x0D3D, 0x0D2B, 0x0000, 0x8300       ; 0D = +
        dw 0x0E08, 0x0E08, 0x0E7F, 0x0EF0       ; 0E Backspace
        dw 0x0F09, 0x0F00, 0x9400, 0xA500       ; 0F Tab
        dw 0x1071, 0x1051, 0x1011, 0x1000       ; 10 q
        dw 0x1177, 0x1157, 0x1117, 0x1100
        dw 0x1265, 0x1245, 0x1205, 0x1200
        dw 0x1372, 0x1352, 0x1312, 0x1300
        dw 0x1474, 0x1454, 0x1414, 0x1400
        dw 0x1579, 0x1559, 0x1519, 0x1500
        dw 0x1675, 0x1655, 0x1615, 0x1600
        dw 0x1769, 0x1749, 0x1709, 0x1700
        dw 0x186F, 0x184F, 0x180F, 0x1800
        dw 0x1970, 0x1950, 0x1910, 0x1900       ; 19 p
        dw 0x1A5B, 0x1A7B, 0x1A1B, 0x1AF0       ; 1A [ {
        dw 0x1B5D, 0x1B7D, 0x1B1D, 0x1BF0       ; 1B ] }
        dw 0x1C0D, 0x1C0D, 0x1C0A, 0x1CF0       ; 1C Enter
        dw 0, 0, 0, 0                           ; 1D Ctrl
        dw 0x1E61, 0x1E41, 0x1E01, 0x1E00       ; 1E a
        dw 0x1F73, 0x1F53, 0x1F13, 0x1F00
        dw 0x2064, 0x2044, 0x2004, 0x2000
        dw 0x2166, 0x2146, 0x2106, 0x2100
        dw 0x2267, 0x2247, 0x2207, 0x2200
        dw 0x2368, 0x2348, 0x2308, 0x2300
        dw 0x246A, 0x244A, 0x240A, 0x2400
        dw 0x256B, 0x254B, 0x250B, 0x2500
        dw 0x266C, 0x264C, 0x260C, 0x2600       ; 26 l
        dw 0x273B, 0x273A, 0x0000, 0x27F0       ; 27 ; :
        dw 0x2827, 0x2822, 0x0000, 0x28F0       ; 28 ' "
        dw 0x2960, 0x297E, 0x0000, 0x29F0       ; 29 ` ~
        dw 0, 0, 0, 0                           ; 2A left shift
        dw 0x2B5C, 0x2B7C, 0x2B1C, 0x2BF0       ; 2B \ |
        dw 0x2C7A, 0x2C5A, 0x2C1A, 0x2C00       ; 2C z
        dw 0x2D78, 0x2D58, 0x2D18, 0x2D00
        dw 0x2E63, 0x2E43, 0x2E03, 0x2E00
        dw 0x2F76, 0x2F56, 0x2F16, 0x2F00
        dw 0x3062, 0x3042, 0x3002, 0x3000
        dw 0x316E, 0x314E, 0x310E, 0x3100
        dw 0x326D, 0x324D, 0x320D, 0x3200       ; 32 m
        dw 0x332C, 0x333C, 0x0000, 0x33F0       ; 33 , <
        dw 0x342E, 0x343E, 0x0000, 0x34F0       ; 34 . >
        dw 0x352F, 0x353F, 0x0000, 0x35F0       ; 35 / ?
        dw 0, 0, 0, 0                           ; 36 right shift
        dw 0x372A, 0x372A, 0x9600, 0x37F0       ; 37 keypad *
        dw 0, 0, 0, 0                           ; 38 Alt
        dw 0x3920, 0x3920, 0x3920, 0x3920       ; 39 space
        dw 0, 0, 0, 0                           ; 3A CapsLock
        dw 0x3B00, 0x5400, 0x5E00, 0x6800       ; 3B F1
        dw 0x3C00, 0x5500, 0x5F00, 0x6900
        dw 0x3D00, 0x5600, 0x6000, 0x6A00
        dw 0x3E00, 0x5700, 0x6100, 0x6B00
        dw 0x3F00, 0x5800, 0x6200, 0x6C00
        dw 0x4000, 0x5900, 0x6300, 0x6D00
        dw 0x4100, 0x5A00, 0x6400, 0x6E00
        dw 0x4200, 0x5B00, 0x6500, 0x6F00
        dw 0x4300, 0x5C00, 0x6600, 0x7000
        dw 0x4400, 0x5D00, 0x6700, 0x7100       ; 44 F10
        dw 0, 0, 0, 0                           ; 45 NumLock
        dw 0, 0, 0, 0                           ; 46 ScrollLock
        dw 0x4700, 0x4737, 0x7700, 0x0000       ; 47 keypad 7 Home
        dw 0x4800, 0x4838, 0x8D00, 0x0000
        dw 0x4900, 0x4939, 0x8400, 0x0000
        dw 0x4A2D, 0x4A2D, 0x8E00, 0x4AF0       ; 4A keypad -
        dw 0x4B00, 0x4B34, 0x7300, 0x0000
        dw 0x4CF0, 0x4C35, 0x8F00, 0x0000       ; 4C keypad 5
        dw 0x4D00, 0x4D36, 0x7400, 0x0000
        dw 0x4E2B, 0x4E2B, 0x9000, 0x4EF0       ; 4E keypad +
        dw 0x4F00, 0x4F31, 0x7500, 0x0000
        dw 0x5000, 0x5032, 0x9100, 0x0000
        dw 0x5100, 0x5133, 0x7600, 0x0000
        dw 0x5200, 0x5230, 0x9200, 0x0000       ; 52 keypad 0 Ins
        dw 0x5300, 0x532E, 0x9300, 0x0000       ; 53 keypad . Del
        dw 0, 0, 0, 0                           ; 54 SysReq
        dw 0, 0, 0, 0
        dw 0x565C, 0x567C, 0x0000, 0x0000       ; 56 the key of 102-key keyboards
        dw 0x8500, 0x8700, 0x8900, 0x8B00       ; 57 F11
        dw 0x8600, 0x8800, 0x8A00, 0x8C00       ; 58 F12

; scan code, then plain, shift, ctrl, alt; ended by 0.
extended_table:
        db 0x1C
        dw 0xE00D, 0xE00D, 0xE00A, 0xA600       ; keypad Enter
        db 0x35
        dw 0xE02F, 0xE02F, 0x9500, 0xA400       ; keypad /
        db 0x47
        dw 0x47E0, 0x47E0, 0x77E0, 0x9700       ; Home
        db 0x48
        dw 0x48E0, 0x48E0, 0x8DE0, 0x9800       ; Up
        db 0x49
        dw 0x49E0, 0x49E0, 0x84E0, 0x9900       ; PgUp
        db 0x4B
        dw 0x4BE0, 0x4BE0, 0x73E0, 0x9B00       ; Left
        db 0x4D
        dw 0x4DE0, 0x4DE0, 0x74E0, 0x9D00       ; Right
        db 0x4F
        dw 0x4FE0, 0x4FE0, 0x75E0, 0x9F00       ; End
        db 0x50
        dw 0x50E0, 0x50E0, 0x91E0, 0xA000       ; Down
        db 0x51
        dw 0x51E0, 0x51E0, 0x76E0, 0xA100       ; PgDn
        db 0x52
        dw 0x52E0, 0x52E0, 0x92E0, 0xA200       ; Ins
        db 0x53
        dw 0x53E0, 0x53E0, 0x93E0, 0xA300       ; Del
        db 0
