; INT 15h. Memory functions are in memory.asm, the mouse in mouse.asm, power
; management in apm.asm.

int15:
        cmp     ah, 0x4F                ; keyboard intercept: the key goes on unchanged
        je      .iret
        SERVICE
        mov     al, [bp + R_AH]
        mov     si, int15_table
.search:
        cs cmp  byte [si], 0xFF
        je      .unknown
        cs cmp  al, [si]
        je      .found
        add     si, 3
        jmp     .search
.found:
        and     byte [bp + R_FLAGS], 0xFE
        jmp     [cs:si + 1]
.unknown:
        mov     byte [bp + R_AH], 0x86
int15_carry:
        or      byte [bp + R_FLAGS], 1
int15_end:
        SERVICE_END
int15.iret:
        iret

int15_table:
        db 0x24
        dw int15_a20
        db 0x53
        dw int15_apm
        db 0x80
        dw int15_nothing
        db 0x81
        dw int15_nothing
        db 0x82
        dw int15_nothing
        db 0x83
        dw int15_event
        db 0x85
        dw int15_nothing
        db 0x86
        dw int15_wait
        db 0x87
        dw int15_block_move
        db 0x88
        dw int15_memory_88
        db 0x89
        dw int15_protected
        db 0x90
        dw int15_nothing
        db 0x91
        dw int15_nothing
        db 0xC0
        dw int15_configuration
        db 0xC1
        dw int15_ebda
        db 0xC2
        dw int15_mouse
        db 0xE8
        dw int15_memory_e8
        db 0xFF

; Hooks for operating systems: device open and close, SysReq, device busy and ready.
int15_nothing:
        mov     byte [bp + R_AH], 0
        jmp     int15_end

; AL: 0 close, 1 open, 2 state, 3 what is supported.
int15_a20:
        mov     al, [bp + R_AL]
        mov     byte [bp + R_AH], 0
        cmp     al, 1
        jbe     .set
        cmp     al, 3
        ja      int15.unknown
        je      .support
        in      al, PORT_A20
        shr     al, 1
        and     al, 1
        mov     [bp + R_AL], al
        jmp     int15_end
.set:
        call    a20_set
        jmp     int15_end
.support:
        mov     word [bp + R_BX], 0x0003        ; keyboard controller and port 92h
        jmp     int15_end

; AL bit 0: state wanted. Bit 0 of the port would reset the machine.
a20_set:
        push    ax
        mov     ah, al
        and     ah, 1
        add     ah, ah
        in      al, PORT_A20
        and     al, 0xFC
        or      al, ah
        out     PORT_A20, al
        pop     ax
        ret

; ---- waiting -----------------------------------------------------------------
; AH=83h: AL=0 set bit 7 of ES:BX after CX:DX microseconds, AL=1 cancel.
int15_event:
        SETSEG  ds, BDA
        cmp     byte [bp + R_AL], 1
        je      .cancel
        ja      int15.unknown
        mov     bx, [bp + R_BX]
        mov     es, [bp + R_ES]
        call    wait_start
        jc      .busy
        mov     byte [bp + R_AH], 0
        jmp     int15_end
.cancel:
        mov     byte [B_WAITACTIVE], 0
        mov     al, 0x0B
        call    cmos_read
        and     al, 0xBF
        mov     ah, al
        mov     al, 0x0B
        call    cmos_write
        mov     byte [bp + R_AH], 0
        jmp     int15_end
.busy:
        mov     byte [bp + R_AH], 0
        jmp     int15_carry

; ES:BX: flag byte; the frame's CX:DX: microseconds. CF when a wait runs already.
wait_start:
        cli
        cmp     byte [B_WAITACTIVE], 0
        jne     .busy
        mov     byte [B_WAITACTIVE], 1
        mov     [B_WAITPTR], bx
        mov     [B_WAITPTR + 2], es
        mov     ax, [bp + R_DX]
        mov     [B_WAITCOUNT], ax
        mov     ax, [bp + R_CX]
        mov     [B_WAITCOUNT + 2], ax
        in      al, PIC2_DATA           ; open IRQ 8
        and     al, 0xFE
        out     PIC2_DATA, al
        mov     ax, 0x260A              ; 1024 Hz
        call    cmos_write
        mov     al, 0x0B
        call    cmos_read
        or      al, 0x40
        mov     ah, al
        mov     al, 0x0B
        call    cmos_write
        clc
        ret
.busy:
        stc
        ret

; AH=86h: wait CX:DX microseconds.
int15_wait:
        SETSEG  ds, BDA
        mov     bx, B_WAITACTIVE
        push    ds
        pop     es
        call    wait_start
        jc      int15_event.busy
        movzx   ecx, word [bp + R_CX]   ; should the clock chip stay silent, the timer ends it
        inc     cx
        mov     eax, [B_TICKS]
        shl     ecx, 1
        add     ecx, eax
        add     ecx, 2
.wait:
        cli
        test    byte [B_WAITACTIVE], 0x80
        jnz     .over
        cmp     [B_TICKS], ecx
        ja      .over
        sti
        hlt
        jmp     .wait
.over:
        mov     byte [B_WAITACTIVE], 0
        sti
        mov     byte [bp + R_AH], 0
        jmp     int15_end

; ---- descriptions ------------------------------------------------------------
int15_configuration:
        mov     word [bp + R_ES], cs
        mov     word [bp + R_BX], configuration_table
        mov     byte [bp + R_AH], 0
        jmp     int15_end

int15_ebda:
        mov     word [bp + R_ES], EBDA
        jmp     int15_end
