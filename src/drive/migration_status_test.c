/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_status_test.c - what answers to query-migrate are read as; QEMU's were recorded. */
#include "drive/migration_status.h"

#include "tests/check.h"

static struct migration_status parse(const char *text)
{
	json_t *answer = json_loads(text, 0, NULL);
	struct migration_status status;

	CHECK(answer);
	migration_status_parse(&status, answer);
	json_decref(answer);
	return status;
}

static const char *const qemu_7_2_completed =
	"{\"status\":\"completed\",\"setup-time\":4,\"downtime\":64,\"total-time\":301,"
	"\"ram\":{\"total\":33890304,\"postcopy-requests\":0,\"dirty-sync-count\":3,"
	"\"multifd-bytes\":1101440,\"pages-per-second\":18459,\"downtime-bytes\":0,"
	"\"page-size\":4096,\"remaining\":0,\"postcopy-bytes\":0,"
	"\"mbps\":34.653925925925925,\"transferred\":1174762,"
	"\"dirty-sync-missed-zero-copy\":0,\"precopy-bytes\":73322,\"duplicate\":8140,"
	"\"dirty-pages-rate\":0,\"skipped\":0,\"normal-bytes\":1077248,\"normal\":263}}";

static const char *const qemu_11_1_active =
	"{\"expected-downtime\":390,\"remaining\":397312,\"status\":\"active\","
	"\"setup-time\":4,\"total-time\":1266,\"ram\":{\"total\":33890304,"
	"\"postcopy-requests\":0,\"dirty-sync-count\":3,\"multifd-bytes\":0,"
	"\"pages-per-second\":330,\"downtime-bytes\":0,\"page-size\":4096,"
	"\"remaining\":266240,\"postcopy-bytes\":0,\"mbps\":10.837440000000001,"
	"\"transferred\":1419897,\"dirty-sync-missed-zero-copy\":0,"
	"\"precopy-bytes\":1419556,\"duplicate\":8139,\"dirty-pages-rate\":231,"
	"\"normal-bytes\":1343488,\"normal\":328}}";

static const char *const own_active =
	"{\"status\":\"active\",\"total-time\":900,\"setup-time\":1,"
	"\"expected-downtime\":300,\"cpu-throttle-percentage\":20,\"ram\":{"
	"\"transferred\":1048576,\"remaining\":524288,\"total\":1048576,\"duplicate\":0,"
	"\"normal\":256,\"dirty-pages-rate\":100,\"mbps\":8.0,\"dirty-sync-count\":2,"
	"\"page-size\":4096,\"pages-per-second\":100},\"x-godwit\":{\"round\":2,"
	"\"bytes-per-second\":1000000,\"convergence\":{\"verdict\":\"no\","
	"\"dirty-bytes-per-second\":2000000,\"bytes-per-second\":1000000,"
	"\"remaining-bytes\":524288,\"downtime-would-do\":4600},\"guest\":\"source\","
	"\"engine\":{\"name\":\"isal\",\"units\":7}}}";

TEST(qemu_7_2_that_completed_is_read)
{
	struct migration_status status = parse(qemu_7_2_completed);

	CHECK_STR(status.state, "completed");
	CHECK(migration_status_ended(&status));
	CHECK_EQ(status.total_ms, 301);
	CHECK_EQ(status.setup_ms, 4);
	CHECK_EQ(status.downtime_ms, 64);
	CHECK_EQ(status.expected_downtime_ms, STATUS_UNKNOWN);
	CHECK_EQ(status.transferred_bytes, 1174762);
	CHECK_EQ(status.total_bytes, 33890304);
	CHECK_EQ(status.zero_pages, 8140);
	CHECK_EQ(status.normal_pages, 263);
	CHECK_EQ(status.syncs, 3);
	CHECK_EQ(migration_status_percent(&status), 100);
	CHECK(!status.has_convergence);
	CHECK_STR(status.error, "");
}

TEST(qemu_11_1_under_way_is_read)
{
	struct migration_status status = parse(qemu_11_1_active);
	char line[256];

	CHECK(!migration_status_ended(&status));
	CHECK_EQ(status.downtime_ms, STATUS_UNKNOWN);
	CHECK_EQ(status.expected_downtime_ms, 390);
	CHECK_EQ(status.dirty_pages_per_s, 231);
	CHECK_EQ(migration_status_percent(&status) * 1000, 99214);
	/* 266240 bytes at 1354680 a second, of which 946176 are written meanwhile. */
	CHECK_EQ(migration_status_eta_s(&status) * 1000, 651);
	CHECK_STR(
		migration_status_line(&status, "zstd", line, sizeof(line)),
		"zstd  active    round 3    99 %  1.3 MiB/s  dirty 0.9 MiB/s  ETA 0.7 s");
}

