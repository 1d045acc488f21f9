/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip_member.c - header and trailer of gzip members with QATzip's extra field. */
#include "codec/gzip_member.h"

#include <isa-l.h>

#include "codec/unit.h"

/* RFC 1952, 2.3: the header without optional fields, and the flags that announce those. */
#define FIXED_BYTES 10u
#define FLAG_HEADER_CRC 0x02
#define FLAG_EXTRA 0x04
#define FLAG_NAME 0x08
#define FLAG_COMMENT 0x10
#define FLAGS_RESERVED 0xe0

static uint16_t load_le16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static uint32_t load_le32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static void store_le32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

/* All of the header but mtime, XFL and the two sizes. */
static const uint8_t member_start[16] = { 0x1f, 0x8b, 8,  FLAG_EXTRA, 0,   0,	0, 0,
					  0,	0xff, 12, 0,	      'Q', 'Z', 8, 0 };
#define XFL_OFFSET 8u
#define PAGE_BYTES_OFFSET 16u
#define DEFLATE_BYTES_OFFSET 20u

static uint8_t extra_flags(int level)
{
	switch (level) {
	case 1:
		return 4; /* fastest */
	case 9:
		return 2; /* smallest */
	default:
		return 0;
	}
}

void gzip_member_put_header(uint8_t *at, int level, uint32_t page_bytes,
			    uint32_t deflate_bytes)
{
	memcpy(at, member_start, sizeof(member_start));
	at[XFL_OFFSET] = extra_flags(level);
	store_le32(at + PAGE_BYTES_OFFSET, page_bytes);
	store_le32(at + DEFLATE_BYTES_OFFSET, deflate_bytes);
}

void gzip_member_put_trailer(uint8_t *at, uint32_t crc, uint32_t page_bytes)
{
	store_le32(at, crc);
	store_le32(at + 4, page_bytes);
}

static bool take(struct span *source, size_t length)
{
	if (length > source->length)
		return false;
	source->bytes += length;
	source->length -= length;
	return true;
}

static bool take_extra(struct span *source)
{
	const uint8_t *length = source->bytes;

	return take(source, 2) && take(source, load_le16(length));
}

/* A name or a comment: bytes up to a zero. */
static bool take_text(struct span *source)
{
	const uint8_t *end = memchr(source->bytes, 0, source->length);

	return end && take(source, (size_t)(end - source->bytes) + 1);
}

const char *gzip_member_take_header(struct span *source)
{
	const uint8_t *at = source->bytes;
	uint8_t flags;

	if (!take(source, FIXED_BYTES))
		return "gzip header is cut short";
	if (at[0] != 0x1f || at[1] != 0x8b || at[2] != 8)
		return "not a gzip member of deflate data";
	flags = at[3];
	if (flags & FLAGS_RESERVED)
		return "gzip header has reserved flags";
	if (((flags & FLAG_EXTRA) && !take_extra(source)) ||
	    ((flags & FLAG_NAME) && !take_text(source)) ||
	    ((flags & FLAG_COMMENT) && !take_text(source)))
		return "gzip header is cut short";
	if (flags & FLAG_HEADER_CRC) {
		const uint8_t *crc = source->bytes;

		if (!take(source, 2))
			return "gzip header is cut short";
		if ((crc32_gzip_refl(0, at, (uint64_t)(crc - at)) & 0xffff) !=
		    load_le16(crc))
			return "gzip header's CRC-16 is wrong";
	}
	return NULL;
}

const char *gzip_member_take_trailer(struct span *source, uint32_t crc, size_t page_bytes)
{
	const uint8_t *at = source->bytes;

	if (!take(source, GZIP_MEMBER_TRAILER_BYTES))
		return "gzip trailer is cut short";
	if (load_le32(at) != crc)
		return "CRC-32 is wrong";
	if (load_le32(at + 4) != (uint32_t)page_bytes)
		return "gzip trailer's size is wrong";
	return NULL;
}

bool gzip_members_are_for_qat(struct span source)
{
	while (source.length > 0) {
		uint8_t start[sizeof(member_start)];
		size_t pages, member;

		if (source.length < GZIP_MEMBER_HEADER_BYTES)
			return false;
		memcpy(start, source.bytes, sizeof(start));
		start[XFL_OFFSET] = 0;
		pages = load_le32(source.bytes + PAGE_BYTES_OFFSET);
		member = GZIP_MEMBER_HEADER_BYTES +
			 (size_t)load_le32(source.bytes + DEFLATE_BYTES_OFFSET) +
			 GZIP_MEMBER_TRAILER_BYTES;
		if (memcmp(start, member_start, sizeof(start)) != 0 ||
		    pages > UNIT_MEMBER_BYTES || member > source.length)
			return false;
		source.bytes += member;
		source.length -= member;
	}
	return true;
}
