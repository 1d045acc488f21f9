/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_zstd.c - codec zstd by libzstd.
 *
 * One frame per channel that never ends: each packet's pages end with a flushed block, and the
 * window runs on into the next packet.  Source: QEMU 10.2 migration/multifd-zstd.c.  A peer may
 * also send a frame per packet, or several: the decoder starts over by itself.
 *
 * Reading live memory is safe here.  With ZSTD_c_stableInBuffer off (the default, "zstd
 * maintains its own window buffer", zstd.h) ZSTD_compressStream2() copies each byte of input
 * once into that buffer and compresses from there; the one path that reads input in place needs
 * ZSTD_e_end (libzstd 1.5.4, ZSTD_compressStream_generic), which is never used here.
 * See also facebook/zstd issue 3195. */
#include "codec/engine_list.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "codec/stream_engine.h"

/* 128 MiB, the library's own limit and with it QEMU's.  QEMU's levels need 32 MiB at most. */
#define WINDOW_LOG_MAX 27

/* ZSTD_compressStream2() and ZSTD_CCtx_setParameter() are stable since then. */
#define VERSION_MIN 10400u

struct zstd_state {
	struct stream_engine base;
	ZSTD_CCtx *encoder; /* or */
	ZSTD_DCtx *decoder;
};

static int zstd_probe(const struct engine *engine, struct gw_error *err)
{
	if (ZSTD_versionNumber() < VERSION_MIN)
		return fail(err, GW_UNSUPPORTED, "libzstd is version %s, 1.4.0 is needed",
			    ZSTD_versionString());
	return 0;
}

static void zstd_close(void *opaque)
{
	struct zstd_state *state = opaque;

	if (!state)
		return;
	ZSTD_freeCCtx(state->encoder);
	ZSTD_freeDCtx(state->decoder);
	stream_engine_free(&state->base);
}

static int init_library(struct zstd_state *state, int level, struct gw_error *err)
{
	size_t answer;

	if (state->base.direction == ENCODE)
		state->encoder = ZSTD_createCCtx();
	else
		state->decoder = ZSTD_createDCtx();
	if (!state->encoder && !state->decoder)
		return fail_sys(err, ENOMEM, "zstd stream");
	/* Level 0 is the library's default to both sides. */
	answer = state->encoder
			 ? ZSTD_CCtx_setParameter(state->encoder, ZSTD_c_compressionLevel,
						  level)
			 : ZSTD_DCtx_setParameter(state->decoder, ZSTD_d_windowLogMax,
						  WINDOW_LOG_MAX);
	if (ZSTD_isError(answer))
		return fail(err, GW_UNSUPPORTED, "zstd: setParameter answered %s",
			    ZSTD_getErrorName(answer));
	return 0;
}

static void *zstd_open(const struct engine *engine, const struct engine_options *options,
		       struct gw_error *err)
{
	struct zstd_state *state =
		stream_engine_new(sizeof(*state), engine, options, false, err);

	if (!state)
		return NULL;
	if (init_library(state, options->level, err) < 0) {
		zstd_close(state);
		return NULL;
	}
	return state;
}

/* The contexts allocate when they see the first bytes; a decoder as much as the peer's window
 * asks for. */
static bool is_memory(size_t answer)
{
	return ZSTD_getErrorCode(answer) == ZSTD_error_memory_allocation;
}

static int encode(struct zstd_state *state, struct job *job, struct gw_error *err)
{
	struct room room = stream_engine_room(&state->base, job);
	ZSTD_outBuffer out = { .dst = room.bytes, .size = room.length };

	for (uint32_t i = 0; i < job->source_count; i++) {
		bool last = i + 1 == job->source_count;
		ZSTD_inBuffer in = { .src = job->source[i].bytes,
				     .size = job->source[i].length };
		size_t left;

		/* Returns with work left only when the room is full. */
		left = ZSTD_compressStream2(state->encoder, &out, &in,
					    last ? ZSTD_e_flush : ZSTD_e_continue);
		if (ZSTD_isError(left) && is_memory(left))
			return fail_sys(err, ENOMEM, "zstd: compressStream2");
		if (ZSTD_isError(left))
			return fail(err, GW_UNSUPPORTED,
				    "zstd: compressStream2 answered %s",
				    ZSTD_getErrorName(left));
		if (in.pos < in.size || (last && left > 0))
			return fail_room(job, &room, "zstd", err);
	}
	stream_engine_finish(&state->base, job, out.pos);
	return 0;
}

static int fail_decode(const struct job *job, size_t produced, size_t answer,
		       struct gw_error *err)
{
	if (is_memory(answer))
		return fail_sys(err, ENOMEM, "zstd: decompressStream");
	return fail(err, GW_PEER,
		    "zstd: decompressStream answered \"%s\" after %zu of %zu bytes in a "
		    "payload of %zu",
		    ZSTD_getErrorName(answer), produced, job_destination_bytes(job),
		    job->source[0].length);
}

static int decode(struct zstd_state *state, struct job *job, struct gw_error *err)
{
	ZSTD_DCtx *decoder = state->decoder;
	ZSTD_inBuffer in = { .src = job->source[0].bytes, .size = job->source[0].length };
	uint8_t beyond;
	ZSTD_outBuffer out = { .dst = &beyond, .size = sizeof(beyond) };
	size_t produced = 0, answer = 1;

	if (job_check_payload(job, CODEC_ZSTD, err) < 0)
		return -1;
	for (uint32_t i = 0; i < job->destination_count; i++) {
		ZSTD_outBuffer room = { .dst = job->destination[i].bytes,
					.size = job->destination[i].length };

		while (room.pos < room.size) {
			size_t in_before = in.pos, out_before = room.pos;

			answer = ZSTD_decompressStream(decoder, &room, &in);
			if (ZSTD_isError(answer))
				return fail_decode(job, produced + room.pos, answer, err);
			if (in.pos == in_before && room.pos == out_before)
				return fail(
					err, GW_PEER,
					"zstd: payload of %zu bytes ends after %zu of "
					"%zu bytes (decompressStream wants %zu more)",
					in.size, produced + room.pos,
					job_destination_bytes(job), answer);
		}
		produced += room.size;
	}
	/* What follows a complete frame is left alone, as QEMU does.  Inside one, bytes that
	 * found no room would come out at the start of the next packet. */
	if (answer > 0) {
		answer = ZSTD_decompressStream(decoder, &out, &in);
		if (ZSTD_isError(answer))
			return fail_decode(job, produced, answer, err);
		if (out.pos > 0)
			return fail(
				err, GW_PEER,
				"zstd: payload of %zu bytes holds more than %zu bytes "
				"(decompressStream wants %zu more)",
				in.size, produced, answer);
	}
	stream_engine_finish(&state->base, job, produced);
	return 0;
}

static int zstd_submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct zstd_state *state = opaque;

	return state->encoder ? encode(state, job, err) : decode(state, job, err);
}

const struct engine engine_zstd = {
	.name = "zstd",
	.accelerator = ACCELERATOR_NONE,
	.reference = true,
	.codec = CODEC_ZSTD,
	.level_min = 0,
	.level_max = 20,
	.probe = zstd_probe,
	.open = zstd_open,
	.submit = zstd_submit,
	.reap = stream_engine_reap,
	.close = zstd_close,
	.payload_room = stream_engine_payload_room,
};
