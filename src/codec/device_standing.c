/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_standing.c - how a device does in one migration. */
#include "codec/device_standing.h"

#include "base/log.h"

/* True for the one caller who has ended it. */
static bool end(struct device_standing *standing)
{
	return !__atomic_exchange_n(&standing->ended, true, __ATOMIC_ACQ_REL);
}

void device_standing_success(struct device_standing *standing)
{
	/* Nearly always 0 already: no need to take the line away from the other channels. */
	if (__atomic_load_n(&standing->failures_in_a_row, __ATOMIC_RELAXED) > 0)
		__atomic_store_n(&standing->failures_in_a_row, 0, __ATOMIC_RELAXED);
	if (__atomic_load_n(&standing->busy_in_a_row, __ATOMIC_RELAXED) > 0)
		__atomic_store_n(&standing->busy_in_a_row, 0, __ATOMIC_RELAXED);
}

void device_standing_busy(struct device_standing *standing, const char *name)
{
	uint32_t busy = __atomic_add_fetch(&standing->busy_in_a_row, 1, __ATOMIC_RELAXED);

	if (busy == DEVICE_BUSY_TOLD)
		log_line(standing->log, LOG_LEVEL_WARNING,
			 "%s: its queue was full for %u units in a row, which software "
			 "computed: is it alive?",
			 name, busy);
}

void device_standing_failure(struct device_standing *standing, const char *name,
			     const struct unit *unit)
{
	uint32_t failures =
		__atomic_add_fetch(&standing->failures_in_a_row, 1, __ATOMIC_RELAXED);

	if (failures < DEVICE_FAILURES_MAX || !end(standing))
		return;
	log_line(standing->log, LOG_LEVEL_WARNING,
		 "%s: %u failures in a row, the last: %s (%d): software computes for the "
		 "rest "
		 "of this migration",
		 name, failures, unit->why, unit->code);
}

void device_standing_end(struct device_standing *standing, const char *name,
			 const char *why)
{
	if (!end(standing))
		return;
	log_line(standing->log, LOG_LEVEL_WARNING,
		 "%s: %s: software computes for the rest of this migration", name, why);
}
