/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream_engine.c - what engines share that keep one stream a channel and compute in submit. */
#include "codec/stream_engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/counter.h"

int job_check_payload(const struct job *job, enum codec_id codec, struct gw_error *err)
{
	return codec_check_payload(codec_by_id(codec),
				   (uint32_t)(job_destination_bytes(job) / PAGE_BYTES),
				   job->source[0].length, err);
}

int fail_room(const struct job *job, const struct room *room, const char *library,
	      struct gw_error *err)
{
	return fail(err, GW_USAGE, "%s: %zu bytes do not fit into a room of %zu", library,
		    job_source_bytes(job), room->length);
}

static int allocate(struct stream_engine *stream, bool copy)
{
	if (stream->direction == DECODE) {
		stream->incoming = malloc(CODEC_PAYLOAD_MAX);
		return stream->incoming ? 0 : -1;
	}
	for (unsigned i = 0; i < JOB_SLOTS; i++) {
		stream->payloads[i] = malloc(CODEC_PAYLOAD_MAX);
		if (!stream->payloads[i])
			return -1;
	}
	if (copy)
		stream->copies = malloc(JOB_BYTES_MAX);
	return copy && !stream->copies ? -1 : 0;
}

void *stream_engine_new(size_t bytes, const struct engine *engine,
			const struct engine_options *options, bool copy,
			struct gw_error *err)
{
	struct stream_engine *stream;

	if (options->direction == ENCODE &&
	    codec_check_level(codec_by_id(engine->codec), options->level, err) < 0)
		return NULL;
	stream = calloc(1, bytes);
	if (stream) {
		stream->engine = engine;
		stream->direction = options->direction;
		stream->counters =
			options->counters ? options->counters : &stream->own_counters;
		if (allocate(stream, copy) == 0)
			return stream;
	}
	fail_sys(err, ENOMEM, "%s stream", engine->name);
	stream_engine_free(stream);
	return NULL;
}

void stream_engine_free(struct stream_engine *stream)
{
	if (!stream)
		return;
	for (unsigned i = 0; i < JOB_SLOTS; i++)
		free(stream->payloads[i]);
	free(stream->copies);
	free(stream->incoming);
	free(stream);
}

uint32_t stream_engine_source(struct stream_engine *stream, const struct job *job,
			      const struct span **source, struct span *copy)
{
	size_t used = 0;

	if (!stream->copies) {
		*source = job->source;
		return job->source_count;
	}
	assert(job_source_bytes(job) <= JOB_BYTES_MAX);
	for (uint32_t i = 0; i < job->source_count; i++) {
		memcpy(stream->copies + used, job->source[i].bytes,
		       job->source[i].length);
		used += job->source[i].length;
	}
	*copy = (struct span){ stream->copies, used };
	*source = copy;
	return 1;
}

struct room stream_engine_room(const struct stream_engine *stream, const struct job *job)
{
	uint32_t pages = (uint32_t)(job_source_bytes(job) / PAGE_BYTES);

	return (struct room){ stream->payloads[job->slot],
			      codec_by_id(stream->engine->codec)->payload_max(pages) };
}

void stream_engine_finish(struct stream_engine *stream, struct job *job, size_t bytes)
{
	struct engine_counters *counters = stream->counters;

	job->produced_bytes = bytes;
	if (stream->direction == ENCODE) {
		job->pieces[0] = (struct span){ stream->payloads[job->slot], bytes };
		job->piece_count = 1;
	}
	counter_add(&counters->units, 1);
	counter_add(&counters->bytes_in, job_source_bytes(job));
	counter_add(&counters->bytes_out, bytes);
	stream->finished = true;
}

int stream_engine_reap(void *state, bool wait, struct gw_error *err)
{
	struct stream_engine *stream = state;

	assert(stream->finished);
	stream->finished = false;
	return 1;
}

uint8_t *stream_engine_payload_room(void *state)
{
	const struct stream_engine *stream = state;

	return stream->incoming;
}
