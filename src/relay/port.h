/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port.h - where packets of pages come in or go out: a page channel of a QEMU's, or a link.
 *
 * A plain value that borrows what it stands on; one thread a direction.  Here the two ways to
 * carry a packet part; inlets and outlets do not know which one they have.
 *
 * Errors do not name the port.  Nobody has to begin a packet, ever; whoever has begun one has to
 * go on within PORT_PATIENCE_MS. */
#ifndef RELAY_PORT_H
#define RELAY_PORT_H

#include "channel/channel.h"
#include "session/session_link.h"
#include "wire/multifd_packet.h"

#define PORT_PATIENCE_MS 30000

struct port {
	/* Of a QEMU, its init packet read or written already; or NULL. */
	struct channel *channel;
	struct session_link *link; /* or NULL */
	/* Of `channel`: write so that, wherever this process is killed, what is missing of a packet
	 * is a multiple of MULTIFD_PACKET_BYTES (guardian.h says why).  Not with a throttle, which
	 * cuts writes as it likes. */
	bool aligned;
};

/* A packet's header: 1, 0 when the stream ended between packets, -1.
 * On a QEMU's channel *came is PORT_NOT_YET, and the payload is still to be read.  A link's packet
 * can only be checked as a whole, so its payload comes along, into `room` of
 * MULTIFD_PAYLOAD_BYTES_MAX, and is *came bytes long, whatever the header says.
 * GW_UNSUPPORTED for a device-state packet, which is shorter than a header. */
#define PORT_NOT_YET UINT32_MAX
int port_read_header(struct port *port, uint8_t header[MULTIFD_PACKET_BYTES], void *room,
		     uint32_t *came, struct gw_error *err);

/* The payload of the header just read, which has not come yet. */
int port_read_payload(struct port *port, void *into, uint32_t length,
		      struct gw_error *err);

/* A whole packet; `iov` is used up. */
int port_write(struct port *port, struct iovec *iov, int count, struct gw_error *err);

/* No packet follows.  A link says so, and one that is closed without was cut; a QEMU's channel has
 * to stay open until all is over. */
int port_finish(struct port *port, struct gw_error *err);

uint64_t port_wire_bytes(const struct port *port); /* both directions */

/* Of writes, under a throttle (channel_throttled_ns()). */
uint64_t port_throttled_ns(const struct port *port);

#endif
