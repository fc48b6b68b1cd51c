; Diskettes: INT 13h for drives 00h-01h (also INT 40h), INT 0Eh. 82077AA with DMA
; channel 2 of the 8237.

; Drive types of CMOS index 10h: highest cylinder, sectors per track, then the
; rates to try (bits of FDC_RATE) with the sectors per track each means, FFh ends.
; Rates that such a drive should not need come last: set-up programs say "1.44 MB"
; of drives that read more.
floppy_type_table:
        dw      0, floppy_type_1, floppy_type_2, floppy_type_3, floppy_type_4
        dw      floppy_type_5, floppy_type_5
floppy_type_1   db      39, 9, 2, 9, 1, 9, 0xFF
floppy_type_2   db      79, 15, 0, 15, 1, 9, 2, 9, 0xFF
floppy_type_3   db      79, 9, 2, 9, 0xFF
floppy_type_4   db      79, 18, 0, 18, 2, 9, 1, 9, 3, 36, 0xFF
floppy_type_5   db      79, 36, 3, 36, 0, 18, 2, 9, 0xFF

; AL <- type of drive DL (0 = none), from CMOS.
floppy_type:
        cmp     dl, 1
        ja      .none
        mov     al, 0x10
        call    cmos_read
        test    dl, dl
        jnz     .second
        shr     al, 4
.second:
        and     al, 0x0F
        cmp     al, 6
        ja      .none
        ret
.none:
        mov     al, 0
        ret

init_floppy:
        SETSEG  ds, BDA
        xor     cx, cx
        mov     dl, 1
.count:
        call    floppy_type
        test    al, al
        jz      .next
        inc     cx
.next:
        dec     dl
        jns     .count
        jcxz    .none
        mov     byte [B_FLOPTYPES], 0x77        ; determined, several rates, change line
        dec     cx
        shl     cl, 6
        or      cl, 1
        or      [B_EQUIP], cl
.none:
        ret

int0e:
        push    ax
        push    ds
        SETSEG  ds, BDA
        or      byte [B_FLOPSEEK], 0x80
        mov     al, EOI
        out     PIC1_CMD, al
        pop     ds
        pop     ax
        iret

int40:
        sti
        SERVICE
        SETSEG  ds, BDA
        mov     dl, [bp + R_DL]
        movzx   bx, byte [bp + R_AH]
        cmp     bl, 0x18
        ja      .invalid
        add     bx, bx
        call    [cs:bx + floppy_functions]
        jmp     .status
.invalid:
        mov     ah, 0x01
.status:
        mov     [B_FLOPSTATUS], ah
        mov     [bp + R_AH], ah
        and     byte [bp + R_FLAGS], 0xFE
        test    ah, ah
        jz      .end
        or      byte [bp + R_FLAGS], 1
.end:
        SERVICE_END

floppy_functions:
        dw      floppy_reset, floppy_status, floppy_read, floppy_write
        dw      floppy_verify, floppy_format, floppy_bad, floppy_bad
        dw      floppy_parameters, floppy_bad, floppy_bad, floppy_bad
        dw      floppy_bad, floppy_bad, floppy_bad, floppy_bad
        dw      floppy_bad, floppy_bad, floppy_bad, floppy_bad
        dw      floppy_bad, floppy_get_type, floppy_changed, floppy_set_type
        dw      floppy_set_media

; Each function: DS=BDA, DL=drive, BP=frame; AH <- status.
floppy_bad:
        mov     ah, 0x01
        ret

floppy_status:
        mov     ah, [B_FLOPSTATUS]
        ret

floppy_reset:
        call    floppy_type
        test    al, al
        jz      floppy_absent
        mov     byte [B_FLOPSEEK], 0            ; both drives need calibration
        call    fdc_reset
        ret

floppy_absent:
        mov     ah, 0x80
        ret

floppy_parameters:
        call    floppy_type
        test    al, al
        jz      .none
        movzx   bx, al
        mov     [bp + R_BX], bx
        call    floppy_type_entry
        mov     ah, [cs:si]
        mov     al, [cs:si + 1]
        mov     [bp + R_CH], ah
        mov     [bp + R_CL], al
        mov     byte [bp + R_DH], 1
        mov     word [bp + R_ES], cs
        mov     word [bp + R_DI], diskette_parameters
        jmp     .count
.none:
        xor     ax, ax
        mov     [bp + R_BX], ax
        mov     [bp + R_CX], ax
        mov     [bp + R_DX], ax
        mov     [bp + R_DI], ax
        mov     [bp + R_ES], ax
.count:
        mov     al, [B_EQUIP]
        test    al, 1
        jz      .no_drives
        shr     al, 6
        inc     al
        jmp     .store
.no_drives:
        mov     al, 0
.store:
        mov     [bp + R_DL], al
        mov     byte [bp + R_AL], 0
        mov     ah, 0
        ret

; AL: type -> SI: its entry.
floppy_type_entry:
        movzx   si, al
        add     si, si
        mov     si, [cs:si + floppy_type_table]
        ret

