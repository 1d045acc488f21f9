/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* deflate_units.c - the forms of unit around deflate data, the same for every library. */
#include "codec/deflate_units.h"

#include <assert.h>

#include "codec/gzip_member.h"

/* RFC 1950, 2.2. */
#define ZLIB_HEADER_BYTES 2u
#define ZLIB_TRAILER_BYTES 4u
#define ZLIB_METHOD_DEFLATE 8
#define ZLIB_WINDOW_MAX 7 /* 32 KiB */
#define ZLIB_FLAG_DICTIONARY 0x20

int deflate_units_check_level(const char *coder, enum unit_form form, int level,
			      int level_max, struct gw_error *err)
{
	bool pages = form == UNIT_DEFLATE || form == UNIT_ZLIB;
	int low = pages ? 0 : 1, high = pages ? 0 : level_max;

	if (level < low || level > high)
		return fail(err, GW_UNSUPPORTED, "%s: level %d: it has %d to %d", coder,
			    level, low, high);
	return 0;
}

static_assert(STORED_BYTES_MAX <= UINT16_MAX, "a stored block's length has 16 bits");

size_t deflate_put_stored(struct span source, struct room room, bool final)
{
	if (room.length < source.length + STORED_HEADER_BYTES)
		return 0;
	room.bytes[0] = final;
	room.bytes[1] = (uint8_t)source.length;
	room.bytes[2] = (uint8_t)(source.length >> 8);
	room.bytes[3] = (uint8_t)~room.bytes[1];
	room.bytes[4] = (uint8_t)~room.bytes[2];
	memcpy(room.bytes + STORED_HEADER_BYTES, source.bytes, source.length);
	return STORED_HEADER_BYTES + source.length;
}

static enum unit_answer encode_zlib(const struct deflate_library *library, void *state,
				    struct unit *unit)
{
	struct room room = unit->room;
	size_t made;

	if (room.length < ZLIB_HEADER_BYTES + ZLIB_TRAILER_BYTES)
		return unit_full(unit);
	/* What the Kunpeng driver writes; it skips the two bytes unseen when it decodes. */
	room.bytes[0] = 0x78;
	room.bytes[1] = 0x9c;
	room.bytes += ZLIB_HEADER_BYTES;
	room.length -= ZLIB_HEADER_BYTES + ZLIB_TRAILER_BYTES;
	made = library->deflate(state, unit->source, room);
	if (made == 0)
		return unit_full(unit);
	store_be32(room.bytes + made,
		   library->adler32(unit->source.bytes, unit->source.length));
	return unit_done(unit, ZLIB_HEADER_BYTES + made + ZLIB_TRAILER_BYTES);
}

/* Its length, 0 if it does not fit. */
static size_t encode_member(const struct deflate_library *library, void *state, int level,
			    struct span source, struct room room)
{
	uint8_t *header = room.bytes;
	size_t made;

	if (room.length < GZIP_MEMBER_HEADER_BYTES + GZIP_MEMBER_TRAILER_BYTES)
		return 0;
	room.bytes += GZIP_MEMBER_HEADER_BYTES;
	room.length -= GZIP_MEMBER_HEADER_BYTES + GZIP_MEMBER_TRAILER_BYTES;
	made = library->deflate(state, source, room);
	if (made == 0)
		return 0;
	gzip_member_put_header(header, level, (uint32_t)source.length, (uint32_t)made);
	gzip_member_put_trailer(room.bytes + made,
				library->crc32(source.bytes, source.length),
				(uint32_t)source.length);
	return GZIP_MEMBER_HEADER_BYTES + made + GZIP_MEMBER_TRAILER_BYTES;
}

static enum unit_answer encode_members(const struct deflate_library *library, void *state,
				       int level, struct unit *unit)
{
	struct span source = unit->source;
	struct room room = unit->room;

	while (source.length > 0) {
		struct span piece = source;
		size_t made;

		if (piece.length > UNIT_MEMBER_BYTES)
			piece.length = UNIT_MEMBER_BYTES;
		made = encode_member(library, state, level, piece, room);
		if (made == 0)
			return unit_full(unit);
		source.bytes += piece.length;
		source.length -= piece.length;
		room.bytes += made;
		room.length -= made;
	}
	return unit_done(unit, unit->room.length - room.length);
}

enum unit_answer deflate_units_encode(const struct deflate_library *library, void *state,
				      enum unit_form form, int level, struct unit *unit)
{
	size_t made;

