/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.h - what two godwits send each other, under QEMU's packets: bytes and structs.
 *
 * A connection of a session is, in each direction, a row of records:
 *
 *	0   u8    type
 *	1   u8    flags, 0
 *	2   be16  reserved, 0
 *	4   be32  length of the body
 *	8   be64  sequence: 0, 1, 2, ... of this connection and direction
 *	16  be64  XXH3-64 of bytes 0 to 15 and of the body
 *	24  body
 *
 * No I/O, no heap, no threads.  docs/session.md is the format's description. */
#ifndef SESSION_RECORD_H
#define SESSION_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"

#define SESSION_HEAD_BYTES 24u

enum session_record {
	SESSION_HELLO = 1,   /* JSON, first and once in each direction (hello.h) */
	SESSION_CONTROL = 2, /* JSON, on the main connection (hello.h) */
	SESSION_STREAM =
		3, /* bytes of QEMU's main or post-copy preempt channel, verbatim */
	SESSION_PACKET = 4, /* one packet of QEMU's multifd: header and payload */
	SESSION_ACK = 5,    /* what has been delivered (struct session_ack) */
	SESSION_END = 6,    /* no byte of SESSION_STREAM follows; empty */
};

/* Of bodies, by type. */
#define SESSION_TEXT_BYTES_MAX (256u << 10)
#define SESSION_STREAM_BYTES_MAX (64u << 10)
#define SESSION_PACKET_BYTES_MIN 1344u
#define SESSION_PACKET_BYTES_MAX (SESSION_PACKET_BYTES_MIN + (1u << 20))
#define SESSION_CONNECTIONS_MAX 257u /* main, page channels, preempt */
#define SESSION_ACK_BYTES_MIN 16u
#define SESSION_ACK_BYTES_MAX 2072u /* for SESSION_CONNECTIONS_MAX */

bool record_length_fits(enum session_record type, size_t length);

struct record_head {
	enum session_record type;
	uint32_t length;
	uint64_t sequence;
	uint64_t checksum;
};

/* Enforced: known type, no flags, reserved bytes 0, length within the type's bounds, sequence as
 * expected.  GW_PEER; an unknown type is GW_UNSUPPORTED.  The checksum is for record_check(). */
int record_read_head(const uint8_t bytes[SESSION_HEAD_BYTES], uint64_t expected_sequence,
		     struct record_head *head, struct gw_error *err);

/* Writes the head of a record whose body is in `body`, of a length that fits. */
void record_write_head(uint8_t bytes[SESSION_HEAD_BYTES], enum session_record type,
		       uint64_t sequence, const struct iovec *body, int count);

/* After the body has come: GW_PEER "record 17: checksum 0x..., computed 0x...". */
int record_check(const uint8_t bytes[SESSION_HEAD_BYTES], const struct iovec *body,
		 int count, struct gw_error *err);

/* Body of SESSION_ACK: be64 each. */
struct session_ack {
	uint64_t
		page_bytes; /* of guest pages and packet headers, handed to the QEMU there */
	uint64_t stream_bytes; /* of main, likewise */
	/* For each connection, in the order of its index (0 main, 1.. pages): the sequence expected
	 * next; all below have come and are intact. */
	uint32_t connection_count;
	uint64_t expected[SESSION_CONNECTIONS_MAX];
};

uint32_t session_ack_write(uint8_t bytes[SESSION_ACK_BYTES_MAX],
			   const struct session_ack *ack);
int session_ack_read(const uint8_t *bytes, uint32_t length, struct session_ack *ack,
		     struct gw_error *err);

#endif
