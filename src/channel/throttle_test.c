/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* throttle_test.c - the promise over any window, on the times of the grants themselves. */
#include "channel/throttle.h"

#include <pthread.h>

#include "base/clock.h"
#include "tests/check.h"

#define WINDOW_NS (100 * NS_PER_MS)

struct grant {
	uint64_t at_ns;
	size_t bytes;
};

static uint64_t virtual_ns;

static uint64_t virtual_clock(void)
{
	return virtual_ns;
}

/* What the clock said last, which is the time of the grant when there is one. */
static _Thread_local uint64_t said_ns;

static uint64_t noting_clock(void)
{
	said_ns = clock_now_ns();
	return said_ns;
}

static int by_time(const void *left, const void *right)
{
	const struct grant *a = left, *b = right;

	return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns;
}

/* The most bytes granted within any window. */
static uint64_t densest_window(struct grant *grants, size_t count)
{
	uint64_t inside = 0, most = 0;
	size_t oldest = 0;

	qsort(grants, count, sizeof(*grants), by_time);
	for (size_t i = 0; i < count; i++) {
		inside += grants[i].bytes;
		while (grants[i].at_ns - grants[oldest].at_ns > WINDOW_NS)
			inside -= grants[oldest++].bytes;
		if (inside > most)
			most = inside;
	}
	return most;
}

static uint64_t promised(uint64_t rate)
{
	return rate / 10 * 105 / 100 + 65536;
}

TEST(unlimited_takes_everything_at_once)
{
	struct throttle throttle;

	throttle_init(&throttle, 0);
	CHECK_EQ(throttle_rate(&throttle), 0);
	CHECK_EQ(throttle_slice(&throttle, SIZE_MAX), (long long)SIZE_MAX);
	CHECK_EQ(throttle_try(&throttle, SIZE_MAX, virtual_clock), 0);
	CHECK(throttle_take(&throttle, SIZE_MAX, NULL));
}

TEST(rates_beyond_any_link_are_unlimited)
{
	struct throttle throttle;

	throttle_init(&throttle, UINT64_C(10000000000000));
	CHECK_EQ(throttle_rate(&throttle), 10000000000000);
	throttle_set(&throttle, UINT64_C(10000000000001));
	CHECK_EQ(throttle_rate(&throttle), 0);
	throttle_set(&throttle, UINT64_MAX);
	CHECK_EQ(throttle_rate(&throttle), 0);
}

TEST(slices_stay_within_the_slack)
{
	static const uint64_t rates[] = {
		1,	   1000,       409600,
		409700,	   1000000,    12500000,
		125000000, 1250000000, UINT64_C(10000000000000)
	};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct throttle throttle;
		uint64_t slice;

		throttle_init(&throttle, rates[i]);
		slice = throttle_slice(&throttle, SIZE_MAX);
		CHECK(slice >= 4096);
		CHECK(slice <= 65536 + rates[i] / 1000);
		CHECK_EQ(throttle_slice(&throttle, slice), slice);
		CHECK_EQ(throttle_slice(&throttle, slice - 1), slice - 1);
		CHECK_EQ(throttle_slice(&throttle, slice + 1), slice);
		CHECK_EQ(throttle_slice(&throttle, 0), 0);
	}
}

