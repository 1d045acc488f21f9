/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receive_channel.c - one page channel at the destination: from the socket to guest RAM. */
#include "migrate/receive_channel.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>

#include "migrate/method.h"
#include "wire/multifd_init.h"

struct receive_channel {
	struct receive_channel_options options;
	struct channel *channel;
	struct queue *releases; /* of bool, which says nothing */
	pthread_t thread;
	bool running;
	struct counters counters;
	const struct engine *engines[CODEC_COUNT];
	void *engine_states[CODEC_COUNT];
	struct job job;
	struct multifd_packet packet;
	uint8_t header[MULTIFD_PACKET_BYTES];
	struct room rooms[MULTIFD_PACKET_PAGES];
};

/* Where the normal pages go, neighbours as one room; they are prepared for writing. */
static uint32_t make_rooms(struct receive_channel *ch)
{
	const struct multifd_packet *packet = &ch->packet;
	const struct ram_block *block = ch->options.ram->blocks[packet->block];
	uint32_t count = 0;

	for (uint32_t i = 0; i < packet->normal_pages;) {
		uint64_t offset = packet->offsets[i];
		uint32_t run = 1;

		while (i + run < packet->normal_pages &&
		       packet->offsets[i + run] == offset + run * PAGE_BYTES)
			run++;
		landing_prepare(*ch->options.landing, (uint32_t)packet->block,
				offset >> PAGE_BITS, run);
		ch->rooms[count++] =
			(struct room){ block->host + offset, run * PAGE_BYTES };
		i += run;
	}
	return count;
}

static int open_engine(struct receive_channel *ch, const struct codec *codec,
		       struct gw_error *err)
{
	const struct engine_options options = {
		.direction = DECODE,
		.jobs = ch->options.engine_jobs,
		.standing = ch->options.standing,
		.counters = &ch->counters.engine,
		.interrupt = ch->options.outcome->interrupt,
	};
	const struct engine *engine;

	if (ch->engine_states[codec->id])
		return 0;
	engine = engine_choose(codec->id, DECODE, 0, ch->options.accelerator, err);
	if (!engine)
		return -1;
	/* Others read its name meanwhile. */
	__atomic_store_n(&ch->engines[codec->id], engine, __ATOMIC_RELAXED);
	ch->engine_states[codec->id] = engine->open(engine, &options, err);
	return ch->engine_states[codec->id] ? 0 : -1;
}

static int decode(struct receive_channel *ch, const struct codec *codec, uint32_t length,
		  struct gw_error *err)
{
	const struct engine *engine;
	struct span payload;
	uint8_t *room;
	void *state;

	if (open_engine(ch, codec, err) < 0)
		return -1;
	engine = ch->engines[codec->id];
	state = ch->engine_states[codec->id];
	room = engine->payload_room(state);
	if (channel_read_exactly(ch->channel, room, length, err) < 0)
		return -1;
	payload = (struct span){ room, length };
	ch->job = (struct job){
		.source = &payload,
		.source_count = 1,
		.destination = ch->rooms,
		.destination_count = make_rooms(ch),
	};
	return engine_run(engine, state, &ch->job, err);
}

static int receive_pages(struct receive_channel *ch, const struct codec *codec,
			 struct gw_error *err)
{
	uint32_t length = ch->packet.payload_bytes, room_count;
	struct iovec into[MULTIFD_PACKET_PAGES];

	if (codec->id == CODEC_NONE) {
		room_count = make_rooms(ch);
		for (uint32_t i = 0; i < room_count; i++)
			into[i] =
				(struct iovec){ ch->rooms[i].bytes, ch->rooms[i].length };
		switch (channel_read_full(ch->channel, into, (int)room_count, err)) {
		case 1:
			return 0;
		case 0:
			return fail(err, GW_PEER, "closed before a payload of %u bytes",
				    length);
		default:
			return -1;
		}
	}
	return decode(ch, codec, length, err);
}

/* Return: 1 a header was read, 0 the peer closed between two packets, -1 error. */
static int read_header(struct receive_channel *ch, struct gw_error *err)
{
	size_t length = sizeof(ch->header), start = MULTIFD_PACKET_START_BYTES;
	ptrdiff_t got;

	/* A source may have nothing for this channel for as long as it likes, but once it has
	 * begun a packet it has to go on. */
	channel_set_read_patience(ch->channel, -1);
	got = channel_read_some(ch->channel, ch->header, length, err);
	channel_set_read_patience(ch->channel, ch->options.patience_ms);
	if (got <= 0)
		return (int)got;
	if ((size_t)got < start) {
		if (channel_read_exactly(ch->channel, ch->header + got,
					 start - (size_t)got, err) < 0)
			return fail_in(err, "header from byte %td", got);
		got = (ptrdiff_t)start;
	}
	if (multifd_packet_check_start(ch->header, err) < 0)
		return -1;
	if (channel_read_exactly(ch->channel, ch->header + got, length - (size_t)got,
				 err) < 0)
		return fail_in(err, "header from byte %td", got);
	return 1;
}

