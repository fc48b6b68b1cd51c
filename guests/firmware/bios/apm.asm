; Advanced Power Management 1.2 (INT 15h AH=53h) with real-mode, 16- and 32-bit
; interfaces. What it is for: switching the machine off, and idling.
; Not implemented: standby and suspend, batteries, events; connecting is not tracked.

APM_VERSION     equ 0x0102
APM_SIGNATURE   equ 0x504D              ; "PM"
POWER_OFF       equ 0x2000              ; PM1 control: sleep enable, type 0 = soft off

int15_apm:
        mov     al, [bp + R_AL]
        mov     bx, [bp + R_BX]
        mov     cx, [bp + R_CX]
        cmp     al, 0x02
        je      .connect_16
        cmp     al, 0x03
        je      .connect_32
        call    apm_16
        mov     [bp + R_AX], ax
        mov     [bp + R_BX], bx
        mov     [bp + R_CX], cx
        jc      int15_carry
        cmp     byte [bp + R_AL], 0x0A
        jne     int15_end
        mov     [bp + R_DX], dx
        jmp     int15_end
.connect_16:                            ; segments, entry, lengths
        mov     word [bp + R_AX], 0xF000
        mov     word [bp + R_BX], apm_entry_16
        mov     word [bp + R_CX], 0xF000
        mov     word [bp + R_SI], 0xFFFF
        mov     word [bp + R_DI], 0xFFFF
        jmp     int15_end
.connect_32:
        mov     word [bp + R_AX], 0xF000
        mov     dword [bp + R_BX], apm_entry_32
        mov     word [bp + R_CX], 0xF000
        mov     word [bp + R_DX], 0xF000
        mov     dword [bp + R_SI], 0xFFFFFFFF
        mov     word [bp + R_DI], 0xFFFF
        jmp     int15_end

; The functions, for 16- and for 32-bit code. AL: function, BX, CX: its parameters ->
; CF, AX, BX, CX, DX. Touches no memory: the caller's segments are unknown here.
%macro APM_FUNCTIONS 0
        cmp     al, 0x00
        je      %%check
        cmp     al, 0x05
        je      %%idle
        cmp     al, 0x07
        je      %%set_state
        cmp     al, 0x0A
        je      %%status
        cmp     al, 0x0B
        je      %%event
        cmp     al, 0x0C
        je      %%get_state
        cmp     al, 0x0E
        je      %%version
        cmp     al, 0x10
        je      %%capabilities
        ja      %%unsupported
        mov     ah, 0                   ; connect, disconnect, busy, enable, engage, ...
        clc
        ret
%%check:
        mov     ax, APM_VERSION
        mov     bx, APM_SIGNATURE
        mov     cx, 0x0003              ; 16- and 32-bit interfaces
        clc
        ret
%%idle:
        sti
        hlt
        mov     ah, 0
        clc
        ret
%%set_state:
        cmp     cx, 3
        jne     %%cannot
        call    %%off
%%cannot:
        mov     ah, 0x60                ; cannot enter that state
        stc
        ret
%%status:
        mov     bx, 0x01FF              ; mains; battery state
        mov     cx, 0x80FF              ; no battery; charge
        mov     dx, 0xFFFF              ; and time unknown
        mov     ah, 0
        clc
        ret
%%event:
        mov     ah, 0x80                ; none
        stc
        ret
%%get_state:
        mov     cx, 0                   ; ready
        mov     ah, 0
        clc
        ret
%%version:
        mov     ax, APM_VERSION
        clc
        ret
%%capabilities:
        mov     bx, 0
        mov     cx, 0
        mov     ah, 0
        clc
        ret
%%unsupported:
        mov     ah, 0x0C
        stc
        ret
; The PIIX4's power management function, wherever the guest has put its ports.
%%off:
        mov     ecx, 0x80000000
%%function:
        mov     eax, ecx
        mov     dx, PCI_ADDRESS
        out     dx, eax
        mov     dx, PCI_DATA
        in      eax, dx
        cmp     eax, 0x71138086
        je      %%found
        add     ecx, 0x100
        cmp     ecx, 0x80010000
        jb      %%function
        ret
%%found:
        mov     eax, ecx
        mov     al, 0x40
        mov     dx, PCI_ADDRESS
        out     dx, eax
        mov     dx, PCI_DATA
        in      ax, dx
        and     ax, 0xFFC0
        jz      %%none
        add     ax, 4
        mov     dx, ax
        mov     ax, POWER_OFF
        out     dx, ax
%%none:
        ret
%endmacro

apm_16:
        APM_FUNCTIONS
apm_entry_16:
        call    apm_16
        retf
        bits 32
apm_32:
        APM_FUNCTIONS
apm_entry_32:
        call    apm_32
        retf
        bits 16
