/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay_main.c - main, in both directions at once, and what two godwits say beside it. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "relay/relay_parts.h"

#define WORD_ALIVE "alive"
#define TELL_EVERY_S 1
#define TELL_TOGETHER_NS (2 * NS_PER_MS)
/* What has come by the end may hold the reason for it.  More is not looked at: who never pauses is
 * never waited for, and no wait would see the interrupt. */
#define LATE_RECORDS_MAX 64u

/* ---- out: towards a QEMU, or as records ---- */

static int write_main(struct relay *relay, const struct relay_end *to, const void *bytes,
		      size_t length, struct gw_error *err)
{
	if (to->main)
		return channel_write_bytes(to->main, bytes, length, err);
	return session_link_write_bytes(to->main_link, SESSION_STREAM, bytes, length,
					err);
}

static int end_main(const struct relay_end *to, struct gw_error *err)
{
	if (to->main) {
		channel_finish(to->main);
		return 0;
	}
	return session_link_write_bytes(to->main_link, SESSION_END, NULL, 0, err);
}

/* A QEMU goes on with main when every page channel has said SYNC.  It may be a guardian that says it,
 * when this process is killed, and then there must be nothing on main to go on with: so what comes
 * behind a barrier waits here until every SYNC of it is written. */
static int await_barrier(struct relay *relay, struct gw_error *err)
{
	const struct main_seen *seen = &relay->main_scan.seen;
	/* Once a round, or at the end of each body: never both. */
	uint32_t barriers = seen->flushes > 0 ? seen->flushes : seen->body_ends;

	if (!relay->options.guarded || !relay->exchange ||
	    exchange_await_syncs(relay->exchange, barriers))
		return 0;
	if (interrupt_raised(relay->outcome.interrupt))
		return fail(err, GW_CANCELLED, "cancelled");
	return fail(err, GW_PEER,
		    "main: barrier %u, but the page channels ended before it", barriers);
}

/* What the scanner lets through. */
static int emit_forward(void *state, const void *bytes, size_t length,
			struct gw_error *err)
{
	struct relay *relay = state;

	if (await_barrier(relay, err) < 0)
		return -1;
	if (relay->main_window && !window_take(relay->main_window, length))
		return fail(err, GW_CANCELLED, "cancelled");
	if (write_main(relay, &relay->options.to, bytes, length, err) < 0)
		return fail_in(err, "main");
	counter_add(&relay->forward.bytes, length);
	relay_main_delivered(relay);
	return 0;
}

/* Where there are barriers that cannot be seen, they cannot be kept. */
static int check_followed(const struct relay *relay, struct gw_error *err)
{
	const struct main_seen *seen = &relay->main_scan.seen;

	if (!seen->lost || seen->ram_ended || seen->postcopy_running || !relay->exchange)
		return 0;
	/* A QEMU on another host has no guardian, and nothing waits. */
	if (relay->options.to.main && !relay->options.guarded)
		return 0;
	return fail(err, GW_UNSUPPORTED,
		    "main: has a section that cannot be followed (such as dirty-bitmap, "
		    "virtio-mem, vfio, htab): such a guest goes without page channels, "
		    "--qemu-channels 0");
}

static int pass_forward(struct relay *relay, const uint8_t *bytes, size_t length,
			struct gw_error *err)
{
	if (main_scan_feed(&relay->main_scan, bytes, length, emit_forward, relay, err) <
	    0)
		return -1;
	return check_followed(relay, err);
}

static int pass_backward(struct relay *relay, const uint8_t *bytes, size_t length,
			 struct gw_error *err)
{
	return_scan_feed(&relay->return_scan, bytes, length);
	if (write_main(relay, &relay->options.from, bytes, length, err) < 0)
		return fail_in(err, "main's way back");
	counter_add(&relay->backward.bytes, length);
	return 0;
}

/* One direction, by what it does with bytes and at its end. */
struct direction_of_main {
	int (*pass)(struct relay *relay, const uint8_t *bytes, size_t length,
		    struct gw_error *err);
	const struct relay_end *from, *to;
	struct main_pump *pump;
};

