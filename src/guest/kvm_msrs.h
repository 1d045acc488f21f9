/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_msrs.h - the model specific registers that are part of a vCPU's state. */
#ifndef GUEST_KVM_MSRS_H
#define GUEST_KVM_MSRS_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_msr_kind {
	uint32_t index;
	const char *name;
	/* KVM has it for guests that are told of MTRRs, without listing it. */
	bool is_mtrr;
};

/* In the order in which they must be written. */
extern const struct kvm_msr_kind kvm_msr_kinds[];
extern const uint32_t kvm_msr_kind_count;

/* As manuals call it; "MSR" when it is none of the above. */
const char *kvm_msr_name(uint32_t index);

#endif
