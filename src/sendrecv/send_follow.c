/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_follow.c - meanwhile: what the QEMU here, the relay and the other godwit say. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "sendrecv/send_parts.h"

/* So soon the end of the relay, a word or an interrupt is seen to. */
#define SLICE_MS 50
/* An event that is older than that was stamped by another clock. */
#define LATE_NS (60 * NS_PER_S)
#define WORDS_AT_ONCE 64u
/* What QEMU expects of a guest that will not converge has 19 digits. */
#define NEVER_MS INT64_C(1000000000)

/* ---- words of the other side ---- */

static void note_why(struct send_job *job, const json_t *word)
{
	if (job->broke)
		return;
	job->broke = true;
	transfer_fail_told(&job->why, "destination", word);
}

static void note_there(struct send_job *job, const json_t *word)
{
	const json_t *side = json_object_get(word, "side");

	if (json_is_object(side))
		transfer_side_parse(&job->there, side);
}

static void keep_verdict(struct send_job *job, json_t *word)
{
	if (!job->verdict)
		job->verdict = json_incref(word);
	note_there(job, word);
}

static void hear(struct send_job *job, json_t *word)
{
	const char *said = control_word(word);

	if (strcmp(said, "abort") == 0) {
		note_why(job, word);
		relay_cancel(job->relay);
	} else if (strcmp(said, "resumed") == 0 || strcmp(said, "held") == 0 ||
		   strcmp(said, "gone") == 0) {
		keep_verdict(job, word);
	} else if (strcmp(said, "running") == 0 && job->resumed_ns == 0) {
		job->resumed_ns = clock_now_ns();
	}
}

void send_hear_words(struct send_job *job)
{
	json_t *word;

	/* Who talks without end is not listened to without end. */
	for (unsigned i = 0; i < WORDS_AT_ONCE && job->words &&
			     queue_take(job->words, &word, 0) == QUEUE_ITEM;
	     i++) {
		hear(job, word);
		json_decref(word);
	}
}

/* ---- the relay ---- */

/* It has cut QEMU's connections already. */
static void note_relay(struct send_job *job)
{
	if (job->broke || !job->relay || !relay_failed(job->relay))
		return;
	job->broke = true;
	(void)relay_error(job->relay, &job->why);
}

/* How QEMU marks its barriers can be set against its machine type: what was agreed on is compared with
 * what it does, before pages come. */
static void check_barriers(struct send_job *job)
{
	const struct relay_figures *seen = &job->meter.last;
	int there = job->preflight.destination_per_round;
	bool flushed = seen->setup_flushed || job->preflight.flush_before_eos;

	if (job->broke || job->barriers_checked || !seen->setup_ended)
		return;
	job->barriers_checked = true;
	if (job->qemu_channels == 0 || there < 0 || there == flushed)
		return;
	job->broke = true;
	fail(&job->why, GW_PEER,
	     "source: QEMU marks its barriers %s, the destination's expects them %s: "
	     "start both with the same versioned machine type, and the same -global "
	     "migration.multifd-flush-after-each-section if that is given",
	     flushed ? "once a round" : "in each section",
	     there ? "once a round" : "in each section");
	relay_cancel(job->relay);
}

static bool relay_is_over(const struct send_job *job)
{
	return job->broke || (job->relay && relay_ended(job->relay));
}

/* ---- the QEMU here ---- */

static void command(struct send_job *job, const char *name, json_t *arguments)
{
	struct gw_error err;

	if (qmp_peer_execute(job->source, name, arguments, NULL, &err) < 0)
		send_say(job, "%s", err.text);
}

bool send_went_over(const struct send_job *job)
{
	return job->postcopy_told || job->meter.last.postcopy_running;
}

/* A QEMU that is told to cancel in post-copy takes the rest of its memory from a guest that runs
 * already, and cannot be recovered any more. */
static bool is_in_postcopy(const struct send_job *job)
{
	return send_went_over(job) || strncmp(job->last.state, "postcopy", 8) == 0;
}

static void refuse_to_cancel(struct send_job *job)
{
	job->refused_cancel = true;
	send_say(job,
		 "post-copy cannot be cancelled, the guest is on both hosts; interrupt "
		 "again to leave at once: it is paused then until QEMU recovers it");
}

