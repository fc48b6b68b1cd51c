; window: a kernel that uses all of its linear space. Lab L11.
;
; A monitor needs a place in the guest's linear space for the tables that the processor reads: GDT, IDT, TSS. A kernel in ring 3
; can be kept from it by the page tables (U/S), wherever it is; so it can move when the guest wants the place. A kernel in ring 1
; is a supervisor to the processor, and only segment limits keep it out: the window must stay at the top.
; This guest maps all 1 024 page directory entries, and looks at SGDT while it uses one after the other.
;
; Phase 1: a read in the top 4 MB.
; Phase 2: NEXT reads, each in the 4 MB below the one before, and SGDT after each.
; Phase 3: a read in each 4 MB of the rest, from the bottom up.

%define T86_NAME  "window"
%define T86_TITLE "nowhere to hide"
%include "t86.inc"

PAGE_DIRECTORY  equ 0x50000
PAGE_TABLE      equ 0x51000
PTE_PRESENT_RW  equ 0x63                ; P, R/W, A, D
REGION          equ 1 << 22
PLACE           equ 0x58000             ; in each region: the same frame, through one page table
TOP             equ 0x1_0000_0000 - REGION
NEXT            equ 8

BSS image, 8
BSS last_base, 4
BSS bases, 4

; LOOK: SGDT, and whether it shows another base than the last time
%macro LOOK 0
                sgdt [image]
                mov eax, [image + 2]
                cmp eax, [last_base]
                je %%same
                mov [last_base], eax
                inc dword [bases]
%%same:
%endmacro

kernel_main:    call paging_on
                PRINT "t86 window: nowhere to hide", 10
                call flush
                LOOK

                MARK 1
                mov eax, [TOP + PLACE]
                LOOK
                MARK 0
                SHOWDEC "bases that SGDT showed: ", dword [bases]
                PRINT 10
                call flush

                mov edi, TOP + PLACE
                mov ecx, NEXT
                MARK 2
.below:         sub edi, REGION
                mov eax, [edi]
                LOOK
                loop .below
                MARK 0
                SHOWDEC "bases that SGDT showed: ", dword [bases]
                PRINT 10
                call flush

                mov edi, PLACE
                mov ecx, 1024 - 1 - 1 - NEXT
                MARK 3
.above:         add edi, REGION
                mov eax, [edi]
                loop .above
                MARK 0
                PRINT "all of 4 GB was used", 10
                cmp dword [bases], 1
                jne .wrong
                cmp dword [last_base], t86_gdt
                jne .wrong
                PRINT "and the descriptor table stayed where this kernel put it", 10
                ret
.wrong:         PRINT "and the descriptor table was not where this kernel put it", 10
                EXIT 1

; paging_on: 1 024 times the same page table, which maps the first 4 MB
paging_on:      mov edi, PAGE_TABLE
                mov eax, PTE_PRESENT_RW
.next:          stosd
                add eax, 0x1000
                cmp eax, REGION
                jb .next
                mov edi, PAGE_DIRECTORY
                mov ecx, 1024
                mov eax, PAGE_TABLE | PTE_PRESENT_RW
                rep stosd
                mov eax, PAGE_DIRECTORY
                mov cr3, eax
                mov eax, cr0
                or eax, CR0_PG | CR0_WP
                mov cr0, eax
                ret

                T86_END
