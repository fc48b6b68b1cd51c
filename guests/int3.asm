; int3: five things that a debugger's breakpoints have to come to terms with. Lab L4.
;
; A monitor that writes INT3 over what would leak (one byte, found by decoding along direct control flow) changes what the guest
; reads, must not take data for code, and meets instructions that end in another page and breakpoints that are not its own.
; Interrupts are closed all the time (IF=0), so that a PUSHF that runs outside ring 0 shows the wrong IF.
;
; Phase 1: a routine is called and finds its argument, bytes 9C, where its return address points. It reads them.
; Phase 2: the kernel compares a routine that contains PUSHF with an untouched copy.
; Phase 3: PUSHFW, bytes 66 9C, with the 66 on a page's last byte; entered there, and at the 9C alone, which is PUSHFD.
; Phase 4: the same with the second page not present until the kernel's page fault handler maps it.
; Phase 5: the kernel's own INT3.

%define T86_NAME  "int3"
%define T86_TITLE "breakpoints, and who else looks at the code"
%include "t86.inc"

PAGE_DIRECTORY  equ 0x50000
PAGE_TABLE      equ 0x51000
PTE_PRESENT_RW  equ 0x63                ; P, R/W, A, D
SPLIT           equ 0x61000             ; the 9C of phase 3; its 66 is the byte before
ABSENT          equ 0x63000             ; the same for phase 4, whose page is not present
STAGED          equ 0x65000             ; where the bytes for ABSENT wait: the page that is mapped there

BSS seen_data, 4
BSS same_code, 4
BSS images, 4 * 4                       ; PUSHF of phase 3 at its 66 and its 9C, the same of phase 4
BSS faults, 4
BSS own_hits, 4
BSS own_eip, 4

; IMAGE entry, n: calls `entry`, keeps the EFLAGS image that it comes back with
%macro IMAGE 2
                mov ebp, esp
                call %1
                mov [images + %2 * 4], eax
%endmacro

kernel_main:    mov dword [t86_fault_hook], fault
                call stage
                call paging_on
                PRINT "t86 int3: breakpoints, and who else looks at the code", 10
                call flush

                MARK 1
                call take_argument
                db 0x9C, 0x9C, 0x9C, 0x9C
                MARK 0

                mov esi, checked
                mov edi, untouched
                mov ecx, checked_end - checked
                MARK 2
                call checked
                repe cmpsb
                setz byte [same_code]
                MARK 0

                MARK 3
                IMAGE SPLIT - 1, 0
                IMAGE SPLIT, 1
                MARK 0

                MARK 4
                IMAGE ABSENT - 1, 2
                IMAGE ABSENT, 3
                MARK 0

                MARK 5
                int3
after_int3:     MARK 0

                xor ebx, ebx            ; what was not as on bare metal, a bit each
                SHOW32 "data behind a call     ", [seen_data]
                cmp dword [seen_data], 0x9C9C9C9C
                je .data
                or bl, 1
.data:          PRINT 10, "code compared          "
                cmp dword [same_code], 0
                jne .code
                or bl, 2
                PRINT "changed", 10
                jmp .split
.code:          PRINT "as it was", 10
.split:         PRINT "over a page's end     "
                mov esi, images
                mov bh, 4
                call show_images
                PRINT 10, "tail not present      "
                mov bh, 8
                call show_images
                SHOWDEC ", page faults ", [faults]
                PRINT 10
                SHOWDEC "own INT3               ", [own_hits]
                
                cmp dword [own_hits], 1
                jne .lost
                cmp dword [own_eip], after_int3
                je .own
.lost:          or bl, 16
.own:           PRINT 10
                mov bh, 0
                test ebx, ebx
                jz .right
                SHOWDEC "not as on bare metal: ", ebx
                PRINT 10
                jmp t86_exit            ; BL is the status
.right:         PRINT "all five as on bare metal", 10
                ret

; show_images: two EFLAGS images from ESI on; BH is or'ed to BL where one has IF set
show_images:    mov ecx, 2
.next:          lodsd
                PRINT " IF="
                test ah, EFLAGS_IF >> 8
                jz .closed
                or bl, bh
                PRINT "1"
                jmp .shown
.closed:        PRINT "0"
.shown:         loop .next
                ret

; take_argument: the four bytes behind the call; returns past them
take_argument:  pop esi
                lodsd
                mov [seen_data], eax
                jmp esi

; Two times the same bytes; only the first runs.
checked:        pushfd
                pop eax
                ret
checked_end:
untouched:      db 0x9C, 0x58, 0xC3
                times -((checked_end - checked) != ($ - untouched)) db 0

; stage: puts the fragment over both page ends; the tail of the second waits at STAGED
stage:          mov edi, SPLIT - 1
                call .whole
                mov byte [ABSENT - 1], 0x66
                mov esi, tail
                mov edi, STAGED
                mov ecx, tail_end - tail
                rep movsb
                ret
.whole:         mov al, 0x66            ; operand size prefix: PUSHFW
                stosb
                mov esi, tail
                mov ecx, tail_end - tail
                rep movsb
                ret

tail:           pushfd
                mov eax, [esp]          ; its low half, where the prefix made it PUSHFW
                lea esp, [ebp - 4]
                ret
tail_end:

; paging_on: the first 4 MB as they are, but for ABSENT, which is STAGED once it is mapped
paging_on:      mov edi, PAGE_DIRECTORY
                mov ecx, 1024
                xor eax, eax
                rep stosd
                mov dword [PAGE_DIRECTORY], PAGE_TABLE | PTE_PRESENT_RW
                mov edi, PAGE_TABLE
                mov eax, PTE_PRESENT_RW
.next:          stosd
                add eax, 0x1000
                cmp eax, 0x400000
                jb .next
                mov dword [PAGE_TABLE + (ABSENT >> 12) * 4], 0
                mov eax, PAGE_DIRECTORY
                mov cr3, eax
                mov eax, cr0
                or eax, CR0_PG | CR0_WP
                mov cr0, eax
                mov byte [PAGE_TABLE + (ABSENT >> 12) * 4], 0   ; the shadow, where there is one, learns of these pages now
                mov al, [SPLIT - 1]
                mov al, [SPLIT]
                mov al, [ABSENT - 1]
                ret

; fault: [esp] = vector, error code, EIP, CS, EFLAGS
fault:          cmp dword [esp], 3
                je .breakpoint
                cmp dword [esp], 14
                jne .unexpected
                push eax
                mov eax, cr2
                and eax, ~0xFFF
                cmp eax, ABSENT
                pop eax
                jne .unexpected
                inc dword [faults]
                mov dword [PAGE_TABLE + (ABSENT >> 12) * 4], STAGED | PTE_PRESENT_RW
                invlpg [ABSENT]
                add esp, 8
                iretd
.breakpoint:    inc dword [own_hits]
                push dword [esp + 8]
                pop dword [own_eip]
                add esp, 8
                iretd
.unexpected:    mov dword [t86_fault_hook], 0
                jmp t86_exception

                T86_END
