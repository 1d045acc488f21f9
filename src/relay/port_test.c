/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port_test.c - packets over a QEMU's channel and over a link; writes that can be cut anywhere. */
#include "relay/port.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "tests/check.h"
#include "wire/multifd_init.h"

#define PAYLOAD_MAX ((size_t)MULTIFD_PAYLOAD_BYTES_MAX)

static struct gw_error err;
static uint8_t header[MULTIFD_PACKET_BYTES], room[MULTIFD_PAYLOAD_BYTES_MAX];
static uint8_t payload[MULTIFD_PAYLOAD_BYTES_MAX];
static uint32_t came;

static void make_header(uint32_t flags)
{
	memset(header, 0x5a, sizeof(header));
	store_be32(header, MULTIFD_MAGIC);
	store_be32(header + 4, MULTIFD_VERSION);
	store_be32(header + 8, flags);
}

static void fill_payload(void)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + i / 251);
}

/* ---- a channel that notes what is written to it ---- */

#define WRITES_MAX 64u

static struct {
	size_t sizes[WRITES_MAX];
	uint32_t count;
	size_t length;
	uint8_t bytes[MULTIFD_PACKET_BYTES + MULTIFD_PAYLOAD_BYTES_MAX];
} note;

static ptrdiff_t note_write(void *state, const struct iovec *from, int count,
			    int timeout_ms, struct gw_error *error)
{
	size_t length = 0;

	for (int i = 0; i < count; i++) {
		CHECK(note.length + from[i].iov_len <= sizeof(note.bytes));
		if (from[i].iov_len > 0)
			memcpy(note.bytes + note.length, from[i].iov_base,
			       from[i].iov_len);
		note.length += from[i].iov_len;
		length += from[i].iov_len;
	}
	CHECK(note.count < WRITES_MAX);
	note.sizes[note.count++] = length;
	return (ptrdiff_t)length;
}

static ptrdiff_t note_read(void *state, const struct iovec *into, int count,
			   int timeout_ms, struct gw_error *error)
{
	return 0;
}

static int note_wait(void *state, int timeout_ms, struct gw_error *error)
{
	return 1;
}

static void note_nothing(void *state)
{
}

static void note_interrupt(void *state, const struct interrupt *interrupt)
{
}

static const struct channel_ops note_ops = {
	.name = "note",
	.read = note_read,
	.write = note_write,
	.wait = note_wait,
	.finish = note_nothing,
	.cut = note_nothing,
	.set_interrupt = note_interrupt,
	.close = note_nothing,
};

/* A packet whose payload is in pieces of `piece` bytes, and one that is empty. */
static int make_packet(struct iovec iov[131], size_t length, size_t piece)
{
	int count = 2;

	iov[0] = (struct iovec){ header, sizeof(header) };
	iov[1] = (struct iovec){ payload, 0 };
	for (size_t at = 0; at < length; at += piece)
		iov[count++] =
			(struct iovec){ payload + at,
					piece < length - at ? piece : length - at };
	CHECK(count <= 131);
	return count;
}

static void write_noted(struct port *port, size_t length, size_t piece)
{
	struct iovec iov[131];

	memset(&note, 0, sizeof(note));
	CHECK_OK(port_write(port, iov, make_packet(iov, length, piece), &err), &err);
	CHECK_EQ(note.length, MULTIFD_PACKET_BYTES + length);
	CHECK(memcmp(note.bytes, header, sizeof(header)) == 0);
	CHECK(memcmp(note.bytes + sizeof(header), payload, length) == 0);
}

static void check_aligned(struct port *port, size_t length, size_t piece)
{
	size_t missing = MULTIFD_PACKET_BYTES + length;

	write_noted(port, length, piece);
	for (uint32_t i = 0; i < note.count; i++) {
		CHECK(note.sizes[i] > 0 &&
		      note.sizes[i] <= (size_t)24 * MULTIFD_PACKET_BYTES);
		missing -= note.sizes[i];
		CHECK_EQ(missing % MULTIFD_PACKET_BYTES, 0);
	}
	CHECK_EQ(missing, 0);
	/* No more of them than there have to be. */
	CHECK(note.count <=
	      (MULTIFD_PACKET_BYTES + length) / (23 * (size_t)MULTIFD_PACKET_BYTES) + 1);
}

TEST(aligned_writes_leave_whole_headers_missing)
{
	static const size_t lengths[] = { 0,
					  1,
					  1343,
					  1344,
					  1345,
					  4096,
					  22 * 1344,
					  22 * 1344 + 1,
					  23 * 1344 - 1,
					  23 * 1344,
					  23 * 1344 + 1,
					  24 * 1344,
					  47 * 1344,
					  100 * 4096,
					  524288,
					  524800,
					  PAYLOAD_MAX - 1,
					  PAYLOAD_MAX };
	struct port port = { .aligned = true };

	make_header(0);
	fill_payload();
	port.channel = channel_new(&note_ops, &note, &err);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		check_aligned(&port, lengths[i], PAYLOAD_MAX);
		check_aligned(&port, lengths[i], lengths[i] / 129 + 1);
	}
	channel_free(port.channel);
}

