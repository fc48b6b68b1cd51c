; The video BIOS of the virtual PC: an adapter ROM at C0000h for a VGA, with the
; fonts and, where Bochs' VBE registers answer, the VESA modes.
; scripts/build-firmware.mjs pads it to 32 KB and sets the checksum.

        cpu 386
        bits 16
        org 0

        dw      0xAA55
        db      64                      ; 32 KB
        jmp     near video_init
        times 0x18 - ($ - $$) db 0
        dw      0                       ; no PCI data structure: the ROM is the board's
        times 0x1E - ($ - $$) db 0
        db      "IBM VGA compatible, trapscope video BIOS", 0

%include "bios/defs.inc"
%include "vga/defs.inc"
%include "vga/main.asm"
%include "vga/set-mode.asm"
%include "vga/text.asm"
%include "vga/graphics.asm"
%include "vga/graphics-scroll.asm"
%include "vga/pixels.asm"
%include "vga/palette.asm"
%include "vga/font.asm"
%include "vga/select.asm"
%include "vga/state.asm"
%include "vga/vbe.asm"
%include "vga/vbe-display.asm"
%include "vga/parameters.asm"

font_8x16:
        incbin  "font-8x16.bin"
font_8x14:
        incbin  "font-8x14.bin"
font_8x8:
        incbin  "font-8x8.bin"
