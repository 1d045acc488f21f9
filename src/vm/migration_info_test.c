/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_info_test.c - what a migration looks like in each of its states, in QMP and in the
 * human monitor.  Keys and lines were recorded from QEMU 7.2. */
#include "vm/migration_info.h"

#include "base/clock.h"
#include "tests/check.h"

#define PAGES 16384u /* of a 64 MiB guest */

static struct migration_info source(enum migration_state state)
{
	return (struct migration_info){
		.state = state,
		.downtime_limit_ms = 300,
		.progress = {
			.state = state,
			.round = 3,
			.elapsed_ns = 503 * NS_PER_MS,
			.setup_ns = 7 * NS_PER_MS,
			.total_pages = PAGES,
			.remaining_pages = 15060,
			.normal_pages = 374,
			.zero_pages = 1324,
			.wire_bytes = 28188,
			.main_bytes = 8028,
			.dirty_syncs = 2,
			.wire_bytes_per_s = 20160,
			.bytes_per_s = 9093120,
			.pages_per_s = 2220,
			.expected_downtime_ns = UINT64_MAX,
			.counters.phases = { 1500000, 2000000, 3000000, 4000000,
					     5000000 },
		},
	};
}

static struct migration_info ended(enum migration_state state)
{
	struct migration_info info = source(state);

	info.ended = true;
	info.progress.remaining_pages = 0;
	info.report = (struct sender_report){
		.state = state,
		.guest = state == MIGRATION_COMPLETED ? GUEST_AT_DESTINATION
						      : GUEST_AT_SOURCE,
		.setup_ns = 8 * NS_PER_MS,
		.total_ns = 600 * NS_PER_MS,
		.downtime_ns = 21900 * NS_PER_US,
		.paused_at_ns = 1,
		.downtime_split = { 100000, 200000, 300000, 400000, 20900000 },
		.sync_ns = 9 * NS_PER_MS,
		.throttle_percent_most = 40,
		.counters.phases = { 0, 0, 0, 6 * NS_PER_MS, 0 },
	};
	return info;
}

/* "a b c": these keys and no others. */
static void check_keys(const json_t *json, const char *keys)
{
	char all[512], *at = NULL;
	size_t count = 0;

	CHECK(json_is_object(json));
	snprintf(all, sizeof(all), "%s", keys);
	for (char *key = strtok_r(all, " ", &at); key; key = strtok_r(NULL, " ", &at)) {
		if (!json_object_get(json, key))
			CHECK_FAIL("no \"%s\"", key);
		count++;
	}
	CHECK_EQ(json_object_size(json), count);
}

static json_int_t integer(const json_t *json, const char *key)
{
	CHECK(json_is_integer(json_object_get(json, key)));
	return json_integer_value(json_object_get(json, key));
}

static const char *string(const json_t *json, const char *key)
{
	CHECK(json_is_string(json_object_get(json, key)));
	return json_string_value(json_object_get(json, key));
}

/* In thousandths. */
static long long milli(const json_t *json, const char *key)
{
	CHECK(json_is_real(json_object_get(json, key)));
	return (long long)(json_real_value(json_object_get(json, key)) * 1e3 + 0.5);
}

static void check_text(const struct migration_info *info, const char *expected)
{
	char *text = migration_info_text(info);

	CHECK(text);
	CHECK_STR(text, expected);
	free(text);
}

#define RAM_KEYS                                                                      \
	"transferred remaining total duplicate skipped normal normal-bytes "          \
	"dirty-pages-rate mbps dirty-sync-count postcopy-requests page-size "         \
	"multifd-bytes pages-per-second precopy-bytes downtime-bytes postcopy-bytes " \
	"dirty-sync-missed-zero-copy"

TEST(none_has_nothing_to_tell)
{
	struct migration_info info = { 0 };
	json_t *json = migration_info_json(&info);

	check_keys(json, "");
	json_decref(json);
	check_text(&info, "Migration status: none\r\n");
}

