/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_test.c - what engines encode they decode, and nothing else. */
#include "tests/check.h"

#include "codec/engine_test.h"

#include <sys/mman.h>

/* Cuts `count` pages at `base` into contiguous runs of a random length. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the runs are to be written */
static uint32_t cut(uint64_t *random, uint8_t *base, uint32_t count, struct room *runs)
{
	uint32_t run_count = 0;

	for (uint32_t page = 0; page < count;) {
		uint32_t length = 1 + (uint32_t)(check_random(random) % (count - page));

		runs[run_count++] =
			(struct room){ base + page * PAGE_BYTES, length * PAGE_BYTES };
		page += length;
	}
	return run_count;
}

static int encode_runs(const struct engine *engine, void *state, const struct room *runs,
		       uint32_t run_count, size_t *produced)
{
	struct span source[PAGES_MAX];

	for (uint32_t i = 0; i < run_count; i++)
		source[i] = (struct span){ runs[i].bytes, runs[i].length };
	return encode_spans(engine, state, source, run_count, produced);
}

typedef void check_one(const struct engine *engine);

/* Runs `check` with every engine of the codecs `first` to `last` that can be used here. */
static void each_engine(unsigned first, unsigned last, enum direction direction,
			check_one *check)
{
	for (unsigned codec = first; codec <= last; codec++) {
		const struct engine *const *at = engines_of(codec, direction);

		CHECK(*at);
		for (; *at; at++) {
			CHECK_EQ((*at)->codec, codec);
			if ((*at)->probe(*at, &err) == 0)
				check(*at);
		}
	}
}

static void each_stream_encoder(check_one *check)
{
	each_engine(CODEC_ZLIB, CODEC_ZSTD, ENCODE, check);
}

/* With every encoder and decoder of each codec up to `last`. */
static void each_pair(enum codec_id last, check_two *check)
{
	for (unsigned codec = CODEC_ZLIB; codec <= last; codec++) {
		for (const struct engine *const *encoder = engines_of(codec, ENCODE);
		     *encoder; encoder++) {
			if ((*encoder)->probe(*encoder, &err) < 0)
				continue;
			for (const struct engine *const *decoder =
				     engines_of(codec, DECODE);
			     *decoder; decoder++) {
				if ((*decoder)->probe(*decoder, &err) == 0)
					check(*encoder, *decoder);
			}
		}
	}
}

/* With every decoder of the streams, and what the reference library encodes. */
static void each_stream_decoder(check_two *check)
{
	for (unsigned codec = CODEC_ZLIB; codec <= CODEC_ZSTD; codec++) {
		const struct engine *encoder =
			engine_named(codec, ENCODE, codec_by_id(codec)->name);

		for (const struct engine *const *decoder = engines_of(codec, DECODE);
		     *decoder; decoder++) {
			CHECK_OK((*decoder)->probe(*decoder, &err), &err);
			check(encoder, *decoder);
		}
	}
}

static void check_packets(const struct engine *encoder, const struct engine *decoder,
			  int level, uint32_t packets, uint32_t pages_max, uint64_t seed)
{
	uint64_t random = seed;
	void *sender = open_engine(encoder, ENCODE, level);
	void *receiver = open_engine(decoder, DECODE, 0);
	struct room runs[PAGES_MAX];

	for (uint32_t packet = 0; packet < packets; packet++) {
		uint32_t count = 1 + (uint32_t)(check_random(&random) % pages_max);
		size_t produced;

		/* Both ends of the range, always. */
		if (packet < 2)
			count = packet == 0 ? pages_max : 1;
		fill_pages(&random, count);
		CHECK_OK(encode_runs(encoder, sender, runs,
				     cut(&random, pages, count, runs), &produced),
			 &err);
		memset(landed, 0xa5, sizeof(landed));
		CHECK_OK(decode_runs(decoder, receiver, payload, produced, runs,
				     cut(&random, landed, count, runs)),
			 &err);
		if (memcmp(landed, pages, count * PAGE_BYTES) != 0 ||
		    landed[count * PAGE_BYTES] != 0xa5)
			CHECK_FAIL("%s level %d to %s, seed %" PRIu64
				   " packet %u: other pages",
				   encoder->name, level, decoder->name, seed, packet);
	}
	encoder->close(sender);
	decoder->close(receiver);
}

