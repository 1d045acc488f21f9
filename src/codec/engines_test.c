/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engines_test.c - which engine serves, and what is said when none does. */
#include "tests/check.h"

#include "codec/device_simulated.h"
#include "codec/engine.h"

static struct gw_error err;

static void set_device(const char *text)
{
	struct simulated_device settings;

	CHECK_OK(simulated_device_parse(&settings, text, &err), &err);
	simulated_device_set(&settings);
}

static const struct engine *choose(enum codec_id codec, enum direction direction,
				   int level, enum accelerator accelerator)
{
	const struct engine *engine =
		engine_choose(codec, direction, level, accelerator, &err);

	if (!engine)
		CHECK_FAIL("%s", err.text);
	return engine;
}

static void refused(enum codec_id codec, int level, enum accelerator accelerator,
		    enum gw_error_kind kind, const char *text)
{
	CHECK(!engine_choose(codec, ENCODE, level, accelerator, &err));
	CHECK_EQ(err.kind, kind);
	CHECK_STR(err.text, text);
}

TEST(a_named_accelerator_that_cannot_be_used_is_refused_with_its_reason)
{
	set_device("absent");
	refused(CODEC_QPL, 0, ACCELERATOR_SIMULATED, GW_UNSUPPORTED,
		"format qpl, accelerator simulated: simulated: the simulated device is "
		"set to be absent");
	CHECK(!engine_choose(CODEC_QPL, DECODE, 0, ACCELERATOR_SIMULATED, &err));
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK(accelerator_check(ACCELERATOR_SIMULATED, &err) < 0);
	CHECK_STR(err.text,
		  "accelerator simulated: the simulated device is set to be absent");
	set_device("");
	CHECK_OK(accelerator_check(ACCELERATOR_SIMULATED, &err), &err);
	CHECK_OK(accelerator_check(ACCELERATOR_AUTO, &err), &err);
	CHECK_OK(accelerator_check(ACCELERATOR_NONE, &err), &err);
	CHECK_OK(accelerator_check(ACCELERATOR_REFERENCE, &err), &err);
}

TEST(an_accelerator_without_the_format_is_refused_with_those_that_have_it)
{
	refused(CODEC_ZLIB, 1, ACCELERATOR_UADK, GW_UNSUPPORTED,
		"accelerator uadk has no engine for the format zlib; it has none, "
		"qatzip, "
		"reference, simulated");
	refused(CODEC_QATZIP, 1, ACCELERATOR_QPL, GW_UNSUPPORTED,
		"accelerator qpl has no engine for the format qatzip; it has none, "
		"qatzip, "
		"reference, simulated");
}

TEST(an_accelerator_without_the_level_is_refused_with_those_it_has)
{
	set_device("");
	refused(CODEC_ZLIB, 0, ACCELERATOR_SIMULATED, GW_UNSUPPORTED,
		"format zlib, accelerator simulated: simulated: level 0: it has 1 to 9");
	refused(CODEC_ZSTD, 13, ACCELERATOR_QATZIP, GW_UNSUPPORTED,
		"format zstd, accelerator qatzip: qatseqprod: level 13: it has 1 to 12");
	refused(CODEC_ZLIB, 10, ACCELERATOR_AUTO, GW_USAGE,
		"zlib level 10: 0 to 9 are allowed");
	refused(CODEC_QPL, 1, ACCELERATOR_AUTO, GW_USAGE,
		"qpl level 1: qpl has no levels");
}

/* What arrives is the peer's choice. */
TEST(software_decodes_what_a_named_device_has_no_engine_for)
{
	CHECK_STR(choose(CODEC_ZLIB, DECODE, 0, ACCELERATOR_UADK)->name, "isal");
	CHECK_STR(choose(CODEC_ZLIB, DECODE, 0, ACCELERATOR_SIMULATED)->name, "isal");
	CHECK_STR(choose(CODEC_ZSTD, DECODE, 0, ACCELERATOR_QATZIP)->name, "zstd");
	CHECK_STR(choose(CODEC_QATZIP, DECODE, 0, ACCELERATOR_QPL)->name, "libdeflate");
	CHECK_STR(choose(CODEC_UADK, DECODE, 0, ACCELERATOR_REFERENCE)->name, "zlib");
	/* Of a decoder no level is asked. */
	CHECK_STR(choose(CODEC_ZLIB, DECODE, 99, ACCELERATOR_NONE)->name, "isal");
}

