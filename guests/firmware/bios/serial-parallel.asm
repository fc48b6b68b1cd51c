; Serial ports (INT 14h) and printers (INT 17h).

init_serial:
        SETSEG  ds, BDA
        xor     bx, bx
        mov     si, .ports
        mov     cx, 4
.next:
        cs lodsw
        mov     dx, ax
        inc     dx                      ; interrupts off; no port keeps 02h below a 16550's
        mov     al, 0x02
        out     dx, al
        in      al, dx
        cmp     al, 0x02
        jne     .absent
        mov     al, 0
        out     dx, al
        inc     dx
        in      al, dx
        and     al, 0x3F                ; no interrupt pending
        cmp     al, 0x01
        jne     .absent
        sub     dx, 2
        mov     [bx + B_COM], dx
        add     bx, 2
.absent:
        loop    .next
        shl     bx, 8
        or      [B_EQUIP], bx           ; bits 9-11: count
        ret
.ports  dw      0x3F8, 0x2F8, 0x3E8, 0x2E8

init_parallel:
        xor     bx, bx
        mov     si, .ports
        mov     cx, 3
.next:
        cs lodsw
        mov     dx, ax
        mov     al, 0xAA
        out     dx, al
        in      al, dx
        cmp     al, 0xAA
        jne     .absent
        mov     [bx + B_LPT], dx
        add     bx, 2
.absent:
        loop    .next
        shl     bx, 13
        or      [B_EQUIP], bx           ; bits 14-15: count
        ret
.ports  dw      0x3BC, 0x378, 0x278

; ---- INT 14h: DX = port number -----------------------------------------------
int14:
        sti
        SERVICE
        SETSEG  ds, BDA
        mov     bx, [bp + R_DX]
        cmp     bx, 4
        jae     .end
        mov     si, bx
        add     bx, bx
        mov     dx, [bx + B_COM]
        test    dx, dx
        jz      .end
        mov     al, [bp + R_AL]
        mov     ah, [bp + R_AH]
        cmp     ah, 0
        je      .init
        cmp     ah, 1
        je      .send
        cmp     ah, 2
        je      .receive
        cmp     ah, 3
        je      .status
        cmp     ah, 4
        je      .init_extended
        cmp     ah, 5
        je      .modem
.end:
        SERVICE_END

.init:                                  ; AL: rate(3) parity(2) stop(1) length(2)
        mov     cl, al
        and     cl, 0x1F
        movzx   di, al
        shr     di, 5
        add     di, di
        mov     bx, [cs:di + .divisors]
        jmp     .program
.divisors dw    1047, 768, 384, 192, 96, 48, 24, 12

.init_extended:                         ; AL break, BH parity, BL stop, CH length, CL rate
        mov     cl, [bp + R_CH]
        and     cl, 0x03
        mov     ch, [bp + R_BL]
        and     ch, 1
        shl     ch, 2
        or      cl, ch
        movzx   di, byte [bp + R_BH]
        cmp     di, 5
        jae     .end
        or      cl, [cs:di + .parities]
        and     al, 1
        shl     al, 6
        or      cl, al
        movzx   di, byte [bp + R_CL]
        cmp     di, 9
        jae     .end
        mov     bx, 6                   ; 19200
        cmp     di, 8
        je      .program
        add     di, di
        mov     bx, [cs:di + .divisors]
.program:                               ; CL: line control, BX: divisor
        add     dx, 3
        mov     al, 0x80
        out     dx, al
        sub     dx, 3
        mov     al, bl
        out     dx, al
        inc     dx
        mov     al, bh
        out     dx, al
        add     dx, 2
        mov     al, cl
        out     dx, al
        sub     dx, 2
        mov     al, 0
        out     dx, al
        dec     dx
.status:
        add     dx, 5
        in      al, dx
        mov     [bp + R_AH], al
        inc     dx
        in      al, dx
        mov     [bp + R_AL], al
        jmp     .end
.parities db    0x00, 0x08, 0x18, 0x28, 0x38

.send:
        add     dx, 4
        mov     al, 0x0B                ; DTR, RTS, OUT2
        out     dx, al
        inc     dx
        mov     ah, 0x20                ; THR empty
        call    .wait
        jc      .timeout
        push    ax
        sub     dx, 5
        mov     al, [bp + R_AL]
        out     dx, al
        pop     ax
        mov     [bp + R_AH], al
        jmp     .end
.receive:
        add     dx, 4
        mov     al, 0x0B
        out     dx, al
        inc     dx
        mov     ah, 0x01                ; data ready
        call    .wait
        jc      .timeout
        and     al, 0x1E                ; errors only
        mov     [bp + R_AH], al
        sub     dx, 5
        in      al, dx
        mov     [bp + R_AL], al
        jmp     .end
.timeout:
        or      al, 0x80
        mov     [bp + R_AH], al
        jmp     .end

; Until a bit of AH is set in the line status; the table's seconds. CF on time-out.
.wait:
        movzx   ecx, byte [si + B_COMTIMEOUT]
        imul    ecx, ecx, 18
        add     ecx, [B_TICKS]
        inc     ecx
.poll:
        in      al, dx
        test    al, ah
        jnz     .ready
        cmp     [B_TICKS], ecx
        jb      .poll
        stc
        ret
.ready:
        clc
        ret

.modem:                                 ; AL=0: read modem control to BL, 1: write it
        add     dx, 4
        cmp     al, 1
        ja      .end
        je      .modem_write
        in      al, dx
        mov     [bp + R_BL], al
        jmp     .modem_status
.modem_write:
        mov     al, [bp + R_BL]
        out     dx, al
.modem_status:
        sub     dx, 4
        jmp     .status

; ---- INT 17h: DX = printer ---------------------------------------------------
int17:
        sti
        SERVICE
        SETSEG  ds, BDA
        mov     bx, [bp + R_DX]
        cmp     bx, 3
        jae     .end
        mov     si, bx
        add     bx, bx
        mov     dx, [bx + B_LPT]
        test    dx, dx
        jz      .end
        mov     ah, [bp + R_AH]
        cmp     ah, 1
        jb      .print
        je      .init
        cmp     ah, 2
        je      .status
.end:
        SERVICE_END
.print:
        mov     al, [bp + R_AL]
        out     dx, al
        inc     dx
        movzx   ecx, byte [si + B_LPTTIMEOUT]
        imul    ecx, ecx, 18
        add     ecx, [B_TICKS]
.busy:
        in      al, dx
        test    al, 0x80                ; not busy
        jnz     .strobe
        cmp     [B_TICKS], ecx
        jb      .busy
        and     al, 0xF8
        xor     al, 0x48
        or      al, 1                   ; time-out
        mov     [bp + R_AH], al
        jmp     .end
.strobe:
        inc     dx
        mov     al, 0x0D
        out     dx, al
        call    ata_pause
        mov     al, 0x0C
        out     dx, al
        sub     dx, 2
        jmp     .status
.init:
        add     dx, 2
        mov     al, 0x08
        out     dx, al
        call    ata_pause
        mov     al, 0x0C
        out     dx, al
        sub     dx, 2
.status:
        inc     dx
        in      al, dx
        and     al, 0xF8
        xor     al, 0x48                ; acknowledge and error lines are active low
        mov     [bp + R_AH], al
        jmp     .end
