/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_test.c - which pages were written since we last looked.
 *
 * Every test of process memory runs once for each way the kernel has to watch it. */
#include "ram/dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/bitmap.h"
#include "tests/check.h"

#define OWN_PAGES 2048u	  /* 8 MiB, of huge pages where the kernel gives them */
#define SHARED_PAGES 300u /* a memfd's */
#define WORDS_PER_PAGE (PAGE_BYTES / sizeof(uint64_t))

static struct ram ram;
static struct dirty_tracker *tracker;
static struct ram_block *own, *shared;
static uint64_t bitmap[OWN_PAGES / 64];

static void tear_down(void)
{
	void *host = shared ? shared->host : NULL;

	dirty_free(tracker);
	tracker = NULL;
	ram_deinit(&ram);
	own = NULL;
	shared = NULL;
	if (host)
		munmap(host, SHARED_PAGES * PAGE_BYTES);
}

/* The first half of each block has data, the second was never touched. */
static void set_up(const char *how)
{
	static char reason[300];
	struct gw_error err = { 0 };
	int fd = memfd_create("shared", MFD_CLOEXEC);
	void *host;

	tear_down();
	CHECK(fd >= 0 && ftruncate(fd, SHARED_PAGES * PAGE_BYTES) == 0);
	host = mmap(NULL, SHARED_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	close(fd);
	CHECK(host != MAP_FAILED);
	CHECK_OK(ram_allocate(&ram, "own", OWN_PAGES * PAGE_BYTES, &err), &err);
	CHECK_OK(ram_add(&ram, "shared", host, SHARED_PAGES * PAGE_BYTES, &err), &err);
	own = ram_find(&ram, "own", 3);
	shared = ram_find(&ram, "shared", 6);
	memset(own->host, 1, OWN_PAGES / 2 * PAGE_BYTES);
	memset(shared->host, 2, SHARED_PAGES / 2 * PAGE_BYTES);
	memset(bitmap, 0, sizeof(bitmap));
	tracker = dirty_of_process(&ram, how, &err);
	if (!tracker && err.kind == GW_UNSUPPORTED) {
		snprintf(reason, sizeof(reason), "%s", err.text);
		SKIP(reason);
	}
	if (!tracker)
		CHECK_FAIL("%s: %s", how, err.text);
}

static void start(void)
{
	struct gw_error err = { 0 };

	CHECK_OK(dirty_start(tracker, &err), &err);
}

static uint64_t harvest(const struct ram_block *block)
{
	struct gw_error err = { 0 };
	uint64_t found = 0;

	CHECK_OK(dirty_harvest(tracker, block, bitmap, &found, &err), &err);
	return found;
}

/* Exactly this page, found by one harvest and not by the next. */
static void expect_one(const struct ram_block *block, size_t page)
{
	memset(bitmap, 0, sizeof(bitmap));
	CHECK_EQ(harvest(block), 1);
	CHECK_EQ(bitmap_count(bitmap, OWN_PAGES), 1);
	CHECK(bitmap_test(bitmap, page));
	CHECK_EQ(harvest(block), 0);
}

static void write_page(const struct ram_block *block, size_t page)
{
	block->host[page * PAGE_BYTES + 77]++;
}

static void each_write_is_reported_once(const char *how)
{
	/* The first, one inside, the last that has data, and such as were never touched. */
	static const size_t own_pages[] = { 0, 700, OWN_PAGES / 2 - 1, OWN_PAGES / 2,
					    OWN_PAGES - 1 };
	static const size_t shared_pages[] = { 0, 99, SHARED_PAGES / 2 - 1,
					       SHARED_PAGES / 2, SHARED_PAGES - 1 };

	set_up(how);
	CHECK_STR(dirty_name(tracker), how);
	start();
	CHECK_EQ(harvest(own), 0);
	CHECK_EQ(harvest(shared), 0);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 5; i++) {
			write_page(own, own_pages[i]);
			expect_one(own, own_pages[i]);
			write_page(shared, shared_pages[i]);
			expect_one(shared, shared_pages[i]);
		}
	}
	tear_down();
}

