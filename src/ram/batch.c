/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batch.c - up to one packet's worth of pages from one RAM block. */
#include "ram/batch.h"

#include <assert.h>

#include "ram/zero.h"

void batch_reset(struct batch *batch)
{
	batch->block = NULL;
	batch->normal_count = 0;
	batch->zero_count = 0;
	batch->run_count = 0;
	batch->scan_ns = 0;
	batch->zero_ns = 0;
}

static void add_normal(struct batch *batch, size_t first, size_t count)
{
	const uint8_t *bytes = batch->block->host + first * PAGE_BYTES;
	struct span *last =
		batch->run_count > 0 ? &batch->runs[batch->run_count - 1] : NULL;

	if (last && last->bytes + last->length == bytes)
		last->length += count * PAGE_BYTES;
	else
		batch->runs[batch->run_count++] =
			(struct span){ bytes, count * PAGE_BYTES };
	for (size_t page = first; page < first + count; page++)
		batch->normal_offsets[batch->normal_count++] = page * PAGE_BYTES;
}

void batch_add(struct batch *batch, const struct page_run *run, bool find_zeros)
{
	size_t end = run->first + run->count;

	assert(!batch->block || batch->block == run->block);
	assert(run->count <= BATCH_PAGES_MAX - batch_count(batch));
	assert(end <= run->block->page_count);
	batch->block = run->block;
	if (!find_zeros) {
		add_normal(batch, run->first, run->count);
		return;
	}
	for (size_t page = run->first; page < end; page++) {
		if (page_is_zero(run->block->host + page * PAGE_BYTES))
			batch->zero_offsets[batch->zero_count++] = page * PAGE_BYTES;
		else
			add_normal(batch, page, 1);
	}
}
