; ATA: finding drives at POST, and moving sectors by programmed I/O with the
; drives' interrupts off. The CD-ROM's packet commands are in atapi.asm.

ATA_DATA        equ 0
ATA_ERROR       equ 1
ATA_COUNT       equ 2
ATA_LBA0        equ 3
ATA_LBA1        equ 4
ATA_LBA2        equ 5
ATA_DEVICE      equ 6
ATA_COMMAND     equ 7

ATA_BSY         equ 0x80
ATA_DF          equ 0x20
ATA_DRQ         equ 0x08
ATA_ERR         equ 0x01

; Finds the drives of both channels and gives the disks their BIOS numbers.
init_ata:
        SETSEG  ds, EBDA
        SETSEG  es, EBDA
        mov     dword [E_ATA + A_PORT], 0x03F601F0
        mov     word [E_ATA + A_SELECT], 0xA0
        mov     dword [E_ATA + ATA_SIZE + A_PORT], 0x03F601F0
        mov     word [E_ATA + ATA_SIZE + A_SELECT], 0xB0
        mov     dword [E_ATA + 2 * ATA_SIZE + A_PORT], 0x03760170
        mov     word [E_ATA + 2 * ATA_SIZE + A_SELECT], 0xA0
        mov     dword [E_ATA + 3 * ATA_SIZE + A_PORT], 0x03760170
        mov     word [E_ATA + 3 * ATA_SIZE + A_SELECT], 0xB0
        mov     si, E_ATA
        call    ata_channel
        mov     si, E_ATA + 2 * ATA_SIZE
        call    ata_channel
        xor     bx, bx                          ; disks and CD drives in order
        xor     cx, cx
        mov     si, E_ATA
.number:
        cmp     byte [si + A_TYPE], 1
        jne     .not_disk
        mov     [bx + E_HDMAP], cl
        call    disk_geometry
        call    disk_parameter_table
        inc     bx
.not_disk:
        cmp     byte [si + A_TYPE], 2
        jne     .next
        cmp     byte [E_CDDRIVE], 0xFF
        jne     .next
        mov     [E_CDDRIVE], cl
.next:
        add     si, ATA_SIZE
        inc     cx
        cmp     cl, 4
        jb      .number
        SETSEG  ds, BDA
        mov     [B_HDCOUNT], bl
        ret

; SI: entry of the master. A bus with nothing on it floats, registers that do not
; keep what was written belong to no drive.
ata_channel:
        mov     dx, [si + A_PORT]
        add     dx, ATA_DEVICE
        mov     al, [si + A_SELECT]
        out     dx, al
        inc     dx
        in      al, dx
        cmp     al, 0xFF
        je      .none
        mov     dx, [si + A_CTRL]
        mov     al, 0x0E                        ; soft reset, interrupts off
        out     dx, al
        call    ata_pause
        mov     al, 0x0A
        out     dx, al
        call    ata_pause
        call    ata_drive
        add     si, ATA_SIZE
        call    ata_drive
        sub     si, ATA_SIZE
        mov     dx, [si + A_CTRL]
        mov     al, 0x08
        out     dx, al
.none:
        ret

ata_pause:
        push    cx
        push    ax
        mov     cx, 4
.again:
        in      al, POST_CODE
        loop    .again
        pop     ax
        pop     cx
        ret

; SI: entry. Fills it when a drive answers.
ata_drive:
        pushad
        call    ata_select
        jc      .none
        mov     dx, [si + A_PORT]
        add     dx, ATA_COUNT
        mov     al, 0x55
        out     dx, al
        inc     dx
        mov     al, 0xAA
        out     dx, al
        dec     dx
        in      al, dx
        cmp     al, 0x55
        jne     .signature
        inc     dx
        in      al, dx
        cmp     al, 0xAA
        jne     .none
        mov     al, 0xEC                        ; IDENTIFY DEVICE
        call    ata_identify
        jnc     .disk
