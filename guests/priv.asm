; priv: the first rows of the privilege matrix. Every cell puts the processor into one state (CPL or V86, IOPL, CR4.VME, PVI,
; UMIP, TSD, EFLAGS.VIP), executes one instruction there, and writes one line: what happened.
;
;       CLI      cpl3 iopl0 PVI      ran 00100000
;       SGDT     cpl3 iopl0 UMIP     #GP(0000)
;
; `ran` may be followed by a result: the flags IF, IOPL, VIF, VIP and CF afterwards, or what the instruction delivered.
; `INT 80`: the gate was entered. A fault whose saved EIP is not the instruction's is marked with `!`.
; priv-model.mjs says, from the manual, what each line must be. What CPUID does not offer is left out, and said.
;
; Phases 1-5: CPL 0, CPL 3, CPL 1, CPL 2, V86. No text leaves the machine inside a phase. All IRQ lines stay masked.
;
; How a cell runs: IRETD from ring 0 makes the state; behind the instruction stands UD2, which is legal nowhere and so comes
; back from everywhere; every vector leads to `cell_done`.

%define T86_NAME  "priv"
%define T86_TITLE "the privilege matrix, first rows"
%define T86_EXTRA_DESCRIPTORS 5
%define T86_LOG_BYTES 0x8000
%include "t86.inc"

RING1_CS        equ 0x38 | 1
RING1_DS        equ 0x40 | 1
RING2_CS        equ 0x48 | 2
RING2_DS        equ 0x50 | 2
PRIV_TSS        equ 0x58

EFLAGS_VIF      equ 1 << 19
EFLAGS_VIP      equ 1 << 20
SHOWN_FLAGS     equ EFLAGS_CF | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP
CR4_VME         equ 1 << 0
CR4_PVI         equ 1 << 1
CR4_TSD         equ 1 << 2
CR4_UMIP        equ 1 << 11

FEATURE_VME     equ 1 << 1              ; CPUID.1:EDX
FEATURE_TSC     equ 1 << 4
FEATURE_MSR     equ 1 << 5
FEATURE_SEP     equ 1 << 11
FEATURE_FXSR    equ 1 << 24
FEATURE_UMIP    equ 1 << 2              ; CPUID.7.0:ECX

PORT_DENIED     equ 0x84                ; DMA page registers that no channel uses
PORT_ALLOWED    equ 0x85
REDIRECTED      equ 0x80                ; INT 80h: gate with DPL 3, redirection bit 0
KEPT            equ 0x81                ; INT 81h: gate with DPL 0, redirection bit 1
RING_STACK      equ 0x88000             ; stack of a cell above ring 0
ENTRY_STACK     equ 0x98000             ; ESP0
V86_STACK       equ 0x7000              ; SS = 0
CELL_BUFFER     equ 0x6000              ; where SGDT, SIDT and the x87 store; reachable with DS = 0

; What makes sense to vary:
VARY_IF         equ 0                   ; IOPL 0-3; PVI or VME
VARY_VIP        equ 1                   ; the same, and VIP with PVI or VME
VARY_UMIP       equ 2
VARY_TSD        equ 3
VARY_IOPL       equ 4                   ; IOPL 0 and 3
VARY_NONE       equ 5

RESULT_NONE     equ 0
RESULT_EAX      equ 1
RESULT_FLAGS    equ 2

; Where a test does not run, and what it needs:
NOT_RING0       equ 1                   ; would stop the machine there, or means something else
NEEDS_TSC       equ 2
NEEDS_MSR       equ 4
NEEDS_SEP       equ 8
NEEDS_FXSR      equ 16

                struc test              ; one row of the table
.name:          resb 8
.vary:          resb 1
.result:        resb 1
.limits:        resb 2
.flags:         resd 1                  ; entry EFLAGS; VIF only counts with VME or PVI
.code:          resd 1                  ; protected mode
.at:            resd 1                  ; the instruction itself
.v86_code:      resd 1                  ; 0: not in V86
.v86_at:        resd 1
                endstruc

; TEST name, vary, result, limits, entry flags: the 32-bit code follows, AT before the instruction itself. V86CODE: the
; 16-bit code follows. END_TEST. BEHIND is a label for the code after the instruction.
%assign TESTS 0
%macro TEST 5
  %assign TESTS TESTS + 1
  %xdefine TEST_NAME_%[TESTS] %1
  %xdefine TEST_ROW_%[TESTS] %2, %3
  %xdefine TEST_LIMITS_%[TESTS] %4
  %xdefine TEST_FLAGS_%[TESTS] %5
  %xdefine TEST_HERE test_%[TESTS]
  %xdefine TEST_V86_%[TESTS] 0, 0
  %xdefine BEHIND test_%[TESTS]_behind
