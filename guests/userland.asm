; userland: user code that computes, user code that calls, and user code with interrupts closed. Lab L12.
;
; A monitor that runs user code as it is and emulates the kernel gains where user code computes, and pays at each change between
; the two. It runs user code only where nothing about its state needs the kernel: here, only with interrupts open.
;
; Phase 1: ring 3 computes, ROUNDS rounds of five instructions, and calls INT 80h once.
; Phase 2: ring 3 calls INT 80h CALLS times and does nothing else.
; Phase 3: phase 1 again, with IF=0 in ring 3.

%define T86_NAME  "userland"
%define T86_TITLE "compute, call, and neither"
%include "t86.inc"

ROUNDS          equ 50000
CALLS           equ 100
USER_STACK      equ 0x88000

BSS value, 4
BSS calls, 4
BSS next, 4

; IN_USER label, eflags, label: to ring 3 at the first label; INT 80h with EAX = 1 goes on at the second
%macro IN_USER 3
                mov dword [next], %3
                TO_USER %1, %2
%endmacro

kernel_main:    mov ax, TSS_SELECTOR
                ltr ax
                GATE 0x80, system_call, 0xEE
                PRINT "t86 userland: compute, call, and neither", 10
                call flush
                MARK 1
                IN_USER compute, EFLAGS_FIXED | EFLAGS_IF, .second
.second:        MARK 0
                MARK 2
                IN_USER call_often, EFLAGS_FIXED | EFLAGS_IF, .third
.third:         MARK 0
                MARK 3
                IN_USER compute, EFLAGS_FIXED, .shown
.shown:         MARK 0
                SHOW32 "value ", dword [value]
                SHOWDEC ", calls ", dword [calls]
                PRINT 10
                cmp dword [calls], CALLS
                je .right
                EXIT 1
.right:         EXIT 0

; system_call: EAX = 0 counts, EAX = 1 ends the program
system_call:    push ds
                push eax
                mov ax, KERNEL_DS
                mov ds, ax
                cmp dword [esp], 1
                je .end
                inc dword [calls]
                pop eax
                pop ds
                iretd
.end:           mov es, ax
                mov [value], ebx
                mov ss, ax
                mov esp, T86_STACK - 64
                jmp [next]

; ---------------------------------------------------------------- ring 3
compute:        mov ax, USER_DS
                mov ds, ax
                mov ecx, ROUNDS
                mov ebx, 1
.next:          lea ebx, [ebx + ebx * 4]
                add ebx, ecx
                rol ebx, 3
                dec ecx
                jnz .next
                mov eax, 1
                int 0x80

call_often:     mov ax, USER_DS
                mov ds, ax
                mov ecx, CALLS
                xor eax, eax
.next:          int 0x80
                loop .next
                inc eax
                int 0x80

                T86_END
