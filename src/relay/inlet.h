/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inlet.h - one page channel in: packets read, decoded if need be, put into the exchange.
 *
 * A thread that owns its port, its engine states (by the method in each packet's flags) and its
 * counters.  Names of blocks and lengths are for the QEMU behind the relay to know; here offsets
 * have to be aligned and everything else within the bounds of wire/multifd_packet.h. */
#ifndef RELAY_INLET_H
#define RELAY_INLET_H

#include "codec/device_standing.h"
#include "codec/engine.h"
#include "migrate/counters.h"
#include "migrate/outcome.h"
#include "relay/exchange.h"
#include "relay/port.h"
#include "relay/window.h"

struct inlet_options {
	uint32_t index;
	const char *name; /* "QEMU's page channel", for errors: "<name> 3: ..." */
	struct exchange *exchange;
	/* Taken from before a payload is read, on a link before it goes on; NULL: none. */
	struct window *window;
	struct outcome *outcome;
	/* Called once after outcome_fail(), from the thread, also when that was for a cancel or
	 * since the exchange was closed; closes exchange and windows. */
	void (*failed)(void *state);
	void *state;
	/* After a failure reads on and throws away, until the channel ends or is cut: a QEMU that
	 * waits for its channels to have sent (before 8.2 for ever, when one of them breaks) comes to
	 * see that its main channel is cut. */
	bool drains;
	enum accelerator accelerator;
	uint32_t engine_jobs;
	struct device_standing *standing;
};

struct inlet;

/* What `port` and `options` point to is borrowed until inlet_stop(). */
struct inlet *inlet_start(const struct inlet_options *options, const struct port *port,
			  struct gw_error *err);
const struct counters *inlet_counters(const struct inlet *inlet);
/* The engine that decodes at present; NULL: none was needed. */
const char *inlet_engine(const struct inlet *inlet);
/* Joins: raise the interrupt and close the exchange first unless all has ended.  NULL is fine. */
void inlet_stop(struct inlet *inlet);

#endif
