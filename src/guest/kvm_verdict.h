/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_verdict.h - what a KVM guest's own memory says about it.
 *
 * The guest wrote it: nothing of it is trusted with a size or an index.  Any thread; all but the
 * counters of a guest that is paused. */
#ifndef GUEST_KVM_VERDICT_H
#define GUEST_KVM_VERDICT_H

#include "guest/kvm_registers.h"
#include "guest/kvm_state.h"

/* Pages that its vCPUs have stamped since it was born; also of a guest that runs. */
uint64_t kvm_verdict_pages(const uint8_t *host, uint32_t vcpu_count);

/* Times that a vCPU has checked all of its registers since it was born; also of a guest that
 * runs. */
uint64_t kvm_verdict_checks(const uint8_t *host, uint32_t vcpu);

/* What a vCPU's exception was, for an error. */
int kvm_verdict_fault(const uint8_t *host, uint32_t vcpu, struct gw_error *err);

/* GW_PEER: a register that came back as another, a page whose stamp is wrong (but for the one
 * that each vCPU is at), a heartbeat that is not the one it told of. */
int kvm_verdict(const struct ram_block *block, const struct kvm_state *state,
		const struct kvm_registers *registers, struct gw_error *err);

#endif
