; INT 19h and 18h: the host's boot plan, else the boot order, and what is said when
; nothing boots.
;
; The order stands in CMOS: 3Dh low nibble, 3Dh high nibble, 38h high nibble;
; 1 = floppy disk, 2 = fixed disk, 3 = CD-ROM, 0 = nothing more. All zero means 1, 2, 3.
; Bit 0 of 38h waives the 55AAh signature.

int19:
        cli
        cld
        xor     ax, ax
        mov     ss, ax
        mov     sp, 0x7C00
        sti
        call    boot_plan
        SETSEG  ds, EBDA
        mov     al, 0x3D
        call    cmos_read
        mov     ah, al
        mov     al, 0x38
        call    cmos_read
        and     al, 0xF0
        xchg    al, ah
        shr     ah, 4
        test    ax, ax
        jnz     .ordered
        mov     ax, 0x0321
.ordered:
        mov     [E_BOOTORDER], ax
        jmp     boot_next

; A boot sector that gives up comes here: the next device.
int18:
        cli
        cld
        xor     ax, ax
        mov     ss, ax
        mov     sp, 0x7C00
        sti
        mov     si, msg_gave_up
        call    print

boot_next:
        SETSEG  ds, EBDA
        mov     ax, [E_BOOTORDER]
        test    ax, ax
        jz      .nothing
        mov     bx, ax
        shr     ax, 4
        mov     [E_BOOTORDER], ax
        and     bx, 0x000F
        cmp     bx, 3
        ja      boot_next
        add     bx, bx
        call    [cs:bx + .devices]      ; returns only when it could not boot
        call    print
        jmp     boot_next
.devices dw     boot_none, boot_floppy, boot_disk, boot_cd
.nothing:
        mov     si, msg_nothing
        call    print
        mov     ah, 0
        int     0x16
        jmp     int19

boot_none:
        mov     si, msg_empty
        ret

boot_floppy:
        mov     dl, 0
        call    floppy_type
        mov     si, msg_no_floppy
        test    al, al
        jz      boot_disk.fail
        mov     di, msg_floppy
        mov     dl, 0x00
        jmp     boot_disk.drive

boot_disk:
        SETSEG  ds, BDA
        mov     si, msg_no_disk
        cmp     byte [B_HDCOUNT], 0
        je      .fail
        mov     di, msg_disk
        mov     dl, 0x80
.drive:
        mov     si, msg_booting
        call    print
        mov     si, di
        call    print
        mov     di, 3
.attempt:
        mov     ah, 0
        int     0x13
        xor     bx, bx
        mov     es, bx
        mov     bx, 0x7C00
        mov     ax, 0x0201
        mov     cx, 1
        mov     dh, 0
        int     0x13
        jnc     .read
        mov     si, msg_no_medium
        cmp     ah, 0x80
        je      .fail
        dec     di
        jnz     .attempt
        mov     si, msg_unreadable
.fail:
        ret
.read:
        mov     al, 0x38
        call    cmos_read
        test    al, 1
        jnz     boot_start
        mov     si, msg_no_signature
        cmp     word [es:0x7DFE], 0xAA55
        jne     .fail

; Hands the processor to the sector at 7C00h; DL: its drive.
boot_start:
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        xor     bx, bx
        xor     cx, cx
        mov     dh, 0
        xor     si, si
        xor     di, di
        xor     bp, bp
        mov     ss, ax
        mov     sp, 0x7C00
        mov     ax, 0xAA55
        sti
        jmp     0x0000:0x7C00

msg_booting     db "Booting from the ", 0
msg_floppy      db "floppy disk...", 13, 10, 0
msg_disk        db "fixed disk...", 13, 10, 0
msg_cd          db "CD-ROM...", 13, 10, 0
msg_empty       db 0
msg_no_floppy   db "There is no floppy drive.", 13, 10, 0
msg_no_disk     db "There is no fixed disk.", 13, 10, 0
msg_no_cd       db "There is no CD-ROM drive.", 13, 10, 0
msg_no_medium   db "  No disk in the drive.", 13, 10, 0
msg_unreadable  db "  The first sector cannot be read.", 13, 10, 0
msg_no_signature db "  Not bootable: the first sector does not end in 55 AA.", 13, 10, 0
msg_gave_up     db 13, 10, "The boot program gave up.", 13, 10, 0
msg_nothing     db 13, 10, "Nothing to boot from. Put in a bootable disk and press a key.", 13, 10, 0
