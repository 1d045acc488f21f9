/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* self_test_test.c - the self-test finds what is wrong, and nothing where nothing is. */
#include "engines/self_test.h"

#include "base/pages.h"
#include "codec/device_simulated.h"
#include "tests/check.h"

static struct roster roster;
static struct self_test test;
static struct gw_error err;

static void simulate(const char *text)
{
	struct simulated_device settings;

	CHECK_OK(simulated_device_parse(&settings, text, &err), &err);
	simulated_device_set(&settings);
}

static uint32_t usable(const struct roster_list *list)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < list->count; i++)
		count += list->entries[i].usable;
	return count;
}

/* ---- engines that are wrong ---- */

static const struct engine *sound;

/* The last byte of what it decodes. */
static int submit_and_spoil(void *state, struct job *job, struct gw_error *why)
{
	const struct room *last = &job->destination[job->destination_count - 1];

	if (engine_run(sound, state, job, why) < 0)
		return -1;
	if (last->length > PAGE_BYTES)
		last->bytes[last->length - 1] ^= 1;
	return 0;
}

static int reap_nothing(void *state, bool wait, struct gw_error *why)
{
	return 1;
}

static int submit_in_vain(void *state, struct job *job, struct gw_error *why)
{
	return fail(why, GW_PEER, "no, said the library");
}

static void *open_in_vain(const struct engine *engine,
			  const struct engine_options *options, struct gw_error *why)
{
	fail(why, GW_SYSTEM, "no, said the host");
	return NULL;
}

/* A roster of one encoder and two decoders of qpl, all of which work. */
static void take_few(void)
{
	struct roster_list *lists = roster.lists[CODEC_QPL];
	struct roster_list decoders;

	roster_take(&roster, false);
	decoders = lists[DECODE];
	memset(lists[DECODE].entries, 0, sizeof(lists[DECODE].entries));
	lists[DECODE].count = 0;
	for (uint32_t i = 0; i < decoders.count && lists[DECODE].count < 2; i++)
		if (decoders.entries[i].usable)
			lists[DECODE].entries[lists[DECODE].count++] =
				decoders.entries[i];
	CHECK_EQ(lists[DECODE].count, 2);
	for (uint32_t i = 0; i < lists[ENCODE].count; i++)
		lists[ENCODE].entries[i].usable &= lists[ENCODE].entries[i].chosen;
	for (unsigned i = 0; i < CODEC_COUNT; i++)
		if (i != CODEC_QPL)
			roster.lists[i][ENCODE].count = roster.lists[i][DECODE].count = 0;
}

/* ---- tests ---- */

TEST(auto_takes_one_of_each_list)
{
	roster_take(&roster, true);
	for (unsigned i = CODEC_ZLIB; i < CODEC_COUNT; i++) {
		for (unsigned direction = 0; direction < 2; direction++) {
			const struct roster_list *list = &roster.lists[i][direction];
			uint32_t chosen = 0;

			for (uint32_t j = 0; j < list->count; j++) {
				const struct roster_entry *entry = &list->entries[j];

				chosen += entry->chosen;
				CHECK(!entry->chosen || entry->usable);
				CHECK(entry->usable || entry->why.text[0]);
			}
			CHECK_EQ(chosen, 1);
		}
	}
	CHECK_EQ(roster.lists[CODEC_NONE][ENCODE].count, 0);
}

TEST(simulated_is_there_when_asked_for)
{
	simulate("absent");
	roster_take(&roster, false);
	CHECK(!roster_unusable(&roster, "simulated"));
	roster_take(&roster, true);
	CHECK(roster_unusable(&roster, "simulated"));
	CHECK_STR(roster_unusable(&roster, "simulated")->engine->name, "simulated");
	CHECK(!roster_unusable(&roster, "zstd"));
	simulate("depth=128");
}

static uint32_t heard;

static void hear(void *state, const struct self_test_pair *pair)
{
	CHECK(pair->codec && pair->encoder && pair->decoder);
	(*(uint32_t *)state)++;
}

TEST(every_pair_passes)
{
	uint32_t pairs = 0;

	roster_take(&roster, false);
	for (unsigned i = 0; i < CODEC_COUNT; i++)
		pairs += usable(&roster.lists[i][ENCODE]) *
			 usable(&roster.lists[i][DECODE]);
	heard = 0;
	CHECK_OK(self_test_run(&test, &roster, hear, &heard, &err), &err);
	CHECK_EQ(test.pair_count, pairs);
	CHECK_EQ(heard, pairs);
	CHECK_EQ(self_test_failures(&test), 0);
	for (uint32_t i = 0; i < test.pair_count; i++) {
		const struct self_test_pair *pair = &test.pairs[i];

		CHECK(pair->passed && pair->level_count > 0);
		CHECK_EQ(pair->packets, pair->level_count * 12);
		CHECK_EQ(pair->page_bytes,
			 (uint64_t)pair->level_count * 4 * 146 * PAGE_BYTES);
	}
}

