/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stamp.c - what a process guest writes into its pages, so that each can be believed later. */
#include "guest/stamp.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/pages.h"
#include "guest/random.h"

#define STAMP_MAGIC UINT64_C(0x90d3175ca1ab1e5d)
#define HEARTBEAT_MAGIC UINT64_C(0x90d3179b0d4ea75b)
#define WORD_COUNT 4u

#define UNCHECKED_RACE __attribute__((noinline, no_sanitize("thread")))

/* Where the words lie: one in each quarter, the last one at the page's end. */
static const uint32_t word_offsets[WORD_COUNT] = { 1024, 2048, 3072, PAGE_BYTES - 8 };

static uint64_t mix(uint64_t address, uint64_t sequence, uint64_t salt)
{
	return random_mix(address ^ random_mix(sequence) ^ (salt << 56));
}

/* One store: a reader sees the old or the new word. */
UNCHECKED_RACE static void put(uint8_t *at, uint64_t value)
{
	*(volatile uint64_t *)(void *)at = htobe64(value);
}

void stamp_page(uint8_t *page, uint64_t address, uint64_t sequence)
{
	put(page, STAMP_MAGIC);
	put(page + 8, address);
	put(page + 16, sequence);
	put(page + 24, mix(address, sequence, WORD_COUNT));
	for (uint32_t i = 0; i < WORD_COUNT; i++)
		put(page + word_offsets[i], mix(address, sequence, i));
}

int stamp_check(const uint8_t *page, uint64_t address, uint64_t sequence_max,
		struct gw_error *err)
{
	uint64_t where = load_be64(page + 8), sequence = load_be64(page + 16);

	if (load_be64(page) != STAMP_MAGIC)
		return 0;
	if (load_be64(page + 24) != mix(where, sequence, WORD_COUNT))
		return fail(err, GW_PEER,
			    "page at %" PRIu64 ": check of its stamp (address %" PRIu64
			    ", sequence %" PRIu64 ") is wrong",
			    address, where, sequence);
	if (where != address)
		return fail(err, GW_PEER,
			    "page at %" PRIu64 ": its stamp names address %" PRIu64,
			    address, where);
	if (sequence > sequence_max)
		return fail(err, GW_PEER,
			    "page at %" PRIu64 ": its stamp has sequence %" PRIu64
			    ", but the machine was at %" PRIu64,
			    address, sequence, sequence_max);
	for (uint32_t i = 0; i < WORD_COUNT; i++) {
		if (load_be64(page + word_offsets[i]) != mix(address, sequence, i))
			return fail(err, GW_PEER,
				    "page at %" PRIu64
				    ": torn, its bytes at %u are not of write %" PRIu64,
				    address, word_offsets[i], sequence);
	}
	return 1;
}

void heartbeat_write(uint8_t *page, uint64_t beats)
{
	put(page + 8, beats);
	put(page, HEARTBEAT_MAGIC);
}

uint64_t heartbeat_read(const uint8_t *page)
{
	return load_be64(page) == HEARTBEAT_MAGIC ? load_be64(page + 8) : 0;
}
