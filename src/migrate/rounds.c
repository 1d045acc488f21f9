/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rounds.c - when to stop iterating, as a pure function. */
#include "migrate/rounds.h"

#include "base/clock.h"
#include "base/pages.h"

/* Below either, a round is mostly start and barrier, not transfer. */
#define ROUND_MIN_PAGES 256u
#define ROUND_MIN_NS (5 * NS_PER_MS)

bool rounds_measure(struct rounds *rounds, uint64_t normal_pages, uint64_t zero_pages,
		    uint64_t elapsed_ns)
{
	/* Zero pages pass hundreds of times faster than others, and what is written again is
	 * rarely zero: they count only when there was nothing else. */
	uint64_t pages =
		normal_pages > 0 || rounds->bytes_per_s > 0 ? normal_pages : zero_pages;
	bool telling = pages >= ROUND_MIN_PAGES && elapsed_ns >= ROUND_MIN_NS;

	if (pages == 0 || (!telling && rounds->bytes_per_s > 0))
		return false;
	rounds->bytes_per_s = (uint64_t)((double)(pages * PAGE_BYTES) * (double)NS_PER_S /
					 (double)(elapsed_ns > 0 ? elapsed_ns : 1)) +
			      1;
	return true;
}

uint64_t rounds_expected_downtime_ns(const struct rounds *rounds, uint64_t dirty_pages)
{
	double ns = (double)dirty_pages * PAGE_BYTES * (double)NS_PER_S;

	if (dirty_pages == 0)
		return 0;
	/* At a few bytes a second much memory takes longer than can be told. */
	if (ns >= (double)UINT64_MAX * (double)rounds->bytes_per_s)
		return UINT64_MAX;
	return (uint64_t)(ns / (double)rounds->bytes_per_s);
}

bool rounds_may_switch_over(const struct rounds *rounds, uint64_t dirty_pages,
			    uint64_t downtime_limit_ms)
{
	return rounds_expected_downtime_ns(rounds, dirty_pages) <=
	       downtime_limit_ms * NS_PER_MS;
}
