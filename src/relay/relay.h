/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay.h - everything between two connections of main and two sets of page channels.
 *
 *	QEMU ─▶ inlets ─▶ exchange ─▶ outlets ─▶ session      half of a relay, at the source
 *	session ─▶ inlets ─▶ exchange ─▶ outlets ─▶ QEMU      the other half
 *	QEMU ─▶ inlets ─▶ exchange ─▶ outlets ─▶ QEMU         one-sided: one godwit does both
 *
 * Main passes verbatim in both directions at once but for the edits of main_scan.h.  A thread a
 * page channel, one a direction of main, and beside a session one that tells the other half every
 * second at least that it is there, and at the destination what has been delivered.  Waits for a QEMU
 * are without limit: it may have nothing to say for as long as it likes.  But where one takes nothing,
 * the other godwit is not read either, and when no byte of that has been for patience_ms, it may be
 * gone, and that is a failure.
 *
 * The first failure ends all.  At the source QEMU's main is then cut at once, so that it fails its
 * migration and its guest goes on; its page channels are read on to their end, which is QEMU's to
 * make.  At the destination they stay open, for a QEMU must not
 * see a page channel end early: whoever stops the relay has the guardian end them. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "base/queue.h"
#include "relay/exchange.h"
#include "relay/inlet.h"
#include "relay/main_scan.h"
#include "relay/outlet.h"
#include "relay/return_scan.h"
#include "relay/window.h"

/* One end; borrowed until relay_stop(). */
struct relay_end {
	/* A QEMU's: */
	struct channel *main;
	struct channel *const *pages;
	/* or a session's: */
	struct session_link *main_link;
	struct session_link *const *page_links;
	uint32_t count; /* of page channels or links */
};

struct relay_options {
	struct relay_end from, to;
	bool guarded; /* `to` is a QEMU that a guardian stands by: main waits at barriers, */
	bool aligned; /* and behind UNIX sockets: port.h */
	struct main_scan_edits edits;
	const struct dialect *dialect; /* of packets towards `to` */
	const struct codec *codec;     /* likewise */
	int level;
	enum accelerator accelerator;
	uint32_t engine_jobs;
	uint64_t downtime_limit_ms;
	struct throttle *throttle; /* of page packets and main towards `to`; or NULL */
	int patience_ms; /* for a word of the other godwit, which says one every second */
	struct queue
		*words; /* of json_t *: what it says (hello.h), in order; may be NULL */
	const struct log *log;
};

struct relay;

/* `interrupt` is the relay's own: it is raised with the first failure. */
struct relay *relay_start(const struct relay_options *options,
			  struct interrupt *interrupt, struct gw_error *err);

/* Ends all waits; the first failure stays what it is. */
void relay_cancel(struct relay *relay);

bool relay_failed(const struct relay *relay);
/* The first failure: always returns -1. */
int relay_error(const struct relay *relay, struct gw_error *err);

/* QEMU at `from` closed main and all its page channels, and all that came of them is on its way. */
bool relay_ended(const struct relay *relay);

struct relay_figures {
	uint64_t wire_bytes; /* over the network, both directions; towards QEMUs: `to` */
	uint64_t
		guest_bytes; /* of pages with contents, packet headers and main from `from` */
	uint64_t in_flight, most_in_flight;
	uint64_t memory_bytes; /* of parcels */
	uint64_t normal_pages, zero_pages;
	const char *engine; /* who encodes, or decodes; "" for none */
	bool shut;	    /* QEMU at `to` said how it went, and it is: */
	uint32_t shut_value;
	/* Of what passed on main. */
	bool setup_ended, setup_flushed;
	bool postcopy_running;
	bool ram_ended; /* all of the memory has passed: in precopy */
};

void relay_figures(const struct relay *relay, struct relay_figures *figures);

void relay_set_downtime_limit(struct relay *relay, uint64_t ms);

/* Cuts what is left of a source and joins.  Raise the interrupt (relay_cancel()) first unless
 * relay_failed(): also behind the end of main the other godwit may have something to say. */
void relay_stop(struct relay *relay);

#endif
