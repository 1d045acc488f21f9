/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recv_end.c - the guest is let go, or it is said why not. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "drive/figures.h"
#include "sendrecv/recv_parts.h"

/* So long the other godwit may take to hang up once it has heard the verdict. */
#define BYE_NS (5 * NS_PER_S)
#define NAP_NS (5 * NS_PER_MS)
#define LAST_WORD_MS 1000

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

static void set_error(struct transfer_report *report, const char *text)
{
	snprintf(report->error, sizeof(report->error), "%s", text);
}

/* ---- the verdict ---- */

static void give_verdict(struct recv_job *job, const char *say, json_t *running,
			 const char *why)
{
	struct transfer_side side;

	meter_side(&job->meter, &side);
	recv_tell(job, json_pack("{ss so ss sb so}", "say", say, "running", running,
				 "why", why, "never-ran", !recv_may_have_run(job), "side",
				 transfer_side_json(&side)));
}

/* Closing at once could take the verdict away from who has not read it yet. */
static void await_bye(struct recv_job *job)
{
	uint64_t until_ns = clock_now_ns() + BYE_NS;

	while (!job->bye && !relay_failed(job->relay) && clock_now_ns() < until_ns &&
	       interrupt_sleep(job->leave, NAP_NS))
		recv_hear_words(job);
}

static void say_resumed(struct recv_job *job, bool running,
			struct transfer_report *report)
{
	guardian_release(job->guardian);
	give_verdict(job, "resumed", json_boolean(running), "");
	report->end = TRANSFER_DONE;
	add(report,
	    running ? "the guest runs here"
		    : "the guest is here, paused as it was at the source; cont at QEMU's "
		      "QMP, %s, lets it run",
	    qmp_peer_path(job->peer));
}

static void say_gone(struct recv_job *job, const char *why,
		     struct transfer_report *report)
{
	give_verdict(job, "gone", json_false(), why);
	report->end = TRANSFER_FAILED;
	set_error(report, why);
	if (!recv_may_have_run(job)) {
		add(report, "the guest is at the source");
		return;
	}
	report->end = TRANSFER_UNKNOWN;
	add(report,
	    "it may have run the guest before; the source holds that as it left, paused: "
	    "look there");
}

static void say_held(struct recv_job *job, const char *why,
		     struct transfer_report *report)
{
	give_verdict(job, "held", json_false(), why);
	report->end = TRANSFER_UNKNOWN;
	set_error(report, why);
	if (job->complete)
		add(report, "QEMU here holds the whole guest, paused unless it runs; ");
	else
		add(report,
		    "the source holds the whole guest, paused; whether QEMU here does as "
		    "well its query-migrate tells: if that is completed, ");
	add(report, "cont at its QMP, %s, lets it run", qmp_peer_path(job->peer));
}

static void let_run(struct recv_job *job, struct transfer_report *report)
{
	struct gw_error err;

	if (!job->holds || !job->run)
		say_resumed(job, false, report);
	else if (recv_let_go(job, &err) == 0)
		say_resumed(job, true, report);
	else if (qmp_peer_process_is_gone(job->peer))
		say_gone(job, QEMU_HAS_ENDED, report);
	else
		say_held(job, err.text, report);
}

static void conclude_driven(struct recv_job *job, struct transfer_report *report)
{
	enum held_state state = job->state;
	struct gw_error err;

	if (!job->complete &&
	    destination_await(job->peer, job->options->common.patience_ms, &state, &err) <
		    0) {
		if (qmp_peer_process_is_gone(job->peer))
			say_gone(job, QEMU_HAS_ENDED, report);
		else
			say_held(job, err.text, report);
		return;
	}
	switch (state) {
	case HELD_COMPLETE:
		job->complete = true;
		let_run(job, report);
		return;
	case HELD_RUNNING:
		say_resumed(job, true, report);
		return;
	case HELD_GONE:
		say_gone(job, QEMU_HAS_ENDED, report);
		return;
	case HELD_FAILED:
		say_gone(job, "QEMU failed", report);
		return;
	case HELD_LOADING:
	case HELD_POSTCOPY:
		break;
	}
	say_held(job, "QEMU is not done although the source is", report);
}

static void conclude_completed(struct recv_job *job, struct transfer_report *report)
{
	if (job->peer) {
		conclude_driven(job, report);
	} else {
		guardian_release(job->guardian);
		give_verdict(job, "resumed", json_null(), "");
		report->end = TRANSFER_DONE;
		add(report, "the guest is with the QEMU here, and whoever drives that");
	}
	await_bye(job);
}

/* ---- it broke ---- */

/* The source's reason, where the relay broke before it was read: its connections end one by one. */
static void hear_last_word(struct recv_job *job)
{
	struct deadline patience = deadline_in(LAST_WORD_MS);
	struct session_link *link = job->in.main_link;
	struct record_head head;
	struct gw_error ignored;

	if (!link || job->aborted_there || job->cancelled)
		return;
	channel_set_interrupt(session_link_channel(link), job->leave);
	channel_set_read_patience(session_link_channel(link), LAST_WORD_MS);
	/* Who sends without end is not waited for. */
	while (!job->aborted_there && deadline_left_ms(&patience) > 0 &&
	       session_link_read_head(link, &head, &ignored) > 0 &&
	       recv_pass_over(job, &head) == 0)
		;
}