TEST(random_packets_are_aligned_as_well)
{
	struct port port = { .aligned = true };
	uint64_t seed = 4;

	make_header(0);
	fill_payload();
	port.channel = channel_new(&note_ops, &note, &err);
	for (int i = 0; i < 200; i++) {
		size_t length = check_random(&seed) % (PAYLOAD_MAX + 1);
		size_t least = length / 129 + 1;

		check_aligned(&port, length, least + check_random(&seed) % 9000);
	}
	channel_free(port.channel);
}

TEST(otherwise_a_packet_is_one_write)
{
	struct port port = { 0 };

	make_header(0);
	fill_payload();
	port.channel = channel_new(&note_ops, &note, &err);
	write_noted(&port, 524288, 4096);
	CHECK_EQ(note.count, 1);
	CHECK_EQ(port_wire_bytes(&port), MULTIFD_PACKET_BYTES + 524288);
	channel_free(port.channel);
}

/* What aligned writes rely on: a full UNIX socket takes such a piece whole or not at all. */
TEST(the_kernel_takes_a_piece_whole_or_not_at_all)
{
	static uint8_t piece[24 * MULTIFD_PACKET_BYTES];
	size_t drained = 0, sent = 0;
	uint64_t seed = 9;
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	for (int i = 0; i < 300; i++) {
		ssize_t put = send(fds[0], piece, sizeof(piece), MSG_NOSIGNAL);
		ssize_t got;

		if (put < 0)
			CHECK_EQ(errno, EAGAIN);
		else
			CHECK_EQ(put, sizeof(piece));
		if (put > 0)
			sent += (size_t)put;
		got = recv(fds[1], room, 1 + check_random(&seed) % sizeof(piece), 0);
		drained += got > 0 ? (size_t)got : 0;
	}
	CHECK(drained > 100 * sizeof(piece) && sent >= drained);
	close(fds[0]);
	close(fds[1]);
}

/* ---- a QEMU's channel ---- */

struct ends {
	struct port in, out;
};

static void open_channels(struct ends *ends)
{
	struct channel *pair[2];

	CHECK_OK(channel_pair(pair, NULL, &err), &err);
	ends->in = (struct port){ .channel = pair[0] };
	ends->out = (struct port){ .channel = pair[1], .aligned = true };
}

static void open_links(struct ends *ends)
{
	struct channel *pair[2];

	CHECK_OK(channel_pair(pair, NULL, &err), &err);
	*ends = (struct ends){ 0 };
	ends->in.link = session_link_new(pair[0], &err);
	ends->out.link = session_link_new(pair[1], &err);
	CHECK(ends->in.link && ends->out.link);
}

static void close_out(struct ends *ends)
{
	channel_free(MOVE(ends->out.channel));
	session_link_free(MOVE(ends->out.link));
}

static void close_ends(struct ends *ends)
{
	close_out(ends);
	channel_free(ends->in.channel);
	session_link_free(ends->in.link);
}

static void send_packet(struct ends *ends, uint32_t flags, size_t length)
{
	struct iovec iov[131];

	make_header(flags);
	CHECK_OK(port_write(&ends->out, iov, make_packet(iov, length, PAYLOAD_MAX), &err),
		 &err);
}

static int receive_header(struct ends *ends)
{
	memset(header, 0, sizeof(header));
	memset(room, 0, 64);
	return port_read_header(&ends->in, header, room, &came, &err);
}

TEST(from_a_channel_come_header_and_payload_one_after_the_other)
{
	struct ends ends;

	fill_payload();
	open_channels(&ends);
	send_packet(&ends, 0, 40000);
	send_packet(&ends, MULTIFD_FLAG_SYNC, 0);
	close_out(&ends);
	CHECK_EQ(receive_header(&ends), 1);
	CHECK_EQ(came, PORT_NOT_YET);
	CHECK_EQ(header[100], 0x5a);
	CHECK_EQ(room[0], 0);
	CHECK_OK(port_read_payload(&ends.in, room, 40000, &err), &err);
	CHECK(memcmp(room, payload, 40000) == 0);
	CHECK_EQ(receive_header(&ends), 1);
	CHECK_EQ(load_be32(header + 8), MULTIFD_FLAG_SYNC);
	CHECK_EQ(port_wire_bytes(&ends.in), 2 * MULTIFD_PACKET_BYTES + 40000);
	CHECK_EQ(receive_header(&ends), 0);
	close_ends(&ends);
}

static void check_cut_at(size_t length, const char *text)
{
	struct ends ends;

	open_channels(&ends);
	make_header(0);
	CHECK_OK(channel_write_bytes(ends.out.channel, header, length, &err), &err);
	close_out(&ends);
	CHECK_EQ(receive_header(&ends), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, text);
	close_ends(&ends);
}

