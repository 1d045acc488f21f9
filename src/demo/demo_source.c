/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo_source.c - the demo's source process. */
#include "demo/demo_source.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "channel/channel.h"
#include "codec/engine.h"
#include "demo/beat_log.h"
#include "guest/proof.h"
#include "migrate/parameters.h"
#include "migrate/sender.h"
#include "ram/dump.h"

/* How long the guest runs before it moves, and after it did not. */
#define WARM_UP_MS 100
#define CONNECT_PATIENCE_MS 10000
#define FIRST_BEAT_MS 10000

struct source {
	const struct demo_options *options;
	struct link *link;
	struct guest *guest;
	struct beat_log console;
	struct address to;
	struct sender *sender;
	enum convergence_verdict verdict; /* as the parent was told */
	/* The thread that hears a cancel. */
	pthread_t listener;
	struct interrupt *done;
};

/* ---- the guest, as the sender wants it ---- */

/* For somebody who knows no device of ours. */
static bool without_devices(const struct source *source)
{
	return source->options->machine && strcmp(source->options->machine, "none") == 0;
}

static int save_early(void *state, struct device_state *saved, struct gw_error *err)
{
	struct source *source = state;

	*saved = (struct device_state){ 0 };
	return without_devices(source) ? 0 : guest_save_early(source->guest, saved, err);
}

static int pause_guest(void *state, struct gw_error *err)
{
	return guest_pause(((struct source *)state)->guest, err);
}

static int save_guest(void *state, struct device_state *saved, struct gw_error *err)
{
	struct source *source = state;

	*saved = (struct device_state){ .vmdesc = "{}" };
	return without_devices(source) ? 0 : guest_save(source->guest, true, saved, err);
}

static int resume_guest(void *state, struct gw_error *err)
{
	return guest_run(((struct source *)state)->guest, err);
}

static void throttle_guest(void *state, uint32_t percent)
{
	guest_throttle(((struct source *)state)->guest, percent);
}

/* ---- what the parent hears and says ---- */

static void tell_verdict(struct source *source, const struct convergence *now)
{
	struct gw_error ignored;
	char text[256];

	if (convergence_is_news(source->verdict, now->verdict))
		(void)link_send(source->link,
				json_pack("{ss ss}", "event", "note", "text",
					  convergence_explain(now, text, sizeof(text))),
				&ignored);
	source->verdict = now->verdict;
}

static void tell_progress(void *state, const struct sender_progress *now)
{
	struct source *source = state;
	struct gw_error ignored;

	tell_verdict(source, &now->convergence);
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

/* For as long as a guest's first words may take where everything is slow. */
static void await_beats(struct source *source, uint64_t beats)
{
	for (int i = 0; i < FIRST_BEAT_MS && beat_log_beats(&source->console) < beats;
	     i += 10)
		interrupt_sleep(NULL, 10 * NS_PER_MS);
}

static int make_guest(struct source *source, struct gw_error *err)
{
	const struct demo_options *options = source->options;
	struct guest_options guest = options->guest;

	beat_log_init(&source->console, false);
	guest.console = beat_log_hear;
	guest.console_state = &source->console;
	source->guest = guest_new(&guest, err);
	if (!source->guest ||
	    guest_boot(source->guest, options->fill, options->threads, err) < 0 ||
	    !guest_tracker(source->guest, err))
		return -1;
	return guest_run(source->guest, err);
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

static json_t *split_json(const struct downtime_split *split)
{
	return json_pack("{sI sI sI sI sI}", "stop_ns", (json_int_t)split->stop_ns,
			 "last_sync_ns", (json_int_t)split->last_sync_ns, "last_pages_ns",
			 (json_int_t)split->last_pages_ns, "state_ns",
			 (json_int_t)split->state_ns, "resume_ns",
			 (json_int_t)split->resume_ns);
}

static json_t *phases_json(uint64_t sync_ns, const struct phases *phases)
{
	return json_pack("{sI sI sI sI sI sI}", "sync_ns", (json_int_t)sync_ns, "scan_ns",
			 (json_int_t)phases->scan_ns, "zero_ns",
			 (json_int_t)phases->zero_ns, "engine_ns",
			 (json_int_t)phases->engine_ns, "send_ns",
			 (json_int_t)phases->send_ns, "wait_ns",
			 (json_int_t)phases->wait_ns);
}

static json_t *report_json(const struct sender_report *report, uint64_t cpu_ns,
			   const char *tracker)
{
	return json_pack("{ss ss sI sI sI sI sI sI sI sI si sI ss si so so so}", "event",
			 "result", "state", migration_state_name(report->state), "guest",
			 (json_int_t)report->guest, "total_ns",
			 (json_int_t)report->total_ns, "setup_ns",
			 (json_int_t)report->setup_ns, "paused_at_ns",
			 (json_int_t)report->paused_at_ns, "downtime_ns",
			 (json_int_t)report->downtime_ns, "wire_bytes",
			 (json_int_t)report->wire_bytes, "normal_pages",
			 (json_int_t)report->counters.normal_pages, "zero_pages",
			 (json_int_t)report->counters.zero_pages, "rounds",
			 (int)report->rounds, "cpu_ns", (json_int_t)cpu_ns, "tracker",
			 tracker, "throttle_percent", (int)report->throttle_percent_most,
			 "split", split_json(&report->downtime_split), "phases",
			 phases_json(report->sync_ns, &report->counters.phases), "engine",
			 result_engine_tell(report->engine, &report->counters.engine));
}

/* It has to beat again, however slow this host is. */
static bool runs_on(const struct source *source)
{
	uint64_t before = guest_counters(source->guest).beats;

	interrupt_sleep(NULL, WARM_UP_MS * NS_PER_MS);
	for (int i = 0; i < FIRST_BEAT_MS; i += 10) {
		if (guest_counters(source->guest).beats > before)
			return true;
		interrupt_sleep(NULL, 10 * NS_PER_MS);
	}
	return false;
}

/* What the guest here says of itself: gone, with a checksum to compare, or running on. */
static int add_guest(struct source *source, const struct sender_report *report,
		     json_t *result, struct gw_error *err)
{
	if (report->guest == GUEST_AT_SOURCE) {
		json_object_set_new(result, "runs_on", json_boolean(runs_on(source)));
		return 0;
	}
	json_object_set_new(result, "heartbeat",
			    json_integer((json_int_t)guest_heartbeat(source->guest)));
	json_object_set_new(result, "console", beat_log_json(&source->console));
	if (report->guest == GUEST_AT_DESTINATION) {
		char sum[PROOF_CHECKSUM_CHARS];

		if (proof_checksum(guest_ram(source->guest), source->options->threads,
				   sum, err) < 0)
			return -1;
		json_object_set_new(result, "checksum", json_string(sum));
	}
	if (source->options->dump_directory)
		return ram_dump(guest_ram(source->guest), source->options->dump_directory,
				err);
	return 0;
}

/* CPU of this process without its guest's threads. */
static uint64_t own_cpu_ns(const struct source *source)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) -
	       guest_counters(source->guest).cpu_ns;
}

