/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_channel.c - one page channel at the source: from dirty bits to the socket, outright. */
#include "migrate/send_channel.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "migrate/method.h"

enum order { ORDER_ROUND, ORDER_SYNC };

/* A batch on its way from the dirty bits to the socket. */
struct slot {
	struct batch batch;
	struct multifd_packet packet;
	struct job job;
};

struct send_channel {
	struct send_channel_options options;
	struct channel *channel;
	struct queue *orders;
	pthread_t thread;
	bool running;
	bool mid_packet; /* a write failed, and the peer has a part of it */
	bool resending;	 /* not the first round any more */
	struct counters counters;
	void *engine_state;
	struct slot slots[JOB_SLOTS];
	struct slot *in_engine; /* or NULL */
	uint8_t header[MULTIFD_PACKET_BYTES];
	struct sender_event event;
};

static uint64_t next_packet_number(struct send_channel *ch)
{
	return __atomic_fetch_add(ch->options.next_packet, 1, __ATOMIC_RELAXED);
}

/* Header and payload in one write; the payload's pieces are in `iov` from 1. */
static int send_packet(struct send_channel *ch, struct multifd_packet *packet,
		       struct iovec *iov, int count, struct gw_error *err)
{
	uint64_t before = channel_bytes_written(ch->channel);
	uint64_t start_ns = clock_now_ns(), throttled_ns;

	packet->number = next_packet_number(ch);
	multifd_packet_write(ch->header, ch->options.dialect, ch->options.layout, packet);
	iov[0] = (struct iovec){ .iov_base = ch->header, .iov_len = sizeof(ch->header) };
	throttled_ns = channel_throttled_ns(ch->channel);
	if (channel_write_full(ch->channel, iov, count, err) < 0) {
		ch->mid_packet = channel_bytes_written(ch->channel) != before;
		return -1;
	}
	throttled_ns = channel_throttled_ns(ch->channel) - throttled_ns;
	counter_add(&ch->counters.phases.wait_ns, throttled_ns);
	counter_add(&ch->counters.phases.send_ns,
		    clock_now_ns() - start_ns - throttled_ns);
	counter_add(&ch->counters.packets, 1);
	return 0;
}

static int send_sync_packet(struct send_channel *ch, struct gw_error *err)
{
	struct multifd_packet packet = { .sync = true, .block = -1 };
	struct iovec iov[1];

	return send_packet(ch, &packet, iov, 1, err);
}

static int send_sync(struct send_channel *ch, struct gw_error *err)
{
	if (send_sync_packet(ch, err) < 0)
		return -1;
	counter_add(&ch->counters.syncs, 1);
	ch->event.type = EVENT_SYNCED;
	ch->event.channel = ch->options.id;
	queue_give(ch->options.inbox, &ch->event);
	return 0;
}

/* ---- one batch ---- */

static void tell_zeros(struct send_channel *ch, const struct batch *batch)
{
	ch->event.type = EVENT_ZEROS;
	ch->event.channel = ch->options.id;
	ch->event.block = batch->block->index;
	ch->event.zero_count = batch->zero_count;
	memcpy(ch->event.zero_offsets, batch->zero_offsets,
	       batch->zero_count * sizeof(batch->zero_offsets[0]));
	queue_give(ch->options.inbox, &ch->event);
}

/* All of the header but the payload's size. */
static void make_packet(struct send_channel *ch, struct slot *slot)
{
	const struct batch *batch = &slot->batch;
	struct multifd_packet *packet = &slot->packet;

	packet->sync = false;
	packet->block = (int)batch->block->index;
	packet->method = method_of_codec(ch->options.codec->id);
	packet->normal_pages = batch->normal_count;
	packet->zero_pages = 0;
	packet->payload_bytes = 0;
	memcpy(packet->offsets, batch->normal_offsets,
	       batch->normal_count * sizeof(packet->offsets[0]));
	if (batch->zero_count > 0 && ch->options.dialect->zero_pages_in_packets) {
		packet->zero_pages = batch->zero_count;
		memcpy(packet->offsets + batch->normal_count, batch->zero_offsets,
		       batch->zero_count * sizeof(packet->offsets[0]));
	} else if (batch->zero_count > 0) {
		tell_zeros(ch, batch);
	}
	counter_add(&ch->counters.zero_pages, batch->zero_count);
}

