/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* socket.h - what connecting, listening and reading share.
 *
 * Functions of their arguments; any thread. */
#ifndef CHANNEL_SOCKET_H
#define CHANNEL_SOCKET_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "channel/address.h"

/* Sets what godwit wants of a TCP socket, connected, to be connected or listening (whose
 * connections inherit it); leaves others alone. */
void socket_tune(int fd);

int socket_make_non_blocking(int fd, struct gw_error *err);

/* Puts the address, cut where it is long, in front of an error. */
int socket_fail_in(struct gw_error *err, const struct address *at);

/* For ADDRESS_TCP; freeaddrinfo() is the caller's.  `family` as in struct addrinfo; passive is
 * for bind().  NULL with *err. */
struct addrinfo *socket_resolve(const struct address *at, int family, bool passive,
				struct gw_error *err);

/* For ADDRESS_UNIX. */
struct sockaddr_un socket_unix_address(const struct address *at);

/* For ADDRESS_FD: refuses what is not open or carries datagrams and sets close-on-exec. */
int socket_inherit(const struct address *at, bool *is_listening, struct gw_error *err);

#endif
