/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_registers.c - the registers that a KVM guest's payload fills with patterns and checks. */
#include "guest/kvm_registers.h"

#include <assert.h>
#include <stdio.h>

#include "base/pages.h"

#define ALL UINT64_MAX
#define LOW_HALF UINT64_C(0x00007fffffffffff) /* addresses that need no sign extension */
#define LOW_32 UINT64_C(0xffffffff)

#define CR4_BASE 0x620u /* PAE, FXSAVE, SSE exceptions */
#define CR4_OSXSAVE (1u << 18)

/* What XSAVE can hold that needs nothing but to be enabled; the last three only together. */
#define XCR0_LEGACY UINT64_C(0x03)
#define XCR0_AVX UINT64_C(0x04)
#define XCR0_AVX512 UINT64_C(0xe0)

static const char *const general[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp",
				       "rsi", "rdi", "r8",  "r9",  "r10", "r11",
				       "r12", "r13", "r14", "r15" };

static const struct kvm_check fixed[] = {
	/* CF PF AF ZF SF DF OF ID; IF is clear when it is looked at. */
	{ "rflags", BLOCK_RFLAGS, false, 0x2, 0x200cd5, 0x203ed7 },
	{ "ds", BLOCK_DS, false, SELECTOR_SPARE, SELECTOR_SPARE_MASK, 0xffff },
	{ "es", BLOCK_ES, false, SELECTOR_SPARE, SELECTOR_SPARE_MASK, 0xffff },
	{ "fs", BLOCK_FS, false, SELECTOR_USER_DATA, 0, 0xffff },
	{ "gs", BLOCK_GS, false, SELECTOR_USER_DATA, 0, 0xffff },
	{ "cr0", BLOCK_CR0, false, KVM_CR0, 0, ALL },
	{ "cr2", BLOCK_CR2, false, 0, LOW_HALF, ALL },
	{ "cr3", BLOCK_CR3, false, KVM_PAGE_TABLES, 0, ALL },
	/* Up to 14: what is not above it, the timer is, has to wait. */
	{ "cr8", BLOCK_CR8, false, 0, 0xe, ALL },
	{ "dr0", BLOCK_DR0, false, 0, LOW_HALF, ALL },
	{ "dr1", BLOCK_DR1, false, 0, LOW_HALF, ALL },
	{ "dr2", BLOCK_DR2, false, 0, LOW_HALF, ALL },
	{ "dr3", BLOCK_DR3, false, 0, LOW_HALF, ALL },
	{ "dr7", BLOCK_DR7, false, 0x400, 0, ALL },
	{ "gdtr limit", BLOCK_GDTR, false, (uint64_t)(8 * KVM_GDT_ENTRIES - 1) << 48, 0,
	  UINT64_C(0xffff) << 48 },
	{ "gdtr base", BLOCK_GDTR + 8, true, AREA_GDT, 0, ALL },
	{ "idtr limit", BLOCK_IDTR, false, UINT64_C(0xfff) << 48, 0,
	  UINT64_C(0xffff) << 48 },
	{ "idtr base", BLOCK_IDTR + 8, false, KVM_IDT, 0, ALL },
	{ "tr", BLOCK_TR, false, SELECTOR_TASK, 0, 0xffff },
};

static const struct {
	const char *name;
	uint32_t number;
	bool always; /* part of a vCPU's state by another name */
	struct kvm_check check;
} msrs[] = {
	{ "fs base", 0xc0000100, true, { .pattern = LOW_HALF, .compare = ALL } },
	{ "gs base", 0xc0000101, true, { .in_area = true, .compare = ALL } },
	{ "kernel gs base", 0xc0000102, false, { .pattern = LOW_HALF, .compare = ALL } },
	{ "star", 0xc0000081, false, { .pattern = ALL, .compare = ALL } },
	{ "lstar", 0xc0000082, false, { .pattern = LOW_HALF, .compare = ALL } },
	{ "cstar", 0xc0000083, false, { .pattern = LOW_HALF, .compare = ALL } },
	{ "sfmask", 0xc0000084, false, { .pattern = LOW_32, .compare = LOW_32 } },
	{ "sysenter cs", 0x174, false, { .pattern = 0xffff, .compare = 0xffff } },
	/* AMD's keep 32 bits. */
	{ "sysenter esp", 0x175, false, { .pattern = LOW_32 >> 1, .compare = LOW_32 } },
	{ "sysenter eip", 0x176, false, { .pattern = LOW_32 >> 1, .compare = LOW_32 } },
};

static_assert(sizeof(msrs) / sizeof(msrs[0]) <= KVM_MSRS_MAX, "room in a block");

