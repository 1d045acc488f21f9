/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* landing.c - the receiver's memory, prepared ahead of its arrival.
 *
 *	stretches of a block   |####|####|####|++++|++++|    |    |    |
 *	                        arrived ....   ahead ...   untouched
 *
 * The first page that arrives in a stretch makes it an arrived one.  When arrival is dense, the
 * next stretches will be wanted too: as many as have arrived in a row just before are populated
 * by the thread that runs ahead, up to a bound.  So what is populated in vain is never more than
 * what was wanted, and a guest whose memory is mostly zero stays small.
 *
 * A stretch belongs to whoever claims it first.  Nobody waits for it: a channel that finds it
 * claimed but not yet populated writes, and the kernel sorts out the faults. */
#include "ram/landing.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/queue.h"
#include "ram/linux_uffd.h"
#include "ram/zero.h"

#define STRETCH_BITS 21
#define STRETCH_BYTES (UINT64_C(1) << STRETCH_BITS)

/* 32 MiB: a few channels at 2 MiB each, and the nearer half that is left to them. */
#define AHEAD_STRETCHES 16u
#define HINTS_MAX 64u

struct strip {
	const struct ram_block *block;
	uint64_t *received; /* a bit a page: it was written to */
	uint64_t *arrived;  /* a bit a stretch: something was received there */
	uint64_t *claimed;  /* a bit a stretch: somebody populates it or has */
	uint64_t *words;    /* the three, as allocated */
	uintptr_t base;	    /* where stretch 0 begins, at or before the block */
	size_t stretch_count;
};

struct hint {
	uint32_t block_index;
	size_t stretch; /* just arrived */
};

struct landing {
	struct strip *strips;
	uint32_t strip_count;
	bool fresh;
	bool cannot_populate; /* shared: the kernel has refused once (before Linux 5.14) */
	struct queue *hints;  /* NULL: nobody runs ahead */
	bool running;
	pthread_t ahead;
};

/* Populates one stretch as far as it is the block's, unless somebody has. */
static void populate(struct landing *landing, struct strip *strip, size_t stretch)
{
	uintptr_t start = strip->base + stretch * STRETCH_BYTES;
	uintptr_t end = start + STRETCH_BYTES;
	uintptr_t host = (uintptr_t)strip->block->host;

	if (bitmap_test_shared(strip->claimed, stretch) ||
	    bitmap_set_shared(strip->claimed, stretch))
		return;
	if (__atomic_load_n(&landing->cannot_populate, __ATOMIC_RELAXED))
		return;
	if (start < host)
		start = host;
	if (end > host + strip->block->length_bytes)
		end = host + strip->block->length_bytes;
	/* When it fails, each page takes its fault when it is written, and whatever is wrong
	 * shows there. */
	if (madvise((void *)start, end - start, MADV_POPULATE_WRITE) < 0 &&
	    errno == EINVAL)
		__atomic_store_n(&landing->cannot_populate, true, __ATOMIC_RELAXED);
}

/* How many stretches in a row have arrived just before this one. */
static size_t run_before(const struct strip *strip, size_t stretch)
{
	size_t run = 0;

	while (run < AHEAD_STRETCHES && run < stretch &&
	       bitmap_test_shared(strip->arrived, stretch - run - 1))
		run++;
	return run;
}

/* The next stretch to populate after the one that the hint tells of, or stretch_count.  It
 * keeps clear of the nearer half: a channel will be there before the kernel is done, and both
 * would clear a huge page.  While the thread keeps up, that half is done already. */
static size_t next_ahead(const struct strip *strip, const struct hint *hint)
{
	size_t run = run_before(strip, hint->stretch);
	size_t stretch = hint->stretch + 1 + run / 2;
	size_t end = hint->stretch + 1 + run;

	while (stretch < end && stretch < strip->stretch_count &&
	       bitmap_test_shared(strip->claimed, stretch))
		stretch++;
	return stretch < end && stretch < strip->stretch_count ? stretch
							       : strip->stretch_count;
}

/* Replaces *hint by the newest there is, if any; false when the thread has to end. */
static bool take_hint(struct landing *landing, struct hint *hint, int timeout_ms)
{
	enum queue_taken taken = queue_take(landing->hints, hint, timeout_ms);

	while (taken == QUEUE_ITEM)
		taken = queue_take(landing->hints, hint, 0);
	return taken != QUEUE_CLOSED;
}

static void *run_ahead(void *state)
{
	struct landing *landing = state;
	struct hint hint;

	while (take_hint(landing, &hint, -1)) {
		for (;;) {
			struct strip *strip = &landing->strips[hint.block_index];
			size_t stretch = next_ahead(strip, &hint);

			if (stretch == strip->stretch_count)
				break;
			populate(landing, strip, stretch);
			if (!take_hint(landing, &hint, 0))
				return NULL;
		}
	}
	return NULL;
}

static int strip_init(struct strip *strip, const struct ram_block *block,
		      struct gw_error *err)
{
	uintptr_t host = (uintptr_t)block->host;
	size_t page_words = bitmap_words(block->page_count), stretch_words;

