/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_peer.h - one side of a migration, reached over its QMP socket.
 *
 * Owned and used by one thread.  Errors begin with the role: "source: migrate: ...". */
#ifndef DRIVE_QMP_PEER_H
#define DRIVE_QMP_PEER_H

#include "base/interrupt.h"
#include "base/own.h"
#include "qmp/qmp_client.h"

struct qmp_peer;

/* `path`: a UNIX socket, with or without "unix:" in front.  Waits end with the interrupt.
 * GW_USAGE for what is no path of a socket. */
struct qmp_peer *qmp_peer_new(const char *role, const char *path,
			      const struct interrupt *interrupt, struct gw_error *err);
void qmp_peer_free(struct qmp_peer *peer); /* NULL is fine */
DEFINE_OWNED(qmp_peer)

const char *qmp_peer_role(const struct qmp_peer *peer);
const char *qmp_peer_path(const struct qmp_peer *peer);
const struct qmp_version *qmp_peer_version(const struct qmp_peer *peer);
void qmp_peer_set_interrupt(struct qmp_peer *peer, const struct interrupt *interrupt);

/* As qmp_client_execute() and qmp_client_event(). */
int qmp_peer_execute(struct qmp_peer *peer, const char *command, json_t *arguments,
		     json_t **result, struct gw_error *err);
int qmp_peer_event(struct qmp_peer *peer, json_t **event, int timeout_ms,
		   struct gw_error *err);

/* What query-status says of the guest. */
struct guest_status {
	bool running;
	char name[32]; /* QEMU's RunState, printable */
};

int qmp_peer_guest(struct qmp_peer *peer, struct guest_status *guest,
		   struct gw_error *err);

/* The process that made the socket; 0 when the kernel does not tell. */
int qmp_peer_pid(const struct qmp_peer *peer);
/* It is, and the socket has been hung up: never true of one that may still run. */
bool qmp_peer_process_is_gone(const struct qmp_peer *peer);

/* CPU that the process has used so far, that of its vCPUs as of `vcpus` left out; < 0 when that
 * cannot be read here. */
#define PEER_VCPUS_MAX 4096u
struct peer_vcpus {
	uint32_t count;
	int threads[PEER_VCPUS_MAX];
};

/* Asks which threads they are: none for a peer that does not say. */
void qmp_peer_find_vcpus(struct qmp_peer *peer, struct peer_vcpus *vcpus);
double qmp_peer_cpu_s(const struct qmp_peer *peer, const struct peer_vcpus *vcpus);

#endif
