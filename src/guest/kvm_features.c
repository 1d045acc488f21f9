/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_features.c - what the vCPUs of a KVM guest were told that they can do. */
#include "guest/kvm_features.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/own.h"
#include "guest/kvm_cpuid.h"
#include "guest/kvm_msrs.h"

/* KVM lists some hundreds; we carry a part of them. */
#define LISTED_MSRS_MAX 4096u
#define CPUID_MTRR (UINT32_C(1) << 12)	       /* leaf 1, edx */
#define CPUID_TSC_DEADLINE (UINT32_C(1) << 24) /* leaf 1, ecx */
#define CPUID_FLAGS KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/* KVM's list, with room. */
union cpuid_list {
	struct kvm_cpuid2 head;
	uint8_t room[sizeof(struct kvm_cpuid2) +
		     KVM_CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2)];
};

static int read_cpuid(int kvm_fd, struct kvm_features *features, struct gw_error *err)
{
	union cpuid_list told = { .head.nent = KVM_CPUID_ENTRIES_MAX };
	struct kvm_cpuid_entry2 *leaf;

	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &told) < 0) {
		if (errno == E2BIG)
			return fail(err, GW_UNSUPPORTED,
				    "KVM: more than %u CPUID entries",
				    KVM_CPUID_ENTRIES_MAX);
		return fail_sys(err, errno, "KVM: get supported CPUID");
	}
	for (uint32_t i = 0; i < told.head.nent; i++) {
		struct kvm_cpuid_entry2 *entry = &features->cpuid[features->cpuid_count];

		*entry = told.head.entries[i];
		entry->flags &= CPUID_FLAGS;
		/* KVM answers as much for leaves that are not listed. */
		if (entry->eax || entry->ebx || entry->ecx || entry->edx ||
		    (entry->flags & CPUID_FLAGS && entry->index > 0))
			features->cpuid_count++;
	}
	/* Some KVMs do not list what their LAPIC has. */
	leaf = (struct kvm_cpuid_entry2 *)kvm_cpuid_find(features, 1, 0);
	if (leaf && ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		leaf->ecx |= CPUID_TSC_DEADLINE;
	kvm_cpuid_limit(features);
	return 0;
}

static bool is_listed(const struct kvm_msr_list *list, uint32_t index)
{
	for (uint32_t i = 0; i < list->nmsrs; i++) {
		if (list->indices[i] == index)
			return true;
	}
	return false;
}

static int read_msr_list(int kvm_fd, struct kvm_features *features, struct gw_error *err)
{
	const struct kvm_cpuid_entry2 *leaf = kvm_cpuid_find(features, 1, 0);
	OWNED_MEMORY struct kvm_msr_list *list =
		calloc(1, sizeof(*list) + LISTED_MSRS_MAX * sizeof(list->indices[0]));

	static_assert(KVM_FEATURE_MSRS_MAX >= 64, "room for all of kvm_msrs.c");
	if (!list)
		return fail_sys(err, ENOMEM, "KVM: list of MSRs");
	list->nmsrs = LISTED_MSRS_MAX;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		return fail_sys(err, errno, "KVM: get list of MSRs");
	for (uint32_t i = 0; i < kvm_msr_kind_count; i++) {
		const struct kvm_msr_kind *kind = &kvm_msr_kinds[i];
		bool there = kind->is_mtrr ? leaf && leaf->edx & CPUID_MTRR
					   : is_listed(list, kind->index);

		if (there)
			features->msrs[features->msr_count++] = kind->index;
	}
	return 0;
}

static int read_xsave(int vm_fd, int kvm_fd, struct kvm_features *features,
		      struct gw_error *err)
{
	struct kvm_device_attr mask = {
		.attr = KVM_X86_XCOMP_GUEST_SUPP,
		.addr = (uintptr_t)&features->xcr0_mask,
	};
	int bytes = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	if (bytes <= 0)
		return fail(err, GW_UNSUPPORTED, "KVM lacks KVM_CAP_XSAVE2 (linux 5.17)");
	if ((uint32_t)bytes > KVM_XSAVE_BYTES_MAX)
		return fail(err, GW_UNSUPPORTED,
			    "KVM: XSAVE area of %d bytes, at most %u", bytes,
			    KVM_XSAVE_BYTES_MAX);
	features->xsave_bytes = (uint32_t)bytes;
	if (ioctl(kvm_fd, KVM_GET_DEVICE_ATTR, &mask) < 0) {
		fail_sys(err, errno, "KVM: components of XSAVE (linux 5.17)");
		err->kind = GW_UNSUPPORTED;
		return -1;
	}
	/* AMX is not told of. */
	features->xcr0_mask &= ~(UINT64_C(3) << 17);
	return 0;
}

