/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pace.c - how fast the guest writes, how fast its memory moves, and what follows. */
#include "migrate/pace.h"

#include "base/clock.h"

/* Shorter ones say more of the scheduler than of the guest; longer ones keep everybody waiting. */
#define WINDOW_NS_MIN (50 * NS_PER_MS)
#define WINDOW_NS_MAX (5 * NS_PER_S)

/* From one window's start to the next: each costs the guest a fault for every page it writes. */
#define WINDOW_EVERY_NS (2 * NS_PER_S)
#define WINDOW_EVERY_THROTTLING_NS NS_PER_S

#define MEASURE_EVERY_NS (500 * NS_PER_MS)

void pace_init(struct pace *p, const struct pace_options *options)
{
	*p = (struct pace){ .options = *options };
}

int pace_start(struct pace *p, struct gw_error *err)
{
	if (dirty_start(p->options.tracker, err) < 0)
		return fail_in(err, "dirty tracking");
	p->tracking = true;
	p->harvested_ns = clock_now_ns();
	p->period_ns = p->harvested_ns;
	batcher_mark_all(p->options.batcher);
	p->dirty_syncs = 1;
	return 0;
}

/* ---- the guest ---- */

static uint64_t per_second(uint64_t amount, uint64_t elapsed_ns)
{
	return elapsed_ns > 0 ? (uint64_t)((double)amount * (double)NS_PER_S /
					   (double)elapsed_ns)
			      : 0;
}

static int harvest(struct pace *p, uint64_t *found, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();

	*found = 0;
	for (uint32_t i = 0; i < p->options.ram->block_count; i++) {
		if (dirty_harvest(p->options.tracker, p->options.ram->blocks[i],
				  batcher_bitmap(p->options.batcher, i), found, err) < 0)
			return fail_in(err, "dirty tracking");
	}
	p->dirty_pages_per_s = per_second(*found, start_ns - p->harvested_ns);
	p->harvested_ns = start_ns;
	p->sync_ns += clock_now_ns() - start_ns;
	p->period_dirty_pages += *found;
	return 0;
}

static uint64_t window_ns(uint64_t downtime_limit_ms)
{
	uint64_t wanted_ns = downtime_limit_ms * NS_PER_MS;

	if (wanted_ns < WINDOW_NS_MIN)
		return WINDOW_NS_MIN;
	return wanted_ns < WINDOW_NS_MAX ? wanted_ns : WINDOW_NS_MAX;
}

static void open_window(struct pace *p, uint64_t downtime_limit_ms)
{
	p->window_open = true;
	p->next_look_ns = p->harvested_ns + window_ns(downtime_limit_ms);
}

uint64_t pace_remaining_pages(const struct pace *p, uint64_t unclaimed_pages)
{
	uint64_t pages = unclaimed_pages + batcher_fresh_pages(p->options.batcher);
	uint64_t total_pages = ram_total_pages(p->options.ram);

	/* A page in both bitmaps counts twice. */
	return pages < total_pages ? pages : total_pages;
}

static void judge(struct pace *p, uint64_t length_ns, uint64_t dirty_pages,
		  uint64_t unclaimed_pages, uint64_t downtime_limit_ms)
{
	const struct convergence_window window = {
		.now_ns = p->harvested_ns,
		.length_ns = length_ns,
		.dirty_bytes = dirty_pages * PAGE_BYTES,
		.bytes_per_s = p->rounds.bytes_per_s,
		.remaining_bytes = pace_remaining_pages(p, unclaimed_pages) * PAGE_BYTES,
		.left_behind_bytes = batcher_fresh_pages(p->options.batcher) * PAGE_BYTES,
		.downtime_limit_ms = downtime_limit_ms,
	};

	(void)convergence_watch(&p->convergence, &window);
}

static void throttle(struct pace *p, const struct moved *moved)
{
	uint64_t pages = moved->normal_pages - p->period_pages;

	if (!p->options.auto_converge.on ||
	    p->harvested_ns - p->period_ns < AUTO_CONVERGE_PERIOD_NS)
		return;
	if (auto_converge_step(&p->options.auto_converge, &p->throttle,
			       p->period_dirty_pages * PAGE_BYTES, pages * PAGE_BYTES)) {
		p->options.machine->throttle(p->options.machine->state,
					     p->throttle.percent);
		p->throttle_percent_most = p->throttle.percent;
		log_line(p->options.log, LOG_LEVEL_INFO,
			 "auto-converge: vCPUs are throttled by %u %%",
			 p->throttle.percent);
	}
	p->period_ns = p->harvested_ns;
	p->period_dirty_pages = 0;
	p->period_pages = moved->normal_pages;
}

