/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* roster.h - formats and engines: who could compute what on this host, who does, why others do
 * not. */
#ifndef ENGINES_ROSTER_H
#define ENGINES_ROSTER_H

#include <stdbool.h>

#include "codec/engine.h"

#define ROSTER_ENGINES_MAX 8u

struct roster_entry {
	const struct engine *engine;
	bool usable;
	bool chosen; /* what accelerator auto takes, to encode at the default level */
	struct gw_error why; /* not usable */
};

struct roster_list {
	uint32_t count;
	struct roster_entry entries[ROSTER_ENGINES_MAX];
};

struct roster {
	struct roster_list lists[CODEC_COUNT][2]; /* by direction */
};

/* `simulated`: with the engines that only tests and plans use. */
void roster_take(struct roster *roster, bool simulated);

/* The first engine of that name that is not usable, NULL when there is none: a reason is the
 * same wherever it stands. */
const struct roster_entry *roster_unusable(const struct roster *roster, const char *name);

#endif
