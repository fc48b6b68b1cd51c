; dosint: a small kernel in the manner of DOS, in real mode. Lab L9.
;
; Programs call it by INT 21h; one of them stays resident, takes INT 21h and the timer's INT 1Ch over and passes calls on; another
; calls, asks SMSW, and closes and opens interrupts. At the end the kernel makes a segment of 4 GB in real mode ("unreal mode").
; A monitor runs real mode in virtual-8086 mode, where IOPL guards INT n, IRET, PUSHF, POPF, CLI and STI: all of them fault, unless
; CR4.VME gives the mode an interrupt flag and an interrupt redirection bitmap of its own (SDM 3B, "8086 Emulation").
;
; INT 21h: AH = 25h set vector AL to DS:DX   30h version -> AX   31h end, stay resident   35h vector AL -> ES:BX   4Ch end
;
; Phase 1: CALLS times INT 21h, through the resident program: INT, PUSHF, far CALL, STI, IRET, IRET.
; Phase 2: SMSW.
; Phase 3: SECTIONS times PUSHF, CLI, POPF.
; Phase 4: into unreal mode, STORES stores beyond 1 MB, and out of it.
; IRQ lines are masked in the phases; after them the timer runs until it has been seen twice.

%define T86_NAME  "dosint"
%define T86_TITLE "a kernel in the manner of DOS"
%macro T86_REAL_MODE 0
                call dos
                ret
%endmacro
%include "t86.inc"

CALLS           equ 100
SECTIONS        equ 50
STORES          equ 1000
SPIN            equ 300
SEEN_BESIDES    equ 4                   ; the resident program's own last two, the caller's first and last
RESIDENT        equ 0x2000              ; segments of the two programs
CALLER          equ 0x4000
HIGH            equ 0x110000            ; linear: 64 KB past what real mode reaches
VERSION         equ 5

; Offsets in the programs' segments.
%define R(label) ((label) - resident + 0x100)
%define C(label) ((label) - caller + 0x100)

                bits 16
; ---------------------------------------------------------------- the kernel; CS = 0
parent_sp:      dw 0
unreal_sum:     dd 0

dos:            cli
                mov al, 0xFF
                out PIC1_DATA, al
                out PIC2_DATA, al
                xor ax, ax
                mov ds, ax
                mov word [0x21 * 4], int21
                mov word [0x21 * 4 + 2], 0
                mov word [0x20 * 4], int20
                mov word [0x20 * 4 + 2], 0
                sti
                mov ax, RESIDENT
                mov si, resident
                mov cx, resident_end - resident
                call exec
                mov ax, CALLER
                mov si, caller
                mov cx, caller_end - caller
                call exec
                call unreal

                mov ax, RESIDENT
                mov es, ax
                mov al, 0xFE            ; the timer alone
                out PIC1_DATA, al
                sti
.wait:          hlt
                cmp word [es:R(ticks)], 2
                jb .wait
                cli
                mov al, 0xFF
                out PIC1_DATA, al
                xor ax, ax
                mov es, ax
                ret

; exec: AX = segment, SI, CX = a program; comes back when it has ended
exec:           mov es, ax
                mov di, 0x100
                cld
                rep movsb
                mov word [es:0], 0x20CD ; INT 20h: a near RET ends a program
                mov [parent_sp], sp
                mov ds, ax
                mov ss, ax
                mov sp, 0xFFFE
                push word 0
                push ax
                push word 0x100
                retf

int20:          mov ah, 0x4C
int21:          sti
                cmp ah, 0x30
                je .version
                cmp ah, 0x25
                je .set
                cmp ah, 0x35
                je .get
                cmp ah, 0x31
                je .end
                cmp ah, 0x4C
                je .end
                mov al, 0
                iret
.version:       mov ax, VERSION
                iret
.set:           push es
                push bx
                xor bx, bx
                mov es, bx
                mov bl, al
                shl bx, 2
                mov [es:bx], dx
                mov [es:bx + 2], ds
                pop bx
                pop es
                iret
