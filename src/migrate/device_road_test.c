/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_road_test.c - whole migrations on devices that are busy, late, wrong or dead: the guest
 * always arrives as it was. */
/* Before the header below, which uses it. */
#include "tests/check.h"

#include "codec/device_simulated.h"
#include "migrate/road_for_tests.h"

static const enum codec_id codecs[] = { CODEC_QPL, CODEC_UADK, CODEC_QATZIP, CODEC_ZLIB };

static void set_device(const char *text)
{
	struct simulated_device settings;
	struct gw_error err;

	CHECK_OK(simulated_device_parse(&settings, text, &err), &err);
	simulated_device_set(&settings);
}

static void check_counters(const struct engine_counters *c)
{
	CHECK_EQ(c->device_units + c->fallback_units, c->units);
}

/* Both sides on the device; `road` tells what came of it. */
static void run_device(struct road *road, enum codec_id codec, uint32_t channels,
		       const char *device)
{
	set_device(device);
	*road = (struct road){
		.channels = channels,
		.method = codec,
		.accelerator = ACCELERATOR_SIMULATED,
		.receive_accelerator = ACCELERATOR_SIMULATED,
		.dialect = "qemu-10.0",
		.block_bytes = UINT64_C(1) << 20,
		.writes_per_harvest = 40,
		.busy_harvests = 4,
	};
	road_run(road);
	check_arrived(road);
	CHECK_STR(road->sent.engine, "simulated");
	/* No device decodes a stream. */
	CHECK_STR(road->received.engines[codec],
		  codec == CODEC_ZLIB ? "isal" : "simulated");
	check_counters(&road->sent.counters.engine);
	if (codec != CODEC_ZLIB)
		check_counters(&road->received.counters.engine);
	CHECK_EQ(road->sent.counters.engine.bytes_in,
		 road->sent.counters.normal_pages * PAGE_BYTES);
	CHECK_EQ(road->sent.counters.engine.bytes_out,
		 road->received.counters.engine.bytes_in);
	CHECK_EQ(road->received.counters.engine.bytes_out,
		 road->received.counters.normal_pages * PAGE_BYTES);
	if (codec != CODEC_QATZIP && codec != CODEC_ZLIB)
		CHECK_EQ(road->sent.counters.engine.raw_pages,
			 road->received.counters.engine.raw_pages);
}

static void every_codec(const char *device)
{
	for (unsigned i = 0; i < 4; i++) {
		for (uint32_t channels = 1; channels <= 4; channels += 3) {
			struct road road;

			run_device(&road, codecs[i], channels, device);
			road_clear(&road);
		}
	}
}

TEST(a_busy_device)
{
	for (unsigned percent = 0; percent <= 100; percent += 20) {
		char text[32];

		snprintf(text, sizeof(text), "busy=%u%%,seed=%u", percent, percent);
		every_codec(text);
	}
}

TEST(a_device_that_is_always_busy_computes_nothing)
{
	for (unsigned i = 0; i < 4; i++) {
		struct road road;
		const struct engine_counters *c = &road.sent.counters.engine;

		run_device(&road, codecs[i], 2, "busy=100%");
		CHECK_EQ(c->device_units, 0);
		CHECK_EQ(c->fallback_units, c->units);
		CHECK_EQ(c->retries, 3 * c->units);
		CHECK_EQ(c->device_failures, 0);
		road_clear(&road);
	}
}

TEST(a_late_and_shuffling_device)
{
	every_codec("latency=30us,late=1%,shuffle,throughput=1G");
}

TEST(a_device_with_less_depth_than_there_are_channels)
{
	every_codec("depth=1,latency=10us");
}

TEST(a_wrong_device)
{
	every_codec("failed=20%");
	every_codec("short=20%");
	every_codec("corrupt=20%");
	every_codec("failed=10%,short=10%,corrupt=10%,busy=10%,shuffle");
}

/* At each of the calls of a migration in turn, until it needs no more of them. */
TEST(a_device_that_dies_at_any_call)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned step =
			codecs[i] == CODEC_QATZIP || codecs[i] == CODEC_ZLIB ? 1 : 37;

		for (unsigned calls = 0;; calls += step) {
			char text[32];
			struct road road;
			uint64_t units;

			snprintf(text, sizeof(text), "dead-after=%u", calls);
			run_device(&road, codecs[i], 1, text);
			units = road.sent.counters.engine.device_units +
				(codecs[i] == CODEC_ZLIB
					 ? 0
					 : road.received.counters.engine.device_units);
			CHECK(units <= calls);
			road_clear(&road);
			if (units < calls || calls > 1000)
				break;
		}
	}
}

/* Both wait DEVICE_PATIENCE_MS; unit_engine_test.c has every codec. */
TEST(a_source_whose_device_hangs)
{
	struct road road = {
		.channels = 2,
		.method = CODEC_QPL,
		.accelerator = ACCELERATOR_SIMULATED,
		.dialect = "qemu-10.0",
		.block_bytes = UINT64_C(1) << 20,
	};

	set_device("hung-after=5");
	road_run(&road);
	check_arrived(&road);
	check_counters(&road.sent.counters.engine);
	CHECK(road.sent.counters.engine.device_units <= 5);
	road_clear(&road);
}

TEST(a_destination_whose_device_hangs_ends_the_migration_and_the_source_has_the_guest)
{
	struct road road = {
		.channels = 2,
		.method = CODEC_QPL,
		.receive_accelerator = ACCELERATOR_SIMULATED,
		.dialect = "qemu-10.0",
		.block_bytes = UINT64_C(1) << 20,
	};

	set_device("hung-after=5");
	road_run(&road);
	check_one_guest(&road);
	CHECK_EQ(road.send_result, -1);
	CHECK_EQ(road.sent.guest, GUEST_AT_SOURCE);
	CHECK_CONTAINS(road.receive_error.text, "are not given back");
	road_clear(&road);
}

TEST_MAIN(
	TEST_OF(a_busy_device), TEST_OF(a_device_that_is_always_busy_computes_nothing),
	TEST_OF(a_late_and_shuffling_device),
	TEST_OF(a_device_with_less_depth_than_there_are_channels),
	TEST_OF(a_wrong_device), TEST_OF(a_device_that_dies_at_any_call),
	TEST_OF(a_source_whose_device_hangs),
	TEST_OF(a_destination_whose_device_hangs_ends_the_migration_and_the_source_has_the_guest))