TEST_HERE:
%endmacro
%macro AT 0
%[TEST_HERE]_at:
%endmacro
%macro V86CODE 0
                ud2
                bits 16
  %xdefine TEST_HERE test_v86_%[TESTS]
  %xdefine BEHIND test_v86_%[TESTS]_behind
  %xdefine TEST_V86_%[TESTS] test_v86_%[TESTS], test_v86_%[TESTS]_at
TEST_HERE:
%endmacro
%macro END_TEST 0
                ud2
                bits 32
%endmacro
; TEST2: the same one-line code in both modes
%macro TEST2 6+
                TEST %1, %2, %3, %4, %5
                AT
                %6
                V86CODE
                AT
                %6
                END_TEST
%endmacro

; ---------------------------------------------------------------- the instructions
%include "priv-tests.inc"

                align 4, db 0
tests:
%assign i 1
%rep TESTS
                db TEST_NAME_%[i]
                times 8 - ($ - tests - (i - 1) * test_size) db ' '
                db TEST_ROW_%[i]
                dw TEST_LIMITS_%[i]
                dd TEST_FLAGS_%[i], test_%[i], test_%[i]_at, TEST_V86_%[i]
  %assign i i + 1
%endrep
tests_end:

; ---------------------------------------------------------------- the run
BSS features, 4                         ; CPUID.1:EDX
BSS features7, 4                        ; CPUID.7.0:ECX
BSS cell_test, 4
BSS cell_ring, 4                        ; 0-3, or 4 = V86
BSS cell_iopl, 4
BSS cell_cr4, 4
BSS cell_vip, 4                         ; EFLAGS_VIP or 0
BSS loop_esp, 4
BSS cells, 4
BSS seen_eax, 4
BSS seen_vector, 4
BSS seen_error, 4
BSS seen_eip, 4
BSS seen_eflags, 4
BSS the_tss, 0x100

TSS_REDIRECTION equ 104                 ; 32 bytes; the I/O map must follow it at once
TSS_IO_MAP      equ TSS_REDIRECTION + 32
TSS_BYTES       equ TSS_IO_MAP + 256 / 8 + 1

kernel_main:    call build_tables
                call find_features
                PRINT "t86 priv: one instruction a line", 10
                PRINT "left out:"
                mov ebx, 0              ; nothing left out so far
                mov eax, [features]
                test eax, FEATURE_VME
                jnz .vme
                PRINT " VME PVI"
                inc ebx
.vme:           test byte [features7], FEATURE_UMIP
                jnz .umip
                PRINT " UMIP"
                inc ebx
.umip:          test eax, FEATURE_TSC
                jnz .tsc
                PRINT " TSC"
                inc ebx
.tsc:           test eax, FEATURE_MSR
                jnz .msr
                PRINT " MSR"
                inc ebx
.msr:           test eax, FEATURE_SEP
                jnz .sep
                PRINT " SYSENTER"
                inc ebx
.sep:           test eax, FEATURE_FXSR
                jnz .fxsr
                PRINT " FXSR"
                inc ebx
.fxsr:          test ebx, ebx
                jnz .said
                PRINT " nothing"
.said:          PRINT 10
                call flush

%macro GROUP 2                          ; phase, ring
                MARK %1
                mov dword [cell_ring], %2
                call run_ring
                MARK 0
                call flush
%endmacro
                GROUP 1, 0
                GROUP 2, 3
                GROUP 3, 1
                GROUP 4, 2
                GROUP 5, 4
                SHOWDEC "cells: ", [cells]
                PRINT 10
                ret

; run_ring: every test that runs in [cell_ring]
run_ring:       mov dword [cell_test], tests
.next:          mov esi, [cell_test]
                cmp dword [cell_ring], 4
                jne .protected
                cmp dword [esi + test.v86_code], 0
                je .skip
.protected:     movzx eax, word [esi + test.limits]
                test al, NOT_RING0
                jz .any_ring
                cmp dword [cell_ring], 0
                je .skip
.any_ring:      mov edx, [features]
                test al, NEEDS_TSC
                jz .tsc
                test edx, FEATURE_TSC
                jz .skip
.tsc:           test al, NEEDS_MSR
                jz .msr
                test edx, FEATURE_MSR
                jz .skip
.msr:           test al, NEEDS_SEP
                jz .sep
                test edx, FEATURE_SEP
                jz .skip
.sep:           test al, NEEDS_FXSR
                jz .run
                test edx, FEATURE_FXSR
                jz .skip
.run:           mov dword [cell_iopl], 0
                mov dword [cell_cr4], 0
                mov dword [cell_vip], 0
                movzx eax, byte [esi + test.vary]
                call [.vary + eax * 4]
.skip:          add dword [cell_test], test_size
                cmp dword [cell_test], tests_end
                jb .next
                ret
                align 4, db 0
.vary:          dd vary_if, vary_vip, vary_umip, vary_tsd, vary_iopl, run_cell

