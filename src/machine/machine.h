/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine.h - what a migration asks of the guest it moves.
 *
 * The only thing that migrate/ (which moves guests) and guest/ (which makes them) know of each
 * other.  Every entry of a table is required. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/error.h"

/* One device's state, sent as a FULL section. */
struct device_section {
	const char *name;
	uint32_t instance;
	uint32_t version;
	struct span body;
};

/* Belongs to the machine; good until it runs again. */
struct device_state {
	const struct device_section *sections;
	uint32_t section_count;
	const char *vmdesc; /* JSON that tells the sections' sizes (wire/vmdesc.h) */
};

/* The guest at the source.  All calls from the migration thread. */
struct source_machine {
	void *state;
	/* What a destination must accept before any memory moves: sections that are sent ahead of
	 * the first page, `vmdesc` unused.  None: section_count stays 0. */
	int (*save_early)(void *state, struct device_state *saved, struct gw_error *err);
	/* No write to RAM happens after it returns. */
	int (*pause)(void *state, struct gw_error *err);
	int (*save)(void *state, struct device_state *saved, struct gw_error *err);
	/* Runs on as if nothing had been; only called when the destination cannot be running. */
	int (*resume)(void *state, struct gw_error *err);
	/* vCPUs are kept from running for so many percent (0 to 99) of the time, until told
	 * otherwise.  0 comes last, whatever happened. */
	void (*throttle)(void *state, uint32_t percent);
};

/* The guest at the destination.  All calls from the thread that runs the receiver. */
struct destination_machine {
	void *state;
	/* Takes exactly the body of one section from `in`.  `early`: it came ahead of the first
	 * page; refusing it costs nothing yet. */
	int (*load)(void *state, const char *name, uint32_t instance, uint32_t version,
		    bool early, struct cursor *in, struct gw_error *err);
	/* Everything has arrived: run, unless the guest was paused by its owner when it left.
	 * After a failure the source goes on. */
	int (*start)(void *state, struct gw_error *err);
};

#endif
