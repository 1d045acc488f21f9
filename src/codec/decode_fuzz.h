/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* decode_fuzz.h - several packets on one stream, into rooms between guards.
 *
 * Input: packets of u8 page count - 1 (its top bit cuts the room into single pages), be16
 * payload length, payload. */
#ifndef CODEC_DECODE_FUZZ_H
#define CODEC_DECODE_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/pages.h"
#include "codec/engine.h"

#define FUZZ_PAGES_MAX 128u
#define FUZZ_PACKETS_MAX 16u
#define FUZZ_GUARD_BYTES 64u
#define FUZZ_GUARD 0xc3

/* A page and the guard behind it; a run of pages must be contiguous and has one guard. */
static uint8_t fuzz_memory[FUZZ_PAGES_MAX * (PAGE_BYTES + FUZZ_GUARD_BYTES)];

static inline void fuzz_packet(const struct engine *engine, void *state, uint8_t head,
			       const struct span *payload, bool *alive)
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
	struct gw_error err;

	for (uint32_t i = 0; i < room_count; i++) {
		rooms[i] = (struct room){ at, length };
		memset(at + length, FUZZ_GUARD, FUZZ_GUARD_BYTES);
		at += length + FUZZ_GUARD_BYTES;
	}
	err.text[0] = '\0';
	if (engine_run(engine, state, &job, &err) < 0) {
		/* GW_SYSTEM: no memory for the window asked for. */
		if (err.kind != GW_PEER && err.kind != GW_SYSTEM)
			abort();
		if (err.text[0] == '\0')
			abort();
		*alive = false;
	} else if (job.produced_bytes != pages * PAGE_BYTES) {
		abort();
	}
	for (uint32_t i = 0; i < room_count; i++) {
		for (size_t guard = 0; guard < FUZZ_GUARD_BYTES; guard++) {
			if (rooms[i].bytes[length + guard] != FUZZ_GUARD)
				abort();
		}
	}
}

static inline int fuzz_decode(enum codec_id codec, const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	struct gw_error err;
	const struct engine *engine = engine_choose(codec, &err);
	void *state = engine ? engine->open(DECODE, 0, &err) : NULL;
	bool alive = state != NULL;

	for (unsigned i = 0; alive && i < FUZZ_PACKETS_MAX && !cursor_at_end(&in); i++) {
		uint8_t head = cursor_u8(&in);
		struct span payload = { .length = cursor_be16(&in) };
		/* The last packet may be cut short: so is its payload. */
		uint64_t left = size - cursor_offset(&in);

		if (payload.length > left)
			payload.length = left;
		payload.bytes = cursor_take(&in, payload.length);
		fuzz_packet(engine, state, head, &payload, &alive);
	}
	if (engine)
		engine->close(state);
	return 0;
}

#endif
