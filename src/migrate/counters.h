/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* counters.h - what one channel thread has done so far.
 *
 * One writer, the channel's thread; anybody may read at any time. */
#ifndef MIGRATE_COUNTERS_H
#define MIGRATE_COUNTERS_H

#include <stdint.h>

#include "base/counter.h"
#include "codec/codec.h"
#include "codec/engine_counters.h"

struct method_counters {
	uint64_t packets;
	uint64_t pages;
	uint64_t payload_bytes;
};

/* Where a channel's time went; wait is for work, for its turn under a rate, and for barriers. */
struct phases {
	uint64_t scan_ns;
	uint64_t zero_ns;
	uint64_t engine_ns;
	uint64_t send_ns;
	uint64_t wait_ns;
};

struct counters {
	struct method_counters methods[CODEC_COUNT]; /* packets that carry data */
	uint64_t packets;			     /* all of them */
	uint64_t normal_pages;
	uint64_t zero_pages;
	uint64_t syncs;
	struct phases phases;
	struct engine_counters engine; /* its time is in phases */
};

/* Adds a snapshot of `from` to `to`, which only the caller uses. */
void counters_sum(struct counters *to, const struct counters *from);

#endif