static int read_tsc(int vm_fd, struct kvm_features *features, struct gw_error *err)
{
	OWNED_FD int vcpu_fd = ioctl(vm_fd, KVM_CREATE_VCPU, 0);
	int khz;

	if (vcpu_fd < 0)
		return fail_sys(err, errno, "KVM: create a vCPU");
	khz = ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
	if (khz < 0)
		return fail_sys(err, errno, "KVM: get TSC frequency");
	features->tsc_khz = (uint32_t)khz;
	features->scales_tsc = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0;
	return 0;
}

int kvm_features_of_host(int kvm_fd, struct kvm_features *features, struct gw_error *err)
{
	OWNED_FD int vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);

	memset(features, 0, sizeof(*features));
	if (vm_fd < 0)
		return fail_sys(err, errno, "KVM: create a VM");
	if (read_xsave(vm_fd, kvm_fd, features, err) < 0 ||
	    read_cpuid(kvm_fd, features, err) < 0 ||
	    read_msr_list(kvm_fd, features, err) < 0)
		return -1;
	return read_tsc(vm_fd, features, err);
}

int kvm_features_tell(const struct kvm_features *features, int vcpu_fd, uint32_t vcpu,
		      struct gw_error *err)
{
	union cpuid_list told = { .head.nent = features->cpuid_count };

	memcpy(told.head.entries, features->cpuid,
	       features->cpuid_count * sizeof(features->cpuid[0]));
	kvm_cpuid_number(told.head.entries, features->cpuid_count, vcpu);
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, &told) < 0) {
		fail_sys(err, errno, "vCPU %u: KVM does not take its CPUID", vcpu);
		err->kind = GW_UNSUPPORTED;
		return -1;
	}
	if (ioctl(vcpu_fd, KVM_SET_TSC_KHZ, (unsigned long)features->tsc_khz) < 0) {
		fail_sys(err, errno, "vCPU %u: KVM does not take a TSC of %u kHz", vcpu,
			 features->tsc_khz);
		err->kind = GW_UNSUPPORTED;
		return -1;
	}
	return 0;
}

void kvm_features_encode(const struct kvm_features *features, struct writer *out)
{
	writer_be32(out, KVM_FEATURES_VERSION);
	writer_be64(out, features->xcr0_mask);
	writer_be32(out, features->xsave_bytes);
	writer_be32(out, features->tsc_khz);
	writer_be32(out, features->msr_count);
	for (uint32_t i = 0; i < features->msr_count; i++)
		writer_be32(out, features->msrs[i]);
	writer_be32(out, features->cpuid_count);
	for (uint32_t i = 0; i < features->cpuid_count; i++) {
		const struct kvm_cpuid_entry2 *entry = &features->cpuid[i];

		writer_be32(out, entry->function);
		writer_be32(out, entry->index);
		writer_be32(out, entry->flags);
		writer_be32(out, entry->eax);
		writer_be32(out, entry->ebx);
		writer_be32(out, entry->ecx);
		writer_be32(out, entry->edx);
	}
}

static int check_numbers(const struct kvm_features *seen, struct gw_error *err)
{
	if (seen->xsave_bytes < KVM_XSAVE_BYTES_MIN ||
	    seen->xsave_bytes > KVM_XSAVE_BYTES_MAX)
		return fail(err, GW_PEER,
			    "KVM features: XSAVE area of %u bytes, %u to %u",
			    seen->xsave_bytes, KVM_XSAVE_BYTES_MIN, KVM_XSAVE_BYTES_MAX);
	if (seen->tsc_khz == 0 || seen->tsc_khz > KVM_TSC_KHZ_MAX)
		return fail(err, GW_PEER, "KVM features: TSC of %u kHz, 1 to %u",
			    seen->tsc_khz, KVM_TSC_KHZ_MAX);
	if (seen->msr_count > KVM_FEATURE_MSRS_MAX)
		return fail(err, GW_PEER, "KVM features: %u MSRs, at most %u",
			    seen->msr_count, KVM_FEATURE_MSRS_MAX);
	return 0;
}

