/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_source.c - a guest of the caller's, sent once.
 *
 * The sender is made when it runs, for until then anything may be set.  Other threads find it
 * through one atomic pointer, and it lives as long as the source does, so that a cancel that comes
 * late finds something to cancel in vain. */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "api/callback.h"
#include "api/gw_dirty.h"
#include "api/gw_status.h"
#include "api/log_bridge.h"
#include "api/settings.h"
#include "api/state_blob.h"
#include "api/struct_copy.h"
#include "migrate/sender.h"
#include "wire/stream_header.h"

#define MACHINE_DEFAULT "godwit"
#define CONNECT_PATIENCE_MS 10000

enum { SOURCE_NEW, SOURCE_RUNNING, SOURCE_DONE };

/* What may change while it runs, and what hands a new value to the sender. */
enum { LIVE_MAX_BANDWIDTH, LIVE_DOWNTIME_LIMIT, LIVE_COUNT };

static const struct live_limit {
	enum parameter_id id;
	void (*apply)(struct sender *sender, uint64_t value);
} live_limits[LIVE_COUNT] = {
	[LIVE_MAX_BANDWIDTH] = { PARAMETER_MAX_BANDWIDTH, sender_set_max_bandwidth },
	[LIVE_DOWNTIME_LIMIT] = { PARAMETER_DOWNTIME_LIMIT, sender_set_downtime_limit },
};

struct gw_source {
	struct gw_ram *ram;
	struct gw_dirty *dirty;
	struct gw_source_ops ops;
	void *user;
	struct gw_source_options options;
	char machine[STREAM_NAME_MAX + 1];
	const struct dialect *dialect;
	struct log_bridge log_bridge;
	const struct log *log;

	atomic_int phase;
	atomic_bool cancelled;
	_Atomic(struct sender *) sender;
	/* The owner's until it runs, and nobody changes them then ... */
	struct settings settings;
	/* ... but for these, which are everybody's at all times. */
	_Atomic uint64_t live[LIVE_COUNT];

	struct source_machine callbacks;
	struct address to;
	bool connected; /* or tried to: a descriptor of the caller's was seen to */
	struct gw_state early_state;
	struct gw_state state;
	struct gw_source_report report;
};

/* ---- the caller's guest, as the sender calls it ---- */

static int pause_guest(void *state, struct gw_error *err)
{
	struct gw_source *source = state;
	struct gw_error said = { 0 };

	return callback_answer(source->ops.pause(source->user, &said), &said, err);
}

static int resume_guest(void *state, struct gw_error *err)
{
	struct gw_source *source = state;
	struct gw_error said = { 0 };

	return callback_answer(source->ops.resume(source->user, &said), &said, err);
}

static int save_into(struct gw_source *source,
		     int (*save)(void *user, struct gw_state *state,
				 struct gw_error *err),
		     struct gw_state *state, struct device_state *saved,
		     struct gw_error *err)
{
	struct gw_error said = { 0 };

	state_blob_clear(state);
	if (callback_answer(save(source->user, state, &said), &said, err) < 0)
		return -1;
	return state_blob_finish(state, saved, err);
}

static int save_early(void *state, struct device_state *saved, struct gw_error *err)
{
	struct gw_source *source = state;

	*saved = (struct device_state){ 0 };
	if (!source->ops.save_early)
		return 0;
	return save_into(source, source->ops.save_early, &source->early_state, saved,
			 err);
}

static int save(void *state, struct device_state *saved, struct gw_error *err)
{
	struct gw_source *source = state;

	return save_into(source, source->ops.save, &source->state, saved, err);
}

static void throttle_guest(void *state, uint32_t percent)
{
	struct gw_source *source = state;

	if (source->ops.throttle)
		source->ops.throttle(source->user, percent);
}

