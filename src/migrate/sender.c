/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender.c - the source of a migration: rounds, the budget, the decision to switch over. */
#include "migrate/sender.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "migrate/main_stream.h"
#include "migrate/outcome.h"
#include "migrate/return_reader.h"
#include "migrate/rounds.h"
#include "migrate/send_channel.h"

#define INBOX_EVENTS 64u
#define PROGRESS_MS 100
#define LAST_WORDS_MS 200

/* Who may still decide: a cancel, or the closing bytes. */
enum { FATE_OPEN, FATE_CANCELLED, FATE_COMMITTED };

struct sender {
	struct sender_options options;
	const struct ram *ram;
	struct dirty_tracker *tracker;
	const struct source_machine *machine;

	struct interrupt *interrupt;
	struct outcome outcome;
	atomic_int fate;
	struct throttle throttle;
	struct queue *inbox;
	struct sender_event event;

	struct layout layout;
	struct batcher *batcher;
	struct channel *main_channel;
	struct main_stream main;
	struct return_reader *reader;
	struct send_channel *channels[MULTIFD_CHANNELS_MAX];
	uint32_t channels_started;
	uint64_t next_packet;

	struct rounds rounds;
	struct sender_report *report;
	uint64_t start_ns;
	uint64_t dirty_pages; /* at the last harvest */
	bool in_round;
	uint64_t harvested_ns;
	uint64_t dirty_pages_per_s;
	uint64_t told_ns; /* when progress was last told */
	bool tracking;
	bool paused;
	bool pong_seen;
	bool shut_seen;
	bool return_ended;
	uint32_t shut_value;
};

/* ---- progress ---- */

static void sum_channels(const struct sender *s, struct counters *sum,
			 uint64_t *wire_bytes)
{
	*sum = (struct counters){ 0 };
	*wire_bytes = s->main_channel ? channel_bytes_written(s->main_channel) : 0;
	for (uint32_t i = 0; i < s->channels_started; i++) {
		counters_sum(sum, send_channel_counters(s->channels[i]));
		*wire_bytes += send_channel_wire_bytes(s->channels[i]);
	}
}

static void tell_progress(struct sender *s)
{
	struct sender_progress progress = {
		.state = s->report->state,
		.round = s->report->rounds,
		.total_pages = ram_total_pages(s->ram),
		.dirty_pages_per_s = s->dirty_pages_per_s,
		.bytes_per_s = s->rounds.bytes_per_s,
	};
	struct counters sum;

	s->told_ns = clock_now_ns();
	if (!s->options.progress)
		return;
	sum_channels(s, &sum, &progress.wire_bytes);
	progress.elapsed_ns = s->told_ns - s->start_ns;
	progress.moved_pages = sum.normal_pages + sum.zero_pages;
	progress.remaining_pages =
		s->dirty_pages - (s->in_round ? batcher_claimed_pages(s->batcher) : 0);
	s->options.progress(s->options.progress_state, &progress);
}

static void enter(struct sender *s, enum migration_state state)
{
	s->report->state = state;
	log_line(s->options.log, LOG_LEVEL_INFO, "source: %s",
		 migration_state_name(state));
	tell_progress(s);
}

/* ---- the inbox ---- */

static int stopped(struct sender *s, struct gw_error *err)
{
	struct gw_error cancelled;

	fail(&cancelled, GW_CANCELLED, "cancelled");
	return outcome_error(&s->outcome, &cancelled, err);
}

/* One event, or none within PROGRESS_MS.  -1 when a thread failed or somebody cancelled. */
static int handle_event(struct sender *s, uint32_t *synced, struct gw_error *err)
{
	enum queue_taken taken = queue_take(s->inbox, &s->event, PROGRESS_MS);

	if (clock_now_ns() - s->told_ns >= PROGRESS_MS * NS_PER_MS)
		tell_progress(s);
	if (interrupt_raised(s->interrupt))
		return stopped(s, err);
	if (taken != QUEUE_ITEM)
		return 0;
	switch (s->event.type) {
	case EVENT_SYNCED:
		++*synced;
		return 0;
	case EVENT_ZEROS:
		return main_stream_zeros(&s->main, s->event.block, s->event.zero_offsets,
					 s->event.zero_count, err);
	case EVENT_RETURN:
		if (s->event.message.type == RETURN_PONG)
			s->pong_seen |= s->event.message.value == MAIN_STREAM_SETUP_PING;
		if (s->event.message.type == RETURN_SHUT) {
			s->shut_seen = true;
			s->shut_value = s->event.message.value;
		}
		return 0;
	case EVENT_RETURN_ENDED:
		s->return_ended = true;
		return 0;
	case EVENT_WAKE:
		return 0;
	}
	return 0;
}

