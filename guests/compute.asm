; compute: nothing to trap. Two CPU-bound loops (compute-kernels.inc) in a flat 32-bit kernel with paging on.
;
; A technique that de-privileges by protection runs these at full speed: between the marks there is no sensitive instruction.
; What each technique does to plain code shows in the MIPS; the check values say that it did the right thing.
;
; Phase 1: K1, 3 000 000 iterations, about 69 M instructions.   Phase 2: K2, 250 000 iterations, about 67 M instructions.
;
; The arena's pages are mapped at 800000h in swapped pairs, so that an access across a page boundary touches two frames that
; do not lie side by side. Every page is touched, and its A and D bits are set, before a phase begins.
;
; For benchmarks: image offset 200h holds dd "T86K", iterations of K1 and K2, linear addresses of the loops, of the arena.
; Iterations may be patched in the image; check values then differ. Time between MARK n and MARK 0.

%define T86_NAME  "compute"
%define T86_TITLE "two loops that nobody needs to trap"
%macro T86_HEADER 0
                db "T86K"
k1_iterations:  dd 3000000
k2_iterations:  dd 250000
                dd kernel1, kernel2, ARENA
%endmacro
%include "t86.inc"

ARENA           equ 0x800000            ; linear
ARENA_FRAMES    equ 0x60000             ; physical
PAGE_DIRECTORY  equ 0x50000
PAGE_TABLE_LOW  equ 0x51000             ; 0-4 MB, identity
PAGE_TABLE_HIGH equ 0x52000             ; 8-12 MB
PTE_PRESENT_RW  equ 0x63                ; P, R/W, A, D

kernel_main:    call paging_on
                PRINT "t86 compute: K1 and K2, flat 32-bit, paging on", 10
                call flush

                mov esi, ARENA
                mov ecx, 1
                call kernel1                 ; brings in the code pages
                mov ecx, 1
                call kernel2

                call arena_fill
                mov ecx, [k1_iterations]
                MARK 1
                call kernel1
                mov edx, eax
                MARK 0
                SHOWDEC "K1 iterations ", [k1_iterations]
                SHOW32 " check=", edx
                PRINT 10
                call flush

                call arena_fill
                mov ecx, [k2_iterations]
                MARK 2
                call kernel2
                mov edx, eax
                MARK 0
                SHOWDEC "K2 iterations ", [k2_iterations]
                SHOW32 " check=", edx
                PRINT 10
                ret

; paging_on: identity-map the first 4 MB and the arena's frames at ARENA in swapped pairs
paging_on:      mov edi, PAGE_DIRECTORY
                mov ecx, 3 * 1024
                xor eax, eax
                rep stosd
                mov dword [PAGE_DIRECTORY], PAGE_TABLE_LOW | PTE_PRESENT_RW
                mov dword [PAGE_DIRECTORY + (ARENA >> 22) * 4], PAGE_TABLE_HIGH | PTE_PRESENT_RW
                mov edi, PAGE_TABLE_LOW
                mov eax, PTE_PRESENT_RW
.low:           stosd
                add eax, 0x1000
                cmp eax, 0x400000
                jb .low
                xor ecx, ecx
.arena:         mov eax, ecx
                xor eax, 1
                shl eax, 12
                add eax, ARENA_FRAMES | PTE_PRESENT_RW
                mov [PAGE_TABLE_HIGH + ecx * 4], eax
                inc ecx
                cmp ecx, KERNEL_ARENA_BYTES / 0x1000
                jb .arena
                mov eax, PAGE_DIRECTORY
                mov cr3, eax
                mov eax, cr0
                or eax, CR0_PG | CR0_WP
                mov cr0, eax
                jmp .paged
.paged:         ret

                times -($ - $$ + T86_LOAD) & 4095 db 0  ; both loops in one page
%include "compute-kernels.inc"

                T86_END
