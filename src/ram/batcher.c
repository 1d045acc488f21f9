/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batcher.c - dirty bits, handed out to channels span by span.
 *
 * The blocks' bitmaps lie end to end, each starting on a stretch of its own:
 *
 *	stretch   0        1        2           3        4
 *	        |--------|--------|---.....|  |--------|-----...|
 *	         block 0 ................       block 1 .......
 *
 * A stretch is one cache line of bits and 2 MiB of memory: small enough that channels end a
 * round together, large enough that one atomic add is nothing beside the work it buys, and no
 * two channels write to the same line. */
#include "ram/batcher.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/clock.h"

#define LINE_BYTES 64u
#define STRETCH_WORDS (LINE_BYTES / sizeof(uint64_t))
#define STRETCH_PAGES (STRETCH_WORDS * BITMAP_WORD_BITS)

/* One block's bits. */
struct shelf {
	const struct ram_block *block;
	uint64_t *words;
	size_t first_stretch;
	size_t end_stretch;
};

struct batcher {
	uint64_t *words; /* of all shelves: the round's */
	uint64_t *fresh; /* likewise: the next round's */
	struct shelf *shelves;
	uint32_t shelf_count;
	size_t stretch_count;
	bool stopped;
	/* Apart, for all channels write to them. */
	_Alignas(LINE_BYTES) size_t next_stretch;
	_Alignas(LINE_BYTES) uint64_t claimed_pages;
};

static uint64_t *clean_words(size_t stretch_count)
{
	/* One to spare, so that no RAM at all is not a special case. */
	size_t bytes = (stretch_count + 1) * LINE_BYTES;
	uint64_t *words = aligned_alloc(LINE_BYTES, bytes);

	if (words)
		memset(words, 0, bytes);
	return words;
}

struct batcher *batcher_new(const struct ram *ram, struct gw_error *err)
{
	struct batcher *batcher = aligned_alloc(LINE_BYTES, sizeof(*batcher));

	if (!batcher)
		goto no_memory;
	memset(batcher, 0, sizeof(*batcher));
	batcher->shelf_count = ram->block_count;
	batcher->shelves = calloc(ram->block_count + 1u, sizeof(struct shelf));
	if (!batcher->shelves)
		goto no_memory;
	for (uint32_t i = 0; i < ram->block_count; i++) {
		struct shelf *shelf = &batcher->shelves[i];

		shelf->block = ram->blocks[i];
		shelf->first_stretch = batcher->stretch_count;
		batcher->stretch_count +=
			(shelf->block->page_count + STRETCH_PAGES - 1) / STRETCH_PAGES;
		shelf->end_stretch = batcher->stretch_count;
	}
	batcher->words = clean_words(batcher->stretch_count);
	batcher->fresh = clean_words(batcher->stretch_count);
	if (!batcher->words || !batcher->fresh)
		goto no_memory;
	for (uint32_t i = 0; i < ram->block_count; i++)
		batcher->shelves[i].words =
			batcher->words +
			batcher->shelves[i].first_stretch * STRETCH_WORDS;
	return batcher;
no_memory:
	batcher_free(batcher);
	fail_sys(err, ENOMEM, "dirty bitmap of %zu pages", ram_total_pages(ram));
	return NULL;
}

void batcher_free(struct batcher *batcher)
{
	if (!batcher)
		return;
	free(batcher->words);
	free(batcher->fresh);
	free(batcher->shelves);
	free(batcher);
}

void batcher_mark_all(struct batcher *batcher)
{
	for (uint32_t i = 0; i < batcher->shelf_count; i++)
		bitmap_set_range(batcher_bitmap(batcher, i), 0,
				 batcher->shelves[i].block->page_count);
}

uint64_t *batcher_bitmap(struct batcher *batcher, uint32_t block_index)
{
	assert(block_index < batcher->shelf_count);
	return batcher->fresh +
	       batcher->shelves[block_index].first_stretch * STRETCH_WORDS;
}

uint64_t batcher_fresh_pages(const struct batcher *batcher)
{
	return bitmap_count(batcher->fresh, batcher->stretch_count * STRETCH_PAGES);
}

uint64_t batcher_dirty_pages(const struct batcher *batcher)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < batcher->stretch_count * STRETCH_WORDS; i++)
		pages += (uint64_t)__builtin_popcountll(batcher->words[i] |
							batcher->fresh[i]);
	return pages;
}

void batcher_begin_round(struct batcher *batcher)
{
	for (size_t i = 0; i < batcher->stretch_count * STRETCH_WORDS; i++)
		batcher->words[i] |= batcher->fresh[i];
	memset(batcher->fresh, 0, batcher->stretch_count * LINE_BYTES);
	__atomic_store_n(&batcher->stopped, false, __ATOMIC_RELAXED);
	__atomic_store_n(&batcher->claimed_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&batcher->next_stretch, 0, __ATOMIC_RELAXED);
}

void batcher_stop_round(struct batcher *batcher)
{
	__atomic_store_n(&batcher->stopped, true, __ATOMIC_RELAXED);
}

