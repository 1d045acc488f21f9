/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_end.c - who holds the guest at the end, and what is to be done. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "drive/figures.h"
#include "sendrecv/send_parts.h"

/* A source whose migration failed resumes its guest a moment after it says so; a process closes its
 * sockets a moment before it is gone. */
#define SETTLE_NS (10 * NS_PER_S)
#define GONE_NS (2 * NS_PER_S)
#define NAP_NS (20 * NS_PER_MS)
/* So long the other side may take to say what it was. */
#define REASON_NS (2 * NS_PER_S)
/* Likewise when QEMU has one, too; the other side waits for ours. */
#define SECOND_REASON_NS (NS_PER_S / 2)

static void add(struct transfer_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct transfer_report *report, const char *format, ...)
{
	size_t used = strlen(report->where);
	va_list args;

	va_start(args, format);
	vsnprintf(report->where + used, sizeof(report->where) - used, format, args);
	va_end(args);
}

static void set_error(struct transfer_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void set_error(struct transfer_report *report, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->error, sizeof(report->error), format, args);
	va_end(args);
}

static const char *qmp_path(const struct send_job *job)
{
	return qmp_peer_path(job->source);
}

/* ---- the source ---- */

static bool is_gone(const struct send_job *job)
{
	uint64_t until_ns = clock_now_ns() + GONE_NS;

	while (!qmp_peer_process_is_gone(job->source)) {
		if (clock_now_ns() > until_ns)
			return false;
		interrupt_sleep(NULL, NAP_NS);
	}
	return true;
}

static bool is_settling(const struct send_job *job, const struct guest_status *guest)
{
	return job->runs && !guest->running &&
	       (strcmp(guest->name, "finish-migrate") == 0 ||
		strcmp(guest->name, "postmigrate") == 0);
}

/* What the guest here is at, once it has come to rest. */
static int ask_guest(const struct send_job *job, struct guest_status *guest,
		     struct gw_error *err)
{
	uint64_t until_ns = clock_now_ns() + SETTLE_NS;

	for (;;) {
		if (qmp_peer_guest(job->source, guest, err) < 0)
			return -1;
		if (!is_settling(job, guest) || clock_now_ns() > until_ns)
			return 0;
		interrupt_sleep(NULL, NAP_NS);
	}
}

/* QEMU tells the end before it has its times and, after a failure, the reason. */
static void poll_at_rest(struct send_job *job)
{
	uint64_t until_ns = clock_now_ns() + SETTLE_NS;
	struct guest_status guest;
	struct gw_error ignored;

	if (!job->source || qmp_peer_process_is_gone(job->source))
		return;
	while (qmp_peer_guest(job->source, &guest, &ignored) == 0 &&
	       strcmp(guest.name, "finish-migrate") == 0 && clock_now_ns() < until_ns)
		interrupt_sleep(NULL, NAP_NS);
	(void)send_poll(job, &ignored);
}

/* ---- it has arrived ---- */

static bool await_verdict(struct send_job *job)
{
	uint64_t until_ns = clock_now_ns() +
			    2 * (uint64_t)job->options->common.patience_ms * NS_PER_MS;

	for (;;) {
		send_hear_words(job);
		if (job->verdict)
			return true;
		if (job->broke || clock_now_ns() > until_ns)
			return false;
		if (relay_failed(job->relay)) {
			/* A last word may have come before the connection went. */
			send_hear_words(job);
			if (!job->verdict)
				(void)relay_error(job->relay, &job->why);
			job->broke = !job->verdict;
			continue;
		}
		if (!interrupt_sleep(job->leave, NAP_NS / 10)) {
			job->broke = true;
			fail(&job->why, GW_CANCELLED, "left before the answer came");
		}
	}
}

/* In post-copy the guest went on at the destination, and the one here is of before. */
static void add_way_back(const struct send_job *job, struct transfer_report *report)
{
	if (send_went_over(job))
		add(report,
		    "; never cont the source: after post-copy what it holds is old");
	else if (job->source && !qmp_peer_process_is_gone(job->source))
		add(report,
		    "; only where that is gone, cont at the source's QMP, %s, does",
		    qmp_path(job));
}