.get:           push ds
                xor bx, bx
                mov ds, bx
                mov bl, al
                shl bx, 2
                les bx, [bx]
                pop ds
                iret
.end:           xor ax, ax              ; the program's stack goes with it
                mov ds, ax
                mov ss, ax
                mov sp, [parent_sp]
                ret

; unreal: a real-mode ES of 4 GB
unreal:         MARK 4
                cli
                lgdt [unreal_gdtr]
                mov dx, 0x08
                call load_es
                mov edi, HIGH
                mov ecx, STORES
.store:         mov [es:edi], ecx
                add edi, 4
                dec ecx
                jnz .store
                mov edi, HIGH
                mov ecx, STORES
                xor eax, eax
.load:          add eax, [es:edi]
                add edi, 4
                dec ecx
                jnz .load
                mov [unreal_sum], eax
                mov dx, 0x10
                call load_es
                mov cx, SPIN
.wait:          loop .wait
                sti
                MARK 0
                ret

; load_es: ES from descriptor DX; then 0 again, with the limit that it had there
load_es:        mov eax, cr0
                or al, CR0_PE
                mov cr0, eax
                mov es, dx
                and al, ~CR0_PE
                mov cr0, eax
                xor dx, dx
                mov es, dx
                ret

                align 8, db 0
unreal_gdt:     dq 0
                DESCRIPTOR 0, 0xFFFFF, 0x93, 0xC        ; 08 data, 4 GB
                DESCRIPTOR 0, 0x0FFFF, 0x93, 0x0        ; 10 data, 64 KB
unreal_gdtr:    dw 3 * 8 - 1
                dd unreal_gdt

; ---------------------------------------------------------------- the resident program
resident:       mov ax, 0x3521
                int 0x21
                mov [R(old)], bx
                mov [R(old) + 2], es
                mov ax, 0x2521
                mov dx, R(hook)
                int 0x21
                mov ax, 0x251C
                mov dx, R(tick)
                int 0x21
                mov ah, 0x31
                int 0x21
hook:           inc word [cs:R(seen)]
                pushf
                call far [cs:R(old)]
                iret
tick:           inc word [cs:R(ticks)]
                iret
old:            dd 0
seen:           dw 0
ticks:          dw 0
resident_end:

; ---------------------------------------------------------------- the program that calls
caller:         mov ah, 0x30
                int 0x21
                mov cx, CALLS
                MARK 1
.call:          mov ah, 0x30
                int 0x21
                loop .call
                MARK 0
                MARK 2
                smsw bx
                MARK 0
                mov [C(msw)], bx
                mov cx, SECTIONS
                MARK 3
.section:       pushf
                cli
                popf
                loop .section
                MARK 0
                mov ah, 0x30
                int 0x21
                mov [C(version)], ax
                ret                     ; INT 20h
msw:            dw 0
version:        dw 0
caller_end:

                bits 32
; ---------------------------------------------------------------- what came of it
RESIDENT_DATA   equ RESIDENT * 16
CALLER_DATA     equ CALLER * 16

kernel_main:    PRINT "t86 dosint: a kernel in the manner of DOS", 10
                xor ebx, ebx
                movzx eax, word [CALLER_DATA + C(version)]
                PRINT "version "
                push eax
                call put_dec
                movzx eax, word [RESIDENT_DATA + R(seen)]
                SHOWDEC ", calls that the resident program saw: ", eax
                PRINT 10
                cmp eax, CALLS + SEEN_BESIDES
                je .msw
                or bl, 2
.msw:           movzx eax, word [CALLER_DATA + C(msw)]
                and eax, CR0_PE
                SHOWDEC "SMSW in real mode: PE=", eax
                PRINT 10
                or ebx, eax
                SHOWDEC "sum beyond 1 MB: ", dword [unreal_sum]
                PRINT 10
                cmp dword [unreal_sum], STORES * (STORES + 1) / 2
                je .ticks
                or bl, 4
.ticks:         PRINT "the timer came through the resident program", 10
                jmp t86_exit            ; BL is the status

                T86_END
