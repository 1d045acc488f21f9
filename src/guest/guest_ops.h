/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest_ops.h - what a kind of guest has to do, behind guest.h.
 *
 * guest.c keeps what is common: it checks options, makes RAM and fills it, remembers whether the
 * guest runs, and puts "godwit/run-state" beside the kind's own sections.  A kind is a const
 * table; `state` is its guest.  Every entry is required.
 *
 * Calls come as guest.h allows them, and only where they make sense: run() of a paused guest that
 * was booted or assembled, pause() of one that runs, save(), heartbeat() and prove() of one that
 * does not. */
#ifndef GUEST_GUEST_OPS_H
#define GUEST_GUEST_OPS_H

#include "guest/guest.h"

#define GUEST_TRACKERS_MAX 4

/* Sections as they travel.  They belong to the kind, until the guest runs again. */
struct guest_sections {
	const struct device_section *sections;
	uint32_t count;
	/* One JSON object for each section with a comma between two: what the VMDESCRIPTION's
	 * "devices" holds.  Unused for those that are sent early. */
	const char *devices;
};

struct guest_ops {
	const char *name;    /* as --guest spells it */
	const char *machine; /* the type in the stream */
	/* What --tracker takes, "auto" among them; ends with NULL. */
	const char *trackers[GUEST_TRACKERS_MAX + 1];

	/* Does this host have it?  GW_UNSUPPORTED says what is missing. */
	int (*probe)(struct gw_error *err);
	/* At the bottom of RAM, where neither working set nor heartbeat may be. */
	uint64_t (*reserved_bytes)(const struct guest_options *options);

	/* `options` were checked, and are the kind's to copy; what they point to is good for as
	 * long as the guest.  `ram` is borrowed: one block, GUEST_BLOCK. */
	void *(*create)(const struct guest_options *options, const struct ram *ram,
			struct gw_error *err);
	void (*free)(void *state); /* stops it */

	/* RAM was filled: the guest's beginnings go into it. */
	int (*boot)(void *state, struct gw_error *err);
	/* All was loaded, or GW_PEER names what did not come. */
	int (*assemble)(void *state, struct gw_error *err);

	int (*run)(void *state, struct gw_error *err);
	/* It is paused also when this fails. */
	int (*pause)(void *state, struct gw_error *err);

	/* Once; `how` is one of `trackers`.  It is freed before the guest. */
	struct dirty_tracker *(*track)(void *state, const char *how,
				       struct gw_error *err);

	void (*throttle)(void *state, uint32_t percent);

	int (*save_early)(void *state, struct guest_sections *saved,
			  struct gw_error *err);
	int (*save)(void *state, struct guest_sections *saved, struct gw_error *err);
	/* Any section but the common ones.  GW_PEER for what the kind does not know, or has. */
	int (*load)(void *state, const char *name, uint32_t instance, uint32_t version,
		    bool early, struct cursor *in, struct gw_error *err);

	struct guest_counters (*counters)(const void *state);
	uint64_t (*heartbeat)(const void *state);
	int (*prove)(void *state, struct gw_error *err);
};

extern const struct guest_ops guest_process_ops;
extern const struct guest_ops guest_kvm_ops;

/* Where things are in the block, as guest.h draws it. */
static inline uint64_t guest_heartbeat_offset(const struct guest_options *options)
{
	return options->memory_bytes - PAGE_BYTES;
}

static inline uint64_t guest_working_set_offset(const struct guest_options *options)
{
	return guest_heartbeat_offset(options) - options->working_set_bytes;
}

#endif
