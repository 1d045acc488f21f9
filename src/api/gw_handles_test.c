/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_handles_test.c - what the public calls refuse before anything moves. */
#include <errno.h>
#include <stdatomic.h>

#include "tests/check.h"

#include "api/pair_for_tests.h"

static struct gw_error err;

#define CHECK_REFUSED(kind_, text_)         \
	do {                                \
		CHECK_EQ(err.kind, kind_);  \
		CHECK_STR(err.text, text_); \
	} while (0)

TEST(the_version_is_told)
{
	int major, minor, patch;

	CHECK_EQ(sscanf(gw_version(), "%d.%d.%d", &major, &minor, &patch), 3);
}

TEST(statuses_have_qemus_names)
{
	CHECK_STR(gw_status_name(GW_STATUS_NONE), "none");
	CHECK_STR(gw_status_name(GW_STATUS_PRE_SWITCHOVER), "pre-switchover");
	CHECK_STR(gw_status_name(GW_STATUS_CANCELLED), "cancelled");
	CHECK(!gw_status_name((enum gw_status)99));
}

TEST(a_callback_can_say_why_it_fails)
{
	CHECK_EQ(gw_fail(&err, GW_UNSUPPORTED, "%d of %s", 3, "them"), -1);
	CHECK_REFUSED(GW_UNSUPPORTED, "3 of them");
	CHECK_EQ(err.sys, 0);
}

/* ---- memory ---- */

