/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* figures_test.c - figures of a migration between two others: what is known, and what is not. */
#include "drive/figures.h"

#include "tests/check.h"

static const struct migration_status completed = {
	.state = "completed",
	.total_ms = 500,
	.setup_ms = 4,
	.downtime_ms = 64,
	.transferred_bytes = 1000000,
	.remaining_bytes = 0,
	.total_bytes = 33890304,
	.zero_pages = 1500,
	.normal_pages = 500,
	.page_bytes = 4096,
	.syncs = 3,
	.engine = "isal",
};

static const struct cpu_use cpu = { .send_s = 0.1,
				    .recv_s = FIGURE_UNKNOWN,
				    .span_s = 0.4 };
static const struct qmp_version old = { .major = 7, .minor = 2 };
static const struct qmp_version recent = { .major = 11, .minor = 1 };

/* With the method. */
static struct figures fill(const struct migration_status *status, const char *method,
			   const struct qmp_version *version)
{
	struct tuned tuned = { .level = 1, .channels = 2 };
	struct figures figures;

	snprintf(tuned.method, sizeof(tuned.method), "%s", method);
	figures_fill(&figures, status, &tuned, version, &cpu);
	return figures;
}

TEST(figures_are_made_of_what_is_told)
{
	struct figures figures = fill(&completed, "zstd", &recent);

	CHECK_STR(figures.status, "completed");
	CHECK_EQ(figures.throughput_mbps, 16);
	CHECK_EQ(figures.pages_per_second, 4000);
	CHECK_EQ(figures.wire_bytes, 1000000);
	CHECK_EQ(figures.ratio * 1000, 2048);
	CHECK_EQ(figures.send_cpu_percent, 25);
	CHECK(figures.recv_cpu_percent < 0);
	CHECK_EQ(figures.rounds, 3);
	CHECK_STR(figures.engine, "isal");
}

TEST(who_computed_is_told_where_it_is_known)
{
	struct figures figures = fill(&completed, "zlib", &recent);
	json_t *json = figures_json(&figures);

	CHECK_STR(json_string_value(json_object_get(json, "engine")), "isal");
	json_decref(json);
}

TEST(old_qemus_do_not_know_what_they_compressed_to)
{
	static const struct qmp_version last = { .major = 8, .minor = 1 };
	static const struct qmp_version first = { .major = 8, .minor = 2 };
	struct figures figures = fill(&completed, "zstd", &old);
	struct migration_status own = completed;

	CHECK(figures.wire_bytes < 0);
	CHECK(figures.throughput_mbps < 0);
	CHECK(figures.ratio < 0);
	CHECK_EQ(fill(&completed, "none", &old).wire_bytes, 1000000);
	CHECK(fill(&completed, "zstd", &last).wire_bytes < 0);
	CHECK_EQ(fill(&completed, "zstd", &first).wire_bytes, 1000000);
	/* Ours does, whatever version it says it is. */
	own.has_convergence = true;
	CHECK_EQ(fill(&own, "zstd", &old).wire_bytes, 1000000);
}

TEST(unknown_is_null)
{
	static const char *const nulls[] = {
		"engine",    "verified",	 "total_ms",	     "downtime_ms",
		"setup_ms",  "throughput_mbps",	 "pages_per_second", "wire_bytes",
		"ram_bytes", "zero_pages",	 "normal_pages",     "rounds",
		"ratio",     "recv_cpu_seconds", "recv_cpu_percent"
	};
	struct migration_status status;
	struct figures figures;
	json_t *json;

	migration_status_parse(&status, NULL);
	figures = fill(&status, "none", &recent);
	json = figures_json(&figures);
	CHECK(json);
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!json_is_null(json_object_get(json, nulls[i])))
			CHECK_FAIL("%s is not null", nulls[i]);
	CHECK_STR(json_string_value(json_object_get(json, "status")), "none");
	CHECK_STR(json_string_value(json_object_get(json, "method")), "none");
	CHECK_EQ(json_integer_value(json_object_get(json, "channels")), 2);
	json_decref(json);
}

TEST_MAIN(TEST_OF(figures_are_made_of_what_is_told),
	  TEST_OF(who_computed_is_told_where_it_is_known),
	  TEST_OF(old_qemus_do_not_know_what_they_compressed_to),
	  TEST_OF(unknown_is_null))
