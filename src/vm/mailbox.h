/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mailbox.h - what a migration's thread asks of the vm's thread, and tells it.
 *
 * Calls and notes are run on the vm's thread in the order in which they were made; who calls
 * waits for the answer.  One migration thread at a time.  The vm's thread polls mailbox_fd() and
 * then calls mailbox_read() for as long as there is a migration thread: it is what ends a wait. */
#ifndef VM_MAILBOX_H
#define VM_MAILBOX_H

#include "base/error.h"
#include "base/own.h"

#define MAILBOX_NOTE_BYTES 1024u

struct mailbox;

struct mailbox *mailbox_new(struct gw_error *err);
void mailbox_free(struct mailbox *mailbox); /* NULL is fine */
DEFINE_OWNED(mailbox)

/* The migration's thread.  What `call` returned; its error is in *err. */
int mailbox_call(struct mailbox *mailbox,
		 int (*call)(void *state, void *argument, struct gw_error *err),
		 void *state, void *argument, struct gw_error *err);

/* The migration's thread.  `argument` of at most MAILBOX_NOTE_BYTES is copied; waits for room. */
void mailbox_post(struct mailbox *mailbox,
		  void (*note)(void *state, const void *argument), void *state,
		  const void *argument, size_t length);

/* The same, but what has no room is dropped: for what the next one says as well. */
void mailbox_offer(struct mailbox *mailbox,
		   void (*note)(void *state, const void *argument), void *state,
		   const void *argument, size_t length);

/* The vm's thread. */
int mailbox_fd(const struct mailbox *mailbox);
void mailbox_read(struct mailbox *mailbox);

#endif
