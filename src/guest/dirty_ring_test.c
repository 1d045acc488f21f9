/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_ring_test.c - rings report the pages that vCPUs wrote, all of them and no other. */
#include "guest/dirty_ring.h"

#include "base/queue.h"
#include "tests/check.h"

#include "guest/tracked_vm_for_tests.h"

/* Small enough to be full soon; KVM keeps up to 576 of them for itself. */
#define ENTRIES 1024u

static struct tracked_vm t;
static struct dirty_ring *ring;
static uint32_t times_full;

static void close_ringed(void)
{
	dirty_free(t.tracker);
	t.tracker = NULL;
	dirty_ring_free(ring);
	ring = NULL;
	tracked_close(&t);
}

/* While the test's thread owns all vCPUs. */
static int collect_here(void *state, struct gw_error *err)
{
	for (uint32_t i = 0; i < t.vm.vcpu_count; i++) {
		if (dirty_ring_collect(ring, i, err) < 0)
			return -1;
	}
	return 0;
}

static void open_ringed(uint32_t vcpus, dirty_ring_collect_all *collect_all)
{
	close_ringed();
	tracked_open(&t);
	if (dirty_ring_enable(t.vm.vm_fd, ENTRIES, &t.err) < 0) {
		CHECK_EQ(t.err.kind, GW_UNSUPPORTED);
		SKIP("no /dev/kvm with dirty rings");
	}
	ring = dirty_ring_new(t.vm.vm_fd, t.slots, 2, vcpus, ENTRIES, &t.err);
	if (!ring)
		CHECK_FAIL("%s", t.err.text);
	for (uint32_t i = 0; i < vcpus; i++) {
		test_vcpu_add(&t.vm);
		CHECK_OK(dirty_ring_map(ring, i, t.vm.vcpu_fds[i], &t.err), &t.err);
	}
	t.tracker = dirty_ring_tracker(ring, collect_all, NULL, &t.err);
	if (!t.tracker)
		CHECK_FAIL("%s", t.err.text);
	CHECK_STR(dirty_name(t.tracker), "dirty-ring");
	times_full = 0;
}

static void start(void)
{
	CHECK_OK(dirty_start(t.tracker, &t.err), &t.err);
}

/* A vCPU that KVM emulates looks at its ring only between two KVM_RUNs: each writes no more than
 * KVM keeps free behind the mark. */
#define PAGES_PER_RUN 50u

/* Has one vCPU write the pages, as often as its ring is full on the way. */
static void write_pages(uint32_t vcpu, const size_t *pages, uint32_t count)
{
	uint64_t addresses[TEST_BATCH_MAX];

	tracked_note(&t, pages, count, addresses);
	for (uint32_t at = 0; at < count; at += PAGES_PER_RUN) {
		uint32_t part = count - at < PAGES_PER_RUN ? count - at : PAGES_PER_RUN;
		uint32_t reason;

		CHECK_EQ(test_batch_set(&t.vm, vcpu, addresses + at, part), 0);
		while ((reason = test_vcpu_run(&t.vm, vcpu)) ==
		       KVM_EXIT_DIRTY_RING_FULL) {
			times_full++;
			CHECK(dirty_ring_filling(ring, vcpu));
			CHECK_OK(dirty_ring_collect(ring, vcpu, &t.err), &t.err);
			CHECK(!dirty_ring_filling(ring, vcpu));
		}
		CHECK_EQ(reason, KVM_EXIT_IO);
	}
}

TEST(exactly_the_written_pages_are_found)
{
	uint64_t seed = 20261121;

	open_ringed(2, collect_here);
	start();
	tracked_expect_model(&t);
	printf("seed %" PRIu64 "\n", seed);
	for (int round = 0; round < 40; round++) {
		size_t pages[200];
		uint32_t count = 1 + (uint32_t)(check_random(&seed) % 200);

		for (uint32_t i = 0; i < count; i++)
			pages[i] = tracked_pick(&seed);
		write_pages(check_random(&seed) % 2, pages, count);
		/* Sometimes what both wrote. */
		if (check_random(&seed) % 2)
			tracked_expect_model(&t);
	}
	tracked_expect_model(&t);
	tracked_expect_model(&t);
	close_ringed();
}

/* The entries wrap around several times. */
TEST(a_full_ring_is_collected_and_loses_nothing)
{
	size_t pages[TEST_BATCH_MAX];

	open_ringed(2, collect_here);
	start();
	for (size_t round = 0; round < 4; round++) {
		for (uint32_t i = 0; i < TEST_BATCH_MAX; i++)
			pages[i] = (round * 1000 + 5 * i) % MAPPED_PAGES;
		write_pages(round % 2, pages, TEST_BATCH_MAX);
		if (round % 2)
			tracked_expect_model(&t);
	}
	CHECK(times_full >= 4);
	close_ringed();
}

