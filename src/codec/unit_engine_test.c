/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_engine_test.c - what is done about devices that are busy, late, wrong or dead.
 *
 * The policy is the same for all devices; here it is tried on the simulated one, packet by
 * packet; call by call in unit_ladder_test.c. */
#include <pthread.h>

#include "tests/check.h"

#include "base/log.h"
#include "codec/device_simulated.h"
#include "codec/engine_test.h"
#include "codec/unit_engine.h"

#define PACKETS 6u
#define RUNS 4u

static const enum codec_id unit_codecs[] = { CODEC_QPL, CODEC_UADK, CODEC_QATZIP,
					     CODEC_ZLIB };

static uint8_t joined[CODEC_PAYLOAD_MAX];

struct course {
	const char *device; /* of simulated_device_parse() */
	enum codec_id codec;
	enum direction direction; /* the device's; the other one is software's */
	int patience_ms;	  /* for devices that hang */
	struct engine_counters counters;
	struct device_standing standing;
	unsigned lines; /* of the log */
	char line[256];
};

static void note_line(void *state, enum log_level level, const char *text)
{
	struct course *course = state;

	CHECK_EQ(level, LOG_LEVEL_WARNING);
	course->lines++;
	snprintf(course->line, sizeof(course->line), "%s", text);
}

static void set_device(const char *text)
{
	struct simulated_device settings;

	CHECK_OK(simulated_device_parse(&settings, text, &err), &err);
	simulated_device_set(&settings);
}

static const struct engine *simulated(enum codec_id codec, enum direction direction)
{
	const struct engine *engine =
		engine_choose(codec, direction, codec_by_id(codec)->level_default,
			      ACCELERATOR_SIMULATED, &err);

	if (!engine)
		CHECK_FAIL("%s", err.text);
	CHECK_STR(engine->name, "simulated");
	return engine;
}

static void *open_state(const struct engine *engine, enum direction direction,
			struct course *course)
{
	struct engine_options options = {
		.direction = direction,
		.level = codec_by_id(engine->codec)->level_default,
		.patience_ms = course ? course->patience_ms : 0,
	};
	void *state;

	if (course) {
		options.counters = &course->counters;
		options.standing = &course->standing;
	}
	state = engine->open(engine, &options, &err);
	if (!state)
		CHECK_FAIL("%s", err.text);
	return state;
}

static struct span join(const struct job *job)
{
	size_t used = 0;

	for (uint32_t i = 0; i < job->piece_count; i++) {
		CHECK(used + job->pieces[i].length <= sizeof(joined));
		memcpy(joined + used, job->pieces[i].bytes, job->pieces[i].length);
		used += job->pieces[i].length;
	}
	CHECK_EQ(used, job->produced_bytes);
	return (struct span){ joined, used };
}

/* Pages as runs of odd lengths, all of `count`. */
static uint32_t cut(struct span *runs, uint32_t count)
{
	uint32_t n = 0, page = 0;

	while (page < count) {
		uint32_t length = 1 + (page * 7) % 40;

		if (length > count - page)
			length = count - page;
		runs[n++] =
			(struct span){ pages + page * PAGE_BYTES, length * PAGE_BYTES };
		page += length;
	}
	return n;
}

/* Encodes and decodes packets of all sizes and compares; the device does one of the two. */
static void run_course(struct course *course)
{
	const struct codec *codec = codec_by_id(course->codec);
	bool encode = course->direction == ENCODE;
	const struct engine *encoder =
		encode ? simulated(course->codec, ENCODE)
		       : engine_choose(course->codec, ENCODE, codec->level_default,
				       ACCELERATOR_NONE, &err);
	const struct engine *decoder =
		encode ? engine_choose(course->codec, DECODE, 0, ACCELERATOR_NONE, &err)
		       : simulated(course->codec, DECODE);
	void *encoding, *decoding;
	uint64_t random = 11;
	static const struct log log = { LOG_LEVEL_DEBUG, note_line, NULL };
	struct log said = log;

	said.state = course;
	course->standing.log = &said;
	set_device(course->device);
	encoding = open_state(encoder, ENCODE, encode ? course : NULL);
	decoding = open_state(decoder, DECODE, encode ? NULL : course);
	for (uint32_t packet = 0; packet < PACKETS; packet++) {
		uint32_t count = packet == 0 ? 1 : packet == 1 ? PAGES_MAX : 17 * packet;
		struct span runs[PAGES_MAX];
		struct job job = { .slot = packet % JOB_SLOTS, .source = runs };
		struct span sent;

		fill_pages(&random, count);
		job.source_count = cut(runs, count);
		CHECK_OK(engine_run(encoder, encoding, &job, &err), &err);
		sent = join(&job);
		CHECK_OK(decode_pages(decoder, decoding, sent.bytes, sent.length, count),
			 &err);
		CHECK(memcmp(landed, pages, count * PAGE_BYTES) == 0);
	}
	encoder->close(encoding);
	decoder->close(decoding);
}

