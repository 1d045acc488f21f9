/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_state.h - what a KVM guest is, beside its RAM, its vCPUs and its devices.
 *
 * A plain value.  It travels as the body of one FULL section, and a machine at the other end is
 * built after it: so many vCPUs, so much memory. */
#ifndef GUEST_KVM_STATE_H
#define GUEST_KVM_STATE_H

#include "base/cursor.h"
#include "base/writer.h"
#include "guest/guest.h"
#include "guest/kvm_layout.h"

#define KVM_STATE_NAME "godwit/kvm-machine"
#define KVM_STATE_INSTANCE 0u
#define KVM_STATE_VERSION 1u
#define KVM_STATE_BYTES 52u
#define KVM_STATE_DESCRIPTION_BYTES_MAX 1024u

/* More than this has no room for its page tables in low memory. */
#define KVM_MEMORY_MAX (UINT64_C(128) << 30)

struct kvm_state {
	uint64_t memory_bytes;
	uint32_t vcpu_count;
	uint64_t working_set_bytes;
	uint64_t dirty_rate_bytes;
	enum write_pattern pattern;
	uint64_t heartbeat; /* beats that it told of since it was born */
	uint64_t
		heartbeat_ns; /* when the last was, by its host's monotonic clock; 0 never */
};

/* GW_USAGE when there can be no such guest. */
int kvm_state_check(const struct kvm_state *state, struct gw_error *err);

/* Its places in the block, of a state that was checked. */
uint64_t kvm_state_heartbeat_offset(const struct kvm_state *state);
struct process_share kvm_state_share(const struct kvm_state *state, uint32_t vcpu);

/* Where an offset in the block is in the guest's physical memory. */
static inline uint64_t kvm_state_physical(uint64_t offset)
{
	return offset < KVM_HOLE_START ? offset : offset - KVM_HOLE_START + KVM_HOLE_END;
}

/* KVM_STATE_BYTES of them. */
void kvm_state_encode(const struct kvm_state *state, struct writer *out);
/* GW_PEER: cut short, another version, or what kvm_state_check() refuses. */
int kvm_state_decode(struct cursor *in, struct kvm_state *state, struct gw_error *err);

/* This section as one element of a VMDESCRIPTION's "devices".  Returns its length. */
uint32_t kvm_state_describe(char text[KVM_STATE_DESCRIPTION_BYTES_MAX]);

#endif