static void reading_is_not_writing(const char *how)
{
	uint64_t sum = 0;

	set_up(how);
	start();
	for (size_t page = 0; page < OWN_PAGES; page++)
		sum += *(volatile uint8_t *)(own->host + page * PAGE_BYTES);
	CHECK_EQ(sum, OWN_PAGES / 2);
	CHECK_EQ(harvest(own), 0);
	tear_down();
}

static void harvest_adds_to_the_bitmap_of_one_block(const char *how)
{
	set_up(how);
	start();
	bitmap_set_range(bitmap, 5, 2);
	write_page(own, 6);
	write_page(own, 7);
	write_page(shared, 8);
	/* A page that was set before counts, too. */
	CHECK_EQ(harvest(own), 2);
	CHECK_EQ(bitmap[0], 7u << 5);
	CHECK_EQ(bitmap_count(bitmap, OWN_PAGES), 3);
	expect_one(shared, 8);
	tear_down();
}

static void many_regions_take_many_looks(const char *how)
{
	set_up(how);
	start();
	for (size_t page = 0; page < OWN_PAGES; page += 2)
		write_page(own, page);
	CHECK_EQ(harvest(own), OWN_PAGES / 2);
	for (size_t i = 0; i < OWN_PAGES / 64; i++)
		CHECK_EQ(bitmap[i], UINT64_C(0x5555555555555555));
	for (size_t page = 0; page < OWN_PAGES; page++)
		write_page(own, page);
	CHECK_EQ(harvest(own), OWN_PAGES);
	CHECK_EQ(harvest(own), 0);
	tear_down();
}

static void a_stopped_tracker_starts_afresh(const char *how)
{
	set_up(how);
	dirty_stop(tracker);
	for (int round = 0; round < 3; round++) {
		start();
		write_page(own, 3);
		dirty_stop(tracker);
		dirty_stop(tracker);
		write_page(own, 4);
		write_page(own, OWN_PAGES - 1);
		start();
		CHECK_EQ(harvest(own), 0);
		write_page(own, 5);
		expect_one(own, 5);
		dirty_stop(tracker);
	}
	tear_down();
}

static void the_kernels_writes_count(const char *how)
{
	int fd;
	ssize_t got;

	set_up(how);
	start();
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	got = read(fd, own->host + 9 * PAGE_BYTES, 100);
	close(fd);
	if (got < 0 && errno == EFAULT)
		SKIP("userfaultfd for user mode only: see vm.unprivileged_userfaultfd");
	CHECK_EQ(got, 100);
	expect_one(own, 9);
	tear_down();
}

static void memory_of_another_tracker_is_refused(const char *how)
{
	struct dirty_tracker *second;
	struct gw_error err = { 0 };

	set_up(how);
	start();
	second = dirty_of_process(&ram, how, &err);
	CHECK(second);
	CHECK_EQ(dirty_start(second, &err), -1);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, EBUSY);
	CHECK_CONTAINS(err.text, "RAM block own: register with userfaultfd: ");
	/* And the first one goes on. */
	write_page(own, 1);
	expect_one(own, 1);
	dirty_stop(tracker);
	CHECK_OK(dirty_start(second, &err), &err);
	dirty_free(second);
	tear_down();
}

#define WRITERS 3u
#define WRITES 5000u /* by each, at least */
#define HARVESTS 30u /* meanwhile, at least */

struct writer {
	pthread_t thread;
	uint32_t id;
	uint64_t random;
	uint32_t written_count; /* shared */
	bool *enough;		/* shared: stop */
	uint64_t written[2][OWN_PAGES / 64];
};