floppy_get_type:
        call    floppy_type
        mov     ah, 0
        test    al, al
        jz      .store
        mov     ah, 1                           ; no change line on 360 KB drives
        cmp     al, 1
        je      .store
        mov     ah, 2
.store:
        mov     [bp + R_AH], ah
        and     byte [bp + R_FLAGS], 0xFE
        add     sp, 2                           ; AH is no status here
        jmp     int40.end

floppy_changed:
        call    floppy_type
        test    al, al
        jz      floppy_absent
        call    floppy_motor
        call    floppy_change_line
        mov     ah, 0
        jnc     .done
        mov     ah, 0x06
.done:
        ret

; AH=17h, AL: 1 = 360 KB in 360 KB, 2 = 360 KB in 1.2 MB, 3 = 1.2 MB, 4 = 720 KB.
floppy_set_type:
        mov     al, [bp + R_AL]
        dec     al
        cmp     al, 3
        ja      floppy_bad
        movzx   bx, al
        mov     al, [cs:bx + .media]
        call    floppy_media_address
        mov     [si], al
        mov     ah, 0
        ret
.media  db      0x93, 0x74, 0x15, 0x97

; AH=18h: CH highest cylinder, CL sectors per track: a format the drive can hold?
floppy_set_media:
        call    floppy_type
        test    al, al
        jz      floppy_absent
        call    floppy_type_entry
        mov     cl, [cs:si]
        cmp     cl, [bp + R_CH]
        jb      .unsupported
        add     si, 2
.rate:
        mov     al, [cs:si]
        cmp     al, 0xFF
        je      .unsupported
        mov     ah, [cs:si + 1]
        add     si, 2
        cmp     ah, [bp + R_CL]
        jne     .rate
        call    floppy_media_set
        mov     word [bp + R_ES], cs
        mov     word [bp + R_DI], diskette_parameters
        mov     ah, 0
        ret
.unsupported:
        mov     ah, 0x0C
        ret

; DL: drive -> SI: its media byte.
floppy_media_address:
        movzx   si, dl
        add     si, B_FLOPMEDIA
        ret

; AL: rate bits -> media byte "established" with the state the PC AT gave it.
floppy_media_set:
        call    floppy_media_address
        mov     ah, al
        shl     ah, 6
        or      ah, 0x17
        mov     [si], ah
        ret

; ---- reading, writing, verifying, formatting ---------------------------------
; DMA mode, FDC command.
floppy_read:
        mov     cx, 0x46E6
        jmp     floppy_transfer
floppy_write:
        mov     cx, 0x4AC5
        jmp     floppy_transfer
floppy_verify:
        mov     cx, 0x42E6                      ; DMA verify: nothing reaches memory

floppy_transfer:
        call    floppy_type
        test    al, al
        jz      floppy_absent
        cmp     byte [bp + R_AL], 0
        je      floppy_bad
        cmp     byte [bp + R_CL], 0
        je      floppy_not_found
        cmp     byte [bp + R_DH], 1
        ja      floppy_bad
        mov     di, 3                           ; attempts
.attempt:
        push    cx
        push    di
        call    floppy_prepare
        test    ah, ah
        jnz     .failed
        call    floppy_transfer_once
        test    ah, ah
        jz      .ok
        cmp     ah, 0x09                        ; trying again changes nothing for these
        je      .failed
        cmp     ah, 0x03
        je      .failed
        pop     di
        pop     cx
        dec     di
        jz      .give_up
        push    ax
        call    floppy_uncalibrate
        pop     ax
        jmp     .attempt
.ok:
        pop     di
        pop     cx
        ret
.failed:
        pop     di
        pop     cx
.give_up:
        mov     byte [bp + R_AL], 0
        ret

floppy_not_found:
        mov     ah, 0x04
        ret

floppy_uncalibrate:
        push    cx
        mov     cl, dl
        mov     al, 1
        shl     al, cl
        not     al
        and     [B_FLOPSEEK], al
        call    floppy_media_address
        and     byte [si], 0xEF
        pop     cx
        ret

; CH: DMA mode, CL: command. Head and media are ready. AH <- status.
floppy_transfer_once:
        movzx   eax, byte [bp + R_AL]
        shl     eax, 9
        call    floppy_dma
        jc      .boundary
        mov     al, [bp + R_CH]
        call    floppy_seek
        test    ah, ah
        jnz     .done
        and     byte [B_FLOPSEEK], 0x7F
        mov     al, cl
        call    fdc_put
        call    fdc_put_head
        mov     al, [bp + R_CH]
        call    fdc_put
        mov     al, [bp + R_DH]
        call    fdc_put
        mov     al, [bp + R_CL]
        call    fdc_put
        push    ds
        push    bx
        xor     bx, bx
        mov     ds, bx
        lds     bx, [0x1E * 4]
        mov     al, [bx + 3]                    ; sector size
        call    fdc_put
        call    floppy_last_sector
        call    fdc_put
        mov     al, [bx + 5]
        call    fdc_put
        mov     al, [bx + 6]
        pop     bx
        pop     ds
        call    fdc_put
        jc      .timeout
        call    floppy_result