/* Header and what `pieces` say. */
static int send_slot(struct send_channel *ch, struct slot *slot,
		     const struct span *pieces, uint32_t piece_count,
		     struct gw_error *err)
{
	struct method_counters *method = &ch->counters.methods[ch->options.codec->id];
	struct multifd_packet *packet = &slot->packet;
	struct iovec iov[1 + JOB_PIECES_MAX];

	for (uint32_t i = 0; i < piece_count; i++) {
		iov[1 + i] = (struct iovec){ (void *)pieces[i].bytes, pieces[i].length };
		packet->payload_bytes += (uint32_t)pieces[i].length;
	}
	if (send_packet(ch, packet, iov, 1 + (int)piece_count, err) < 0)
		return -1;
	if (packet->normal_pages > 0) {
		counter_add(&method->packets, 1);
		counter_add(&method->pages, packet->normal_pages);
		counter_add(&method->payload_bytes, packet->payload_bytes);
		counter_add(&ch->counters.normal_pages, packet->normal_pages);
	}
	return 0;
}

static int send_encoded(struct send_channel *ch, struct slot *slot, struct gw_error *err)
{
	return send_slot(ch, slot, slot->job.pieces, slot->job.piece_count, err);
}

/* ---- the engine, one batch ahead of the wire ---- */

/* 1: encoded, 0: not yet, -1 error. */
static int reap(struct send_channel *ch, bool wait, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	int done = ch->options.engine->reap(ch->engine_state, wait, err);

	counter_add(&ch->counters.phases.engine_ns, clock_now_ns() - start_ns);
	return done;
}

static int submit(struct send_channel *ch, struct slot *slot, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	int failed;

	slot->job.slot = (uint32_t)(slot - ch->slots);
	slot->job.source = slot->batch.runs;
	slot->job.source_count = slot->batch.run_count;
	failed = ch->options.engine->submit(ch->engine_state, &slot->job, err);
	counter_add(&ch->counters.phases.engine_ns, clock_now_ns() - start_ns);
	return failed;
}

/* Sends the batch before while the engine works on this one, and this one too if it was done at
 * once. */
static int encode_and_send(struct send_channel *ch, struct slot *slot,
			   struct gw_error *err)
{
	struct slot *before = ch->in_engine;
	int done;

	if (before && reap(ch, true, err) < 0)
		return -1;
	ch->in_engine = slot;
	if (submit(ch, slot, err) < 0 || (before && send_encoded(ch, before, err) < 0))
		return -1;
	done = reap(ch, false, err);
	if (done <= 0)
		return done;
	ch->in_engine = NULL;
	return send_encoded(ch, slot, err);
}

static int send_rest(struct send_channel *ch, struct gw_error *err)
{
	struct slot *slot = ch->in_engine;

	if (!slot)
		return 0;
	if (reap(ch, true, err) < 0)
		return -1;
	ch->in_engine = NULL;
	return send_encoded(ch, slot, err);
}

static int send_batch(struct send_channel *ch, struct slot *slot, struct gw_error *err)
{
	make_packet(ch, slot);
	if (slot->packet.normal_pages == 0 && slot->packet.zero_pages == 0)
		return 0;
	if (slot->packet.normal_pages > 0 && ch->options.engine)
		return encode_and_send(ch, slot, err);
	return send_slot(ch, slot, slot->batch.runs, slot->batch.run_count, err);
}

/* ---- orders ---- */

/* QEMU 10.2's receiver of uadk does not note which pages it has got: one that was data and is
 * zero now would keep the data.  From the second round on such a page is sent as data. */
static bool finds_zeros(const struct send_channel *ch)
{
	return ch->options.codec->id != CODEC_UADK || !ch->resending;
}

