/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* counters.c - what one channel thread has done so far. */
#include "migrate/counters.h"

void counters_sum(struct counters *to, const struct counters *from)
{
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		to->methods[i].packets += counter_read(&from->methods[i].packets);
		to->methods[i].pages += counter_read(&from->methods[i].pages);
		to->methods[i].payload_bytes +=
			counter_read(&from->methods[i].payload_bytes);
	}
	to->packets += counter_read(&from->packets);
	to->normal_pages += counter_read(&from->normal_pages);
	to->zero_pages += counter_read(&from->zero_pages);
	to->syncs += counter_read(&from->syncs);
	to->phases.scan_ns += counter_read(&from->phases.scan_ns);
	to->phases.zero_ns += counter_read(&from->phases.zero_ns);
	to->phases.engine_ns += counter_read(&from->phases.engine_ns);
	to->phases.send_ns += counter_read(&from->phases.send_ns);
	to->phases.wait_ns += counter_read(&from->phases.wait_ns);
	to->engine.units += counter_read(&from->engine.units);
	to->engine.device_units += counter_read(&from->engine.device_units);
	to->engine.fallback_units += counter_read(&from->engine.fallback_units);
	to->engine.retries += counter_read(&from->engine.retries);
	to->engine.device_failures += counter_read(&from->engine.device_failures);
	to->engine.raw_pages += counter_read(&from->engine.raw_pages);
	to->engine.bytes_in += counter_read(&from->engine.bytes_in);
	to->engine.bytes_out += counter_read(&from->engine.bytes_out);
}
