/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_channel.c - one page channel at the source: from dirty bits to the socket, outright. */
#include "migrate/send_channel.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "migrate/method.h"

enum order { ORDER_ROUND, ORDER_SYNC };

struct send_channel {
	struct send_channel_options options;
	struct channel *channel;
	struct queue *orders;
	pthread_t thread;
	bool running;
	bool mid_packet; /* a write failed, and the peer has a part of it */
	struct counters counters;
	void *engine_state;
	uint8_t *copies;  /* of a batch, for engines that must not read live memory */
	uint8_t *payload; /* what the engine wrote */
	struct batch batch;
	struct multifd_packet packet;
	uint8_t header[MULTIFD_PACKET_BYTES];
	struct sender_event event;
};

static uint64_t next_packet_number(struct send_channel *ch)
{
	return __atomic_fetch_add(ch->options.next_packet, 1, __ATOMIC_RELAXED);
}

/* Header and payload in one write; `payload` pieces follow the header in `iov`. */
static int send_packet(struct send_channel *ch, struct iovec *iov, int count,
		       struct gw_error *err)
{
	uint64_t before = channel_bytes_written(ch->channel);
	uint64_t start_ns = clock_now_ns(), throttled_ns;

	ch->packet.number = next_packet_number(ch);
	multifd_packet_write(ch->header, ch->options.dialect, ch->options.layout,
			     &ch->packet);
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
	struct iovec iov[1];

	ch->packet = (struct multifd_packet){ .sync = true, .block = -1 };
	return send_packet(ch, iov, 1, err);
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

/* The normal pages of the batch as the engine may read them: in place, or a copy. */
static uint32_t engine_source(struct send_channel *ch, const struct span **source,
			      struct span *copy)
{
	const struct batch *batch = &ch->batch;
	size_t used = 0;

	if (ch->options.engine->reads_live_memory) {
		*source = batch->runs;
		return batch->run_count;
	}
	for (uint32_t i = 0; i < batch->run_count; i++) {
		memcpy(ch->copies + used, batch->runs[i].bytes, batch->runs[i].length);
		used += batch->runs[i].length;
	}
	*copy = (struct span){ .bytes = ch->copies, .length = used };
	*source = copy;
	return 1;
}

static int encode(struct send_channel *ch, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	struct span copy;
	struct room room = {
		.bytes = ch->payload,
		.length = ch->options.codec->payload_max(ch->batch.normal_count),
	};
	struct job job = { .destination = &room, .destination_count = 1 };

	job.source_count = engine_source(ch, &job.source, &copy);
	if (engine_run(ch->options.engine, ch->engine_state, &job, err) < 0)
		return -1;
	counter_add(&ch->counters.phases.engine_ns, clock_now_ns() - start_ns);
	ch->packet.payload_bytes = (uint32_t)job.produced_bytes;
	return 0;
}

static void tell_zeros(struct send_channel *ch)
{
	ch->event.type = EVENT_ZEROS;
	ch->event.channel = ch->options.id;
	ch->event.block = ch->batch.block->index;
	ch->event.zero_count = ch->batch.zero_count;
	memcpy(ch->event.zero_offsets, ch->batch.zero_offsets,
	       ch->batch.zero_count * sizeof(ch->batch.zero_offsets[0]));
	queue_give(ch->options.inbox, &ch->event);
}

static int send_batch(struct send_channel *ch, struct gw_error *err)
{
	const struct batch *batch = &ch->batch;
	struct multifd_packet *packet = &ch->packet;
	struct iovec iov[1 + BATCH_PAGES_MAX];
	int count = 1;

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
		tell_zeros(ch);
	}
	counter_add(&ch->counters.zero_pages, batch->zero_count);
	if (packet->normal_pages == 0 && packet->zero_pages == 0)
		return 0;
	if (packet->normal_pages > 0 && ch->options.engine) {
		if (encode(ch, err) < 0)
			return -1;
		iov[count++] = (struct iovec){ ch->payload, packet->payload_bytes };
	} else if (packet->normal_pages > 0) {
		for (uint32_t i = 0; i < batch->run_count; i++)
			iov[count++] = (struct iovec){ (void *)batch->runs[i].bytes,
						       batch->runs[i].length };
		packet->payload_bytes = packet->normal_pages * (uint32_t)PAGE_BYTES;
	}
	if (send_packet(ch, iov, count, err) < 0)
		return -1;
	if (packet->normal_pages > 0) {
		struct method_counters *method =
			&ch->counters.methods[ch->options.codec->id];

		counter_add(&method->packets, 1);
		counter_add(&method->pages, packet->normal_pages);
		counter_add(&method->payload_bytes, packet->payload_bytes);
		counter_add(&ch->counters.normal_pages, packet->normal_pages);
	}
	return 0;
}

static int send_round(struct send_channel *ch, struct gw_error *err)
{
	struct claimer claimer;

	claimer_init(&claimer, ch->options.batcher);
	for (;;) {
		bool more;

		batch_reset(&ch->batch);
		more = claimer_fill(&claimer, &ch->batch, true);
		counter_add(&ch->counters.phases.scan_ns, ch->batch.scan_ns);
		counter_add(&ch->counters.phases.zero_ns, ch->batch.zero_ns);
		if (!more)
			return 0;
		if (interrupt_raised(ch->options.outcome->interrupt))
			return fail(err, GW_CANCELLED, "cancelled");
		if (send_batch(ch, err) < 0)
			return -1;
	}
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
	ch->payload = malloc(ch->options.codec->payload_max(BATCH_PAGES_MAX));
	if (!engine->reads_live_memory)
		ch->copies = malloc(BATCH_PAGES_MAX * PAGE_BYTES);
	if (!ch->payload || (!engine->reads_live_memory && !ch->copies))
		return fail_sys(err, ENOMEM, "buffers");
	ch->engine_state = engine->open(ENCODE, ch->options.level, err);
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
	free(ch->copies);
	free(ch->payload);
	channel_free(ch->channel);
	free(ch);
}
