/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder_isal.c - units by ISA-L (igzip), 2.30 and later.
 *
 * Reads of live pages are safe: isal_deflate() makes each symbol from what it reads there and
 * then; a match that is no longer one, or a literal read twice, is a torn page and a good stream.
 * Levels 1 to 3 make the Huffman codes from the symbols, not from the memory. */
#include "codec/coder.h"

#include <assert.h>
#include <errno.h>
#include <isa-l.h>
#include <stdlib.h>

#include "base/pages.h"
#include "codec/deflate_units.h"
#include "codec/page_shrinks.h"

/* Pages are made by level 0 with the fixed Huffman codes.  On real guest memory that is 8 % smaller
 * than its built-in code, whose header each page would carry, and 17 % larger than level 1, which
 * takes three times as long, and whose headers have what an IAA refuses: runs from one tree into
 * the other, distance trees that begin with a run. */
#define PAGE_LEVEL 0

struct isal_state {
	enum unit_form form;
	enum direction direction;
	int level; /* of members' headers */
	union {
		struct isal_zstream encoder;
		struct inflate_state decoder;
	};
	_Alignas(64) uint8_t level_memory[]; /* of ENCODE */
};

static int isal_probe(struct gw_error *err)
{
	return 0; /* linked, and nothing in it depends on the host */
}

/* The size is how many symbols a block has at most, and so how well its codes fit: of 16 Ki real
 * guest memory takes fewer bytes than of the library's default, 64 Ki. */
static uint32_t level_memory_bytes(uint32_t level)
{
	static const uint32_t bytes[] = { ISAL_DEF_LVL0_SMALL, ISAL_DEF_LVL1_SMALL,
					  ISAL_DEF_LVL2_SMALL, ISAL_DEF_LVL3_SMALL };

	return bytes[level];
}

static void *isal_open(enum unit_form form, enum direction direction, int level,
		       struct gw_error *err)
{
	bool pages = form == UNIT_DEFLATE || form == UNIT_ZLIB;
	struct isal_state *state;
	uint32_t isal_level = 0;
	size_t memory = 0;

	if (direction == ENCODE) {
		if (deflate_units_check_level("isal", form, level, ISAL_DEF_MAX_LEVEL,
					      err) < 0)
			return NULL;
		isal_level = pages ? PAGE_LEVEL : (uint32_t)level;
		memory = level_memory_bytes(isal_level);
	}
	state = aligned_alloc(64, sizeof(*state) + (memory + 63) / 64 * 64);
	if (!state) {
		fail_sys(err, ENOMEM, "isal");
		return NULL;
	}
	memset(state, 0, sizeof(*state));
	state->form = form;
	state->direction = direction;
	state->level = level;
	if (direction == DECODE) {
		isal_inflate_init(&state->decoder);
		return state;
	}
	isal_deflate_init(&state->encoder);
	if (pages)
		isal_deflate_set_hufftables(&state->encoder, NULL,
					    IGZIP_HUFFTABLE_STATIC);
	state->encoder.level = isal_level;
	state->encoder.level_buf = memory > 0 ? state->level_memory : NULL;
	state->encoder.level_buf_size = (uint32_t)memory;
	return state;
}

static void isal_close(void *state)
{
	free(state);
}

/* isal_deflate() and not isal_deflate_stateless(), which has a code of its own for a page of zeros
 * or of ones.  That has a single distance code, and nobody knows what IAA says to it. */
static size_t deflate_page(struct isal_zstream *stream, struct span source,
			   struct room room)
{
	isal_deflate_reset(stream);
	stream->next_in = (uint8_t *)source.bytes;
	stream->avail_in = (uint32_t)source.length;
	stream->next_out = room.bytes;
	stream->avail_out = (uint32_t)room.length;
	stream->end_of_stream = 1;
	if (isal_deflate(stream) != COMP_OK || stream->internal_state.state != ZSTATE_END)
		return 0;
	return stream->total_out;
}

/* Blocks that need no history; the last is final or followed by an empty stored one. */
static size_t deflate_run(struct isal_zstream *stream, struct span source,
			  struct room room, bool final)
{
	stream->next_in = (uint8_t *)source.bytes;
	stream->avail_in = (uint32_t)source.length;
	stream->total_in = 0;
	stream->next_out = room.bytes;
	stream->avail_out = (uint32_t)room.length;
	stream->total_out = 0;
	stream->end_of_stream = final;
	stream->flush = final ? NO_FLUSH : FULL_FLUSH;
	return isal_deflate_stateless(stream) == COMP_OK ? stream->total_out : 0;
}

