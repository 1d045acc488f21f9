/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_process.h - the ways to watch the memory of this process, for dirty_of_process().
 *
 * Each fails with GW_UNSUPPORTED and the reason where the kernel does not have it. */
#ifndef RAM_DIRTY_PROCESS_H
#define RAM_DIRTY_PROCESS_H

#include "ram/dirty.h"

/* The kernel itself takes note of a write and lets it pass (Linux 6.7). */
struct dirty_tracker *dirty_wp_async_new(const struct ram *ram, struct gw_error *err);

/* A write waits for a thread of ours to take note of it (Linux 5.14). */
struct dirty_tracker *dirty_wp_sync_new(const struct ram *ram, struct gw_error *err);

#endif
