; What the processor itself wants: its local APIC, its memory types.
;
; A processor with a local APIC receives the 8259's interrupts through its LINT0
; pin, which is masked after reset: open it ("virtual wire mode").

APIC_SPURIOUS   equ 0xFEE000F0
APIC_LINT0      equ 0xFEE00350
APIC_LINT1      equ 0xFEE00360

; EDX = the features that CPUID tells; 0 without CPUID. Changes EAX, EBX, ECX.
cpu_features:
        pushfd                                  ; CPUID exists where EFLAGS.ID can change
        pop     eax
        mov     ecx, eax
        xor     eax, 1 << 21
        push    eax
        popfd
        pushfd
        pop     eax
        xor     edx, edx
        xor     eax, ecx
        test    eax, 1 << 21
        jz      .none
        mov     eax, 1
        cpu 586
        cpuid
        cpu 386
.none:
        ret

init_local_apic:
        call    cpu_features
        test    edx, 1 << 9
        jz      .none
        mov     edi, APIC_SPURIOUS
        mov     eax, 0x10F                      ; enabled
        call    .store
        mov     edi, APIC_LINT0
        mov     eax, 0x700                      ; ExtINT
        call    .store
        mov     edi, APIC_LINT1
        mov     eax, 0x400                      ; NMI
.store:
        push    eax
        xor     eax, eax
        mov     ax, sp                          ; SS is 0 during POST
        mov     edx, edi
        mov     cx, 2
        call    copy_physical
        pop     eax
.none:
        ret

; Memory types: RAM is written back, the display and what lies at the top of the
; addresses is not cached, ROMs are write-protected.

MTRR_PHYS_BASE0 equ 0x200
MTRR_FIX_64K    equ 0x250
MTRR_FIX_16K    equ 0x258
MTRR_FIX_4K     equ 0x268
MTRR_DEF_TYPE   equ 0x2FF
DEVICES         equ 0xC0000000                  ; up to 4 GB

init_memory_types:
        call    cpu_features
        test    edx, 1 << 12
        jz      .none
        cpu 586
        xor     eax, eax
        xor     edx, edx
        mov     ecx, MTRR_DEF_TYPE              ; off while they change
        wrmsr
        mov     ecx, MTRR_FIX_16K + 1           ; A0000: uncacheable
        wrmsr
        mov     eax, 0x06060606                 ; write-back
        mov     edx, eax
        mov     ecx, MTRR_FIX_64K
        wrmsr
        mov     ecx, MTRR_FIX_16K
        wrmsr
        mov     eax, 0x05050505                 ; write-protected
        mov     edx, eax
        mov     ecx, MTRR_FIX_4K
.rom:
        wrmsr
        inc     ecx
        cmp     ecx, MTRR_FIX_4K + 8
        jb      .rom
        xor     edx, edx
        mov     eax, DEVICES                    ; uncacheable
        mov     ecx, MTRR_PHYS_BASE0
        wrmsr
        mov     edx, 0xF                        ; 36 bits of address
        mov     eax, DEVICES | 0x800            ; valid
        inc     ecx
        wrmsr
        xor     edx, edx
        mov     eax, 0xC06                      ; on, the fixed ones too; write-back elsewhere
        mov     ecx, MTRR_DEF_TYPE
        wrmsr
        cpu 386
.none:
        ret
