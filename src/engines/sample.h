/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sample.h - pages of different kinds, and packets of them through engines. */
#ifndef ENGINES_SAMPLE_H
#define ENGINES_SAMPLE_H

#include "base/pages.h"
#include "codec/engine.h"

enum sample_kind { SAMPLE_PROGRAM, SAMPLE_ZEROS, SAMPLE_RANDOM, SAMPLE_TEXT };
#define SAMPLE_KINDS 4u

#define SAMPLE_PAGES 128u /* of each kind; a packet's most */
#define SAMPLE_BYTES (SAMPLE_PAGES * PAGE_BYTES)

struct sample {
	uint8_t pages[SAMPLE_KINDS][SAMPLE_BYTES];
	uint8_t payload[CODEC_PAYLOAD_MAX];
	size_t payload_bytes;
	uint8_t landed[SAMPLE_BYTES];
};

/* "zeros" */
const char *sample_kind_name(enum sample_kind kind);

/* NULL and GW_SYSTEM: no memory, /proc/self/exe cannot be read. */
struct sample *sample_new(struct gw_error *err);
void sample_free(struct sample *sample);

/* The first `count` pages of a kind into `payload`, by `state` of `engine`. */
int sample_encode(struct sample *sample, enum sample_kind kind, uint32_t count,
		  const struct engine *engine, void *state, struct gw_error *err);

/* And back into `landed`. */
int sample_decode(struct sample *sample, uint32_t count, const struct engine *engine,
		  void *state, struct gw_error *err);

/* GW_PEER: "page 3, byte 17 is 0x20, was 0x41". */
int sample_compare(const struct sample *sample, enum sample_kind kind, uint32_t count,
		   struct gw_error *err);

#endif
