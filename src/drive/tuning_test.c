/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tuning_test.c - values get the type that the peer shows; what is wrong anyhow is refused. */
#include "drive/tuning.h"

#include "codec/accelerator.h"
#include "tests/check.h"

/* What becomes of `text` for a parameter that is shown as `shown`, as JSON; or the error. */
static const char *typed(const char *text, const char *shown)
{
	static char out[320];
	json_t *as = shown ? json_loads(shown, JSON_DECODE_ANY, NULL) : NULL;
	struct gw_error err;
	json_t *value = tuning_value("name", text, as, &err);

	if (value) {
		char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		snprintf(out, sizeof(out), "%s", dumped);
		free(dumped);
	} else {
		CHECK_EQ(err.kind, GW_USAGE);
		snprintf(out, sizeof(out), "%s", err.text);
	}
	json_decref(value);
	json_decref(as);
	return out;
}

TEST(value_gets_the_type_that_is_shown)
{
	CHECK_STR(typed("7", "1"), "7");
	CHECK_STR(typed("-1", "1"), "-1");
	CHECK_STR(typed("9223372036854775807", "1"), "9223372036854775807");
	CHECK_STR(typed("on", "true"), "true");
	CHECK_STR(typed("no", "true"), "false");
	CHECK_STR(typed("zstd", "\"none\""), "\"zstd\"");
	CHECK_STR(typed("7", "\"\""), "\"7\"");
	CHECK_STR(typed("", "\"x\""), "\"\"");
	CHECK_STR(typed("x", "null"), "\"x\"");
	CHECK_STR(typed("[\"a\"]", "[]"), "[\"a\"]");
}

TEST(value_of_another_type_is_refused)
{
	CHECK_STR(typed("100M", "1"), "name=100M: a whole number is expected");
	CHECK_STR(typed("", "1"), "name=: a whole number is expected");
	CHECK_STR(typed("-", "1"), "name=-: a whole number is expected");
	CHECK_STR(typed("0x10", "1"), "name=0x10: a whole number is expected");
	CHECK_STR(typed("9223372036854775808", "1"),
		  "name=9223372036854775808: a whole number is expected");
	CHECK_STR(typed("maybe", "false"), "name=maybe: on or off is expected");
	CHECK_STR(typed("a", "[]"), "name=a: JSON is expected");
	CHECK_STR(typed("\xff", "\"\""), "name=\xff: UTF-8 text is expected");
}

TEST(value_of_what_is_not_shown_goes_by_its_looks)
{
	CHECK_STR(typed("7", NULL), "7");
	CHECK_STR(typed("off", NULL), "false");
	CHECK_STR(typed("text", NULL), "\"text\"");
	CHECK_STR(typed("[1]", NULL), "[1]");
	CHECK_STR(typed("[1", NULL), "\"[1\"");
}

static const char *refusal(const struct tuning *tuning)
{
	static struct gw_error err;

	CHECK_EQ(tuning_check(tuning, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	return err.text;
}

TEST(wishes_that_cannot_be_are_refused)
{
	const char *items[] = { "x" };
	struct tuning tuning;
	struct gw_error err;

	tuning_init(&tuning);
	CHECK_OK(tuning_check(&tuning, &err), &err);
	tuning.level = 3;
	CHECK_STR(refusal(&tuning), "--level 3: needs --method zlib, zstd or qatzip");
	tuning.method = "none";
	CHECK_STR(refusal(&tuning), "--level 3: needs --method zlib, zstd or qatzip");
	tuning.method = "qpl";
	CHECK_STR(refusal(&tuning), "--level 3: needs --method zlib, zstd or qatzip");
	tuning.method = "lz4";
	CHECK_STR(refusal(&tuning), "--level 3: needs --method zlib, zstd or qatzip");
	tuning.method = "zstd";
	CHECK_OK(tuning_check(&tuning, &err), &err);
	tuning.channels = 0;
	CHECK_STR(refusal(&tuning),
		  "--method zstd: needs page channels, --channels 0 has none");
	tuning_init(&tuning);
	tuning.method = "lz4"; /* what is not known here may be known there */
	CHECK_OK(tuning_check(&tuning, &err), &err);
	tuning.method = "";
	CHECK_STR(refusal(&tuning), "--method: a name such as zstd is expected");
	tuning_init(&tuning);
	tuning.sets = items;
	tuning.set_count = 1;
	CHECK_STR(refusal(&tuning), "--set x: NAME=VALUE is expected");
	items[0] = "=x";
	CHECK_STR(refusal(&tuning), "--set =x: NAME=VALUE is expected");
	tuning_init(&tuning);
	tuning.caps = items;
	tuning.cap_count = 1;
	items[0] = "events";
	CHECK_STR(refusal(&tuning), "--cap events: NAME=on or NAME=off is expected");
	items[0] = "events=maybe";
	CHECK_STR(refusal(&tuning), "--cap events=maybe: on and off are allowed");
	items[0] = "pause_before_switchover=on";
	CHECK_OK(tuning_check(&tuning, &err), &err);
}

TEST(levels_are_those_of_the_method)
{
	struct tuning tuning;
	struct gw_error err;

	tuning_init(&tuning);
	tuning.method = "qatzip";
	tuning.level = 9;
	CHECK_OK(tuning_check(&tuning, &err), &err);
	tuning.level = 0;
	CHECK_STR(refusal(&tuning), "--level: qatzip level 0: 1 to 9 are allowed");
	tuning.method = "zlib";
	CHECK_OK(tuning_check(&tuning, &err), &err);
	tuning.level = 10;
	CHECK_STR(refusal(&tuning), "--level: zlib level 10: 0 to 9 are allowed");
}

TEST(accelerators_are_known_by_name)
{
	struct tuning tuning;
	struct gw_error err;

	tuning_init(&tuning);
	for (unsigned i = 0; i < ACCELERATOR_COUNT; i++) {
		tuning.accelerator = accelerator_name(i);
		CHECK_OK(tuning_check(&tuning, &err), &err);
	}
	tuning.accelerator = "iaa";
	CHECK_CONTAINS(refusal(&tuning), "--accelerator: ");
	CHECK_CONTAINS(refusal(&tuning), "qatzip");
}

TEST_MAIN(TEST_OF(value_gets_the_type_that_is_shown),
	  TEST_OF(value_of_another_type_is_refused),
	  TEST_OF(value_of_what_is_not_shown_goes_by_its_looks),
	  TEST_OF(wishes_that_cannot_be_are_refused),
	  TEST_OF(levels_are_those_of_the_method),
	  TEST_OF(accelerators_are_known_by_name))