static int receive_packet(struct receive_channel *ch, struct gw_error *err)
{
	struct multifd_packet *packet = &ch->packet;

	if (multifd_packet_read(ch->header, ch->options.layout, packet, err) < 0)
		return -1;
	for (uint32_t i = 0; i < packet->zero_pages; i++)
		landing_zero(*ch->options.landing, (uint32_t)packet->block,
			     packet->offsets[packet->normal_pages + i] >> PAGE_BITS);
	if (packet->normal_pages > 0) {
		const struct codec *codec = codec_of_method(packet->method);
		struct method_counters *method;

		if (receive_pages(ch, codec, err) < 0)
			return -1;
		method = &ch->counters.methods[codec->id];
		counter_add(&method->packets, 1);
		counter_add(&method->pages, packet->normal_pages);
		counter_add(&method->payload_bytes, packet->payload_bytes);
	}
	counter_add(&ch->counters.packets, 1);
	counter_add(&ch->counters.normal_pages, packet->normal_pages);
	counter_add(&ch->counters.zero_pages, packet->zero_pages);
	return 0;
}

static void report(struct receive_channel *ch, enum receiver_event_type type)
{
	struct receiver_event event = { .type = type, .channel = ch->options.id };

	queue_give(ch->options.inbox, &event);
}

static bool await_release(struct receive_channel *ch)
{
	bool nothing;

	return queue_take(ch->releases, &nothing, -1) == QUEUE_ITEM;
}

/* Return: 1 a packet was received, 0 the peer closed before it, -1 error. */
static int receive_next(struct receive_channel *ch, struct gw_error *err)
{
	uint64_t number = counter_read(&ch->counters.packets);
	int got;

	/* A peer that never pauses is never waited for, and no wait looks either. */
	if (interrupt_raised(ch->options.outcome->interrupt))
		return fail(err, GW_CANCELLED, "cancelled");
	got = read_header(ch, err);
	if (got > 0 && receive_packet(ch, err) < 0)
		got = -1;
	return got < 0 ? fail_in(err, "packet %" PRIu64, number) : got;
}

static void *run(void *state)
{
	struct receive_channel *ch = state;
	struct gw_error error;
	int got;

	if (!await_release(ch))
		return NULL;
	while ((got = receive_next(ch, &error)) > 0) {
		if (ch->packet.sync) {
			counter_add(&ch->counters.syncs, 1);
			report(ch, EVENT_AT_SYNC);
			if (!await_release(ch))
				return NULL;
		}
	}
	if (got < 0) {
		fail_in(&error, "channel %u", ch->options.id);
		outcome_fail(ch->options.outcome, &error);
	}
	report(ch, got < 0 ? EVENT_FAILED : EVENT_CLOSED);
	return NULL;
}

struct receive_channel *
receive_channel_start(const struct receive_channel_options *options,
		      struct channel *channel, struct gw_error *err)
{
	struct receive_channel *ch = calloc(1, sizeof(*ch));
	int failed;

	if (!ch) {
		channel_free(channel);
		fail_sys(err, ENOMEM, "channel %u", options->id);
		return NULL;
	}
	ch->options = *options;
	ch->channel = channel;
	ch->releases = queue_new(sizeof(bool), 4, err);
	if (!ch->releases)
		goto undo;
	failed = pthread_create(&ch->thread, NULL, run, ch);
	if (failed) {
		fail_sys(err, failed, "thread");
		goto undo;
	}
	ch->running = true;
	return ch;
undo:
	fail_in(err, "channel %u", options->id);
	receive_channel_stop(ch);
	return NULL;
}

void receive_channel_release(struct receive_channel *ch)
{
	bool nothing = true;

	queue_give(ch->releases, &nothing);
}

const struct counters *receive_channel_counters(const struct receive_channel *ch)
{
	return &ch->counters;
}

void receive_channel_engines(const struct receive_channel *ch,
			     const char *names[CODEC_COUNT])
{
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct engine *engine =
			__atomic_load_n(&ch->engines[i], __ATOMIC_RELAXED);

		if (engine)
			names[i] = engine->name;
	}
}

uint64_t receive_channel_wire_bytes(const struct receive_channel *ch)
{
	return channel_bytes_read(ch->channel) + MULTIFD_INIT_BYTES;
}

void receive_channel_stop(struct receive_channel *ch)
{
	if (!ch)
		return;
	if (ch->releases)
		queue_close(ch->releases);
	if (ch->running)
		pthread_join(ch->thread, NULL);
	for (unsigned i = 0; i < CODEC_COUNT; i++)
		if (ch->engines[i])
			ch->engines[i]->close(ch->engine_states[i]);
	queue_free(ch->releases);
	channel_free(ch->channel);
	free(ch);
}
