/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* payload.S - what runs in a KVM guest.
 *
 * Each vCPU goes round once a tick (10 ms), in an area of its own (kvm_layout.h):
 *
 *	check what is in the registers, give all of them new patterns	user mode
 *	load those that only a kernel can
 *	vCPU 0: beat, say so on the serial port now and then
 *	stamp as many pages as time has earned				user mode
 *	load the general registers, sleep until the next tick, save them all
 *
 * Whatever registers hold between loading and checking has to survive, and a migration fits in
 * there anywhere.  Memory holds everything else, and travels.
 *
 * User mode is where instructions cost nothing on a host that has to emulate a kernel's, so all
 * that is long is there.  It has no interrupts and no stack, and ends with UD2, which faults: KVM
 * does not save a trap (INT3) that it has yet to deliver, and on some hosts that is behind the
 * instruction by then.
 *
 * Copied to KVM_PAYLOAD: nothing in here may depend on where it is.  Entered in 64-bit mode with
 * GS at the vCPU's area and the rest as kvm_boot.c says. */
#include "guest/kvm_layout.h"

	.section .rodata
	.balign 16
	.globl kvm_payload_start, kvm_payload_end
	.hidden kvm_payload_start, kvm_payload_end
kvm_payload_start:
	.quad	entry - kvm_payload_start
	.quad	timer - kvm_payload_start
	.quad	resume - kvm_payload_start
	.quad	faults - kvm_payload_start

#define EXPECTED(place) %gs:(AREA_EXPECTED + place)
#define SEEN(place) %gs:(AREA_SEEN + place)

#define MSR_TSC_DEADLINE 0x6e0
#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC_EOI 0x80b
#define MSR_X2APIC_SPURIOUS 0x80f
#define MSR_X2APIC_TIMER 0x832

#define BATCH_PAGES 64

/* Runs a piece of user mode; goes on behind it.  Clobbers everything but FPU and the like. */
	.macro USER piece
	lea	.Lbehind\@(%rip), %rax
	mov	%rax, %gs:AREA_RESUME
	mov	%gs:AREA_SELF, %rcx
	add	$AREA_USER_STACK_END, %rcx
	pushq	$SELECTOR_USER_DATA
	push	%rcx
	pushq	$2
	pushq	$SELECTOR_USER_CODE
	lea	\piece(%rip), %rax
	push	%rax
	iretq
.Lbehind\@:
	.endm

/* To %rax; clobbers %rdx. */
	.macro READ_TSC
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	.endm

/* ---- kernel ---- */

entry:
	mov	$MSR_APIC_BASE, %ecx
	rdmsr
	or	$0xc00, %eax	/* enabled, as x2APIC */
	wrmsr
	xor	%edx, %edx
	mov	$MSR_X2APIC_SPURIOUS, %ecx
	mov	$0x1ff, %eax
	wrmsr
	mov	$MSR_X2APIC_TIMER, %ecx
	mov	$(0x40000 | VECTOR_TIMER), %eax	/* TSC deadline */
	wrmsr
	READ_TSC
	mov	%rax, %gs:AREA_LAST_TSC
	add	PARAM_TICK, %rax
	mov	%rax, %gs:AREA_NEXT_TICK

tick:
	USER	check_registers

/* Those that only a kernel can load; they stay until after the sleep. */
	mov	EXPECTED(BLOCK_DS), %rax
	mov	%eax, %ds
	mov	EXPECTED(BLOCK_ES), %rax
	mov	%eax, %es
	mov	EXPECTED(BLOCK_CR2), %rax
	mov	%rax, %cr2
	mov	EXPECTED(BLOCK_CR8), %rax
	mov	%rax, %cr8
	mov	EXPECTED(BLOCK_DR0), %rax
	mov	%rax, %db0
	mov	EXPECTED(BLOCK_DR1), %rax
	mov	%rax, %db1
	mov	EXPECTED(BLOCK_DR2), %rax
	mov	%rax, %db2
	mov	EXPECTED(BLOCK_DR3), %rax
	mov	%rax, %db3
	mov	%gs:AREA_SELF, %rbx
	mov	$PARAM_MSRS, %esi
	mov	PARAM_MSR_COUNT, %r8d
