; INT 16h. The buffer holds keys as the enhanced functions show them; functions
; 00h and 01h translate them for programs of the 84-key time.

int16:
        sti
        SERVICE
        SETSEG  ds, BDA
        mov     ah, [bp + R_AH]
        cmp     ah, 0x00
        je      .read
        cmp     ah, 0x01
        je      .peek
        cmp     ah, 0x02
        je      .flags
        cmp     ah, 0x03
        je      .typematic
        cmp     ah, 0x05
        je      .store
        cmp     ah, 0x09
        je      .capabilities
        cmp     ah, 0x0A
        je      .identify
        cmp     ah, 0x10
        je      .read_extended
        cmp     ah, 0x11
        je      .peek_extended
        cmp     ah, 0x12
        je      .flags_extended
        jmp     .end

.read:
        call    key_wait
        call    key_classic
        jc      .read
        jmp     .return_key
.read_extended:
        call    key_wait
        call    key_enhanced
.return_key:
        mov     [bp + R_AX], ax
.end:
        SERVICE_END

.peek:                                          ; ZF clear and the key stays
        cli
        call    key_first
        jz      .empty
        call    key_classic
        jnc     .have
        call    key_drop                        ; a key that this function cannot show
        sti
        jmp     .peek
.peek_extended:
        cli
        call    key_first
        jz      .empty
        call    key_enhanced
.have:
        and     byte [bp + R_FLAGS], 0xBF
        jmp     .return_key
.empty:
        or      byte [bp + R_FLAGS], 0x40
        jmp     .end

.flags_extended:                                ; AH: which Ctrl and Alt, locks held down
        mov     ah, [B_KEYFLAGS2]
        mov     bl, ah
        and     ah, 0x73
        mov     al, [B_KEYFLAGS3]
        and     al, KF3_RCTRL | KF3_RALT
        or      ah, al
        test    bl, KF2_SYSREQ
        jz      .no_sysreq
        or      ah, 0x80
.no_sysreq:
        mov     [bp + R_AH], ah
.flags:
        mov     al, [B_KEYFLAGS]
        mov     [bp + R_AL], al
        jmp     .end

.typematic:                                     ; AL=5: BH delay, BL rate
        cmp     byte [bp + R_AL], 5
        jne     .end
        cli
        mov     al, 0xAD
        call    kbc_command
        mov     al, 0xF3
        call    kbd_send
        jc      .typematic_done
        mov     al, [bp + R_BH]
        and     al, 0x03
        shl     al, 5
        mov     ah, [bp + R_BL]
        and     ah, 0x1F
        or      al, ah
        call    kbd_send
.typematic_done:
        mov     al, 0xAE
        call    kbc_command
        jmp     .end

.store:                                         ; CX: key; AL=1 when the buffer is full
        mov     ax, [bp + R_CX]
        call    buffer_put
        setc    [bp + R_AL]
        jmp     .end

.capabilities:                                  ; AX=0305h, 0Ah and 10h-12h work
        mov     byte [bp + R_AL], 0x34
        jmp     .end

.identify:
        mov     word [bp + R_BX], 0x41AB        ; what a translated MF2 keyboard answers
        jmp     .end

; AX <- first key, SI its place; ZF when there is none.
key_first:
        mov     si, [B_KEYHEAD]
        cmp     si, [B_KEYTAIL]
        je      .none
        mov     ax, [si]
.none:
        ret

key_drop:
        mov     si, [B_KEYHEAD]
        call    buffer_advance
        mov     [B_KEYHEAD], si
        ret

; Waits for a key and takes it out of the buffer.
key_wait:
        cli
        call    key_first
        jnz     .take
        mov     ax, 0x9002                      ; the operating system may do other work
        int     0x15
        cli
        call    key_first
        jnz     .take
        sti
        hlt
        jmp     key_wait
.take:
        push    ax
        call    key_drop
        pop     ax
        sti
        ret

; AX: key as the enhanced functions return it.
key_enhanced:
        cmp     al, 0xF0
        jne     .done
        test    ah, ah
        jz      .done
        xor     al, al
.done:
        ret

; AX: key as an 84-key keyboard would give it; CF when it had none.
key_classic:
        test    ah, ah
        jz      .keep                           ; a character typed with Alt and digits
        cmp     al, 0xF0
        je      .drop
        cmp     ah, 0xE0
        je      .keypad
        cmp     ah, 0x84
        ja      .drop
        cmp     al, 0xE0
        jne     .keep
        xor     al, al
.keep:
        clc
        ret
.keypad:                                        ; Enter and / of the keypad
        mov     ah, 0x1C
        cmp     al, 0x2F
        jne     .keep
        mov     ah, 0x35
        jmp     .keep
.drop:
        stc
        ret
