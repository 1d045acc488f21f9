/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* page_shrinks.c - is it worth the time to compress this page?
 *
 * Counts the pairs of equal bytes in a sample of n: n * n / 512 of them if all bytes are equally
 * likely, more if some are not.  For nearly all pages that shrink it is over after a few dozen
 * bytes.  What repeats itself and has no favourite bytes is not seen, but neither has real memory
 * been seen to have such pages.
 *
 * Of the 52,894 pages of a Linux guest (256 MiB) that are not zero, 222 do not shrink, by
 * libdeflate's level 1, and 39 do by less than 3 %; 206 are said no to: 205 of the former and one
 * of the latter.  It takes 50 ns on average, 270 for random bytes: 1 and 5 % of a page by ISA-L's
 * level 0. */
#include "codec/page_shrinks.h"

#include "base/pages.h"

#define SPOTS 16u
#define SPOT_BYTES 32u

/* One page of random bytes in a hundred has more. */
static unsigned pairs_max(unsigned sampled)
{
	return sampled * sampled / 448 + 16;
}

bool page_may_shrink(const uint8_t *page)
{
	/* A count is far from 255 when its pairs are over the limit. */
	uint8_t seen[256] = { 0 };
	unsigned pairs = 0;

	for (unsigned spot = 0; spot < SPOTS; spot++) {
		const uint8_t *at = page + spot * (PAGE_BYTES / SPOTS);

		for (unsigned i = 0; i < SPOT_BYTES; i++)
			pairs += seen[at[i]]++;
		if (pairs > pairs_max((spot + 1) * SPOT_BYTES))
			return true;
	}
	return false;
}

size_t pages_alike(struct span source, bool *shrink)
{
	size_t length = 0;

	*shrink = true;
	for (; source.length - length >= PAGE_BYTES; length += PAGE_BYTES) {
		bool may = page_may_shrink(source.bytes + length);

		if (length > 0 && may != *shrink)
			return length;
		*shrink = may;
	}
	return length > 0 && !*shrink ? length : source.length;
}
