/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream_engine.h - what engines share that keep one stream a channel and compute in submit. */
#ifndef CODEC_STREAM_ENGINE_H
#define CODEC_STREAM_ENGINE_H

#include "base/pages.h"
#include "codec/engine.h"

/* First member of a stream engine's state. */
struct stream_engine {
	const struct engine *engine;
	enum direction direction;
	struct engine_counters *counters;
	struct engine_counters own_counters; /* for a caller that gave none */
	uint8_t *payloads[JOB_SLOTS];	     /* ENCODE: what pieces point to */
	uint8_t *copies;		     /* ENCODE, not from live memory */
	uint8_t *incoming;		     /* DECODE */
	bool finished;			     /* a job waits to be reaped */
};

/* `bytes` of zeros for a state that begins with a struct stream_engine, and that filled in, the
 * level checked and its memory allocated; `copy`: the library must not read live memory.  NULL on
 * failure. */
void *stream_engine_new(size_t bytes, const struct engine *engine,
			const struct engine_options *options, bool copy,
			struct gw_error *err);

/* Frees it with its memory. */
void stream_engine_free(struct stream_engine *stream);

/* The pages of an encoding job as the library may read them: as they are, or the copy. */
uint32_t stream_engine_source(struct stream_engine *stream, const struct job *job,
			      const struct span **source, struct span *copy);

/* Where its payload goes. */
struct room stream_engine_room(const struct stream_engine *stream, const struct job *job);

/* The job is done: `bytes` of its payload room, or over all rooms. */
void stream_engine_finish(struct stream_engine *stream, struct job *job, size_t bytes);

/* `reap` and `payload_room` of struct engine. */
int stream_engine_reap(void *state, bool wait, struct gw_error *err);
uint8_t *stream_engine_payload_room(void *state);

/* The payload's length is the peer's word. */
int job_check_payload(const struct job *job, enum codec_id codec, struct gw_error *err);

/* GW_USAGE: the payload room is too small, which payload_max() rules out. */
int fail_room(const struct job *job, const struct room *room, const char *library,
	      struct gw_error *err);

#endif
