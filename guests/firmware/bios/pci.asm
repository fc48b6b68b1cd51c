; PCI: addresses and interrupts for the devices of bus 0, the chips of the 440FX
; board that need a hand, and the PCI functions of INT 1Ah.
; Not implemented: buses behind bridges.

PCI_FIRST_IO    equ 0xC000
PCI_FIRST_MEM   equ 0xE0000000
PM_PORTS        equ 0x0600              ; ACPI registers of the PIIX4
SMBUS_PORTS     equ 0x0700

PCI_COMMAND     equ 0x04
PCI_CLASS       equ 0x08
PCI_HEADER      equ 0x0E
PCI_BAR0        equ 0x10
PCI_ROM         equ 0x30
PCI_LINE        equ 0x3C
PCI_PIN         equ 0x3D

; Puts the address of register DI of BX (bus, device and function) into the
; address port; DX <- data port of that byte.
pci_select:
        push    eax
        movzx   eax, bx
        shl     eax, 8
        or      eax, 0x80000000
        mov     dx, di
        mov     al, dl
        and     al, 0xFC
        mov     dx, PCI_ADDRESS
        out     dx, eax
        mov     dx, di
        and     dx, 3
        add     dx, PCI_DATA
        pop     eax
        ret

; EAX, AX or AL <-> register DI of BX. Everything else is kept.
%macro PCI_ACCESS 3
%1:
        push    dx
        call    pci_select
        %2      %3
        pop     dx
        ret
%endmacro
        PCI_ACCESS pci_read_dword,  {in  eax,}, dx
        PCI_ACCESS pci_read_word,   {in  ax,},  dx
        PCI_ACCESS pci_read_byte,   {in  al,},  dx
        PCI_ACCESS pci_write_dword, {out dx,},  eax
        PCI_ACCESS pci_write_word,  {out dx,},  ax
        PCI_ACCESS pci_write_byte,  {out dx,},  al

; BX: first function to look at -> the next one that exists on bus 0, EAX its
; vendor and device; CF when there is no more.
pci_next:
        cmp     bh, 0
        jne     .none
        mov     di, 0
        call    pci_read_dword
        cmp     ax, 0xFFFF
        je      .skip
        test    bl, 7
        jz      .found
        push    eax                     ; functions 1-7 only where function 0 says so
        push    bx
        and     bl, 0xF8
        mov     di, PCI_HEADER
        call    pci_read_byte
        pop     bx
        test    al, 0x80
        pop     eax
        jz      .skip
.found:
        clc
        ret
.skip:
        inc     bx
        jmp     pci_next
.none:
        stc
        ret

pci_init:
        SETSEG  ds, EBDA
        mov     dx, PCI_ADDRESS
        mov     eax, 0x80000000
        out     dx, eax
        in      eax, dx
        cmp     eax, 0x80000000
        jne     .none
        xor     bx, bx
        mov     di, 0
        call    pci_read_word
        cmp     ax, 0xFFFF
        je      .none
        mov     byte [E_PCI], 1
        mov     word [E_PCINEXTIO], PCI_FIRST_IO
        mov     dword [E_PCINEXTMEM], PCI_FIRST_MEM
        xor     bx, bx
.device:
        call    pci_next
        jc      .none
        push    eax
        mov     di, PCI_HEADER
        call    pci_read_byte
        and     al, 0x7F
        jnz     .bridge
        call    pci_assign
        call    pci_interrupt
.bridge:
        pop     eax
        call    pci_board
        inc     bx
        jmp     .device
.none:
        ret

; Base addresses of BX, then its decoders on.
pci_assign:
        mov     di, PCI_COMMAND
        call    pci_read_word
        and     al, 0xFC
        call    pci_write_word
        mov     di, PCI_BAR0
.bar:
        call    pci_read_dword
        mov     ecx, eax
        mov     eax, 0xFFFFFFFF
        call    pci_write_dword
        call    pci_read_dword
        test    eax, eax
        jz      .next
        test    al, 1
        jnz     .io
        and     al, 0xF0
        test    eax, eax
        jz      .fixed
        neg     eax                     ; size
        mov     edx, [E_PCINEXTMEM]
        call    .align
        jc      .fixed
        mov     [E_PCINEXTMEM], eax
        mov     eax, edx
        call    pci_write_dword
        and     cl, 0x06
        cmp     cl, 0x04
        jne     .next
        add     di, 4                   ; 64-bit address: upper half
        xor     eax, eax
        call    pci_write_dword
        jmp     .next
.io:
        and     al, 0xFC
        or      eax, 0xFFFF0000
        neg     eax
        movzx   edx, word [E_PCINEXTIO]
        call    .align
        jc      .fixed
        cmp     eax, 0x10000
        jae     .fixed
        mov     [E_PCINEXTIO], ax
        mov     eax, edx
        call    pci_write_dword
        jmp     .next
.fixed:
        mov     eax, ecx
        call    pci_write_dword
.next:
        add     di, 4
        cmp     di, PCI_BAR0 + 24
        jb      .bar
        mov     di, PCI_COMMAND
        call    pci_read_word
        or      al, 0x03
        call    pci_write_word
        ret

; EAX: size, EDX: next free -> EDX aligned to it, EAX the end; CF on overflow.
.align:
        push    ecx
        mov     ecx, eax
        dec     ecx
        add     edx, ecx
        jc      .full
        not     ecx
        and     edx, ecx
        add     eax, edx
.full:
        pop     ecx
        ret

