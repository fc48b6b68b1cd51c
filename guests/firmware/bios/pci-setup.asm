; Addresses and interrupts for the PCI devices of bus 0, and the chips of the 440FX
; board that need a hand.
; Not implemented: buses behind bridges.

PCI_FIRST_IO    equ 0xC000
PCI_FIRST_MEM   equ 0xE0000000
PM_PORTS        equ 0x0600              ; ACPI registers of the PIIX4
SMBUS_PORTS     equ 0x0700

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
