/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder_test.h - memory between pages that cannot be touched, and contents for it.
 *
 * For tests of coders, which include tests/check.h before: the harness is for them alone. */
#ifndef CODEC_CODER_TEST_H
#define CODEC_CODER_TEST_H

#include <sys/mman.h>

#include "base/pages.h"
#include "codec/coder.h"

#define UNIT_PAGES_MAX 128u
#define UNIT_BYTES_MAX (UNIT_PAGES_MAX * PAGE_BYTES)
/* What no encoder needs: headers of blocks and members over random bytes. */
#define CODED_BYTES_MAX (UNIT_BYTES_MAX + UNIT_BYTES_MAX / 8 + PAGE_BYTES)

static const struct coder *const coders[] = { &coder_isal, &coder_libdeflate,
					      &coder_zlib };
#define CODERS (sizeof(coders) / sizeof(coders[0]))

/* `bytes`, a multiple of a page, between two pages that cannot be touched.  Kept for good. */
static inline uint8_t *guarded(size_t bytes)
{
	uint8_t *at = mmap(NULL, bytes + 2 * PAGE_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	at += PAGE_BYTES;
	CHECK_EQ(mprotect(at, bytes, PROT_READ | PROT_WRITE), 0);
	return at;
}

enum content { ZEROS, ONES, TEXT, POINTERS, SPARSE, RANDOM, MIXED, CONTENTS };

static inline void fill_text(uint64_t *random, uint8_t *at)
{
	static const char words[8][9] = { "godwit ", "page ",  "the ",	   "memory\n",
					  "of a ",   "guest ", "channel ", "and " };

	for (size_t i = 0; i < PAGE_BYTES;) {
		const char *word = words[check_random(random) % 8];
		size_t length = strlen(word);

		if (length > PAGE_BYTES - i)
			length = PAGE_BYTES - i;
		memcpy(at + i, word, length);
		i += length;
	}
}

static inline void fill_page(uint64_t *random, enum content content, uint8_t *at)
{
	switch (content) {
	case ONES:
		memset(at, 0xff, PAGE_BYTES);
		return;
	case TEXT:
		fill_text(random, at);
		return;
	case POINTERS:
	case RANDOM:
		for (size_t i = 0; i < PAGE_BYTES; i += 8) {
			uint64_t value = check_random(random);

			if (content == POINTERS)
				value = UINT64_C(0xffff888000000000) |
					(value & 0x7ffff00);
			memcpy(at + i, &value, sizeof(value));
		}
		return;
	case SPARSE:
		memset(at, 0, PAGE_BYTES);
		for (unsigned i = 0; i < 40; i++)
			at[check_random(random) % PAGE_BYTES] =
				(uint8_t)check_random(random);
		return;
	case MIXED:
		fill_page(random, check_random(random) % MIXED, at);
		return;
	case ZEROS:
	case CONTENTS:
		memset(at, 0, PAGE_BYTES);
	}
}

static inline void fill_unit(uint64_t *random, enum content content, uint8_t *at,
			     size_t pages)
{
	for (size_t page = 0; page < pages; page++)
		fill_page(random, content, at + page * PAGE_BYTES);
}

/* One unit.  What there is may begin anywhere, but ends where a page that cannot be touched
 * begins. */
static inline struct unit run_unit(const struct coder *coder, void *state,
				   struct span source, struct room room)
{
	struct unit unit = { .source = source, .room = room, .produced = SIZE_MAX };

	CHECK_EQ(coder->run(state, &unit), unit.answer);
	CHECK(unit.answer == UNIT_DONE ? unit.produced <= room.length
				       : unit.produced == 0);
	CHECK((unit.answer == UNIT_FAILED) == (unit.why != NULL));
	return unit;
}

#endif
