; Fixed disks: INT 13h for drives 80h and up, its extensions, and the way to the
; diskettes (INT 40h) and to an emulated CD disk.

; SI: entry -> the geometry that INT 13h shows. Up to 1024 cylinders the drive's
; own; else "LBA-assisted": 63 sectors, and the fewest of 16, 32, 64, 128, 255 heads
; that keep the cylinders below 1024. DS = EBDA.
disk_geometry:
        pushad
        mov     ax, [si + A_PCYLS]
        mov     bx, [si + A_PHEADS]
        mov     cx, [si + A_PSPT]
        test    byte [si + A_FLAGS], AF_LBA
        jz      .large
        cmp     ax, 1024
        jbe     .store
        mov     eax, [si + A_SECTORS]
        mov     edx, [si + A_SECTORS + 4]
        test    edx, edx
        jnz     .huge
        xor     edx, edx
        mov     ecx, 63
        div     ecx
        mov     ebx, 16
.heads:
        mov     edx, ebx
        shl     edx, 10
        cmp     eax, edx
        jbe     .found
        add     bx, bx
        cmp     bx, 256
        jb      .heads
        dec     bx
.found:
        xor     edx, edx
        div     ebx
        cmp     eax, 1024
        jbe     .store
        mov     ax, 1024
        jmp     .store
.huge:
        mov     ax, 1024
        mov     bx, 255
        mov     cx, 63
        jmp     .store
.large:                                         ; no LBA: halve cylinders, double heads
        cmp     ax, 1024
        jbe     .store
        cmp     bx, 64
        ja      .store
        shr     ax, 1
        add     bx, bx
        jmp     .large
.store:
        mov     [si + A_LCYLS], ax
        mov     [si + A_LHEADS], bx
        mov     [si + A_LSPT], cx
        popad
        ret

; SI: entry, BX: disk number. The first two disks have a table behind INT 41h, 46h;
; with a translated geometry it is the "enhanced" form that shows both.
disk_parameter_table:
        cmp     bx, 1
        ja      .none
        pushad
        imul    di, bx, E_FDPT1 - E_FDPT0
        add     di, E_FDPT0
        mov     ax, [si + A_LCYLS]
        mov     [di], ax
        mov     ax, [si + A_LHEADS]
        mov     [di + 2], al
        mov     byte [di + 8], 0xC0
        cmp     al, 8
        jbe     .few
        or      byte [di + 8], 0x08
.few:
        mov     dx, [si + A_LCYLS]
        mov     [di + 0x0C], dx                 ; landing zone
        mov     dx, [si + A_LSPT]
        mov     [di + 0x0E], dl
        cmp     ax, [si + A_PHEADS]
        je      .done
        mov     byte [di + 3], 0xA0
        mov     dl, [si + A_PSPT]
        mov     [di + 4], dl
        mov     dx, [si + A_PCYLS]
        mov     [di + 9], dx
        mov     dl, [si + A_PHEADS]
        mov     [di + 11], dl
        mov     cx, 15
        mov     al, 0
        push    di
.sum:
        sub     al, [di]
        inc     di
        loop    .sum
        mov     [di], al
        pop     di
.done:
        popad
.none:
        ret

int13:
        push    ds
        SETSEG  ds, EBDA
        cmp     byte [E_CDEMULATED], 0xFF
        jne     .shifted
        pop     ds
.dispatch:
        cmp     dl, 0x80
        jae     .fixed
        int     0x40
        push    bp                              ; hand the flags on to our caller
        mov     bp, sp
        push    ax
        lahf
        mov     [bp + 6], ah
        pop     ax
        pop     bp
        iret
; A CD stands in for the first diskette or the first disk: the real ones move up.
.shifted:
        cmp     dl, [E_CDEMULATED]
        je      .emulated
        push    ax
        mov     al, [E_CDEMULATED]
        xor     al, dl
        pop     ax
        pop     ds
        js      .dispatch                       ; the other kind of drive
        cmp     dl, CD_DRIVE
        jae     .dispatch
        push    ax
        dec     dl
        pushf
        push    cs
        call    .dispatch
        push    bp
        mov     bp, sp                          ; BP+2: AX as it came, BP+8: our caller's flags
        push    ax
        lahf
        mov     [bp + 8], ah
        mov     ah, [bp + 3]
        cmp     ah, 0x08                        ; these two answer in DL
        je      .answered
        cmp     ah, 0x15
        je      .answered
        inc     dl
.answered:
        pop     ax
        pop     bp
        add     sp, 2
        iret
.emulated:
        pop     ds
        sti
        SERVICE
        SETSEG  ds, EBDA
        jmp     int13_emulated
