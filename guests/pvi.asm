; pvi: a kernel of ring 3 with a virtual interrupt flag. Lab L8.
;
; Built with the macros of lite.inc, as plex86-lite wanted its guests. With CR4.PVI set, CLI and STI at CPL 3 act on VIF and do
; not fault, until an interrupt waits (VIP): then STI does (SDM 3B, "Protected-Mode Virtual Interrupts"). But PUSHF still shows
; the processor's IF = 1, and VIF in bit 19: a kernel can see that it is not alone. User code cannot: PVI and VIF are off there.
;
; Phase 1: CLI and STI a hundred times, nothing waits.
; Phase 2: PUSHF in the kernel, raw and through the macro, with IF clear; raw with IF set.
; Phase 3: to ring 3, PUSHF there, and back.
; Phase 4: STI while the timer waits.

%define T86_NAME  "pvi"
%define T86_TITLE "a virtual interrupt flag for the kernel"
%include "t86.inc"
%include "lite.inc"

BSS ticks, 4
BSS kernel_image, 4
BSS raw_image, 4
BSS open_image, 4
BSS user_image, 4
BSS kernel_esp, 4

kernel_main:    call pit_hold
                call pic_init
                mov dword [bare_iret], plain_iret
                GATE 0xFF, no_monitor, 0x8E
                GATE IRQ_BASE, timer, 0x8E
                GATE 0x80, back, 0xEE
                HAL_START
                mov ax, TSS_SELECTOR
                ltr ax
                sti
                call flush

                mov ecx, 100
                MARK 1
.switch:        cli
                sti
                loop .switch
                MARK 0

                MARK 2
                cli
                db 0x3E
                pushfd
                pop dword [raw_image]
                LITE_PUSHF
                pop dword [kernel_image]
                sti
                db 0x3E
                pushfd
                pop dword [open_image]
                MARK 0

                mov [kernel_esp], esp
                mov [t86_esp0], esp
                mov ax, USER_DS         ; the kernel may use it as well
                mov ds, ax
                mov es, ax
                MARK 3
                push dword USER_DS
                push dword 0x88000
                push dword EFLAGS_FIXED | EFLAGS_IF
                push dword USER_CS
                push dword user
                LITE_IRET

user:           pushfd
                pop dword [user_image]
                int 0x80

back:           mov esp, [kernel_esp]
                MARK 0

                cli
                mov eax, PIT_HZ / 1000
                call pit_init
                mov al, 0xFE
                out PIC1_DATA, al
                mov ecx, 3000000        ; many times the timer's period
.wait:          loop .wait
                MARK 4
                sti
                nop                     ; in the shadow of STI
                MARK 0
                mov al, 0xFF
                out PIC1_DATA, al

                mov eax, [kernel_image]
                shr eax, 9
                and eax, 1
                SHOWDEC "CLI, PUSHF by the macro: IF=", eax
                PRINT 10
                mov eax, [open_image]
                shr eax, 19
                and eax, 1
                SHOWDEC "kernel code sees bit 19 =", eax
                PRINT 10
                mov eax, [user_image]
                shr eax, 19
                and eax, 1
                SHOWDEC "user code sees bit 19 =", eax
                PRINT 10
                cmp dword [ticks], 0
                jne .woke
                PRINT "no timer", 10
                EXIT 1
.woke:          PRINT "STI let the timer in", 10
                ret

no_monitor:     mov eax, -1
plain_iret:     iretd

timer:          push eax
                inc dword [ticks]
                mov al, PIC_EOI
                out PIC1_COMMAND, al
                pop eax
                LITE_IRET

                T86_END
