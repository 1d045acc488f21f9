/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_test.c - what references encode, they and the engines decode; and the reverse. */
#include "tests/check.h"

#include "base/pages.h"
#include "bench/reference.h"

#define PACKETS 3u
#define PACKET_PAGES 128u

static struct gw_error err;
static uint8_t source_pages[PACKET_PAGES * PAGE_BYTES];
static uint8_t landed[PACKET_PAGES * PAGE_BYTES];
static uint8_t kept[PACKETS][CODEC_PAYLOAD_MAX];
static size_t kept_bytes[PACKETS];

/* Pages of three kinds: words, random bytes, one byte over and over. */
static void make_pages(unsigned packet)
{
	uint64_t random = 7 + packet;

	for (unsigned page = 0; page < PACKET_PAGES; page++) {
		uint8_t *at = source_pages + page * PAGE_BYTES;

		memset(at, (int)(page + packet), PAGE_BYTES);
		for (size_t i = 0; i < PAGE_BYTES && page % 3 != 0; i += 8) {
			uint64_t value = check_random(&random);

			if (page % 3 == 1)
				value = (value & 7) * UINT64_C(0x0101010101010101);
			memcpy(at + i, &value, 8);
		}
	}
}

/* Two runs with a gap of a page between them, or all as one. */
static size_t make_runs(struct span runs[2], struct room rooms[2], unsigned packet)
{
	static const size_t half = PACKET_PAGES / 2 * PAGE_BYTES;
	size_t gap = packet == 1 ? PAGE_BYTES : 0;

	runs[0] = (struct span){ source_pages, half };
	runs[1] = (struct span){ source_pages + half + gap, half - gap };
	for (unsigned i = 0; i < 2; i++)
		rooms[i] = (struct room){ landed + (runs[i].bytes - source_pages),
					  runs[i].length };
	return 2 * half - gap;
}

static void encode_all(const struct engine *engine, int level)
{
	struct engine_options options = { .direction = ENCODE, .level = level };
	void *state = engine->open(engine, &options, &err);

	CHECK(state);
	for (unsigned packet = 0; packet < PACKETS; packet++) {
		struct span runs[2];
		struct room rooms[2];
		struct job job = { .slot = packet % 2,
				   .source = runs,
				   .source_count = 2 };
		size_t bytes = 0;

		make_pages(packet);
		make_runs(runs, rooms, packet);
		CHECK_OK(engine_run(engine, state, &job, &err), &err);
		for (uint32_t i = 0; i < job.piece_count; i++) {
			memcpy(kept[packet] + bytes, job.pieces[i].bytes,
			       job.pieces[i].length);
			bytes += job.pieces[i].length;
		}
		CHECK_EQ(job.produced_bytes, bytes);
		kept_bytes[packet] = bytes;
	}
	engine->close(state);
}

static void decode_all(const struct engine *engine)
{
	struct engine_options options = { .direction = DECODE };
	void *state = engine->open(engine, &options, &err);

	CHECK(state);
	for (unsigned packet = 0; packet < PACKETS; packet++) {
		struct span runs[2], payload = { kept[packet], kept_bytes[packet] };
		struct room rooms[2];
		struct job job = { .source = &payload,
				   .source_count = 1,
				   .destination = rooms,
				   .destination_count = 2 };

		make_pages(packet);
		memset(landed, 0xa5, sizeof(landed));
		CHECK_EQ(make_runs(runs, rooms, packet),
			 rooms[0].length + rooms[1].length);
		CHECK_OK(engine_run(engine, state, &job, &err), &err);
		for (unsigned i = 0; i < 2; i++)
			CHECK(memcmp(rooms[i].bytes, runs[i].bytes, runs[i].length) == 0);
	}
	engine->close(state);
}

static void round_trips(enum codec_id codec)
{
	const struct engine *reference = reference_of(codec, &err), *ours;

	if (!reference)
		SKIP(err.text);
	for (int level = reference->level_min; level <= reference->level_max;
	     level += 3) {
		encode_all(reference, level);
		decode_all(reference);
		ours = engine_choose(codec, DECODE, 0, ACCELERATOR_NONE, &err);
		CHECK(ours);
		decode_all(ours);
	}
	ours = engine_choose(codec, ENCODE, codec_by_id(codec)->level_default,
			     ACCELERATOR_NONE, &err);
	CHECK(ours);
	encode_all(ours, codec_by_id(codec)->level_default);
	decode_all(reference);
}

TEST(zlib_round_trips)
{
	round_trips(CODEC_ZLIB);
}

TEST(zstd_round_trips)
{
	round_trips(CODEC_ZSTD);
}

TEST(qatzip_round_trips)
{
	round_trips(CODEC_QATZIP);
}

TEST(qpl_round_trips)
{
	round_trips(CODEC_QPL);
}

TEST(uadk_round_trips)
{
	round_trips(CODEC_UADK);
}

TEST_MAIN(TEST_OF(zlib_round_trips), TEST_OF(zstd_round_trips),
	  TEST_OF(qatzip_round_trips), TEST_OF(qpl_round_trips),
	  TEST_OF(uadk_round_trips))
