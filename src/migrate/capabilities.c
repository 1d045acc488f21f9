/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capabilities.c - what a migration may do, under QEMU's names. */
#include "migrate/capabilities.h"

#include <string.h>

const struct capability_spec capability_specs[CAPABILITY_COUNT] = {
	[CAPABILITY_XBZRLE] = { "xbzrle", false },
	[CAPABILITY_RDMA_PIN_ALL] = { "rdma-pin-all", false },
	[CAPABILITY_AUTO_CONVERGE] = { "auto-converge", true },
	[CAPABILITY_ZERO_BLOCKS] = { "zero-blocks", false },
	[CAPABILITY_COMPRESS] = { "compress", false },
	[CAPABILITY_EVENTS] = { "events", true },
	[CAPABILITY_POSTCOPY_RAM] = { "postcopy-ram", false },
	[CAPABILITY_X_COLO] = { "x-colo", false },
	[CAPABILITY_RELEASE_RAM] = { "release-ram", false },
	[CAPABILITY_BLOCK] = { "block", false },
	[CAPABILITY_RETURN_PATH] = { "return-path", true },
	[CAPABILITY_PAUSE_BEFORE_SWITCHOVER] = { "pause-before-switchover", true },
	[CAPABILITY_MULTIFD] = { "multifd", true },
	[CAPABILITY_DIRTY_BITMAPS] = { "dirty-bitmaps", false },
	[CAPABILITY_POSTCOPY_BLOCKTIME] = { "postcopy-blocktime", false },
	/* Speaks of disks, and a guest without any keeps what it promises.  Clients that use
	 * pause-before-switchover turn it on along with that. */
	[CAPABILITY_LATE_BLOCK_ACTIVATE] = { "late-block-activate", true },
	[CAPABILITY_X_IGNORE_SHARED] = { "x-ignore-shared", false },
	[CAPABILITY_VALIDATE_UUID] = { "validate-uuid", false },
	[CAPABILITY_BACKGROUND_SNAPSHOT] = { "background-snapshot", false },
	[CAPABILITY_ZERO_COPY_SEND] = { "zero-copy-send", false },
	[CAPABILITY_POSTCOPY_PREEMPT] = { "postcopy-preempt", false },
	[CAPABILITY_SWITCHOVER_ACK] = { "switchover-ack", true },
};

enum capability_id capability_by_name(const char *name)
{
	unsigned id = 0;

	while (id < CAPABILITY_COUNT && strcmp(capability_specs[id].name, name) != 0)
		id++;
	return (enum capability_id)id;
}

int capabilities_check(const struct capabilities *wanted, struct gw_error *err)
{
	for (unsigned id = 0; id < CAPABILITY_COUNT; id++) {
		if (wanted->on[id] && !capability_specs[id].honoured)
			return fail(err, GW_UNSUPPORTED,
				    "Capability '%s' is not supported by godwit",
				    capability_specs[id].name);
	}
	/* QEMU 8.1 migration/options.c */
	if (wanted->on[CAPABILITY_SWITCHOVER_ACK] && !wanted->on[CAPABILITY_RETURN_PATH])
		return fail(err, GW_USAGE,
			    "Capability 'switchover-ack' requires capability "
			    "'return-path'");
	return 0;
}
