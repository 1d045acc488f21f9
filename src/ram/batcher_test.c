/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batcher_test.c - dirty bits, handed out to channels span by span.
 *
 * Blocks here are addresses only: without a look for zero pages nothing touches them. */
#include "ram/batcher.h"

#include <pthread.h>

#include "base/bitmap.h"
#include "tests/check.h"

static struct ram ram;
static struct batcher *batcher;

/* Blocks of that many pages each, ended by 0, side by side. */
static void set_up(const size_t *page_counts)
{
	struct gw_error err = { 0 };
	uintptr_t host = PAGE_BYTES;
	char name[] = "a";

	batcher_free(batcher);
	batcher = NULL;
	ram_deinit(&ram);
	for (; *page_counts > 0; page_counts++, name[0]++) {
		CHECK_OK(ram_add(&ram, name, (void *)host, *page_counts * PAGE_BYTES,
				 &err),
			 &err);
		host += *page_counts * PAGE_BYTES;
	}
	batcher = batcher_new(&ram, &err);
	CHECK(batcher);
}

static void tear_down(void)
{
	batcher_free(batcher);
	batcher = NULL;
	ram_deinit(&ram);
}

TEST(all_clean_runs_dry_at_once)
{
	struct claimer claimer;
	struct page_run run;
	struct batch batch;

	set_up((size_t[]){ 1, 5000, 0 });
	CHECK_EQ(batcher_dirty_pages(batcher), 0);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	CHECK(!claimer_next(&claimer, NULL, 1, &run));
	batch_reset(&batch);
	CHECK(!claimer_fill(&claimer, &batch, false));
	CHECK_EQ(batcher_claimed_pages(batcher), 0);
	tear_down();
}

TEST(no_blocks_are_no_work)
{
	struct claimer claimer;
	struct page_run run;

	set_up((size_t[]){ 0 });
	batcher_mark_all(batcher);
	CHECK_EQ(batcher_dirty_pages(batcher), 0);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	CHECK(!claimer_next(&claimer, NULL, 128, &run));
	tear_down();
}

TEST(mark_all_stops_at_each_blocks_end)
{
	set_up((size_t[]){ 1, 63, 64, 65, 511, 512, 513, 0 });
	batcher_mark_all(batcher);
	CHECK_EQ(batcher_dirty_pages(batcher), 1 + 63 + 64 + 65 + 511 + 512 + 513);
	CHECK_EQ(batcher_bitmap(batcher, 0)[0], 1);
	CHECK_EQ(batcher_bitmap(batcher, 3)[1], 1);
	CHECK_EQ(batcher_bitmap(batcher, 6)[8], 1);
	tear_down();
}

TEST(all_dirty_memory_comes_in_full_runs)
{
	struct claimer claimer;
	struct batch batch;

	set_up((size_t[]){ 1024, 130, 0 });
	batcher_mark_all(batcher);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	for (uint32_t i = 0; i < 8; i++) {
		batch_reset(&batch);
		CHECK(claimer_fill(&claimer, &batch, false));
		CHECK_EQ(batch.normal_count, 128);
		CHECK_EQ(batch.run_count, 1);
		CHECK_EQ(batch.normal_offsets[0], i * 128 * PAGE_BYTES);
		CHECK_EQ(batcher_claimed_pages(batcher), (i + 1) * 128);
	}
	batch_reset(&batch);
	CHECK(claimer_fill(&claimer, &batch, false));
	CHECK(batch.block == ram.blocks[1]);
	batch_reset(&batch);
	CHECK(claimer_fill(&claimer, &batch, false));
	CHECK_EQ(batch.normal_count, 2);
	CHECK_EQ(batch.normal_offsets[0], 128 * PAGE_BYTES);
	batch_reset(&batch);
	CHECK(!claimer_fill(&claimer, &batch, false));
	CHECK_EQ(batcher_dirty_pages(batcher), 0);
	CHECK_EQ(batcher_claimed_pages(batcher), 1154);
	tear_down();
}

TEST(a_batch_keeps_to_one_block)
{
	struct claimer claimer;
	struct batch batch;

	set_up((size_t[]){ 3, 700, 2, 0 });
	bitmap_set_range(batcher_bitmap(batcher, 0), 1, 2);
	bitmap_set_range(batcher_bitmap(batcher, 1), 10, 1);
	bitmap_set_range(batcher_bitmap(batcher, 1), 600, 3);
	bitmap_set_range(batcher_bitmap(batcher, 2), 0, 1);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	batch_reset(&batch);
	CHECK(claimer_fill(&claimer, &batch, false));
	CHECK(batch.block == ram.blocks[0]);
	CHECK_EQ(batch_count(&batch), 2);
	batch_reset(&batch);
	CHECK(claimer_fill(&claimer, &batch, false));
	CHECK(batch.block == ram.blocks[1]);
	CHECK_EQ(batch_count(&batch), 4);
	CHECK_EQ(batch.run_count, 2);
	CHECK_EQ(batch.normal_offsets[1], 600 * PAGE_BYTES);
	batch_reset(&batch);
	CHECK(claimer_fill(&claimer, &batch, false));
	CHECK(batch.block == ram.blocks[2]);
	batch_reset(&batch);
	CHECK(!claimer_fill(&claimer, &batch, false));
	tear_down();
}

