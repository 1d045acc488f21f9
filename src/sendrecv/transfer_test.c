/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer_test.c - figures and progress of a relayed migration: what is known, and what is not. */
#include "sendrecv/transfer.h"

#include "tests/check.h"

/* In order of the design, then what only the relay has. */
static const char *const keys[] = {
	"method",
	"engine",
	"level",
	"channels",
	"total_ms",
	"downtime_ms",
	"setup_ms",
	"throughput_mbps",
	"pages_per_second",
	"send_cpu_percent",
	"recv_cpu_percent",
	"send_cpu_seconds",
	"recv_cpu_seconds",
	"wire_bytes",
	"ram_bytes",
	"zero_pages",
	"normal_pages",
	"rounds",
	"verified",
	"status",
	"engine_there",
	"qemu_channels",
	"blackout_ms",
	"expected_downtime_ms",
	"guest_bytes",
	"ratio",
	"send_qemu_cpu_seconds",
	"send_godwit_cpu_seconds",
	"recv_qemu_cpu_seconds",
	"recv_godwit_cpu_seconds",
	"most_in_flight_bytes",
	"send_memory_bytes",
	"recv_memory_bytes",
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static const struct transfer_figures full = {
	.method = "zstd",
	.level = 3,
	.channels = 2,
	.qemu_channels = 4,
	.status = "completed",
	.total_ms = 1000.5,
	.downtime_ms = 20,
	.setup_ms = 4,
	.expected_downtime_ms = 30,
	.blackout_ms = 25.5,
	.throughput_mbps = 800,
	.pages_per_second = 4000,
	.wire_bytes = 5e9,
	.guest_bytes = 2e10,
	.ram_bytes = 1e11,
	.zero_pages = 7,
	.normal_pages = 8,
	.rounds = 3,
	.ratio = 4,
	.most_in_flight_bytes = 9,
	.span_s = 2,
	.send = { .engine = "qatzip", 0.5, 0.25, 10 },
	.recv = { .engine = "isal", 0.125, 1, 11 },
};

static double real(const json_t *json, const char *key)
{
	CHECK(json_is_real(json_object_get(json, key)));
	return json_real_value(json_object_get(json, key));
}

static json_int_t whole(const json_t *json, const char *key)
{
	CHECK(json_is_integer(json_object_get(json, key)));
	return json_integer_value(json_object_get(json, key));
}

static const char *text(const json_t *json, const char *key)
{
	CHECK(json_is_string(json_object_get(json, key)));
	return json_string_value(json_object_get(json, key));
}

TEST(every_figure_is_told_under_its_key)
{
	json_t *json = transfer_figures_json(&full);

	CHECK(json);
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (!json_object_get(json, keys[i]))
			CHECK_FAIL("%s is missing", keys[i]);
	CHECK_EQ(json_object_size(json), KEY_COUNT);
	CHECK_STR(text(json, "method"), "zstd");
	CHECK_STR(text(json, "engine"), "qatzip");
	CHECK_STR(text(json, "engine_there"), "isal");
	CHECK_STR(text(json, "status"), "completed");
	CHECK_EQ(whole(json, "level"), 3);
	CHECK_EQ(whole(json, "channels"), 2);
	CHECK_EQ(whole(json, "qemu_channels"), 4);
	CHECK_EQ(real(json, "total_ms") * 10, 10005);
	CHECK_EQ(real(json, "downtime_ms"), 20);
	CHECK_EQ(real(json, "setup_ms"), 4);
	CHECK_EQ(real(json, "expected_downtime_ms"), 30);
	CHECK_EQ(real(json, "blackout_ms") * 10, 255);
	CHECK_EQ(real(json, "throughput_mbps"), 800);
	CHECK_EQ(real(json, "pages_per_second"), 4000);
	CHECK_EQ(whole(json, "wire_bytes"), 5000000000);
	CHECK_EQ(whole(json, "guest_bytes"), 20000000000);
	CHECK_EQ(whole(json, "ram_bytes"), 100000000000);
	CHECK_EQ(whole(json, "zero_pages"), 7);
	CHECK_EQ(whole(json, "normal_pages"), 8);
	CHECK_EQ(whole(json, "rounds"), 3);
	CHECK_EQ(real(json, "ratio"), 4);
	CHECK_EQ(whole(json, "most_in_flight_bytes"), 9);
	CHECK_EQ(whole(json, "send_memory_bytes"), 10);
	CHECK_EQ(whole(json, "recv_memory_bytes"), 11);
	CHECK(json_is_null(json_object_get(json, "verified")));
	json_decref(json);
}

TEST(cpu_is_of_qemu_and_godwit)
{
	struct transfer_figures figures = full;
	json_t *json = transfer_figures_json(&figures);

	CHECK_EQ(real(json, "send_qemu_cpu_seconds") * 1000, 500);
	CHECK_EQ(real(json, "send_godwit_cpu_seconds") * 1000, 250);
	CHECK_EQ(real(json, "recv_qemu_cpu_seconds") * 1000, 125);
	CHECK_EQ(real(json, "recv_godwit_cpu_seconds") * 1000, 1000);
	CHECK_EQ(real(json, "send_cpu_seconds") * 1000, 750);
	CHECK_EQ(real(json, "recv_cpu_seconds") * 1000, 1125);
	CHECK_EQ(real(json, "send_cpu_percent") * 10, 375);
	CHECK_EQ(real(json, "recv_cpu_percent") * 100, 5625);
	json_decref(json);

	/* Half of it is not all of it. */
	figures.send.qemu_cpu_s = -1;
	figures.send.godwit_cpu_s = 3;
	figures.recv.qemu_cpu_s = 3;
	figures.recv.godwit_cpu_s = -1;
	json = transfer_figures_json(&figures);
	CHECK(json_is_null(json_object_get(json, "send_cpu_seconds")));
	CHECK(json_is_null(json_object_get(json, "send_cpu_percent")));
	CHECK(json_is_null(json_object_get(json, "recv_cpu_seconds")));
	CHECK_EQ(real(json, "send_godwit_cpu_seconds"), 3);
	CHECK(json_is_null(json_object_get(json, "recv_godwit_cpu_seconds")));
	json_decref(json);

	/* Over no time at all. */
	figures = full;
	figures.span_s = 0;
	json = transfer_figures_json(&figures);
	CHECK(json_is_null(json_object_get(json, "send_cpu_percent")));
	CHECK_EQ(real(json, "send_cpu_seconds") * 1000, 750);
	json_decref(json);
}

TEST(a_new_report_knows_nothing_and_claims_nothing)
{
	struct transfer_report report;
	unsigned nulls = 0;
	json_t *json;

	transfer_report_init(&report);
	CHECK_EQ(report.end, TRANSFER_UNKNOWN);
	CHECK_STR(report.error, "");
	CHECK_STR(report.where, "");
	CHECK(!report.last);
	json = transfer_figures_json(&report.figures);
	for (size_t i = 0; i < KEY_COUNT; i++)
		nulls += json_is_null(json_object_get(json, keys[i]));
	/* All but level and both numbers of channels. */
	CHECK_EQ(nulls, KEY_COUNT - 3);
	json_decref(json);
	report.last = json_object();
	transfer_report_deinit(&report);
	CHECK(!report.last);
}

static struct transfer_progress under_way(void)
{
	struct transfer_progress progress = {
		.method = "zstd",
		.engine = "qatzip",
		.seconds = 2,
		.guest_bytes_per_s = 812 * 0x1p20,
		.wire_bytes_per_s = 117 * 0x1p20,
	};

	migration_status_parse(&progress.status, NULL);
	snprintf(progress.status.state, sizeof(progress.status.state), "active");
	progress.status.syncs = 3;
	progress.status.total_bytes = 100 << 20;
	progress.status.remaining_bytes = 57 << 20;
	progress.status.page_bytes = 4096;
	progress.status.dirty_pages_per_s = 3072;
	progress.status.mbps = 8 * 1.048576 * (12 + 19);
	return progress;
}

TEST(progress_is_a_line)
{
	struct transfer_progress progress = under_way();
	char line[256];

	CHECK_STR(transfer_progress_line(&progress, line, sizeof(line)),
		  "zstd (qatzip)  active  round 3    43 %  guest 812.0 MiB/s  "
		  "wire 117.0 MiB/s (6.9x)  dirty 12.0 MiB/s  ETA 3.0 s");
	progress.status.throttle_percent = 20;
	progress.engine = "";
	CHECK_CONTAINS(transfer_progress_line(&progress, line, sizeof(line)),
		       "dirty 12.0 MiB/s  throttle 20 %  ETA");
	CHECK(strncmp(line, "zstd  active", 12) == 0);
}

TEST(progress_without_qmp_shows_what_the_relay_knows)
{
	struct transfer_progress progress = under_way();
	char line[256];

	migration_status_parse(&progress.status, NULL);
	CHECK_STR(transfer_progress_line(&progress, line, sizeof(line)),
		  "zstd (qatzip)  guest 812.0 MiB/s  wire 117.0 MiB/s (6.9x)");
	progress.guest_bytes_per_s = progress.wire_bytes_per_s = -1;
	CHECK_CONTAINS(transfer_progress_line(&progress, line, sizeof(line)),
		       "guest - MiB/s  wire - MiB/s");
	/* Only headers moved since the look before; or nothing. */
	progress.guest_bytes_per_s = 0;
	progress.wire_bytes_per_s = 0x1p20;
	CHECK_CONTAINS(transfer_progress_line(&progress, line, sizeof(line)),
		       "guest 0.0 MiB/s  wire 1.0 MiB/s");
	progress.guest_bytes_per_s = progress.wire_bytes_per_s = 0;
	CHECK_CONTAINS(transfer_progress_line(&progress, line, sizeof(line)),
		       "guest 0.0 MiB/s  wire 0.0 MiB/s");
}

TEST(figures_beyond_reason_are_not_known)
{
	struct transfer_report report;
	json_t *told =
		json_pack("{sf sf sf ss si}", "total_ms", 1e300, "ram_bytes", 9.3e18,
			  "rounds", 4.6e18, "zero_pages", "7", "normal_pages", -3);

	transfer_report_init(&report);
	transfer_figures_parse(&report.figures, told);
	CHECK(report.figures.total_ms < 0);
	CHECK(report.figures.ram_bytes < 0);
	CHECK(report.figures.rounds == 4.6e18);
	CHECK(report.figures.zero_pages < 0);
	CHECK(report.figures.normal_pages < 0);
	json_decref(told);
}

TEST(progress_keeps_within_its_room)
{
	struct transfer_progress progress = under_way();
	char line[16];

	transfer_progress_line(&progress, line, sizeof(line));
	CHECK_STR(line, "zstd (qatzip)  ");
}

TEST_MAIN(TEST_OF(every_figure_is_told_under_its_key), TEST_OF(cpu_is_of_qemu_and_godwit),
	  TEST_OF(a_new_report_knows_nothing_and_claims_nothing),
	  TEST_OF(progress_is_a_line),
	  TEST_OF(progress_without_qmp_shows_what_the_relay_knows),
	  TEST_OF(figures_beyond_reason_are_not_known),
	  TEST_OF(progress_keeps_within_its_room))