static void conclude_unanswered(struct send_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_UNKNOWN;
	set_error(report,
		  "the source has completed, and the destination did not say that it "
		  "lets the guest run%s%.200s",
		  job->broke ? ": " : "", job->broke ? job->why.text : "");
	if (job->source && qmp_peer_process_is_gone(job->source))
		add(report, "the source is gone; the destination holds the whole guest, "
			    "paused unless it runs: cont at its QMP lets it run");
	else
		add(report,
		    "the source holds the whole guest, paused; the destination holds it "
		    "as well, paused unless it runs: query-status at its QMP tells; if "
		    "it is paused, cont there lets it run");
	add_way_back(job, report);
}

static void conclude_held(struct send_job *job, struct transfer_report *report)
{
	const json_t *why = json_object_get(job->verdict, "why");
	char text[300];

	report->end = TRANSFER_UNKNOWN;
	set_error(report,
		  "the source has completed, but the destination does not let the guest "
		  "run: %s",
		  printable(text, sizeof(text),
			    json_is_string(why) ? json_string_value(why) : "no reason",
			    json_is_string(why) ? (unsigned)json_string_length(why) : 9));
	add(report,
	    "source and destination hold the guest, paused; query-migrate at the "
	    "destination's QMP tells whether it has all of it: then cont there lets it "
	    "run");
	add_way_back(job, report);
}

/* The other side's QEMU is gone, and had been told to run the guest, or ran it. */
static void conclude_gone_over(const struct send_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_UNKNOWN;
	set_error(report,
		  "destination: QEMU has ended, and may have run the guest before");
	if (job->source && qmp_peer_process_is_gone(job->source))
		add(report,
		    "the source is gone as well: the guest has to be started anew");
	else if (send_went_over(job))
		add(report,
		    "it was there in post-copy, what the source holds is old: the guest "
		    "has to be started anew");
	else if (job->source)
		add(report,
		    "the source holds the guest as it left, paused; where its disks have "
		    "not been written since, cont at its QMP, %s, lets it run; otherwise "
		    "it has to be started anew",
		    qmp_path(job));
	else
		add(report,
		    "the QEMU here holds the guest as it left, paused, for whoever "
		    "drives it");
}

/* Its QEMU is gone and never ran the guest: the one here has it whole. */
static void take_back(struct send_job *job, struct transfer_report *report)
{
	struct guest_status guest = { .name = "unknown" };
	struct gw_error err;

	set_error(report, "destination: QEMU has ended without having run the guest");
	report->end = TRANSFER_UNKNOWN;
	if (!job->source) {
		add(report,
		    "the QEMU here holds the whole guest, paused, for whoever drives it");
		return;
	}
	if (qmp_peer_process_is_gone(job->source)) {
		add(report,
		    "the source is gone as well: the guest has to be started anew");
		return;
	}
	if (job->runs && qmp_peer_execute(job->source, "cont", NULL, NULL, &err) < 0) {
		add(report,
		    "the source holds the whole guest, paused unless it runs: %.200s; "
		    "cont at its QMP, %s, lets it run",
		    err.text, qmp_path(job));
		return;
	}
	if (ask_guest(job, &guest, &err) == 0 && guest.running == job->runs)
		report->end = TRANSFER_FAILED;
	add(report,
	    guest.running ? "the guest runs on at the source"
			  : "the guest is at the source, paused (%s)",
	    guest.name);
}

static void conclude_resumed(struct send_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_DONE;
	if (json_is_true(json_object_get(job->verdict, "running")))
		add(report, "the guest runs at the destination");
	else if (json_is_false(json_object_get(job->verdict, "running")))
		add(report, "the guest is at the destination, paused as it was here");
	else
		add(report, "the guest is at the destination");
}

/* Only what the other side is sure of may bring the guest back here. */
static bool never_ran(const struct send_job *job)
{
	return !send_went_over(job) &&
	       json_is_true(json_object_get(job->verdict, "never-ran"));
}

