/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* auto_converge_test.c - QEMU's steps. */
#include "migrate/auto_converge.h"

#include "tests/check.h"

static const struct auto_converge defaults = { .on = true,
					       .trigger_threshold_percent = 50,
					       .initial_percent = 20,
					       .increment_percent = 10,
					       .max_percent = 99 };

TEST(every_second_busy_period_is_a_step)
{
	struct auto_converge_state state = { 0 };
	uint32_t steps[12];

	for (unsigned i = 0; i < 12; i++) {
		CHECK(!auto_converge_step(&defaults, &state, 60, 100));
		CHECK_EQ(auto_converge_step(&defaults, &state, 60, 100), i < 9);
		steps[i] = state.percent;
	}
	CHECK_EQ(steps[0], 20);
	CHECK_EQ(steps[1], 30);
	CHECK_EQ(steps[7], 90);
	CHECK_EQ(steps[8], 99);
	CHECK_EQ(steps[11], 99);
}

TEST(the_threshold_is_a_share_of_what_moved)
{
	struct auto_converge_state state = { 0 };

	for (unsigned i = 0; i < 10; i++)
		CHECK(!auto_converge_step(&defaults, &state, 50, 100));
	CHECK_EQ(state.percent, 0);
	CHECK(!auto_converge_step(&defaults, &state, 51, 100));
	CHECK(auto_converge_step(&defaults, &state, 51, 100));
}

TEST(off_it_does_nothing)
{
	struct auto_converge off = defaults;
	struct auto_converge_state state = { 0 };

	off.on = false;
	for (unsigned i = 0; i < 10; i++)
		CHECK(!auto_converge_step(&off, &state, 1000, 1));
	CHECK_EQ(state.percent, 0);
}

TEST(the_tail_is_slow_where_asked)
{
	struct auto_converge slow = defaults;
	struct auto_converge_state state = { .percent = 90 };

	slow.tailslow = true;
	/* 10 % run and write 60 where 50 may be: 8.33 % would do. */
	(void)auto_converge_step(&slow, &state, 60, 100);
	CHECK(auto_converge_step(&slow, &state, 60, 100));
	CHECK_EQ(state.percent, 91);
	/* Far off a step is a step. */
	state = (struct auto_converge_state){ .percent = 20 };
	(void)auto_converge_step(&slow, &state, 6000, 100);
	CHECK(auto_converge_step(&slow, &state, 6000, 100));
	CHECK_EQ(state.percent, 30);
}

TEST(the_most_is_kept_to)
{
	struct auto_converge options = defaults;
	struct auto_converge_state state = { 0 };

	options.initial_percent = 30;
	options.max_percent = 35;
	for (unsigned i = 0; i < 10; i++)
		(void)auto_converge_step(&options, &state, 100, 1);
	CHECK_EQ(state.percent, 35);
}

TEST_MAIN(TEST_OF(every_second_busy_period_is_a_step),
	  TEST_OF(the_threshold_is_a_share_of_what_moved), TEST_OF(off_it_does_nothing),
	  TEST_OF(the_tail_is_slow_where_asked), TEST_OF(the_most_is_kept_to))
