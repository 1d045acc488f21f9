/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit.h - a piece of a packet that is coded for itself, by a device or a coder.
 *
 * What a payload is made of is the unit engine's affair (unit_payload.c);
 * coders and devices see one form of unit at a time. */
#ifndef CODEC_UNIT_H
#define CODEC_UNIT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "codec/direction.h"

enum unit_form {
	/* A page as one complete RFC 1951 stream that an IAA takes: a final block, distances of
	 * 4 KiB at most, no run of code lengths from the literal tree into the distance tree,
	 * none that starts the distance tree (accelerators' error 204, 206). */
	UNIT_DEFLATE,
	/* A page as one complete RFC 1950 stream, header 78 9c, Adler-32 at the end. */
	UNIT_ZLIB,
	/* Pages as gzip members end to end; encoders write one "gzip-ext" member for each
	 * UNIT_MEMBER_BYTES (gzip_member.h). */
	UNIT_MEMBERS,
	/* Pages as deflate blocks that need no history and are not final; ends at a byte with an
	 * empty stored block (00 00 ff ff).  Decoded only to check them. */
	UNIT_BLOCKS,
};
#define UNIT_FORMS 4u

/* QATzip's hw_buff_sz: a device of the peer takes members up to this size. */
#define UNIT_MEMBER_BYTES (64u << 10)

enum unit_answer {
	UNIT_DONE, /* `produced` bytes; DECODE: exactly the room, and no source left over */
	UNIT_FULL,   /* ENCODE: it does not fit */
	UNIT_FAILED, /* `why` and, of a library, `code` */
	UNIT_BUSY,   /* of a device: its queue was full when the unit was half done */
};

struct unit {
	/* Set by whoever submits. */
	struct span source;
	struct room room; /* ENCODE: at most so much; DECODE: exactly so much */
	/* Set by whoever computes. */
	enum unit_answer answer;
	size_t produced;
	int code;	 /* the library's answer, 0 if it has none */
	const char *why; /* a constant: "qpl_check_job", "Adler-32 is wrong" */
	/* The device's own, while the unit is inside. */
	uint32_t device_slot;
};

static inline enum unit_answer unit_done(struct unit *unit, size_t produced)
{
	unit->produced = produced;
	unit->code = 0;
	unit->why = NULL;
	return unit->answer = UNIT_DONE;
}

static inline enum unit_answer unit_full(struct unit *unit)
{
	unit->produced = 0;
	unit->code = 0;
	unit->why = NULL;
	return unit->answer = UNIT_FULL;
}

static inline enum unit_answer unit_busy(struct unit *unit)
{
	unit->produced = 0;
	unit->code = 0;
	unit->why = NULL;
	return unit->answer = UNIT_BUSY;
}

static inline enum unit_answer unit_failed(struct unit *unit, const char *why, int code)
{
	unit->produced = 0;
	unit->code = code;
	unit->why = why;
	return unit->answer = UNIT_FAILED;
}

#endif
