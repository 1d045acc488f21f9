/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fault.h - a channel that misbehaves on cue, for tests.
 *
 * Wraps another channel.  Counts bytes of each direction and does what the plan says as soon as
 * `at_byte` bytes have passed in the direction of the plan; 0 is from the start.  A cut, a stall
 * and a split then hold for both directions.  Threads: as any channel. */
#ifndef CHANNEL_FAULT_H
#define CHANNEL_FAULT_H

#include "channel/channel.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_CUT,    /* the connection ends both ways: reads end, writes are GW_PEER */
	FAULT_STALL,  /* from here on nothing passes, nothing fails */
	FAULT_FLIP,   /* one bit of the byte at at_byte is flipped */
	FAULT_SPLIT,  /* every read and write moves one byte from here on */
	FAULT_REFUSE, /* calls in the plan's direction fail with GW_SYSTEM, EIO */
};

struct fault_plan {
	enum fault_kind kind;
	bool on_write; /* else on read */
	uint64_t at_byte;
};

/* Takes over `inner` (also on failure).  `interrupt` is borrowed and ends a stall. */
struct channel *channel_fault(struct channel *inner, const struct fault_plan *plan,
			      const struct interrupt *interrupt, struct gw_error *err);

#endif
