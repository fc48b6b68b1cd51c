; smc: code that changes, code with two readings, code in many small pieces. Lab L5.
;
; A monitor that decodes code before it runs keeps an opinion about every byte of a page. This guest changes the bytes, jumps into
; the middle of an instruction that ran before, and hops through a chain of jumps, so that one can see when the monitor looks again.
; Interrupts are closed all the time (IF=0), so that a PUSHF that runs outside ring 0 shows the wrong IF.
;
; Phase 1: a loop of ROUNDS rounds that rewrites the immediate of its own MOV, and then a wait of some hundred instructions.
; Phase 2: a MOV runs, then its middle is called through a register: there PUSHFD; POP EAX; RET are hidden.
; Phase 3: a chain of LINKS jumps, each to the next.
; Phase 4: the same chain again.
; The code of each phase has a page of its own, which has run before: a RET at its end.

%define T86_NAME  "smc"
%define T86_TITLE "code that is not what it was"
%include "t86.inc"

ROUNDS          equ 100
LINKS           equ 40
SPIN            equ 300
HIDDEN          equ 0x00C3589C          ; little endian: 9C PUSHFD, 58 POP EAX, C3 RET

BSS sum, 4
BSS plain, 4
BSS image, 4

kernel_main:    PRINT "t86 smc: code that is not what it was", 10
                call flush
                call rewrite_warm
                call middle_warm
                call chain_warm

                MARK 1
                mov ecx, ROUNDS
                call rewrite
                mov [sum], ebx
                mov ecx, SPIN
.wait:          loop .wait
                MARK 0

                mov edx, middle + 1
                MARK 2
                call middle
                mov [plain], eax
                call edx
                mov [image], eax
                MARK 0

                MARK 3
                call chain
                MARK 0

                MARK 4
                call chain
                MARK 0

                xor ebx, ebx
                SHOWDEC "sum of the immediates ", dword [sum]
                cmp dword [sum], ROUNDS * (ROUNDS + 1) / 2
                je .sum
                or bl, 1
.sum:           PRINT 10
                SHOW32 "MOV loads             ", dword [plain]
                cmp dword [plain], HIDDEN
                je .plain
                or bl, 2
.plain:         PRINT 10, "its middle shows      IF="
                test byte [image + 1], EFLAGS_IF >> 8
                jz .closed
                or bl, 4
                PRINT "1", 10
                jmp .end
.closed:        PRINT "0", 10
.end:           jmp t86_exit            ; BL is the status

                times -($ - $$ + T86_LOAD) & 4095 db 0
rewrite:        xor ebx, ebx
.again:         mov [.patched + 1], ecx
.patched:       mov eax, 0
                add ebx, eax
                dec ecx
                jnz .again
                ret
rewrite_warm:   ret

                times -($ - $$ + T86_LOAD) & 4095 db 0
middle:         mov eax, HIDDEN
                ret
middle_warm:    ret

%macro LINK 0
                jmp short %%next
                db 0x0F                 ; never executed
%%next:
%endmacro
                times -($ - $$ + T86_LOAD) & 4095 db 0
chain:
%rep LINKS
                LINK
%endrep
                ret
chain_warm:     ret

                T86_END
