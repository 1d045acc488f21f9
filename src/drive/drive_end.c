/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drive_end.c - who holds the guest at the end, and what is to be done. */
#include "drive/drive_end.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* A source whose migration failed resumes its guest a moment after it says so; a destination that
 * has everything starts its guest likewise. */
#define SETTLE_NS (10 * NS_PER_S)
#define GONE_NS (2 * NS_PER_S)
#define NAP_NS (50 * NS_PER_MS)

/* What one side says of the guest. */
struct side {
	bool answers;
	struct guest_status guest;
	struct migration_status migration;
	struct gw_error why; /* of one that does not answer */
};

static void add(struct drive_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct drive_report *report, const char *format, ...)
{
	size_t used = strlen(report->where);
	va_list args;

	va_start(args, format);
	vsnprintf(report->where + used, sizeof(report->where) - used, format, args);
	va_end(args);
}

/* What an operator can do about a guest that nobody is known to run. */
static void add_cont(const struct drive_sides *sides, struct drive_report *report)
{
	add(report,
	    "; where the destination does not run it, cont at the source's QMP, %s, does",
	    qmp_peer_path(sides->source));
}

static void ask(struct qmp_peer *peer, struct side *side)
{
	json_t *answer = NULL;

	side->answers =
		qmp_peer_execute(peer, "query-migrate", NULL, &answer, &side->why) == 0 &&
		qmp_peer_guest(peer, &side->guest, &side->why) == 0;
	migration_status_parse(&side->migration, answer);
	json_decref(answer);
}

/* A guest that ran is on its way back. */
static bool is_settling(const struct drive_sides *sides, const struct side *side)
{
	return sides->before.running && !side->guest.running &&
	       (strcmp(side->guest.name, "finish-migrate") == 0 ||
		strcmp(side->guest.name, "postmigrate") == 0 ||
		strcmp(side->guest.name, "save-vm") == 0);
}

static void ask_source(const struct drive_sides *sides, struct side *side)
{
	uint64_t until_ns = clock_now_ns() + SETTLE_NS;

	do {
		ask(sides->source, side);
	} while (side->answers && is_settling(sides, side) && clock_now_ns() < until_ns &&
		 interrupt_sleep(NULL, NAP_NS));
}

/* `arriving`: everything is on its way to it. */
static void ask_destination(const struct drive_sides *sides, bool arriving,
			    struct side *side)
{
	uint64_t until_ns = clock_now_ns() + SETTLE_NS;

	for (;;) {
		bool ended;

		ask(sides->destination, side);
		ended = !migration_status_is(&side->migration, "none") &&
			migration_status_ended(&side->migration) &&
			strcmp(side->guest.name, "inmigrate") != 0;
		if (!side->answers || !arriving || ended || clock_now_ns() > until_ns)
			return;
		interrupt_sleep(NULL, NAP_NS);
	}
}

/* Of a side that does not answer.  A process closes its sockets a moment before it is gone. */
static bool is_gone(const struct qmp_peer *peer)
{
	uint64_t until_ns = clock_now_ns() + GONE_NS;

	while (!qmp_peer_process_is_gone(peer)) {
		if (clock_now_ns() > until_ns)
			return false;
		interrupt_sleep(NULL, NAP_NS);
	}
	return true;
}

/* "; the destination ..." as far as somebody can tell. */
static void tell_destination(const struct drive_sides *sides, const struct side *side,
			     struct drive_report *report)
{
	if (!sides->destination)
		return;
	if (!side->answers)
		add(report, "; the destination %s",
		    is_gone(sides->destination) ? "process is gone"
						: "does not answer any more");
	else
		add(report, "; the destination's guest is %s, its migration %s%s%.200s",
		    side->guest.name, side->migration.state,
		    side->migration.error[0] ? ": " : "", side->migration.error);
}

/* ---- completed ---- */

static void conclude_completed(const struct drive_sides *sides,
			       struct drive_report *report)
{
	struct side there = { 0 };

