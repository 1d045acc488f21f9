/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receiver.h - the destination of a migration: a state machine over main, a thread a page
 * channel, barriers between them.
 *
 * The thread that calls receiver_run() reads main and answers on its return path.  Which format
 * a packet has, and whether barriers come once a section or once a round, follows from what the
 * source sends; nothing has to be told.  Everything the peer says is bounded before it is used. */
#ifndef MIGRATE_RECEIVER_H
#define MIGRATE_RECEIVER_H

#include "base/log.h"
#include "channel/channel.h"
#include "codec/accelerator.h"
#include "machine/machine.h"
#include "migrate/counters.h"
#include "migrate/lobby.h"
#include "migrate/state.h"
#include "ram/block.h"
#include "wire/dialect.h"
#include "wire/vmdesc.h"

#define RECEIVER_PATIENCE_MS 30000

struct receiver_options {
	uint32_t channel_count; /* 0: multifd is off */
	/* What the source is, when its machine type does not tell; NULL: go by what it sends. */
	const struct dialect *dialect;
	/* The machine type expected ("" accepts any); a peer's may be a prefix of it. */
	const char *machine;
	/* Make the RAM blocks that the source announces, up to `memory_limit_bytes`, instead of
	 * expecting those of `ram`. */
	bool adopt_blocks;
	uint64_t memory_limit_bytes;
	/* The memory of `ram` may have been written to: its zero pages are written, too. */
	bool memory_used;
	/* The source waits for our SWITCHOVER_ACK; it is sent with the return path's opening, for
	 * there is no device here that would need time. */
	bool switchover_ack;
	enum accelerator accelerator; /* who decodes, where it can */
	uint32_t accelerator_jobs; /* units in a device's hands a channel; 0: default */
	/* NULL: no guest; device sections are passed over, their sizes taken from the stream's
	 * description. */
	const struct destination_machine *guest;
	int patience_ms;
	const struct log *log;
	void (*state_changed)(void *state, enum migration_state now);
	void *state_changed_state;
};

struct receiver_report {
	enum migration_state state;
	char machine[STREAM_NAME_MAX + 1];
	const struct dialect
		*dialect;	  /* of the machine type or as told; NULL when unknown */
	bool barrier_per_section; /* as seen; only means something with multifd */
	bool return_path;
	bool switchover_start;
	uint32_t block_count;
	uint32_t parts;		    /* PART and END sections of ram */
	uint32_t barriers;	    /* the setup's included */
	uint64_t main_normal_pages; /* page records on main */
	uint64_t main_zero_pages;
	uint64_t main_bytes;
	uint64_t wire_bytes;	  /* all channels, main included */
	uint64_t total_ns;	  /* from the stream's first byte to its end */
	uint64_t started_at_ns;	  /* clock_now_ns() when the guest ran; 0: it never did */
	struct counters counters; /* sums over the page channels */
	const char *engines[CODEC_COUNT]; /* who decoded, "isal"; NULL: nobody had to */
	/* Without a guest: */
	bool devices_known; /* the description accounts for every byte of `device_bytes` */
	uint64_t device_bytes;
	struct vmdesc vmdesc;
};

/* A source that goes by QEMU sends one format.  NULL: nobody had to decode. */
static inline const char *receiver_report_engine(const struct receiver_report *report)
{
	const char *engine = NULL;

	for (unsigned i = 0; i < CODEC_COUNT && !engine; i++)
		engine = report->engines[i];
	return engine;
}

struct receiver;

/* `ram` is filled when adopt_blocks, and borrowed in any case.
 * Errors: GW_UNSUPPORTED an accelerator that cannot be used, with the reason. */
struct receiver *receiver_new(const struct receiver_options *options, struct ram *ram,
			      struct gw_error *err);
void receiver_free(struct receiver *receiver); /* not while it runs; NULL is fine */
DEFINE_OWNED(receiver)

/* For whatever the receiver's connections wait on. */
const struct interrupt *receiver_interrupt(const struct receiver *receiver);

/* Once a receiver.  Takes over the connections, also on failure.  Blocks until the guest runs
 * here or does not.  `report` is filled in as far as it got.
 * Errors: GW_PEER broken or cut stream; GW_UNSUPPORTED named; GW_CANCELLED. */
int receiver_run(struct receiver *receiver, struct arrivals *arrivals,
		 struct receiver_report *report, struct gw_error *err);

/* Waits for the connections, then receiver_run(). */
int receiver_listen(struct receiver *receiver, struct listener *listener,
		    struct receiver_report *report, struct gw_error *err);

/* From any thread or signal handler. */
void receiver_cancel(struct receiver *receiver);

#endif
