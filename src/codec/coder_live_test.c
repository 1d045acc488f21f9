/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder_live_test.c - pages that another thread writes while they are encoded.
 *
 * GODWIT_TEST_LONG in the environment makes it 100,000 pages a coder.
 *
 * Pages one by one, and never several as one unit: there the output decodes as well, but a page
 * that nobody has written since it was marked clean can be told as a copy of what a neighbour was
 * when it was encoded, after the neighbour has changed and before the copy was looked up.  The
 * receiver would have a wrong page and no reason to get it again, which no number of runs can
 * show to be impossible; so units of several pages, and checksums, are made of copies, by
 * contract (coder.h). */
#include "tests/check.h"

#include "codec/coder_test.h"

#include <pthread.h>

#include "codec/deflate_walk_for_tests.h"

#define RUNS 3000u
#define RUNS_LONG 100000u

static struct gw_error err;

struct writer {
	pthread_t thread;
	uint8_t *page;
	uint8_t images[8][PAGE_BYTES];
	bool stop; /* atomic */
};

/* Whole pages as a guest copies them, and single words.  What it does to the page is a race, and
 * meant to be one. */
__attribute__((no_sanitize("thread"))) static void *write_on(void *opaque)
{
	struct writer *writer = opaque;
	volatile uint64_t *to = (volatile uint64_t *)writer->page;
	uint64_t random = 53;

	while (!__atomic_load_n(&writer->stop, __ATOMIC_RELAXED)) {
		uint64_t draw = check_random(&random);
		const uint64_t *from = (const uint64_t *)writer->images[draw % 8];
		size_t first = draw >> 8 & 511, count = draw >> 20 & 511;

		if (draw & 64)
			first = 0, count = 512;
		for (size_t i = first; i < 512 && i < first + count; i++)
			to[i] = from[i];
	}
	return NULL;
}

static void start(struct writer *writer, uint8_t *page)
{
	static const enum content contents[8] = { ZEROS,  ONES,	  TEXT,	    TEXT,
						  SPARSE, RANDOM, POINTERS, SPARSE };
	uint64_t random = 59;

	writer->page = page;
	writer->stop = false;
	for (size_t i = 0; i < 8; i++)
		fill_page(&random, contents[i], writer->images[i]);
	/* Like text, and unlike it where a match would have ended. */
	for (size_t i = 0; i < PAGE_BYTES; i += 64)
		writer->images[3][i] ^= 0x20;
	CHECK_EQ(pthread_create(&writer->thread, NULL, write_on, writer), 0);
}

static void check_decodes(void *const *decoders, struct span source, uint8_t *landed)
{
	for (size_t i = 0; i < CODERS; i++) {
		struct unit unit = run_unit(coders[i], decoders[i], source,
					    (struct room){ landed, PAGE_BYTES });

		if (unit.answer != UNIT_DONE)
			CHECK_FAIL("%s cannot decode it: %s, %d", coders[i]->name,
				   unit.why, unit.code);
	}
}

/* `copy`: where the page is copied to before; NULL: it is encoded where it is. */
static void run_coder(const struct coder *coder, enum unit_form form, const uint8_t *page,
		      uint8_t *copy, uint8_t *coded, uint8_t *landed)
{
	unsigned runs = getenv("GODWIT_TEST_LONG") ? RUNS_LONG : RUNS, done = 0;
	void *encoder = coder->open(form, ENCODE, 0, &err), *decoders[CODERS];

	CHECK(encoder);
	for (size_t i = 0; i < CODERS; i++)
		CHECK((decoders[i] = coders[i]->open(form, DECODE, 0, &err)) != NULL);
	for (unsigned run = 0; run < runs; run++) {
		/* Rooms down to half a page. */
		size_t room = PAGE_BYTES - 1 - (run % 4 == 3 ? run % 2048 : 0);
		uint8_t *at = coded + PAGE_BYTES - room;
		struct span source = { page, PAGE_BYTES };
		struct unit unit;

		if (copy) {
			for (size_t i = 0; i < PAGE_BYTES; i++)
				copy[i] = ((const volatile uint8_t *)page)[i];
			source.bytes = copy;
		}
		unit = run_unit(coder, encoder, source, (struct room){ at, room });
		CHECK(unit.answer != UNIT_FAILED);
		if (unit.answer == UNIT_FULL)
			continue;
		done++;
		memmove(coded + PAGE_BYTES - unit.produced, at, unit.produced);
		check_decodes(decoders,
			      (struct span){ coded + PAGE_BYTES - unit.produced,
					     unit.produced },
			      landed);
		if (form == UNIT_DEFLATE) {
			struct deflate_walk walk;

			CHECK(deflate_walk(&walk, coded + PAGE_BYTES - unit.produced,
					   unit.produced));
			CHECK(deflate_walk_suits_iaa(&walk));
		}
	}
	CHECK(done > runs / 4);
	for (size_t i = 0; i < CODERS; i++)
		coders[i]->close(decoders[i]);
	coder->close(encoder);
}

static struct writer writer;

TEST(pages_under_write_always_decode)
{
	uint8_t *page = guarded(PAGE_BYTES), *coded = guarded(PAGE_BYTES);
	uint8_t *landed = guarded(PAGE_BYTES);

	for (size_t i = 0; i < CODERS; i++) {
		if (!coders[i]->reads_live_pages)
			continue;
		start(&writer, page);
		run_coder(coders[i], UNIT_DEFLATE, page, NULL, coded, landed);
		__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
		pthread_join(writer.thread, NULL);
	}
}

TEST(copies_of_pages_under_write_always_decode)
{
	uint8_t *page = guarded(PAGE_BYTES), *coded = guarded(PAGE_BYTES);
	uint8_t *landed = guarded(PAGE_BYTES), *copy = guarded(PAGE_BYTES);

	for (size_t i = 0; i < CODERS; i++) {
		start(&writer, page);
		run_coder(coders[i], UNIT_ZLIB, page, copy, coded, landed);
		__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
		pthread_join(writer.thread, NULL);
	}
}

TEST_MAIN(TEST_OF(pages_under_write_always_decode),
	  TEST_OF(copies_of_pages_under_write_always_decode))
