/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cancel_test.c - a migration that somebody stops, or changes, while it runs, and what many of
 * them leave behind. */
#include <dirent.h>
#include <stdatomic.h>

/* Before the header below, which uses it. */
#include "tests/check.h"

#include "base/clock.h"
#include "migrate/road_for_tests.h"

#define SMALL_GUEST_BYTES (UINT64_C(48) * PAGE_BYTES)

/* ---- cancel ---- */

struct cancelled {
	struct road road; /* first: hooks get the one for the other */
	uint64_t after_ns;
	enum guest_moment moment;
	bool in_time; /* what sender_cancel() said */
};

/* Either it was in time and nothing has happened, or it was too late and everything has. */
static void check_outcome(const struct cancelled *c)
{
	const struct road *road = &c->road;

	if (!c->in_time) {
		check_arrived(road);
		CHECK(road->landed.started);
		return;
	}
	CHECK_EQ(road->send_result, -1);
	CHECK_EQ(road->send_error.kind, GW_CANCELLED);
	CHECK_CONTAINS(road->send_error.text, "cancelled");
	CHECK_EQ(road->sent.state, MIGRATION_CANCELLED);
	CHECK_EQ(road->sent.guest, GUEST_AT_SOURCE);
	CHECK(!road->source.paused);
	CHECK_EQ(road->source.resumed, road->sent.paused_at_ns != 0);
	CHECK_EQ(road->receive_result, -1);
	CHECK(!road->landed.started);
}

static void *cancel_later(void *state)
{
	struct cancelled *c = state;

	interrupt_sleep(NULL, c->after_ns);
	c->in_time = sender_cancel(c->road.sender);
	return NULL;
}

/* A fast migration takes a few ms, a slow one some tens. */
static void cancel_many(uint64_t seed, uint64_t max_bandwidth, uint64_t most_ns)
{
	unsigned in_time = 0;

	printf("seed %" PRIu64 "\n", seed);
	for (unsigned i = 0; i < 100; i++) {
		struct cancelled c = {
			.road = { .block_bytes = SMALL_GUEST_BYTES,
				  .channels = 1 + i % 3,
				  .method = (enum codec_id)(i % CODEC_COUNT),
				  .dialect = i % 2 ? "qemu-8.2" : "qemu-10.0",
				  .no_return_path = i % 5 == 0,
				  .max_bandwidth = max_bandwidth,
				  .writes_per_harvest = 10,
				  .busy_harvests = 2,
				  .meanwhile = cancel_later },
			.after_ns = 1 + check_random(&seed) % most_ns,
		};

		road_run(&c.road);
		check_outcome(&c);
		in_time += c.in_time;
		road_clear(&c.road);
	}
	printf("%u of 100 in time\n", in_time);
}

TEST(a_cancel_at_any_moment_is_in_time_or_too_late)
{
	cancel_many(1, 0, 8 * NS_PER_MS);
}

TEST(a_cancel_at_any_moment_of_a_slow_migration_is_in_time_or_too_late)
{
	cancel_many(2, 6000000, 40 * NS_PER_MS);
}

static void cancel_then(void *watcher, enum guest_moment moment)
{
	struct cancelled *c = watcher;

	if (moment == c->moment)
		c->in_time = sender_cancel(c->road.sender);
}

TEST(a_cancel_is_in_time_until_the_closing_bytes)
{
	static const enum guest_moment moments[] = { GUEST_PAUSES, GUEST_SAVES,
						     GUEST_STARTS };

	for (unsigned i = 0; i < 6; i++) {
		struct cancelled c = {
			.road = { .block_bytes = SMALL_GUEST_BYTES,
				  .channels = 2,
				  .dialect = "qemu-9.2",
				  .no_return_path = i % 2,
				  .watch = cancel_then },
			.moment = moments[i / 2],
		};

		road_run(&c.road);
		CHECK_EQ(c.in_time, c.moment != GUEST_STARTS);
		check_outcome(&c);
		if (c.in_time)
			CHECK_EQ(c.road.source.resumed, 1);
		road_clear(&c.road);
	}
}

