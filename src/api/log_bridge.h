/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log_bridge.h - the caller's log as the rest of the library writes to it. */
#ifndef API_LOG_BRIDGE_H
#define API_LOG_BRIDGE_H

#include "base/log.h"
#include "godwit.h"

struct log_bridge {
	struct gw_log to;
	struct log log;
};

/* Good while `bridge` stays where it is; NULL when the caller wants no log. */
const struct log *log_bridge_init(struct log_bridge *bridge, const struct gw_log *to);

#endif
