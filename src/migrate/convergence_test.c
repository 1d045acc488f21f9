/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convergence_test.c - guests whose way of writing is known, and what is said of them. */
#include "migrate/convergence.h"

#include "base/clock.h"
#include "tests/check.h"

#define MIB UINT64_C(1048576)

/* Writes `rate` bytes a second all over a working set: what it has written to in `seconds`. */
static double written(double working_set, double rate, double seconds)
{
	double all = rate * seconds;

	/* Pages are hit again, ever more of them. */
	return working_set * all / (working_set + all);
}

/* Watches such a guest every two seconds; how long until something is said, in windows. */
static enum convergence_verdict watch(double working_set, double rate, double link,
				      uint64_t limit_ms, unsigned windows,
				      struct convergence *c)
{
	double length = (double)limit_ms / 1000;

	for (unsigned i = 1; i <= windows; i++) {
		const struct convergence_window window = {
			.now_ns = i * 2 * NS_PER_S,
			.length_ns = limit_ms * NS_PER_MS,
			.dirty_bytes = (uint64_t)written(working_set, rate, length),
			.bytes_per_s = (uint64_t)link,
			.remaining_bytes = 4096 * MIB,
			.left_behind_bytes =
				(uint64_t)written(working_set, rate, 2.0 * i),
			.downtime_limit_ms = limit_ms,
		};

		(void)convergence_watch(c, &window);
	}
	return c->verdict;
}

/* Rounds as they would go: does what is left ever fit? */
static bool would_end(double working_set, double rate, double link, uint64_t limit_ms)
{
	double left = working_set, limit = (double)limit_ms / 1000;

	for (int i = 0; i < 10000; i++) {
		double seconds = left / link;

		if (seconds <= limit)
			return true;
		left = written(working_set, rate, seconds);
	}
	return false;
}

TEST(the_verdict_is_what_rounds_would_show)
{
	uint64_t random = 20261121;
	unsigned no = 0, yes = 0;

	printf("seed %" PRIu64 "\n", random);
	for (int i = 0; i < 2000; i++) {
		double link = (double)((5 + check_random(&random) % 500) * MIB);
		double set = (double)((1 + check_random(&random) % 2000) * MIB);
		double rate = (double)(check_random(&random) % (2000 * MIB));
		uint64_t limit_ms = 50 + check_random(&random) % 1000;
		double seconds = (double)limit_ms / 1000;
		double share = written(set, rate, seconds) / (link * seconds);
		struct convergence c = { 0 };
		enum convergence_verdict said;

		if (share > 0.9 && share < 1.1)
			continue; /* may go either way */
		said = watch(set, rate, link, limit_ms, 4, &c);
		if (would_end(set, rate, link, limit_ms)) {
			yes++;
			CHECK_EQ(said, CONVERGENCE_YES);
		} else {
			no++;
			CHECK_EQ(said, CONVERGENCE_NO);
			CHECK(c.downtime_would_do_ms > limit_ms);
		}
	}
	CHECK(no > 300 && yes > 300);
}

TEST(one_window_is_not_enough)
{
	struct convergence c = { 0 };

	CHECK_EQ(watch(1e9, 1e9, 1e6, 300, 1, &c), CONVERGENCE_UNKNOWN);
	c = (struct convergence){ 0 };
	CHECK_EQ(watch(1e9, 1e9, 1e6, 300, 3, &c), CONVERGENCE_NO);
}