/* QEMU's connections end so that it does not hang in a barrier. */
static void end_relay(struct recv_job *job)
{
	relay_cancel(job->relay);
	preempt_stop(job->preempt);
	job->preempt = NULL;
	relay_stop(job->relay);
	job->relay = NULL;
	hear_last_word(job);
	guardian_abort(job->guardian, job->leave);
}

/* "; the guest ..." as far as the source has said. */
static void add_source(struct recv_job *job, struct transfer_report *report)
{
	if (job->safe_there) {
		add(report, "the guest is at the source");
	} else if (job->lost_there) {
		report->end = TRANSFER_UNKNOWN;
		add(report, "the guest has to be started anew");
	} else if (job->aborted_there && job->driven) {
		report->end = TRANSFER_UNKNOWN;
		add(report, "the source does not say that it has the guest: look there");
	} else {
		add(report, "the guest stays at the source, unless that is gone as well: "
			    "look there");
	}
}

static bool in_postcopy(const struct recv_job *job)
{
	return job->let_go || job->meter.last.postcopy_running;
}

static void explain_complete(struct recv_job *job, struct transfer_report *report)
{
	if (job->safe_there) {
		add(report, "the guest is at the source; QEMU here holds a copy of it, "
			    "paused, and has to be ended");
		return;
	}
	report->end = TRANSFER_UNKNOWN;
	if (job->completed)
		add(report,
		    "the source has completed, and QEMU here holds the whole guest, "
		    "paused; cont at its QMP, %s, lets it run",
		    qmp_peer_path(job->peer));
	else
		add(report,
		    "QEMU here holds the whole guest, paused, for nobody said that the "
		    "source has completed; look there: if the guest runs on, end this "
		    "QEMU; if it is paused (postmigrate) or its QEMU is gone, cont at "
		    "this one's QMP, %s, lets it run",
		    qmp_peer_path(job->peer));
}

static void explain_running(struct recv_job *job, struct transfer_report *report)
{
	/* In post-copy the source has stopped for good before the guest ran here. */
	if (job->completed || in_postcopy(job)) {
		report->end = TRANSFER_DONE;
		add(report, "the guest runs here, and all of it has come");
		return;
	}
	report->end = TRANSFER_UNKNOWN;
	add(report,
	    "the guest runs here, but nobody said that the source has completed: look "
	    "there at once, and where it runs as well, stop one of them");
}

static bool has_all(struct recv_job *job)
{
	struct migration_status migration;
	struct gw_error ignored;
	json_t *answer = NULL;

	if (qmp_peer_execute(job->peer, "query-migrate", NULL, &answer, &ignored) < 0)
		return false;
	migration_status_parse(&migration, answer);
	json_decref(answer);
	return migration_status_is(&migration, "completed");
}

/* After its first page nobody holds all of the guest. */
static void explain_postcopy(struct recv_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_UNKNOWN;
	/* Then the source may have taken it back. */
	if (!recv_may_have_run(job))
		add(report, "QEMU here was to take the guest in post-copy and has not "
			    "run it; look at the source: where the guest runs on, end "
			    "this QEMU; where its migration is postcopy-paused, ");
	else
		add(report,
		    "the guest is paused, part of it here and part at the source, ");
	add(report,
	    "godwit does not recover it and QEMU does: migrate-recover with a URI at the "
	    "QMP here, %s, then migrate with that URI and resume=true at the source's; "
	    "end neither QEMU before",
	    qmp_peer_path(job->peer));
}

static void explain_state(struct recv_job *job, enum held_state state,
			  struct transfer_report *report)
{
	switch (state) {
	case HELD_COMPLETE:
		explain_complete(job, report);
		return;
	case HELD_RUNNING:
		/* In a post-copy without its source it runs, until it wants what is not here. */
		if (in_postcopy(job) && !has_all(job))
			explain_postcopy(job, report);
		else
			explain_running(job, report);
		return;
	case HELD_POSTCOPY:
		explain_postcopy(job, report);
		return;
	case HELD_GONE:
		if (in_postcopy(job)) {
			report->end = TRANSFER_UNKNOWN;
			add(report, "in post-copy the guest was part here, part at the "
				    "source: with QEMU here it is lost, and has to be "
				    "started anew");
			return;
		}
		if (strcmp(report->error, QEMU_HAS_ENDED) != 0)
			add(report, "QEMU here has ended, ");
		add_source(job, report);
		return;
	case HELD_LOADING:
	case HELD_FAILED:
		break;
	}
	add(report, "QEMU here did not get the guest and has to be started anew, ");
	add_source(job, report);
}

static void tell_abort(struct recv_job *job)
{
	const char *why = job->cancelled ? "cancelled there" : job->why.text;
	char text[sizeof(job->why.text)];

	recv_tell(job,
		  json_pack("{ss ss}", "say", "abort", "why",
			    printable(text, sizeof(text), why, (unsigned)strlen(why))));
}