TEST(setup_and_what_went_wrong_have_no_figures)
{
	struct migration_info info = source(MIGRATION_SETUP);
	json_t *json = migration_info_json(&info);

	check_keys(json, "status");
	CHECK_STR(string(json, "status"), "setup");
	json_decref(json);

	info = ended(MIGRATION_CANCELLED);
	json = migration_info_json(&info);
	check_keys(json, "status x-godwit");
	CHECK_STR(string(json, "status"), "cancelled");
	json_decref(json);
	check_text(&info, "Migration status: cancelled\r\ntotal time: 600 ms\r\n");

	info = ended(MIGRATION_FAILED);
	info.has_error = true;
	info.report.guest = GUEST_UNKNOWN;
	strcpy(info.error.text, "tcp:a:1: connection refused");
	json = migration_info_json(&info);
	check_keys(json, "status error-desc x-godwit");
	CHECK_STR(string(json, "error-desc"), "tcp:a:1: connection refused");
	CHECK_STR(string(json_object_get(json, "x-godwit"), "guest"), "unknown");
	json_decref(json);
	check_text(&info, "Migration status: failed (tcp:a:1: connection refused)\r\n"
			  "total time: 600 ms\r\n"
			  "guest: paused here; the destination may run it\r\n");
}

TEST(errors_that_are_no_utf_8_are_told_all_the_same)
{
	struct migration_info info = ended(MIGRATION_FAILED);
	json_t *json;

	info.has_error = true;
	strcpy(info.error.text, "unix:/tmp/\xff");
	json = migration_info_json(&info);
	CHECK_STR(string(json, "error-desc"), "unix:/tmp/\\xff");
	json_decref(json);
}

TEST(an_active_source_has_qemus_keys)
{
	static const enum migration_state states[] = {
		MIGRATION_ACTIVE,
		MIGRATION_PRE_SWITCHOVER,
		MIGRATION_DEVICE,
		MIGRATION_CANCELLING,
	};

	for (unsigned i = 0; i < 4; i++) {
		struct migration_info info = source(states[i]);
		json_t *json = migration_info_json(&info);
		const json_t *ram = json_object_get(json, "ram");

		check_keys(json, "status total-time setup-time expected-downtime ram "
				 "x-godwit");
		CHECK_STR(string(json, "status"), migration_state_name(states[i]));
		CHECK_EQ(integer(json, "total-time"), 503);
		CHECK_EQ(integer(json, "setup-time"), 7);
		CHECK_EQ(integer(json, "expected-downtime"), 300);
		check_keys(ram, RAM_KEYS);
		CHECK_EQ(integer(ram, "total"), 67108864);
		CHECK_EQ(integer(ram, "remaining"), 61685760);
		CHECK_EQ(integer(ram, "transferred"), 28188);
		CHECK_EQ(integer(ram, "multifd-bytes"), 20160);
		CHECK_EQ(integer(ram, "precopy-bytes"), 8028);
		CHECK_EQ(integer(ram, "duplicate"), 1324);
		CHECK_EQ(integer(ram, "normal"), 374);
		CHECK_EQ(integer(ram, "normal-bytes"), 1531904);
		CHECK_EQ(integer(ram, "page-size"), 4096);
		CHECK_EQ(integer(ram, "dirty-sync-count"), 2);
		CHECK_EQ(integer(ram, "pages-per-second"), 2220);
		CHECK_EQ(milli(ram, "mbps"), 161);
		json_decref(json);
	}
}

