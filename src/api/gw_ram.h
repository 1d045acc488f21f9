/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_ram.h - the caller's list of guest memory. */
#ifndef API_GW_RAM_H
#define API_GW_RAM_H

#include "ram/block.h"

struct gw_ram {
	struct ram ram;
	bool settled; /* somebody relies on it: no more blocks */
};

/* For whoever borrows it from here on.  GW_USAGE: there is no block. */
int gw_ram_settle(struct gw_ram *ram, struct gw_error *err);

#endif
