/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_door.h - the connections between the relay and the QEMU on this host.
 *
 * As the destination of a QEMU (it connects to us): a UNIX socket, in a private directory or where
 * an operator wants it; as the source of one (we connect to it).  Errors name the socket. */
#ifndef RELAY_QEMU_DOOR_H
#define RELAY_QEMU_DOOR_H

#include <sys/types.h>

#include "base/log.h"
#include "channel/listener.h"
#include "wire/multifd_init.h"

/* ---- a place ---- */

struct door_place {
	/* Made by us, mode 0700; "" when the socket's path was given. */
	char directory[256];
	char path[512]; /* of the socket */
	char uri[520];	/* "unix:PATH" */
};

struct door_wish {
	/* NULL: in a directory of our own, below $XDG_RUNTIME_DIR or /tmp. */
	const char *path;
	int mode; /* of the socket; -1: 0600 */
	/* Whose it is to be, and so who may connect; -1: ours. */
	uid_t uid;
	gid_t gid;
};

/* Makes the directory (ours, mode 0700) unless the path was given. */
int door_make_place(const struct door_wish *wish, struct door_place *place,
		    struct gw_error *err);

/* For a QEMU that is to make the socket: the directory becomes uid's and gid's. */
int door_give_place(const struct door_place *place, const struct door_wish *wish,
		    struct gw_error *err);

/* Socket and directory, quietly; nothing where the path was given. */
void door_remove_place(const struct door_place *place);

/* "USER", "USER:GROUP" or ":GROUP", names or numbers.  GW_USAGE. */
int door_parse_owner(const char *text, uid_t *uid, gid_t *gid, struct gw_error *err);

/* ---- a QEMU comes ---- */

struct door;

struct door_options {
	uint32_t channel_count; /* of its page channels; 0: no multifd */
	bool preempt;		/* one more may come, which says nothing */
	int patience_ms;	/* from its first connection until all are there */
	const struct log *log;
};

/* What came.  The caller's from then on; page channels' init packets are consumed. */
struct door_visitors {
	struct channel *main;
	struct channel *pages[MULTIFD_CHANNELS_MAX]; /* by id */
	uint8_t uuid[16];
};

/* Listens at place->path with the wished owner and mode, in a directory of that owner.  Nobody gets
 * in who may not in the end: socket and directory are their maker's alone until both are there. */
struct door *door_open(const struct door_place *place, const struct door_wish *wish,
		       const struct door_options *options,
		       const struct interrupt *interrupt, struct gw_error *err);

/* Whether somebody knocks: 1, 0 after timeout_ms, -1. */
int door_wait(struct door *door, int timeout_ms, struct gw_error *err);

/* Waits for ever for the first connection, and patience_ms for the others.  Main is told from page
 * channels by its first bytes; one that says nothing is preempt's.  Unless that may come, the
 * door is shut when all are there. */
int door_await(struct door *door, struct door_visitors *visitors, struct gw_error *err);

/* After that, with `preempt`: the preempt channel, whatever it says or not, and the door is shut.
 * 1, 0 after timeout_ms, -1; GW_PEER for a page channel too many. */
int door_await_preempt(struct door *door, int timeout_ms, struct channel **preempt,
		       struct gw_error *err);
void door_close(struct door *door); /* NULL is fine; the socket file is removed */

/* ---- we go to a QEMU ---- */

/* A connection to the QEMU that listens at `to`, with *fd a duplicate for a guardian (the
 * caller's) unless fd is NULL.  Tries for patience_ms while nobody listens there yet.  Over a unix
 * socket its send buffer is bounded, and large enough for what guardian.h says. */
struct channel *door_connect(const struct address *to, const struct interrupt *interrupt,
			     int patience_ms, int *fd, struct gw_error *err);

#endif