TEST(blocks_are_checked)
{
	static uint8_t memory[4 * GW_PAGE_BYTES] __attribute__((aligned(GW_PAGE_BYTES)));
	struct gw_ram *ram = gw_ram_new(&err);

	CHECK(ram);
	CHECK_EQ(gw_ram_add(ram, "a", memory + 1, GW_PAGE_BYTES, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_EQ(gw_ram_add(ram, "a", memory, GW_PAGE_BYTES - 1, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_EQ(gw_ram_add(ram, "a", memory, 0, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_EQ(gw_ram_add(ram, "", memory, GW_PAGE_BYTES, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_OK(gw_ram_add(ram, "a", memory, sizeof(memory), &err), &err);
	CHECK_EQ(gw_ram_add(ram, "b", memory, GW_PAGE_BYTES, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	gw_ram_free(ram);
}

TEST(a_list_in_use_stays_as_it_is)
{
	static uint8_t page[GW_PAGE_BYTES] __attribute__((aligned(GW_PAGE_BYTES)));
	struct pair pair = { .seed = 1 };

	pair_make(&pair);
	CHECK_EQ(gw_ram_add(pair.source_ram, "more", page, sizeof(page), &err), -1);
	CHECK_REFUSED(GW_USAGE,
		      "ram block \"more\": the list is in use and can no longer "
		      "change");
	CHECK_EQ(gw_ram_add(pair.destination_ram, "more", page, sizeof(page), &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	pair_free(&pair);
}

TEST(null_is_freed_as_well)
{
	gw_ram_free(NULL);
	gw_dirty_free(NULL);
	gw_source_free(NULL);
	gw_destination_free(NULL);
}

/* ---- trackers ---- */

static uint32_t freed;

static void count_free(void *user)
{
	(void)user;
	freed++;
}

TEST(a_tracker_needs_all_its_calls_and_is_taken_over_anyway)
{
	struct gw_dirty_ops ops = {
		.struct_size = sizeof(ops),
		.name = "half",
		.start = pair_tracker_start,
		.harvest = pair_harvest,
		.free = count_free,
	};

	freed = 0;
	CHECK(!gw_dirty_new(&ops, NULL, &err));
	CHECK_REFUSED(GW_USAGE,
		      "struct gw_dirty_ops: name, start, harvest and stop are required");
	CHECK_EQ(freed, 1);
	CHECK(!gw_dirty_new(NULL, NULL, &err));
	CHECK_EQ(err.kind, GW_USAGE);
}

TEST(an_own_tracker_needs_memory_and_a_way)
{
	static uint8_t page[GW_PAGE_BYTES] __attribute__((aligned(GW_PAGE_BYTES)));
	struct gw_ram *ram = gw_ram_new(&err);

	CHECK(ram);
	CHECK(!gw_dirty_own(ram, "auto", &err));
	CHECK_REFUSED(GW_USAGE, "guest memory: no block was added");
	CHECK_OK(gw_ram_add(ram, "ram", page, sizeof(page), &err), &err);
	CHECK(!gw_dirty_own(ram, "magic", &err));
	CHECK_REFUSED(GW_USAGE,
		      "dirty tracking \"magic\": not one of auto, wp-async, wp-sync");
	gw_ram_free(ram);
}

/* ---- sources ---- */

static const struct gw_source_ops source_ops = {
	.struct_size = sizeof(source_ops),
	.pause = pair_pause,
	.save = pair_save,
	.resume = pair_resume,
};

static void check_no_source(const struct pair *pair, const struct gw_source_ops *ops,
			    const struct gw_source_options *options,
			    enum gw_error_kind kind, const char *text)
{
	CHECK(!gw_source_new(pair->source_ram, pair->dirty, ops, NULL, options, &err));
	CHECK_EQ(err.kind, kind);
	CHECK_CONTAINS(err.text, text);
}

TEST(a_source_needs_its_parts)
{
	struct pair pair = { .seed = 2 };
	struct gw_source_ops ops = source_ops;
	struct gw_source_options options = { .struct_size = sizeof(options) };
	struct gw_ram *empty = gw_ram_new(&err);
	char long_name[300];

	pair_make(&pair);
	ops.save = NULL;
	check_no_source(&pair, &ops, NULL, GW_USAGE,
			"struct gw_source_ops: pause, save and resume are required");
	ops.struct_size = 0;
	check_no_source(&pair, &ops, NULL, GW_USAGE, "struct gw_source_ops: struct_size");
	options.dialect = "xen-4";
	check_no_source(&pair, &source_ops, &options, GW_USAGE, "xen-4");
	options.dialect = NULL;
	options.machine = memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	check_no_source(&pair, &source_ops, &options, GW_USAGE,
			"a name is 1 to 255 bytes long");
	options.machine = "";
	check_no_source(&pair, &source_ops, &options, GW_USAGE, "machine \"\"");
	options.machine = NULL;
	options.patience_ms = UINT32_MAX;
	check_no_source(&pair, &source_ops, &options, GW_USAGE,
			"patience of 4294967295 ms, at most 2147483647 are allowed");
	CHECK(empty);
	CHECK(!gw_source_new(empty, pair.dirty, &source_ops, NULL, NULL, &err));
	CHECK_REFUSED(GW_USAGE, "guest memory: no block was added");
	gw_ram_free(empty);
	pair_free(&pair);
}

TEST(a_tracker_for_other_memory_will_not_do)
{
	struct pair pair = { .seed = 3, .own_tracker = true };

	pair_make(&pair);
	CHECK(!gw_source_new(pair.destination_ram, pair.dirty, &source_ops, NULL, NULL,
			     &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, "watches other memory");
	pair_free(&pair);
}

TEST(where_nothing_can_go_is_refused)
{
	const char *const uris[] = { "", "file:/tmp/x", "tcp:nowhere", "exec:cat" };

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		struct pair pair = { .seed = 4 };

		pair_make(&pair);
		CHECK_EQ(gw_source_run(pair.source, uris[i], &err), -1);
		CHECK_EQ(err.kind, GW_USAGE);
		CHECK_EQ(gw_source_report(pair.source)->status, GW_STATUS_FAILED);
		CHECK_EQ(gw_source_report(pair.source)->guest, GW_GUEST_AT_SOURCE);
		CHECK_EQ(gw_source_run(pair.source, pair.uri, &err), -1);
		CHECK_REFUSED(GW_USAGE, "a source runs once");
		pair_free(&pair);
	}
}

TEST(nobody_there_is_the_systems_error)
{
	struct pair pair = { .seed = 5 };

	pair_make(&pair);
	CHECK_EQ(gw_source_run(pair.source, pair.uri, &err), -1);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, ENOENT);
	CHECK_EQ(gw_source_report(pair.source)->guest, GW_GUEST_AT_SOURCE);
	CHECK_EQ(pair.pauses, 0);
	pair_free(&pair);
}

TEST(what_cannot_be_slowed_does_not_auto_converge)
{
	struct pair pair = { .seed = 6, .bare = true };
	char value[GW_VALUE_BYTES_MAX];

	pair_make(&pair);
	CHECK_EQ(gw_source_set(pair.source, "auto-converge", "on", &err), -1);
	CHECK_REFUSED(GW_USAGE, "Capability 'auto-converge': this guest cannot be "
				"slowed, it has no throttle");
	CHECK_OK(gw_source_get(pair.source, "auto-converge", value, sizeof(value), &err),
		 &err);
	CHECK_STR(value, "off");
	pair_free(&pair);
}

TEST(a_source_keeps_what_it_was_set_to)
{
	struct pair pair = { .seed = 7 };
	char value[GW_VALUE_BYTES_MAX];

	pair_make(&pair);
	CHECK_OK(gw_source_set(pair.source, "downtime-limit", "77", &err), &err);
	CHECK_OK(gw_source_set(pair.source, "multifd-zlib-level", "7", &err), &err);
	CHECK_OK(gw_source_get(pair.source, "downtime-limit", value, sizeof(value), &err),
		 &err);
	CHECK_STR(value, "77");
	CHECK_OK(gw_source_get(pair.source, "multifd-zlib-level", value, sizeof(value),
			       &err),
		 &err);
	CHECK_STR(value, "7");
	CHECK_EQ(gw_source_set(pair.source, "downtime-limit", "2000001", &err), -1);
	CHECK_REFUSED(GW_USAGE, "Parameter 'downtime_limit' expects an integer in the "
				"range of 0 to (2000 * 1000) ms");
	CHECK_OK(gw_source_get(pair.source, "downtime-limit", value, sizeof(value), &err),
		 &err);
	CHECK_STR(value, "77");
	pair_free(&pair);
}

/* ---- one tracker, two sources ---- */

static struct {
	struct gw_source *other;
	int result;
	struct gw_error err;
} rival;

static void run_rival(struct pair *pair, const struct gw_progress *progress)
{
	if (progress->status == GW_STATUS_ACTIVE && rival.result == 0)
		rival.result = gw_source_run(rival.other, pair->uri, &rival.err);
}

TEST(a_tracker_is_of_one_running_source)
{
	struct pair pair = { .seed = 8, .progress = run_rival };

	pair_make(&pair);
	rival.result = 0;
	rival.other = gw_source_new(pair.source_ram, pair.dirty, &source_ops, &pair, NULL,
				    &err);
	CHECK(rival.other);
	pair_migrate(&pair);
	pair_check_arrived(&pair);
	CHECK_EQ(rival.result, -1);
	CHECK_EQ(rival.err.kind, GW_USAGE);
	CHECK_STR(rival.err.text,
		  "the dirty tracker \"scripted\" is another running source's");
	gw_source_free(rival.other);
	pair_free(&pair);
}

static void cancel(struct pair *pair)
{
	CHECK(gw_source_cancel(pair->source));
}

TEST(after_a_failure_another_source_can_try_again)
{
	struct pair pair = { .seed = 9, .before = cancel };

	pair_make(&pair);
	pair_migrate(&pair);
	pair_check_stayed(&pair);
	gw_source_free(pair.source);
	gw_destination_free(pair.destination);
	pair.source = gw_source_new(pair.source_ram, pair.dirty, &source_ops, &pair, NULL,
				    &err);
	pair.destination = gw_destination_new(
		pair.destination_ram,
		&(struct gw_destination_ops){ .struct_size =
						      sizeof(struct gw_destination_ops),
					      .load = pair_load,
					      .start = pair_start },
		&pair, NULL, &err);
	CHECK(pair.source && pair.destination);
	pair.before = NULL;
	pair_migrate(&pair);
	pair_check_arrived(&pair);
	pair_free(&pair);
}

/* ---- destinations ---- */

TEST(a_destination_needs_its_parts)
{
	struct pair pair = { .seed = 10 };
	struct gw_destination_ops ops = { .struct_size = sizeof(ops), .load = pair_load };

	pair_make(&pair);
	CHECK(!gw_destination_new(pair.destination_ram, &ops, NULL, NULL, &err));
	CHECK_REFUSED(GW_USAGE, "struct gw_destination_ops: load and start are required");
	pair_free(&pair);
}

TEST(a_destination_listens_once_and_then_runs_once)
{
	struct pair pair = { .seed = 11 };

	pair_make(&pair);
	CHECK_EQ(gw_destination_run(pair.destination, &err), -1);
	CHECK_REFUSED(GW_USAGE, "the destination does not listen yet");
	/* An attempt that failed does not count. */
	CHECK(!gw_destination_listen(pair.destination, "file:/tmp/x", &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK(!gw_destination_listen(pair.destination, "unix:/no/such/directory/x",
				     &err));
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK(gw_destination_listen(pair.destination, pair.uri, &err));
	CHECK(!gw_destination_listen(pair.destination, pair.uri, &err));
	CHECK_REFUSED(GW_USAGE, "a destination listens once");
	CHECK_EQ(gw_destination_set(pair.destination, "multifd", "on", &err), -1);
	CHECK_REFUSED(GW_USAGE, "Parameter 'multifd': too late, it was told to listen");
	gw_destination_cancel(pair.destination);
	CHECK_EQ(gw_destination_run(pair.destination, &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	CHECK_EQ(gw_destination_run(pair.destination, &err), -1);
	CHECK_REFUSED(GW_USAGE, "a destination runs once");
	pair_free(&pair);
}

TEST(the_port_that_was_chosen_is_told)
{
	struct pair pair = { .seed = 12 };
	const char *uri;

	pair_make(&pair);
	uri = gw_destination_listen(pair.destination, "tcp:127.0.0.1:0", &err);
	CHECK(uri);
	CHECK(strncmp(uri, "tcp:127.0.0.1:", 14) == 0);
	CHECK(atoi(uri + 14) > 0);
	pair_free(&pair);
}

/* ---- the log ---- */

static atomic_int lines;

static void take_line(void *user, enum gw_log_level level, const char *text)
{
	(void)user;
	if (level <= GW_LOG_INFO && text[0] != '\0' && !strchr(text, '\n'))
		atomic_fetch_add(&lines, 1);
}

TEST(the_log_is_the_callers)
{
	struct pair pair = { .seed = 13 };
	const struct gw_source_options options = {
		.struct_size = sizeof(options),
		.log = { .level = GW_LOG_INFO, .line = take_line },
	};

	pair_make(&pair);
	gw_source_free(pair.source);
	atomic_store(&lines, 0);
	pair.source = gw_source_new(pair.source_ram, pair.dirty, &source_ops, &pair,
				    &options, &err);
	CHECK(pair.source);
	pair_migrate(&pair);
	pair_check_arrived(&pair);
	CHECK(atomic_load(&lines) > 0);
	pair_free(&pair);
}

TEST_MAIN(TEST_OF(the_version_is_told), TEST_OF(statuses_have_qemus_names),
	  TEST_OF(a_callback_can_say_why_it_fails), TEST_OF(blocks_are_checked),
	  TEST_OF(a_list_in_use_stays_as_it_is), TEST_OF(null_is_freed_as_well),
	  TEST_OF(a_tracker_needs_all_its_calls_and_is_taken_over_anyway),
	  TEST_OF(an_own_tracker_needs_memory_and_a_way),
	  TEST_OF(a_source_needs_its_parts),
	  TEST_OF(a_tracker_for_other_memory_will_not_do),
	  TEST_OF(where_nothing_can_go_is_refused),
	  TEST_OF(nobody_there_is_the_systems_error),
	  TEST_OF(what_cannot_be_slowed_does_not_auto_converge),
	  TEST_OF(a_source_keeps_what_it_was_set_to),
	  TEST_OF(a_tracker_is_of_one_running_source),
	  TEST_OF(after_a_failure_another_source_can_try_again),
	  TEST_OF(a_destination_needs_its_parts),
	  TEST_OF(a_destination_listens_once_and_then_runs_once),
	  TEST_OF(the_port_that_was_chosen_is_told), TEST_OF(the_log_is_the_callers))
