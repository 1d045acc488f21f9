/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_zlib.c - zlib as QEMU calls it: one stream a channel, a page at a time.
 *
 * Source: QEMU 10.2 migration/multifd-zlib.c. */
#include "bench/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "codec/stream_engine.h"

struct zlib_reference {
	struct stream_engine base;
	z_stream stream;
	bool ready;
	uint8_t page[PAGE_BYTES]; /* a copy: zlib must not read what a guest writes */
};

static int probe(const struct engine *engine, struct gw_error *err)
{
	return 0;
}

static void close_reference(void *opaque)
{
	struct zlib_reference *state = opaque;

	if (!state)
		return;
	if (state->ready && state->base.direction == ENCODE)
		deflateEnd(&state->stream);
	else if (state->ready)
		inflateEnd(&state->stream);
	stream_engine_free(&state->base);
}

static void *open_reference(const struct engine *engine,
			    const struct engine_options *options, struct gw_error *err)
{
	struct zlib_reference *state =
		stream_engine_new(sizeof(*state), engine, options, false, err);

	if (!state)
		return NULL;
	state->ready = (options->direction == ENCODE
				? deflateInit(&state->stream, options->level)
				: inflateInit(&state->stream)) == Z_OK;
	if (!state->ready) {
		fail_sys(err, ENOMEM, "zlib stream");
		close_reference(state);
		return NULL;
	}
	return state;
}

static int encode(struct zlib_reference *state, struct job *job, struct gw_error *err)
{
	struct room room = stream_engine_room(&state->base, job);
	z_stream *z = &state->stream;

	z->next_out = room.bytes;
	z->avail_out = (uInt)room.length;
	for (uint32_t i = 0; i < job->source_count; i++) {
		const struct span *run = &job->source[i];

		for (size_t at = 0; at < run->length; at += PAGE_BYTES) {
			bool last = i + 1 == job->source_count &&
				    at + PAGE_BYTES == run->length;
			int answer;

			memcpy(state->page, run->bytes + at, PAGE_BYTES);
			z->next_in = state->page;
			z->avail_in = PAGE_BYTES;
			answer = deflate(z, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
			if (answer != Z_OK || z->avail_in > 0 || z->avail_out == 0)
				return fail(err, GW_SYSTEM, "zlib: deflate answered %d",
					    answer);
		}
	}
	stream_engine_finish(&state->base, job, room.length - z->avail_out);
	return 0;
}

static int inflate_page(z_stream *z, uint8_t *page, bool last, struct gw_error *err)
{
	int answer;

	z->next_out = page;
	z->avail_out = PAGE_BYTES;
	do
		answer = inflate(z, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
	while (answer == Z_OK && z->avail_in > 0 && z->avail_out > 0);
	if (answer != Z_OK || z->avail_out > 0)
		return fail(err, GW_PEER, "zlib: inflate answered %d", answer);
	return 0;
}

static int decode(struct zlib_reference *state, struct job *job, struct gw_error *err)
{
	z_stream *z = &state->stream;

	z->next_in = (uint8_t *)(uintptr_t)job->source[0].bytes; /* zlib reads only */
	z->avail_in = (uInt)job->source[0].length;
	for (uint32_t i = 0; i < job->destination_count; i++) {
		const struct room *run = &job->destination[i];

		for (size_t at = 0; at < run->length; at += PAGE_BYTES) {
			bool last = i + 1 == job->destination_count &&
				    at + PAGE_BYTES == run->length;

			if (inflate_page(z, run->bytes + at, last, err) < 0)
				return -1;
		}
	}
	stream_engine_finish(&state->base, job, job_destination_bytes(job));
	return 0;
}

static int submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct zlib_reference *state = opaque;

	return state->base.direction == ENCODE ? encode(state, job, err)
					       : decode(state, job, err);
}

const struct engine reference_zlib = {
	.name = "reference",
	.accelerator = ACCELERATOR_NONE,
	.reference = true,
	.codec = CODEC_ZLIB,
	.level_min = 0,
	.level_max = 9,
	.probe = probe,
	.open = open_reference,
	.submit = submit,
	.reap = stream_engine_reap,
	.close = close_reference,
	.payload_room = stream_engine_payload_room,
};
