; Runs protection cases one after the other and writes 128 bytes of result for each to port E9h (see README.md).
; Entered in flat 32-bit protected mode at the address of offset 1Ch; the number of cases stands at offset 20h, the cases follow
; the program. The byte # comes first. At the end: 0 to port F4h, "Shutdown" to port 8900h.
;
; A case is entered by IRETD with its own GDT, LDT, IDT, TSS, page table and stack. Its code ends in INT3; whatever exception comes
; first is the result: vector, error code, frame, registers, and sums over all tables and memory that the case may have changed.
bits 32
org 0x100000
CASE_BYTES equ 512
GDT equ 0x60000
LDT equ 0x60800
IDT equ 0x61000
TSS equ 0x62000
TSS2 equ 0x65000
PD equ 0x66000
PT0 equ 0x67000
PT1 equ 0x68000
KSTACK equ 0x5f000
RES equ 0x6a000
dd 0x1BADB002, 0x10000, -(0x1BADB002+0x10000)
dd 0x100000, 0x100000, 0, 0, start
count: dd 0                ; cases to run
start:
  mov al,'#'
  out 0xe9,al
  cli
  cld
  mov al,0xff
  out 0x21,al
  out 0xa1,al
  mov esp,KSTACK
  ; the low 128 KB: INT3
  mov edi,0
  mov ecx,0x20000/4
  mov eax,0xcccccccc
  rep stosd
  ; from 256 KB to the stack: zeros
  mov edi,0x40000
  mov ecx,0x1e000/4
  xor eax,eax
  rep stosd
  mov eax,0xcccccccc
  ; IVT entries 40-47 -> 2000:1000+n*16
  mov edi,0x40*4
  mov eax,0x20001000
  mov ecx,8
.ivt: stosd
  add eax,16
  loop .ivt
  ; page directory
  mov edi,PD
  xor eax,eax
  mov ecx,1024
  rep stosd
  mov dword [PD],PT0|7
  mov dword [PD+4],PT1|7
  mov edi,PT1
  mov eax,0x400000|3
  mov ecx,1024
.pt1: stosd
  add eax,0x1000
  loop .pt1
  ; rest of RAM by 4 MB (supervisor), cases may be long
  mov edi,PD+8
  mov eax,0x800000|0x83
  mov ecx,14
.pd: stosd
  add eax,0x400000
  loop .pd
  ; idt
  mov edi,IDT
  mov ecx,0x40
  mov eax,stubs
.idt:
  mov edx,eax
  mov ebx,eax
  and ebx,0xffff
  or ebx,0x00080000
  mov [edi],ebx
  and edx,0xffff0000
  or edx,0x8e00
  mov ebx,edi
  sub ebx,IDT+3*8
  cmp ebx,2*8
  ja .dpl0
  or edx,0x6000
.dpl0:
  mov [edi+4],edx
  add edi,8
  add eax,16
  loop .idt
  mov ebp,cases
  mov [cur],ebp
next:
  mov ax,0x10
  mov ebp,[cur]
  dec dword [count]
  js near finish
  ; memory
  mov edi,0x20000
  mov ecx,0x10000/4
  mov eax,0xcccccccc
  rep stosd
  mov edi,0x30000
  mov ecx,0x10000/4