.fixed:
        sti
        SERVICE
        SETSEG  ds, EBDA
        cmp     byte [bp + R_DL], CD_DRIVE
        je      .cd
        call    disk_find
        jc      .no_drive
        mov     bx, disk_functions
        mov     al, [bp + R_AH]
        cmp     al, (disk_functions.end - disk_functions) / 2
        jb      .call
        mov     bx, disk_extensions
        sub     al, 0x41
        jb      .invalid
        cmp     al, (disk_extensions.end - disk_extensions) / 2
        jae     .invalid
.call:
        movzx   di, al
        add     di, di
        call    [cs:bx + di]
.answer:
        mov     [bp + R_AH], ah
        and     byte [bp + R_FLAGS], 0xFE
        test    ah, ah
        jz      .store
        or      byte [bp + R_FLAGS], 1
.store:
        SETSEG  ds, BDA
        mov     [B_HDSTATUS], ah
.end:
        SERVICE_END
.cd:
        cmp     byte [E_CDDRIVE], 0xFF
        jne     int13_cd
.no_drive:
        cmp     byte [bp + R_AH], 0x15          ; this one says so without an error
        jne     .invalid
        mov     word [bp + R_AX], 0x0000
        and     byte [bp + R_FLAGS], 0xFE
        jmp     .end
.invalid:
        mov     ah, 0x01
        jmp     .answer

; SI <- entry of the disk that the frame's DL names; CF when there is none.
disk_find:
        movzx   bx, byte [bp + R_DL]
        sub     bl, 0x80
        cmp     bl, 4
        jae     .none
        movzx   si, byte [bx + E_HDMAP]
        cmp     si, 4
        jae     .none
        shl     si, 5
        add     si, E_ATA
        clc
        ret
.none:
        stc
        ret

disk_functions:
        dw      disk_reset, disk_last_status, disk_read, disk_write
        dw      disk_verify, disk_format, disk_bad, disk_bad
        dw      disk_parameters, disk_reset, disk_bad, disk_bad
        dw      disk_seek, disk_reset, disk_bad, disk_bad
        dw      disk_ready, disk_reset, disk_bad, disk_bad
        dw      disk_reset, disk_type
.end:
disk_extensions:                                ; from 41h
        dw      edd_present, edd_read, edd_write, edd_verify
        dw      edd_lock, edd_bad, edd_seek, edd_parameters
        dw      edd_changed, disk_bad, disk_bad, disk_bad
        dw      disk_bad, edd_hardware
.end:

; Each function: SI = entry, DS = EBDA, BP = frame; AH <- status.
disk_bad:
edd_bad:
        mov     ah, 0x01
        ret

disk_reset:
disk_seek:
edd_seek:
        mov     ah, 0
        ret

disk_last_status:
        SETSEG  ds, BDA
        mov     ah, [B_HDSTATUS]
        ret

disk_ready:
        call    ata_select
        mov     ah, 0x80
        jc      .done
        mov     ah, 0xAA
        test    al, 0x40
        jz      .done
        mov     ah, 0
.done:
        ret

disk_read:
        mov     bl, 0
        jmp     disk_transfer
disk_write:
        mov     bl, 1
        jmp     disk_transfer
disk_verify:
        mov     bl, 2
disk_transfer:
        call    disk_to_lba
        jc      .bad
        movzx   cx, byte [bp + R_AL]
        jcxz    .bad
        mov     di, [bp + R_BX]
        mov     es, [bp + R_ES]
        push    cx
        call    ata_transfer
        pop     dx
        sub     dx, cx
        mov     [bp + R_AL], dl                 ; sectors done
        ret
.bad:
        mov     ah, 0x01
        ret

; E_LBA <- sector that CX, DH of the frame name; CF when it is outside.
disk_to_lba:
        mov     cx, [bp + R_CX]
        movzx   eax, cl
        shl     eax, 2                          ; cylinder bits 8-9
        mov     al, ch
        cmp     ax, [si + A_LCYLS]
        jae     .outside
        movzx   edx, word [si + A_LHEADS]
        imul    eax, edx
        movzx   edx, byte [bp + R_DH]
        cmp     dx, [si + A_LHEADS]
        jae     .outside
        add     eax, edx
        movzx   edx, word [si + A_LSPT]
        imul    eax, edx
        and     cx, 0x3F
        jz      .outside
        cmp     cx, dx
        ja      .outside
        movzx   ecx, cx
        lea     eax, [eax + ecx - 1]
        mov     [E_LBA], eax
        mov     dword [E_LBA + 4], 0
        clc
        ret
.outside:
        stc
        ret

; Nothing to do on a drive with its own format, if the track exists.
disk_format:
        mov     byte [bp + R_CL], 1
        call    disk_to_lba
        mov     ah, 0
        jnc     .done
        mov     ah, 0x01
