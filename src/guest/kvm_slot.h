/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_slot.h - a range of a RAM block that KVM maps into the guest.
 *
 * A plain value.  KVM gets one memory slot for each; the trackers of written pages turn its
 * logging on and off, and bring what KVM knows by slot back to pages of the block. */
#ifndef GUEST_KVM_SLOT_H
#define GUEST_KVM_SLOT_H

#include "ram/block.h"

#define KVM_SLOTS_MAX 8u

struct kvm_slot {
	const struct ram_block *block; /* borrowed */
	uint32_t id;		       /* KVM's number of it, below KVM_SLOTS_MAX */
	uint64_t guest_phys;	       /* page aligned */
	size_t first_page;	       /* of the block */
	size_t page_count;
};

/* Maps it, or changes only whether KVM notes who writes to it.  Any thread. */
int kvm_slot_set(int vm_fd, const struct kvm_slot *slot, bool log_writes,
		 struct gw_error *err);

/* Does so for all of them, in order, and stops at the first that fails. */
int kvm_slots_set(int vm_fd, const struct kvm_slot *slots, uint32_t count,
		  bool log_writes, struct gw_error *err);

/* ORs one word of a bitmap of the slot's pages, the one that begins at its page
 * `word * BITMAP_WORD_BITS`, into a bitmap of the block's; returns how many were set.  Bits
 * past the slot's end are passed over. */
uint32_t kvm_slot_report(const struct kvm_slot *slot, size_t word, uint64_t bits,
			 uint64_t *block_bitmap);

#endif
