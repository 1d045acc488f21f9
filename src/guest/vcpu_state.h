/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu_state.h - all that travels of one x86-64 vCPU.
 *
 * A plain value of some 20 KiB.  On the wire it is the body of one FULL section for each vCPU
 * (instance: its number), in groups that have a name, a version and a length of their own, each
 * a list of plain big-endian fields:
 *
 *	be32 version, be32 group count
 *	group:  name[16] zero padded, be32 version, be32 length, fields
 *
 * A group that is unknown here, missing, or of another version is refused by its name. */
#ifndef GUEST_VCPU_STATE_H
#define GUEST_VCPU_STATE_H

#include <linux/kvm.h>

#include "base/cursor.h"
#include "base/writer.h"
#include "guest/kvm_features.h"

#define VCPU_STATE_NAME "godwit/kvm-vcpu"
#define VCPU_STATE_VERSION 1u
#define VCPU_STATE_BYTES_MAX (4096u + KVM_XSAVE_BYTES_MAX + 12u * KVM_FEATURE_MSRS_MAX)
#define VCPU_DESCRIPTION_BYTES_MAX (16u << 10)

#define VCPU_XCRS_MAX 16u
#define VCPU_LAPIC_REGS 64u

struct vcpu_state {
	uint32_t mp_state;
	struct kvm_regs regs;
	struct kvm_sregs2 sregs; /* without KVM_SREGS2_FLAGS_PDPTRS_VALID pdptrs are 0 */
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;

	uint32_t xcr_count;
	uint32_t xcr_numbers[VCPU_XCRS_MAX];
	uint64_t xcr_values[VCPU_XCRS_MAX];

	/* In standard format, up to the last byte that is not 0, at least the header's end. */
	uint64_t xcr0_mask; /* what the guest may have enabled */
	uint32_t xsave_bytes;
	uint8_t xsave[KVM_XSAVE_BYTES_MAX]; /* 0 from there on */

	uint32_t msr_count;
	uint32_t msr_indices[KVM_FEATURE_MSRS_MAX];
	uint64_t msr_values[KVM_FEATURE_MSRS_MAX];

	bool has_lapic; /* a VM whose LAPICs are KVM's has this group, another has not */
	uint32_t lapic[VCPU_LAPIC_REGS]; /* registers, 16 bytes apart in its page */
};

/* Of a vCPU that is not in KVM_RUN and has no exit of KVM_EXIT_IO, _MMIO or the like left
 * unfinished (KVM_RUN with immediate_exit set finishes it).  `features`: what it was told.  By
 * the thread that owns the vCPU.  GW_SYSTEM names the call or the register. */
int vcpu_state_read(int vcpu_fd, const struct kvm_features *features,
		    struct vcpu_state *state, struct gw_error *err);

/* To a vCPU that was told the same and has not run.  GW_UNSUPPORTED names what it cannot be
 * given: then it is not to run. */
int vcpu_state_write(int vcpu_fd, const struct kvm_features *features,
		     const struct vcpu_state *state, struct gw_error *err);

/* GW_PEER when parts of it contradict each other, as no vCPU's do. */
int vcpu_state_check(const struct vcpu_state *state, struct gw_error *err);

/* At most VCPU_STATE_BYTES_MAX. */
void vcpu_state_encode(const struct vcpu_state *state, struct writer *out);
/* Takes exactly one state.  GW_PEER: cut short, unknown, missing, twice, out of bounds. */
int vcpu_state_decode(struct cursor *in, struct vcpu_state *state, struct gw_error *err);

/* This section as one element of a VMDESCRIPTION's "devices", for `vcpu`; with its NUL at most
 * VCPU_DESCRIPTION_BYTES_MAX.  Returns its length without. */
uint32_t vcpu_state_describe(const struct vcpu_state *state, uint32_t vcpu,
			     char text[VCPU_DESCRIPTION_BYTES_MAX]);

#endif