/* Whoever drives QEMU sees it fail: nothing more is to be waited for here. */
static void cut_passive(struct send_job *job)
{
	job->broke = true;
	fail(&job->why, GW_CANCELLED, "cancelled");
	if (job->relay)
		relay_cancel(job->relay);
}

static void cancel_once(struct send_job *job)
{
	if (job->cancelled || job->refused_cancel || !interrupt_raised(job->stop))
		return;
	if (is_in_postcopy(job)) {
		refuse_to_cancel(job);
		return;
	}
	job->cancelled = true;
	send_say(job, "cancelling; interrupt again to leave at once");
	if (job->source)
		command(job, "migrate_cancel", NULL);
	else
		cut_passive(job);
	job->next_poll_ns = 0;
}

static void look(struct send_job *job)
{
	const struct transfer_observer *observer = job->options->common.observer;
	struct transfer_progress progress = {
		.status = job->last,
		.method = job->codec->name,
		.answer = job->answer,
	};

	meter_look(&job->meter, job->relay, &progress);
	check_barriers(job);
	observer->looked(observer->state, &progress);
}

int send_poll(struct send_job *job, struct gw_error *err)
{
	json_t *answer = NULL;

	job->next_poll_ns =
		clock_now_ns() + (uint64_t)job->options->common.poll_ms * NS_PER_MS;
	if (job->source) {
		if (qmp_peer_execute(job->source, "query-migrate", NULL, &answer, err) <
		    0)
			return -1;
		json_decref(job->answer);
		job->answer = answer;
		migration_status_parse(&job->last, answer);
		if (job->last.expected_downtime_ms >= 0 &&
		    job->last.expected_downtime_ms < NEVER_MS)
			job->expected_downtime_ms =
				(double)job->last.expected_downtime_ms;
	}
	look(job);
	return 0;
}

/* When QEMU says that it happened, by our clock; now, where it does not say. */
static uint64_t time_of(const json_t *event)
{
	const json_t *stamp = json_object_get(event, "timestamp");
	json_int_t s = json_integer_value(json_object_get(stamp, "seconds"));
	json_int_t us = json_integer_value(json_object_get(stamp, "microseconds"));
	uint64_t now_ns = clock_now_ns(), then_ns, wall_ns;
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	wall_ns = (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec;
	then_ns = s < 0 || us < 0 ? 0 : (uint64_t)s * NS_PER_S + (uint64_t)us * 1000;
	if (then_ns > wall_ns || wall_ns - then_ns > LATE_NS ||
	    wall_ns - then_ns > now_ns)
		return now_ns;
	return now_ns - (wall_ns - then_ns);
}

/* Stopped by the migration, or by somebody who wants it so, or by an error of its disk? */
static void note_stop(struct send_job *job, const json_t *event)
{
	uint64_t at_ns = time_of(event);
	struct guest_status guest;
	struct gw_error ignored;

	if (qmp_peer_guest(job->source, &guest, &ignored) < 0)
		return;
	if (strcmp(guest.name, "finish-migrate") == 0 ||
	    strcmp(guest.name, "postmigrate") == 0)
		job->stopped_ns = at_ns;
	else if (!guest.running)
		job->runs = false;
}

static void note_event(struct send_job *job, const json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "event"));

	if (!name)
		return;
	if (strcmp(name, "MIGRATION") == 0)
		job->next_poll_ns = 0;
	else if (strcmp(name, "STOP") == 0)
		note_stop(job, event);
	else if (strcmp(name, "RESUME") == 0)
		job->runs = true;
}

/* 1: one was heard, 0: none within `timeout_ms`. */
static int hear_event(struct send_job *job, int timeout_ms, struct gw_error *err)
{
	const struct transfer_observer *observer = job->options->common.observer;
	json_t *event = NULL;
	int got = qmp_peer_event(job->source, &event, timeout_ms, err);

	if (got <= 0)
		return got;
	observer->event(observer->state, event);
	note_event(job, event);
	json_decref(event);
	return 1;
}

static int wait_a_little(struct send_job *job, struct gw_error *err)
{
	if (job->source)
		return hear_event(job, SLICE_MS, err);
	if (!interrupt_sleep(job->leave, SLICE_MS * NS_PER_MS))
		return fail(err, GW_CANCELLED, "left");
	return 0;
}