static const struct kvm_cpuid_entry2 *cpuid_entry(const struct kvm_features *features,
						  uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < features->cpuid_count; i++) {
		const struct kvm_cpuid_entry2 *entry = &features->cpuid[i];

		if (entry->function == function &&
		    (entry->index == index ||
		     !(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return entry;
	}
	return NULL;
}

static void add(struct kvm_registers *registers, const struct kvm_check *check)
{
	assert(registers->check_count < KVM_CHECKS_MAX);
	registers->checks[registers->check_count++] = *check;
}

/* `count` registers of `each` words, which lie one behind the other. */
static void add_words(struct kvm_registers *registers, const char *name, uint32_t place,
		      uint32_t count, uint32_t each)
{
	for (uint32_t i = 0; i < count * each; i++) {
		struct kvm_check check = { .place = BLOCK_FPU + place + 8 * i,
					   .pattern = ALL,
					   .compare = ALL };

		snprintf(check.name, sizeof(check.name), "%s%u word %u", name, i / each,
			 i % each);
		add(registers, &check);
	}
}

/* What FXSAVE knows, which is how XSAVE begins. */
static void add_legacy_fpu(struct kvm_registers *registers)
{
	/* FCW: how to round; all exceptions masked, full precision.  FSW: stack top and condition
	 * codes.  All of the stack is in use. */
	static const struct kvm_check control = {
		"fcw, fsw and ftw", BLOCK_FPU,	false,
		0xff0000037f,	    0x7f000c00, 0xff7f000f3f
	};
	/* MXCSR: flush to zero, how to round, flags. */
	static const struct kvm_check mxcsr = { "mxcsr", BLOCK_FPU + 24, false,
						0x1f80,	 0xe03f,	 0xffff };

	add(registers, &control);
	add(registers, &mxcsr);
	for (uint32_t i = 0; i < 8; i++) {
		struct kvm_check check = { .place = BLOCK_FPU + 32 + 16 * i,
					   .pattern = ALL,
					   .compare = ALL };

		snprintf(check.name, sizeof(check.name), "st%u mantissa", i);
		add(registers, &check);
		check.place += 8;
		check.pattern = check.compare = 0xffff;
		snprintf(check.name, sizeof(check.name), "st%u exponent", i);
		add(registers, &check);
	}
	add_words(registers, "xmm", 160, 16, 2);
}

static const struct component {
	uint32_t number;
	const char *name;
	uint32_t count;
	uint32_t words;
} components[] = {
	{ 2, "ymm upper half ", 16, 2 },
	{ 5, "opmask", 8, 1 },
	{ 6, "zmm upper half ", 16, 4 },
	{ 7, "zmm 16 + ", 16, 8 },
};

#define COMPONENT_COUNT (sizeof(components) / sizeof(components[0]))

/* Where it is; false when the vCPU has none, or one that does not fit. */
static bool component_place(const struct component *component,
			    const struct kvm_features *features, uint32_t *place)
{
	const struct kvm_cpuid_entry2 *entry =
		cpuid_entry(features, 0xd, component->number);
	uint32_t bytes = 8 * component->count * component->words;

	if ((features->xcr0_mask >> component->number & 1) == 0 || !entry ||
	    entry->eax != bytes || entry->ebx % 8 != 0 ||
	    entry->ebx > BLOCK_FPU_BYTES_MAX - bytes)
		return false;
	*place = entry->ebx;
	return true;
}

static uint64_t choose_xcr0(const struct kvm_features *features)
{
	const struct kvm_cpuid_entry2 *basic = cpuid_entry(features, 1, 0);
	uint64_t fit = XCR0_LEGACY;
	uint32_t place;

	if (!basic || (basic->ecx >> 26 & 1) == 0)
		return 0;
	for (size_t i = 0; i < COMPONENT_COUNT; i++) {
		if (component_place(&components[i], features, &place))
			fit |= UINT64_C(1) << components[i].number;
	}
	if ((fit & XCR0_AVX) == 0)
		return XCR0_LEGACY;
	return (fit & XCR0_AVX512) == XCR0_AVX512 ? fit : fit & ~XCR0_AVX512;
}

static void add_xsave(struct kvm_registers *registers,
		      const struct kvm_features *features)
{
	/* In the header: all components are there. */
	struct kvm_check check = { .name = "xstate_bv",
				   .place = BLOCK_FPU + 512,
				   .base = registers->xcr0 };
	uint32_t place;

	add(registers, &check);
	check = (struct kvm_check){ .name = "xcr0",
				    .place = BLOCK_XCR0,
				    .base = registers->xcr0,
				    .compare = ALL };
	add(registers, &check);
	for (size_t i = 0; i < COMPONENT_COUNT; i++) {
		if ((registers->xcr0 >> components[i].number & 1) != 0 &&
		    component_place(&components[i], features, &place))
			add_words(registers, components[i].name, place,
				  components[i].count, components[i].words);
	}
}

static bool has_msr(const struct kvm_features *features, uint32_t number)
{
	for (uint32_t i = 0; i < features->msr_count; i++) {
		if (features->msrs[i] == number)
			return true;
	}
	return false;
}

static void add_msrs(struct kvm_registers *registers, const struct kvm_features *features)
{
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		struct kvm_check check = msrs[i].check;

		if (!msrs[i].always && !has_msr(features, msrs[i].number))
			continue;
		snprintf(check.name, sizeof(check.name), "%s", msrs[i].name);
		check.place = BLOCK_MSRS + 8 * registers->msr_count;
		registers->msrs[registers->msr_count++] = msrs[i].number;
		add(registers, &check);
	}
}

void kvm_registers_init(struct kvm_registers *registers,
			const struct kvm_features *features)
{
	struct kvm_check check = { .pattern = ALL, .compare = ALL };

	*registers =
		(struct kvm_registers){ .cr4 = CR4_BASE, .xcr0 = choose_xcr0(features) };
	if (registers->xcr0)
		registers->cr4 |= CR4_OSXSAVE;
	for (uint32_t i = 0; i < sizeof(general) / sizeof(general[0]); i++) {
		snprintf(check.name, sizeof(check.name), "%s", general[i]);
		check.place = BLOCK_RAX + 8 * i;
		add(registers, &check);
		if (check.place == BLOCK_RSP)
			registers->checks[i] = (struct kvm_check){ "rsp",
								   BLOCK_RSP,
								   true,
								   AREA_STACK_HELD,
								   AREA_STACK_HELD_MASK,
								   ALL };
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		add(registers, &fixed[i]);
	check = (struct kvm_check){
		.name = "cr4", .place = BLOCK_CR4, .base = registers->cr4, .compare = ALL
	};
	add(registers, &check);
	add_msrs(registers, features);
	add_legacy_fpu(registers);
	if (registers->xcr0)
		add_xsave(registers, features);
}
