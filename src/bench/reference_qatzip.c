/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_qatzip.c - QATzip's software path as QEMU calls it.
 *
 * QEMU copies a packet's pages together, and out of one room on the other side.  Without a device
 * qzCompress() is zlib: a stream set up anew for each call, most memory, a full flush after each
 * 64 KiB; qzDecompress() is an inflate() for each member, set up anew.
 *
 * Source: QEMU 10.2 migration/multifd-qatzip.c; QATzip src/qatzip_sw.c. */
#include "bench/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "codec/stream_engine.h"

#define CHUNK_BYTES (64u << 10)
#define MOST_MEMORY 9 /* zutil.h: MAX_MEM_LEVEL, which zlib.h does not tell */

struct qatzip_reference {
	struct stream_engine base;
	int level;
	uint8_t pages[JOB_BYTES_MAX];
};

static int probe(const struct engine *engine, struct gw_error *err)
{
	return 0;
}

static void close_reference(void *opaque)
{
	struct qatzip_reference *state = opaque;

	if (state)
		stream_engine_free(&state->base);
}

static void *open_reference(const struct engine *engine,
			    const struct engine_options *options, struct gw_error *err)
{
	struct qatzip_reference *state =
		stream_engine_new(sizeof(*state), engine, options, false, err);

	if (!state)
		return NULL;
	state->level = options->level;
	return state;
}

static int deflate_chunks(z_stream *z, const uint8_t *from, size_t bytes,
			  struct gw_error *err)
{
	while (bytes > 0) {
		size_t chunk = bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES;
		bool last = chunk == bytes;
		int answer;

		z->next_in = (uint8_t *)(uintptr_t)from; /* zlib reads only */
		z->avail_in = (uInt)chunk;
		answer = deflate(z, last ? Z_FINISH : Z_FULL_FLUSH);
		if (answer != (last ? Z_STREAM_END : Z_OK))
			return fail(err, GW_SYSTEM, "zlib: deflate answered %d", answer);
		from += chunk;
		bytes -= chunk;
	}
	return 0;
}

static int encode(struct qatzip_reference *state, struct job *job, struct gw_error *err)
{
	uint8_t extra[] = { 'Q', 'Z', 8, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	gz_header header = { .extra = extra, .extra_len = sizeof(extra), .os = 255 };
	struct room room = stream_engine_room(&state->base, job);
	z_stream z = { .next_out = room.bytes, .avail_out = (uInt)room.length };
	size_t bytes = 0;
	int failed;

	for (uint32_t i = 0; i < job->source_count; i++) {
		const struct span *run = &job->source[i];

		memcpy(state->pages + bytes, run->bytes, run->length);
		bytes += run->length;
	}
	if (deflateInit2(&z, state->level, Z_DEFLATED, MAX_WBITS + 16, MOST_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return fail_sys(err, ENOMEM, "gzip members");
	deflateSetHeader(&z, &header);
	failed = deflate_chunks(&z, state->pages, bytes, err);
	deflateEnd(&z);
	if (failed < 0)
		return -1;
	stream_engine_finish(&state->base, job, z.total_out);
	return 0;
}

/* One member: a stream set up anew, as for encoding. */
static int inflate_member(z_stream *z, struct gw_error *err)
{
	int answer;

	if (inflateInit2(z, MAX_WBITS + 16) != Z_OK)
		return fail_sys(err, ENOMEM, "gzip members");
	answer = inflate(z, Z_SYNC_FLUSH);
	inflateEnd(z);
	if (answer != Z_STREAM_END)
		return fail(err, GW_PEER, "zlib: inflate answered %d", answer);
	return 0;
}

static int decode(struct qatzip_reference *state, struct job *job, struct gw_error *err)
{
	size_t bytes = job_destination_bytes(job), at = 0;
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)job->source[0].bytes,
		       .avail_in = (uInt)job->source[0].length,
		       .next_out = state->pages,
		       .avail_out = (uInt)bytes };

	while (z.avail_in > 0 && z.avail_out > 0) {
		if (inflate_member(&z, err) < 0)
			return -1;
	}
	if (z.avail_in > 0 || z.avail_out > 0)
		return fail(err, GW_PEER, "members of %zu bytes do not give %zu bytes",
			    job->source[0].length, bytes);
	for (uint32_t i = 0; i < job->destination_count; i++) {
		const struct room *run = &job->destination[i];

		memcpy(run->bytes, state->pages + at, run->length);
		at += run->length;
	}
	stream_engine_finish(&state->base, job, bytes);
	return 0;
}

static int submit(void *opaque, struct job *job, struct gw_error *err)
{
	struct qatzip_reference *state = opaque;

	return state->base.direction == ENCODE ? encode(state, job, err)
					       : decode(state, job, err);
}

const struct engine reference_qatzip = {
	.name = "reference",
	.accelerator = ACCELERATOR_NONE,
	.reference = true,
	.codec = CODEC_QATZIP,
	.level_min = 1,
	.level_max = 9,
	.probe = probe,
	.open = open_reference,
	.submit = submit,
	.reap = stream_engine_reap,
	.close = close_reference,
	.payload_room = stream_engine_payload_room,
};
