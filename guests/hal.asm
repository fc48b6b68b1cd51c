; hal: console, disk and network without a chip: a kernel of plex86-lite and its hardware abstraction layer, INT FFh.
;
; On bare metal nobody answers INT FFh, and it ends at once.
;
; Phase 1: a line on the HAL's console.
; Phase 2: the disks; of the first one, sector 1 is read, its first dword counted up, written, and read again.
; Phase 3: a frame goes out; where the wire returns it, IRQ 3 brings it back. POPF opens interrupts, PUSHF is asked what was.

%define T86_NAME  "hal"
%define T86_TITLE "console, disk and network as calls of the monitor"
%include "t86.inc"
%include "lite.inc"

FRAME_BYTES     equ 64
BSS disks, 4 * HAL_DISK_BYTES
BSS buffer, 512
BSS again, 512
BSS frame, FRAME_BYTES
BSS hal_net, HAL_NET_AREA
BSS interrupts, 4
BSS image, 4

; HAL call, EBX, ECX, EDX
%macro HAL 4
                mov eax, %1
                mov ebx, %2
                mov ecx, %3
                mov edx, %4
                int 0xFF
%endmacro

kernel_main:    call pit_hold
                call pic_init
                mov dword [bare_iret], plain_iret
                GATE 0xFF, no_monitor, 0x8E
                GATE IRQ_BASE + HAL_IRQ, received, 0x8E
                HAL_START
                cmp dword [under_lite], 0
                jne .lite
                PRINT "no monitor answers INT FFh", 10
                ret

.lite:          mov esi, hello
                mov edi, hal_console + HAL_CONSOLE_TX
                mov ecx, HELLO_BYTES
                cld
                rep movsb
                MARK 1
                HAL HAL_CONSOLE_WRITE, 0, 0, HELLO_BYTES
                mov [image], eax
                MARK 0
                cmp dword [image], 1
                jne near .failed

                HAL HAL_DISK_INFO, disks, 0, 0
                cmp eax, 1
                jne near .failed
                cmp dword [disks], 1
                je .disk
                PRINT "no disk", 10
                HAL HAL_DISK_READ, buffer, 0, 0
                test eax, eax           ; there is nothing to read
                jnz near .failed
                jmp .net
.disk:          SHOWDEC "disk 0: sectors ", [disks + HAL_DISK_SECTORS]
                PRINT 10
                MARK 2
                HAL HAL_DISK_READ, buffer, 1, 0
                mov edi, eax
                inc dword [buffer]
                HAL HAL_DISK_WRITE, buffer, 1, 0
                add edi, eax
                HAL HAL_DISK_READ, again, 1, 0
                add edi, eax
                MARK 0
                cmp edi, 3
                jne near .failed
                mov esi, buffer
                mov edi, again
                mov ecx, 128
                repe cmpsd
                jne near .failed
                SHOWDEC "sector 1 counts ", [again]
                PRINT 10
                HAL HAL_DISK_READ, buffer, [disks + HAL_DISK_SECTORS], 0
                test eax, eax           ; behind the end
                jnz near .failed
                HAL HAL_DISK_CLEANUP, 0, 0, 0

.net:           HAL HAL_NET_REGISTER, 0, hal_net, HAL_NET_AREA
                cmp eax, 1
                jne near .failed
                mov edi, frame
                mov al, 0
.fill:          stosb
                inc al
                cmp al, FRAME_BYTES
                jb .fill
                mov al, ~(1 << HAL_IRQ) & 0xFF
                out PIC1_DATA, al
                cli
                MARK 3
                HAL HAL_NET_TX, 0, frame, FRAME_BYTES
                LITE_PUSHF              ; IF = 0
                pop dword [image]
                push dword EFLAGS_FIXED | EFLAGS_IF
                LITE_POPF
                nop
                cli
                MARK 0
                mov al, 0xFF
                out PIC1_DATA, al
                test dword [image], EFLAGS_IF
                jnz .failed
                cmp dword [interrupts], 0
                jne .came
                PRINT "no frame came back", 10
                ret
.came:          mov esi, frame
                mov edi, hal_net + HAL_RECEIVED
                mov ecx, FRAME_BYTES
                repe cmpsb
                jne .failed
                SHOWDEC "IRQ 3: a frame of bytes ", [hal_net + HAL_LENGTH]
                PRINT 10
                ret
.failed:        PRINT "failed", 10
                EXIT 1

received:       push eax
                cmp dword [hal_net + HAL_FULL], 0
                je .done
                inc dword [interrupts]
                mov dword [hal_net + HAL_FULL], 0
.done:          mov al, PIC_EOI
                out PIC1_COMMAND, al
                pop eax
                LITE_IRET

no_monitor:     mov eax, -1
plain_iret:     iretd

hello:          db "the HAL prints this", 13, 10
HELLO_BYTES     equ $ - hello

                T86_END
