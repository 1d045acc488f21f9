/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receive_channel.h - one page channel at the destination: from the socket to guest RAM, outright.
 *
 * A thread that owns its socket, engine states, buffer and counters.  It waits until the block
 * list is known, then obeys each packet's own flags.  At a SYNC it stops until it is released;
 * when its peer closes between two packets it says so and ends, for only the main thread can
 * tell whether that was the end or too early. */
#ifndef MIGRATE_RECEIVE_CHANNEL_H
#define MIGRATE_RECEIVE_CHANNEL_H

#include "base/queue.h"
#include "channel/channel.h"
#include "codec/device_standing.h"
#include "codec/engine.h"
#include "migrate/counters.h"
#include "migrate/outcome.h"
#include "ram/landing.h"
#include "wire/multifd_packet.h"

enum receiver_event_type {
	EVENT_AT_SYNC, /* everything before it is in memory; waits for its release */
	EVENT_CLOSED,  /* clean end between two packets */
	EVENT_FAILED,  /* look at the outcome */
};

struct receiver_event {
	enum receiver_event_type type;
	uint32_t channel;
};

struct receive_channel_options {
	uint32_t id;
	const struct layout *layout; /* fixed before the first release */
	const struct ram *ram;	     /* block i is the layout's block i */
	struct landing *const *landing;
	struct queue *inbox; /* of struct receiver_event */
	struct outcome *outcome;
	int patience_ms;
	enum accelerator accelerator;
	uint32_t engine_jobs;
	struct device_standing *standing;
};

struct receive_channel;

/* Takes over `channel`, also on failure. */
struct receive_channel *
receive_channel_start(const struct receive_channel_options *options,
		      struct channel *channel, struct gw_error *err);

/* Go on: once when the block list is known, then once for each EVENT_AT_SYNC. */
void receive_channel_release(struct receive_channel *channel);

const struct counters *receive_channel_counters(const struct receive_channel *channel);
/* Puts the names of the engines that it has opened into their codecs' places. */
void receive_channel_engines(const struct receive_channel *channel,
			     const char *names[CODEC_COUNT]);
uint64_t receive_channel_wire_bytes(const struct receive_channel *channel);

/* Joins and closes; raise the interrupt first unless the channel has closed.  NULL is fine. */
void receive_channel_stop(struct receive_channel *channel);

#endif
