/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender.c - the source of a migration: what others call, setup and tear-down. */
#include "migrate/sender.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "migrate/sender_parts.h"

#define INBOX_EVENTS 64u
#define LAST_WORDS_MS 200

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

static int settle_early(struct sender *s, struct gw_error *err)
{
	struct device_state early = { 0 };

	if (s->machine->save_early(s->machine->state, &early, err) < 0)
		return fail_in(err, "device state");
	if (early.section_count == 0)
		return 0;
	if (main_stream_early(&s->links.main, &early, s->options.return_path, err) < 0)
		return -1;
	return sender_await_pong(s, MAIN_STREAM_EARLY_PING, s->options.patience_ms, err);
}

static int setup(struct sender *s, struct gw_error *err)
{
	const struct links_options options = {
		.connect = s->options.connect,
		.connect_state = s->options.connect_state,
		.dialect = s->options.dialect,
		.machine = s->options.machine,
		.uuid = s->options.uuid,
		.channel_count = s->options.channel_count,
		.method = s->options.method,
		.level = s->options.level,
		.engine = s->engine,
		.engine_jobs = s->options.accelerator_jobs,
		.standing = &s->standing,
		.return_path = s->options.return_path,
		.patience_ms = s->options.patience_ms,
		.layout = &s->layout,
		.batcher = s->batcher,
		.throttle = &s->throttle,
		.inbox = s->inbox,
		.outcome = &s->outcome,
	};

	if (links_open(&s->links, &options, err) < 0)
		return -1;
	links_sync(&s->links);
	if (main_stream_blocks(&s->links.main, err) < 0 || sender_await_syncs(s, err) < 0)
		return -1;
	if (settle_early(s, err) < 0 || pace_start(&s->pace, err) < 0)
		return -1;
	s->dirty_pages = ram_total_pages(s->ram);
	return 0;
}

static int migrate(struct sender *s, struct gw_error *err)
{
	OWNED_MEMORY uint8_t *closing = NULL;
	size_t closing_bytes = 0;

	sender_enter(s, MIGRATION_SETUP);
	if (setup(s, err) < 0)
		return -1;
	s->report->setup_ns = clock_now_ns() - s->start_ns;
	sender_enter(s, MIGRATION_ACTIVE);
	if (sender_iterate(s, err) < 0 ||
	    sender_switch_over(s, &closing, &closing_bytes, err) < 0)
		return -1;
	return sender_commit(s, closing, closing_bytes, err);
}

/* What came first is what happened.  But a destination that gives up says so on the return path
 * and closes everything: its word comes before what its leaving did to a channel. */
static void explain(struct sender *s, struct gw_error *err)
{
	struct gw_error seen = *err;

	outcome_error(&s->outcome, &seen, err);
	if (err->kind != GW_PEER || !s->links.reader)
		return;
	interrupt_raise(s->interrupt);
	queue_close(s->inbox);
	if (!s->shut_seen)
		s->shut_seen = return_reader_last_words(s->links.reader, LAST_WORDS_MS,
							&s->shut_value);
	if (!s->shut_seen)
		return;
	if (s->report->guest == GUEST_UNKNOWN)
		s->report->guest =
			s->shut_value == 0 ? GUEST_AT_DESTINATION : GUEST_AT_SOURCE;
	sender_check_destination(s, err);
}

static void tear_down(struct sender *s, bool failed)
{
	queue_close(s->inbox);
	if (failed || !s->shut_seen)
		interrupt_raise(s->interrupt);
	links_close(&s->links, failed);
	pace_stop(&s->pace);
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
	sender_sum(s, &report->counters, &report->wire_bytes);
	if (s->links.main_channel)
		report->main_bytes = channel_bytes_written(s->links.main_channel);
	report->engine = s->engine ? s->engine->name : NULL;
	report->sync_ns = s->pace.sync_ns;
	report->dirty_syncs = s->pace.dirty_syncs;
	report->throttle_percent_most = s->pace.throttle_percent_most;
	report->convergence = s->pace.convergence;
	if (failed && err->kind == GW_CANCELLED)
		sender_enter(s, MIGRATION_CANCELLING);
	tear_down(s, failed);
	if (failed && s->paused && report->guest == GUEST_AT_SOURCE &&
	    s->machine->resume(s->machine->state, &resume_error) < 0) {
		*err = resume_error;
		fail_in(err, "the guest, paused here, could not be resumed");
	}
	if (!failed)
		sender_enter(s, MIGRATION_COMPLETED);
	else
		sender_enter(s, err->kind == GW_CANCELLED ? MIGRATION_CANCELLED
							  : MIGRATION_FAILED);
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

/* An inbox that is full or closed needs nobody to say that there is something. */
static void wake(struct sender *s)
{
	const struct sender_event event = { .type = EVENT_WAKE };

	(void)queue_try_give(s->inbox, &event);
}

void sender_set_max_bandwidth(struct sender *s, uint64_t bytes_per_s)
{
	throttle_set(&s->throttle, bytes_per_s);
	s->limits_changed = true;
	wake(s);
}

void sender_set_downtime_limit(struct sender *s, uint64_t limit_ms)
{
	s->downtime_limit_ms = limit_ms;
	s->limits_changed = true;
	wake(s);
}

void sender_continue(struct sender *s)
{
	s->told_to_continue = true;
	wake(s);
}

/* Before anybody is connected to: what cannot be computed here is refused at once. */
static int choose_engine(struct sender *s, struct gw_error *err)
{
	const struct sender_options *options = &s->options;

	if (codec_check_level(codec_by_id(options->method), options->level, err) < 0)
		return -1;
	if (options->method == CODEC_NONE || options->channel_count == 0)
		return accelerator_check(options->accelerator, err);
	s->engine = engine_choose(options->method, ENCODE, options->level,
				  options->accelerator, err);
	return s->engine ? 0 : -1;
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
	assert(options->channel_count <= MULTIFD_CHANNELS_MAX);
	if (options->switchover_ack &&
	    !(options->return_path && options->dialect->switchover_ack)) {
		fail(err, GW_USAGE,
		     "switchover-ack: needs the return path and a dialect that has it, "
		     "not "
		     "%s",
		     options->dialect->name);
		return NULL;
	}
	s->options = *options;
	s->ram = ram;
	s->machine = machine;
	atomic_init(&s->fate, FATE_OPEN);
	throttle_init(&s->throttle, options->max_bandwidth);
	s->max_bandwidth = throttle_rate(&s->throttle);
	atomic_init(&s->downtime_limit_ms, options->downtime_limit_ms);
	s->standing.log = options->log;
	if (choose_engine(s, err) < 0)
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
	pace_init(&s->pace, &(struct pace_options){
				    .ram = ram,
				    .tracker = tracker,
				    .batcher = s->batcher,
				    .machine = machine,
				    .auto_converge = options->auto_converge,
				    .log = options->log,
			    });
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
