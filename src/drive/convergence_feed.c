/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convergence_feed.c - will it converge, as far as a poll of query-migrate can tell. */
#include "drive/convergence_feed.h"

#include "base/clock.h"

#define WINDOW_MIN_NS (3 * NS_PER_S / 2)

/* A page that is written again and again counts once a round.  So a guest at a standstill, each of
 * whose rounds leaves as much behind as it sent, writes by this measure just what is sent, where a
 * window as short as the downtime limit would show more.  Of a guest that does converge the rounds
 * become shorter, and it stays below. */
#define STANDSTILL 1.1

static void begin_window(struct convergence_feed *feed, uint64_t now_ns,
			 const struct migration_status *status)
{
	feed->begun = true;
	feed->at_ns = now_ns;
	feed->syncs = status->syncs;
	feed->normal_pages = status->normal_pages;
	feed->zero_pages = status->zero_pages;
}

/* Guest memory that went out.  The zero pages of the first round cost next to nothing and say
 * nothing about what is to come; later ones were written like the rest. */
static double moved_pages(const struct convergence_feed *feed,
			  const struct migration_status *status)
{
	double pages = (double)status->normal_pages - (double)feed->normal_pages;

	if (feed->syncs > 1)
		pages += (double)status->zero_pages - (double)feed->zero_pages;
	return pages > 0 ? pages : 0;
}

/* What a peer says may be more than any memory holds. */
static uint64_t bounded(double bytes)
{
	return bytes < 0x1p62 ? (uint64_t)bytes : UINT64_C(1) << 62;
}

static bool adopt(struct convergence_feed *feed, const struct convergence *said)
{
	bool told = convergence_is_news(feed->convergence.verdict, said->verdict);

	feed->convergence = *said;
	return told;
}

static bool is_measured(const struct migration_status *status)
{
	return migration_status_is(status, "active") && status->syncs > 0 &&
	       status->normal_pages >= 0 && status->zero_pages >= 0 &&
	       status->page_bytes > 0 && status->remaining_bytes >= 0;
}

bool convergence_feed_poll(struct convergence_feed *feed, uint64_t now_ns,
			   const struct migration_status *status,
			   uint64_t downtime_limit_ms)
{
	struct convergence_window window;
	double seconds, dirty_bytes_per_s, page_bytes = (double)status->page_bytes;
	bool told;

	if (status->has_convergence)
		return adopt(feed, &status->convergence);
	if (!is_measured(status))
		return false;
	if (!feed->begun) {
		begin_window(feed, now_ns, status);
		return false;
	}
	/* No rate is one that was not measured yet: a guest that does not write is done soon. */
	if (status->syncs <= feed->syncs || now_ns - feed->at_ns < WINDOW_MIN_NS ||
	    status->dirty_pages_per_s <= 0)
		return false;
	seconds = (double)(now_ns - feed->at_ns) / (double)NS_PER_S;
	dirty_bytes_per_s = (double)status->dirty_pages_per_s * page_bytes;
	window = (struct convergence_window){
		.now_ns = now_ns,
		.length_ns =
			(now_ns - feed->at_ns) / (uint64_t)(status->syncs - feed->syncs),
		.bytes_per_s = bounded(moved_pages(feed, status) * page_bytes / seconds),
		.remaining_bytes = (uint64_t)status->remaining_bytes,
		.downtime_limit_ms = downtime_limit_ms,
	};
	window.left_behind_bytes =
		bounded(dirty_bytes_per_s * (double)window.length_ns / (double)NS_PER_S);
	window.dirty_bytes = bounded((double)window.left_behind_bytes * STANDSTILL);
	begin_window(feed, now_ns, status);
	told = convergence_watch(&feed->convergence, &window);
	feed->convergence.dirty_bytes_per_s = bounded(dirty_bytes_per_s);
	return told;
}
