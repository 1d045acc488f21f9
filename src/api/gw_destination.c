/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_destination.c - a place for one guest of the caller's.
 *
 * The receiver is made when it is told where to listen, for until then anything may be set; it
 * lives as long as the destination does, so that a cancel that comes late finds something to
 * cancel in vain. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/callback.h"
#include "api/gw_ram.h"
#include "api/gw_status.h"
#include "api/log_bridge.h"
#include "api/settings.h"
#include "api/state_blob.h"
#include "api/struct_copy.h"
#include "channel/socket.h"
#include "migrate/receiver.h"

enum { DESTINATION_NEW, DESTINATION_LISTENING, DESTINATION_DONE };

struct gw_destination {
	struct gw_ram *ram;
	struct gw_destination_ops ops;
	void *user;
	struct gw_destination_options options;
	char machine[STREAM_NAME_MAX + 1];
	struct log_bridge log_bridge;
	const struct log *log;
	struct settings settings;

	int phase;
	atomic_bool cancelled;
	_Atomic(struct receiver *) receiver;
	struct destination_machine callbacks;
	/* One of the two, while it listens. */
	struct listener *listener;
	struct arrivals arrivals;
	char uri[sizeof(((struct address *)0)->uri)];

	struct state_blob_taken taken;
	bool started;
	struct gw_destination_report report;
};

/* ---- the caller's guest, as the receiver calls it ---- */

static int load(void *state, const char *name, uint32_t instance, uint32_t version,
		bool early, struct cursor *in, struct gw_error *err)
{
	struct gw_destination *destination = state;
	struct gw_section section = {
		.instance = instance,
		.version = version,
		.early = early,
	};
	struct gw_error said = { 0 };
	int answer;

	if (state_blob_read(in, name, &destination->taken, &section, err) < 0)
		return -1;
	answer = callback_answer(
		destination->ops.load(destination->user, &section, &said), &said, err);
	free((void *)section.bytes);
	return answer;
}

static int start(void *state, struct gw_error *err)
{
	struct gw_destination *destination = state;
	struct gw_error said = { 0 };

	if (callback_answer(destination->ops.start(destination->user, &said), &said,
			    err) < 0)
		return -1;
	destination->started = true;
	return 0;
}

static void tell_status(void *state, enum migration_state now)
{
	struct gw_destination *destination = state;

	if (destination->ops.status)
		destination->ops.status(destination->user, status_of(now));
}

/* ---- made and freed ---- */

static int take_options(struct gw_destination *destination,
			const struct gw_destination_options *options,
			struct gw_error *err)
{
	struct gw_destination_options *own = &destination->options;

	if (struct_copy(own, sizeof(*own), options, "struct gw_destination_options",
			err) < 0)
		return -1;
	if (own->machine && strlen(own->machine) > STREAM_NAME_MAX)
		return fail(err, GW_USAGE,
			    "machine \"%.40s...\": a name is at most %u bytes long",
			    own->machine, STREAM_NAME_MAX);
	if (own->machine)
		memcpy(destination->machine, own->machine, strlen(own->machine));
	own->machine = NULL; /* need not outlive the call */
	if (own->patience_ms > INT32_MAX)
		return fail(err, GW_USAGE, "patience of %u ms, at most %d are allowed",
			    own->patience_ms, INT32_MAX);
	if (own->patience_ms == 0)
		own->patience_ms = RECEIVER_PATIENCE_MS;
	destination->log = log_bridge_init(&destination->log_bridge, &own->log);
	return 0;
}

static int take_ops(struct gw_destination *destination,
		    const struct gw_destination_ops *ops, struct gw_error *err)
{
	struct gw_destination_ops *own = &destination->ops;

	if (struct_copy(own, sizeof(*own), ops, "struct gw_destination_ops", err) < 0)
		return -1;
	if (!own->load || !own->start)
		return fail(err, GW_USAGE,
			    "struct gw_destination_ops: load and start are required");
	return 0;
}

struct gw_destination *gw_destination_new(struct gw_ram *ram,
					  const struct gw_destination_ops *ops,
					  void *user,
					  const struct gw_destination_options *options,
					  struct gw_error *err)
{
	struct gw_destination *destination = calloc(1, sizeof(*destination));

	if (!destination) {
		fail_sys(err, ENOMEM, "destination");
		return NULL;
	}
	destination->ram = ram;
	destination->user = user;
	destination->callbacks = (struct destination_machine){
		.state = destination,
		.load = load,
		.start = start,
	};
	atomic_init(&destination->cancelled, false);
	atomic_init(&destination->receiver, NULL);
	settings_init(&destination->settings);
	if (take_ops(destination, ops, err) < 0 ||
	    take_options(destination, options, err) < 0 || gw_ram_settle(ram, err) < 0) {
		free(destination);
		return NULL;
	}
	return destination;
}

void gw_destination_free(struct gw_destination *destination)
{
	if (!destination)
		return;
	listener_free(destination->listener);
	arrivals_close(&destination->arrivals, 0);
	receiver_free(atomic_load(&destination->receiver));
	free(destination);
}

/* ---- settings ---- */

int gw_destination_set(struct gw_destination *destination, const char *name,
		       const char *value, struct gw_error *err)
{
	if (atomic_load(&destination->receiver))
		return fail(err, GW_USAGE,
			    "Parameter '%.100s': too late, it was told to listen", name);
	return settings_set(&destination->settings, name, value, err);
}

