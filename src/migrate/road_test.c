/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* road_test.c - the whole path in one process, over every dialect, method and fault. */
/* Before the header below, which uses it. */
#include "tests/check.h"

#include "migrate/road_for_tests.h"

TEST(every_method_channel_count_and_dialect_arrives_whole)
{
	static const uint32_t channels[] = { 1, 2, 5, 16 };

	for (const struct dialect *d = dialects; d->name; d++)
		for (unsigned method = 0; method < CODEC_COUNT; method++)
			for (unsigned c = 0; c < 4; c++) {
				struct road road = {
					.channels = channels[c],
					.method = (enum codec_id)method,
					.dialect = d->name,
					.block_bytes = UINT64_C(1) << 20,
					.writes_per_harvest = 100,
					.busy_harvests = 6,
				};

				road_run(&road);
				check_arrived(&road);
				CHECK(road.landed.loaded && road.landed.started);
				/* A slow machine looks in between, and the guest writes
				 * when it is looked at. */
				CHECK(road.sent.rounds >= 2 && road.sent.rounds <= 5);
				CHECK_EQ(road.received.barrier_per_section,
					 d->barrier_per_section);
				CHECK_EQ(road.received.switchover_start,
					 d->switchover_start);
				if (d->zero_pages_in_packets)
					CHECK_EQ(road.received.main_zero_pages, 0);
				else
					CHECK_EQ(road.received.counters.zero_pages, 0);
				CHECK_EQ(road.received.counters.methods[method].pages,
					 road.sent.counters.normal_pages);
				road_clear(&road);
			}
}

TEST(a_destination_without_a_guest_accounts_for_the_device_sections)
{
	struct road road = { .channels = 2,
			     .method = CODEC_ZSTD,
			     .dialect = "qemu-9.2",
			     .inspect = true };

	road_run(&road);
	check_arrived(&road);
	CHECK(road.received.devices_known);
	CHECK_EQ(road.received.vmdesc.device_count, 1);
	CHECK_STR(road.received.vmdesc.devices[0].name, "scripted");
	CHECK_EQ(road.received.vmdesc.devices[0].body_bytes, 24);
	road_clear(&road);
}

TEST(without_a_return_path_the_destination_closing_main_is_the_answer)
{
	struct road road = { .channels = 3,
			     .method = CODEC_ZLIB,
			     .dialect = "qemu-8.1",
			     .no_return_path = true,
			     .writes_per_harvest = 20,
			     .busy_harvests = 2 };

	road_run(&road);
	check_arrived(&road);
	road_clear(&road);
}

TEST(the_bandwidth_limit_leaves_the_result_whole)
{
	struct road road = { .channels = 4,
			     .method = CODEC_NONE,
			     .dialect = "qemu-10.0",
			     .max_bandwidth = 20u << 20 };

	road_run(&road);
	check_arrived(&road);
	road_clear(&road);
}

TEST(a_destination_that_cannot_start_the_guest_gives_it_back)
{
	struct road road = { .channels = 2,
			     .method = CODEC_NONE,
			     .dialect = "qemu-10.0",
			     .fail_start = true };

	road_run(&road);
	CHECK_EQ(road.send_result, -1);
	CHECK_EQ(road.send_error.kind, GW_PEER);
	CHECK_STR(road.send_error.text, "the destination reported a failure (SHUT 1)");
	CHECK_STR(road.receive_error.text, "start: no thread left");
	CHECK_EQ(road.sent.guest, GUEST_AT_SOURCE);
	CHECK_EQ(road.sent.state, MIGRATION_FAILED);
	CHECK(!road.source.paused);
	CHECK_EQ(road.source.resumed, 1);
	road_clear(&road);
}

TEST(a_guest_whose_state_cannot_be_saved_runs_on)
{
	struct road road = { .channels = 2,
			     .method = CODEC_NONE,
			     .dialect = "qemu-10.0",
			     .fail_save = true };

	road_run(&road);
	CHECK_EQ(road.send_result, -1);
	CHECK_STR(road.send_error.text, "device state: no state today");
	CHECK_EQ(road.sent.guest, GUEST_AT_SOURCE);
	CHECK_EQ(road.source.resumed, 1);
	CHECK_EQ(road.receive_result, -1);
	CHECK(!road.landed.started);
	road_clear(&road);
}

