/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cursor.c - read bytes we did not write. */
#include "base/cursor.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

struct cursor cursor_over(const void *bytes, size_t length)
{
	static const uint8_t nothing[1];

	/* Arithmetic on NULL is undefined even by 0, and a take of 0 bytes is not a failure. */
	if (!bytes) {
		assert(length == 0);
		bytes = nothing;
	}
	return (struct cursor){
		.at = bytes,
		.end = (const uint8_t *)bytes + length,
		.start = bytes,
		.ended = true,
	};
}

struct cursor cursor_from(void *buffer, size_t buffer_bytes, cursor_refill *refill,
			  void *state)
{
	assert(buffer_bytes >= 512);
	return (struct cursor){
		.at = buffer,
		.end = buffer,
		.start = buffer,
		.refill = refill,
		.refill_state = state,
		.buffer = buffer,
		.buffer_bytes = buffer_bytes,
	};
}

static size_t left(const struct cursor *in)
{
	return (size_t)(in->end - in->at);
}

/* Adds what one refill brings; false when nothing more will come. */
static bool refill(struct cursor *in)
{
	size_t kept = left(in);
	ptrdiff_t got;

	if (in->ended || in->failed)
		return false;
	if (in->at != in->start) {
		in->base_offset += (uint64_t)(in->at - in->start);
		memmove(in->buffer, in->at, kept);
		in->at = in->start;
		in->end = in->start + kept;
	}
	got = in->refill(in->refill_state, in->buffer + kept, in->buffer_bytes - kept,
			 &in->error);
	if (got < 0) {
		in->failed = true;
		return false;
	}
	if (got == 0) {
		in->ended = true;
		return false;
	}
	in->end += got;
	return true;
}

const uint8_t *cursor_take(struct cursor *in, size_t length)
{
	const uint8_t *taken;

	assert(!in->buffer || length <= in->buffer_bytes);
	while (left(in) < length) {
		if (!refill(in)) {
			in->at = in->end;
			in->overrun = true;
			return NULL;
		}
	}
	taken = in->at;
	in->at += length;
	return taken;
}

uint8_t cursor_u8(struct cursor *in)
{
	const uint8_t *at = cursor_take(in, 1);

	return at ? *at : 0;
}

uint16_t cursor_be16(struct cursor *in)
{
	const uint8_t *at = cursor_take(in, 2);

	return at ? load_be16(at) : 0;
}

uint32_t cursor_be32(struct cursor *in)
{
	const uint8_t *at = cursor_take(in, 4);

	return at ? load_be32(at) : 0;
}

uint64_t cursor_be64(struct cursor *in)
{
	const uint8_t *at = cursor_take(in, 8);

	return at ? load_be64(at) : 0;
}

void cursor_copy(struct cursor *in, void *out, size_t length)
{
	uint8_t *to = out;

	while (length > 0) {
		size_t piece = left(in) < length ? left(in) : length;

		if (piece > 0) {
			memcpy(to, in->at, piece);
			in->at += piece;
			to += piece;
			length -= piece;
		} else if (!refill(in)) {
			memset(to, 0, length);
			in->overrun = true;
			return;
		}
	}
}

void cursor_skip(struct cursor *in, uint64_t length)
{
	while (length > 0) {
		uint64_t piece = left(in) < length ? left(in) : length;

		if (piece > 0) {
			in->at += piece;
			length -= piece;
		} else if (!refill(in)) {
			in->overrun = true;
			return;
		}
	}
}

bool cursor_at_end(struct cursor *in)
{
	return left(in) == 0 && !refill(in);
}

int cursor_peek(struct cursor *in)
{
	return cursor_at_end(in) ? -1 : *in->at;
}

size_t cursor_take_some(struct cursor *in, const uint8_t **bytes)
{
	size_t taken;

	if (cursor_at_end(in))
		return 0;
	*bytes = in->at;
	taken = left(in);
	in->at = in->end;
	return taken;
}

uint64_t cursor_offset(const struct cursor *in)
{
	return in->base_offset + (uint64_t)(in->at - in->start);
}

int cursor_fail(const struct cursor *in, struct gw_error *err, const char *what)
{
	if (in->failed) {
		*err = in->error;
		return -1;
	}
	return fail(err, GW_PEER, "%s: cut short at byte %" PRIu64, what,
		    cursor_offset(in));
}
