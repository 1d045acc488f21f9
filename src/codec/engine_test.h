/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_test.h - pages to encode, rooms to decode into, and one call for each.
 *
 * For tests of engines, which include tests/check.h before: the harness is for them alone. */
#ifndef CODEC_ENGINE_TEST_H
#define CODEC_ENGINE_TEST_H

#include "base/pages.h"
#include "codec/engine.h"

#define PAGES_MAX 128u
#define PACKET_BYTES (PAGES_MAX * PAGE_BYTES)

static uint8_t pages[PACKET_BYTES];
static uint8_t payload[CODEC_PAYLOAD_MAX + 1];
/* One page more than a packet, to see that nothing is written past the rooms. */
static uint8_t landed[PACKET_BYTES + PAGE_BYTES];

static struct gw_error err;

/* Zero, random and text pages, by the generator. */
static inline void fill_pages(uint64_t *random, uint32_t count)
{
	static const char words[8][8] = { "godwit ", "page ",  "the ",	   "memory ",
					  "of a ",   "guest ", "channel ", "and " };

	for (uint32_t page = 0; page < count; page++) {
		uint8_t *at = pages + page * PAGE_BYTES, *end = at + PAGE_BYTES;

		switch (check_random(random) % 3) {
		case 0:
			memset(at, 0, PAGE_BYTES);
			break;
		case 1:
			for (; at < end; at += 8) {
				uint64_t value = check_random(random);

				memcpy(at, &value, 8);
			}
			break;
		default:
			for (; at < end; at += 8)
				memcpy(at, words[check_random(random) % 8], 8);
		}
	}
}

static inline int decode_runs(const struct engine *engine, void *state, const void *bytes,
			      size_t length, const struct room *runs, uint32_t run_count)
{
	struct span source = { bytes, length };
	struct job job = { .source = &source,
			   .source_count = 1,
			   .destination = runs,
			   .destination_count = run_count };
	size_t expected = 0;

	if (engine_run(engine, state, &job, &err) < 0)
		return -1;
	for (uint32_t i = 0; i < run_count; i++)
		expected += runs[i].length;
	CHECK_EQ(job.produced_bytes, expected);
	return 0;
}

/* The same with one run of `count` pages. */
static inline int decode_pages(const struct engine *engine, void *state,
			       const void *bytes, size_t length, uint32_t count)
{
	struct room run = { landed, count * PAGE_BYTES };
	int done;

	memset(landed, 0xa5, sizeof(landed));
	done = decode_runs(engine, state, bytes, length, &run, 1);
	for (size_t i = 0; i < PAGE_BYTES; i++)
		CHECK_EQ(landed[run.length + i], 0xa5);
	return done;
}

/* Decodes on a fresh stream. */
static inline int decode_fresh(const struct engine *engine, const void *bytes,
			       size_t length, uint32_t count)
{
	void *state = engine->open(DECODE, 0, &err);
	int done;

	CHECK(state);
	done = decode_pages(engine, state, bytes, length, count);
	engine->close(state);
	return done;
}

#endif