static int decode_cpuid(struct cursor *in, struct kvm_features *seen,
			struct gw_error *err)
{
	uint32_t count = cursor_be32(in);

	if (in->overrun)
		return cursor_fail(in, err, "KVM features");
	if (count == 0 || count > KVM_CPUID_ENTRIES_MAX)
		return fail(err, GW_PEER, "KVM features: %u CPUID entries, 1 to %u",
			    count, KVM_CPUID_ENTRIES_MAX);
	for (; seen->cpuid_count < count; seen->cpuid_count++) {
		struct kvm_cpuid_entry2 *entry = &seen->cpuid[seen->cpuid_count];

		entry->function = cursor_be32(in);
		entry->index = cursor_be32(in);
		entry->flags = cursor_be32(in);
		entry->eax = cursor_be32(in);
		entry->ebx = cursor_be32(in);
		entry->ecx = cursor_be32(in);
		entry->edx = cursor_be32(in);
		if (in->overrun)
			return cursor_fail(in, err, "KVM features");
		/* KVM takes one without the flag for all sub-leaves. */
		if (entry->flags & ~CPUID_FLAGS || (entry->index > 0 && !entry->flags))
			return fail(err, GW_PEER,
				    "KVM features: CPUID entry 0x%x.%u with flags 0x%x",
				    entry->function, entry->index, entry->flags);
		/* KVM and kvm_cpuid_check() might not mean the same one. */
		if (kvm_cpuid_find(seen, entry->function, entry->index))
			return fail(err, GW_PEER,
				    "KVM features: CPUID entry 0x%x.%u comes twice",
				    entry->function, entry->index);
	}
	return 0;
}

int kvm_features_decode(struct cursor *in, struct kvm_features *features,
			struct gw_error *err)
{
	uint32_t version = cursor_be32(in);

	memset(features, 0, sizeof(*features));
	if (!in->overrun && version != KVM_FEATURES_VERSION)
		return fail(err, GW_PEER, "KVM features: version %u, %u is known",
			    version, KVM_FEATURES_VERSION);
	features->xcr0_mask = cursor_be64(in);
	features->xsave_bytes = cursor_be32(in);
	features->tsc_khz = cursor_be32(in);
	features->msr_count = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "KVM features");
	if (check_numbers(features, err) < 0)
		return -1;
	for (uint32_t i = 0; i < features->msr_count; i++)
		features->msrs[i] = cursor_be32(in);
	return decode_cpuid(in, features, err);
}

static int check_tsc(const struct kvm_features *theirs, const struct kvm_features *host,
		     struct gw_error *err)
{
	uint64_t apart = theirs->tsc_khz > host->tsc_khz
				 ? theirs->tsc_khz - host->tsc_khz
				 : host->tsc_khz - theirs->tsc_khz;

	if (host->scales_tsc ||
	    apart * 1000000 <= (uint64_t)KVM_TSC_PPM_MAX * theirs->tsc_khz)
		return 0;
	return fail(err, GW_UNSUPPORTED,
		    "this host's TSC runs at %u kHz, the guest's at %u, and it cannot be "
		    "scaled",
		    host->tsc_khz, theirs->tsc_khz);
}

static int check_msrs(const struct kvm_features *theirs, const struct kvm_features *host,
		      struct gw_error *err)
{
	for (uint32_t i = 0; i < theirs->msr_count; i++) {
		bool there = false;

		for (uint32_t j = 0; j < host->msr_count && !there; j++)
			there = host->msrs[j] == theirs->msrs[i];
		if (!there)
			return fail(err, GW_UNSUPPORTED,
				    "this host lacks MSR 0x%x (%s), which the guest has",
				    theirs->msrs[i], kvm_msr_name(theirs->msrs[i]));
	}
	return 0;
}

int kvm_features_check(const struct kvm_features *theirs, const struct kvm_features *host,
		       struct gw_error *err)
{
	uint64_t lacks = theirs->xcr0_mask & ~host->xcr0_mask;

	if (kvm_cpuid_check(theirs, host, err) < 0)
		return -1;
	if (lacks != 0)
		return fail(err, GW_UNSUPPORTED,
			    "this host lacks XSAVE components 0x%" PRIx64
			    ", which the guest was told of",
			    lacks);
	if (check_msrs(theirs, host, err) < 0)
		return -1;
	return check_tsc(theirs, host, err);
}
