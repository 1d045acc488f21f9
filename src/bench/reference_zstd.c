/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_zstd.c - libzstd as QEMU calls it: one frame a channel, a page at a time.
 *
 * Source: QEMU 10.2 migration/multifd-zstd.c. */
#include "bench/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "codec/stream_engine.h"

struct zstd_reference {
	struct stream_engine base;
	ZSTD_CStream *encoder; /* or */
	ZSTD_DStream *decoder;
};

static int probe(const struct engine *engine, struct gw_error *err)
{
	return 0;
}

static void close_reference(void *opaque)
{
	struct zstd_reference *state = opaque;

	if (!state)
		return;
	ZSTD_freeCStream(state->encoder);
	ZSTD_freeDStream(state->decoder);
	stream_engine_free(&state->base);
}

static bool init_library(struct zstd_reference *state, int level)
{
	if (state->base.direction == ENCODE) {
		state->encoder = ZSTD_createCStream();
		return state->encoder &&
		       !ZSTD_isError(ZSTD_initCStream(state->encoder, level));
	}
	state->decoder = ZSTD_createDStream();
	return state->decoder && !ZSTD_isError(ZSTD_initDStream(state->decoder));
}

static void *open_reference(const struct engine *engine,
			    const struct engine_options *options, struct gw_error *err)
{
	struct zstd_reference *state =
		stream_engine_new(sizeof(*state), engine, options, false, err);

	if (!state)
		return NULL;
	if (!init_library(state, options->level)) {
		fail_sys(err, ENOMEM, "zstd stream");
		close_reference(state);
		return NULL;
	}
	return state;
}

static int encode(struct zstd_reference *state, struct job *job, struct gw_error *err)
{
	struct room room = stream_engine_room(&state->base, job);
	ZSTD_outBuffer out = { .dst = room.bytes, .size = room.length };

	for (uint32_t i = 0; i < job->source_count; i++) {
		const struct span *run = &job->source[i];

		for (size_t at = 0; at < run->length; at += PAGE_BYTES) {
			bool last = i + 1 == job->source_count &&
				    at + PAGE_BYTES == run->length;
			ZSTD_inBuffer in = { .src = run->bytes + at, .size = PAGE_BYTES };
			size_t left;

			do
				left = ZSTD_compressStream2(state->encoder, &out, &in,
							    last ? ZSTD_e_flush
								 : ZSTD_e_continue);
			while (!ZSTD_isError(left) && in.pos < in.size &&
			       out.pos < out.size);
			if (ZSTD_isError(left) || in.pos < in.size || (last && left > 0))
				return fail(err, GW_SYSTEM,
					    "zstd: compressStream2 answered %s",
					    ZSTD_getErrorName(left));
		}
	}
	stream_engine_finish(&state->base, job, out.pos);
	return 0;
}

static int decode(struct zstd_reference *state, struct job *job, struct gw_error *err)
{
	ZSTD_inBuffer in = { .src = job->source[0].bytes, .size = job->source[0].length };

	for (uint32_t i = 0; i < job->destination_count; i++) {
		const struct room *run = &job->destination[i];

		for (size_t at = 0; at < run->length; at += PAGE_BYTES) {
			ZSTD_outBuffer out = { .dst = run->bytes + at,
					       .size = PAGE_BYTES };
			size_t answer;

			do
				answer = ZSTD_decompressStream(state->decoder, &out, &in);
			while (!ZSTD_isError(answer) && in.pos < in.size &&
			       out.pos < out.size);
			if (ZSTD_isError(answer) || out.pos < out.size)
				return fail(err, GW_PEER,
					    "zstd: decompressStream answered %s",
					    ZSTD_getErrorName(answer));
		}
	}
	stream_engine_finish(&state->base, job, job_destination_bytes(job));
	return 0;
}

static int submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct zstd_reference *state = opaque;

	return state->encoder ? encode(state, job, err) : decode(state, job, err);
}

const struct engine reference_zstd = {
	.name = "reference",
	.accelerator = ACCELERATOR_NONE,
	.reference = true,
	.codec = CODEC_ZSTD,
	.level_min = 0,
	.level_max = 20,
	.probe = probe,
	.open = open_reference,
	.submit = submit,
	.reap = stream_engine_reap,
	.close = close_reference,
	.payload_room = stream_engine_payload_room,
};
