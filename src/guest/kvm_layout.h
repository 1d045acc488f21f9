/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_layout.h - where things are in a KVM guest, for the host and for the payload's assembler.
 *
 * A virtual address is an offset in the RAM block.  Physical memory has a hole for devices, from
 * 3 GiB to 4 GiB; what the block holds from 3 GiB on lies behind it.
 *
 *	0x000000  nothing
 *	0x001000  parameters, then the registers to check	written by the host
 *	0x006000  interrupt descriptors				written by the host
 *	0x008000  payload (guest/payload/payload.S)
 *	0x010000  page tables					written by the host
 *	0x100000  an area for each vCPU				its own
 *	0x200000  the rest: fill, working set, heartbeat (guest.h)
 *
 * Only numbers here, plain ones: C and the assembler both read this. */
#ifndef GUEST_KVM_LAYOUT_H
#define GUEST_KVM_LAYOUT_H

#define KVM_LOW_BYTES 0x200000 /* all of the above but the rest */

#define KVM_HOLE_START 0xc0000000
#define KVM_HOLE_END 0x100000000

/* ---- ports ---- */

#define KVM_PORT_SERIAL 0x3f8 /* eight of them */
#define KVM_PORT_BEAT 0x5f0   /* a byte: the heart has beaten */
/* Four bytes: for how many microseconds the host kept this vCPU from running since it last asked:
 * paused, throttled. */
#define KVM_PORT_KEPT 0x5f4
#define KVM_PORT_FAULT 0x5f1 /* a byte: an exception, see AREA_FAULT */

/* ---- parameters ---- */

#define KVM_PARAMETERS 0x1000
#define PARAM_TICK (KVM_PARAMETERS + 0x00) /* of the time stamp counter, in a beat */
#define PARAM_DEBT (KVM_PARAMETERS + 0x08) /* likewise: no more is made up for */
#define PARAM_RANDOM (KVM_PARAMETERS + 0x10)
#define PARAM_HEARTBEAT (KVM_PARAMETERS + 0x18)	  /* address of its page */
#define PARAM_XSAVE_MASK (KVM_PARAMETERS + 0x20)  /* 0: FXSAVE is all there is */
#define PARAM_CHECK_COUNT (KVM_PARAMETERS + 0x28) /* at least one */
#define PARAM_MSR_COUNT (KVM_PARAMETERS + 0x30)
#define PARAM_MICROSECOND (KVM_PARAMETERS + 0x38) /* of the time stamp counter */
#define PARAM_MSRS (KVM_PARAMETERS + 0x40) /* of 32 bits each: number, place in a block */
#define KVM_MSRS_MAX 16
#define PARAM_CHECKS (KVM_PARAMETERS + 0x100)
#define KVM_CHECKS_MAX 512
/* One register to check, 8 bytes of it. */
#define CHECK_PLACE \
	0 /* in a register block; bit 0: the base counts from the vCPU's area */
#define CHECK_BASE 8
#define CHECK_PATTERN 16 /* which bits take a pattern, others are the base's */
#define CHECK_COMPARE 24 /* which bits have to come back */
#define CHECK_BYTES 32

#define KVM_IDT 0x6000

/* ---- payload ---- */

#define KVM_PAYLOAD 0x8000
#define KVM_PAYLOAD_BYTES_MAX 0x8000
/* It begins with where its entries are, each 8 bytes, counted from its start. */
#define PAYLOAD_ENTRY 0
#define PAYLOAD_TIMER 8
#define PAYLOAD_RESUME 16
#define PAYLOAD_FAULTS 24 /* one for each exception */
#define PAYLOAD_FAULT_BYTES 16
#define KVM_EXCEPTIONS 32

#define VECTOR_RESUME 6 /* UD2 */
#define VECTOR_TIMER 0xf0

/* ---- page tables ---- */

#define KVM_PAGE_TABLES 0x10000
#define KVM_PAGE_TABLES_END 0x100000

/* ---- selectors ---- */

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA 0x1b
#define SELECTOR_USER_CODE 0x23
#define SELECTOR_TASK 0x28
/* Four that differ in nothing: DS and ES take one of them. */
#define SELECTOR_SPARE 0x43
#define SELECTOR_SPARE_MASK 0x18
#define KVM_GDT_ENTRIES 12

#define KVM_BEATS_PER_LINE 10

