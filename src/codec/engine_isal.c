/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_isal.c - codec zlib by ISA-L.
 *
 * The stream of engine_zlib.c, several times faster.  Level n is ISA-L's level n.
 *
 * Not from live memory, although what ISA-L makes of it does decode: it looks for matches in
 * input that it has already passed, in place.  If a page changes after it has been encoded and
 * before a later page is matched against it, that later page is told as a copy of bytes that
 * the receiver never got.  It is decoded wrongly, with nothing to notice it by, and being
 * unchanged it is not sent again. */
#include "codec/engine_list.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#include "base/counter.h"
#include "codec/deflate_units.h"
#include "codec/page_shrinks.h"
#include "codec/stream_engine.h"

#define LEVEL_MIN 1
#define LEVEL_MAX 3

/* The buffer's size is how many symbols a block has, and so how well its Huffman codes fit:
 * with 16 Ki symbols real guest memory takes 1.3 % fewer bytes and 10 % more time than with the
 * library's default, 64 Ki. */
static const uint32_t level_buffer_bytes[] = {
	[1] = ISAL_DEF_LVL1_SMALL,
	[2] = ISAL_DEF_LVL2_SMALL,
	[3] = ISAL_DEF_LVL3_SMALL,
};

/* RFC 1950: deflate, 32 KiB window, fastest.  ISA-L's own differs from version to version. */
static const uint8_t zlib_header[] = { 0x78, 0x01 };
#define ZLIB_METHOD_MASK 0x0f
#define ZLIB_METHOD_DEFLATE 8
#define ZLIB_WINDOW_SHIFT 4
#define ZLIB_WINDOW_MAX 7 /* 32 KiB */
#define ZLIB_DICTIONARY 0x20

struct isal_state {
	struct stream_engine base;
	struct isal_zstream *encoder; /* or */
	struct inflate_state *decoder;
	uint8_t *level_buffer;
	bool begun;	/* the zlib header is behind us */
	uint8_t beyond; /* where a byte goes for which there is no page */
};

static const char *answer_name(int answer)
{
	switch (answer) {
	case ISAL_INVALID_BLOCK:
		return "ISAL_INVALID_BLOCK";
	case ISAL_INVALID_SYMBOL:
		return "ISAL_INVALID_SYMBOL";
	case ISAL_INVALID_LOOKBACK:
		return "ISAL_INVALID_LOOKBACK";
	default:
		return "an unknown code";
	}
}

static int isal_probe(const struct engine *engine, struct gw_error *err)
{
	/* It does not tell its version; all that have this soname do what is asked of them. */
	return 0;
}

static void isal_close(void *opaque)
{
	struct isal_state *state = opaque;

	if (!state)
		return;
	free(state->encoder);
	free(state->decoder);
	free(state->level_buffer);
	stream_engine_free(&state->base);
}

static int init_encoder(struct isal_state *state, int level)
{
	state->encoder = calloc(1, sizeof(*state->encoder));
	state->level_buffer = calloc(1, level_buffer_bytes[level]);
	if (!state->encoder || !state->level_buffer)
		return -1;
	isal_deflate_init(state->encoder);
	state->encoder->level = (uint32_t)level;
	state->encoder->level_buf = state->level_buffer;
	state->encoder->level_buf_size = level_buffer_bytes[level];
	state->encoder->gzip_flag = IGZIP_DEFLATE;
	state->encoder->flush = SYNC_FLUSH;
	return 0;
}

static int init_decoder(struct isal_state *state)
{
	state->decoder = calloc(1, sizeof(*state->decoder));
	if (!state->decoder)
		return -1;
	isal_inflate_init(state->decoder);
	/* The stream never ends: a checksum would never be looked at. */
	state->decoder->crc_flag = ISAL_DEFLATE;
	return 0;
}

static void *isal_open(const struct engine *engine, const struct engine_options *options,
		       struct gw_error *err)
{
	struct isal_state *state =
		stream_engine_new(sizeof(*state), engine, options, true, err);
	bool encode = options->direction == ENCODE;

	if (!state)
		return NULL;
	if (encode && (options->level < LEVEL_MIN || options->level > LEVEL_MAX)) {
		fail(err, GW_USAGE, "isal: level %d: %d to %d are allowed",
		     options->level, LEVEL_MIN, LEVEL_MAX);
		isal_close(state);
		return NULL;
	}
	if ((encode ? init_encoder(state, options->level) : init_decoder(state)) < 0) {
		fail_sys(err, ENOMEM, "isal stream");
		isal_close(state);
		return NULL;
	}
	return state;
}

