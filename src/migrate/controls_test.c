/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* controls_test.c - what an operator can ask of a migration, over the whole path. */
/* Before the header below, which uses it. */
#include "tests/check.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "migrate/road_for_tests.h"

/* More than any limit here lets through. */
#define BUSY_FOR_EVER UINT32_MAX

TEST(without_multifd_everything_travels_on_main)
{
	for (const struct dialect *d = dialects; d->name; d++) {
		struct road road = { .dialect = d->name,
				     .method = CODEC_ZSTD, /* does not apply */
				     .writes_per_harvest = 100,
				     .busy_harvests = 6 };

		road_run(&road);
		CHECK_EQ(road.send_result, 0);
		CHECK_EQ(road.receive_result, 0);
		check_equal(&road);
		CHECK(road.landed.loaded && road.landed.started);
		CHECK(road.sent.counters.normal_pages > 0);
		CHECK_EQ(road.received.main_normal_pages,
			 road.sent.counters.normal_pages);
		CHECK_EQ(road.received.main_zero_pages, road.sent.counters.zero_pages);
		CHECK_EQ(road.sent.wire_bytes, road.received.wire_bytes);
		CHECK_EQ(road.received.barriers, 0);
		road_clear(&road);
	}
}

/* ---- switchover ---- */

struct watched {
	struct road road; /* first: hooks get the one for the other */
	atomic_uint pre_switchovers;
	bool cancel;
	bool in_time;
	uint64_t pages_when_paused;
};

static void note_state(void *state, const struct sender_progress *progress)
{
	struct watched *w = state;

	if (progress->state != MIGRATION_PRE_SWITCHOVER)
		return;
	w->pages_when_paused = progress->normal_pages;
	w->pre_switchovers++;
}

static void *answer_pause(void *state)
{
	struct watched *w = state;

	while (w->pre_switchovers == 0)
		interrupt_sleep(NULL, NS_PER_MS);
	CHECK(w->road.source.paused);
	CHECK(!w->road.landed.started);
	if (w->cancel)
		w->in_time = sender_cancel(w->road.sender);
	else
		sender_continue(w->road.sender);
	return NULL;
}

TEST(the_pause_before_switchover_lasts_until_told)
{
	struct watched w = { .road = { .channels = 2,
				       .method = CODEC_ZSTD,
				       .dialect = "qemu-11.1",
				       .pause_before_switchover = true,
				       .writes_per_harvest = 50,
				       .busy_harvests = 3,
				       .progress = note_state,
				       .meanwhile = answer_pause } };

	road_run(&w.road);
	check_arrived(&w.road);
	CHECK(w.pre_switchovers > 0);
	road_clear(&w.road);
}

static void continue_too_early(void *state, const struct sender_progress *progress)
{
	struct watched *w = state;

	if (progress->state == MIGRATION_ACTIVE)
		sender_continue(w->road.sender);
	if (progress->state == MIGRATION_PRE_SWITCHOVER && ++w->pre_switchovers == 2)
		sender_continue(w->road.sender);
}

TEST(to_continue_before_the_pause_means_nothing)
{
	struct watched w = { .road = { .channels = 1,
				       .method = CODEC_NONE,
				       .dialect = "qemu-11.1",
				       .pause_before_switchover = true,
				       .progress = continue_too_early } };

	road_run(&w.road);
	check_arrived(&w.road);
	CHECK_EQ(w.pre_switchovers, 2);
	road_clear(&w.road);
}

TEST(a_cancel_in_the_pause_lets_the_guest_run_on)
{
	struct watched w = { .road = { .channels = 2,
				       .method = CODEC_NONE,
				       .dialect = "qemu-7.2",
				       .pause_before_switchover = true,
				       .progress = note_state,
				       .meanwhile = answer_pause },
			     .cancel = true };

	road_run(&w.road);
	CHECK(w.in_time);
	CHECK_EQ(w.road.sent.state, MIGRATION_CANCELLED);
	CHECK_EQ(w.road.sent.guest, GUEST_AT_SOURCE);
	CHECK(!w.road.source.paused);
	CHECK_EQ(w.road.source.resumed, 1);
	CHECK(!w.road.landed.started);
	road_clear(&w.road);
}

