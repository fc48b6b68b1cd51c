; A diskette drive: motor, change line, recording rate, head.

; The motor of drive DL runs, the drive is selected.
floppy_motor:
        push    cx
        cli
        mov     byte [B_FLOPTIMEOUT], 0xFF
        mov     cl, dl
        mov     al, 1
        shl     al, cl
        mov     ah, [B_FLOPMOTOR]
        and     ah, 0x0F
        push    ax
        or      ah, al
        mov     [B_FLOPMOTOR], ah
        mov     al, ah
        shl     al, 4
        or      al, 0x0C
        or      al, dl
        push    dx
        mov     dx, FDC_DOR
        out     dx, al
        pop     dx
        sti
        pop     ax
        test    ah, al
        jnz     .done
        push    ds                              ; started now: wait as the table asks
        push    bx
        xor     bx, bx
        mov     ds, bx
        lds     bx, [0x1E * 4]
        movzx   cx, byte [bx + 10]
        pop     bx
        pop     ds
        imul    cx, cx, 7                       ; 1/8 s = 2.3 ticks
        shr     cx, 1
        jcxz    .done
        mov     ax, [B_TICKS]
        add     cx, ax
.spin:
        hlt
        cmp     [B_TICKS], cx
        js      .spin
.done:
        pop     cx
        call    floppy_shorten_timeout
        ret

; After an operation the motor runs on for as long as the table says.
floppy_shorten_timeout:
        push    ds
        push    bx
        xor     bx, bx
        mov     ds, bx
        lds     bx, [0x1E * 4]
        mov     al, [bx + 2]
        pop     bx
        pop     ds
        mov     [B_FLOPTIMEOUT], al
        ret

; CF <- the door was opened since the last seek.
floppy_change_line:
        push    dx
        mov     dx, FDC_RATE
        in      al, dx
        pop     dx
        shl     al, 1
        ret

; Drive DL ready at a known rate. AH <- status (06h once after a disk was changed).
floppy_prepare:
        push    cx
        call    floppy_motor
        call    floppy_change_line
        mov     ch, 0
        jnc     .same
        call    floppy_media_address
        test    byte [si], 0x10
        jz      .unknown
        mov     ch, 0x06
.unknown:
        and     byte [si], 0xEF
        mov     al, 1                           ; two seeks clear the line if a disk is in
        call    floppy_seek
        mov     al, 0
        call    floppy_seek
        call    floppy_change_line
        jc      .no_disk
        test    ch, ch
        jnz     .done
.same:
        call    floppy_media_address
        test    byte [si], 0x10
        jz      .find
        call    floppy_set_rate
        mov     ah, 0
        pop     cx
        ret
.find:
        call    floppy_find_rate
        pop     cx
        ret
.no_disk:
        mov     ch, 0x80
.done:
        mov     ah, ch
        pop     cx
        ret

; Programs the established rate.
floppy_set_rate:
        push    dx
        call    floppy_media_address
        mov     al, [si]
        shr     al, 6
        mov     dx, FDC_RATE
        out     dx, al
        pop     dx
        ret

; Reads an ID field at each rate of the drive type until one answers.
floppy_find_rate:
        call    floppy_type
        call    floppy_type_entry
        add     si, 2
.next:
        mov     al, [cs:si]
        cmp     al, 0xFF
        je      .none
        push    si
        call    floppy_media_set
        call    floppy_set_rate
        mov     al, 0
        call    floppy_seek
        test    ah, ah
        jnz     .failed
        and     byte [B_FLOPSEEK], 0x7F
        mov     al, 0x4A                        ; READ ID
        call    fdc_put
        mov     al, dl
        call    fdc_put
        jc      .failed
        call    floppy_result
        test    ah, ah
        jz      .found
        cmp     ah, 0x80
        je      .failed
        call    floppy_media_address
        and     byte [si], 0xEF
        pop     si
        add     si, 2
        jmp     .next
.found:
        pop     si
        ret
.failed:
        call    floppy_media_address
        and     byte [si], 0xEF
        pop     si
        mov     ah, 0x80
        ret
.none:
        mov     ah, 0x02
        ret

; Head of drive DL to cylinder AL, calibrated first if need be. AH <- status.
floppy_seek:
        push    cx
        push    si
        mov     ch, al
        mov     cl, dl
        mov     ah, 1
        shl     ah, cl
        movzx   si, dl
        add     si, B_FLOPTRACK
        test    [B_FLOPSEEK], ah
        jnz     .calibrated
        call    floppy_recalibrate
        jnc     .at_zero
        call    floppy_recalibrate              ; one command steps 79 times at most
        jc      .failed
.at_zero:
        or      [B_FLOPSEEK], ah
        mov     byte [si], 0
.calibrated:
        cmp     [si], ch
        je      .there
        and     byte [B_FLOPSEEK], 0x7F
        mov     al, 0x0F
        call    fdc_put
        call    fdc_put_head
        mov     al, ch
        call    fdc_put
        jc      .failed
        call    fdc_seek_end
        jc      .failed
        mov     [si], ch
.there:
        mov     ah, 0
        pop     si
        pop     cx
        ret
.failed:
        mov     ah, 0x40
        pop     si
        pop     cx
        ret

; CF unless the drive reached track 0. Keeps AH.
floppy_recalibrate:
        and     byte [B_FLOPSEEK], 0x7F
        mov     al, 0x07
        call    fdc_put
        mov     al, dl
        call    fdc_put
        jc      fdc_seek_end.done

; Waits for a seek to end; CF when it failed. Keeps AH.
fdc_seek_end:
        call    fdc_wait_interrupt
        jc      .done
        mov     al, 0x08                        ; SENSE INTERRUPT STATUS
        call    fdc_put
        jc      .done
        call    fdc_results
        jc      .done
        test    byte [B_FLOPRESULT], 0xC0
        jz      .done
        stc
.done:
        ret
