/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outlet.h - one page channel out: parcels taken from the exchange, encoded, written.
 *
 * A thread that owns its port, its engine state and its counters; two parcels, one in the engine
 * while the one before is written. */
#ifndef RELAY_OUTLET_H
#define RELAY_OUTLET_H

#include "relay/inlet.h"
#include "wire/dialect.h"

struct outlet_options {
	uint32_t index;
	const char *name;
	struct exchange *exchange;
	struct outcome *outcome;
	void (*failed)(void *state);
	/* After each parcel that was written whole; from the thread. */
	void (*delivered)(void *state, uint64_t parcel_bytes);
	void *state;
	/* zero_pages_in_packets false: zero pages are sent as pages with contents, for QEMU before
	 * 9.0 would keep what it had there. */
	const struct dialect *dialect;
	const struct codec *codec;
	int level;
	const struct engine *engine; /* NULL for codec "none" */
	uint32_t engine_jobs;
	struct device_standing *standing;
	uint64_t *next_packet; /* shared by all outlets of a side */
};

struct outlet;

struct outlet *outlet_start(const struct outlet_options *options, const struct port *port,
			    struct gw_error *err);
const struct counters *outlet_counters(const struct outlet *outlet);
/* True once the exchange was done and everything is written. */
bool outlet_is_done(const struct outlet *outlet);
void outlet_stop(struct outlet *outlet); /* as inlet_stop() */

#endif
