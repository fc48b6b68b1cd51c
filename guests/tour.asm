; tour: a small kernel to walk through. Paging, timer, keyboard and serial line by interrupt, programs in ring 3 with system
; calls through INT 80h, and a shell on the screen and on COM1 at once. Type `help`.
;
; It opens interrupts with STI and never with POPF, so it lives under a monitor that only traps, and it runs the sensitive
; instructions when asked (`sensitive`, `regs`), so that what they show can be compared between techniques.
;
;   tour.asm             start, interrupts, shell, commands
;   tour-console.inc     screen, line editor, keyboard, serial input
;   tour-memory.inc      memory map, paging, page faults
;   tour-user.inc        ring 3: system calls, the programs
;   tour-graphics.inc    the way back to real mode for INT 10h; pictures in modes 13h and 12h

%define T86_NAME  "tour"
%define T86_TITLE "a small kernel to walk through"
%define T86_EXTRA_DESCRIPTORS 2

; Ask the BIOS for its memory map while it can still be called (INT 15h, EAX=E820h): up to MAP_MAX entries of 24 bytes.
MEMORY_MAP      equ 0x6000
MAP_MAX         equ 32
%macro T86_REAL_MODE 0
                push ds
                pop es
                mov di, MEMORY_MAP
                xor ebx, ebx
.entry:         mov eax, 0xE820
                mov ecx, 20
                mov edx, 0x534D4150     ; "SMAP"
                int 15h
                jc .end
                cmp eax, 0x534D4150
                jne .end
                add di, 24
                inc word [map_entries]
                cmp word [map_entries], MAP_MAX
                jae .end
                test ebx, ebx
                jnz .entry
.end:           ret
map_entries:    dd 0
%endmacro
%include "t86.inc"

TICKS_PER_SECOND equ 100
IRQS_WANTED     equ 1 << 0 | 1 << 1 | 1 << 4    ; timer, keyboard, COM1

BSS ticks, 4
BSS keyboard_irqs, 4
BSS serial_irqs, 4
BSS spurious_irqs, 4

kernel_main:    mov ax, TSS_SELECTOR
                ltr ax
                mov ax, LDT_SELECTOR
                lldt ax
                call memory_init
                call console_init
                call pit_hold
                call pic_init
                GATE IRQ_BASE + 0, irq_timer, 0x8E
                GATE IRQ_BASE + 1, irq_keyboard, 0x8E
                GATE IRQ_BASE + 4, irq_serial, 0x8E
                GATE IRQ_BASE + 7, irq_spurious, 0x8E
                GATE IRQ_BASE + 15, irq_spurious_slave, 0x8E
                GATE 0x80, system_call, 0xEE
                mov dword [t86_fault_hook], user_fault
                mov eax, PIT_HZ / TICKS_PER_SECOND
                call pit_init
                call input_init
                mov al, ~IRQS_WANTED & 0xFF
                out PIC1_DATA, al
                sti
                call greet

shell:          PRINT "t86> "
                call read_line
                mov esi, line
                call skip_blanks
                cmp byte [esi], 0
                je shell
                mov edi, commands
.try:           mov eax, [edi]          ; handler, name, help text; 0 ends the list
                test eax, eax
                jz .unknown
                add edi, 4
                push esi
                call same_word
                je .found
                pop esi
                call skip_string        ; the rest of the name
                call skip_string        ; the help text
                jmp .try
.found:         add esp, 4              ; ESI is behind the word: its argument
                call skip_blanks
                call eax
                jmp shell
.unknown:       PRINT "no such command: "
                push esi
                call puts
                PRINT 10, "`help` lists them.", 10
                jmp shell

; same_word: ZF=1 where the zero-terminated name at EDI is the next word at ESI, which then moves behind it.
; EDI ends inside or at the end of the name, never behind its zero.
same_word:
.next:          mov dl, [edi]
                mov dh, [esi]
                test dl, dl
                jz .name_ends
                cmp dl, dh
                jne .done
                inc esi
                inc edi
                jmp .next
.name_ends:     test dh, dh
                je .done
                cmp dh, ' '
.done:          ret

skip_string:    inc edi
                cmp byte [edi - 1], 0
                jne skip_string
                ret

skip_blanks:    cmp byte [esi], ' '
                jne .done
                inc esi
                jmp skip_blanks
