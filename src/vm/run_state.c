/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run_state.c - whether the guest runs here, and whether it may: never at two places. */
#include "vm/run_state.h"

#include <stdio.h>

void run_state_init(struct run_state *run, struct guest *guest,
		    const struct events *events, bool incoming, bool wanted)
{
	*run = (struct run_state){
		.guest = guest,
		.events = events,
		.id = incoming ? RUN_STATE_INMIGRATE : RUN_STATE_PRELAUNCH,
		.wanted = wanted,
	};
}

const char *run_state_name(const struct run_state *run)
{
	static const char *const names[] = {
		[RUN_STATE_PRELAUNCH] = "prelaunch",
		[RUN_STATE_RUNNING] = "running",
		[RUN_STATE_PAUSED] = "paused",
		[RUN_STATE_INMIGRATE] = "inmigrate",
		[RUN_STATE_FINISH_MIGRATE] = "finish-migrate",
		[RUN_STATE_POSTMIGRATE] = "postmigrate",
	};

	return names[run->id];
}

static int pause_here(struct run_state *run, struct gw_error *err)
{
	int failed;

	if (run->id != RUN_STATE_RUNNING)
		return 0;
	failed = guest_pause(run->guest, err);
	/* It had stopped by itself, for good. */
	if (failed < 0)
		run->wanted = false;
	run->id = RUN_STATE_PAUSED;
	events_tell(run->events, "STOP", NULL);
	return failed;
}

static int run_here(struct run_state *run, struct gw_error *err)
{
	if (guest_run(run->guest, err) < 0)
		return -1;
	run->id = RUN_STATE_RUNNING;
	events_tell(run->events, "RESUME", NULL);
	return 0;
}

int run_state_stop(struct run_state *run, struct gw_error *err)
{
	if (pause_here(run, err) < 0)
		return -1;
	run->wanted = false;
	return 0;
}

static int refuse_second_guest(const struct run_state *run, struct gw_error *err)
{
	const char *how = "to run it here, make sure that it does not run there, then "
			  "cont with x-force true (in the monitor: cont -f)";

	if (run->whereabouts == GUEST_AT_DESTINATION)
		return fail(err, GW_USAGE, "The guest was migrated to %.60s; %s",
			    run->gone_to, how);
	return fail(err, GW_USAGE, "The guest may run at %.60s, which did not say; %s",
		    run->gone_to, how);
}

int run_state_cont(struct run_state *run, bool force, struct gw_error *err)
{
	switch (run->id) {
	case RUN_STATE_FINISH_MIGRATE:
		return fail(err, GW_USAGE, "Migration is not finalized yet");
	case RUN_STATE_INMIGRATE:
		run->wanted = true;
		return 0;
	case RUN_STATE_POSTMIGRATE:
		if (!force)
			return refuse_second_guest(run, err);
		break;
	case RUN_STATE_RUNNING:
		return 0;
	case RUN_STATE_PRELAUNCH:
	case RUN_STATE_PAUSED:
		break;
	}
	if (run_here(run, err) < 0)
		return -1;
	run->wanted = true;
	return 0;
}

int run_state_finish_migrate(struct run_state *run, struct gw_error *err)
{
	enum run_state_id before = run->id;

	if (pause_here(run, err) < 0)
		return -1;
	run->before = before;
	run->id = RUN_STATE_FINISH_MIGRATE;
	return 0;
}

int run_state_return(struct run_state *run, struct gw_error *err)
{
	/* Somebody may have said stop meanwhile; and cont may help where resuming did not. */
	run->id = run->before == RUN_STATE_RUNNING ? RUN_STATE_PAUSED : run->before;
	return run->wanted ? run_here(run, err) : 0;
}

void run_state_left(struct run_state *run, enum guest_whereabouts whereabouts,
		    const char *to)
{
	run->id = RUN_STATE_POSTMIGRATE;
	run->whereabouts = whereabouts;
	snprintf(run->gone_to, sizeof(run->gone_to), "%s", to);
}

int run_state_arrive(struct run_state *run, struct gw_error *err)
{
	if (guest_assemble(run->guest, err) < 0)
		return -1;
	if (run->wanted && guest_was_running(run->guest))
		return run_here(run, err);
	run->wanted = false;
	run->id = RUN_STATE_PAUSED;
	return 0;
}
