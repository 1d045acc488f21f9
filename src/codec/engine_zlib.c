/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_zlib.c - codec zlib by the zlib library.
 *
 * One zlib stream per channel that never ends: each packet's pages end with a sync flush, and
 * history runs on into the next packet.  Source: QEMU 10.2 migration/multifd-zlib.c.
 *
 * zlib says nothing about input that changes while deflate() reads it, and hardware behind the
 * same calls did break on it (zlib-ng pull request 1253): so not from live memory. */
#include "codec/engine_list.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "codec/stream_engine.h"

/* As QEMU's: any other window could refer further back than a peer keeps. */
#define WINDOW_BITS 15
#define MEMORY_LEVEL 8

struct zlib_state {
	struct stream_engine base;
	z_stream stream;
	uint8_t beyond; /* where a byte goes for which there is no page */
};

/* The numbers mean little in a message. */
static const char *answer_name(int answer)
{
	switch (answer) {
	case Z_OK:
		return "Z_OK";
	case Z_STREAM_END:
		return "Z_STREAM_END";
	case Z_NEED_DICT:
		return "Z_NEED_DICT";
	case Z_STREAM_ERROR:
		return "Z_STREAM_ERROR";
	case Z_DATA_ERROR:
		return "Z_DATA_ERROR";
	case Z_MEM_ERROR:
		return "Z_MEM_ERROR";
	case Z_BUF_ERROR:
		return "Z_BUF_ERROR";
	case Z_VERSION_ERROR:
		return "Z_VERSION_ERROR";
	default:
		return "an unknown code";
	}
}

static int zlib_probe(const struct engine *engine, struct gw_error *err)
{
	/* zlib's own rule: the first digit is the interface. */
	if (zlibVersion()[0] != ZLIB_VERSION[0])
		return fail(err, GW_UNSUPPORTED, "zlib is version %s, built for %s",
			    zlibVersion(), ZLIB_VERSION);
	return 0;
}

static int init_library(struct zlib_state *state, int level, struct gw_error *err)
{
	bool encode = state->base.direction == ENCODE;
	int answer = encode ? deflateInit2(&state->stream, level, Z_DEFLATED, WINDOW_BITS,
					   MEMORY_LEVEL, Z_DEFAULT_STRATEGY)
			    : inflateInit2(&state->stream, WINDOW_BITS);

	if (answer == Z_MEM_ERROR)
		return fail_sys(err, ENOMEM, "zlib stream");
	if (answer != Z_OK)
		return fail(err, GW_UNSUPPORTED, "zlib: %s answered %s",
			    encode ? "deflateInit2" : "inflateInit2",
			    answer_name(answer));
	return 0;
}

static void *zlib_open(const struct engine *engine, const struct engine_options *options,
		       struct gw_error *err)
{
	struct zlib_state *state =
		stream_engine_new(sizeof(*state), engine, options, true, err);

	if (!state)
		return NULL;
	if (init_library(state, options->level, err) < 0) {
		stream_engine_free(&state->base);
		return NULL;
	}
	return state;
}

static int encode(struct zlib_state *state, struct job *job, struct gw_error *err)
{
	struct room room = stream_engine_room(&state->base, job);
	z_stream *stream = &state->stream;
	const struct span *source;
	struct span copy;
	int answer;

	(void)stream_engine_source(&state->base, job, &source, &copy);
	/* zlib reads through a pointer that it never made const. */
	stream->next_in = (Bytef *)(uintptr_t)source->bytes;
	stream->avail_in = (uInt)source->length;
	stream->next_out = room.bytes;
	stream->avail_out = (uInt)room.length;
	answer = deflate(stream, Z_SYNC_FLUSH);
	if (answer != Z_OK && answer != Z_BUF_ERROR)
		return fail(err, GW_UNSUPPORTED, "zlib: deflate answered %s",
			    answer_name(answer));
	/* A room filled to the brim leaves open whether the flush is complete. */
	if (stream->avail_in > 0 || stream->avail_out == 0)
		return fail_room(job, &room, "zlib", err);
	stream_engine_finish(&state->base, job, room.length - stream->avail_out);
	return 0;
}

static int fail_inflate(const z_stream *stream, const struct job *job, size_t produced,
			int answer, struct gw_error *err)
{
	size_t payload = job->source[0].length, expected = job_destination_bytes(job);

	if (answer == Z_MEM_ERROR)
		return fail_sys(err, ENOMEM, "zlib: inflate");
	if (answer == Z_STREAM_END)
		return fail(
			err, GW_PEER,
			"zlib: stream ended after %zu of %zu bytes in a payload of %zu "
			"(inflate answered Z_STREAM_END), but a channel's never ends",
			produced, expected, payload);
	return fail(
		err, GW_PEER,
		"zlib: inflate answered %s (%s) after %zu of %zu bytes in a payload of "
		"%zu",
		answer_name(answer), stream->msg ? stream->msg : "no reason", produced,
		expected, payload);
}

static int decode(struct zlib_state *state, struct job *job, struct gw_error *err)
{
	z_stream *stream = &state->stream;
	size_t produced = 0;
	int answer;

	if (job_check_payload(job, CODEC_ZLIB, err) < 0)
		return -1;
	stream->next_in = (Bytef *)(uintptr_t)job->source[0].bytes;
	stream->avail_in = (uInt)job->source[0].length;
	for (uint32_t i = 0; i < job->destination_count; i++) {
		stream->next_out = job->destination[i].bytes;
		stream->avail_out = (uInt)job->destination[i].length;
		answer = inflate(stream, Z_SYNC_FLUSH);
		produced += job->destination[i].length - stream->avail_out;
		if (answer != Z_OK && answer != Z_BUF_ERROR)
			return fail_inflate(stream, job, produced, answer, err);
		/* inflate() stops early for want of input only. */
		if (stream->avail_out > 0)
			return fail(
				err, GW_PEER,
				"zlib: payload of %zu bytes ends after %zu of %zu bytes "
				"(inflate answered %s)",
				job->source[0].length, produced,
				job_destination_bytes(job), answer_name(answer));
	}
	/* A symbol may have been read for which there was no room any more.  The next packet
	 * would begin with it: all its pages shifted, and nothing to notice that by. */
	stream->next_out = &state->beyond;
	stream->avail_out = 1;
	answer = inflate(stream, Z_SYNC_FLUSH);
	if (stream->avail_out == 0)
		return fail(err, GW_PEER,
			    "zlib: payload of %zu bytes holds more than %zu bytes "
			    "(inflate answered %s)",
			    job->source[0].length, produced, answer_name(answer));
	if (answer != Z_OK && answer != Z_BUF_ERROR)
		return fail_inflate(stream, job, produced, answer, err);
	stream_engine_finish(&state->base, job, produced);
	return 0;
}

static int zlib_submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct zlib_state *state = opaque;

	return state->base.direction == ENCODE ? encode(state, job, err)
					       : decode(state, job, err);
}

static void zlib_close(void *opaque)
{
	struct zlib_state *state = opaque;

	if (!state)
		return;
	if (state->base.direction == ENCODE)
		deflateEnd(&state->stream);
	else
		inflateEnd(&state->stream);
	stream_engine_free(&state->base);
}

const struct engine engine_zlib = {
	.name = "zlib",
	.accelerator = ACCELERATOR_NONE,
	.reference = true,
	.codec = CODEC_ZLIB,
	.level_min = 0,
	.level_max = 9,
	.probe = zlib_probe,
	.open = zlib_open,
	.submit = zlib_submit,
	.reap = stream_engine_reap,
	.close = zlib_close,
	.payload_room = stream_engine_payload_room,
};