/* Until there is something to do: the next poll, at the latest. */
static int wait_for_news(struct send_job *job, struct gw_error *err)
{
	bool broke = job->broke, over = relay_is_over(job);

	while (clock_now_ns() < job->next_poll_ns) {
		if (wait_a_little(job, err) < 0)
			return -1;
		send_hear_words(job);
		note_relay(job);
		if (job->broke != broke || relay_is_over(job) != over ||
		    (interrupt_raised(job->stop) && !job->cancelled &&
		     !job->refused_cancel))
			return 0;
	}
	return 0;
}

/* ---- on the way ---- */

static void watch_convergence(struct send_job *job)
{
	struct gw_error ignored;
	char text[256];

	if (!convergence_feed_poll(&job->feed, clock_now_ns(), &job->last,
				   job->downtime_limit_ms))
		return;
	send_say(job, "%s",
		 convergence_explain(&job->feed.convergence, text, sizeof(text)));
	/* Who reads that may change it. */
	if (tuning_downtime_limit(job->source, &job->downtime_limit_ms, &ignored) == 0 &&
	    job->relay)
		relay_set_downtime_limit(job->relay, job->downtime_limit_ms);
}

static void begin_postcopy(struct send_job *job)
{
	uint64_t after_s = job->options->postcopy_after_s;

	if (after_s == TRANSFER_UNSET || job->postcopy_asked || job->cancelled ||
	    !migration_status_is(&job->last, "active") ||
	    meter_span_s(&job->meter) < (double)after_s)
		return;
	job->postcopy_asked = true;
	send_say(job, "post-copy begins: from here on the guest lives on both hosts");
	command(job, "migrate-start-postcopy", NULL);
}

/* The destination may let its guest go: this one has stopped for good. */
static void tell_postcopy(struct send_job *job)
{
	if (job->postcopy_told || !migration_status_is(&job->last, "postcopy-active"))
		return;
	job->postcopy_told = true;
	send_tell(job, json_pack("{ss sb}", "say", "postcopy", "run", job->runs));
}

static void tell_pre_switchover(struct send_job *job)
{
	if (job->continued || !migration_status_is(&job->last, "pre-switchover"))
		return;
	job->continued = true;
	send_say(job,
		 "the guest is paused before the switchover: migrate-continue with state "
		 "pre-switchover at the source's QMP goes on, an interrupt here cancels");
}

/* QEMU's connections are cut, which it does not notice before a switchover that waits for somebody. */
static void end_broken(struct send_job *job)
{
	struct gw_error ignored;

	if (!job->broke || job->ended_broken || is_in_postcopy(job))
		return;
	job->ended_broken = true;
	(void)qmp_peer_execute(job->source, "migrate_cancel", NULL, NULL, &ignored);
}

/* Nothing of it matters any more, and QEMU may wait for what a slow network is to take. */
static void cut_cancelled(struct send_job *job)
{
	if (job->relay && migration_status_is(&job->last, "cancelling"))
		relay_cancel(job->relay);
}

/* A QEMU that is to fail, or to cancel, and does neither: it may wait for itself for ever. */
static bool is_stuck(struct send_job *job)
{
	if (!job->broke && !job->cancelled)
		return false;
	if (job->ending_ns == 0)
		job->ending_ns = clock_now_ns();
	return clock_now_ns() - job->ending_ns >
	       (uint64_t)job->options->common.patience_ms * NS_PER_MS;
}

static bool has_ended(struct send_job *job)
{
	return migration_status_ended(&job->last) ||
	       migration_status_is(&job->last, "postcopy-paused") || is_stuck(job);
}

static int follow_qemu(struct send_job *job, struct gw_error *err)
{
	for (;;) {
		cancel_once(job);
		if (send_poll(job, err) < 0)
			return -1;
		if (has_ended(job))
			return 0;
		cut_cancelled(job);
		end_broken(job);
		begin_postcopy(job);
		tell_postcopy(job);
		tell_pre_switchover(job);
		watch_convergence(job);
		if (wait_for_news(job, err) < 0)
			return -1;
	}
}

/* Somebody else drives it: the relay is all there is to watch. */
static int follow_relay(struct send_job *job, struct gw_error *err)
{
	while (!relay_is_over(job)) {
		cancel_once(job);
		if (send_poll(job, err) < 0 || wait_for_news(job, err) < 0)
			return -1;
	}
	return 0;
}

int send_follow(struct send_job *job, struct gw_error *err)
{
	return job->source ? follow_qemu(job, err) : follow_relay(job, err);
}
