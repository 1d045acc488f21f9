/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run_state.h - whether the guest runs here, and whether it may: never at two places.
 *
 *	prelaunch ─cont─▶ running ◀─stop, cont─▶ paused
 *	inmigrate ─arrival─▶ running, or paused as it left
 *	any ─migration pauses─▶ finish-migrate ─▶ as before, or postmigrate
 *
 * From postmigrate nothing leads back but run_state_cont() with `force`, for somebody who knows
 * that the guest does not run at the other place.  Names, STOP and RESUME are QEMU's.
 *
 * Owned and used by the vm's thread.  The guest is borrowed. */
#ifndef VM_RUN_STATE_H
#define VM_RUN_STATE_H

#include <stdbool.h>

#include "guest/guest.h"
#include "migrate/sender.h"
#include "vm/events.h"

enum run_state_id {
	RUN_STATE_PRELAUNCH,
	RUN_STATE_RUNNING,
	RUN_STATE_PAUSED,
	RUN_STATE_INMIGRATE, /* the guest is the receiver's thread's until it has arrived */
	RUN_STATE_FINISH_MIGRATE,
	RUN_STATE_POSTMIGRATE,
};

struct run_state {
	struct guest *guest;
	const struct events *events;
	enum run_state_id id;
	enum run_state_id before; /* of finish-migrate */
	/* The owner wants it to run, wherever it is. */
	bool wanted;
	/* Of postmigrate: whether it is known to run elsewhere, and where that is. */
	enum guest_whereabouts whereabouts;
	char gone_to[512];
};

void run_state_init(struct run_state *run, struct guest *guest,
		    const struct events *events, bool incoming, bool wanted);

const char *run_state_name(const struct run_state *run);

/* As the commands of these names.  GW_USAGE with QEMU's text, or why the guest must not run. */
int run_state_stop(struct run_state *run, struct gw_error *err);
int run_state_cont(struct run_state *run, bool force, struct gw_error *err);

/* A migration away pauses the guest, and gives it back when it failed. */
int run_state_finish_migrate(struct run_state *run, struct gw_error *err);
int run_state_return(struct run_state *run, struct gw_error *err);
/* It is gone, or may be. */
void run_state_left(struct run_state *run, enum guest_whereabouts whereabouts,
		    const char *to);

/* All of a guest has come: it goes on as it left. */
int run_state_arrive(struct run_state *run, struct gw_error *err);

#endif
