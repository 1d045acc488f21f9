/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* devices_test.c - probes are asked once, and their answers kept. */
#include "tests/check.h"

#include <pthread.h>

#include "codec/device.h"

static unsigned asked;

static int probe_no(struct gw_error *err)
{
	__atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
	return fail(err, GW_UNSUPPORTED, "there is no such thing (503)");
}

static int probe_yes(struct gw_error *err)
{
	__atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
	return 0;
}

static const struct device missing = { .accelerator = ACCELERATOR_QPL,
				       .probe = probe_no };
static const struct device present = { .accelerator = ACCELERATOR_QATZIP,
				       .probe = probe_yes };
static const struct device fickle = { .accelerator = ACCELERATOR_SIMULATED,
				      .probe_each_time = true,
				      .probe = probe_no };

#define THREADS 8

static void *ask(void *opaque)
{
	struct gw_error *err = opaque;

	return device_probe(&missing, err) < 0 && device_probe(&present, err) == 0 ? err
										   : NULL;
}

TEST(device_probe_asks_once_from_many_threads)
{
	pthread_t threads[THREADS];
	struct gw_error errs[THREADS];

	asked = 0;
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, ask, &errs[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *answered;

		pthread_join(threads[i], &answered);
		CHECK(answered);
		CHECK_EQ(errs[i].kind, GW_UNSUPPORTED);
		CHECK_STR(errs[i].text, "there is no such thing (503)");
	}
	CHECK_EQ(asked, 2);
}

TEST(device_probe_asks_again_where_answers_change)
{
	struct gw_error err;

	asked = 0;
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(device_probe(&fickle, &err), -1);
	CHECK_EQ(asked, 3);
}

/* Whether they are here or not. */
TEST(devices_of_vendors_answer_the_same_twice)
{
	static const struct device *const devices[] = { &device_qpl, &device_qatzip,
							&device_uadk };

	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		struct gw_error first = { 0 }, second = { 0 };
		int answer = device_probe(devices[i], &first);

		CHECK_STR(devices[i]->name, accelerator_name(devices[i]->accelerator));
		CHECK_EQ(device_probe(devices[i], &second), answer);
		CHECK_STR(second.text, first.text);
		if (answer < 0)
			CHECK_EQ(first.kind, GW_UNSUPPORTED);
	}
}

TEST_MAIN(TEST_OF(device_probe_asks_once_from_many_threads),
	  TEST_OF(device_probe_asks_again_where_answers_change),
	  TEST_OF(devices_of_vendors_answer_the_same_twice))