TEST(only_a_bad_verdict_and_its_end_are_worth_telling)
{
	struct convergence_window window = { .length_ns = 300 * NS_PER_MS,
					     .bytes_per_s = MIB,
					     .downtime_limit_ms = 300 };
	struct convergence c = { 0 };
	unsigned told = 0;

	for (unsigned i = 1; i < 10; i++) {
		window.now_ns = i * 2 * NS_PER_S;
		CHECK(!convergence_watch(&c, &window));
	}
	CHECK_EQ(c.verdict, CONVERGENCE_YES);
	window.dirty_bytes = 10 * MIB;
	window.left_behind_bytes = 10 * MIB;
	for (unsigned i = 10; i < 20; i++) {
		window.now_ns = i * 2 * NS_PER_S;
		told += convergence_watch(&c, &window);
	}
	CHECK_EQ(told, 1);
	CHECK_EQ(c.verdict, CONVERGENCE_NO);
	window.dirty_bytes = 1000;
	for (unsigned i = 20; i < 30; i++) {
		window.now_ns = i * 2 * NS_PER_S;
		told += convergence_watch(&c, &window);
	}
	CHECK_EQ(told, 2);
	CHECK_EQ(c.verdict, CONVERGENCE_YES);
}

TEST(a_long_window_cannot_say_that_it_fits)
{
	/* 256 MiB, all of them written to in each second, over a link of 50 MiB a second. */
	struct convergence_window window = { .length_ns = 300 * NS_PER_MS,
					     .bytes_per_s = 50 * MIB,
					     .dirty_bytes = 77 * MIB,
					     .left_behind_bytes = 256 * MIB,
					     .downtime_limit_ms = 300 };
	struct convergence c = { 0 };

	for (unsigned i = 1; i < 4; i++) {
		window.now_ns = i * 2 * NS_PER_S;
		(void)convergence_watch(&c, &window);
	}
	CHECK_EQ(c.verdict, CONVERGENCE_NO);
	window.length_ns = 10 * NS_PER_S;
	window.dirty_bytes = 256 * MIB;
	for (unsigned i = 4; i < 10; i++) {
		window.now_ns = i * 10 * NS_PER_S;
		CHECK(!convergence_watch(&c, &window));
	}
	CHECK_EQ(c.verdict, CONVERGENCE_NO);
	CHECK_EQ(c.dirty_bytes_per_s >> 20, 77 * 10 / 3);
	/* But one that leaves what fits does. */
	window.left_behind_bytes = 5 * MIB;
	window.now_ns += 10 * NS_PER_S;
	CHECK(convergence_watch(&c, &window));
	CHECK_EQ(c.verdict, CONVERGENCE_YES);
}

TEST(nothing_is_said_before_anything_moved)
{
	struct convergence_window window = { .length_ns = 300 * NS_PER_MS,
					     .dirty_bytes = 10 * MIB,
					     .downtime_limit_ms = 300 };
	struct convergence c = { 0 };

	for (unsigned i = 1; i < 10; i++) {
		window.now_ns = i * 2 * NS_PER_S;
		CHECK(!convergence_watch(&c, &window));
	}
	CHECK_EQ(c.verdict, CONVERGENCE_UNKNOWN);
}

TEST(the_sentence_has_the_figures)
{
	const struct convergence no = { .verdict = CONVERGENCE_NO,
					.dirty_bytes_per_s = 812 * MIB,
					.bytes_per_s = 117 * MIB,
					.remaining_bytes = 530 * MIB,
					.downtime_would_do_ms = 4600 };
	struct convergence yes = no;
	char text[200];

	CHECK_STR(convergence_explain(&no, text, sizeof(text)),
		  "not converging: the guest writes 812 MiB/s, 117 MiB/s are moved, 530 "
		  "MiB remain; a downtime limit of about 4600 ms would do");
	yes.verdict = CONVERGENCE_YES;
	CHECK_STR(convergence_explain(&yes, text, sizeof(text)),
		  "converging: the guest writes 812 MiB/s, 117 MiB/s are moved, 530 MiB "
		  "remain");
}

TEST_MAIN(TEST_OF(the_verdict_is_what_rounds_would_show),
	  TEST_OF(one_window_is_not_enough),
	  TEST_OF(only_a_bad_verdict_and_its_end_are_worth_telling),
	  TEST_OF(a_long_window_cannot_say_that_it_fits),
	  TEST_OF(nothing_is_said_before_anything_moved),
	  TEST_OF(the_sentence_has_the_figures))
