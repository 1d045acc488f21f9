/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* landing_test.c - the receiver's memory, prepared ahead of its arrival. */
#include "ram/landing.h"

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "ram/zero.h"
#include "tests/check.h"

#define STRETCH_PAGES 512u

static struct ram ram;
static struct landing *landing;
static void *mapped;
static size_t mapped_bytes;

static void tear_down(void)
{
	landing_free(landing);
	landing = NULL;
	ram_deinit(&ram);
	if (mapped)
		munmap(mapped, mapped_bytes);
	mapped = NULL;
}

static struct ram_block *set_up(size_t page_count, bool ahead, bool fresh)
{
	struct gw_error err = { 0 };

	tear_down();
	CHECK_OK(ram_allocate(&ram, "ram", page_count * PAGE_BYTES, &err), &err);
	landing = landing_new(&ram, ahead, fresh, &err);
	CHECK(landing);
	return ram.blocks[0];
}

static size_t resident(const void *host, size_t page_count)
{
	static unsigned char states[1u << 16];
	size_t count = 0;

	CHECK(page_count <= sizeof(states));
	CHECK_EQ(mincore((void *)host, page_count * PAGE_BYTES, states), 0);
	for (size_t page = 0; page < page_count; page++)
		count += states[page] & 1;
	return count;
}

/* Pages of one stretch of a block that starts on a stretch. */
static size_t resident_in(const struct ram_block *block, size_t stretch)
{
	return resident(block->host + stretch * STRETCH_PAGES * PAGE_BYTES,
			STRETCH_PAGES);
}

static void skip_without_populate(void)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int failed = madvise(page, PAGE_BYTES, MADV_POPULATE_WRITE);

	munmap(page, PAGE_BYTES);
	if (failed)
		SKIP("kernel has no MADV_POPULATE_WRITE (linux 5.14)");
}

static void land(const struct ram_block *block, uint32_t index, size_t page,
		 uint8_t value)
{
	landing_prepare(landing, index, page, 1);
	memset(block->host + page * PAGE_BYTES, value, PAGE_BYTES);
}

TEST(only_stretches_that_receive_data_are_populated)
{
	struct ram_block *block;

	skip_without_populate();
	block = set_up(6 * STRETCH_PAGES, false, true);
	CHECK_EQ(resident(block->host, block->page_count), 0);
	landing_prepare(landing, 0, 3 * STRETCH_PAGES + 7, 1);
	CHECK_EQ(resident_in(block, 3), STRETCH_PAGES);
	CHECK_EQ(resident(block->host, block->page_count), STRETCH_PAGES);
	/* A run over a boundary wants both. */
	landing_prepare(landing, 0, STRETCH_PAGES - 1, 2);
	CHECK_EQ(resident_in(block, 0), STRETCH_PAGES);
	CHECK_EQ(resident_in(block, 1), STRETCH_PAGES);
	CHECK_EQ(resident(block->host, block->page_count), 3 * STRETCH_PAGES);
	tear_down();
}

TEST(zero_pages_leave_fresh_memory_untouched)
{
	struct ram_block *block = set_up(2 * STRETCH_PAGES, true, true);

	for (size_t page = 0; page < block->page_count; page++)
		landing_zero(landing, 0, page);
	CHECK_EQ(resident(block->host, block->page_count), 0);
	tear_down();
}

TEST(a_zero_page_clears_what_was_received)
{
	struct ram_block *block = set_up(STRETCH_PAGES, false, true);

	land(block, 0, 5, 0xaa);
	land(block, 0, 6, 0xbb);
	landing_zero(landing, 0, 5);
	landing_zero(landing, 0, 7);
	CHECK(page_is_zero(block->host + 5 * PAGE_BYTES));
	CHECK_EQ(block->host[6 * PAGE_BYTES], 0xbb);
	land(block, 0, 5, 0xcc);
	CHECK_EQ(block->host[6 * PAGE_BYTES - 1], 0xcc);
	landing_zero(landing, 0, 5);
	CHECK(page_is_zero(block->host + 5 * PAGE_BYTES));
	tear_down();
}

