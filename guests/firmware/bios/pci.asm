; PCI configuration space (mechanism 1) and the PCI functions of INT 1Ah.

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