.done:          ret

%macro COMMAND 3                        ; handler, name, help
                dd %1
                db %2, 0, %3, 0
%endmacro
commands:       COMMAND cmd_help,       "help",       "this list"
                COMMAND cmd_echo,       "echo",       "say it back"
                COMMAND cmd_uptime,     "uptime",     "how long, and what interrupted so far"
                COMMAND cmd_mem,        "mem",        "the BIOS's memory map, and what the page tables map"
                COMMAND cmd_regs,       "regs",       "control registers, segments, flags"
                COMMAND cmd_sensitive,  "sensitive",  "run the instructions that tell where a kernel really is"
                COMMAND cmd_user,       "user",       "run a program in ring 3"
                COMMAND cmd_crash,      "crash",      "run a bad program in ring 3: crash cli, crash peek, crash jump"
                COMMAND cmd_color,      "color",      "the sixteen colours"
                COMMAND cmd_plasma,     "plasma",     "a moving picture, 320x200 in 256 colours, until a key"
                COMMAND cmd_mandelbrot, "mandelbrot", "a still one, 640x480 in 16 colours, until a key"
                COMMAND cmd_clear,      "clear",      "an empty screen"
                COMMAND cmd_reboot,     "reboot",     "reset through the keyboard controller"
                COMMAND cmd_off,        "off",        "end this machine"
                dd 0

; ---------------------------------------------------------------- commands: ESI = argument
greet:          PRINT 27, "[36m", 10
                PRINT "   _   ___   __", 10
                PRINT "  | |_( _ ) / /   ", 27, "[1;33m", "a small kernel to walk through", 27, "[0;36m", 10
                PRINT "  | __/ _ \/ _ \  ", 27, "[37m", "paging, a timer, a keyboard, programs in ring 3", 27, "[36m", 10
                PRINT "   \__\___/\___/  ", 27, "[37m", "on this screen and on COM1", 27, "[0m", 10, 10
                PRINT "Type ", 27, "[1m", "help", 27, "[0m", " and press Enter.", 10
                ret

cmd_help:       mov edi, commands
.next:          cmp dword [edi], 0
                je .done
                add edi, 4
                PRINT "  ", 27, "[1m"
                push edi
                call puts
                PRINT 27, "[0m"
                mov ecx, edi
                call skip_string
                sub ecx, edi            ; minus the name's length and its zero
                add ecx, 13
.pad:           mov al, ' '
                call putc
                loop .pad
                push edi
                call puts
                PRINT 10
                call skip_string
                jmp .next
.done:          ret

cmd_echo:       push esi
                call puts
                PRINT 10
                ret

cmd_uptime:     PRINT "up "
                mov eax, [ticks]
                xor edx, edx
                mov ecx, TICKS_PER_SECOND
                div ecx
                push eax
                call put_dec
                PRINT "."
                mov eax, edx            ; hundredths: two digits
                aam
                add eax, '00'
                xchg al, ah
                call putc
                mov al, ah
                call putc
                SHOWDEC {" seconds", 10, "  timer     "}, [ticks]
                SHOWDEC {" interrupts", 10, "  keyboard  "}, [keyboard_irqs]
                SHOWDEC {10, "  serial    "}, [serial_irqs]
                SHOWDEC {10, "  spurious  "}, [spurious_irqs]
                SHOWDEC {10, "  system calls from ring 3  "}, [system_calls]
                SHOWDEC {10, "  page faults served        "}, [page_faults]
                PRINT 10
                ret

cmd_regs:       mov eax, cr0
                SHOW32 "CR0 ", eax
                mov eax, cr2
                SHOW32 "  CR2 ", eax
                mov eax, cr3
                SHOW32 "  CR3 ", eax
                mov eax, cr4
                SHOW32 "  CR4 ", eax
                mov eax, cs
                SHOW16 {10, "CS "}, eax
                mov eax, ss
                SHOW16 "  SS ", eax
                mov eax, ds
                SHOW16 "  DS ", eax
                mov eax, es
                SHOW16 "  ES ", eax
                mov eax, fs
                SHOW16 "  FS ", eax
                mov eax, gs
                SHOW16 "  GS ", eax
                pushfd
                pop eax
                SHOW32 {10, "EFLAGS "}, eax
                SHOW32 "  ESP ", esp
                PRINT 10
                ret

