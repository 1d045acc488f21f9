/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_dispatch.h - one request of a QMP client to its answer.
 *
 * Checks the request, finds the command, checks its arguments, runs it.  Knows no connection.
 * Error texts and classes are QEMU 7.2's. */
#ifndef QMP_QMP_DISPATCH_H
#define QMP_QMP_DISPATCH_H

#include "qmp/qmp_server.h"

/* {"QMP": ...}.  This and the others are the caller's, and NULL only without memory. */
json_t *qmp_greeting(const struct qmp_server_options *options);

/* `negotiated` is the client's, and set by qmp_capabilities. */
json_t *qmp_dispatch(const struct qmp_server_options *options, bool *negotiated,
		     const json_t *asked);

/* The answer to what was no JSON. */
json_t *qmp_refuse(const char *text);

#endif
