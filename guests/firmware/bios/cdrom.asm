; INT 13h for the CD-ROM drive (E0h) and for the disk that it emulates.

CD_DRIVE        equ 0xE0

; From int13: DS = EBDA, BP = frame.
int13_cd:
        call    cd_entry
        mov     bx, .functions
        jmp     int13_select
.functions:
        db 0x00
        dw disk_reset
        db 0x01
        dw disk_last_status
        db 0x09
        dw disk_reset
        db 0x0C
        dw disk_reset
        db 0x0D
        dw disk_reset
        db 0x10
        dw cd_ready
        db 0x11
        dw disk_reset
        db 0x14
        dw disk_reset
        db 0x15
        dw cd_type
        db 0x41
        dw edd_present
        db 0x42
        dw cd_read
        db 0x44
        dw disk_reset
        db 0x45
        dw cd_lock
        db 0x46
        dw cd_eject
        db 0x47
        dw disk_reset
        db 0x48
        dw cd_parameters
        db 0x49
        dw edd_changed
        db 0x4B
        dw cd_emulation
        db 0x03
        dw cd_protected
        db 0x43
        dw cd_protected
        db 0xFF

int13_emulated:
        call    cd_entry
        mov     bx, .functions
        jmp     int13_select
.functions:
        db 0x00
        dw disk_reset
        db 0x01
        dw disk_last_status
        db 0x02
        dw emulated_read
        db 0x03
        dw cd_protected
        db 0x04
        dw emulated_verify
        db 0x05
        dw cd_protected
        db 0x08
        dw emulated_parameters
        db 0x09
        dw disk_reset
        db 0x0C
        dw disk_reset
        db 0x0D
        dw disk_reset
        db 0x10
        dw cd_ready
        db 0x11
        dw disk_reset
        db 0x14
        dw disk_reset
        db 0x15
        dw emulated_type
        db 0x16
        dw disk_reset
        db 0x4B
        dw cd_emulation
        db 0xFF

; CS:BX: table of function and handler, for the frame's AH.
int13_select:
        mov     al, [bp + R_AH]
.next:
        cmp     byte [cs:bx], 0xFF
        je      int13.invalid
        cmp     al, [cs:bx]
        je      .found
        add     bx, 3
        jmp     .next
.found:
        call    [cs:bx + 1]
        jmp     int13.answer

; SI <- entry of the CD-ROM drive.
cd_entry:
        movzx   si, byte [E_CDDRIVE]
        shl     si, 5
        add     si, E_ATA
        ret

cd_ready:
        call    atapi_ready
        mov     ah, 0
        jnc     .done
        mov     ah, 0xAA
.done:
        ret

cd_protected:
        mov     ah, 0x03
        ret

cd_type:                                        ; a removable disk with change detection
        mov     byte [bp + R_AH], 2
        and     byte [bp + R_FLAGS], 0xFE
        add     sp, 2
        jmp     int13.end

cd_read:
        mov     es, [bp + R_DS]
        mov     di, [bp + R_SI]
        cmp     byte [es:di], 16
        jb      disk_bad
        cmp     dword [es:di + 12], 0
        jne     disk_bad
        mov     cx, [es:di + 2]
        mov     ah, 0
        jcxz    .done
        cmp     cx, 127
        ja      disk_bad
        call    atapi_ready
        mov     ah, 0x31                        ; no medium
        jc      .failed
        mov     cx, [es:di + 2]
        movzx   eax, cx
        shl     eax, 10
        mov     [E_TAKE], eax
        mov     dword [E_SKIP], 0
        mov     eax, [es:di + 8]
        push    es
        push    di
        les     di, [es:di + 4]
        call    atapi_read
        pop     di
        pop     es
        mov     ah, 0
        jnc     .done
        mov     ah, 0x04
.failed:
        mov     word [es:di + 2], 0
.done:
        ret

; AL: 0 lock, 1 unlock, 2 state.
cd_lock:
        mov     al, [bp + R_AL]
        mov     ah, 0xB4                        ; locked too often, or not locked
        cmp     al, 1
        ja      .state
        je      .unlock
        cmp     byte [E_CDLOCK], 0xFF
        je      .done
        inc     byte [E_CDLOCK]
        jmp     .report
.unlock:
        mov     ah, 0xB0
        cmp     byte [E_CDLOCK], 0
        je      .done
        dec     byte [E_CDLOCK]
        jmp     .report
.state:
        cmp     al, 2
        ja      disk_bad
.report:
        cmp     byte [E_CDLOCK], 0
        setne   al
        mov     [bp + R_AL], al
        mov     ah, 0
.done:
        ret

cd_eject:
        mov     ah, 0xB1
        cmp     byte [E_CDLOCK], 0
        jne     .done
        mov     al, 0x1B                        ; START STOP UNIT: open the tray
        call    atapi_packet
        mov     byte [E_PACKET + 4], 0x02
        call    atapi_command
        mov     ah, 0
        jnc     .done
        mov     ah, 0xB5
.done:
        ret

cd_parameters:
        mov     es, [bp + R_DS]
        mov     di, [bp + R_SI]
        cmp     word [es:di], 0x1A
        jb      disk_bad
        mov     word [es:di], 0x1A
        mov     word [es:di + 2], 0x0074        ; removable, change line, lockable, no geometry
        xor     eax, eax
        mov     [es:di + 4], eax
        mov     [es:di + 8], eax
        mov     [es:di + 12], eax
        dec     eax
        mov     [es:di + 16], eax
        mov     [es:di + 20], eax
        mov     word [es:di + 24], CD_BLOCK
        mov     ah, 0
        ret