; vary_if: IOPL 0-3; then with VME (V86), with PVI (ring 3) or, to show that PVI is for ring 3 only, one cell with PVI
vary_if:        call all_iopl
                test dword [features], FEATURE_VME
                jz .done
                mov eax, [cell_ring]
                cmp eax, 3
                mov dword [cell_cr4], CR4_PVI
                je all_iopl
                jb run_cell
                mov dword [cell_cr4], CR4_VME
                jmp all_iopl
.done:          ret

; vary_vip: the same, and VIP=1 with PVI (ring 3) or VME (V86) at IOPL 0 and 3
vary_vip:       call vary_if
                test dword [features], FEATURE_VME
                jz .done
                cmp dword [cell_ring], 3
                jb .done
                mov dword [cell_vip], EFLAGS_VIP
                jmp vary_iopl
.done:          ret

vary_umip:      call run_cell
                test byte [features7], FEATURE_UMIP
                jz .done
                mov dword [cell_cr4], CR4_UMIP
                jmp run_cell
.done:          ret

vary_tsd:       call run_cell
                mov dword [cell_cr4], CR4_TSD
                jmp run_cell

vary_iopl:      call run_cell
                mov dword [cell_iopl], 3
                call run_cell
                mov dword [cell_iopl], 0
                ret

all_iopl:       call run_cell
                inc dword [cell_iopl]
                cmp dword [cell_iopl], 4
                jb all_iopl
                mov dword [cell_iopl], 0
                ret

; run_cell: one instruction in the state that cell_* says
run_cell:       inc dword [cells]
                mov [loop_esp], esp
                mov esi, [cell_test]
                mov eax, [cell_cr4]
                mov cr4, eax
                mov edx, [cell_iopl]
                shl edx, 12
                or edx, [esi + test.flags]
                test al, CR4_VME | CR4_PVI
                jz .no_vif              ; VIF means something with VME or PVI, and is tested where they act
                cmp dword [cell_ring], 3
                jae .flags
.no_vif:        and edx, ~EFLAGS_VIF
.flags:         or edx, [cell_vip]
                or edx, EFLAGS_FIXED
                mov ebx, [cell_ring]
                cmp ebx, 4
                je .v86
                mov ecx, [.ds + ebx * 4]
                test ebx, ebx
                jz .same_ring
                push ecx
                push dword RING_STACK
.same_ring:     push edx
                push dword [.cs + ebx * 4]
                push dword [esi + test.code]
                mov ds, cx
                mov es, cx
                jmp .go
.v86:           xor eax, eax
                push eax                ; GS FS DS ES SS
                push eax
                push eax
                push eax
                push eax
                push dword V86_STACK
                or edx, EFLAGS_VM
                push edx
                push eax                ; CS
                push dword [esi + test.v86_code]
.go:            mov eax, 0              ; a known start that leaves the flags alone
                mov ecx, eax
                mov edx, eax
                iretd
.cs:            dd KERNEL_CS, RING1_CS, RING2_CS, USER_CS
.ds:            dd KERNEL_DS, RING1_DS, RING2_DS, USER_DS

; cell_done: every vector comes here with vector, error code, EIP, CS, EFLAGS on the stack
cell_done:      push eax
                mov ax, KERNEL_DS
                mov ds, ax
                mov es, ax
                cld
                pop dword [seen_eax]
                pop dword [seen_vector]
                pop dword [seen_error]
                pop dword [seen_eip]
                add esp, 4
                pop dword [seen_eflags]
                mov esp, [loop_esp]
                xor eax, eax
                mov cr4, eax

; The line: name, ring, IOPL, CR4 and VIP, outcome.
                mov esi, [cell_test]
                mov ecx, 8
                xor edx, edx
.name:          mov al, [esi + edx]
                call putc
                inc edx
                loop .name
                mov eax, [cell_ring]
                cmp eax, 4
                je .v86
                SHOWDEC " cpl", eax
                jmp .iopl
.v86:           PRINT " v86 "
.iopl:          SHOWDEC " iopl", [cell_iopl]
                mov eax, [cell_cr4]
                test eax, eax
                jnz .cr4
                PRINT " -        "
                jmp .outcome
.cr4:           test eax, CR4_VME
                jz .pvi
                PRINT " VME"
                jmp .vip
.pvi:           test eax, CR4_PVI
                jz .umip
                PRINT " PVI"
.vip:           cmp dword [cell_vip], 0
                je .no_vip
                PRINT "+VIP  "
                jmp .outcome
.no_vip:        PRINT "      "
                jmp .outcome
.umip:          test eax, CR4_UMIP
                jz .tsd
                PRINT " UMIP     "
                jmp .outcome
.tsd:           PRINT " TSD      "

