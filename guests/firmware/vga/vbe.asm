; AH=4Fh: VESA BIOS Extensions 2.0 over Bochs' display interface (ports 1CEh, 1CFh).
; Without it every function answers "not supported".
; Not implemented: the protected-mode interface (0Ah) and display identification (15h).

; number, width, height, bits a pixel
vbe_modes:
        dw      0x100, 640, 400, 8
        dw      0x101, 640, 480, 8
        dw      0x103, 800, 600, 8
        dw      0x105, 1024, 768, 8
        dw      0x107, 1280, 1024, 8
        dw      0x10D, 320, 200, 15
        dw      0x10E, 320, 200, 16
        dw      0x10F, 320, 200, 24
        dw      0x110, 640, 480, 15
        dw      0x111, 640, 480, 16
        dw      0x112, 640, 480, 24
        dw      0x113, 800, 600, 15
        dw      0x114, 800, 600, 16
        dw      0x115, 800, 600, 24
        dw      0x116, 1024, 768, 15
        dw      0x117, 1024, 768, 16
        dw      0x118, 1024, 768, 24
        dw      0x119, 1280, 1024, 15
        dw      0x11A, 1280, 1024, 16
        dw      0x11B, 1280, 1024, 24
        dw      0x140, 320, 200, 32
        dw      0x141, 640, 400, 32
        dw      0x142, 640, 480, 32
        dw      0x143, 800, 600, 32
        dw      0x144, 1024, 768, 32
        dw      0x145, 1280, 1024, 32
        dw      0x146, 1280, 720, 32
        dw      0x147, 1280, 800, 32
        dw      0x190, 1920, 1080, 16
        dw      0x191, 1920, 1080, 24
        dw      0x192, 1920, 1080, 32
vbe_modes_end:
VBE_MODE_SIZE   equ 8

vbe_oem         db "trapscope video BIOS", 0
vbe_vendor      db "trapscope", 0
vbe_product     db "VGA with VBE 2.0", 0

; AX: value, BX: register.
vbe_write:
        push    dx
        push    ax
        mov     dx, VBE_INDEX
        mov     ax, bx
        out     dx, ax
        inc     dx
        pop     ax
        out     dx, ax
        pop     dx
        ret

; BX: register -> AX.
vbe_read:
        push    dx
        mov     dx, VBE_INDEX
        mov     ax, bx
        out     dx, ax
        inc     dx
        in      ax, dx
        pop     dx
        ret

; CF when there is no display interface. Changes AX only.
vbe_present:
        push    bx
        mov     bx, VBE_ID
        call    vbe_read
        and     ax, 0xFFF0
        cmp     ax, 0xB0C0
        pop     bx
        je      .yes
        stc
.yes:
        ret

; A mode of the VGA comes: the extension steps aside. Keeps all but AX.
vbe_off:
        mov     word [B_VBEMODE], 0
        call    vbe_present
        jc      .done
        push    bx
        xor     ax, ax
        mov     bx, VBE_ENABLE
        call    vbe_write
        pop     bx
.done:
        ret

; Each function: DS = BDA, BP = frame; CF when it failed. AX <- 004Fh or 014Fh.
vbe:
        movzx   si, byte [bp + R_AL]
        call    vbe_present
        jc      .done                   ; AX stays as it is: not supported
        cmp     si, (.functions_end - .functions) / 2
        jae     .done
        add     si, si
        call    [cs:si + .functions]
        mov     ax, 0x004F
        jnc     .store
        mov     ah, 0x01
.store:
        mov     [bp + R_AX], ax
.done:
        ret
.functions:
        dw      vbe_information, vbe_mode_information, vbe_set_mode, vbe_get_mode
        dw      vbe_state, vbe_window, vbe_line_length, vbe_display_start
        dw      vbe_dac_width, vbe_palette
.functions_end:

; CX: mode number -> SI: its entry; CF when there is none, or too little memory for it.
vbe_find:
        and     cx, 0x01FF
        mov     si, vbe_modes
.next:
        cmp     cx, [cs:si]
        je      .found
        add     si, VBE_MODE_SIZE
        cmp     si, vbe_modes_end
        jb      .next
