/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_simulated_test.c - what the simulated device answers: right, or wrong as it is told. */
#include "tests/check.h"

#include "codec/device_simulated_test.h"

static uint8_t reference[UNITS][PAGE_BYTES]; /* the outputs of a device without fault */
static size_t reference_bytes[UNITS];

/* Of the reference. */
static struct unit *decode_unit(unsigned i)
{
	units[i] = (struct unit){ .source = { reference[i], reference_bytes[i] },
				  .room = { outputs[i], PAGE_BYTES } };
	return &units[i];
}

/* Through a device in which nothing takes its time. */
static void run_all(enum direction direction)
{
	void *state = open_for(UNIT_DEFLATE, direction, 1);

	for (unsigned i = 0; i < UNITS; i++) {
		struct unit *unit = direction == ENCODE ? encode_unit(i) : decode_unit(i);

		CHECK_EQ(device->submit(state, unit), DEVICE_TAKEN);
		CHECK(device->reap(state, true) == unit);
	}
	CHECK(!device->reap(state, true));
	CHECK(device->close(state));
}

static void make_reference(void)
{
	fill_pages();
	set("");
	run_all(ENCODE);
	for (unsigned i = 0; i < UNITS; i++) {
		CHECK_EQ(units[i].answer, UNIT_DONE);
		memcpy(reference[i], outputs[i], units[i].produced);
		reference_bytes[i] = units[i].produced;
	}
}

static unsigned bits_differ(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	unsigned bits = 0;

	for (size_t i = 0; i < bytes; i++)
		bits += (unsigned)__builtin_popcount(a[i] ^ b[i]);
	return bits;
}

/* What became of the units, each of which has to be good or spoilt in one of three ways. */
struct tally {
	unsigned good, failed, cut, corrupt;
};

static struct tally count(enum direction direction)
{
	struct tally tally = { 0 };

	for (unsigned i = 0; i < UNITS; i++) {
		size_t whole = direction == ENCODE ? reference_bytes[i] : PAGE_BYTES;
		const uint8_t *right = direction == ENCODE ? reference[i] : pages[i];
		unsigned bits;

		if (units[i].answer == UNIT_FAILED) {
			CHECK_STR(units[i].why, "simulated failure");
			CHECK_EQ(units[i].code, 1);
			CHECK_EQ(units[i].produced, 0);
			tally.failed++;
			continue;
		}
		CHECK_EQ(units[i].answer, UNIT_DONE);
		bits = bits_differ(outputs[i], right, units[i].produced);
		if (units[i].produced < whole) {
			CHECK_EQ(bits, 0);
			CHECK(memcmp(outputs[i], right, whole) != 0);
			tally.cut++;
		} else if (bits > 0) {
			CHECK_EQ(units[i].produced, whole);
			CHECK_EQ(bits, 1);
			tally.corrupt++;
		} else {
			CHECK_EQ(units[i].produced, whole);
			tally.good++;
		}
	}
	return tally;
}

