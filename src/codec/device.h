/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.h - units computed by something that may be absent, busy, late, wrong or dead.
 *
 * A device knows nothing of retries, fallback or counting: that is unit_ladder.c, the same for
 * all.  Everything is called by one channel's thread except probe (once a process). */
#ifndef CODEC_DEVICE_H
#define CODEC_DEVICE_H

#include "base/error.h"
#include "codec/accelerator.h"
#include "codec/unit.h"

enum device_answer {
	DEVICE_TAKEN,	 /* comes back from reap, in any order */
	DEVICE_BUSY,	 /* its queue is full; the unit is untouched */
	DEVICE_DECLINED, /* not for this device, but right; the unit is untouched */
	DEVICE_FAILED, /* not taken, and not for a full queue; the unit has `why` and `code` */
};

struct device {
	const char *name;
	enum accelerator accelerator;
	/* Bits 1 << enum unit_form. */
	unsigned encodes;
	unsigned decodes;
	/* The most source bytes of one ENCODE unit of UNIT_MEMBERS or UNIT_BLOCKS; the others are
	 * pages. */
	size_t unit_bytes;
	/* Bytes of room that ENCODE of one page needs, where a page is not enough for what will
	 * not shrink; 0: a page. */
	size_t page_room;
	/* Forms (bits again) of which what it gives out is decoded, or decoded again, by software
	 * before it is used: where not all such devices check themselves and there is no checksum
	 * by which the other side would find it. */
	unsigned verify;
	bool probe_each_time;

	/* Usable here, now?  err says why not: one sentence with the library's answer.  Silent,
	 * leaves nothing behind when it says no.  Called through device_probe(), once a process
	 * unless probe_each_time. */
	int (*probe)(struct gw_error *err);
	/* One channel and direction; at most `jobs` units will be inside.  NULL and err: nothing
	 * is left for it, and software computes. */
	void *(*open)(enum unit_form form, enum direction direction, int level,
		      uint32_t jobs, struct gw_error *err);
	enum device_answer (*submit)(void *state, struct unit *unit);
	/* A unit that is finished, or NULL: none is, yet.  Never waits longer than
	 * DEVICE_REAP_MS, and only with `wait`. */
	struct unit *(*reap)(void *state, bool wait);
	/* False: units are inside that would not come back (`units` of them), and what they point
	 * to may still be written; the state and those buffers have to be left alone for ever. */
	bool (*close)(void *state);
	/* Page-aligned memory that the device reaches best, or NULL; NULL functions: any memory
	 * does. */
	void *(*allocate)(size_t bytes);
	void (*release)(void *memory, size_t bytes);
};

#define DEVICE_REAP_MS 1

/* The kept answer of the device's probe; safe from any thread. */
int device_probe(const struct device *device, struct gw_error *err);

extern const struct device device_qpl;
extern const struct device device_qatzip;
extern const struct device device_uadk;
extern const struct device device_simulated;

#endif
