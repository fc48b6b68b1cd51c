; The system BIOS of the virtual PC: the F000h segment. scripts/build-firmware.mjs
; puts 64 KB of FFh before it, which makes the 128 KB ROM at E0000h-FFFFFh.
;
; Everything here is ordinary real-mode code of a 386 that reaches the hardware
; through ports and memory, never through the host, and never writes to its own
; segment; it runs on a bare machine, in V86 mode under a monitor, and in QEMU.

        cpu 386
        bits 16
        org 0

%include "bios/defs.inc"

        db "trapscope BIOS", 0
%include "bios/post.asm"
%include "bios/print.asm"
%include "bios/cmos.asm"
%include "bios/interrupts.asm"
%include "bios/apic.asm"
%include "bios/timer.asm"
%include "bios/keyboard-controller.asm"
%include "bios/keyboard.asm"
%include "bios/keyboard-layout.asm"
%include "bios/keyboard-services.asm"
%include "bios/mouse.asm"
%include "bios/floppy.asm"
%include "bios/floppy-drive.asm"
%include "bios/fdc.asm"
%include "bios/ata.asm"
%include "bios/disk.asm"
%include "bios/atapi.asm"
%include "bios/cdrom.asm"
%include "bios/eltorito.asm"
%include "bios/system.asm"
%include "bios/apm.asm"
%include "bios/memory.asm"
%include "bios/serial-parallel.asm"
%include "bios/pci.asm"
%include "bios/pci-setup.asm"
%include "bios/video-rom.asm"
%include "bios/option-rom.asm"
%include "bios/fwcfg.asm"
%include "bios/tables.asm"
%include "bios/bootplan.asm"
%include "bios/boot.asm"
%include "bios/fixed.asm"