/* Each unit was computed once, by the device or in its place. */
static void check_sum(const struct course *course)
{
	const struct engine_counters *c = &course->counters;

	CHECK(c->units > 0);
	CHECK_EQ(c->device_units + c->fallback_units, c->units);
}

static void every_course(const char *device, void (*check)(const struct course *course))
{
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned direction = ENCODE; direction <= DECODE; direction++) {
			struct course course = { .device = device,
						 .codec = unit_codecs[i],
						 .direction = direction };

			/* No device decodes a stream. */
			if (direction == DECODE && course.codec == CODEC_ZLIB)
				continue;
			run_course(&course);
			check_sum(&course);
			if (check)
				check(&course);
		}
	}
}

static void check_sound(const struct course *course)
{
	CHECK_EQ(course->counters.fallback_units, 0);
	CHECK_EQ(course->counters.retries, 0);
	CHECK_EQ(course->counters.device_failures, 0);
	CHECK_EQ(course->lines, 0);
}

TEST(a_sound_device_does_it_all)
{
	every_course("depth=128", check_sound);
}

TEST(order_and_lateness_change_nothing)
{
	every_course("shuffle,latency=20us,seed=3", check_sound);
	every_course("shuffle,late=5%,latency=2us,throughput=2G,seed=4", check_sound);
}

static void check_always_busy(const struct course *course)
{
	CHECK_EQ(course->counters.device_units, 0);
	CHECK_EQ(course->counters.retries, 3 * course->counters.units);
	CHECK_EQ(course->counters.device_failures, 0);
	CHECK_EQ(course->lines, 0);
	CHECK(!course->standing.ended);
}

TEST(a_full_queue_is_asked_three_times_more_and_then_left_alone_for_this_unit)
{
	every_course("busy=100%", check_always_busy);
}

static void check_some_busy(const struct course *course)
{
	CHECK_EQ(course->counters.device_failures, 0);
	CHECK(course->counters.device_units > 0);
}

TEST(a_queue_full_now_and_then_costs_retries_alone)
{
	every_course("busy=10%,seed=5", check_some_busy);
	every_course("busy=60%,seed=6", check_some_busy);
	every_course("depth=2,latency=5us", NULL);
}

static void check_each_failure_replaced(const struct course *course)
{
	CHECK_EQ(course->counters.fallback_units, course->counters.device_failures);
}

TEST(what_the_device_answers_wrongly_software_computes_again)
{
	every_course("failed=30%,seed=7", check_each_failure_replaced);
	every_course("short=30%,seed=8", check_each_failure_replaced);
	every_course("corrupt=30%,seed=9", check_each_failure_replaced);
	every_course("failed=20%,short=20%,corrupt=20%,busy=20%,shuffle,late=1%,"
		     "latency=1us,seed=10",
		     NULL);
}

static void check_ended(const struct course *course)
{
	/* Pages that do not fit are nobody's failure; members and blocks are few. */
	CHECK(course->codec != CODEC_QPL || course->standing.ended);
	if (course->counters.device_failures < DEVICE_FAILURES_MAX) {
		CHECK(!course->standing.ended);
		CHECK_EQ(course->lines, 0);
		return;
	}
	CHECK(course->standing.ended);
	CHECK_EQ(course->lines, 1);
	CHECK_CONTAINS(course->line, "simulated: 64 failures in a row");
	/* Those that were inside when it ended are over the count. */
	CHECK(course->counters.device_failures <=
	      DEVICE_FAILURES_MAX + ACCELERATOR_JOBS_DEFAULT);
}

TEST(failures_in_a_row_end_its_use_and_are_told_once)
{
	every_course("failed=100%", check_ended);
	every_course("dead-after=0", check_ended);
}

/* Dies at each of its calls in turn: of every course the packets arrive. */
TEST(a_device_may_die_at_any_call)
{
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned calls = 1; calls < 60; calls += i == 0 ? 1 : 5) {
			struct course course = { .codec = unit_codecs[i] };
			char text[64];

			snprintf(text, sizeof(text), "dead-after=%u,shuffle", calls);
			course.device = text;
			run_course(&course);
			check_sum(&course);
			CHECK(course.counters.device_units <= calls);
		}
	}
}

TEST(units_that_an_encoding_device_does_not_give_back_are_computed_again)
{
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned calls = 0; calls < 20; calls += 9) {
			struct course course = { .codec = unit_codecs[i] };
			char text[64];

			snprintf(text, sizeof(text), "hung-after=%u", calls);
			course.patience_ms = 200;
			course.device = text;
			run_course(&course);
			check_sum(&course);
			CHECK(course.standing.ended == (course.counters.units > calls));
			CHECK_EQ(course.lines, course.standing.ended);
			if (course.lines > 0)
				CHECK_CONTAINS(course.line, "not give back");
		}
	}
}