static int pass_end(struct relay *relay, const struct direction_of_main *way,
		    struct gw_error *err)
{
	if (way->pump == &relay->forward &&
	    main_scan_end(&relay->main_scan, emit_forward, relay, err) < 0)
		return -1;
	if (end_main(way->to, err) < 0)
		return fail_in(err, "main");
	__atomic_store_n(&way->pump->ended, true, __ATOMIC_RELEASE);
	return 0;
}

/* ---- in: from a QEMU ---- */

static int pump_qemu(struct relay *relay, const struct direction_of_main *way,
		     struct gw_error *err)
{
	uint8_t bytes[SESSION_STREAM_BYTES_MAX];

	for (;;) {
		ptrdiff_t got =
			channel_read_some(way->from->main, bytes, sizeof(bytes), err);

		if (got < 0)
			return fail_in(err, "QEMU's main channel");
		/* Its connections are cut then: that is not QEMU's end. */
		if (interrupt_raised(relay->outcome.interrupt))
			return fail(err, GW_CANCELLED, "cancelled");
		if (got == 0)
			return pass_end(relay, way, err);
		if (way->pass(relay, bytes, (size_t)got, err) < 0)
			return -1;
	}
}

/* ---- in: from the other godwit ---- */

static int take_ack(struct relay *relay, const struct record_head *head,
		    struct gw_error *err)
{
	uint8_t bytes[SESSION_ACK_BYTES_MAX];
	struct iovec body = { bytes, head->length };
	struct session_ack ack;

	if (session_link_read_body(relay->options.to.main_link, &body, 1, err) < 0 ||
	    session_ack_read(bytes, head->length, &ack, err) < 0)
		return -1;
	if ((relay->page_window &&
	     !window_delivered(relay->page_window, ack.page_bytes)) ||
	    !window_delivered(relay->main_window, ack.stream_bytes))
		return fail(err, GW_PEER,
			    "acknowledged are %" PRIu64 " bytes of pages and %" PRIu64
			    " of main, more than was sent or fewer than before",
			    ack.page_bytes, ack.stream_bytes);
	return 0;
}

static int take_word(struct relay *relay, struct session_link *link,
		     const struct record_head *head, struct gw_error *err)
{
	json_t *word = control_read(link, head, err);

	if (!word)
		return -1;
	/* Who talks too much, or to nobody, is not heard. */
	if (strcmp(control_word(word), WORD_ALIVE) == 0 || !relay->options.words ||
	    !queue_try_give(relay->options.words, &word))
		json_decref(word);
	return 0;
}

static int take_stream(struct relay *relay, const struct direction_of_main *way,
		       const struct record_head *head, struct gw_error *err)
{
	uint8_t bytes[SESSION_STREAM_BYTES_MAX];
	struct iovec body = { bytes, head->length };

	if (session_link_read_body(way->from->main_link, &body, 1, err) < 0)
		return -1;
	if (way->pump->ended)
		return fail(err, GW_PEER, "bytes of main behind its end");
	return way->pass(relay, bytes, head->length, err);
}

static int take_record(struct relay *relay, const struct direction_of_main *way,
		       const struct record_head *head, struct gw_error *err)
{
	struct session_link *link = way->from->main_link;

	switch (head->type) {
	case SESSION_STREAM:
		return take_stream(relay, way, head, err);
	case SESSION_CONTROL:
		return take_word(relay, link, head, err);
	case SESSION_END:
		if (session_link_read_body(link, NULL, 0, err) < 0)
			return -1;
		return pass_end(relay, way, err);
	case SESSION_ACK:
		if (way->from == &relay->options.to)
			return take_ack(relay, head, err);
		break;
	case SESSION_HELLO:
	case SESSION_PACKET:
		break;
	}
	return fail(err, GW_PEER, "a record of type %d is out of place here", head->type);
}

/* Goes on behind the end of main: the last words come there. */
static int pump_session(struct relay *relay, const struct direction_of_main *way,
			struct gw_error *err)
{
	struct record_head head;
	uint32_t late = 0;
	int got;

	while ((got = session_link_read_head(way->from->main_link, &head, err)) > 0) {
		if (take_record(relay, way, &head, err) < 0)
			return fail_in(err, "the other godwit");
		if (interrupt_raised(relay->outcome.interrupt) &&
		    ++late == LATE_RECORDS_MAX)
			return fail(err, GW_CANCELLED, "cancelled");
	}
	if (got < 0)
		return fail_in(err, "the other godwit");
	if (way->pump->ended)
		return 0;
	return fail(err, GW_PEER,
		    "the other godwit closed the connection in mid-migration");
}

