/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pulse.h - a guest's heartbeats here, and the silences between them.
 *
 * One writer, the thread that beats; anybody may read through counter_read(). */
#ifndef GUEST_PULSE_H
#define GUEST_PULSE_H

#include "base/clock.h"
#include "base/counter.h"

/* Zero is a guest that has not beaten here. */
struct pulse {
	uint64_t beats;
	uint64_t longest_gap_ns; /* between two of them */
	uint64_t arrival_gap_ns; /* from the last one before it came here to the first */
};

/* `last_ns` is when the last beat was, here or where it came from (0: it was never); it becomes
 * now. */
static inline void pulse_beat(struct pulse *pulse, uint64_t *last_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t gap_ns = *last_ns > 0 && now_ns > *last_ns ? now_ns - *last_ns : 0;

	*last_ns = now_ns;
	if (pulse->beats == 0)
		counter_set(&pulse->arrival_gap_ns, gap_ns);
	else if (gap_ns > pulse->longest_gap_ns)
		counter_set(&pulse->longest_gap_ns, gap_ns);
	counter_add(&pulse->beats, 1);
}

#endif
