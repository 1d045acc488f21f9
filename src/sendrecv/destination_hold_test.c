/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* destination_hold_test.c - what a receiving QEMU says it is at; QEMU's answers were seen. */
#include "sendrecv/destination_hold.h"

#include <signal.h>
#include <sys/wait.h>

#include "tests/check.h"

#include "sendrecv/fake_qemu_for_tests.h"

static struct gw_error err;

static void begin_at(struct fake_qemu *fake, const char *run_state, const char *migration)
{
	*fake = (struct fake_qemu){ .moments = { { run_state, migration } },
				    .moment_count = 1 };
	fake_start(fake);
}

TEST(one_that_waits_is_stopped)
{
	struct fake_qemu fake;

	begin_at(&fake, "inmigrate", NULL);
	CHECK_OK(destination_hold(fake.peer, &err), &err);
	fake_end(&fake);
	CHECK_EQ(fake.stops, 1);
}

TEST(one_that_does_not_wait_is_left_alone)
{
	struct fake_qemu fake;

	begin_at(&fake, "running", NULL);
	CHECK(destination_hold(fake.peer, &err) < 0);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text,
		  "destination: run state is running, inmigrate is needed: start "
		  "it with -incoming defer");
	fake_end(&fake);
	CHECK_EQ(fake.stops, 0);
}

TEST(a_look_tells_what_it_is_at)
{
	static const struct {
		const char *run_state, *migration;
		enum held_state expected;
	} cases[] = {
		{ "inmigrate", NULL, HELD_LOADING },
		{ "inmigrate", "setup", HELD_LOADING },
		{ "inmigrate", "active", HELD_LOADING },
		/* 7.2 says so before the guest has its run state. */
		{ "inmigrate", "completed", HELD_LOADING },
		{ "paused", "active", HELD_LOADING },
		{ "paused", "completed", HELD_COMPLETE },
		/* As it was at the source. */
		{ "prelaunch", "completed", HELD_COMPLETE },
		{ "io-error", "completed", HELD_COMPLETE },
		{ "running", "completed", HELD_RUNNING },
		{ "running", "postcopy-active", HELD_RUNNING },
		{ "inmigrate", "postcopy-device", HELD_LOADING },
		{ "inmigrate", "postcopy-active", HELD_LOADING },
		{ "paused", "postcopy-active", HELD_POSTCOPY },
		{ "paused", "postcopy-paused", HELD_POSTCOPY },
		{ "paused", "postcopy-recover", HELD_POSTCOPY },
		{ "inmigrate", "failed", HELD_FAILED },
		{ "paused", "failed", HELD_FAILED },
		{ "running", "failed", HELD_RUNNING },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum held_state state = HELD_GONE;
		struct fake_qemu fake;

		begin_at(&fake, cases[i].run_state, cases[i].migration);
		CHECK_OK(destination_look(fake.peer, &state, &err), &err);
		fake_end(&fake);
		if (state != cases[i].expected)
			CHECK_FAIL("%s, %s: %d", cases[i].run_state,
				   cases[i].migration ? cases[i].migration : "none",
				   state);
	}
}

TEST(waiting_ends_when_all_has_arrived)
{
	struct fake_qemu fake = { .moments = { { "inmigrate", "active" },
					       { "inmigrate", "active" },
					       { "inmigrate", "completed" },
					       { "paused", "completed" },
					       { "running", "completed" } },
				  .moment_count = 5 };
	enum held_state state = HELD_GONE;

	fake_start(&fake);
	CHECK_OK(destination_await(fake.peer, -1, &state, &err), &err);
	CHECK_EQ(state, HELD_COMPLETE);
	fake_end(&fake);
}

TEST(waiting_ends_with_its_time)
{
	enum held_state state = HELD_GONE;
	struct fake_qemu fake;

	begin_at(&fake, "inmigrate", "active");
	CHECK_OK(destination_await(fake.peer, 20, &state, &err), &err);
	CHECK_EQ(state, HELD_LOADING);
	fake_end(&fake);
}

TEST(one_that_is_let_go_is_seen_to_run)
{
	struct fake_qemu fake = { .moments = { { "paused", "completed" } },
				  .moment_count = 1,
				  .after_cont = "running" };
	enum held_state state = HELD_GONE;

	fake_start(&fake);
	CHECK_OK(destination_let_go(fake.peer, &err), &err);
	CHECK_OK(destination_await_running(fake.peer, &err), &err);
	CHECK_OK(destination_look(fake.peer, &state, &err), &err);
	CHECK_EQ(state, HELD_RUNNING);
	fake_end(&fake);
	CHECK_EQ(fake.conts, 1);
}

TEST(one_that_refuses_to_run_is_told)
{
	struct fake_qemu fake;

	begin_at(&fake, "paused", "completed");
	CHECK(destination_let_go(fake.peer, &err) < 0);
	CHECK_STR(err.text, "destination: cont: cannot");
	fake_end(&fake);
}

TEST(silence_of_a_process_that_is_there_is_an_error)
{
	enum held_state state = HELD_COMPLETE;
	struct fake_qemu fake;

	begin_at(&fake, "inmigrate", "active");
	fake_fall_silent(&fake);
	CHECK(destination_look(fake.peer, &state, &err) < 0);
	CHECK_CONTAINS(err.text, "destination: query-migrate: ");
	CHECK_EQ(state, HELD_COMPLETE);
	fake_end(&fake);
}

TEST(a_process_that_is_gone_is_told)
{
	struct fake_qemu fake = { .moments = { { "inmigrate", "active" } },
				  .moment_count = 1 };
	enum held_state state = HELD_COMPLETE;
	pid_t child;

	/* A peer is the process that called listen(). */
	fake_open(&fake);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		listen(fake.listener, 1);
		fake_serve(&fake);
		_exit(0);
	}
	do {
		qmp_peer_free(fake.peer);
		fake.peer = qmp_peer_new("destination", fake.path, NULL, &err);
		CHECK(fake.peer);
	} while (qmp_peer_pid(fake.peer) != child);
	CHECK_OK(destination_look(fake.peer, &state, &err), &err);
	CHECK_EQ(state, HELD_LOADING);
	kill(child, SIGKILL);
	CHECK_OK(destination_await(fake.peer, -1, &state, &err), &err);
	CHECK_EQ(state, HELD_GONE);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_OK(destination_look(fake.peer, &state, &err), &err);
	CHECK_EQ(state, HELD_GONE);
	fake_close(&fake);
	fake_end(&fake);
}

TEST_MAIN(TEST_OF(one_that_waits_is_stopped),
	  TEST_OF(one_that_does_not_wait_is_left_alone),
	  TEST_OF(a_look_tells_what_it_is_at), TEST_OF(waiting_ends_when_all_has_arrived),
	  TEST_OF(waiting_ends_with_its_time), TEST_OF(one_that_is_let_go_is_seen_to_run),
	  TEST_OF(one_that_refuses_to_run_is_told),
	  TEST_OF(silence_of_a_process_that_is_there_is_an_error),
	  TEST_OF(a_process_that_is_gone_is_told))
