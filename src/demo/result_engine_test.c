/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* result_engine_test.c - what is told of an engine arrives. */
#include "demo/result_engine.h"

#include "tests/check.h"

static const struct engine_counters counters = { 1, 2, 3, 4, 5, 6, 7, UINT64_C(1) << 40 };

TEST(what_is_told_is_read)
{
	struct result_engine read;
	json_t *told = result_engine_tell("simulated", &counters);

	memset(&read, 0xff, sizeof(read));
	result_engine_read(&read, told);
	json_decref(told);
	CHECK_STR(read.name, "simulated");
	CHECK(memcmp(&read.counters, &counters, sizeof(counters)) == 0);
	told = result_engine_tell(NULL, &counters);
	result_engine_read(&read, told);
	json_decref(told);
	CHECK_STR(read.name, "none");
	/* A process that ended before it could tell. */
	result_engine_read(&read, NULL);
	CHECK_STR(read.name, "none");
	CHECK_EQ(read.counters.units, 0);
	CHECK_EQ(read.counters.bytes_out, 0);
}

TEST(counters_have_their_names)
{
	json_t *json = result_engine_counters_json(&counters);

	CHECK_EQ(json_object_size(json), 8);
	CHECK_EQ(json_integer_value(json_object_get(json, "units")), counters.units);
	CHECK_EQ(json_integer_value(json_object_get(json, "retries")), counters.retries);
	CHECK_EQ(json_integer_value(json_object_get(json, "bytes_out")),
		 counters.bytes_out);
	json_decref(json);
}

TEST(only_devices_are_described)
{
	struct result_engine engine = {
		.name = "isal",
		.counters = { .units = 9, .raw_pages = 3, .bytes_in = 9, .bytes_out = 9 },
	};
	char out[256] = "as it was";

	CHECK(!result_engine_describe(&engine, out, sizeof(out)));
	CHECK_STR(out, "as it was");
	engine.counters.fallback_units = 1;
	CHECK(result_engine_describe(&engine, out, sizeof(out)));
	engine = (struct result_engine){ .name = "qpl", .counters = counters };
	CHECK(result_engine_describe(&engine, out, sizeof(out)));
	CHECK_STR(out,
		  "qpl: 2 units by the device, 4 retries, 5 failures, 3 by software, "
		  "6 raw pages");
}

TEST_MAIN(TEST_OF(what_is_told_is_read), TEST_OF(counters_have_their_names),
	  TEST_OF(only_devices_are_described))