static void conclude_completed(struct send_job *job, struct transfer_report *report)
{
	if (job->options->to_qemu) {
		poll_at_rest(job);
		report->end = TRANSFER_DONE;
		add(report, "the guest is at the destination");
		return;
	}
	/* First of all: the guest waits for that. */
	send_tell(job, json_pack("{ss sb}", "say", "completed", "run", job->runs));
	poll_at_rest(job);
	if (!await_verdict(job))
		conclude_unanswered(job, report);
	else if (strcmp(control_word(job->verdict), "held") == 0)
		conclude_held(job, report);
	else if (strcmp(control_word(job->verdict), "gone") == 0 && never_ran(job))
		take_back(job, report);
	else if (strcmp(control_word(job->verdict), "gone") == 0)
		conclude_gone_over(job, report);
	else
		conclude_resumed(job, report);
}

/* ---- it has not ---- */

/* `safe_here`: the guest is at the source, and well. */
static void tell_abort(struct send_job *job, const char *why, bool safe_here)
{
	char text[400];

	/* Otherwise it waits behind what a slow network is to take. */
	if (job->relay)
		relay_cancel(job->relay);
	/* No JSON without UTF-8, and a path may be cut in the middle of it. */
	printable(text, sizeof(text), why, (unsigned)strlen(why));
	send_tell(job, json_pack("{ss ss sb sb}", "say", "abort", "why", text, "safe",
				 safe_here, "lost", job->lost_here));
}

static void conclude_at_source(struct send_job *job, struct transfer_report *report)
{
	struct guest_status guest;
	struct gw_error err;

	if (ask_guest(job, &guest, &err) < 0) {
		report->end = TRANSFER_UNKNOWN;
		add(report, "the source does not say what its guest is at: %.200s",
		    err.text);
		return;
	}
	report->end = job->cancelled ? TRANSFER_CANCELLED : TRANSFER_FAILED;
	if (guest.running) {
		add(report, "the guest runs on at the source");
		if (!migration_status_ended(&job->last))
			add(report,
			    ", whose migration is still %s: its QEMU may take no other",
			    job->last.state);
	} else if (send_went_over(job)) {
		report->end = TRANSFER_UNKNOWN;
		add(report,
		    "the guest had gone on at the destination in post-copy, and cannot "
		    "get the rest of its memory any more; what the source holds is old: "
		    "never cont it while the destination's QEMU is there");
	} else if (!job->runs || strcmp(guest.name, "suspended") == 0) {
		add(report, "the guest is at the source, paused as before (%s)",
		    guest.name);
	} else {
		report->end = TRANSFER_UNKNOWN;
		add(report,
		    "the source holds the guest, paused (%s); cont at its QMP, %s, lets "
		    "it run",
		    guest.name, qmp_path(job));
	}
}

/* QEMU may have heard of it before we did. */
static void await_reason(struct send_job *job)
{
	uint64_t until_ns =
		clock_now_ns() + (job->last.error[0] ? SECOND_REASON_NS : REASON_NS);

	while (job->relay && !job->broke && !job->cancelled &&
	       clock_now_ns() < until_ns) {
		send_hear_words(job);
		if (!job->broke && relay_failed(job->relay)) {
			(void)relay_error(job->relay, &job->why);
			job->broke = true;
		}
		interrupt_sleep(job->leave, NAP_NS / 4);
		if (interrupt_raised(job->leave))
			return;
	}
}

static void conclude_failed(struct send_job *job, struct transfer_report *report)
{
	const struct migration_status *last = &job->last;
	bool broke = job->broke;

	poll_at_rest(job);
	if (!migration_status_is(last, "cancelled"))
		await_reason(job);
	if (job->cancelled || (migration_status_is(last, "cancelled") && !job->broke)) {
		job->cancelled = true;
		set_error(report, "cancelled");
	} else if (job->broke) {
		/* What QEMU says then is that its connection broke; unless it was first. */
		set_error(report, "%s%s%s", job->why.text,
			  !broke && last->error[0] ? "; source: " : "",
			  !broke ? last->error : "");
	} else {
		set_error(report, "source: %s%s%s", last->state,
			  last->error[0] ? ": " : "", last->error);
	}
	conclude_at_source(job, report);
	tell_abort(job, report->error, report->end != TRANSFER_UNKNOWN);
}