.none:
        stc
        ret
.found:
        call    vbe_pages
        test    ax, ax
        jz      .none
        clc
        ret

; SI: mode -> AX: bytes of a line. Keeps the rest.
vbe_line_bytes:
        push    dx
        mov     ax, [cs:si + 6]
        add     ax, 7
        shr     ax, 3
        mul     word [cs:si + 2]
        pop     dx
        ret

; SI: mode -> AX: how many screens fit the memory. Keeps BX, CX, DX.
vbe_pages:
        push    bx
        push    cx
        push    edx
        call    vbe_line_bytes
        movzx   ecx, ax
        movzx   edx, word [cs:si + 4]
        imul    ecx, edx
        mov     bx, VBE_MEMORY
        call    vbe_read
        movzx   eax, ax
        shl     eax, 16
        xor     edx, edx
        div     ecx
        pop     edx
        pop     cx
        pop     bx
        ret

; 4F00h: ES:DI: 256 bytes, or 512 where they begin with "VBE2".
vbe_information:
        mov     es, [bp + R_ES]
        mov     di, [bp + R_DI]
        push    dword [es:di]
        push    di
        mov     cx, 128
        xor     ax, ax
        rep stosw
        pop     di
        mov     dword [es:di], 'VESA'
        mov     word [es:di + 4], 0x0200
        mov     word [es:di + 6], vbe_oem
        mov     [es:di + 8], cs
        mov     byte [es:di + 10], 0x01 ; the DAC can have 8 bits a colour
        lea     ax, [di + 34]           ; the list of modes follows in the block itself
        mov     [es:di + 14], ax
        mov     [es:di + 16], es
        mov     bx, VBE_MEMORY
        call    vbe_read
        mov     [es:di + 18], ax
        pop     eax
        cmp     eax, 'VBE2'
        jne     .modes
        mov     word [es:di + 20], 0x0100
        mov     word [es:di + 22], vbe_vendor
        mov     [es:di + 24], cs
        mov     word [es:di + 26], vbe_product
        mov     [es:di + 28], cs
        mov     word [es:di + 30], vbe_oem
        mov     [es:di + 32], cs
.modes:
        add     di, 34
        mov     si, vbe_modes
.mode:
        call    vbe_pages
        test    ax, ax
        jz      .too_large
        mov     ax, [cs:si]
        stosw
.too_large:
        add     si, VBE_MODE_SIZE
        cmp     si, vbe_modes_end
        jb      .mode
        mov     ax, 0xFFFF
        stosw
        clc
        ret

; 4F01h: CX: mode, ES:DI: 256 bytes.
vbe_mode_information:
        mov     cx, [bp + R_CX]
        call    vbe_find
        jc      .done
        mov     es, [bp + R_ES]
        mov     di, [bp + R_DI]
        push    di
        mov     cx, 128
        xor     ax, ax
        rep stosw
        pop     di
        mov     word [es:di], 0x009B    ; supported, colour, graphics, with linear frame buffer
        mov     byte [es:di + 2], 0x07  ; window A: readable, writable
        mov     word [es:di + 4], 64    ; its granularity and size in KB
        mov     word [es:di + 6], 64
        mov     word [es:di + 8], 0xA000
        mov     word [es:di + 12], vbe_window_call
        mov     [es:di + 14], cs
        call    vbe_line_bytes
        mov     [es:di + 16], ax
        mov     ax, [cs:si + 2]
        mov     [es:di + 18], ax
        mov     ax, [cs:si + 4]
        mov     [es:di + 20], ax
        mov     word [es:di + 22], 0x1008       ; character cell 8x16
        mov     byte [es:di + 24], 1    ; planes
        mov     al, [cs:si + 6]
        mov     [es:di + 25], al
        mov     byte [es:di + 26], 1    ; banks
        call    vbe_pages
        dec     ax
        cmp     ax, 0xFF
        jbe     .pages
        mov     al, 0xFF
