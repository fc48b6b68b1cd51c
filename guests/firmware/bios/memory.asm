; Memory: how much there is (INT 15h AH=88h, E801h, E820h), moving blocks above
; 1 MB (87h) and entering protected mode for a program (89h).

int15_memory_88:
        SETSEG  ds, EBDA
        mov     eax, [E_HIGHMEM]
        cmp     eax, 63 * 1024          ; all that 24-bit programs can use, less the ROM alias
        jbe     .store
        mov     ax, 63 * 1024
.store:
        mov     [bp + R_AX], ax
        jmp     int15_end

int15_memory_e8:
        SETSEG  ds, EBDA
        mov     al, [bp + R_AL]
        cmp     al, 0x01
        je      .e801
        cmp     al, 0x20
        je      .e820
        jmp     int15.unknown

.e801:                                  ; KB from 1 to 16 MB, 64 KB units above
        mov     eax, [E_HIGHMEM]
        xor     edx, edx
        cmp     eax, 15 * 1024
        jbe     .low
        mov     edx, eax
        sub     edx, 15 * 1024
        shr     edx, 6
        mov     ax, 15 * 1024
.low:
        mov     [bp + R_AX], ax
        mov     [bp + R_CX], ax
        mov     [bp + R_BX], dx
        mov     [bp + R_DX], dx
        jmp     int15_end

; EDX='SMAP', EBX: entry wanted, ECX: buffer size, ES:DI: buffer. EBX <- next entry.
.e820:
        cmp     dword [bp + R_DX], 0x534D4150
        jne     int15.unknown
        cmp     dword [bp + R_CX], 20
        jb      int15.unknown
        mov     eax, [bp + R_BX]
        mov     cl, 5
        cmp     dword [E_OVER4G], 0
        je      .count
        inc     cl
.count:
        cmp     eax, 5
        ja      int15.unknown
        cmp     al, cl
        jae     int15.unknown
        mov     es, [bp + R_ES]
        mov     di, [bp + R_DI]
        movzx   si, al
        imul    si, si, 12
        add     si, .map
        mov     bx, ax
        cs lodsd
        stosd                           ; base
        xor     eax, eax
        stosd
        cs lodsd
        mov     edx, 0
        cmp     bl, 3
        je      .high
        cmp     bl, 5
        jne     .length
        mov     dword [es:di - 8], 0
        mov     dword [es:di - 4], 1
        mov     eax, [E_OVER4G]
        mov     edx, eax
        shl     eax, 16
        shr     edx, 16
        jmp     .length
.high:
        mov     eax, [E_HIGHMEM]
        shl     eax, 10
.length:
        stosd
        mov     eax, edx
        stosd
        cs lodsd
        stosd
        inc     bl
        cmp     bl, cl
        jb      .more
        xor     bl, bl
.more:
        movzx   ebx, bl
        mov     [bp + R_BX], ebx
        mov     dword [bp + R_CX], 20
        mov     dword [bp + R_AX], 0x534D4150
        jmp     int15_end

; base, length, type: 1 RAM, 2 reserved
.map:
        dd      0x00000000, BASE_KB * 1024, 1
        dd      BASE_KB * 1024, 1024, 2
        dd      0x000E0000, 0x00020000, 2
        dd      0x00100000, 0, 1
        dd      0xFFFC0000, 0x00040000, 2
        dd      0x00000000, 0, 1

; ---- protected mode ----------------------------------------------------------
; AH=87h: ES:SI: table of six descriptors, of which the caller fills source (10h)
; and destination (18h); CX: words.
int15_block_move:
        cli
        in      al, PORT_A20
        push    ax
        mov     al, 1
        call    a20_set
        mov     es, [bp + R_ES]
        mov     si, [bp + R_SI]
        mov     word [es:si + 0x20], 0xFFFF     ; this code
        mov     dword [es:si + 0x22], 0x9B0F0000
        mov     word [es:si + 0x26], 0
        mov     word [es:si + 0x28], 0xFFFF     ; the stack, and real-mode limits again
        xor     eax, eax
        mov     ax, ss
        shl     eax, 4
        or      eax, 0x93000000
        mov     [es:si + 0x2A], eax
        mov     word [es:si + 0x2E], 0
        xor     eax, eax
        mov     ax, es
        shl     eax, 4
        movzx   edx, si
        add     eax, edx
        mov     word [es:si + 0x08], 0x2F
        mov     [es:si + 0x0A], eax             ; the table itself: a pseudo-descriptor too
        movzx   ecx, word [bp + R_CX]
        mov     bx, ss
        o32 lgdt [es:si + 0x08]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     0x20:.protected
.protected:
        mov     ax, 0x10
        mov     ds, ax
        mov     ax, 0x18
        mov     es, ax
        mov     ax, 0x28
        mov     ss, ax
        xor     esi, esi
        xor     edi, edi
        add     ecx, ecx                        ; bytes; 64 KB at most
        mov     edx, ecx
        shr     ecx, 2
        a32 rep movsd
        test    dl, 2
        jz      .even
        a32 movsw
.even:
        mov     ax, 0x28
        mov     ds, ax
        mov     es, ax
        mov     eax, cr0
        and     al, 0xFE
        mov     cr0, eax
        jmp     0xF000:.real
.real:
        mov     ss, bx
        pop     ax
        shr     al, 1
        call    a20_set
        mov     byte [bp + R_AH], 0
        jmp     int15_end

; AH=89h: ES:SI: table of eight descriptors; BH, BL: vectors of IRQ 0 and IRQ 8.
; Returns to the caller in protected mode with the selectors of the table.
int15_protected:
        cli
        mov     al, 1
        call    a20_set
        mov     ax, [bp + R_BX]
        mov     bl, 0x11
        xchg    al, bl
        out     PIC1_CMD, al
        out     PIC2_CMD, al
        mov     al, ah
        out     PIC1_DATA, al
        mov     al, bl
        out     PIC2_DATA, al
        mov     al, 0x04
        out     PIC1_DATA, al
        mov     al, 0x02
        out     PIC2_DATA, al
        mov     al, 0x01
        out     PIC1_DATA, al
        out     PIC2_DATA, al
        mov     al, 0xFF                        ; the caller opens what it serves
        out     PIC1_DATA, al
        out     PIC2_DATA, al
        mov     es, [bp + R_ES]
        mov     si, [bp + R_SI]
        mov     word [es:si + 0x38], 0xFFFF
        mov     dword [es:si + 0x3A], 0x9B0F0000
        mov     word [es:si + 0x3E], 0
        lgdt    [es:si + 0x08]
        lidt    [es:si + 0x10]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     0x38:.protected
.protected:
        mov     ax, 0x28
        mov     ss, ax
        mov     ax, 0x18
        mov     ds, ax
        mov     ax, 0x20
        mov     es, ax
        popad
        mov     ah, 0
        add     sp, 4                           ; ES and DS of real mode
        push    ax
        push    bp
        mov     bp, sp
        mov     word [bp + 6], 0x30             ; CS of the caller; IP is there
        pop     bp
        pop     ax
        clc
        retf    2