1:	sub	$1, %r8d
	jb	beat
	mov	(%rsi), %ecx
	mov	4(%rsi), %edi
	mov	AREA_EXPECTED(%rbx,%rdi), %eax
	mov	AREA_EXPECTED+4(%rbx,%rdi), %edx
	wrmsr
	add	$8, %rsi
	jmp	1b

beat:
	READ_TSC
	mov	%rax, %rcx
	sub	%gs:AREA_NEXT_TICK, %rcx
	js	work
	mov	PARAM_TICK, %rdx
	add	%rdx, %gs:AREA_NEXT_TICK
	cmp	%rdx, %rcx
	jb	1f			/* later than that, beats were lost */
	add	%rax, %rdx
	mov	%rdx, %gs:AREA_NEXT_TICK
1:	cmpq	$0, %gs:AREA_INDEX
	jne	work
	mov	PARAM_HEARTBEAT, %rdi
	mov	%gs:AREA_HEARTBEAT, %rax
	inc	%rax
	mov	%rax, %gs:AREA_HEARTBEAT
	bswap	%rax
	mov	%rax, 8(%rdi)
	movabs	$0x5ba74e0d9b17d390, %rax	/* stamp.c's magic, big-endian */
	mov	%rax, (%rdi)
	mov	$KVM_PORT_BEAT, %edx
	out	%al, %dx
	subq	$1, %gs:AREA_LINE_WAIT
	jnz	work
	movq	$KVM_BEATS_PER_LINE, %gs:AREA_LINE_WAIT
	USER	format_line

/* As a driver without interrupts does it. */
	mov	%gs:AREA_SELF, %rsi
	add	$AREA_TEXT, %rsi
	mov	%gs:AREA_TEXT_LENGTH, %ecx
2:	mov	$(KVM_PORT_SERIAL + 5), %edx
3:	in	%dx, %al
	test	$0x20, %al
	jz	3b
	mov	$KVM_PORT_SERIAL, %edx
	mov	(%rsi), %al
	out	%al, %dx
	inc	%rsi
	dec	%ecx
	jnz	2b

/* Time earns credit, but not while the host kept this vCPU from running; a page costs some. */
work:
	READ_TSC
	mov	%rax, %rcx
	sub	%gs:AREA_LAST_TSC, %rcx
	mov	%rax, %gs:AREA_LAST_TSC
	mov	$KVM_PORT_KEPT, %edx
	in	%dx, %eax
	imul	PARAM_MICROSECOND, %rax
	sub	%rax, %rcx
	jge	0f
	xor	%ecx, %ecx
0:	cmp	PARAM_DEBT, %rcx
	jbe	1f
	mov	PARAM_DEBT, %rcx
1:	shl	$8, %rcx
	add	%gs:AREA_CREDIT, %rcx
	cmp	%gs:AREA_CREDIT_MAX, %rcx
	jbe	2f
	mov	%gs:AREA_CREDIT_MAX, %rcx
2:	mov	%rcx, %gs:AREA_CREDIT
	mov	%rcx, %rax
	xor	%edx, %edx
	divq	%gs:AREA_COST
	cmp	$BATCH_PAGES, %rax
	jbe	3f
	mov	$BATCH_PAGES, %eax
3:	test	%rax, %rax
	jz	sleep
	mov	%rax, %gs:AREA_BATCH
	imul	%gs:AREA_COST, %rax
	sub	%rax, %gs:AREA_CREDIT
	USER	stamp_pages
	READ_TSC
	cmp	%gs:AREA_NEXT_TICK, %rax
	js	work

sleep:
	/* A counter that was set back would have it sleep for long. */
	READ_TSC
	mov	%gs:AREA_NEXT_TICK, %rcx
	sub	%rax, %rcx
	cmp	PARAM_DEBT, %rcx
	jle	1f
	add	PARAM_TICK, %rax
	mov	%rax, %gs:AREA_NEXT_TICK
