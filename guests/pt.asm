; pt: a storm over page tables. Lab L10.
;
; What a kernel does to its page tables all day: maps pages, remaps them, changes address spaces, and copies on write. A monitor
; with shadow page tables pays for what the processor must be told, and for what it finds missing afterwards.
; The code of the phases has a page of its own, its variables another; both are in the processor's tables when a phase begins.
;
; Phase 1: PAGES times: an entry becomes present, the page is read.
; Phase 2: PAGES times: an entry gets another frame, INVLPG, the page is read.
; Phase 3: SWITCHES times: MOV CR3 to the other of two address spaces; TOUCHED pages are read.
; Phase 4: PAGES pages are made read-only and MOV CR3; then each is written, and the page fault handler makes it writable again.

%define T86_NAME  "pt"
%define T86_TITLE "a storm over page tables"
%include "t86.inc"

DIRECTORY_A     equ 0x50000
DIRECTORY_B     equ 0x51000
TABLE_LOW       equ 0x52000             ; the first 4 MB, in both spaces
TABLE_A         equ 0x53000             ; the pages under study
TABLE_B         equ 0x54000
VARIABLES       equ 0x55000
FRAMES          equ 0x60000
AREA            equ 0x400000            ; linear: 4 MB to 8 MB
PTE_READ_ONLY   equ 0x61                ; P, A, D
PTE_PRESENT_RW  equ 0x63
PAGES           equ 16
SWITCHES        equ 16
TOUCHED         equ 4

total           equ VARIABLES           ; sum of what was read
faults          equ VARIABLES + 4

kernel_main:    mov dword [t86_fault_hook], fault
                call frames_init
                call paging_on
                PRINT "t86 pt: a storm over page tables", 10
                call flush
                call phases

                SHOWDEC "sum of all that was read: ", dword [total]
                PRINT 10
                SHOWDEC "write faults: ", dword [faults]
                PRINT 10
                ; 16 pages of value n, the same moved on by 16, 16 switches of 4 pages, and 16 that were counted up
                cmp dword [total], (0 + 15) * 8 + (16 + 31) * 8 + 8 * (0 + 1 + 2 + 3) + 8 * (16 + 17 + 18 + 19) + (17 + 32) * 8
                jne .wrong
                cmp dword [faults], PAGES
                jne .wrong
                PRINT "as on bare metal", 10
                ret
.wrong:         PRINT "not as on bare metal", 10
                EXIT 1

; frames_init: frame n holds the number n
frames_init:    mov edi, FRAMES
                xor eax, eax
.next:          mov [edi], eax
                add edi, 0x1000
                inc eax
                cmp eax, 2 * PAGES
                jb .next
                ret

; paging_on: space A as far as AREA; space B with frames 0 to TOUCHED - 1 there
paging_on:      mov edi, DIRECTORY_A
                mov ecx, 6 * 1024       ; two directories, three tables, the variables
                xor eax, eax
                rep stosd
                mov dword [DIRECTORY_A], TABLE_LOW | PTE_PRESENT_RW
                mov dword [DIRECTORY_B], TABLE_LOW | PTE_PRESENT_RW
                mov dword [DIRECTORY_A + (AREA >> 22) * 4], TABLE_A | PTE_PRESENT_RW
                mov dword [DIRECTORY_B + (AREA >> 22) * 4], TABLE_B | PTE_PRESENT_RW
                mov edi, TABLE_LOW
                mov eax, PTE_PRESENT_RW
.low:           stosd
                add eax, 0x1000
                cmp eax, 0x400000
                jb .low
                mov edi, TABLE_B
                mov eax, FRAMES | PTE_PRESENT_RW
                mov ecx, TOUCHED
.other:         stosd
                add eax, 0x1000
                loop .other
                mov eax, DIRECTORY_A
                mov cr3, eax
                mov eax, cr0
                or eax, CR0_PG | CR0_WP
                mov cr0, eax
                ret

                times -($ - $$ + T86_LOAD) & 4095 db 0
phases:         mov dword [total], 0            ; the processor has the entries of these two from here on
                mov dword [TABLE_A], 0
                mov esi, FRAMES | PTE_PRESENT_RW
                mov edi, AREA
                mov ebx, TABLE_A
                mov ecx, PAGES
                MARK 1
.map:           mov [ebx], esi
                mov edx, [edi]
                add [total], edx
                add esi, 0x1000
                add edi, 0x1000
                add ebx, 4
                loop .map
                MARK 0

                mov edi, AREA
                mov ebx, TABLE_A
                mov ecx, PAGES
                MARK 2
.remap:         mov [ebx], esi
                invlpg [edi]
                mov edx, [edi]
                add [total], edx
                add esi, 0x1000
                add edi, 0x1000
                add ebx, 4
                loop .remap
                MARK 0

                mov ecx, SWITCHES
                mov esi, DIRECTORY_B
                MARK 3
.switch:        mov cr3, esi
                xor esi, DIRECTORY_A ^ DIRECTORY_B
                mov edi, AREA
.touch:         mov edx, [edi]
                add [total], edx
                add edi, 0x1000
                cmp edi, AREA + TOUCHED * 0x1000
                jb .touch
                loop .switch
                MARK 0

                mov ebx, TABLE_A
                mov edx, AREA
                mov ecx, PAGES
                mov dword [TABLE_A + PAGES * 4], 0
                push eax                        ; the stack, too, is in the processor's tables
                pop eax
                MARK 4
.protect:       and byte [ebx], ~2
                add ebx, 4
                loop .protect
                mov esi, DIRECTORY_A
                mov cr3, esi
                mov ecx, PAGES
.write:         inc dword [edx]
                mov esi, [edx]
                add [total], esi
                add edx, 0x1000
                loop .write
                MARK 0
                ret

; fault: [esp] = vector, error code, EIP, CS, EFLAGS. A write to a read-only page of AREA: writable from now on.
fault:          cmp dword [esp], 14
                jne .unexpected
                push eax
                mov eax, cr2
                shr eax, 12
                or byte [TABLE_A + (eax - (AREA >> 12)) * 4], 2
                shl eax, 12
                invlpg [eax]
                inc dword [faults]
                pop eax
                add esp, 8
                iretd
.unexpected:    mov dword [t86_fault_hook], 0
                jmp t86_exception

                T86_END
