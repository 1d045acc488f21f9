/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session_link.h - one connection of a session: records over a channel, counted and checked.
 *
 * Any thread may write (records do not interleave); one thread reads.  Errors do not name the
 * link; callers add it. */
#ifndef SESSION_SESSION_LINK_H
#define SESSION_SESSION_LINK_H

#include "base/own.h"
#include "channel/channel.h"
#include "session/record.h"

struct session_link;

/* Takes over `channel`, also on failure. */
struct session_link *session_link_new(struct channel *channel, struct gw_error *err);
void session_link_free(struct session_link *link); /* closes; NULL is fine */
DEFINE_OWNED(session_link)

/* For patience, throttle, interrupt, cut and byte counts. */
struct channel *session_link_channel(const struct session_link *link);

/* One record in one write; `body`, of at most SESSION_IOVECS_MAX, is used up, and its length is
 * within the type's bounds.  The calls of several threads follow one another under a lock, which
 * a queue in its place would cost a copy of each packet; what holds it ends with the channel's
 * interrupt or patience.  After a failure nobody can tell where the other side's next record
 * would begin, so all later calls fail as well; but an interrupt ends no record in the middle as
 * long as the connection still takes bytes, and a SESSION_CONTROL is written all the same: there
 * are last words to say. */
#define SESSION_IOVECS_MAX 140
int session_link_write(struct session_link *link, enum session_record type,
		       struct iovec *body, int count, struct gw_error *err);
int session_link_write_bytes(struct session_link *link, enum session_record type,
			     const void *body, size_t length, struct gw_error *err);

/* Reading is two steps, so that a body goes where its reader wants it: first the head, then the
 * body into memory of exactly its length, checked before this returns (also a body of none).
 * head: 1, 0 the stream ended between records, -1.  After -1, or a body that was left unread, nothing
 * can be read any more. */
int session_link_read_head(struct session_link *link, struct record_head *head,
			   struct gw_error *err);
int session_link_read_body(struct session_link *link, struct iovec *body, int count,
			   struct gw_error *err);

/* Both steps at once, within timeout_ms in all (0: what has come by now): 1; 0 not yet, and the
 * next call, with the same `body`, goes on where this one stopped; -1 also at the end of the stream
 * and for a body of more than `room` bytes. */
int session_link_read_within(struct session_link *link, int timeout_ms, void *body,
			     uint32_t room, struct record_head *head,
			     struct gw_error *err);

/* The sequence expected next: all below have come and are intact.  Any thread. */
uint64_t session_link_expected(const struct session_link *link);

#endif
