/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rounds.h - when to stop iterating, as a pure function.
 *
 * A round is one pass over what is dirty.  After each the guest is paused if what is left can be
 * moved within the downtime limit at the rate that was measured. */
#ifndef MIGRATE_ROUNDS_H
#define MIGRATE_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct rounds {
	uint64_t bytes_per_s; /* of guest memory, measured; 0: not measured yet */
};

/* A round, or a part of one, moved `normal_pages` pages with contents and `zero_pages` without, in
 * `elapsed_ns`.  False: it was too short to say anything, and the older figure is kept. */
bool rounds_measure(struct rounds *rounds, uint64_t normal_pages, uint64_t zero_pages,
		    uint64_t elapsed_ns);

/* How long the guest would be paused for `dirty_pages`; UINT64_MAX when nothing was measured,
 * or for ages. */
uint64_t rounds_expected_downtime_ns(const struct rounds *rounds, uint64_t dirty_pages);

bool rounds_may_switch_over(const struct rounds *rounds, uint64_t dirty_pages,
			    uint64_t downtime_limit_ms);

#endif
