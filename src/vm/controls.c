/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* controls.c - what can be told to a vm, whoever says it: QMP, the monitor, a signal. */
#include "vm/controls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vm/incoming.h"
#include "vm/inherited.h"
#include "vm/migration_uri.h"
#include "vm/outgoing.h"

struct controls {
	const struct vm_options *options;
	struct mailbox *mailbox;
	const struct events *events;

	struct inherited inherited;
	struct guest *guest;
	struct run_state run;
	struct parameters parameters;
	struct capabilities capabilities;

	/* At most one of them. */
	struct outgoing *outgoing;
	struct incoming *incoming;
	char peer[sizeof(((struct address *)0)->uri)]; /* for people to read */
	struct migration_info info;
	uint32_t passes_told;
	bool exit_on_error; /* of what comes in */

	bool quitting;
	bool failed;
	struct gw_error failure;
};

/* ---- what happened ---- */

static void enter(struct controls *c, enum migration_state state)
{
	if (state == c->info.state)
		return;
	c->info.state = state;
	if (c->capabilities.on[CAPABILITY_EVENTS])
		events_tell(c->events, "MIGRATION",
			    json_pack("{ss}", "status", migration_state_name(state)));
}

static void tell_passes(struct controls *c, uint32_t passes)
{
	while (c->passes_told < passes) {
		c->passes_told++;
		if (c->capabilities.on[CAPABILITY_EVENTS])
			events_tell(c->events, "MIGRATION_PASS",
				    json_pack("{si}", "pass", (int)c->passes_told));
	}
}

static bool is_final(enum migration_state state)
{
	return state == MIGRATION_COMPLETED || state == MIGRATION_FAILED ||
	       state == MIGRATION_CANCELLED;
}

static void tell_verdict(const struct controls *c, const struct convergence *now)
{
	char text[256];

	if (!convergence_is_news(c->info.progress.convergence.verdict, now->verdict))
		return;
	log_line(c->options->log, LOG_LEVEL_WARNING, "migration to %s: %s", c->peer,
		 convergence_explain(now, text, sizeof(text)));
}

static void outgoing_told(void *state, const struct sender_progress *progress)
{
	struct controls *c = state;

	tell_verdict(c, &progress->convergence);
	c->info.progress = *progress;
	/* How it ended is told when it has: then query-migrate knows all of it. */
	if (is_final(progress->state))
		return;
	tell_passes(c, progress->state >= MIGRATION_ACTIVE && progress->round == 0
			       ? 1
			       : progress->round);
	/* Whoever cancelled was told so at once. */
	if (c->info.state != MIGRATION_CANCELLING)
		enter(c, progress->state);
}

static void outgoing_ended(void *state)
{
	static const char *const where[] = {
		[GUEST_AT_SOURCE] = "the guest stays here",
		[GUEST_AT_DESTINATION] = "the guest is there",
		[GUEST_UNKNOWN] = "the guest is paused here, it may run there",
	};
	struct controls *c = state;
	struct gw_error why;
	int failed = outgoing_end(MOVE(c->outgoing), &c->info.report, &why);
	const struct sender_report *report = &c->info.report;

	c->info.ended = true;
	if (report->guest != GUEST_AT_SOURCE)
		run_state_left(&c->run, report->guest, c->peer);
	if (failed < 0 && why.kind != GW_CANCELLED) {
		c->info.has_error = true;
		c->info.error = why;
	}
	if (failed < 0)
		log_line(c->options->log, LOG_LEVEL_WARNING, "migration to %s: %s; %s",
			 c->peer, why.text, where[report->guest]);
	else
		log_line(c->options->log, LOG_LEVEL_INFO, "migration to %s: %s", c->peer,
			 where[report->guest]);
	tell_passes(c, report->rounds);
	enter(c, report->state);
}

static void incoming_changed(void *state, enum migration_state now)
{
	if (!is_final(now))
		enter(state, now);
}

static int make_guest(struct controls *c, struct gw_error *err)
{
	guest_free(MOVE(c->guest));
	c->guest = guest_new(&c->options->guest, err);
	c->run.guest = c->guest;
	return c->guest ? 0 : -1;
}

static void give_up(struct controls *c, const struct gw_error *why)
{
	c->failed = true;
	c->failure = *why;
}