.fill: mov eax,edi
  xor eax,0x5a5a0000
  stosd
  loop .fill
  lea esi,[ebp+96]
  mov edi,0x20100
  mov ecx,8
  rep movsd
  lea esi,[ebp+128]
  mov edi,[ebp+192]
  mov ecx,16
  rep movsd
  ; GDT
  mov esi,gdt_fixed
  mov edi,GDT
  mov ecx,32
  rep movsd
  lea esi,[ebp+224]
  mov ecx,32
  rep movsd
  lea esi,[ebp+352]
  mov edi,LDT
  mov ecx,16
  rep movsd
  lea esi,[ebp+416]
  mov edi,IDT+0x40*8
  mov ecx,16
  rep movsd
  ; TSS
  mov edi,TSS
  xor eax,eax
  mov ecx,26
  rep stosd
  mov dword [TSS+4],KSTACK
  mov dword [TSS+8],0x10
  mov eax,[ebp+196]
  mov [TSS+12],eax
  mov eax,[ebp+200]
  mov [TSS+16],eax
  mov eax,[ebp+204]
  mov [TSS+20],eax
  mov eax,[ebp+208]
  mov [TSS+24],eax
  mov eax,[ebp+220]
  mov [TSS+0x64],eax
  movzx eax,word [ebp+86]
  mov [TSS],eax
  mov dword [TSS+28],PD
  mov edi,TSS+0x68
  mov eax,-1
  mov ecx,(0x2000+32+4)/4
  rep stosd
  mov eax,[ebp+216]
  mov [TSS+0x68+8],eax          ; redirection of INT 40-5F
  mov eax,[ebp+212]
  mov [TSS+0x68+32+0x60],eax    ; ports 300-31F
  mov edi,TSS2
  xor eax,eax
  mov ecx,26
  rep stosd
  mov dword [TSS2+4],KSTACK
  mov dword [TSS2+8],0x10
  mov dword [TSS2+28],PD
  mov eax,[ebp+504]
  mov [TSS2+32],eax
  mov eax,[ebp+500]
  mov [TSS2+36],eax
  movzx eax,word [ebp+508]
  add eax,0x30000
  mov [TSS2+56],eax
  mov dword [TSS2+40],0x11111111
  mov dword [TSS2+0x3c],0x22222222
  mov ax,[ebp+488]
  mov [TSS2+0x4c],ax
  mov ax,[ebp+490]
  mov [TSS2+0x50],ax
  mov ax,[ebp+492]
  mov [TSS2+0x54],ax
  mov ax,[ebp+494]
  mov [TSS2+0x48],ax
  mov ax,[ebp+496]
  mov [TSS2+0x58],ax
  mov ax,[ebp+498]
  mov [TSS2+0x5c],ax
  mov ax,[ebp+510]
  mov [TSS2+0x60],ax
  mov dword [TSS2+0x64],0x880000
  ; page table 0
  mov edi,PT0
  mov eax,7
  mov ecx,256
.pt0: stosd
  add eax,0x1000
  loop .pt0
  mov eax,0x100000|3
  mov ecx,768
.pt0b: stosd
  add eax,0x1000
  loop .pt0b
  xor ecx,ecx
.attr:
  movzx eax,byte [ebp+480+ecx]
  mov edx,ecx
  shl edx,12
  lea eax,[eax+edx+0x38000]
  mov [PT0+0x38*4+ecx*4],eax
  inc ecx
  cmp ecx,8
  jb .attr
  lgdt [gdtr]
  lidt [idtr]
  jmp 8:.cs
.cs:
  mov ax,0x10
  mov ds,ax
  mov es,ax
  mov ss,ax
  mov ax,0x48
  ltr ax
  mov ax,[ebp+76]
  lldt ax
  xor eax,eax
  mov dr6,eax
  mov dr7,eax
  mov cr2,eax
  mov eax,[ebp+80]
  mov dr0,eax
  mov eax,[ebp+84]
  and eax,0xffff
  mov edx,eax
  shl edx,8
  and edx,0xf0000
  and eax,3
  or eax,edx
  or eax,0x400
  mov [dr7v],eax
  mov eax,PD
  mov cr3,eax
  mov eax,[ebp+8]
  or eax,0x10
  mov cr4,eax
  mov eax,[ebp+4]
  or eax,0x80000011
  mov cr0,eax
  jmp $+2
  mov eax,[dr7v]
  mov dr7,eax
  ; enter
  test dword [ebp],1
  jnz near .v86
  test dword [ebp+52],3
  jz near .ring0
  push dword [ebp+56]
  push dword [ebp+32]
.common:
  push dword [ebp+12]
  push dword [ebp+52]
  push dword [ebp+48]
.load:
  mov ax,[ebp+68]
  mov fs,ax
  mov ax,[ebp+72]
  mov gs,ax
  mov ax,[ebp+64]
  mov es,ax
  mov eax,[ebp+16]
  mov ecx,[ebp+20]
  mov edx,[ebp+24]
  mov ebx,[ebp+28]
  mov esi,[ebp+40]
  mov edi,[ebp+44]
  mov [eaxv],eax
  mov ax,[ebp+60]
  push dword [eaxv]
  push dword [ebp+36]
  mov ds,ax
  pop ebp
  pop eax
  iretd
.ring0:
  mov ax,[ebp+56]
  mov ss,ax
  mov esp,[ebp+32]
  jmp .common
.v86:
  push dword [ebp+72]
  push dword [ebp+68]
  push dword [ebp+60]
  push dword [ebp+64]
  push dword [ebp+56]
  push dword [ebp+32]
  mov eax,[ebp+12]
  or eax,0x20000
  push eax
  push dword [ebp+52]
  push dword [ebp+48]
  mov eax,[ebp+16]
  mov ecx,[ebp+20]
  mov edx,[ebp+24]
  mov ebx,[ebp+28]
  mov esi,[ebp+40]
  mov edi,[ebp+44]
  mov ebp,[ebp+36]
  iretd

