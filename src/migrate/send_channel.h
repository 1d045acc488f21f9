/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_channel.h - one page channel at the source: from dirty bits to the socket, outright.
 *
 * A thread that owns its engine state, batches, socket and counters.  It is told what to do
 * through a queue and answers into the migration thread's inbox.  Its first failure goes to the
 * outcome.
 *
 * Sending overlaps compressing: there are two batches, and while a device works on one, the
 * thread sends the one before and looks for the one after.  Software has computed when submit
 * returns; its batch is sent at once, and overlaps by what the socket holds. */
#ifndef MIGRATE_SEND_CHANNEL_H
#define MIGRATE_SEND_CHANNEL_H

#include "base/log.h"
#include "base/queue.h"
#include "channel/channel.h"
#include "codec/device_standing.h"
#include "codec/engine.h"
#include "migrate/counters.h"
#include "migrate/outcome.h"
#include "ram/batcher.h"
#include "wire/multifd_packet.h"
#include "wire/return_path.h"

/* What reaches the migration thread. */
enum sender_event_type {
	EVENT_SYNCED,	    /* this channel is through with its round, its SYNC is sent */
	EVENT_ZEROS,	    /* zero pages to be told on main (dialects before 9.0) */
	EVENT_RETURN,	    /* a message on the return path */
	EVENT_RETURN_ENDED, /* the destination closed it */
	EVENT_WAKE,	    /* look at the outcome and the cancel flag */
};

struct sender_event {
	enum sender_event_type type;
	uint32_t channel;
	struct return_path_message message;
	uint32_t block;
	uint32_t zero_count;
	uint64_t zero_offsets[BATCH_PAGES_MAX];
};

struct send_channel_options {
	uint32_t id;
	const struct dialect *dialect;
	const struct layout *layout;
	struct batcher *batcher;
	const struct codec *codec;
	const struct engine *engine; /* NULL for codec "none" */
	int level;
	uint32_t engine_jobs;
	struct device_standing *standing;
	uint64_t *next_packet; /* shared by all channels */
	struct queue *inbox;   /* of struct sender_event */
	struct outcome *outcome;
};

struct send_channel;

/* Takes over `channel`, also on failure.  What `options` points to must outlive the thread. */
struct send_channel *send_channel_start(const struct send_channel_options *options,
					struct channel *channel, struct gw_error *err);

/* Claim and send until the round has run dry, then send SYNC and report EVENT_SYNCED. */
void send_channel_round(struct send_channel *channel);

/* Only the SYNC. */
void send_channel_sync(struct send_channel *channel);

const struct counters *send_channel_counters(const struct send_channel *channel);
uint64_t send_channel_wire_bytes(const struct send_channel *channel);

/* Between orders: says the end and waits until the destination closes, having read everything. */
int send_channel_await_close(struct send_channel *channel, int patience_ms,
			     struct gw_error *err);

/* No more orders: joins the thread and closes the connection.  NULL is fine.  The interrupt must
 * be raised first if the thread may be waiting.  `aborted`: say SYNC before closing, if the
 * connection is between two packets and takes it at once. */
void send_channel_stop(struct send_channel *channel, bool aborted);

#endif
