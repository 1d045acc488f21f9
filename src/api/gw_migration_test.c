/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_migration_test.c - guests that move by the public API alone. */
#include <stdatomic.h>
#include <sys/socket.h>

#include "tests/check.h"

#include "api/pair_for_tests.h"
#include "codec/device_simulated.h"

static void move(struct pair *pair)
{
	pair_make(pair);
	pair_migrate(pair);
	pair_check_arrived(pair);
	pair_free(pair);
}

TEST(a_guest_moves_over_one_channel)
{
	struct pair pair = { .seed = 1, .busy_harvests = 3 };

	move(&pair);
}

TEST(a_guest_moves_over_many_channels_by_each_method)
{
	const char *const methods[] = { "none", "zlib", "zstd", "qpl", "uadk", "qatzip" };

	for (size_t i = 0; i < 6; i++) {
		struct pair pair = {
			.seed = 2 + i,
			.channels = "3",
			.method = methods[i],
			.busy_harvests = 3,
		};

		move(&pair);
	}
}

TEST(the_reports_of_both_sides_agree)
{
	struct pair pair = { .seed = 5, .channels = "2", .busy_harvests = 2 };

	pair_make(&pair);
	pair_migrate(&pair);
	pair_check_arrived(&pair);
	CHECK_EQ(pair.sent.ram_bytes, (PAIR_PAGES + PAIR_SMALL_PAGES) * GW_PAGE_BYTES);
	CHECK(pair.sent.normal_pages + pair.sent.zero_pages >=
	      PAIR_PAGES + PAIR_SMALL_PAGES);
	CHECK_EQ(pair.sent.normal_pages, pair.received.normal_pages);
	CHECK_EQ(pair.sent.zero_pages, pair.received.zero_pages);
	CHECK(pair.sent.rounds >= 2);
	CHECK(pair.sent.downtime_ns > 0);
	CHECK(pair.sent.total_ns >= pair.sent.downtime_ns);
	CHECK(pair.sent.downtime_ns >=
	      pair.sent.stop_ns + pair.sent.last_sync_ns + pair.sent.last_pages_ns);
	CHECK(pair.received.wire_bytes > pair.received.normal_pages * GW_PAGE_BYTES);
	CHECK_EQ(pair.statuses, 1u << GW_STATUS_SETUP | 1u << GW_STATUS_ACTIVE |
					1u << GW_STATUS_COMPLETED);
	pair_free(&pair);
}

/* ---- who compresses ---- */

static void simulate(const char *device)
{
	struct simulated_device settings;
	struct gw_error err;

	CHECK_OK(simulated_device_parse(&settings, device, &err), &err);
	simulated_device_set(&settings);
}

TEST(who_compressed_is_reported)
{
	const char *const reference[][2] = { { "compression-accelerator", "reference" },
					     { NULL } };
	struct pair pair = {
		.seed = 14, .channels = "2", .method = "zlib", .set = reference
	};
	struct pair plain = { .seed = 15, .channels = "2" };

	move(&pair);
	CHECK_STR(pair.sent.engine, "zlib");
	CHECK_STR(pair.received.engine, "zlib");
	CHECK(pair.sent.engine_units > 0);
	CHECK_EQ(pair.received.engine_units, pair.sent.engine_units);
	CHECK_EQ(pair.sent.device_units + pair.sent.fallback_units, 0);
	move(&plain);
	CHECK(!plain.sent.engine && !plain.received.engine);
	CHECK_EQ(plain.sent.engine_units + plain.received.engine_units, 0);
}

