; Addresses in F000h that software has relied on since 1981, ending with the reset
; vector.

        FIXED   0xE05B
        jmp     post
        FIXED   0xE2C3
        jmp     int_nmi
        FIXED   0xE3FE
        jmp     int13
        FIXED   0xE6F2
        jmp     int19
        FIXED   0xE6F5
configuration_table:                    ; INT 15h AH=C0h
        dw      8
        db      0xFC, 0x00, 0x01        ; PC AT, submodel, revision
        db      0x74                    ; two 8259, clock, keyboard intercept, EBDA
        db      0x40                    ; INT 16h AH=09h
        db      0, 0, 0
        FIXED   0xE739
        jmp     int14
        FIXED   0xE82E
        jmp     int16
        FIXED   0xE987
        jmp     int09
        FIXED   0xEC59
        jmp     int40
        FIXED   0xEF57
        jmp     int0e
        FIXED   0xEFC7
; INT 1Eh: step rate, DMA, motor-off ticks, sector size, sectors per track, gap,
; data length, format gap, fill byte, head settle (ms), motor start (1/8 s).
; No start time: the controller itself waits for the index hole of a disk that
; is not up to speed, and failed reads are tried again.
diskette_parameters:
        db      0xAF, 0x02, 0x25, 0x02, 18, 0x1B, 0xFF, 0x6C, 0xF6, 0x0F, 0x00
        FIXED   0xEFD2
        jmp     int17
        FIXED   0xF065
        jmp     int10
        FIXED   0xF841
        jmp     int12
        FIXED   0xF84D
        jmp     int11
        FIXED   0xF859
        jmp     int15
        FIXED   0xFA6E                  ; 8x8 characters 00h-7Fh, for the CGA's graphics modes
        incbin  "font-8x8.bin", 0, 128 * 8
        FIXED   0xFE6E
        jmp     int1a
        FIXED   0xFEA5
        jmp     int08
        FIXED   0xFF53
        iret
        FIXED   0xFF54
        jmp     int05
        FIXED   0xFFF0
        jmp     0xF000:post
        db      "02/14/03"
        db      0x00, 0xFC, 0x00