	report->end = DRIVE_DONE;
	if (!sides->destination) {
		add(report, "the guest is at the destination");
		return;
	}
	ask_destination(sides, true, &there);
	if (there.answers && migration_status_is(&there.migration, "completed")) {
		if (there.guest.running)
			add(report, "the guest runs at the destination");
		else
			add(report,
			    "the guest is at the destination, paused (%s); cont at its "
			    "QMP, %s, lets it run",
			    there.guest.name, qmp_peer_path(sides->destination));
		return;
	}
	report->end = DRIVE_UNKNOWN;
	snprintf(report->error, sizeof(report->error),
		 "the source has completed, the destination has not%s%.180s",
		 there.answers ? "" : ": ", there.answers ? "" : there.why.text);
	add(report, "the source holds the guest, paused");
	tell_destination(sides, &there, report);
	add_cont(sides, report);
}

/* ---- failed, cancelled ---- */

static void conclude_two(const struct drive_sides *sides, struct drive_report *report)
{
	report->end = DRIVE_UNKNOWN;
	add(report,
	    "source and destination both say that they run the guest: stop at the QMP of "
	    "one, %s or %s, before its disks suffer",
	    qmp_peer_path(sides->source), qmp_peer_path(sides->destination));
}

static void conclude_at_source(const struct drive_sides *sides, const struct side *here,
			       struct drive_report *report)
{
	struct side there = { 0 };

	if (sides->destination)
		ask_destination(sides, false, &there);
	report->end = migration_status_is(&sides->last, "cancelled") ? DRIVE_CANCELLED
								     : DRIVE_FAILED;
	if (here->guest.running && there.answers && there.guest.running) {
		conclude_two(sides, report);
		return;
	}
	if (here->guest.running) {
		add(report, "the guest runs on at the source");
	} else if (!sides->before.running) {
		add(report, "the guest is at the source, paused as before (%s)",
		    here->guest.name);
	} else {
		report->end = DRIVE_UNKNOWN;
		add(report, "the source holds the guest, paused (%s)", here->guest.name);
	}
	tell_destination(sides, &there, report);
	if (report->end == DRIVE_UNKNOWN)
		add_cont(sides, report);
}

void drive_conclude(const struct drive_sides *sides, struct drive_report *report)
{
	const struct migration_status *last = &sides->last;
	struct side here = { 0 };

	if (migration_status_is(last, "completed")) {
		conclude_completed(sides, report);
		return;
	}
	ask_source(sides, &here);
	if (!here.answers) {
		drive_conclude_lost(sides, &here.why, report);
		return;
	}
	if (migration_status_is(last, "none"))
		snprintf(report->error, sizeof(report->error),
			 "source: query-migrate knows of no migration any more");
	else if (migration_status_is(last, "cancelled"))
		/* What broke off by it is no news. */
		snprintf(report->error, sizeof(report->error), "cancelled");
	else
		snprintf(report->error, sizeof(report->error), "%s%s%.230s", last->state,
			 last->error[0] ? ": " : "", last->error);
	/* Our own says when it cannot know. */
	if (strcmp(last->guest, "unknown") == 0) {
		report->end = DRIVE_UNKNOWN;
		add(report, "the source holds the guest, paused, and does not know "
			    "whether the destination runs it");
		add_cont(sides, report);
		return;
	}
	conclude_at_source(sides, &here, report);
}

/* ---- no answer ---- */

void drive_conclude_lost(const struct drive_sides *sides, const struct gw_error *why,
			 struct drive_report *report)
{
	const struct migration_status *last = &sides->last;
	bool gone;
	struct side there = { 0 };

	report->end = DRIVE_UNKNOWN;
	if (why->kind == GW_CANCELLED) {
		snprintf(report->error, sizeof(report->error),
			 "left while the migration was %s", last->state);
		add(report,
		    "it may still be going on: query-migrate at the source's QMP, %s, "
		    "looks, migrate_cancel there ends it",
		    qmp_peer_path(sides->source));
		return;
	}
	gone = is_gone(sides->source);
	snprintf(report->error, sizeof(report->error), "%.250s", why->text);
	if (sides->destination)
		ask_destination(sides, gone, &there);
	add(report, "the migration was %s when last seen", last->state);
	if (gone)
		add(report, "; the source process (%d) is gone",
		    qmp_peer_pid(sides->source));
	tell_destination(sides, &there, report);
	if (there.answers && there.guest.running)
		return;
	if (gone)
		add(report, "; unless the destination runs the guest, it has to be "
			    "started anew");
	else
		add(report,
		    "; query-status and query-migrate at the source's QMP, %s, look, "
		    "migrate_cancel there ends it",
		    qmp_peer_path(sides->source));
}
