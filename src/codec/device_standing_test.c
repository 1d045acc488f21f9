/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_standing_test.c - failures in a row end a device's use, once and aloud. */
#include "tests/check.h"

#include <pthread.h>

#include "base/log.h"
#include "codec/device_standing.h"

static char said[512];
static unsigned lines;

static void keep_line(void *state, enum log_level level, const char *text)
{
	if (__atomic_fetch_add(&lines, 1, __ATOMIC_RELAXED) == 0)
		snprintf(said, sizeof(said), "%d %s", (int)level, text);
}

static const struct log keeper = { .level = LOG_LEVEL_DEBUG, .line = keep_line };
static const struct unit failed = { .answer = UNIT_FAILED,
				    .code = 5,
				    .why = "check_job" };

static struct device_standing fresh(void)
{
	lines = 0;
	said[0] = '\0';
	return (struct device_standing){ .log = &keeper };
}

static void fail_times(struct device_standing *standing, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		device_standing_failure(standing, "simulated", &failed);
}

TEST(standing_ends_at_the_limit)
{
	struct device_standing standing = fresh();

	fail_times(&standing, DEVICE_FAILURES_MAX - 1);
	CHECK(!device_standing_ended(&standing));
	CHECK_EQ(lines, 0);
	fail_times(&standing, 1);
	CHECK(device_standing_ended(&standing));
	CHECK_EQ(lines, 1);
	CHECK_STR(said,
		  "1 simulated: 64 failures in a row, the last: check_job (5): software "
		  "computes for the rest of this migration");
}

TEST(standing_counts_only_failures_in_a_row)
{
	struct device_standing standing = fresh();

	for (unsigned i = 0; i < 10; i++) {
		fail_times(&standing, DEVICE_FAILURES_MAX - 1);
		device_standing_success(&standing);
		device_standing_success(&standing);
	}
	CHECK(!device_standing_ended(&standing));
	CHECK_EQ(lines, 0);
}

TEST(standing_stays_ended_and_silent)
{
	struct device_standing standing = fresh();

	fail_times(&standing, DEVICE_FAILURES_MAX);
	device_standing_success(&standing);
	fail_times(&standing, 2 * DEVICE_FAILURES_MAX);
	device_standing_end(&standing, "simulated", "whatever");
	CHECK(device_standing_ended(&standing));
	CHECK_EQ(lines, 1);
}

TEST(standing_can_be_ended_at_once)
{
	struct device_standing standing = fresh();

	device_standing_end(&standing, "qpl", "16 units are not given back");
	CHECK(device_standing_ended(&standing));
	CHECK_STR(said,
		  "1 qpl: 16 units are not given back: software computes for the rest "
		  "of this migration");
	fail_times(&standing, DEVICE_FAILURES_MAX);
	CHECK_EQ(lines, 1);
}

TEST(standing_without_a_log_ends_too)
{
	struct device_standing standing = { .log = NULL };

	fail_times(&standing, DEVICE_FAILURES_MAX);
	CHECK(device_standing_ended(&standing));
}

#define THREADS 8

static void *fail_in_thread(void *standing)
{
	fail_times(standing, 10 * DEVICE_FAILURES_MAX);
	return NULL;
}

TEST(standing_of_many_threads_ends_once)
{
	for (unsigned round = 0; round < 50; round++) {
		struct device_standing standing = fresh();
		pthread_t threads[THREADS];

		for (unsigned i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_create(&threads[i], NULL, fail_in_thread,
						&standing),
				 0);
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		CHECK(device_standing_ended(&standing));
		CHECK_EQ(lines, 1);
	}
}

TEST_MAIN(TEST_OF(standing_ends_at_the_limit),
	  TEST_OF(standing_counts_only_failures_in_a_row),
	  TEST_OF(standing_stays_ended_and_silent),
	  TEST_OF(standing_can_be_ended_at_once),
	  TEST_OF(standing_without_a_log_ends_too),
	  TEST_OF(standing_of_many_threads_ends_once))