TEST(what_was_measured_and_slowed_is_told)
{
	struct migration_info info = source(MIGRATION_ACTIVE);
	const json_t *own, *convergence, *phases;
	json_t *json;

	info.progress.expected_downtime_ns = 4600 * NS_PER_MS;
	info.progress.throttle_percent = 30;
	info.progress.dirty_pages_per_s = 207872;
	info.progress.convergence = (struct convergence){
		.verdict = CONVERGENCE_NO,
		.dirty_bytes_per_s = 812 << 20,
		.bytes_per_s = 117 << 20,
		.remaining_bytes = 530 << 20,
		.downtime_would_do_ms = 4600,
	};
	json = migration_info_json(&info);
	CHECK_EQ(integer(json, "expected-downtime"), 4600);
	CHECK_EQ(integer(json, "cpu-throttle-percentage"), 30);
	CHECK_EQ(integer(json_object_get(json, "ram"), "dirty-pages-rate"), 207872);
	own = json_object_get(json, "x-godwit");
	check_keys(own, "round bytes-per-second convergence phases");
	CHECK_EQ(integer(own, "round"), 3);
	convergence = json_object_get(own, "convergence");
	check_keys(convergence, "verdict dirty-bytes-per-second bytes-per-second "
				"remaining-bytes downtime-would-do");
	CHECK_STR(string(convergence, "verdict"), "no");
	CHECK_EQ(integer(convergence, "dirty-bytes-per-second"), 812 << 20);
	CHECK_EQ(integer(convergence, "downtime-would-do"), 4600);
	phases = json_object_get(own, "phases");
	check_keys(phases, "scan zero engine send wait");
	CHECK_EQ(milli(phases, "scan"), 1500);
	CHECK_EQ(milli(phases, "wait"), 5000);
	json_decref(json);
	check_text(&info, "Migration status: active\r\n"
			  "total time: 503 ms\r\n"
			  "expected downtime: 4600 ms\r\n"
			  "setup: 7 ms\r\n"
			  "transferred ram: 27 kbytes\r\n"
			  "throughput: 0.16 mbps\r\n"
			  "remaining ram: 60240 kbytes\r\n"
			  "total ram: 65536 kbytes\r\n"
			  "duplicate: 1324 pages\r\n"
			  "skipped: 0 pages\r\n"
			  "normal: 374 pages\r\n"
			  "normal bytes: 1496 kbytes\r\n"
			  "dirty sync count: 2\r\n"
			  "page size: 4 kbytes\r\n"
			  "multifd bytes: 19 kbytes\r\n"
			  "pages-per-second: 2220\r\n"
			  "dirty pages rate: 207872 pages\r\n"
			  "precopy ram: 7 kbytes\r\n"
			  "cpu throttle percentage: 30\r\n"
			  "not converging: the guest writes 812 MiB/s, 117 "
			  "MiB/s are moved, 530 MiB remain; a downtime limit of about "
			  "4600 ms would do\r\n");
}

TEST(completed_tells_the_downtime_and_where_it_went)
{
	struct migration_info info = ended(MIGRATION_COMPLETED);
	json_t *json = migration_info_json(&info);
	const json_t *own = json_object_get(json, "x-godwit"), *split;

	check_keys(json, "status total-time setup-time downtime ram x-godwit");
	CHECK_EQ(integer(json, "total-time"), 600);
	CHECK_EQ(integer(json, "setup-time"), 8);
	CHECK_EQ(integer(json, "downtime"), 21);
	check_keys(json_object_get(json, "ram"), RAM_KEYS);
	CHECK_EQ(integer(json_object_get(json, "ram"), "remaining"), 0);
	/* Over all of it: 28188 bytes in 600 ms. */
	CHECK_EQ(milli(json_object_get(json, "ram"), "mbps"), 376);
	check_keys(own, "round bytes-per-second convergence phases guest "
			"cpu-throttle-most downtime-split");
	CHECK_STR(string(own, "guest"), "destination");
	CHECK_EQ(integer(own, "cpu-throttle-most"), 40);
	CHECK_EQ(milli(json_object_get(own, "phases"), "sync"), 9000);
	CHECK_EQ(milli(json_object_get(own, "phases"), "send"), 6000);
	split = json_object_get(own, "downtime-split");
	check_keys(split, "stop last-sync last-pages state resume");
	CHECK_EQ(milli(split, "stop"), 100);
	CHECK_EQ(milli(split, "last-sync"), 200);
	CHECK_EQ(milli(split, "last-pages"), 300);
	CHECK_EQ(milli(split, "state"), 400);
	CHECK_EQ(milli(split, "resume"), 20900);
	json_decref(json);
	check_text(&info, "Migration status: completed\r\n"
			  "total time: 600 ms\r\n"
			  "downtime: 21 ms\r\n"
			  "setup: 8 ms\r\n"
			  "transferred ram: 27 kbytes\r\n"
			  "throughput: 0.38 mbps\r\n"
			  "remaining ram: 0 kbytes\r\n"
			  "total ram: 65536 kbytes\r\n"
			  "duplicate: 1324 pages\r\n"
			  "skipped: 0 pages\r\n"
			  "normal: 374 pages\r\n"
			  "normal bytes: 1496 kbytes\r\n"
			  "dirty sync count: 2\r\n"
			  "page size: 4 kbytes\r\n"
			  "multifd bytes: 19 kbytes\r\n"
			  "pages-per-second: 2220\r\n"
			  "precopy ram: 7 kbytes\r\n"
			  "downtime split: stop 0.10 ms, last sync 0.20 ms, last pages "
			  "0.30 ms, state 0.40 ms, resume 20.90 ms\r\n");
}

