; Bringing the video ROM to C0000h.

; Where C0000h shows no ROM yet, it is behind the display device's ROM address
; register, or a file of fw_cfg: copy it into the RAM that the 440FX can put there.
find_video_rom:
        SETSEG  ds, 0xC000
        cmp     word [0], 0xAA55
        je      .done
        SETSEG  ds, EBDA
        mov     al, 0x33                ; reads and writes go to RAM
        call    shadow_control
        cmp     byte [E_PCI], 1
        jne     .file
        xor     bx, bx
.display:
        call    pci_next
        jc      .file
        mov     di, PCI_CLASS + 3
        call    pci_read_byte
        cmp     al, 0x03
        jne     .no_display
        mov     [E_VIDEOPCI], bx
        call    copy_rom
        jnc     .shadowed
.no_display:
        inc     bx
        jmp     .display
.file:
        mov     si, .directory
        mov     cx, .directory_end - .directory
        call    fwcfg_find
        jc      .nothing
        cmp     ebx, 0x10000
        jae     .nothing
        call    fwcfg_select
        mov     cx, bx
        SETSEG  es, 0xC000
        xor     di, di
        mov     dx, FWCFG_DATA
        rep insb
.shadowed:
        mov     byte [E_SHADOW], 0x11
        ret
.nothing:
        mov     al, 0
        jmp     shadow_control
.done:
        ret
.directory      db "vgaroms/"
.directory_end:

; A ROM may write to itself while it starts; then the copy becomes read-only.
lock_video_rom:
        SETSEG  ds, EBDA
        mov     al, [E_SHADOW]
        test    al, al
        jz      shadow_control.none

; AL: what C0000h-CFFFFh is, in the 440FX's attribute nibbles.
shadow_control:
        cmp     byte [E_PCI], 1
        jne     .none
        push    ax
        xor     bx, bx
        mov     di, 0
        call    pci_read_dword
        cmp     eax, 0x12378086
        pop     ax
        jne     .none
        mov     di, 0x5A
        call    pci_write_byte
        inc     di
        call    pci_write_byte
        inc     di                      ; C8000h
        call    pci_write_byte
.none:
        ret

; BX: display device. Copies its ROM to C0000h; CF when it has none.
copy_rom:
        mov     di, PCI_ROM
        mov     eax, 0xFFFFF800
        call    pci_write_dword
        call    pci_read_dword
        and     eax, 0xFFFFF800
        jz      .none
        neg     eax
        mov     edx, [E_PCINEXTMEM]
        call    pci_assign.align
        mov     eax, edx
        or      al, 1
        call    pci_write_dword
        mov     eax, edx
        mov     edx, 0xC0000
        mov     cx, 0x7FFF              ; words
        call    copy_physical
        xor     eax, eax
        call    pci_write_dword
        push    ds
        SETSEG  ds, 0xC000
        cmp     word [0], 0xAA55
        pop     ds
        jne     .none
        clc
        ret
.none:
        stc
        ret

; EAX: source, EDX: destination, CX: words.
copy_physical:
        pushad
        push    es
        mov     bp, sp
        sub     sp, 48
        mov     si, sp
        push    ss
        pop     es
        mov     dword [ss:si + 0x10], 0xFFFF
        mov     dword [ss:si + 0x14], 0x9300
        mov     dword [ss:si + 0x18], 0xFFFF
        mov     dword [ss:si + 0x1C], 0x9300
        mov     [ss:si + 0x12], ax
        shr     eax, 16
        mov     [ss:si + 0x14], al
        mov     [ss:si + 0x17], ah
        mov     [ss:si + 0x1A], dx
        shr     edx, 16
        mov     [ss:si + 0x1C], dl
        mov     [ss:si + 0x1F], dh
        mov     ah, 0x87
        int     0x15
        mov     sp, bp
        pop     es
        popad
        ret