static void tell_progress(void *state, const struct sender_progress *now)
{
	struct gw_source *source = state;
	char explanation[256] = "";
	const struct gw_progress progress = {
		.status = status_of(now->state),
		.round = now->round,
		.elapsed_ns = now->elapsed_ns,
		.setup_ns = now->setup_ns,
		.total_bytes = now->total_pages * PAGE_BYTES,
		.remaining_bytes = now->remaining_pages * PAGE_BYTES,
		.normal_pages = now->normal_pages,
		.zero_pages = now->zero_pages,
		.wire_bytes = now->wire_bytes,
		.dirty_bytes_per_s = now->dirty_pages_per_s * PAGE_BYTES,
		.bytes_per_s = now->bytes_per_s,
		.wire_bytes_per_s = now->wire_bytes_per_s,
		.expected_downtime_ns = now->expected_downtime_ns,
		.downtime_would_do_ms = now->convergence.downtime_would_do_ms,
		.throttle_percent = now->throttle_percent,
		.convergence = convergence_of(now->convergence.verdict),
		.explanation = explanation,
	};

	if (!source->ops.progress)
		return;
	if (now->convergence.verdict != CONVERGENCE_UNKNOWN)
		convergence_explain(&now->convergence, explanation, sizeof(explanation));
	source->ops.progress(source->user, &progress);
}

static struct channel *connect_channel(void *state, uint32_t index,
				       const struct interrupt *interrupt,
				       struct gw_error *err)
{
	struct gw_source *source = state;

	(void)index;
	source->connected = true;
	return channel_connect(&source->to, interrupt, CONNECT_PATIENCE_MS, err);
}

/* ---- made and freed ---- */

static int take_options(struct gw_source *source, const struct gw_source_options *options,
			struct gw_error *err)
{
	struct gw_source_options *own = &source->options;
	const char *machine;

	if (struct_copy(own, sizeof(*own), options, "struct gw_source_options", err) < 0)
		return -1;
	machine = own->machine ? own->machine : MACHINE_DEFAULT;
	if (machine[0] == '\0' || strlen(machine) > STREAM_NAME_MAX)
		return fail(err, GW_USAGE,
			    "machine \"%.40s\": a name is 1 to %u bytes long", machine,
			    STREAM_NAME_MAX);
	memcpy(source->machine, machine, strlen(machine));
	source->dialect =
		own->dialect ? dialect_by_name(own->dialect, err) : dialect_newest();
	if (!source->dialect)
		return -1;
	if (own->patience_ms > INT32_MAX || own->answer_patience_ms > INT32_MAX)
		return fail(err, GW_USAGE, "patience of %u ms, at most %d are allowed",
			    own->patience_ms > INT32_MAX ? own->patience_ms
							 : own->answer_patience_ms,
			    INT32_MAX);
	if (own->patience_ms == 0)
		own->patience_ms = SENDER_PATIENCE_MS;
	if (own->answer_patience_ms == 0)
		own->answer_patience_ms = SENDER_ANSWER_PATIENCE_MS;
	/* The caller's texts need not outlive the call. */
	own->machine = own->dialect = NULL;
	source->log = log_bridge_init(&source->log_bridge, &own->log);
	return 0;
}

static int take_ops(struct gw_source *source, const struct gw_source_ops *ops,
		    struct gw_error *err)
{
	struct gw_source_ops *own = &source->ops;

	if (struct_copy(own, sizeof(*own), ops, "struct gw_source_ops", err) < 0)
		return -1;
	if (!own->pause || !own->save || !own->resume)
		return fail(err, GW_USAGE,
			    "struct gw_source_ops: pause, save and resume are required");
	return 0;
}

struct gw_source *gw_source_new(struct gw_ram *ram, struct gw_dirty *dirty,
				const struct gw_source_ops *ops, void *user,
				const struct gw_source_options *options,
				struct gw_error *err)
{
	struct gw_source *source = calloc(1, sizeof(*source));