1:	mov	%gs:AREA_NEXT_TICK, %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_TSC_DEADLINE, %ecx
	wrmsr

	mov	EXPECTED(BLOCK_RSP), %rsp
	pushq	EXPECTED(BLOCK_RFLAGS)
	popfq
	mov	EXPECTED(BLOCK_RAX), %rax
	mov	EXPECTED(BLOCK_RCX), %rcx
	mov	EXPECTED(BLOCK_RDX), %rdx
	mov	EXPECTED(BLOCK_RBX), %rbx
	mov	EXPECTED(BLOCK_RBP), %rbp
	mov	EXPECTED(BLOCK_RSI), %rsi
	mov	EXPECTED(BLOCK_RDI), %rdi
	mov	EXPECTED(BLOCK_R8), %r8
	mov	EXPECTED(BLOCK_R9), %r9
	mov	EXPECTED(BLOCK_R10), %r10
	mov	EXPECTED(BLOCK_R11), %r11
	mov	EXPECTED(BLOCK_R12), %r12
	mov	EXPECTED(BLOCK_R13), %r13
	mov	EXPECTED(BLOCK_R14), %r14
	mov	EXPECTED(BLOCK_R15), %r15
	sti
	hlt
	cli
	mov	%rax, SEEN(BLOCK_RAX)
	mov	%rcx, SEEN(BLOCK_RCX)
	mov	%rdx, SEEN(BLOCK_RDX)
	mov	%rbx, SEEN(BLOCK_RBX)
	mov	%rsp, SEEN(BLOCK_RSP)
	mov	%rbp, SEEN(BLOCK_RBP)
	mov	%rsi, SEEN(BLOCK_RSI)
	mov	%rdi, SEEN(BLOCK_RDI)
	mov	%r8, SEEN(BLOCK_R8)
	mov	%r9, SEEN(BLOCK_R9)
	mov	%r10, SEEN(BLOCK_R10)
	mov	%r11, SEEN(BLOCK_R11)
	mov	%r12, SEEN(BLOCK_R12)
	mov	%r13, SEEN(BLOCK_R13)
	mov	%r14, SEEN(BLOCK_R14)
	mov	%r15, SEEN(BLOCK_R15)
	mov	%gs:AREA_STACK, %rsp
	pushfq
	pop	%rax
	mov	%rax, SEEN(BLOCK_RFLAGS)
	cld

	xor	%eax, %eax
	mov	%ds, %eax
	mov	%rax, SEEN(BLOCK_DS)
	mov	%es, %eax
	mov	%rax, SEEN(BLOCK_ES)
	mov	%fs, %eax
	mov	%rax, SEEN(BLOCK_FS)
	mov	%gs, %eax
	mov	%rax, SEEN(BLOCK_GS)
	mov	%cr0, %rax
	mov	%rax, SEEN(BLOCK_CR0)
	mov	%cr2, %rax
	mov	%rax, SEEN(BLOCK_CR2)
	mov	%cr3, %rax
	mov	%rax, SEEN(BLOCK_CR3)
	mov	%cr4, %rax
	mov	%rax, SEEN(BLOCK_CR4)
	mov	%cr8, %rax
	mov	%rax, SEEN(BLOCK_CR8)
	mov	%db0, %rax
	mov	%rax, SEEN(BLOCK_DR0)
	mov	%db1, %rax
	mov	%rax, SEEN(BLOCK_DR1)
	mov	%db2, %rax
	mov	%rax, SEEN(BLOCK_DR2)
	mov	%db3, %rax
	mov	%rax, SEEN(BLOCK_DR3)
	mov	%db7, %rax
	mov	%rax, SEEN(BLOCK_DR7)
	sgdt	SEEN(BLOCK_GDTR + 6)
	sidt	SEEN(BLOCK_IDTR + 6)
	str	%eax
	mov	%rax, SEEN(BLOCK_TR)
	mov	%gs:AREA_SELF, %rbx
	mov	$PARAM_MSRS, %esi
	mov	PARAM_MSR_COUNT, %r8d
1:	sub	$1, %r8d
	jb	tick
	mov	(%rsi), %ecx
	mov	4(%rsi), %edi
	rdmsr
	mov	%eax, AREA_SEEN(%rbx,%rdi)
	mov	%edx, AREA_SEEN+4(%rbx,%rdi)
	add	$8, %rsi
	jmp	1b