/* Each bit of a long run counts, not only its ends. */
TEST(every_page_of_a_run_is_known_as_received)
{
	struct ram_block *block = set_up(1024, false, true);

	landing_prepare(landing, 0, 3, 700);
	memset(block->host + 3 * PAGE_BYTES, 1, 700 * PAGE_BYTES);
	for (size_t page = 0; page < 1024; page++)
		landing_zero(landing, 0, page);
	for (size_t page = 0; page < 1024; page++)
		CHECK(page_is_zero(block->host + page * PAGE_BYTES));
	tear_down();
}

TEST(used_memory_gets_its_zero_pages_written)
{
	struct ram_block *block = set_up(8, false, false);

	memset(block->host, 0xee, 2 * PAGE_BYTES);
	landing_zero(landing, 0, 0);
	CHECK(page_is_zero(block->host));
	CHECK_EQ(block->host[PAGE_BYTES], 0xee);
	/* What reads as zero is left alone: writing here would kill us. */
	CHECK_EQ(mprotect(block->host, 8 * PAGE_BYTES, PROT_READ), 0);
	landing_zero(landing, 0, 0);
	landing_zero(landing, 0, 5);
	tear_down();
}

/* Blocks that neither start nor end on a stretch, side by side in one mapping. */
TEST(odd_blocks_are_populated_to_their_own_ends)
{
	static const size_t firsts[] = { 5, 9, 500, 1030 };
	static const size_t counts[] = { 1, 3, 520, 700 };
	struct gw_error err = { 0 };
	size_t page_count = 4 * STRETCH_PAGES;
	uint8_t *host;
	char name[] = "a";

	skip_without_populate();
	tear_down();
	mapped_bytes = (page_count + STRETCH_PAGES) * PAGE_BYTES;
	mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(mapped != MAP_FAILED);
	host = (uint8_t *)mapped + -(uintptr_t)mapped % (STRETCH_PAGES * PAGE_BYTES);
	for (size_t i = 0; i < 4; i++, name[0]++)
		CHECK_OK(ram_add(&ram, name, host + firsts[i] * PAGE_BYTES,
				 counts[i] * PAGE_BYTES, &err),
			 &err);
	landing = landing_new(&ram, false, true, &err);
	CHECK(landing);
	for (uint32_t i = 0; i < 4; i++) {
		land(ram.blocks[i], i, 0, 1);
		land(ram.blocks[i], i, counts[i] - 1, 2);
		landing_zero(landing, i, counts[i] - 1);
		CHECK(page_is_zero(ram.blocks[i]->host + (counts[i] - 1) * PAGE_BYTES));
		CHECK(resident(ram.blocks[i]->host, counts[i]) >=
		      (counts[i] < STRETCH_PAGES ? counts[i] : 1));
	}
	landing_prepare(landing, 2, 0, 520);
	landing_prepare(landing, 3, 0, 700);
	CHECK_EQ(resident(ram.blocks[2]->host, 520), 520);
	CHECK_EQ(resident(ram.blocks[3]->host, 700), 700);
	CHECK_EQ(resident(host, page_count), 1 + 3 + 520 + 700);
	tear_down();
}

/* The last hint tells of stretch 7 with seven in a row before it: of the seven after it the
 * farther half is populated, whatever became of the hints before. */