.done:
        ret

disk_parameters:
        mov     ax, [si + A_LCYLS]
        dec     ax
        mov     [bp + R_CH], al
        shl     ah, 6
        or      ah, [si + A_LSPT]
        mov     [bp + R_CL], ah
        mov     ax, [si + A_LHEADS]
        dec     al
        mov     [bp + R_DH], al
        mov     ah, [E_CDEMULATED]
        SETSEG  ds, BDA
        mov     al, [B_HDCOUNT]
        cmp     ah, 0x80                        ; and the disk that a CD emulates
        jne     .count
        inc     al
.count:
        mov     [bp + R_DL], al
        mov     byte [bp + R_AL], 0
        mov     ah, 0
        ret

disk_type:                                      ; AH=3, CX:DX = sectors
        movzx   eax, word [si + A_LCYLS]
        movzx   edx, word [si + A_LHEADS]
        imul    eax, edx
        movzx   edx, word [si + A_LSPT]
        imul    eax, edx
        mov     [bp + R_DX], ax
        shr     eax, 16
        mov     [bp + R_CX], ax
        SETSEG  ds, BDA
        mov     byte [B_HDSTATUS], 0
        mov     byte [bp + R_AH], 3
        and     byte [bp + R_FLAGS], 0xFE
        add     sp, 2                           ; AH is no status here
        jmp     int13.end

; ---- extensions --------------------------------------------------------------
edd_present:
        cmp     word [bp + R_BX], 0x55AA
        jne     edd_bad
        mov     word [bp + R_BX], 0xAA55
        mov     word [bp + R_CX], 0x0007        ; packet access, locking, EDD
        mov     byte [bp + R_AH], 0x30          ; EDD-3.0
        and     byte [bp + R_FLAGS], 0xFE
        add     sp, 2
        jmp     int13.end

edd_read:
        mov     bl, 0
        jmp     edd_transfer
edd_write:
        mov     bl, 1
        jmp     edd_transfer
edd_verify:
        mov     bl, 2
edd_transfer:
        mov     es, [bp + R_DS]
        mov     di, [bp + R_SI]
        cmp     byte [es:di], 16
        jb      edd_bad
        movzx   ecx, word [es:di + 2]
        mov     eax, [es:di + 8]
        mov     edx, [es:di + 12]
        mov     [E_LBA], eax
        mov     [E_LBA + 4], edx
        add     eax, ecx
        adc     edx, 0
        jc      edd_bad
        cmp     edx, [si + A_SECTORS + 4]
        jb      .inside
        ja      edd_bad
        cmp     eax, [si + A_SECTORS]
        ja      edd_bad
.inside:
        mov     ah, 0
        jcxz    .done
        cmp     cx, 127
        ja      edd_bad
        push    cx
        push    es
        push    di
        les     di, [es:di + 4]
        call    ata_transfer
        pop     di
        pop     es
        pop     dx
        sub     dx, cx
        mov     [es:di + 2], dx                 ; sectors done
.done:
        ret

edd_lock:                                       ; not removable: always unlocked
        mov     byte [bp + R_AL], 0
        mov     ah, 0
        ret

edd_changed:
        mov     ah, 0
        ret

edd_hardware:                                   ; DMA and prefetch are not ours to set
        mov     ah, 0
        cmp     byte [bp + R_AL], 6
        jbe     .done
        mov     ah, 0x01
.done:
        ret

; DS:SI of the caller: buffer whose first word is its size.
edd_parameters:
        mov     es, [bp + R_DS]
        mov     di, [bp + R_SI]
        cmp     word [es:di], 0x1A
        jb      edd_bad
        mov     bx, [es:di]
        mov     word [es:di], 0x1A
        mov     word [es:di + 2], 0x0002        ; geometry valid
        movzx   eax, word [si + A_PCYLS]
        mov     [es:di + 4], eax
        movzx   eax, word [si + A_PHEADS]
        mov     [es:di + 8], eax
        movzx   eax, word [si + A_PSPT]
        mov     [es:di + 12], eax
        mov     eax, [si + A_SECTORS]
        mov     [es:di + 16], eax
        mov     edx, [si + A_SECTORS + 4]
        mov     [es:di + 20], edx
        mov     word [es:di + 24], 512
        test    edx, edx
        jnz     .no_geometry
        cmp     eax, 16383 * 16 * 63            ; beyond what ATA geometry can say
        jbe     .geometry
.no_geometry:
        mov     word [es:di + 2], 0
.geometry:
        cmp     bx, 0x1E
        jb      .done
        mov     word [es:di], 0x1E
        mov     dword [es:di + 26], 0xFFFFFFFF  ; no device parameter table
.done:
        mov     ah, 0
        ret
