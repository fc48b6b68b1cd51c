; Power-on self test: from the reset vector to INT 19h.

post:
        cli
        cld
        mov     al, 0x8F                ; shutdown status, NMI masked
        out     CMOS_INDEX, al
        in      al, CMOS_DATA
        mov     bl, al
        mov     al, 0x8F
        out     CMOS_INDEX, al
        mov     al, 0
        out     CMOS_DATA, al
        cmp     bl, 0x05
        je      resume_eoi
        cmp     bl, 0x0A
        je      resume

        xor     ax, ax
        mov     ss, ax
        mov     sp, 0x7C00
        mov     al, 2                   ; A20 by port 92h, no reset
        out     PORT_A20, al
        call    init_bda
        call    init_vectors
        call    init_pic
        call    init_pit
        call    init_local_apic
        call    init_memory_types
        call    init_memory_size
        call    fwcfg_detect
        call    pci_init
        call    init_tables
        call    init_keyboard_controller
        call    find_video_rom
        call    scan_video_rom
        call    lock_video_rom
        mov     ax, 0x0003
        int     0x10
        call    banner
        call    init_ticks
        call    init_serial
        call    init_parallel
        call    init_floppy
        sti
        call    init_ata
        call    scan_option_roms
        mov     al, 0x0D                ; NMI allowed again
        out     CMOS_INDEX, al
        in      al, CMOS_DATA
        int     0x19

; The processor was reset to leave protected mode (the only way on a 286).
resume_eoi:
        mov     al, EOI
        out     PIC2_CMD, al
        out     PIC1_CMD, al
resume:
        SETSEG  ds, BDA
        jmp     far [B_RESUME]

; Ctrl-Alt-Del: the 8042 pulses the reset line; should it not, start over here.
reboot:
        cli
        mov     al, 0xFE
        out     KBD_STATUS, al
        mov     cx, 0xFFFF
        loop    $
        jmp     0xF000:0xFFF0

; Keeps the warm-start mark; everything else of both areas starts as zero.
init_bda:
        SETSEG  es, BDA
        mov     dx, [es:B_WARM]
        xor     ax, ax
        xor     di, di
        mov     cx, 0x80
        rep stosw
        mov     [es:B_WARM], dx
        SETSEG  ds, EBDA
        SETSEG  es, EBDA
        xor     di, di
        mov     cx, 0x200
        rep stosw
        mov     byte [E_SIZE], 1
        mov     byte [E_CDDRIVE], 0xFF
        mov     byte [E_CDEMULATED], 0xFF
        mov     dword [E_HDMAP], 0xFFFFFFFF
        SETSEG  ds, BDA
        mov     word [B_EBDA], EBDA
        mov     word [B_MEMKB], BASE_KB
        mov     word [B_EQUIP], 0x0026  ; FPU, PS/2 mouse, 80x25 colour; drives are added later
        mov     ax, B_KEYBUF
        mov     [B_KEYHEAD], ax
        mov     [B_KEYTAIL], ax
        mov     [B_KEYSTART], ax
        mov     word [B_KEYEND], B_KEYBUF + 32
        mov     byte [B_KEYFLAGS3], 0x10        ; 101/102-key keyboard
        mov     dword [B_LPTTIMEOUT], 0x14141414
        mov     dword [B_COMTIMEOUT], 0x01010101
        ret

init_pic:
        mov     al, 0x11
        out     PIC1_CMD, al
        out     PIC2_CMD, al
        mov     al, 0x08
        out     PIC1_DATA, al
        mov     al, 0x70
        out     PIC2_DATA, al
        mov     al, 0x04
        out     PIC1_DATA, al
        mov     al, 0x02
        out     PIC2_DATA, al
        mov     al, 0x01
        out     PIC1_DATA, al
        out     PIC2_DATA, al
        mov     al, 0xB8                ; open: timer, keyboard, cascade, floppy
        out     PIC1_DATA, al
        mov     al, 0x8E                ; open: clock, mouse, coprocessor, first ATA channel
        out     PIC2_DATA, al
        ret

init_pit:
        mov     al, 0x36                ; channel 0: square wave, 65536 -> 18.2 Hz
        out     PIT_MODE, al
        mov     al, 0
        out     PIT_CH0, al
        out     PIT_CH0, al
        mov     al, 0x54                ; channel 1: refresh, every 15 us
        out     PIT_MODE, al
        mov     al, 18
        out     PIT_CH1, al
        ret

banner:
        mov     si, msg_banner
        call    print
        SETSEG  ds, EBDA
        mov     eax, [E_HIGHMEM]
        add     eax, 1024
        mov     edx, [E_OVER4G]
        shl     edx, 6
        add     eax, edx
        call    print_decimal
        mov     si, msg_memory
        jmp     print

msg_banner      db "trapscope BIOS", 13, 10, 0
msg_memory      db " KB of memory", 13, 10, 10, 0
