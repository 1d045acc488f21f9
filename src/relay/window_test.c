/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* window_test.c - what may be in flight, by a clock of the test's own. */
#include "relay/window.h"

#include <pthread.h>

#include "base/clock.h"
#include "tests/check.h"

#define MIB (UINT64_C(1) << 20)

static struct gw_error err;
static uint64_t now_ns;

static uint64_t test_clock(void)
{
	return __atomic_load_n(&now_ns, __ATOMIC_RELAXED);
}

static void pass(uint64_t ms)
{
	__atomic_add_fetch(&now_ns, ms * NS_PER_MS, __ATOMIC_RELAXED);
}

static struct window *open_window(uint64_t floor_bytes, uint64_t downtime_ms)
{
	struct window *window = window_new(floor_bytes, downtime_ms, test_clock, &err);

	CHECK(window);
	return window;
}

/* `bytes` go out and arrive after `ms`, again and again. */
static void carry(struct window *window, uint64_t *total, uint64_t bytes, uint64_t ms,
		  int times)
{
	for (int i = 0; i < times; i++) {
		CHECK(window_take(window, bytes));
		pass(ms);
		*total += bytes;
		CHECK(window_delivered(window, *total));
	}
}

/* ---- the bound ---- */

TEST(at_first_the_floor_holds)
{
	struct window *window = open_window(2 * MIB, 300);

	CHECK_EQ(window_bytes(window), 2 * MIB);
	CHECK(window_rate(window) == 0);
	CHECK(window_take(window, MIB));
	CHECK(window_take(window, MIB));
	CHECK_EQ(window_in_flight(window), 2 * MIB);
	CHECK_EQ(window_most_in_flight(window), 2 * MIB);
	window_free(window);
}

TEST(one_may_always_pass_when_nothing_is_in_flight)
{
	struct window *window = open_window(MIB, 300);

	CHECK(window_take(window, 5 * MIB));
	CHECK(window_delivered(window, 5 * MIB));
	CHECK(window_take(window, 7 * MIB));
	CHECK_EQ(window_most_in_flight(window), 7 * MIB);
	window_free(window);
}

TEST(a_quarter_of_the_downtime_limit_at_the_measured_rate)
{
	struct window *window = open_window(MIB, 400);
	uint64_t total = 0;

	/* 1 MiB in 10 ms. */
	carry(window, &total, MIB, 10, 100);
	CHECK(window_rate(window) > 99.0 * MIB && window_rate(window) < 105.0 * MIB);
	CHECK(window_bytes(window) > 99 * MIB / 10 &&
	      window_bytes(window) < 105 * MIB / 10);
	window_set_downtime_limit(window, 40);
	CHECK(window_bytes(window) >= MIB && window_bytes(window) < 105 * MIB / 100);
	window_set_downtime_limit(window, 20);
	CHECK_EQ(window_bytes(window), MIB); /* the floor */
	window_set_downtime_limit(window, UINT64_MAX);
	CHECK_EQ(window_bytes(window), WINDOW_BYTES_MAX);
	window_free(window);
}

TEST(a_floor_above_the_bound_holds)
{
	struct window *window = open_window(WINDOW_BYTES_MAX + 1, 1000000);
	uint64_t total = 0;

	carry(window, &total, 64 * MIB, 1, 100);
	CHECK_EQ(window_bytes(window), WINDOW_BYTES_MAX + 1);
	window_free(window);
}

/* ---- the rate ---- */

TEST(there_is_no_rate_before_50_ms_in_flight)
{
	struct window *window = open_window(MIB, 400);
	uint64_t total = 0;

	carry(window, &total, MIB, 7, 7);
	CHECK(window_rate(window) == 0);
	carry(window, &total, MIB, 7, 1);
	/* 8 MiB in 56 ms. */
	CHECK(window_rate(window) > 142.0 * MIB && window_rate(window) < 143.0 * MIB);
	window_free(window);
}

TEST(idle_time_does_not_count)
{
	struct window *window = open_window(MIB, 400);
	uint64_t total = 0;
	double before;

	carry(window, &total, MIB, 10, 100);
	before = window_rate(window);
	pass(100000);
	carry(window, &total, MIB, 10, 1);
	CHECK(window_rate(window) > 0.9 * before && window_rate(window) < 1.1 * before);
	/* However much of it there is, between any two. */
	for (int i = 0; i < 100; i++) {
		pass(1000);
		carry(window, &total, MIB, 10, 1);
	}
	CHECK(window_rate(window) > 0.9 * before && window_rate(window) < 1.1 * before);
	window_free(window);
}

