/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interrupt_test.c - every wait ends once it is raised, from a thread or a signal handler. */
#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "tests/check.h"

static struct interrupt *make_interrupt(void)
{
	struct gw_error err = { 0 };
	struct interrupt *interrupt = interrupt_new(&err);

	if (!interrupt)
		CHECK_FAIL("%s", err.text);
	return interrupt;
}

TEST(raising_is_once_and_for_good)
{
	OWNED(interrupt) struct interrupt *interrupt = make_interrupt();
	struct gw_error err = { 0 };

	CHECK(!interrupt_raised(interrupt));
	for (int again = 0; again < 3; again++) {
		interrupt_raise(interrupt);
		CHECK(interrupt_raised(interrupt));
		CHECK_EQ(interrupt_poll(interrupt, -1, POLLIN, -1, &err), -1);
		CHECK_EQ(err.kind, GW_CANCELLED);
		CHECK_STR(err.text, "cancelled");
		CHECK(!interrupt_sleep(interrupt, NS_PER_S * 3600));
	}
}

TEST(poll_tells_ready_from_timed_out)
{
	OWNED(interrupt) struct interrupt *interrupt = make_interrupt();
	struct gw_error err = { 0 };
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(interrupt_poll(interrupt, fds[0], POLLIN, 0, &err), 0);
	CHECK_EQ(interrupt_poll(interrupt, fds[0], POLLIN, 5, &err), 0);
	CHECK_EQ(interrupt_poll(interrupt, fds[1], POLLOUT, -1, &err), 1);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(interrupt_poll(interrupt, fds[0], POLLIN, -1, &err), 1);
	/* Raised wins over ready. */
	interrupt_raise(interrupt);
	CHECK_EQ(interrupt_poll(interrupt, fds[0], POLLIN, -1, &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	close(fds[0]);
	close(fds[1]);
}

TEST(without_an_interrupt_descriptor_and_timeout_end_the_wait)
{
	struct gw_error err = { 0 };
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(interrupt_poll(NULL, fds[0], POLLIN, 5, &err), 0);
	CHECK_EQ(interrupt_poll(NULL, fds[1], POLLOUT, -1, &err), 1);
	/* A hang-up is something to read, too. */
	close(fds[1]);
	CHECK_EQ(interrupt_poll(NULL, fds[0], POLLIN, -1, &err), 1);
	close(fds[0]);
	CHECK(interrupt_sleep(NULL, NS_PER_MS));
}

TEST(sleeping_undisturbed_says_so)
{
	OWNED(interrupt) struct interrupt *interrupt = make_interrupt();
	uint64_t before_ns = clock_now_ns();

	CHECK(interrupt_sleep(interrupt, 3 * NS_PER_MS));
	CHECK(clock_now_ns() - before_ns >= 3 * NS_PER_MS); /* never less */
	CHECK(interrupt_sleep(interrupt, 0));
}

struct waiter {
	pthread_t thread;
	const struct interrupt *interrupt;
	bool sleeps;
	int status;
};

static void *wait_for_ever(void *opaque)
{
	struct waiter *waiter = opaque;
	struct gw_error err = { 0 };

	if (waiter->sleeps)
		waiter->status =
			interrupt_sleep(waiter->interrupt, 3600 * NS_PER_S) ? 1 : -1;
	else
		waiter->status = interrupt_poll(waiter->interrupt, -1, 0, -1, &err);
	return NULL;
}

TEST(raising_wakes_all_waiters)
{
	OWNED(interrupt) struct interrupt *interrupt = make_interrupt();
	struct waiter waiters[4];

	for (int i = 0; i < 4; i++) {
		waiters[i] = (struct waiter){ .interrupt = interrupt, .sleeps = i % 2 };
		CHECK_EQ(pthread_create(&waiters[i].thread, NULL, wait_for_ever,
					&waiters[i]),
			 0);
	}
	interrupt_sleep(NULL, 10 * NS_PER_MS);
	interrupt_raise(interrupt);
	for (int i = 0; i < 4; i++) {
		pthread_join(waiters[i].thread, NULL);
		CHECK_EQ(waiters[i].status, -1);
	}
}

static struct interrupt *from_handler;

static void raise_it(int signal)
{
	interrupt_raise(from_handler);
}

static void do_nothing(int signal)
{
}

/* Delivers SIGUSR1 to a thread that waits, with the handler given. */
static void signal_waiter(struct waiter *waiter, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQ(pthread_create(&waiter->thread, NULL, wait_for_ever, waiter), 0);
	for (int i = 0; i < 3; i++) {
		interrupt_sleep(NULL, 3 * NS_PER_MS);
		pthread_kill(waiter->thread, SIGUSR1);
	}
}

TEST(a_signal_handler_may_raise)
{
	OWNED(interrupt) struct interrupt *interrupt = make_interrupt();
	struct sigaction action = { .sa_handler = raise_it };

	from_handler = interrupt;
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	errno = ENOENT;
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(errno, ENOENT);
	CHECK(interrupt_raised(interrupt));
	CHECK(!interrupt_sleep(interrupt, 3600 * NS_PER_S));
}

TEST(other_signals_do_not_end_a_wait)
{
	for (int sleeps = 0; sleeps < 2; sleeps++) {
		OWNED(interrupt) struct interrupt *interrupt = make_interrupt();
		struct waiter waiter = { .interrupt = interrupt, .sleeps = sleeps };

		signal_waiter(&waiter, do_nothing);
		/* Had it ended before, it would not say that it was raised. */
		interrupt_raise(interrupt);
		pthread_join(waiter.thread, NULL);
		CHECK_EQ(waiter.status, -1);
	}
}

TEST_MAIN(TEST_OF(raising_is_once_and_for_good), TEST_OF(poll_tells_ready_from_timed_out),
	  TEST_OF(without_an_interrupt_descriptor_and_timeout_end_the_wait),
	  TEST_OF(sleeping_undisturbed_says_so), TEST_OF(raising_wakes_all_waiters),
	  TEST_OF(a_signal_handler_may_raise), TEST_OF(other_signals_do_not_end_a_wait))
