/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* deadline.h - what is left of a time-out that spans several waits. */
#ifndef BASE_DEADLINE_H
#define BASE_DEADLINE_H

#include "base/clock.h"

/* A plain value; at_ns is UINT64_MAX when it never comes. */
struct deadline {
	uint64_t at_ns;
};

/* timeout_ms < 0: never. */
static inline struct deadline deadline_in(int timeout_ms)
{
	if (timeout_ms < 0)
		return (struct deadline){ .at_ns = UINT64_MAX };
	return (struct deadline){ .at_ns = clock_now_ns() +
					   (uint64_t)timeout_ms * NS_PER_MS };
}

/* As poll() takes it: -1 never, else rounded up, so that 0 means that it is over. */
static inline int deadline_left_ms(const struct deadline *deadline)
{
	uint64_t now_ns = clock_now_ns();

	if (deadline->at_ns == UINT64_MAX)
		return -1;
	if (deadline->at_ns <= now_ns)
		return 0;
	/* Fits: it began as an int of milliseconds. */
	return (int)((deadline->at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

#endif
