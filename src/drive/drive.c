/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drive.c - the migration of a guest that answers QMP: told, begun, watched to its end. */
#include "drive/drive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "drive/convergence_feed.h"
#include "drive/drive_end.h"

/* So long a source may take to come to rest behind its last state. */
#define REST_NS (5 * NS_PER_S)
#define REST_NAP_NS (10 * NS_PER_MS)

struct drive {
	const struct drive_options *options;
	const struct interrupt *stop;
	struct drive_sides sides;
	struct tuned tuned;
	struct convergence_feed feed;
	struct peer_vcpus source_vcpus, destination_vcpus;
	double source_cpu_s, destination_cpu_s; /* before it began */
	uint64_t begun_ns;
	uint64_t next_poll_ns;
	bool listens;	/* the destination was told to */
	bool cancelled; /* the source was told to */
	bool continued; /* pre-switchover was seen to */
	json_t *last;
};

void drive_report_deinit(struct drive_report *report)
{
	json_decref(report->last);
	report->last = NULL;
}

static void say(const struct drive *drive, const char *sentence)
{
	drive->options->observer->say(drive->options->observer->state, sentence);
}

/* ---- before ---- */

static int meet(struct drive *drive, struct gw_error *err)
{
	const struct drive_options *options = drive->options;
	const struct qmp_version *version;

	drive->sides.source = qmp_peer_new("source", options->qmp, drive->stop, err);
	if (!drive->sides.source)
		return -1;
	version = qmp_peer_version(drive->sides.source);
	log_line(options->log, LOG_LEVEL_INFO, "source: %s: version %d.%d.%d %s",
		 qmp_peer_path(drive->sides.source), version->major, version->minor,
		 version->micro, version->package);
	if (qmp_peer_guest(drive->sides.source, &drive->sides.before, err) < 0)
		return -1;
	if (!options->incoming_qmp)
		return 0;
	drive->sides.destination =
		qmp_peer_new("destination", options->incoming_qmp, drive->stop, err);
	return drive->sides.destination ? 0 : -1;
}

static int prepare(struct drive *drive, struct gw_error *err)
{
	const struct drive_options *options = drive->options;
	struct tuned there;

	if (tuning_apply(&options->tuning, drive->sides.source, options->log,
			 &drive->tuned, err) < 0)
		return -1;
	if (!drive->sides.destination)
		return 0;
	if (tuning_apply(&options->tuning, drive->sides.destination, options->log, &there,
			 err) < 0)
		return -1;
	/* Settings that were there before can differ as well. */
	if (there.channels != drive->tuned.channels ||
	    strcmp(there.method, drive->tuned.method) != 0)
		return fail(
			err, GW_PEER,
			"the source has %u page channels and method %s, the "
			"destination %u and %s: --channels and --method set both alike",
			drive->tuned.channels, drive->tuned.method, there.channels,
			there.method);
	if (qmp_peer_execute(drive->sides.destination, "migrate-incoming",
			     json_pack("{ss}", "uri", options->uri), NULL, err) < 0)
		return -1;
	drive->listens = true;
	return 0;
}

/* ---- CPU ---- */

static void read_cpu(const struct drive *drive, double *source_s, double *destination_s)
{
	const struct drive_sides *sides = &drive->sides;

	*source_s = qmp_peer_cpu_s(sides->source, &drive->source_vcpus);
	*destination_s = sides->destination ? qmp_peer_cpu_s(sides->destination,
							     &drive->destination_vcpus)
					    : FIGURE_UNKNOWN;
}

static void begin_measuring(struct drive *drive)
{
	qmp_peer_find_vcpus(drive->sides.source, &drive->source_vcpus);
	if (drive->sides.destination)
		qmp_peer_find_vcpus(drive->sides.destination, &drive->destination_vcpus);
	read_cpu(drive, &drive->source_cpu_s, &drive->destination_cpu_s);
	drive->begun_ns = clock_now_ns();
}

