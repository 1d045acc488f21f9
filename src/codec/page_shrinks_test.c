/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* page_shrinks_test.c - the guess is no for random bytes, and for nothing that shrinks. */
#include "tests/check.h"

#include <zlib.h>

#include "base/pages.h"
#include "codec/page_shrinks.h"

#define PAGES 2000u

static uint8_t page[PAGE_BYTES];

static void fill_random(uint64_t *random, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		page[i] = (uint8_t)(check_random(random) >> 32);
}

TEST(random_pages_will_not_shrink)
{
	uint64_t random = 37;
	unsigned yes = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		fill_random(&random, 0, PAGE_BYTES);
		yes += page_may_shrink(page);
	}
	CHECK(yes < PAGES / 50);
}

/* So are pages of what has been compressed: by zlib's smallest level, from words in disorder. */
TEST(compressed_pages_will_not_shrink)
{
	static uint8_t words[64 * PAGE_BYTES], packed[64 * PAGE_BYTES];
	uint64_t random = 41;
	uLongf length = sizeof(packed);
	unsigned yes = 0, count = 0;

	for (size_t i = 0; i < sizeof(words); i += 4) {
		uint32_t word = (uint32_t)(check_random(&random) % 3000) * 2654435761u;

		memcpy(words + i, &word, sizeof(word));
	}
	CHECK_EQ(compress2(packed, &length, words, sizeof(words), 9), Z_OK);
	for (size_t at = 0; length - at >= PAGE_BYTES; at += PAGE_BYTES, count++)
		yes += page_may_shrink(packed + at);
	CHECK(count > 10);
	CHECK(yes <= count / 5);
}

TEST(all_that_is_not_random_may_shrink)
{
	uint64_t random = 43;

	for (int byte = 0; byte < 256; byte++) {
		memset(page, byte, sizeof(page));
		CHECK(page_may_shrink(page));
	}
	for (unsigned i = 0; i < PAGES; i++) {
		/* Seven bits a byte, as in base64 and text in other scripts than Latin. */
		fill_random(&random, 0, PAGE_BYTES);
		for (size_t at = 0; at < PAGE_BYTES; at++)
			page[at] &= 0x7f;
		CHECK(page_may_shrink(page));
		/* An eighth of zeros, at one end or the other, or every eighth byte. */
		fill_random(&random, 0, PAGE_BYTES);
		memset(page, 0, PAGE_BYTES / 8);
		CHECK(page_may_shrink(page));
		fill_random(&random, 0, PAGE_BYTES / 8);
		memset(page + 7 * PAGE_BYTES / 8, 0, PAGE_BYTES / 8);
		CHECK(page_may_shrink(page));
		fill_random(&random, 0, PAGE_BYTES);
		for (size_t at = i % 8; at < PAGE_BYTES; at += 8)
			page[at] = 0xff;
		CHECK(page_may_shrink(page));
	}
}

/* zlib says what shrinks: by 3 % of it no page in a hundred may be missed. */
TEST(what_shrinks_is_hardly_ever_missed)
{
	uint64_t random = 47;
	unsigned shrink = 0, missed = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		uint8_t packed[PAGE_BYTES + 100];
		uLongf length = sizeof(packed);
		size_t zeros = check_random(&random) % 1500;

		/* Here and there, so that a sample sees its share of them. */
		fill_random(&random, 0, PAGE_BYTES);
		for (size_t k = 0; k < zeros; k++)
			page[check_random(&random) % PAGE_BYTES] = (uint8_t)(k % 3);
		CHECK_EQ(compress2(packed, &length, page, PAGE_BYTES, 6), Z_OK);
		if (length > PAGE_BYTES / 100 * 97)
			continue;
		shrink++;
		missed += !page_may_shrink(page);
	}
	CHECK(shrink > PAGES / 4);
	CHECK(missed < shrink / 100);
}

TEST_MAIN(TEST_OF(random_pages_will_not_shrink),
	  TEST_OF(compressed_pages_will_not_shrink),
	  TEST_OF(all_that_is_not_random_may_shrink),
	  TEST_OF(what_shrinks_is_hardly_ever_missed))
