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

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "codec/software.h"

/* 128 MiB, the library's own limit and with it QEMU's.  QEMU's levels need 32 MiB at most. */
#define WINDOW_LOG_MAX 27

/* ZSTD_compressStream2() and ZSTD_CCtx_setParameter() are stable since then. */
#define VERSION_MIN 10400u

struct zstd_state {
	ZSTD_CCtx *encoder; /* or */
	ZSTD_DCtx *decoder;
	struct job *finished;
};

static int zstd_probe(struct gw_error *err)
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
	free(state);
}

static void *zstd_open(enum direction direction, int level, struct gw_error *err)
{
	struct zstd_state *state;
	size_t answer;

	if (direction == ENCODE &&
	    codec_check_level(codec_by_id(CODEC_ZSTD), level, err) < 0)
		return NULL;
	state = calloc(1, sizeof(*state));
	if (state && direction == ENCODE)
		state->encoder = ZSTD_createCCtx();
	else if (state)
		state->decoder = ZSTD_createDCtx();
	if (!state || (!state->encoder && !state->decoder)) {
		fail_sys(err, ENOMEM, "zstd stream");
		zstd_close(state);
		return NULL;
	}
	/* Level 0 is the library's default to both sides. */
	answer = direction == ENCODE
			 ? ZSTD_CCtx_setParameter(state->encoder, ZSTD_c_compressionLevel,
						  level)
			 : ZSTD_DCtx_setParameter(state->decoder, ZSTD_d_windowLogMax,
						  WINDOW_LOG_MAX);
	if (ZSTD_isError(answer)) {
		fail(err, GW_UNSUPPORTED, "zstd: setParameter answered %s",
		     ZSTD_getErrorName(answer));
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

static int encode(ZSTD_CCtx *encoder, struct job *job, struct gw_error *err)
{
	const struct room *room = &job->destination[0];
	ZSTD_outBuffer out = { .dst = room->bytes, .size = room->length };

	for (uint32_t i = 0; i < job->source_count; i++) {
		bool last = i + 1 == job->source_count;
		ZSTD_inBuffer in = { .src = job->source[i].bytes,
				     .size = job->source[i].length };
		size_t left;

		/* Returns with work left only when the room is full. */
		left = ZSTD_compressStream2(encoder, &out, &in,
					    last ? ZSTD_e_flush : ZSTD_e_continue);
		if (ZSTD_isError(left) && is_memory(left))
			return fail_sys(err, ENOMEM, "zstd: compressStream2");
		if (ZSTD_isError(left))
			return fail(err, GW_UNSUPPORTED,
				    "zstd: compressStream2 answered %s",
				    ZSTD_getErrorName(left));
		if (in.pos < in.size || (last && left > 0))
			return fail_room(job, "zstd", err);
	}
	job->produced_bytes = out.pos;
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

static int decode(ZSTD_DCtx *decoder, struct job *job, struct gw_error *err)
{
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
	job->produced_bytes = produced;
	return 0;
}

static int zstd_submit(void *opaque, struct job *jobs[], uint32_t count,
		       struct gw_error *err)
{
	struct zstd_state *state = opaque;
	int done;

	assert(count == 1 && !state->finished);
	if (state->encoder) {
		assert(jobs[0]->destination_count == 1 && jobs[0]->source_count > 0);
		done = encode(state->encoder, jobs[0], err);
	} else {
		assert(jobs[0]->source_count == 1);
		done = decode(state->decoder, jobs[0], err);
	}
	if (done == 0)
		state->finished = jobs[0];
	return done;
}

static int zstd_reap(void *opaque, struct job *done[], uint32_t room, bool wait,
		     struct gw_error *err)
{
	struct zstd_state *state = opaque;

	return software_reap(&state->finished, done, room);
}

const struct engine engine_zstd = {
	.name = "zstd",
	.codec = CODEC_ZSTD,
	.stateful = true,
	.reads_live_memory = true,
	.max_in_flight = SOFTWARE_MAX_IN_FLIGHT,
	.probe = zstd_probe,
	.open = zstd_open,
	.submit = zstd_submit,
	.reap = zstd_reap,
	.close = zstd_close,
};