static uint64_t seed_of_run(void)
{
	const char *given = getenv("CHECK_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : UINT64_C(0x90d317);

	printf("CHECK_SEED=%" PRIu64 "\n", seed);
	return seed;
}

static void round_trip(const struct engine *encoder, const struct engine *decoder)
{
	uint64_t seed = seed_of_run();

	for (int level = encoder->level_min; level <= encoder->level_max; level++) {
		/* The high levels of zstd clear tables of many MiB per stream. */
		check_packets(encoder, decoder, level, 4, level > 12 ? 8 : PAGES_MAX,
			      seed + level);
	}
}

TEST(each_decoder_gives_the_pages_that_each_encoder_took_at_each_level)
{
	each_pair(CODEC_QATZIP, round_trip);
}

static void long_stream(const struct engine *encoder, const struct engine *decoder)
{
	check_packets(encoder, decoder, some_level(encoder), 200, 16, seed_of_run());
}

TEST(history_runs_on_over_hundreds_of_packets)
{
	each_pair(CODEC_ZSTD, long_stream);
}

static void never_past_the_bound(const struct engine *engine)
{
	const struct codec *codec = codec_by_id(engine->codec);
	uint64_t random = 1;

	fill_random(&random, pages, PACKET_BYTES);
	for (int level = engine->level_min; level <= engine->level_max && level <= 12;
	     level++) {
		void *encoder = open_engine(engine, ENCODE, level);

		/* QEMU's senders get by with zlib's and zstd's own bounds: 524461, 526336. */
		for (int packet = 0; packet < 3; packet++) {
			size_t produced = encode_pages(engine, encoder, PAGES_MAX);

			CHECK(produced <= codec->payload_max(PAGES_MAX) / 2 + 4096);
		}
		engine->close(encoder);
	}
}

TEST(what_will_not_shrink_stays_far_below_the_payload_bound)
{
	each_stream_encoder(never_past_the_bound);
}

/* `count` pages on a fresh stream, into `payload`. */
static size_t encode_fresh(const struct engine *engine, uint32_t count)
{
	void *state = open_engine(engine, ENCODE, 1);
	size_t produced = encode_pages(engine, state, count);

	engine->close(state);
	return produced;
}

static void other_rooms(const struct engine *encoder, const struct engine *decoder)
{
	uint64_t random = 3;
	size_t produced;

	fill_pages(&random, 4);
	produced = encode_fresh(encoder, 4);
	CHECK_OK(decode_fresh(decoder, payload, produced, 4), &err);
	CHECK_EQ(decode_fresh(decoder, payload, produced, 5), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, decoder->name);
	CHECK_CONTAINS(err.text, "ends after 16384 of 20480 bytes");
	CHECK_EQ(decode_fresh(decoder, payload, produced, 3), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, decoder->name);
	CHECK_CONTAINS(err.text, "holds more than 12288 bytes");
}

TEST(payload_for_more_or_fewer_pages_is_refused)
{
	each_stream_decoder(other_rooms);
}

static void truncated(const struct engine *encoder, const struct engine *decoder)
{
	uint64_t random = 11;
	size_t produced, shortest = 0;

	fill_pages(&random, 2);
	produced = encode_fresh(encoder, 2);
	/* The flush's own tail may be missing: all pages are there by then. */
	for (size_t length = produced; length > 0; length--) {
		if (decode_fresh(decoder, payload, length, 2) == 0) {
			CHECK(memcmp(landed, pages, 2 * PAGE_BYTES) == 0);
			shortest = length;
			continue;
		}
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, decoder->name);
		CHECK_CONTAINS(err.text, "of 8192 bytes");
	}
	CHECK(produced - shortest <= 6);
}

TEST(truncated_payload_is_refused_at_each_length)
{
	each_stream_decoder(truncated);
}

static void corrupted(const struct engine *encoder, const struct engine *decoder)
{
	uint64_t random = 13;
	size_t produced;
	uint32_t refused = 0, tried = 0;

	fill_pages(&random, 3);
	produced = encode_fresh(encoder, 3);
	for (size_t at = 0; at < produced; at += 1 + produced / 997, tried++) {
		payload[at] ^= (uint8_t)(1u << (at % 8));
		/* Literals may change without a trace; nothing else may happen. */
		if (decode_fresh(decoder, payload, produced, 3) < 0) {
			refused++;
			CHECK_EQ(err.kind, GW_PEER);
			CHECK_CONTAINS(err.text, decoder->name);
		}
		payload[at] ^= (uint8_t)(1u << (at % 8));
	}
	CHECK(refused > 0 && tried > 100);
	payload[0] ^= 0xff;
	CHECK_EQ(decode_fresh(decoder, payload, produced, 3), -1);
	CHECK_CONTAINS(err.text, "0 of 12288 bytes");
}

TEST(corrupted_payload_is_refused_or_fills_its_rooms)
{
	each_stream_decoder(corrupted);
}

