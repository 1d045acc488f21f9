/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitmap.h - a bit a page, in words that have one owner at a time.
 *
 * Plain operations are for the owner of the words; the _shared ones may run on several threads
 * at once.  Bits past `bit_count` in the last word are always clear. */
#ifndef BASE_BITMAP_H
#define BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORD_BITS 64u

static inline size_t bitmap_words(size_t bit_count)
{
	return (bit_count + BITMAP_WORD_BITS - 1) / BITMAP_WORD_BITS;
}

static inline bool bitmap_test(const uint64_t *words, size_t bit)
{
	return words[bit / BITMAP_WORD_BITS] >> (bit % BITMAP_WORD_BITS) & 1;
}

void bitmap_set_range(uint64_t *words, size_t first, size_t count);
void bitmap_clear_range(uint64_t *words, size_t first, size_t count);
size_t bitmap_count(const uint64_t *words, size_t bit_count);

/* The first set (clear) bit at or after `from`; `bit_count` when there is none. */
size_t bitmap_next_set(const uint64_t *words, size_t bit_count, size_t from);
size_t bitmap_next_clear(const uint64_t *words, size_t bit_count, size_t from);

/* Sets (reads) one bit beside other threads that do the same.  set: true when it was set
 * before. */
static inline bool bitmap_set_shared(uint64_t *words, size_t bit)
{
	uint64_t mask = UINT64_C(1) << (bit % BITMAP_WORD_BITS);

	return __atomic_fetch_or(&words[bit / BITMAP_WORD_BITS], mask, __ATOMIC_ACQ_REL) &
	       mask;
}

static inline bool bitmap_test_shared(const uint64_t *words, size_t bit)
{
	return __atomic_load_n(&words[bit / BITMAP_WORD_BITS], __ATOMIC_ACQUIRE) >>
		       (bit % BITMAP_WORD_BITS) &
	       1;
}

#endif