static void incoming_ended(void *state)
{
	struct controls *c = state;
	struct receiver_report report;
	struct gw_error why;
	int failed = incoming_end(MOVE(c->incoming), &report, &why);

	c->info.decoder = receiver_report_engine(&report);
	c->info.decoded = report.counters.engine;
	c->info.listening[0] = '\0';
	if (failed == 0) {
		log_line(c->options->log, LOG_LEVEL_INFO,
			 "incoming migration: the guest is here");
		enter(c, MIGRATION_COMPLETED);
		return;
	}
	c->info.has_error = true;
	c->info.error = why;
	enter(c, MIGRATION_FAILED);
	if (c->quitting)
		return;
	if (c->exit_on_error) {
		give_up(c, &why);
		return;
	}
	log_line(c->options->log, LOG_LEVEL_WARNING,
		 "incoming migration: %s; it can be tried again", why.text);
	/* What has come of it is no guest. */
	if (make_guest(c, &why) < 0)
		give_up(c, &why);
}

/* ---- the beginning ---- */

/* Standard error is the log's. */
static void find_inherited(struct controls *c)
{
	const char *monitor = c->options->monitor;
	bool *fds = c->inherited.fds;

	inherited_find(&c->inherited);
	fds[STDERR_FILENO] = false;
	if (strcmp(c->options->serial, "stdio") == 0)
		fds[STDOUT_FILENO] = false;
	if (monitor && strcmp(monitor, "stdio") == 0)
		fds[STDIN_FILENO] = fds[STDOUT_FILENO] = false;
}

struct controls *controls_new(const struct vm_options *options, struct mailbox *mailbox,
			      const struct events *events, struct gw_error *err)
{
	OWNED(controls) struct controls *c = calloc(1, sizeof(*c));

	if (!c) {
		fail_sys(err, ENOMEM, "vm");
		return NULL;
	}
	c->options = options;
	c->mailbox = mailbox;
	c->events = events;
	c->parameters = options->parameters;
	c->capabilities = options->capabilities;
	find_inherited(c);
	if (make_guest(c, err) < 0)
		return NULL;
	if (!options->incoming &&
	    guest_boot(c->guest, options->fill, options->threads, err) < 0)
		return NULL;
	run_state_init(&c->run, c->guest, events, options->incoming, !options->paused);
	return MOVE(c);
}

void controls_free(struct controls *c)
{
	if (!c)
		return;
	guest_free(c->guest);
	free(c);
}

static const char *machine(const struct controls *c)
{
	return c->options->machine ? c->options->machine
				   : guest_machine_name(c->options->guest.kind);
}

/* What the machine type tells; godwit's own tell nothing and are as new as can be. */
static const struct dialect *dialect(const struct controls *c)
{
	const struct dialect *known = dialect_of_machine(machine(c));

	return known ? known : dialect_newest();
}

/* ---- the guest ---- */

int controls_stop(struct controls *c, struct gw_error *err)
{
	return run_state_stop(&c->run, err);
}

int controls_cont(struct controls *c, bool force, struct gw_error *err)
{
	return run_state_cont(&c->run, force, err);
}

const char *controls_status(const struct controls *c)
{
	return run_state_name(&c->run);
}

bool controls_running(const struct controls *c)
{
	return c->run.id == RUN_STATE_RUNNING;
}

enum guest_kind controls_guest_kind(const struct controls *c)
{
	return c->options->guest.kind;
}

const char *controls_name(const struct controls *c)
{
	return c->options->name;
}

const char *controls_package(const struct controls *c)
{
	return c->options->package;
}

/* ---- migration ---- */

/* With a migration under way the vm would not end before that does. */
static int check_stays(const struct controls *c, struct gw_error *err)
{
	if (c->quitting || c->failed)
		return fail(err, GW_USAGE, "The vm is about to end");
	return 0;
}

/* A path may hold bytes that are nothing for a terminal, or no UTF-8 once it was cut. */
static void show_peer(struct controls *c, const struct address *peer)
{
	printable(c->peer, sizeof(c->peer), peer->uri, (unsigned)strlen(peer->uri));
}

static uint32_t channel_count(const struct controls *c)
{
	if (!c->capabilities.on[CAPABILITY_MULTIFD])
		return 0;
	return (uint32_t)parameter(&c->parameters, PARAMETER_MULTIFD_CHANNELS);
}

