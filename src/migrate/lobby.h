/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lobby.h - connections arrive, and are told apart by their first bytes.
 *
 * One main channel ("QEVM") and N page channels (an init packet each), in any order.  Nobody
 * blocks anybody: a silent connection just sits there until the others are complete, garbage is
 * shown out.  When main has ended, some are missing and no other is on the way in, the source has
 * given up: its connections are closed, and the next one may come.  Nothing of main is consumed;
 * init packets are. */
#ifndef MIGRATE_LOBBY_H
#define MIGRATE_LOBBY_H

#include "base/log.h"
#include "channel/listener.h"
#include "wire/multifd_init.h"

struct lobby_options {
	uint32_t channel_count; /* 0: multifd is off */
	/* From the first connection to the last; < 0: for ever. */
	int patience_ms;
	/* What to do where the number of channels is another one: ends such errors; NULL: nothing. */
	const char *advice;
	/* Not NULL: one more connection may come and say nothing.  Then the listener goes on, and here
	 * is the newest connection that has said nothing by the end (the caller's), or -1. */
	int *silent;
	const struct log *log;
};

struct arrivals {
	struct channel *main;
	struct channel *pages[MULTIFD_CHANNELS_MAX]; /* by id */
	uint8_t uuid[16]; /* the source's, zero without multifd */
};

/* On success `listener` is stopped, unless one more may come: a connection too many must not find a
 * queue to write into.  GW_PEER: an id out of range or twice (the source uses another number of
 * channels), different uuids, or not all there in time.  On failure nothing is left open. */
int lobby_admit(struct listener *listener, const struct lobby_options *options,
		const struct interrupt *interrupt, struct arrivals *arrivals,
		struct gw_error *err);

void arrivals_close(struct arrivals *arrivals, uint32_t channel_count);

#endif
