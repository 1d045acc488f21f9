/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender.h - the source of a migration: rounds, the budget, the decision to switch over.
 *
 * The thread that calls sender_run() is the migration thread.  It touches no page: channel
 * threads carry those, a reader thread hears the return path, and both report into its inbox.
 *
 *	connect ─▶ header, blocks ─▶ round ─▶ harvest ─▶ fits the limit? ─▶ pause ─▶ last round
 *	                               ▲                     │ no                      │
 *	                               └─────────────────────┘         devices, EOF ─▶ SHUT
 *
 * Never two guests: until the closing bytes are on the way any failure or cancel leaves the
 * source running; from then on only the destination's own word (SHUT) says who runs. */
#ifndef MIGRATE_SENDER_H
#define MIGRATE_SENDER_H

#include "base/log.h"
#include "channel/channel.h"
#include "channel/throttle.h"
#include "codec/engine.h"
#include "migrate/counters.h"
#include "migrate/machine.h"
#include "migrate/state.h"
#include "ram/block.h"
#include "ram/dirty.h"
#include "wire/dialect.h"
#include "wire/multifd_init.h"

struct sender_progress {
	enum migration_state state;
	uint32_t round;
	uint64_t elapsed_ns;
	uint64_t total_pages;
	uint64_t remaining_pages; /* dirty and not yet handed to a channel */
	uint64_t moved_pages;	  /* normal and zero, all rounds */
	uint64_t wire_bytes;
	uint64_t dirty_pages_per_s; /* at the last harvest */
	uint64_t
		bytes_per_s; /* guest memory, as measured; 0 before the first round ends */
};

struct sender_options {
	/* Opens connection `index`: 0 is main, 1.. are page channels, in this order. */
	struct channel *(*connect)(void *state, uint32_t index,
				   const struct interrupt *interrupt,
				   struct gw_error *err);
	void *connect_state;

	const struct dialect *dialect;
	const char *machine; /* type, as the stream's configuration names it */
	uint8_t uuid[16];
	uint32_t channel_count; /* 1 to MULTIFD_CHANNELS_MAX */
	enum codec_id method;
	int level;
	uint64_t
		max_bandwidth; /* bytes a second over all channels together; 0: unlimited */
	uint64_t downtime_limit_ms;
	bool return_path;
	int patience_ms;	/* no byte of progress for so long: the peer is gone */
	int answer_patience_ms; /* from the closing bytes to the destination's answer */

	const struct log *log;
	/* From the migration thread, about ten times a second and at each change of state. */
	void (*progress)(void *state, const struct sender_progress *progress);
	void *progress_state;
};

#define SENDER_PATIENCE_MS 30000
#define SENDER_ANSWER_PATIENCE_MS 60000

/* Where the guest is when sender_run() returns. */
enum guest_whereabouts {
	GUEST_AT_SOURCE,      /* it runs (or stayed paused) here, as before */
	GUEST_AT_DESTINATION, /* confirmed, or, without a return path, everything was taken */
	GUEST_UNKNOWN,	      /* paused here; the destination may run it */
};

struct sender_report {
	enum migration_state state;
	enum guest_whereabouts guest;
	uint64_t setup_ns;
	uint64_t total_ns;
	uint64_t downtime_ns; /* from pause to the destination's answer */
	uint64_t
		paused_at_ns; /* clock_now_ns() when the guest stopped; 0: it never did */
	uint64_t wire_bytes;  /* all channels, main included */
	uint64_t ram_bytes;
	uint32_t rounds;
	struct counters counters; /* sums over the page channels */
};

struct sender;

/* `ram`, `tracker`, `machine` and what `options` points to are borrowed while it lives. */
struct sender *sender_new(const struct sender_options *options, const struct ram *ram,
			  struct dirty_tracker *tracker,
			  const struct source_machine *machine, struct gw_error *err);
void sender_free(struct sender *sender); /* not while it runs; NULL is fine */
DEFINE_OWNED(sender)

/* Once a sender.  Blocks until the guest is at one place or the other.  `report` is filled in as
 * far as it got, on failure too.
 * Errors: GW_PEER the destination left, stalled or reported a failure; GW_CANCELLED. */
int sender_run(struct sender *sender, struct sender_report *report, struct gw_error *err);

/* From any thread or signal handler, any number of times.  False: too late, the destination may
 * already run; nothing happens. */
bool sender_cancel(struct sender *sender);

/* While it runs, from any thread. */
void sender_set_max_bandwidth(struct sender *sender, uint64_t bytes_per_s);

#endif