static int check_may_leave(const struct controls *c, struct gw_error *err)
{
	if (check_stays(c, err) < 0)
		return -1;
	if (c->run.id == RUN_STATE_INMIGRATE)
		return fail(err, GW_USAGE, "Guest is waiting for an incoming migration");
	if (controls_migrating(c))
		return fail(err, GW_USAGE, "There's a migration process in progress");
	if (c->run.id == RUN_STATE_POSTMIGRATE)
		return fail(err, GW_USAGE,
			    "Can't migrate the vm that was paused due to previous "
			    "migration");
	return 0;
}

int controls_migrate(struct controls *c, const char *uri, struct gw_error *err)
{
	struct outgoing_options options = {
		.sending = {
			.dialect = dialect(c),
			.machine = machine(c),
			.patience_ms = c->options->patience_ms,
			.answer_patience_ms = SENDER_ANSWER_PATIENCE_MS,
			.log = c->options->log,
		},
		.run = &c->run,
		.mailbox = c->mailbox,
		.told = outgoing_told,
		.ended = outgoing_ended,
		.state = c,
	};

	if (check_may_leave(c, err) < 0 ||
	    migration_uri_parse(uri, false, &options.to, err) < 0 ||
	    inherited_check(&c->inherited, &options.to, err) < 0)
		return -1;
	if (options.to.kind == ADDRESS_FD && channel_count(c) > 0)
		return fail(err, GW_USAGE,
			    "%s is one connection: multifd needs tcp: or unix:",
			    options.to.uri);
	parameters_apply(&c->parameters, &c->capabilities, &options.sending);
	c->outgoing = outgoing_start(&options, err);
	if (!c->outgoing)
		return -1;
	inherited_give(&c->inherited, &options.to);
	c->info = (struct migration_info){
		.downtime_limit_ms = parameter(&c->parameters, PARAMETER_DOWNTIME_LIMIT),
	};
	c->passes_told = 0;
	show_peer(c, &options.to);
	enter(c, MIGRATION_SETUP);
	return 0;
}

static int receive(struct controls *c, const char *uri, bool exit_on_error,
		   struct gw_error *err)
{
	struct incoming_options options = {
		.receiving = {
			.channel_count = channel_count(c),
			.dialect = dialect_of_machine(machine(c)),
			.machine = machine(c),
			.switchover_ack = c->capabilities.on[CAPABILITY_SWITCHOVER_ACK],
			.accelerator = parameters_accelerator(&c->parameters),
			.accelerator_jobs = parameters_accelerator_jobs(&c->parameters),
			.patience_ms = c->options->patience_ms,
			.log = c->options->log,
		},
		.run = &c->run,
		.mailbox = c->mailbox,
		.changed = incoming_changed,
		.ended = incoming_ended,
		.state = c,
	};

	if (migration_uri_parse(uri, true, &options.at, err) < 0 ||
	    inherited_check(&c->inherited, &options.at, err) < 0)
		return -1;
	c->incoming = incoming_start(&options, err);
	if (!c->incoming)
		return -1;
	inherited_give(&c->inherited, &options.at);
	c->exit_on_error = exit_on_error;
	show_peer(c, &options.at);
	c->info = (struct migration_info){ .incoming = true };
	snprintf(c->info.listening, sizeof(c->info.listening), "%s",
		 incoming_uri(c->incoming));
	enter(c, MIGRATION_SETUP);
	c->options->ready(c->options->ready_state, c->info.listening);
	return 0;
}

int controls_migrate_incoming(struct controls *c, const char *uri, bool exit_on_error,
			      struct gw_error *err)
{
	if (!c->options->incoming)
		return fail(err, GW_USAGE,
			    "'-incoming' was not specified on the command line");
	if (c->incoming || c->run.id != RUN_STATE_INMIGRATE)
		return fail(err, GW_USAGE,
			    "The incoming migration has already been started");
	if (check_stays(c, err) < 0)
		return -1;
	return receive(c, uri, exit_on_error, err);
}

int controls_migrate_cancel(struct controls *c, struct gw_error *err)
{
	if (!c->outgoing)
		return 0;
	if (!outgoing_cancel(c->outgoing))
		return fail(err, GW_USAGE,
			    "The migration can no longer be cancelled: the guest may run "
			    "at %.60s",
			    c->peer);
	enter(c, MIGRATION_CANCELLING);
	return 0;
}

