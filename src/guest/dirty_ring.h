/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_ring.h - written pages of a KVM guest, from a ring that each vCPU fills.
 *
 * Each vCPU's ring has one collector at a time: the thread that runs that vCPU, or, while it does
 * not run, whoever owns it then.  Collected pages meet in one bitmap of atomic words; nothing
 * here takes a lock.  Sees and does not see what dirty_log.h says.
 *
 *	machine				vCPU i's thread			tracker
 *	dirty_ring_enable(vm)
 *	  (vCPUs are created)
 *	dirty_ring_new()
 *	dirty_ring_map(i)
 *	dirty_ring_tracker()		KVM_EXIT_DIRTY_RING_FULL:
 *					  dirty_ring_collect(i)
 *	collect_all(): kicks  ------->	dirty_ring_collect(i)  ------->	harvest
 */
#ifndef GUEST_DIRTY_RING_H
#define GUEST_DIRTY_RING_H

#include "guest/kvm_slot.h"
#include "ram/dirty.h"

/* Pages a vCPU can write before it has to stop and be collected. */
#define DIRTY_RING_ENTRIES 65536u

struct dirty_ring; /* of all vCPUs of a VM */

/* Before the VM's first vCPU.  `entries`: a power of two; KVM keeps some 64 of them, and more on
 * some CPUs, for itself.  GW_UNSUPPORTED when this KVM has no rings or none of that size. */
int dirty_ring_enable(int vm_fd, uint32_t entries, struct gw_error *err);

/* As many entries as were enabled.  The slots are copied, the descriptor and their blocks
 * borrowed. */
struct dirty_ring *dirty_ring_new(int vm_fd, const struct kvm_slot *slots,
				  uint32_t slot_count, uint32_t vcpu_count,
				  uint32_t entries, struct gw_error *err);
void dirty_ring_free(struct dirty_ring *ring); /* after its tracker; NULL is fine */
DEFINE_OWNED(dirty_ring)

/* Once for each vCPU (numbered from 0), before it runs with a tracker started. */
int dirty_ring_map(struct dirty_ring *ring, uint32_t vcpu, int vcpu_fd,
		   struct gw_error *err);

/* Empties the ring of one vCPU; by its owner only, never while it is in KVM_RUN.  On
 * KVM_EXIT_DIRTY_RING_FULL, which returns at once until that is done, and when collect_all()
 * below asks for it.  Different vCPUs may be collected at the same time.
 * GW_SYSTEM: KVM refuses, or has put something into the ring that it cannot have meant, or let
 * the vCPU run past the ring's end: then that vCPU may never leave the full ring behind. */
int dirty_ring_collect(struct dirty_ring *ring, uint32_t vcpu, struct gw_error *err);

/* Is an eighth of it full?  By the same owner, after any exit: collecting then keeps a vCPU whose
 * instructions KVM emulates from running past the end. */
bool dirty_ring_filling(const struct dirty_ring *ring, uint32_t vcpu);

/* Has dirty_ring_collect() run for each vCPU by its owner, begun after this call and ended before
 * it returns; whether vCPUs run or are paused.  Called by the tracker's thread from start and
 * harvest.  Fails with the first error that a collector had. */
typedef int dirty_ring_collect_all(void *state, struct gw_error *err);

/* "dirty-ring".  `ring` is borrowed and outlives it.  One tracker a ring. */
struct dirty_tracker *dirty_ring_tracker(struct dirty_ring *ring,
					 dirty_ring_collect_all *collect_all,
					 void *collect_state, struct gw_error *err);

#endif
