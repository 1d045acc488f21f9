/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo_source.c - the demo's source process. */
#include "demo/demo_source.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "channel/channel.h"
#include "guest/fill.h"
#include "guest/process_machine.h"
#include "guest/proof.h"
#include "migrate/sender.h"
#include "ram/dump.h"

/* How long the guest runs before it moves, and after it did not. */
#define WARM_UP_MS 100
#define CONNECT_PATIENCE_MS 10000

struct source {
	const struct demo_options *options;
	struct link *link;
	struct ram ram;
	struct process_machine *machine;
	struct dirty_tracker *tracker;
	struct process_state state; /* as saved */
	uint8_t body[PROCESS_STATE_BYTES_MAX];
	char description[PROCESS_DESCRIPTION_BYTES_MAX];
	struct device_section section;
	struct address to;
	struct sender *sender;
	/* The thread that hears a cancel. */
	pthread_t listener;
	struct interrupt *done;
};

/* ---- the guest, as the sender wants it ---- */

static int pause_guest(void *state, struct gw_error *err)
{
	(void)err;
	process_machine_pause(((struct source *)state)->machine);
	return 0;
}

static int resume_guest(void *state, struct gw_error *err)
{
	(void)err;
	process_machine_resume(((struct source *)state)->machine);
	return 0;
}

static int save_early(void *state, struct device_state *saved, struct gw_error *err)
{
	(void)state;
	(void)err;
	*saved = (struct device_state){ 0 };
	return 0;
}

static void throttle_guest(void *state, uint32_t percent)
{
	(void)state;
	(void)percent;
}

static int save_guest(void *state, struct device_state *saved, struct gw_error *err)
{
	struct source *source = state;
	struct writer out = writer_over(source->body, sizeof(source->body));

	process_machine_state(source->machine, &source->state);
	*saved = (struct device_state){ .vmdesc = "{}" };
	if (strcmp(source->options->machine, "none") == 0)
		return 0;
	process_state_encode(&source->state, &out);
	if (out.overrun)
		return fail(err, GW_USAGE, "guest state of more than %zu bytes",
			    sizeof(source->body));
	process_state_describe(&source->state, source->description);
	source->section = (struct device_section){
		.name = PROCESS_STATE_NAME,
		.instance = PROCESS_STATE_INSTANCE,
		.version = PROCESS_STATE_VERSION,
		.body = { source->body, out.used },
	};
	saved->sections = &source->section;
	saved->section_count = 1;
	saved->vmdesc = source->description;
	return 0;
}

/* ---- what the parent hears and says ---- */

static void tell_progress(void *state, const struct sender_progress *now)
{
	struct source *source = state;
	struct gw_error ignored;

	(void)link_send(source->link,
			json_pack("{ss ss si sI sI sI sI sI sI}", "event", "progress",
				  "state", migration_state_name(now->state), "round",
				  (int)now->round, "elapsed_ns",
				  (json_int_t)now->elapsed_ns, "total_pages",
				  (json_int_t)now->total_pages, "remaining_pages",
				  (json_int_t)now->remaining_pages, "wire_bytes",
				  (json_int_t)now->wire_bytes, "dirty_pages_per_s",
				  (json_int_t)now->dirty_pages_per_s, "bytes_per_s",
				  (json_int_t)now->bytes_per_s),
			&ignored);
}

static void *hear_cancel(void *state)
{
	struct source *source = state;
	struct gw_error err;

	/* A parent that is gone cancels too. */
	while (interrupt_poll(source->done, source->link->fd, POLLIN, -1, &err) > 0) {
		json_t *message = link_receive(source->link, 0, &err);
		bool gone = !message;

		json_decref(message);
		sender_cancel(source->sender);
		if (gone)
			break;
	}
	return NULL;
}

static struct channel *connect_channel(void *state, uint32_t index,
				       const struct interrupt *interrupt,
				       struct gw_error *err)
{
	struct source *source = state;

	(void)index;
	return channel_connect(&source->to, interrupt, CONNECT_PATIENCE_MS, err);
}

/* ---- the whole ---- */

static int make_guest(struct source *source, struct gw_error *err)
{
	const struct demo_options *options = source->options;
	struct process_state state = {
		.block = DEMO_BLOCK,
		.heartbeat_offset = options->memory_bytes - PAGE_BYTES,
		.working_set_offset =
			options->memory_bytes - PAGE_BYTES - options->working_set_bytes,
		.working_set_bytes = options->working_set_bytes,
		.dirty_rate_bytes = options->dirty_rate_bytes,
		.pattern = options->pattern,
		.writer_count = options->writers,
	};

	if (ram_allocate(&source->ram, DEMO_BLOCK, options->memory_bytes, err) < 0)
		return -1;
	if (fill_ram(options->fill, &source->ram, options->seed, options->threads, err) <
	    0)
		return fail_in(err, "--fill");
	if (process_state_init(&state, &source->ram, options->seed, err) < 0)
		return -1;
	source->machine = process_machine_new(&source->ram, &state, err);
	if (!source->machine)
		return -1;
	source->tracker = dirty_of_process(&source->ram, options->tracker, err);
	if (!source->tracker)
		return fail_in(err, "--tracker");
	return process_machine_start(source->machine, err);
}

