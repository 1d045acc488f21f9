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
#include "machine/machine.h"
#include "migrate/auto_converge.h"
#include "migrate/convergence.h"
#include "migrate/counters.h"
#include "migrate/state.h"
#include "ram/block.h"
#include "ram/dirty.h"
#include "wire/dialect.h"
#include "wire/multifd_init.h"

/* All as of now; one value, so that whoever shows it shows one moment. */
struct sender_progress {
	enum migration_state state;
	uint32_t round; /* the pass over memory that is under way, from 1 */
	uint64_t elapsed_ns;
	uint64_t setup_ns; /* 0 until it is over */
	uint64_t total_pages;
	uint64_t
		remaining_pages; /* dirty, as far as known, and not yet handed to a channel */
	uint64_t normal_pages; /* moved, all rounds */
	uint64_t zero_pages;
	uint64_t wire_bytes;  /* all channels */
	uint64_t main_bytes;  /* of these, main's */
	uint64_t dirty_syncs; /* harvests that ended a round (QEMU's dirty-sync-count) */
	uint64_t dirty_pages_per_s; /* as measured last; 0 before that */
	uint64_t
		bytes_per_s; /* guest memory moved, as measured; 0 when nothing was yet */
	uint64_t wire_bytes_per_s;
	uint64_t pages_per_s;	       /* zero pages included */
	uint64_t expected_downtime_ns; /* UINT64_MAX when nothing was measured */
	uint32_t throttle_percent;     /* auto-converge; 0: not throttled */
	struct convergence convergence;
	struct counters counters; /* sums over the page channels */
	const char *engine;	  /* who computes, "isal"; NULL: nobody has to */
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
	/* Page channels, to MULTIFD_CHANNELS_MAX; 0: multifd is off, pages travel on main and
	 * `method` does not apply. */
	uint32_t channel_count;
	enum codec_id method;
	int level;
	enum accelerator accelerator; /* who computes it */
	uint32_t accelerator_jobs; /* units in a device's hands a channel; 0: default */
	uint64_t
		max_bandwidth; /* bytes a second over all channels together; 0: unlimited */
	uint64_t downtime_limit_ms;
	bool return_path;
	/* After the pause, before the last pages: wait for sender_continue(). */
	bool pause_before_switchover;
	/* No pause before the destination has sent SWITCHOVER_ACK; needs the return path. */
	bool switchover_ack;
	struct auto_converge auto_converge;
	int patience_ms;	/* no byte of progress for so long: the peer is gone */
	int answer_patience_ms; /* from the closing bytes to the destination's answer */

	const struct log *log;
	/* From the migration thread, about ten times a second and at each change of state. */
	void (*progress)(void *state, const struct sender_progress *progress);
	void *progress_state;
};

#define SENDER_PATIENCE_MS 30000
#define SENDER_ANSWER_PATIENCE_MS 60000

/* Where the downtime went, as far as this side can tell; `resume` is from the closing bytes to
 * the destination's answer. */
struct downtime_split {
	uint64_t stop_ns;
	uint64_t last_sync_ns;
	uint64_t last_pages_ns;
	uint64_t state_ns;
	uint64_t resume_ns;
};

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
	struct downtime_split downtime_split;
	uint64_t wire_bytes; /* all channels, main included */
	uint64_t main_bytes; /* of these, main's */
	uint64_t ram_bytes;
	uint32_t rounds;
	uint64_t sync_ns; /* the migration thread's harvests of dirty pages */
	uint64_t dirty_syncs;
	uint32_t throttle_percent_most; /* of auto-converge; 0: it never had to */
	struct convergence convergence; /* the last verdict */
	struct counters counters;	/* sums over the page channels */
	const char *engine;		/* who computed, "isal"; NULL: nobody had to */
};

struct sender;

/* `ram`, `tracker`, `machine` and what `options` points to are borrowed while it lives.
 * Errors: GW_USAGE a level, GW_UNSUPPORTED an accelerator that cannot be used, with the reason. */
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

/* While it runs, from any thread; they take effect at once, not with the next round. */
void sender_set_max_bandwidth(struct sender *sender, uint64_t bytes_per_s);
void sender_set_downtime_limit(struct sender *sender, uint64_t limit_ms);

/* Goes on from MIGRATION_PRE_SWITCHOVER.  From any thread; in another state it does nothing. */
void sender_continue(struct sender *sender);

#endif
