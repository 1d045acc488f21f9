/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_ladder_test.c - who computes a unit, call by call: a device that does as it is told.
 *
 * What becomes of whole packets is in unit_engine_test.c. */
#include "tests/check.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/engine_test.h"
#include "codec/unit_engine.h"

/* The pages of what is tried: one is random; of another the device's library makes less than a
 * page, and ISA-L with its fixed codes more. */
#define COUNT 6u
#define RANDOM 2u
#define NOT_BY_ISAL 4u

static struct {
	/* What it does. */
	enum device_answer taken;
	void (*answer)(struct unit *unit); /* NULL: as a sound one */
	bool hangs;			   /* it takes, and gives nothing back */
	bool cannot_be_opened;
	bool only_when_waited_for;
	/* What it saw. */
	struct unit *inside[ACCELERATOR_JOBS_MAX];
	struct room rooms[ACCELERATOR_JOBS_MAX]; /* theirs when they were taken */
	uint32_t count;
	uint32_t most;
	uint32_t jobs;
	uint32_t submits;
	uint32_t closes;
} device;

static int probe(struct gw_error *error)
{
	return 0;
}

static void *open_device(enum unit_form form, enum direction direction, int level,
			 uint32_t jobs, struct gw_error *error)
{
	device.jobs = jobs;
	if (device.cannot_be_opened) {
		fail(error, GW_UNSUPPORTED, "no instance is left (11)");
		return NULL;
	}
	return coder_zlib.open(form, direction, level, error);
}

static enum device_answer submit(void *state, struct unit *unit)
{
	CHECK(device.count < device.jobs);
	device.submits++;
	if (device.taken == DEVICE_FAILED)
		unit_failed(unit, "it is scripted", 7);
	if (device.taken != DEVICE_TAKEN)
		return device.taken;
	device.rooms[device.count] = unit->room;
	device.inside[device.count++] = unit;
	if (device.count > device.most)
		device.most = device.count;
	return DEVICE_TAKEN;
}

/* The last one first. */
static struct unit *reap(void *state, bool wait)
{
	struct unit *unit;

	if (device.hangs || (!wait && device.only_when_waited_for) || device.count == 0)
		return NULL;
	unit = device.inside[--device.count];
	coder_zlib.run(state, unit);
	if (device.answer)
		device.answer(unit);
	return unit;
}

static bool close_device(void *state)
{
	device.closes++;
	coder_zlib.close(state);
	return device.count == 0;
}

static const struct device roomy = {
	.name = "scripted",
	.accelerator = ACCELERATOR_SIMULATED,
	.encodes = 1u << UNIT_DEFLATE | 1u << UNIT_ZLIB | 1u << UNIT_MEMBERS |
		   1u << UNIT_BLOCKS,
	.unit_bytes = PACKET_BYTES,
	.page_room = 2 * PAGE_BYTES,
	.probe_each_time = true,
	.probe = probe,
	.open = open_device,
	.submit = submit,
	.reap = reap,
	.close = close_device,
};

static struct engine_counters counters;
static struct device_standing standing;
static const struct log *standing_log;

/* An encoder on the device, which is sound to begin with. */
static struct engine scripted(enum codec_id codec)
{
	struct engine engine = *engine_named(codec, ENCODE, "simulated");

	engine.device = &roomy;
	memset(&device, 0, sizeof(device));
	memset(&counters, 0, sizeof(counters));
	standing = (struct device_standing){ .log = standing_log };
	return engine;
}

static void *open_scripted(const struct engine *engine, uint32_t jobs)
{
	struct engine_options options = { .level = some_level(engine),
					  .jobs = jobs,
					  .counters = &counters,
					  .standing = &standing,
					  .patience_ms = 20 };
	void *state = engine->open(engine, &options, &err);

	if (!state)
		CHECK_FAIL("%s", err.text);
	return state;
}

static void fill(void)
{
	uint64_t random = 3;

	memset(pages, 'x', COUNT * PAGE_BYTES);
	fill_random(&random, pages + RANDOM * PAGE_BYTES, PAGE_BYTES);
	for (size_t i = 0; i < PAGE_BYTES; i++)
		pages[NOT_BY_ISAL * PAGE_BYTES + i] =
			(uint8_t)(144 + check_random(&random) % 112);
}

static void check_payload(enum codec_id codec, size_t length, uint32_t count)
{
	CHECK_OK(decode_fresh(engine_named(codec, DECODE, "zlib"), payload, length,
			      count),
		 &err);
	CHECK(memcmp(landed, pages, count * PAGE_BYTES) == 0);
}

