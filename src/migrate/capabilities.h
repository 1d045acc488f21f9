/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capabilities.h - what a migration may do, under QEMU's names, with QEMU's refusals.
 *
 * A plain value.  Capabilities of QEMU that godwit does not have are listed and stay off; to
 * turn one on is refused by name (GW_UNSUPPORTED).  All are off at first, as QEMU's.
 *
 * Source: QEMU qapi/migration.json, MigrationCapability. */
#ifndef MIGRATE_CAPABILITIES_H
#define MIGRATE_CAPABILITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* In the order in which QEMU 7.2 lists them; the last are newer. */
enum capability_id {
	CAPABILITY_XBZRLE,
	CAPABILITY_RDMA_PIN_ALL,
	CAPABILITY_AUTO_CONVERGE,
	CAPABILITY_ZERO_BLOCKS,
	CAPABILITY_COMPRESS,
	CAPABILITY_EVENTS,
	CAPABILITY_POSTCOPY_RAM,
	CAPABILITY_X_COLO,
	CAPABILITY_RELEASE_RAM,
	CAPABILITY_BLOCK,
	CAPABILITY_RETURN_PATH,
	CAPABILITY_PAUSE_BEFORE_SWITCHOVER,
	CAPABILITY_MULTIFD,
	CAPABILITY_DIRTY_BITMAPS,
	CAPABILITY_POSTCOPY_BLOCKTIME,
	CAPABILITY_LATE_BLOCK_ACTIVATE,
	CAPABILITY_X_IGNORE_SHARED,
	CAPABILITY_VALIDATE_UUID,
	CAPABILITY_BACKGROUND_SNAPSHOT,
	CAPABILITY_ZERO_COPY_SEND,
	CAPABILITY_POSTCOPY_PREEMPT,
	CAPABILITY_SWITCHOVER_ACK, /* 8.1 */
	CAPABILITY_COUNT,
};

struct capabilities {
	bool on[CAPABILITY_COUNT];
};

struct capability_spec {
	const char *name;
	bool honoured;
};

extern const struct capability_spec capability_specs[CAPABILITY_COUNT];

/* CAPABILITY_COUNT when there is none. */
enum capability_id capability_by_name(const char *name);

/* Whether what is on in `wanted` can be had together.  GW_USAGE with QEMU's text ("Capability
 * 'switchover-ack' requires capability 'return-path'"), GW_UNSUPPORTED for what is not here. */
int capabilities_check(const struct capabilities *wanted, struct gw_error *err);

#endif
