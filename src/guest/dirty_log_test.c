/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_log_test.c - KVM's log reports the pages that a guest wrote, all of them and no other. */
#include "guest/dirty_log.h"

#include "tests/check.h"

#include "guest/tracked_vm_for_tests.h"

static struct tracked_vm t;

/* What kernels offer: before Linux 5.0, before 5.7, and since. */
static const uint64_t kernels[] = {
	0,
	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

static void open_logged(size_t kernel)
{
	tracked_close(&t);
	tracked_open(&t);
	test_vcpu_add(&t.vm);
	t.tracker = dirty_log_new_within(t.vm.vm_fd, t.slots, 2, kernels[kernel], &t.err);
	if (!t.tracker)
		CHECK_FAIL("%s", t.err.text);
	CHECK_STR(dirty_name(t.tracker), "dirty-log");
}

static void start(void)
{
	CHECK_OK(dirty_start(t.tracker, &t.err), &t.err);
}

static void check_written_pages(size_t kernel)
{
	uint64_t seed = 20261121;

	open_logged(kernel);
	start();
	tracked_expect_model(&t);
	printf("seed %" PRIu64 "\n", seed);
	for (int round = 0; round < 20; round++) {
		size_t pages[200];
		uint32_t count = 1 + (uint32_t)(check_random(&seed) % 200);

		for (uint32_t i = 0; i < count; i++)
			pages[i] = tracked_pick(&seed);
		tracked_write(&t, pages, count);
		tracked_expect_model(&t);
	}
	tracked_expect_model(&t);
	tracked_close(&t);
}

TEST(exactly_the_written_pages_are_found)
{
	for (size_t kernel = 0; kernel < KERNELS; kernel++)
		check_written_pages(kernel);
}

/* All bits of a slot's last, short word, and of the words beside it. */
static void check_runs(size_t kernel)
{
	size_t pages[300];
	uint32_t count = 0;

	open_logged(kernel);
	start();
	for (size_t page = FIRST_SLOT_PAGES - 150; page < FIRST_SLOT_PAGES + 150; page++)
		pages[count++] = page;
	tracked_write(&t, pages, count);
	tracked_expect_model(&t);
	tracked_write(&t, pages, count);
	tracked_expect_model(&t);
	tracked_close(&t);
}

TEST(whole_runs_at_the_ends_of_slots_are_found)
{
	for (size_t kernel = 0; kernel < KERNELS; kernel++)
		check_runs(kernel);
}

/* With KVM_DIRTY_LOG_INITIALLY_SET KVM's bits begin set: the first harvest must not send all of
 * RAM again. */
static void check_start(size_t kernel)
{
	size_t pages[] = { 0, 100, FIRST_SLOT_PAGES };

	open_logged(kernel);
	tracked_write(&t, pages, 3);
	memset(t.model, 0, sizeof(t.model));
	start();
	tracked_expect_model(&t);
	tracked_write(&t, pages, 2);
	tracked_expect_model(&t);
	tracked_close(&t);
}

TEST(pages_written_before_start_are_not_found)
{
	for (size_t kernel = 0; kernel < KERNELS; kernel++)
		check_start(kernel);
}

static void check_stop(size_t kernel)
{
	size_t pages[] = { 5, 64, FIRST_SLOT_PAGES + 1 };

	open_logged(kernel);
	for (int round = 0; round < 3; round++) {
		start();
		tracked_expect_model(&t);
		tracked_write(&t, pages, 3);
		tracked_expect_model(&t);
		tracked_write(&t, pages, 3);
		dirty_stop(t.tracker);
		dirty_stop(t.tracker);
		tracked_write(&t, pages, 3);
		memset(t.model, 0, sizeof(t.model));
	}
	tracked_close(&t);
}

TEST(nothing_is_found_of_what_was_written_after_stop)
{
	for (size_t kernel = 0; kernel < KERNELS; kernel++)
		check_stop(kernel);
}

TEST(harvest_ors_into_what_is_there_and_counts_it)
{
	size_t page = 9;
	uint64_t found = 1000;

	open_logged(KERNELS - 1);
	start();
	tracked_write(&t, &page, 1);
	memset(t.seen, 0xff, 2 * sizeof(t.seen[0]));
	CHECK_OK(dirty_harvest(t.tracker, t.block, t.seen, &found, &t.err), &t.err);
	CHECK_EQ(found, 1001);
	CHECK_EQ(bitmap_count(t.seen, BLOCK_PAGES), 128);
	tracked_close(&t);
}

TEST(a_block_that_is_in_no_slot_has_no_written_pages)
{
	struct ram_block other = { .name = "other", .page_count = 64 };
	uint64_t word = 0, found = 0;
	size_t page = 0;

	open_logged(KERNELS - 1);
	start();
	tracked_write(&t, &page, 1);
	CHECK_OK(dirty_harvest(t.tracker, &other, &word, &found, &t.err), &t.err);
	CHECK_EQ(found, 0);
	CHECK_EQ(word, 0);
	tracked_expect_model(&t);
	tracked_close(&t);
}

#define COUNTED_PAGES 256u
#define HARVESTS 200

static bool stop_writing;
static uint32_t last_exit, batches;

/* Writes one batch again and again. */
static void *write_on(void *state)
{
	uint64_t addresses[COUNTED_PAGES];

	for (size_t page = 0; page < COUNTED_PAGES; page++)
		addresses[page] =
			tracked_address(&t, FIRST_SLOT_PAGES - COUNTED_PAGES / 2 + page);
	do {
		last_exit = UINT32_MAX;
		if (test_batch_set(&t.vm, 0, addresses, COUNTED_PAGES) == 0)
			last_exit = test_vcpu_run(&t.vm, 0);
		/* A failure is not waited for. */
		__atomic_add_fetch(&batches, last_exit == KVM_EXIT_IO ? 1 : 10,
				   __ATOMIC_RELAXED);
	} while (last_exit == KVM_EXIT_IO &&
		 !__atomic_load_n(&stop_writing, __ATOMIC_ACQUIRE));
	return NULL;
}

/* Reporting and watching again is one step for whoever reads the pages afterwards: a copy that
 * follows the reports alone ends up equal, however the vCPU and the harvests fall. */
static void check_concurrent_harvests(size_t kernel)
{
	static uint64_t copy[BLOCK_PAGES];
	pthread_t writer;

	open_logged(kernel);
	memset(copy, 0, sizeof(copy));
	start();
	stop_writing = false;
	batches = 0;
	CHECK_EQ(pthread_create(&writer, NULL, write_on, NULL), 0);
	for (int i = 0; i <= HARVESTS; i++) {
		if (i == HARVESTS) {
			while (__atomic_load_n(&batches, __ATOMIC_RELAXED) < 10)
				sched_yield();
			__atomic_store_n(&stop_writing, true, __ATOMIC_RELEASE);
			pthread_join(writer, NULL);
		}
		tracked_harvest(&t);
		tracked_follow(&t, copy);
	}
	CHECK_EQ(last_exit, KVM_EXIT_IO);
	tracked_expect_copy(&t, copy);
	CHECK(copy[BEFORE_PAGES + FIRST_SLOT_PAGES] > 0);
	tracked_close(&t);
}

TEST(no_write_is_lost_under_concurrent_harvests)
{
	for (size_t kernel = 0; kernel < KERNELS; kernel++)
		check_concurrent_harvests(kernel);
}

TEST_MAIN(TEST_OF(exactly_the_written_pages_are_found),
	  TEST_OF(whole_runs_at_the_ends_of_slots_are_found),
	  TEST_OF(pages_written_before_start_are_not_found),
	  TEST_OF(nothing_is_found_of_what_was_written_after_stop),
	  TEST_OF(harvest_ors_into_what_is_there_and_counts_it),
	  TEST_OF(a_block_that_is_in_no_slot_has_no_written_pages),
	  TEST_OF(no_write_is_lost_under_concurrent_harvests))
