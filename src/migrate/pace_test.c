/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pace_test.c - when the pace is looked at, and what is made of too little. */
/* Before the header below, which uses it. */
#include "tests/check.h"

#include "base/bitmap.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "migrate/guests_for_tests.h"
#include "migrate/pace.h"

#define PAGES 256u
#define LONG_LIMIT_MS 10000u /* no window ends within a test */

struct fixture {
	struct scripted_guest guest;
	struct source_machine machine;
	struct dirty_tracker *tracker;
	struct batcher *batcher;
	struct pace pace;
	struct gw_error err;
};

static void set_up(struct fixture *f)
{
	*f = (struct fixture){ .machine = { .state = &f->guest,
					    .throttle = guest_throttle } };
	ram_init(&f->guest.ram);
	CHECK_OK(ram_allocate(&f->guest.ram, "pc.ram", PAGES * PAGE_BYTES, &f->err),
		 &f->err);
	f->tracker = dirty_new(&scripted_tracker, &f->guest, &f->err);
	f->batcher = batcher_new(&f->guest.ram, &f->err);
	CHECK(f->tracker && f->batcher);
	pace_init(&f->pace, &(struct pace_options){ .ram = &f->guest.ram,
						    .tracker = f->tracker,
						    .batcher = f->batcher,
						    .machine = &f->machine });
	CHECK_OK(pace_start(&f->pace, &f->err), &f->err);
}

static void tear_down(struct fixture *f)
{
	pace_stop(&f->pace);
	batcher_free(f->batcher);
	dirty_free(f->tracker);
	ram_deinit(&f->guest.ram);
}

TEST(a_look_at_what_stands_still_is_not_due_again_at_once)
{
	const struct moved some = { .normal_pages = PAGES }, none = { 0 };
	const struct moved *later[] = { &none, &some };
	struct fixture f;

	/* Nothing was moved ever, or nothing more. */
	for (int i = 0; i < 2; i++) {
		uint64_t before_ns;

		set_up(&f);
		f.pace.rounds.bytes_per_s = i == 0 ? 0 : 1000;
		pace_begin_round(&f.pace, later[i], LONG_LIMIT_MS);
		interrupt_sleep(NULL, pace_next_look_ns(&f.pace) - clock_now_ns());
		before_ns = clock_now_ns();
		CHECK(pace_next_look_ns(&f.pace) <= before_ns);
		CHECK_OK(pace_look(&f.pace, later[i], 0, LONG_LIMIT_MS, &f.err), &f.err);
		CHECK(pace_next_look_ns(&f.pace) > before_ns);
		CHECK_EQ(f.pace.rounds.bytes_per_s, i == 0 ? 0 : 1000);
		tear_down(&f);
	}
}

TEST(a_lower_limit_bounds_what_was_measured)
{
	const struct moved moved = { .normal_pages = 10 };
	struct fixture f;

	set_up(&f);
	f.pace.rounds.bytes_per_s = 5000;
	pace_forget(&f.pace, &moved, UINT64_MAX);
	CHECK_EQ(f.pace.rounds.bytes_per_s, 5000);
	pace_forget(&f.pace, &moved, 700);
	CHECK_EQ(f.pace.rounds.bytes_per_s, 700);
	pace_forget(&f.pace, &moved, 9000);
	CHECK_EQ(f.pace.rounds.bytes_per_s, 700);
	tear_down(&f);
}

TEST(no_more_remains_than_there_is)
{
	struct fixture f;

	set_up(&f);
	batcher_begin_round(f.batcher);
	CHECK_EQ(pace_remaining_pages(&f.pace, 100), 100);
	bitmap_set_range(batcher_bitmap(f.batcher, 0), 0, 200);
	CHECK_EQ(pace_remaining_pages(&f.pace, 50), 250);
	CHECK_EQ(pace_remaining_pages(&f.pace, PAGES), PAGES);
	tear_down(&f);
}

TEST(the_guest_is_let_go_at_the_end_once)
{
	struct fixture f;

	set_up(&f);
	f.guest.throttle_percent = 40;
	f.pace.throttle.percent = 40;
	pace_stop(&f.pace);
	CHECK_EQ(f.guest.throttle_percent, 0);
	f.guest.throttle_percent = 7; /* somebody else's */
	tear_down(&f);
	CHECK_EQ(f.guest.throttle_percent, 7);
}

TEST_MAIN(TEST_OF(a_look_at_what_stands_still_is_not_due_again_at_once),
	  TEST_OF(a_lower_limit_bounds_what_was_measured),
	  TEST_OF(no_more_remains_than_there_is),
	  TEST_OF(the_guest_is_let_go_at_the_end_once))
