/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_client.h - the QEMU Machine Protocol, as the one who asks.
 *
 * On a connected stream socket that it is given.  Owned and used by one thread.  Each call ends
 * with the interrupt or the time-out; after either the client can be used on, and the answer that
 * then comes late is passed over.  Errors name the command: "migrate: There's a migration process
 * in progress"; what the other side refuses is GW_PEER (CommandNotFound GW_UNSUPPORTED), one
 * that leaves or talks nonsense is GW_PEER as well. */
#ifndef QMP_QMP_CLIENT_H
#define QMP_QMP_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/interrupt.h"
#include "base/own.h"

#define QMP_CLIENT_MESSAGE_BYTES_MAX ((size_t)64 << 20)
/* Events kept while nobody takes them, and what they may take of the stream; the oldest are dropped
 * and counted. */
#define QMP_CLIENT_EVENTS_MAX 1024u
#define QMP_CLIENT_EVENT_BYTES_MAX ((size_t)1 << 20)

struct qmp_client;

/* Takes over `fd` (also on failure), reads the greeting and negotiates.  `interrupt` is borrowed
 * and may be NULL. */
struct qmp_client *qmp_client_new(int fd, const struct interrupt *interrupt,
				  int timeout_ms, struct gw_error *err);
void qmp_client_free(struct qmp_client *client); /* NULL is fine */
DEFINE_OWNED(qmp_client)

struct qmp_version {
	int major, minor, micro;
	char package[128]; /* printable */
};

const struct qmp_version *qmp_client_version(const struct qmp_client *client);

/* Takes over `arguments`, which may be NULL.  *result is the caller's; `result` may be NULL. */
int qmp_client_execute(struct qmp_client *client, const char *command, json_t *arguments,
		       json_t **result, struct gw_error *err);

/* The next event in the order they came: 1 and *event is the caller's, 0 after timeout_ms, -1. */
int qmp_client_event(struct qmp_client *client, json_t **event, int timeout_ms,
		     struct gw_error *err);

/* Nobody holds the other end any more; what it said last may still be read. */
bool qmp_client_is_hung_up(const struct qmp_client *client);

uint64_t qmp_client_dropped_events(const struct qmp_client *client);

/* Replaces the interrupt: what a second Ctrl-C should end is not what the first one should. */
void qmp_client_set_interrupt(struct qmp_client *client,
			      const struct interrupt *interrupt);

#endif