/* ---- what is moved ---- */

static void measure(struct pace *p, const struct moved *moved)
{
	uint64_t now_ns = clock_now_ns(), elapsed_ns = now_ns - p->measured_ns;
	uint64_t normal_pages = moved->normal_pages - p->measured.normal_pages;
	uint64_t zero_pages = moved->zero_pages - p->measured.zero_pages;

	if (!rounds_measure(&p->rounds, normal_pages, zero_pages, elapsed_ns))
		return;
	p->pages_per_s = per_second(normal_pages + zero_pages, elapsed_ns);
	p->wire_bytes_per_s =
		per_second(moved->wire_bytes - p->measured.wire_bytes, elapsed_ns);
	p->measured_ns = now_ns;
	p->measured = *moved;
}

static void measure_anew(struct pace *p, const struct moved *moved)
{
	p->measured_ns = clock_now_ns();
	p->next_measure_ns = p->measured_ns + MEASURE_EVERY_NS;
	p->measured = *moved;
}

void pace_forget(struct pace *p, const struct moved *moved, uint64_t bytes_per_s_most)
{
	measure_anew(p, moved);
	if (p->rounds.bytes_per_s > bytes_per_s_most)
		p->rounds.bytes_per_s = bytes_per_s_most;
}

/* ---- rounds ---- */

void pace_begin_round(struct pace *p, const struct moved *moved,
		      uint64_t downtime_limit_ms)
{
	measure_anew(p, moved);
	p->round_ns = p->harvested_ns;
	open_window(p, downtime_limit_ms);
}

uint64_t pace_next_look_ns(const struct pace *p)
{
	return p->next_look_ns < p->next_measure_ns ? p->next_look_ns
						    : p->next_measure_ns;
}

int pace_look(struct pace *p, const struct moved *moved, uint64_t unclaimed_pages,
	      uint64_t downtime_limit_ms, struct gw_error *err)
{
	uint64_t now_ns = clock_now_ns(), since_ns = p->harvested_ns, every_ns, found;

	if (now_ns >= p->next_measure_ns) {
		measure(p, moved);
		p->next_measure_ns = now_ns + MEASURE_EVERY_NS;
	}
	if (now_ns < p->next_look_ns)
		return 0;
	if (harvest(p, &found, err) < 0)
		return -1;
	throttle(p, moved);
	if (p->window_open)
		judge(p, p->harvested_ns - since_ns, found, unclaimed_pages,
		      downtime_limit_ms);
	every_ns = p->options.auto_converge.on ? WINDOW_EVERY_THROTTLING_NS
					       : WINDOW_EVERY_NS;
	if (p->window_open && window_ns(downtime_limit_ms) < every_ns) {
		p->window_open = false;
		p->next_look_ns =
			p->harvested_ns + every_ns - window_ns(downtime_limit_ms);
	} else {
		open_window(p, downtime_limit_ms);
	}
	return 0;
}

int pace_end_round(struct pace *p, const struct moved *moved, uint64_t downtime_limit_ms,
		   struct gw_error *err)
{
	uint64_t length_ns;

	measure(p, moved);
	if (pace_harvest(p, err) < 0)
		return -1;
	throttle(p, moved);
	length_ns = p->harvested_ns - p->round_ns;
	/* A shorter one is no window, and leaves nothing that matters. */
	if (length_ns >= window_ns(downtime_limit_ms))
		judge(p, length_ns, batcher_fresh_pages(p->options.batcher), 0,
		      downtime_limit_ms);
	return 0;
}

int pace_harvest(struct pace *p, struct gw_error *err)
{
	uint64_t found;

	p->dirty_syncs++;
	return harvest(p, &found, err);
}

void pace_stop(struct pace *p)
{
	if (p->throttle.percent > 0)
		p->options.machine->throttle(p->options.machine->state, 0);
	p->throttle.percent = 0;
	if (p->tracking)
		dirty_stop(p->options.tracker);
	p->tracking = false;
}
