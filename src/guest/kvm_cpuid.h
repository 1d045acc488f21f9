/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_cpuid.h - what CPUID's leaves say: features with names, and what has to be equal.
 *
 * Pure functions over KVM's tables of them.  Source of the bits: Intel SDM volume 2A "CPUID",
 * AMD APM volume 3 appendix E, Linux Documentation/virt/kvm/x86/cpuid.rst; their names are those
 * of Linux's /proc/cpuinfo and of QEMU's -cpu. */
#ifndef GUEST_KVM_CPUID_H
#define GUEST_KVM_CPUID_H

#include "guest/kvm_features.h"

/* NULL when there is no such leaf. */
const struct kvm_cpuid_entry2 *kvm_cpuid_find(const struct kvm_features *features,
					      uint32_t function, uint32_t index);

/* Takes out what has state that does not travel. */
void kvm_cpuid_limit(struct kvm_features *features);

/* What is each vCPU's own: its APIC id, and that it is alone on its socket. */
void kvm_cpuid_number(struct kvm_cpuid_entry2 *entries, uint32_t count, uint32_t apic_id);

/* GW_UNSUPPORTED as kvm_features_check(). */
int kvm_cpuid_check(const struct kvm_features *theirs, const struct kvm_features *host,
		    struct gw_error *err);

#endif
