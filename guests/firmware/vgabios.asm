        cpu 386
        bits 16
        org 0
        dw      0xAA55
        db      64
        retf