TEST(nothing_is_found_of_what_was_written_before_start_or_after_stop)
{
	size_t pages[] = { 5, 64, FIRST_SLOT_PAGES + 1 };

	open_ringed(1, collect_here);
	for (int round = 0; round < 3; round++) {
		write_pages(0, pages, 3);
		memset(t.model, 0, sizeof(t.model));
		start();
		tracked_expect_model(&t);
		write_pages(0, pages, 3);
		tracked_expect_model(&t);
		write_pages(0, pages, 3);
		dirty_stop(t.tracker);
		dirty_stop(t.tracker);
	}
	close_ringed();
}

TEST(a_vm_with_rings_has_no_log)
{
	struct dirty_tracker *log;

	open_ringed(1, collect_here);
	log = dirty_log_new(t.vm.vm_fd, t.slots, 2, &t.err);
	CHECK(!log);
	CHECK_EQ(t.err.kind, GW_UNSUPPORTED);
	CHECK_STR(t.err.text, "dirty-log: this VM has dirty rings");
	close_ringed();
}

TEST(rings_that_kvm_cannot_have_are_refused)
{
	test_vm_close(&t.vm);
	test_vm_open(&t.vm);
	CHECK_EQ(dirty_ring_enable(t.vm.vm_fd, 1u << 27, &t.err), -1);
	CHECK_EQ(t.err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(t.err.text, "dirty-ring: ");
	CHECK_EQ(dirty_ring_enable(t.vm.vm_fd, 1000, &t.err), -1);
	CHECK_EQ(t.err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(t.err.text, "dirty-ring: ");
	test_vm_close(&t.vm);
}

static struct kvm_dirty_gfn *map_entries(void)
{
	void *entries = mmap(NULL, ENTRIES * sizeof(struct kvm_dirty_gfn),
			     PROT_READ | PROT_WRITE, MAP_SHARED, t.vm.vcpu_fds[0],
			     KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_BYTES);

	CHECK(entries != MAP_FAILED);
	return entries;
}

/* Where KVM emulates, a vCPU can run past the mark at which it is to stop. */
TEST(a_ring_without_a_free_entry_is_an_error)
{
	struct kvm_dirty_gfn *entries;

	open_ringed(1, collect_here);
	entries = map_entries();
	for (uint32_t i = 0; i < ENTRIES; i++)
		entries[i] = (struct kvm_dirty_gfn){ .flags = KVM_DIRTY_GFN_F_DIRTY,
						     .slot = 1,
						     .offset = i };
	CHECK_EQ(dirty_start(t.tracker, &t.err), -1);
	CHECK_EQ(t.err.kind, GW_SYSTEM);
	CHECK_CONTAINS(t.err.text, "vCPU 0: dirty ring: KVM did not stop it at 1024");
	munmap(entries, ENTRIES * sizeof(entries[0]));
	close_ringed();
}

/* What KVM puts there is bounded before it is an index. */
TEST(entries_of_no_page_of_ours_are_refused)
{
	static const struct {
		struct kvm_dirty_gfn entry;
		const char *text;
	} wrong[] = {
		{ { .slot = 2 }, "vCPU 0: dirty ring: KVM slot 2 is not ours" },
		{ { .slot = 1u << 16 | 1 },
		  "vCPU 0: dirty ring: KVM slot 65537 is not ours" },
		{ { .slot = 5, .offset = SECOND_SLOT_PAGES },
		  "vCPU 0: dirty ring: page 333 of KVM slot 5, which has 333" },
		{ { .slot = 1, .offset = UINT64_MAX },
		  "page 18446744073709551615 of KVM slot 1" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct kvm_dirty_gfn *entries;

		open_ringed(1, collect_here);
		entries = map_entries();
		entries[0] = wrong[i].entry;
		entries[0].flags = KVM_DIRTY_GFN_F_DIRTY;
		CHECK_EQ(dirty_ring_collect(ring, 0, &t.err), -1);
		CHECK_EQ(t.err.kind, GW_SYSTEM);
		CHECK_CONTAINS(t.err.text, wrong[i].text);
		munmap(entries, ENTRIES * sizeof(entries[0]));
	}
	close_ringed();
}

/* Above all vCPUs and the rings' size: the rings are full again and again. */
#define COUNTED_PAGES 1500u
#define HARVESTS 60
#define WRITERS 2u

struct writer_thread {
	uint32_t vcpu;
	pthread_t thread;
	struct queue *asked; /* to collect; closed: to stop */
	uint64_t addresses[COUNTED_PAGES];
	uint32_t at;
	struct gw_error err;
	uint32_t full; /* atomic, as is failed */
	bool failed;
};

static struct writer_thread writers[WRITERS];
static struct queue *collected;

static bool write_batch(struct writer_thread *writer)
{
	uint32_t reason;

	writer->at = (writer->at + PAGES_PER_RUN) % COUNTED_PAGES;
	if (test_batch_set(&t.vm, writer->vcpu, writer->addresses + writer->at,
			   PAGES_PER_RUN) < 0)
		return false;
	while ((reason = test_vcpu_run(&t.vm, writer->vcpu)) ==
	       KVM_EXIT_DIRTY_RING_FULL) {
		__atomic_add_fetch(&writer->full, 1, __ATOMIC_RELAXED);
		if (dirty_ring_collect(ring, writer->vcpu, &writer->err) < 0)
			return false;
	}
	return reason == KVM_EXIT_IO;
}

static void *write_on(void *state)
{
	struct writer_thread *writer = state;
	uint8_t item;

	for (;;) {
		switch (queue_take(writer->asked, &item, 0)) {
		case QUEUE_ITEM:
			if (dirty_ring_collect(ring, writer->vcpu, &writer->err) < 0)
				__atomic_store_n(&writer->failed, true, __ATOMIC_RELAXED);
			queue_give(collected, &item);
			break;
		case QUEUE_CLOSED:
			return NULL;
		default:
			if (!writer->failed && !write_batch(writer))
				__atomic_store_n(&writer->failed, true, __ATOMIC_RELAXED);
		}
	}
}

/* By the vCPUs' threads while there are any. */
static int collect_there(void *state, struct gw_error *err)
{
	uint8_t item = 0;

	if (!collected)
		return collect_here(state, err);
	for (uint32_t i = 0; i < WRITERS; i++)
		queue_give(writers[i].asked, &item);
	for (uint32_t i = 0; i < WRITERS; i++)
		queue_take(collected, &item, -1);
	return 0;
}

/* Some pages are written by both vCPUs, some are in the second slot. */
static void start_writers(void)
{
	collected = queue_new(sizeof(uint8_t), WRITERS, &t.err);
	CHECK(collected);
	for (uint32_t i = 0; i < WRITERS; i++) {
		struct writer_thread *writer = &writers[i];
		size_t first = FIRST_SLOT_PAGES - 2200 + 900 * i;

		memset(writer, 0, sizeof(*writer));
		writer->vcpu = i;
		writer->asked = queue_new(sizeof(uint8_t), 1, &t.err);
		CHECK(writer->asked);
		for (size_t page = 0; page < COUNTED_PAGES; page++)
			writer->addresses[page] = tracked_address(&t, first + page);
		CHECK_EQ(pthread_create(&writer->thread, NULL, write_on, writer), 0);
	}
}

static void stop_writers(void)
{
	for (uint32_t i = 0; i < WRITERS; i++) {
		queue_close(writers[i].asked);
		pthread_join(writers[i].thread, NULL);
		queue_free(writers[i].asked);
	}
	queue_free(collected);
	collected = NULL;
}

/* Until the vCPU's ring has been full so many times in all. */
static void wait_for_full(const struct writer_thread *writer, uint32_t times)
{
	while (__atomic_load_n(&writer->full, __ATOMIC_RELAXED) < times &&
	       !__atomic_load_n(&writer->failed, __ATOMIC_RELAXED))
		sched_yield();
}

/* As with the log: a copy that follows the reports alone ends up equal. */
TEST(no_write_is_lost_under_concurrent_harvests)
{
	static uint64_t copy[BLOCK_PAGES];

	open_ringed(WRITERS, collect_there);
	memset(copy, 0, sizeof(copy));
	start();
	start_writers();
	for (int i = 0; i <= HARVESTS; i++) {
		if (i % 4 == 0)
			wait_for_full(&writers[i / 4 % WRITERS],
				      (uint32_t)i / 4 / WRITERS + 1);
		if (i == HARVESTS)
			stop_writers();
		tracked_harvest(&t);
		tracked_follow(&t, copy);
	}
	for (uint32_t i = 0; i < WRITERS; i++) {
		if (writers[i].failed)
			CHECK_FAIL("vCPU %u: exit %u, %s", i, t.vm.runs[i]->exit_reason,
				   writers[i].err.text);
	}
	tracked_expect_copy(&t, copy);
	CHECK(copy[BEFORE_PAGES + FIRST_SLOT_PAGES] > 0);
	close_ringed();
}

TEST_MAIN(TEST_OF(exactly_the_written_pages_are_found),
	  TEST_OF(a_full_ring_is_collected_and_loses_nothing),
	  TEST_OF(nothing_is_found_of_what_was_written_before_start_or_after_stop),
	  TEST_OF(a_vm_with_rings_has_no_log),
	  TEST_OF(rings_that_kvm_cannot_have_are_refused),
	  TEST_OF(a_ring_without_a_free_entry_is_an_error),
	  TEST_OF(entries_of_no_page_of_ours_are_refused),
	  TEST_OF(no_write_is_lost_under_concurrent_harvests))