static void add_recovery(const struct send_job *job, struct transfer_report *report)
{
	add(report,
	    "the guest is paused, part of it here and part at the destination, and "
	    "godwit does not recover it; QEMU does: migrate-recover with a URI at the "
	    "destination's QMP, then migrate with that URI and resume=true at the "
	    "source's%s%s; end neither QEMU before",
	    job->source ? " QMP, " : "", job->source ? qmp_path(job) : "");
}

static void conclude_postcopy(struct send_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_UNKNOWN;
	set_error(report, "post-copy lost its connection%s%.200s", job->broke ? ": " : "",
		  job->broke ? job->why.text : "");
	tell_abort(job, report->error, false);
	add_recovery(job, report);
}

/* ---- nothing more is known of the source ---- */

static bool has_arrived(const struct send_job *job)
{
	return job->meter.last.shut && job->meter.last.shut_value == 0;
}

/* What becomes of a migration that nobody relays any more. */
static void add_without_us(const struct send_job *job, struct transfer_report *report)
{
	if (send_went_over(job)) {
		add_recovery(job, report);
		return;
	}
	add(report, "without this relay it fails, and the guest goes on at the source");
	if (job->source)
		add(report, ": query-status at its QMP, %s, tells", qmp_path(job));
}

static void conclude_left(struct send_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_UNKNOWN;
	set_error(report, "left while the migration was %s",
		  job->source && !migration_status_is(&job->last, "none")
			  ? job->last.state
			  : "under way");
	tell_abort(job, report->error, false);
	add_without_us(job, report);
}

static void conclude_lost(struct send_job *job, const struct gw_error *lost,
			  struct transfer_report *report)
{
	if (lost->kind == GW_CANCELLED) {
		conclude_left(job, report);
		return;
	}
	set_error(report, "%s", lost->text);
	if (!is_gone(job)) {
		report->end = TRANSFER_UNKNOWN;
		tell_abort(job, report->error, false);
		add(report, "the migration was %s when last seen; ", job->last.state);
		add_without_us(job, report);
		return;
	}
	set_error(report, "source: QEMU has ended");
	if (has_arrived(job) && (job->cancelled || job->broke)) {
		report->end = TRANSFER_UNKNOWN;
		tell_abort(job, report->error, false);
		add(report,
		    "the source process (%d) is gone, after its guest may have run on; "
		    "the destination holds the guest as it was before, paused: cont at "
		    "its QMP lets that run",
		    qmp_peer_pid(job->source));
		return;
	}
	if (has_arrived(job)) {
		/* Nobody but the destination has the guest now, and that has all of it. */
		send_say(job,
			 "the source process (%d) is gone; all of the guest had arrived",
			 qmp_peer_pid(job->source));
		conclude_completed(job, report);
		return;
	}
	report->end = TRANSFER_UNKNOWN;
	job->lost_here = true;
	tell_abort(job, report->error, false);
	add(report,
	    "the source process (%d) is gone, and not all of the guest had arrived: it "
	    "has to be started anew",
	    qmp_peer_pid(job->source));
}

/* ---- somebody else drives it ---- */

static void conclude_passive_arrived(struct send_job *job, struct transfer_report *report)
{
	conclude_completed(job, report);
	if (report->end != TRANSFER_DONE)
		return;
	report->where[0] = '\0';
	add(report, "QEMU at the destination says that it has the guest");
}

/* It may be that QEMU here has heard of its success, and that it has not. */
static void conclude_passive_torn(struct send_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_UNKNOWN;
	set_error(report, "%s", job->cancelled ? "cancelled" : job->why.text);
	tell_abort(job, report->error, false);
	if (has_arrived(job))
		add(report,
		    "QEMU at the destination said that it has the guest: whether the one "
		    "here has heard so its query-migrate tells");
	else
		add_recovery(job, report);
}

static void conclude_passive_failed(struct send_job *job, struct transfer_report *report)
{
	report->end = job->cancelled ? TRANSFER_CANCELLED : TRANSFER_FAILED;
	if (job->cancelled)
		set_error(report, "cancelled");
	else if (job->broke)
		set_error(report, "%s", job->why.text);
	else if (job->meter.last.shut)
		set_error(report, "QEMU at the destination failed (%u)",
			  job->meter.last.shut_value);
	else
		set_error(report, "QEMU here closed its migration before all had passed");
	/* Whether it is there at all nobody here knows. */
	tell_abort(job, report->error, false);
	add(report,
	    "the migration of QEMU here fails; its guest goes on, unless it has ended");
}

