/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_uadk.c - zlib for the format uadk, a stream a page.
 *
 * UADK computes nothing in software: this is what the reference library would take for what its
 * devices do. */
#include "bench/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "bench/reference_pages.h"

/* The device knows no levels; QEMU asks for its fastest. */
#define LEVEL 1

struct uadk_reference {
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
	struct uadk_reference *state = opaque;

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
	struct uadk_reference *state =
		stream_engine_new(sizeof(*state), engine, options, false, err);

	if (!state)
		return NULL;
	state->ready =
		(options->direction == ENCODE ? deflateInit(&state->stream, LEVEL)
					      : inflateInit(&state->stream)) == Z_OK;
	if (!state->ready) {
		fail_sys(err, ENOMEM, "zlib stream");
		close_reference(state);
		return NULL;
	}
	return state;
}

static size_t encode_page(void *opaque, const uint8_t *page, struct room room)
{
	struct uadk_reference *state = opaque;
	z_stream *z = &state->stream;

	memcpy(state->page, page, PAGE_BYTES);
	deflateReset(z);
	z->next_in = state->page;
	z->avail_in = PAGE_BYTES;
	z->next_out = room.bytes;
	z->avail_out = (uInt)room.length;
	return deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}

static bool decode_page(void *opaque, struct span source, uint8_t *page)
{
	struct uadk_reference *state = opaque;
	z_stream *z = &state->stream;

	inflateReset(z);
	z->next_in = (uint8_t *)(uintptr_t)source.bytes; /* zlib reads only */
	z->avail_in = (uInt)source.length;
	z->next_out = page;
	z->avail_out = PAGE_BYTES;
	return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_out == 0;
}

static const struct page_library library = { encode_page, decode_page };

static int submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct uadk_reference *state = opaque;

	if (state->base.direction == DECODE)
		return reference_decode_pages(&library, state, job, err);
	reference_encode_pages(&library, state, job);
	return 0;
}

const struct engine reference_uadk = {
	.name = "reference",
	.accelerator = ACCELERATOR_NONE,
	.reference = true,
	.codec = CODEC_UADK,
	.probe = probe,
	.open = open_reference,
	.submit = submit,
	.reap = stream_engine_reap,
	.close = close_reference,
	.payload_room = stream_engine_payload_room,
};
