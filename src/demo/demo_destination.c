/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo_destination.c - the demo's destination process. */
#include "demo/demo_destination.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "channel/listener.h"
#include "guest/process_machine.h"
#include "guest/proof.h"
#include "migrate/receiver.h"

struct destination {
	const struct demo_options *options;
	struct link *link;
	struct receiver *receiver;
	/* The thread that hears a cancel. */
	pthread_t hearer;
	struct interrupt *done;
	struct ram ram;
	struct process_state state;
	bool loaded;
	struct process_machine *machine;
	uint64_t cpu_ns; /* of this process when everything had arrived */
	uint64_t verify_ns;
	char sum[PROOF_CHECKSUM_CHARS];
};

static int load_guest(void *state, const char *name, uint32_t instance, uint32_t version,
		      bool early, struct cursor *in, struct gw_error *err)
{
	struct destination *destination = state;

	if (strcmp(name, PROCESS_STATE_NAME) != 0 || instance != PROCESS_STATE_INSTANCE ||
	    version != PROCESS_STATE_VERSION || destination->loaded)
		return fail(
			err, GW_PEER,
			"instance %u version %u: one \"%s\", instance %u version %u, is "
			"expected",
			instance, version, PROCESS_STATE_NAME, PROCESS_STATE_INSTANCE,
			PROCESS_STATE_VERSION);
	destination->loaded = true;
	return process_state_decode(in, &destination->ram, &destination->state, err);
}

/* Everything is here: take its checksum while nothing runs, then run. */
static int start_guest(void *state, struct gw_error *err)
{
	struct destination *destination = state;
	uint64_t start_ns = clock_now_ns();

	destination->cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (!destination->loaded)
		return fail(err, GW_PEER, "the stream ended without the guest's state");
	if (destination->options->flip_byte)
		destination->ram.blocks[0]
			->host[destination->options->memory_bytes / 2] ^= 1;
	if (proof_checksum(&destination->ram, destination->options->threads,
			   destination->sum, err) < 0)
		return -1;
	destination->verify_ns = clock_now_ns() - start_ns;
	destination->machine =
		process_machine_new(&destination->ram, &destination->state, err);
	if (!destination->machine)
		return -1;
	if (process_machine_start(destination->machine, err) == 0)
		return 0;
	/* What of it runs must not, for the source's guest goes on. */
	process_machine_free(MOVE(destination->machine));
	return -1;
}

static void *hear_cancel(void *state)
{
	struct destination *destination = state;
	struct gw_error err;

	/* A parent that is gone cancels too. */
	if (interrupt_poll(destination->done, destination->link->fd, POLLIN, -1, &err) >
	    0) {
		json_decref(link_receive(destination->link, 0, &err));
		receiver_cancel(destination->receiver);
	}
	return NULL;
}

static int receive(struct destination *destination, struct listener *listener,
		   struct gw_error *err)
{
	struct receiver_report report;
	struct gw_error why;
	uint64_t cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	int failed = pthread_create(&destination->hearer, NULL, hear_cancel, destination);

	if (failed)
		return fail_sys(err, failed, "thread");
	failed = receiver_listen(destination->receiver, listener, &report, &why);
	interrupt_raise(destination->done);
	pthread_join(destination->hearer, NULL);
	if (failed < 0)
		return link_send(
			destination->link,
			json_pack("{ss ss}", "event", "failed", "error", why.text), err);
	return link_send(destination->link,
			 json_pack("{ss sI sI sI sI ss}", "event", "arrived",
				   "started_at_ns", (json_int_t)report.started_at_ns,
				   "verify_ns", (json_int_t)destination->verify_ns,
				   "cpu_ns", (json_int_t)(destination->cpu_ns - cpu_ns),
				   "wire_bytes", (json_int_t)report.wire_bytes,
				   "checksum", destination->sum),
			 err);
}

/* The guest has run on for a while: is it still itself? */
static int conclude(struct destination *destination, struct link *link,
		    struct gw_error *err)
{
	struct process_counters counters;
	struct process_state state;
	struct gw_error why = { 0 };
	json_t *order = link_receive(link, -1, err);
	int sound;

	if (!order)
		return -1;
	json_decref(order);
	process_machine_pause(destination->machine);
	counters = process_machine_counters(destination->machine);
	process_machine_state(destination->machine, &state);
	sound = proof_process(&destination->ram, &state, NULL, &why);
	return link_send(link,
			 json_pack("{ss sb ss sI sI sI}", "event", "result", "sound",
				   sound == 0, "error", why.text, "heartbeat_before",
				   (json_int_t)destination->state.heartbeat, "heartbeat",
				   (json_int_t)state.heartbeat, "gap_ns",
				   (json_int_t)counters.arrival_gap_ns),
			 err);
}

static int meet(struct destination *destination, struct listener **listener,
		const struct receiver_options *receiving, struct gw_error *err)
{
	const struct demo_options *options = destination->options;
	struct address at;

	if (ram_allocate(&destination->ram, DEMO_BLOCK, options->memory_bytes, err) < 0 ||
	    address_parse(&at, options->uri, err) < 0)
		return -1;
	destination->done = interrupt_new(err);
	destination->receiver = destination->done
					? receiver_new(receiving, &destination->ram, err)
					: NULL;
	if (!destination->receiver)
		return -1;
	*listener = listener_open(&at, (int)options->channels + 1,
				  receiver_interrupt(destination->receiver), err);
	if (!*listener)
		return fail_in(err, "--uri");
	return link_send(destination->link,
			 json_pack("{ss ss}", "event", "listening", "uri",
				   listener_uri(*listener)),
			 err);
}

int demo_destination(const struct demo_options *options, struct link *link,
		     struct gw_error *err)
{
	struct destination destination = { .options = options, .link = link };
	const struct destination_machine guest = { &destination, load_guest,
						   start_guest };
	const struct receiver_options receiving = {
		.channel_count = options->channels,
		.dialect = options->dialect,
		.machine = options->machine,
		.guest = &guest,
		.patience_ms = options->patience_ms,
		.log = options->log,
	};
	struct listener *listener = NULL;
	int failed;

	ram_init(&destination.ram);
	failed = meet(&destination, &listener, &receiving, err);
	if (failed == 0)
		failed = receive(&destination, listener, err);
	if (failed == 0 && destination.machine)
		failed = conclude(&destination, link, err);
	listener_free(listener);
	receiver_free(destination.receiver);
	interrupt_free(destination.done);
	process_machine_free(destination.machine);
	ram_deinit(&destination.ram);
	return failed;
}