	switch (form) {
	case UNIT_ZLIB:
		return encode_zlib(library, state, unit);
	case UNIT_MEMBERS:
		return encode_members(library, state, level, unit);
	case UNIT_DEFLATE:
	case UNIT_BLOCKS:
		break;
	}
	assert(form == UNIT_DEFLATE);
	made = library->deflate(state, unit->source, unit->room);
	return made > 0 ? unit_done(unit, made) : unit_full(unit);
}

/* One stream; false and the unit's answer if it is none. */
static bool decode_stream(const struct deflate_library *library, void *state,
			  struct unit *unit, struct span *source, struct room *room)
{
	int answer = library->inflate(state, source, room);

	if (answer != 0)
		unit_failed(unit, library->inflate_name, answer);
	return answer == 0;
}

static enum unit_answer decoded(struct unit *unit, size_t source_left, size_t room_left)
{
	if (room_left > 0)
		return unit_failed(unit, "it ends before all bytes are there", 0);
	if (source_left > 0)
		return unit_failed(unit, "bytes follow its end", 0);
	return unit_done(unit, unit->room.length);
}

static const char *take_zlib_header(struct span *source)
{
	const uint8_t *at = source->bytes;

	if (source->length < ZLIB_HEADER_BYTES)
		return "zlib header is cut short";
	if ((at[0] & 0x0f) != ZLIB_METHOD_DEFLATE || at[0] >> 4 > ZLIB_WINDOW_MAX)
		return "not a zlib stream of deflate data";
	if (load_be16(at) % 31 != 0)
		return "zlib header's check is wrong";
	if (at[1] & ZLIB_FLAG_DICTIONARY)
		return "zlib header wants a dictionary";
	source->bytes += ZLIB_HEADER_BYTES;
	source->length -= ZLIB_HEADER_BYTES;
	return NULL;
}

static enum unit_answer decode_zlib(const struct deflate_library *library, void *state,
				    struct unit *unit)
{
	struct span source = unit->source;
	struct room room = unit->room;
	const char *wrong = take_zlib_header(&source);
	size_t made;

	if (wrong)
		return unit_failed(unit, wrong, 0);
	if (!decode_stream(library, state, unit, &source, &room))
		return unit->answer;
	/* A device may write no Adler-32: nobody has seen what Kunpeng's does. */
	if (source.length == 0)
		return decoded(unit, 0, room.length);
	if (source.length < ZLIB_TRAILER_BYTES)
		return unit_failed(unit, "Adler-32 is cut short", 0);
	made = unit->room.length - room.length;
	if (load_be32(source.bytes) != library->adler32(unit->room.bytes, made))
		return unit_failed(unit, "Adler-32 is wrong", 0);
	return decoded(unit, source.length - ZLIB_TRAILER_BYTES, room.length);
}

static enum unit_answer decode_members(const struct deflate_library *library, void *state,
				       struct unit *unit)
{
	struct span source = unit->source;
	struct room room = unit->room;

	/* Each turn takes a header at least, also if the member is of no bytes. */
	while (source.length > 0) {
		const uint8_t *member = room.bytes;
		const char *wrong = gzip_member_take_header(&source);
		size_t made;

		if (wrong)
			return unit_failed(unit, wrong, 0);
		if (!decode_stream(library, state, unit, &source, &room))
			return unit->answer;
		made = (size_t)(room.bytes - member);
		wrong = gzip_member_take_trailer(&source, library->crc32(member, made),
						 made);
		if (wrong)
			return unit_failed(unit, wrong, 0);
	}
	return decoded(unit, 0, room.length);
}

enum unit_answer deflate_units_decode(const struct deflate_library *library, void *state,
				      enum unit_form form, struct unit *unit)
{
	struct span source = unit->source;
	struct room room = unit->room;

	switch (form) {
	case UNIT_ZLIB:
		return decode_zlib(library, state, unit);
	case UNIT_MEMBERS:
		return decode_members(library, state, unit);
	case UNIT_DEFLATE:
	case UNIT_BLOCKS:
		break;
	}
	assert(form == UNIT_DEFLATE);
	if (!decode_stream(library, state, unit, &source, &room))
		return unit->answer;
	return decoded(unit, source.length, room.length);
}

enum unit_answer deflate_units_blocks_decoded(struct unit *unit, size_t room_left)
{
	static const uint8_t end[] = { 0, 0, 0xff, 0xff };
	const struct span source = unit->source;

	if (source.length < sizeof(end) ||
	    memcmp(source.bytes + source.length - sizeof(end), end, sizeof(end)) != 0)
		return unit_failed(unit, "it does not end with an empty stored block", 0);
	return decoded(unit, 0, room_left);
}
