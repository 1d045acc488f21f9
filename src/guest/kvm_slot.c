/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_slot.c - a range of a RAM block that KVM maps into the guest. */
#include "guest/kvm_slot.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/bitmap.h"

int kvm_slot_set(int vm_fd, const struct kvm_slot *slot, bool log_writes,
		 struct gw_error *err)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot->id,
		.flags = log_writes ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = slot->guest_phys,
		.memory_size = slot->page_count * PAGE_BYTES,
		.userspace_addr =
			(uintptr_t)slot->block->host + slot->first_page * PAGE_BYTES,
	};

	assert(slot->id < KVM_SLOTS_MAX);
	assert(slot->page_count <= slot->block->page_count &&
	       slot->first_page <= slot->block->page_count - slot->page_count);
	if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return fail_sys(err, errno, "KVM slot %u of %zu pages of block %s",
				slot->id, slot->page_count, slot->block->name);
	return 0;
}

int kvm_slots_set(int vm_fd, const struct kvm_slot *slots, uint32_t count,
		  bool log_writes, struct gw_error *err)
{
	for (uint32_t i = 0; i < count; i++) {
		if (kvm_slot_set(vm_fd, &slots[i], log_writes, err) < 0)
			return -1;
	}
	return 0;
}

uint32_t kvm_slot_report(const struct kvm_slot *slot, size_t word, uint64_t bits,
			 uint64_t *block_bitmap)
{
	size_t page = word * BITMAP_WORD_BITS, first = slot->first_page + page;
	size_t at = first / BITMAP_WORD_BITS;
	unsigned shift = first % BITMAP_WORD_BITS;

	assert(page < slot->page_count);
	if (slot->page_count - page < BITMAP_WORD_BITS)
		bits &= (UINT64_C(1) << (slot->page_count - page)) - 1;
	block_bitmap[at] |= bits << shift;
	/* The second word may not exist: it is touched only for pages in it. */
	if (shift > 0 && bits >> (BITMAP_WORD_BITS - shift))
		block_bitmap[at + 1] |= bits >> (BITMAP_WORD_BITS - shift);
	return (uint32_t)__builtin_popcountll(bits);
}
