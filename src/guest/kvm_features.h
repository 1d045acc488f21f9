/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_features.h - what the vCPUs of a KVM guest were told that they can do.
 *
 * A plain value.  At the source it is what that host can do, less what has state that vcpu_state.h
 * does not carry (nested virtualization, performance counters, AMX, ...).  It travels ahead of
 * the memory; the destination holds it against what its own host can do, and then tells its
 * vCPUs exactly the same.
 *
 *	source						destination
 *	kvm_features_of_host(&features)			kvm_features_of_host(&host)
 *	kvm_features_tell(&features, vCPU)
 *	kvm_features_encode(&features)  ------------->	kvm_features_decode(&theirs)
 *							kvm_features_check(&theirs, &host)
 *							kvm_features_tell(&theirs, vCPU)
 *
 * Any thread, as long as nobody changes it. */
#ifndef GUEST_KVM_FEATURES_H
#define GUEST_KVM_FEATURES_H

#include <linux/kvm.h>

#include "base/cursor.h"
#include "base/writer.h"

#define KVM_FEATURES_NAME "godwit/kvm-features"
#define KVM_FEATURES_INSTANCE 0u
#define KVM_FEATURES_VERSION 1u

#define KVM_CPUID_ENTRIES_MAX 256u
#define KVM_FEATURE_MSRS_MAX 128u
/* The largest state of a vCPU's vector units that we carry. */
#define KVM_XSAVE_BYTES_MIN 4096u
#define KVM_XSAVE_BYTES_MAX (16u << 10)
#define KVM_TSC_KHZ_MAX 100000000u
/* How far two hosts' time stamp counters may be apart for a guest not to care. */
#define KVM_TSC_PPM_MAX 250u

#define KVM_FEATURES_BYTES_MAX \
	(32u + 28u * KVM_CPUID_ENTRIES_MAX + 4u * KVM_FEATURE_MSRS_MAX)

struct kvm_features {
	uint64_t xcr0_mask;   /* components of XSAVE that a guest may enable */
	uint32_t xsave_bytes; /* of KVM_GET_XSAVE2; hosts may differ, their layouts not */
	uint32_t tsc_khz;
	bool scales_tsc; /* the host can run vCPUs at another frequency; does not travel */
	/* That a vCPU's state holds, in the order in which they are written. */
	uint32_t msr_count;
	uint32_t msrs[KVM_FEATURE_MSRS_MAX];
	uint32_t cpuid_count;
	struct kvm_cpuid_entry2 cpuid[KVM_CPUID_ENTRIES_MAX];
};

/* Asks a VM of its own, which is gone again when this returns.  `kvm_fd` is /dev/kvm.
 * GW_UNSUPPORTED names what this KVM lacks (it takes Linux 5.17) or has too much of. */
int kvm_features_of_host(int kvm_fd, struct kvm_features *features, struct gw_error *err);

/* Before anything else is set on that vCPU.  `vcpu`: its number, which becomes its APIC id. */
int kvm_features_tell(const struct kvm_features *features, int vcpu_fd, uint32_t vcpu,
		      struct gw_error *err);

/* At most KVM_FEATURES_BYTES_MAX. */
void kvm_features_encode(const struct kvm_features *features, struct writer *out);
/* GW_PEER: cut short, another version, out of bounds. */
int kvm_features_decode(struct cursor *in, struct kvm_features *features,
			struct gw_error *err);

/* Can this host go on with what a guest was told elsewhere?  GW_UNSUPPORTED names the first
 * features that it cannot give. */
int kvm_features_check(const struct kvm_features *theirs, const struct kvm_features *host,
		       struct gw_error *err);

#endif