TEST(a_stall_with_something_in_flight_counts)
{
	struct window *window = open_window(MIB, 400);
	uint64_t total = 0;

	carry(window, &total, MIB, 10, 100);
	CHECK(window_bytes(window) > MIB);
	carry(window, &total, MIB, 5000, 1);
	/* 1 MiB within the last 400 ms is what is left. */
	CHECK(window_rate(window) < 3.0 * MIB);
	CHECK_EQ(window_bytes(window), MIB);
	window_free(window);
}

TEST(an_old_rate_is_forgotten)
{
	struct window *window = open_window(MIB, 400);
	uint64_t total = 0;

	carry(window, &total, 10 * MIB, 10, 100);
	CHECK(window_rate(window) > 900.0 * MIB);
	carry(window, &total, MIB, 10, 40);
	CHECK(window_rate(window) > 95.0 * MIB && window_rate(window) < 110.0 * MIB);
	window_free(window);
}

TEST(several_in_flight_share_the_time)
{
	struct window *window = open_window(4 * MIB, 400);
	uint64_t total = 0;

	CHECK(window_take(window, MIB));
	for (int i = 0; i < 100; i++) {
		CHECK(window_take(window, MIB));
		pass(10);
		total += MIB;
		CHECK(window_delivered(window, total));
	}
	CHECK_EQ(window_in_flight(window), MIB);
	CHECK(window_rate(window) > 99.0 * MIB && window_rate(window) < 105.0 * MIB);
	window_free(window);
}

/* ---- what cannot be ---- */

TEST(totals_that_cannot_be_are_refused)
{
	struct window *window = open_window(4 * MIB, 400);

	CHECK(!window_delivered(window, 1));
	CHECK(window_take(window, 100));
	CHECK(window_delivered(window, 60));
	CHECK(window_delivered(window, 60)); /* no news */
	CHECK_EQ(window_in_flight(window), 40);
	CHECK(!window_delivered(window, 59));
	CHECK(!window_delivered(window, 101));
	CHECK(!window_delivered(window, UINT64_MAX));
	CHECK_EQ(window_in_flight(window), 40);
	CHECK(window_delivered(window, 100));
	CHECK_EQ(window_in_flight(window), 0);
	window_free(window);
}

/* ---- waits ---- */

struct taker {
	struct window *window;
	pthread_t thread;
	uint64_t bytes;
	uint32_t *order;
	uint32_t place; /* in which it passed, from 1; 0: not yet, or closed */
	bool taken;
};

static void *take_in_thread(void *state)
{
	struct taker *taker = state;

	taker->taken = window_take(taker->window, taker->bytes);
	if (taker->taken)
		__atomic_store_n(&taker->place,
				 __atomic_add_fetch(taker->order, 1, __ATOMIC_SEQ_CST),
				 __ATOMIC_SEQ_CST);
	return NULL;
}

/* Long enough for a thread to come to its wait. */
static void let_it_wait(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20 * NS_PER_MS }, NULL);
}

static void start_taker(struct taker *taker, struct window *window, uint64_t bytes,
			uint32_t *order)
{
	*taker = (struct taker){ .window = window, .bytes = bytes };
	taker->order = order;
	CHECK_EQ(pthread_create(&taker->thread, NULL, take_in_thread, taker), 0);
	let_it_wait();
}

static uint32_t place_of(const struct taker *taker)
{
	return __atomic_load_n(&taker->place, __ATOMIC_SEQ_CST);
}

TEST(a_taker_waits_until_enough_is_delivered)
{
	struct window *window = open_window(2 * MIB, 300);
	struct taker taker;
	uint32_t order = 0;

	CHECK(window_take(window, 2 * MIB));
	start_taker(&taker, window, MIB, &order);
	CHECK_EQ(place_of(&taker), 0);
	CHECK(window_delivered(window, MIB - 1));
	let_it_wait();
	CHECK_EQ(place_of(&taker), 0);
	CHECK(window_delivered(window, MIB));
	pthread_join(taker.thread, NULL);
	CHECK(taker.taken);
	CHECK_EQ(window_most_in_flight(window), 2 * MIB);
	window_free(window);
}

