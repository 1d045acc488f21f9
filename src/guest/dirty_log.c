/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_log.c - written pages of a KVM guest, from KVM's bitmap of each slot.
 *
 * While a slot is logged, KVM write-protects its pages; the first write to one sets its bit and
 * lets it go.  A harvest copies the bits and has the pages of set bits protected again.
 *
 * Older kernels do both for a whole slot in one KVM_GET_DIRTY_LOG and keep every vCPU that faults
 * waiting meanwhile.  Where there is KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 the harvest copies first
 * and then clears what it found, and only that, a chunk at a time: a write between copy and
 * clear finds its page still writable, its bit is cleared with the one that was reported, and
 * that is right because whoever harvests reads the page after the clear.
 *
 * The same capability offers KVM_DIRTY_LOG_INITIALLY_SET: logging then begins without protecting
 * anything, all bits set, and a page is watched from its first clear on.  It is taken, so that the
 * start is in chunks as well: dirty_start() clears all there is before it returns, for a page
 * that was never cleared would be reported once more by the first harvest, which is all of RAM
 * sent twice.  That these clears drop bits of pages written meanwhile is what starting means. */
#include "guest/dirty_log.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bitmap.h"

struct dirty_log {
	int vm_fd;
	/* What of KVM_DIRTY_LOG_* is enabled; 0: KVM_GET_DIRTY_LOG clears too. */
	uint64_t manual;
	uint32_t slot_count;
	struct kvm_slot slots[KVM_SLOTS_MAX];
	uint64_t *words; /* room for the log of the largest slot */
	size_t word_count;
};

static void log_free(void *state)
{
	struct dirty_log *log = state;

	free(log->words);
	free(log);
}

static void log_stop(void *state)
{
	struct dirty_log *log = state;
	struct gw_error ignored;

	/* A slot that cannot be told goes on logging, which costs time and nothing else. */
	for (uint32_t i = 0; i < log->slot_count; i++)
		kvm_slot_set(log->vm_fd, &log->slots[i], false, &ignored);
}

/* Pages of a slot from `first`, a multiple of DIRTY_LOG_CLEAR_PAGES, to the end of the chunk or
 * of the slot: the one place where KVM takes a count that is no multiple of 64. */
static size_t chunk_pages(const struct kvm_slot *slot, size_t first)
{
	size_t left = slot->page_count - first;

	return left < DIRTY_LOG_CLEAR_PAGES ? left : DIRTY_LOG_CLEAR_PAGES;
}

/* Takes the pages of a chunk whose bits are set in log->words under protection. */
static int clear_chunk(const struct dirty_log *log, const struct kvm_slot *slot,
		       size_t first, struct gw_error *err)
{
	struct kvm_clear_dirty_log clear = {
		.slot = slot->id,
		.first_page = first,
		.num_pages = (uint32_t)chunk_pages(slot, first),
		.dirty_bitmap = log->words + first / BITMAP_WORD_BITS,
	};

	if (ioctl(log->vm_fd, KVM_CLEAR_DIRTY_LOG, &clear) < 0)
		return fail_sys(err, errno, "clear dirty log of KVM slot %u at page %zu",
				slot->id, first);
	return 0;
}

static int clear_all(struct dirty_log *log, const struct kvm_slot *slot,
		     struct gw_error *err)
{
	memset(log->words, 0xff, bitmap_words(slot->page_count) * sizeof(log->words[0]));
	for (size_t first = 0; first < slot->page_count; first += DIRTY_LOG_CLEAR_PAGES) {
		if (clear_chunk(log, slot, first, err) < 0)
			return -1;
	}
	return 0;
}

static int log_start(void *state, struct gw_error *err)
{
	struct dirty_log *log = state;

	if (kvm_slots_set(log->vm_fd, log->slots, log->slot_count, true, err) < 0)
		return -1;
	if (!(log->manual & KVM_DIRTY_LOG_INITIALLY_SET))
		return 0;
	for (uint32_t i = 0; i < log->slot_count; i++) {
		if (clear_all(log, &log->slots[i], err) < 0)
			return -1;
	}
	return 0;
}

