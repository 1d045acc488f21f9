/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* incoming.h - one migration to this vm: a listener, a receiver and its thread.
 *
 * Owned by the vm's thread, which makes all calls.  The guest is the receiver's thread's until
 * all of it has arrived; whether it runs then is decided on the vm's thread, through the mailbox. */
#ifndef VM_INCOMING_H
#define VM_INCOMING_H

#include "channel/address.h"
#include "migrate/receiver.h"
#include "vm/mailbox.h"
#include "vm/run_state.h"

struct incoming_options {
	/* Without guest and state_changed, which are this one's own. */
	struct receiver_options receiving;
	struct address at;
	struct run_state *run;
	struct mailbox *mailbox;
	/* On the vm's thread, while it reads the mailbox. */
	void (*changed)(void *state, enum migration_state now);
	void (*ended)(void *state); /* the last; incoming_end() is to follow */
	void *state;
};

struct incoming;

/* Listens from here on.  *options is copied, what it points to borrowed. */
struct incoming *incoming_start(const struct incoming_options *options,
				struct gw_error *err);

/* Where to connect to; "" for a connection that was inherited. */
const char *incoming_uri(const struct incoming *incoming);

void incoming_cancel(struct incoming *incoming);

/* After ended(): joins the thread, frees it; what the receiver said. */
int incoming_end(struct incoming *incoming, struct receiver_report *report,
		 struct gw_error *err);

#endif