static void put(struct room *left, const void *bytes, size_t length)
{
	memcpy(left->bytes, bytes, length);
	left->bytes += length;
	left->length -= length;
}

static void put_stored(struct room *left, struct span source)
{
	size_t made = deflate_put_stored(source, *left, false);

	left->bytes += made;
	left->length -= made;
}

static int fail_full(const struct isal_state *state, const struct job *job,
		     struct gw_error *err)
{
	struct room room = stream_engine_room(&state->base, job);

	return fail_room(job, &room, "isal", err);
}

static int deflate_run(struct isal_state *state, struct span run, const struct job *job,
		       struct room *left, struct gw_error *err)
{
	struct isal_zstream *encoder = state->encoder;
	int answer;

	/* It reads through a pointer that is not const. */
	encoder->next_in = (uint8_t *)(uintptr_t)run.bytes;
	encoder->avail_in = (uint32_t)run.length;
	encoder->next_out = left->bytes;
	encoder->avail_out = (uint32_t)left->length;
	answer = isal_deflate(encoder);
	if (answer != COMP_OK)
		return fail(err, GW_UNSUPPORTED,
			    "isal: isal_deflate answered %d at level %u", answer,
			    encoder->level);
	/* A room filled to the brim leaves open whether the flush is complete. */
	if (encoder->avail_in > 0 || encoder->avail_out == 0)
		return fail_full(state, job, err);
	*left = (struct room){ encoder->next_out, encoder->avail_out };
	return 0;
}

/* What will not shrink costs a copy.  ISA-L has not seen these bytes: it starts over behind
 * them with an empty window, or its distances would reach over them.  (Not to be shown to it by
 * isal_deflate_set_dict(): that fills the hash table with position 65535, which is the
 * dictionary's last byte at the start of a stream only.  Later it may lie before the dictionary,
 * and what is made of that decodes wrongly.) */
static int store_run(struct isal_state *state, struct span run, const struct job *job,
		     struct room *left, struct gw_error *err)
{
	size_t blocks = (run.length + STORED_BYTES_MAX - 1) / STORED_BYTES_MAX;

	/* One more for the packet's end. */
	if (left->length < run.length + (blocks + 1) * STORED_HEADER_BYTES)
		return fail_full(state, job, err);
	for (size_t at = 0; at < run.length; at += STORED_BYTES_MAX) {
		size_t length = run.length - at;

		if (length > STORED_BYTES_MAX)
			length = STORED_BYTES_MAX;
		put_stored(left, (struct span){ run.bytes + at, length });
	}
	isal_deflate_reset(state->encoder);
	counter_add(&state->base.counters->raw_pages, run.length / PAGE_BYTES);
	return 0;
}

static int encode(struct isal_state *state, struct job *job, struct gw_error *err)
{
	struct room room = stream_engine_room(&state->base, job), left = room;
	const struct span *source;
	struct span pages;
	bool shrinks = true;

	(void)stream_engine_source(&state->base, job, &source, &pages);
	pages = *source;
	if (!state->begun)
		put(&left, zlib_header, sizeof(zlib_header));
	state->begun = true;
	while (pages.length > 0) {
		struct span run = { pages.bytes, pages_alike(pages, &shrinks) };

		if ((shrinks ? deflate_run : store_run)(state, run, job, &left, err) < 0)
			return -1;
		pages.bytes += run.length;
		pages.length -= run.length;
	}
	/* A sync flush ends with an empty stored block. */
	if (!shrinks)
		put_stored(&left, (struct span){ zlib_header, 0 });
	stream_engine_finish(&state->base, job, room.length - left.length);
	return 0;
}

/* What zlib's inflate() takes with a window of 32 KiB. */
static int read_header(struct isal_state *state, const struct job *job,
		       struct gw_error *err)
{
	struct span payload = job->source[0];
	uint8_t first, second;

