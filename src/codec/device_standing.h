/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_standing.h - how a device does in one migration, for all its channels together.
 *
 * Failures in a row end its use for this migration; full queues are none.  Any thread. */
#ifndef CODEC_DEVICE_STANDING_H
#define CODEC_DEVICE_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/unit.h"

struct log;

#define DEVICE_FAILURES_MAX 64u

/* So many units in a row that found its queue full are told once: a dead queue looks like that. */
#define DEVICE_BUSY_TOLD 4096u

struct device_standing {
	const struct log *log; /* told once, when it ends; NULL: nobody */
	uint32_t failures_in_a_row;
	uint32_t busy_in_a_row;
	bool ended;
};

static inline bool device_standing_ended(const struct device_standing *standing)
{
	return __atomic_load_n(&standing->ended, __ATOMIC_RELAXED);
}

void device_standing_success(struct device_standing *standing);

/* A unit went to software for want of room in its queue. */
void device_standing_busy(struct device_standing *standing, const char *name);

/* `name` is the device's; the unit tells what it answered. */
void device_standing_failure(struct device_standing *standing, const char *name,
			     const struct unit *unit);

/* At once: it took units and does not give them back. */
void device_standing_end(struct device_standing *standing, const char *name,
			 const char *why);

#endif
