/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dialect.h - what each QEMU says differently.
 *
 * Each difference is a field, chosen once and handed down; nowhere else does code ask for a
 * version.  Source: QEMU release notes and docs/dialects.md. */
#ifndef WIRE_DIALECT_H
#define WIRE_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct dialect {
	const char *name; /* "qemu-9.2" */
	uint16_t version; /* 902 */
	/* A barrier at every EOS of the ram section (multifd-flush-after-each-section), instead
	 * of one FLUSH record a round. */
	bool barrier_per_section;
	/* Zero pages travel in multifd packets; otherwise as ZERO records on main. */
	bool zero_pages_in_packets;
	/* pages_alloc of a SYNC packet is 0 instead of the packet's capacity. */
	bool sync_pages_alloc_zero;
	/* Packets that carry no data may hold stale sizes, names and offsets (as receiver). */
	bool stale_fields;
	/* A SYNC may ride on a data packet (as receiver). */
	bool merged_sync;
	/* COMMAND SWITCHOVER_START before the END sections. */
	bool switchover_start;
	/* SWITCHOVER_ACK is known on the return path. */
	bool switchover_ack;
	/* The last SYNC of the migration has no FLUSH of its own (as receiver). */
	bool final_sync_unmatched;
	/* The state "device" is always shown, not only with pause-before-switchover. */
	bool device_state_shown;
};

/* Every dialect, oldest first, ending with a NULL name. */
extern const struct dialect dialects[];

const struct dialect *dialect_newest(void);

/* "qemu-9.2" or "9.2"; a release in between means the newest dialect not after it, one after
 * the last means the last.  NULL and GW_USAGE with the names there are. */
const struct dialect *dialect_by_name(const char *name, struct gw_error *err);

/* From a versioned machine type ("pc-q35-7.2", "pc-i440fx-9.0", "virt-10.0",
 * "s390-ccw-virtio-9.1", "pseries-8.2"); NULL when the name has no version ("none", "microvm"). */
const struct dialect *dialect_of_machine(const char *machine);

#endif
