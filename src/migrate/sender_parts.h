/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender_parts.h - what the parts of the sender share: its state and each other's calls.
 *
 *	sender.c	     what others call; setup, tear-down
 *	sender_events.c	     the inbox, and what is told of progress
 *	sender_rounds.c	     one pass over memory after the other, until what is left fits
 *	sender_switchover.c  pause, last pages, closing bytes, answer
 *
 * All of it is the migration thread's, but for what is marked. */
#ifndef MIGRATE_SENDER_PARTS_H
#define MIGRATE_SENDER_PARTS_H

#include <stdatomic.h>

#include "migrate/links.h"
#include "migrate/outcome.h"
#include "migrate/pace.h"
#include "migrate/sender.h"

/* Who may still decide: a cancel, or the closing bytes. */
enum { FATE_OPEN, FATE_CANCELLED, FATE_COMMITTED };

struct sender {
	struct sender_options options;
	const struct ram *ram;
	const struct source_machine *machine;

	struct interrupt *interrupt;
	struct outcome outcome;
	atomic_int fate;
	struct throttle throttle;
	/* Set by any thread. */
	_Atomic uint64_t downtime_limit_ms;
	atomic_bool limits_changed;
	atomic_bool told_to_continue;
	struct queue *inbox;
	struct sender_event event;
	struct batch batch; /* without multifd */

	struct layout layout;
	struct batcher *batcher;
	const struct engine *engine; /* NULL: nothing to compute */
	struct device_standing standing;
	struct links links;
	struct counters main_counters; /* of pages that travel on main */

	struct pace pace;
	uint64_t max_bandwidth; /* that the pace was measured under */
	struct sender_report *report;
	uint64_t start_ns;
	uint64_t dirty_pages; /* when the round began, or since it ended */
	bool in_round;
	bool looking;	  /* while rounds run beside the guest */
	uint64_t told_ns; /* when progress was last told */
	bool paused;
	uint32_t pongs_seen; /* a bit each */
	bool ack_seen;
	bool shut_seen;
	bool return_ended;
	uint32_t shut_value;
};

/* ---- sender_events.c ---- */

void sender_sum(const struct sender *s, struct counters *sum, uint64_t *wire_bytes);
struct moved sender_moved(const struct sender *s);
/* Of the round, yet to be handed to a channel; the second adds what was written meanwhile. */
uint64_t sender_unclaimed_pages(const struct sender *s);
uint64_t sender_remaining_pages(const struct sender *s);
bool sender_fits(struct sender *s, uint64_t pages);

void sender_tell(struct sender *s);
void sender_enter(struct sender *s, enum migration_state state);

/* What stopped it: the first failure, or a cancel.  Always returns -1. */
int sender_stopped(struct sender *s, struct gw_error *err);

/* One event, or none within a moment (or `wait_ms`); a SYNCED counts up *synced.  -1 when a thread
 * failed or somebody cancelled.  The first one looks at the guest's pace, too. */
int sender_handle_event(struct sender *s, uint32_t *synced, struct gw_error *err);
int sender_handle_event_within(struct sender *s, int wait_ms, uint32_t *synced,
			       struct gw_error *err);
int sender_look(struct sender *s, struct gw_error *err);

/* The destination may say no, or leave, at any time before it is asked for its answer. */
int sender_check_destination(const struct sender *s, struct gw_error *err);

int sender_await_syncs(struct sender *s, struct gw_error *err);

/* Nobody moves a page to a destination that will not take the guest, or is paused for one that
 * has not shown that it listens. */
int sender_await_pong(struct sender *s, uint32_t ping, int patience_ms,
		      struct gw_error *err);

/* ---- sender_rounds.c ---- */

/* One pass over what is dirty, with a barrier at its end. */
int sender_round(struct sender *s, bool last, struct gw_error *err);

/* Beside the guest, until what is left fits the limit and the destination has agreed. */
int sender_iterate(struct sender *s, struct gw_error *err);

/* ---- sender_switchover.c ---- */

/* From the pause to the device state; *closing (the caller's) is what is left to send. */
int sender_switch_over(struct sender *s, uint8_t **closing, size_t *closing_bytes,
		       struct gw_error *err);

/* The point of no return, and the answer. */
int sender_commit(struct sender *s, uint8_t *closing, size_t closing_bytes,
		  struct gw_error *err);

#endif
