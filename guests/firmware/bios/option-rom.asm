; Adapter ROMs: 55AAh, length in 512-byte units, entry at offset 3.

; The video ROM comes first; the screen works from here on.
scan_video_rom:
        mov     bx, 0xC000
        mov     dx, 0xC800
        jmp     scan_roms

scan_option_roms:
        mov     bx, 0xC800
        mov     dx, 0xF000

; Initialises the ROMs from segment BX up to segment DX.
scan_roms:
        mov     ds, bx
        cmp     word [0], 0xAA55
        jne     .next
        movzx   ecx, byte [2]
        shl     ecx, 9
        jz      .next
        push    bx
        mov     eax, ecx                ; the ROM goes on at the next 2 KB boundary
        add     eax, 0x7FF
        shr     eax, 4
        and     al, 0x80
        add     ax, bx
        xor     bl, bl
        xor     si, si
.sum:
        add     bl, [si]
        inc     si
        jnz     .same
        push    ax                      ; past 64 KB: next segment
        mov     ax, ds
        add     ax, 0x1000
        mov     ds, ax
        pop     ax
.same:
        dec     ecx
        jnz     .sum
        test    bl, bl
        pop     bx
        jnz     .next
        push    ax
        push    dx
        push    ds
        push    es
        mov     ds, bx
        push    cs                      ; far call to BX:0003
        push    word .back
        push    bx
        push    word 3
        push    word EBDA               ; AX: PCI address; only the video ROM has one
        pop     ds
        mov     ax, [E_VIDEOPCI]
        mov     ds, bx
        retf
.back:
        cli
        cld
        pop     es
        pop     ds
        pop     dx
        pop     bx
        cmp     bx, dx
        jb      scan_roms
        ret
.next:
        add     bx, 0x80
        cmp     bx, dx
        jb      scan_roms
        ret
