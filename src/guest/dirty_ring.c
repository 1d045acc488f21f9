/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_ring.c - written pages of a KVM guest, from a ring that each vCPU fills.
 *
 * While a slot is logged, KVM write-protects its pages; a vCPU's first write to one puts it into
 * that vCPU's ring and lets the page go, for all vCPUs.  (A write that KVM emulates is put there
 * each time, which does no harm.)  Collecting a ring is, in this order:
 *
 *	1. read its entries and mark them as taken
 *	2. KVM_RESET_DIRTY_RINGS: KVM protects their pages again and may use the entries again
 *	3. set their bits in the bitmap that all vCPUs share
 *
 * so that a bit in the bitmap always stands for a page that was protected again since.  Set
 * before the reset, a bit could be taken by a harvest, and the page be read and then written
 * once more, without anybody noticing, before its protection came: that write would be lost.
 *
 * A harvest first has every ring collected, by a collection that began after the harvest, and
 * then takes the bits over.  A write from before the harvest let its page go then or found it
 * let go; either way the page's entry was in the ring of some vCPU, and that vCPU's owner has
 * since come to the end of step 3 with it: owners collect one time after the other, and
 * vCPUs do not run while they are collected.
 *
 * KVM stops a vCPU some 64 entries before its ring is full, but looks only when it enters the
 * guest.  One that emulates instructions (without virtualization in hardware it may do nothing
 * else) can run on past the end, over entries that were not taken.  Then all of them are set,
 * which cannot be otherwise: that is an error, for pages are lost and nobody can say which. */
#include "guest/dirty_ring.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/bitmap.h"

/* Owned by whoever collects this vCPU. */
struct vcpu_ring {
	struct kvm_dirty_gfn *entries; /* shared with KVM; NULL until mapped */
	uint32_t next;		       /* to be collected */
	size_t *taken;		       /* bits of the bitmap, between steps 1 and 3 */
};

struct dirty_ring {
	int vm_fd;
	uint32_t entry_count;
	uint32_t vcpu_count;
	struct vcpu_ring *vcpus;
	uint32_t slot_count;
	struct kvm_slot slots[KVM_SLOTS_MAX];
	size_t first_words[KVM_SLOTS_MAX]; /* of each slot, in the bitmap */
	uint64_t *words;		   /* atomic */
	size_t word_count;
};

int dirty_ring_enable(int vm_fd, uint32_t entries, struct gw_error *err)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
		.args = { entries * sizeof(struct kvm_dirty_gfn) },
	};
	int bytes_max = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING_ACQ_REL);

	/* The older name stands for the same on x86. */
	if (bytes_max <= 0) {
		enable.cap = KVM_CAP_DIRTY_LOG_RING;
		bytes_max = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING);
	}
	if (bytes_max <= 0)
		return fail(err, GW_UNSUPPORTED,
			    "dirty-ring: KVM lacks KVM_CAP_DIRTY_LOG_RING (linux 5.11)");
	if (enable.args[0] > (uint64_t)bytes_max)
		return fail(err, GW_UNSUPPORTED,
			    "dirty-ring: %u entries, KVM has at most %zu", entries,
			    (size_t)bytes_max / sizeof(struct kvm_dirty_gfn));
	if (ioctl(vm_fd, KVM_ENABLE_CAP, &enable) < 0) {
		fail_sys(err, errno, "dirty-ring: enable rings of %u entries", entries);
		err->kind = GW_UNSUPPORTED;
		return -1;
	}
	return 0;
}

void dirty_ring_free(struct dirty_ring *ring)
{
	if (!ring)
		return;
	for (uint32_t i = 0; ring->vcpus && i < ring->vcpu_count; i++) {
		struct vcpu_ring *vcpu = &ring->vcpus[i];

		if (vcpu->entries)
			munmap(vcpu->entries,
			       ring->entry_count * sizeof(vcpu->entries[0]));
		free(vcpu->taken);
	}
	free(ring->vcpus);
	free(ring->words);
	free(ring);
}