uint64_t batcher_claimed_pages(const struct batcher *batcher)
{
	return __atomic_load_n(&batcher->claimed_pages, __ATOMIC_RELAXED);
}

static void count_claimed(struct batcher *batcher, uint64_t pages)
{
	__atomic_fetch_add(&batcher->claimed_pages, pages, __ATOMIC_RELAXED);
}

void claimer_init(struct claimer *claimer, struct batcher *batcher)
{
	*claimer = (struct claimer){ .batcher = batcher };
}

/* Relaxed is enough: what orders the bits' owners is the message that begins a round. */
static bool claim_stretch(struct claimer *claimer)
{
	struct batcher *batcher = claimer->batcher;
	size_t stretch = __atomic_fetch_add(&batcher->next_stretch, 1, __ATOMIC_RELAXED);
	const struct shelf *shelf;

	if (stretch >= batcher->stretch_count)
		return false;
	/* Stretches come in rising order, so this walks the list once a round. */
	while (stretch >= batcher->shelves[claimer->block_index].end_stretch)
		claimer->block_index++;
	shelf = &batcher->shelves[claimer->block_index];
	claimer->next_page = (stretch - shelf->first_stretch) * STRETCH_PAGES;
	claimer->end_page = claimer->next_page + STRETCH_PAGES;
	if (claimer->end_page > shelf->block->page_count)
		claimer->end_page = shelf->block->page_count;
	return true;
}

/* Clears the set bits from `first`, which is set, up to the first clear one, at most `max` of
 * them, a word at a time: a run of 128 pages is two steps.  Returns how many. */
static inline size_t clear_run(uint64_t *words, size_t first, size_t max)
{
	size_t count = 0;

	for (;;) {
		uint64_t *word = &words[(first + count) / BITMAP_WORD_BITS];
		size_t low = (first + count) % BITMAP_WORD_BITS;
		uint64_t clear = ~(*word >> low); /* zeros come in at the top */
		size_t ones = clear ? (size_t)__builtin_ctzll(clear) : BITMAP_WORD_BITS;

		if (ones == 0)
			return count;
		if (ones > max - count)
			ones = max - count;
		*word &= ~(~UINT64_C(0) >> (BITMAP_WORD_BITS - ones) << low);
		count += ones;
		if (low + ones < BITMAP_WORD_BITS || count == max)
			return count;
	}
}

/* The next run of the stretch in hand.  Bits past a block's end are clear, so only whole words
 * need an eye on where the stretch ends. */
static inline bool take_run(struct claimer *claimer, size_t max_pages,
			    struct page_run *run)
{
	const struct shelf *shelf = &claimer->batcher->shelves[claimer->block_index];
	size_t page = claimer->next_page, end = claimer->end_page;

	while (page < end) {
		uint64_t bits = shelf->words[page / BITMAP_WORD_BITS] >>
				(page % BITMAP_WORD_BITS);

		if (bits == 0) {
			page = (page | (BITMAP_WORD_BITS - 1)) + 1;
			continue;
		}
		page += (size_t)__builtin_ctzll(bits);
		run->block = shelf->block;
		run->first = page;
		run->count = clear_run(shelf->words, page,
				       max_pages < end - page ? max_pages : end - page);
		claimer->next_page = page + run->count;
		return true;
	}
	claimer->next_page = end;
	return false;
}

static bool next_run(struct claimer *claimer, const struct ram_block *block,
		     size_t max_pages, struct page_run *run)
{
	const struct shelf *shelves = claimer->batcher->shelves;

	if (__atomic_load_n(&claimer->batcher->stopped, __ATOMIC_RELAXED))
		return false;
	for (;;) {
		if (claimer->next_page < claimer->end_page && block &&
		    block != shelves[claimer->block_index].block)
			return false;
		if (take_run(claimer, max_pages, run))
			return true;
		if (!claim_stretch(claimer))
			return false;
	}
}

bool claimer_next(struct claimer *claimer, const struct ram_block *block,
		  size_t max_pages, struct page_run *run)
{
	assert(max_pages > 0);
	if (!next_run(claimer, block, max_pages, run))
		return false;
	count_claimed(claimer->batcher, run->count);
	return true;
}

bool claimer_fill(struct claimer *claimer, struct batch *batch, bool find_zeros)
{
	const struct ram_block *block = batch->block;
	size_t room = BATCH_PAGES_MAX - batch_count(batch), left = room;
	uint64_t start_ns = clock_now_ns(), claimed_ns;
	struct page_run runs[BATCH_PAGES_MAX];
	uint32_t count = 0;

	while (left > 0 && next_run(claimer, block, left, &runs[count])) {
		block = runs[count].block;
		left -= runs[count++].count;
	}
	claimed_ns = clock_now_ns();
	batch->scan_ns += claimed_ns - start_ns;
	for (uint32_t i = 0; i < count; i++)
		batch_add(batch, &runs[i], find_zeros);
	batch->zero_ns += clock_now_ns() - claimed_ns;
	if (left < room)
		count_claimed(claimer->batcher, room - left);
	return batch_count(batch) > 0;
}
