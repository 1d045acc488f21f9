/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* incoming.c - one migration to this vm: a listener, a receiver and its thread. */
#include "vm/incoming.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "channel/listener.h"
#include "channel/socket.h"

#define CONNECT_PATIENCE_MS 10000

struct incoming {
	struct incoming_options options;
	struct destination_machine machine;
	struct receiver *receiver;
	/* One of them. */
	struct listener *listener;
	struct arrivals inherited;
	char uri[512];
	pthread_t thread;
	bool cancelled;
	/* The thread's own, until it has ended. */
	struct receiver_report report;
	struct gw_error err;
	int status;
};

/* ---- on the migration's thread ---- */

static int start_here(void *state, void *unused, struct gw_error *err)
{
	const struct incoming *i = state;

	(void)unused;
	/* The vm is about to end, and the source has not let go. */
	if (i->cancelled)
		return fail(err, GW_CANCELLED, "cancelled");
	return run_state_arrive(i->options.run, err);
}

static int load_guest(void *state, const char *name, uint32_t instance, uint32_t version,
		      bool early, struct cursor *in, struct gw_error *err)
{
	const struct incoming *i = state;

	return guest_load(i->options.run->guest, name, instance, version, early, in, err);
}

static int start_guest(void *state, struct gw_error *err)
{
	struct incoming *i = state;

	return mailbox_call(i->options.mailbox, start_here, i, NULL, err);
}

static void changed(void *state, const void *now)
{
	const struct incoming *i = state;

	i->options.changed(i->options.state, *(const enum migration_state *)now);
}

static void ended(void *state, const void *nothing)
{
	const struct incoming *i = state;

	(void)nothing;
	i->options.ended(i->options.state);
}

static void tell_state(void *state, enum migration_state now)
{
	struct incoming *i = state;

	mailbox_post(i->options.mailbox, changed, i, &now, sizeof(now));
}

static void *run_thread(void *state)
{
	struct incoming *i = state;

	if (i->listener)
		i->status =
			receiver_listen(i->receiver, i->listener, &i->report, &i->err);
	else
		i->status = receiver_run(i->receiver, &i->inherited, &i->report, &i->err);
	mailbox_post(i->options.mailbox, ended, i, NULL, 0);
	return NULL;
}

/* ---- on the vm's thread ---- */

static void incoming_free(struct incoming *incoming)
{
	if (!incoming)
		return;
	listener_free(incoming->listener);
	channel_free(incoming->inherited.main);
	receiver_free(incoming->receiver);
	free(incoming);
}
DEFINE_OWNED(incoming)

static int listen_for_it(struct incoming *i, struct gw_error *err)
{
	i->listener =
		listener_open(&i->options.at, (int)i->options.receiving.channel_count + 1,
			      receiver_interrupt(i->receiver), err);
	if (!i->listener)
		return -1;
	snprintf(i->uri, sizeof(i->uri), "%s", listener_uri(i->listener));
	return 0;
}

/* fd:N is a socket that listens or the one connection. */
static int meet(struct incoming *i, struct gw_error *err)
{
	bool is_listening = true;

	if (i->options.at.kind == ADDRESS_FD &&
	    socket_inherit(&i->options.at, &is_listening, err) < 0)
		return socket_fail_in(err, &i->options.at);
	if (is_listening)
		return listen_for_it(i, err);
	if (i->options.receiving.channel_count > 0)
		return fail(err, GW_USAGE,
			    "multifd is not supported by current protocol");
	i->inherited.main =
		channel_connect(&i->options.at, receiver_interrupt(i->receiver),
				CONNECT_PATIENCE_MS, err);
	return i->inherited.main ? 0 : -1;
}

struct incoming *incoming_start(const struct incoming_options *options,
				struct gw_error *err)
{
	OWNED(incoming) struct incoming *i = calloc(1, sizeof(*i));
	int failed;

	if (!i) {
		fail_sys(err, ENOMEM, "migration");
		return NULL;
	}
	i->options = *options;
	i->machine = (struct destination_machine){ i, load_guest, start_guest };
	i->options.receiving.guest = &i->machine;
	i->options.receiving.state_changed = tell_state;
	i->options.receiving.state_changed_state = i;
	i->receiver = receiver_new(&i->options.receiving,
				   guest_ram(i->options.run->guest), err);
	if (!i->receiver || meet(i, err) < 0)
		return NULL;
	failed = pthread_create(&i->thread, NULL, run_thread, i);
	if (failed) {
		fail_sys(err, failed, "thread");
		return NULL;
	}
	return MOVE(i);
}

const char *incoming_uri(const struct incoming *incoming)
{
	return incoming->uri;
}

void incoming_cancel(struct incoming *incoming)
{
	incoming->cancelled = true;
	receiver_cancel(incoming->receiver);
}

int incoming_end(struct incoming *incoming, struct receiver_report *report,
		 struct gw_error *err)
{
	int status;

	pthread_join(incoming->thread, NULL);
	*report = incoming->report;
	status = incoming->status;
	if (status < 0)
		*err = incoming->err;
	incoming_free(incoming);
	return status;
}