finish:
  xor eax,eax
  out 0xf4,al
  mov dx,0x8900
  mov esi,shut
  mov ecx,8
.o: lodsb
  out dx,al
  loop .o
.h: hlt
  jmp .h

align 16
stubs:
%assign v 0
%rep 64
  align 16
%if v==8 || v==10 || v==11 || v==12 || v==13 || v==14 || v==17
  push dword v
%else
  push dword 0xdeadbeef
  push dword v
%endif
  jmp handler
%assign v v+1
%endrep
align 16
handler:
  ; stack: vector, error, eip, cs, eflags, [esp, ss, es ds fs gs]
  push dword 0
  mov [esp],ds
  push eax
  mov ax,0x10
  mov ds,ax
  mov eax,dr6
  mov [RES+80],eax
  xor eax,eax
  mov dr7,eax
  pop eax
  mov [RES+28],eax
  pop dword [RES+56]
  mov [RES+32],ecx
  mov [RES+36],edx
  mov [RES+40],ebx
  mov [RES+44],ebp
  mov [RES+48],esi
  mov [RES+52],edi
  xor eax,eax
  mov ax,es
  mov [RES+60],eax
  mov ax,fs
  mov [RES+64],eax
  mov ax,gs
  mov [RES+68],eax
  mov eax,cr2
  mov [RES+72],eax
  mov eax,cr0
  mov [RES+76],eax
  and eax,0x7fffffff
  mov cr0,eax
  pop dword [RES]
  pop dword [RES+4]
  pop dword [RES+8]
  pop dword [RES+12]
  pop dword [RES+16]
  test dword [RES+16],0x20000
  jnz .v86
  test dword [RES+12],3
  jnz .outer
  mov eax,esp
  mov [RES+20],eax
  xor eax,eax
  mov ax,ss
  mov [RES+24],eax
  jmp .go
.v86:
  pop dword [RES+20]
  pop dword [RES+24]
  pop dword [RES+60]
  pop dword [RES+56]
  pop dword [RES+64]
  pop dword [RES+68]
  jmp .go
.outer:
  pop dword [RES+20]
  pop dword [RES+24]
.go:
  mov ax,0x10
  mov es,ax
  mov ss,ax
  mov esp,KSTACK
  and dword [RES+56],0xffff
  and dword [RES+60],0xffff
  and dword [RES+64],0xffff
  and dword [RES+68],0xffff
  cld
  xor eax,eax
  str ax
  mov [RES+84],eax
  mov eax,0
  sldt ax
  mov [RES+88],eax
  mov esi,GDT
  mov ecx,64
  call sum
  mov [RES+92],eax
  mov esi,LDT
  mov ecx,16
  call sum
  mov [RES+96],eax
  mov esi,0x30000
  mov ecx,0x4000
  call sum
  mov [RES+100],eax
  mov esi,PT0+0x38*4
  mov ecx,8
  call sum
  mov [RES+104],eax
  mov esi,0x20000
  mov ecx,0x4000
  call sum
  mov [RES+108],eax
  mov esi,TSS2
  mov ecx,26
  call sum
  mov [RES+112],eax
  mov esi,TSS
  mov ecx,26
  call sum
  mov [RES+116],eax
  mov eax,cr3
  mov [RES+120],eax
  mov eax,cr4
  mov [RES+124],eax
  mov esi,RES
  mov ecx,128
  mov dx,0xe9
  rep outsb
  add dword [cur],CASE_BYTES
  jmp next
sum:
  xor eax,eax
  jecxz .e
.l: add eax,[esi]
  rol eax,5
  add esi,4
  loop .l
.e: ret

shut: db 'Shutdown'
align 8
gdt_fixed:
  dq 0
  dq 0x00cf9b000000ffff
  dq 0x00cf93000000ffff
  dq 0x00cffb000000ffff
  dq 0x00cff3000000ffff
  dq 0x00cfbb000000ffff
  dq 0x00cfb3000000ffff
  dq 0x00cfdb000000ffff
  dq 0x00cfd3000000ffff
  dq 0x00008906200020ff
  dq 0x0000820608000000 | 0x3f
  dq 0x0000890650000067
  dq 0x00cf9f000000ffff
  dq 0x0000fb020000ffff
  dq 0x0000f3030000ffff
  dq 0x00009b020000ffff
gdtr: dw 0xff
  dd GDT
idtr: dw 0x48*8-1
  dd IDT
cur: dd 0
eaxv: dd 0
dr7v: dd 0
align 512
cases:
