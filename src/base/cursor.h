/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cursor.h - read bytes we did not write.
 *
 * Taking past the end yields zeros and sets `overrun`, so that a parser reads straight down and
 * checks once, before any value sizes a read, an index or a loop.  A cursor is either over
 * memory, or over something that can deliver more (a channel): the parser does not know which.
 *
 *	memory:  cursor_over(bytes, length)
 *	stream:  cursor_from(buffer, sizeof(buffer), refill, state)
 *
 * Owned by one thread. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Delivers between 1 and `room` bytes into `into`.  Returns how many, 0 at the end of the stream,
 * -1 with *err set.  After 0 or -1 it is not called again. */
typedef ptrdiff_t cursor_refill(void *state, void *into, size_t room,
				struct gw_error *err);

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	uint64_t
		base_offset; /* stream offset of `at` minus bytes taken: see cursor_offset() */
	const uint8_t *start;
	bool overrun; /* something was taken past the end */
	bool ended;   /* the stream delivered its last byte */
	bool failed;  /* refill failed; `error` says why */
	cursor_refill *refill;
	void *refill_state;
	uint8_t *buffer;
	size_t buffer_bytes;
	struct gw_error error;
};

struct cursor cursor_over(const void *bytes, size_t length);

/* `buffer` (borrowed while the cursor lives) must hold the longest single take, 512 bytes or
 * more. */
struct cursor cursor_from(void *buffer, size_t buffer_bytes, cursor_refill *refill,
			  void *state);

uint8_t cursor_u8(struct cursor *in);
uint16_t cursor_be16(struct cursor *in);
uint32_t cursor_be32(struct cursor *in);
uint64_t cursor_be64(struct cursor *in);

/* `length` bytes in one piece, good until the next call; NULL and overrun when there are fewer.
 * On a stream `length` must not exceed the buffer. */
const uint8_t *cursor_take(struct cursor *in, size_t length);

/* Copies out, or passes over, any length; zeros what is missing. */
void cursor_copy(struct cursor *in, void *out, size_t length);
void cursor_skip(struct cursor *in, uint64_t length);

/* True when nothing is left; on a stream this may wait for the next byte. */
bool cursor_at_end(struct cursor *in);

/* The next byte without taking it; -1 at the end. */
int cursor_peek(struct cursor *in);

/* Takes whatever is there, at least one byte: *bytes is good until the next call.  0 at the end. */
size_t cursor_take_some(struct cursor *in, const uint8_t **bytes);

/* Bytes taken since the cursor was made. */
uint64_t cursor_offset(const struct cursor *in);

/* After an overrun: sets *err to the refill's own error, or to "<what>: cut short at byte N". */
int cursor_fail(const struct cursor *in, struct gw_error *err, const char *what);

#endif