TEST(what_a_device_does_is_reported)
{
	const char *const simulated[][2] = { { "compression-accelerator", "simulated" },
					     { "compression-accelerator-jobs", "4" },
					     { NULL } };
	const char *const methods[] = { "qpl", "uadk", "qatzip" };

	for (size_t i = 0; i < 3; i++) {
		struct pair pair = {
			.seed = 16 + i,
			.channels = "2",
			.method = methods[i],
			.set = simulated,
			.busy_harvests = 2,
		};

		simulate("");
		move(&pair);
		CHECK_STR(pair.sent.engine, "simulated");
		CHECK_STR(pair.received.engine, "simulated");
		CHECK(pair.sent.device_units > 0 && pair.received.device_units > 0);
		CHECK_EQ(pair.sent.fallback_units, 0);
		CHECK_EQ(pair.received.fallback_units, 0);
	}
}

static void check_refused(const char *method, const char *expected)
{
	struct pair pair = { .seed = 19, .channels = "2", .method = method };
	struct gw_error err;

	simulate("absent");
	pair_make(&pair);
	/* To set it is fine: it is a wish. */
	pair_set(&pair, "compression-accelerator", "simulated");
	CHECK(!gw_destination_listen(pair.destination, pair.uri, &err));
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, "accelerator simulated: ");
	CHECK_OK(gw_destination_set(pair.destination, "compression-accelerator", "auto",
				    &err),
		 &err);
	CHECK(gw_destination_listen(pair.destination, pair.uri, &err));
	CHECK_EQ(gw_source_run(pair.source, pair.uri, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, expected);
	CHECK_EQ(gw_source_report(pair.source)->guest, GW_GUEST_AT_SOURCE);
	CHECK_EQ(pair.pauses, 0);
	pair_free(&pair);
	simulate("");
}

TEST(a_device_that_is_not_there_is_refused_by_name)
{
	check_refused("qpl", "format qpl, accelerator simulated: ");
	/* Also where nobody would ask it. */
	check_refused("none", "accelerator simulated: ");
}

/* ---- how a guest moves ---- */

TEST(callbacks_that_may_be_missing_may_be_missing)
{
	struct pair pair = { .seed = 6, .channels = "1", .bare = true };

	move(&pair);
}

TEST(memory_that_was_used_before_is_written_all_over)
{
	struct pair pair = { .seed = 7, .channels = "2", .used_memory = true };
	struct pair alone = { .seed = 8, .used_memory = true };

	move(&pair);
	move(&alone);
}

/* ---- more than one ---- */

static void *move_one(void *state)
{
	pair_migrate(state);
	return NULL;
}

TEST(migrations_in_one_process_do_not_know_each_other)
{
	struct pair pairs[] = {
		{ .seed = 10, .channels = "3", .method = "zstd", .busy_harvests = 5 },
		{ .seed = 11, .busy_harvests = 9 },
		{ .seed = 12, .channels = "2", .refuse_start = true },
	};
	pthread_t threads[3];

	for (size_t i = 0; i < 3; i++)
		pair_make(&pairs[i]);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, move_one, &pairs[i]), 0);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	pair_check_arrived(&pairs[0]);
	pair_check_arrived(&pairs[1]);
	pair_check_stayed(&pairs[2]);
	for (size_t i = 0; i < 3; i++)
		pair_free(&pairs[i]);
}

/* ---- the kernel as tracker ---- */

static struct {
	atomic_bool running;
	uint64_t *memory;
	pthread_t thread;
} writer;

/* A guest writes while it is read, which its tracker makes good. */
__attribute__((noinline, no_sanitize("thread"))) static void *write_on(void *state)
{
	(void)state;
	for (uint64_t i = 1; atomic_load(&writer.running); i++)
		writer.memory[i * 641 % (PAIR_PAGES * GW_PAGE_BYTES / 8)] = i;
	return NULL;
}

static void start_writer(struct pair *pair)
{
	writer.memory = (uint64_t *)(void *)pair->here[0];
	atomic_store(&writer.running, true);
	CHECK_EQ(pthread_create(&writer.thread, NULL, write_on, NULL), 0);
}

static int stop_writer(void *user, struct gw_error *err)
{
	atomic_store(&writer.running, false);
	pthread_join(writer.thread, NULL);
	return pair_pause(user, err);
}

