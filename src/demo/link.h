/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link.h - a line of JSON at a time between the demo and its two processes. */
#ifndef DEMO_LINK_H
#define DEMO_LINK_H

#include <jansson.h>

#include <stdbool.h>

#include "base/error.h"

struct link {
	int fd;
	size_t used;
	char buffer[16384];
};

void link_init(struct link *link, int fd); /* takes over fd */
void link_close(struct link *link);

/* Takes over `message`.  An error means that the other process is gone. */
int link_send(struct link *link, json_t *message, struct gw_error *err);

/* A new reference; NULL with *err after timeout_ms (< 0: never), or when the other process is gone
 * (GW_PEER). */
json_t *link_receive(struct link *link, int timeout_ms, struct gw_error *err);

/* True when link_receive() would not wait. */
bool link_has_line(const struct link *link);

#endif
