/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convergence_feed_test.c - the verdict on guests that a QEMU tells of in polls. */
#include "drive/convergence_feed.h"

#include "base/clock.h"
#include "tests/check.h"

#define PAGE 4096
#define POLL_NS (100 * NS_PER_MS)

/* A QEMU that sends `rate` pages a second of a guest that writes `writes` a second to
 * `working_set` pages, in polls; as QEMU does, it syncs between rounds and measures what was
 * written once a second. */
struct model {
	struct convergence_feed feed;
	struct migration_status status;
	double rate, writes, working_set;
	double written, left, since_rate; /* pages; pages dirty since the rate was told */
	uint64_t now_ns, rate_at_ns;
};

static void start(struct model *model, double rate, double writes, double working_set)
{
	*model = (struct model){ .rate = rate,
				 .writes = writes,
				 .working_set = working_set,
				 .left = 4 * working_set,
				 .now_ns = NS_PER_S,
				 .rate_at_ns = NS_PER_S };
	snprintf(model->status.state, sizeof(model->status.state), "active");
	model->status.page_bytes = PAGE;
	model->status.syncs = 1;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* True when there was something to say. */
static bool step(struct model *model)
{
	double seconds = (double)POLL_NS / (double)NS_PER_S;
	double sent = least(model->left, model->rate * seconds);

	model->now_ns += POLL_NS;
	model->written =
		least(model->working_set, model->written + model->writes * seconds);
	model->left -= sent;
	model->status.normal_pages += (int64_t)sent;
	if (model->left <= 0) {
		model->since_rate += model->written;
		model->left = model->written;
		model->written = 0;
		model->status.syncs++;
		if (model->now_ns - model->rate_at_ns >= NS_PER_S) {
			model->status.dirty_pages_per_s =
				(int64_t)(model->since_rate * (double)NS_PER_S /
					  (double)(model->now_ns - model->rate_at_ns));
			model->since_rate = 0;
			model->rate_at_ns = model->now_ns;
		}
	}
	model->status.remaining_bytes = (int64_t)model->left * PAGE;
	return convergence_feed_poll(&model->feed, model->now_ns, &model->status, 300);
}

/* How many polls until something is said; `most` when nothing was. */
static unsigned steps_until_told(struct model *model, unsigned most)
{
	for (unsigned i = 0; i < most; i++)
		if (step(model))
			return i;
	return most;
}

TEST(writer_above_the_link_is_told_within_ten_seconds_of_the_first_round)
{
	/* Rounds of 0.4 to 6.4 s; shorter ones would fit the limit. */
	for (unsigned working_set = 4000; working_set <= 64000; working_set *= 2) {
		struct model model;

		start(&model, 10000, 20000, working_set);
		while (model.status.syncs < 2)
			CHECK(!step(&model) || model.status.syncs == 2);
		if (model.feed.convergence.verdict != CONVERGENCE_NO)
			CHECK(steps_until_told(&model, 100) < 100);
		CHECK_EQ(model.feed.convergence.verdict, CONVERGENCE_NO);
	}
}

TEST(what_is_told_is_what_was_seen)
{
	struct model model;
	char text[256];

	start(&model, 10000, 20000, 20000);
	CHECK(steps_until_told(&model, 300) < 300);
	/* At a standstill a round writes what a round sends: 10000 pages a second. */
	CHECK(model.feed.convergence.dirty_bytes_per_s > 9000 * PAGE);
	CHECK(model.feed.convergence.dirty_bytes_per_s < 11000 * PAGE);
	CHECK(model.feed.convergence.bytes_per_s > 9000 * PAGE);
	CHECK(model.feed.convergence.bytes_per_s < 11000 * PAGE);
	/* 20000 pages at 10000 a second. */
	CHECK(model.feed.convergence.downtime_would_do_ms >= 1900);
	CHECK(model.feed.convergence.downtime_would_do_ms < 2400);
	CHECK_CONTAINS(convergence_explain(&model.feed.convergence, text, sizeof(text)),
		       "not converging");
}

TEST(slow_writer_is_not_accused)
{
	struct model model;

	start(&model, 10000, 5000, 20000);
	CHECK_EQ(steps_until_told(&model, 300), 300);
	CHECK(model.feed.convergence.verdict != CONVERGENCE_NO);
}

TEST(recovery_is_told)
{
	struct model model;

	start(&model, 10000, 20000, 20000);
	CHECK(steps_until_told(&model, 300) < 300);
	model.writes = 1000;
	CHECK(steps_until_told(&model, 300) < 300);
	CHECK_EQ(model.feed.convergence.verdict, CONVERGENCE_YES);
}

TEST(what_is_not_under_way_or_not_measured_says_nothing)
{
	struct convergence_feed feed = { 0 };
	struct migration_status status;

	migration_status_parse(&status, NULL);
	for (unsigned i = 0; i < 100; i++)
		CHECK(!convergence_feed_poll(&feed, i * NS_PER_S, &status, 300));
	snprintf(status.state, sizeof(status.state), "active");
	for (unsigned i = 0; i < 100; i++)
		CHECK(!convergence_feed_poll(&feed, i * NS_PER_S, &status, 300));
	CHECK(!feed.begun);
}

TEST(no_number_of_a_peer_is_too_large)
{
	struct convergence_feed feed = { 0 };
	struct migration_status status = { .page_bytes = INT64_MAX,
					   .remaining_bytes = INT64_MAX,
					   .dirty_pages_per_s = INT64_MAX };

	snprintf(status.state, sizeof(status.state), "active");
	for (int64_t i = 0; i < 8; i++) {
		status.syncs = INT64_MAX - 8 + i;
		status.normal_pages = INT64_MAX - 8 + i;
		status.zero_pages = INT64_MAX - 8 + i;
		convergence_feed_poll(&feed, (uint64_t)i * 2 * NS_PER_S, &status,
				      UINT64_MAX);
	}
	CHECK(feed.begun);
}

TEST(verdict_of_our_own_is_told_when_it_changes)
{
	struct convergence_feed feed = { 0 };
	struct migration_status status = { .has_convergence = true };

	CHECK(!convergence_feed_poll(&feed, 1, &status, 300));
	status.convergence.verdict = CONVERGENCE_YES;
	CHECK(!convergence_feed_poll(&feed, 2, &status, 300));
	status.convergence.verdict = CONVERGENCE_NO;
	CHECK(convergence_feed_poll(&feed, 3, &status, 300));
	CHECK(!convergence_feed_poll(&feed, 4, &status, 300));
	status.convergence.verdict = CONVERGENCE_YES;
	CHECK(convergence_feed_poll(&feed, 5, &status, 300));
}

TEST_MAIN(TEST_OF(writer_above_the_link_is_told_within_ten_seconds_of_the_first_round),
	  TEST_OF(what_is_told_is_what_was_seen), TEST_OF(slow_writer_is_not_accused),
	  TEST_OF(recovery_is_told),
	  TEST_OF(what_is_not_under_way_or_not_measured_says_nothing),
	  TEST_OF(no_number_of_a_peer_is_too_large),
	  TEST_OF(verdict_of_our_own_is_told_when_it_changes))