#define ENGINE_KEYS                                                                 \
	"name units device-units fallback-units retries device-failures raw-pages " \
	"bytes-in bytes-out"

/* As a device that was busy at times; all but the last are more than a double holds. */
static const struct engine_counters counted = {
	.units = UINT64_C(9007199254740993),
	.device_units = UINT64_C(9007199254740900),
	.fallback_units = 93,
	.retries = 17,
	.device_failures = 2,
	.raw_pages = 40,
	.bytes_in = 480 << 10,
	.bytes_out = (120 << 10) + 1023,
};

static void check_engine(const json_t *engine, const char *name)
{
	check_keys(engine, ENGINE_KEYS);
	CHECK_STR(string(engine, "name"), name);
	CHECK_EQ(integer(engine, "units"), INT64_C(9007199254740993));
	CHECK_EQ(integer(engine, "device-units"), INT64_C(9007199254740900));
	CHECK_EQ(integer(engine, "fallback-units"), 93);
	CHECK_EQ(integer(engine, "retries"), 17);
	CHECK_EQ(integer(engine, "device-failures"), 2);
	CHECK_EQ(integer(engine, "raw-pages"), 40);
	CHECK_EQ(integer(engine, "bytes-in"), 480 << 10);
	CHECK_EQ(integer(engine, "bytes-out"), (120 << 10) + 1023);
}

TEST(engine_is_told_by_a_source)
{
	struct migration_info info = source(MIGRATION_ACTIVE);
	json_t *json;
	char *text;

	info.progress.engine = "qpl";
	info.progress.counters.engine = counted;
	json = migration_info_json(&info);
	check_keys(json_object_get(json, "x-godwit"),
		   "round bytes-per-second convergence phases engine");
	check_engine(json_object_get(json_object_get(json, "x-godwit"), "engine"), "qpl");
	json_decref(json);
	text = migration_info_text(&info);
	CHECK_CONTAINS(text, "precopy ram: 7 kbytes\r\n"
			     "engine: qpl, 9007199254740993 units (device "
			     "9007199254740900, software in its stead 93, retries 17, "
			     "device failures 2), 40 raw pages, 480 kbytes in, 120 "
			     "kbytes out\r\n");
	free(text);

	/* Once it ended the report has the last word. */
	info = ended(MIGRATION_COMPLETED);
	info.report.engine = "isal";
	info.report.counters.engine = counted;
	json = migration_info_json(&info);
	check_engine(json_object_get(json_object_get(json, "x-godwit"), "engine"),
		     "isal");
	json_decref(json);
}

TEST(software_has_no_figures_of_devices)
{
	struct migration_info info = ended(MIGRATION_COMPLETED);
	char *text;

	info.report.engine = "zstd";
	info.report.counters.engine = (struct engine_counters){
		.units = 12, .raw_pages = 0, .bytes_in = 4096, .bytes_out = 1024
	};
	text = migration_info_text(&info);
	CHECK_CONTAINS(text, "\r\nengine: zstd, 12 units, 0 raw pages, 4 kbytes in, 1 "
			     "kbytes out\r\ndowntime split: ");
	free(text);
}

