/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_test.c - what engines encode they decode, and nothing else. */
#include "tests/check.h"

#include "codec/engine_test.h"

#include <pthread.h>

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
		       uint32_t run_count, size_t room_bytes, size_t *produced)
{
	struct span source[PAGES_MAX];
	struct room room = { payload, room_bytes };
	struct job job = { .source = source,
			   .source_count = run_count,
			   .destination = &room,
			   .destination_count = 1 };

	for (uint32_t i = 0; i < run_count; i++)
		source[i] = (struct span){ runs[i].bytes, runs[i].length };
	if (engine_run(engine, state, &job, &err) < 0)
		return -1;
	*produced = job.produced_bytes;
	return 0;
}

/* The same with one run of `count` pages. */
static size_t encode_pages(const struct engine *engine, void *state, uint32_t count)
{
	struct room run = { pages, count * PAGE_BYTES };
	size_t produced = 0;

	CHECK_OK(encode_runs(engine, state, &run, 1, CODEC_PAYLOAD_MAX, &produced), &err);
	return produced;
}

/* Runs `check` with every engine there is. */
static void each_engine(void (*check)(const struct engine *engine))
{
	for (unsigned codec = 0; codec < CODEC_COUNT; codec++) {
		for (const struct engine *const *at = engines_of(codec); *at; at++) {
			CHECK_OK((*at)->probe(&err), &err);
			CHECK_EQ((*at)->codec, codec);
			check(*at);
		}
	}
}

static void check_packets(const struct engine *engine, int level, uint32_t packets,
			  uint32_t pages_max, uint64_t seed)
{
	uint64_t random = seed;
	void *encoder = engine->open(ENCODE, level, &err);
	void *decoder = engine->open(DECODE, level, &err);
	struct room runs[PAGES_MAX];

	CHECK(encoder && decoder);
	for (uint32_t packet = 0; packet < packets; packet++) {
		uint32_t count = 1 + (uint32_t)(check_random(&random) % pages_max);
		size_t produced;

		/* Both ends of the range, always. */
		if (packet < 2)
			count = packet == 0 ? pages_max : 1;
		fill_pages(&random, count);
		CHECK_OK(encode_runs(engine, encoder, runs,
				     cut(&random, pages, count, runs), CODEC_PAYLOAD_MAX,
				     &produced),
			 &err);
		memset(landed, 0xa5, sizeof(landed));
		CHECK_OK(decode_runs(engine, decoder, payload, produced, runs,
				     cut(&random, landed, count, runs)),
			 &err);
		if (memcmp(landed, pages, count * PAGE_BYTES) != 0 ||
		    landed[count * PAGE_BYTES] != 0xa5)
			CHECK_FAIL("%s level %d seed %" PRIu64 " packet %u: other pages",
				   engine->name, level, seed, packet);
	}
	engine->close(encoder);
	engine->close(decoder);
}