/* Nothing to do but to have been woken. */
	.balign 16
timer:
	push	%rax
	push	%rcx
	push	%rdx
	mov	$MSR_X2APIC_EOI, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

/* A piece of user mode is done; its frame is of no use.  In the kernel UD2 is a mistake. */
	.balign 16
resume:
	testb	$3, 8(%rsp)
	jz	faults + PAYLOAD_FAULT_BYTES * VECTOR_RESUME
	mov	%gs:AREA_STACK, %rsp
	jmp	*%gs:AREA_RESUME

/* What is not meant to happen: says what, and where. */
	.balign 16
faults:
	.set	number, 0
	.rept	KVM_EXCEPTIONS
	.balign	PAYLOAD_FAULT_BYTES
	push	$number
	jmp	fault
	.set	number, number + 1
	.endr
fault:
	.set	number, 0
	.rept	AREA_FAULT_WORDS
	pop	%rax
	mov	%rax, %gs:(AREA_FAULT + 8 * number)
	.set	number, number + 1
	.endr
	mov	$KVM_PORT_FAULT, %edx
	out	%al, %dx
1:	hlt
	jmp	1b

/* ---- user mode ---- */

	.macro MIX register, scratch	/* random.h: random_mix(); %r14 and %r15 hold factors */
	mov	\register, \scratch
	shr	$30, \scratch
	xor	\scratch, \register
	imul	%r14, \register
	mov	\register, \scratch
	shr	$27, \scratch
	xor	\scratch, \register
	imul	%r15, \register
	mov	\register, \scratch
	shr	$31, \scratch
	xor	\scratch, \register
	.endm

	.macro MIX_FACTORS
	movabs	$0xbf58476d1ce4e5b9, %r14
	movabs	$0x94d049bb133111eb, %r15
	movabs	$0x9e3779b97f4a7c15, %r13	/* random_next() adds it */
	.endm

check_registers:
	mov	%gs:AREA_SELF, %rbx
	cmpq	$0, %gs:AREA_PREPARED
	je	prepare
	mov	PARAM_XSAVE_MASK, %rax
	test	%rax, %rax
	jz	1f
	mov	%rax, %rdx
	shr	$32, %rdx
	xsave64	AREA_SEEN+BLOCK_FPU(%rbx)
	xor	%ecx, %ecx
	xgetbv
	mov	%eax, SEEN(BLOCK_XCR0)
	mov	%edx, SEEN(BLOCK_XCR0 + 4)
	jmp	2f
1:	fxsave64 AREA_SEEN+BLOCK_FPU(%rbx)
2:	mov	$PARAM_CHECKS, %esi
	mov	PARAM_CHECK_COUNT, %ecx
	xor	%r8d, %r8d
3:	mov	CHECK_PLACE(%rsi), %rdi
	and	$-2, %rdi
	mov	AREA_EXPECTED(%rbx,%rdi), %r9
	mov	AREA_SEEN(%rbx,%rdi), %r10
	mov	%r9, %rax
	xor	%r10, %rax
	test	%rax, CHECK_COMPARE(%rsi)
	jz	4f
	incq	%gs:AREA_MISMATCHES
	cmpq	$1, %gs:AREA_MISMATCHES
	jne	4f
	mov	%r8, %gs:AREA_MISMATCH_INDEX
	mov	%r9, %gs:AREA_MISMATCH_EXPECTED
	mov	%r10, %gs:AREA_MISMATCH_SEEN
4:	add	$CHECK_BYTES, %rsi
	inc	%r8d
	dec	%ecx
	jnz	3b
	incq	%gs:AREA_CHECKS

prepare:
	MIX_FACTORS
	mov	$PARAM_CHECKS, %esi
	mov	PARAM_CHECK_COUNT, %ecx
	mov	%gs:AREA_CHECK_GENERATOR, %r11
1:	add	%r13, %r11
	mov	%r11, %rax
	MIX	%rax, %rdx
	and	CHECK_PATTERN(%rsi), %rax
	mov	CHECK_BASE(%rsi), %rdx
	mov	CHECK_PLACE(%rsi), %rdi
	test	$1, %dil
	jz	2f
	and	$-2, %rdi
	add	%rbx, %rdx