TEST(engine_is_told_by_a_destination_that_ended)
{
	struct migration_info info = { .incoming = true, .state = MIGRATION_COMPLETED };
	json_t *json;

	info.decoder = "libdeflate";
	info.decoded = counted;
	json = migration_info_json(&info);
	check_keys(json, "status x-godwit");
	check_keys(json_object_get(json, "x-godwit"), "engine");
	check_engine(json_object_get(json_object_get(json, "x-godwit"), "engine"),
		     "libdeflate");
	json_decref(json);
	check_text(&info, "Migration status: completed\r\n"
			  "total time: 0 ms\r\n"
			  "engine: libdeflate, 9007199254740993 units (device "
			  "9007199254740900, software in its stead 93, retries 17, "
			  "device failures 2), 40 raw pages, 480 kbytes in, 120 kbytes "
			  "out\r\n");
}

/* Where it listens, and what {"socket-address": [...]} makes of it. */
struct listening {
	const char *uri;
	const char *keys;
	const char *type, *host, *port, *path;
};

TEST(a_destination_tells_where_it_listens)
{
	static const struct listening places[] = {
		{ "tcp:127.0.0.1:32785", "type host port ipv4", "inet", "127.0.0.1",
		  "32785", NULL },
		{ "tcp:[::1]:4444", "type host port ipv6", "inet", "::1", "4444", NULL },
		{ "unix:/tmp/in.sock", "type path", "unix", NULL, NULL, "/tmp/in.sock" },
	};

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct listening *place = &places[i];
		/* Nobody connected so far. */
		struct migration_info info = { .incoming = true,
					       .state = MIGRATION_SETUP };
		const json_t *list, *at;
		char text[128];
		json_t *json;

		strcpy(info.listening, place->uri);
		json = migration_info_json(&info);
		check_keys(json, "socket-address");
		list = json_object_get(json, "socket-address");
		CHECK_EQ(json_array_size(list), 1);
		at = json_array_get(list, 0);
		check_keys(at, place->keys);
		CHECK_STR(string(at, "type"), place->type);
		if (place->path)
			CHECK_STR(string(at, "path"), place->path);
		if (place->host)
			CHECK_STR(string(at, "host"), place->host);
		if (place->port)
			CHECK_STR(string(at, "port"), place->port);
		json_decref(json);
		snprintf(text, sizeof(text), "socket address: [\r\n\t%s\r\n]\r\n",
			 place->uri);
		check_text(&info, text);
	}
}

TEST(a_destination_has_a_status_and_no_figures)
{
	struct migration_info info = { .incoming = true, .state = MIGRATION_ACTIVE };
	json_t *json;

	strcpy(info.listening, "unix:/tmp/in.sock");
	json = migration_info_json(&info);
	check_keys(json, "status socket-address");
	json_decref(json);
	check_text(&info, "Migration status: active\r\n"
			  "total time: 0 ms\r\n"
			  "socket address: [\r\n\tunix:/tmp/in.sock\r\n]\r\n");
	info.state = MIGRATION_COMPLETED;
	info.listening[0] = '\0';
	json = migration_info_json(&info);
	check_keys(json, "status");
	json_decref(json);
	check_text(&info, "Migration status: completed\r\ntotal time: 0 ms\r\n");
	/* A descriptor is nowhere that anybody could connect to. */
	info.state = MIGRATION_NONE;
	strcpy(info.listening, "fd:3");
	json = migration_info_json(&info);
	check_keys(json, "");
	json_decref(json);
}

TEST_MAIN(TEST_OF(none_has_nothing_to_tell),
	  TEST_OF(setup_and_what_went_wrong_have_no_figures),
	  TEST_OF(errors_that_are_no_utf_8_are_told_all_the_same),
	  TEST_OF(an_active_source_has_qemus_keys),
	  TEST_OF(what_was_measured_and_slowed_is_told),
	  TEST_OF(completed_tells_the_downtime_and_where_it_went),
	  TEST_OF(engine_is_told_by_a_source),
	  TEST_OF(software_has_no_figures_of_devices),
	  TEST_OF(engine_is_told_by_a_destination_that_ended),
	  TEST_OF(a_destination_tells_where_it_listens),
	  TEST_OF(a_destination_has_a_status_and_no_figures))
