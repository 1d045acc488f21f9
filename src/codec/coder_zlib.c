/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder_zlib.c - units by zlib: the reference.
 *
 * Not from live pages, as in engine_zlib.c.  Its headers are what an IAA takes: each tree's runs are counted for itself
 * (scan_tree() in trees.c), and a distance tree has two codes at least (build_tree()). */
#include "codec/coder.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "codec/deflate_units.h"

#define LEVEL_MAX 9
#define PAGE_LEVEL 1
/* As QEMU calls it, without wrapper: a window of 32 KiB, 64 KiB of hash. */
#define WINDOW_BITS_RAW (-15)
#define MEMORY_LEVEL 8

/* What inflate() leaves in `data_type` at the end of a block on a byte's boundary. */
#define AFTER_BLOCK 128
#define IN_FINAL_BLOCK 64
#define BITS_LEFT 7

struct zlib_state {
	enum unit_form form;
	enum direction direction;
	int level; /* of members' headers */
	z_stream stream;
};

static int zlib_probe(struct gw_error *err)
{
	if (zlibVersion()[0] != ZLIB_VERSION[0])
		return fail(err, GW_UNSUPPORTED, "zlib is version %s, %c.x is needed",
			    zlibVersion(), ZLIB_VERSION[0]);
	return 0;
}

static void zlib_close(void *opaque)
{
	struct zlib_state *state = opaque;

	if (!state)
		return;
	if (state->direction == ENCODE)
		deflateEnd(&state->stream);
	else
		inflateEnd(&state->stream);
	free(state);
}

static void *zlib_open(enum unit_form form, enum direction direction, int level,
		       struct gw_error *err)
{
	bool pages = form == UNIT_DEFLATE || form == UNIT_ZLIB;
	struct zlib_state *state;
	int answer = Z_MEM_ERROR;

	if (direction == ENCODE &&
	    deflate_units_check_level("zlib", form, level, LEVEL_MAX, err) < 0)
		return NULL;
	state = calloc(1, sizeof(*state));
	if (state && direction == ENCODE)
		answer = deflateInit2(&state->stream, pages ? PAGE_LEVEL : level,
				      Z_DEFLATED, WINDOW_BITS_RAW, MEMORY_LEVEL,
				      Z_DEFAULT_STRATEGY);
	else if (state)
		answer = inflateInit2(&state->stream, WINDOW_BITS_RAW);
	if (answer != Z_OK) {
		if (answer == Z_MEM_ERROR)
			fail_sys(err, ENOMEM, "zlib");
		else
			fail(err, GW_UNSUPPORTED, "zlib: Init2 answered %d", answer);
		free(state);
		return NULL;
	}
	state->form = form;
	state->direction = direction;
	state->level = level;
	return state;
}

static void aim(z_stream *stream, struct span source, struct room room)
{
	stream->next_in = (uint8_t *)source.bytes;
	stream->avail_in = (uInt)source.length;
	stream->next_out = room.bytes;
	stream->avail_out = (uInt)room.length;
}

static size_t raw_deflate(void *opaque, struct span source, struct room room)
{
	struct zlib_state *state = opaque;

	deflateReset(&state->stream);
	aim(&state->stream, source, room);
	if (deflate(&state->stream, Z_FINISH) != Z_STREAM_END)
		return 0;
	return room.length - state->stream.avail_out;
}

static int raw_inflate(void *opaque, struct span *source, struct room *room)
{
	struct zlib_state *state = opaque;
	z_stream *stream = &state->stream;
	int answer;

	inflateReset(stream);
	aim(stream, *source, *room);
	answer = inflate(stream, Z_FINISH);
	if (answer != Z_STREAM_END)
		return answer != Z_OK ? answer : Z_BUF_ERROR;
	*source = (struct span){ stream->next_in, stream->avail_in };
	*room = (struct room){ stream->next_out, stream->avail_out };
	return 0;
}

static uint32_t adler32_of(const uint8_t *bytes, size_t length)
{
	return (uint32_t)adler32_z(1, bytes, length);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t length)
{
	return (uint32_t)crc32_z(0, bytes, length);
}

static const struct deflate_library library = {
	.deflate = raw_deflate,
	.inflate = raw_inflate,
	.inflate_name = "inflate",
	.adler32 = adler32_of,
	.crc32 = crc32_of,
};

static enum unit_answer encode_blocks(z_stream *stream, struct unit *unit)
{
	deflateReset(stream);
	aim(stream, unit->source, unit->room);
	/* With no room left the flush may not be all there. */
	if (deflate(stream, Z_FULL_FLUSH) != Z_OK || stream->avail_out == 0)
		return unit_full(unit);
	return unit_done(unit, unit->room.length - stream->avail_out);
}

static enum unit_answer decode_blocks(z_stream *stream, struct unit *unit)
{
	int answer;

	inflateReset(stream);
	aim(stream, unit->source, unit->room);
	answer = inflate(stream, Z_SYNC_FLUSH);
	if (answer != Z_OK || stream->avail_in > 0 ||
	    (stream->data_type & (AFTER_BLOCK | IN_FINAL_BLOCK | BITS_LEFT)) !=
		    AFTER_BLOCK)
		return unit_failed(unit, library.inflate_name, answer);
	return deflate_units_blocks_decoded(unit, stream->avail_out);
}

static enum unit_answer zlib_run(void *opaque, struct unit *unit)
{
	struct zlib_state *state = opaque;

	assert(unit->source.length <= INT32_MAX && unit->room.length <= INT32_MAX);
	if (state->form == UNIT_BLOCKS)
		return state->direction == ENCODE ? encode_blocks(&state->stream, unit)
						  : decode_blocks(&state->stream, unit);
	if (state->direction == ENCODE)
		return deflate_units_encode(&library, state, state->form, state->level,
					    unit);
	return deflate_units_decode(&library, state, state->form, unit);
}

const struct coder coder_zlib = {
	.name = "zlib",
	.reads_live_pages = false,
	.probe = zlib_probe,
	.open = zlib_open,
	.run = zlib_run,
	.close = zlib_close,
};
