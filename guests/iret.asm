; iret: the two sizes of IRET. Lab L7.
;
; IRET to an outer ring pops five words (EIP, CS, EFLAGS, ESP, SS), IRET within a ring three. Which one it is depends on the
; real CPL. And only at CPL <= IOPL does it write IF (SDM 2A, IRET, "Operation"). So for a kernel moved to ring 1 a return
; to ring 3 goes through without a trap and loses IF; for one moved to ring 3 the stack is not switched either. An IRET to
; ring 0 whose image says so (RPL 0) faults, and a monitor can do it right; with an image made by PUSH CS it does not.
;
; Phase 1: IRET to ring 3 with IF=1, INT 80h back.
; Phase 2: IRET within the kernel, CS from PUSH CS.     Phase 3: the same, CS a constant with RPL 0.
; Phase 4: ROUNDS times IRET to ring 3 with IF=1 and INT 80h back.
; All IRQ lines stay masked.

%define T86_NAME  "iret"
%define T86_TITLE "into ring 3 and back"
%include "t86.inc"

ROUNDS          equ 100
USER_STACK      equ 0x88000
FRAME           equ T86_STACK - 64      ; the kernel's IRET frames end here, so that a switched stack looks different

BSS user_cs, 4
BSS user_ss, 4
BSS user_esp, 4
BSS user_eflags, 4
BSS frame, 20                           ; what INT 80h pushed
BSS entry_esp, 4
BSS after_iret, 4
BSS rounds_if, 4
BSS rounds_switched, 4

; FROM_FRAME label, eflags: the five words at FRAME, and to ring 3
%macro FROM_FRAME 2
                mov esp, FRAME
                TO_USER %1, %2
%endmacro

kernel_main:    mov ax, TSS_SELECTOR
                ltr ax
                PRINT "t86 iret: into ring 3 and back", 10

                GATE 0x80, .from_user, 0xEE
                MARK 1
                FROM_FRAME user_look, EFLAGS_FIXED | EFLAGS_IF
.from_user:     MARK 0
                mov ax, KERNEL_DS       ; the IRET nulled DS and ES: ring 3 may not keep them
                mov ds, ax
                mov es, ax
                mov [entry_esp], esp
                mov esi, esp
                mov edi, frame
                mov ecx, 5
                rep movsd
                mov ss, ax
                mov esp, FRAME
                SHOW16 "ring 3 saw  CS=", [user_cs]
                SHOW16 " SS=", [user_ss]
                SHOW32 " ESP=", [user_esp]
                mov eax, [user_eflags]
                call show_if
                PRINT 10
                SHOW16 "INT pushed  CS=", [frame + 4]
                SHOW16 " SS=", [frame + 16]
                SHOW32 " ESP=", [frame + 12]
                mov eax, [frame + 8]
                call show_if
                cmp dword [entry_esp], T86_STACK - 20
                je .switched
                PRINT ", on the old stack", 10
                jmp .within
.switched:      PRINT ", on the stack of the TSS", 10

.within:        call flush
                MARK 2
                sti
                pushfd
                push cs
                push dword .back2
                cli
                iretd
.back2:         pushfd
                pop dword [after_iret]
                MARK 0
                PRINT "IRET to a pushed CS:"
                mov eax, [after_iret]
                call show_if
                PRINT 10

                cli
                MARK 3
                sti
                pushfd
                push dword KERNEL_CS
                push dword .back3
                cli
                iretd
.back3:         pushfd
                pop dword [after_iret]
                MARK 0
                PRINT "IRET to CS=0008:    "
                mov eax, [after_iret]
                call show_if
                PRINT 10

                cli
                call flush
                GATE 0x80, .next_round, 0xEE
                mov ebx, ROUNDS
                MARK 4
.again:         FROM_FRAME user_return, EFLAGS_FIXED | EFLAGS_IF
.next_round:    bt dword [esp + 8], 9   ; DS is null after the IRET; ESP addresses through SS
                adc dword [ss:rounds_if], 0
                cmp esp, T86_STACK - 20
                jne .same_stack
                inc dword [ss:rounds_switched]
.same_stack:    dec ebx
                jnz .again
                MARK 0
                mov ax, KERNEL_DS
                mov ds, ax
                mov es, ax
                mov ss, ax
                mov esp, FRAME
                push dword ROUNDS
                call put_dec
                SHOWDEC " round trips: ", [rounds_if]
                SHOWDEC " with IF=1, ", [rounds_switched]
                PRINT " with a stack switch", 10
                mov eax, [rounds_if]
                add eax, [rounds_switched]
                cmp eax, 2 * ROUNDS
                jne .wrong
                PRINT "every return did what the manual says", 10
                EXIT 0
.wrong:         PRINT "these returns were not what this kernel asked for", 10
                EXIT 4

; show_if: EAX = an EFLAGS image
show_if:        PRINT " IF="
                shr eax, 9
                and eax, 1
                push eax
                call put_dec
                ret

; ---------------------------------------------------------------- ring 3
user_look:      mov ax, USER_DS
                mov ds, ax
                mov [user_esp], esp
                mov eax, cs
                mov [user_cs], eax
                mov eax, ss
                mov [user_ss], eax
                pushfd
                pop dword [user_eflags]
                int 0x80

user_return:    int 0x80

                T86_END
