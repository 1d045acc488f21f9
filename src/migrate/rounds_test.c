/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rounds_test.c - when to stop iterating. */
#include "migrate/rounds.h"

#include "base/clock.h"
#include "base/pages.h"
#include "tests/check.h"

#define PAGES_PER_GIB ((UINT64_C(1) << 30) / PAGE_BYTES)

TEST(nothing_dirty_switches_over_at_once)
{
	struct rounds rounds = { 0 };

	CHECK_EQ(rounds_expected_downtime_ns(&rounds, 0), 0);
	CHECK(rounds_may_switch_over(&rounds, 0, 0));
}

TEST(nothing_measured_means_no_switchover)
{
	struct rounds rounds = { 0 };

	CHECK(rounds_expected_downtime_ns(&rounds, 1) == UINT64_MAX);
	CHECK(!rounds_may_switch_over(&rounds, 1, 2000000));
}

TEST(ages_are_not_mistaken_for_a_moment)
{
	struct rounds rounds = { .bytes_per_s = 1 };

	CHECK(rounds_expected_downtime_ns(&rounds, 16 * PAGES_PER_GIB) > UINT64_MAX / 2);
	CHECK(rounds_expected_downtime_ns(&rounds, 1024 * PAGES_PER_GIB) == UINT64_MAX);
	CHECK(!rounds_may_switch_over(&rounds, 1024 * PAGES_PER_GIB, 2000000));
}

TEST(the_limit_is_met_to_the_page)
{
	struct rounds rounds = { .bytes_per_s = 1000 * PAGE_BYTES };

	CHECK_EQ(rounds_expected_downtime_ns(&rounds, 300), 300 * NS_PER_MS);
	CHECK(rounds_may_switch_over(&rounds, 300, 300));
	CHECK(!rounds_may_switch_over(&rounds, 301, 300));
}

TEST(a_round_is_measured_in_guest_bytes)
{
	struct rounds rounds = { 0 };

	rounds_measure(&rounds, PAGES_PER_GIB, 0, 2 * NS_PER_S);
	CHECK_EQ(rounds.bytes_per_s >> 20, 512);
}

TEST(zero_pages_do_not_flatter_the_rate)
{
	struct rounds rounds = { 0 };

	rounds_measure(&rounds, PAGES_PER_GIB, 10 * PAGES_PER_GIB, NS_PER_S);
	CHECK_EQ(rounds.bytes_per_s >> 20, 1024);
}

TEST(zero_pages_alone_are_better_than_nothing)
{
	struct rounds rounds = { 0 };

	rounds_measure(&rounds, 0, PAGES_PER_GIB, NS_PER_S);
	CHECK_EQ(rounds.bytes_per_s >> 20, 1024);
}

TEST(a_short_round_keeps_the_older_figure)
{
	struct rounds rounds = { 0 };

	rounds_measure(&rounds, PAGES_PER_GIB, 0, NS_PER_S);
	rounds_measure(&rounds, 255, 0, NS_PER_S);
	CHECK_EQ(rounds.bytes_per_s >> 20, 1024);
	rounds_measure(&rounds, PAGES_PER_GIB, 0, 5 * NS_PER_MS - 1);
	CHECK_EQ(rounds.bytes_per_s >> 20, 1024);
	rounds_measure(&rounds, 0, 0, NS_PER_S);
	CHECK_EQ(rounds.bytes_per_s >> 20, 1024);
	rounds_measure(&rounds, 256, 0, NS_PER_S);
	CHECK_EQ(rounds.bytes_per_s >> 20, 1);
}

TEST(a_first_round_however_short_says_something)
{
	struct rounds rounds = { 0 };

	rounds_measure(&rounds, 1, 0, 0);
	CHECK(rounds.bytes_per_s > 0);
}

TEST_MAIN(TEST_OF(nothing_dirty_switches_over_at_once),
	  TEST_OF(nothing_measured_means_no_switchover),
	  TEST_OF(ages_are_not_mistaken_for_a_moment),
	  TEST_OF(the_limit_is_met_to_the_page),
	  TEST_OF(a_round_is_measured_in_guest_bytes),
	  TEST_OF(zero_pages_do_not_flatter_the_rate),
	  TEST_OF(zero_pages_alone_are_better_than_nothing),
	  TEST_OF(a_short_round_keeps_the_older_figure),
	  TEST_OF(a_first_round_however_short_says_something))
