/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outgoing.c - one migration away from this vm: a sender and its thread. */
#include "vm/outgoing.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define CONNECT_PATIENCE_MS 10000

static_assert(sizeof(struct sender_progress) <= MAILBOX_NOTE_BYTES,
	      "progress fits into a note");

struct outgoing {
	struct outgoing_options options;
	struct source_machine machine;
	struct sender *sender;
	pthread_t thread;
	/* The thread's own, until it has ended. */
	enum migration_state state_told;
	struct sender_report report;
	struct gw_error err;
	int status;
};

/* ---- on the migration's thread: the guest is asked for ---- */

static int pause_here(void *run, void *unused, struct gw_error *err)
{
	(void)unused;
	return run_state_finish_migrate(run, err);
}

static int resume_here(void *run, void *unused, struct gw_error *err)
{
	(void)unused;
	return run_state_return(run, err);
}

static int save_early_here(void *state, void *saved, struct gw_error *err)
{
	struct run_state *run = state;

	return guest_save_early(run->guest, saved, err);
}

static int save_here(void *state, void *saved, struct gw_error *err)
{
	struct run_state *run = state;

	return guest_save(run->guest, run->wanted, saved, err);
}

static int save_early(void *state, struct device_state *saved, struct gw_error *err)
{
	struct outgoing *o = state;

	return mailbox_call(o->options.mailbox, save_early_here, o->options.run, saved,
			    err);
}

static int pause_guest(void *state, struct gw_error *err)
{
	struct outgoing *o = state;

	return mailbox_call(o->options.mailbox, pause_here, o->options.run, NULL, err);
}

static int save_guest(void *state, struct device_state *saved, struct gw_error *err)
{
	struct outgoing *o = state;

	return mailbox_call(o->options.mailbox, save_here, o->options.run, saved, err);
}

static int resume_guest(void *state, struct gw_error *err)
{
	struct outgoing *o = state;

	return mailbox_call(o->options.mailbox, resume_here, o->options.run, NULL, err);
}

static void throttle_guest(void *state, uint32_t percent)
{
	const struct outgoing *o = state;

	guest_throttle(o->options.run->guest, percent);
}

static struct channel *connect_channel(void *state, uint32_t index,
				       const struct interrupt *interrupt,
				       struct gw_error *err)
{
	const struct outgoing *o = state;

	(void)index;
	return channel_connect(&o->options.to, interrupt, CONNECT_PATIENCE_MS, err);
}

/* ---- on the migration's thread: what it tells ---- */

static void told(void *state, const void *progress)
{
	const struct outgoing *o = state;

	o->options.told(o->options.state, progress);
}

static void ended(void *state, const void *nothing)
{
	const struct outgoing *o = state;

	(void)nothing;
	o->options.ended(o->options.state);
}

/* A report may be lost when the vm is busy; a change of state may not. */
static void tell_progress(void *state, const struct sender_progress *progress)
{
	struct outgoing *o = state;

	if (progress->state == o->state_told) {
		mailbox_offer(o->options.mailbox, told, o, progress, sizeof(*progress));
		return;
	}
	o->state_told = progress->state;
	mailbox_post(o->options.mailbox, told, o, progress, sizeof(*progress));
}

static void *run_thread(void *state)
{
	struct outgoing *o = state;

	o->status = sender_run(o->sender, &o->report, &o->err);
	mailbox_post(o->options.mailbox, ended, o, NULL, 0);
	return NULL;
}

/* ---- on the vm's thread ---- */

static void outgoing_free(struct outgoing *outgoing)
{
	if (!outgoing)
		return;
	sender_free(outgoing->sender);
	free(outgoing);
}
DEFINE_OWNED(outgoing)

struct outgoing *outgoing_start(const struct outgoing_options *options,
				struct gw_error *err)
{
	OWNED(outgoing) struct outgoing *o = calloc(1, sizeof(*o));
	struct guest *guest = options->run->guest;
	struct dirty_tracker *tracker;
	int failed;

	if (!o) {
		fail_sys(err, ENOMEM, "migration");
		return NULL;
	}
	o->options = *options;
	o->options.sending.connect = connect_channel;
	o->options.sending.connect_state = o;
	o->options.sending.progress = tell_progress;
	o->options.sending.progress_state = o;
	o->machine = (struct source_machine){
		o, save_early, pause_guest, save_guest, resume_guest, throttle_guest,
	};
	tracker = guest_tracker(guest, err);
	if (!tracker)
		return NULL;
	o->sender = sender_new(&o->options.sending, guest_ram(guest), tracker,
			       &o->machine, err);
	if (!o->sender)
		return NULL;
	failed = pthread_create(&o->thread, NULL, run_thread, o);
	if (failed) {
		fail_sys(err, failed, "thread");
		return NULL;
	}
	return MOVE(o);
}

bool outgoing_cancel(struct outgoing *outgoing)
{
	return sender_cancel(outgoing->sender);
}

void outgoing_continue(struct outgoing *outgoing)
{
	sender_continue(outgoing->sender);
}

void outgoing_set_limits(struct outgoing *outgoing, uint64_t max_bandwidth,
			 uint64_t downtime_limit_ms)
{
	sender_set_max_bandwidth(outgoing->sender, max_bandwidth);
	sender_set_downtime_limit(outgoing->sender, downtime_limit_ms);
}

int outgoing_end(struct outgoing *outgoing, struct sender_report *report,
		 struct gw_error *err)
{
	int status;

	pthread_join(outgoing->thread, NULL);
	*report = outgoing->report;
	status = outgoing->status;
	if (status < 0)
		*err = outgoing->err;
	outgoing_free(outgoing);
	return status;
}
