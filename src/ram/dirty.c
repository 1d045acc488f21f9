/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty.c - which pages were written since we last looked. */
#include "ram/dirty.h"

#include <assert.h>
#include <errno.h>

struct dirty_tracker {
	const struct dirty_ops *ops;
	void *state;
	bool started;
};

struct dirty_tracker *dirty_new(const struct dirty_ops *ops, void *state,
				struct gw_error *err)
{
	struct dirty_tracker *tracker = calloc(1, sizeof(*tracker));

	if (!tracker) {
		ops->free(state);
		fail_sys(err, ENOMEM, "%s", ops->name);
		return NULL;
	}
	tracker->ops = ops;
	tracker->state = state;
	return tracker;
}

void dirty_free(struct dirty_tracker *tracker)
{
	if (!tracker)
		return;
	dirty_stop(tracker);
	tracker->ops->free(tracker->state);
	free(tracker);
}

const char *dirty_name(const struct dirty_tracker *tracker)
{
	return tracker->ops->name;
}

int dirty_start(struct dirty_tracker *tracker, struct gw_error *err)
{
	assert(!tracker->started);
	/* Also when it fails half-way: stop undoes what was done. */
	tracker->started = true;
	if (tracker->ops->start(tracker->state, err) < 0) {
		dirty_stop(tracker);
		return -1;
	}
	return 0;
}

int dirty_harvest(struct dirty_tracker *tracker, const struct ram_block *block,
		  uint64_t *bitmap, uint64_t *found, struct gw_error *err)
{
	assert(tracker->started);
	return tracker->ops->harvest(tracker->state, block, bitmap, found, err);
}

void dirty_stop(struct dirty_tracker *tracker)
{
	if (!tracker->started)
		return;
	tracker->started = false;
	tracker->ops->stop(tracker->state);
}