2:	or	%rdx, %rax
	mov	%rax, AREA_EXPECTED(%rbx,%rdi)
	add	$CHECK_BYTES, %rsi
	dec	%ecx
	jnz	1b
	mov	%r11, %gs:AREA_CHECK_GENERATOR
	mov	PARAM_XSAVE_MASK, %rax
	test	%rax, %rax
	jz	3f
	mov	%rax, %rdx
	shr	$32, %rdx
	xrstor64 AREA_EXPECTED+BLOCK_FPU(%rbx)
	jmp	4f
3:	fxrstor64 AREA_EXPECTED+BLOCK_FPU(%rbx)
4:	movq	$1, %gs:AREA_PREPARED
	ud2

/* stamp.h: mix(address %rdi, sequence whose mix is %r8, salt) to `at` of the page. */
	.macro WORD at, salt
	mov	%rdi, %rax
	xor	%r8, %rax
	.if	\salt
	mov	$\salt, %edx
	shl	$56, %rdx
	xor	%rdx, %rax
	.endif
	MIX	%rax, %rdx
	bswap	%rax
	mov	%rax, \at(%rdi)
	.endm

stamp_pages:
	MIX_FACTORS
	mov	%gs:AREA_BATCH, %ecx
	mov	%gs:AREA_PAGE_COUNT, %rbp
	movabs	$0x5d1eaba15c17d390, %r12	/* stamp.c's magic, big-endian */
1:	cmpq	$0, PARAM_RANDOM
	jne	2f
	mov	%gs:AREA_POSITION, %rdi
	lea	1(%rdi), %rax
	xor	%edx, %edx
	cmp	%rbp, %rax
	cmovae	%rdx, %rax
	mov	%rax, %gs:AREA_POSITION
	jmp	3f
2:	add	%r13, %gs:AREA_GENERATOR
	mov	%gs:AREA_GENERATOR, %rax
	MIX	%rax, %rdx
	xor	%edx, %edx
	div	%rbp
	mov	%rdx, %rdi
3:	shl	$12, %rdi
	add	%gs:AREA_FIRST, %rdi
	mov	%rdi, %gs:AREA_STAMPING
	mov	%gs:AREA_SEQUENCE, %rsi
	inc	%rsi
	mov	%rsi, %gs:AREA_SEQUENCE
	mov	%r12, (%rdi)
	mov	%rdi, %rax
	bswap	%rax
	mov	%rax, 8(%rdi)
	mov	%rsi, %rax
	bswap	%rax
	mov	%rax, 16(%rdi)
	mov	%rsi, %r8
	MIX	%r8, %rdx
	WORD	24, 4
	WORD	1024, 0
	WORD	2048, 1
	WORD	3072, 2
	WORD	4088, 3
	movq	$-1, %gs:AREA_STAMPING
	incq	%gs:AREA_PAGES
	dec	%ecx
	jnz	1b
	ud2

/* "beat N\n", digits from the last to the first behind the rest. */
format_line:
	mov	%gs:AREA_LINE, %rax
	inc	%rax
	mov	%rax, %gs:AREA_LINE
	mov	%gs:AREA_SELF, %rbx
	mov	$10, %r8d
	mov	%rax, %rcx
	mov	$5, %edi		/* "beat " */
1:	inc	%edi
	xor	%edx, %edx
	div	%r8
	test	%rax, %rax
	jnz	1b
	movl	$0x74616562, AREA_TEXT(%rbx)
	movb	$' ', AREA_TEXT+4(%rbx)
	movb	$'\n', AREA_TEXT(%rbx,%rdi)
	lea	1(%rdi), %rax
	mov	%rax, %gs:AREA_TEXT_LENGTH
	mov	%rcx, %rax
2:	xor	%edx, %edx
	div	%r8
	add	$'0', %dl
	dec	%edi
	mov	%dl, AREA_TEXT(%rbx,%rdi)
	test	%rax, %rax
	jnz	2b
	ud2

kvm_payload_end:

	.section .note.GNU-stack, "", @progbits
