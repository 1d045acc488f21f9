/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* deflate_units.h - the forms of unit around deflate data, the same for every library.
 *
 * Libraries differ in the wrappers they write, accept and check; so each does raw deflate only,
 * and header, checksum and trailer are read and written here. */
#ifndef CODEC_DEFLATE_UNITS_H
#define CODEC_DEFLATE_UNITS_H

#include "base/error.h"
#include "base/pages.h"
#include "codec/unit.h"

/* RFC 1951, 3.2.4: type and padding in a byte of its own, length, its complement. */
#define STORED_HEADER_BYTES 5u
/* Whole pages whose length fits into 16 bits. */
#define STORED_BYTES_MAX (15u * (unsigned)PAGE_BYTES)

/* A stored block that begins at a byte.  Its length, 0 if it does not fit. */
size_t deflate_put_stored(struct span source, struct room room, bool final);

struct deflate_library {
	/* Makes one complete RFC 1951 stream.  Its length, 0 if it does not fit. */
	size_t (*deflate)(void *state, struct span source, struct room room);
	/* Decodes the one complete stream that `source` starts with and moves both past it.
	 * 0, or what the library answered, to `inflate_name`. */
	int (*inflate)(void *state, struct span *source, struct room *room);
	const char *inflate_name;
	uint32_t (*adler32)(const uint8_t *bytes, size_t length);
	uint32_t (*crc32)(const uint8_t *bytes, size_t length);
};

/* Of ENCODE: pages have no level (0); members and blocks 1 to `level_max`.  GW_UNSUPPORTED. */
int deflate_units_check_level(const char *coder, enum unit_form form, int level,
			      int level_max, struct gw_error *err);

/* UNIT_DEFLATE, UNIT_ZLIB and UNIT_MEMBERS; `level` is told in members' headers. */
enum unit_answer deflate_units_encode(const struct deflate_library *library, void *state,
				      enum unit_form form, int level, struct unit *unit);
enum unit_answer deflate_units_decode(const struct deflate_library *library, void *state,
				      enum unit_form form, struct unit *unit);

/* The rest of UNIT_BLOCKS: all of the source was blocks. */
enum unit_answer deflate_units_blocks_decoded(struct unit *unit, size_t room_left);

#endif
