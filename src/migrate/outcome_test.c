/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outcome_test.c - the first failure wins. */
#include "migrate/outcome.h"

#include <pthread.h>

#include "tests/check.h"

TEST(the_first_failure_wins_and_wakes_everybody)
{
	struct gw_error err, first, second, mine;
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct outcome outcome;

	CHECK(interrupt);
	outcome_init(&outcome, interrupt);
	fail(&first, GW_PEER, "channel 3: first");
	fail(&second, GW_SYSTEM, "channel 1: second");
	fail(&mine, GW_CANCELLED, "cancelled");
	CHECK(!outcome_failed(&outcome) && !interrupt_raised(interrupt));
	outcome_fail(&outcome, &first);
	CHECK(interrupt_raised(interrupt));
	outcome_fail(&outcome, &second);
	CHECK_EQ(outcome_error(&outcome, &mine, &err), -1);
	CHECK_STR(err.text, "channel 3: first");
	CHECK_EQ(err.kind, GW_PEER);
}

TEST(a_cancelled_wait_is_a_consequence_not_a_cause)
{
	struct gw_error err, cancelled, mine;
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct outcome outcome;

	CHECK(interrupt);
	outcome_init(&outcome, interrupt);
	fail(&cancelled, GW_CANCELLED, "cancelled");
	outcome_fail(&outcome, &cancelled);
	CHECK(!outcome_failed(&outcome) && !interrupt_raised(interrupt));
	fail(&mine, GW_SYSTEM, "what the caller saw");
	outcome_error(&outcome, &mine, &err);
	CHECK_STR(err.text, "what the caller saw");
}

static void *fail_late(void *state)
{
	struct gw_error error;

	fail(&error, GW_PEER, "one of many");
	outcome_fail(state, &error);
	return NULL;
}

TEST(many_threads_leave_one_whole_error)
{
	struct gw_error err, mine;
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct outcome outcome;
	pthread_t threads[8];

	CHECK(interrupt);
	outcome_init(&outcome, interrupt);
	fail(&mine, GW_CANCELLED, "cancelled");
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fail_late, &outcome), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	outcome_error(&outcome, &mine, &err);
	CHECK_STR(err.text, "one of many");
}

TEST_MAIN(TEST_OF(the_first_failure_wins_and_wakes_everybody),
	  TEST_OF(a_cancelled_wait_is_a_consequence_not_a_cause),
	  TEST_OF(many_threads_leave_one_whole_error))
