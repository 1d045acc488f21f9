/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay_parts.h - what relay.c and relay_main.c share; nobody else includes it. */
#ifndef RELAY_RELAY_PARTS_H
#define RELAY_RELAY_PARTS_H

#include <jansson.h>
#include <pthread.h>

#include "relay/relay.h"
#include "session/hello.h"
#include "wire/multifd_init.h"

/* One direction of main, and its thread. */
struct main_pump {
	pthread_t thread;
	bool running;
	bool ended;	/* everything was passed on; atomic */
	uint64_t bytes; /* passed on; one writer */
};

struct relay {
	struct relay_options options;
	struct outcome outcome;
	struct exchange *exchange; /* NULL: no page channels */
	struct window *page_window,
		*main_window; /* NULL at the destination of a session */
	struct inlet *inlets[MULTIFD_CHANNELS_MAX];
	struct outlet *outlets[MULTIFD_CHANNELS_MAX];
	struct port from_ports[MULTIFD_CHANNELS_MAX], to_ports[MULTIFD_CHANNELS_MAX];
	struct device_standing encode_standing, decode_standing;
	uint64_t next_packet;
	const struct engine *engine;
	uint32_t parcel_count;

	struct main_pump forward, backward;
	struct main_scan main_scan;
	struct return_scan return_scan;

	uint64_t delivered_page_bytes;
	/* Beside a session: tells the other half that this one is there. */
	pthread_t teller;
	bool telling, teller_stops;
	bool told_due; /* there is something new to tell */
	pthread_mutex_t tell_lock;
	pthread_cond_t tell_wanted;
};

/* From any thread of the relay: the first one counts, and everything ends. */
void relay_fail(struct relay *relay, const struct gw_error *why);

/* Bytes of pages, or of main, are in the hands of the next one. */
void relay_delivered(struct relay *relay, uint64_t page_bytes);
void relay_main_delivered(struct relay *relay);

/* On all links; only where one end is a session's. */
uint64_t relay_session_bytes_read(const struct relay *relay);

/* The threads of main: `state` is the relay. */
void *relay_run_forward(void *state);
void *relay_run_backward(void *state);
void *relay_run_teller(void *state);

#endif
