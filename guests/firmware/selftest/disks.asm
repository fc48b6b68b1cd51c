; INT 13h: diskette, then fixed disk.

%macro DISK 5                   ; AX, CX, DX, offset in the buffer; name
        SAY     %5
        push    word BUFFER
        pop     es
        mov     bx, %4
        mov     ax, %1
        mov     cx, %2
        mov     dx, %3
        CALL_INT 0x13
        CARRY
        SHOW    r_ax, 4
%endmacro

        DISK    0x0000, 0, 0x0000, 0, "floppy.00"
        END_LINE
        DISK    0x0800, 0, 0x0000, 0, "floppy.08"
        SHOW    r_bx, 4
        SHOW    r_cx, 4
        SHOW    r_dx, 4
        mov     di, [r_di]
        mov     es, [r_es]
        mov     eax, [es:di + 2]
        mov     [0x500], eax
        mov     al, [es:di + 6]
        mov     [0x504], al
        push    word 0
        pop     es
        DUMP    0x501, 4
        END_LINE
        DISK    0x1500, 0, 0x0000, 0, "floppy.15"
        END_LINE
        DISK    0x1500, 0, 0x0001, 0, "floppy.15.absent"
        END_LINE
        DISK    0x1600, 0, 0x0000, 0, "floppy.16"
        END_LINE
        DISK    0x4100, 0, 0x0000, 0, "floppy.41"
        END_LINE
        push    word BUFFER             ; a whole cylinder, crossing the heads
        pop     es
        xor     di, di
        mov     al, 0x5A
        mov     cx, 36 * 512
        call    pattern
        DISK    0x0324, 0x0501, 0x0000, 0, "floppy.03"
        END_LINE
        DISK    0x0224, 0x0501, 0x0000, 0x8000, "floppy.02"
        call    compare_halves
        END_LINE
        DISK    0x0203, 0x0511, 0x0000, 0x1000, "floppy.02.heads"     ; sectors 17, 18, 1
        push    ds
        push    word BUFFER
        pop     ds
        push    word BUFFER
        pop     es
        mov     si, 0x8000 + 16 * 512
        mov     di, 0x1000
        mov     cx, 3 * 512
        repe cmpsb
        pop     ds
        sete    al
        call    flag
        END_LINE
        DISK    0x0424, 0x0501, 0x0000, 0, "floppy.04"
        END_LINE
        DISK    0x0201, 0x051E, 0x0000, 0, "floppy.02.sector"       ; there is no sector 30
        END_LINE
        DISK    0x0100, 0, 0x0000, 0, "floppy.01"
        END_LINE
        DISK    0x0202, 0x0501, 0x0000, 0xFE00, "floppy.02.boundary"
        END_LINE
        DISK    0x0000, 0, 0x0000, 0, "floppy.00"
        END_LINE
        mov     di, format_ids          ; cylinder 7, head 0, 18 sectors
        mov     cx, 18
        mov     al, 1
.format:
        mov     word [di], 0x0007
        mov     [di + 2], al
        mov     byte [di + 3], 2
        add     di, 4
        inc     ax
        loop    .format
        SAY     "floppy.05"
        push    ds
        pop     es
        mov     bx, format_ids
        mov     ax, 0x0512
        mov     cx, 0x0701
        mov     dx, 0x0000
        CALL_INT 0x13
        CARRY
        BYTE_AT r_ax + 1
        END_LINE
        DISK    0x0201, 0x0712, 0x0000, 0, "floppy.05.read"
        END_LINE
        DISK    0x1800, 0x4F12, 0x0000, 0, "floppy.18"
        END_LINE
        DISK    0x1800, 0x4F18, 0x0000, 0, "floppy.18.unsupported"
        END_LINE
        DISK    0x0201, 0x0001, 0x0001, 0, "floppy.02.absent"
        END_LINE
        SAY     "floppy.motor"          ; it stops by itself after two seconds
        mov     al, [0x43F]
        and     al, 1
        call    flag
        mov     ah, 0
        int     0x1A
        mov     bx, dx
.motor:
        hlt
        mov     ah, 0
        int     0x1A
        sub     dx, bx
        cmp     dx, 60
        jb      .motor
        mov     al, [0x43F]
        and     al, 1
        call    flag
        END_LINE

