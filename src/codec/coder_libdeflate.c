/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder_libdeflate.c - units by libdeflate, 1.14 and later.
 *
 * It reads its input twice and makes streams that nobody can decode when that changes meanwhile;
 * and it is for whole buffers: no UNIT_BLOCKS.  Its headers let runs go from one tree into the
 * other, which an IAA refuses: no UNIT_DEFLATE. */
#include "codec/coder.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

#include "codec/deflate_units.h"

#define LEVEL_MAX 9
#define PAGE_LEVEL 1

struct libdeflate_state {
	enum unit_form form;
	int level;			       /* of members' headers */
	struct libdeflate_compressor *encoder; /* or */
	struct libdeflate_decompressor *decoder;
};

static int libdeflate_probe(struct gw_error *err)
{
	return 0; /* linked, and nothing in it depends on the host */
}

static void libdeflate_close(void *opaque)
{
	struct libdeflate_state *state = opaque;

	if (!state)
		return;
	libdeflate_free_compressor(state->encoder);
	libdeflate_free_decompressor(state->decoder);
	free(state);
}

static void *libdeflate_open(enum unit_form form, enum direction direction, int level,
			     struct gw_error *err)
{
	struct libdeflate_state *state;

	if (form == UNIT_BLOCKS || (form == UNIT_DEFLATE && direction == ENCODE)) {
		fail(err, GW_UNSUPPORTED, "libdeflate: %s",
		     form == UNIT_BLOCKS ? "blocks of a stream cannot be coded alone"
					 : "an IAA cannot decode all that it makes");
		return NULL;
	}
	if (direction == ENCODE &&
	    deflate_units_check_level("libdeflate", form, level, LEVEL_MAX, err) < 0)
		return NULL;
	state = calloc(1, sizeof(*state));
	if (state && direction == ENCODE)
		state->encoder = libdeflate_alloc_compressor(
			form == UNIT_ZLIB ? PAGE_LEVEL : level);
	else if (state)
		state->decoder = libdeflate_alloc_decompressor();
	if (!state || (!state->encoder && !state->decoder)) {
		fail_sys(err, ENOMEM, "libdeflate");
		libdeflate_close(state);
		return NULL;
	}
	state->form = form;
	state->level = level;
	return state;
}

static size_t raw_deflate(void *opaque, struct span source, struct room room)
{
	struct libdeflate_state *state = opaque;

	return libdeflate_deflate_compress(state->encoder, source.bytes, source.length,
					   room.bytes, room.length);
}

static int raw_inflate(void *opaque, struct span *source, struct room *room)
{
	struct libdeflate_state *state = opaque;
	size_t taken = 0, made = 0;
	enum libdeflate_result answer =
		libdeflate_deflate_decompress_ex(state->decoder, source->bytes,
						 source->length, room->bytes,
						 room->length, &taken, &made);

	if (answer != LIBDEFLATE_SUCCESS)
		return (int)answer;
	source->bytes += taken;
	source->length -= taken;
	room->bytes += made;
	room->length -= made;
	return 0;
}

static uint32_t adler32_of(const uint8_t *bytes, size_t length)
{
	return libdeflate_adler32(1, bytes, length);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t length)
{
	return libdeflate_crc32(0, bytes, length);
}

static const struct deflate_library library = {
	.deflate = raw_deflate,
	.inflate = raw_inflate,
	.inflate_name = "libdeflate_deflate_decompress_ex",
	.adler32 = adler32_of,
	.crc32 = crc32_of,
};

static enum unit_answer libdeflate_run(void *opaque, struct unit *unit)
{
	struct libdeflate_state *state = opaque;

	if (state->encoder)
		return deflate_units_encode(&library, state, state->form, state->level,
					    unit);
	return deflate_units_decode(&library, state, state->form, unit);
}

const struct coder coder_libdeflate = {
	.name = "libdeflate",
	.reads_live_pages = false,
	.probe = libdeflate_probe,
	.open = libdeflate_open,
	.run = libdeflate_run,
	.close = libdeflate_close,
};