static void measure(const struct drive *drive, struct cpu_use *cpu)
{
	double source_s, destination_s;

	cpu->span_s = (double)(clock_now_ns() - drive->begun_ns) / (double)NS_PER_S;
	read_cpu(drive, &source_s, &destination_s);
	cpu->send_s = figure_used(drive->source_cpu_s, source_s);
	cpu->recv_s = figure_used(drive->destination_cpu_s, destination_s);
}

/* ---- meanwhile ---- */

static void watch_convergence(struct drive *drive)
{
	struct gw_error ignored;
	char text[256];

	if (!convergence_feed_poll(&drive->feed, clock_now_ns(), &drive->sides.last,
				   drive->tuned.downtime_limit_ms))
		return;
	say(drive, convergence_explain(&drive->feed.convergence, text, sizeof(text)));
	/* Who reads that may change it. */
	(void)tuning_downtime_limit(drive->sides.source, &drive->tuned.downtime_limit_ms,
				    &ignored);
}

static int poll_source(struct drive *drive, struct gw_error *err)
{
	const struct drive_observer *observer = drive->options->observer;
	json_t *answer = NULL;

	if (qmp_peer_execute(drive->sides.source, "query-migrate", NULL, &answer, err) <
	    0)
		return -1;
	json_decref(drive->last);
	drive->last = answer;
	migration_status_parse(&drive->sides.last, answer);
	observer->polled(observer->state, &drive->sides.last, drive->tuned.method,
			 answer);
	drive->next_poll_ns =
		clock_now_ns() + (uint64_t)drive->options->poll_ms * NS_PER_MS;
	return 0;
}

/* Until the next poll is due; one of MIGRATION makes it due at once. */
static int hear_events(struct drive *drive, struct gw_error *err)
{
	const struct drive_observer *observer = drive->options->observer;

	for (;;) {
		uint64_t now_ns = clock_now_ns();
		json_t *event = NULL;
		const char *name;
		int left_ms = 0, got;

		if (now_ns < drive->next_poll_ns)
			left_ms = (int)((drive->next_poll_ns - now_ns) / NS_PER_MS) + 1;
		got = qmp_peer_event(drive->sides.source, &event, left_ms, err);
		if (got < 0)
			return -1;
		if (got == 0)
			return 0;
		observer->event(observer->state, event);
		name = json_string_value(json_object_get(event, "event"));
		if (name && strcmp(name, "MIGRATION") == 0)
			drive->next_poll_ns = 0;
		json_decref(event);
	}
}

/* A refusal is told; a peer that is gone is noticed by the next poll. */
static void command(struct drive *drive, const char *name, json_t *arguments)
{
	struct gw_error err;

	if (qmp_peer_execute(drive->sides.source, name, arguments, NULL, &err) < 0)
		say(drive, err.text);
}

static void cancel_once(struct drive *drive)
{
	if (drive->cancelled || !interrupt_raised(drive->stop))
		return;
	drive->cancelled = true;
	say(drive, "cancelling; interrupt again to leave at once");
	command(drive, "migrate_cancel", NULL);
	drive->next_poll_ns = 0;
}

static void pass_pre_switchover(struct drive *drive)
{
	if (drive->continued || drive->cancelled ||
	    !migration_status_is(&drive->sides.last, "pre-switchover"))
		return;
	drive->continued = true;
	if (drive->options->go_on)
		command(drive, "migrate-continue",
			json_pack("{ss}", "state", "pre-switchover"));
	else
		say(drive, "the guest is paused before the switchover: migrate-continue "
			   "with state pre-switchover at the source's QMP goes on, an "
			   "interrupt here cancels");
}

/* Until the source says that it ended. */
static int follow(struct drive *drive, struct gw_error *err)
{
	for (;;) {
		cancel_once(drive);
		if (poll_source(drive, err) < 0)
			return -1;
		if (migration_status_ended(&drive->sides.last))
			return 0;
		pass_pre_switchover(drive);
		watch_convergence(drive);
		if (hear_events(drive, err) < 0)
			return -1;
	}
}

