; Booting from a CD-ROM by the El Torito specification: boot record volume descriptor
; in block 17, boot catalogue, initial entry; without emulation or as a disk.

; Returns only when it could not boot, SI: why.
boot_cd:
        SETSEG  ds, EBDA
        mov     si, msg_no_cd
        cmp     byte [E_CDDRIVE], 0xFF
        je      .fail
        mov     si, msg_booting
        call    print
        mov     si, msg_cd
        call    print
        call    cd_entry
        call    atapi_ready
        jc      .no_disc
        mov     eax, 17
        call    .block                          ; to 0000:7C00h
        jc      .unreadable
        cmp     dword [es:0x7C01], 'CD00'
        jne     .not_bootable
        cmp     dword [es:0x7C07], 'EL T'
        jne     .not_bootable
        mov     eax, [es:0x7C47]                ; the catalogue
        call    .block
        jc      .unreadable
        cmp     byte [es:0x7C00], 0x01
        jne     .not_bootable
        cmp     word [es:0x7C1E], 0xAA55
        jne     .not_bootable
        cmp     byte [es:0x7C20], 0x88          ; bootable
        jne     .not_bootable
        mov     al, [es:0x7C21]
        and     al, 0x0F
        mov     [E_CDMEDIA], al
        mov     ax, [es:0x7C22]
        test    ax, ax
        jnz     .segment
        mov     ax, 0x07C0
.segment:
        mov     [E_CDLOADSEG], ax
        mov     ax, [es:0x7C26]
        test    ax, ax
        jnz     .count
        inc     ax
.count:
        mov     [E_CDCOUNT], ax
        mov     eax, [es:0x7C28]
        mov     [E_CDIMAGE], eax
        xor     eax, eax                        ; load the image's first sectors
        movzx   ecx, word [E_CDCOUNT]
        mov     es, [E_CDLOADSEG]
        xor     di, di
        call    cd_read_sectors
        jc      .unreadable
        mov     es, [E_CDLOADSEG]
        mov     dl, CD_DRIVE
        mov     al, [E_CDMEDIA]
        test    al, al
        jz      .start
        call    .emulate
        jc      .not_bootable
        mov     [E_CDEMULATED], dl
.start:
        mov     [E_CDBOOTDRIVE], dl
        mov     bx, [E_CDLOADSEG]
        cmp     bx, 0x07C0
        je      boot_start                      ; as any boot sector, at 0000:7C00h
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        push    bx
        push    ax
        mov     ax, 0xAA55
        retf
.no_disc:
        mov     si, msg_no_medium
        ret
.unreadable:
        mov     si, msg_unreadable
        ret
.not_bootable:
        mov     si, msg_cd_not_bootable
.fail:
        ret

; EAX: block -> 0000:7C00h (ES = 0). CF on failure.
.block:
        push    word 0
        pop     es
        mov     di, 0x7C00
        mov     dword [E_SKIP], 0
        mov     dword [E_TAKE], CD_WORDS
        mov     cx, 1
        call    atapi_read
        push    word 0
        pop     es
        ret

; AL: media type -> geometry, DL: drive number; CF for an unknown type. ES: the image's
; first sector.
.emulate:
        mov     word [E_CDEMUCYLS], 80
        mov     word [E_CDEMUHEADS], 2
        mov     dl, 0x00
        mov     cx, 15
        cmp     al, 1
        je      .diskette
        mov     cx, 18
        cmp     al, 2
        je      .diskette
        mov     cx, 36
        cmp     al, 3
        je      .diskette
        cmp     al, 4
        je      .disk
        stc
        ret
.diskette:
        mov     [E_CDEMUSPT], cx
        push    ds
        SETSEG  ds, BDA
        test    byte [B_EQUIP], 1               ; one diskette drive more
        jz      .first
        add     byte [B_EQUIP], 0x40
.first:
        or      byte [B_EQUIP], 1
        pop     ds
        clc
        ret
.disk:                                          ; the end of the one partition tells
        mov     dl, 0x80
        movzx   ax, byte [es:0x1BE + 5]
        inc     ax
        mov     [E_CDEMUHEADS], ax
        mov     al, [es:0x1BE + 6]
        mov     ah, al
        and     ax, 0xC03F
        mov     byte [E_CDEMUSPT], al
        mov     byte [E_CDEMUSPT + 1], 0
        shr     ah, 6
        mov     al, [es:0x1BE + 7]
        inc     ax
        mov     [E_CDEMUCYLS], ax
        clc
        ret

msg_cd_not_bootable db "  Not bootable: the disc holds no El Torito boot image.", 13, 10, 0