.pages:
        mov     [es:di + 29], al
        mov     byte [es:di + 30], 1
        mov     byte [es:di + 27], 4    ; packed pixels
        mov     bx, .fields_15
        mov     al, [cs:si + 6]
        cmp     al, 8
        je      .frame_buffer
        mov     byte [es:di + 27], 6    ; direct colour
        cmp     al, 15
        je      .fields
        mov     bx, .fields_16
        cmp     al, 16
        je      .fields
        mov     bx, .fields_24
        cmp     al, 24
        je      .fields
        mov     bx, .fields_32
.fields:
        mov     eax, [cs:bx]
        mov     [es:di + 31], eax
        mov     eax, [cs:bx + 4]
        mov     [es:di + 35], eax
.frame_buffer:
        call    vbe_frame_buffer
        mov     [es:di + 40], eax
        clc
.done:
        ret
; size and position of red, green, blue and the rest
.fields_15      db 5, 10, 5, 5, 5, 0, 1, 15
.fields_16      db 5, 11, 6, 5, 5, 0, 0, 0
.fields_24      db 8, 16, 8, 8, 8, 0, 0, 0
.fields_32      db 8, 16, 8, 8, 8, 0, 8, 24

; EAX <- physical address: the first memory address of the PCI display device, else
; where Bochs has it on an ISA board. Keeps the rest.
vbe_frame_buffer:
        push    ebx
        push    dx
        mov     ebx, 0x80000008         ; class of each function of bus 0
.function:
        mov     dx, PCI_ADDRESS
        mov     eax, ebx
        out     dx, eax
        mov     dx, PCI_DATA
        in      eax, dx
        shr     eax, 24
        cmp     al, 0x03
        je      .display
        add     ebx, 0x100
        cmp     ebx, 0x80010000
        jb      .function
.isa:
        mov     eax, 0xE0000000
        jmp     .done
.display:
        mov     bl, 0x10
        mov     dx, PCI_ADDRESS
        mov     eax, ebx
        out     dx, eax
        mov     dx, PCI_DATA
        in      eax, dx
        and     eax, 0xFFFFFFF0
        jz      .isa
.done:
        pop     dx
        pop     ebx
        ret

; 4F02h: BX: mode, bit 14 linear frame buffer, bit 15 keep the memory.
vbe_set_mode:
        mov     cx, [bp + R_BX]
        test    cx, 0x0100
        jnz     .extended
        mov     al, cl                  ; a VGA mode
        mov     ah, ch
        and     ah, 0x80
        and     al, 0x7F
        or      al, ah
        mov     [bp + R_AL], al
        and     al, 0x7F
        call    find_mode
        jc      .failed
        call    set_mode
        clc
        ret
.failed:
        stc
        ret
.extended:
        call    vbe_find
        jc      .done
        push    si
        mov     al, 0x13                ; 256 colours at A0000h: the window works
        call    find_mode
        call    vbe_off
        call    mode_parameters
        call    program_mode
        call    load_palette
        call    mode_variables
        mov     dx, [B_CRTC]
        add     dx, 6
        in      al, dx
        mov     dx, VGA_ATC
        mov     al, 0x20
        out     dx, al
        pop     si
        mov     byte [B_VIDEOMODE], 0x7F        ; no VGA mode: see current_mode
        mov     cx, [bp + R_BX]
        and     cx, 0xC1FF
        mov     [B_VBEMODE], cx
        mov     ax, [cs:si + 2]
        mov     bx, VBE_XRES
        call    vbe_write
        mov     ax, [cs:si + 4]
        mov     bx, VBE_YRES
        call    vbe_write
        mov     ax, [cs:si + 6]
        mov     bx, VBE_BPP
        call    vbe_write
        mov     ax, 0x0001
        test    ch, 0x40
        jz      .windowed
        or      al, 0x40
.windowed:
        test    ch, 0x80
        jz      .enable
        or      al, 0x80
.enable:
        mov     bx, VBE_ENABLE
        call    vbe_write
        xor     ax, ax
        mov     bx, VBE_BANK
        call    vbe_write
        clc
.done:
        ret

vbe_get_mode:
        mov     ax, [B_VBEMODE]
        test    ax, ax
        jnz     .store
        mov     al, [B_VIDEOMODE]
.store:
        mov     [bp + R_BX], ax
        clc
        ret