TEST(a_run_of_another_block_stays_for_the_next_call)
{
	struct claimer claimer;
	struct page_run run;

	set_up((size_t[]){ 600, 8, 0 });
	batcher_mark_all(batcher);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	CHECK(claimer_next(&claimer, ram.blocks[0], 1000, &run));
	CHECK_EQ(run.count, 512);
	CHECK(claimer_next(&claimer, ram.blocks[0], 80, &run));
	CHECK_EQ(run.first, 512);
	CHECK_EQ(run.count, 80);
	CHECK(claimer_next(&claimer, ram.blocks[0], 80, &run));
	CHECK_EQ(run.first, 592);
	CHECK_EQ(run.count, 8);
	CHECK(!claimer_next(&claimer, ram.blocks[0], 80, &run));
	CHECK(!claimer_next(&claimer, ram.blocks[0], 80, &run));
	CHECK_EQ(batcher_claimed_pages(batcher), 600);
	CHECK(claimer_next(&claimer, NULL, 80, &run));
	CHECK(run.block == ram.blocks[1]);
	CHECK_EQ(run.count, 8);
	CHECK(!claimer_next(&claimer, NULL, 80, &run));
	tear_down();
}

TEST(runs_cross_words_and_end_where_asked)
{
	struct claimer claimer;
	struct page_run run;

	set_up((size_t[]){ 512, 0 });
	bitmap_set_range(batcher_bitmap(batcher, 0), 60, 80);
	bitmap_set_range(batcher_bitmap(batcher, 0), 191, 2);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	CHECK(claimer_next(&claimer, NULL, 4, &run));
	CHECK_EQ(run.first, 60);
	CHECK_EQ(run.count, 4);
	CHECK(claimer_next(&claimer, NULL, 1, &run));
	CHECK_EQ(run.first, 64);
	CHECK_EQ(run.count, 1);
	CHECK(claimer_next(&claimer, NULL, 128, &run));
	CHECK_EQ(run.first, 65);
	CHECK_EQ(run.count, 75);
	CHECK(claimer_next(&claimer, NULL, 128, &run));
	CHECK_EQ(run.first, 191);
	CHECK_EQ(run.count, 2);
	CHECK_EQ(batcher_dirty_pages(batcher), 0);
	tear_down();
}

TEST(zero_pages_count_as_claimed)
{
	struct gw_error err = { 0 };
	struct claimer claimer;
	struct batch batch;

	tear_down();
	CHECK_OK(ram_allocate(&ram, "ram", 200 * PAGE_BYTES, &err), &err);
	batcher = batcher_new(&ram, &err);
	CHECK(batcher);
	ram.blocks[0]->host[5 * PAGE_BYTES] = 1;
	batcher_mark_all(batcher);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	batch_reset(&batch);
	CHECK(claimer_fill(&claimer, &batch, true));
	CHECK_EQ(batch.normal_count, 1);
	CHECK_EQ(batch.zero_count, 127);
	CHECK_EQ(batcher_claimed_pages(batcher), 128);
	tear_down();
}

#define CLAIMERS 4
#define MODEL_PAGES 9001u

struct channel {
	pthread_t thread;
	uint8_t handed_out[3][MODEL_PAGES];
};

static void *claim(void *state)
{
	struct channel *channel = state;
	struct claimer claimer;
	struct batch batch;

	claimer_init(&claimer, batcher);
	for (batch_reset(&batch); claimer_fill(&claimer, &batch, false);
	     batch_reset(&batch)) {
		uint32_t block = 0;
		size_t pages = 0;

		while (ram.blocks[block] != batch.block)
			block++;
		for (uint32_t i = 0; i < batch.normal_count; i++)
			channel->handed_out[block]
					   [batch.normal_offsets[i] >> PAGE_BITS]++;
		for (uint32_t i = 0; i < batch.run_count; i++)
			pages += batch.runs[i].length >> PAGE_BITS;
		/* Spans and offsets tell the same, else a page is missed or counted twice. */
		if (pages != batch.normal_count)
			channel->handed_out[block][0] += 100;
	}
	return NULL;
}

