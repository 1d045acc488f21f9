/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* accelerator_arguments.h - the options that say who computes a format.
 *
 * Filled in by options_parse() through ACCELERATOR_ROWS, then checked. */
#ifndef CLI_ACCELERATOR_ARGUMENTS_H
#define CLI_ACCELERATOR_ARGUMENTS_H

#include "cli/options.h"
#include "codec/accelerator.h"

struct accelerator_arguments {
	const char *name; /* NULL: auto, or simulated with `simulate` */
	const char *simulate;
	uint64_t jobs;
	enum accelerator accelerator; /* what it comes to */
};

#define ACCELERATOR_ARGUMENTS                    \
	{                                        \
		.jobs = ACCELERATOR_JOBS_DEFAULT \
	}

/* clang-format off */
#define ACCELERATOR_SIMULATE_ROW(to) \
	{ "simulate", "SPEC", "a device made of software: depth=8,busy=50%,...", \
	  OPTION_TEXT, &(to)->simulate, 0, 0 }

#define ACCELERATOR_ROWS(to) \
	{ "accelerator", "NAME", "who computes: none, qpl, qatzip, uadk ... (auto)", \
	  OPTION_TEXT, &(to)->name, 0, 0 }, \
	{ "accelerator-jobs", "N", "units that a device holds for a channel (16)", \
	  OPTION_NUMBER, &(to)->jobs, 1, ACCELERATOR_JOBS_MAX }, \
	ACCELERATOR_SIMULATE_ROW(to)
/* clang-format on */

/* Sets `accelerator`, and the simulated device as it is asked for; processes that are forked
 * later have it, too.  GW_USAGE names the option. */
int accelerator_arguments_check(struct accelerator_arguments *arguments,
				struct gw_error *err);

#endif