/* What a device does wrong is made good before anybody sees it. */
TEST(bad_device_passes)
{
	bool seen = false;

	simulate("depth=8,busy=30%,failed=5%,short=5%,corrupt=5%,shuffle");
	roster_take(&roster, true);
	for (unsigned i = 0; i < CODEC_COUNT; i++)
		for (unsigned direction = 0; direction < 2; direction++) {
			struct roster_list *list = &roster.lists[i][direction];

			for (uint32_t j = 0; j < list->count; j++)
				list->entries[j].usable &=
					list->entries[j].chosen ||
					list->entries[j].engine->accelerator ==
						ACCELERATOR_SIMULATED;
		}
	CHECK_OK(self_test_run(&test, &roster, NULL, NULL, &err), &err);
	CHECK_EQ(self_test_failures(&test), 0);
	CHECK(test.cost_count > 0);
	for (uint32_t i = 0; i < test.cost_count; i++) {
		const struct self_test_cost *cost = &test.costs[i];

		CHECK(cost->device->accelerator == ACCELERATOR_SIMULATED);
		CHECK(!cost->software->device);
		CHECK(cost->device_units > 0 && cost->device_units <= cost->units);
		seen |= cost->direction == DECODE;
	}
	CHECK(seen);
	simulate("depth=128");
}

TEST(wrong_byte_is_told_with_its_place)
{
	struct engine broken;

	take_few();
	sound = roster.lists[CODEC_QPL][DECODE].entries[1].engine;
	broken = *sound;
	broken.name = "broken";
	broken.submit = submit_and_spoil;
	broken.reap = reap_nothing;
	roster.lists[CODEC_QPL][DECODE].entries[1].engine = &broken;
	CHECK_OK(self_test_run(&test, &roster, NULL, NULL, &err), &err);
	CHECK_EQ(test.pair_count, 2);
	CHECK_EQ(self_test_failures(&test), 1);
	CHECK(test.pairs[0].passed);
	CHECK_CONTAINS(
		test.pairs[1].why.text,
		"17 pages of this program: decoded by broken: page 16, byte 4095 is "
		"0x");
	/* One page went through. */
	CHECK_EQ(test.pairs[1].packets, 4);
}

TEST(decoder_that_fails_is_told)
{
	struct engine broken;

	take_few();
	broken = *roster.lists[CODEC_QPL][DECODE].entries[0].engine;
	broken.submit = submit_in_vain;
	roster.lists[CODEC_QPL][DECODE].entries[0].engine = &broken;
	CHECK_OK(self_test_run(&test, &roster, NULL, NULL, &err), &err);
	CHECK_EQ(self_test_failures(&test), 1);
	CHECK_CONTAINS(test.pairs[0].why.text, "no, said the library");
	CHECK(test.pairs[1].passed);
	broken.open = open_in_vain;
	CHECK_OK(self_test_run(&test, &roster, NULL, NULL, &err), &err);
	CHECK_EQ(self_test_failures(&test), 1);
	CHECK_CONTAINS(test.pairs[0].why.text, "no, said the host");
}

TEST(encoder_that_fails_fails_its_pairs)
{
	struct roster_list *encoders = &roster.lists[CODEC_QPL][ENCODE];
	struct engine broken;

	take_few();
	for (uint32_t i = 0; i < encoders->count; i++) {
		if (!encoders->entries[i].usable)
			continue;
		broken = *encoders->entries[i].engine;
		broken.name = "broken";
		broken.submit = submit_in_vain;
		encoders->entries[i].engine = &broken;
	}
	CHECK_OK(self_test_run(&test, &roster, NULL, NULL, &err), &err);
	CHECK_EQ(test.pair_count, 2);
	CHECK_EQ(self_test_failures(&test), 2);
	CHECK_CONTAINS(
		test.pairs[1].why.text,
		"1 pages of this program: encoded by broken: no, said the library");
	broken.open = open_in_vain;
	CHECK_OK(self_test_run(&test, &roster, NULL, NULL, &err), &err);
	CHECK_EQ(self_test_failures(&test), 2);
	CHECK_CONTAINS(test.pairs[0].why.text, "broken: no, said the host");
}

TEST_MAIN(TEST_OF(auto_takes_one_of_each_list),
	  TEST_OF(simulated_is_there_when_asked_for), TEST_OF(every_pair_passes),
	  TEST_OF(bad_device_passes), TEST_OF(wrong_byte_is_told_with_its_place),
	  TEST_OF(decoder_that_fails_is_told),
	  TEST_OF(encoder_that_fails_fails_its_pairs))
