/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pace.h - how fast the guest writes, how fast its memory moves, and what follows from the two.
 *
 * Harvests dirty pages, at the end of each round and in between: every second or two for as long
 * as the downtime limit allows, which is the window that convergence.h asks for.  Measures what is
 * moved, in and after rounds.  Throttles the guest when auto-converge is on.
 *
 * Owned by the migration thread. */
#ifndef MIGRATE_PACE_H
#define MIGRATE_PACE_H

#include "base/log.h"
#include "machine/machine.h"
#include "migrate/auto_converge.h"
#include "migrate/convergence.h"
#include "migrate/rounds.h"
#include "ram/batcher.h"
#include "ram/dirty.h"

struct pace_options {
	const struct ram *ram;
	struct dirty_tracker *tracker;
	struct batcher *batcher;
	const struct source_machine *machine;
	struct auto_converge auto_converge;
	const struct log *log;
};

/* All that has been moved so far. */
struct moved {
	uint64_t normal_pages;
	uint64_t zero_pages;
	uint64_t wire_bytes;
};

/* Read by its owner: what the first part says is as of the last look. */
struct pace {
	struct rounds rounds; /* guest bytes a second */
	uint64_t wire_bytes_per_s;
	uint64_t pages_per_s;
	uint64_t dirty_pages_per_s;
	uint64_t dirty_syncs; /* harvests that ended a round, the first bitmap included */
	uint64_t sync_ns;     /* spent on all harvests */
	struct convergence convergence;
	struct auto_converge_state throttle;
	uint32_t throttle_percent_most;

	struct pace_options options;
	bool tracking;
	bool window_open; /* since harvested_ns */
	uint64_t harvested_ns;
	uint64_t next_look_ns;
	uint64_t round_ns; /* when what it sends was harvested */
	uint64_t measured_ns;
	uint64_t
		next_measure_ns; /* later than the above says when too little moved to tell */
	struct moved measured;
	uint64_t period_ns; /* auto-converge's */
	uint64_t period_dirty_pages;
	uint64_t period_pages; /* normal pages moved when it began */
};

void pace_init(struct pace *pace, const struct pace_options *options);

/* Tracking begins, and every page is dirty. */
int pace_start(struct pace *pace, struct gw_error *err);

/* A round begins right after a harvest, or the start. */
void pace_begin_round(struct pace *pace, const struct moved *moved,
		      uint64_t downtime_limit_ms);

/* When pace_look() has something to do, for clock_now_ns(). */
uint64_t pace_next_look_ns(const struct pace *pace);

/* What is still to be sent while a round runs, of which `unclaimed_pages` are its own. */
uint64_t pace_remaining_pages(const struct pace *pace, uint64_t unclaimed_pages);

/* While the round runs.  `unclaimed_pages` of it are still to come. */
int pace_look(struct pace *pace, const struct moved *moved, uint64_t unclaimed_pages,
	      uint64_t downtime_limit_ms, struct gw_error *err);

/* It is through: what was written meanwhile is harvested. */
int pace_end_round(struct pace *pace, const struct moved *moved,
		   uint64_t downtime_limit_ms, struct gw_error *err);

/* Only that: of a paused guest, or one that is about to be. */
int pace_harvest(struct pace *pace, struct gw_error *err);

/* A limit changed: what was measured before it says nothing of what comes.  From now on memory
 * moves at no more than `bytes_per_s_most` until that is measured; UINT64_MAX: unlimited. */
void pace_forget(struct pace *pace, const struct moved *moved, uint64_t bytes_per_s_most);

/* No tracking and no throttling any more.  Harmless when there was none. */
void pace_stop(struct pace *pace);

#endif