/* ---- a vCPU's area ---- */

#define KVM_AREAS 0x100000
#define AREA_BYTES 0x4000 /* four pages: fields, stack, expected, seen */

#define AREA_SELF 0x000	 /* its address */
#define AREA_STACK 0x008 /* the kernel's, its end */
#define AREA_RESUME 0x010
#define AREA_INDEX 0x018 /* 0: it also beats */

#define AREA_FIRST 0x020 /* address of its share of the working set */
#define AREA_PAGE_COUNT 0x028
#define AREA_POSITION 0x030 /* next page, when it goes through them in order */
#define AREA_GENERATOR 0x038
#define AREA_SEQUENCE 0x040 /* of its last stamp, which may not be all there */
#define AREA_STAMPING 0x048 /* address of the page it is at, or -1 */
#define AREA_PAGES 0x050    /* stamped since it was born */
#define AREA_COST 0x058	    /* of a page, in 1/256 of the time stamp counter */
#define AREA_CREDIT 0x060
#define AREA_CREDIT_MAX 0x068
#define AREA_LAST_TSC 0x070
#define AREA_NEXT_TICK 0x078
#define AREA_BATCH 0x080

#define AREA_HEARTBEAT 0x0a0
#define AREA_LINE_WAIT 0x0a8 /* beats until the next line */
#define AREA_LINE 0x0b0
#define AREA_TEXT_LENGTH 0x0b8
#define AREA_TEXT 0x0c0 /* 32 bytes */

#define AREA_CHECK_GENERATOR 0x100
#define AREA_PREPARED 0x108 /* registers hold what AREA_EXPECTED says */
#define AREA_CHECKS 0x110   /* times that all were checked */
#define AREA_MISMATCHES 0x118
#define AREA_MISMATCH_INDEX 0x120 /* of the first */
#define AREA_MISMATCH_EXPECTED 0x128
#define AREA_MISMATCH_SEEN 0x130
#define AREA_FAULT 0x138 /* the exception's number, then the top of its stack */
#define AREA_FAULT_WORDS 7

#define AREA_TASK 0x400 /* task state segment */
#define AREA_GDT 0x500
#define AREA_STACKS 0x1000
#define AREA_STACK_HELD 0x1800 /* RSP takes a pattern from here on */
#define AREA_STACK_HELD_MASK 0x7f8
#define AREA_USER_STACK_END 0x1400
#define AREA_STACK_END 0x2000
#define AREA_EXPECTED 0x2000
#define AREA_SEEN 0x3000

/* ---- a register block: where each register is, in both pages ---- */

#define BLOCK_RAX 0x000
#define BLOCK_RCX 0x008
#define BLOCK_RDX 0x010
#define BLOCK_RBX 0x018
#define BLOCK_RSP 0x020
#define BLOCK_RBP 0x028
#define BLOCK_RSI 0x030
#define BLOCK_RDI 0x038
#define BLOCK_R8 0x040
#define BLOCK_R9 0x048
#define BLOCK_R10 0x050
#define BLOCK_R11 0x058
#define BLOCK_R12 0x060
#define BLOCK_R13 0x068
#define BLOCK_R14 0x070
#define BLOCK_R15 0x078
#define BLOCK_RFLAGS 0x080
#define BLOCK_DS 0x088
#define BLOCK_ES 0x090
#define BLOCK_FS 0x098
#define BLOCK_GS 0x0a0
#define BLOCK_CR0 0x0a8
#define BLOCK_CR2 0x0b0
#define BLOCK_CR3 0x0b8
#define BLOCK_CR4 0x0c0
#define BLOCK_CR8 0x0c8
#define BLOCK_DR0 0x0d0
#define BLOCK_DR1 0x0d8
#define BLOCK_DR2 0x0e0
#define BLOCK_DR3 0x0e8
#define BLOCK_DR7 0x0f0
/* Limit in the last two bytes of the first word, base in the second. */
#define BLOCK_GDTR 0x100
#define BLOCK_IDTR 0x110
#define BLOCK_TR 0x120
#define BLOCK_XCR0 0x128
#define BLOCK_MSRS 0x140 /* KVM_MSRS_MAX of them */
#define BLOCK_FPU 0x400	 /* FXSAVE or XSAVE, standard format */
#define BLOCK_FPU_BYTES_MAX 0xc00

#endif