	if (!source) {
		fail_sys(err, ENOMEM, "source");
		return NULL;
	}
	source->ram = ram;
	source->dirty = dirty;
	source->user = user;
	source->callbacks = (struct source_machine){
		.state = source,
		.save_early = save_early,
		.pause = pause_guest,
		.save = save,
		.resume = resume_guest,
		.throttle = throttle_guest,
	};
	atomic_init(&source->phase, SOURCE_NEW);
	atomic_init(&source->cancelled, false);
	atomic_init(&source->sender, NULL);
	settings_init(&source->settings);
	for (int i = 0; i < LIVE_COUNT; i++)
		atomic_init(&source->live[i],
			    parameter(&source->settings.parameters, live_limits[i].id));
	if (take_ops(source, ops, err) < 0 || take_options(source, options, err) < 0 ||
	    gw_ram_settle(ram, err) < 0) {
		free(source);
		return NULL;
	}
	if (dirty->ram && dirty->ram != ram) {
		fail(err, GW_USAGE, "the dirty tracker \"%s\" watches other memory",
		     dirty_name(dirty->tracker));
		free(source);
		return NULL;
	}
	return source;
}

void gw_source_free(struct gw_source *source)
{
	if (!source)
		return;
	sender_free(atomic_load(&source->sender));
	state_blob_clear(&source->early_state);
	state_blob_clear(&source->state);
	free(source);
}

/* ---- settings ---- */

static int find_live(const char *name)
{
	enum parameter_id id = parameter_by_name(name);
	int live = 0;

	while (live < LIVE_COUNT && live_limits[live].id != id)
		live++;
	return live;
}

/* No other parameter has a say in what these may be, so the defaults do for a check. */
static int set_live(struct gw_source *source, int live, const char *name,
		    const char *value, struct gw_error *err)
{
	struct sender *sender;
	struct settings wanted;
	uint64_t number;

	settings_init(&wanted);
	if (settings_set(&wanted, name, value, err) < 0)
		return -1;
	number = parameter(&wanted.parameters, live_limits[live].id);
	atomic_store(&source->live[live], number);
	sender = atomic_load(&source->sender);
	if (sender)
		live_limits[live].apply(sender, number);
	return 0;
}

int gw_source_set(struct gw_source *source, const char *name, const char *value,
		  struct gw_error *err)
{
	int live = find_live(name);
	struct settings wanted;

	if (live < LIVE_COUNT)
		return set_live(source, live, name, value, err);
	if (atomic_load(&source->phase) != SOURCE_NEW)
		return fail(err, GW_USAGE,
			    "Parameter '%.100s': too late, the migration has begun",
			    name);
	wanted = source->settings;
	if (settings_set(&wanted, name, value, err) < 0)
		return -1;
	if (wanted.capabilities.on[CAPABILITY_AUTO_CONVERGE] && !source->ops.throttle)
		return fail(err, GW_USAGE,
			    "Capability 'auto-converge': this guest cannot be slowed, it "
			    "has no throttle");
	source->settings = wanted;
	return 0;
}

int gw_source_get(const struct gw_source *source, const char *name, char *value,
		  size_t room, struct gw_error *err)
{
	int live = find_live(name);
	struct settings now;

	if (live == LIVE_COUNT)
		return settings_get(&source->settings, name, value, room, err);
	settings_init(&now);
	now.parameters.values[live_limits[live].id].number =
		atomic_load(&source->live[live]);
	return settings_get(&now, name, value, room, err);
}

/* ---- the run ---- */

static int aim(struct gw_source *source, const char *uri, struct gw_error *err)
{
	if (address_parse(&source->to, uri, err) < 0)
		return -1;
	if (source->to.kind == ADDRESS_FILE)
		return fail(
			err, GW_USAGE,
			"%.100s: a guest migrates to tcp:HOST:PORT, unix:PATH or fd:N",
			uri);
	if (source->settings.capabilities.on[CAPABILITY_MULTIFD] &&
	    !address_is_socket(&source->to))
		return fail(err, GW_USAGE,
			    "Migration requires multi-channel URIs (e.g. tcp)");
	return 0;
}