static int send_round(struct send_channel *ch, struct gw_error *err)
{
	struct claimer claimer;

	claimer_init(&claimer, ch->options.batcher);
	for (;;) {
		struct slot *slot = &ch->slots[ch->in_engine == &ch->slots[0]];
		bool more;

		batch_reset(&slot->batch);
		more = claimer_fill(&claimer, &slot->batch, finds_zeros(ch));
		counter_add(&ch->counters.phases.scan_ns, slot->batch.scan_ns);
		counter_add(&ch->counters.phases.zero_ns, slot->batch.zero_ns);
		if (!more)
			break;
		if (interrupt_raised(ch->options.outcome->interrupt))
			return fail(err, GW_CANCELLED, "cancelled");
		if (send_batch(ch, slot, err) < 0)
			return -1;
	}
	ch->resending = true;
	return send_rest(ch, err);
}

static bool take_order(struct send_channel *ch, enum order *order)
{
	uint64_t start_ns = clock_now_ns();
	bool taken = queue_take(ch->orders, order, -1) == QUEUE_ITEM;

	counter_add(&ch->counters.phases.wait_ns, clock_now_ns() - start_ns);
	return taken;
}

static void *run(void *state)
{
	struct send_channel *ch = state;
	struct gw_error error;
	enum order order;

	while (take_order(ch, &order)) {
		int failed = order == ORDER_ROUND ? send_round(ch, &error)
						  : send_sync(ch, &error);

		if (failed < 0) {
			fail_in(&error, "channel %u", ch->options.id);
			outcome_fail(ch->options.outcome, &error);
			ch->event.type = EVENT_WAKE;
			queue_give(ch->options.inbox, &ch->event);
			break;
		}
	}
	return NULL;
}

/* Everything the thread will ever need, before it starts. */
static int prepare(struct send_channel *ch, struct gw_error *err)
{
	const struct engine *engine = ch->options.engine;

	ch->orders = queue_new(sizeof(enum order), 4, err);
	if (!ch->orders)
		return -1;
	if (!engine)
		return 0;
	ch->engine_state =
		engine->open(engine,
			     &(struct engine_options){
				     .direction = ENCODE,
				     .level = ch->options.level,
				     .jobs = ch->options.engine_jobs,
				     .standing = ch->options.standing,
				     .counters = &ch->counters.engine,
				     .interrupt = ch->options.outcome->interrupt,
			     },
			     err);
	return ch->engine_state ? 0 : -1;
}

struct send_channel *send_channel_start(const struct send_channel_options *options,
					struct channel *channel, struct gw_error *err)
{
	struct send_channel *ch = calloc(1, sizeof(*ch));
	int failed;

	if (!ch) {
		channel_free(channel);
		fail_sys(err, ENOMEM, "channel %u", options->id);
		return NULL;
	}
	ch->options = *options;
	ch->channel = channel;
	if (prepare(ch, err) < 0)
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
	send_channel_stop(ch, false);
	return NULL;
}

static void order(struct send_channel *ch, enum order what)
{
	queue_give(ch->orders, &what);
}

void send_channel_round(struct send_channel *ch)
{
	order(ch, ORDER_ROUND);
	order(ch, ORDER_SYNC);
}

void send_channel_sync(struct send_channel *ch)
{
	order(ch, ORDER_SYNC);
}

const struct counters *send_channel_counters(const struct send_channel *ch)
{
	return &ch->counters;
}

uint64_t send_channel_wire_bytes(const struct send_channel *ch)
{
	return channel_bytes_written(ch->channel);
}

int send_channel_await_close(struct send_channel *ch, int patience_ms,
			     struct gw_error *err)
{
	uint8_t byte;

	channel_finish(ch->channel);
	channel_set_read_patience(ch->channel, patience_ms);
	if (channel_read_some(ch->channel, &byte, 1, err) < 0)
		return fail_in(err, "channel %u", ch->options.id);
	return 0;
}

void send_channel_stop(struct send_channel *ch, bool aborted)
{
	struct gw_error ignored;

	if (!ch)
		return;
	if (ch->orders)
		queue_close(ch->orders);
	if (ch->running)
		pthread_join(ch->thread, NULL);
	if (aborted && ch->running && !ch->mid_packet) {
		/* At once: whoever waits for a turn is sent away by the interrupt. */
		channel_set_throttle(ch->channel, NULL, NULL);
		(void)send_sync_packet(ch, &ignored);
	}
	if (ch->options.engine)
		ch->options.engine->close(ch->engine_state);
	queue_free(ch->orders);
	channel_free(ch->channel);
	free(ch);
}
