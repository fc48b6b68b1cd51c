; fw_cfg, the machine's own configuration device: a selector port and a data port.
; A directory of named files stands behind key 19h, numbers in it big-endian.

FWCFG_SIGNATURE equ 0x00
FWCFG_DIRECTORY equ 0x19

fwcfg_detect:
        SETSEG  ds, EBDA
        mov     ax, FWCFG_SIGNATURE
        call    fwcfg_select
        call    fwcfg_dword
        cmp     eax, 'QEMU'
        jne     .none
        mov     byte [E_FWCFG], 1
.none:
        ret

; AX: key.
fwcfg_select:
        push    dx
        mov     dx, FWCFG_SELECT
        out     dx, ax
        pop     dx
        ret

; EAX <- next four bytes, little-endian.
fwcfg_dword:
        push    dx
        push    cx
        mov     dx, FWCFG_DATA
        mov     cx, 4
.byte:
        in      al, dx
        ror     eax, 8
        loop    .byte
        pop     cx
        pop     dx
        ret

; CS:SI: name (CX: its first CX bytes count, ended by 0 inside them for a whole
; name). AX <- key, EBX <- size; CF when there is no such file. Uses E_SECTOR.
fwcfg_find:
        SETSEG  ds, EBDA
        cmp     byte [E_FWCFG], 1
        jne     .none
        mov     ax, FWCFG_DIRECTORY
        call    fwcfg_select
        call    fwcfg_dword
        bswap_386 eax
        mov     ebp, eax
.entry:
        sub     ebp, 1
        jc      .none
        push    cx
        push    si
        push    es
        SETSEG  es, EBDA
        mov     di, E_SECTOR
        mov     cx, 64
        mov     dx, FWCFG_DATA
        rep insb
        pop     es
        pop     si
        pop     cx
        push    cx
        push    si
        mov     di, E_SECTOR + 8
.compare:
        cs lodsb
        cmp     al, [di]
        jne     .differs
        inc     di
        loop    .compare
        pop     si
        pop     cx
        mov     ebx, [E_SECTOR]
        bswap_386 ebx
        mov     ax, [E_SECTOR + 4]
        xchg    al, ah
        clc
        ret
.differs:
        pop     si
        pop     cx
        jmp     .entry
.none:
        stc
        ret