TEST(a_destination_that_acknowledges_is_switched_over_to)
{
	struct road road = { .channels = 3,
			     .method = CODEC_NONE,
			     .dialect = "qemu-8.1",
			     .switchover_ack = true };

	road_run(&road);
	check_arrived(&road);
	road_clear(&road);
}

TEST(a_destination_that_does_not_is_not)
{
	struct road road = { .channels = 1,
			     .method = CODEC_NONE,
			     .dialect = "qemu-8.1",
			     .switchover_ack = true,
			     .no_ack = true,
			     .patience_ms = 1000 };

	road_run(&road);
	CHECK_EQ(road.send_result, -1);
	CHECK_CONTAINS(road.send_error.text,
		       "main channel: no SWITCHOVER_ACK within 1 s");
	CHECK_EQ(road.sent.guest, GUEST_AT_SOURCE);
	CHECK_EQ(road.sent.paused_at_ns, 0);
	CHECK(!road.source.paused && !road.landed.started);
	road_clear(&road);
}

TEST(an_acknowledgement_that_cannot_come_is_refused_at_once)
{
	static const struct source_machine machine = { 0 };
	struct sender_options options = { .method = CODEC_NONE, .switchover_ack = true };
	struct gw_error err;
	struct ram ram;

	ram_init(&ram);
	options.dialect = dialect_by_name("qemu-8.1", &err);
	CHECK(!sender_new(&options, &ram, NULL, &machine, &err));
	CHECK_EQ(err.kind, GW_USAGE);
	options.return_path = true;
	options.dialect = dialect_by_name("qemu-7.2", &err);
	CHECK(!sender_new(&options, &ram, NULL, &machine, &err));
	CHECK_CONTAINS(err.text, "switchover-ack");
	CHECK_CONTAINS(err.text, "qemu-7.2");
	ram_deinit(&ram);
}

/* ---- what has to be accepted first ---- */

TEST(what_the_guest_needs_is_accepted_before_memory_moves)
{
	for (uint32_t channels = 0; channels < 3; channels++) {
		struct road road = { .channels = channels,
				     .method = CODEC_ZLIB,
				     .dialect = "qemu-9.2",
				     .early = true };

		road_run(&road);
		CHECK_EQ(road.send_result, 0);
		CHECK(road.landed.accepted && road.landed.started);
		check_equal(&road);
		road_clear(&road);
	}
}

TEST(a_host_that_lacks_it_is_refused_before_memory_moves)
{
	for (uint32_t channels = 0; channels < 3; channels++) {
		struct road road = { .channels = channels,
				     .method = CODEC_NONE,
				     .dialect = "qemu-7.2",
				     .early = true,
				     .lacks_feature = true };

		road_run(&road);
		CHECK_EQ(road.send_result, -1);
		CHECK_EQ(road.sent.guest, GUEST_AT_SOURCE);
		CHECK_EQ(road.sent.counters.normal_pages, 0);
		CHECK_EQ(road.sent.counters.zero_pages, 0);
		CHECK_EQ(road.sent.paused_at_ns, 0);
		CHECK_CONTAINS(road.receive_error.text,
			       "section \"godwit/scripted-needs\": this host has no "
			       "feature");
		CHECK_EQ(road.receive_error.kind, GW_UNSUPPORTED);
		road_clear(&road);
	}
}

TEST(a_destination_without_a_guest_passes_over_it)
{
	struct road road = { .channels = 2,
			     .method = CODEC_NONE,
			     .dialect = "qemu-10.0",
			     .early = true,
			     .inspect = true };

	road_run(&road);
	check_arrived(&road);
	CHECK(road.received.devices_known);
	road_clear(&road);
}

/* ---- limits that change, guests that do not converge ---- */

static void *raise_downtime_limit(void *state)
{
	struct road *road = state;

	interrupt_sleep(NULL, 50 * NS_PER_MS);
	sender_set_downtime_limit(road->sender, 2000000);
	return NULL;
}

