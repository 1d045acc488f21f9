/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.h - who computes a codec: a library, or a device with a library behind it.
 *
 * Engines see pages and bytes: no packet, no channel, no RAM block, no thread.  One open state
 * per channel and direction, used by that channel's thread only.
 *
 * There are two kinds.  A stream engine (zlib, zstd) keeps history across the packets of a
 * channel and does all its work in submit.  A unit engine (unit_engine.c) cuts the packet into
 * units that stand for themselves (unit.h) and gives each to a device, if it has one, or to a
 * coder.
 *
 * Codec "none" has no engine: its payload is the pages themselves. */
#ifndef CODEC_ENGINE_H
#define CODEC_ENGINE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "codec/accelerator.h"
#include "codec/codec.h"
#include "codec/direction.h"
#include "codec/engine_counters.h"

struct interrupt;
struct device;
struct coder;
struct device_standing;

/* A packet's pages: CODEC_QPL's lengths, and for each page at most one piece. */
#define JOB_PIECES_MAX 130u

/* Jobs of one state whose results are kept: one in the engine while the one before is on the
 * wire. */
#define JOB_SLOTS 2u

/* One packet's worth of work.
 *
 * ENCODE: `source` is the pages, as runs of live guest memory; the result is `pieces`, in order,
 * in the engine's own memory or (raw pages) in the guest's, good until the slot's next submit.
 * DECODE: `source` is one payload, best in payload_room(); `destination` is where the
 * pages go, neighbours as one room.
 * All that is pointed to is borrowed until the job is reaped. */
struct job {
	uint32_t slot; /* below JOB_SLOTS */
	const struct span *source;
	uint32_t source_count;
	const struct room *destination;
	uint32_t destination_count;
	struct span pieces[JOB_PIECES_MAX];
	uint32_t piece_count;
	size_t produced_bytes; /* result: of all pieces, or over all rooms */
};

/* Of pages, at most.  QEMU: MULTIFD_PACKET_SIZE. */
#define JOB_BYTES_MAX (512u << 10)

size_t job_source_bytes(const struct job *job);
size_t job_destination_bytes(const struct job *job);

struct engine_options {
	enum direction direction;
	int level; /* the codec's; ignored for DECODE */
	uint32_t
		jobs; /* units that a device may hold, 1 to ACCELERATOR_JOBS_MAX; 0: default */
	/* How the device does in this migration, shared by all channels of a direction
	 * (device_standing.h); NULL: this state has its own. */
	struct device_standing *standing;
	/* The caller's, written by the state's thread alone; NULL: nobody wants to know. */
	struct engine_counters *counters;
	/* Ends a wait for a device: GW_CANCELLED; NULL: nothing does. */
	const struct interrupt *interrupt;
	int patience_ms; /* until a device that answers nothing is taken for dead; 0: default */
};

#define DEVICE_PATIENCE_MS 5000

struct engine {
	const char *name; /* who computes, as reports spell it: "isal", "zlib", "qpl" */
	/* ACCELERATOR_NONE in software; a device's, or ACCELERATOR_SIMULATED. */
	enum accelerator accelerator;
	bool reference; /* ACCELERATOR_REFERENCE takes it */
	enum codec_id codec;
	/* Of ENCODE; both 0 where the codec has no levels. */
	int level_min;
	int level_max;

	/* Of unit engines: what they are put together from. */
	const struct device *device; /* or NULL */
	const struct coder *coder;   /* does all, or what the device does not */

	/* Usable here, now?  err says why not.  A device's first answer is kept. */
	int (*probe)(const struct engine *engine, struct gw_error *err);
	/* State of one channel and direction. */
	void *(*open)(const struct engine *engine, const struct engine_options *options,
		      struct gw_error *err);
	/* Takes one job; one at a time is inside.  Errors name the library and what it answered:
	 * GW_PEER for payloads that do not decode to exactly the rooms given.  After an error
	 * the state can only be closed. */
	int (*submit)(void *state, struct job *job, struct gw_error *err);
	/* 1: the job inside is finished, 0: not yet (never with `wait`), -1: it failed. */
	int (*reap)(void *state, bool wait, struct gw_error *err);
	void (*close)(void *state); /* NULL is fine */
	/* Of DECODE: CODEC_PAYLOAD_MAX bytes, the best place to read a payload into; the
	 * engine's until close. */
	uint8_t *(*payload_room)(void *state);
};

/* The engines of a codec and direction in order of preference, NULL after the last. */
const struct engine *const *engines_of(enum codec_id codec, enum direction direction);

/* Whether the choice `accelerator` includes the engine, usable or not. */
bool engine_allowed(const struct engine *engine, enum accelerator accelerator);

/* The first usable one that `accelerator` allows and, to encode, that has the level.  NULL and
 * GW_UNSUPPORTED with each one's reason.  A decoder's format is the peer's choice: with a named
 * device that has no engine for the codec, software decodes; what is not usable at all has been
 * refused by accelerator_check(). */
const struct engine *engine_choose(enum codec_id codec, enum direction direction,
				   int level, enum accelerator accelerator,
				   struct gw_error *err);

/* GW_UNSUPPORTED with the probe's reason if a named device cannot be used on this host for any
 * codec. */
int accelerator_check(enum accelerator accelerator, struct gw_error *err);

/* Submits one job and waits for it. */
int engine_run(const struct engine *engine, void *state, struct job *job,
	       struct gw_error *err);

#endif
