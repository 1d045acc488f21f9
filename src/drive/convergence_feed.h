/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convergence_feed.h - will it converge, as far as a poll of query-migrate can tell.
 *
 * Our own vm says so itself.  For a QEMU, convergence_watch() gets a window where
 * dirty-sync-count has grown, but not too often: QEMU measures what the guest writes at a sync,
 * and at most once a second.  The window is the round that has just ended or, where several
 * did, one of their mean length.
 *
 * A plain value; zero is a fresh start. */
#ifndef DRIVE_CONVERGENCE_FEED_H
#define DRIVE_CONVERGENCE_FEED_H

#include "drive/migration_status.h"

struct convergence_feed {
	struct convergence convergence;
	bool begun;
	/* As of the start of the window under way. */
	uint64_t at_ns;
	int64_t syncs, normal_pages, zero_pages;
};

/* True when there is something to say: convergence_explain(&feed->convergence, ...). */
bool convergence_feed_poll(struct convergence_feed *feed, uint64_t now_ns,
			   const struct migration_status *status,
			   uint64_t downtime_limit_ms);

#endif
