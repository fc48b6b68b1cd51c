; Battery-backed memory, and the memory size that it holds.

; AL: index -> AL: value. Keeps the NMI mask bit of the index that the caller gives.
cmos_read:
        out     CMOS_INDEX, al
        in      al, CMOS_DATA
        ret

; AL: index, AH: value.
cmos_write:
        out     CMOS_INDEX, al
        xchg    al, ah
        out     CMOS_DATA, al
        xchg    al, ah
        ret

; AL: index of the low byte -> AX: word.
cmos_read_word:
        push    bx
        mov     bl, al
        inc     al
        call    cmos_read
        mov     bh, al
        mov     al, bl
        call    cmos_read
        mov     ah, bh
        pop     bx
        ret

; The extended memory size: index 34h counts 64 KB units above 16 MB; where it is
; zero, index 30h counts KB above 1 MB; index 5Bh (24 bits) counts 64 KB units
; above 4 GB.
init_memory_size:
        SETSEG  ds, EBDA
        mov     al, 0x34
        call    cmos_read_word
        movzx   eax, ax
        test    ax, ax
        jz      .small
        shl     eax, 6
        add     eax, 15 * 1024
        jmp     .store
.small:
        mov     al, 0x30
        call    cmos_read_word
        movzx   eax, ax
.store:
        mov     [E_HIGHMEM], eax
        mov     al, 0x5D
        call    cmos_read
        movzx   edx, al
        shl     edx, 16
        mov     al, 0x5B
        call    cmos_read_word
        mov     dx, ax
        mov     [E_OVER4G], edx
        ret
