/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guardian.h - a small process beside ours, which cleans up when ours is gone, however it went.
 *
 * A QEMU that receives hangs for ever, its monitor too, when one of its page channels ends before
 * the barrier that it waits for (wire format, 3.7.5).  A process that is killed cannot prevent
 * that, so another one holds the same connections.  When ours has gone without saying "released",
 * or asks for it, the guardian shuts main down, then fills each page channel with SYNC packets
 * until QEMU has closed it or GUARDIAN_PATIENCE_MS are over: the QEMU leaves its barriers, sees
 * main cut short, and fails cleanly.
 *
 * Where ours was killed in the middle of a packet, what is missing of it is a multiple of
 * MULTIFD_PACKET_BYTES, for port_write() with `aligned` writes in pieces so small that the kernel
 * takes them whole or not at all, and cut so.  (Linux puts at most 32 KiB of one send into one
 * buffer of a unix socket, whose send buffer is more than twice that, and queues it when it is
 * filled; door_connect() sees to the send buffer.)  So any number of packets is first taken for the
 * rest of the payload, and then for what they are.
 *
 * What main had been given before is still read by QEMU.  So it must not have been given what
 * comes behind a barrier before every page channel was given its SYNC for it: a QEMU that then
 * finds all of main takes the guest for complete, filled up with packets (7.2 and 11.1 do).
 *
 * It also removes the directories and sockets it was told of.  It ignores the terminal's signals:
 * they are meant for the process it guards.
 *
 * Owned and used by one thread.  Calls to a guardian that is gone itself fail or do nothing. */
#ifndef RELAY_GUARDIAN_H
#define RELAY_GUARDIAN_H

#include "base/interrupt.h"
#include "base/own.h"

#define GUARDIAN_PATIENCE_MS 10000
#define GUARDIAN_REMOVALS_MAX 16u

struct guardian;

/* Forks: call before there are threads. */
struct guardian *guardian_start(struct gw_error *err);

/* A directory that we made or a socket, which exists by now, to be removed at the end: this one
 * and no successor of its name.  Of a directory the sockets and plain files in it go first; with
 * anything else in it, it stays. */
int guardian_remove(struct guardian *guardian, const char *path, struct gw_error *err);

/* Connections to a receiving QEMU, duplicated into the guardian; main first.  A second main takes
 * the place of the first. */
int guardian_hold_main(struct guardian *guardian, int fd, struct gw_error *err);
int guardian_hold_page(struct guardian *guardian, int fd, struct gw_error *err);

/* They ended in peace: forgets and closes them. */
void guardian_release(struct guardian *guardian);

/* The other end: does at once what it would do if this process were killed, and waits for it, or
 * until `leave` is raised (NULL: it is not): then the guardian goes on alone, with all that it has
 * to do.  The threads that wrote have to be joined before. */
void guardian_abort(struct guardian *guardian, const struct interrupt *leave);

/* Removes what is to be removed, and waits for the guardian's end unless it goes on alone; abort for
 * connections that are still held.  NULL is fine. */
void guardian_free(struct guardian *guardian);
DEFINE_OWNED(guardian)

#endif
