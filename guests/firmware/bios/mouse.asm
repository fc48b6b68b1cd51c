; PS/2 mouse: INT 15h AH=C2h, and IRQ 12 (INT 74h), which collects packets and
; calls the driver.

int74:
        SERVICE
        SETSEG  ds, EBDA
        in      al, KBD_STATUS
        and     al, 0x21
        cmp     al, 0x21                ; a byte, and the mouse's
        jne     .done
        in      al, KBD_DATA
        test    byte [E_MOUSEFLAGS], 0x80
        jz      .done
        movzx   bx, byte [E_MOUSEINDEX]
        and     bx, 7
        jnz     .store
        test    al, 0x08                ; always set in a first byte: else out of step
        jz      .done
.store:
        mov     [bx + E_MOUSEPACKET], al
        inc     bx
        mov     [E_MOUSEINDEX], bl
        mov     al, [E_MOUSEFLAGS]
        and     al, 7
        cmp     bl, al
        jbe     .done
        mov     byte [E_MOUSEINDEX], 0
        xor     ah, ah
        mov     al, [E_MOUSEPACKET]
        push    ax
        mov     al, [E_MOUSEPACKET + 1]
        push    ax
        mov     al, [E_MOUSEPACKET + 2]
        push    ax
        push    word 0
        call    far [E_MOUSEHANDLER]
        add     sp, 8
.done:
        cli
        call    eoi_both
        SERVICE_END

int15_mouse:
        SETSEG  ds, EBDA
        movzx   bx, byte [bp + R_AL]
        mov     ah, 0x01
        cmp     bl, 7
        ja      .fail
        add     bx, bx
        mov     al, [bp + R_BH]
        call    [cs:bx + .functions]
        jc      .fail
        mov     byte [bp + R_AH], 0
        jmp     int15_end
.fail:
        mov     [bp + R_AH], ah
        jmp     int15_carry
.functions:
        dw      mouse_enable, mouse_reset, mouse_rate, mouse_resolution
        dw      mouse_type, mouse_initialize, mouse_extended, mouse_handler

; Each: AL = BH of the caller, DS = EBDA; CF and AH on failure.
mouse_enable:
        cmp     al, 1
        ja      mouse_bad_input
        mov     bl, 0xF5
        jb      .send
        mov     bl, 0xF4
        mov     ah, 0x05
        test    byte [E_MOUSEFLAGS], 0x80
        stc
        jz      .done
.send:
        call    mouse_begin
        mov     byte [E_MOUSEINDEX], 0
        mov     al, bl
        call    mouse_send
        jmp     mouse_end
.done:
        ret

mouse_bad_input:
        mov     ah, 0x02
        stc
        ret

mouse_initialize:
        dec     al
        cmp     al, 7
        ja      mouse_bad_input
        and     byte [E_MOUSEFLAGS], 0x80
        or      [E_MOUSEFLAGS], al
mouse_reset:
        call    mouse_begin
        mov     byte [E_MOUSEINDEX], 0
        mov     al, 0xFF
        call    mouse_send
        jc      mouse_end
        call    mouse_receive
        jc      mouse_end
        mov     [bp + R_BL], al
        call    mouse_receive
        jc      mouse_end
        mov     [bp + R_BH], al
        jmp     mouse_end

mouse_rate:
        cmp     al, 6
        ja      mouse_bad_input
        movzx   bx, al
        mov     bl, [cs:bx + .rates]
        mov     al, 0xF3
        jmp     mouse_send_two
.rates  db      10, 20, 40, 60, 80, 100, 200

mouse_resolution:
        cmp     al, 3
        ja      mouse_bad_input
        mov     bl, al
        mov     al, 0xE8

; AL, then BL.
mouse_send_two:
        call    mouse_begin
        call    mouse_send
        jc      mouse_end
        mov     al, bl
        call    mouse_send
        jmp     mouse_end

mouse_type:
        call    mouse_begin
        mov     al, 0xF2
        call    mouse_send
        jc      mouse_end
        call    mouse_receive
        jc      mouse_end
        mov     [bp + R_BH], al
        jmp     mouse_end

mouse_extended:
        mov     bl, 0xE6
        cmp     al, 1
        je      mouse_enable.send
        mov     bl, 0xE7
        cmp     al, 2
        je      mouse_enable.send
        ja      mouse_bad_input
        call    mouse_begin
        mov     al, 0xE9
        call    mouse_send
        jc      mouse_end
        call    mouse_receive
        jc      mouse_end
        mov     [bp + R_BL], al
        call    mouse_receive
        jc      mouse_end
        mov     [bp + R_CL], al
        call    mouse_receive
        jc      mouse_end
        mov     [bp + R_DL], al
        jmp     mouse_end

mouse_handler:
        mov     ax, [bp + R_BX]
        mov     [E_MOUSEHANDLER], ax
        mov     dx, [bp + R_ES]
        mov     [E_MOUSEHANDLER + 2], dx
        and     byte [E_MOUSEFLAGS], 0x7F
        or      ax, dx
        jz      .done
        or      byte [E_MOUSEFLAGS], 0x80
.done:
        clc
        ret

; While a command runs neither device interrupts and the keyboard is held.
; Keeps AL and BL.
mouse_begin:
        cli
        push    ax
        mov     al, 0xAD
        call    kbc_command
        call    kbc_flush
        mov     al, 0x64
        call    kbc_write_mode
        mov     al, 0xA8
        call    kbc_command
        pop     ax
        ret

; Both devices on, both interrupts on, translation. Keeps CF and AH.
mouse_end:
        pushf
        push    ax
        mov     al, 0x47
        call    kbc_write_mode
        pop     ax
        popf
        ret

; AL: byte for the mouse; CF and AH unless it acknowledges.
mouse_send:
        push    ax
        mov     al, 0xD4
        call    kbc_command
        pop     ax
        call    kbc_data
        call    mouse_receive
        jc      .done
        cmp     al, 0xFA
        je      .done
        mov     ah, 0x04                ; resend
        stc
.done:
        ret

; AL <- byte; CF and AH=3 on time-out.
mouse_receive:
        call    kbc_read
        mov     ah, 0x03
        stc
        jz      .done
        clc
.done:
        ret
