/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest_arguments.h - the options that say what guest of ours there is to be.
 *
 * Filled in by options_parse() through GUEST_ROWS, then made into guest options. */
#ifndef CLI_GUEST_ARGUMENTS_H
#define CLI_GUEST_ARGUMENTS_H

#include "cli/options.h"
#include "guest/guest.h"

#define GUEST_MEMORY_MOST (UINT64_C(1) << 42)
#define GUEST_DEFAULT_FILL "zeros:30,random:5,/usr:65"

struct guest_arguments {
	const char *kind; /* NULL: the best there is */
	const char *pattern;
	const char *fill;
	uint64_t vcpus;
	uint64_t working_set; /* 0: an eighth of memory */
	/* Memory, rate, seed, tracker are parsed into these directly. */
	struct guest_options options;
	struct gw_error why_not_kvm; /* empty when nobody has to ask */
};

/* The defaults that the rows' help tells; memory is as the command says. */
#define GUEST_ARGUMENTS(memory)                                                  \
	{                                                                        \
		.pattern = "sequential", .fill = GUEST_DEFAULT_FILL, .vcpus = 1, \
		.options = {                                                     \
			.memory_bytes = (memory),                                \
			.dirty_rate_bytes = UINT64_C(16) << 20,                  \
			.seed = 1,                                               \
			.tracker = "auto",                                       \
		},                                                               \
	}

/* clang-format off */
#define GUEST_ROWS(to, memory) \
	{ "memory", "SIZE", "the guest's RAM (" memory ")", \
	  OPTION_SIZE, &(to)->options.memory_bytes, GUEST_MEMORY_MIN, GUEST_MEMORY_MOST }, \
	{ "guest", "KIND", "kvm or process: threads that write (kvm if it works)", \
	  OPTION_TEXT, &(to)->kind, 0, 0 }, \
	{ "vcpus", "N", "its vCPUs, or threads that write (1)", \
	  OPTION_NUMBER, &(to)->vcpus, 1, GUEST_VCPUS_MAX }, \
	{ "fill", "WHAT", "zeros, random, a path, or a mix such as\n" \
	  GUEST_DEFAULT_FILL " (that one)", \
	  OPTION_TEXT, &(to)->fill, 0, 0 }, \
	{ "dirty-rate", "RATE", "bytes a second that the guest writes (16M)", \
	  OPTION_RATE, &(to)->options.dirty_rate_bytes, 0, PROCESS_RATE_MAX_BYTES }, \
	{ "working-set", "SIZE", "where it writes (an eighth of memory)", \
	  OPTION_SIZE, &(to)->working_set, PAGE_BYTES, GUEST_MEMORY_MOST }, \
	{ "pattern", "HOW", "sequential or random (sequential)", \
	  OPTION_TEXT, &(to)->pattern, 0, 0 }, \
	{ "seed", "N", "of what is random (1)", \
	  OPTION_NUMBER, &(to)->options.seed, 0, UINT64_MAX }, \
	{ "tracker", "HOW", "wp-async, wp-sync; kvm: dirty-log, dirty-ring (auto)", \
	  OPTION_TEXT, &(to)->options.tracker, 0, 0 }
/* clang-format on */

/* GW_USAGE names the option, GW_UNSUPPORTED what the host lacks. */
int guest_arguments_check(struct guest_arguments *arguments, struct gw_error *err);

#endif