.done:
        ret
.boundary:
        mov     ah, 0x09
        ret
.timeout:
        mov     ah, 0x80
        ret

; AL <- last sector of a track. A table of the operating system's own (DS:BX)
; knows its disk; ours does not, then the rate that worked tells.
floppy_last_sector:
        mov     ax, ds
        cmp     ax, 0xF000
        jne     .table
        cmp     bx, diskette_parameters
        je      .by_rate
.table:
        mov     al, [bx + 4]
        ret
.by_rate:
        push    ds
        SETSEG  ds, BDA
        call    floppy_spt
        pop     ds
        mov     ah, [bp + R_CL]                 ; a longer track than the standard's
        cmp     al, ah
        jae     .done
        mov     al, ah
.done:
        ret

; AL <- sectors per track of the established medium in drive DL.
floppy_spt:
        push    si
        call    floppy_media_address
        mov     ah, [si]
        shr     ah, 6
        call    floppy_type
        call    floppy_type_entry
        add     si, 2
.next:
        mov     al, [cs:si + 1]
        cmp     ah, [cs:si]
        je      .found
        cmp     byte [cs:si + 2], 0xFF
        je      .found
        add     si, 2
        jmp     .next
.found:
        pop     si
        ret

floppy_format:
        call    floppy_type
        test    al, al
        jz      floppy_absent
        cmp     byte [bp + R_DH], 1
        ja      floppy_bad
        call    floppy_motor
        call    floppy_media_address
        test    byte [si], 0x10
        jnz     .known
        call    floppy_type                     ; unformatted: the drive's own rate
        call    floppy_type_entry
        mov     al, [cs:si + 2]
        call    floppy_media_set
.known:
        call    floppy_set_rate
        push    ds
        xor     bx, bx
        mov     ds, bx
        lds     bx, [0x1E * 4]
        mov     cl, [bx + 3]                    ; sector size
        mov     ch, [bx + 4]                    ; sectors
        mov     di, [bx + 7]                    ; gap, fill byte
        pop     ds
        movzx   eax, ch
        shl     eax, 2                          ; four bytes a sector
        push    cx
        mov     ch, 0x4A
        call    floppy_dma
        pop     cx
        jc      floppy_transfer_once.boundary
        mov     al, [bp + R_CH]
        call    floppy_seek
        test    ah, ah
        jnz     .done
        and     byte [B_FLOPSEEK], 0x7F
        mov     al, 0x4D
        call    fdc_put
        call    fdc_put_head
        mov     al, cl
        call    fdc_put
        mov     al, ch
        call    fdc_put
        mov     ax, di
        call    fdc_put
        mov     al, ah
        call    fdc_put
        jc      floppy_transfer_once.timeout
        call    floppy_result
.done:
        ret

; The buffer ES:BX of the caller, EAX bytes, CH: mode. CF when it crosses 64 KB.
floppy_dma:
        push    edx
        push    ebx
        mov     edx, eax
        dec     edx
        movzx   eax, word [bp + R_ES]
        shl     eax, 4
        movzx   ebx, word [bp + R_BX]
        add     eax, ebx
        movzx   ebx, ax
        add     ebx, edx
        cmp     ch, 0x42                        ; verify touches no memory
        je      .fits
        cmp     ebx, 0xFFFF
        ja      .crosses
.fits:
        mov     ebx, eax
        mov     al, 0x06                        ; mask channel 2
        out     0x0A, al
        out     0x0C, al                        ; byte pointer
        mov     al, ch
        out     0x0B, al
        mov     al, bl
        out     0x04, al
        mov     al, bh
        out     0x04, al
        shr     ebx, 16
        mov     al, bl
        out     0x81, al
        mov     al, dl
        out     0x05, al
        mov     al, dh
        out     0x05, al
        mov     al, 0x02
        out     0x0A, al
        pop     ebx
        pop     edx
        clc
        ret
.crosses:
        pop     ebx
        pop     edx
        stc
        ret

; Waits for the command to end; AH <- status, result bytes in B_FLOPRESULT.
floppy_result:
        call    fdc_wait_interrupt
        jc      .timeout
        call    fdc_results
        jc      .timeout
        mov     al, [B_FLOPRESULT]
        test    al, 0xC0
        jz      .ok
        mov     ah, 0x20
        test    al, 0x40
        jz      .done                           ; invalid or polled away
        mov     al, [B_FLOPRESULT + 1]
        mov     ah, 0x04                        ; end of cylinder, no such sector
        test    al, 0x84
        jnz     .done
        mov     ah, 0x10
        test    al, 0x20
        jnz     .done
        mov     ah, 0x08
        test    al, 0x10
        jnz     .done
        mov     ah, 0x03
        test    al, 0x02
        jnz     .done
        mov     ah, 0x02
        test    al, 0x01
        jnz     .done
        mov     ah, 0x20
.done:
        ret
.timeout:
        mov     ah, 0x80
        ret
.ok:
        mov     ah, 0
        ret