/* 1000 draws of 20 %: 200, and 6 standard deviations of 12.6. */
#define CHECK_FIFTH(count_)                                                          \
	do {                                                                         \
		if ((count_) < 124 || (count_) > 276)                                \
			CHECK_FAIL("%s is %u, expected about 200", #count_, count_); \
	} while (0)

TEST(simulated_units_are_right)
{
	struct tally tally;

	make_reference();
	run_all(DECODE);
	tally = count(DECODE);
	CHECK_EQ(tally.good, UNITS);
}

static void encode_at(enum unit_form form, int level, size_t bytes)
{
	static uint8_t room[2 * UNIT_MEMBER_BYTES];
	struct unit unit = { .source = { pages[0], bytes },
			     .room = { room, sizeof(room) } };
	void *state = device->open(form, ENCODE, level, 2, &err);

	if (!state)
		CHECK_FAIL("form %d, level %d: %s", (int)form, level, err.text);
	CHECK_EQ(device->submit(state, &unit), DEVICE_TAKEN);
	CHECK(device->reap(state, true) == &unit);
	CHECK_EQ(unit.answer, UNIT_DONE);
	CHECK(unit.produced < bytes);
	CHECK(device->close(state));
}

TEST(simulated_forms_and_levels)
{
	fill_pages();
	set("");
	for (int level = 0; level <= 9; level++) {
		encode_at(UNIT_DEFLATE, level, PAGE_BYTES);
		encode_at(UNIT_ZLIB, level, PAGE_BYTES);
	}
	for (int level = 1; level <= 9; level++) {
		encode_at(UNIT_MEMBERS, level, device->unit_bytes);
		encode_at(UNIT_BLOCKS, level, device->unit_bytes);
	}
	CHECK_EQ(device->encodes, (1u << UNIT_FORMS) - 1);
}

TEST(simulated_what_does_not_shrink_is_full)
{
	uint64_t random = 9;
	void *state;

	fill_pages();
	for (unsigned at = 0; at < PAGE_BYTES; at++)
		pages[0][at] = (uint8_t)check_random(&random);
	set("short=50,corrupt=50");
	state = open_for(UNIT_DEFLATE, ENCODE, 1);
	CHECK_EQ(device->submit(state, encode_unit(0)), DEVICE_TAKEN);
	CHECK(device->reap(state, true) == &units[0]);
	CHECK_EQ(units[0].answer, UNIT_FULL);
	CHECK(device->close(state));
}

TEST(simulated_failures_at_their_rate)
{
	struct tally tally;

	make_reference();
	set("failed=20%");
	for (unsigned direction = ENCODE; direction <= DECODE; direction++) {
		run_all((enum direction)direction);
		tally = count((enum direction)direction);
		CHECK_FIFTH(tally.failed);
		CHECK_EQ(tally.good + tally.failed, UNITS);
	}
}

TEST(simulated_cuts_at_their_rate)
{
	struct tally tally;

	make_reference();
	set("short=20%");
	for (unsigned direction = ENCODE; direction <= DECODE; direction++) {
		run_all((enum direction)direction);
		tally = count((enum direction)direction);
		CHECK_FIFTH(tally.cut);
		CHECK_EQ(tally.good + tally.cut, UNITS);
	}
}

TEST(simulated_flipped_bits_at_their_rate)
{
	struct tally tally;

	make_reference();
	set("corrupt=20%");
	for (unsigned direction = ENCODE; direction <= DECODE; direction++) {
		run_all((enum direction)direction);
		tally = count((enum direction)direction);
		CHECK_FIFTH(tally.corrupt);
		CHECK_EQ(tally.good + tally.corrupt, UNITS);
	}
}

TEST(simulated_faults_together_spoil_a_unit_once)
{
	struct tally tally;

	make_reference();
	set("failed=20,short=20,corrupt=20");
	run_all(ENCODE);
	tally = count(ENCODE);
	CHECK_FIFTH(tally.failed);
	CHECK_FIFTH(tally.cut);
	CHECK_FIFTH(tally.corrupt);
	set("failed=40,short=30,corrupt=30");
	run_all(ENCODE);
	CHECK_EQ(count(ENCODE).good, 0);
}

TEST(simulated_faults_follow_the_seed)
{
	static uint8_t before[UNITS];
	unsigned differ = 0;

	make_reference();
	for (int run = 0; run < 3; run++) {
		set(run < 2 ? "failed=20,seed=5" : "failed=20,seed=6");
		run_all(ENCODE);
		for (unsigned i = 0; i < UNITS; i++) {
			if (run == 1)
				CHECK_EQ(units[i].answer, before[i]);
			differ += run == 2 && units[i].answer != before[i];
			before[i] = (uint8_t)units[i].answer;
		}
	}
	CHECK(differ > 0);
}

/* How many of UNITS submits were answered "busy". */
static unsigned count_busy(const char *text)
{
	void *state;
	unsigned busy = 0;

	set(text);
	state = open_for(UNIT_DEFLATE, ENCODE, 1);
	for (unsigned i = 0; i < UNITS; i++) {
		enum device_answer answer;

		encode_unit(i)->produced = 4711;
		answer = device->submit(state, &units[i]);
		if (answer == DEVICE_TAKEN) {
			CHECK(device->reap(state, true) == &units[i]);
			continue;
		}
		CHECK_EQ(answer, DEVICE_BUSY);
		CHECK_EQ(units[i].produced, 4711);
		CHECK(!device->reap(state, true));
		busy++;
	}
	CHECK(device->close(state));
	return busy;
}

TEST(simulated_busy_at_its_rate)
{
	unsigned busy;

	fill_pages();
	CHECK_EQ(count_busy("busy=0"), 0);
	CHECK_EQ(count_busy("busy=100%"), UNITS);
	busy = count_busy("busy=20%");
	CHECK_FIFTH(busy);
}

TEST(simulated_absence_is_told_each_time)
{
	for (unsigned i = 0; i < 2; i++) {
		set("absent");
		CHECK_EQ(device_probe(device, &err), -1);
		CHECK_EQ(err.kind, GW_UNSUPPORTED);
		CHECK_CONTAINS(err.text, "absent");
		set("");
		CHECK_OK(device_probe(device, &err), &err);
	}
}

TEST_MAIN(TEST_OF(simulated_units_are_right), TEST_OF(simulated_forms_and_levels),
	  TEST_OF(simulated_what_does_not_shrink_is_full),
	  TEST_OF(simulated_failures_at_their_rate),
	  TEST_OF(simulated_cuts_at_their_rate),
	  TEST_OF(simulated_flipped_bits_at_their_rate),
	  TEST_OF(simulated_faults_together_spoil_a_unit_once),
	  TEST_OF(simulated_faults_follow_the_seed), TEST_OF(simulated_busy_at_its_rate),
	  TEST_OF(simulated_absence_is_told_each_time))
