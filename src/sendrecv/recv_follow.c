/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recv_follow.c - meanwhile: what the relay, the other godwit and the QEMU here say.
 *
 * The QEMU here is only listened to: while it waits in a barrier it answers nobody. */
#include <string.h>

#include "base/clock.h"
#include "sendrecv/recv_parts.h"

#define SLICE_MS 20
/* Likewise when the last word is all that is missing: the guest waits for it. */
#define LAST_SLICE_MS 1
#define WORDS_AT_ONCE 64u
/* So long a QEMU whose connections broke may take to say why. */
#define BLAME_MS 2000

bool recv_may_have_run(const struct recv_job *job)
{
	return !job->holds || job->told_run;
}

int recv_let_go(struct recv_job *job, struct gw_error *err)
{
	job->told_run = true;
	if (destination_let_go(job->peer, err) < 0)
		return -1;
	recv_tell(job, json_pack("{ss}", "say", "running"));
	return destination_await_running(job->peer, err);
}

/* ---- words of the other side ---- */

/* The source has stopped for good and has sent what this QEMU needs to run. */
static void let_go_in_postcopy(struct recv_job *job, const json_t *word)
{
	enum held_state state;
	struct gw_error err;

	job->run = json_is_true(json_object_get(word, "run"));
	if (!job->holds || job->let_go || job->broke)
		return;
	job->let_go = true;
	if (destination_await(job->peer, job->options->common.patience_ms, &state, &err) <
	    0) {
		recv_say(job, "%s", err.text);
		return;
	}
	if (job->run && (state == HELD_POSTCOPY || state == HELD_COMPLETE) &&
	    recv_let_go(job, &err) < 0)
		recv_say(job, "%s", err.text);
}

static void hear(struct recv_job *job, json_t *word)
{
	const char *said = control_word(word);

	if (strcmp(said, "completed") == 0) {
		job->completed = true;
		job->run = json_is_true(json_object_get(word, "run"));
	} else if (strcmp(said, "postcopy") == 0) {
		let_go_in_postcopy(job, word);
	} else if (strcmp(said, "abort") == 0 && !job->aborted_there) {
		job->broke = true;
		job->aborted_there = true;
		job->safe_there = json_is_true(json_object_get(word, "safe"));
		job->lost_there = json_is_true(json_object_get(word, "lost"));
		/* What was seen here comes back from there as a consequence. */
		if (strcmp(job->why.text, QEMU_HAS_ENDED) != 0)
			transfer_fail_told(&job->why, "source", word);
	} else if (strcmp(said, "bye") == 0) {
		job->bye = true;
		json_decref(job->farewell);
		job->farewell = json_incref(word);
	}
}

void recv_hear_words(struct recv_job *job)
{
	json_t *word;

	/* Who talks without end is not listened to without end. */
	for (unsigned i = 0;
	     i < WORDS_AT_ONCE && queue_take(job->words, &word, 0) == QUEUE_ITEM; i++) {
		hear(job, word);
		json_decref(word);
	}
}

int recv_pass_over(struct recv_job *job, const struct record_head *head)
{
	uint8_t bytes[SESSION_STREAM_BYTES_MAX];
	struct iovec body = { bytes, head->length };
	struct gw_error ignored;
	json_t *word;

	if (head->type == SESSION_STREAM)
		return session_link_read_body(job->in.main_link, &body, 1, &ignored);
	if (head->type == SESSION_END)
		return session_link_read_body(job->in.main_link, NULL, 0, &ignored);
	if (head->type != SESSION_CONTROL)
		return -1;
	word = control_read(job->in.main_link, head, &ignored);
	if (!word)
		return -1;
	hear(job, word);
	json_decref(word);
	return 0;
}

/* ---- the QEMU here ---- */

