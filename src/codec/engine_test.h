/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_test.h - engines, pages to encode, rooms to decode into, and one call for each.
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

/* The one of that name that encodes, or decodes, the codec here. */
static inline const struct engine *engine_named(enum codec_id codec,
						enum direction direction,
						const char *name)
{
	for (const struct engine *const *at = engines_of(codec, direction); *at; at++) {
		if (strcmp((*at)->name, name) != 0)
			continue;
		CHECK_OK((*at)->probe(*at, &err), &err);
		return *at;
	}
	CHECK_FAIL("no engine %s", name);
}

static inline void *open_engine(const struct engine *engine, enum direction direction,
				int level)
{
	struct engine_options options = { .direction = direction, .level = level };
	void *state = engine->open(engine, &options, &err);

	if (!state)
		CHECK_FAIL("%s: open: %s", engine->name, err.text);
	return state;
}

static inline void fill_random(uint64_t *random, uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at < length; at += 8) {
		uint64_t value = check_random(random);

		memcpy(bytes + at, &value, 8);
	}
}

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
			fill_random(random, at, PAGE_BYTES);
			break;
		default:
			for (; at < end; at += 8)
				memcpy(at, words[check_random(random) % 8], 8);
		}
	}
}

/* Encodes and puts the pieces behind each other into `payload`. */
static inline int encode_spans(const struct engine *engine, void *state,
			       const struct span *source, uint32_t count,
			       size_t *produced)
{
	static uint32_t slot;
	struct job job = { .slot = slot, .source = source, .source_count = count };
	size_t used = 0;

	slot = (slot + 1) % JOB_SLOTS;
	if (engine_run(engine, state, &job, &err) < 0)
		return -1;
	for (uint32_t i = 0; i < job.piece_count; i++) {
		CHECK(job.pieces[i].length <= CODEC_PAYLOAD_MAX - used);
		memcpy(payload + used, job.pieces[i].bytes, job.pieces[i].length);
		used += job.pieces[i].length;
	}
	CHECK_EQ(job.produced_bytes, used);
	*produced = used;
	return 0;
}

/* The same with one run of `count` pages. */
static inline size_t encode_pages(const struct engine *engine, void *state,
				  uint32_t count)
{
	struct span run = { pages, count * PAGE_BYTES };
	size_t produced = 0;

	CHECK_OK(encode_spans(engine, state, &run, 1, &produced), &err);
	return produced;
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

	memset(landed, 0xa5, run.length + PAGE_BYTES);
	done = decode_runs(engine, state, bytes, length, &run, 1);
	for (size_t i = 0; i < PAGE_BYTES; i++)
		CHECK_EQ(landed[run.length + i], 0xa5);
	return done;
}

/* Decodes on a fresh stream. */
static inline int decode_fresh(const struct engine *engine, const void *bytes,
			       size_t length, uint32_t count)
{
	void *state = open_engine(engine, DECODE, 0);
	int done;

	done = decode_pages(engine, state, bytes, length, count);
	engine->close(state);
	return done;
}

typedef void check_two(const struct engine *encoder, const struct engine *decoder);

/* With every encoder of each codec, and the reference library to decode. */
static inline void each_encoder(check_two *check)
{
	for (unsigned codec = CODEC_ZLIB; codec < CODEC_COUNT; codec++) {
		const struct engine *const *decoder = engines_of(codec, DECODE);

		while (!(*decoder)->reference)
			decoder++;
		for (const struct engine *const *encoder = engines_of(codec, ENCODE);
		     *encoder; encoder++) {
			if ((*encoder)->probe(*encoder, &err) == 0)
				check(*encoder, *decoder);
		}
	}
}

/* Level 1 where the codec has one. */
static inline int some_level(const struct engine *engine)
{
	return engine->level_max > 0 ? 1 : 0;
}

#endif