.signature:
        mov     dx, [si + A_PORT]
        add     dx, ATA_LBA1
        in      al, dx
        cmp     al, 0x14
        jne     .none
        inc     dx
        in      al, dx
        cmp     al, 0xEB
        jne     .none
        mov     al, 0xA1                        ; IDENTIFY PACKET DEVICE
        call    ata_identify
        jc      .none
        mov     byte [si + A_TYPE], 2
.none:
        popad
        ret
.disk:
        mov     byte [si + A_TYPE], 1
        mov     ax, [E_SECTOR + 1 * 2]
        mov     [si + A_PCYLS], ax
        mov     ax, [E_SECTOR + 3 * 2]
        mov     [si + A_PHEADS], ax
        mov     ax, [E_SECTOR + 6 * 2]
        mov     [si + A_PSPT], ax
        movzx   eax, ax
        movzx   ecx, word [si + A_PHEADS]
        mul     ecx
        movzx   ecx, word [si + A_PCYLS]
        mul     ecx
        mov     [si + A_SECTORS], eax
        test    byte [E_SECTOR + 49 * 2 + 1], 0x02
        jz      .none                           ; CHS only
        or      byte [si + A_FLAGS], AF_LBA
        mov     eax, [E_SECTOR + 60 * 2]
        mov     [si + A_SECTORS], eax
        mov     ax, [E_SECTOR + 83 * 2]
        and     ax, 0xC400
        cmp     ax, 0x4400
        jne     .none
        mov     eax, [E_SECTOR + 100 * 2]
        mov     edx, [E_SECTOR + 102 * 2]
        mov     ecx, eax
        or      ecx, edx
        jz      .none
        or      byte [si + A_FLAGS], AF_LBA48
        mov     [si + A_SECTORS], eax
        mov     [si + A_SECTORS + 4], edx
        jmp     .none

; Selects the drive of SI; CF when it stays busy.
ata_select:
        mov     dx, [si + A_PORT]
        add     dx, ATA_DEVICE
        mov     al, [si + A_SELECT]
        out     dx, al
        call    ata_pause

; Waits for BSY to go; AL <- status, CF on time-out.
ata_wait:
        push    ecx
        push    dx
        mov     dx, [si + A_PORT]
        add     dx, ATA_COMMAND
        mov     ecx, 0x1000000
.poll:
        in      al, dx
        test    al, ATA_BSY
        jz      .ready
        dec     ecx
        jnz     .poll
        stc
.ready:
        pop     dx
        pop     ecx
        ret

; AL: command. Reads 512 bytes to E_SECTOR; CF when the drive refuses.
ata_identify:
        mov     dx, [si + A_PORT]
        add     dx, ATA_COMMAND
        out     dx, al
        call    ata_pause
        in      al, dx
        test    al, al
        jz      .refused
        call    ata_wait
        jc      .done
        test    al, ATA_ERR | ATA_DF
        jnz     .refused
        test    al, ATA_DRQ
        jz      .refused
        mov     dx, [si + A_PORT]
        mov     di, E_SECTOR
        mov     cx, 256
        rep insw
        clc
.done:
        ret
.refused:
        stc
        ret

; Moves sectors. SI: entry; E_LBA: first sector; CX: how many (1-256); BL: 0 read,
; 1 write, 2 verify; ES:DI: buffer, which may cross segments. CF and AH: status of
; INT 13h; CX: sectors left. DS = EBDA.
ata_transfer:
        mov     dx, [si + A_CTRL]
        mov     al, 0x0A                        ; polled: the drive must not interrupt
        out     dx, al
        call    ata_program
        jc      .end
        cmp     bl, 2
        je      .last
.sector:
        call    ata_wait
        jc      .timeout
        test    al, ATA_ERR | ATA_DF
        jnz     .error
        test    al, ATA_DRQ
        jz      .error
        cmp     di, 0xFE00                      ; the sector must not wrap round in ES
        jbe     .fits
        mov     ax, di
        shr     ax, 4
        mov     dx, es
        add     ax, dx
        mov     es, ax
        and     di, 0x0F
.fits:
        push    cx
        mov     cx, 256
        mov     dx, [si + A_PORT]
        cmp     bl, 1
        je      .write
        rep insw
        jmp     .moved
