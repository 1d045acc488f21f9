/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_status.c - states and verdicts, as the public header counts them. */
#include "api/gw_status.h"

#include <stddef.h>

/* The public numbers are a promise to programs that are built already; the others are ours. */
static const enum gw_status statuses[] = {
	[MIGRATION_NONE] = GW_STATUS_NONE,
	[MIGRATION_SETUP] = GW_STATUS_SETUP,
	[MIGRATION_ACTIVE] = GW_STATUS_ACTIVE,
	[MIGRATION_PRE_SWITCHOVER] = GW_STATUS_PRE_SWITCHOVER,
	[MIGRATION_DEVICE] = GW_STATUS_DEVICE,
	[MIGRATION_COMPLETED] = GW_STATUS_COMPLETED,
	[MIGRATION_FAILED] = GW_STATUS_FAILED,
	[MIGRATION_CANCELLING] = GW_STATUS_CANCELLING,
	[MIGRATION_CANCELLED] = GW_STATUS_CANCELLED,
};

#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

enum gw_status status_of(enum migration_state state)
{
	return statuses[state];
}

const char *gw_status_name(enum gw_status status)
{
	for (unsigned state = 0; state < STATUS_COUNT; state++) {
		if (statuses[state] == status)
			return migration_state_name((enum migration_state)state);
	}
	return NULL;
}

enum gw_convergence convergence_of(enum convergence_verdict verdict)
{
	switch (verdict) {
	case CONVERGENCE_YES:
		return GW_CONVERGENCE_YES;
	case CONVERGENCE_NO:
		return GW_CONVERGENCE_NO;
	case CONVERGENCE_UNKNOWN:
		break;
	}
	return GW_CONVERGENCE_UNKNOWN;
}
