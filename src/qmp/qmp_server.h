/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_server.h - the QEMU Machine Protocol, as the one who answers.
 *
 * Greeting, negotiation (qmp_capabilities), commands one after the other, events to whoever has
 * negotiated.  Knows nothing of what the commands do.  It never waits: its owner polls what it
 * watches and calls it, all from one thread.  Of a client that does not read no more commands are
 * taken; it is dropped when QMP_SERVER_BACKLOG_BYTES wait for it.  One that shuts only its own side
 * is still answered.
 *
 * Error texts are QEMU 7.2's.  There are no commands out of band, and the greeting offers none.
 * Source: QEMU docs/interop/qmp-spec.txt. */
#ifndef QMP_QMP_SERVER_H
#define QMP_QMP_SERVER_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/own.h"

#define QMP_SERVER_CLIENTS_MAX 16u
#define QMP_SERVER_MESSAGE_BYTES_MAX ((size_t)1 << 20)
#define QMP_SERVER_BACKLOG_BYTES ((size_t)4 << 20)

/* What an argument has to be; QAPI's names, as its errors spell them. */
enum qmp_type { QMP_STRING, QMP_BOOL, QMP_INTEGER, QMP_OBJECT, QMP_ARRAY, QMP_ANY };

struct qmp_argument {
	const char *name;
	enum qmp_type type;
	bool optional;
};

struct qmp_command {
	const char *name;
	/* Ends with a NULL name.  NULL: the command looks at its arguments itself. */
	const struct qmp_argument *arguments;
	/* `arguments` is an object and checked against the table.  *result (the caller's) may be
	 * left NULL: then {} is the answer.  The error's text is sent as it is, its class is
	 * GenericError whatever its kind. */
	int (*run)(void *state, const json_t *arguments, json_t **result,
		   struct gw_error *err);
};

struct qmp_server_options {
	const struct qmp_command *commands; /* ends with a NULL name; the server adds
					     * qmp_capabilities, query-commands and
					     * query-version */
	void *state;			    /* for run() */
	/* Of the greeting: {"qemu": {"major": ..., "minor": ..., "micro": ...}, "package": ...} */
	int major, minor, micro;
	const char *package;
	const struct log *log;
};

struct qmp_server;

/* What `options` points to is borrowed while the server lives. */
struct qmp_server *qmp_server_new(const struct qmp_server_options *options,
				  struct gw_error *err);
void qmp_server_free(struct qmp_server *server); /* closes all clients; NULL is fine */
DEFINE_OWNED(qmp_server)

/* Takes over a connected stream socket, greets.  With too many clients, or on an error, it is
 * closed. */
void qmp_server_admit(struct qmp_server *server, int fd);

/* What to poll: at most QMP_SERVER_CLIENTS_MAX entries.  Returns how many. */
uint32_t qmp_server_watch(const struct qmp_server *server, struct pollfd *fds);

/* After poll(): those entries, as they came back. */
void qmp_server_serve(struct qmp_server *server, const struct pollfd *fds,
		      uint32_t count);

/* {"event": name, "data": data, "timestamp": now} to all who negotiated.  Takes over `data`, which
 * may be NULL.  From within run(), too: it then goes ahead of that command's answer, as QEMU's STOP
 * goes ahead of the answer to "stop". */
void qmp_server_event(struct qmp_server *server, const char *name, json_t *data);

/* What waits to be written is, for at most `timeout_ms`: before the process ends. */
void qmp_server_flush(struct qmp_server *server, int timeout_ms);

#endif