static int await_order(struct source *source, struct gw_error *err)
{
	json_t *order = link_receive(source->link, -1, err);
	const char *uri;
	int parsed;

	if (!order)
		return -1;
	uri = json_string_value(json_object_get(order, "uri"));
	parsed = uri ? address_parse(&source->to, uri, err)
		     : fail(err, GW_CANCELLED, "cancelled before it began");
	json_decref(order);
	return parsed;
}

static json_t *report_json(const struct sender_report *report, uint64_t cpu_ns,
			   const char *tracker)
{
	return json_pack("{ss ss sI sI sI sI sI sI sI sI si sI ss}", "event", "result",
			 "state", migration_state_name(report->state), "guest",
			 (json_int_t)report->guest, "total_ns",
			 (json_int_t)report->total_ns, "setup_ns",
			 (json_int_t)report->setup_ns, "paused_at_ns",
			 (json_int_t)report->paused_at_ns, "downtime_ns",
			 (json_int_t)report->downtime_ns, "wire_bytes",
			 (json_int_t)report->wire_bytes, "normal_pages",
			 (json_int_t)report->counters.normal_pages, "zero_pages",
			 (json_int_t)report->counters.zero_pages, "rounds",
			 (int)report->rounds, "cpu_ns", (json_int_t)cpu_ns, "tracker",
			 tracker);
}

/* What the guest here says of itself: gone, with a checksum to compare, or running on. */
static int add_guest(struct source *source, const struct sender_report *report,
		     json_t *result, struct gw_error *err)
{
	struct process_counters before = process_machine_counters(source->machine);

	if (report->guest == GUEST_AT_SOURCE) {
		interrupt_sleep(NULL, WARM_UP_MS * NS_PER_MS);
		json_object_set_new(
			result, "runs_on",
			json_boolean(process_machine_counters(source->machine).beats >
				     before.beats));
		return 0;
	}
	json_object_set_new(result, "heartbeat",
			    json_integer((json_int_t)source->state.heartbeat));
	if (report->guest == GUEST_AT_DESTINATION) {
		char sum[PROOF_CHECKSUM_CHARS];

		if (proof_checksum(&source->ram, source->options->threads, sum, err) < 0)
			return -1;
		json_object_set_new(result, "checksum", json_string(sum));
	}
	if (source->options->dump_directory)
		return ram_dump(&source->ram, source->options->dump_directory, err);
	return 0;
}

/* CPU of this process without its guest's threads. */
static uint64_t own_cpu_ns(const struct source *source)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) -
	       process_machine_counters(source->machine).cpu_ns;
}

static int migrate(struct source *source, const struct codec *codec, int level,
		   struct gw_error *err)
{
	const struct demo_options *options = source->options;
	const struct source_machine machine = {
		source, save_early, pause_guest, save_guest, resume_guest, throttle_guest
	};
	const struct sender_options sending = {
		.connect = connect_channel,
		.connect_state = source,
		.dialect = options->dialect,
		.machine = options->machine,
		.channel_count = options->channels,
		.method = codec->id,
		.level = level,
		.max_bandwidth = options->max_bandwidth,
		.downtime_limit_ms = options->downtime_limit_ms,
		.return_path = options->return_path,
		.patience_ms = options->patience_ms,
		.answer_patience_ms = SENDER_ANSWER_PATIENCE_MS,
		.log = options->log,
		.progress = tell_progress,
		.progress_state = source,
	};
	struct sender_report report;
	struct gw_error why = { 0 };
	uint64_t cpu_ns;
	json_t *result;
	int failed;

	source->sender =
		sender_new(&sending, &source->ram, source->tracker, &machine, err);
	source->done = interrupt_new(err);
	if (!source->sender || !source->done)
		return -1;
	failed = pthread_create(&source->listener, NULL, hear_cancel, source);
	if (failed)
		return fail_sys(err, failed, "thread");
	cpu_ns = own_cpu_ns(source);
	failed = sender_run(source->sender, &report, &why);
	cpu_ns = own_cpu_ns(source) - cpu_ns;
	interrupt_raise(source->done);
	pthread_join(source->listener, NULL);
	result = report_json(&report, cpu_ns, dirty_name(source->tracker));
	if (failed < 0)
		json_object_set_new(result, "error", json_string(why.text));
	if (add_guest(source, &report, result, err) < 0) {
		json_decref(result);
		return -1;
	}
	return link_send(source->link, result, err);
}

int demo_source(const struct demo_options *options, const struct codec *codec, int level,
		struct link *link, struct gw_error *err)
{
	struct source source = { .options = options, .link = link };
	int failed;

	ram_init(&source.ram);
	failed = make_guest(&source, err);
	if (failed == 0) {
		interrupt_sleep(NULL, WARM_UP_MS * NS_PER_MS);
		failed = link_send(link, json_pack("{ss}", "event", "ready"), err);
	}
	if (failed == 0)
		failed = await_order(&source, err);
	if (failed == 0)
		failed = migrate(&source, codec, level, err);
	sender_free(source.sender);
	interrupt_free(source.done);
	dirty_tracker_free(source.tracker);
	process_machine_free(source.machine);
	ram_deinit(&source.ram);
	return failed;
}
