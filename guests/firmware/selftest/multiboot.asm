; A multiboot image that reports on COM1 what it was started with, then powers off
; through the PIIX4.

        cpu 386
        bits 32
        org 0x100000

header:
        dd      0x1BADB002
        dd      0x00010003
        dd      -(0x1BADB002 + 0x00010003)
        dd      header, header, end_of_file, end_of_bss, start

start:
        mov     esp, stack
        mov     ebp, ebx
        call    hex
        mov     eax, cr0
        and     eax, 0x80000001
        call    hex
        mov     eax, [variable]
        call    hex
        mov     eax, [ebp + 8]          ; mem_upper
        call    hex
        mov     esi, [ebp + 16]         ; command line
        call    text
        mov     al, ' '
        call    send
        mov     esi, [ebp + 24]         ; first module
        mov     esi, [esi]
        call    text
        mov     dx, 0x604
        mov     ax, 0x2000
        out     dx, ax
        cli
        hlt

text:
        lodsb
        test    al, al
        jz      .done
        call    send
        jmp     text
.done:
        ret

hex:
        mov     ecx, 8
.digit:
        rol     eax, 4
        push    eax
        and     al, 0x0F
        cmp     al, 10
        sbb     al, 0x69
        das
        call    send
        pop     eax
        loop    .digit
        mov     al, ' '

send:
        push    edx
        push    eax
        mov     dx, 0x3FD
.wait:
        in      al, dx
        test    al, 0x20
        jz      .wait
        pop     eax
        mov     dx, 0x3F8
        out     dx, al
        pop     edx
        ret

end_of_file:
        absolute end_of_file
variable: resd  1
        resb    256
stack:
end_of_bss:
