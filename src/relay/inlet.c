/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inlet.c - one page channel in: packets read, decoded if need be, put into the exchange. */
#include "relay/inlet.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "migrate/method.h"

struct inlet {
	struct inlet_options options;
	struct port port;
	pthread_t thread;
	bool running;
	struct counters counters;
	const struct engine *engines[CODEC_COUNT];
	void *engine_states[CODEC_COUNT];
	const struct engine *decoding; /* read by others */
	enum codec_id before;	       /* of the last payload */
	struct parcel *parcel;	       /* to be filled next; NULL: none is borrowed */
	struct job job;
	uint8_t header[MULTIFD_PACKET_BYTES];
};

static int fail_cancelled(struct gw_error *err)
{
	return fail(err, GW_CANCELLED, "cancelled");
}

/* ---- payloads ---- */

static int open_engine(struct inlet *in, const struct codec *codec, struct gw_error *err)
{
	const struct engine_options options = {
		.direction = DECODE,
		.jobs = in->options.engine_jobs,
		.standing = in->options.standing,
		.counters = &in->counters.engine,
		.interrupt = in->options.outcome->interrupt,
	};
	const struct engine *engine;

	if (in->engine_states[codec->id])
		return 0;
	engine = engine_choose(codec->id, DECODE, 0, in->options.accelerator, err);
	if (!engine)
		return -1;
	in->engines[codec->id] = engine;
	in->engine_states[codec->id] = engine->open(engine, &options, err);
	return in->engine_states[codec->id] ? 0 : -1;
}

/* Where a payload of the codec is read to; its engine is open. */
static uint8_t *place_of(const struct inlet *in, enum codec_id id)
{
	if (id == CODEC_NONE)
		return in->parcel->pages;
	return in->engines[id]->payload_room(in->engine_states[id]);
}

static int decode(struct inlet *in, enum codec_id id, struct gw_error *err)
{
	const struct multifd_packet *packet = &in->parcel->packet;
	struct span payload = { place_of(in, id), packet->payload_bytes };
	struct room pages = { in->parcel->pages, packet->normal_pages * PAGE_BYTES };

	in->job = (struct job){
		.source = &payload,
		.source_count = 1,
		.destination = &pages,
		.destination_count = 1,
	};
	__atomic_store_n(&in->decoding, in->engines[id], __ATOMIC_RELAXED);
	return engine_run(in->engines[id], in->engine_states[id], &in->job, err);
}

/* `came`: the payload, if it came along. */
static int receive_payload(struct inlet *in, const uint8_t *came, struct gw_error *err)
{
	const struct multifd_packet *packet = &in->parcel->packet;
	const struct codec *codec = codec_of_method(packet->method);
	struct method_counters *method = &in->counters.methods[codec->id];
	uint32_t length = packet->payload_bytes;
	uint8_t *place;

	if (codec->id != CODEC_NONE && open_engine(in, codec, err) < 0)
		return -1;
	place = place_of(in, codec->id);
	if (!came && port_read_payload(&in->port, place, length, err) < 0)
		return -1;
	/* Only where the method is another one than before. */
	if (came && came != place)
		memcpy(place, came, length);
	in->before = codec->id;
	if (codec->id != CODEC_NONE && decode(in, codec->id, err) < 0)
		return -1;
	counter_add(&method->packets, 1);
	counter_add(&method->pages, packet->normal_pages);
	counter_add(&method->payload_bytes, length);
	return 0;
}

/* ---- packets ---- */

/* The parcel's header is read: takes the rest and hands the parcel on. */
static int receive_pages(struct inlet *in, const uint8_t *came, struct gw_error *err)
{
	struct parcel *parcel = in->parcel;

	if (in->options.window && !window_take(in->options.window, parcel_bytes(parcel)))
		return fail_cancelled(err);
	if (parcel->packet.normal_pages > 0 && receive_payload(in, came, err) < 0)
		return -1;
	counter_add(&in->counters.normal_pages, parcel->packet.normal_pages);
	counter_add(&in->counters.zero_pages, parcel->packet.zero_pages);
	exchange_put(in->options.exchange, MOVE(in->parcel));
	return 0;
}