static int harvest_slot(struct dirty_log *log, const struct kvm_slot *slot,
			uint64_t *bitmap, uint64_t *found, struct gw_error *err)
{
	struct kvm_dirty_log get = { .slot = slot->id, .dirty_bitmap = log->words };

	if (ioctl(log->vm_fd, KVM_GET_DIRTY_LOG, &get) < 0)
		return fail_sys(err, errno, "get dirty log of KVM slot %u", slot->id);
	for (size_t first = 0; first < slot->page_count; first += DIRTY_LOG_CLEAR_PAGES) {
		size_t word = first / BITMAP_WORD_BITS;
		size_t end = word + bitmap_words(chunk_pages(slot, first));
		uint64_t in_chunk = 0;

		for (; word < end; word++) {
			if (log->words[word])
				in_chunk += kvm_slot_report(slot, word, log->words[word],
							    bitmap);
		}
		*found += in_chunk;
		if (in_chunk > 0 && log->manual && clear_chunk(log, slot, first, err) < 0)
			return -1;
	}
	return 0;
}

static int log_harvest(void *state, const struct ram_block *block, uint64_t *bitmap,
		       uint64_t *found, struct gw_error *err)
{
	struct dirty_log *log = state;

	for (uint32_t i = 0; i < log->slot_count; i++) {
		if (log->slots[i].block == block &&
		    harvest_slot(log, &log->slots[i], bitmap, found, err) < 0)
			return -1;
	}
	return 0;
}

static const struct dirty_ops dirty_log_ops = {
	.name = "dirty-log",
	.start = log_start,
	.harvest = log_harvest,
	.stop = log_stop,
	.free = log_free,
};

/* The best that this KVM has, of what is allowed. */
static int enable_manual(struct dirty_log *log, uint64_t allowed, struct gw_error *err)
{
	struct kvm_enable_cap enable = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };
	int offered =
		ioctl(log->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);

	if (offered > 0)
		enable.args[0] = (uint64_t)offered & allowed &
				 (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				  KVM_DIRTY_LOG_INITIALLY_SET);
	if (enable.args[0] == 0)
		return 0;
	if (ioctl(log->vm_fd, KVM_ENABLE_CAP, &enable) < 0)
		return fail_sys(err, errno,
				"enable KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, offered as %d",
				offered);
	log->manual = enable.args[0];
	return 0;
}

/* A VM with dirty rings has no log; KVM says so at the first KVM_GET_DIRTY_LOG of a slot. */
static int probe_log(const struct dirty_log *log, struct gw_error *err)
{
	struct kvm_dirty_log get = { .slot = log->slots[0].id,
				     .dirty_bitmap = log->words };

	/* ENOENT: the slot is not logged, as it should be. */
	if (ioctl(log->vm_fd, KVM_GET_DIRTY_LOG, &get) < 0 && errno == ENXIO)
		return fail(err, GW_UNSUPPORTED, "dirty-log: this VM has dirty rings");
	return 0;
}

struct dirty_tracker *dirty_log_new_within(int vm_fd, const struct kvm_slot *slots,
					   uint32_t slot_count, uint64_t manual_allowed,
					   struct gw_error *err)
{
	struct dirty_log *log = calloc(1, sizeof(*log));

	assert(slot_count > 0 && slot_count <= KVM_SLOTS_MAX);
	if (!log) {
		fail_sys(err, ENOMEM, "dirty log");
		return NULL;
	}
	log->vm_fd = vm_fd;
	log->slot_count = slot_count;
	memcpy(log->slots, slots, slot_count * sizeof(slots[0]));
	for (uint32_t i = 0; i < slot_count; i++) {
		size_t count = bitmap_words(slots[i].page_count);

		if (count > log->word_count)
			log->word_count = count;
	}
	assert(log->word_count > 0);
	log->words = calloc(log->word_count, sizeof(log->words[0]));
	if (!log->words) {
		fail_sys(err, ENOMEM, "dirty log of %zu words", log->word_count);
		log_free(log);
		return NULL;
	}
	if (probe_log(log, err) < 0 || enable_manual(log, manual_allowed, err) < 0) {
		log_free(log);
		return NULL;
	}
	return dirty_new(&dirty_log_ops, log, err);
}

struct dirty_tracker *dirty_log_new(int vm_fd, const struct kvm_slot *slots,
				    uint32_t slot_count, struct gw_error *err)
{
	return dirty_log_new_within(vm_fd, slots, slot_count, UINT64_MAX, err);
}
