; tables: where do the system tables lie? Lab L2 (the "red pill").
;
; SGDT, SIDT, SLDT, STR and SMSW read registers of the supervisor and are allowed at every CPL, so a monitor that relies on
; traps cannot hide its own tables: the guest reads them. With UMIP (CR4 bit 11) the five raise #GP above CPL 0.
;
; Phase 1: the five instructions, once each, to memory or a register.

%define T86_NAME  "tables"
%define T86_TITLE "SGDT SIDT SLDT STR SMSW"
%include "t86.inc"

BSS gdt_image, 6
BSS idt_image, 6

kernel_main:    mov ax, LDT_SELECTOR
                lldt ax
                mov ax, TSS_SELECTOR
                ltr ax
                PRINT "t86 tables: five registers, read without privilege", 10

                MARK 1
                sgdt [gdt_image]
                sidt [idt_image]
                sldt bx
                str cx
                smsw dx
                MARK 0

                movzx ebx, bx
                movzx ecx, cx
                movzx edx, dx
                mov esi, 1              ; all as this kernel set them?
                SHOW32 "SGDT base ", [gdt_image + 2]
                movzx eax, word [gdt_image]
                SHOW16 " limit ", eax
                cmp dword [gdt_image + 2], t86_gdt
                call verdict
                SHOW32 "SIDT base ", [idt_image + 2]
                movzx eax, word [idt_image]
                SHOW16 " limit ", eax
                cmp dword [idt_image + 2], t86_idt
                call verdict
                SHOW16 "SLDT ", ebx
                cmp ebx, LDT_SELECTOR
                call verdict
                SHOW16 "STR  ", ecx
                cmp ecx, TSS_SELECTOR
                call verdict
                SHOW16 "SMSW ", edx
                cmp edx, CR0_PE | CR0_ET
                call verdict
                test esi, esi
                jz .foreign
                PRINT "these are this kernel's own tables", 10
                ret
.foreign:       PRINT "somebody else's tables: this kernel is not alone", 10
                EXIT 2

; verdict: ZF=1 says the value is this kernel's own
verdict:        je .own
                xor esi, esi
                PRINT "  not what this kernel loaded"
.own:           PRINT 10
                ret

                T86_END
