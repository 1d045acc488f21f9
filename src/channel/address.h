/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* address.h - where a channel leads, in QEMU's URI spelling.
 *
 *	tcp:HOST:PORT   tcp:[V6]:PORT   tcp::PORT (listen on every address)
 *	unix:PATH       fd:N            file:PATH
 *
 * A plain value: copy it freely. */
#ifndef CHANNEL_ADDRESS_H
#define CHANNEL_ADDRESS_H

#include <stdbool.h>

#include "base/error.h"

enum address_kind { ADDRESS_TCP, ADDRESS_UNIX, ADDRESS_FD, ADDRESS_FILE };

struct address {
	enum address_kind kind;
	char uri[512];	/* as given, for messages */
	char host[256]; /* tcp: without brackets; may be empty */
	char port[8];	/* tcp: 0-65535; 0 lets a listener choose */
	char path[512]; /* unix, file; unix: fits sockaddr_un */
	int fd;		/* fd */
};

/* GW_USAGE with the value and what is allowed. */
int address_parse(struct address *address, const char *uri, struct gw_error *err);

/* True for kinds that can carry more than one channel. */
bool address_is_socket(const struct address *address);

#endif