	strip->block = block;
	strip->base = host & ~(uintptr_t)(STRETCH_BYTES - 1);
	strip->stretch_count =
		(host - strip->base + block->length_bytes + STRETCH_BYTES - 1) >>
		STRETCH_BITS;
	stretch_words = bitmap_words(strip->stretch_count);
	strip->words = calloc(page_words + 2 * stretch_words, sizeof(uint64_t));
	if (!strip->words)
		return fail_sys(err, ENOMEM, "RAM block %s: bitmap of %zu pages",
				block->name, block->page_count);
	strip->received = strip->words;
	strip->arrived = strip->received + page_words;
	strip->claimed = strip->arrived + stretch_words;
	/* Advice, as in ram_allocate(): without huge pages it is slower, not wrong. */
	madvise(block->host, block->length_bytes, MADV_HUGEPAGE);
	return 0;
}

static int start_ahead(struct landing *landing, struct gw_error *err)
{
	int failed;

	landing->hints = queue_new(sizeof(struct hint), HINTS_MAX, err);
	if (!landing->hints)
		return -1;
	failed = pthread_create(&landing->ahead, NULL, run_ahead, landing);
	if (failed)
		return fail_sys(err, failed, "thread");
	landing->running = true;
	return 0;
}

struct landing *landing_new(const struct ram *ram, bool ahead, bool fresh,
			    struct gw_error *err)
{
	OWNED(landing) struct landing *landing = calloc(1, sizeof(*landing));

	if (landing)
		landing->strips = calloc(ram->block_count + 1u, sizeof(struct strip));
	if (!landing || !landing->strips) {
		fail_sys(err, ENOMEM, "landing of %u RAM blocks", ram->block_count);
		return NULL;
	}
	landing->fresh = fresh;
	landing->strip_count = ram->block_count;
	for (uint32_t i = 0; i < ram->block_count; i++) {
		if (strip_init(&landing->strips[i], ram->blocks[i], err) < 0)
			return NULL;
	}
	if (ahead && start_ahead(landing, err) < 0)
		return NULL;
	return MOVE(landing);
}

void landing_free(struct landing *landing)
{
	if (!landing)
		return;
	if (landing->running) {
		queue_close(landing->hints);
		pthread_join(landing->ahead, NULL);
	}
	queue_free(landing->hints);
	for (uint32_t i = 0; i < landing->strip_count; i++)
		free(landing->strips[i].words);
	free(landing->strips);
	free(landing);
}

static size_t stretch_of(const struct strip *strip, size_t page)
{
	return ((uintptr_t)strip->block->host - strip->base + page * PAGE_BYTES) >>
	       STRETCH_BITS;
}

/* Sets a run of bits beside other threads that do the same, a word at a time; a word that has
 * them already, as in every round but the first, is only read. */
static void set_range_shared(uint64_t *words, size_t first, size_t count)
{
	while (count > 0) {
		uint64_t *word = &words[first / BITMAP_WORD_BITS];
		size_t low = first % BITMAP_WORD_BITS;
		size_t bits = BITMAP_WORD_BITS - low;
		uint64_t mask;

		if (bits > count)
			bits = count;
		mask = ~UINT64_C(0) >> (BITMAP_WORD_BITS - bits) << low;
		if ((__atomic_load_n(word, __ATOMIC_RELAXED) & mask) != mask)
			__atomic_fetch_or(word, mask, __ATOMIC_RELAXED);
		first += bits;
		count -= bits;
	}
}

void landing_prepare(struct landing *landing, uint32_t block_index, size_t first,
		     size_t count)
{
	struct strip *strip;
	size_t last;

	assert(block_index < landing->strip_count);
	strip = &landing->strips[block_index];
	assert(count > 0 && first < strip->block->page_count &&
	       count <= strip->block->page_count - first);
	last = stretch_of(strip, first + count - 1);
	for (size_t stretch = stretch_of(strip, first); stretch <= last; stretch++) {
		struct hint hint = { block_index, stretch };

		if (bitmap_test_shared(strip->arrived, stretch) ||
		    bitmap_set_shared(strip->arrived, stretch))
			continue;
		/* First, so that the thread is at work while this one is; a hint that finds
		 * no room is one of many. */
		if (landing->hints)
			queue_try_give(landing->hints, &hint);
		populate(landing, strip, stretch);
	}
	set_range_shared(strip->received, first, count);
}

void landing_zero(struct landing *landing, uint32_t block_index, size_t page)
{
	struct strip *strip;
	uint8_t *host;

	assert(block_index < landing->strip_count);
	strip = &landing->strips[block_index];
	assert(page < strip->block->page_count);
	host = strip->block->host + page * PAGE_BYTES;
	/* Reading a page is cheap beside a fault and beside making it dirty. */
	if (landing->fresh ? bitmap_test_shared(strip->received, page)
			   : !page_is_zero(host))
		memset(host, 0, PAGE_BYTES);
}
