/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* destination_hold.c - a receiving QEMU does not run its guest before it is told to. */
#include "sendrecv/destination_hold.h"

#include <string.h>

#include "base/deadline.h"
#include "drive/migration_status.h"

/* Each look is two questions to a QEMU that has other work. */
#define LOOK_NAP_NS (5 * NS_PER_MS)
/* A process closes its sockets a moment before it is gone. */
#define GONE_MS 2000
/* A guest that was told to run does so at once, but for a QEMU that is kept from it. */
#define RUN_MS 10000

int destination_hold(struct qmp_peer *peer, struct gw_error *err)
{
	struct guest_status guest;

	if (qmp_peer_guest(peer, &guest, err) < 0)
		return -1;
	if (strcmp(guest.name, "inmigrate") != 0)
		return fail(err, GW_PEER,
			    "%s: run state is %s, inmigrate is needed: start it with "
			    "-incoming defer",
			    qmp_peer_role(peer), guest.name);
	return qmp_peer_execute(peer, "stop", NULL, NULL, err);
}

static bool is_gone(const struct qmp_peer *peer)
{
	struct deadline patience = deadline_in(GONE_MS);

	while (!qmp_peer_process_is_gone(peer)) {
		if (deadline_left_ms(&patience) == 0)
			return false;
		interrupt_sleep(NULL, LOOK_NAP_NS);
	}
	return true;
}

/* Not asked at one moment: only what cannot change back by itself is told. */
static enum held_state sum_up(const struct guest_status *guest,
			      const struct migration_status *migration)
{
	if (guest->running)
		return HELD_RUNNING;
	if (migration_status_is(migration, "failed") ||
	    migration_status_is(migration, "cancelled"))
		return HELD_FAILED;
	/* QEMU may say "completed" before the guest has its run state. */
	if (strcmp(guest->name, "inmigrate") == 0)
		return HELD_LOADING;
	if (migration_status_is(migration, "completed"))
		return HELD_COMPLETE;
	/* "postcopy-device" comes before it has all devices. */
	if (migration_status_is(migration, "postcopy-active") ||
	    migration_status_is(migration, "postcopy-paused") ||
	    strncmp(migration->state, "postcopy-recover", 16) == 0)
		return HELD_POSTCOPY;
	return HELD_LOADING;
}

int destination_look(struct qmp_peer *peer, enum held_state *state, struct gw_error *err)
{
	struct migration_status migration;
	struct guest_status guest;
	json_t *answer = NULL;

	if (qmp_peer_execute(peer, "query-migrate", NULL, &answer, err) < 0 ||
	    qmp_peer_guest(peer, &guest, err) < 0) {
		json_decref(answer);
		if (err->kind == GW_CANCELLED || !is_gone(peer))
			return -1;
		*state = HELD_GONE;
		return 0;
	}
	migration_status_parse(&migration, answer);
	json_decref(answer);
	*state = sum_up(&guest, &migration);
	return 0;
}

int destination_await(struct qmp_peer *peer, int timeout_ms, enum held_state *state,
		      struct gw_error *err)
{
	struct deadline patience = deadline_in(timeout_ms);

	for (;;) {
		if (destination_look(peer, state, err) < 0)
			return -1;
		if (*state != HELD_LOADING || deadline_left_ms(&patience) == 0)
			return 0;
		interrupt_sleep(NULL, LOOK_NAP_NS);
	}
}

int destination_let_go(struct qmp_peer *peer, struct gw_error *err)
{
	return qmp_peer_execute(peer, "cont", NULL, NULL, err);
}

int destination_await_running(struct qmp_peer *peer, struct gw_error *err)
{
	struct deadline patience = deadline_in(RUN_MS);
	struct guest_status guest;

	for (;;) {
		if (qmp_peer_guest(peer, &guest, err) < 0)
			return -1;
		/* One that sleeps does so when it has been let go, too. */
		if (guest.running || strcmp(guest.name, "suspended") == 0)
			return 0;
		if (deadline_left_ms(&patience) == 0)
			return fail(err, GW_PEER,
				    "%s: cont: the run state is %s, running is expected",
				    qmp_peer_role(peer), guest.name);
		interrupt_sleep(NULL, LOOK_NAP_NS);
	}
}
