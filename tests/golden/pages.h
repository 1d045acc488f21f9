/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pages.h - the pages whose payloads by QPL and QATzip are in this folder.
 *
 * Page i is the same wherever it is made: zeros, text, records, pointers, few bytes among zeros,
 * small numbers, and noise.  What a page is must not change: the payloads would have to be made
 * again. */
#ifndef TESTS_GOLDEN_PAGES_H
#define TESTS_GOLDEN_PAGES_H

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/pages.h"
#include "tests/check.h"

/* QPL's payloads are of the first ones, QATzip's of all and of page 1 alone. */
#define GOLDEN_QPL_PAGES 32u
#define GOLDEN_PAGES 128u

static inline void golden_text(uint8_t *page, uint64_t *state)
{
	static const char *const words[] = {
		"page ",   "channel ", "round ", "dirty\n", "0x",      "struct ",
		"return ", "\t",       "of ",	 "the ",    "memory ", "guest ",
		"; ",	   "(",	       ")",	 "int ",
	};

	for (uint32_t at = 0; at < PAGE_BYTES;) {
		const char *word = words[check_random(state) % 16];

		while (*word && at < PAGE_BYTES)
			page[at++] = (uint8_t)*word++;
	}
}

static inline void golden_words(uint8_t *page, uint64_t *state, uint64_t base,
				uint64_t spread)
{
	for (uint32_t at = 0; at < PAGE_BYTES; at += 8)
		store_be64(page + at, base + (check_random(state) % spread << 4));
}

static inline void golden_page(uint32_t index, uint8_t page[PAGE_BYTES])
{
	uint64_t state = index;

	memset(page, 0, PAGE_BYTES);
	switch (index % 8) {
	case 0:
		if (index > 0) /* records: a counter and its bits */
			for (uint32_t at = 0; at < PAGE_BYTES; at += 16) {
				store_be32(page + at, index * 256 + at / 16);
				store_be32(page + at + 8, 1u << (at / 16 % 32));
			}
		break;
	case 2:
		golden_words(page, &state, UINT64_C(0x7f1234560000), 256);
		break;
	case 4:
		for (uint32_t i = 0; i < 40; i++)
			page[check_random(&state) % PAGE_BYTES] = (uint8_t)i;
		break;
	case 6:
		if (index % 32 == 6)
			for (uint32_t at = 0; at < PAGE_BYTES; at += 8)
				store_be64(page + at, check_random(&state));
		else
			golden_words(page, &state, 0, 8);
		break;
	default:
		golden_text(page, &state);
	}
}

#endif
