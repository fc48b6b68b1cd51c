; The 8042: reset, commands to its two devices, every wait bounded.

; Waits until a byte can be written. ZF clear on time-out.
kbc_wait_write:
        push    cx
        push    ax
        xor     cx, cx
.poll:
        in      al, KBD_STATUS
        test    al, 0x02
        loopnz  .poll
        pop     ax
        pop     cx
        ret

; AL <- next byte from either device; ZF set on time-out.
kbc_read:
        push    ecx
        mov     ecx, 0x10000
.poll:
        in      al, KBD_STATUS
        test    al, 0x01
        jnz     .ready
        dec     ecx
        jnz     .poll
        pop     ecx
        ret
.ready:
        in      al, KBD_DATA
        pop     ecx
        ret

; AL: command for the controller.
kbc_command:
        call    kbc_wait_write
        out     KBD_STATUS, al
        ret

; AL: data for the controller or the keyboard.
kbc_data:
        call    kbc_wait_write
        out     KBD_DATA, al
        ret

kbc_flush:
        push    cx
        push    ax
        mov     cx, 64
.next:
        in      al, KBD_STATUS
        test    al, 0x01
        jz      .done
        in      al, KBD_DATA
        loop    .next
.done:
        pop     ax
        pop     cx
        ret

; AL -> command byte of the controller.
kbc_write_mode:
        push    ax
        mov     al, 0x60
        call    kbc_command
        pop     ax
        jmp     kbc_data

; AL <- command byte; ZF set on time-out.
kbc_read_mode:
        mov     al, 0x20
        call    kbc_command
        jmp     kbc_read

; AL: byte for the keyboard; CF unless it answers FAh.
kbd_send:
        call    kbc_data
        call    kbc_read
        jz      .fail
        cmp     al, 0xFA
        jne     .fail
        clc
        ret
.fail:
        stc
        ret

init_keyboard_controller:
        mov     al, 0xAD
        call    kbc_command
        mov     al, 0xA7
        call    kbc_command
        call    kbc_flush
        mov     al, 0xAA                ; self-test
        call    kbc_command
        call    kbc_read
        jz      .absent
        cmp     al, 0x55
        jne     .absent
        mov     al, 0xAE
        call    kbc_command
        mov     al, 0x70                ; translate; no interrupts yet; mouse off
        call    kbc_write_mode
        mov     al, 0x60
        call    kbc_write_mode
        mov     al, 0xFF                ; reset: FAh, then AAh
        call    kbd_send
        jc      .interrupts
        call    kbc_read
        mov     al, 0xF4
        call    kbd_send
.interrupts:
        mov     al, 0x61                ; keyboard interrupt, translation, mouse off
        call    kbc_write_mode
.absent:
        ret

; The lock lights follow B_KEYFLAGS. Runs inside INT 09h and INT 16h.
update_leds:
        mov     al, [B_KEYFLAGS]
        shr     al, 4
        and     al, 0x07
        mov     ah, [B_KEYLEDS]
        and     ah, 0x07
        cmp     al, ah
        je      .done
        and     byte [B_KEYLEDS], 0xF8
        or      [B_KEYLEDS], al
        push    ax
        mov     al, 0xED
        call    kbd_send
        pop     ax
        jc      .done
        call    kbd_send
.done:
        ret