/* QEMU tells the end before it has its times and, after a failure, the reason: they are there when
 * the guest has come to rest. */
static void poll_at_rest(struct drive *drive)
{
	uint64_t until_ns = clock_now_ns() + REST_NS;
	struct guest_status guest;
	struct gw_error ignored;

	while (qmp_peer_guest(drive->sides.source, &guest, &ignored) == 0 &&
	       strcmp(guest.name, "finish-migrate") == 0 && clock_now_ns() < until_ns)
		interrupt_sleep(NULL, REST_NAP_NS);
	/* The events that tell of the end itself. */
	drive->next_poll_ns = 0;
	if (hear_events(drive, &ignored) == 0)
		(void)poll_source(drive, &ignored);
}

/* ---- the whole ---- */

static int get_ready(struct drive *drive, struct gw_error *err)
{
	if (meet(drive, err) < 0 || prepare(drive, err) < 0)
		return -1;
	begin_measuring(drive);
	if (interrupt_raised(drive->stop))
		return fail(err, GW_CANCELLED, "cancelled");
	return 0;
}

/* From here on the first interrupt is a request, and only the second ends waits. */
static void wait_on(struct drive *drive, const struct interrupt *leave)
{
	qmp_peer_set_interrupt(drive->sides.source, leave);
	if (drive->sides.destination)
		qmp_peer_set_interrupt(drive->sides.destination, leave);
}

/* Refused, or did the answer get lost? */
static bool is_refused(const struct drive *drive, const struct gw_error *why)
{
	struct guest_status guest;
	struct gw_error ignored;

	return why->kind != GW_CANCELLED &&
	       qmp_peer_guest(drive->sides.source, &guest, &ignored) == 0;
}

/* That the guest was left alone goes without saying for what cannot have reached it. */
static void explain_no_begin(const struct drive *drive, struct gw_error *err)
{
	struct gw_error why = *err;

	if (why.kind == GW_USAGE || !drive->sides.source)
		return;
	fail(err, why.kind, "%.160s; no migration began, the guest is as it was%s",
	     why.text, drive->listens ? "; the destination listens" : "");
	err->sys = why.sys;
}

/* `lost`: the source's answer to migrate was, as it says; NULL when it is on its way. */
static void go_along(struct drive *drive, const struct gw_error *lost,
		     struct drive_report *report)
{
	struct gw_error err;
	struct cpu_use cpu;
	int failed = -1;

	if (lost)
		err = *lost;
	else
		failed = follow(drive, &err);
	measure(drive, &cpu);
	if (failed == 0) {
		poll_at_rest(drive);
		drive_conclude(&drive->sides, report);
	} else {
		drive_conclude_lost(&drive->sides, &err, report);
	}
	figures_fill(&report->figures, &drive->sides.last, &drive->tuned,
		     qmp_peer_version(drive->sides.source), &cpu);
	report->last = MOVE(drive->last);
}

int drive_run(const struct drive_options *options, const struct interrupt *stop,
	      const struct interrupt *leave, struct drive_report *report,
	      struct gw_error *err)
{
	struct drive *drive = calloc(1, sizeof(*drive));
	int failed;

	if (!drive)
		return fail_sys(err, ENOMEM, "migration");
	*report = (struct drive_report){ .end = DRIVE_UNKNOWN };
	drive->options = options;
	drive->stop = stop;
	migration_status_parse(&drive->sides.last, NULL);
	failed = get_ready(drive, err);
	if (failed == 0) {
		wait_on(drive, leave);
		failed = qmp_peer_execute(drive->sides.source, "migrate",
					  json_pack("{ss}", "uri", options->uri), NULL,
					  err);
		if (failed == 0 || !is_refused(drive, err)) {
			go_along(drive, failed < 0 ? err : NULL, report);
			failed = 0;
		}
	}
	if (failed < 0)
		explain_no_begin(drive, err);
	json_decref(drive->last);
	qmp_peer_free(drive->sides.destination);
	qmp_peer_free(drive->sides.source);
	free(drive);
	return failed;
}