struct dirty_ring *dirty_ring_new(int vm_fd, const struct kvm_slot *slots,
				  uint32_t slot_count, uint32_t vcpu_count,
				  uint32_t entries, struct gw_error *err)
{
	OWNED(dirty_ring) struct dirty_ring *ring = calloc(1, sizeof(*ring));

	assert(slot_count > 0 && slot_count <= KVM_SLOTS_MAX);
	if (!ring) {
		fail_sys(err, ENOMEM, "dirty rings");
		return NULL;
	}
	ring->vm_fd = vm_fd;
	ring->entry_count = entries;
	ring->vcpu_count = vcpu_count;
	ring->slot_count = slot_count;
	memcpy(ring->slots, slots, slot_count * sizeof(slots[0]));
	for (uint32_t i = 0; i < slot_count; i++) {
		ring->first_words[i] = ring->word_count;
		ring->word_count += bitmap_words(slots[i].page_count);
	}
	ring->words = calloc(ring->word_count, sizeof(ring->words[0]));
	ring->vcpus = calloc(vcpu_count, sizeof(ring->vcpus[0]));
	if (!ring->words || !ring->vcpus) {
		fail_sys(err, ENOMEM, "dirty rings of %u vCPUs", vcpu_count);
		return NULL;
	}
	return MOVE(ring);
}

int dirty_ring_map(struct dirty_ring *ring, uint32_t vcpu, int vcpu_fd,
		   struct gw_error *err)
{
	struct vcpu_ring *mine = &ring->vcpus[vcpu];
	void *entries;

	assert(vcpu < ring->vcpu_count && !mine->entries);
	mine->taken = calloc(ring->entry_count, sizeof(mine->taken[0]));
	if (!mine->taken)
		return fail_sys(err, ENOMEM, "dirty ring of vCPU %u", vcpu);
	entries = mmap(NULL, ring->entry_count * sizeof(mine->entries[0]),
		       PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd,
		       (off_t)(KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_BYTES));
	if (entries == MAP_FAILED)
		return fail_sys(err, errno, "map dirty ring of vCPU %u", vcpu);
	mine->entries = entries;
	return 0;
}

/* The bit of an entry's page, once it is known to be in a slot of ours. */
static int entry_bit(const struct dirty_ring *ring, const struct kvm_dirty_gfn *entry,
		     size_t *bit, struct gw_error *err)
{
	for (uint32_t i = 0; i < ring->slot_count; i++) {
		/* The upper half is the address space, of which we use the first: 0. */
		if (ring->slots[i].id != entry->slot)
			continue;
		if (entry->offset >= ring->slots[i].page_count)
			return fail(err, GW_SYSTEM,
				    "dirty ring: page %llu of KVM slot %u, which has %zu",
				    (unsigned long long)entry->offset, entry->slot,
				    ring->slots[i].page_count);
		*bit = ring->first_words[i] * BITMAP_WORD_BITS + entry->offset;
		return 0;
	}
	return fail(err, GW_SYSTEM, "dirty ring: KVM slot %u is not ours", entry->slot);
}

/* Step 1.  Returns how many are in `taken`, or -1. */
static int take_entries(const struct dirty_ring *ring, struct vcpu_ring *mine,
			struct gw_error *err)
{
	uint32_t count;

	for (count = 0; count < ring->entry_count; count++) {
		struct kvm_dirty_gfn *entry =
			&mine->entries[mine->next % ring->entry_count];

		/* Acquire: the rest of the entry was written before the flag. */
		if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) !=
		    KVM_DIRTY_GFN_F_DIRTY)
			break;
		if (entry_bit(ring, entry, &mine->taken[count], err) < 0)
			return -1;
		/* Release: and was read before KVM may write it again. */
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		mine->next++;
	}
	return (int)count;
}

bool dirty_ring_filling(const struct dirty_ring *ring, uint32_t vcpu)
{
	const struct vcpu_ring *mine = &ring->vcpus[vcpu];
	uint32_t at = (mine->next + ring->entry_count / 8) % ring->entry_count;

	assert(vcpu < ring->vcpu_count && mine->entries);
	return __atomic_load_n(&mine->entries[at].flags, __ATOMIC_RELAXED) ==
	       KVM_DIRTY_GFN_F_DIRTY;
}