/* Each thread has its own word of each page, so that what they write is no race. */
static void *write_pages(void *state)
{
	struct writer *writer = state;

	while (!__atomic_load_n(writer->enough, __ATOMIC_ACQUIRE)) {
		uint64_t random = check_random(&writer->random);
		bool in_shared = random % 8 == 0;
		const struct ram_block *block = in_shared ? shared : own;
		/* Half of them in a small working set. */
		size_t page = (random >> 8) % (random & 8 ? 40 : block->page_count);
		uint64_t *words = (uint64_t *)(block->host + page * PAGE_BYTES);

		__atomic_store_n(&words[writer->id * 100 + (random >> 40) % 100], random,
				 __ATOMIC_RELAXED);
		bitmap_set_range(writer->written[in_shared], page, 1);
		__atomic_fetch_add(&writer->written_count, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void copy_page(uint64_t *to, const struct ram_block *block, size_t page)
{
	const uint64_t *from = (const uint64_t *)(block->host + page * PAGE_BYTES);

	for (size_t i = 0; i < WORDS_PER_PAGE; i++)
		to[page * WORDS_PER_PAGE + i] =
			__atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* Harvests, and copies what was found. */
static void follow(const struct ram_block *block, uint64_t *copy, uint64_t *ever)
{
	memset(bitmap, 0, sizeof(bitmap));
	harvest(block);
	for (size_t page = 0; page < block->page_count; page++) {
		if (bitmap_test(bitmap, page))
			copy_page(copy, block, page);
	}
	for (size_t i = 0; i < bitmap_words(block->page_count); i++)
		ever[i] |= bitmap[i];
}

static bool all_have_written(const struct writer *writers)
{
	for (uint32_t i = 0; i < WRITERS; i++) {
		if (__atomic_load_n(&writers[i].written_count, __ATOMIC_RELAXED) < WRITES)
			return false;
	}
	return true;
}

/* A migration in small: a copy that is made while threads write, and then follows the harvests
 * alone, equals memory after the last one.  And no more was harvested than was written. */
static void no_write_is_lost(const char *how)
{
	static struct writer writers[WRITERS];
	static uint64_t ever[2][OWN_PAGES / 64];
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 0xd127;
	struct ram_block *blocks[2];
	uint64_t *copies[2];
	bool enough = false;

	set_up(how);
	printf("SEED=%" PRIu64 "\n", seed);
	memset(ever, 0, sizeof(ever));
	blocks[0] = own;
	blocks[1] = shared;
	start();
	for (uint32_t i = 0; i < WRITERS; i++) {
		memset(&writers[i], 0, sizeof(writers[i]));
		writers[i].id = i;
		writers[i].random = seed + i;
		writers[i].enough = &enough;
		CHECK_EQ(pthread_create(&writers[i].thread, NULL, write_pages,
					&writers[i]),
			 0);
	}
	for (int b = 0; b < 2; b++) {
		copies[b] = malloc(blocks[b]->length_bytes);
		CHECK(copies[b]);
		for (size_t page = 0; page < blocks[b]->page_count; page++)
			copy_page(copies[b], blocks[b], page);
	}
	for (uint32_t i = 0; i < HARVESTS || !all_have_written(writers); i++) {
		for (int b = 0; b < 2; b++)
			follow(blocks[b], copies[b], ever[b]);
	}
	__atomic_store_n(&enough, true, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	for (int b = 0; b < 2; b++) {
		follow(blocks[b], copies[b], ever[b]);
		for (size_t page = 0; page < blocks[b]->page_count; page++) {
			bool written = false;

			for (uint32_t i = 0; i < WRITERS; i++)
				written |= bitmap_test(writers[i].written[b], page);
			if (bitmap_test(ever[b], page) != written)
				CHECK_FAIL("page %zu of %s: written %d, reported %d",
					   page, blocks[b]->name, written, !written);
			if (memcmp(copies[b] + page * WORDS_PER_PAGE,
				   blocks[b]->host + page * PAGE_BYTES, PAGE_BYTES) != 0)
				CHECK_FAIL("page %zu of %s: a write was lost", page,
					   blocks[b]->name);
		}
		CHECK_EQ(harvest(blocks[b]), 0);
		free(copies[b]);
	}
	tear_down();
}

#define EACH_WAY(name_)            \
	TEST(name_##_async)        \
	{                          \
		name_("wp-async"); \
	}                          \
	TEST(name_##_sync)         \
	{                          \
		name_("wp-sync");  \
	}

EACH_WAY(each_write_is_reported_once)
EACH_WAY(reading_is_not_writing)
EACH_WAY(harvest_adds_to_the_bitmap_of_one_block)
EACH_WAY(many_regions_take_many_looks)
EACH_WAY(a_stopped_tracker_starts_afresh)
EACH_WAY(the_kernels_writes_count)
EACH_WAY(memory_of_another_tracker_is_refused)
EACH_WAY(no_write_is_lost)

TEST(auto_takes_the_first_that_the_kernel_has)
{
	struct dirty_tracker *async;
	struct gw_error err = { 0 };

	set_up("auto");
	async = dirty_of_process(&ram, "wp-async", &err);
	CHECK_STR(dirty_name(tracker), async ? "wp-async" : "wp-sync");
	dirty_free(async);
	tear_down();
}

TEST(unknown_ways_are_refused)
{
	struct gw_error err = { 0 };

	CHECK(!dirty_of_process(&ram, "soft-dirty", &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "dirty tracking \"soft-dirty\": not one of auto, wp-async, wp-sync");
}

/* Somebody else's tracker, that keeps a record of the calls. */
struct script {
	char calls[64];
	bool fails;
};

static int script_start(void *state, struct gw_error *err)
{
	struct script *script = state;

	strcat(script->calls, "start ");
	return script->fails ? fail(err, GW_UNSUPPORTED, "no dirty log") : 0;
}

static int script_harvest(void *state, const struct ram_block *block, uint64_t *words,
			  uint64_t *found, struct gw_error *err)
{
	struct script *script = state;

	strcat(script->calls, "harvest ");
	words[0] |= 2;
	*found += 1;
	return script->fails ? fail(err, GW_SYSTEM, "dirty log is gone") : 0;
}

static void script_stop(void *state)
{
	strcat(((struct script *)state)->calls, "stop ");
}

static void script_free(void *state)
{
	strcat(((struct script *)state)->calls, "free ");
}

static const struct dirty_ops script_ops = {
	.name = "script",
	.start = script_start,
	.harvest = script_harvest,
	.stop = script_stop,
	.free = script_free,
};

TEST(a_tracker_of_somebody_elses_is_asked_in_turn)
{
	struct script script = { 0 };
	struct gw_error err = { 0 };
	uint64_t word = 1, found = 40;

	tracker = dirty_new(&script_ops, &script, &err);
	CHECK(tracker);
	CHECK_STR(dirty_name(tracker), "script");
	CHECK_OK(dirty_start(tracker, &err), &err);
	CHECK_OK(dirty_harvest(tracker, NULL, &word, &found, &err), &err);
	CHECK_EQ(word, 3);
	CHECK_EQ(found, 41);
	script.fails = true;
	CHECK_EQ(dirty_harvest(tracker, NULL, &word, &found, &err), -1);
	CHECK_STR(err.text, "dirty log is gone");
	dirty_free(tracker);
	tracker = NULL;
	CHECK_STR(script.calls, "start harvest harvest stop free ");
	dirty_free(NULL);
}

TEST(a_start_that_fails_is_undone)
{
	struct script script = { .fails = true };
	struct gw_error err = { 0 };

	tracker = dirty_new(&script_ops, &script, &err);
	CHECK_EQ(dirty_start(tracker, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "no dirty log");
	dirty_free(tracker);
	tracker = NULL;
	CHECK_STR(script.calls, "start stop free ");
}

#define BOTH(name_) TEST_OF(name_##_async), TEST_OF(name_##_sync)

TEST_MAIN(BOTH(each_write_is_reported_once), BOTH(reading_is_not_writing),
	  BOTH(harvest_adds_to_the_bitmap_of_one_block),
	  BOTH(many_regions_take_many_looks), BOTH(a_stopped_tracker_starts_afresh),
	  BOTH(the_kernels_writes_count), BOTH(memory_of_another_tracker_is_refused),
	  BOTH(no_write_is_lost), TEST_OF(auto_takes_the_first_that_the_kernel_has),
	  TEST_OF(unknown_ways_are_refused),
	  TEST_OF(a_tracker_of_somebody_elses_is_asked_in_turn),
	  TEST_OF(a_start_that_fails_is_undone))
