; Time of day: the 18.2 Hz tick (INT 08h), the clock interrupt (INT 70h) and
; INT 1Ah. The PCI functions of INT 1Ah are in pci.asm.

TICKS_PER_DAY   equ 0x1800B0

int08:
        push    eax
        push    dx
        push    ds
        SETSEG  ds, BDA
        mov     eax, [B_TICKS]
        inc     eax
        cmp     eax, TICKS_PER_DAY
        jb      .store
        xor     eax, eax
        inc     byte [B_MIDNIGHT]
.store:
        mov     [B_TICKS], eax
        mov     al, [B_FLOPTIMEOUT]
        test    al, al
        jz      .user
        dec     al
        mov     [B_FLOPTIMEOUT], al
        jnz     .user
        and     byte [B_FLOPMOTOR], 0xF0        ; motors off, controller and DMA stay on
        mov     dx, FDC_DOR
        mov     al, 0x0C
        out     dx, al
.user:
        int     0x1C
        cli
        mov     al, EOI
        out     PIC1_CMD, al
        pop     ds
        pop     dx
        pop     eax
        iret

; Ticks since midnight from the clock chip: seconds * 1193182 / 65536.
init_ticks:
        call    rtc_wait
        jc      .none
        mov     al, 4
        call    cmos_read
        call    from_bcd
        movzx   ebx, al
        imul    ebx, ebx, 60
        mov     al, 2
        call    cmos_read
        call    from_bcd
        movzx   eax, al
        add     ebx, eax
        imul    ebx, ebx, 60
        mov     al, 0
        call    cmos_read
        call    from_bcd
        movzx   eax, al
        add     eax, ebx
        mov     ebx, 1193182
        mul     ebx
        shrd    eax, edx, 16
        SETSEG  ds, BDA
        mov     [B_TICKS], eax
.none:
        ret

; AL: packed BCD -> binary, unless the chip counts in binary (status B, bit 2).
from_bcd:
        push    bx
        mov     bl, al
        mov     al, 0x0B
        call    cmos_read
        test    al, 0x04
        mov     al, bl
        jnz     .done
        shr     al, 4
        mov     bh, 10
        mul     bh
        and     bl, 0x0F
        add     al, bl
.done:
        pop     bx
        ret

; Waits out an update of the clock chip; CF when it never ends.
rtc_wait:
        push    cx
        xor     cx, cx
.poll:
        mov     al, 0x0A
        call    cmos_read
        test    al, 0x80
        loopnz  .poll
        pop     cx
        jnz     .stuck
        clc
        ret
.stuck:
        stc
        ret

int1a:
        SERVICE
        mov     ah, [bp + R_AH]
        cmp     ah, 0xB1
        je      int1a_pci
        and     byte [bp + R_FLAGS], 0xFE
        cmp     ah, (int1a_table.end - int1a_table) / 2
        jae     int1a_fail
        SETSEG  ds, BDA
        movzx   bx, ah
        add     bx, bx
        jmp     [cs:bx + int1a_table]

int1a_table:
        dw      int1a_get_ticks, int1a_set_ticks, int1a_get_time, int1a_set_time
        dw      int1a_get_date, int1a_set_date, int1a_set_alarm, int1a_clear_alarm
.end:

int1a_fail:
        or      byte [bp + R_FLAGS], 1
int1a_end:
        SERVICE_END

int1a_get_ticks:
        cli
        mov     al, [B_MIDNIGHT]
        mov     byte [B_MIDNIGHT], 0
        mov     [bp + R_AL], al
        mov     eax, [B_TICKS]
        mov     [bp + R_DX], ax
        shr     eax, 16
        mov     [bp + R_CX], ax
        jmp     int1a_end

int1a_set_ticks:
        cli
        mov     ax, [bp + R_CX]
        shl     eax, 16
        mov     ax, [bp + R_DX]
        mov     [B_TICKS], eax
        mov     byte [B_MIDNIGHT], 0
        jmp     int1a_end

int1a_get_time:
        call    rtc_wait
        jc      int1a_fail
        mov     al, 0
        call    cmos_read
        mov     [bp + R_DH], al
        mov     al, 2
        call    cmos_read
        mov     [bp + R_CL], al
        mov     al, 4
        call    cmos_read
        mov     [bp + R_CH], al
        mov     al, 0x0B
        call    cmos_read
        and     al, 1                   ; daylight saving
        mov     [bp + R_DL], al
        jmp     int1a_end