/* The destination may say no, or leave, at any time before it is asked for its answer. */
static int check_destination(const struct sender *s, struct gw_error *err)
{
	if (s->shut_seen && s->shut_value != 0)
		return fail(err, GW_PEER, "the destination reported a failure (SHUT %u)",
			    s->shut_value);
	if (s->shut_seen)
		return fail(err, GW_PEER,
			    "the destination said it was done before the end");
	if (s->return_ended)
		return fail(err, GW_PEER,
			    "main channel: the destination closed the connection");
	return 0;
}

static int await_syncs(struct sender *s, struct gw_error *err)
{
	uint32_t synced = 0;

	while (synced < s->channels_started) {
		if (handle_event(s, &synced, err) < 0 || check_destination(s, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the stretch of road ---- */

static int make_layout(struct sender *s, struct gw_error *err)
{
	s->layout.capacity = s->ram->block_count;
	s->layout.limit_bytes = UINT64_MAX;
	s->layout.blocks = calloc(s->layout.capacity, sizeof(*s->layout.blocks));
	if (!s->layout.blocks)
		return fail_sys(err, ENOMEM, "block list");
	for (uint32_t i = 0; i < s->ram->block_count; i++) {
		const struct ram_block *block = s->ram->blocks[i];

		memcpy(s->layout.blocks[i].name, block->name, sizeof(block->name));
		s->layout.blocks[i].length_bytes = block->length_bytes;
	}
	s->layout.block_count = s->ram->block_count;
	return 0;
}

static struct channel *open_connection(struct sender *s, uint32_t index,
				       struct gw_error *err)
{
	struct channel *channel;

	if (interrupt_raised(s->interrupt)) {
		stopped(s, err);
		return NULL;
	}
	channel = s->options.connect(s->options.connect_state, index, s->interrupt, err);
	if (!channel)
		return NULL;
	channel_set_write_patience(channel, s->options.patience_ms);
	channel_set_throttle(channel, &s->throttle, s->interrupt);
	return channel;
}

/* Each connection's first bytes go out as soon as it exists, in connection order: a QEMU that
 * waits for them answers nobody meanwhile. */
static int open_channels(struct sender *s, struct gw_error *err)
{
	const struct codec *codec = codec_by_id(s->options.method);
	const struct engine *engine = NULL;

	if (codec->id != CODEC_NONE) {
		engine = engine_choose(codec->id, err);
		if (!engine)
			return -1;
	}
	s->main_channel = open_connection(s, 0, err);
	if (!s->main_channel)
		return -1;
	if (main_stream_init(&s->main, s->main_channel, s->options.dialect, &s->layout,
			     err) < 0)
		return -1;
	if (s->options.return_path) {
		s->reader =
			return_reader_start(s->main_channel, s->inbox, &s->outcome, err);
		if (!s->reader)
			return -1;
	}
	if (main_stream_open(&s->main, s->options.machine, s->options.return_path, err) <
	    0)
		return -1;
	for (uint32_t i = 0; i < s->options.channel_count; i++) {
		struct send_channel_options options = {
			.id = i,
			.dialect = s->options.dialect,
			.layout = &s->layout,
			.batcher = s->batcher,
			.codec = codec,
			.engine = engine,
			.level = s->options.level,
			.next_packet = &s->next_packet,
			.inbox = s->inbox,
			.outcome = &s->outcome,
		};
		struct multifd_init init = { .id = (uint8_t)i };
		uint8_t bytes[MULTIFD_INIT_BYTES];
		struct channel *channel = open_connection(s, i + 1, err);

		if (!channel)
			return fail_in(err, "channel %u", i);
		memcpy(init.uuid, s->options.uuid, sizeof(init.uuid));
		multifd_init_write(bytes, &init);
		if (channel_write_bytes(channel, bytes, sizeof(bytes), err) < 0) {
			channel_free(channel);
			return fail_in(err, "channel %u", i);
		}
		s->channels[i] = send_channel_start(&options, channel, err);
		if (!s->channels[i])
			return -1;
		s->channels_started++;
	}
	return 0;
}

static int setup(struct sender *s, struct gw_error *err)
{
	if (open_channels(s, err) < 0)
		return -1;
	for (uint32_t i = 0; i < s->channels_started; i++)
		send_channel_sync(s->channels[i]);
	if (main_stream_blocks(&s->main, err) < 0 || await_syncs(s, err) < 0)
		return -1;
	if (dirty_start(s->tracker, err) < 0)
		return fail_in(err, "dirty tracking");
	s->tracking = true;
	s->harvested_ns = clock_now_ns();
	batcher_mark_all(s->batcher);
	s->dirty_pages = ram_total_pages(s->ram);
	return 0;
}

static int harvest(struct sender *s, struct gw_error *err)
{
	uint64_t found = 0, now_ns, elapsed_ns;

	for (uint32_t i = 0; i < s->ram->block_count; i++) {
		if (dirty_harvest(s->tracker, s->ram->blocks[i],
				  batcher_bitmap(s->batcher, i), &found, err) < 0)
			return fail_in(err, "dirty tracking");
	}
	now_ns = clock_now_ns();
	elapsed_ns = now_ns - s->harvested_ns;
	if (elapsed_ns > 0)
		s->dirty_pages_per_s =
			(uint64_t)((double)found * (double)NS_PER_S / (double)elapsed_ns);
	s->harvested_ns = now_ns;
	s->dirty_pages = batcher_dirty_pages(s->batcher);
	return 0;
}

/* One pass over what is dirty, with a barrier at its end. */
static int do_round(struct sender *s, bool last, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns(), wire_bytes;
	struct counters before, after;

	sum_channels(s, &before, &wire_bytes);
	s->report->rounds++;
	batcher_begin_round(s->batcher);
	s->in_round = true;
	if (main_stream_begin(&s->main, last, err) < 0)
		return -1;
	for (uint32_t i = 0; i < s->channels_started; i++)
		send_channel_round(s->channels[i]);
	if (await_syncs(s, err) < 0 || main_stream_end(&s->main, err) < 0)
		return -1;
	s->in_round = false;
	s->dirty_pages = 0;
	sum_channels(s, &after, &wire_bytes);
	rounds_measure(&s->rounds, after.normal_pages - before.normal_pages,
		       after.zero_pages - before.zero_pages, clock_now_ns() - start_ns);
	return 0;
}

static int iterate(struct sender *s, struct gw_error *err)
{
	for (;;) {
		if (do_round(s, false, err) < 0 || harvest(s, err) < 0)
			return -1;
		log_line(s->options.log, LOG_LEVEL_INFO,
			 "round %u: %" PRIu64 " pages dirty, %" PRIu64
			 " pages/s written, %" PRIu64 " MiB/s moved",
			 s->report->rounds, s->dirty_pages, s->dirty_pages_per_s,
			 s->rounds.bytes_per_s >> 20);
		if (rounds_may_switch_over(&s->rounds, s->dirty_pages,
					   s->options.downtime_limit_ms))
			return 0;
	}
}

/* Nobody is paused for a destination that has not shown that it listens. */
static int await_pong(struct sender *s, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	uint32_t synced = 0;

	while (s->options.return_path && !s->pong_seen) {
		if (handle_event(s, &synced, err) < 0 || check_destination(s, err) < 0)
			return -1;
		if (clock_now_ns() - start_ns >
		    (uint64_t)s->options.patience_ms * NS_PER_MS)
			return fail(
				err, GW_PEER,
				"main channel: no answer to the first PING within %d s",
				s->options.patience_ms / 1000);
	}
	return 0;
}

static int switch_over(struct sender *s, uint8_t **closing, size_t *closing_bytes,
		       struct gw_error *err)
{
	struct device_state devices;

	if (await_pong(s, err) < 0)
		return -1;
	s->report->paused_at_ns = clock_now_ns();
	if (s->machine->pause(s->machine->state, err) < 0)
		return fail_in(err, "pause");
	s->paused = true;
	enter(s, MIGRATION_DEVICE);
	if (harvest(s, err) < 0 || do_round(s, true, err) < 0)
		return -1;
	if (s->machine->save(s->machine->state, &devices, err) < 0)
		return fail_in(err, "device state");
	*closing = main_stream_closing(&devices, closing_bytes, err);
	return *closing ? 0 : -1;
}

/* The answer: 0 the destination runs, 1 it says that it does not, -1 nobody knows. */
static int await_answer(struct sender *s, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	uint32_t synced = 0;

	while (!s->shut_seen) {
		if (handle_event(s, &synced, err) < 0)
			return -1;
		if (s->return_ended && !s->shut_seen)
			return fail(
				err, GW_PEER,
				"main channel: closed before the destination's answer");
		if (clock_now_ns() - start_ns >
		    (uint64_t)s->options.answer_patience_ms * NS_PER_MS)
			return fail(err, GW_PEER,
				    "main channel: no answer from the destination within "
				    "%d s",
				    s->options.answer_patience_ms / 1000);
	}
	if (s->shut_value == 0)
		return 0;
	fail(err, GW_PEER, "the destination reported a failure (SHUT %u)", s->shut_value);
	return 1;
}

/* Without a return path the best there is to know: the destination has closed main after it read
 * to the end, and each page channel too, with nothing of it unread.  A connection that nobody
 * accepted ends with a reset. */
static int await_close(struct sender *s, struct gw_error *err)
{
	ptrdiff_t got;
	uint8_t byte;

	channel_finish(s->main_channel);
	channel_set_read_patience(s->main_channel, s->options.answer_patience_ms);
	got = channel_read_some(s->main_channel, &byte, 1, err);
	if (got < 0)
		return fail_in(err, "main channel");
	if (got > 0)
		return fail(err, GW_PEER,
			    "main channel: the destination answers, but no return path "
			    "was opened");
	for (uint32_t i = 0; i < s->channels_started; i++)
		if (send_channel_await_close(s->channels[i], s->options.patience_ms,
					     err) < 0)
			return -1;
	return 0;
}

static int commit(struct sender *s, uint8_t *closing, size_t closing_bytes,
		  struct gw_error *err)
{
	uint64_t before = channel_bytes_written(s->main_channel);
	int open = FATE_OPEN, answer;

	if (interrupt_raised(s->interrupt) ||
	    !atomic_compare_exchange_strong(&s->fate, &open, FATE_COMMITTED))
		return stopped(s, err);
	s->report->guest = GUEST_UNKNOWN;
	if (channel_write_bytes(s->main_channel, closing, closing_bytes, err) < 0) {
		if (channel_bytes_written(s->main_channel) == before)
			s->report->guest = GUEST_AT_SOURCE; /* nothing is on the way */
		return fail_in(err, "main channel");
	}
	answer = s->options.return_path ? await_answer(s, err) : await_close(s, err);
	if (answer == 0)
		s->report->guest = GUEST_AT_DESTINATION;
	else if (answer > 0)
		s->report->guest = GUEST_AT_SOURCE;
	return answer == 0 ? 0 : -1;
}

static int migrate(struct sender *s, struct gw_error *err)
{
	OWNED_MEMORY uint8_t *closing = NULL;
	size_t closing_bytes = 0;

	enter(s, MIGRATION_SETUP);
	if (setup(s, err) < 0)
		return -1;
	s->report->setup_ns = clock_now_ns() - s->start_ns;
	enter(s, MIGRATION_ACTIVE);
	if (iterate(s, err) < 0 || switch_over(s, &closing, &closing_bytes, err) < 0)
		return -1;
	return commit(s, closing, closing_bytes, err);
}

/* What came first is what happened.  But a destination that gives up says so on the return path
 * and closes everything: its word comes before what its leaving did to a channel. */
static void explain(struct sender *s, struct gw_error *err)
{
	struct gw_error seen = *err;

	outcome_error(&s->outcome, &seen, err);
	if (err->kind != GW_PEER || !s->reader)
		return;
	interrupt_raise(s->interrupt);
	queue_close(s->inbox);
	if (!s->shut_seen)
		s->shut_seen = return_reader_last_words(s->reader, LAST_WORDS_MS,
							&s->shut_value);
	if (!s->shut_seen)
		return;
	if (s->report->guest == GUEST_UNKNOWN)
		s->report->guest =
			s->shut_value == 0 ? GUEST_AT_DESTINATION : GUEST_AT_SOURCE;
	check_destination(s, err);
}

/* A QEMU whose page channel ends before the barrier hangs in it: main goes first, then each
 * channel says SYNC where it can (docs/protocol.md, "Giving up"). */
static void tear_down(struct sender *s, bool failed)
{
	queue_close(s->inbox);
	if (failed)
		interrupt_raise(s->interrupt);
	if (failed && s->main_channel)
		channel_finish(s->main_channel);
	for (uint32_t i = 0; i < s->channels_started; i++)
		send_channel_stop(s->channels[i], failed);
	s->channels_started = 0;
	if (!failed && s->reader && !s->shut_seen)
		interrupt_raise(s->interrupt);
	return_reader_stop(s->reader);
	s->reader = NULL;
	channel_free(s->main_channel);
	s->main_channel = NULL;
	main_stream_deinit(&s->main);
	if (s->tracking)
		dirty_stop(s->tracker);
}

int sender_run(struct sender *s, struct sender_report *report, struct gw_error *err)
{
	struct gw_error resume_error;
	bool failed;

	*report = (struct sender_report){ .ram_bytes = ram_total_bytes(s->ram) };
	s->report = report;
	s->start_ns = clock_now_ns();
	failed = migrate(s, err) < 0;
	if (failed)
		explain(s, err);
	failed = failed && report->guest != GUEST_AT_DESTINATION;
	report->total_ns = clock_now_ns() - s->start_ns;
	if (s->paused && report->guest != GUEST_AT_SOURCE)
		report->downtime_ns = clock_now_ns() - report->paused_at_ns;
	sum_channels(s, &report->counters, &report->wire_bytes);
	if (failed && err->kind == GW_CANCELLED)
		enter(s, MIGRATION_CANCELLING);
	tear_down(s, failed);
	if (failed && s->paused && report->guest == GUEST_AT_SOURCE &&
	    s->machine->resume(s->machine->state, &resume_error) < 0) {
		*err = resume_error;
		fail_in(err, "the guest could not be resumed");
		report->guest = GUEST_UNKNOWN;
	}
	if (!failed)
		enter(s, MIGRATION_COMPLETED);
	else
		enter(s,
		      err->kind == GW_CANCELLED ? MIGRATION_CANCELLED : MIGRATION_FAILED);
	return failed ? -1 : 0;
}

bool sender_cancel(struct sender *s)
{
	int open = FATE_OPEN;

	if (!atomic_compare_exchange_strong(&s->fate, &open, FATE_CANCELLED) &&
	    open == FATE_COMMITTED)
		return false;
	interrupt_raise(s->interrupt);
	return true;
}

void sender_set_max_bandwidth(struct sender *s, uint64_t bytes_per_s)
{
	throttle_set(&s->throttle, bytes_per_s);
}

struct sender *sender_new(const struct sender_options *options, const struct ram *ram,
			  struct dirty_tracker *tracker,
			  const struct source_machine *machine, struct gw_error *err)
{
	OWNED(sender) struct sender *s = calloc(1, sizeof(*s));

	if (!s) {
		fail_sys(err, ENOMEM, "migration");
		return NULL;
	}
	assert(options->channel_count >= 1 &&
	       options->channel_count <= MULTIFD_CHANNELS_MAX);
	s->options = *options;
	s->ram = ram;
	s->tracker = tracker;
	s->machine = machine;
	atomic_init(&s->fate, FATE_OPEN);
	throttle_init(&s->throttle, options->max_bandwidth);
	if (codec_check_level(codec_by_id(options->method), options->level, err) < 0)
		return NULL;
	s->interrupt = interrupt_new(err);
	if (!s->interrupt)
		return NULL;
	outcome_init(&s->outcome, s->interrupt);
	s->inbox = queue_new(sizeof(struct sender_event), INBOX_EVENTS, err);
	if (!s->inbox || make_layout(s, err) < 0)
		return NULL;
	s->batcher = batcher_new(ram, err);
	if (!s->batcher)
		return NULL;
	return MOVE(s);
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	batcher_free(s->batcher);
	free(s->layout.blocks);
	queue_free(s->inbox);
	interrupt_free(s->interrupt);
	free(s);
}
