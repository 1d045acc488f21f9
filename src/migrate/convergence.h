/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convergence.h - will this guest ever fit the downtime limit?  As a pure function.
 *
 * What a guest writes to in a time t is a set of pages D(t) that grows ever slower (pages are
 * written again).  A round that sends D takes D / rate, and leaves D(D / rate) behind.  So if in
 * a window no shorter than the limit L more was written than can be sent in that window, what a
 * round leaves never gets below what fits into L: the guest does not converge.  Where the window
 * is L itself the reverse holds as well.
 *
 * One window proves little.  The verdict follows when CONVERGENCE_WINDOWS windows in a row, and
 * at least CONVERGENCE_SPAN_NS, agree. */
#ifndef MIGRATE_CONVERGENCE_H
#define MIGRATE_CONVERGENCE_H

#include <stdbool.h>
#include <stdint.h>

#define CONVERGENCE_WINDOWS 3u
#define CONVERGENCE_SPAN_NS UINT64_C(2000000000)

enum convergence_verdict {
	CONVERGENCE_UNKNOWN, /* not watched for long enough */
	CONVERGENCE_YES,
	CONVERGENCE_NO,
};

/* What is known now.  Zero is a fresh start. */
struct convergence {
	enum convergence_verdict verdict;
	/* As of the last window. */
	uint64_t dirty_bytes_per_s;
	uint64_t bytes_per_s; /* of guest memory, moved */
	uint64_t remaining_bytes;
	uint64_t
		downtime_would_do_ms; /* a limit of so much would end it, by what was seen */
	/* Windows in a row that say `leaning`, and since when. */
	enum convergence_verdict leaning;
	uint32_t windows;
	uint64_t since_ns;
};

struct convergence_window {
	uint64_t now_ns;
	uint64_t length_ns;
	uint64_t dirty_bytes; /* different pages written in it */
	uint64_t
		bytes_per_s; /* at which guest memory moves; a window without is no window */
	uint64_t remaining_bytes;
	/* What the round under way (or the last, if this is a new one) leaves behind, so far. */
	uint64_t left_behind_bytes;
	uint64_t downtime_limit_ms;
};

/* Whether a verdict is worth telling to who knows the one before: that it will not end, and that
 * it will after all. */
bool convergence_is_news(enum convergence_verdict before, enum convergence_verdict now);

/* True when the verdict changed, and is news. */
bool convergence_watch(struct convergence *convergence,
		       const struct convergence_window *window);

/* "not converging: the guest writes 812 MiB/s, 117 MiB/s are moved, 530 MiB remain; a downtime
 * limit of about 4600 ms would do", or that it converges again.  Returns `text`. */
const char *convergence_explain(const struct convergence *convergence, char *text,
				unsigned room);

#endif