/* Pages that will not shrink are stored: they cost a copy, not a compression.  0 if it does not
 * fit. */
static size_t deflate_runs(struct isal_zstream *stream, struct span source,
			   struct room room, bool final)
{
	const uint8_t *start = room.bytes;

	while (source.length > 0) {
		bool shrinks;
		struct span run = { source.bytes, pages_alike(source, &shrinks) };
		bool last;
		size_t made;

		if (!shrinks && run.length > STORED_BYTES_MAX)
			run.length = STORED_BYTES_MAX;
		last = final && run.length == source.length;
		made = shrinks ? deflate_run(stream, run, room, last)
			       : deflate_put_stored(run, room, last);
		if (made == 0)
			return 0;
		source.bytes += run.length;
		source.length -= run.length;
		room.bytes += made;
		room.length -= made;
	}
	return (size_t)(room.bytes - start);
}

static size_t isal_raw_deflate(void *opaque, struct span source, struct room room)
{
	struct isal_state *state = opaque;

	if (state->form == UNIT_MEMBERS)
		return deflate_runs(&state->encoder, source, room, true);
	return deflate_page(&state->encoder, source, room);
}

static int isal_raw_inflate(void *opaque, struct span *source, struct room *room)
{
	struct isal_state *state = opaque;
	struct inflate_state *decoder = &state->decoder;
	int answer;

	decoder->next_in = (uint8_t *)source->bytes;
	decoder->avail_in = (uint32_t)source->length;
	decoder->next_out = room->bytes;
	decoder->avail_out = (uint32_t)room->length;
	answer = isal_inflate_stateless(decoder);
	*source = (struct span){ decoder->next_in, decoder->avail_in };
	*room = (struct room){ decoder->next_out, decoder->avail_out };
	return answer;
}

static uint32_t adler32_of(const uint8_t *bytes, size_t length)
{
	return isal_adler32(1, bytes, length);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t length)
{
	return crc32_gzip_refl(0, bytes, length);
}

static const struct deflate_library library = {
	.deflate = isal_raw_deflate,
	.inflate = isal_raw_inflate,
	.inflate_name = "isal_inflate_stateless",
	.adler32 = adler32_of,
	.crc32 = crc32_of,
};

static enum unit_answer encode_blocks(struct isal_state *state, struct unit *unit)
{
	static const struct span nothing = { (const uint8_t *)"", 0 };
	struct room room = unit->room;
	size_t made = deflate_runs(&state->encoder, unit->source, room, false), end;

	if (made == 0)
		return unit_full(unit);
	/* There is none yet behind a stored block, which a full flush may also be. */
	room.bytes += made;
	room.length -= made;
	end = deflate_put_stored(nothing, room, false);
	return end > 0 ? unit_done(unit, made + end) : unit_full(unit);
}

static enum unit_answer decode_blocks(struct isal_state *state, struct unit *unit)
{
	struct span source = unit->source;
	struct room room = unit->room;
	int answer = isal_raw_inflate(state, &source, &room);
	const struct inflate_state *decoder = &state->decoder;

	if (answer == ISAL_DECOMP_OK)
		return unit_failed(unit, "a block of it is final", 0);
	/* It looks for a block after the last.  What is left of a byte before that would be ones
	 * here, and the first of them `bfinal`. */
	if (answer != ISAL_END_INPUT || decoder->block_state != ISAL_BLOCK_NEW_HDR ||
	    decoder->bfinal || source.length > 0)
		return unit_failed(unit, library.inflate_name, answer);
	return deflate_units_blocks_decoded(unit, room.length);
}

static enum unit_answer isal_run(void *opaque, struct unit *unit)
{
	struct isal_state *state = opaque;

	assert(unit->source.length <= INT32_MAX && unit->room.length <= INT32_MAX);
	if (state->form == UNIT_BLOCKS)
		return state->direction == ENCODE ? encode_blocks(state, unit)
						  : decode_blocks(state, unit);
	if (state->direction == ENCODE)
		return deflate_units_encode(&library, state, state->form, state->level,
					    unit);
	return deflate_units_decode(&library, state, state->form, unit);
}

const struct coder coder_isal = {
	.name = "isal",
	.reads_live_pages = true,
	.probe = isal_probe,
	.open = isal_open,
	.run = isal_run,
	.close = isal_close,
};