TEST(a_higher_downtime_limit_lets_a_taker_go)
{
	struct window *window = open_window(MIB, 0);
	struct taker taker;
	uint64_t total = 0;
	uint32_t order = 0;

	carry(window, &total, MIB, 10, 100);
	CHECK(window_take(window, MIB));
	start_taker(&taker, window, MIB, &order);
	CHECK_EQ(place_of(&taker), 0);
	window_set_downtime_limit(window, 400);
	pthread_join(taker.thread, NULL);
	CHECK(taker.taken);
	window_free(window);
}

TEST(takers_go_in_the_order_in_which_they_came)
{
	struct window *window = open_window(4 * MIB, 300);
	struct taker big, small, last;
	uint32_t order = 0;

	CHECK(window_take(window, 3 * MIB));
	start_taker(&big, window, 3 * MIB, &order);
	/* Would fit, but would keep the big one out for ever. */
	start_taker(&small, window, MIB / 2, &order);
	start_taker(&last, window, MIB / 2, &order);
	CHECK_EQ(order, 0);
	CHECK(window_delivered(window, 3 * MIB));
	pthread_join(big.thread, NULL);
	pthread_join(small.thread, NULL);
	pthread_join(last.thread, NULL);
	/* Noted after the call, so that only the amounts can tell of the order. */
	CHECK_EQ(window_in_flight(window), 4 * MIB);
	CHECK_EQ(window_most_in_flight(window), 4 * MIB);
	window_free(window);
}

TEST(close_wakes_all_takers)
{
	struct window *window = open_window(MIB, 300);
	struct taker takers[3];
	uint32_t order = 0;

	CHECK(window_take(window, MIB));
	for (int i = 0; i < 3; i++)
		start_taker(&takers[i], window, MIB, &order);
	window_close(window);
	for (int i = 0; i < 3; i++) {
		pthread_join(takers[i].thread, NULL);
		CHECK(!takers[i].taken);
	}
	CHECK(window_delivered(window, MIB));
	CHECK(!window_take(window, 1));
	CHECK_EQ(window_in_flight(window), 0);
	window_free(window);
}

/* ---- many takers, one who delivers ---- */

#define TAKERS 4u
#define TAKES 500u

static void *take_often(void *window)
{
	uint64_t random = (uint64_t)(uintptr_t)&window;

	for (uint32_t i = 0; i < TAKES; i++) {
		uint64_t bytes = 1 + check_random(&random) % MIB;

		if (!window_take(window, bytes))
			return window;
	}
	return NULL;
}

TEST(the_bound_holds_with_many_takers)
{
	struct window *window = open_window(2 * MIB, 0);
	pthread_t threads[TAKERS];
	uint64_t total = 0;
	uint32_t ended = 0;
	void *closed;

	for (uint32_t i = 0; i < TAKERS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, take_often, window), 0);
	while (ended < TAKERS) {
		uint64_t bytes = window_in_flight(window);

		/* Half of it, so that there is always something. */
		total += bytes - bytes / 2;
		CHECK(window_delivered(window, total));
		pass(1);
		if (bytes == 0 && pthread_tryjoin_np(threads[ended], &closed) == 0) {
			CHECK(!closed);
			ended++;
		}
	}
	CHECK_EQ(window_in_flight(window), 0);
	CHECK(window_most_in_flight(window) <= 2 * MIB);
	CHECK(window_most_in_flight(window) > MIB);
	window_free(window);
}

TEST_MAIN(TEST_OF(at_first_the_floor_holds),
	  TEST_OF(one_may_always_pass_when_nothing_is_in_flight),
	  TEST_OF(a_quarter_of_the_downtime_limit_at_the_measured_rate),
	  TEST_OF(a_floor_above_the_bound_holds),
	  TEST_OF(there_is_no_rate_before_50_ms_in_flight),
	  TEST_OF(idle_time_does_not_count),
	  TEST_OF(a_stall_with_something_in_flight_counts),
	  TEST_OF(an_old_rate_is_forgotten), TEST_OF(several_in_flight_share_the_time),
	  TEST_OF(totals_that_cannot_be_are_refused),
	  TEST_OF(a_taker_waits_until_enough_is_delivered),
	  TEST_OF(a_higher_downtime_limit_lets_a_taker_go),
	  TEST_OF(takers_go_in_the_order_in_which_they_came),
	  TEST_OF(close_wakes_all_takers), TEST_OF(the_bound_holds_with_many_takers))
