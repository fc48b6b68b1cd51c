; popf: what becomes of the interrupt flag. Lab L1.
;
; A kernel masks interrupts with CLI and opens them again with POPF, as every kernel of the 1990s did, then waits for the
; timer with HLT. On bare metal the timer wakes it. De-privileged (CPL > IOPL) POPF changes neither IF nor IOPL and raises
; no exception (SDM 2B, POPF, "Operation"): the monitor never learns that interrupts should be open, and the HLT that
; follows waits for an interrupt that cannot come.
;
; Phase 1: STI, CLI, and what PUSHF shows after each.
; Phase 2: POPF sets IF, and what PUSHF shows then; after it, HLT.

%define T86_NAME  "popf"
%define T86_TITLE "what becomes of the interrupt flag"
%include "t86.inc"

BSS ticks, 4
BSS after_sti, 4
BSS after_cli, 4
BSS after_popf, 4

kernel_main:    call pit_hold
                call pic_init
                GATE IRQ_BASE, timer, 0x8E
                PRINT "t86 popf: a kernel opens interrupts with POPF", 10

                MARK 1
                sti                     ; nothing can arrive: the PICs are still masked
                pushfd
                pop dword [after_sti]
                cli
                pushfd
                pop dword [after_cli]
                MARK 0

                PRINT "STI           PUSHF shows IF="
                mov eax, [after_sti]
                call show_if
                PRINT "CLI           PUSHF shows IF="
                mov eax, [after_cli]
                call show_if
                call flush

                MARK 2
                push dword EFLAGS_FIXED | EFLAGS_IF
                popfd
                pushfd
                pop dword [after_popf]
                MARK 0
                PRINT "POPF (IF=1)   PUSHF shows IF="
                mov eax, [after_popf]
                call show_if
                PRINT "HLT           waiting for the timer", 10
                call flush

                mov eax, PIT_HZ / 100
                call pit_init
                mov al, 0xFE            ; IRQ0 comes as soon as IF allows it
                out PIC1_DATA, al
.wait:          hlt
                cmp dword [ticks], 2
                jb .wait
                cli
                PRINT "the timer woke this kernel: interrupts are open", 10
                ret

; show_if: EAX = an EFLAGS image; its IF as a digit, and a new line
show_if:        shr eax, 9
                and eax, 1
                push eax
                call put_dec
                PRINT 10
                ret

timer:          push eax
                inc dword [ticks]
                mov al, PIC_EOI
                out PIC1_COMMAND, al
                pop eax
                iretd

                T86_END
