/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batch_test.c - up to one packet's worth of pages from one RAM block. */
#include "ram/batch.h"

#include "tests/check.h"

#define PAGES 256u

static struct ram ram;
static struct batch batch;

/* Page i is zero when `is_zero(i)`. */
static const struct ram_block *fill(bool (*is_zero)(size_t page))
{
	struct gw_error err = { 0 };

	ram_deinit(&ram);
	CHECK_OK(ram_allocate(&ram, "ram", PAGES * PAGE_BYTES, &err), &err);
	for (size_t page = 0; page < PAGES; page++) {
		if (!is_zero(page))
			ram.blocks[0]->host[page * PAGE_BYTES + 4095] = 1;
	}
	batch_reset(&batch);
	return ram.blocks[0];
}

static bool none(size_t page)
{
	return false;
}

static bool all(size_t page)
{
	return true;
}

static bool odd(size_t page)
{
	return page % 2 == 1;
}

static bool from_4_to_6(size_t page)
{
	return page >= 4 && page < 6;
}

TEST(neighbours_become_one_span_over_several_calls)
{
	const struct ram_block *block = fill(none);

	batch_add(&batch, &(struct page_run){ block, 3, 2 }, false);
	batch_add(&batch, &(struct page_run){ block, 5, 4 }, true);
	batch_add(&batch, &(struct page_run){ block, 9, 1 }, false);
	CHECK(batch.block == block);
	CHECK_EQ(batch.run_count, 1);
	CHECK(batch.runs[0].bytes == block->host + 3 * PAGE_BYTES);
	CHECK_EQ(batch.runs[0].length, 7 * PAGE_BYTES);
	CHECK_EQ(batch.normal_count, 7);
	for (uint32_t i = 0; i < 7; i++)
		CHECK_EQ(batch.normal_offsets[i], (3 + i) * PAGE_BYTES);
	batch_add(&batch, &(struct page_run){ block, 11, 1 }, false);
	batch_add(&batch, &(struct page_run){ block, 10, 1 }, false);
	CHECK_EQ(batch.run_count, 3);
	CHECK_EQ(batch_count(&batch), 9);
}

TEST(zero_pages_go_apart_and_part_spans)
{
	const struct ram_block *block = fill(from_4_to_6);

	batch_add(&batch, &(struct page_run){ block, 2, 6 }, true);
	CHECK_EQ(batch.normal_count, 4);
	CHECK_EQ(batch.zero_count, 2);
	CHECK_EQ(batch.zero_offsets[0], 4 * PAGE_BYTES);
	CHECK_EQ(batch.zero_offsets[1], 5 * PAGE_BYTES);
	CHECK_EQ(batch.run_count, 2);
	CHECK_EQ(batch.runs[0].length, 2 * PAGE_BYTES);
	CHECK(batch.runs[1].bytes == block->host + 6 * PAGE_BYTES);
	CHECK_EQ(batch.normal_offsets[2], 6 * PAGE_BYTES);
}

TEST(zero_pages_are_normal_when_nobody_looks)
{
	const struct ram_block *block = fill(all);

	batch_add(&batch, &(struct page_run){ block, 0, 128 }, false);
	CHECK_EQ(batch.normal_count, BATCH_PAGES_MAX);
	CHECK_EQ(batch.zero_count, 0);
	CHECK_EQ(batch.run_count, 1);
}

TEST(a_full_batch_holds_any_mix)
{
	const struct ram_block *block = fill(odd);

	batch_add(&batch, &(struct page_run){ block, 128, 128 }, true);
	CHECK_EQ(batch.normal_count, 64);
	CHECK_EQ(batch.zero_count, 64);
	CHECK_EQ(batch.run_count, 64);
	block = fill(all);
	batch_add(&batch, &(struct page_run){ block, 128, 128 }, true);
	CHECK_EQ(batch.zero_count, BATCH_PAGES_MAX);
	CHECK_EQ(batch.run_count, 0);
	block = fill(none);
	for (size_t page = 0; page < PAGES; page += 2)
		batch_add(&batch, &(struct page_run){ block, page, 1 }, true);
	CHECK_EQ(batch.normal_count, BATCH_PAGES_MAX);
	CHECK_EQ(batch.run_count, BATCH_PAGES_MAX);
}

TEST(a_reset_batch_takes_another_block)
{
	const struct ram_block *block = fill(odd);
	struct ram_block other = *block;

	batch_add(&batch, &(struct page_run){ block, 0, 4 }, true);
	batch_reset(&batch);
	CHECK(!batch.block);
	CHECK_EQ(batch_count(&batch), 0);
	batch_add(&batch, &(struct page_run){ &other, 2, 1 }, true);
	CHECK(batch.block == &other);
	CHECK_EQ(batch.run_count, 1);
	CHECK_EQ(batch.runs[0].length, PAGE_BYTES);
	ram_deinit(&ram);
}

TEST_MAIN(TEST_OF(neighbours_become_one_span_over_several_calls),
	  TEST_OF(zero_pages_go_apart_and_part_spans),
	  TEST_OF(zero_pages_are_normal_when_nobody_looks),
	  TEST_OF(a_full_batch_holds_any_mix), TEST_OF(a_reset_batch_takes_another_block))
