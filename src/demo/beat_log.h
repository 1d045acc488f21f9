/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* beat_log.h - what a guest said on its console, here and there: does it count without a gap?
 *
 * A guest prints "beat N", N one more each time, and knows nothing of being moved: the line under
 * way when it leaves ends where it arrives.  Each side keeps its own log, the parent joins them. */
#ifndef DEMO_BEAT_LOG_H
#define DEMO_BEAT_LOG_H

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define BEAT_LINE_MAX 48u

struct beat_log {
	bool moved_in; /* it may begin within a line */
	char line[BEAT_LINE_MAX];
	uint32_t length;
	/* The end of the line under way when the guest arrived. */
	char head[BEAT_LINE_MAX];
	bool head_ended;
	uint64_t first;
	uint64_t last;
	uint64_t beats; /* whole lines behind the head; relaxed readers */
	char wrong[96]; /* the first thing that was */
};

void beat_log_init(struct beat_log *log, bool moved_in);

/* guest_options.console, `state` the log: from the guest's threads, never two at once. */
void beat_log_hear(void *state, const void *bytes, size_t length);

/* Any thread. */
uint64_t beat_log_beats(const struct beat_log *log);

/* Of a guest that is paused; a new reference. */
json_t *beat_log_json(const struct beat_log *log);

/* GW_PEER: what is missing, repeated or unreadable in these two logs of one guest. */
int beat_log_join(const json_t *left, const json_t *arrived, struct gw_error *err);

#endif
