/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo.h - a guest moves from one process of ours to another, and what that took.
 *
 * Source and destination are child processes that share no mapping; all they have of each other
 * is the migration's connections.  The parent tells them when to go and compares what they say.
 *
 *	parent ──link── source       fills RAM, runs the guest, sends it
 *	   └─────link── destination  receives, checks, runs the guest on
 */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include "base/interrupt.h"
#include "base/log.h"
#include "codec/accelerator.h"
#include "codec/codec.h"
#include "demo/result.h"
#include "guest/guest.h"
#include "wire/dialect.h"

struct demo_options {
	struct guest_options guest; /* its console is the demo's */
	const struct fill *fill;
	uint32_t threads; /* that fill and check RAM; the migration has its own */

	uint32_t channels;
	const struct dialect *dialect;
	/* The type in the stream; NULL: the guest's own; "none": no device state, for a
	 * QEMU -M none. */
	const char *machine;
	uint64_t max_bandwidth;
	uint64_t downtime_limit_ms;
	bool auto_converge; /* as QEMU does unless told otherwise */
	bool return_path;
	/* Of both sides.  The simulated device is as it was set in this process. */
	enum accelerator accelerator;
	uint32_t accelerator_jobs; /* 0: default */
	int patience_ms;

	const char *uri; /* where our destination listens */
	const char *to;	 /* somebody else's destination instead; NULL: ours */
	const char
		*dump_directory; /* the source's RAM as it was at switchover; or NULL */
	bool flip_byte; /* spoil one byte at the destination, to see the proof fail */

	const struct log *log;
	/* About ten times a second: a line for people. */
	void (*progress)(void *state, const char *line);
	/* What they should know that stays: the guest will not converge. */
	void (*note)(void *state, const char *line);
	void *people; /* of both */
};

/* Where the guest is now. */
enum demo_end {
	DEMO_DONE,	/* it moved */
	DEMO_FAILED,	/* it runs on at the source */
	DEMO_CANCELLED, /* likewise */
	DEMO_UNKNOWN,	/* paused at the source; nobody knows about the destination */
	DEMO_LOST,	/* no process holds it */
};

/* One migration.  `stop` (borrowed) cancels it when raised.  `result` is filled in as far as it
 * got; result->error names what failed.  -1 with *err: it could not even begin. */
int demo_run(const struct demo_options *options, const struct codec *codec, int level,
	     const struct interrupt *stop, struct result *result, enum demo_end *end,
	     struct gw_error *err);

#endif
