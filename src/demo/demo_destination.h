/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo_destination.h - the demo's destination process. */
#ifndef DEMO_DEMO_DESTINATION_H
#define DEMO_DEMO_DESTINATION_H

#include "demo/demo.h"
#include "demo/link.h"

/* In a process of its own.  Says {"event":"listening","uri":...}, then {"event":"arrived",...} or
 * {"event":"failed",...}; on {"command":"finish"} it stops the guest, lets it check itself and
 * says {"event":"result",...}.  Return: -1 with *err when it could not begin. */
int demo_destination(const struct demo_options *options, struct link *link,
		     struct gw_error *err);

#endif
