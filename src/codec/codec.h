/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec.h - the wire formats ("methods") of page packets: names, ids, bounds.
 *
 * A codec is what the bytes are; an engine (engine.h) is who computes them. */
#ifndef CODEC_CODEC_H
#define CODEC_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The wire flag is in wire/multifd_packet.h. */
enum codec_id { CODEC_NONE, CODEC_ZLIB, CODEC_ZSTD, CODEC_QPL, CODEC_UADK, CODEC_QATZIP };
#define CODEC_COUNT 6u

struct codec {
	const char *name; /* as QEMU spells it */
	enum codec_id id;
	/* All 0 for a codec that QEMU has no level for. */
	int level_min;
	int level_max;
	int level_default;
	/* Smallest and largest payload that `pages` pages can have and a receiver accepts.
	 * `pages` is within a packet's bound, which the packet's parser has checked. */
	uint32_t (*payload_min)(uint32_t pages);
	uint32_t (*payload_max)(uint32_t pages);
};

/* QEMU's zlib, zstd and qatzip receivers read into a buffer of this size (multifd-zlib.c). */
#define CODEC_PAYLOAD_MAX (1u << 20)

const struct codec *codec_by_id(enum codec_id id);

/* NULL and GW_USAGE with the names there are. */
const struct codec *codec_by_name(const char *name, struct gw_error *err);

/* GW_USAGE: "zlib level 11: 0 to 9 are allowed". */
int codec_check_level(const struct codec *codec, int level, struct gw_error *err);

/* GW_PEER: "zlib payload of 0 bytes for 3 pages: 1 to 1048576 are allowed". */
int codec_check_payload(const struct codec *codec, uint32_t pages, size_t payload_bytes,
			struct gw_error *err);

#endif