/* Takers in virtual time: some wake late, some ask little, all stay idle for a while. */
static void drive(uint64_t rate, uint64_t seed)
{
	enum { TAKERS = 8, GRANTS = 4000 };
	static struct grant grants[GRANTS];
	uint64_t wake_ns[TAKERS] = { 0 }, state = seed, total = 0, least;
	struct throttle throttle;
	size_t count = 0;

	throttle_init(&throttle, rate);
	virtual_ns = 5 * NS_PER_S;
	while (count < GRANTS) {
		size_t taker = 0, wanted;
		uint64_t wait_ns;

		for (size_t i = 1; i < TAKERS; i++)
			if (wake_ns[i] < wake_ns[taker])
				taker = i;
		if (wake_ns[taker] > virtual_ns)
			virtual_ns = wake_ns[taker];
		wanted = throttle_slice(&throttle, check_random(&state) % (1u << 20) + 1);
		wait_ns = throttle_try(&throttle, wanted, virtual_clock);
		if (wait_ns == 0) {
			grants[count++] = (struct grant){ virtual_ns, wanted };
			total += wanted;
			if (check_random(&state) % 512 == 0)
				wait_ns = check_random(&state) % NS_PER_S;
		}
		/* Late by up to 60 us, sometimes by up to 30 ms. */
		wake_ns[taker] = virtual_ns + wait_ns + check_random(&state) % 60000;
		if (check_random(&state) % 64 == 0)
			wake_ns[taker] += check_random(&state) % (30 * NS_PER_MS);
	}
	least = densest_window(grants, count);
	if (least > promised(rate))
		CHECK_FAIL("seed %" PRIu64 ", rate %" PRIu64 ": %" PRIu64
			   " bytes in 100 ms, promised at most %" PRIu64,
			   seed, rate, least, promised(rate));
	/* And the other way: with eight who want, little of the rate is lost. */
	if (total < (virtual_ns - 5 * NS_PER_S) / NS_PER_MS * rate / 1000 * 9 / 10)
		CHECK_FAIL("seed %" PRIu64 ", rate %" PRIu64 ": only %" PRIu64
			   " bytes in %" PRIu64 " ms",
			   seed, rate, total, (virtual_ns - 5 * NS_PER_S) / NS_PER_MS);
}

TEST(any_window_of_virtual_time_holds_the_promise)
{
	static const uint64_t rates[] = { 50000, 1000000, 12500000, 125000000,
					  1250000000 };

	for (uint64_t seed = 1; seed <= 10; seed++)
		for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
			drive(rates[i], seed);
}

TEST(a_burst_after_idling_is_no_larger_than_the_slack)
{
	struct throttle throttle;
	uint64_t burst = 0;
	size_t slice;

	throttle_init(&throttle, 12500000);
	slice = throttle_slice(&throttle, SIZE_MAX);
	virtual_ns = 3600 * NS_PER_S;
	while (throttle_try(&throttle, slice, virtual_clock) == 0)
		burst += slice;
	CHECK(burst >= slice);
	CHECK(burst <= 12500000 / 1000 * 5 + 65536);
}

TEST(a_raised_rate_forgets_the_wait_of_the_low_one)
{
	struct throttle throttle;
	uint64_t wait_ns;

	virtual_ns = NS_PER_S;
	throttle_init(&throttle, 10);
	CHECK_EQ(throttle_try(&throttle, 4096, virtual_clock), 0);
	/* 409.6 s less the credit. */
	CHECK(throttle_try(&throttle, 4096, virtual_clock) > 409 * NS_PER_S);
	throttle_set(&throttle, 1000000);
	wait_ns = throttle_try(&throttle, 4096, virtual_clock);
	CHECK(wait_ns > 0 && wait_ns <= 10 * NS_PER_MS);
	virtual_ns += wait_ns;
	CHECK_EQ(throttle_try(&throttle, 4096, virtual_clock), 0);
	throttle_set(&throttle, 0);
	CHECK_EQ(throttle_try(&throttle, 4096, virtual_clock), 0);
}

TEST(a_lowered_rate_counts_from_the_next_slice)
{
	struct throttle throttle;

	virtual_ns = NS_PER_S;
	throttle_init(&throttle, 1000000000);
	CHECK_EQ(throttle_try(&throttle, 4096, virtual_clock), 0);
	throttle_set(&throttle, 4096);
	CHECK_EQ(throttle_try(&throttle, 4096, virtual_clock), 0);
	CHECK_EQ(throttle_try(&throttle, 4096, virtual_clock), 996 * NS_PER_MS + 4096);
}