TEST(a_migration_cancelled_before_it_runs_does_nothing)
{
	const struct sender_options options = {
		.dialect = dialect_newest(),
		.machine = "none",
		.channel_count = 1,
	};
	const struct source_machine machine = { 0 };
	struct dirty_tracker *tracker;
	struct sender_report report;
	struct sender *sender;
	struct gw_error err;
	struct ram ram;

	ram_init(&ram);
	CHECK_OK(ram_allocate(&ram, "pc.ram", PAGE_BYTES, &err), &err);
	tracker = dirty_new(&scripted_tracker, NULL, &err);
	CHECK(tracker);
	sender = sender_new(&options, &ram, tracker, &machine, &err);
	CHECK(sender);
	CHECK(sender_cancel(sender));
	CHECK(sender_cancel(sender));
	/* It does not even connect: there is nobody to do it. */
	CHECK_EQ(sender_run(sender, &report, &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	CHECK_EQ(report.state, MIGRATION_CANCELLED);
	CHECK_EQ(report.guest, GUEST_AT_SOURCE);
	sender_free(sender);
	dirty_free(tracker);
	ram_deinit(&ram);
}

/* ---- bandwidth ---- */

struct paced {
	struct road road; /* first */
	uint64_t new_bandwidth;
	uint64_t after_bytes;	   /* on the wire */
	uint64_t changed_at_bytes; /* 0: not yet */
	atomic_bool changed;
};

/* The migration thread itself, about ten times a second. */
static void change_bandwidth(void *state, const struct sender_progress *progress)
{
	struct paced *paced = state;

	if (progress->state != MIGRATION_ACTIVE || paced->changed_at_bytes > 0 ||
	    progress->wire_bytes < paced->after_bytes)
		return;
	paced->changed_at_bytes = progress->wire_bytes;
	sender_set_max_bandwidth(paced->road.sender, paced->new_bandwidth);
	atomic_store(&paced->changed, true);
}

TEST(a_limit_that_is_lifted_holds_no_longer)
{
	struct paced paced = {
		.road = { .channels = 2,
			  .dialect = "qemu-10.0",
			  .max_bandwidth = 50000, /* a minute */
			  .progress = change_bandwidth },
		.after_bytes = 5000,
	};

	road_run(&paced.road);
	check_arrived(&paced.road);
	CHECK(paced.changed_at_bytes > 0);
	CHECK(paced.changed_at_bytes < paced.road.sent.wire_bytes / 4);
	CHECK(paced.road.sent.total_ns < 25 * NS_PER_S);
	road_clear(&paced.road);
}

static void *cancel_when_changed(void *state)
{
	struct paced *paced = state;

	while (!atomic_load(&paced->changed))
		interrupt_sleep(NULL, NS_PER_MS);
	interrupt_sleep(NULL, 200 * NS_PER_MS);
	sender_cancel(paced->road.sender);
	return NULL;
}

/* At 100000 bytes a second the rest would take a minute. */
TEST(a_limit_that_is_set_holds_from_then_on)
{
	struct paced paced = {
		.road = { .block_bytes = UINT64_C(8) << 20,
			  .channels = 2,
			  .dialect = "qemu-10.0",
			  .progress = change_bandwidth,
			  .meanwhile = cancel_when_changed },
		.new_bandwidth = 100000,
	};

	road_run(&paced.road);
	CHECK_EQ(paced.road.send_result, -1);
	CHECK_EQ(paced.road.send_error.kind, GW_CANCELLED);
	CHECK(paced.road.sent.wire_bytes < UINT64_C(4) << 20);
	road_clear(&paced.road);
}

/* ---- what is left behind ---- */

static unsigned entries(const char *path)
{
	DIR *directory = opendir(path);
	unsigned count = 0;

	CHECK(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* A joined thread may be seen for a moment longer. */
static void await_threads(unsigned expected)
{
	for (unsigned i = 0; entries("/proc/self/task") > expected; i++) {
		if (i == 5000)
			CHECK_FAIL("%u threads, expected %u", entries("/proc/self/task"),
				   expected);
		interrupt_sleep(NULL, NS_PER_MS);
	}
}

static unsigned mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned count = 0;
	int c;

	CHECK(maps);
	while ((c = fgetc(maps)) != EOF)
		count += c == '\n';
	fclose(maps);
	return count;
}

static void one_of_many(unsigned i)
{
	/* What each connection sends in any case, be the pages ever so few. */
	static const uint64_t cuts[] = { 3, 70, 120, 200, 250 };
	struct cancelled c = {
		.road = { .block_bytes = SMALL_GUEST_BYTES,
			  .channels = 2,
			  .method = (enum codec_id)(i % CODEC_COUNT),
			  .dialect = i % 3 ? "qemu-7.2" : "qemu-11.1" },
	};

	switch (i % 6) {
	case 1:
		c.road.fault = (struct fault_plan){ .kind = FAULT_CUT,
						    .on_write = true,
						    .at_byte = cuts[i / 6 % 5] };
		c.road.fault_connection = i / 30 % 3;
		break;
	case 3:
		c.road.fail_start = true;
		break;
	case 5:
		c.road.watch = cancel_then;
		c.moment = GUEST_SAVES;
		break;
	default:
		break;
	}
	road_run(&c.road);
	check_one_guest(&c.road);
	if (i % 2 == 0)
		check_arrived(&c.road);
	else
		CHECK_EQ(c.road.send_result, -1);
	road_clear(&c.road);
}

TEST(three_hundred_migrations_leave_nothing_behind)
{
	unsigned threads = entries("/proc/self/task"), descriptors, maps;

	/* What is made once: stacks that are kept, tables, the first of each engine. */
	for (unsigned i = 0; i < 30; i++)
		one_of_many(i);
	descriptors = entries("/proc/self/fd");
	await_threads(threads);
	maps = mappings();
	for (unsigned i = 0; i < 300; i++)
		one_of_many(i);
	await_threads(threads);
	CHECK_EQ(entries("/proc/self/fd"), descriptors);
	/* Allocators and sanitizers have some of their own. */
	if (mappings() > maps + 60)
		CHECK_FAIL("%u mappings, before %u", mappings(), maps);
}

TEST_MAIN(TEST_OF(a_cancel_at_any_moment_is_in_time_or_too_late),
	  TEST_OF(a_cancel_at_any_moment_of_a_slow_migration_is_in_time_or_too_late),
	  TEST_OF(a_cancel_is_in_time_until_the_closing_bytes),
	  TEST_OF(a_migration_cancelled_before_it_runs_does_nothing),
	  TEST_OF(a_limit_that_is_lifted_holds_no_longer),
	  TEST_OF(a_limit_that_is_set_holds_from_then_on),
	  TEST_OF(three_hundred_migrations_leave_nothing_behind))
