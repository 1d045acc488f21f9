/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interrupt.c - wakes every wait of one migration, once and for good. */
#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "base/clock.h"

struct interrupt {
	int fd;
	atomic_bool raised;
};

struct interrupt *interrupt_new(struct gw_error *err)
{
	struct interrupt *interrupt = calloc(1, sizeof(*interrupt));

	if (!interrupt) {
		fail_sys(err, ENOMEM, "interrupt");
		return NULL;
	}
	interrupt->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (interrupt->fd < 0) {
		fail_sys(err, errno, "eventfd");
		free(interrupt);
		return NULL;
	}
	return interrupt;
}

void interrupt_free(struct interrupt *interrupt)
{
	if (!interrupt)
		return;
	close(interrupt->fd);
	free(interrupt);
}

void interrupt_raise(struct interrupt *interrupt)
{
	uint64_t one = 1;
	int saved = errno;

	atomic_store(&interrupt->raised, true);
	/* Fails only when the counter is full, and then every poll wakes already. */
	if (write(interrupt->fd, &one, sizeof(one)) < 0)
		errno = saved;
}

bool interrupt_raised(const struct interrupt *interrupt)
{
	return atomic_load(&interrupt->raised);
}

int interrupt_fd(const struct interrupt *interrupt)
{
	return interrupt->fd;
}

/* What is left of a wait that began at `start_ns`; -1 stays -1. */
static int remaining_ms(uint64_t start_ns, int timeout_ms)
{
	uint64_t gone_ms = (clock_now_ns() - start_ns) / NS_PER_MS;

	if (timeout_ms < 0)
		return -1;
	return gone_ms < (uint64_t)timeout_ms ? timeout_ms - (int)gone_ms : 0;
}

int interrupt_poll(const struct interrupt *interrupt, int fd, short events,
		   int timeout_ms, struct gw_error *err)
{
	struct pollfd fds[2] = {
		{ .fd = fd, .events = events },
		{ .fd = interrupt ? interrupt->fd : -1, .events = POLLIN },
	};
	uint64_t start_ns = clock_now_ns();

	for (;;) {
		int ready = poll(fds, 2, remaining_ms(start_ns, timeout_ms));

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0)
			return fail_sys(err, errno, "poll");
		if (fds[1].revents)
			return fail(err, GW_CANCELLED, "cancelled");
		return ready > 0;
	}
}

bool interrupt_sleep(const struct interrupt *interrupt, uint64_t sleep_ns)
{
	struct pollfd fd = { .fd = interrupt ? interrupt->fd : -1, .events = POLLIN };
	uint64_t until_ns = clock_now_ns() + sleep_ns;

	for (;;) {
		uint64_t now_ns = clock_now_ns();
		uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
		struct timespec left = {
			.tv_sec = (time_t)(left_ns / NS_PER_S),
			.tv_nsec = (long)(left_ns % NS_PER_S),
		};
		int ready = ppoll(&fd, 1, &left, NULL);

		if (ready > 0)
			return false;
		if (ready == 0)
			return true;
	}
}
