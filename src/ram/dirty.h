/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty.h - which pages were written since we last looked.
 *
 * One interface over whoever knows: the kernel for the memory of a process (userfaultfd
 * write-protection, asynchronous with PAGEMAP_SCAN, or with a handler thread of ours where the
 * kernel is older than 6.7), KVM's dirty log, or a VMM of somebody else's.
 *
 * All calls from one thread, except that guests write while it runs.  A write that happened
 * before dirty_harvest() was called is in its answer or was in an earlier one; a write that
 * happens later is in a later one; one in between may be in both. */
#ifndef RAM_DIRTY_H
#define RAM_DIRTY_H

#include "ram/block.h"

struct dirty_tracker;

struct dirty_ops {
	const char *name; /* as reports spell it */
	/* From now on writes are recorded. */
	int (*start)(void *state, struct gw_error *err);
	/* ORs the pages of `block` written since the last harvest (or start) into `bitmap` and
	 * watches them again; adds the number of pages found to *found (a page that was already
	 * set in `bitmap` counts too). */
	int (*harvest)(void *state, const struct ram_block *block, uint64_t *bitmap,
		       uint64_t *found, struct gw_error *err);
	/* Writes cost nothing any more.  Harmless when not started. */
	void (*stop)(void *state);
	void (*free)(void *state);
};

/* Takes over `state`, also on failure.  `ops` is borrowed. */
struct dirty_tracker *dirty_new(const struct dirty_ops *ops, void *state,
				struct gw_error *err);

/* Memory of this process.  `how`: "auto" takes the first that the kernel has, or one of
 * "wp-async", "wp-sync" by name.  `ram` is borrowed and must not change.
 * GW_UNSUPPORTED says what the kernel lacks or refuses (and the sysctl or device to look at).
 *
 * With "wp-sync" memory must not be discarded (MADV_DONTNEED) while it is watched: the kernel
 * forgets its protection.  And where only user-mode faults may be handled, the kernel's own
 * writes to it, read() or KVM's, fail with EFAULT. */
struct dirty_tracker *dirty_of_process(const struct ram *ram, const char *how,
				       struct gw_error *err);

void dirty_free(struct dirty_tracker *tracker); /* stops first; NULL is fine */
static inline void dirty_tracker_free(struct dirty_tracker *tracker)
{
	dirty_free(tracker);
}
DEFINE_OWNED(dirty_tracker)

const char *dirty_name(const struct dirty_tracker *tracker);
int dirty_start(struct dirty_tracker *tracker, struct gw_error *err);
int dirty_harvest(struct dirty_tracker *tracker, const struct ram_block *block,
		  uint64_t *bitmap, uint64_t *found, struct gw_error *err);
void dirty_stop(struct dirty_tracker *tracker);

#endif
