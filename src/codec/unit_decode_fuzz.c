/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_decode_fuzz.c - hostile units for the coders.
 *
 * Input: u8 (its two lowest bits are the form, the next two the room, the rest the coder that
 * goes first), then the source.  All coders decode it; those that call it good must agree. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pages.h"
#include "codec/coder.h"

#define SOURCE_MAX (64u * PAGE_BYTES)
#define ROOM_PAGES_MAX 128u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct coder *const coders[] = { &coder_isal, &coder_libdeflate,
					      &coder_zlib };
#define CODERS (sizeof(coders) / sizeof(coders[0]))

static uint8_t *source_memory, *room_memory;
static void *states[UNIT_FORMS][CODERS]; /* NULL: it does not have the form */
static uint8_t agreed[ROOM_PAGES_MAX * PAGE_BYTES];

/* Between two pages that cannot be touched: libraries are not built with sanitizers. */
static uint8_t *guarded(size_t bytes)
{
	uint8_t *at = mmap(NULL, bytes + 2 * PAGE_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED ||
	    mprotect(at + PAGE_BYTES, bytes, PROT_READ | PROT_WRITE) < 0)
		abort();
	return at + PAGE_BYTES;
}

static void begin(void)
{
	struct gw_error err;

	source_memory = guarded(SOURCE_MAX);
	room_memory = guarded(ROOM_PAGES_MAX * PAGE_BYTES);
	for (unsigned form = 0; form < UNIT_FORMS; form++) {
		for (size_t i = 0; i < CODERS; i++)
			states[form][i] = coders[i]->open(form, DECODE, 0, &err);
	}
}

/* One state for all units: each must leave it as good as new. */
static enum unit_answer decode(unsigned form, size_t coder, struct span source,
			       struct room room)
{
	struct unit unit = { .source = source, .room = room };
	enum unit_answer answer = coders[coder]->run(states[form][coder], &unit);

	if (answer != unit.answer || (answer != UNIT_DONE && answer != UNIT_FAILED))
		abort();
	if (answer == UNIT_DONE ? unit.produced != room.length : !unit.why)
		abort();
	return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t pages[4] = { 1, 2, 17, ROOM_PAGES_MAX };
	unsigned form;
	struct room room;
	struct span source;
	bool good = false;

	if (size < 1 || size - 1 > SOURCE_MAX)
		return 0;
	if (!source_memory)
		begin();
	form = data[0] & 3;
	room.length = pages[data[0] >> 2 & 3] * PAGE_BYTES;
	room.bytes = room_memory + ROOM_PAGES_MAX * PAGE_BYTES - room.length;
	source.length = size - 1;
	source.bytes = memcpy(source_memory + SOURCE_MAX - source.length, data + 1,
			      source.length);
	for (size_t i = 0; i < CODERS; i++) {
		size_t coder = ((data[0] >> 4) + i) % CODERS;

		if (!states[form][coder] ||
		    decode(form, coder, source, room) != UNIT_DONE)
			continue;
		if (good && memcmp(agreed, room.bytes, room.length) != 0)
			abort();
		memcpy(agreed, room.bytes, room.length);
		good = true;
	}
	return 0;
}
