/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convergence.c - will this guest ever fit the downtime limit? */
#include "migrate/convergence.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

/* A window of this length is worth CONVERGENCE_WINDOWS short ones. */
#define LONG_WINDOW_NS (4 * NS_PER_S)

/* In a longer window pages are written again and count once, so that it flatters: it can only say
 * that a guest does not converge. */
#define WINDOW_SLACK 2
#define WINDOW_SLACK_NS (100 * NS_PER_MS)

/* Between the two nothing is said: what is that close may go either way. */
#define SURELY_NOT 1.05
#define SURELY 0.95

static uint64_t ms_to_send(uint64_t bytes, uint64_t bytes_per_s)
{
	double ms = (double)bytes * 1000.0 / (double)bytes_per_s;

	return (uint64_t)ms + 1;
}

static enum convergence_verdict lean(const struct convergence_window *window)
{
	double seconds = (double)window->length_ns / (double)NS_PER_S;
	double room = (double)window->bytes_per_s * seconds;
	uint64_t limit_ns = window->downtime_limit_ms * NS_PER_MS;
	uint64_t left_ms = ms_to_send(window->left_behind_bytes, window->bytes_per_s);

	if ((double)window->dirty_bytes > room * SURELY_NOT &&
	    window->length_ns >= limit_ns)
		return CONVERGENCE_NO;
	/* What a round leaves that already fits is as good an answer. */
	if (left_ms <= window->downtime_limit_ms ||
	    ((double)window->dirty_bytes < room * SURELY &&
	     window->length_ns <= WINDOW_SLACK * limit_ns + WINDOW_SLACK_NS))
		return CONVERGENCE_YES;
	return CONVERGENCE_UNKNOWN;
}

bool convergence_is_news(enum convergence_verdict before, enum convergence_verdict now)
{
	return now != before && now != CONVERGENCE_UNKNOWN &&
	       (now == CONVERGENCE_NO || before == CONVERGENCE_NO);
}

bool convergence_watch(struct convergence *c, const struct convergence_window *window)
{
	enum convergence_verdict leaning;
	uint64_t unsent = window->left_behind_bytes;
	bool told;

	if (window->bytes_per_s == 0 || window->length_ns == 0)
		return false;
	leaning = lean(window);
	if (leaning == CONVERGENCE_UNKNOWN)
		return false;
	if (unsent < window->dirty_bytes)
		unsent = window->dirty_bytes;
	c->dirty_bytes_per_s = (uint64_t)((double)window->dirty_bytes * (double)NS_PER_S /
					  (double)window->length_ns);
	c->bytes_per_s = window->bytes_per_s;
	c->remaining_bytes = window->remaining_bytes;
	c->downtime_would_do_ms = ms_to_send(unsent, window->bytes_per_s);
	if (leaning != c->leaning) {
		c->leaning = leaning;
		c->windows = 0;
		c->since_ns = window->now_ns - window->length_ns;
	}
	c->windows++;
	if (leaning == c->verdict)
		return false;
	if ((c->windows < CONVERGENCE_WINDOWS ||
	     window->now_ns - c->since_ns < CONVERGENCE_SPAN_NS) &&
	    window->length_ns < LONG_WINDOW_NS)
		return false;
	told = convergence_is_news(c->verdict, leaning);
	c->verdict = leaning;
	return told;
}

const char *convergence_explain(const struct convergence *c, char *text, unsigned room)
{
	switch (c->verdict) {
	case CONVERGENCE_NO:
		snprintf(text, room,
			 "not converging: the guest writes %" PRIu64 " MiB/s, %" PRIu64
			 " MiB/s are moved, %" PRIu64
			 " MiB remain; a downtime limit of about %" PRIu64 " ms would do",
			 c->dirty_bytes_per_s >> 20, c->bytes_per_s >> 20,
			 c->remaining_bytes >> 20, c->downtime_would_do_ms);
		break;
	case CONVERGENCE_YES:
		snprintf(text, room,
			 "converging: the guest writes %" PRIu64 " MiB/s, %" PRIu64
			 " MiB/s are moved, %" PRIu64 " MiB remain",
			 c->dirty_bytes_per_s >> 20, c->bytes_per_s >> 20,
			 c->remaining_bytes >> 20);
		break;
	case CONVERGENCE_UNKNOWN:
		snprintf(text, room, "not watched for long enough to tell");
		break;
	}
	return text;
}
