/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* auto_converge.c - how much a guest is slowed so that it converges, as a pure function. */
#include "migrate/auto_converge.h"

#define BUSY_PERIODS 2u

static uint32_t increment(const struct auto_converge *options, uint32_t percent,
			  double dirty, double threshold)
{
	double runs = 100.0 - percent, enough = runs * threshold / dirty;
	uint32_t step = options->increment_percent;

	if (options->tailslow && runs - enough < (double)step)
		step = (uint32_t)(runs - enough);
	return step;
}

bool auto_converge_step(const struct auto_converge *options,
			struct auto_converge_state *state, uint64_t dirty_bytes,
			uint64_t moved_bytes)
{
	double threshold =
		(double)moved_bytes * options->trigger_threshold_percent / 100.0;
	uint32_t percent = state->percent;

	if (!options->on || (double)dirty_bytes <= threshold)
		return false;
	if (++state->busy_periods < BUSY_PERIODS)
		return false;
	state->busy_periods = 0;
	if (percent == 0)
		percent = options->initial_percent;
	else
		percent += increment(options, percent, (double)dirty_bytes, threshold);
	if (percent > options->max_percent)
		percent = options->max_percent;
	if (percent == state->percent)
		return false;
	state->percent = percent;
	return true;
}