/* Packets of the pages, by a device that does what `set` says. */
static void packets(enum codec_id codec, void (*set)(void), uint32_t count)
{
	struct engine engine = scripted(codec);
	void *state;

	set();
	state = open_scripted(&engine, 0);
	fill();
	while (count-- > 0)
		check_payload(codec, encode_pages(&engine, state, COUNT), COUNT);
	engine.close(state);
}

static void as_it_is(void)
{
}

TEST(as_many_units_are_inside_as_the_option_says)
{
	static const uint32_t jobs[] = { 1, 2, 16, 127, 128 };

	memset(pages, 'z', sizeof(pages));
	for (unsigned i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		struct engine engine = scripted(CODEC_QPL);
		struct span run = { pages, sizeof(pages) };
		struct job job = { .source = &run, .source_count = 1 };
		void *state = open_scripted(&engine, jobs[i]);

		device.only_when_waited_for = true;
		CHECK_OK(engine.submit(state, &job, &err), &err);
		CHECK_EQ(device.count, jobs[i]);
		CHECK_EQ(engine.reap(state, false, &err), 0);
		CHECK_EQ(engine.reap(state, true, &err), 1);
		CHECK_EQ(device.most, jobs[i]);
		check_payload(CODEC_QPL, encode_pages(&engine, state, PAGES_MAX),
			      PAGES_MAX);
		engine.close(state);
	}
}

TEST(a_page_that_a_roomy_device_makes_longer_travels_raw)
{
	packets(CODEC_QPL, as_it_is, 1);
	CHECK_EQ(counters.device_units, COUNT);
	CHECK_EQ(counters.raw_pages, 1);
	CHECK_EQ(counters.device_failures, 0);
}

static void is_busy(void)
{
	device.taken = DEVICE_BUSY;
}

static void declines(void)
{
	device.taken = DEVICE_DECLINED;
}

static void fails(void)
{
	device.taken = DEVICE_FAILED;
}

static void answer_busy(struct unit *unit)
{
	unit_busy(unit);
}

static void is_busy_half_way(void)
{
	device.answer = answer_busy;
}

static void answer_full(struct unit *unit)
{
	unit_full(unit);
}

static void is_always_full(void)
{
	device.answer = answer_full;
}

static void answer_too_long(struct unit *unit)
{
	unit_done(unit, unit->room.length + 1);
}

static void is_too_long(void)
{
	device.answer = answer_too_long;
}

static void answer_nothing(struct unit *unit)
{
	unit_done(unit, 0);
}

static void is_too_short(void)
{
	device.answer = answer_nothing;
}

/* The device's larger room is not software's: a length of a page and more would be read as
 * another thing, or refused. */
TEST(in_its_place_software_makes_less_than_a_page_and_all_is_counted)
{
	static const struct {
		void (*set)(void);
		uint32_t submits, device_units, fallback_units, retries, failures,
			in_a_row, raw;
	} cases[] = {
		{ as_it_is, 1, 1, 0, 0, 0, 0, 1 },
		{ is_busy, 4, 0, 1, 3, 0, 0, 2 },
		{ declines, 1, 0, 1, 0, 0, 0, 2 },
		{ fails, 1, 0, 1, 0, 1, 1, 2 },
		{ is_busy_half_way, 1, 0, 1, 0, 0, 0, 2 },
		{ is_always_full, 1, 1, 0, 0, 0, 0, COUNT },
		{ is_too_long, 1, 0, 1, 0, 1, 1, 2 },
		{ is_too_short, 1, 0, 1, 0, 1, 1, 2 },
	};
	static const enum codec_id codecs[] = { CODEC_QPL, CODEC_UADK };

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		enum codec_id codec = codecs[i % 2];
		size_t n = i / 2;

		packets(codec, cases[n].set, 2);
		CHECK_EQ(counters.units, 2 * COUNT);
		CHECK_EQ(device.submits, 2 * COUNT * cases[n].submits);
		CHECK_EQ(counters.device_units, 2 * COUNT * cases[n].device_units);
		CHECK_EQ(counters.fallback_units, 2 * COUNT * cases[n].fallback_units);
		CHECK_EQ(counters.retries, 2 * COUNT * cases[n].retries);
		CHECK_EQ(counters.device_failures, 2 * COUNT * cases[n].failures);
		CHECK_EQ(standing.failures_in_a_row, 2 * COUNT * cases[n].in_a_row);
		CHECK_EQ(counters.raw_pages, 2 * cases[n].raw);
		CHECK_EQ(counters.bytes_in, 2 * COUNT * PAGE_BYTES);
	}
}

