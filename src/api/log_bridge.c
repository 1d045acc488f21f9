/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log_bridge.c - the caller's log as the rest of the library writes to it. */
#include "api/log_bridge.h"

#include <stddef.h>

/* The public numbers are a promise to programs that are built already; the others are ours. */
static const enum gw_log_level levels[] = {
	[LOG_LEVEL_ERROR] = GW_LOG_ERROR,
	[LOG_LEVEL_WARNING] = GW_LOG_WARNING,
	[LOG_LEVEL_INFO] = GW_LOG_INFO,
	[LOG_LEVEL_DEBUG] = GW_LOG_DEBUG,
};

/* Whatever the caller wrote there: no more detail than that. */
static enum log_level level_of(enum gw_log_level level)
{
	unsigned own = LOG_LEVEL_DEBUG;

	while (own > LOG_LEVEL_ERROR && levels[own] > level)
		own--;
	return (enum log_level)own;
}

static void pass_on(void *state, enum log_level level, const char *text)
{
	const struct log_bridge *bridge = state;

	bridge->to.line(bridge->to.user, levels[level], text);
}

const struct log *log_bridge_init(struct log_bridge *bridge, const struct gw_log *to)
{
	if (!to->line)
		return NULL;
	bridge->to = *to;
	bridge->log = (struct log){
		.level = level_of(to->level),
		.line = pass_on,
		.state = bridge,
	};
	return &bridge->log;
}
