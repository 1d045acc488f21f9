/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reception.h - the connections of one session: made by one side, received by the other.
 *
 * One port, N+1 connections and, in post-copy, one more. */
#ifndef SESSION_RECEPTION_H
#define SESSION_RECEPTION_H

#include "base/log.h"
#include "channel/listener.h"
#include "session/hello.h"

/* Who connects: one connection, hello said and answered, within timeout_ms for each of the two
 * steps.  *theirs gets the answer (hello_deinit()); NULL for "not of interest".  Errors begin with
 * the address: "tcp:...: the other side is no godwit recv: ..." (GW_PEER) for what answers with no
 * hello, a QEMU for instance; GW_UNSUPPORTED as hello_read()'s. */
struct session_link *session_connect(const struct address *to, const struct hello *ours,
				     const struct interrupt *interrupt, int timeout_ms,
				     struct hello *theirs, struct gw_error *err);

/* Who listens.  Owned by one thread; silent connections and garbage delay nobody and are shown out
 * after patience_ms with a log line.  What says hello and is not wanted (other protocols, another
 * session) is told why. */
struct reception;

struct reception_options {
	uint32_t formats;
	int patience_ms; /* for a hello */
	const struct log *log;
};

struct reception *reception_new(struct listener *listener,
				const struct reception_options *options,
				const struct interrupt *interrupt, struct gw_error *err);
void reception_free(struct reception *reception); /* not the listener; NULL is fine */
DEFINE_OWNED(reception)

/* The next connection that opens a session (role main): the caller answers with
 * hello_write() (session, role and index as they came) or hello_refuse().
 * Waits for ever.  NULL with *err: cancelled or the listener failed. */
struct session_link *reception_main(struct reception *reception, struct hello *theirs,
				    struct gw_error *err);

/* Connections of that session but main, answered: 1 and *link, *theirs; 0 after timeout_ms; -1.
 * Others are told that this one is busy.  theirs->index is not looked at. */
int reception_next(struct reception *reception, const uint8_t session[SESSION_ID_BYTES],
		   int timeout_ms, struct session_link **link, struct hello *theirs,
		   struct gw_error *err);

#endif