TEST(software_is_chosen_by_format_and_level)
{
	static const struct {
		enum codec_id codec;
		int level;
		enum accelerator accelerator;
		const char *name;
	} cases[] = {
		{ CODEC_ZLIB, 0, ACCELERATOR_NONE, "zlib" },
		{ CODEC_ZLIB, 1, ACCELERATOR_NONE, "isal" },
		{ CODEC_ZLIB, 3, ACCELERATOR_NONE, "isal" },
		{ CODEC_ZLIB, 4, ACCELERATOR_NONE, "zlib" },
		{ CODEC_ZLIB, 1, ACCELERATOR_REFERENCE, "zlib" },
		{ CODEC_ZSTD, 1, ACCELERATOR_NONE, "zstd" },
		{ CODEC_ZSTD, 20, ACCELERATOR_REFERENCE, "zstd" },
		{ CODEC_QPL, 0, ACCELERATOR_NONE, "isal" },
		{ CODEC_QPL, 0, ACCELERATOR_REFERENCE, "zlib" },
		{ CODEC_UADK, 0, ACCELERATOR_NONE, "isal" },
		{ CODEC_UADK, 0, ACCELERATOR_REFERENCE, "zlib" },
		{ CODEC_QATZIP, 1, ACCELERATOR_NONE, "isal" },
		{ CODEC_QATZIP, 2, ACCELERATOR_NONE, "isal" },
		{ CODEC_QATZIP, 3, ACCELERATOR_NONE, "libdeflate" },
		{ CODEC_QATZIP, 9, ACCELERATOR_REFERENCE, "zlib" },
		{ CODEC_QATZIP, 9, ACCELERATOR_SIMULATED, "simulated" },
	};

	set_device("");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(choose(cases[i].codec, ENCODE, cases[i].level,
				 cases[i].accelerator)
				  ->name,
			  cases[i].name);
}

/* Devices first, the simulated one last and never by itself, one reference behind the rest of
 * software. */
static void check_list(enum codec_id codec, enum direction direction)
{
	const struct engine *const *at = engines_of(codec, direction);
	unsigned software = 0, references = 0, simulated = 0;

	for (; *at; at++) {
		bool device = (*at)->accelerator != ACCELERATOR_NONE;

		CHECK_EQ((*at)->codec, codec);
		CHECK_EQ(simulated, 0);
		simulated += (*at)->accelerator == ACCELERATOR_SIMULATED;
		CHECK(!device || simulated > 0 || software == 0);
		CHECK(device || references == 0);
		software += !device;
		references += (*at)->reference;
		CHECK(!(*at)->reference || !device);
		CHECK(engine_allowed(*at, (*at)->accelerator));
		CHECK_EQ(engine_allowed(*at, ACCELERATOR_AUTO), simulated == 0);
		CHECK_EQ(engine_allowed(*at, ACCELERATOR_NONE), !device);
		CHECK_EQ(engine_allowed(*at, ACCELERATOR_REFERENCE), (*at)->reference);
	}
	CHECK_EQ(references, 1);
}

TEST(lists_are_in_order_and_software_has_every_format_and_level)
{
	set_device("");
	for (unsigned i = CODEC_ZLIB; i < CODEC_COUNT; i++) {
		const struct codec *codec = codec_by_id((enum codec_id)i);

		check_list(codec->id, ENCODE);
		check_list(codec->id, DECODE);
		for (int level = codec->level_min; level <= codec->level_max; level++) {
			(void)choose(codec->id, ENCODE, level, ACCELERATOR_NONE);
			(void)choose(codec->id, ENCODE, level, ACCELERATOR_REFERENCE);
			CHECK(choose(codec->id, ENCODE, level, ACCELERATOR_AUTO)
				      ->accelerator != ACCELERATOR_SIMULATED);
		}
	}
	CHECK(!*engines_of(CODEC_NONE, ENCODE));
	CHECK(!*engines_of(CODEC_NONE, DECODE));
}

TEST_MAIN(TEST_OF(a_named_accelerator_that_cannot_be_used_is_refused_with_its_reason),
	  TEST_OF(an_accelerator_without_the_format_is_refused_with_those_that_have_it),
	  TEST_OF(an_accelerator_without_the_level_is_refused_with_those_it_has),
	  TEST_OF(software_decodes_what_a_named_device_has_no_engine_for),
	  TEST_OF(software_is_chosen_by_format_and_level),
	  TEST_OF(lists_are_in_order_and_software_has_every_format_and_level))
