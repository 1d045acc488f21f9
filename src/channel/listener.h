/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listener.h - where connections arrive.
 *
 * A unix listener makes its socket file with mode 0600 and removes it when freed; it refuses to
 * replace anything but a socket that nobody listens on.  An inherited fd is taken over when it
 * listens.  tcp listeners set SO_REUSEADDR; an empty host is every address, IPv6 and IPv4; of a
 * host with several addresses the first that can be bound is used.  Connections set TCP_NODELAY
 * and keep-alive.
 *
 * Owned and used by one thread.  Errors begin with the address. */
#ifndef CHANNEL_LISTENER_H
#define CHANNEL_LISTENER_H

#include "channel/channel.h"

struct listener;

struct listener *listener_open(const struct address *at, int backlog,
			       const struct interrupt *interrupt, struct gw_error *err);

/* Closes the socket and removes its file: connections that nobody accepted are reset, later ones
 * refused. */
void listener_stop(struct listener *listener);
void listener_free(struct listener *listener); /* stops it; NULL is fine */
DEFINE_OWNED(listener)

/* The address to connect to, with the port that was chosen; good while the listener lives. */
const char *listener_uri(const struct listener *listener);

/* For poll(), beside other descriptors. */
int listener_fd(const struct listener *listener);

/* One connection as a non-blocking descriptor that the caller owns.
 * Return: the descriptor, -2 after timeout_ms without one, -1 with *err. */
int listener_accept(struct listener *listener, int timeout_ms, struct gw_error *err);

#endif