/* ---- threads ---- */

static void run_pump(struct relay *relay, const struct direction_of_main *way)
{
	struct gw_error err;
	int failed = way->from->main ? pump_qemu(relay, way, &err)
				     : pump_session(relay, way, &err);

	if (failed < 0)
		relay_fail(relay, &err);
}

void *relay_run_forward(void *state)
{
	struct relay *relay = state;
	const struct direction_of_main way = {
		.pass = pass_forward,
		.from = &relay->options.from,
		.to = &relay->options.to,
		.pump = &relay->forward,
	};

	run_pump(relay, &way);
	return NULL;
}

void *relay_run_backward(void *state)
{
	struct relay *relay = state;
	const struct direction_of_main way = {
		.pass = pass_backward,
		.from = &relay->options.to,
		.to = &relay->options.from,
		.pump = &relay->backward,
	};

	run_pump(relay, &way);
	return NULL;
}

/* ---- what this half tells ---- */

static void make_ack(struct relay *relay, struct session_ack *ack)
{
	const struct relay_end *from = &relay->options.from;

	ack->page_bytes = __atomic_load_n(&relay->delivered_page_bytes, __ATOMIC_RELAXED);
	ack->stream_bytes = counter_read(&relay->forward.bytes);
	ack->connection_count = 1 + from->count;
	ack->expected[0] = session_link_expected(from->main_link);
	for (uint32_t i = 0; i < from->count; i++)
		ack->expected[1 + i] = session_link_expected(from->page_links[i]);
}

static int tell_delivered(struct relay *relay, struct gw_error *err)
{
	uint8_t bytes[SESSION_ACK_BYTES_MAX];
	struct session_ack ack;

	make_ack(relay, &ack);
	return session_link_write_bytes(relay->options.from.main_link, SESSION_ACK, bytes,
					session_ack_write(bytes, &ack), err);
}

/* Until there is something to tell, or a second is over. */
static bool await_due(struct relay *relay)
{
	struct timespec until;
	int failed = 0;
	bool goes_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TELL_EVERY_S;
	pthread_mutex_lock(&relay->tell_lock);
	while (!relay->told_due && !relay->teller_stops && failed == 0)
		failed = pthread_cond_timedwait(&relay->tell_wanted, &relay->tell_lock,
						&until);
	relay->told_due = false;
	goes_on = !relay->teller_stops;
	pthread_mutex_unlock(&relay->tell_lock);
	return goes_on;
}

/* A reader that waits for its QEMU sees no silence, and that QEMU may wait in a barrier for what a
 * dead connection will never bring: so somebody who never waits looks whether anything comes. */
struct vigil {
	uint64_t bytes;
	struct deadline patience;
};

static int keep_vigil(const struct relay *relay, struct vigil *vigil,
		      struct gw_error *err)
{
	uint64_t bytes = relay_session_bytes_read(relay);

	if (bytes != vigil->bytes) {
		vigil->bytes = bytes;
		vigil->patience = deadline_in(relay->options.patience_ms);
	}
	if (deadline_left_ms(&vigil->patience) > 0)
		return 0;
	return fail(err, GW_PEER,
		    "nothing of what it may have sent could be read for %d ms",
		    relay->options.patience_ms);
}

static int tell(struct relay *relay, struct gw_error *err)
{
	struct session_link *to = relay->options.to.main_link;

	return to ? control_write(to, json_pack("{ss}", "say", WORD_ALIVE), err)
		  : tell_delivered(relay, err);
}

void *relay_run_teller(void *state)
{
	struct relay *relay = state;
	struct vigil vigil = { .patience = deadline_in(relay->options.patience_ms) };
	struct gw_error err;
	int failed = 0;

	/* What is delivered meanwhile is told together. */
	while (failed == 0 && await_due(relay) &&
	       interrupt_sleep(relay->outcome.interrupt, TELL_TOGETHER_NS))
		failed = keep_vigil(relay, &vigil, &err) < 0 || tell(relay, &err) < 0 ? -1
										      : 0;
	if (failed < 0) {
		fail_in(&err, "the other godwit");
		relay_fail(relay, &err);
	}
	return NULL;
}