static void payload_bounds(const struct engine *encoder, const struct engine *decoder)
{
	memset(payload, 0, sizeof(payload));
	CHECK_EQ(decode_fresh(decoder, payload, 0, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "payload of 0 bytes for 1 pages");
	CHECK_EQ(decode_fresh(decoder, payload, CODEC_PAYLOAD_MAX + 1, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "payload of 1048577 bytes for 1 pages");
	/* The decoder saw it. */
	CHECK_EQ(decode_fresh(decoder, payload, CODEC_PAYLOAD_MAX, 1), -1);
	CHECK_CONTAINS(err.text, "0 of 4096 bytes in a payload of 1048576");
}

TEST(payload_of_0_bytes_and_past_1_mib_is_refused)
{
	each_stream_decoder(payload_bounds);
}

static void bomb(const struct engine *encoder, const struct engine *decoder)
{
	size_t produced;

	memset(pages, 0, PACKET_BYTES);
	produced = encode_fresh(encoder, PAGES_MAX);
	CHECK(produced < 8192);
	CHECK_EQ(decode_fresh(decoder, payload, produced, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "holds more than 4096 bytes");
	CHECK_OK(decode_fresh(decoder, payload, produced, PAGES_MAX), &err);
}

TEST(bomb_is_refused)
{
	each_stream_decoder(bomb);
}

static void bad_levels(const struct engine *engine)
{
	const struct codec *codec = codec_by_id(engine->codec);
	struct engine_options options = { .direction = ENCODE,
					  .level = codec->level_min - 1 };

	CHECK(!engine->open(engine, &options, &err));
	CHECK_EQ(err.kind, GW_USAGE);
	options.level = codec->level_max + 1;
	CHECK(!engine->open(engine, &options, &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, "are allowed");
}

TEST(open_refuses_levels_outside_the_codecs_range)
{
	each_stream_encoder(bad_levels);
}

static void two_slots(const struct engine *encoder, const struct engine *decoder)
{
	struct span source = { pages, PAGES_MAX * PAGE_BYTES };
	struct job jobs[JOB_SLOTS] = {
		{ .slot = 0, .source = &source, .source_count = 1 },
		{ .slot = 1, .source = &source, .source_count = 1 }
	};
	struct engine_counters counters = { 0 };
	struct engine_options options = { .direction = ENCODE,
					  .level = some_level(encoder),
					  .counters = &counters };
	void *state = encoder->open(encoder, &options, &err);
	void *receiver = open_engine(decoder, DECODE, 0);
	uint64_t random = 37;

	CHECK(state);
	for (unsigned i = 0; i < JOB_SLOTS; i++) {
		fill_pages(&random, PAGES_MAX);
		CHECK_OK(encoder->submit(state, &jobs[i], &err), &err);
		CHECK_EQ(encoder->reap(state, true, &err), 1);
		CHECK_EQ(jobs[i].piece_count, 1);
		CHECK_EQ(jobs[i].pieces[0].length, jobs[i].produced_bytes);
	}
	CHECK_EQ(counters.units, 2);
	CHECK_EQ(counters.bytes_in, 2 * PACKET_BYTES);
	CHECK_EQ(counters.bytes_out, jobs[0].produced_bytes + jobs[1].produced_bytes);
	/* `pages` are the second job's by now; the first one's result has stayed. */
	random = 37;
	for (unsigned i = 0; i < JOB_SLOTS; i++) {
		const struct span *piece = jobs[i].pieces;

		CHECK_OK(decode_pages(decoder, receiver, piece->bytes, piece->length,
				      PAGES_MAX),
			 &err);
		fill_pages(&random, PAGES_MAX);
		CHECK(memcmp(landed, pages, PACKET_BYTES) == 0);
	}
	encoder->close(state);
	encoder->close(NULL);
	decoder->close(receiver);
	decoder->close(NULL);
}

TEST(result_of_a_slot_stays_while_the_other_is_filled)
{
	each_stream_decoder(two_slots);
}

/* A payload between the end of a mapping and nothing. */
static void to_the_byte(const struct engine *encoder, const struct engine *decoder)
{
	size_t room = CODEC_PAYLOAD_MAX;
	uint8_t *memory = mmap(NULL, room + PAGE_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t random = 41;
	size_t produced;

	CHECK(memory != MAP_FAILED);
	CHECK_EQ(mprotect(memory + room, PAGE_BYTES, PROT_NONE), 0);
	for (int i = 0; i < 100; i++) {
		fill_pages(&random, 1 + i % 5);
		produced = encode_fresh(encoder, 1 + i % 5);
		for (size_t cut_off = 0; cut_off < 12; cut_off++) {
			uint8_t *at = memory + room - produced + cut_off;

			memcpy(at, payload, produced - cut_off);
			decode_fresh(decoder, at, produced - cut_off, 1 + i % 5);
		}
	}
	munmap(memory, room + PAGE_BYTES);
}

TEST(nothing_is_read_past_the_payload)
{
	each_stream_decoder(to_the_byte);
}

TEST_MAIN(TEST_OF(each_decoder_gives_the_pages_that_each_encoder_took_at_each_level),
	  TEST_OF(history_runs_on_over_hundreds_of_packets),
	  TEST_OF(what_will_not_shrink_stays_far_below_the_payload_bound),
	  TEST_OF(payload_for_more_or_fewer_pages_is_refused),
	  TEST_OF(truncated_payload_is_refused_at_each_length),
	  TEST_OF(corrupted_payload_is_refused_or_fills_its_rooms),
	  TEST_OF(payload_of_0_bytes_and_past_1_mib_is_refused), TEST_OF(bomb_is_refused),
	  TEST_OF(open_refuses_levels_outside_the_codecs_range),
	  TEST_OF(result_of_a_slot_stays_while_the_other_is_filled),
	  TEST_OF(nothing_is_read_past_the_payload))