int1a_set_time:
        call    rtc_hold
        mov     ah, [bp + R_DH]
        mov     al, 0
        call    cmos_write
        mov     ah, [bp + R_CL]
        mov     al, 2
        call    cmos_write
        mov     ah, [bp + R_CH]
        mov     al, 4
        call    cmos_write
        mov     ah, [bp + R_DL]
        and     ah, 1
        jmp     int1a_resume_clock

; Stops updates while the clock is set.
rtc_hold:
        call    rtc_wait
        mov     al, 0x0B
        call    cmos_read
        or      al, 0x80
        mov     ah, al
        mov     al, 0x0B
        jmp     cmos_write

; Lets the clock run again; AH: daylight saving bit.
int1a_resume_clock:
        mov     al, 0x0B
        push    ax
        call    cmos_read
        and     al, 0x7E
        pop     bx
        or      al, bh
        mov     ah, al
        mov     al, 0x0B
        call    cmos_write
        jmp     int1a_end

CMOS_CENTURY    equ 0x32

int1a_get_date:
        call    rtc_wait
        jc      int1a_fail
        mov     al, 7
        call    cmos_read
        mov     [bp + R_DL], al
        mov     al, 8
        call    cmos_read
        mov     [bp + R_DH], al
        mov     al, 9
        call    cmos_read
        mov     [bp + R_CL], al
        mov     al, CMOS_CENTURY
        call    cmos_read
        mov     [bp + R_CH], al
        jmp     int1a_end

int1a_set_date:
        call    rtc_hold
        mov     ah, [bp + R_DL]
        mov     al, 7
        call    cmos_write
        mov     ah, [bp + R_DH]
        mov     al, 8
        call    cmos_write
        mov     ah, [bp + R_CL]
        mov     al, 9
        call    cmos_write
        mov     ah, [bp + R_CH]
        mov     al, CMOS_CENTURY
        call    cmos_write
        mov     al, 0x0B
        call    cmos_read
        mov     ah, al
        and     ah, 1
        jmp     int1a_resume_clock

; CF when an alarm is set already.
int1a_set_alarm:
        mov     al, 0x0B
        call    cmos_read
        test    al, 0x20
        jnz     int1a_fail
        call    rtc_wait
        mov     ah, [bp + R_DH]
        mov     al, 1
        call    cmos_write
        mov     ah, [bp + R_CL]
        mov     al, 3
        call    cmos_write
        mov     ah, [bp + R_CH]
        mov     al, 5
        call    cmos_write
        in      al, PIC2_DATA           ; open IRQ 8
        and     al, 0xFE
        out     PIC2_DATA, al
        mov     al, 0x0B
        call    cmos_read
        or      al, 0x20
        jmp     int1a_write_status_b

int1a_clear_alarm:
        mov     al, 0x0B
        call    cmos_read
        and     al, 0xDF
int1a_write_status_b:
        mov     ah, al
        mov     al, 0x0B
        call    cmos_write
        jmp     int1a_end

; The clock chip: INT 4Ah for the alarm, the wait services of INT 15h for the
; periodic interrupt (976 us each).
int70:
        pushad
        push    ds
        push    es
        SETSEG  ds, BDA
        mov     al, 0x0C                ; reading it acknowledges the chip
        call    cmos_read
        mov     bl, al
        mov     al, 0x0B
        call    cmos_read
        and     bl, al                  ; only what is enabled
        test    bl, 0x20
        jz      .periodic
        push    bx
        int     0x4A
        pop     bx
.periodic:
        test    bl, 0x40
        jz      .done
        sub     dword [B_WAITCOUNT], 976
        ja      .done
        mov     al, 0x0B
        call    cmos_read
        and     al, 0xBF
        mov     ah, al
        mov     al, 0x0B
        call    cmos_write
        mov     byte [B_WAITACTIVE], 0
        les     di, [B_WAITPTR]
        or      byte [es:di], 0x80
.done:
        call    eoi_both
        pop     es
        pop     ds
        popad
        iret