; The board swizzles the four lines by slot; INTA of slot 1 is line 0.
pci_interrupt:
        mov     di, PCI_PIN
        call    pci_read_byte
        test    al, al
        jz      .none
        mov     ah, bl
        shr     ah, 3
        add     al, ah
        sub     al, 2
        and     ax, 3
        mov     si, ax
        mov     al, [cs:si + pci_irqs]
        mov     di, PCI_LINE
        call    pci_write_byte
.none:
        ret

pci_irqs        db 10, 10, 11, 11

; EAX: vendor and device of BX. Chips of the board.
pci_board:
        cmp     eax, 0x70008086         ; PIIX3: route the four lines, level-triggered
        je      .piix3
        cmp     eax, 0x70108086         ; PIIX3 IDE
        je      .ide
        cmp     eax, 0x71118086         ; PIIX4 IDE
        je      .ide
        cmp     eax, 0x71138086         ; PIIX4 power management
        je      .power
        ret
.piix3:
        mov     di, 0x60
        mov     eax, (11 << 24) | (11 << 16) | (10 << 8) | 10
        call    pci_write_dword
        mov     dx, 0x4D1
        mov     al, 0x0C                ; IRQ 10 and 11
        out     dx, al
        ret
.ide:
        mov     di, 0x40                ; both channels decoded
        mov     eax, 0x80008000
        call    pci_write_dword
        mov     di, PCI_COMMAND         ; bus mastering, for drivers that ask for DMA
        call    pci_read_word
        or      al, 0x04
        call    pci_write_word
        ret
.power:
        mov     di, 0x40
        mov     eax, PM_PORTS | 1
        call    pci_write_dword
        mov     di, 0x80
        mov     al, 0x01
        call    pci_write_byte
        mov     di, 0x90
        mov     eax, SMBUS_PORTS | 1
        call    pci_write_dword
        mov     di, 0xD2
        mov     al, 0x09
        call    pci_write_byte
        mov     di, PCI_LINE
        mov     al, 9
        call    pci_write_byte
        ret

; ---- the video ROM -----------------------------------------------------------
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

; ---- INT 1Ah AH=B1h ----------------------------------------------------------
int1a_pci:
        SETSEG  ds, EBDA
        cmp     byte [E_PCI], 1
        jne     int1a_fail
        mov     bx, [bp + R_BX]
        mov     di, [bp + R_DI]
        mov     ecx, [bp + R_CX]
        mov     al, [bp + R_AL]
        cmp     al, 0x01
        je      .present
        cmp     al, 0x02
        je      .find_device
        cmp     al, 0x03
        je      .find_class
        sub     al, 0x08
        jb      .unsupported
        cmp     al, 0x0D - 0x08
        ja      .unsupported
        cmp     di, 0xFF
        ja      .bad_register
        mov     dx, 1                   ; words and dwords are aligned
        cmp     al, 1
        je      .aligned
        cmp     al, 4
        je      .aligned
        mov     dx, 3
        cmp     al, 2
        je      .aligned
        cmp     al, 5
        je      .aligned
        mov     dx, 0
.aligned:
        test    di, dx
        jnz     .bad_register
        movzx   si, al
        add     si, si
        mov     eax, ecx
        call    [cs:si + .accesses]
        cmp     byte [bp + R_AL], 0x09
        je      .word
        jb      .byte
        cmp     byte [bp + R_AL], 0x0A
        ja      .good
        mov     [bp + R_CX], eax
        jmp     .good
.word:
        mov     [bp + R_CX], ax
        jmp     .good
.byte:
        mov     [bp + R_CL], al
.good:
        mov     byte [bp + R_AH], 0
        and     byte [bp + R_FLAGS], 0xFE
        jmp     int1a_end
.accesses:
        dw      pci_read_byte, pci_read_word, pci_read_dword
        dw      pci_write_byte, pci_write_word, pci_write_dword

.bad_register:
        mov     al, 0x87
        jmp     .bad
.unsupported:
        mov     al, 0x81
        jmp     .bad
.bad_vendor:
        mov     al, 0x83
        jmp     .bad
.not_found:
        mov     al, 0x86
.bad:
        mov     [bp + R_AH], al
        jmp     int1a_fail

.present:
        mov     dword [bp + R_DX], 'PCI '
        mov     word [bp + R_BX], 0x0210
        mov     byte [bp + R_CL], 0     ; last bus
        mov     byte [bp + R_AL], 0x01  ; configuration mechanism 1
        jmp     .good

.find_device:                           ; CX device, DX vendor, SI index
        mov     edx, ecx
        shl     edx, 16
        mov     dx, [bp + R_DX]
        cmp     dx, 0xFFFF
        je      .bad_vendor
        mov     si, [bp + R_SI]
        xor     bx, bx
.next_device:
        call    pci_next
        jc      .not_found
        cmp     eax, edx
        jne     .other_device
        sub     si, 1
        jc      .found
.other_device:
        inc     bx
        jmp     .next_device
.found:
        mov     [bp + R_BX], bx
        jmp     .good

.find_class:                            ; ECX class code, SI index
        and     ecx, 0x00FFFFFF
        mov     si, [bp + R_SI]
        xor     bx, bx
.next_class:
        call    pci_next
        jc      .not_found
        mov     di, PCI_CLASS
        call    pci_read_dword
        shr     eax, 8
        cmp     eax, ecx
        jne     .other_class
        sub     si, 1
        jc      .found
.other_class:
        inc     bx
        jmp     .next_class
