; A processor with a local APIC receives the 8259's interrupts through its LINT0
; pin, which is masked after reset: open it ("virtual wire mode").

APIC_SPURIOUS   equ 0xFEE000F0
APIC_LINT0      equ 0xFEE00350
APIC_LINT1      equ 0xFEE00360

init_local_apic:
        pushfd                                  ; CPUID exists where EFLAGS.ID can change
        pop     eax
        mov     ecx, eax
        xor     eax, 1 << 21
        push    eax
        popfd
        pushfd
        pop     eax
        xor     eax, ecx
        test    eax, 1 << 21
        jz      .none
        mov     eax, 1
        cpu 586
        cpuid
        cpu 386
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