TEST(dense_arrival_is_run_ahead_of_and_not_further)
{
	struct ram_block *block;

	skip_without_populate();
	block = set_up(64 * STRETCH_PAGES, true, true);
	for (size_t stretch = 0; stretch < 8; stretch++)
		land(block, 0, stretch * STRETCH_PAGES, 1);
	/* However long it takes: the harness has a limit. */
	for (size_t stretch = 11; stretch < 15; stretch++) {
		while (resident_in(block, stretch) < STRETCH_PAGES)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	landing_free(landing);
	landing = NULL;
	CHECK_EQ(resident(block->host + 15 * STRETCH_PAGES * PAGE_BYTES,
			  49 * STRETCH_PAGES),
		 0);
	tear_down();
}

TEST(sparse_arrival_is_not_run_ahead_of)
{
	struct ram_block *block;

	skip_without_populate();
	block = set_up(64 * STRETCH_PAGES, true, true);
	for (size_t stretch = 0; stretch < 64; stretch += 2)
		land(block, 0, stretch * STRETCH_PAGES + 9, 1);
	landing_free(landing);
	landing = NULL;
	CHECK_EQ(resident(block->host, block->page_count), 32 * STRETCH_PAGES);
	tear_down();
}

#define CHANNELS 3u
#define MODEL_PAGES (9 * STRETCH_PAGES + 33)
#define ROUNDS 6

struct channel {
	pthread_t thread;
	uint32_t id;
	uint32_t round;
	uint64_t seed;
};

/* What a page is to be after a round: 0 is a zero page. */
static uint8_t value_of(uint64_t seed, uint32_t round, size_t page)
{
	uint64_t state = seed + round * UINT64_C(1000003) + page;
	uint64_t random = check_random(&state);

	return random % 3 == 0 ? 0 : (uint8_t)(random >> 8) | 1;
}

static uint32_t channel_of(uint64_t seed, uint32_t round, size_t page)
{
	uint64_t state = seed + round * UINT64_C(7777777) + page / 5;

	return (uint32_t)(check_random(&state) % CHANNELS);
}

static void *receive(void *state)
{
	const struct channel *channel = state;
	struct ram_block *block = ram.blocks[0];

	for (size_t page = 0; page < MODEL_PAGES; page++) {
		uint8_t value = value_of(channel->seed, channel->round, page);

		if (channel_of(channel->seed, channel->round, page) != channel->id)
			continue;
		if (value == 0)
			landing_zero(landing, 0, page);
		else
			land(block, 0, page, value);
	}
	return NULL;
}

static void land_rounds(bool ahead, bool fresh)
{
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 0x1a2d;
	struct channel channels[CHANNELS];
	struct ram_block *block = set_up(MODEL_PAGES, ahead, fresh);

	printf("SEED=%" PRIu64 "\n", seed);
	if (!fresh)
		memset(block->host, 0x77, block->length_bytes / 2);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < CHANNELS; i++) {
			channels[i] =
				(struct channel){ .id = i, .round = round, .seed = seed };
			CHECK_EQ(pthread_create(&channels[i].thread, NULL, receive,
						&channels[i]),
				 0);
		}
		for (uint32_t i = 0; i < CHANNELS; i++)
			pthread_join(channels[i].thread, NULL);
		for (size_t page = 0; page < MODEL_PAGES; page++) {
			const uint8_t *host = block->host + page * PAGE_BYTES;
			uint8_t value = value_of(seed, round, page);

			if (host[0] != value ||
			    memcmp(host, host + 1, PAGE_BYTES - 1) != 0)
				CHECK_FAIL("round %u page %zu: %u, expected %u", round,
					   page, host[0], value);
		}
	}
	tear_down();
}

TEST(many_channels_land_what_was_sent)
{
	land_rounds(true, true);
}

TEST(many_channels_land_what_was_sent_in_used_memory)
{
	land_rounds(false, false);
}

TEST_MAIN(TEST_OF(only_stretches_that_receive_data_are_populated),
	  TEST_OF(zero_pages_leave_fresh_memory_untouched),
	  TEST_OF(a_zero_page_clears_what_was_received),
	  TEST_OF(every_page_of_a_run_is_known_as_received),
	  TEST_OF(used_memory_gets_its_zero_pages_written),
	  TEST_OF(odd_blocks_are_populated_to_their_own_ends),
	  TEST_OF(dense_arrival_is_run_ahead_of_and_not_further),
	  TEST_OF(sparse_arrival_is_not_run_ahead_of),
	  TEST_OF(many_channels_land_what_was_sent),
	  TEST_OF(many_channels_land_what_was_sent_in_used_memory))
