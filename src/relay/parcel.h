/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parcel.h - the pages of one packet, on their way between two QEMUs.
 *
 * Changes owner by pointer: inlet, exchange, outlet, and back to the exchange. */
#ifndef RELAY_PARCEL_H
#define RELAY_PARCEL_H

#include "wire/multifd_packet.h"

/* A payload of any method fits as well: it may land here before it is known to be one. */
#define PARCEL_ROOM_BYTES ((size_t)MULTIFD_PAYLOAD_BYTES_MAX)

struct parcel {
	struct multifd_packet packet; /* never a SYNC; block is 0: `block` below */
	struct layout_block block;    /* by name; its length is unknown here */
	uint8_t *pages; /* PARCEL_ROOM_BYTES: contents of the normal pages, in order */
};

/* What it counts as in flight: its pages with contents, and its header. */
static inline uint64_t parcel_bytes(const struct parcel *parcel)
{
	return parcel->packet.normal_pages * PAGE_BYTES + MULTIFD_PACKET_BYTES;
}

#endif
