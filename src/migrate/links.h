/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* links.h - the connections of a migration at the source: main with its way back, and the page
 * channels, each with the thread that works it.
 *
 * Owned by the migration thread.  Readable fields are good from links_open() to links_close(). */
#ifndef MIGRATE_LINKS_H
#define MIGRATE_LINKS_H

#include "channel/throttle.h"
#include "migrate/main_stream.h"
#include "migrate/return_reader.h"
#include "migrate/send_channel.h"
#include "wire/multifd_init.h"

struct links_options {
	/* Opens connection `index`: 0 is main, 1.. are page channels, in this order. */
	struct channel *(*connect)(void *state, uint32_t index,
				   const struct interrupt *interrupt,
				   struct gw_error *err);
	void *connect_state;
	const struct dialect *dialect;
	const char *machine;
	const uint8_t *uuid; /* 16 bytes */
	uint32_t channel_count;
	enum codec_id method;
	int level;
	const struct engine *engine; /* NULL for codec "none" and without page channels */
	uint32_t engine_jobs;
	struct device_standing *standing; /* borrowed */
	bool return_path;
	int patience_ms;
	/* Borrowed. */
	const struct layout *layout;
	struct batcher *batcher;
	struct throttle *throttle;
	struct queue *inbox; /* of struct sender_event */
	struct outcome *outcome;
};

struct links {
	struct channel *main_channel; /* NULL: not connected */
	struct main_stream main;
	struct return_reader *reader; /* NULL: no return path */
	uint32_t count;		      /* of page channels */

	struct links_options options;
	struct send_channel *channels[MULTIFD_CHANNELS_MAX];
	uint64_t next_packet;
};

/* Each connection's first bytes go out as soon as it exists, in connection order: a QEMU that
 * waits for them answers nobody meanwhile.  On failure too links_close() has to follow. */
int links_open(struct links *links, const struct links_options *options,
	       struct gw_error *err);

/* To each page channel: SYNC; a round and then SYNC.  Each answers with EVENT_SYNCED. */
void links_sync(struct links *links);
void links_round(struct links *links);

/* What the page channels did, added to *sum; bytes of all connections. */
void links_sum(const struct links *links, struct counters *sum, uint64_t *wire_bytes);

/* Without a return path the best there is to know: the destination has closed main after it read
 * to the end, and each page channel too, with nothing of it unread.  A connection that nobody
 * accepted ends with a reset. */
int links_await_close(struct links *links, int answer_patience_ms, struct gw_error *err);

/* Closes all.  `failed`: main goes first, then each channel says SYNC where it can, for a QEMU
 * whose page channel ends before the barrier hangs in it (docs/protocol.md, "Giving up"); the
 * interrupt has to be raised before. */
void links_close(struct links *links, bool failed);

#endif