int dirty_ring_collect(struct dirty_ring *ring, uint32_t vcpu, struct gw_error *err)
{
	struct vcpu_ring *mine = &ring->vcpus[vcpu];
	int count, done;

	assert(vcpu < ring->vcpu_count && mine->entries);
	count = take_entries(ring, mine, err);
	if (count < 0)
		return fail_in(err, "vCPU %u", vcpu);
	if ((uint32_t)count == ring->entry_count)
		return fail(
			err, GW_SYSTEM,
			"vCPU %u: dirty ring: KVM did not stop it at %u entries and lost "
			"pages; the dirty log does not",
			vcpu, ring->entry_count);
	if (count == 0)
		return 0;
	/* It goes through all vCPUs' rings, one call after the other, and may come upon taken
	 * entries of theirs: those are just earlier at step 2.  A signal cuts it short. */
	do
		done = ioctl(ring->vm_fd, KVM_RESET_DIRTY_RINGS, 0);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return fail_sys(err, errno, "vCPU %u: reset dirty rings", vcpu);
	for (int i = 0; i < count; i++)
		bitmap_set_shared(ring->words, mine->taken[i]);
	return 0;
}

struct ring_tracker {
	struct dirty_ring *ring;
	dirty_ring_collect_all *collect_all;
	void *collect_state;
};

static void ring_stop(void *state)
{
	struct ring_tracker *tracker = state;
	struct gw_error ignored;

	/* A slot that cannot be told goes on logging, which costs time and nothing else. */
	for (uint32_t i = 0; i < tracker->ring->slot_count; i++)
		kvm_slot_set(tracker->ring->vm_fd, &tracker->ring->slots[i], false,
			     &ignored);
}

static int ring_start(void *state, struct gw_error *err)
{
	struct ring_tracker *tracker = state;
	struct dirty_ring *ring = tracker->ring;

	/* What is left from an earlier time. */
	if (tracker->collect_all(tracker->collect_state, err) < 0)
		return -1;
	for (size_t i = 0; i < ring->word_count; i++)
		__atomic_store_n(&ring->words[i], 0, __ATOMIC_RELAXED);
	return kvm_slots_set(ring->vm_fd, ring->slots, ring->slot_count, true, err);
}

static int ring_harvest(void *state, const struct ram_block *block, uint64_t *bitmap,
			uint64_t *found, struct gw_error *err)
{
	struct ring_tracker *tracker = state;
	struct dirty_ring *ring = tracker->ring;

	if (tracker->collect_all(tracker->collect_state, err) < 0)
		return -1;
	for (uint32_t i = 0; i < ring->slot_count; i++) {
		uint64_t *words = ring->words + ring->first_words[i];
		size_t word_count = bitmap_words(ring->slots[i].page_count);

		if (ring->slots[i].block != block)
			continue;
		for (size_t word = 0; word < word_count; word++) {
			uint64_t bits;

			if (__atomic_load_n(&words[word], __ATOMIC_RELAXED) == 0)
				continue;
			bits = __atomic_exchange_n(&words[word], 0, __ATOMIC_ACQ_REL);
			*found += kvm_slot_report(&ring->slots[i], word, bits, bitmap);
		}
	}
	return 0;
}

static const struct dirty_ops dirty_ring_ops = {
	.name = "dirty-ring",
	.start = ring_start,
	.harvest = ring_harvest,
	.stop = ring_stop,
	.free = free,
};

struct dirty_tracker *dirty_ring_tracker(struct dirty_ring *ring,
					 dirty_ring_collect_all *collect_all,
					 void *collect_state, struct gw_error *err)
{
	struct ring_tracker *tracker = calloc(1, sizeof(*tracker));

	if (!tracker) {
		fail_sys(err, ENOMEM, "dirty-ring");
		return NULL;
	}
	tracker->ring = ring;
	tracker->collect_all = collect_all;
	tracker->collect_state = collect_state;
	return dirty_new(&dirty_ring_ops, tracker, err);
}