int gw_destination_get(const struct gw_destination *destination, const char *name,
		       char *value, size_t room, struct gw_error *err)
{
	return settings_get(&destination->settings, name, value, room, err);
}

/* ---- where the source connects ---- */

static uint32_t channel_count(const struct gw_destination *destination)
{
	const struct settings *settings = &destination->settings;

	return settings->capabilities.on[CAPABILITY_MULTIFD]
		       ? (uint32_t)parameter(&settings->parameters,
					     PARAMETER_MULTIFD_CHANNELS)
		       : 0;
}

/* Once, also when it takes more than one attempt to listen. */
static struct receiver *make_receiver(struct gw_destination *destination,
				      struct gw_error *err)
{
	struct receiver *receiver = atomic_load(&destination->receiver);
	const struct receiver_options options = {
		.channel_count = channel_count(destination),
		.machine = destination->machine,
		.memory_used = !destination->options.fresh_memory,
		.switchover_ack =
			destination->settings.capabilities.on[CAPABILITY_SWITCHOVER_ACK],
		.accelerator = parameters_accelerator(&destination->settings.parameters),
		.accelerator_jobs =
			parameters_accelerator_jobs(&destination->settings.parameters),
		.guest = &destination->callbacks,
		.patience_ms = (int)destination->options.patience_ms,
		.log = destination->log,
		.state_changed = tell_status,
		.state_changed_state = destination,
	};

	if (receiver)
		return receiver;
	receiver = receiver_new(&options, &destination->ram->ram, err);
	if (!receiver)
		return NULL;
	atomic_store(&destination->receiver, receiver);
	if (atomic_load(&destination->cancelled))
		receiver_cancel(receiver);
	return receiver;
}

/* A descriptor may be the connection itself: then it is main, and there is no other. */
static int take_connection(struct gw_destination *destination, const struct address *at,
			   const struct interrupt *interrupt, struct gw_error *err)
{
	if (channel_count(destination) > 0)
		return fail(err, GW_USAGE,
			    "Migration requires multi-channel URIs (e.g. tcp)");
	destination->arrivals.main = channel_connect(at, interrupt, -1, err);
	return destination->arrivals.main ? 0 : -1;
}

static int open_place(struct gw_destination *destination, const struct address *at,
		      const struct interrupt *interrupt, struct gw_error *err)
{
	bool listens = true;

	if (at->kind == ADDRESS_FD && socket_inherit(at, &listens, err) < 0)
		return socket_fail_in(err, at);
	if (!listens) {
		snprintf(destination->uri, sizeof(destination->uri), "%s", at->uri);
		return take_connection(destination, at, interrupt, err);
	}
	destination->listener =
		listener_open(at, (int)channel_count(destination) + 1, interrupt, err);
	if (!destination->listener)
		return -1;
	snprintf(destination->uri, sizeof(destination->uri), "%s",
		 listener_uri(destination->listener));
	return 0;
}

const char *gw_destination_listen(struct gw_destination *destination, const char *uri,
				  struct gw_error *err)
{
	struct receiver *receiver;
	struct address at;

	if (destination->phase != DESTINATION_NEW) {
		fail(err, GW_USAGE, "a destination listens once");
		return NULL;
	}
	if (address_parse(&at, uri, err) < 0)
		return NULL;
	receiver = make_receiver(destination, err);
	if (!receiver ||
	    open_place(destination, &at, receiver_interrupt(receiver), err) < 0)
		return NULL;
	destination->phase = DESTINATION_LISTENING;
	return destination->uri;
}

/* ---- the run ---- */

static int receive_guest(struct gw_destination *destination, struct receiver *receiver,
			 struct receiver_report *report, struct gw_error *err)
{
	if (destination->listener)
		return receiver_listen(receiver, destination->listener, report, err);
	return receiver_run(receiver, &destination->arrivals, report, err);
}

int gw_destination_run(struct gw_destination *destination, struct gw_error *err)
{
	struct receiver_report report;
	const struct engine_counters *engine = &report.counters.engine;
	int failed;

	if (destination->phase != DESTINATION_LISTENING)
		return fail(err, GW_USAGE, "%s",
			    destination->phase == DESTINATION_NEW
				    ? "the destination does not listen yet"
				    : "a destination runs once");
	destination->phase = DESTINATION_DONE;
	failed = receive_guest(destination, atomic_load(&destination->receiver), &report,
			       err);
	/* Who comes later is refused rather than left to wait. */
	listener_free(MOVE(destination->listener));
	arrivals_close(&destination->arrivals, 0);
	destination->report = (struct gw_destination_report){
		.status = status_of(report.state),
		.started = destination->started,
		.total_ns = report.total_ns,
		.wire_bytes = report.wire_bytes,
		.normal_pages = report.counters.normal_pages + report.main_normal_pages,
		.zero_pages = report.counters.zero_pages + report.main_zero_pages,
		.engine = receiver_report_engine(&report),
		.engine_units = engine->units,
		.device_units = engine->device_units,
		.fallback_units = engine->fallback_units,
		.device_retries = engine->retries,
		.device_failures = engine->device_failures,
		.raw_pages = engine->raw_pages,
	};
	return failed;
}

void gw_destination_cancel(struct gw_destination *destination)
{
	struct receiver *receiver;

	atomic_store(&destination->cancelled, true);
	receiver = atomic_load(&destination->receiver);
	if (receiver)
		receiver_cancel(receiver);
}

const struct gw_destination_report *
gw_destination_report(const struct gw_destination *destination)
{
	return &destination->report;
}
