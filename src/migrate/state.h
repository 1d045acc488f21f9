/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state.h - the states of a migration, under QEMU's names.
 *
 *	source       none -> setup -> active -> [pre-switchover ->] device -> completed
 *	destination  none -> setup -> active -> completed
 *	any          -> cancelling -> cancelled, or -> failed
 *
 * Source: QEMU qapi/migration.json, MigrationStatus. */
#ifndef MIGRATE_STATE_H
#define MIGRATE_STATE_H

enum migration_state {
	MIGRATION_NONE,
	MIGRATION_SETUP,
	MIGRATION_ACTIVE,
	MIGRATION_PRE_SWITCHOVER, /* paused, waits for sender_continue() */
	MIGRATION_DEVICE,
	MIGRATION_COMPLETED,
	MIGRATION_FAILED,
	MIGRATION_CANCELLING,
	MIGRATION_CANCELLED,
};

const char *migration_state_name(enum migration_state state);

#endif