/* Looks random, and is the same 2000 bytes twice. */
static uint64_t raw_pages_of_such(void (*set)(void))
{
	struct engine engine = scripted(CODEC_UADK);
	uint64_t random = 5;
	void *state;

	set();
	state = open_scripted(&engine, 0);
	fill_random(&random, pages, PAGE_BYTES);
	memcpy(pages + 2000, pages, 2000);
	check_payload(CODEC_UADK, encode_pages(&engine, state, 1), 1);
	engine.close(state);
	return counters.raw_pages;
}

TEST(software_looks_before_it_tries_and_a_device_tries)
{
	CHECK_EQ(raw_pages_of_such(as_it_is), 0);
	CHECK_EQ(raw_pages_of_such(is_busy), 1);
	CHECK_EQ(raw_pages_of_such(declines), 1);
	CHECK_EQ(counters.fallback_units, 1);
}

/* In the middle of the eleventh packet. */
TEST(after_64_failures_in_a_row_nothing_is_submitted_any_more)
{
	packets(CODEC_UADK, fails, 20);
	CHECK(standing.ended);
	CHECK_EQ(device.submits, DEVICE_FAILURES_MAX);
	CHECK_EQ(counters.device_failures, DEVICE_FAILURES_MAX);
	/* Pages that a glance tells are not even tried: their packets have one unit less. */
	CHECK_EQ(counters.units, 20 * COUNT - 9);
	CHECK_EQ(counters.fallback_units, counters.units);
	CHECK_EQ(counters.raw_pages, 40);
}

static void cannot_be_opened(void)
{
	device.cannot_be_opened = true;
}

static char told[256];

static void note_line(void *state, enum log_level level, const char *text)
{
	CHECK_EQ(level, LOG_LEVEL_WARNING);
	CHECK_STR(told, "");
	snprintf(told, sizeof(told), "%s", text);
}

TEST(a_device_that_cannot_be_opened_leaves_its_channel_to_software_aloud)
{
	static const struct log log = { LOG_LEVEL_WARNING, note_line, NULL };

	told[0] = '\0';
	standing_log = &log;
	packets(CODEC_UADK, cannot_be_opened, 2);
	standing_log = NULL;
	CHECK_STR(
		told,
		"scripted: no instance is left (11): software computes for this channel");
	CHECK_EQ(device.submits + device.closes, 0);
	CHECK(!standing.ended);
	CHECK_EQ(counters.fallback_units, 2 * (COUNT - 1));
	CHECK_EQ(counters.raw_pages, 4);
}

/* The device's units are longer than software's, and one kind follows the other in one stream. */
static void mix(enum codec_id codec, int level)
{
	struct engine engine = scripted(codec);
	struct engine_options options = { .level = level, .counters = &counters };
	void *state = engine.open(&engine, &options, &err);
	void *receiver = open_engine(engine_named(codec, DECODE, "zlib"), DECODE, 0);
	uint64_t random = 7;

	CHECK(state);
	for (unsigned packet = 0; packet < 12; packet++) {
		size_t length;

		device.taken = packet % 3 == 1 ? DEVICE_DECLINED : DEVICE_TAKEN;
		device.answer = packet % 4 == 3 ? answer_full : NULL;
		fill_pages(&random, PAGES_MAX);
		length = encode_pages(&engine, state, PAGES_MAX);
		CHECK_OK(decode_pages(engine_named(codec, DECODE, "zlib"), receiver,
				      payload, length, PAGES_MAX),
			 &err);
		CHECK(memcmp(landed, pages, PACKET_BYTES) == 0);
	}
	engine_named(codec, DECODE, "zlib")->close(receiver);
	engine.close(state);
	/* Declined are 1, 4, 7, 10; too long 3, 11, and 7, if it were not declined. */
	CHECK_EQ(counters.units, 12);
	CHECK_EQ(counters.device_units, 6);
	CHECK_EQ(counters.device_failures, 2);
	CHECK_EQ(counters.fallback_units, 6);
}

TEST(units_are_as_long_as_the_device_takes_and_software_does_the_same_ones)
{
	for (int level = 1; level <= 9; level += 4) {
		mix(CODEC_QATZIP, level);
		mix(CODEC_ZLIB, level);
	}
}

static void sleep_ms(uint64_t ms)
{
	struct timespec time = { .tv_nsec = (long)(ms * NS_PER_MS) };

	nanosleep(&time, NULL);
}

