/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* writer.h - append bytes within bounds.
 *
 * Memory is the caller's.  What does not fit is dropped and sets `overrun`, checked once at the
 * end; our own messages have known sizes, so an overrun is a mistake of ours. */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct writer {
	uint8_t *start;
	size_t used;
	size_t room;
	bool overrun;
};

static inline struct writer writer_over(void *bytes, size_t room)
{
	return (struct writer){ .start = bytes, .room = room };
}

static inline void *writer_reserve(struct writer *out, size_t length)
{
	void *at = out->start + out->used;

	if (length > out->room - out->used) {
		out->overrun = true;
		return NULL;
	}
	out->used += length;
	return at;
}

static inline void writer_bytes(struct writer *out, const void *bytes, size_t length)
{
	void *at = writer_reserve(out, length);

	if (at && length > 0)
		memcpy(at, bytes, length);
}

static inline void writer_zeros(struct writer *out, size_t length)
{
	void *at = writer_reserve(out, length);

	if (at)
		memset(at, 0, length);
}

static inline void writer_u8(struct writer *out, uint8_t value)
{
	writer_bytes(out, &value, 1);
}

static inline void writer_be16(struct writer *out, uint16_t value)
{
	value = htobe16(value);
	writer_bytes(out, &value, sizeof(value));
}

static inline void writer_be32(struct writer *out, uint32_t value)
{
	value = htobe32(value);
	writer_bytes(out, &value, sizeof(value));
}

static inline void writer_be64(struct writer *out, uint64_t value)
{
	value = htobe64(value);
	writer_bytes(out, &value, sizeof(value));
}

/* u8 length, then the bytes; at most 255. */
static inline void writer_str8(struct writer *out, const char *text)
{
	size_t length = strlen(text);

	if (length > 255) {
		out->overrun = true;
		return;
	}
	writer_u8(out, (uint8_t)length);
	writer_bytes(out, text, length);
}

#endif
