/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state.c - the states of a migration, under QEMU's names. */
#include "migrate/state.h"

const char *migration_state_name(enum migration_state state)
{
	static const char *const names[] = {
		[MIGRATION_NONE] = "none",
		[MIGRATION_SETUP] = "setup",
		[MIGRATION_ACTIVE] = "active",
		[MIGRATION_PRE_SWITCHOVER] = "pre-switchover",
		[MIGRATION_DEVICE] = "device",
		[MIGRATION_COMPLETED] = "completed",
		[MIGRATION_FAILED] = "failed",
		[MIGRATION_CANCELLING] = "cancelling",
		[MIGRATION_CANCELLED] = "cancelled",
	};

	return names[state];
}