static int synchronise(struct inlet *in, struct gw_error *err)
{
	counter_add(&in->counters.syncs, 1);
	if (exchange_sync(in->options.exchange))
		return 0;
	if (!exchange_ended_early(in->options.exchange))
		return fail_cancelled(err);
	return fail(err, GW_PEER, "a SYNC, which another one of them ended without");
}

/* Before a packet is waited for, since a link's payload comes with its header. */
static bool has_parcel(struct inlet *in)
{
	if (!in->parcel)
		in->parcel = exchange_borrow(in->options.exchange);
	return in->parcel != NULL;
}

/* Return: 1 a packet was received, 0 the peer closed before it, -1 error. */
static int receive_packet(struct inlet *in, struct gw_error *err)
{
	struct multifd_packet *packet;
	uint8_t *room;
	uint32_t came;
	bool sync;
	int got;

	/* A peer that never pauses is never waited for, and no wait looks either. */
	if (interrupt_raised(in->options.outcome->interrupt) || !has_parcel(in))
		return fail_cancelled(err);
	room = place_of(in, in->before);
	got = port_read_header(&in->port, in->header, room, &came, err);
	if (got <= 0)
		return got;
	packet = &in->parcel->packet;
	if (multifd_packet_read_named(in->header, &in->parcel->block, packet, err) < 0)
		return -1;
	if (came != PORT_NOT_YET && came != packet->payload_bytes)
		return fail(err, GW_PEER, "payload of %u bytes, its header says %u", came,
			    packet->payload_bytes);
	counter_add(&in->counters.packets, 1);
	/* QEMU before 9.0 lets a SYNC ride on a packet with pages, and comes behind them. */
	sync = packet->sync;
	packet->sync = false;
	if (packet->normal_pages + packet->zero_pages > 0 &&
	    receive_pages(in, came == PORT_NOT_YET ? NULL : room, err) < 0)
		return -1;
	if (sync && synchronise(in, err) < 0)
		return -1;
	return 1;
}

static void give_parcel_back(struct inlet *in)
{
	if (in->parcel)
		exchange_return(in->options.exchange, MOVE(in->parcel));
}

static void drain(struct inlet *in)
{
	struct gw_error ignored;

	channel_set_interrupt(in->port.channel, NULL);
	channel_set_read_patience(in->port.channel, -1);
	while (channel_read_some(in->port.channel, in->header, sizeof(in->header),
				 &ignored) > 0)
		;
}

static void *run(void *state)
{
	struct inlet *in = state;
	struct gw_error error;
	uint64_t number;
	int got;

	do {
		number = counter_read(&in->counters.packets);
		got = receive_packet(in, &error);
	} while (got > 0);
	give_parcel_back(in);
	if (got < 0) {
		fail_in(&error, "%s %u: packet %" PRIu64, in->options.name,
			in->options.index, number);
		outcome_fail(in->options.outcome, &error);
		in->options.failed(in->options.state);
		if (in->options.drains)
			drain(in);
	} else {
		exchange_end(in->options.exchange);
	}
	return NULL;
}

/* ---- calls ---- */

struct inlet *inlet_start(const struct inlet_options *options, const struct port *port,
			  struct gw_error *err)
{
	struct inlet *in = calloc(1, sizeof(*in));
	int failed;

	if (!in) {
		fail_sys(err, ENOMEM, "%s %u", options->name, options->index);
		return NULL;
	}
	in->options = *options;
	in->port = *port;
	failed = pthread_create(&in->thread, NULL, run, in);
	if (failed) {
		fail_sys(err, failed, "%s %u: thread", options->name, options->index);
		inlet_stop(in);
		return NULL;
	}
	in->running = true;
	return in;
}

const struct counters *inlet_counters(const struct inlet *in)
{
	return &in->counters;
}

const char *inlet_engine(const struct inlet *in)
{
	const struct engine *engine = __atomic_load_n(&in->decoding, __ATOMIC_RELAXED);

	return engine ? engine->name : NULL;
}

void inlet_stop(struct inlet *in)
{
	if (!in)
		return;
	if (in->running)
		pthread_join(in->thread, NULL);
	for (unsigned i = 0; i < CODEC_COUNT; i++)
		if (in->engines[i])
			in->engines[i]->close(in->engine_states[i]);
	free(in);
}
