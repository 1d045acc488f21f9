/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_simulated_queue_test.c - the simulated device's depth, order, time and end. */
#include "tests/check.h"

#include "codec/device_simulated_test.h"

#include <pthread.h>

#include "base/clock.h"

#define GROUP 16u

/* Submits units from `first` on; how many were taken. */
static unsigned submit_some(void *state, unsigned first, unsigned count)
{
	unsigned taken = 0;

	for (unsigned i = first; i < first + count; i++)
		taken += device->submit(state, encode_unit(i)) == DEVICE_TAKEN;
	return taken;
}

TEST(simulated_depth_is_shared_by_all_states)
{
	void *a, *b;

	fill_pages();
	set("depth=10,latency=60s");
	a = open_for(UNIT_DEFLATE, ENCODE, 16);
	b = open_for(UNIT_ZLIB, ENCODE, 16);
	CHECK_EQ(submit_some(a, 0, 7), 7);
	CHECK_EQ(submit_some(b, 7, 7), 3);
	CHECK_EQ(submit_some(a, 14, 1), 0);
	/* What is dropped is not inside any more. */
	CHECK(device->close(a));
	CHECK_EQ(submit_some(b, 14, 8), 7);
	/* Units of other settings are of another device. */
	set("depth=10,latency=60s");
	CHECK_EQ(submit_some(b, 29, 1), 1);
	a = open_for(UNIT_DEFLATE, ENCODE, 16);
	CHECK_EQ(submit_some(a, 30, 12), 10);
	CHECK(device->close(b));
	CHECK_EQ(submit_some(a, 60, 1), 0);
	CHECK(device->close(a));
}

/* Whether or not somebody fetches the answers. */
TEST(simulated_queue_drains_by_itself)
{
	void *state;

	fill_pages();
	set("depth=2,latency=1ns");
	state = open_for(UNIT_DEFLATE, ENCODE, UNITS);
	for (unsigned i = 0; i < UNITS; i++) {
		while (submit_some(state, i, 1) == 0)
			;
	}
	CHECK(device->close(state));
}

TEST(simulated_depth_0_is_unlimited)
{
	void *state;

	fill_pages();
	set("depth=0,latency=60s");
	state = open_for(UNIT_DEFLATE, ENCODE, UNITS);
	CHECK_EQ(submit_some(state, 0, UNITS), UNITS);
	CHECK(device->close(state));
}

/* Neighbours that come back in another order than they went in, of UNITS in groups. */
static unsigned count_swaps(const char *text)
{
	static bool back[UNITS];
	unsigned swaps = 0;
	void *state;

	set(text);
	memset(back, 0, sizeof(back));
	state = open_for(UNIT_DEFLATE, ENCODE, GROUP);
	for (unsigned first = 0; first + GROUP <= UNITS; first += GROUP) {
		const struct unit *before = NULL;

		CHECK_EQ(submit_some(state, first, GROUP), GROUP);
		for (unsigned i = 0; i < GROUP; i++) {
			struct unit *unit = device->reap(state, true);

			CHECK(unit >= &units[first] && unit < &units[first + GROUP]);
			CHECK(!back[unit - units]);
			back[unit - units] = true;
			swaps += before && unit < before;
			before = unit;
		}
		CHECK(!device->reap(state, true));
	}
	CHECK(device->close(state));
	return swaps;
}

TEST(simulated_answers_are_shuffled_when_told)
{
	fill_pages();
	CHECK_EQ(count_swaps(""), 0);
	CHECK(count_swaps("shuffle") > UNITS / 4);
}

/* Runs a unit of each state in turn and returns when the last came back, after its submit. */
static uint64_t time_alternately(void *states[2], unsigned count)
{
	uint64_t start = clock_now_ns();
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++)
		left += submit_some(states[i % 2], i, 1);
	CHECK_EQ(left, count);
	for (unsigned i = 0; left > 0; i++)
		left -= device->reap(states[i % 2], true) != NULL;
	return clock_now_ns() - start;
}

TEST(simulated_latency_is_waited_for)
{
	void *state;

	fill_pages();
	set("latency=3ms");
	state = open_for(UNIT_DEFLATE, ENCODE, GROUP);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t start = clock_now_ns();
		struct unit *unit = NULL;

		CHECK_EQ(submit_some(state, i, 1), 1);
		while (!unit)
			unit = device->reap(state, i % 2);
		CHECK(clock_now_ns() - start >= 3 * NS_PER_MS);
		CHECK(unit == &units[i]);
	}
	CHECK(device->close(state));
}

