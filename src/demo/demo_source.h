/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo_source.h - the demo's source process. */
#ifndef DEMO_DEMO_SOURCE_H
#define DEMO_DEMO_SOURCE_H

#include "demo/demo.h"
#include "demo/link.h"

/* In a process of its own.  Says {"event":"ready"}, waits for {"command":"migrate","uri":...}
 * (during which {"command":"cancel"} may come), says {"event":"progress",...} and ends with
 * {"event":"result",...}.  Return: -1 with *err when it could not begin. */
int demo_source(const struct demo_options *options, const struct codec *codec, int level,
		struct link *link, struct gw_error *err);

#endif