struct taker {
	pthread_t thread;
	struct throttle *throttle;
	const struct interrupt *interrupt;
	size_t taken;
	bool result;
	struct grant grants[64];
};

static void *take_noting(void *opaque)
{
	struct taker *taker = opaque;

	while (taker->taken < sizeof(taker->grants) / sizeof(taker->grants[0])) {
		size_t slice = throttle_slice(taker->throttle, 1u << 20);
		uint64_t wait_ns = throttle_try(taker->throttle, slice, noting_clock);

		if (wait_ns > 0)
			interrupt_sleep(NULL, wait_ns);
		else
			taker->grants[taker->taken++] = (struct grant){ said_ns, slice };
	}
	return NULL;
}

TEST(sixteen_threads_hold_the_promise_together)
{
	enum { TAKERS = 16, EACH = 64 };
	const uint64_t rate = 200000000;
	static struct taker takers[TAKERS];
	static struct grant all[TAKERS * EACH];
	struct throttle throttle;
	uint64_t most;

	throttle_init(&throttle, rate);
	for (int i = 0; i < TAKERS; i++) {
		takers[i].throttle = &throttle;
		takers[i].taken = 0;
		CHECK_EQ(pthread_create(&takers[i].thread, NULL, take_noting, &takers[i]),
			 0);
	}
	for (int i = 0; i < TAKERS; i++) {
		pthread_join(takers[i].thread, NULL);
		memcpy(all + i * EACH, takers[i].grants, sizeof(takers[i].grants));
	}
	most = densest_window(all, TAKERS * EACH);
	if (most > promised(rate))
		CHECK_FAIL("%" PRIu64 " bytes in 100 ms, promised at most %" PRIu64, most,
			   promised(rate));
}

static void *take_much(void *opaque)
{
	struct taker *taker = opaque;

	taker->result = throttle_take(taker->throttle, taker->taken, taker->interrupt);
	return NULL;
}

TEST(a_sleeper_is_interrupted)
{
	struct throttle throttle;
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct taker taker = { .throttle = &throttle, .interrupt = interrupt };

	CHECK(interrupt);
	throttle_init(&throttle, 1);
	taker.taken = 1 << 20; /* twelve days */
	taker.result = true;
	CHECK_EQ(pthread_create(&taker.thread, NULL, take_much, &taker), 0);
	interrupt_sleep(NULL, 20 * NS_PER_MS);
	interrupt_raise(interrupt);
	pthread_join(taker.thread, NULL);
	CHECK(!taker.result);
}

TEST(a_sleeper_sees_a_raised_rate)
{
	struct throttle throttle;
	struct taker taker = { .throttle = &throttle };

	throttle_init(&throttle, 1);
	taker.taken = 1 << 20;
	CHECK_EQ(pthread_create(&taker.thread, NULL, take_much, &taker), 0);
	interrupt_sleep(NULL, 20 * NS_PER_MS);
	throttle_set(&throttle, 1000000000);
	/* Joins only if the sleeper woke: the test program has a time-out. */
	pthread_join(taker.thread, NULL);
	CHECK(taker.result);
}

TEST_MAIN(TEST_OF(unlimited_takes_everything_at_once),
	  TEST_OF(rates_beyond_any_link_are_unlimited),
	  TEST_OF(slices_stay_within_the_slack),
	  TEST_OF(any_window_of_virtual_time_holds_the_promise),
	  TEST_OF(a_burst_after_idling_is_no_larger_than_the_slack),
	  TEST_OF(a_raised_rate_forgets_the_wait_of_the_low_one),
	  TEST_OF(a_lowered_rate_counts_from_the_next_slice),
	  TEST_OF(sixteen_threads_hold_the_promise_together),
	  TEST_OF(a_sleeper_is_interrupted), TEST_OF(a_sleeper_sees_a_raised_rate))
