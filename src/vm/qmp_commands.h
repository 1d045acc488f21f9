/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_commands.h - the QMP commands of a vm, over its controls.
 *
 * Run on the vm's thread, by the server. */
#ifndef VM_QMP_COMMANDS_H
#define VM_QMP_COMMANDS_H

#include "qmp/qmp_server.h"

/* For qmp_server_options, whose state is a struct controls.  Ends with a NULL name. */
extern const struct qmp_command qmp_commands[];

#endif