#define SMALL_GUEST_BYTES (48 * PAGE_BYTES)

static void cut_everywhere(enum fault_kind kind, bool on_write, uint32_t connection,
			   uint64_t first, uint64_t last, uint64_t step)
{
	for (uint64_t at = first; at < last; at += step) {
		struct road road = {
			.block_bytes = SMALL_GUEST_BYTES,
			.channels = 2,
			.method = CODEC_ZLIB,
			.dialect = connection % 2 ? "qemu-8.2" : "qemu-10.0",
			.writes_per_harvest = 5,
			.busy_harvests = 1,
			.fault = { .kind = kind, .on_write = on_write, .at_byte = at },
			.fault_connection = connection,
		};

		road_run(&road);
		check_one_guest(&road);
		road_clear(&road);
	}
}

TEST(a_guest_that_cannot_be_resumed_is_still_here)
{
	struct road road = { .channels = 2,
			     .method = CODEC_NONE,
			     .dialect = "qemu-9.0",
			     .fail_start = true,
			     .fail_resume = true };

	road_run(&road);
	CHECK_EQ(road.send_result, -1);
	CHECK_STR(road.send_error.text,
		  "the guest, paused here, could not be resumed: no vCPU today");
	CHECK_EQ(road.sent.guest, GUEST_AT_SOURCE);
	CHECK(road.source.paused && !road.landed.started);
	road_clear(&road);
}

TEST(a_cut_at_each_byte_of_main_leaves_one_guest)
{
	cut_everywhere(FAULT_CUT, true, 0, 0, 700, 1);
}

TEST(a_cut_at_each_byte_of_the_way_back_leaves_one_guest)
{
	cut_everywhere(FAULT_CUT, false, 0, 0, 18, 1);
}

TEST(a_cut_anywhere_in_a_page_channel_leaves_one_guest)
{
	cut_everywhere(FAULT_CUT, true, 1, 0, 2000, 61);
	cut_everywhere(FAULT_CUT, true, 2, 2000, 120000, 997);
}

TEST(a_refused_call_names_its_channel)
{
	struct road road = {
		.channels = 2,
		.method = CODEC_NONE,
		.dialect = "qemu-10.0",
		.fault = { .kind = FAULT_REFUSE, .on_write = true, .at_byte = 100000 },
		.fault_connection = 2,
	};

	road_run(&road);
	CHECK_EQ(road.send_result, -1);
	CHECK_CONTAINS(road.send_error.text, "channel 1: ");
	check_one_guest(&road);
	road_clear(&road);
}

TEST(a_channel_that_moves_one_byte_at_a_time_still_arrives)
{
	for (uint32_t connection = 0; connection < 3; connection += 2) {
		struct road road = {
			.channels = 2,
			.method = CODEC_ZSTD,
			.dialect = "qemu-9.0",
			.fault = { .kind = FAULT_SPLIT, .on_write = true },
			.fault_connection = connection,
		};

		road_run(&road);
		check_arrived(&road);
		road_clear(&road);
	}
}

TEST_MAIN(TEST_OF(every_method_channel_count_and_dialect_arrives_whole),
	  TEST_OF(a_destination_without_a_guest_accounts_for_the_device_sections),
	  TEST_OF(without_a_return_path_the_destination_closing_main_is_the_answer),
	  TEST_OF(the_bandwidth_limit_leaves_the_result_whole),
	  TEST_OF(a_destination_that_cannot_start_the_guest_gives_it_back),
	  TEST_OF(a_guest_whose_state_cannot_be_saved_runs_on),
	  TEST_OF(a_guest_that_cannot_be_resumed_is_still_here),
	  TEST_OF(a_cut_at_each_byte_of_main_leaves_one_guest),
	  TEST_OF(a_cut_at_each_byte_of_the_way_back_leaves_one_guest),
	  TEST_OF(a_cut_anywhere_in_a_page_channel_leaves_one_guest),
	  TEST_OF(a_refused_call_names_its_channel),
	  TEST_OF(a_channel_that_moves_one_byte_at_a_time_still_arrives))
