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