.write:
        push    si
        push    ds
        push    es
        pop     ds
        mov     si, di
        rep outsw
        mov     di, si
        pop     ds
        pop     si
.moved:
        pop     cx
        add     dx, ATA_COMMAND
        in      al, dx                          ; the status is valid from the second read on
        dec     cx
        jnz     .sector
.last:
        call    ata_wait
        jc      .timeout
        test    al, ATA_ERR | ATA_DF
        jnz     .error
        cmp     bl, 2
        jne     .good
        xor     cx, cx
.good:
        mov     ah, 0
        clc
.end:
        pushf
        mov     dx, [si + A_CTRL]
        mov     al, 0x08
        out     dx, al
        popf
        ret
.timeout:
        mov     ah, 0x80
        stc
        jmp     .end
.error:
        call    ata_error
        jmp     .end

; AH <- INT 13h status for the drive's error register; CF.
ata_error:
        mov     dx, [si + A_PORT]
        inc     dx
        in      al, dx
        mov     ah, 0x10
        test    al, 0xC0                        ; uncorrectable, bad block
        jnz     .done
        mov     ah, 0x04
        test    al, 0x10                        ; no such sector
        jnz     .done
        mov     ah, 0x02
        test    al, 0x01
        jnz     .done
        mov     ah, 0x01
        test    al, 0x04                        ; aborted
        jnz     .done
        mov     ah, 0x20
.done:
        stc
        ret

; Writes the task file and the command for E_LBA and CX; BL: as above. CF and AH.
ata_program:
        mov     bh, [si + A_SELECT]
        mov     eax, [E_LBA]
        test    byte [si + A_FLAGS], AF_LBA
        jz      .chs
        or      bh, 0x40
        cmp     dword [E_LBA + 4], 0
        jne     .long
        cmp     eax, 0x0FFFFF00                 ; near 2^28: the 48-bit commands
        ja      .long
        mov     edx, eax
        shr     edx, 24
        or      bh, dl
.short:                                         ; BH: device, EAX: the three address bytes
        call    .device
        jc      .busy
        call    .task_file
        mov     al, bl
        shl     al, 4
        add     al, 0x20                        ; 20h read, 30h write, 40h verify
.command:
        mov     dx, [si + A_PORT]
        add     dx, ATA_COMMAND
        out     dx, al
        call    ata_pause
        clc
        ret
.busy:
        mov     ah, 0x80
        ret
.long:
        test    byte [si + A_FLAGS], AF_LBA48
        jz      .beyond
        call    .device
        jc      .busy
        push    cx
        mov     cl, ch                          ; upper bytes first
        mov     eax, [E_LBA + 3]
        call    .task_file
        pop     cx
        mov     eax, [E_LBA]
        call    .task_file
        movzx   dx, bl
        xchg    bx, dx
        mov     al, [cs:bx + .extended]
        mov     bx, dx
        jmp     .command
.extended db    0x24, 0x34, 0x42
.chs:
        push    ecx
        xor     edx, edx
        movzx   ecx, word [si + A_PSPT]
        div     ecx
        inc     dx
        push    dx                              ; sector
        xor     edx, edx
        movzx   ecx, word [si + A_PHEADS]
        div     ecx
        or      bh, dl
        pop     dx
        pop     ecx
        cmp     eax, 0x10000
        jae     .beyond
        shl     eax, 8
        mov     al, dl
        jmp     .short
.beyond:
        mov     ah, 0x04
        stc
        ret

; Selects the drive with BH once it is free. Keeps EAX.
.device:
        push    eax
        call    ata_wait
        mov     dx, [si + A_PORT]
        add     dx, ATA_DEVICE
        mov     al, bh
        out     dx, al
        call    ata_pause
        call    ata_wait
        pop     eax
        ret

; CL: count, EAX: address bytes 0-2.
.task_file:
        mov     dx, [si + A_PORT]
        add     dx, ATA_COUNT
        xchg    al, cl
        out     dx, al
        xchg    al, cl
        inc     dx
        out     dx, al
        inc     dx
        mov     al, ah
        out     dx, al
        inc     dx
        shr     eax, 16
        out     dx, al
        ret