static uint64_t seed_of_run(void)
{
	const char *given = getenv("CHECK_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : UINT64_C(0x90d317);

	printf("CHECK_SEED=%" PRIu64 "\n", seed);
	return seed;
}

static void round_trip(const struct engine *engine)
{
	const struct codec *codec = codec_by_id(engine->codec);
	uint64_t seed = seed_of_run();

	for (int level = codec->level_min; level <= codec->level_max; level++) {
		/* The high levels of zstd clear tables of many MiB per stream. */
		check_packets(engine, level, 4, level > 12 ? 8 : PAGES_MAX, seed + level);
	}
}

TEST(decoding_gives_the_encoded_pages_at_each_level)
{
	each_engine(round_trip);
}

static void long_stream(const struct engine *engine)
{
	check_packets(engine, 1, 300, 16, seed_of_run());
}

TEST(history_runs_on_over_hundreds_of_packets)
{
	each_engine(long_stream);
}

static void never_past_the_bound(const struct engine *engine)
{
	const struct codec *codec = codec_by_id(engine->codec);
	uint64_t random = 1;

	for (size_t at = 0; at < PACKET_BYTES; at += 8) {
		uint64_t value = check_random(&random);

		memcpy(pages + at, &value, 8);
	}
	for (int level = codec->level_min; level <= codec->level_max && level <= 12;
	     level++) {
		void *encoder = engine->open(ENCODE, level, &err);

		CHECK(encoder);
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
	each_engine(never_past_the_bound);
}

static void small_room(const struct engine *engine)
{
	struct room run = { pages, 8 * PAGE_BYTES };
	uint64_t random = 7;
	size_t produced, needed;
	void *state = engine->open(ENCODE, 1, &err);

	CHECK(state);
	for (size_t at = 0; at < run.length; at += 8) {
		uint64_t value = check_random(&random);

		memcpy(pages + at, &value, 8);
	}
	needed = encode_pages(engine, state, 8);
	engine->close(state);
	for (size_t room = 0; room < needed; room += room < 64 ? 1 : 997) {
		state = engine->open(ENCODE, 1, &err);
		CHECK(state);
		payload[room] = 0x5a;
		CHECK_EQ(encode_runs(engine, state, &run, 1, room, &produced), -1);
		CHECK_EQ(err.kind, GW_USAGE);
		CHECK_CONTAINS(err.text, engine->name);
		CHECK_CONTAINS(err.text, "32768 bytes do not fit into a room of");
		CHECK_EQ(payload[room], 0x5a);
		engine->close(state);
	}
	state = engine->open(ENCODE, 1, &err);
	CHECK(state);
	CHECK_OK(encode_runs(engine, state, &run, 1, needed + 1, &produced), &err);
	CHECK_EQ(produced, needed);
	engine->close(state);
}

TEST(encoding_into_a_room_too_small_is_refused)
{
	each_engine(small_room);
}

static void other_rooms(const struct engine *engine)
{
	uint64_t random = 3;
	size_t produced;
	void *state = engine->open(ENCODE, 1, &err);

	CHECK(state);
	fill_pages(&random, 4);
	produced = encode_pages(engine, state, 4);
	engine->close(state);

	CHECK_OK(decode_fresh(engine, payload, produced, 4), &err);
	CHECK_EQ(decode_fresh(engine, payload, produced, 5), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, engine->name);
	CHECK_CONTAINS(err.text, "ends after 16384 of 20480 bytes");
	CHECK_EQ(decode_fresh(engine, payload, produced, 3), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, engine->name);
	CHECK_CONTAINS(err.text, "holds more than 12288 bytes");
}

TEST(payload_for_more_or_fewer_pages_is_refused)
{
	each_engine(other_rooms);
}

static void truncated(const struct engine *engine)
{
	uint64_t random = 11;
	size_t produced, shortest = 0;
	void *state = engine->open(ENCODE, 1, &err);

	CHECK(state);
	fill_pages(&random, 2);
	produced = encode_pages(engine, state, 2);
	engine->close(state);
	/* The flush's own tail may be missing: all pages are there by then. */
	for (size_t length = produced; length > 0; length--) {
		if (decode_fresh(engine, payload, length, 2) == 0) {
			CHECK(memcmp(landed, pages, 2 * PAGE_BYTES) == 0);
			shortest = length;
			continue;
		}
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, engine->name);
		CHECK_CONTAINS(err.text, "of 8192 bytes");
	}
	CHECK(produced - shortest <= 6);
}

TEST(truncated_payload_is_refused_at_each_length)
{
	each_engine(truncated);
}

static void corrupted(const struct engine *engine)
{
	uint64_t random = 13;
	size_t produced;
	uint32_t refused = 0, tried = 0;
	void *state = engine->open(ENCODE, 1, &err);

	CHECK(state);
	fill_pages(&random, 3);
	produced = encode_pages(engine, state, 3);
	engine->close(state);
	for (size_t at = 0; at < produced; at += 1 + produced / 997, tried++) {
		payload[at] ^= (uint8_t)(1u << (at % 8));
		/* Literals may change without a trace; nothing else may happen. */
		if (decode_fresh(engine, payload, produced, 3) < 0) {
			refused++;
			CHECK_EQ(err.kind, GW_PEER);
			CHECK_CONTAINS(err.text, engine->name);
		}
		payload[at] ^= (uint8_t)(1u << (at % 8));
	}
	CHECK(refused > 0 && tried > 100);
	payload[0] ^= 0xff;
	CHECK_EQ(decode_fresh(engine, payload, produced, 3), -1);
	CHECK_CONTAINS(err.text, "answered");
	CHECK_CONTAINS(err.text, "0 of 12288 bytes");
}

TEST(corrupted_payload_is_refused_or_fills_its_rooms)
{
	each_engine(corrupted);
}

static void payload_bounds(const struct engine *engine)
{
	memset(payload, 0, sizeof(payload));
	CHECK_EQ(decode_fresh(engine, payload, 0, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "payload of 0 bytes for 1 pages");
	CHECK_EQ(decode_fresh(engine, payload, CODEC_PAYLOAD_MAX + 1, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "payload of 1048577 bytes for 1 pages");
	CHECK_EQ(decode_fresh(engine, payload, CODEC_PAYLOAD_MAX, 1), -1);
	CHECK_CONTAINS(err.text, "answered"); /* the library saw it */
}

TEST(payload_of_0_bytes_and_past_1_mib_is_refused)
{
	each_engine(payload_bounds);
}

static void bomb(const struct engine *engine)
{
	size_t produced = 0;
	void *state = engine->open(ENCODE, 1, &err);
	struct room run = { pages, PACKET_BYTES };

	CHECK(state);
	memset(pages, 0, PACKET_BYTES);
	CHECK_OK(encode_runs(engine, state, &run, 1, CODEC_PAYLOAD_MAX, &produced), &err);
	engine->close(state);
	CHECK(produced < 8192);
	CHECK_EQ(decode_fresh(engine, payload, produced, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "holds more than 4096 bytes");
	CHECK_OK(decode_fresh(engine, payload, produced, PAGES_MAX), &err);
}

TEST(bomb_is_refused)
{
	each_engine(bomb);
}

static void bad_levels(const struct engine *engine)
{
	const struct codec *codec = codec_by_id(engine->codec);

	CHECK(!engine->open(ENCODE, codec->level_min - 1, &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK(!engine->open(ENCODE, codec->level_max + 1, &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, "are allowed");
}

TEST(open_refuses_levels_outside_the_codecs_range)
{
	each_engine(bad_levels);
}

static void finished_in_submit(const struct engine *engine)
{
	struct span source = { pages, PAGE_BYTES };
	struct room room = { payload, CODEC_PAYLOAD_MAX };
	struct job job = { .source = &source,
			   .source_count = 1,
			   .destination = &room,
			   .destination_count = 1,
			   .cookie = &room };
	struct job *jobs[] = { &job }, *done[2] = { NULL };
	void *state = engine->open(ENCODE, 1, &err);

	CHECK(state);
	CHECK_EQ(engine->reap(state, done, 2, true, &err), 0);
	CHECK_OK(engine->submit(state, jobs, 1, &err), &err);
	CHECK(!job.done);
	CHECK_EQ(engine->reap(state, done, 0, false, &err), 0);
	CHECK_EQ(engine->reap(state, done, 2, false, &err), 1);
	CHECK(done[0] == &job && job.done && job.cookie == &room);
	CHECK_EQ(engine->reap(state, done, 2, false, &err), 0);
	engine->close(state);
	engine->close(NULL);
}

TEST(software_hands_each_job_out_once)
{
	each_engine(finished_in_submit);
}

TEST(each_codec_but_none_has_an_engine)
{
	CHECK(!*engines_of(CODEC_NONE));
	CHECK(!engine_choose(CODEC_NONE, &err));
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "no engine for codec none");
	CHECK(engine_choose(CODEC_ZLIB, &err) == engines_of(CODEC_ZLIB)[0]);
	CHECK(engine_choose(CODEC_ZSTD, &err) == engines_of(CODEC_ZSTD)[0]);
}

/* A guest that writes while we read: plain stores, hidden from the race detector on purpose. */
struct vandal {
	uint8_t *bytes;
	size_t length;
	bool stop;
};

__attribute__((noinline, no_sanitize("thread"))) static void scribble(uint8_t *bytes,
								      size_t length,
								      uint64_t *random)
{
	for (int i = 0; i < 64; i++) {
		volatile uint8_t *at = bytes + check_random(random) % (length - 64);

		for (int n = 0; n < 64; n++)
			at[n] = (uint8_t)(i + n);
	}
}

static void *vandal_run(void *opaque)
{
	struct vandal *vandal = opaque;
	uint64_t random = 29;

	while (!__atomic_load_n(&vandal->stop, __ATOMIC_RELAXED))
		scribble(vandal->bytes, vandal->length, &random);
	return NULL;
}

static void live_memory(const struct engine *engine)
{
	struct vandal vandal = { pages, 16 * PAGE_BYTES, false };
	uint64_t random = 31;
	void *encoder, *decoder;
	pthread_t thread;
	int failed = 0;

	if (!engine->reads_live_memory)
		return;
	encoder = engine->open(ENCODE, 1, &err);
	decoder = engine->open(DECODE, 0, &err);
	CHECK(encoder && decoder);
	fill_pages(&random, 16);
	CHECK_EQ(pthread_create(&thread, NULL, vandal_run, &vandal), 0);
	for (int packet = 0; packet < 300 && failed == 0; packet++) {
		struct room run = { pages, vandal.length };
		struct room into = { landed, vandal.length };
		size_t produced;

		failed = encode_runs(engine, encoder, &run, 1, CODEC_PAYLOAD_MAX,
				     &produced) < 0 ||
			 decode_runs(engine, decoder, payload, produced, &into, 1) < 0;
	}
	__atomic_store_n(&vandal.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	engine->close(encoder);
	engine->close(decoder);
	if (failed)
		CHECK_FAIL("%s: %s", engine->name, err.text);
}

TEST(engines_that_read_live_memory_stay_decodable)
{
	each_engine(live_memory);
}

TEST_MAIN(TEST_OF(decoding_gives_the_encoded_pages_at_each_level),
	  TEST_OF(history_runs_on_over_hundreds_of_packets),
	  TEST_OF(what_will_not_shrink_stays_far_below_the_payload_bound),
	  TEST_OF(encoding_into_a_room_too_small_is_refused),
	  TEST_OF(payload_for_more_or_fewer_pages_is_refused),
	  TEST_OF(truncated_payload_is_refused_at_each_length),
	  TEST_OF(corrupted_payload_is_refused_or_fills_its_rooms),
	  TEST_OF(payload_of_0_bytes_and_past_1_mib_is_refused), TEST_OF(bomb_is_refused),
	  TEST_OF(open_refuses_levels_outside_the_codecs_range),
	  TEST_OF(software_hands_each_job_out_once),
	  TEST_OF(each_codec_but_none_has_an_engine),
	  TEST_OF(engines_that_read_live_memory_stay_decodable))
