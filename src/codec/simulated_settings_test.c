/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* simulated_settings_test.c - a simulated device as people write it. */
#include "tests/check.h"

#include "codec/device_simulated.h"

static struct simulated_device settings;
static struct gw_error err;

TEST(simulated_defaults)
{
	CHECK_OK(simulated_device_parse(&settings, "", &err), &err);
	CHECK_EQ(settings.depth, 128);
	CHECK_EQ(settings.latency_ns, 0);
	CHECK_EQ(settings.bytes_per_s, 0);
	CHECK_EQ(settings.busy_percent, 0);
	CHECK_EQ(settings.late_percent, 0);
	CHECK_EQ(settings.failed_percent, 0);
	CHECK_EQ(settings.short_percent, 0);
	CHECK_EQ(settings.corrupt_percent, 0);
	CHECK(!settings.shuffle);
	CHECK(settings.dead_after == UINT64_MAX);
	CHECK(settings.hung_after == UINT64_MAX);
	CHECK(!settings.absent);
}

TEST(simulated_everything_can_be_set)
{
	CHECK_OK(simulated_device_parse(
			 &settings,
			 "depth=7,latency=20us,throughput=4G,busy=30%,late=5,"
			 "failed=1%,short=2,corrupt=3%,shuffle,dead-after=100,"
			 "hung-after=200,absent,seed=18446744073709551615",
			 &err),
		 &err);
	CHECK_EQ(settings.depth, 7);
	CHECK_EQ(settings.latency_ns, 20000);
	CHECK_EQ(settings.bytes_per_s, INT64_C(4) << 30);
	CHECK_EQ(settings.busy_percent, 30);
	CHECK_EQ(settings.late_percent, 5);
	CHECK_EQ(settings.failed_percent, 1);
	CHECK_EQ(settings.short_percent, 2);
	CHECK_EQ(settings.corrupt_percent, 3);
	CHECK(settings.shuffle);
	CHECK_EQ(settings.dead_after, 100);
	CHECK_EQ(settings.hung_after, 200);
	CHECK(settings.absent);
	CHECK(settings.seed == UINT64_MAX);
}

TEST(simulated_times_and_rates)
{
	static const struct {
		const char *text;
		uint64_t latency_ns, bytes_per_s;
	} good[] = {
		{ "latency=0ns", 0, 0 },
		{ "latency=999ns", 999, 0 },
		{ "latency=3ms", 3000000, 0 },
		{ "latency=60s", UINT64_C(60000000000), 0 },
		{ "throughput=0", 0, 0 },
		{ "throughput=100", 0, 100 },
		{ "throughput=2k", 0, 2048 },
		{ "throughput=3M", 0, 3u << 20 },
		{ "throughput=1024T", 0, UINT64_C(1) << 50 },
		{ "latency=1s,latency=2us", 2000, 0 },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK_OK(simulated_device_parse(&settings, good[i].text, &err), &err);
		CHECK_EQ(settings.latency_ns, good[i].latency_ns);
		CHECK_EQ(settings.bytes_per_s, good[i].bytes_per_s);
	}
}

TEST(simulated_nonsense_is_refused)
{
	static const struct {
		const char *text, *place, *allowed;
	} bad[] = {
		{ "depht=1", "\"depht\"", "depth, latency" },
		{ "=1", "\"\"", "depth, latency" },
		{ ",depth=1", "\"\"", "depth, latency" },
		{ "depth=1,", "\"\"", "depth, latency" },
		{ "depth=1,,busy=3", "\"\"", "depth, latency" },
		{ "depth", "depth: \"\"", "0 to 4096" },
		{ "depth=", "depth: \"\"", "0 to 4096" },
		{ "depth=4294967296", "depth: \"4294967296\"", "0 to 4096" },
		{ "depth=-1", "depth: \"-1\"", "0 to 4096" },
		{ "depth=1 ", "depth: \"1 \"", "0 to 4096" },
		{ "depth=1=2", "depth: \"1=2\"", "0 to 4096" },
		{ "seed=18446744073709551616", "seed: \"18446744073709551616\"",
		  "18446744073709551615" },
		{ "seed=0000000000000000000000001", "seed: \"0000000000000000000000001\"",
		  "18446744073709551615" },
		{ "latency=20", "latency: \"20\"", "ns, us, ms or s" },
		{ "latency=us", "latency: \"us\"", "ns, us, ms or s" },
		{ "latency=61s", "latency: \"61s\"", "60s at most" },
		{ "latency=18446744073709551615s", "latency:", "60s at most" },
		{ "latency=1.5us", "latency: \"1.5us\"", "whole number" },
		{ "throughput=1025T", "throughput: \"1025T\"", "1024T at most" },
		{ "throughput=4Gbit", "throughput: \"4Gbit\"", "K, M, G or T" },
		{ "busy=101%", "busy: \"101%\"", "0% to 100%" },
		{ "late=%", "late: \"%\"", "0% to 100%" },
		{ "failed=50%%", "failed: \"50%%\"", "0% to 100%" },
		{ "shuffle=1", "shuffle: \"1\"", "no value" },
		{ "absent=", "absent: \"\"", "no value" },
		{ "failed=50,short=30,corrupt=21", "101%", "0% to 100%" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		settings.depth = 77;
		if (simulated_device_parse(&settings, bad[i].text, &err) == 0)
			CHECK_FAIL("\"%s\" is taken", bad[i].text);
		CHECK_EQ(err.kind, GW_USAGE);
		CHECK_CONTAINS(err.text, "simulated device: ");
		CHECK_CONTAINS(err.text, bad[i].place);
		CHECK_CONTAINS(err.text, bad[i].allowed);
		CHECK_EQ(settings.depth, 77);
	}
}

TEST_MAIN(TEST_OF(simulated_defaults), TEST_OF(simulated_everything_can_be_set),
	  TEST_OF(simulated_times_and_rates), TEST_OF(simulated_nonsense_is_refused))