.outcome:       mov edx, [esi + test.at]
                cmp dword [cell_ring], 4
                jne .have_at
                mov edx, [esi + test.v86_at]
.have_at:       mov eax, [seen_vector]
                cmp eax, 6
                jne .not_ud
                cmp edx, [seen_eip]
                jne .ran                ; the UD2 behind it
                PRINT "#UD", 10
                ret
.not_ud:        cmp eax, 32
                jae .interrupt
                PRINT "#"
                lea ecx, [exception_names + eax * 2]
                push eax
                mov al, [ecx]
                call putc
                mov al, [ecx + 1]
                call putc
                pop eax
                mov ecx, 0x00027D00     ; vectors 8, 10-14, 17 push an error code
                bt ecx, eax
                jnc .where
                PRINT "("
                push dword [seen_error]
                call put_hex16
                PRINT ")"
.where:         mov ecx, 0x0000001A     ; 1, 3, 4 are traps here: EIP is behind the instruction
                bt ecx, eax
                jc .end
                cmp edx, [seen_eip]
                je .end
                PRINT " !"
                jmp .end
.interrupt:     PRINT "INT "
                push eax
                call put_hex8
                jmp .end
.ran:           PRINT "ran"
                cmp byte [esi + test.result], RESULT_EAX
                jb .end
                mov eax, [seen_eax]
                je .show
                mov eax, [seen_eflags]
                and eax, SHOWN_FLAGS
.show:          SHOW32 " ", eax
.end:           PRINT 10
                ret

exception_names: db "DEDBNMBPOFBRUDNMDF09TSNPSSGPPF15MFACMCXMVECP2223242526272829SX31"

; ---------------------------------------------------------------- set-up
%macro ENTRY 1                          ; a vector above 31
entry_%1:       push byte 0
                push dword %1
                jmp t86_exception
%endmacro
                ENTRY REDIRECTED
                ENTRY KEPT

build_tables:   mov edi, t86_gdt_free
                mov esi, .descriptors
                mov ecx, 8
                rep movsd
                mov eax, the_tss        ; and 58h: the TSS, whose address is no constant that DESCRIPTOR could split
                mov dword [edi], TSS_BYTES - 1
                mov [edi + 2], ax
                shr eax, 16
                mov [edi + 4], al
                mov word [edi + 5], 0x0089
                mov [edi + 7], ah

                mov dword [the_tss + 4], ENTRY_STACK
                mov dword [the_tss + 8], KERNEL_DS
                mov word [the_tss + 102], TSS_IO_MAP
                mov byte [the_tss + TSS_REDIRECTION + KEPT / 8], 1 << (KEPT % 8)
                mov edi, the_tss + TSS_IO_MAP
                mov ecx, 256 / 8 + 1    ; all denied, and the byte of ones that ends the map
                mov al, 0xFF
                rep stosb
                and byte [the_tss + TSS_IO_MAP + PORT_ALLOWED / 8], ~(1 << (PORT_ALLOWED % 8))
                mov ax, PRIV_TSS
                ltr ax
                mov ax, LDT_SELECTOR
                lldt ax

                GATE REDIRECTED, entry_REDIRECTED, 0xEE
                GATE KEPT, entry_KEPT, 0x8E
                GATE 3, t86_stubs + 3 * T86_STUB_BYTES, 0xEE
                GATE 4, t86_stubs + 4 * T86_STUB_BYTES, 0xEE
                mov dword [t86_fault_hook], cell_done
                mov word [REDIRECTED * 4], v86_interrupt        ; the vector table of real mode, for VME
                mov word [REDIRECTED * 4 + 2], 0
                ret
                align 4, db 0
.descriptors:   DESCRIPTOR 0, 0xFFFFF, 0xBB, 0xC        ; 38 ring 1 code
                DESCRIPTOR 0, 0xFFFFF, 0xB3, 0xC        ; 40 ring 1 data
                DESCRIPTOR 0, 0xFFFFF, 0xDB, 0xC        ; 48 ring 2 code
                DESCRIPTOR 0, 0xFFFFF, 0xD3, 0xC        ; 50 ring 2 data

; v86_interrupt: where a redirected INT arrives inside V86; the flags that were pushed become the result
                bits 16
v86_interrupt:  pop ax
                pop ax
                pop ax
                ud2
                bits 32

find_features:  mov eax, 1
                cpuid
                mov [features], edx
                xor eax, eax
                cpuid
                cmp eax, 7
                jb .done
                mov eax, 7
                xor ecx, ecx
                cpuid
                mov [features7], ecx
.done:          test dword [features], FEATURE_SEP
                jz .no_sysenter
                mov ecx, 0x174          ; IA32_SYSENTER_CS = 0: SYSENTER and SYSEXIT fault in a known way
                xor eax, eax
                xor edx, edx
                wrmsr
.no_sysenter:   ret

                T86_END
