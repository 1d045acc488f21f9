/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_dirty.h - a dirty tracker, the caller's or our own. */
#ifndef API_GW_DIRTY_H
#define API_GW_DIRTY_H

#include <stdatomic.h>

#include "api/gw_ram.h"
#include "ram/dirty.h"

struct gw_dirty {
	struct dirty_tracker *tracker;
	const struct gw_ram *ram; /* of an own tracker */
	atomic_bool busy;	  /* a source runs with it */
	/* of one that was given */
	struct gw_dirty_ops given;
	void *user;
	struct dirty_ops ops;
};

#endif
