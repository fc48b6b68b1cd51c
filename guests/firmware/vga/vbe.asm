vbe:
vbe_off:
        ret