static void explain_left(struct recv_job *job, struct transfer_report *report)
{
	report->end = TRANSFER_UNKNOWN;
	if (in_postcopy(job) && job->peer) {
		explain_postcopy(job, report);
		return;
	}
	add(report,
	    "left at once: QEMU here fails when its connections have been ended, which "
	    "the process godwit-guard still sees to; the guest stays at the source, "
	    "unless it was complete here%s%s",
	    job->peer ? ": query-migrate at the QMP here tells, " : "",
	    job->peer ? qmp_peer_path(job->peer) : "");
}

static void explain_silence(struct recv_job *job, const struct gw_error *why,
			    struct transfer_report *report)
{
	if (in_postcopy(job)) {
		explain_postcopy(job, report);
		add(report, "; QEMU here does not answer: %.200s", why->text);
		return;
	}
	if (recv_may_have_run(job))
		report->end = TRANSFER_UNKNOWN;
	add(report, "QEMU here does not answer: %.200s; ", why->text);
	add_source(job, report);
}

static void conclude_broken(struct recv_job *job, struct transfer_report *report)
{
	enum held_state state = HELD_LOADING;
	struct gw_error err;

	report->end = job->cancelled ? TRANSFER_CANCELLED : TRANSFER_FAILED;
	if (!job->aborted_there)
		tell_abort(job);
	end_relay(job);
	set_error(report, job->why.text);
	if (interrupt_raised(job->leave))
		explain_left(job, report);
	else if (!job->peer)
		add_source(job, report);
	else if (destination_look(job->peer, &state, &err) == 0)
		explain_state(job, state, report);
	else
		explain_silence(job, &err, report);
}

/* ---- a QEMU came by itself ---- */

static void conclude_from_qemu(struct recv_job *job, struct transfer_report *report)
{
	enum held_state state = HELD_LOADING;
	struct gw_error err;

	report->end = TRANSFER_DONE;
	if (!job->peer && (job->meter.last.ram_ended || in_postcopy(job)) &&
	    job->meter.last.shut_value == 0) {
		guardian_release(job->guardian);
		add(report, "the guest is with the QEMU here, and whoever drives that");
		return;
	}
	if (job->peer &&
	    destination_await(job->peer, job->options->common.patience_ms, &state,
			      &err) == 0 &&
	    (state == HELD_COMPLETE || state == HELD_RUNNING)) {
		guardian_release(job->guardian);
		add(report, state == HELD_RUNNING ? "the guest runs here"
						  : "the guest is here, paused");
		return;
	}
	report->end = TRANSFER_FAILED;
	set_error(report, "QEMU at the source closed its migration before all had come");
	end_relay(job);
	if (job->peer)
		explain_state(job, state, report);
	else
		add_source(job, report);
}

/* ---- figures ---- */

/* As far as this side sees it: QEMU's times are the source's to tell. */
static void fill_figures(struct recv_job *job, struct transfer_figures *figures)
{
	const struct relay_figures *last = &job->meter.last;

	snprintf(figures->method, sizeof(figures->method), "%s", job->codec->name);
	figures->channels = job->channels;
	figures->qemu_channels = job->qemu_channels;
	figures->span_s = meter_span_s(&job->meter);
	figures->total_ms = figures->span_s * 1e3;
	figures->wire_bytes = (double)last->wire_bytes;
	figures->guest_bytes = (double)last->guest_bytes;
	figures->zero_pages = (double)last->zero_pages;
	figures->normal_pages = (double)last->normal_pages;
	figures->throughput_mbps =
		figure_over(figures->wire_bytes, 8 / 1e3, figures->total_ms);
	figures->pages_per_second = figure_over(
		figures->zero_pages + figures->normal_pages, 1e3, figures->total_ms);
	figures->ratio = figure_over(figures->guest_bytes, 1, figures->wire_bytes);
	meter_side(&job->meter, &figures->recv);
	if (job->farewell) {
		const json_t *theirs = json_object_get(job->farewell, "figures");

		transfer_figures_parse(figures, theirs);
		transfer_side_parse(&figures->send,
				    json_object_get(job->farewell, "side"));
	}
}

static const char *status_of(const struct transfer_report *report)
{
	switch (report->end) {
	case TRANSFER_DONE:
		return "completed";
	case TRANSFER_CANCELLED:
		return "cancelled";
	case TRANSFER_FAILED:
	case TRANSFER_UNKNOWN:
		break;
	}
	return "failed";
}

void recv_conclude(struct recv_job *job, struct transfer_report *report)
{
	struct transfer_progress ignored = { .method = "" };

	meter_look(&job->meter, job->relay, &ignored);
	if (job->broke)
		conclude_broken(job, report);
	else if (job->options->from_qemu)
		conclude_from_qemu(job, report);
	else
		conclude_completed(job, report);
	meter_look(&job->meter, job->relay, &ignored);
	fill_figures(job, &report->figures);
	snprintf(report->figures.status, sizeof(report->figures.status), "%s",
		 status_of(report));
}