TEST(a_raised_downtime_limit_ends_what_would_not_end)
{
	struct road road = { .channels = 2,
			     .method = CODEC_NONE,
			     .dialect = "qemu-11.1",
			     .writes_per_harvest = 200,
			     .busy_harvests = BUSY_FOR_EVER,
			     .meanwhile = raise_downtime_limit };

	road_run(&road);
	check_arrived(&road);
	road_clear(&road);
}

static void *raise_both(void *state)
{
	struct road *road = state;

	interrupt_sleep(NULL, 1500 * NS_PER_MS);
	/* The first round would take a minute at the old rate, and a quarter of one at this. */
	sender_set_max_bandwidth(road->sender, 256u << 10);
	sender_set_downtime_limit(road->sender, 2000000);
	return NULL;
}

TEST(new_limits_count_in_the_middle_of_a_round)
{
	struct road road = { .channels = 2,
			     .method = CODEC_NONE,
			     .dialect = "qemu-11.1",
			     .max_bandwidth = 64u << 10,
			     .block_bytes = 6u << 20,
			     .meanwhile = raise_both };

	/* Paused while almost everything is still to be sent. */
	road_run(&road);
	check_arrived(&road);
	CHECK_EQ(road.sent.rounds, 2);
	CHECK(road.sent.downtime_split.last_pages_ns > road.sent.total_ns / 2);
	road_clear(&road);
}

struct lowered {
	struct road road;
	bool lowered;
	uint32_t ticks;
	uint64_t pages_when_paused;
};

static void lower_bandwidth(void *state, const struct sender_progress *progress)
{
	struct lowered *l = state;

	if (progress->state == MIGRATION_DEVICE)
		l->pages_when_paused = progress->normal_pages;
	if (progress->state != MIGRATION_ACTIVE || progress->bytes_per_s == 0)
		return;
	if (!l->lowered)
		sender_set_max_bandwidth(l->road.sender, 64u << 10);
	l->lowered = true;
	if (++l->ticks == 5)
		sender_set_max_bandwidth(l->road.sender, 0);
}

TEST(what_was_moved_under_a_higher_limit_does_not_count)
{
	struct lowered l = { .road = { .channels = 2,
				       .method = CODEC_NONE,
				       .dialect = "qemu-11.1",
				       .block_bytes = 6u << 20,
				       .max_bandwidth = 4u << 20,
				       .downtime_limit_ms = 2000,
				       .progress = lower_bandwidth } };

	/* What is left would be sent in time at the old rate, and in a minute at the new one. */
	road_run(&l.road);
	check_arrived(&l.road);
	CHECK(l.lowered);
	CHECK_EQ(l.road.sent.counters.normal_pages, l.pages_when_paused);
	road_clear(&l.road);
}

struct verdict {
	struct road road;
	bool said_no;
	uint64_t said_ns;
	struct convergence at;
};

static void await_verdict(void *state, const struct sender_progress *progress)
{
	struct verdict *v = state;

	CHECK(progress->remaining_pages <= progress->total_pages);
	CHECK(progress->convergence.remaining_bytes <=
	      progress->total_pages * PAGE_BYTES);
	if (v->said_no || progress->convergence.verdict != CONVERGENCE_NO)
		return;
	v->said_no = true;
	v->at = progress->convergence;
	sender_set_downtime_limit(v->road.sender, 2000000);
}

TEST(a_guest_that_writes_faster_than_it_moves_is_called_so)
{
	struct verdict v = { .road = { .channels = 2,
				       .method = CODEC_NONE,
				       .dialect = "qemu-11.1",
				       .max_bandwidth = 2u << 20,
				       .writes_per_harvest = 600,
				       .busy_harvests = BUSY_FOR_EVER,
				       .downtime_limit_ms = 100,
				       .progress = await_verdict } };
	char text[200];

	road_run(&v.road);
	check_arrived(&v.road);
	CHECK(v.said_no);
	CHECK(v.at.dirty_bytes_per_s > v.at.bytes_per_s);
	CHECK(v.at.downtime_would_do_ms > 100);
	convergence_explain(&v.at, text, sizeof(text));
	CHECK_CONTAINS(text, "not converging: the guest writes ");
	road_clear(&v.road);
}

