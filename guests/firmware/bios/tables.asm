; Tables that describe the board to operating systems: ACPI's, and those of the
; MultiProcessor Specification. The host lays them out in the fw_cfg file
; opt/trapscope/tables (src/firmware/acpi/rom-tables.ts), linked for E0000h, where
; the RSDP comes first; here they get RAM behind the ROM, which is then locked. The
; MP pointer, 32 bytes in, and the FACS belong into the extended BIOS data area.

TABLES_SEGMENT  equ 0xE000
MP_POINTER_AT   equ 0x20
HOST_BRIDGE     equ 0                   ; 0:0.0
PAM_E0000       equ 0x5E                ; two registers, two 16 KB blocks each
PAM_READ_WRITE  equ 0x33
PAM_READ        equ 0x11

init_tables:
        mov     si, .name
        mov     cx, .name_end - .name
        call    fwcfg_find
        jc      .none
        cmp     ebx, 0xFFFF
        ja      .none
        push    ax
        push    bx
        mov     al, PAM_READ_WRITE
        call    .protect
        pop     cx
        pop     ax
        jc      .none
        call    fwcfg_select
        SETSEG  es, TABLES_SEGMENT
        xor     di, di
        mov     dx, FWCFG_DATA
        rep insb
        SETSEG  ds, TABLES_SEGMENT
        SETSEG  es, EBDA
        mov     si, MP_POINTER_AT
        cmp     dword [si], '_MP_'
        jne     .no_mp
        mov     di, E_MP_POINTER
        mov     cx, 8
        rep movsw
.no_mp:
        mov     dword [es:E_FACS], 'FACS'
        mov     dword [es:E_FACS + 4], 64
        mov     al, PAM_READ
.protect:                               ; AL: both registers; CF when this is no 440FX
        SETSEG  ds, EBDA
        cmp     byte [E_PCI], 1
        jne     .unknown
        push    ax
        mov     bx, HOST_BRIDGE
        mov     di, 0
        call    pci_read_dword
        cmp     eax, 0x12378086
        pop     ax
        jne     .unknown
        mov     di, PAM_E0000
        call    pci_write_byte
        inc     di
        call    pci_write_byte
        clc
        ret
.unknown:
        stc
.none:
        ret

.name           db "opt/trapscope/tables", 0
.name_end:
