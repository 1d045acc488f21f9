/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* decode_fuzz.h - several packets on one stream, into rooms between guards.
 *
 * Input: packets of u8 page count - 1 (its top bit cuts the room into single pages), be16
 * payload length, payload. */
#ifndef CODEC_DECODE_FUZZ_H
#define CODEC_DECODE_FUZZ_H

#include <isa-l.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/pages.h"
#include "codec/engine.h"

#define FUZZ_PAGES_MAX 128u
#define FUZZ_PACKETS_MAX 16u
#define FUZZ_GUARD_BYTES 64u
#define FUZZ_GUARD 0xc3

/* What came of the packets: a checksum of the pages of each that was good. */
struct fuzz_course {
	uint32_t packets;
	uint32_t sums[FUZZ_PACKETS_MAX];
};

/* A page and the guard behind it; a run of pages must be contiguous and has one guard. */
static uint8_t fuzz_memory[FUZZ_PAGES_MAX * (PAGE_BYTES + FUZZ_GUARD_BYTES)];

/* Whether it was good. */
static inline bool fuzz_packet(const struct engine *engine, void *state, uint8_t head,
			       const struct span *payload, struct fuzz_course *course)
{
	struct room rooms[FUZZ_PAGES_MAX];
	uint32_t pages = (head & (FUZZ_PAGES_MAX - 1)) + 1;
	uint32_t room_count = head & FUZZ_PAGES_MAX ? pages : 1;
	size_t length = pages / room_count * PAGE_BYTES;
	struct job job = { .source = payload,
			   .source_count = 1,
			   .destination = rooms,
			   .destination_count = room_count };
	uint8_t *at = fuzz_memory;
	uint32_t *sum = &course->sums[course->packets];
	struct gw_error err;
	bool good;

	for (uint32_t i = 0; i < room_count; i++) {
		rooms[i] = (struct room){ at, length };
		memset(at + length, FUZZ_GUARD, FUZZ_GUARD_BYTES);
		at += length + FUZZ_GUARD_BYTES;
	}
	err.text[0] = '\0';
	good = engine_run(engine, state, &job, &err) == 0;
	/* GW_SYSTEM: no memory for the window asked for. */
	if (!good && err.kind != GW_PEER && err.kind != GW_SYSTEM)
		abort();
	if (good ? job.produced_bytes != pages * PAGE_BYTES : err.text[0] == '\0')
		abort();
	*sum = 0;
	for (uint32_t i = 0; i < room_count; i++) {
		for (size_t guard = 0; guard < FUZZ_GUARD_BYTES; guard++) {
			if (rooms[i].bytes[length + guard] != FUZZ_GUARD)
				abort();
		}
		if (good)
			*sum = crc32_gzip_refl(*sum, rooms[i].bytes, length);
	}
	course->packets += good;
	return good;
}

/* The codec's decoder of that name. */
static inline const struct engine *fuzz_engine(enum codec_id codec, const char *name)
{
	const struct engine *const *at = engines_of(codec, DECODE);

	while (*at && strcmp((*at)->name, name) != 0)
		at++;
	if (!*at)
		abort();
	return *at;
}

static inline void fuzz_decode(const struct engine *engine, const uint8_t *data,
			       size_t size, struct fuzz_course *course)
{
	struct cursor in = cursor_over(data, size);
	struct engine_options options = { .direction = DECODE };
	struct gw_error err;
	void *state = engine->open(engine, &options, &err);
	bool alive = state != NULL;

	course->packets = 0;
	for (unsigned i = 0; alive && i < FUZZ_PACKETS_MAX && !cursor_at_end(&in); i++) {
		uint8_t head = cursor_u8(&in);
		struct span payload = { .length = cursor_be16(&in) };
		/* The last packet may be cut short: so is its payload. */
		uint64_t left = size - cursor_offset(&in);

		if (payload.length > left)
			payload.length = left;
		payload.bytes = cursor_take(&in, payload.length);
		alive = fuzz_packet(engine, state, head, &payload, course);
	}
	engine->close(state);
}

#endif
