/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo_destination.c - the demo's destination process. */
#include "demo/demo_destination.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "channel/listener.h"
#include "demo/beat_log.h"
#include "guest/proof.h"
#include "migrate/receiver.h"

/* Of all registers, by each vCPU: the first may have begun at the source. */
#define CHECKS 2u

struct destination {
	const struct demo_options *options;
	struct link *link;
	struct receiver *receiver;
	/* The thread that hears a cancel. */
	pthread_t hearer;
	struct interrupt *done;
	struct guest *guest;
	struct beat_log console;
	uint64_t heartbeat; /* as it arrived */
	bool started;
	uint64_t cpu_ns; /* of this process when everything had arrived */
	uint64_t verify_ns;
	char sum[PROOF_CHECKSUM_CHARS];
};

static int load_guest(void *state, const char *name, uint32_t instance, uint32_t version,
		      bool early, struct cursor *in, struct gw_error *err)
{
	return guest_load(((struct destination *)state)->guest, name, instance, version,
			  early, in, err);
}

/* Everything is here: take its checksum while nothing runs, then run. */
static int start_guest(void *state, struct gw_error *err)
{
	struct destination *destination = state;
	const struct ram *ram = guest_ram(destination->guest);
	uint64_t start_ns;

	destination->cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (guest_assemble(destination->guest, err) < 0)
		return -1;
	destination->heartbeat = guest_heartbeat(destination->guest);
	start_ns = clock_now_ns();
	if (destination->options->flip_byte)
		ram->blocks[0]->host[ram->blocks[0]->length_bytes / 2] ^= 1;
	if (proof_checksum(ram, destination->options->threads, destination->sum, err) < 0)
		return -1;
	destination->verify_ns = clock_now_ns() - start_ns;
	if (guest_run(destination->guest, err) < 0)
		return -1;
	destination->started = true;
	return 0;
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
			 json_pack("{ss sI sI sI sI ss so}", "event", "arrived",
				   "started_at_ns", (json_int_t)report.started_at_ns,
				   "verify_ns", (json_int_t)destination->verify_ns,
				   "cpu_ns", (json_int_t)(destination->cpu_ns - cpu_ns),
				   "wire_bytes", (json_int_t)report.wire_bytes,
				   "checksum", destination->sum, "engine",
				   result_engine_tell(receiver_report_engine(&report),
						      &report.counters.engine)),
			 err);
}

/* Until it has ended the line that was under way and said one more, and each vCPU has found its
 * registers as they travelled. */
static void await_signs(const struct destination *destination)
{
	for (int i = 0; i < destination->options->patience_ms; i += 10) {
		if (beat_log_beats(&destination->console) > 0 &&
		    guest_counters(destination->guest).checks >= CHECKS)
			return;
		interrupt_sleep(NULL, 10 * NS_PER_MS);
	}
}

/* The guest has run on for a while: is it still itself? */
static int conclude(struct destination *destination, struct link *link,
		    struct gw_error *err)
{
	struct guest *guest = destination->guest;
	struct gw_error why = { 0 };
	json_t *order = link_receive(link, -1, err);
	bool sound;

	if (!order)
		return -1;
	json_decref(order);
	await_signs(destination);
	if (guest_pause(guest, err) < 0)
		return -1;
	sound = guest_prove(guest, &why) == 0;
	if (sound && guest_counters(guest).checks < CHECKS) {
		sound = false;
		fail(&why, GW_PEER, "not every vCPU has checked its registers here");
	}
	return link_send(link,
			 json_pack("{ss sb ss sI sI sI so}", "event", "result", "sound",
				   sound, "error", why.text, "heartbeat_before",
				   (json_int_t)destination->heartbeat, "heartbeat",
				   (json_int_t)guest_heartbeat(guest), "gap_ns",
				   (json_int_t)guest_counters(guest).arrival_gap_ns,
				   "console", beat_log_json(&destination->console)),
			 err);
}

static int meet(struct destination *destination, struct listener **listener,
		const struct receiver_options *receiving, struct gw_error *err)
{
	const struct demo_options *options = destination->options;
	struct guest_options guest = options->guest;
	struct address at;

	beat_log_init(&destination->console, true);
	guest.console = beat_log_hear;
	guest.console_state = &destination->console;
	destination->guest = guest_new(&guest, err);
	if (!destination->guest || address_parse(&at, options->uri, err) < 0)
		return -1;
	destination->done = interrupt_new(err);
	destination->receiver =
		destination->done
			? receiver_new(receiving, guest_ram(destination->guest), err)
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
		.machine = options->machine ? options->machine
					    : guest_machine_name(options->guest.kind),
		.guest = &guest,
		.accelerator = options->accelerator,
		.accelerator_jobs = options->accelerator_jobs,
		.patience_ms = options->patience_ms,
		.log = options->log,
	};
	struct listener *listener = NULL;
	int failed;

	failed = meet(&destination, &listener, &receiving, err);
	if (failed == 0)
		failed = receive(&destination, listener, err);
	if (failed == 0 && destination.started)
		failed = conclude(&destination, link, err);
	listener_free(listener);
	receiver_free(destination.receiver);
	interrupt_free(destination.done);
	guest_free(destination.guest);
	return failed;
}