TEST(simulated_late_units_take_a_hundredfold)
{
	void *state;
	uint64_t start = clock_now_ns();

	fill_pages();
	set("latency=1ms,late=100");
	state = open_for(UNIT_DEFLATE, ENCODE, GROUP);
	CHECK_EQ(submit_some(state, 0, 1), 1);
	while (!device->reap(state, true))
		;
	CHECK(clock_now_ns() - start >= 100 * NS_PER_MS);
	CHECK(device->close(state));
}

TEST(simulated_throughput_is_of_all_states_together)
{
	void *states[2];

	fill_pages();
	/* 32 pages are 128 KiB. */
	set("throughput=2M,latency=1ms");
	states[0] = open_for(UNIT_DEFLATE, ENCODE, 16);
	states[1] = open_for(UNIT_DEFLATE, ENCODE, 16);
	CHECK(time_alternately(states, 32) >= NS_PER_S / 16);
	CHECK(device->close(states[0]));
	CHECK(device->close(states[1]));
}

TEST(simulated_death_fails_every_submit)
{
	void *state;

	fill_pages();
	set("dead-after=5,latency=1us");
	state = open_for(UNIT_DEFLATE, ENCODE, GROUP);
	CHECK_EQ(submit_some(state, 0, 5), 5);
	for (unsigned i = 5; i < 10; i++) {
		CHECK_EQ(device->submit(state, encode_unit(i)), DEVICE_FAILED);
		CHECK_CONTAINS(units[i].why, "dead");
	}
	for (unsigned left = 5; left > 0;)
		left -= device->reap(state, true) != NULL;
	CHECK(device->close(state));
	/* It was so when this state was opened as well. */
	state = open_for(UNIT_DEFLATE, ENCODE, GROUP);
	CHECK_EQ(device->submit(state, encode_unit(0)), DEVICE_FAILED);
	CHECK(device->close(state));
}

TEST(simulated_hung_units_stay_inside)
{
	void *hung, *state;

	fill_pages();
	set("hung-after=3,depth=4");
	hung = open_for(UNIT_DEFLATE, ENCODE, GROUP);
	CHECK_EQ(submit_some(hung, 0, 4), 4);
	for (unsigned i = 0; i < 3; i++)
		CHECK(device->reap(hung, true) == &units[i]);
	for (unsigned i = 0; i < 5; i++)
		CHECK(!device->reap(hung, true));
	CHECK_EQ(submit_some(hung, 4, 4), 3);
	CHECK(!device->close(hung));
	state = open_for(UNIT_DEFLATE, ENCODE, GROUP);
	CHECK_EQ(submit_some(state, 8, 1), 0);
	CHECK(device->close(state));
}

#define THREADS 4u

static void *work(void *opaque)
{
	unsigned first = ((unsigned)(uintptr_t)opaque - 1) * (UNITS / THREADS);
	struct gw_error reason;
	void *state = device->open(UNIT_DEFLATE, ENCODE, 0, GROUP, &reason);
	unsigned next = 0, back = 0;

	while (state && back < UNITS / THREADS) {
		bool more = next < UNITS / THREADS && next - back < GROUP;

		if (more &&
		    device->submit(state, encode_unit(first + next)) == DEVICE_TAKEN)
			next++;
		else
			back += device->reap(state, true) != NULL;
	}
	return state && device->close(state) ? opaque : NULL;
}

TEST(simulated_device_serves_threads)
{
	pthread_t threads[THREADS];
	unsigned taken = 0;
	void *state;

	fill_pages();
	set("depth=24,busy=10,failed=10,short=10,corrupt=10,shuffle,latency=1us");
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, work,
					(void *)(uintptr_t)(i + 1)),
			 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *worked;

		pthread_join(threads[i], &worked);
		CHECK(worked);
	}
	/* Nothing was left inside. */
	state = open_for(UNIT_DEFLATE, ENCODE, 24);
	for (unsigned i = 0; i < UNITS && taken < 24; i++)
		taken += submit_some(state, taken, 1);
	CHECK_EQ(taken, 24);
	CHECK(device->close(state));
}

TEST_MAIN(TEST_OF(simulated_depth_is_shared_by_all_states),
	  TEST_OF(simulated_queue_drains_by_itself),
	  TEST_OF(simulated_depth_0_is_unlimited),
	  TEST_OF(simulated_answers_are_shuffled_when_told),
	  TEST_OF(simulated_latency_is_waited_for),
	  TEST_OF(simulated_late_units_take_a_hundredfold),
	  TEST_OF(simulated_throughput_is_of_all_states_together),
	  TEST_OF(simulated_death_fails_every_submit),
	  TEST_OF(simulated_hung_units_stay_inside),
	  TEST_OF(simulated_device_serves_threads))
