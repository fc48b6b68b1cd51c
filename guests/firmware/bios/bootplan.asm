; Booting what the host has laid out: when fw_cfg holds the files
; opt/trapscope/bootplan and opt/trapscope/bootdata, INT 19h copies the data to the
; addresses of the plan and enters it, instead of trying disks. The format is
; documented in src/firmware/boot-plan-format.ts.

PLAN_MAGIC      equ 'TSBP'
PLAN_VERSION    equ 1
PLAN_HEADER     equ 64
PLAN_CHUNKS     equ 64                  ; as many as E_SECTOR holds
; offsets in the header
P_MODE          equ 6
P_COUNT         equ 8
P_EIP           equ 16
P_ESP           equ 20
P_EAX           equ 24
P_EBX           equ 28
P_ECX           equ 32
P_EDX           equ 36
P_ESI           equ 40
P_EDI           equ 44
P_EBP           equ 48
P_CS            equ 52
P_SS            equ 54
P_DS            equ 56
P_ES            equ 58
P_FS            equ 60
P_GS            equ 62
CHUNK_ZEROS     equ 0x80000000          ; in a length: no data, fill with zeros

SEL_CODE32      equ 0x08
SEL_DATA32      equ 0x10
SEL_CODE16      equ 0x18
SEL_DATA16      equ 0x20

; Flat segments and those of real mode. Accessed bits are set: the processor need
; not write into the ROM.
        align   8, db 0
plan_gdt:
        dq      0
        dq      0x00CF9B000000FFFF
        dq      0x00CF93000000FFFF
        dq      0x00009B0F0000FFFF
        dq      0x000093000000FFFF
plan_gdtr:
        dw      plan_gdtr - plan_gdt - 1
        dd      0xF0000 + plan_gdt

; Returns when there is no plan (or one of another version).
boot_plan:
        mov     si, .data_name
        mov     cx, .data_name_end - .data_name
        call    fwcfg_find
        jc      .none
        push    ax
        mov     si, .plan_name
        mov     cx, .plan_name_end - .plan_name
        call    fwcfg_find
        pop     cx
        jc      .none
        push    cx
        call    fwcfg_select
        SETSEG  es, EBDA
        mov     di, E_PLAN
        mov     cx, PLAN_HEADER
        mov     dx, FWCFG_DATA
        rep insb
        pop     bx                      ; key of the data
        mov     si, msg_bad_plan
        cmp     dword [E_PLAN], PLAN_MAGIC
        jne     print
        cmp     word [E_PLAN + 4], PLAN_VERSION
        jne     print
        mov     cx, [E_PLAN + P_COUNT]
        cmp     cx, PLAN_CHUNKS
        ja      print
        mov     di, E_SECTOR
        shl     cx, 3
        rep insb
        mov     si, msg_plan
        call    print
        mov     ax, bx
        call    fwcfg_select
        mov     al, 1
        call    a20_set
        cli
        o32 lgdt [cs:plan_gdtr]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword SEL_CODE32:0xF0000 + plan_load
.none:
        ret
.plan_name      db "opt/trapscope/bootplan", 0
.plan_name_end:
.data_name      db "opt/trapscope/bootdata", 0
.data_name_end:

        bits 32
plan_load:
        mov     eax, SEL_DATA32
        mov     ds, eax
        mov     es, eax
        mov     fs, eax
        mov     gs, eax
        mov     ss, eax
        mov     ebp, EBDA * 16 + E_PLAN
        mov     esi, EBDA * 16 + E_SECTOR
        movzx   ebx, word [ebp + P_COUNT]
        mov     edx, FWCFG_DATA
        cld
.chunk:
        sub     ebx, 1
        jc      .enter
        lodsd
        mov     edi, eax
        lodsd
        mov     ecx, eax
        btr     ecx, 31
        jc      .zeros
        rep insb
        jmp     .chunk
.zeros:
        xor     eax, eax
        rep stosb
        jmp     .chunk
.enter:
        cmp     word [ebp + P_MODE], 32
        jne     .real
        mov     eax, [ebp + P_EAX]
        mov     ebx, [ebp + P_EBX]
        mov     ecx, [ebp + P_ECX]
        mov     edx, [ebp + P_EDX]
        mov     esi, [ebp + P_ESI]
        mov     edi, [ebp + P_EDI]
        mov     esp, [ebp + P_ESP]
        push    dword [ebp + P_EIP]
        mov     ebp, [ebp + P_EBP]
        ret
.real:
        jmp     SEL_CODE16:plan_real

        bits 16
plan_real:
        mov     ax, SEL_DATA16
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, 0xFE
        mov     cr0, eax
        jmp     0xF000:.real
.real:
        mov     ax, EBDA
        mov     ds, ax
        mov     ss, [E_PLAN + P_SS]
        mov     esp, [E_PLAN + P_ESP]
        push    word [E_PLAN + P_CS]
        push    word [E_PLAN + P_EIP]
        push    word [E_PLAN + P_DS]
        mov     es, [E_PLAN + P_ES]
        mov     fs, [E_PLAN + P_FS]
        mov     gs, [E_PLAN + P_GS]
        mov     eax, [E_PLAN + P_EAX]
        mov     ebx, [E_PLAN + P_EBX]
        mov     ecx, [E_PLAN + P_ECX]
        mov     edx, [E_PLAN + P_EDX]
        mov     esi, [E_PLAN + P_ESI]
        mov     edi, [E_PLAN + P_EDI]
        mov     ebp, [E_PLAN + P_EBP]
        pop     ds
        retf

msg_plan        db "Loading the kernel...", 13, 10, 0
msg_bad_plan    db "The boot plan is of another version.", 13, 10, 0