/* A slow wire is no fault of the device. */
TEST(a_device_that_nobody_asked_is_asked_before_it_is_given_up)
{
	struct engine engine = scripted(CODEC_QPL);
	void *state = open_scripted(&engine, 0);
	struct span run = { pages, COUNT * PAGE_BYTES };
	struct job job = { .source = &run, .source_count = 1 };

	fill();
	device.only_when_waited_for = true;
	CHECK_OK(engine.submit(state, &job, &err), &err);
	for (unsigned i = 0; i < 2; i++) {
		sleep_ms(50);
		CHECK_EQ(engine.reap(state, false, &err), 0);
	}
	sleep_ms(50);
	CHECK_EQ(engine.reap(state, true, &err), 1);
	CHECK(!standing.ended);
	CHECK_EQ(counters.device_units, COUNT);
	engine.close(state);
}

static void join_pieces(const struct job *job)
{
	size_t used = 0;

	for (uint32_t i = 0; i < job->piece_count; i++) {
		memcpy(payload + used, job->pieces[i].bytes, job->pieces[i].length);
		used += job->pieces[i].length;
	}
	CHECK_EQ(used, job->produced_bytes);
}

/* The result before is on the wire yet, the one in hand is computed anew, and what the device
 * then writes into the rooms that it kept is in neither, nor in what follows. */
TEST(what_a_device_writes_when_it_has_been_given_up_is_in_no_payload)
{
	struct engine engine = scripted(CODEC_UADK);
	void *state = open_scripted(&engine, 4);
	struct span run = { pages, COUNT * PAGE_BYTES };
	struct job jobs[JOB_SLOTS] = { { .source = &run, .source_count = 1 },
				       { .source = &run, .source_count = 1, .slot = 1 } };

	fill();
	CHECK_OK(engine_run(&engine, state, &jobs[0], &err), &err);
	device.hangs = true;
	CHECK_OK(engine_run(&engine, state, &jobs[1], &err), &err);
	CHECK(standing.ended);
	CHECK_EQ(device.count, 4);
	CHECK_EQ(device.closes, 1);
	for (uint32_t i = 0; i < device.count; i++)
		memset(device.rooms[i].bytes, 0xee, device.rooms[i].length);
	for (unsigned i = 0; i < JOB_SLOTS; i++) {
		join_pieces(&jobs[i]);
		check_payload(CODEC_UADK, jobs[i].produced_bytes, COUNT);
	}
	check_payload(CODEC_UADK, encode_pages(&engine, state, COUNT), COUNT);
	CHECK_EQ(counters.device_failures, 4);
	CHECK_EQ(counters.device_units, COUNT);
	/* The last packet is software's alone: what does not shrink is not tried. */
	CHECK_EQ(counters.fallback_units, COUNT + COUNT - 1);
	engine.close(state);
	CHECK_EQ(device.closes, 1);
}

/* Under AddressSanitizer this is a use after free, or it is not. */
TEST(rooms_of_units_inside_outlive_a_state_that_is_closed)
{
	struct engine engine = scripted(CODEC_UADK);
	void *state = open_scripted(&engine, 0);
	struct span run = { pages, COUNT * PAGE_BYTES };
	struct job job = { .source = &run, .source_count = 1 };

	fill();
	device.hangs = true;
	CHECK_OK(engine.submit(state, &job, &err), &err);
	engine.close(state);
	CHECK_EQ(device.closes, 1);
	CHECK_EQ(device.count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		memset(device.rooms[i].bytes, 0xee, device.rooms[i].length);
}

TEST_MAIN(TEST_OF(as_many_units_are_inside_as_the_option_says),
	  TEST_OF(a_page_that_a_roomy_device_makes_longer_travels_raw),
	  TEST_OF(in_its_place_software_makes_less_than_a_page_and_all_is_counted),
	  TEST_OF(software_looks_before_it_tries_and_a_device_tries),
	  TEST_OF(after_64_failures_in_a_row_nothing_is_submitted_any_more),
	  TEST_OF(a_device_that_cannot_be_opened_leaves_its_channel_to_software_aloud),
	  TEST_OF(units_are_as_long_as_the_device_takes_and_software_does_the_same_ones),
	  TEST_OF(a_device_that_nobody_asked_is_asked_before_it_is_given_up),
	  TEST_OF(what_a_device_writes_when_it_has_been_given_up_is_in_no_payload),
	  TEST_OF(rooms_of_units_inside_outlive_a_state_that_is_closed))
