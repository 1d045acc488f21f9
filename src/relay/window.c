/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* window.c - how much may be in flight between the two QEMUs.
 *
 * The rate is what was delivered within the last BUCKETS * BUCKET_NS, of a clock that runs only
 * while something is in flight: a guest that has nothing to send leaves the rate as it was, a link
 * that takes nothing lowers it.  Until the first bucket is full there is none, and the floor
 * holds. */
#include "relay/window.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/counter.h"

#define BUCKET_NS (50 * NS_PER_MS)
#define BUCKETS 8u

struct window {
	pthread_mutex_t lock;
	pthread_cond_t moved; /* a taker's turn, or more room, or closed */
	uint64_t (*clock)(void);
	uint64_t floor_bytes;
	uint64_t downtime_limit_ms;
	bool closed;
	/* Takers go in the order in which they came: none is overtaken for ever. */
	uint64_t next_ticket, turn;
	uint64_t delivered_bytes;
	/* The clock that runs while something is in flight. */
	uint64_t busy_ns;
	uint64_t seen_ns; /* of `clock`, when busy_ns was brought up to it */
	uint64_t bucket;  /* the present one, counted from 0 */
	uint64_t buckets[BUCKETS];
	/* Written under the lock, read by anybody. */
	uint64_t in_flight_bytes;
	uint64_t most_bytes;
	uint64_t limit_bytes;
	uint64_t rate; /* bytes a second */
};

/* ---- the rate ---- */

static void run_clock(struct window *window)
{
	uint64_t now_ns = window->clock(), bucket;

	if (window->in_flight_bytes > 0)
		window->busy_ns += now_ns - window->seen_ns;
	window->seen_ns = now_ns;
	bucket = window->busy_ns / BUCKET_NS;
	for (uint32_t i = 0; i < BUCKETS && window->bucket < bucket; i++)
		window->buckets[++window->bucket % BUCKETS] = 0;
	window->bucket = bucket;
}

/* Of the buckets that are full and the present one. */
static uint64_t measure(const struct window *window)
{
	uint64_t full = window->bucket < BUCKETS - 1 ? window->bucket : BUCKETS - 1;
	uint64_t span_ns = full * BUCKET_NS + window->busy_ns % BUCKET_NS;
	uint64_t bytes = 0;

	if (full == 0)
		return 0;
	for (uint32_t i = 0; i < BUCKETS; i++)
		bytes += window->buckets[i];
	return (uint64_t)((double)bytes * (double)NS_PER_S / (double)span_ns);
}

static void set_limit(struct window *window)
{
	uint64_t rate = measure(window), limit_bytes = WINDOW_BYTES_MAX;
	double wished = (double)rate * (double)window->downtime_limit_ms / 4000;

	if (wished < (double)WINDOW_BYTES_MAX)
		limit_bytes = (uint64_t)wished;
	if (limit_bytes < window->floor_bytes)
		limit_bytes = window->floor_bytes;
	counter_set(&window->rate, rate);
	counter_set(&window->limit_bytes, limit_bytes);
}

/* ---- calls ---- */

struct window *window_new(uint64_t floor_bytes, uint64_t downtime_limit_ms,
			  uint64_t (*clock)(void), struct gw_error *err)
{
	struct window *window = calloc(1, sizeof(*window));

	if (!window) {
		fail_sys(err, ENOMEM, "window");
		return NULL;
	}
	pthread_mutex_init(&window->lock, NULL);
	pthread_cond_init(&window->moved, NULL);
	window->clock = clock;
	window->floor_bytes = floor_bytes;
	window->downtime_limit_ms = downtime_limit_ms;
	window->limit_bytes = floor_bytes;
	window->seen_ns = clock();
	return window;
}

void window_free(struct window *window)
{
	if (!window)
		return;
	pthread_cond_destroy(&window->moved);
	pthread_mutex_destroy(&window->lock);
	free(window);
}

static bool fits(const struct window *window, uint64_t bytes)
{
	return window->in_flight_bytes == 0 ||
	       (window->in_flight_bytes < window->limit_bytes &&
		bytes <= window->limit_bytes - window->in_flight_bytes);
}

/* Its turn has come: what has passed in the wait counts for the limit. */
static bool may_go(struct window *window, uint64_t ticket, uint64_t bytes)
{
	if (window->turn != ticket)
		return false;
	run_clock(window);
	set_limit(window);
	return fits(window, bytes);
}

bool window_take(struct window *window, uint64_t bytes)
{
	uint64_t ticket;
	bool taken;

	pthread_mutex_lock(&window->lock);
	ticket = window->next_ticket++;
	while (!window->closed && !may_go(window, ticket, bytes))
		pthread_cond_wait(&window->moved, &window->lock);
	taken = !window->closed;
	if (taken) {
		window->turn++;
		counter_add(&window->in_flight_bytes, bytes);
		if (window->in_flight_bytes > window->most_bytes)
			counter_set(&window->most_bytes, window->in_flight_bytes);
		pthread_cond_broadcast(&window->moved);
	}
	pthread_mutex_unlock(&window->lock);
	return taken;
}

bool window_delivered(struct window *window, uint64_t total_bytes)
{
	uint64_t bytes;
	bool possible;

	pthread_mutex_lock(&window->lock);
	/* More than there can be where the total has fallen. */
	bytes = total_bytes - window->delivered_bytes;
	possible = bytes <= window->in_flight_bytes;
	if (possible) {
		run_clock(window);
		window->delivered_bytes = total_bytes;
		window->buckets[window->bucket % BUCKETS] += bytes;
		counter_set(&window->in_flight_bytes, window->in_flight_bytes - bytes);
		set_limit(window);
		pthread_cond_broadcast(&window->moved);
	}
	pthread_mutex_unlock(&window->lock);
	return possible;
}

void window_set_downtime_limit(struct window *window, uint64_t ms)
{
	pthread_mutex_lock(&window->lock);
	window->downtime_limit_ms = ms;
	set_limit(window);
	pthread_cond_broadcast(&window->moved);
	pthread_mutex_unlock(&window->lock);
}

void window_close(struct window *window)
{
	pthread_mutex_lock(&window->lock);
	window->closed = true;
	pthread_cond_broadcast(&window->moved);
	pthread_mutex_unlock(&window->lock);
}

uint64_t window_in_flight(const struct window *window)
{
	return counter_read(&window->in_flight_bytes);
}

uint64_t window_most_in_flight(const struct window *window)
{
	return counter_read(&window->most_bytes);
}

uint64_t window_bytes(const struct window *window)
{
	return counter_read(&window->limit_bytes);
}

double window_rate(const struct window *window)
{
	return (double)counter_read(&window->rate);
}