; AX=4B00h: end the emulation; 4B01h: only tell. The specification packet at DS:SI.
cd_emulation:
        mov     al, [bp + R_AL]
        cmp     al, 1
        ja      disk_bad
        cmp     byte [E_CDBOOTDRIVE], 0
        jne     .booted
        cmp     byte [E_CDEMULATED], 0xFF       ; drive 0 is possible: an emulated diskette
        je      disk_bad
.booted:
        mov     es, [bp + R_DS]
        mov     di, [bp + R_SI]
        mov     byte [es:di], 0x13
        mov     al, [E_CDMEDIA]
        mov     [es:di + 1], al
        mov     al, [E_CDBOOTDRIVE]
        mov     [es:di + 2], al
        mov     al, [E_CDDRIVE]
        mov     ah, al
        shr     al, 1
        mov     [es:di + 3], al                 ; channel
        and     ax, 0x0100
        xchg    al, ah
        mov     [es:di + 8], ax                 ; master or slave
        mov     eax, [E_CDIMAGE]
        mov     [es:di + 4], eax
        mov     word [es:di + 10], 0
        mov     ax, [E_CDLOADSEG]
        mov     [es:di + 12], ax
        mov     ax, [E_CDCOUNT]
        mov     [es:di + 14], ax
        call    emulated_geometry
        mov     [es:di + 16], ch
        mov     [es:di + 17], cl
        mov     [es:di + 18], dh
        cmp     byte [bp + R_AL], 0
        jne     .done
        mov     byte [E_CDEMULATED], 0xFF
.done:
        mov     ah, 0
        ret

; ---- the emulated disk -------------------------------------------------------
; CH, CL, DH <- highest cylinder, sector, head, as INT 13h AH=08h packs them.
emulated_geometry:
        mov     ax, [E_CDEMUCYLS]
        dec     ax
        mov     ch, al
        shl     ah, 6
        or      ah, [E_CDEMUSPT]
        mov     cl, ah
        mov     dh, [E_CDEMUHEADS]
        dec     dh
        ret

emulated_parameters:
        call    emulated_geometry
        mov     [bp + R_CX], cx
        mov     [bp + R_DH], dh
        mov     byte [bp + R_DL], 1
        mov     byte [bp + R_AL], 0
        cmp     byte [E_CDEMULATED], 0x80
        jae     .disk
        mov     word [bp + R_ES], cs
        mov     word [bp + R_DI], diskette_parameters
        mov     al, [E_CDMEDIA]
        mov     bl, 2                           ; 1.2 MB, 1.44 MB, 2.88 MB
        cmp     al, 1
        je      .type
        mov     bl, 4
        cmp     al, 2
        je      .type
        mov     bl, 6
.type:
        mov     [bp + R_BL], bl
        jmp     .done
.disk:
        SETSEG  ds, BDA
        mov     al, [B_HDCOUNT]
        inc     al
        mov     [bp + R_DL], al
.done:
        mov     ah, 0
        ret

emulated_type:
        cmp     byte [E_CDEMULATED], 0x80
        jae     .disk
        mov     byte [bp + R_AH], 1
        jmp     .done
.disk:
        mov     ax, [E_CDEMUCYLS]
        mul     word [E_CDEMUHEADS]
        movzx   eax, ax
        movzx   edx, word [E_CDEMUSPT]
        imul    eax, edx
        mov     [bp + R_DX], ax
        shr     eax, 16
        mov     [bp + R_CX], ax
        mov     byte [bp + R_AH], 3
.done:
        and     byte [bp + R_FLAGS], 0xFE
        add     sp, 2
        jmp     int13.end

emulated_verify:
        call    emulated_sector
        mov     ah, 0
        jnc     .done
        mov     ah, 0x04
.done:
        ret

emulated_read:
        movzx   ecx, byte [bp + R_AL]
        jcxz    .bad
        call    emulated_sector
        jc      .bad
        mov     es, [bp + R_ES]
        mov     di, [bp + R_BX]
        call    cd_read_sectors
        mov     ah, 0
        jnc     .done
        mov     byte [bp + R_AL], 0
        mov     ah, 0x04
.done:
        ret
.bad:
        mov     ah, 0x01
        ret

; EAX <- 512-byte sector of the image that CX, DH of the frame name; CF outside. Keeps ECX.
emulated_sector:
        push    ecx
        mov     cx, [bp + R_CX]
        movzx   eax, cl
        shl     eax, 2
        mov     al, ch
        cmp     ax, [E_CDEMUCYLS]
        jae     .outside
        movzx   edx, word [E_CDEMUHEADS]
        imul    eax, edx
        movzx   edx, byte [bp + R_DH]
        cmp     dx, [E_CDEMUHEADS]
        jae     .outside
        add     eax, edx
        movzx   edx, word [E_CDEMUSPT]
        imul    eax, edx
        and     ecx, 0x3F
        jz      .outside
        cmp     cx, dx
        ja      .outside
        lea     eax, [eax + ecx - 1]
        pop     ecx
        clc
        ret
.outside:
        pop     ecx
        stc
        ret

; EAX: 512-byte sector of the boot image, ECX: how many, ES:DI: buffer. CF on failure.
cd_read_sectors:
        mov     edx, eax
        and     edx, 3
        shl     edx, 8
        mov     [E_SKIP], edx
        mov     edx, eax
        and     edx, 3
        add     edx, ecx
        add     edx, 3
        shr     edx, 2                          ; blocks that hold them
        shl     ecx, 8
        mov     [E_TAKE], ecx
        mov     cx, dx
        shr     eax, 2
        add     eax, [E_CDIMAGE]
        jmp     atapi_read