bool controls_is_migration_status(const char *name)
{
	/* Those of QEMU 7.2; here a migration is never in some of them. */
	static const char *const names[] = {
		"none",
		"setup",
		"cancelling",
		"cancelled",
		"active",
		"postcopy-active",
		"postcopy-paused",
		"postcopy-recover",
		"completed",
		"failed",
		"colo",
		"pre-switchover",
		"device",
		"wait-unplug",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int controls_migrate_continue(struct controls *c, const char *state, struct gw_error *err)
{
	const char *now = migration_state_name(c->info.state);

	if (!controls_is_migration_status(state))
		return fail(err, GW_USAGE,
			    "Parameter 'state' does not accept value '%.80s'", state);
	if (strcmp(state, now) != 0)
		return fail(err, GW_USAGE, "Migration not in expected state: %s", now);
	if (c->info.state == MIGRATION_PRE_SWITCHOVER && c->outgoing)
		outgoing_continue(c->outgoing);
	return 0;
}

const struct parameters *controls_parameters(const struct controls *c)
{
	return &c->parameters;
}

const struct capabilities *controls_capabilities(const struct controls *c)
{
	return &c->capabilities;
}

int controls_set_parameters(struct controls *c, const struct parameters *wanted,
			    struct gw_error *err)
{
	if (parameters_check(wanted, err) < 0)
		return -1;
	c->parameters = *wanted;
	c->info.downtime_limit_ms = parameter(wanted, PARAMETER_DOWNTIME_LIMIT);
	if (c->outgoing)
		outgoing_set_limits(c->outgoing,
				    parameter(wanted, PARAMETER_MAX_BANDWIDTH),
				    parameter(wanted, PARAMETER_DOWNTIME_LIMIT));
	return 0;
}

int controls_set_capabilities(struct controls *c, const struct capabilities *wanted,
			      struct gw_error *err)
{
	if (c->outgoing)
		return fail(err, GW_USAGE, "There's a migration process in progress");
	if (c->incoming &&
	    wanted->on[CAPABILITY_MULTIFD] != c->capabilities.on[CAPABILITY_MULTIFD])
		return fail(err, GW_USAGE, "Multifd must be set before incoming starts");
	if (capabilities_check(wanted, err) < 0)
		return -1;
	c->capabilities = *wanted;
	return 0;
}

const struct migration_info *controls_migration(const struct controls *c)
{
	return &c->info;
}

bool controls_migrating(const struct controls *c)
{
	return c->outgoing || c->incoming;
}

bool controls_migrating_away(const struct controls *c)
{
	return c->outgoing;
}

/* ---- from beginning to end ---- */

int controls_begin(struct controls *c, struct gw_error *err)
{
	const char *incoming = c->options->incoming;

	if (incoming && strcmp(incoming, "defer") != 0)
		return receive(c, incoming, true, err) < 0 ? fail_in(err, "--incoming")
							   : 0;
	c->options->ready(c->options->ready_state, "");
	return incoming || c->options->paused ? 0 : controls_cont(c, false, err);
}

void controls_quit(struct controls *c, const char *reason)
{
	struct gw_error too_late;

	if (c->quitting)
		return;
	c->quitting = true;
	events_tell(c->events, "SHUTDOWN",
		    json_pack("{sb ss}", "guest", false, "reason", reason));
	if (c->incoming)
		incoming_cancel(c->incoming);
	if (!c->outgoing)
		return;
	if (controls_migrate_cancel(c, &too_late) == 0)
		log_line(c->options->log, LOG_LEVEL_WARNING,
			 "told to quit: the migration to %s is cancelled first", c->peer);
	else
		log_line(c->options->log, LOG_LEVEL_WARNING,
			 "told to quit: %s; waiting for its answer", too_late.text);
}

bool controls_ended(const struct controls *c)
{
	return c->failed || (c->quitting && !controls_migrating(c));
}

int controls_end(const struct controls *c, enum vm_end *end, struct gw_error *err)
{
	if (c->failed) {
		*err = c->failure;
		return -1;
	}
	if (c->run.id != RUN_STATE_POSTMIGRATE)
		*end = VM_QUIT;
	else
		*end = c->run.whereabouts == GUEST_AT_DESTINATION ? VM_MIGRATED
								  : VM_UNKNOWN;
	return 0;
}
