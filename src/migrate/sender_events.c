/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender_events.c - the sender's inbox, and what is told of progress. */
#include "base/clock.h"
#include "migrate/sender_parts.h"

#define PROGRESS_MS 100

/* ---- progress ---- */

void sender_sum(const struct sender *s, struct counters *sum, uint64_t *wire_bytes)
{
	*sum = s->main_counters;
	links_sum(&s->links, sum, wire_bytes);
}

struct moved sender_moved(const struct sender *s)
{
	struct counters sum;
	struct moved moved;

	sender_sum(s, &sum, &moved.wire_bytes);
	moved.normal_pages = sum.normal_pages;
	moved.zero_pages = sum.zero_pages;
	return moved;
}

uint64_t sender_unclaimed_pages(const struct sender *s)
{
	return s->dirty_pages - (s->in_round ? batcher_claimed_pages(s->batcher) : 0);
}

uint64_t sender_remaining_pages(const struct sender *s)
{
	return s->in_round ? pace_remaining_pages(&s->pace, sender_unclaimed_pages(s))
			   : s->dirty_pages;
}

void sender_tell(struct sender *s)
{
	struct sender_progress progress = {
		.state = s->report->state,
		.round = s->report->rounds,
		.setup_ns = s->report->setup_ns,
		.total_pages = ram_total_pages(s->ram),
		.remaining_pages = sender_remaining_pages(s),
		.dirty_syncs = s->pace.dirty_syncs,
		.dirty_pages_per_s = s->pace.dirty_pages_per_s,
		.bytes_per_s = s->pace.rounds.bytes_per_s,
		.wire_bytes_per_s = s->pace.wire_bytes_per_s,
		.pages_per_s = s->pace.pages_per_s,
		.throttle_percent = s->pace.throttle.percent,
		.convergence = s->pace.convergence,
		.engine = s->engine ? s->engine->name : NULL,
	};

	s->told_ns = clock_now_ns();
	if (!s->options.progress)
		return;
	if (s->links.main_channel) {
		sender_sum(s, &progress.counters, &progress.wire_bytes);
		progress.main_bytes = channel_bytes_written(s->links.main_channel);
	} else {
		progress.counters = s->report->counters;
		progress.wire_bytes = s->report->wire_bytes;
		progress.main_bytes = s->report->main_bytes;
	}
	progress.elapsed_ns = s->told_ns - s->start_ns;
	progress.normal_pages = progress.counters.normal_pages;
	progress.zero_pages = progress.counters.zero_pages;
	progress.expected_downtime_ns =
		rounds_expected_downtime_ns(&s->pace.rounds, progress.remaining_pages);
	s->options.progress(s->options.progress_state, &progress);
}

void sender_enter(struct sender *s, enum migration_state state)
{
	s->report->state = state;
	log_line(s->options.log, LOG_LEVEL_INFO, "source: %s",
		 migration_state_name(state));
	sender_tell(s);
}

/* ---- the inbox ---- */

int sender_stopped(struct sender *s, struct gw_error *err)
{
	struct gw_error cancelled;

	fail(&cancelled, GW_CANCELLED, "cancelled");
	return outcome_error(&s->outcome, &cancelled, err);
}

/* True when there were new ones.  A rate that was measured under a higher one would let the guest
 * be paused for as long as it takes at the new one. */
static bool heed_limits(struct sender *s)
{
	uint64_t before = s->max_bandwidth;
	struct moved moved;

	if (!atomic_exchange(&s->limits_changed, false))
		return false;
	moved = sender_moved(s);
	s->max_bandwidth = throttle_rate(&s->throttle);
	pace_forget(&s->pace, &moved,
		    s->max_bandwidth > 0 && (before == 0 || s->max_bandwidth < before)
			    ? s->max_bandwidth
			    : UINT64_MAX);
	return true;
}

