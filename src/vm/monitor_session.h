/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor_session.h - one who talks to the human monitor: lines in, a prompt and answers out.
 *
 * It never waits: its owner polls what it watches and calls it, all from the vm's thread.  While
 * an answer is not read, or a migration is waited for, nothing more is taken from it: a session
 * holds back nobody but itself. */
#ifndef VM_MONITOR_SESSION_H
#define VM_MONITOR_SESSION_H

#include <poll.h>

#include "base/own.h"
#include "vm/controls.h"

struct monitor_session;

/* Of a connection, which is taken over (also on failure): lines end with CRLF there. */
struct monitor_session *monitor_session_accept(struct controls *controls, int fd,
					       struct gw_error *err);
/* Of standard input and output, which are borrowed. */
struct monitor_session *monitor_session_stdio(struct controls *controls,
					      struct gw_error *err);
void monitor_session_free(struct monitor_session *session); /* NULL is fine */
DEFINE_OWNED(monitor_session)

/* What to poll: always two entries, input and output; fd -1 where there is nothing to wait for. */
void monitor_session_watch(const struct monitor_session *session, struct pollfd fds[2]);

/* After poll(), those entries as they came back, and whenever a migration may have ended.  False
 * when it is over; on standard input it never is. */
bool monitor_session_serve(struct monitor_session *session, const struct pollfd fds[2]);

/* Whether a whole line waits that could be run now: then poll() must not wait. */
bool monitor_session_ready(const struct monitor_session *session);

#endif