TEST(an_own_tracker_sees_what_threads_write)
{
	struct pair pair = { .seed = 20, .channels = "2", .own_tracker = true };
	const struct gw_source_ops ops = {
		.struct_size = sizeof(ops),
		.pause = stop_writer,
		.save = pair_save,
		.resume = pair_resume,
	};
	struct gw_error err;

	pair_make(&pair);
	CHECK(strncmp(gw_dirty_name(pair.dirty), "wp-", 3) == 0);
	gw_source_free(pair.source);
	pair.source = gw_source_new(pair.source_ram, pair.dirty, &ops, &pair, NULL, &err);
	CHECK(pair.source);
	CHECK_OK(gw_source_set(pair.source, "max-bandwidth", "0", &err), &err);
	CHECK_OK(gw_source_set(pair.source, "downtime-limit", "2000000", &err), &err);
	CHECK_OK(gw_source_set(pair.source, "multifd", "on", &err), &err);
	pair.before = start_writer;
	pair_migrate(&pair);
	pair_check_arrived(&pair);
	pair_free(&pair);
}

/* ---- what is set while it runs ---- */

/* Slow enough that only a new limit lets it end. */
static const char *const crawl[][2] = { { "max-bandwidth", "65536" }, { 0 } };

static void lift_limit(struct pair *pair, const struct gw_progress *progress)
{
	char value[GW_VALUE_BYTES_MAX];
	struct gw_error err;

	if (progress->status != GW_STATUS_ACTIVE)
		return;
	CHECK_OK(gw_source_set(pair->source, "max-bandwidth", "0", &err), &err);
	CHECK_OK(gw_source_get(pair->source, "max-bandwidth", value, sizeof(value), &err),
		 &err);
	CHECK_STR(value, "0");
	CHECK_EQ(gw_source_set(pair->source, "multifd-channels", "4", &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "Parameter 'multifd-channels': too late, the migration has begun");
}

TEST(a_limit_that_is_lifted_meanwhile_is_gone)
{
	struct pair pair = {
		.seed = 30,
		.channels = "2",
		.set = crawl,
		.progress = lift_limit,
	};

	move(&pair);
}

static const char *const pausing[][2] = { { "pause-before-switchover", "on" }, { 0 } };

static void go_on(struct pair *pair, const struct gw_progress *progress)
{
	if (progress->status == GW_STATUS_PRE_SWITCHOVER)
		gw_source_continue(pair->source);
	if (progress->status == GW_STATUS_PRE_SWITCHOVER)
		CHECK_EQ(pair->pauses, 1);
}

TEST(the_switchover_waits_to_be_told)
{
	struct pair pair = {
		.seed = 31,
		.channels = "2",
		.set = pausing,
		.progress = go_on,
	};

	move(&pair);
}

static const char *const asking[][2] = { { "switchover-ack", "on" }, { 0 } };

TEST(the_switchover_waits_for_the_destinations_word)
{
	struct pair pair = { .seed = 32, .channels = "2", .set = asking };

	move(&pair);
}

/* ---- cancelled ---- */

static void cancel_source(struct pair *pair, const struct gw_progress *progress)
{
	if (progress->status == GW_STATUS_ACTIVE)
		CHECK(gw_source_cancel(pair->source));
}

TEST(a_source_that_is_cancelled_keeps_its_guest)
{
	struct pair pair = {
		.seed = 40,
		.channels = "2",
		.set = crawl,
		.progress = cancel_source,
	};

	pair_make(&pair);
	pair_migrate(&pair);
	pair_check_stayed(&pair);
	CHECK_EQ(pair.send_error.kind, GW_CANCELLED);
	CHECK_EQ(pair.sent.status, GW_STATUS_CANCELLED);
	CHECK_EQ(pair.sent.downtime_ns, 0);
	pair_free(&pair);
}

static void cancel_early(struct pair *pair)
{
	CHECK(gw_source_cancel(pair->source));
}

TEST(a_cancel_before_the_run_is_not_forgotten)
{
	struct pair pair = { .seed = 41, .channels = "2", .before = cancel_early };

	pair_make(&pair);
	pair_migrate(&pair);
	pair_check_stayed(&pair);
	CHECK_EQ(pair.send_error.kind, GW_CANCELLED);
	CHECK_EQ(pair.receive_error.kind, GW_CANCELLED);
	CHECK_EQ(pair.received.status, GW_STATUS_CANCELLED);
	CHECK_EQ(pair.pauses, 0);
	pair_free(&pair);
}

TEST(a_cancel_after_the_move_is_too_late)
{
	struct pair pair = { .seed = 42, .channels = "2" };

	pair_make(&pair);
	pair_migrate(&pair);
	pair_check_arrived(&pair);
	CHECK(!gw_source_cancel(pair.source));
	gw_destination_cancel(pair.destination);
	pair_free(&pair);
}

static void cancel_destination(struct pair *pair, const struct gw_progress *progress)
{
	if (progress->status == GW_STATUS_ACTIVE)
		gw_destination_cancel(pair->destination);
}

TEST(a_destination_that_is_cancelled_leaves_the_guest_where_it_is)
{
	struct pair pair = {
		.seed = 43,
		.channels = "2",
		.set = crawl,
		.progress = cancel_destination,
	};

	pair_make(&pair);
	pair_migrate(&pair);
	pair_check_stayed(&pair);
	CHECK_EQ(pair.send_error.kind, GW_PEER);
	CHECK_EQ(pair.receive_error.kind, GW_CANCELLED);
	pair_free(&pair);
}

static struct {
	struct pair *pair;
	uint64_t naps;
	pthread_t thread;
	atomic_bool in_time;
} canceller;

static void *cancel_some_time(void *state)
{
	struct gw_error err;

	(void)state;
	for (uint64_t i = 0; i < canceller.naps; i++)
		usleep(100);
	gw_source_set(canceller.pair->source, "downtime-limit", "1", &err);
	atomic_store(&canceller.in_time, gw_source_cancel(canceller.pair->source));
	return NULL;
}

static void start_canceller(struct pair *pair)
{
	canceller.pair = pair;
	CHECK_EQ(pthread_create(&canceller.thread, NULL, cancel_some_time, NULL), 0);
}

TEST(a_cancel_at_any_moment_leaves_one_guest)
{
	uint64_t seed = 44;

	for (uint64_t i = 0; i < 30; i++) {
		struct pair pair = {
			.seed = 100 + i,
			.channels = "2",
			.busy_harvests = 3,
			.before = start_canceller,
		};

		canceller.naps = check_random(&seed) % 100;
		pair_make(&pair);
		pair_migrate(&pair);
		pthread_join(canceller.thread, NULL);
		if (atomic_load(&canceller.in_time)) {
			pair_check_stayed(&pair);
			CHECK_EQ(pair.send_error.kind, GW_CANCELLED);
		} else {
			pair_check_arrived(&pair);
		}
		pair_free(&pair);
	}
}

/* ---- callbacks that refuse ---- */

static void check_refusal(struct pair *pair, const char *source_says,
			  const char *destination_says)
{
	pair->channels = "2";
	pair_make(pair);
	pair_migrate(pair);
	pair_check_stayed(pair);
	CHECK_EQ(pair->sent.status, GW_STATUS_FAILED);
	CHECK_CONTAINS(pair->send_error.text, source_says);
	CHECK_CONTAINS(pair->receive_error.text, destination_says);
	pair_free(pair);
}

TEST(a_state_that_is_refused_leaves_the_guest_at_the_source)
{
	struct pair pair = { .seed = 50, .refuse_state = true };
	struct pair wordless = { .seed = 50, .refuse_state = true, .wordless = true };

	check_refusal(&pair, "the destination reported a failure",
		      "section \"godwit/state/counter\": a counter like that cannot be");
	CHECK_EQ(pair.resumes, 1);
	check_refusal(&wordless, "the destination reported a failure",
		      "section \"godwit/state/counter\": the callback gave no reason");
}

TEST(a_guest_that_cannot_be_started_runs_on_at_the_source)
{
	struct pair pair = { .seed = 51, .refuse_start = true };

	check_refusal(&pair, "the destination reported a failure", "no thread left");
	CHECK_EQ(pair.resumes, 1);
	CHECK_EQ(pair.counter_there, pair.counter);
}

TEST(a_guest_that_cannot_be_paused_runs_on)
{
	struct pair pair = { .seed = 52, .refuse_pause = true };

	check_refusal(&pair, "pause: it will not stop", "main channel");
}

TEST(a_state_that_is_too_large_is_refused_at_the_source)
{
	struct pair pair = { .seed = 53, .too_much_state = true };

	check_refusal(
		&pair,
		"state \"rest\": 67108864 bytes after 8 in other sections, 67108864 "
		"are allowed in sum",
		"main channel");
	CHECK_EQ(pair.send_error.kind, GW_USAGE);
	CHECK_EQ(pair.resumes, 1);
}

TEST(a_tracker_that_writes_too_far_is_found_out)
{
	struct pair pair = { .seed = 54, .bits_past_end = true };

	check_refusal(&pair,
		      "block \"firmware\": the tracker set bits past its last page, 4",
		      "main channel");
}

/* ---- state ahead of memory ---- */

TEST(early_state_arrives_ahead_of_memory)
{
	struct pair pair = { .seed = 60, .channels = "2", .early = true };

	pair_make(&pair);
	pair_migrate(&pair);
	pair_check_arrived(&pair);
	CHECK(pair.early_there);
	CHECK(!pair.memory_came_first);
	pair_free(&pair);
}

TEST(early_state_that_is_refused_costs_no_pause)
{
	struct pair pair = { .seed = 61, .early = true, .refuse_early = true };

	check_refusal(&pair, "the destination reported a failure",
		      "this host lacks a feature");
	CHECK_EQ(pair.pauses, 0);
	CHECK(!pair.memory_came_first);
}

/* ---- descriptors ---- */

TEST(a_connection_of_ones_own_will_do)
{
	struct pair pair = { .seed = 70 };
	struct gw_error err;
	int ends[2];
	char near[16], far[16];
	pthread_t receiver;

	pair_make(&pair);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	snprintf(near, sizeof(near), "fd:%d", ends[0]);
	snprintf(far, sizeof(far), "fd:%d", ends[1]);
	CHECK(gw_destination_listen(pair.destination, far, &err));
	CHECK_EQ(pthread_create(&receiver, NULL, pair_receive, &pair), 0);
	pair.send_result = gw_source_run(pair.source, near, &pair.send_error);
	pthread_join(receiver, NULL);
	pair.sent = *gw_source_report(pair.source);
	pair.received = *gw_destination_report(pair.destination);
	pair_check_arrived(&pair);
	pair_free(&pair);
}

TEST(one_connection_does_not_carry_many_channels)
{
	struct pair pair = { .seed = 71, .channels = "2" };
	struct gw_error err;
	char uri[16];
	int ends[2];

	pair_make(&pair);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	snprintf(uri, sizeof(uri), "fd:%d", ends[0]);
	CHECK(!gw_destination_listen(pair.destination, uri, &err));
	CHECK_STR(err.text, "Migration requires multi-channel URIs (e.g. tcp)");
	CHECK_EQ(gw_source_run(pair.source, uri, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, "Migration requires multi-channel URIs (e.g. tcp)");
	close(ends[0]);
	close(ends[1]);
	pair_free(&pair);
}

TEST(a_connection_that_is_not_needed_is_closed_all_the_same)
{
	struct pair pair = { .seed = 73 };
	struct gw_error err;
	char uri[16], byte;
	int ends[2];

	pair_make(&pair);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	snprintf(uri, sizeof(uri), "fd:%d", ends[0]);
	CHECK(gw_source_cancel(pair.source));
	CHECK_EQ(gw_source_run(pair.source, uri, &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	/* Its end, rather than nothing yet. */
	CHECK_EQ(recv(ends[1], &byte, 1, MSG_DONTWAIT), 0);
	close(ends[1]);
	pair_free(&pair);
}

TEST(a_listener_of_ones_own_will_do)
{
	struct pair pair = { .seed = 72, .channels = "2" };
	struct gw_error err;
	pthread_t receiver;
	char near[64], far[16];
	const char *uri;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	pair_make(&pair);
	CHECK(fd >= 0 && listen(fd, 8) == 0);
	snprintf(far, sizeof(far), "fd:%d", fd);
	uri = gw_destination_listen(pair.destination, far, &err);
	CHECK(uri);
	CHECK(strncmp(uri, "tcp::", 5) == 0);
	snprintf(near, sizeof(near), "tcp:127.0.0.1:%s", uri + 5);
	CHECK_EQ(pthread_create(&receiver, NULL, pair_receive, &pair), 0);
	pair.send_result = gw_source_run(pair.source, near, &pair.send_error);
	pthread_join(receiver, NULL);
	pair.sent = *gw_source_report(pair.source);
	pair.received = *gw_destination_report(pair.destination);
	pair_check_arrived(&pair);
	pair_free(&pair);
}

TEST_MAIN(TEST_OF(a_guest_moves_over_one_channel),
	  TEST_OF(a_guest_moves_over_many_channels_by_each_method),
	  TEST_OF(the_reports_of_both_sides_agree), TEST_OF(who_compressed_is_reported),
	  TEST_OF(what_a_device_does_is_reported),
	  TEST_OF(a_device_that_is_not_there_is_refused_by_name),
	  TEST_OF(callbacks_that_may_be_missing_may_be_missing),
	  TEST_OF(memory_that_was_used_before_is_written_all_over),
	  TEST_OF(migrations_in_one_process_do_not_know_each_other),
	  TEST_OF(an_own_tracker_sees_what_threads_write),
	  TEST_OF(a_limit_that_is_lifted_meanwhile_is_gone),
	  TEST_OF(the_switchover_waits_to_be_told),
	  TEST_OF(the_switchover_waits_for_the_destinations_word),
	  TEST_OF(a_source_that_is_cancelled_keeps_its_guest),
	  TEST_OF(a_cancel_before_the_run_is_not_forgotten),
	  TEST_OF(a_cancel_after_the_move_is_too_late),
	  TEST_OF(a_destination_that_is_cancelled_leaves_the_guest_where_it_is),
	  TEST_OF(a_cancel_at_any_moment_leaves_one_guest),
	  TEST_OF(a_state_that_is_refused_leaves_the_guest_at_the_source),
	  TEST_OF(a_guest_that_cannot_be_started_runs_on_at_the_source),
	  TEST_OF(a_guest_that_cannot_be_paused_runs_on),
	  TEST_OF(a_state_that_is_too_large_is_refused_at_the_source),
	  TEST_OF(a_tracker_that_writes_too_far_is_found_out),
	  TEST_OF(early_state_arrives_ahead_of_memory),
	  TEST_OF(early_state_that_is_refused_costs_no_pause),
	  TEST_OF(a_connection_of_ones_own_will_do),
	  TEST_OF(one_connection_does_not_carry_many_channels),
	  TEST_OF(a_connection_that_is_not_needed_is_closed_all_the_same),
	  TEST_OF(a_listener_of_ones_own_will_do))