bool sender_fits(struct sender *s, uint64_t pages)
{
	(void)heed_limits(s);
	return rounds_may_switch_over(&s->pace.rounds, pages, s->downtime_limit_ms);
}

/* Beside the guest: how it does, and whether new limits end the round here. */
int sender_look(struct sender *s, struct gw_error *err)
{
	struct moved moved;

	if (heed_limits(s) && sender_fits(s, sender_remaining_pages(s)))
		batcher_stop_round(s->batcher);
	moved = sender_moved(s);
	return pace_look(&s->pace, &moved, sender_unclaimed_pages(s),
			 s->downtime_limit_ms, err);
}

static int next_event_ms(const struct sender *s)
{
	uint64_t now_ns = clock_now_ns(), look_ns = pace_next_look_ns(&s->pace);

	if (!s->looking || look_ns >= now_ns + PROGRESS_MS * NS_PER_MS)
		return PROGRESS_MS;
	return look_ns > now_ns ? (int)((look_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

int sender_handle_event_within(struct sender *s, int wait_ms, uint32_t *synced,
			       struct gw_error *err)
{
	enum queue_taken taken = queue_take(s->inbox, &s->event, wait_ms);

	if (clock_now_ns() - s->told_ns >= PROGRESS_MS * NS_PER_MS)
		sender_tell(s);
	if (interrupt_raised(s->interrupt))
		return sender_stopped(s, err);
	if (taken != QUEUE_ITEM)
		return 0;
	switch (s->event.type) {
	case EVENT_SYNCED:
		++*synced;
		return 0;
	case EVENT_ZEROS:
		return main_stream_zeros(&s->links.main, s->event.block,
					 s->event.zero_offsets, s->event.zero_count, err);
	case EVENT_RETURN:
		if (s->event.message.type == RETURN_PONG && s->event.message.value < 32)
			s->pongs_seen |= UINT32_C(1) << s->event.message.value;
		s->ack_seen |= s->event.message.type == RETURN_SWITCHOVER_ACK;
		if (s->event.message.type == RETURN_SHUT) {
			s->shut_seen = true;
			s->shut_value = s->event.message.value;
		}
		return 0;
	case EVENT_RETURN_ENDED:
		s->return_ended = true;
		return 0;
	case EVENT_WAKE:
		return 0;
	}
	return 0;
}

int sender_handle_event(struct sender *s, uint32_t *synced, struct gw_error *err)
{
	if (sender_handle_event_within(s, next_event_ms(s), synced, err) < 0)
		return -1;
	return s->looking ? sender_look(s, err) : 0;
}

int sender_check_destination(const struct sender *s, struct gw_error *err)
{
	if (s->shut_seen && s->shut_value != 0)
		return fail(err, GW_PEER, "the destination reported a failure (SHUT %u)",
			    s->shut_value);
	if (s->shut_seen)
		return fail(err, GW_PEER,
			    "the destination said it was done before the end");
	if (s->return_ended)
		return fail(err, GW_PEER,
			    "main channel: the destination closed the connection");
	return 0;
}

int sender_await_syncs(struct sender *s, struct gw_error *err)
{
	uint32_t synced = 0;

	while (synced < s->links.count) {
		if (sender_handle_event(s, &synced, err) < 0 ||
		    sender_check_destination(s, err) < 0)
			return -1;
	}
	return 0;
}

int sender_await_pong(struct sender *s, uint32_t ping, int patience_ms,
		      struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	uint32_t synced = 0;

	while (s->options.return_path && !(s->pongs_seen >> ping & 1)) {
		if (sender_handle_event(s, &synced, err) < 0 ||
		    sender_check_destination(s, err) < 0)
			return -1;
		if (clock_now_ns() - start_ns > (uint64_t)patience_ms * NS_PER_MS)
			return fail(err, GW_PEER,
				    "main channel: no answer to PING %u within %d s",
				    ping, patience_ms / 1000);
	}
	return 0;
}
