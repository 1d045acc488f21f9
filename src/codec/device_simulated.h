/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_simulated.h - a device that is made of software and misbehaves on cue.
 *
 * For tests of what is done about devices, and for planning: how a migration would go with a
 * device of such depth, latency and throughput.  It computes in the submitting thread, so its
 * processor time is that of software; it holds a result back until its time has come.
 * One device a process, as a real one: all channels share its depth and throughput. */
#ifndef CODEC_DEVICE_SIMULATED_H
#define CODEC_DEVICE_SIMULATED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SIMULATED_DEPTH_MAX 4096u

struct simulated_device {
	uint32_t depth;		  /* units inside, of all channels; 0: unlimited */
	uint64_t latency_ns;	  /* from submit to answer at least */
	uint64_t bytes_per_s;	  /* of source, all channels together; 0: unlimited */
	uint32_t busy_percent;	  /* of submits answered "busy" whatever is inside */
	uint32_t late_percent;	  /* of units whose latency is a hundredfold */
	bool shuffle;		  /* answers come in any order */
	uint32_t failed_percent;  /* of units that come back with an error */
	uint32_t short_percent;	  /* of units that claim success and are cut */
	uint32_t corrupt_percent; /* of units that claim success and have a bit flipped */
	uint64_t
		dead_after; /* units taken before every submit fails; UINT64_MAX: never */
	uint64_t hung_after; /* units taken before none comes back; UINT64_MAX: never */
	bool absent;	     /* the probe says no */
	uint64_t seed;
};

/* "depth=128,latency=20us,throughput=4G,busy=30%,shuffle,dead-after=100": the defaults (depth
 * 128, nothing amiss) and what `text` changes of them.  GW_USAGE with place, value and what is
 * allowed. */
int simulated_device_parse(struct simulated_device *settings, const char *text,
			   struct gw_error *err);

/* Puts it into place for states opened from now on; counts from zero again. */
void simulated_device_set(const struct simulated_device *settings);

#endif
