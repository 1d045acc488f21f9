/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitmap.c - a bit a page, in words that have one owner at a time. */
#include "base/bitmap.h"

/* The bits of [*first, end) that lie in its first word; *first moves on to the next word. */
static uint64_t take_mask(size_t *first, size_t end)
{
	size_t low = *first % BITMAP_WORD_BITS;
	size_t run = BITMAP_WORD_BITS - low;

	if (run > end - *first)
		run = end - *first;
	*first += run;
	return (run == BITMAP_WORD_BITS ? ~UINT64_C(0) : (UINT64_C(1) << run) - 1) << low;
}

void bitmap_set_range(uint64_t *words, size_t first, size_t count)
{
	for (size_t end = first + count; first < end;) {
		uint64_t *word = &words[first / BITMAP_WORD_BITS];

		*word |= take_mask(&first, end);
	}
}

void bitmap_clear_range(uint64_t *words, size_t first, size_t count)
{
	for (size_t end = first + count; first < end;) {
		uint64_t *word = &words[first / BITMAP_WORD_BITS];

		*word &= ~take_mask(&first, end);
	}
}

size_t bitmap_count(const uint64_t *words, size_t bit_count)
{
	size_t count = 0;

	for (size_t word = 0; word < bitmap_words(bit_count); word++)
		count += (size_t)__builtin_popcountll(words[word]);
	return count;
}

/* Finds a set bit after each word was xored with `flip`. */
static size_t next(const uint64_t *words, size_t bit_count, size_t from, uint64_t flip)
{
	size_t word = from / BITMAP_WORD_BITS;
	uint64_t bits;

	if (from >= bit_count)
		return bit_count;
	bits = (words[word] ^ flip) & (~UINT64_C(0) << (from % BITMAP_WORD_BITS));
	while (bits == 0) {
		if (++word == bitmap_words(bit_count))
			return bit_count;
		bits = words[word] ^ flip;
	}
	from = word * BITMAP_WORD_BITS + (size_t)__builtin_ctzll(bits);
	return from < bit_count ? from : bit_count;
}

size_t bitmap_next_set(const uint64_t *words, size_t bit_count, size_t from)
{
	return next(words, bit_count, from, 0);
}

size_t bitmap_next_clear(const uint64_t *words, size_t bit_count, size_t from)
{
	return next(words, bit_count, from, ~UINT64_C(0));
}