/* What QEMU does when it is told no more than that. */
static struct auto_converge auto_converge(bool on)
{
	struct parameters defaults;

	parameters_init(&defaults);
	return (struct auto_converge){
		.on = on,
		.trigger_threshold_percent = (uint32_t)parameter(
			&defaults, PARAMETER_THROTTLE_TRIGGER_THRESHOLD),
		.initial_percent =
			(uint32_t)parameter(&defaults, PARAMETER_CPU_THROTTLE_INITIAL),
		.increment_percent =
			(uint32_t)parameter(&defaults, PARAMETER_CPU_THROTTLE_INCREMENT),
		.max_percent = (uint32_t)parameter(&defaults, PARAMETER_MAX_CPU_THROTTLE),
	};
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
		.machine = options->machine ? options->machine
					    : guest_machine_name(options->guest.kind),
		.channel_count = options->channels,
		.method = codec->id,
		.level = level,
		.accelerator = options->accelerator,
		.accelerator_jobs = options->accelerator_jobs,
		.max_bandwidth = options->max_bandwidth,
		.downtime_limit_ms = options->downtime_limit_ms,
		.return_path = options->return_path,
		.auto_converge = auto_converge(options->auto_converge),
		.patience_ms = options->patience_ms,
		.answer_patience_ms = SENDER_ANSWER_PATIENCE_MS,
		.log = options->log,
		.progress = tell_progress,
		.progress_state = source,
	};
	struct dirty_tracker *tracker;
	struct sender_report report;
	struct gw_error why = { 0 };
	uint64_t cpu_ns;
	json_t *result;
	int failed;

	tracker = guest_tracker(source->guest, err);
	if (!tracker)
		return -1;
	source->sender =
		sender_new(&sending, guest_ram(source->guest), tracker, &machine, err);
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
	result = report_json(&report, cpu_ns, dirty_name(tracker));
	if (failed < 0)
		json_object_set_new(result, "error", json_string(why.text));
	if (add_guest(source, &report, result, err) < 0) {
		json_decref(result);
		return -1;
	}
	return link_send(source->link, result, err);
}

/* Before there is a guest: a probe belongs into the process that will use the device. */
static int check_engine(const struct demo_options *options, const struct codec *codec,
			int level, struct gw_error *err)
{
	if (accelerator_check(options->accelerator, err) < 0)
		return -1;
	if (codec->id == CODEC_NONE)
		return 0;
	return engine_choose(codec->id, ENCODE, level, options->accelerator, err) ? 0
										  : -1;
}

int demo_source(const struct demo_options *options, const struct codec *codec, int level,
		struct link *link, struct gw_error *err)
{
	struct source source = { .options = options, .link = link };
	int failed;

	failed = check_engine(options, codec, level, err);
	if (failed == 0)
		failed = make_guest(&source, err);
	if (failed == 0) {
		interrupt_sleep(NULL, WARM_UP_MS * NS_PER_MS);
		await_beats(&source, 1);
		failed = link_send(link, json_pack("{ss}", "event", "ready"), err);
	}
	if (failed == 0)
		failed = await_order(&source, err);
	if (failed == 0)
		failed = migrate(&source, codec, level, err);
	sender_free(source.sender);
	interrupt_free(source.done);
	guest_free(source.guest);
	return failed;
}