TEST(a_channel_that_ends_inside_a_packet_is_an_error)
{
	struct ends ends;

	check_cut_at(1, "header from byte 1: closed after 0 of 11 bytes");
	check_cut_at(12, "header from byte 12: closed after 0 of 1332 bytes");
	check_cut_at(1343, "header from byte 1343: closed after 0 of 1 bytes");
	open_channels(&ends);
	send_packet(&ends, 0, 100);
	close_out(&ends);
	CHECK_EQ(receive_header(&ends), 1);
	CHECK_EQ(port_read_payload(&ends.in, room, 101, &err), -1);
	CHECK_STR(err.text, "payload: closed after 100 of 101 bytes");
	close_ends(&ends);
}

/* Its header is shorter: who waited for a whole one would wait for ever. */
TEST(device_state_is_refused_at_once_with_a_way_out)
{
	struct ends ends;

	open_channels(&ends);
	make_header(MULTIFD_FLAG_DEVICE_STATE);
	CHECK_OK(channel_write_bytes(ends.out.channel, header, 276, &err), &err);
	CHECK_EQ(receive_header(&ends), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "multifd packet: device state, which is not supported: set "
			    "x-migration-multifd-transfer=off on the vfio-pci device");
	close_ends(&ends);
}

TEST(nonsense_is_refused_at_its_first_bytes)
{
	struct ends ends;

	open_channels(&ends);
	CHECK_OK(channel_write_bytes(ends.out.channel, "GET / HTTP/1", 12, &err), &err);
	CHECK_EQ(receive_header(&ends), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "multifd packet: magic 0x47455420");
	close_ends(&ends);
}

/* ---- a link ---- */

TEST(a_links_packet_comes_as_a_whole)
{
	struct ends ends;

	fill_payload();
	open_links(&ends);
	send_packet(&ends, 0, 40000);
	send_packet(&ends, MULTIFD_FLAG_SYNC, 0);
	CHECK_OK(port_finish(&ends.out, &err), &err);
	CHECK_EQ(receive_header(&ends), 1);
	CHECK_EQ(came, 40000);
	CHECK_EQ(header[100], 0x5a);
	CHECK(memcmp(room, payload, 40000) == 0);
	CHECK_EQ(receive_header(&ends), 1);
	CHECK_EQ(came, 0);
	CHECK_EQ(load_be32(header + 8), MULTIFD_FLAG_SYNC);
	CHECK_EQ(port_wire_bytes(&ends.in),
		 2 * (MULTIFD_PACKET_BYTES + SESSION_HEAD_BYTES) + 40000);
	CHECK_EQ(receive_header(&ends), 0);
	close_ends(&ends);
}

TEST(a_link_that_is_closed_without_its_end_was_cut)
{
	struct ends ends;

	fill_payload();
	open_links(&ends);
	send_packet(&ends, 0, 40000);
	close_out(&ends);
	CHECK_EQ(receive_header(&ends), 1);
	CHECK_EQ(receive_header(&ends), -1);
	CHECK_STR(err.text, "the other side closed the connection");
	close_ends(&ends);
}

/* The header is nonsense too, but the damage is what is told. */
TEST(a_damaged_record_is_refused_before_it_is_looked_at)
{
	struct ends ends;
	struct iovec iov[131];
	int count;

	open_channels(&ends);
	memset(&note, 0, sizeof(note));
	make_header(0);
	ends.out.link = session_link_new(channel_new(&note_ops, &note, &err), &err);
	count = make_packet(iov, 100, PAYLOAD_MAX);
	CHECK_OK(port_write(&ends.out, iov, count, &err), &err);
	note.bytes[SESSION_HEAD_BYTES] ^= 0x40;
	CHECK_OK(channel_write_bytes(ends.out.channel, note.bytes, note.length, &err),
		 &err);
	ends.in.link = session_link_new(MOVE(ends.in.channel), &err);
	CHECK_EQ(receive_header(&ends), -1);
	CHECK_CONTAINS(err.text, "checksum");
	close_ends(&ends);
}

TEST(only_packets_travel_on_a_page_connection)
{
	struct ends ends;

	open_links(&ends);
	CHECK_OK(session_link_write_bytes(ends.out.link, SESSION_STREAM, "x", 1, &err),
		 &err);
	CHECK_EQ(receive_header(&ends), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text,
		  "record of type 3 on a page connection, only 4 and 6 are allowed");
	close_ends(&ends);
}

TEST_MAIN(TEST_OF(aligned_writes_leave_whole_headers_missing),
	  TEST_OF(random_packets_are_aligned_as_well),
	  TEST_OF(otherwise_a_packet_is_one_write),
	  TEST_OF(the_kernel_takes_a_piece_whole_or_not_at_all),
	  TEST_OF(from_a_channel_come_header_and_payload_one_after_the_other),
	  TEST_OF(a_channel_that_ends_inside_a_packet_is_an_error),
	  TEST_OF(device_state_is_refused_at_once_with_a_way_out),
	  TEST_OF(nonsense_is_refused_at_its_first_bytes),
	  TEST_OF(a_links_packet_comes_as_a_whole),
	  TEST_OF(a_link_that_is_closed_without_its_end_was_cut),
	  TEST_OF(a_damaged_record_is_refused_before_it_is_looked_at),
	  TEST_OF(only_packets_travel_on_a_page_connection))
