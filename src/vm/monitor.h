/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor.h - the human monitor: a line in, text out, over a vm's controls.
 *
 * Commands, their help and their texts are QEMU 7.2's for what is here.  Lines of the answers end
 * with CRLF.  Used by the vm's thread. */
#ifndef VM_MONITOR_H
#define VM_MONITOR_H

#include <stdbool.h>
#include <stdio.h>

#include "vm/controls.h"

#define MONITOR_PROMPT "(godwit) "

/* Runs one command, writes its answer; what is wrong with the line is an answer, too.  *waits is
 * set when the command is over only once the migration has ended: then monitor_conclude(). */
void monitor_execute(struct controls *controls, const char *text, size_t length,
		     FILE *out, bool *waits);
void monitor_conclude(const struct controls *controls, FILE *out);

/* For who cannot wait: human-monitor-command.  The caller frees; NULL with GW_SYSTEM. */
char *monitor_execute_detached(struct controls *controls, const char *line,
			       struct gw_error *err);

#endif
