/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* controls.h - what can be told to a vm, whoever says it: QMP, the monitor, a signal.
 *
 * One function a command.  Errors carry QEMU 7.2's texts where it has one.  Owns the guest, the
 * settings, the run state and the migration that is under way.  Owned and used by the vm's
 * thread, which reads the mailbox for as long as controls_migrating(). */
#ifndef VM_CONTROLS_H
#define VM_CONTROLS_H

#include "vm/events.h"
#include "vm/mailbox.h"
#include "vm/migration_info.h"
#include "vm/vm.h"

struct controls;

/* Makes the guest: booted and paused, or empty when it is to come.  `options` and the rest are
 * borrowed. */
struct controls *controls_new(const struct vm_options *options, struct mailbox *mailbox,
			      const struct events *events, struct gw_error *err);
void controls_free(struct controls *controls); /* no migration under way; NULL is fine */
DEFINE_OWNED(controls)

/* Runs the guest, or listens for it, as the options say. */
int controls_begin(struct controls *controls, struct gw_error *err);

/* ---- the guest ---- */

int controls_stop(struct controls *controls, struct gw_error *err);
int controls_cont(struct controls *controls, bool force, struct gw_error *err);
const char *controls_status(const struct controls *controls); /* QEMU's RunState */
bool controls_running(const struct controls *controls);
enum guest_kind controls_guest_kind(const struct controls *controls);
const char *controls_name(const struct controls *controls);    /* NULL: it has none */
const char *controls_package(const struct controls *controls); /* "godwit 0.1.0" */

/* ---- migration ---- */

int controls_migrate(struct controls *controls, const char *uri, struct gw_error *err);
int controls_migrate_incoming(struct controls *controls, const char *uri,
			      bool exit_on_error, struct gw_error *err);
/* Fine with no migration under way; GW_USAGE when it is too late. */
int controls_migrate_cancel(struct controls *controls, struct gw_error *err);
/* `state` is the one that it is believed to wait in. */
int controls_migrate_continue(struct controls *controls, const char *state,
			      struct gw_error *err);
bool controls_is_migration_status(const char *name); /* QEMU's MigrationStatus */

const struct parameters *controls_parameters(const struct controls *controls);
const struct capabilities *controls_capabilities(const struct controls *controls);
/* All or none; limits hold at once for a migration under way. */
int controls_set_parameters(struct controls *controls, const struct parameters *wanted,
			    struct gw_error *err);
int controls_set_capabilities(struct controls *controls,
			      const struct capabilities *wanted, struct gw_error *err);

const struct migration_info *controls_migration(const struct controls *controls);
bool controls_migrating(const struct controls *controls);
bool controls_migrating_away(const struct controls *controls);

/* ---- the end ---- */

/* Cancels what is under way, says so; `reason` is a ShutdownCause of QEMU's. */
void controls_quit(struct controls *controls, const char *reason);
/* Somebody said quit, or an incoming migration failed with nothing else to wait for. */
bool controls_ended(const struct controls *controls);
/* After that.  -1: why an incoming migration failed. */
int controls_end(const struct controls *controls, enum vm_end *end, struct gw_error *err);

#endif