static void stop_when_throttled(void *state, const struct sender_progress *progress)
{
	struct verdict *v = state;

	if (progress->throttle_percent >= 30)
		sender_set_downtime_limit(v->road.sender, 2000000);
}

TEST(auto_converge_throttles_more_and_more_and_lets_go_at_the_end)
{
	struct verdict v = { .road = { .channels = 1,
				       .method = CODEC_NONE,
				       .dialect = "qemu-11.1",
				       .max_bandwidth = 1u << 20,
				       .writes_per_harvest = 600,
				       .busy_harvests = BUSY_FOR_EVER,
				       .downtime_limit_ms = 50,
				       .auto_converge = { .on = true,
							  .trigger_threshold_percent = 50,
							  .initial_percent = 20,
							  .increment_percent = 10,
							  .max_percent = 99 },
				       .progress = stop_when_throttled } };

	road_run(&v.road);
	check_arrived(&v.road);
	CHECK(v.road.source.throttle_percent_most >= 30);
	CHECK_EQ(v.road.sent.throttle_percent_most, v.road.source.throttle_percent_most);
	CHECK_EQ(v.road.source.throttle_percent, 0);
	road_clear(&v.road);
}

/* ---- figures ---- */

TEST(where_the_time_went_is_told)
{
	struct road road = { .channels = 2,
			     .method = CODEC_ZLIB,
			     .dialect = "qemu-11.1",
			     .block_bytes = 6u << 20,
			     .max_bandwidth = 8u << 20 };
	const struct phases *phases = &road.sent.counters.phases;
	const struct downtime_split *split = &road.sent.downtime_split;

	road_run(&road);
	check_arrived(&road);
	CHECK(phases->scan_ns > 0 && phases->zero_ns > 0 && phases->engine_ns > 0);
	CHECK(phases->send_ns > 0 && phases->wait_ns > 0);
	CHECK(phases->scan_ns + phases->zero_ns + phases->engine_ns + phases->send_ns +
		      phases->wait_ns <=
	      2 * road.sent.total_ns);
	CHECK(road.sent.sync_ns > 0);
	CHECK(split->stop_ns + split->last_sync_ns + split->last_pages_ns +
		      split->state_ns + split->resume_ns <=
	      road.sent.downtime_ns);
	CHECK(split->last_pages_ns > 0 && split->resume_ns > 0);
	CHECK(road.sent.dirty_syncs >= 3);
	road_clear(&road);
}

TEST_MAIN(TEST_OF(without_multifd_everything_travels_on_main),
	  TEST_OF(the_pause_before_switchover_lasts_until_told),
	  TEST_OF(to_continue_before_the_pause_means_nothing),
	  TEST_OF(a_cancel_in_the_pause_lets_the_guest_run_on),
	  TEST_OF(a_destination_that_acknowledges_is_switched_over_to),
	  TEST_OF(a_destination_that_does_not_is_not),
	  TEST_OF(an_acknowledgement_that_cannot_come_is_refused_at_once),
	  TEST_OF(what_the_guest_needs_is_accepted_before_memory_moves),
	  TEST_OF(a_host_that_lacks_it_is_refused_before_memory_moves),
	  TEST_OF(a_destination_without_a_guest_passes_over_it),
	  TEST_OF(a_raised_downtime_limit_ends_what_would_not_end),
	  TEST_OF(new_limits_count_in_the_middle_of_a_round),
	  TEST_OF(what_was_moved_under_a_higher_limit_does_not_count),
	  TEST_OF(a_guest_that_writes_faster_than_it_moves_is_called_so),
	  TEST_OF(auto_converge_throttles_more_and_more_and_lets_go_at_the_end),
	  TEST_OF(where_the_time_went_is_told))