static void fill_report(struct gw_source_report *to, const struct sender_report *from)
{
	const struct engine_counters *engine = &from->counters.engine;

	*to = (struct gw_source_report){
		.status = status_of(from->state),
		.guest = from->guest == GUEST_AT_SOURCE	       ? GW_GUEST_AT_SOURCE
			 : from->guest == GUEST_AT_DESTINATION ? GW_GUEST_AT_DESTINATION
							       : GW_GUEST_UNKNOWN,
		.setup_ns = from->setup_ns,
		.total_ns = from->total_ns,
		.downtime_ns = from->downtime_ns,
		.stop_ns = from->downtime_split.stop_ns,
		.last_sync_ns = from->downtime_split.last_sync_ns,
		.last_pages_ns = from->downtime_split.last_pages_ns,
		.state_ns = from->downtime_split.state_ns,
		.resume_ns = from->downtime_split.resume_ns,
		.ram_bytes = from->ram_bytes,
		.wire_bytes = from->wire_bytes,
		.normal_pages = from->counters.normal_pages,
		.zero_pages = from->counters.zero_pages,
		.rounds = from->rounds,
		.throttle_percent_most = from->throttle_percent_most,
		.convergence = convergence_of(from->convergence.verdict),
		.engine = from->engine,
		.engine_units = engine->units,
		.device_units = engine->device_units,
		.fallback_units = engine->fallback_units,
		.device_retries = engine->retries,
		.device_failures = engine->device_failures,
		.raw_pages = engine->raw_pages,
	};
}

static int run_sender(struct gw_source *source, struct gw_error *err)
{
	struct sender_options options = {
		.connect = connect_channel,
		.connect_state = source,
		.dialect = source->dialect,
		.machine = source->machine,
		.patience_ms = (int)source->options.patience_ms,
		.answer_patience_ms = (int)source->options.answer_patience_ms,
		.log = source->log,
		.progress = tell_progress,
		.progress_state = source,
	};
	struct sender_report report;
	struct sender *sender;
	int failed;

	parameters_apply(&source->settings.parameters, &source->settings.capabilities,
			 &options);
	sender = sender_new(&options, &source->ram->ram, source->dirty->tracker,
			    &source->callbacks, err);
	if (!sender)
		return -1;
	atomic_store(&source->sender, sender);
	/* What others asked for while there was no sender to be asked. */
	for (int i = 0; i < LIVE_COUNT; i++)
		live_limits[i].apply(sender, atomic_load(&source->live[i]));
	if (atomic_load(&source->cancelled))
		sender_cancel(sender);
	failed = sender_run(sender, &report, err);
	fill_report(&source->report, &report);
	return failed;
}

/* A URI that was taken takes its descriptor over, though it may not come to connecting. */
static int send_guest(struct gw_source *source, struct gw_error *err)
{
	int failed = run_sender(source, err);

	if (source->to.kind == ADDRESS_FD && !source->connected)
		close(source->to.fd);
	return failed;
}

int gw_source_run(struct gw_source *source, const char *uri, struct gw_error *err)
{
	int phase = SOURCE_NEW, failed;

	if (!atomic_compare_exchange_strong(&source->phase, &phase, SOURCE_RUNNING))
		return fail(err, GW_USAGE, "a source runs once");
	source->report.status = GW_STATUS_FAILED; /* until it is known better */
	if (atomic_exchange(&source->dirty->busy, true)) {
		atomic_store(&source->phase, SOURCE_DONE);
		return fail(err, GW_USAGE,
			    "the dirty tracker \"%s\" is another running source's",
			    dirty_name(source->dirty->tracker));
	}
	failed = aim(source, uri, err);
	if (failed == 0)
		failed = send_guest(source, err);
	atomic_store(&source->dirty->busy, false);
	atomic_store(&source->phase, SOURCE_DONE);
	return failed;
}

bool gw_source_cancel(struct gw_source *source)
{
	struct sender *sender;

	atomic_store(&source->cancelled, true);
	sender = atomic_load(&source->sender);
	return !sender || sender_cancel(sender);
}

void gw_source_continue(struct gw_source *source)
{
	struct sender *sender = atomic_load(&source->sender);

	if (sender)
		sender_continue(sender);
}

const struct gw_source_report *gw_source_report(const struct gw_source *source)
{
	return &source->report;
}
