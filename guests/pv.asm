; pv: a kernel that was ported to the hypercalls of `paravirt` (docs/hypercalls.md). Lab L3's last column.
;
; No instruction of it traps: it asks by INT 82h, closes and opens interrupts by a store into the page that it shares with the
; monitor, and takes system calls from ring 3 through a trap gate that leads to it without the monitor.
; On bare metal INT 82h finds no handler: a ported kernel needs its monitor.
;
; Phase 1: interrupts closed and opened a hundred times.
; Phase 2: a hundred system calls from ring 3.
; Phase 3: the timer, which comes when interrupts open.

%define T86_NAME  "pv"
%define T86_TITLE "a ported kernel"
%define T86_PORTED
%include "t86.inc"

HYPERCALL       equ 0x82
CALL_REGISTER   equ 0
CALL_TRAP_TABLE equ 1
CALL_IRET       equ 4
CALL_TIMER      equ 10
CALL_CONSOLE    equ 11
CALL_POLL       equ 12
CALL_TASK       equ 13
CALL_SHUTDOWN   equ 14
CALL_MARK       equ 15

SHARED          equ 0x60000             ; the shared page: vIF, pending, CR2
SHARED_IF       equ SHARED
SHARED_PENDING  equ SHARED + 4

BSS ticks, 4
BSS calls, 4

; PV_CALL number, first argument, second
%macro PV_CALL 1-3 0, 0
                mov eax, %1
                mov ebx, %2
                mov ecx, %3
                int HYPERCALL
%endmacro
%macro PV_MARK 1
                PV_CALL CALL_MARK, %1
%endmacro
; IRET: the monitor takes EAX off the stack, then does what IRET does
%macro PV_IRET 0
                push eax
                mov eax, CALL_IRET
                int HYPERCALL
%endmacro
%macro PV_CLI 0
                mov dword [SHARED_IF], 0
%endmacro
%macro PV_STI 0
                mov dword [SHARED_IF], 1
                cmp dword [SHARED_PENDING], 0
                je %%none
                PV_CALL CALL_POLL
%%none:
%endmacro

kernel_main:    PV_CALL CALL_REGISTER, SHARED
                GATE IRQ_BASE, timer, 0x8E
                GATE 0x80, system_call, 0xEF
                PV_CALL CALL_TRAP_TABLE, t86_idt, 256 * 8 - 1
                mov dword [t86_esp0], 0x80000
                PV_CALL CALL_TASK, TSS_SELECTOR

                PV_MARK 1
                mov ecx, 100
.switch:        PV_CLI
                mov dword [SHARED_IF], 1
                cmp dword [SHARED_PENDING], 0
                loop .switch
                PV_MARK 0

                PV_MARK 2
                mov ax, USER_DS
                mov ds, ax
                mov es, ax
                push dword USER_DS
                push dword 0x88000
                push dword EFLAGS_FIXED | EFLAGS_IF
                push dword USER_CS
                push dword user
                PV_IRET

user:           mov esi, 100
.again:         int 0x80
                dec esi
                jnz .again
                xor eax, eax
                inc eax
                int 0x80                ; EAX = 1: enough

system_call:    cmp eax, 1
                je .enough
                inc dword [calls]
                PV_IRET
.enough:        PV_MARK 0

                PV_CLI
                PV_CALL CALL_TIMER, PIT_HZ / 1000
                mov ecx, 3000000
.wait:          loop .wait
                PV_MARK 3
                PV_STI
                PV_MARK 0

                SHOWDEC "system calls: ", dword [calls]
                PRINT 10
                cmp dword [ticks], 0
                je .late
                PRINT "opening interrupts let the timer in", 10
.late:          mov ecx, [t86_log_end]
                sub ecx, t86_log
                mov ebx, t86_log
                mov eax, CALL_CONSOLE
                int HYPERCALL
                PV_CALL CALL_SHUTDOWN, 0

timer:          pushad
                inc dword [ticks]
                popad
                PV_IRET

                T86_END
