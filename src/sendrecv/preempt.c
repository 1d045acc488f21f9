/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preempt.c - post-copy's urgent pages: one more connection, forward only, verbatim. */
#include "sendrecv/preempt.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define SLICE_MS 100

struct preempt {
	struct preempt_options options;
	pthread_t thread;
	struct channel *from, *to; /* QEMUs' */
	struct session_link *from_link, *to_link;
};

/* ---- the two ends ---- */

/* 1, 0 when nobody has come for a while, -1. */
static int await_link(struct preempt *preempt, struct gw_error *err)
{
	struct hello hello;
	int got = reception_next(preempt->options.reception, preempt->options.session,
				 SLICE_MS, &preempt->from_link, &hello, err);

	if (got <= 0)
		return got;
	if (hello.role == LINK_PREEMPT)
		return 1;
	session_link_free(MOVE(preempt->from_link));
	return fail(err, GW_PEER, "%s connection %u came, preempt is expected",
		    hello_role_name(hello.role), hello.index);
}

/* In slices: those who wait there watch another interrupt. */
static int await_it(struct preempt *preempt, struct gw_error *err)
{
	const struct preempt_options *options = &preempt->options;
	int came = 0;

	while (came == 0 && !interrupt_raised(options->interrupt))
		came = options->reception ? await_link(preempt, err)
					  : door_await_preempt(options->door, SLICE_MS,
							       &preempt->from, err);
	if (came == 0)
		return fail(err, GW_CANCELLED, "cancelled");
	return came < 0 ? -1 : 0;
}

static int go_on_to_session(struct preempt *preempt, struct gw_error *err)
{
	const struct preempt_options *options = &preempt->options;
	struct hello hello = { .role = LINK_PREEMPT, .formats = legs_formats() };

	memcpy(hello.session, options->session, sizeof(hello.session));
	preempt->to_link = session_connect(&options->to, &hello, options->interrupt,
					   options->patience_ms, NULL, err);
	return preempt->to_link ? 0 : -1;
}

static int go_on_to_qemu(struct preempt *preempt, struct gw_error *err)
{
	const struct preempt_options *options = &preempt->options;

	preempt->to = door_connect(&options->to, options->interrupt, options->patience_ms,
				   NULL, err);
	return preempt->to ? 0 : -1;
}

/* ---- what passes ---- */

/* 0 at the end. */
static ptrdiff_t take(struct preempt *preempt, uint8_t *bytes, size_t room,
		      struct gw_error *err)
{
	struct record_head head;
	struct iovec body = { .iov_base = bytes };
	int got;

	if (preempt->from)
		return channel_read_some(preempt->from, bytes, room, err);
	got = session_link_read_head(preempt->from_link, &head, err);
	if (got <= 0 || (head.type != SESSION_STREAM && head.type != SESSION_END))
		return got < 0 ? -1
			       : fail(err, GW_PEER,
				      "the connection ended without its end");
	body.iov_len = head.length;
	if (session_link_read_body(preempt->from_link, &body, head.length > 0 ? 1 : 0,
				   err) < 0)
		return -1;
	return head.type == SESSION_END ? 0 : head.length;
}

static int give(struct preempt *preempt, const uint8_t *bytes, size_t length,
		struct gw_error *err)
{
	if (preempt->to)
		return channel_write_bytes(preempt->to, bytes, length, err);
	return session_link_write_bytes(preempt->to_link, SESSION_STREAM, bytes, length,
					err);
}

static int end(struct preempt *preempt, struct gw_error *err)
{
	if (preempt->to_link)
		return session_link_write_bytes(preempt->to_link, SESSION_END, NULL, 0,
						err);
	channel_finish(preempt->to);
	return 0;
}

static void have_patience(struct preempt *preempt)
{
	struct channel *from =
		preempt->from ? preempt->from : session_link_channel(preempt->from_link);
	struct channel *to =
		preempt->to ? preempt->to : session_link_channel(preempt->to_link);

	channel_set_interrupt(from, preempt->options.interrupt);
	channel_set_interrupt(to, preempt->options.interrupt);
	channel_set_read_patience(from, -1);
	channel_set_write_patience(to, -1);
}

static int pass(struct preempt *preempt, struct gw_error *err)
{
	uint8_t bytes[SESSION_STREAM_BYTES_MAX];
	ptrdiff_t got;

	have_patience(preempt);
	while ((got = take(preempt, bytes, sizeof(bytes), err)) > 0)
		if (give(preempt, bytes, (size_t)got, err) < 0)
			return -1;
	return got < 0 ? -1 : end(preempt, err);
}

/* A QEMU whose preempt channel breaks pauses its post-copy and says so: no more is done here. */
static void *run(void *state)
{
	struct preempt *preempt = state;
	struct gw_error err;

	if (await_it(preempt, &err) < 0 ||
	    (preempt->options.to_session ? go_on_to_session(preempt, &err)
					 : go_on_to_qemu(preempt, &err)) < 0 ||
	    pass(preempt, &err) < 0) {
		if (err.kind != GW_CANCELLED)
			log_line(preempt->options.log, LOG_LEVEL_WARNING,
				 "post-copy preempt channel: %s", err.text);
		/* Whoever writes into it learns that nobody reads. */
		if (preempt->from)
			channel_cut(preempt->from);
	}
	return NULL;
}

/* ---- life ---- */

struct preempt *preempt_start(const struct preempt_options *options, struct gw_error *err)
{
	struct preempt *preempt = calloc(1, sizeof(*preempt));
	int failed;

	if (!preempt) {
		fail_sys(err, ENOMEM, "preempt channel");
		return NULL;
	}
	preempt->options = *options;
	failed = pthread_create(&preempt->thread, NULL, run, preempt);
	if (failed) {
		fail_sys(err, failed, "thread");
		free(preempt);
		return NULL;
	}
	return preempt;
}

void preempt_stop(struct preempt *preempt)
{
	if (!preempt)
		return;
	pthread_join(preempt->thread, NULL);
	channel_free(preempt->from);
	channel_free(preempt->to);
	session_link_free(preempt->from_link);
	session_link_free(preempt->to_link);
	free(preempt);
}