/* It is gone, or has failed: that is what broke the relay, not the other way round. */
static bool qemu_is_to_blame(struct recv_job *job, struct gw_error *why)
{
	uint64_t until_ns = clock_now_ns() + BLAME_MS * NS_PER_MS;

	do {
		if (qmp_peer_process_is_gone(job->peer)) {
			fail(why, GW_PEER, QEMU_HAS_ENDED);
			return true;
		}
	} while (job->why.kind == GW_PEER && clock_now_ns() < until_ns &&
		 interrupt_sleep(job->leave, SLICE_MS * NS_PER_MS));
	return false;
}

void recv_blame(struct recv_job *job)
{
	if (job->broke)
		return;
	(void)relay_error(job->relay, &job->why);
	if (job->peer && job->why.kind != GW_CANCELLED &&
	    strncmp(job->why.text, "QEMU", 4) == 0)
		(void)qemu_is_to_blame(job, &job->why);
	job->broke = true;
}

/* Its events are for whoever watches. */
static void listen_to_qemu(struct recv_job *job)
{
	const struct transfer_observer *observer = job->options->common.observer;
	struct gw_error err;
	json_t *event = NULL;
	int got;

	if (!job->peer || qmp_peer_process_is_gone(job->peer)) {
		interrupt_sleep(job->leave, SLICE_MS * NS_PER_MS);
		return;
	}
	got = qmp_peer_event(job->peer, &event,
			     relay_ended(job->relay) ? LAST_SLICE_MS : SLICE_MS, &err);
	if (got > 0) {
		observer->event(observer->state, event);
		json_decref(event);
	} else if (got < 0) {
		interrupt_sleep(job->leave, SLICE_MS * NS_PER_MS);
	}
}

/* The guest waits for the source's last word: what can be asked before is asked before. */
static void look_ahead(struct recv_job *job)
{
	struct gw_error ignored;

	if (!job->holds || job->complete || !job->meter.last.shut)
		return;
	if (destination_look(job->peer, &job->state, &ignored) < 0)
		job->state = HELD_LOADING;
	job->complete = job->state == HELD_COMPLETE;
}

static void look(struct recv_job *job)
{
	const struct transfer_observer *observer = job->options->common.observer;
	struct transfer_progress progress = { .method = job->codec->name };

	relay_figures(job->relay, &job->meter.last);
	if (clock_now_ns() < job->next_poll_ns)
		return;
	job->next_poll_ns =
		clock_now_ns() + (uint64_t)job->options->common.poll_ms * NS_PER_MS;
	migration_status_parse(&progress.status, NULL);
	meter_look(&job->meter, job->relay, &progress);
	observer->looked(observer->state, &progress);
}

/* ---- */

/* In post-copy the guest is on both hosts: a broken connection pauses it. */
static bool may_be_cancelled(struct recv_job *job)
{
	if (interrupt_raised(job->leave) ||
	    !(job->let_go || job->meter.last.postcopy_running))
		return true;
	if (!job->refused_cancel)
		recv_say(job, "post-copy cannot be cancelled, the guest is on both "
			      "hosts; interrupt again to leave at once: it is paused "
			      "then until QEMU recovers it");
	job->refused_cancel = true;
	return false;
}

static void cancel(struct recv_job *job)
{
	job->broke = true;
	job->cancelled = true;
	recv_say(job, "cancelling; interrupt again to leave at once");
	fail(&job->why, GW_CANCELLED, "cancelled at the destination");
}

void recv_follow(struct recv_job *job)
{
	for (;;) {
		recv_hear_words(job);
		if (job->completed || job->broke)
			return;
		if (interrupt_raised(job->stop) && may_be_cancelled(job)) {
			cancel(job);
			return;
		}
		if (relay_failed(job->relay)) {
			/* A last word may be what it failed of. */
			recv_hear_words(job);
			if (!job->completed)
				recv_blame(job);
			return;
		}
		if (job->options->from_qemu && relay_ended(job->relay))
			return;
		look(job);
		look_ahead(job);
		listen_to_qemu(job);
	}
}
