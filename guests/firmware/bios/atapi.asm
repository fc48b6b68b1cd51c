; ATAPI: packet commands of CD-ROM drives by programmed I/O.

CD_BLOCK        equ 2048
CD_WORDS        equ CD_BLOCK / 2

; E_PACKET: command. SI: entry, DS = EBDA. Of the answer E_SKIP words are thrown away,
; E_TAKE words go to ES:DI, which may cross segments, the rest is thrown away.
; CF when the drive reports an error or stays silent.
atapi_command:
        mov     dx, [si + A_CTRL]
        mov     al, 0x0A                        ; polled: no interrupts
        out     dx, al
        call    ata_select
        jc      .end
        mov     dx, [si + A_PORT]
        inc     dx
        mov     al, 0                           ; no DMA
        out     dx, al
        add     dx, ATA_LBA1 - ATA_ERROR
        mov     al, CD_BLOCK & 0xFF             ; at most a block each time
        out     dx, al
        inc     dx
        mov     al, CD_BLOCK >> 8
        out     dx, al
        add     dx, ATA_COMMAND - ATA_LBA2
        mov     al, 0xA0
        out     dx, al
        call    ata_pause
        call    ata_wait
        jc      .end
        test    al, ATA_ERR
        jnz     .failed
        test    al, ATA_DRQ
        jz      .failed
        push    si
        mov     dx, [si + A_PORT]
        mov     si, E_PACKET
        mov     cx, 6
        rep outsw
        pop     si
.phase:
        call    ata_pause
        call    ata_wait
        jc      .end
        test    al, ATA_ERR | ATA_DF
        jnz     .failed
        test    al, ATA_DRQ
        jz      .end                            ; CF is clear
        mov     dx, [si + A_PORT]
        add     dx, ATA_LBA2
        in      al, dx
        mov     ah, al
        dec     dx
        in      al, dx
        movzx   ebx, ax
        inc     bx
        shr     bx, 1
        jz      .failed
        mov     dx, [si + A_PORT]
        call    atapi_data
        jmp     .phase
.failed:
        stc
.end:
        pushf
        mov     dx, [si + A_CTRL]
        mov     al, 0x08
        out     dx, al
        popf
        ret

; BX words wait at port DX.
atapi_data:
        mov     ecx, [E_SKIP]
        call    .part
        sub     [E_SKIP], ecx
.discard:
        jcxz    .kept
        in      ax, dx
        loop    .discard
.kept:
        mov     ecx, [E_TAKE]
        call    .part
        sub     [E_TAKE], ecx
        cmp     di, 0xF000                      ; a part is 2 KB at most
        jb      .fits
        mov     ax, di
        shr     ax, 4
        push    bx
        mov     bx, es
        add     ax, bx
        pop     bx
        mov     es, ax
        and     di, 0x0F
.fits:
        rep insw
        mov     cx, bx
        jcxz    .done
.rest:
        in      ax, dx
        loop    .rest
.done:
        ret
; ECX <- the smaller of ECX and EBX, EBX what then remains.
.part:
        cmp     ecx, ebx
        jbe     .smaller
        mov     ecx, ebx
.smaller:
        sub     ebx, ecx
        ret

; Clears E_PACKET; AL: operation code.
atapi_packet:
        push    es
        push    di
        push    ax
        SETSEG  es, EBDA
        mov     di, E_PACKET
        xor     ax, ax
        mov     cx, 6
        rep stosw
        pop     ax
        mov     [E_PACKET], al
        mov     dword [E_SKIP], 0
        mov     dword [E_TAKE], 0
        pop     di
        pop     es
        ret

; EAX: first block, CX: blocks; E_SKIP, E_TAKE, ES:DI as above. SI: entry. CF on failure.
atapi_read:
        push    dword [E_SKIP]
        push    dword [E_TAKE]
        push    cx
        push    eax
        mov     al, 0x28                        ; READ (10)
        call    atapi_packet
        pop     eax
        pop     cx
        pop     dword [E_TAKE]
        pop     dword [E_SKIP]
        mov     [E_PACKET + 5], al
        mov     [E_PACKET + 4], ah
        shr     eax, 16
        mov     [E_PACKET + 3], al
        mov     [E_PACKET + 2], ah
        mov     [E_PACKET + 8], cl
        mov     [E_PACKET + 7], ch
        jmp     atapi_command

; A drive reports "unit attention" once after a reset or a new disc; asking for the
; reason clears it. CF when no disc becomes ready.
atapi_ready:
        mov     cx, 5
.attempt:
        push    cx
        mov     al, 0x00                        ; TEST UNIT READY
        call    atapi_packet
        call    atapi_command
        pop     cx
        jnc     .ready
        push    cx
        mov     al, 0x03                        ; REQUEST SENSE
        call    atapi_packet
        mov     byte [E_PACKET + 4], 18
        call    atapi_command
        pop     cx
        loop    .attempt
        stc
.ready:
        ret