; cmd_sensitive: the instructions that a de-privileged kernel runs without a trap, and what bare metal would say.
; Phase 1 is the eight of them, with interrupts closed.
BSS gdt_image, 8
BSS idt_image, 8
BSS cs_seen, 4
BSS lar_seen, 4
BSS flags_seen, 4
BSS cpu_vendor, 16
cmd_sensitive:  xor ebx, ebx
                xor esi, esi
                xor edi, edi
                mov ecx, KERNEL_CS
                cli
                MARK 1
                sgdt [gdt_image]
                sidt [idt_image]
                sldt bx
                str si
                smsw di
                mov eax, cs
                mov [cs_seen], eax
                lar eax, ecx
                mov [lar_seen], eax
                pushfd
                pop dword [flags_seen]
                MARK 0
                sti
                and dword [lar_seen], 0x00F0FF00
                PRINT "instruction    shows       on bare metal", 10
                SHOW32 "SGDT base      ", [gdt_image + 2]
                SHOW32 "    ", t86_gdt
                SHOW32 {10, "SIDT base      "}, [idt_image + 2]
                SHOW32 "    ", t86_idt
                SHOW16 {10, "SLDT           "}, ebx
                SHOW16 "        ", LDT_SELECTOR
                SHOW16 {10, "STR            "}, esi
                SHOW16 "        ", TSS_SELECTOR
                SHOW16 {10, "SMSW           "}, edi
                mov eax, cr0
                SHOW16 "        ", eax
                SHOW16 {10, "MOV r,CS       "}, [cs_seen]
                SHOW16 "        ", KERNEL_CS
                SHOW32 {10, "LAR 0008       "}, [lar_seen]
                SHOW32 "    ", 0x00C09B00
                PRINT 10, "PUSHF, IF      "
                mov eax, [flags_seen]
                shr eax, 9
                and eax, 1
                push eax
                call put_dec
                PRINT "           0 (after CLI)", 10, "CPUID, vendor  "
                xor eax, eax
                cpuid
                mov [cpu_vendor], ebx
                mov [cpu_vendor + 4], edx
                mov [cpu_vendor + 8], ecx
                push dword cpu_vendor
                call puts
                PRINT 10
                ret

cmd_color:      mov ebx, '0'
.next:          PRINT 27, "[3"
                mov al, bl
                call putc
                PRINT "m  ######  ", 27, "[1m", "######", 27, "[0m", 10
                inc ebx
                cmp ebx, '7'
                jbe .next
                ret

cmd_clear:      PRINT 27, "[2J", 27, "[H"
                ret

cmd_reboot:     PRINT "see you", 10
                call flush
                cli
.busy:          in al, 0x64
                test al, 2              ; input buffer full
                jnz .busy
                mov al, 0xFE            ; pulse the processor's reset line
                out 0x64, al
.wait:          hlt
                jmp .wait

cmd_off:        PRINT "good bye", 10
                EXIT 0

; ---------------------------------------------------------------- interrupts
; Handlers of IRQs keep every register and load their own DS and ES: a program in ring 3 may leave anything there.
%macro HANDLER 0
                pushad
                push ds
                push es
                mov ax, KERNEL_DS
                mov ds, ax
                mov es, ax
                cld
%endmacro
%macro HANDLER_END 0
                mov al, PIC_EOI
                out PIC1_COMMAND, al
                pop es
                pop ds
                popad
                iretd
%endmacro

irq_timer:      HANDLER
                inc dword [ticks]
                call show_clock
                HANDLER_END

irq_keyboard:   HANDLER
                inc dword [keyboard_irqs]
                in al, 0x60
                call scan_code
                HANDLER_END

irq_serial:     HANDLER
                inc dword [serial_irqs]
                call serial_receive
                HANDLER_END

; A request that is gone when the 8259A is asked gets vector 7 (15) with its in-service bit clear: no EOI, but the slave's
; came through line 2 of the master.
irq_spurious_slave:
                push eax
                mov al, PIC_EOI
                out PIC1_COMMAND, al
                pop eax
irq_spurious:   inc dword [ss:spurious_irqs]
                iretd

%include "tour-console.inc"
%include "tour-memory.inc"
%include "tour-user.inc"
%include "tour-graphics.inc"

                T86_END
