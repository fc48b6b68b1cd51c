# macros.s: what every file of the kernel is assembled with, in front of it: PUSHF, POPF and IRET as a kernel under Plex86-lite
# must have them. There it runs in ring 3 with CR4.PVI: CLI and STI act on VIF; PUSHF shows IF = 1 and the truth in bit 19;
# POPF leaves IF alone; IRET would return without anybody knowing, so it carries a LOCK prefix and faults.
#
# A DS prefix, which changes nothing, marks the instructions that stand inside a macro. `lite_active` is set in setup.c.

	.macro	pushfl
	ds pushfl
	cmpl	$0, %cs:lite_active
	je	.Llite_pushed\@
	andl	$~0x200, (%esp)
	testl	$0x80000, (%esp)
	jz	.Llite_pushed\@
	orl	$0x200, (%esp)
.Llite_pushed\@:
	pushl	(%esp)
	ds popfl
	.endm

	.macro	popfl
	cmpl	$0, %cs:lite_active
	je	.Llite_flags\@
	testl	$0x200, (%esp)
	jz	.Llite_closed\@
	sti
	jmp	.Llite_flags\@
.Llite_closed\@:
	cli
.Llite_flags\@:
	ds popfl
	.endm

# On a bare processor setup.c makes the LOCK prefix a DS prefix.
	.macro	iret
.Llite_iret\@:
	.byte	0xf0, 0xcf
	.pushsection lite_iret, "a"
	.long	.Llite_iret\@
	.popsection
	.endm

	.macro	pushf
	pushfl
	.endm

	.macro	popf
	popfl
	.endm
