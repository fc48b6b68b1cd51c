; Text on the screen, through INT 10h like any program's.

; CS:SI: text ended by 0.
print:
        push    ax
        push    bx
        push    si
.next:
        cs lodsb
        test    al, al
        jz      .done
        call    print_char
        jmp     .next
.done:
        pop     si
        pop     bx
        pop     ax
        ret

print_char:
        push    ax
        push    bx
        mov     ah, 0x0E
        mov     bx, 0x0007
        int     0x10
        pop     bx
        pop     ax
        ret

; EAX in decimal.
print_decimal:
        push    eax
        push    ebx
        push    cx
        push    edx
        xor     cx, cx
        mov     ebx, 10
.divide:
        xor     edx, edx
        div     ebx
        push    dx
        inc     cx
        test    eax, eax
        jnz     .divide
.digits:
        pop     ax
        add     al, '0'
        call    print_char
        loop    .digits
        pop     edx
        pop     cx
        pop     ebx
        pop     eax
        ret

; AX as four hexadecimal digits.
print_hex:
        push    ax
        push    cx
        mov     cx, 4
.digit:
        rol     ax, 4
        push    ax
        and     al, 0x0F
        cmp     al, 10
        sbb     al, 0x69                ; the classic nibble-to-ASCII trick: SBB then DAS
        das
        call    print_char
        pop     ax
        loop    .digit
        pop     cx
        pop     ax
        ret