/* The guest's pages are in its hands: nobody can say any more what is in them. */
TEST(units_that_a_decoding_device_does_not_give_back_end_the_migration)
{
	const struct engine *encoder =
		engine_choose(CODEC_QPL, ENCODE, 0, ACCELERATOR_NONE, &err);
	const struct engine *decoder = simulated(CODEC_QPL, DECODE);
	struct course course = { .codec = CODEC_QPL };
	void *encoding = open_state(encoder, ENCODE, NULL), *decoding;
	struct span run = { pages, 8 * PAGE_BYTES }, sent;
	struct job job = { .source = &run, .source_count = 1 };

	memset(pages, 'x', 8 * PAGE_BYTES);
	CHECK_OK(engine_run(encoder, encoding, &job, &err), &err);
	sent = join(&job);
	course.patience_ms = 200;
	set_device("hung-after=3");
	decoding = open_state(decoder, DECODE, &course);
	CHECK(decode_pages(decoder, decoding, sent.bytes, sent.length, 8) < 0);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_CONTAINS(err.text, "simulated: 5 units are not given back");
	encoder->close(encoding);
	decoder->close(decoding);
	set_device("");
}

TEST(a_peer_that_sends_nonsense_is_not_held_against_the_device)
{
	const struct engine *decoder = simulated(CODEC_QPL, DECODE);

	set_device("");
	for (unsigned i = 0; i < 100; i++) {
		struct course course = { .codec = CODEC_QPL };
		void *state = open_state(decoder, DECODE, &course);
		uint8_t nonsense[4 + 50];

		memset(nonsense, 0xff, sizeof(nonsense));
		store_be32(nonsense, 50);
		CHECK(decode_pages(decoder, state, nonsense, sizeof(nonsense), 1) < 0);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "qpl page 0 of 1: ");
		CHECK_EQ(course.standing.failures_in_a_row, 0);
		decoder->close(state);
	}
}

/* ---- payloads that cannot be right ---- */

static void refuse(enum codec_id codec, const uint8_t *bytes, size_t length,
		   uint32_t count, const char *text)
{
	for (const struct engine *const *at = engines_of(codec, DECODE); *at; at++) {
		void *state;

		if ((*at)->probe(*at, &err) < 0)
			continue;
		state = open_state(*at, DECODE, NULL);
		CHECK(decode_pages(*at, state, bytes, length, count) < 0);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, text);
		(*at)->close(state);
	}
}

TEST(lengths_that_do_not_fit_their_payload_are_refused)
{
	static uint8_t bytes[CODEC_PAYLOAD_MAX];

	set_device("");
	for (unsigned i = 1; i < 3; i++) {
		enum codec_id codec = i == 1 ? CODEC_QPL : CODEC_UADK;

		memset(bytes, 0, sizeof(bytes));
		refuse(codec, bytes, 9, 2, "9 bytes for 2 pages: 10 to 8200 are allowed");
		refuse(codec, bytes, 8201, 2, "8201 bytes for 2 pages");
		store_be32(bytes, 0);
		refuse(codec, bytes, 100, 2, "page 0 of 2: length 0: 1 to 4096");
		store_be32(bytes, PAGE_BYTES + 1);
		refuse(codec, bytes, 8200, 2, "page 0 of 2: length 4097: 1 to 4096");
		store_be32(bytes, PAGE_BYTES);
		refuse(codec, bytes, 4103, 2,
		       "length 4096, but 4095 bytes are left of a payload of 4103");
		store_be32(bytes + 4, UINT32_MAX);
		refuse(codec, bytes, 8200, 2, "page 1 of 2: length 4294967295");
		store_be32(bytes + 4, PAGE_BYTES - 1);
		refuse(codec, bytes, 8200, 2, "lengths add up to 8199");
	}
	refuse(CODEC_QATZIP, bytes, 19, 1, "19 bytes for 1 pages: 20 to 1048576");
}

