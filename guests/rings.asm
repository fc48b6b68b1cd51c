; rings: which ring am I in? Lab L6.
;
; CS and SS carry the CPL in their low bits, and any code may read them. LAR, LSL, VERR and VERW answer from the descriptor
; table that the processor uses, by the CPL it runs at; ARPL compares the RPLs of two selectors that the program hands it.
; None of them traps, so a kernel that was moved to ring 1 or 3 can tell.
;
; Phase 1: the eight questions from the kernel. Phase 2: IRET to ring 3, the same questions there, INT 80h back.
; All IRQ lines stay masked; the image for IRET has IF=0.

%define T86_NAME  "rings"
%define T86_TITLE "which ring am I in?"
%include "t86.inc"

USER_STACK      equ 0x88000

                struc answers
.mov_cs:        resd 1
.push_cs:       resd 1
.mov_ss:        resd 1
.mov_ds:        resd 1
.lar:           resd 1
.lar_zf:        resd 1
.lsl:           resd 1
.lsl_zf:        resd 1
.verr_zf:       resd 1
.verw_zf:       resd 1
.arpl:          resd 1
.arpl_zf:       resd 1
                endstruc

BSS kernel_answers, answers_size
BSS user_answers, answers_size

; ASK table: each instruction once. LAR asks about the kernel's code segment, LSL, VERR, VERW about its data segment; ARPL
; lifts the RPL of selector 0020h to that of CS, as a kernel would for a selector that a caller hands it.
%macro ASK 1
                mov eax, cs
                mov [%1 + answers.mov_cs], eax
                push cs
                pop dword [%1 + answers.push_cs]
                mov eax, ss
                mov [%1 + answers.mov_ss], eax
                mov eax, ds
                mov [%1 + answers.mov_ds], eax
                mov ecx, KERNEL_CS
                mov ebx, KERNEL_DS
                xor edx, edx
                lar edx, ecx
                mov [%1 + answers.lar], edx
                setz [%1 + answers.lar_zf]
                xor edx, edx
                lsl edx, ebx
                mov [%1 + answers.lsl], edx
                setz [%1 + answers.lsl_zf]
                verr bx
                setz [%1 + answers.verr_zf]
                verw bx
                setz [%1 + answers.verw_zf]
                mov eax, USER_DS & ~3
                mov edx, cs
                arpl ax, dx
                mov [%1 + answers.arpl], eax
                setz [%1 + answers.arpl_zf]
%endmacro

kernel_main:    mov ax, TSS_SELECTOR
                ltr ax
                GATE 0x80, .from_user, 0xEE
                PRINT "t86 rings: asked from the kernel, then from ring 3", 10

                MARK 1
                ASK kernel_answers
                MARK 0

                mov esp, T86_STACK - 64 ; a stack that INT 80h from ring 3 cannot be on by chance
                MARK 2
                push dword USER_DS
                push dword USER_STACK
                push dword EFLAGS_FIXED
                push dword USER_CS
                push dword in_user
                iretd
.from_user:     MARK 0
                mov ax, KERNEL_DS
                mov ds, ax
                mov es, ax
                mov ss, ax
                mov esp, T86_STACK

                PRINT "kernel:", 10
                mov esi, kernel_answers
                call show
                PRINT "ring 3:", 10
                mov esi, user_answers
                call show
                test byte [kernel_answers + answers.mov_cs], 3
                jnz .moved
                PRINT "this kernel is in ring 0", 10
                EXIT 0
.moved:         PRINT "somebody moved this kernel to ring "
                mov eax, [kernel_answers + answers.mov_cs]
                and eax, 3
                push eax
                call put_dec
                PRINT 10
                EXIT 5

; show: ESI = answers
show:           and dword [esi + answers.lar], 0x00F0FF00       ; the other bits are undefined
                SHOW16 "  MOV r,CS ", [esi + answers.mov_cs]
                SHOW16 "  PUSH CS ", [esi + answers.push_cs]
                SHOW16 "  MOV r,SS ", [esi + answers.mov_ss]
                SHOW16 "  MOV r,DS ", [esi + answers.mov_ds]
                SHOW32 {10, "  LAR 0008 "}, [esi + answers.lar]
                SHOWDEC " ZF=", [esi + answers.lar_zf]
                SHOW32 "  LSL 0010 ", [esi + answers.lsl]
                SHOWDEC " ZF=", [esi + answers.lsl_zf]
                SHOWDEC {10, "  VERR 0010 ZF="}, [esi + answers.verr_zf]
                SHOWDEC "  VERW 0010 ZF=", [esi + answers.verw_zf]
                SHOW16 "  ARPL 0020,CS gives ", [esi + answers.arpl]
                SHOWDEC " ZF=", [esi + answers.arpl_zf]
                PRINT 10
                ret

; ---------------------------------------------------------------- ring 3
in_user:        mov ax, USER_DS
                mov ds, ax
                ASK user_answers
                int 0x80

                T86_END