/* Whatever is dirty and however many claim: each dirty page once, each clean page never. */
TEST(each_dirty_page_is_handed_out_once_a_round)
{
	static struct channel channels[CLAIMERS];
	static uint64_t model[3][MODEL_PAGES / 64 + 1];
	static const size_t page_counts[] = { MODEL_PAGES, 77, 2048, 0 };
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 0x60d317, random = seed;

	printf("SEED=%" PRIu64 "\n", seed);
	set_up(page_counts);
	for (int round = 0; round < 40; round++) {
		uint64_t density = check_random(&random) % 6, dirty = 0;

		memset(channels, 0, sizeof(channels));
		for (uint32_t block = 0; block < 3; block++) {
			memset(model[block], 0, sizeof(model[block]));
			for (size_t page = 0; page < page_counts[block];) {
				size_t run = 1 + check_random(&random) % (8u << density);

				if (run > page_counts[block] - page)
					run = page_counts[block] - page;
				if (density == 5 || check_random(&random) % 2) {
					bitmap_set_range(model[block], page, run);
					dirty += run;
				}
				page += run;
			}
			memcpy(batcher_bitmap(batcher, block), model[block],
			       bitmap_words(page_counts[block]) * sizeof(uint64_t));
		}
		CHECK_EQ(batcher_dirty_pages(batcher), dirty);
		batcher_begin_round(batcher);
		for (int i = 0; i < CLAIMERS; i++)
			CHECK_EQ(pthread_create(&channels[i].thread, NULL, claim,
						&channels[i]),
				 0);
		for (int i = 0; i < CLAIMERS; i++)
			pthread_join(channels[i].thread, NULL);
		for (uint32_t block = 0; block < 3; block++) {
			for (size_t page = 0; page < page_counts[block]; page++) {
				int times = 0;

				for (int i = 0; i < CLAIMERS; i++)
					times += channels[i].handed_out[block][page];
				CHECK_EQ(times, bitmap_test(model[block], page));
			}
		}
		CHECK_EQ(batcher_claimed_pages(batcher), dirty);
		CHECK_EQ(batcher_dirty_pages(batcher), 0);
	}
	tear_down();
}

TEST(what_is_found_while_a_round_runs_waits_for_the_next)
{
	struct claimer claimer;
	struct page_run run;

	set_up((size_t[]){ 600, 0 });
	bitmap_set_range(batcher_bitmap(batcher, 0), 0, 10);
	batcher_begin_round(batcher);
	CHECK_EQ(batcher_fresh_pages(batcher), 0);
	claimer_init(&claimer, batcher);
	CHECK(claimer_next(&claimer, NULL, 4, &run));
	bitmap_set_range(batcher_bitmap(batcher, 0), 2, 300);
	CHECK_EQ(batcher_fresh_pages(batcher), 300);
	CHECK(claimer_next(&claimer, NULL, 128, &run));
	CHECK_EQ(run.first, 4);
	CHECK_EQ(run.count, 6);
	CHECK(!claimer_next(&claimer, NULL, 128, &run));
	CHECK_EQ(batcher_dirty_pages(batcher), 300);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	CHECK(claimer_next(&claimer, NULL, 512, &run));
	CHECK_EQ(run.first, 2);
	CHECK_EQ(run.count, 300);
	tear_down();
}

TEST(a_stopped_round_leaves_the_rest_to_the_next)
{
	struct claimer claimer;
	struct batch batch;
	uint64_t claimed;

	set_up((size_t[]){ 1300, 0 });
	batcher_mark_all(batcher);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	batch_reset(&batch);
	CHECK(claimer_fill(&claimer, &batch, false));
	batcher_stop_round(batcher);
	batch_reset(&batch);
	CHECK(!claimer_fill(&claimer, &batch, false));
	CHECK_EQ(batcher_dirty_pages(batcher), 1300 - 128);
	/* Written again meanwhile, some of them not sent yet: each counts once. */
	bitmap_set_range(batcher_bitmap(batcher, 0), 100, 100);
	CHECK_EQ(batcher_dirty_pages(batcher), 1300 - 100);
	batcher_begin_round(batcher);
	claimer_init(&claimer, batcher);
	for (claimed = 0; batch_reset(&batch), claimer_fill(&claimer, &batch, false);)
		claimed += batch.normal_count;
	CHECK_EQ(claimed, 1300 - 100);
	CHECK_EQ(batcher_dirty_pages(batcher), 0);
	tear_down();
}

TEST_MAIN(TEST_OF(all_clean_runs_dry_at_once), TEST_OF(no_blocks_are_no_work),
	  TEST_OF(mark_all_stops_at_each_blocks_end),
	  TEST_OF(all_dirty_memory_comes_in_full_runs),
	  TEST_OF(a_batch_keeps_to_one_block),
	  TEST_OF(a_run_of_another_block_stays_for_the_next_call),
	  TEST_OF(runs_cross_words_and_end_where_asked),
	  TEST_OF(zero_pages_count_as_claimed),
	  TEST_OF(each_dirty_page_is_handed_out_once_a_round),
	  TEST_OF(what_is_found_while_a_round_runs_waits_for_the_next),
	  TEST_OF(a_stopped_round_leaves_the_rest_to_the_next))
