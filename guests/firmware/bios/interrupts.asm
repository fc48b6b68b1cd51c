; The vector table, and the interrupts that need little or nothing.

init_vectors:
        xor     ax, ax
        mov     es, ax
        SETSEG  ds, cs
        xor     di, di
        mov     si, vectors
        mov     cx, 0x20
        call    .fill
        mov     cx, 0x100 - 0x20
        mov     ax, 0xF000
        shl     eax, 16
        mov     ax, int_dummy
        rep stosd
        mov     di, 0x70 * 4
        mov     si, vectors_slave
        mov     cx, 8
        call    .fill
        mov     di, 0x60 * 4                    ; 60h-67h belong to the user
        mov     cx, 8
        xor     eax, eax
        rep stosd
        mov     word [es:0x40 * 4], int40
        mov     dword [es:0x41 * 4], (EBDA << 16) | E_FDPT0
        mov     dword [es:0x46 * 4], (EBDA << 16) | E_FDPT1
        ret
.fill:
        movsw
        mov     ax, cs
        stosw
        loop    .fill
        ret

vectors:
        dw      int_divide, int_dummy, int_nmi, int_dummy
        dw      int_dummy, int05, int_opcode, int_dummy
        dw      int08, int09, int_irq, int_irq
        dw      int_irq, int_irq, int0e, int_irq
        dw      int10, int11, int12, int13
        dw      int14, int15, int16, int17
        dw      int18, int19, int1a, int_dummy
        dw      int_dummy, int_dummy, diskette_parameters, int_dummy
vectors_slave:
        dw      int70, int71, int_irq, int_irq
        dw      int74, int75, int76, int76

int_dummy:
        iret

; A hardware interrupt that nothing serves: acknowledge what the controllers say
; is in service. A spurious one (no bit set) must not be acknowledged; a spurious
; one of the slave still occupies the cascade.
int_irq:
        push    ax
        push    ds
        SETSEG  ds, BDA
        mov     al, 0x0B                ; read the in-service register
        out     PIC1_CMD, al
        in      al, PIC1_CMD
        mov     ah, al
        test    al, al
        jz      .done
        test    al, 0x04
        jz      .master
        mov     al, 0x0B
        out     PIC2_CMD, al
        in      al, PIC2_CMD
        test    al, al
        jz      .master
        mov     ah, al
        mov     al, EOI
        out     PIC2_CMD, al
.master:
        mov     al, EOI
        out     PIC1_CMD, al
.done:
        mov     [B_INTRFLAG], ah
        pop     ds
        pop     ax
        iret

eoi_both:
        push    ax
        mov     al, EOI
        out     PIC2_CMD, al
        out     PIC1_CMD, al
        pop     ax
        ret

; IRQ 9 stands in for the IRQ 2 of the one-controller PC.
int71:
        push    ax
        mov     al, EOI
        out     PIC2_CMD, al
        pop     ax
        int     0x0A
        iret

; Coprocessor error: clear its latch and go on as the PC did, through NMI.
int75:
        push    ax
        xor     al, al
        out     0xF0, al
        call    eoi_both
        pop     ax
        int     0x02
        iret

; ATA: our own services poll with interrupts off, so this only serves programs.
int76:
        push    ax
        push    ds
        SETSEG  ds, BDA
        mov     byte [B_HDIRQ], 0xFF
        call    eoi_both
        mov     ax, 0x9100
        int     0x15
        pop     ds
        pop     ax
        iret

int_nmi:
        iret

; Print screen: no printer work here, but the status byte that programs look at.
int05:
        push    ds
        SETSEG  ds, 0x50
        mov     byte [0], 0
        pop     ds
        iret

; No video ROM was found: INT 10h answers nothing.
int10:
        iret

int11:
        push    ds
        SETSEG  ds, BDA
        mov     ax, [B_EQUIP]
        pop     ds
        iret

int12:
        push    ds
        SETSEG  ds, BDA
        mov     ax, [B_MEMKB]
        pop     ds
        iret

; Returning from these two would run the same instruction again for ever; say
; where it was and stop.
int_divide:
        mov     si, msg_divide
        jmp     stop_at
int_opcode:
        mov     si, msg_opcode
stop_at:
        call    print
        mov     bp, sp
        mov     ax, [bp + 2]
        call    print_hex
        mov     al, ':'
        call    print_char
        mov     ax, [bp]
        call    print_hex
        mov     si, msg_stopped
        call    print
stop:
        sti
        hlt
        jmp     stop

msg_divide      db 13, 10, "Division error at ", 0
msg_opcode      db 13, 10, "Invalid instruction at ", 0
msg_stopped     db ". The system is stopped.", 13, 10, 0
