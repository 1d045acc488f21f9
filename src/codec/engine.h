/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.h - who computes a codec: a library, or a device.
 *
 * Engines see pages and bytes: no packet, no channel, no RAM block, no thread.  One open state
 * per channel and direction, used by that channel's thread only.  Software does all its work in
 * submit; a device fills its queue there and answers in reap, in any order.
 *
 * Codec "none" has no engine: its payload is the pages themselves. */
#ifndef CODEC_ENGINE_H
#define CODEC_ENGINE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "codec/codec.h"

enum direction { ENCODE, DECODE };

/* One packet's worth of work.  Encoding reads pages and fills one room; decoding reads one
 * payload and fills pages.  All memory is borrowed until the job is reaped. */
struct job {
	const struct span *source;
	uint32_t source_count;
	const struct room *destination;
	uint32_t destination_count;
	size_t produced_bytes; /* result: bytes written over all rooms */
	bool done;	       /* set when reaped */
	void *cookie;	       /* the caller's */
};

struct engine {
	const char *name; /* as the command line and the reports spell it */
	enum codec_id codec;
	bool stateful;		/* history runs across packets of a channel */
	bool reads_live_memory; /* output decodes even if a page changes meanwhile */
	uint32_t max_in_flight;

	/* Usable here, now?  err says why not. */
	int (*probe)(struct gw_error *err);
	/* State of one channel and direction; level is the codec's (ignored for DECODE). */
	void *(*open)(enum direction direction, int level, struct gw_error *err);
	/* Takes `count` <= max_in_flight jobs.  Errors name the library and what it answered:
	 * GW_PEER for payloads that do not decode to exactly the rooms given, GW_USAGE for a
	 * room too small to encode into (the codec's payload_max() never is).  After an error
	 * the state can only be closed: the history of a stream is lost. */
	int (*submit)(void *state, struct job *jobs[], uint32_t count,
		      struct gw_error *err);
	/* Moves finished jobs to `done`; with `wait`, at least one if any is in flight.  Returns
	 * how many, or -1. */
	int (*reap)(void *state, struct job *done[], uint32_t room, bool wait,
		    struct gw_error *err);
	void (*close)(void *state); /* NULL is fine */
};

/* The engines of a codec in order of preference, NULL after the last. */
const struct engine *const *engines_of(enum codec_id codec);

/* The first usable one; NULL and GW_UNSUPPORTED with each one's reason. */
const struct engine *engine_choose(enum codec_id codec, struct gw_error *err);

/* Submits one job and waits for it. */
int engine_run(const struct engine *engine, void *state, struct job *job,
	       struct gw_error *err);

#endif
