/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_engine.h - engines that cut a packet into units, each computed by a device or a coder.
 *
 * One channel, one direction, one packet at a time:
 *
 *	unit_payload.c    pages to units, and results to a payload; or a payload to units
 *	unit_ladder.c     who computes a unit: device, device again, software
 *	unit_memory.c     copies of pages, payloads, what is read from the wire
 *	unit_engine.c     struct engine's functions */
#ifndef CODEC_UNIT_ENGINE_H
#define CODEC_UNIT_ENGINE_H

#include "base/pages.h"
#include "codec/coder.h"
#include "codec/device.h"
#include "codec/device_standing.h"
#include "codec/engine.h"
#include "codec/unit.h"

#define UNIT_PACKET_PAGES (JOB_BYTES_MAX / (unsigned)PAGE_BYTES)

/* ENCODE uses copies and outputs, DECODE incoming and scattered. */
struct unit_memory {
	uint8_t *all;
	size_t bytes;
	void (*release)(void *memory, size_t bytes); /* NULL: free() */
	uint8_t *copies[JOB_SLOTS];
	uint8_t *outputs[JOB_SLOTS];
	uint8_t *incoming;
	uint8_t *
		scattered; /* pages of a unit that do not lie side by side in the guest */
	uint8_t *check;	   /* what software makes of a result of the device */
};

enum unit_place {
	UNIT_WAITING,
	UNIT_INSIDE, /* the device */
	UNIT_SETTLED,
	UNIT_RAW, /* settled, and on the wire as it is in memory */
};

struct unit_engine {
	const struct engine *engine;
	enum direction direction;
	enum unit_form form;
	int level;
	uint32_t jobs;
	uint64_t patience_ns;
	const struct interrupt *interrupt;
	const struct coder *coder;
	void *coder_state;
	void *device_state;  /* NULL: there is none, or it is dead */
	void *checker_state; /* coder_isal, for devices whose output is checked */
	struct device_standing *standing, own_standing;
	struct engine_counters *counters, own_counters;
	struct unit_memory memory;
	bool stream_begun; /* UNIT_BLOCKS: the header is on its way */

	/* The job inside. */
	struct job *job;
	uint32_t unit_count;
	uint32_t next;	     /* not yet offered to the device */
	uint32_t inside;     /* units that the device holds */
	struct unit *broken; /* the first that nobody could compute */
	struct unit units[UNIT_PACKET_PAGES];
	enum unit_place places[UNIT_PACKET_PAGES];
};

/* Whether a unit is one page, of the payload of be32 lengths and bodies. */
static inline bool unit_is_page(enum unit_form form)
{
	return form == UNIT_DEFLATE || form == UNIT_ZLIB;
}

/* ---- unit_memory.c ---- */

int unit_memory_init(struct unit_engine *u, struct gw_error *err);
void unit_memory_destroy(struct unit_memory *memory);

/* It stays as it is while the process lives: a device may write it at any time. */
void unit_memory_abandon(struct unit_memory *memory);

/* Room that ENCODE of `source_bytes` needs at most. */
size_t unit_room_bytes(const struct unit_engine *u, size_t source_bytes);

/* ---- unit_payload.c ---- */

/* Fills in units and places from u->job.  Decoding: GW_PEER for a payload that cannot be right. */
int unit_payload_plan(struct unit_engine *u, struct gw_error *err);

/* From settled units to the job's pieces, or to the guest's pages. */
void unit_payload_finish(struct unit_engine *u);

/* ---- unit_ladder.c ---- */

/* All units of the job by the coder. */
void unit_ladder_compute(struct unit_engine *u);

/* Offers to the device what it holds room for, and takes back what is finished; with `wait`,
 * until all is settled.  GW_SYSTEM when the device died with the guest's pages in its hands. */
int unit_ladder_turn(struct unit_engine *u, bool wait, struct gw_error *err);

bool unit_ladder_uses_device(const struct unit_engine *u);

/* ---- unit_engine.c: struct engine's functions ---- */

int unit_engine_probe(const struct engine *engine, struct gw_error *err);
void *unit_engine_open(const struct engine *engine, const struct engine_options *options,
		       struct gw_error *err);
int unit_engine_submit(void *state, struct job *job, struct gw_error *err);
int unit_engine_reap(void *state, bool wait, struct gw_error *err);
void unit_engine_close(void *state);
uint8_t *unit_engine_payload_room(void *state);

#endif
