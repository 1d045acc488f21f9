/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* auto_converge.h - how much a guest is slowed so that it converges, as a pure function.
 *
 * QEMU's rule: in each period of at least AUTO_CONVERGE_PERIOD_NS in which the guest wrote more
 * than the trigger threshold's share of what was moved, for the second time, its vCPUs are kept
 * from running for initial_percent of the time, and then for increment_percent more, up to
 * max_percent.  With tailslow the last steps are smaller: no more than what should be enough.
 *
 * Source: QEMU 7.2 qapi/migration.json (cpu-throttle-*, throttle-trigger-threshold). */
#ifndef MIGRATE_AUTO_CONVERGE_H
#define MIGRATE_AUTO_CONVERGE_H

#include <stdbool.h>
#include <stdint.h>

#define AUTO_CONVERGE_PERIOD_NS UINT64_C(1000000000)

struct auto_converge {
	bool on;
	uint32_t trigger_threshold_percent;
	uint32_t initial_percent;
	uint32_t increment_percent;
	uint32_t max_percent;
	bool tailslow;
};

/* Zero is a fresh start. */
struct auto_converge_state {
	uint32_t percent; /* the guest is kept from running for */
	uint32_t busy_periods;
};

/* After a period in which the guest wrote `dirty_bytes` and `moved_bytes` of its memory were
 * moved.  True when the percentage changed. */
bool auto_converge_step(const struct auto_converge *options,
			struct auto_converge_state *state, uint64_t dirty_bytes,
			uint64_t moved_bytes);

#endif
