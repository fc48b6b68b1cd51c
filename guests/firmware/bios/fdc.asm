; The diskette controller: commands, results and its interrupt, every wait bounded.

; AH <- status.
fdc_reset:
        push    cx
        push    dx
        and     byte [B_FLOPSEEK], 0x7F
        mov     al, [B_FLOPMOTOR]
        shl     al, 4
        or      al, 0x08
        mov     dx, FDC_DOR
        out     dx, al
        out     POST_CODE, al                   ; the reset needs some microseconds
        out     POST_CODE, al
        out     POST_CODE, al
        or      al, 0x04
        out     dx, al
        pop     dx
        call    fdc_wait_interrupt
        jc      .timeout
        mov     cx, 4                           ; one pending status for each drive
.sense:
        mov     al, 0x08
        call    fdc_put
        call    fdc_results
        loop    .sense
        mov     al, 0x03                        ; SPECIFY: step rate, head times, DMA
        call    fdc_put
        push    ds
        push    bx
        xor     bx, bx
        mov     ds, bx
        lds     bx, [0x1E * 4]
        mov     ax, [bx]
        pop     bx
        pop     ds
        call    fdc_put
        mov     al, ah
        call    fdc_put
        jc      .timeout
        mov     ah, 0
        pop     cx
        ret
.timeout:
        mov     ah, 0x80
        pop     cx
        ret

; Head and drive byte of a command.
fdc_put_head:
        mov     al, [bp + R_DH]
        and     al, 1
        shl     al, 2
        or      al, dl

; AL: byte for the controller; CF when it takes none. Keeps everything else.
fdc_put:
        push    cx
        push    dx
        push    ax
        mov     dx, FDC_MSR
        xor     cx, cx
.poll:
        in      al, dx
        and     al, 0xC0
        cmp     al, 0x80
        loopne  .poll
        pop     ax
        stc
        jne     .done
        inc     dx
        out     dx, al
        clc
.done:
        pop     dx
        pop     cx
        ret

; Result bytes until the controller wants a command; CF when it stays silent.
fdc_results:
        push    cx
        push    dx
        push    di
        push    ax
        mov     di, B_FLOPRESULT
.byte:
        mov     dx, FDC_MSR
        xor     cx, cx
.poll:
        in      al, dx
        test    al, 0x80
        loopz   .poll
        stc
        jz      .done
        test    al, 0x40
        clc
        jz      .done
        inc     dx
        in      al, dx
        cmp     di, B_FLOPRESULT + 7
        jae     .byte
        mov     [di], al
        inc     di
        jmp     .byte
.done:
        pop     ax
        pop     di
        pop     dx
        pop     cx
        ret

; Waits up to two seconds for IRQ 6; CF on time-out. Keeps everything else.
fdc_wait_interrupt:
        pushad
        mov     ax, 0x9001                      ; the operating system may do other work
        clc
        int     0x15
        mov     bx, [B_TICKS]
        add     bx, 37
.wait:
        cli
        test    byte [B_FLOPSEEK], 0x80
        jnz     .came
        cmp     bx, [B_TICKS]
        js      .timeout
        sti                                     ; opens after the HLT: no interrupt is missed
        hlt
        jmp     .wait
.came:
        and     byte [B_FLOPSEEK], 0x7F
        sti
        popad
        clc
        ret
.timeout:
        sti
        popad
        stc
        ret
