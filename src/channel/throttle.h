/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* throttle.h - one rate over many channels.
 *
 * A virtual clock (GCRA) in one atomic word, the time from which the next taker may go: whoever
 * finds it in the past moves it forward by the time its bytes cost and goes, the others sleep.
 * Nobody reserves a turn ahead, so that a taker that wakes late delays no one and a new rate has
 * nothing to take back.  Grants in any 100 ms stay within 5 % and 64 KiB of the rate.  The rate
 * may change at any moment; sleepers see it within THROTTLE_NAP_NS. */
#ifndef CHANNEL_THROTTLE_H
#define CHANNEL_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/interrupt.h"

#define THROTTLE_NAP_NS UINT64_C(10000000)

struct throttle {
	uint64_t bytes_per_s; /* 0 is unlimited */
	uint64_t turn_ns;     /* when the next taker may go */
};

void throttle_init(struct throttle *throttle, uint64_t bytes_per_s);
void throttle_set(struct throttle *throttle, uint64_t bytes_per_s); /* any thread */
uint64_t throttle_rate(const struct throttle *throttle);

/* How many of `wanted` bytes to write in one go now; `wanted` when unlimited. */
size_t throttle_slice(const struct throttle *throttle, size_t wanted);

/* Takes `bytes` now, at most a slice, or says for how long not: 0 when taken, else nanoseconds.
 * `clock` is clock_now_ns() but for tests of the promise. */
uint64_t throttle_try(struct throttle *throttle, size_t bytes, uint64_t (*clock)(void));

/* Waits for the turn of `bytes` bytes, of any number.  False when interrupted. */
bool throttle_take(struct throttle *throttle, size_t bytes,
		   const struct interrupt *interrupt);

#endif