TEST(what_does_not_decode_is_refused_with_place_and_reason)
{
	static uint8_t bytes[4 + 50];
	static const struct {
		const char *engine;
		const char *text;
	} pages_of[] = {
		{ "isal", "page 0 of 1: isal: isal_inflate_stateless answered -1" },
		{ "libdeflate", "page 0 of 1: libdeflate: "
				"libdeflate_deflate_decompress_ex answered 1" },
		{ "zlib", "page 0 of 1: zlib: inflate answered -3" },
		/* Its own fallback. */
		{ "simulated", "page 0 of 1: libdeflate: "
			       "libdeflate_deflate_decompress_ex answered 1" },
	};

	set_device("");
	memset(bytes, 0xff, sizeof(bytes));
	store_be32(bytes, 50);
	for (size_t i = 0; i < sizeof(pages_of) / sizeof(pages_of[0]); i++) {
		CHECK(decode_fresh(engine_named(CODEC_QPL, DECODE, pages_of[i].engine),
				   bytes, sizeof(bytes), 1) < 0);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, pages_of[i].text);
	}
	refuse(CODEC_UADK, bytes, sizeof(bytes), 1,
	       ": not a zlib stream of deflate data");
	refuse(CODEC_QATZIP, bytes, sizeof(bytes), 1,
	       "qatzip payload of 54 bytes for 4096 bytes of pages: ");
	refuse(CODEC_QATZIP, bytes, sizeof(bytes), 1,
	       ": not a gzip member of deflate data");
}

TEST(raw_pages_are_told_from_compressed_ones_by_their_length)
{
	const struct engine *encoder =
		engine_choose(CODEC_QPL, ENCODE, 0, ACCELERATOR_NONE, &err);
	struct course course = { .codec = CODEC_QPL };
	void *encoding = open_state(encoder, ENCODE, &course);
	struct span run = { pages, 3 * PAGE_BYTES }, sent;
	struct job job = { .source = &run, .source_count = 1 };
	uint64_t random = 5;

	memset(pages, 'y', 3 * PAGE_BYTES);
	for (size_t at = PAGE_BYTES; at < 2 * PAGE_BYTES; at += 8) {
		uint64_t value = check_random(&random);

		memcpy(pages + at, &value, 8);
	}
	CHECK_OK(engine_run(encoder, encoding, &job, &err), &err);
	CHECK_EQ(course.counters.raw_pages, 1);
	CHECK_EQ(course.counters.bytes_in, 3 * PAGE_BYTES);
	CHECK_EQ(course.counters.bytes_out, job.produced_bytes);
	sent = join(&job);
	CHECK_EQ(load_be32(sent.bytes + 4), PAGE_BYTES);
	CHECK(load_be32(sent.bytes) < PAGE_BYTES);
	/* Not copied: it goes to the wire from where it is. */
	CHECK(job.pieces[1].bytes == pages + PAGE_BYTES);
	CHECK_OK(decode_fresh(engine_choose(CODEC_QPL, DECODE, 0, ACCELERATOR_NONE, &err),
			      sent.bytes, sent.length, 3),
		 &err);
	CHECK(memcmp(landed, pages, 3 * PAGE_BYTES) == 0);
	encoder->close(encoding);
}

/* One is on the wire while the next is computed. */
TEST(a_result_stays_until_its_slot_is_used_again)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct engine *engine = simulated(unit_codecs[i], ENCODE);
		void *state;
		struct span run = { pages, 5 * PAGE_BYTES };
		struct job first = { .slot = 0, .source = &run, .source_count = 1 };
		struct job second = { .slot = 1, .source = &run, .source_count = 1 };
		static uint8_t kept[CODEC_PAYLOAD_MAX];
		struct span sent;
		uint64_t random = 77;

		set_device("");
		state = open_state(engine, ENCODE, NULL);
		fill_pages(&random, 5);
		CHECK_OK(engine_run(engine, state, &first, &err), &err);
		sent = join(&first);
		memcpy(kept, sent.bytes, sent.length);
		fill_pages(&random, 5);
		CHECK_OK(engine_run(engine, state, &second, &err), &err);
		sent = join(&first);
		CHECK(memcmp(kept, sent.bytes, sent.length) == 0);
		engine->close(state);
	}
}

TEST_MAIN(
	TEST_OF(a_sound_device_does_it_all), TEST_OF(order_and_lateness_change_nothing),
	TEST_OF(a_full_queue_is_asked_three_times_more_and_then_left_alone_for_this_unit),
	TEST_OF(a_queue_full_now_and_then_costs_retries_alone),
	TEST_OF(what_the_device_answers_wrongly_software_computes_again),
	TEST_OF(failures_in_a_row_end_its_use_and_are_told_once),
	TEST_OF(a_device_may_die_at_any_call),
	TEST_OF(units_that_an_encoding_device_does_not_give_back_are_computed_again),
	TEST_OF(units_that_a_decoding_device_does_not_give_back_end_the_migration),
	TEST_OF(a_peer_that_sends_nonsense_is_not_held_against_the_device),
	TEST_OF(lengths_that_do_not_fit_their_payload_are_refused),
	TEST_OF(what_does_not_decode_is_refused_with_place_and_reason),
	TEST_OF(raw_pages_are_told_from_compressed_ones_by_their_length),
	TEST_OF(a_result_stays_until_its_slot_is_used_again))
