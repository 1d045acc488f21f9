/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_registers.h - the registers that a KVM guest's payload fills with patterns and checks.
 *
 * A plain value, made from what the vCPUs were told they have: the same at both ends.  The payload
 * gets it as a table and knows registers only by their places in a block (kvm_layout.h); the
 * host knows their names. */
#ifndef GUEST_KVM_REGISTERS_H
#define GUEST_KVM_REGISTERS_H

#include <stdbool.h>

#include "guest/kvm_features.h"
#include "guest/kvm_layout.h"

/* Eight bytes of a register, or a whole one. */
struct kvm_check {
	char name[40];
	uint32_t place;
	bool in_area; /* the base counts from the vCPU's area */
	uint64_t base;
	uint64_t pattern; /* bits that take any value */
	uint64_t compare; /* bits that have to come back */
};

struct kvm_registers {
	uint64_t cr4;
	uint64_t xcr0; /* 0: without XSAVE */
	uint32_t check_count;
	struct kvm_check checks[KVM_CHECKS_MAX];
	uint32_t msr_count;
	uint32_t msrs[KVM_MSRS_MAX]; /* the n-th is at BLOCK_MSRS + 8 n */
};

#define KVM_CR0 \
	0x80010033u /* paging, write protection, FPU errors as exceptions, protected */
#define KVM_EFER 0xd01u /* SYSCALL, long mode, no-execute */

void kvm_registers_init(struct kvm_registers *registers,
			const struct kvm_features *features);

#endif