; ---- fixed disk --------------------------------------------------------------
        DISK    0x0000, 0, 0x0080, 0, "disk.00"
        END_LINE
        DISK    0x0800, 0, 0x0080, 0, "disk.08"
        SHOW    r_cx, 4
        SHOW    r_dx, 4
        END_LINE
        DISK    0x1500, 0, 0x0080, 0, "disk.15"
        SHOW    r_cx, 4
        SHOW    r_dx, 4
        END_LINE
        DISK    0x1500, 0, 0x0081, 0, "disk.15.absent"
        END_LINE
        SAY     "disk.41"
        mov     bx, 0x55AA
        mov     ah, 0x41
        mov     dl, 0x80
        CALL_INT 0x13
        CARRY
        SHOW    r_bx, 4
        BYTE_AT r_ax + 1
        SHOW    r_cx, 4
        END_LINE
        SAY     "disk.48"
        mov     word [0x500], 0x1A
        mov     si, 0x500
        mov     ah, 0x48
        mov     dl, 0x80
        CALL_INT 0x13
        CARRY
        DUMP    0x500, 0x1A
        END_LINE
        SAY     "disk.43.last"          ; the last sector, written and read again
        mov     eax, [0x510]
        mov     edx, [0x514]
        sub     eax, 1
        sbb     edx, 0
        mov     [packet + 8], eax
        mov     [packet + 12], edx
        mov     word [packet + 2], 1
        push    word BUFFER
        pop     es
        xor     di, di
        mov     al, 0x77
        mov     cx, 512
        call    pattern
        mov     ax, 0x4300
        mov     dl, 0x80
        mov     si, packet
        CALL_INT 0x13
        CARRY
        mov     dword [packet + 4], (BUFFER << 16) | 0x8000
        mov     ah, 0x42
        mov     dl, 0x80
        mov     si, packet
        CALL_INT 0x13
        CARRY
        mov     cx, 512
        call    compare_halves.bytes
        mov     dword [packet + 8], 1000
        mov     dword [packet + 12], 0
        mov     word [packet + 2], 40
        END_LINE
        push    word BUFFER
        pop     es
        xor     di, di
        mov     al, 0xC3
        mov     cx, 40 * 512
        call    pattern
        SAY     "disk.43"               ; 40 sectors at 1000, buffer not aligned
        mov     dword [packet + 4], (BUFFER << 16) | 0
        mov     ax, 0x4300
        mov     dl, 0x80
        mov     si, packet
        CALL_INT 0x13
        CARRY
        BYTE_AT r_ax + 1
        WORD_AT packet + 2
        END_LINE
        SAY     "disk.42"
        mov     dword [packet + 4], ((BUFFER - 0x800) << 16) | 0xFFFE   ; crosses the segment's end
        mov     ah, 0x42
        mov     dl, 0x80
        mov     si, packet
        CALL_INT 0x13
        CARRY
        BYTE_AT r_ax + 1
        push    ds
        mov     ax, BUFFER
        mov     ds, ax
        mov     ax, BUFFER + 0x7FF
        mov     es, ax
        xor     si, si
        mov     di, 0x0E
        mov     cx, 40 * 512
        repe cmpsb
        pop     ds
        sete    al
        call    flag
        END_LINE
        DISK    0x0202, 0x0101, 0x0080, 0, "disk.02"
        END_LINE
        DISK    0x0401, 0x0001, 0x0080, 0, "disk.04"
        END_LINE
        DISK    0x0201, 0x0000, 0x0080, 0, "disk.02.sector"          ; sector 0
        END_LINE
        DISK    0x0201, 0xFFC1, 0x0080, 0, "disk.02.cylinder"        ; cylinder 1023
        END_LINE
        SAY     "disk.42.beyond"
        mov     dword [packet + 8], 0x7FFFFFFF
        mov     ah, 0x42
        mov     dl, 0x80
        mov     si, packet
        CALL_INT 0x13
        CARRY
        END_LINE
        SAY     "disk.41.absent"
        mov     bx, 0x55AA
        mov     ah, 0x41
        mov     dl, 0x81
        CALL_INT 0x13
        CARRY
        END_LINE
        DISK    0x1000, 0, 0x0080, 0, "disk.10"
        END_LINE
        jmp     disks_end
; The buffer's first 36 sectors (or CX bytes) against those at 8000h.
compare_halves:
        mov     cx, 36 * 512
.bytes:
        push    ds
        push    word BUFFER
        pop     ds
        push    word BUFFER
        pop     es
        xor     si, si
        mov     di, 0x8000
        repe cmpsb
        pop     ds
        push    word 0
        pop     es
        sete    al
        jmp     flag
packet:
        db      16, 0
        dw      0
        dd      BUFFER << 16
        dq      0
format_ids:
        times 72 db 0
disks_end:
        push    word 0
        pop     es
