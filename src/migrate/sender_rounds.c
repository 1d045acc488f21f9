/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender_rounds.c - one pass over memory after the other, until what is left fits. */
#include <inttypes.h>

#include "base/clock.h"
#include "migrate/sender_parts.h"

/* A guest may outgrow the limit each time while the answer comes back from afar. */
#define DRAINS_MOST 3u

/* Without multifd: the one case in which this thread touches pages. */
static int send_on_main(struct sender *s, struct gw_error *err)
{
	struct phases *phases = &s->main_counters.phases;
	struct claimer claimer;
	uint32_t synced = 0;

	claimer_init(&claimer, s->batcher);
	for (;;) {
		uint64_t start_ns, throttled_ns;
		bool more;

		batch_reset(&s->batch);
		more = claimer_fill(&claimer, &s->batch, true);
		phases->scan_ns += s->batch.scan_ns;
		phases->zero_ns += s->batch.zero_ns;
		if (!more)
			return 0;
		start_ns = clock_now_ns();
		throttled_ns = channel_throttled_ns(s->links.main_channel);
		if (main_stream_batch(&s->links.main, &s->batch, err) < 0)
			return -1;
		throttled_ns = channel_throttled_ns(s->links.main_channel) - throttled_ns;
		phases->wait_ns += throttled_ns;
		phases->send_ns += clock_now_ns() - start_ns - throttled_ns;
		s->main_counters.normal_pages += s->batch.normal_count;
		s->main_counters.zero_pages += s->batch.zero_count;
		if (sender_handle_event_within(s, 0, &synced, err) < 0 ||
		    sender_check_destination(s, err) < 0)
			return -1;
		if (s->looking && clock_now_ns() >= pace_next_look_ns(&s->pace) &&
		    sender_look(s, err) < 0)
			return -1;
	}
}

int sender_round(struct sender *s, bool last, struct gw_error *err)
{
	s->report->rounds++;
	batcher_begin_round(s->batcher);
	s->in_round = true;
	if (main_stream_begin(&s->links.main, last, err) < 0)
		return -1;
	links_round(&s->links);
	if (s->links.count == 0 && send_on_main(s, err) < 0)
		return -1;
	if (sender_await_syncs(s, err) < 0 || main_stream_end(&s->links.main, err) < 0)
		return -1;
	/* What was not claimed is left: no need to count all of the bitmap, in the downtime least. */
	s->dirty_pages = sender_unclaimed_pages(s);
	s->in_round = false;
	return 0;
}

/* Beside the guest; with a look at both now and then. */
static int do_watched_round(struct sender *s, struct gw_error *err)
{
	struct moved moved = sender_moved(s);

	pace_begin_round(&s->pace, &moved, s->downtime_limit_ms);
	s->looking = true;
	if (sender_round(s, false, err) < 0)
		return -1;
	s->looking = false;
	moved = sender_moved(s);
	if (pace_end_round(&s->pace, &moved, s->downtime_limit_ms, err) < 0)
		return -1;
	s->dirty_pages = batcher_dirty_pages(s->batcher);
	sender_tell(s);
	return 0;
}

/* The destination has agreed to take over; rounds go on until it has. */
static bool agreed(const struct sender *s)
{
	return !s->options.switchover_ack || s->ack_seen;
}

/* What is on the way, in sockets and in a destination that decodes more slowly than we encode,
 * arrives while the guest still runs: after the pause it would be downtime that no limit counts. */
static int drain(struct sender *s, struct gw_error *err)
{
	if (!s->options.return_path)
		return 0;
	if (sender_await_pong(s, MAIN_STREAM_SETUP_PING, s->options.patience_ms, err) < 0)
		return -1;
	s->pongs_seen &= ~(UINT32_C(1) << MAIN_STREAM_DRAIN_PING);
	if (main_stream_ping(&s->links.main, MAIN_STREAM_DRAIN_PING, err) < 0 ||
	    sender_await_pong(s, MAIN_STREAM_DRAIN_PING, s->options.answer_patience_ms,
			      err) < 0 ||
	    pace_harvest(&s->pace, err) < 0)
		return -1;
	s->dirty_pages = batcher_dirty_pages(s->batcher);
	return 0;
}

int sender_iterate(struct sender *s, struct gw_error *err)
{
	uint64_t ready_ns = 0;
	uint32_t drains = 0;

	for (;;) {
		uint32_t synced = 0;

		if (do_watched_round(s, err) < 0)
			return -1;
		log_line(s->options.log, LOG_LEVEL_INFO,
			 "round %u: %" PRIu64 " pages dirty, %" PRIu64
			 " pages/s written, %" PRIu64 " MiB/s moved",
			 s->report->rounds, s->dirty_pages, s->pace.dirty_pages_per_s,
			 s->pace.rounds.bytes_per_s >> 20);
		if (!sender_fits(s, s->dirty_pages)) {
			ready_ns = 0;
			continue;
		}
		if (agreed(s)) {
			if (drains == DRAINS_MOST)
				return 0;
			drains++;
			if (drain(s, err) < 0)
				return -1;
			if (sender_fits(s, s->dirty_pages))
				return 0;
			continue;
		}
		if (ready_ns == 0)
			ready_ns = clock_now_ns();
		if (clock_now_ns() - ready_ns >
		    (uint64_t)s->options.patience_ms * NS_PER_MS)
			return fail(err, GW_PEER,
				    "main channel: no SWITCHOVER_ACK within %d s",
				    s->options.patience_ms / 1000);
		if (sender_handle_event(s, &synced, err) < 0 ||
		    sender_check_destination(s, err) < 0)
			return -1;
	}
}
