/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_process.c - which way to watch the memory of this process. */
#include "ram/dirty_process.h"

#include <stdio.h>
#include <string.h>

/* In order of preference. */
static const struct way {
	const char *name;
	struct dirty_tracker *(*make)(const struct ram *ram, struct gw_error *err);
} ways[] = {
	{ "wp-async", dirty_wp_async_new },
	{ "wp-sync", dirty_wp_sync_new },
};

#define WAY_COUNT (sizeof(ways) / sizeof(ways[0]))

/* When none will do, the error says of each why. */
static struct dirty_tracker *first_of_all(const struct ram *ram, struct gw_error *err)
{
	char reasons[sizeof(err->text)] = "";
	size_t used = 0;

	for (size_t i = 0; i < WAY_COUNT; i++) {
		struct dirty_tracker *tracker = ways[i].make(ram, err);

		if (tracker)
			return tracker;
		if (err->kind != GW_UNSUPPORTED) {
			fail_in(err, "%s", ways[i].name);
			return NULL;
		}
		used += (size_t)snprintf(reasons + used, sizeof(reasons) - used,
					 "%s%s: %s", i > 0 ? "; " : "", ways[i].name,
					 err->text);
	}
	fail(err, GW_UNSUPPORTED, "%s", reasons);
	return NULL;
}

struct dirty_tracker *dirty_of_process(const struct ram *ram, const char *how,
				       struct gw_error *err)
{
	struct dirty_tracker *tracker;

	if (strcmp(how, "auto") == 0)
		return first_of_all(ram, err);
	for (size_t i = 0; i < WAY_COUNT; i++) {
		if (strcmp(how, ways[i].name) != 0)
			continue;
		tracker = ways[i].make(ram, err);
		if (!tracker)
			fail_in(err, "%s", how);
		return tracker;
	}
	fail(err, GW_USAGE, "dirty tracking \"%s\": not one of auto, wp-async, wp-sync",
	     how);
	return NULL;
}
