/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outgoing.h - one migration away from this vm: a sender and its thread.
 *
 * Owned by the vm's thread, which makes all calls.  What the sender wants of the guest comes to
 * that thread through the mailbox; the guest's memory and dirty tracker are the sender's to read
 * until it has ended. */
#ifndef VM_OUTGOING_H
#define VM_OUTGOING_H

#include "channel/address.h"
#include "migrate/sender.h"
#include "vm/mailbox.h"
#include "vm/run_state.h"

struct outgoing_options {
	/* Without connect and progress, which are this one's own. */
	struct sender_options sending;
	struct address to;
	struct run_state *run;
	struct mailbox *mailbox;
	/* On the vm's thread, while it reads the mailbox. */
	void (*told)(void *state, const struct sender_progress *progress);
	void (*ended)(void *state); /* the last; outgoing_end() is to follow */
	void *state;
};

struct outgoing;

/* GW_USAGE, GW_UNSUPPORTED, GW_SYSTEM: it did not begin.  *options is copied, what it points to
 * borrowed. */
struct outgoing *outgoing_start(const struct outgoing_options *options,
				struct gw_error *err);

/* False: too late, the other side may run the guest already. */
bool outgoing_cancel(struct outgoing *outgoing);
void outgoing_continue(struct outgoing *outgoing);
void outgoing_set_limits(struct outgoing *outgoing, uint64_t max_bandwidth,
			 uint64_t downtime_limit_ms);

/* After ended(): joins the thread, frees it; what sender_run() said. */
int outgoing_end(struct outgoing *outgoing, struct sender_report *report,
		 struct gw_error *err);

#endif
