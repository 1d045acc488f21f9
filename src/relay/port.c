/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port.c - where packets of pages come in or go out: a page channel of a QEMU's, or a link. */
#include "relay/port.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/engine.h"

/* A non-blocking write to a UNIX socket is one buffer of the kernel's up to 32 KiB, and is taken
 * whole or not at all (Linux net/unix/af_unix.c, unix_stream_sendmsg). */
#define PIECE_BYTES ((size_t)24 * MULTIFD_PACKET_BYTES)

static_assert(PIECE_BYTES <= 32768, "one buffer of the kernel's");

#define PORT_IOVECS_MAX (1 + (int)JOB_PIECES_MAX)
/* So long a QEMU may take the rest of a packet that was interrupted. */
#define REST_MS 200

static struct channel *channel_of(const struct port *port)
{
	return port->channel ? port->channel : session_link_channel(port->link);
}

/* ---- in ---- */

static int check_start(const uint8_t *bytes, struct gw_error *err)
{
	if (multifd_packet_check_start(bytes, err) == 0)
		return 0;
	if (err->kind != GW_UNSUPPORTED)
		return -1;
	return fail(err, GW_UNSUPPORTED,
		    "multifd packet: device state, which is not supported: set "
		    "x-migration-multifd-transfer=off on the vfio-pci device");
}

static int read_channel(struct channel *channel, uint8_t header[MULTIFD_PACKET_BYTES],
			struct gw_error *err)
{
	size_t length = MULTIFD_PACKET_BYTES, start = MULTIFD_PACKET_START_BYTES;
	ptrdiff_t got;

	channel_set_read_patience(channel, -1);
	got = channel_read_some(channel, header, length, err);
	channel_set_read_patience(channel, PORT_PATIENCE_MS);
	if (got <= 0)
		return (int)got;
	if ((size_t)got < start) {
		if (channel_read_exactly(channel, header + got, start - (size_t)got,
					 err) < 0)
			return fail_in(err, "header from byte %td", got);
		got = (ptrdiff_t)start;
	}
	if (check_start(header, err) < 0)
		return -1;
	if (channel_read_exactly(channel, header + got, length - (size_t)got, err) < 0)
		return fail_in(err, "header from byte %td", got);
	return 1;
}

static int read_link(struct session_link *link, uint8_t header[MULTIFD_PACKET_BYTES],
		     void *room, uint32_t *came, struct gw_error *err)
{
	struct channel *channel = session_link_channel(link);
	struct record_head head;
	struct iovec body[2];
	int got;

	channel_set_read_patience(channel, -1);
	got = session_link_read_head(link, &head, err);
	channel_set_read_patience(channel, PORT_PATIENCE_MS);
	if (got < 0)
		return -1;
	if (got == 0)
		return channel_fail_closed(err);
	if (head.type == SESSION_END)
		return session_link_read_body(link, NULL, 0, err);
	if (head.type != SESSION_PACKET)
		return fail(err, GW_PEER,
			    "record of type %d on a page connection, only %d and %d are "
			    "allowed",
			    (int)head.type, SESSION_PACKET, SESSION_END);
	/* Its bounds are record_read_head()'s. */
	*came = head.length - MULTIFD_PACKET_BYTES;
	body[0] = (struct iovec){ header, MULTIFD_PACKET_BYTES };
	body[1] = (struct iovec){ room, *came };
	if (session_link_read_body(link, body, 2, err) < 0 ||
	    check_start(header, err) < 0)
		return -1;
	return 1;
}

static_assert(SESSION_PACKET_BYTES_MIN == MULTIFD_PACKET_BYTES &&
		      SESSION_PACKET_BYTES_MAX ==
			      MULTIFD_PACKET_BYTES + MULTIFD_PAYLOAD_BYTES_MAX,
	      "a record's body is a header and what fits into the room");

int port_read_header(struct port *port, uint8_t header[MULTIFD_PACKET_BYTES], void *room,
		     uint32_t *came, struct gw_error *err)
{
	*came = PORT_NOT_YET;
	return port->channel ? read_channel(port->channel, header, err)
			     : read_link(port->link, header, room, came, err);
}

int port_read_payload(struct port *port, void *into, uint32_t length,
		      struct gw_error *err)
{
	assert(port->channel);
	if (channel_read_exactly(port->channel, into, length, err) < 0)
		return fail_in(err, "payload");
	return 0;
}

/* ---- out ---- */

/* The first `length` bytes in one write, which there have to be. */
static int write_piece(struct channel *channel, struct iovec **from, int *count,
		       size_t length, struct gw_error *err)
{
	struct iovec *last = *from, rest;

	for (; last->iov_len < length; last++)
		length -= last->iov_len;
	rest = (struct iovec){ (char *)last->iov_base + length, last->iov_len - length };
	last->iov_len = length;
	if (channel_write_full(channel, *from, (int)(last + 1 - *from), err) < 0)
		return -1;
	*last = rest;
	*count -= (int)(last - *from);
	*from = last;
	return 0;
}

static int write_aligned(struct channel *channel, struct iovec *iov, int count,
			 struct gw_error *err)
{
	size_t left = 0, odd;

	for (int i = 0; i < count; i++)
		left += iov[i].iov_len;
	odd = left % MULTIFD_PACKET_BYTES;
	while (left > 0) {
		/* The first takes what is odd. */
		size_t piece =
			odd > 0 ? PIECE_BYTES - MULTIFD_PACKET_BYTES + odd : PIECE_BYTES;

		if (piece > left)
			piece = left;
		if (write_piece(channel, &iov, &count, piece, err) < 0)
			return -1;
		left -= piece;
		odd = 0;
	}
	return 0;
}

/* A guardian's last words must not be taken for the rest of a packet: where writes are not aligned,
 * one that is interrupted is finished if it can be. */
static int write_whole(struct channel *channel, struct iovec *iov, int count,
		       struct gw_error *err)
{
	uint64_t before = channel_bytes_written(channel), put;
	struct iovec whole[PORT_IOVECS_MAX];
	struct gw_error ignored;

	assert(count <= PORT_IOVECS_MAX);
	memcpy(whole, iov, (size_t)count * sizeof(whole[0]));
	if (channel_write_full(channel, iov, count, err) == 0)
		return 0;
	put = channel_bytes_written(channel) - before;
	if (err->kind == GW_CANCELLED && put > 0)
		(void)channel_write_rest(channel, whole, count, put, REST_MS, &ignored);
	return -1;
}

int port_write(struct port *port, struct iovec *iov, int count, struct gw_error *err)
{
	if (port->link)
		return session_link_write(port->link, SESSION_PACKET, iov, count, err);
	if (port->aligned)
		return write_aligned(port->channel, iov, count, err);
	return write_whole(port->channel, iov, count, err);
}

int port_finish(struct port *port, struct gw_error *err)
{
	if (!port->link)
		return 0;
	return session_link_write_bytes(port->link, SESSION_END, NULL, 0, err);
}

/* ---- counted ---- */

uint64_t port_wire_bytes(const struct port *port)
{
	const struct channel *channel = channel_of(port);

	return channel_bytes_read(channel) + channel_bytes_written(channel);
}

uint64_t port_throttled_ns(const struct port *port)
{
	return channel_throttled_ns(channel_of(port));
}
