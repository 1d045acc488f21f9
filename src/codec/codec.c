/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec.c - the wire formats of page packets: names, ids, bounds. */
#include "codec/codec.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/pages.h"

static uint32_t raw_bytes(uint32_t pages)
{
	return pages * (uint32_t)PAGE_BYTES;
}

static uint32_t stream_min(uint32_t pages)
{
	return pages > 0 ? 1 : 0;
}

static uint32_t stream_max(uint32_t pages)
{
	return pages > 0 ? CODEC_PAYLOAD_MAX : 0;
}

/* A be32 length for each page, and at least a byte of it. */
static uint32_t lengths_min(uint32_t pages)
{
	return pages * 5;
}

static uint32_t lengths_max(uint32_t pages)
{
	return pages * (4 + (uint32_t)PAGE_BYTES);
}

/* RFC 1952: header, an empty final block, CRC and length. */
static uint32_t member_min(uint32_t pages)
{
	return pages > 0 ? 20 : 0;
}

/* Names, ranges and defaults: QEMU qapi/migration.json (MultiFDCompression,
 * multifd-zlib-level, multifd-zstd-level, multifd-qatzip-level). */
static const struct codec codecs[] = {
	[CODEC_NONE] = {
		.name = "none",
		.id = CODEC_NONE,
		.payload_min = raw_bytes,
		.payload_max = raw_bytes,
	},
	[CODEC_ZLIB] = {
		.name = "zlib",
		.id = CODEC_ZLIB,
		.level_min = 0,
		.level_max = 9,
		.level_default = 1,
		.payload_min = stream_min,
		.payload_max = stream_max,
	},
	[CODEC_ZSTD] = {
		.name = "zstd",
		.id = CODEC_ZSTD,
		.level_min = 0,
		.level_max = 20,
		.level_default = 1,
		.payload_min = stream_min,
		.payload_max = stream_max,
	},
	[CODEC_QPL] = {
		.name = "qpl",
		.id = CODEC_QPL,
		.payload_min = lengths_min,
		.payload_max = lengths_max,
	},
	[CODEC_UADK] = {
		.name = "uadk",
		.id = CODEC_UADK,
		.payload_min = lengths_min,
		.payload_max = lengths_max,
	},
	[CODEC_QATZIP] = {
		.name = "qatzip",
		.id = CODEC_QATZIP,
		.level_min = 1,
		.level_max = 9,
		.level_default = 1,
		.payload_min = member_min,
		.payload_max = stream_max,
	},
};
static_assert(sizeof(codecs) / sizeof(codecs[0]) == CODEC_COUNT, "one row per codec_id");

const struct codec *codec_by_id(enum codec_id id)
{
	assert((unsigned)id < CODEC_COUNT);
	return &codecs[id];
}

const struct codec *codec_by_name(const char *name, struct gw_error *err)
{
	char known[64], shown[64];
	size_t used = 0;

	for (size_t i = 0; i < CODEC_COUNT; i++) {
		if (strcmp(codecs[i].name, name) == 0)
			return &codecs[i];
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
					 i > 0 ? ", " : "", codecs[i].name);
		assert(used < sizeof(known));
	}
	fail(err, GW_USAGE, "codec \"%s\": there are %s",
	     printable(shown, sizeof(shown), name, (unsigned)strlen(name)), known);
	return NULL;
}

int codec_check_level(const struct codec *codec, int level, struct gw_error *err)
{
	if (codec->level_max == 0 && level != 0)
		return fail(err, GW_USAGE, "%s level %d: %s has no levels", codec->name,
			    level, codec->name);
	if (level < codec->level_min || level > codec->level_max)
		return fail(err, GW_USAGE, "%s level %d: %d to %d are allowed",
			    codec->name, level, codec->level_min, codec->level_max);
	return 0;
}

int codec_check_payload(const struct codec *codec, uint32_t pages, size_t payload_bytes,
			struct gw_error *err)
{
	uint32_t least = codec->payload_min(pages), most = codec->payload_max(pages);

	if (payload_bytes < least || payload_bytes > most)
		return fail(err, GW_PEER,
			    "%s payload of %zu bytes for %u pages: %u to %u are allowed",
			    codec->name, payload_bytes, pages, least, most);
	return 0;
}