TEST(our_own_says_whether_it_converges)
{
	struct migration_status status = parse(own_active);
	char line[256];

	CHECK(status.has_convergence);
	CHECK_EQ(status.convergence.verdict, CONVERGENCE_NO);
	CHECK_EQ(status.convergence.dirty_bytes_per_s, 2000000);
	CHECK_EQ(status.convergence.bytes_per_s, 1000000);
	CHECK_EQ(status.convergence.remaining_bytes, 524288);
	CHECK_EQ(status.convergence.downtime_would_do_ms, 4600);
	CHECK_STR(status.guest, "source");
	CHECK_STR(status.engine, "isal");
	CHECK_CONTAINS(migration_status_line(&status, "none", line, sizeof(line)),
		       "throttle 20 %");
}

TEST(guest_that_writes_faster_than_is_sent_has_no_eta)
{
	struct migration_status status = parse(qemu_11_1_active);
	char line[256];

	status.dirty_pages_per_s = 331;
	CHECK(migration_status_eta_s(&status) < 0);
	CHECK_CONTAINS(migration_status_line(&status, "none", line, sizeof(line)),
		       "ETA -");
}

TEST(idle_is_none_and_tells_nothing)
{
	struct migration_status status = parse("{}");
	char line[256];

	CHECK_STR(status.state, "none");
	CHECK(migration_status_ended(&status));
	CHECK_EQ(status.total_ms, STATUS_UNKNOWN);
	CHECK(migration_status_percent(&status) < 0);
	CHECK(migration_status_eta_s(&status) < 0);
	CHECK_STR(migration_status_line(&status, "none", line, sizeof(line)),
		  "none  none      round -     - %  - MiB/s  dirty - MiB/s  ETA -");
	migration_status_parse(&status, NULL);
	CHECK_STR(status.state, "none");
}

TEST(nonsense_is_not_told)
{
	struct migration_status status =
		parse("{\"status\":7,\"total-time\":-1,\"error-desc\":[],\"ram\":{"
		      "\"total\":\"x\",\"remaining\":1.5,\"normal\":-3,\"mbps\":{}},"
		      "\"x-godwit\":{\"convergence\":7,\"guest\":null}}");

	CHECK_STR(status.state, "none");
	CHECK_EQ(status.total_ms, STATUS_UNKNOWN);
	CHECK_EQ(status.total_bytes, STATUS_UNKNOWN);
	CHECK_EQ(status.remaining_bytes, STATUS_UNKNOWN);
	CHECK_EQ(status.normal_pages, STATUS_UNKNOWN);
	CHECK(status.mbps < 0);
	CHECK(!status.has_convergence);
	status = parse("{\"status\":\"active\",\"ram\":7,\"x-godwit\":[]}");
	CHECK_EQ(status.syncs, STATUS_UNKNOWN);
}

TEST(texts_are_printable_and_bounded)
{
	struct migration_status status = parse(
		"{\"status\":\"failed\\u001b[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\","
		"\"error-desc\":\"no\\nway\"}");

	CHECK(strlen(status.state) < sizeof(status.state));
	CHECK_CONTAINS(status.state, "failed\\x1b");
	CHECK_STR(status.error, "no\\x0away");
}

TEST(more_left_than_there_is_counts_as_nothing_done)
{
	struct migration_status status =
		parse("{\"status\":\"active\",\"ram\":{\"total\":10,\"remaining\":11}}");

	CHECK_EQ(migration_status_percent(&status), 0);
}

TEST_MAIN(TEST_OF(qemu_7_2_that_completed_is_read), TEST_OF(qemu_11_1_under_way_is_read),
	  TEST_OF(our_own_says_whether_it_converges),
	  TEST_OF(guest_that_writes_faster_than_is_sent_has_no_eta),
	  TEST_OF(idle_is_none_and_tells_nothing), TEST_OF(nonsense_is_not_told),
	  TEST_OF(texts_are_printable_and_bounded),
	  TEST_OF(more_left_than_there_is_counts_as_nothing_done))
