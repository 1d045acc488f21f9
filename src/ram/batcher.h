/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batcher.h - dirty bits, handed out to channels span by span.
 *
 * There are two bitmaps.  What is harvested goes into the fresh one, which is the migration
 * thread's at all times, so that it may look while a round runs.  batcher_begin_round() moves
 * what is in there to the other, which from then until every claimer has run dry belongs to the
 * channels: each claimer takes a stretch of words by one atomic add and is the only one to touch
 * it.  A claimed bit is cleared, so a page is handed out once a round and never to two channels
 * between two barriers. */
#ifndef RAM_BATCHER_H
#define RAM_BATCHER_H

#include "ram/batch.h"

struct batcher;

struct batcher *batcher_new(const struct ram *ram, struct gw_error *err); /* all clean */
void batcher_free(struct batcher *batcher);
DEFINE_OWNED(batcher)

/* Migration thread, at any time: what the next round will take up. */
void batcher_mark_all(struct batcher *batcher);
uint64_t *batcher_bitmap(struct batcher *batcher, uint32_t block_index);
uint64_t batcher_fresh_pages(const struct batcher *batcher);

/* Between rounds: fresh ones, and what a round left that was stopped. */
uint64_t batcher_dirty_pages(const struct batcher *batcher);
void batcher_begin_round(struct batcher *batcher);

/* Any thread, while a round runs: claimers run dry now, and what they would have claimed is left
 * for the next round. */
void batcher_stop_round(struct batcher *batcher);

/* Pages handed out so far in this round, from any thread. */
uint64_t batcher_claimed_pages(const struct batcher *batcher);

/* One channel's hand in the bitmap; a plain value owned by the channel thread. */
struct claimer {
	struct batcher *batcher;
	uint32_t block_index;
	size_t next_page;
	size_t end_page; /* of the stretch held */
};

void claimer_init(struct claimer *claimer,
		  struct batcher *batcher); /* at the round's start */

/* The next contiguous dirty run of at most `max_pages`; only from `block` unless that is NULL
 * (a run of another block stays for the next call).  False: nothing of that block is left to
 * take now; with block == NULL, the round has run dry. */
bool claimer_next(struct claimer *claimer, const struct ram_block *block,
		  size_t max_pages, struct page_run *run);

/* Claims up to a full batch: false when the round has run dry and the batch is empty. */
bool claimer_fill(struct claimer *claimer, struct batch *batch, bool find_zeros);

#endif