static void conclude_passive(struct send_job *job, struct transfer_report *report)
{
	const struct relay_figures *seen = &job->meter.last;
	bool ended = !job->broke && !job->cancelled;

	if (ended && has_arrived(job)) {
		conclude_passive_arrived(job, report);
	} else if (ended && !seen->shut && seen->ram_ended) {
		send_tell(job, json_pack("{ss sn}", "say", "completed", "run"));
		report->end = TRANSFER_DONE;
		add(report,
		    "QEMU closed its migration; without return-path nobody here can tell "
		    "whether it arrived");
	} else if (has_arrived(job) || (send_went_over(job) && !seen->shut)) {
		conclude_passive_torn(job, report);
	} else {
		conclude_passive_failed(job, report);
	}
}

/* ---- figures ---- */

static void fill_figures(struct send_job *job, struct transfer_figures *figures)
{
	const struct migration_status *last = &job->last;
	double span_ms = meter_span_s(&job->meter) * 1e3;

	figures->level = job->level;
	figures->channels = job->channels;
	figures->qemu_channels = job->qemu_channels;
	snprintf(figures->method, sizeof(figures->method), "%s", job->codec->name);
	snprintf(figures->status, sizeof(figures->status), "%s", last->state);
	figures->total_ms = figure_told(last->total_ms);
	if (!job->source)
		figures->total_ms = span_ms;
	figures->downtime_ms = figure_told(last->downtime_ms);
	figures->setup_ms = figure_told(last->setup_ms);
	figures->expected_downtime_ms = job->expected_downtime_ms;
	if (job->stopped_ns > 0 && job->resumed_ns > job->stopped_ns)
		figures->blackout_ms =
			(double)(job->resumed_ns - job->stopped_ns) / (double)NS_PER_MS;
	figures->wire_bytes = (double)job->meter.last.wire_bytes;
	figures->guest_bytes = (double)job->meter.last.guest_bytes;
	figures->ram_bytes = figure_told(last->total_bytes);
	figures->zero_pages = figure_told(last->zero_pages);
	figures->normal_pages = figure_told(last->normal_pages);
	if (!job->source) {
		figures->zero_pages = (double)job->meter.last.zero_pages;
		figures->normal_pages = (double)job->meter.last.normal_pages;
	}
	figures->rounds = figure_told(last->syncs);
	figures->throughput_mbps =
		figure_over(figures->wire_bytes, 8 / 1e3, figures->total_ms);
	figures->pages_per_second = figure_over(
		figures->zero_pages + figures->normal_pages, 1e3, figures->total_ms);
	figures->ratio = figure_over(figures->guest_bytes, 1, figures->wire_bytes);
	figures->most_in_flight_bytes = (double)job->meter.last.most_in_flight;
	figures->span_s = span_ms / 1e3;
	meter_side(&job->meter, &figures->send);
	figures->recv = job->there;
}

/* ---- */

void send_conclude(struct send_job *job, const struct gw_error *lost,
		   struct transfer_report *report)
{
	struct transfer_progress ignored = { .method = "" };

	meter_look(&job->meter, job->relay, &ignored);
	if (lost)
		conclude_lost(job, lost, report);
	else if (!job->source)
		conclude_passive(job, report);
	else if (migration_status_is(&job->last, "postcopy-paused"))
		conclude_postcopy(job, report);
	else if (migration_status_is(&job->last, "completed"))
		conclude_completed(job, report);
	else
		conclude_failed(job, report);
	job->arrived = report->end == TRANSFER_DONE;
	meter_look(&job->meter, job->relay, &ignored);
	fill_figures(job, &report->figures);
	/* For the table there. */
	send_tell(job, json_pack("{ss so so}", "say", "bye", "figures",
				 transfer_figures_json(&report->figures), "side",
				 transfer_side_json(&report->figures.send)));
	report->last = json_incref(job->answer);
}
