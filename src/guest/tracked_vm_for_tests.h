/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tracked_vm_for_tests.h - a test VM whose pages are tracked, and a naive model of what it wrote.
 *
 * One RAM block behind two slots that begin and end on no boundary of 64 pages, neither in the
 * block nor in themselves.  For tests, which include tests/check.h before. */
#ifndef GUEST_TRACKED_VM_FOR_TESTS_H
#define GUEST_TRACKED_VM_FOR_TESTS_H

#include <pthread.h>
#include <sched.h>

#include "base/bitmap.h"
#include "guest/dirty_log.h"
#include "guest/kvm_vm_for_tests.h"

/* More than two chunks of KVM_CLEAR_DIRTY_LOG, and an end that is none of 64 pages. */
#define FIRST_SLOT_PAGES (2 * DIRTY_LOG_CLEAR_PAGES + 45u)
#define SECOND_SLOT_PAGES 333u
#define BEFORE_PAGES 7u /* of the block, that no slot maps */
#define HOLE_PAGES 100u /* between the slots, for the guest */
#define BLOCK_PAGES (BEFORE_PAGES + FIRST_SLOT_PAGES + SECOND_SLOT_PAGES + 5u)

struct tracked_vm {
	struct test_vm vm;
	struct ram ram;
	struct ram_block *block;
	struct kvm_slot slots[2];
	struct dirty_tracker *tracker;
	uint64_t model[BLOCK_PAGES / BITMAP_WORD_BITS + 1];
	uint64_t seen[BLOCK_PAGES / BITMAP_WORD_BITS + 1];
	uint64_t found;
	struct gw_error err;
};

static inline void tracked_close(struct tracked_vm *t)
{
	dirty_free(t->tracker);
	t->tracker = NULL;
	test_vm_close(&t->vm);
	if (t->block)
		ram_deinit(&t->ram);
	t->block = NULL;
}

/* Without vCPUs and tracker. */
static inline void tracked_open(struct tracked_vm *t)
{
	memset(t, 0, sizeof(*t));
	test_vm_open(&t->vm);
	ram_init(&t->ram);
	CHECK_OK(ram_allocate(&t->ram, "ram", BLOCK_PAGES * PAGE_BYTES, &t->err),
		 &t->err);
	t->block = ram_find(&t->ram, "ram", 3);
	t->slots[0] = (struct kvm_slot){
		.block = t->block,
		.id = 1,
		.guest_phys = TEST_DATA,
		.first_page = BEFORE_PAGES,
		.page_count = FIRST_SLOT_PAGES,
	};
	t->slots[1] = (struct kvm_slot){
		.block = t->block,
		.id = 5,
		.guest_phys = TEST_DATA + (FIRST_SLOT_PAGES + HOLE_PAGES) * PAGE_BYTES,
		.first_page = BEFORE_PAGES + FIRST_SLOT_PAGES,
		.page_count = SECOND_SLOT_PAGES,
	};
	CHECK_OK(kvm_slots_set(t->vm.vm_fd, t->slots, 2, false, &t->err), &t->err);
}

/* Where the guest sees a page that a slot maps, counted from the first. */
static inline uint64_t tracked_address(const struct tracked_vm *t, size_t mapped_page)
{
	const struct kvm_slot *slot = t->slots;
	size_t page = mapped_page;

	if (page >= slot->page_count)
		page -= slot++->page_count;
	return slot->guest_phys + page * PAGE_BYTES;
}

#define MAPPED_PAGES (FIRST_SLOT_PAGES + SECOND_SLOT_PAGES)

/* Pages that something begins or ends at, then any. */
static inline size_t tracked_pick(uint64_t *seed)
{
	static const size_t edges[] = {
		0,
		63,
		64,
		DIRTY_LOG_CLEAR_PAGES - 1,
		DIRTY_LOG_CLEAR_PAGES,
		2 * DIRTY_LOG_CLEAR_PAGES - 1,
		2 * DIRTY_LOG_CLEAR_PAGES,
		FIRST_SLOT_PAGES - 1,
		FIRST_SLOT_PAGES,
		MAPPED_PAGES - 1,
	};
	uint64_t random = check_random(seed);

	if (random % 8 == 0)
		return edges[random / 8 % (sizeof(edges) / sizeof(edges[0]))];
	return random / 8 % MAPPED_PAGES;
}

/* Turns pages into the addresses of a batch, and notes them in the model. */
static inline void tracked_note(struct tracked_vm *t, const size_t *pages, uint32_t count,
				uint64_t *addresses)
{
	CHECK(count <= TEST_BATCH_MAX);
	for (uint32_t i = 0; i < count; i++) {
		addresses[i] = tracked_address(t, pages[i]);
		bitmap_set_range(t->model, BEFORE_PAGES + pages[i], 1);
	}
}

/* Has vCPU 0 write the pages. */
static inline void tracked_write(struct tracked_vm *t, const size_t *pages,
				 uint32_t count)
{
	uint64_t addresses[TEST_BATCH_MAX];

	tracked_note(t, pages, count, addresses);
	test_batch_write(&t->vm, 0, addresses, count);
}

static inline void tracked_harvest(struct tracked_vm *t)
{
	memset(t->seen, 0, sizeof(t->seen));
	t->found = 0;
	CHECK_OK(dirty_harvest(t->tracker, t->block, t->seen, &t->found, &t->err),
		 &t->err);
}

/* What was written since the last time, no page more or less. */
static inline void tracked_expect_model(struct tracked_vm *t)
{
	tracked_harvest(t);
	for (size_t page = 0; page < BLOCK_PAGES; page++) {
		if (bitmap_test(t->seen, page) != bitmap_test(t->model, page))
			CHECK_FAIL("page %zu: reported %d, written %d", page,
				   bitmap_test(t->seen, page),
				   bitmap_test(t->model, page));
	}
	CHECK_EQ(t->found, bitmap_count(t->model, BLOCK_PAGES));
	memset(t->model, 0, sizeof(t->model));
}

static inline uint64_t tracked_counter(const struct tracked_vm *t, size_t block_page)
{
	return __atomic_load_n((uint64_t *)(t->block->host + block_page * PAGE_BYTES),
			       __ATOMIC_ACQUIRE);
}

/* Copies the counters of the pages that are in t->seen. */
static inline void tracked_follow(const struct tracked_vm *t, uint64_t *copy)
{
	for (size_t page = 0; page < BLOCK_PAGES; page++) {
		if (bitmap_test(t->seen, page))
			copy[page] = tracked_counter(t, page);
	}
}

static inline void tracked_expect_copy(const struct tracked_vm *t, const uint64_t *copy)
{
	for (size_t page = 0; page < BLOCK_PAGES; page++) {
		if (copy[page] != tracked_counter(t, page))
			CHECK_FAIL("page %zu: %" PRIu64 " copied, %" PRIu64 " written",
				   page, copy[page], tracked_counter(t, page));
	}
}

#endif