	if (payload.length < sizeof(zlib_header))
		return fail(
			err, GW_PEER,
			"isal: payload of %zu bytes ends after 0 of %zu bytes, in the "
			"zlib header",
			payload.length, job_destination_bytes(job));
	first = payload.bytes[0];
	second = payload.bytes[1];
	if ((first & ZLIB_METHOD_MASK) != ZLIB_METHOD_DEFLATE ||
	    first >> ZLIB_WINDOW_SHIFT > ZLIB_WINDOW_MAX ||
	    load_be16(payload.bytes) % 31 != 0 || (second & ZLIB_DICTIONARY))
		return fail(
			err, GW_PEER,
			"isal: zlib header %02x %02x after 0 of %zu bytes in a payload "
			"of %zu: deflate, a window of 32 KiB at most and no dictionary "
			"are allowed",
			first, second, job_destination_bytes(job), payload.length);
	state->decoder->next_in += sizeof(zlib_header);
	state->decoder->avail_in -= (uint32_t)sizeof(zlib_header);
	state->begun = true;
	return 0;
}

static int fail_inflate(const struct job *job, size_t produced, int answer,
			struct gw_error *err)
{
	return fail(
		err, GW_PEER,
		"isal: isal_inflate answered %s after %zu of %zu bytes in a payload of "
		"%zu",
		answer_name(answer), produced, job_destination_bytes(job),
		job->source[0].length);
}

static int fail_ended(const struct job *job, size_t produced, struct gw_error *err)
{
	return fail(
		err, GW_PEER,
		"isal: stream ended after %zu of %zu bytes in a payload of %zu "
		"(isal_inflate reached ISAL_BLOCK_FINISH), but a channel's never ends",
		produced, job_destination_bytes(job), job->source[0].length);
}

/* Fills the rooms. */
static int inflate_pages(struct inflate_state *decoder, const struct job *job,
			 struct gw_error *err)
{
	size_t produced = 0;

	for (uint32_t i = 0; i < job->destination_count; i++) {
		int answer;

		decoder->next_out = job->destination[i].bytes;
		decoder->avail_out = (uint32_t)job->destination[i].length;
		answer = isal_inflate(decoder);
		produced += job->destination[i].length - decoder->avail_out;
		if (answer != ISAL_DECOMP_OK)
			return fail_inflate(job, produced, answer, err);
		if (decoder->avail_out == 0)
			continue;
		if (decoder->block_state == ISAL_BLOCK_FINISH)
			return fail_ended(job, produced, err);
		/* It stops early for want of input only. */
		return fail(err, GW_PEER,
			    "isal: payload of %zu bytes ends after %zu of %zu bytes "
			    "(isal_inflate wants more)",
			    job->source[0].length, produced, job_destination_bytes(job));
	}
	return 0;
}

static int decode(struct isal_state *state, struct job *job, struct gw_error *err)
{
	struct inflate_state *decoder = state->decoder;
	size_t expected = job_destination_bytes(job);
	int answer;

	if (job_check_payload(job, CODEC_ZLIB, err) < 0)
		return -1;
	decoder->next_in = (uint8_t *)(uintptr_t)job->source[0].bytes;
	decoder->avail_in = (uint32_t)job->source[0].length;
	if (!state->begun && read_header(state, job, err) < 0)
		return -1;
	if (inflate_pages(decoder, job, err) < 0)
		return -1;
	/* It reads ahead of what it gives out.  A byte for which there is no room would be the
	 * first of the next packet: all its pages shifted, and nothing to notice that by.  With
	 * none it takes all input now, and keeps what does not make a whole symbol. */
	decoder->next_out = &state->beyond;
	decoder->avail_out = 1;
	answer = isal_inflate(decoder);
	if (decoder->avail_out == 0)
		return fail(err, GW_PEER,
			    "isal: payload of %zu bytes holds more than %zu bytes",
			    job->source[0].length, expected);
	if (answer != ISAL_DECOMP_OK)
		return fail_inflate(job, expected, answer, err);
	if (decoder->block_state == ISAL_BLOCK_FINISH)
		return fail_ended(job, expected, err);
	stream_engine_finish(&state->base, job, expected);
	return 0;
}

static int isal_submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct isal_state *state = opaque;

	return state->encoder ? encode(state, job, err) : decode(state, job, err);
}

const struct engine engine_isal_zlib = {
	.name = "isal",
	.accelerator = ACCELERATOR_NONE,
	.reference = false,
	.codec = CODEC_ZLIB,
	.level_min = LEVEL_MIN,
	.level_max = LEVEL_MAX,
	.probe = isal_probe,
	.open = isal_open,
	.submit = isal_submit,
	.reap = stream_engine_reap,
	.close = isal_close,
	.payload_room = stream_engine_payload_room,
};
