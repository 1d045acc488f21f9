/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_counters.h - what an engine has done so far.
 *
 * One writer, the channel's thread; anybody may read at any time (base/counter.h). */
#ifndef CODEC_ENGINE_COUNTERS_H
#define CODEC_ENGINE_COUNTERS_H

#include <stdint.h>

struct engine_counters {
	/* Computed, by whomever: pages (not those that are raw at a glance), members, packets
	 * of a stream. */
	uint64_t units;
	uint64_t device_units;	 /* of these, by the device */
	uint64_t fallback_units; /* of these, by software although a device was chosen */
	uint64_t retries;	 /* a full queue was asked again */
	uint64_t
		device_failures; /* answers of the device that could not be used, not "busy" */
	uint64_t raw_pages;	 /* on the wire as they are in memory */
	uint64_t bytes_in;	 /* ENCODE: pages; DECODE: payload */
	uint64_t bytes_out;
};

#endif
