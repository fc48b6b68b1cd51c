; irqsave: two ways to save and restore the interrupt flag. Lab L3.
;
; Kernels enclose critical sections in "save flags, CLI ... restore flags". Linux 2.4 restored with POPF. Linux 6 restores
; with "if the saved image had IF set: STI". De-privileged, CLI and STI trap; PUSHF and POPF do not, so the first way never
; opens interrupts again, and in the second a section inside another believes that they were open and opens them too early.
;
; LOOPS critical sections each way. All IRQ lines stay masked at the 8259As, so nothing interrupts and every count is exact.
;
; Phase 1: 2.4 style, entered with IF=1.    Phase 2: 2.4 style, entered with IF=0 (inside another section).
; Phase 3: 6.x style, entered with IF=1.    Phase 4: 6.x style, entered with IF=0.

%define T86_NAME  "irqsave"
%define T86_TITLE "critical sections by PUSHF, CLI and POPF or STI"
%include "t86.inc"

LOOPS           equ 1000

; SECTION24 / SECTION6: one critical section; the work inside counts in EBX how often the saved image had IF set
%macro SECTION24 0
                pushfd                  ; save_flags(flags)
                pop eax
                cli
                bt eax, 9
                adc ebx, 0
                push eax                ; restore_flags(flags)
                popfd
%endmacro
%macro SECTION6 0
                pushfd                  ; flags = arch_local_save_flags()
                pop eax
                cli
                bt eax, 9
                adc ebx, 0
                test ah, EFLAGS_IF >> 8 ; arch_local_irq_restore(flags): if (flags & IF) STI
                jz %%closed
                sti
%%closed:
%endmacro

; PHASE number, section, label of the line it prints
%macro PHASE 3
                xor ebx, ebx
                mov ecx, LOOPS
                MARK %1
%%again:        %2
                dec ecx
                jnz %%again
                MARK 0
                cli
                SHOWDEC %3, ebx
                PRINT " of "
                push dword LOOPS
                call put_dec
                PRINT " images had IF=1", 10
%endmacro

kernel_main:    PRINT "t86 irqsave: what the saved images say", 10
                xor edi, edi
                sti
                PHASE 1, SECTION24, "2.4 style, IF=1 outside: "
                PHASE 2, SECTION24, "2.4 style, IF=0 outside: "
                add edi, ebx
                sti
                PHASE 3, SECTION6,  "6.x style, IF=1 outside: "
                PHASE 4, SECTION6,  "6.x style, IF=0 outside: "
                add edi, ebx
                jnz .wrong
                PRINT "inner sections knew that interrupts were closed", 10
                ret
.wrong:         PRINT "inner sections believed that interrupts were open", 10
                EXIT 3

                T86_END
