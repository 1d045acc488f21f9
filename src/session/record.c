/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.c - what two godwits send each other, under QEMU's packets: bytes and structs. */
#include "session/record.h"

#include <assert.h>
#include <inttypes.h>

/* A hash state on the stack. */
#define XXH_STATIC_LINKING_ONLY
/* Chooses by the CPU at run time what <xxhash.h> fixes when it is built. */
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/writer.h"
#include "wire/multifd_init.h"
#include "wire/multifd_packet.h"
#include "wire/stream_header.h"

#define CHECKED_BYTES 16u /* of the head: all but the checksum */

static_assert(SESSION_PACKET_BYTES_MIN == MULTIFD_PACKET_BYTES,
	      "a header without payload");
static_assert(SESSION_PACKET_BYTES_MAX ==
		      MULTIFD_PACKET_BYTES + MULTIFD_PAYLOAD_BYTES_MAX,
	      "the largest packet");

static_assert(SESSION_ACK_BYTES_MAX ==
		      SESSION_ACK_BYTES_MIN + 8 * SESSION_CONNECTIONS_MAX,
	      "the largest acknowledgement");

static const struct {
	uint32_t least, most;
} lengths[] = {
	[SESSION_HELLO] = { 0, SESSION_TEXT_BYTES_MAX },
	[SESSION_CONTROL] = { 0, SESSION_TEXT_BYTES_MAX },
	[SESSION_STREAM] = { 0, SESSION_STREAM_BYTES_MAX },
	[SESSION_PACKET] = { SESSION_PACKET_BYTES_MIN, SESSION_PACKET_BYTES_MAX },
	[SESSION_ACK] = { SESSION_ACK_BYTES_MIN, SESSION_ACK_BYTES_MAX },
	[SESSION_END] = { 0, 0 },
};
static_assert(sizeof(lengths) / sizeof(lengths[0]) == SESSION_END + 1, "a row a type");

static bool is_known(uint8_t type)
{
	return type >= SESSION_HELLO && type <= SESSION_END;
}

bool record_length_fits(enum session_record type, size_t length)
{
	return length >= lengths[type].least && length <= lengths[type].most;
}

static uint64_t checksum_of(const uint8_t bytes[SESSION_HEAD_BYTES],
			    const struct iovec *body, int count)
{
	XXH3_state_t state;

	XXH3_INITSTATE(&state);
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, bytes, CHECKED_BYTES);
	for (int i = 0; i < count; i++)
		if (body[i].iov_len > 0)
			XXH3_64bits_update(&state, body[i].iov_base, body[i].iov_len);
	return XXH3_64bits_digest(&state);
}

void record_write_head(uint8_t bytes[SESSION_HEAD_BYTES], enum session_record type,
		       uint64_t sequence, const struct iovec *body, int count)
{
	struct writer out = writer_over(bytes, SESSION_HEAD_BYTES);
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += body[i].iov_len;
	assert(record_length_fits(type, length));
	writer_u8(&out, (uint8_t)type);
	writer_u8(&out, 0);
	writer_be16(&out, 0);
	writer_be32(&out, (uint32_t)length);
	writer_be64(&out, sequence);
	writer_be64(&out, checksum_of(bytes, body, count));
}

static int fail_type(uint8_t type, uint32_t first_word, struct gw_error *err)
{
	if (first_word == STREAM_MAGIC || first_word == MULTIFD_MAGIC)
		return fail(err, GW_UNSUPPORTED,
			    "these are the bytes of a QEMU, not of a godwit");
	return fail(err, GW_UNSUPPORTED, "record type %u: %d to %d are known", type,
		    SESSION_HELLO, SESSION_END);
}

int record_read_head(const uint8_t bytes[SESSION_HEAD_BYTES], uint64_t expected_sequence,
		     struct record_head *head, struct gw_error *err)
{
	struct cursor in = cursor_over(bytes, SESSION_HEAD_BYTES);
	uint8_t type = cursor_u8(&in);
	uint8_t flags = cursor_u8(&in);
	uint16_t reserved = cursor_be16(&in);

	if (!is_known(type))
		return fail_type(type, load_be32(bytes), err);
	if (flags != 0 || reserved != 0)
		return fail(err, GW_PEER, "record %" PRIu64 ": flags 0x%02x%04x, not 0",
			    expected_sequence, flags, reserved);
	head->type = (enum session_record)type;
	head->length = cursor_be32(&in);
	head->sequence = cursor_be64(&in);
	head->checksum = cursor_be64(&in);
	if (head->sequence != expected_sequence)
		return fail(err, GW_PEER, "record %" PRIu64 ": number %" PRIu64 " came",
			    expected_sequence, head->sequence);
	if (!record_length_fits(head->type, head->length))
		return fail(err, GW_PEER,
			    "record %" PRIu64 " of type %u: %u bytes, %u to %u are "
			    "allowed",
			    expected_sequence, type, head->length,
			    lengths[head->type].least, lengths[head->type].most);
	return 0;
}

int record_check(const uint8_t bytes[SESSION_HEAD_BYTES], const struct iovec *body,
		 int count, struct gw_error *err)
{
	uint64_t told = load_be64(bytes + CHECKED_BYTES);
	uint64_t computed = checksum_of(bytes, body, count);

	if (told == computed)
		return 0;
	return fail(err, GW_PEER,
		    "record %" PRIu64 ": checksum 0x%016" PRIx64
		    ", computed 0x%016" PRIx64,
		    load_be64(bytes + 8), told, computed);
}

uint32_t session_ack_write(uint8_t bytes[SESSION_ACK_BYTES_MAX],
			   const struct session_ack *ack)
{
	struct writer out = writer_over(bytes, SESSION_ACK_BYTES_MAX);

	assert(ack->connection_count <= SESSION_CONNECTIONS_MAX);
	writer_be64(&out, ack->page_bytes);
	writer_be64(&out, ack->stream_bytes);
	for (uint32_t i = 0; i < ack->connection_count; i++)
		writer_be64(&out, ack->expected[i]);
	return (uint32_t)out.used;
}

int session_ack_read(const uint8_t *bytes, uint32_t length, struct session_ack *ack,
		     struct gw_error *err)
{
	struct cursor in = cursor_over(bytes, length);

	if (!record_length_fits(SESSION_ACK, length) || length % 8 != 0)
		return fail(err, GW_PEER,
			    "acknowledgement of %u bytes: multiples of 8 from %u to %u "
			    "are allowed",
			    length, SESSION_ACK_BYTES_MIN, SESSION_ACK_BYTES_MAX);
	ack->page_bytes = cursor_be64(&in);
	ack->stream_bytes = cursor_be64(&in);
	ack->connection_count = (length - SESSION_ACK_BYTES_MIN) / 8;
	for (uint32_t i = 0; i < ack->connection_count; i++)
		ack->expected[i] = cursor_be64(&in);
	return 0;
}
