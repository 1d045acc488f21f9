/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* destination_hold.h - a receiving QEMU does not run its guest before it is told to.
 *
 * QMP `stop` while it is `inmigrate`, `cont` when the source is known to have completed.  A guest
 * that was paused at the source arrives so, in the run state that it had there. */
#ifndef SENDRECV_DESTINATION_HOLD_H
#define SENDRECV_DESTINATION_HOLD_H

#include "drive/qmp_peer.h"

/* Checks that it is inmigrate, and holds it. */
int destination_hold(struct qmp_peer *peer, struct gw_error *err);

enum held_state {
	HELD_LOADING,  /* still inmigrate, or not done with it */
	HELD_COMPLETE, /* has the whole guest, paused */
	HELD_POSTCOPY, /* has what it needs to run, and will fetch the rest; paused */
	HELD_RUNNING,  /* it runs already */
	HELD_FAILED,   /* the migration failed there */
	HELD_GONE,     /* no such process any more */
};

/* What it is at now.  -1: it does not answer, and its process is there. */
int destination_look(struct qmp_peer *peer, enum held_state *state, struct gw_error *err);

/* Waits until it is not HELD_LOADING, or timeout_ms (then it is, and that is no error). */
int destination_await(struct qmp_peer *peer, int timeout_ms, enum held_state *state,
		      struct gw_error *err);

/* Tells it to run the guest (`cont`), and then sees that it does. */
int destination_let_go(struct qmp_peer *peer, struct gw_error *err);
int destination_await_running(struct qmp_peer *peer, struct gw_error *err);

#endif
