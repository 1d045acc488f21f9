/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sender_switchover.c - pause, last pages, closing bytes, answer. */
#include "base/clock.h"
#include "migrate/sender_parts.h"

/* Paused, for as long as whoever asked for it likes. */
static int await_continue(struct sender *s, struct gw_error *err)
{
	uint32_t synced = 0;

	s->told_to_continue = false; /* what was said before this state does nothing */
	sender_enter(s, MIGRATION_PRE_SWITCHOVER);
	while (!s->told_to_continue) {
		if (sender_handle_event(s, &synced, err) < 0 ||
		    sender_check_destination(s, err) < 0)
			return -1;
	}
	return 0;
}

/* Nanoseconds since *since_ns, which becomes now. */
static uint64_t lap(uint64_t *since_ns)
{
	uint64_t before_ns = *since_ns;

	*since_ns = clock_now_ns();
	return *since_ns - before_ns;
}

int sender_switch_over(struct sender *s, uint8_t **closing, size_t *closing_bytes,
		       struct gw_error *err)
{
	struct downtime_split *split = &s->report->downtime_split;
	struct device_state devices;
	uint64_t since_ns;

	since_ns = clock_now_ns();
	s->report->paused_at_ns = since_ns;
	if (s->machine->pause(s->machine->state, err) < 0)
		return fail_in(err, "pause");
	s->paused = true;
	split->stop_ns = lap(&since_ns);
	if (s->options.pause_before_switchover && await_continue(s, err) < 0)
		return -1;
	sender_enter(s, MIGRATION_DEVICE);
	since_ns = clock_now_ns();
	if (pace_harvest(&s->pace, err) < 0)
		return -1;
	s->dirty_pages = batcher_dirty_pages(s->batcher);
	split->last_sync_ns = lap(&since_ns);
	if (sender_round(s, true, err) < 0)
		return -1;
	split->last_pages_ns = lap(&since_ns);
	if (s->machine->save(s->machine->state, &devices, err) < 0)
		return fail_in(err, "device state");
	*closing = main_stream_closing(&s->links.main, &devices, closing_bytes, err);
	split->state_ns = lap(&since_ns);
	return *closing ? 0 : -1;
}

/* The answer: 0 the destination runs, 1 it says that it does not, -1 nobody knows. */
static int await_answer(struct sender *s, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	uint32_t synced = 0;

	while (!s->shut_seen) {
		if (sender_handle_event(s, &synced, err) < 0)
			return -1;
		if (s->return_ended && !s->shut_seen)
			return fail(
				err, GW_PEER,
				"main channel: closed before the destination's answer");
		if (clock_now_ns() - start_ns >
		    (uint64_t)s->options.answer_patience_ms * NS_PER_MS)
			return fail(err, GW_PEER,
				    "main channel: no answer from the destination within "
				    "%d s",
				    s->options.answer_patience_ms / 1000);
	}
	if (s->shut_value == 0)
		return 0;
	fail(err, GW_PEER, "the destination reported a failure (SHUT %u)", s->shut_value);
	return 1;
}

int sender_commit(struct sender *s, uint8_t *closing, size_t closing_bytes,
		  struct gw_error *err)
{
	uint64_t before = channel_bytes_written(s->links.main_channel);
	uint64_t since_ns = clock_now_ns();
	int open = FATE_OPEN, answer;

	if (interrupt_raised(s->interrupt) ||
	    !atomic_compare_exchange_strong(&s->fate, &open, FATE_COMMITTED))
		return sender_stopped(s, err);
	s->report->guest = GUEST_UNKNOWN;
	if (channel_write_bytes(s->links.main_channel, closing, closing_bytes, err) < 0) {
		if (channel_bytes_written(s->links.main_channel) == before)
			s->report->guest = GUEST_AT_SOURCE; /* nothing is on the way */
		return fail_in(err, "main channel");
	}
	answer = s->options.return_path
			 ? await_answer(s, err)
			 : links_await_close(&s->links, s->options.answer_patience_ms,
					     err);
	s->report->downtime_split.resume_ns = lap(&since_ns);
	if (answer == 0)
		s->report->guest = GUEST_AT_DESTINATION;
	else if (answer > 0)
		s->report->guest = GUEST_AT_SOURCE;
	return answer == 0 ? 0 : -1;
}
