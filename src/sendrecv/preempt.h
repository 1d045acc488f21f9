/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preempt.h - post-copy's urgent pages: one more connection, forward only, verbatim, never held up.
 *
 * It comes when QEMU likes: with the others (7.2) or when it switches to post-copy.  A thread waits
 * for it, makes the way onward, and passes on what comes. */
#ifndef SENDRECV_PREEMPT_H
#define SENDRECV_PREEMPT_H

#include "base/log.h"
#include "sendrecv/legs.h"

struct preempt_options {
	/* Where it comes from: a QEMU through this door, or a session's peer. */
	struct door *door;
	struct reception *reception;
	uint8_t session[SESSION_ID_BYTES];
	/* Where it goes: to the listener of a session (out_session), or of a QEMU. */
	struct address to;
	bool to_session;
	struct guardian *guardian; /* of a QEMU here; or NULL */
	const struct interrupt *interrupt;
	int patience_ms;
	const struct log *log;
};

struct preempt;

struct preempt *preempt_start(const struct preempt_options *options,
			      struct gw_error *err);
/* Raise the interrupt first.  NULL is fine. */
void preempt_stop(struct preempt *preempt);

#endif
