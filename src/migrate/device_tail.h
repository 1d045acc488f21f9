/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_tail.h - the rest of a stream after the end of ram, when there is no guest to load it.
 *
 * Device sections carry no length.  Everything up to the stream's end is kept, and the end is
 * where a description accounts for every byte before it: with a return path the source sends
 * nothing more and waits. */
#ifndef MIGRATE_DEVICE_TAIL_H
#define MIGRATE_DEVICE_TAIL_H

#include "base/cursor.h"
#include "migrate/receiver.h"

#define DEVICE_TAIL_BYTES_MAX (256u << 20)

/* Fills in devices_known, device_bytes and vmdesc.  GW_PEER when the stream is cut short, or
 * longer than DEVICE_TAIL_BYTES_MAX. */
int device_tail_read(struct cursor *in, struct receiver_report *report,
		     struct gw_error *err);

#endif
