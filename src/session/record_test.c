/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record_test.c - a row of records is refused when anything about it has changed. */
#include "session/record.h"

#include <xxhash.h>

#include "base/bytes.h"
#include "tests/check.h"

#define ROW_RECORDS 7u
#define ROW_BYTES_MAX 4096u

/* Records as they follow one another on a connection. */
struct row {
	uint8_t bytes[ROW_BYTES_MAX];
	uint32_t length;
	uint32_t starts[ROW_RECORDS + 1];
	uint32_t count;
};

static void append(struct row *row, enum session_record type, const void *body,
		   uint32_t length)
{
	struct iovec iov = { (void *)body, length };

	CHECK(row->length + SESSION_HEAD_BYTES + length <= sizeof(row->bytes));
	record_write_head(row->bytes + row->length, type, row->count, &iov, 1);
	if (length > 0)
		memcpy(row->bytes + row->length + SESSION_HEAD_BYTES, body, length);
	row->starts[row->count++] = row->length;
	row->length += SESSION_HEAD_BYTES + length;
	row->starts[row->count] = row->length;
}

static void fill_row(struct row *row)
{
	static uint8_t packet[SESSION_PACKET_BYTES_MIN + 5] = { 0x11, 0x22, 0x33, 0x44 };
	struct session_ack ack = { .page_bytes = 4096, .connection_count = 2 };
	uint8_t ack_bytes[SESSION_ACK_BYTES_MAX];
	uint32_t ack_length = session_ack_write(ack_bytes, &ack);

	memset(row, 0, sizeof(*row));
	append(row, SESSION_HELLO, "{\"godwit\":\"0\"}", 14);
	append(row, SESSION_CONTROL, "{}", 2);
	append(row, SESSION_STREAM, "QEVM", 4);
	append(row, SESSION_PACKET, packet, sizeof(packet));
	append(row, SESSION_ACK, ack_bytes, ack_length);
	append(row, SESSION_STREAM, "", 0);
	append(row, SESSION_END, NULL, 0);
}

/* How many records are intact, from the first on; -1 in *err when that is not all. */
static uint32_t walk(const uint8_t *bytes, uint32_t length, int *status,
		     struct gw_error *err)
{
	uint32_t at = 0, intact = 0;

	for (*status = 0; at < length; intact++) {
		struct record_head head;
		struct iovec body;

		if (length - at < SESSION_HEAD_BYTES) {
			*status = fail(err, GW_PEER, "cut short in a head");
			break;
		}
		*status = record_read_head(bytes + at, intact, &head, err);
		if (*status < 0)
			break;
		if (head.length > length - at - SESSION_HEAD_BYTES) {
			*status = fail(err, GW_PEER, "cut short in a body");
			break;
		}
		body = (struct iovec){ (void *)(bytes + at + SESSION_HEAD_BYTES),
				       head.length };
		*status = record_check(bytes + at, &body, 1, err);
		if (*status < 0)
			break;
		at += SESSION_HEAD_BYTES + head.length;
	}
	return intact;
}

static uint32_t record_at(const struct row *row, uint32_t byte)
{
	uint32_t record = 0;

	while (byte >= row->starts[record + 1])
		record++;
	return record;
}

TEST(a_row_is_read_as_it_was_written)
{
	struct gw_error err = { 0 };
	struct row row;
	int status;

	fill_row(&row);
	CHECK_EQ(walk(row.bytes, row.length, &status, &err), ROW_RECORDS);
	CHECK_OK(status, &err);
}

TEST(a_flip_of_any_bit_is_refused_where_it_is)
{
	struct row row;

	fill_row(&row);
	for (uint32_t bit = 0; bit < 8 * row.length; bit++) {
		struct gw_error err = { 0 };
		int status;
		uint32_t intact;

		row.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		intact = walk(row.bytes, row.length, &status, &err);
		row.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (status == 0 || intact != record_at(&row, bit / 8))
			CHECK_FAIL("bit %u of record %u: %u records intact, status %d",
				   bit, record_at(&row, bit / 8), intact, status);
		CHECK(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
		CHECK(*err.text);
	}
}

TEST(a_row_cut_anywhere_but_between_records_is_refused)
{
	struct row row;

	fill_row(&row);
	for (uint32_t length = 0; length < row.length; length++) {
		struct gw_error err = { 0 };
		int status;
		uint32_t intact = walk(row.bytes, length, &status, &err);
		uint32_t record = record_at(&row, length);

		CHECK_EQ(intact, record);
		CHECK_EQ(status, row.starts[record] == length ? 0 : -1);
	}
}

TEST(a_record_that_is_missing_is_noticed)
{
	struct row row, without;

	fill_row(&row);
	for (uint32_t gone = 0; gone + 1 < ROW_RECORDS; gone++) {
		uint32_t from = row.starts[gone], to = row.starts[gone + 1];
		struct gw_error err = { 0 };
		char text[64];
		int status;

		memcpy(without.bytes, row.bytes, from);
		memcpy(without.bytes + from, row.bytes + to, row.length - to);
		CHECK_EQ(walk(without.bytes, row.length - (to - from), &status, &err),
			 gone);
		snprintf(text, sizeof(text), "record %u: number %u came", gone, gone + 1);
		CHECK_STR(err.text, text);
		CHECK_EQ(err.kind, GW_PEER);
	}
}

TEST(a_record_that_comes_twice_is_refused)
{
	struct gw_error err = { 0 };
	struct row row;
	int status;

	fill_row(&row);
	memmove(row.bytes + row.starts[2], row.bytes + row.starts[1],
		row.length - row.starts[2]);
	CHECK_EQ(walk(row.bytes, row.length, &status, &err), 2);
	CHECK_STR(err.text, "record 2: number 1 came");
}

/* The head's bytes are those of docs/session.md; the checksum is XXH3-64 of the first 16
 * and "QEVM". */
TEST(a_head_is_laid_out_as_described)
{
	static const uint8_t expected[SESSION_HEAD_BYTES] = {
		3, 0, 0, 0, 0,	  0,	0,    4,    1,	  2,	3,    4,
		5, 6, 7, 8, 0x2c, 0x27, 0x65, 0xd6, 0xe1, 0x41, 0x5b, 0xfb
	};
	struct iovec body[3] = { { (char[]){ "QE" }, 2 },
				 { NULL, 0 },
				 { (char[]){ "VM" }, 2 } };
	uint8_t bytes[SESSION_HEAD_BYTES], whole[20];
	struct gw_error err = { 0 };
	struct record_head head;

	record_write_head(bytes, SESSION_STREAM, UINT64_C(0x0102030405060708), body, 3);
	CHECK(memcmp(bytes, expected, sizeof(bytes)) == 0);
	memcpy(whole, expected, 16);
	store_be32(whole + 16, 0x5145564d);
	CHECK(load_be64(bytes + 16) == XXH3_64bits(whole, sizeof(whole)));

	CHECK_OK(record_read_head(bytes, UINT64_C(0x0102030405060708), &head, &err),
		 &err);
	CHECK_EQ(head.type, SESSION_STREAM);
	CHECK_EQ(head.length, 4);
	CHECK_EQ(head.sequence, 0x0102030405060708);
	CHECK(head.checksum == load_be64(bytes + 16));
	CHECK_OK(record_check(bytes, body, 3, &err), &err);
}

/* A head that has no body to be checked with. */
static int read_made_up(uint8_t type, uint8_t flags, uint16_t reserved, uint32_t length,
			uint64_t sequence, struct gw_error *err)
{
	uint8_t bytes[SESSION_HEAD_BYTES] = { type, flags };
	struct record_head head;

	store_be16(bytes + 2, reserved);
	store_be32(bytes + 4, length);
	store_be64(bytes + 8, sequence);
	return record_read_head(bytes, 17, &head, err);
}

static void check_refused(uint8_t type, uint8_t flags, uint16_t reserved, uint32_t length,
			  uint64_t sequence, const char *text)
{
	struct gw_error err = { 0 };

	CHECK_EQ(read_made_up(type, flags, reserved, length, sequence, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, text);
}

TEST(each_type_has_its_bounds)
{
	static const struct {
		enum session_record type;
		uint32_t least, most;
	} bounds[] = {
		{ SESSION_HELLO, 0, 262144 }, { SESSION_CONTROL, 0, 262144 },
		{ SESSION_STREAM, 0, 65536 }, { SESSION_PACKET, 1344, 1344 + 1048576 },
		{ SESSION_ACK, 16, 8 * 259 }, { SESSION_END, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		uint8_t type = (uint8_t)bounds[i].type;
		uint32_t least = bounds[i].least, most = bounds[i].most;
		struct gw_error err = { 0 };
		char text[128];

		CHECK_OK(read_made_up(type, 0, 0, least, 17, &err), &err);
		CHECK_OK(read_made_up(type, 0, 0, most, 17, &err), &err);
		snprintf(text, sizeof(text),
			 "record 17 of type %u: %u bytes, %u to %u are allowed", type,
			 most + 1, least, most);
		check_refused(type, 0, 0, most + 1, 17, text);
		CHECK(!record_length_fits(bounds[i].type, most + 1));
		CHECK_EQ(read_made_up(type, 0, 0, UINT32_MAX, 17, &err), -1);
		if (least > 0)
			CHECK_EQ(read_made_up(type, 0, 0, least - 1, 17, &err), -1);
	}
}

TEST(flags_and_reserved_bytes_are_zero)
{
	check_refused(SESSION_END, 0x80, 0, 0, 17, "record 17: flags 0x800000, not 0");
	check_refused(SESSION_END, 0, 0x0100, 0, 17, "record 17: flags 0x000100, not 0");
	check_refused(SESSION_END, 0, 1, 0, 17, "record 17: flags 0x000001, not 0");
}

TEST(the_number_has_to_be_the_next)
{
	check_refused(SESSION_END, 0, 0, 0, 18, "record 17: number 18 came");
	check_refused(SESSION_END, 0, 0, 0, 16, "record 17: number 16 came");
	check_refused(SESSION_END, 0, 0, 0, UINT64_MAX,
		      "record 17: number 18446744073709551615 came");
}

TEST(an_unknown_type_is_unsupported)
{
	static const uint8_t types[] = { 0, 7, 255 };

	for (size_t i = 0; i < sizeof(types); i++) {
		struct gw_error err = { 0 };
		char text[64];

		CHECK_EQ(read_made_up(types[i], 0, 0, 0, 17, &err), -1);
		CHECK_EQ(err.kind, GW_UNSUPPORTED);
		snprintf(text, sizeof(text), "record type %u: 1 to 6 are known",
			 types[i]);
		CHECK_STR(err.text, text);
	}
}

TEST(a_qemu_is_told_by_its_first_bytes)
{
	static const uint8_t first[][SESSION_HEAD_BYTES] = {
		{ 'Q', 'E', 'V', 'M', 0, 0, 0, 3, 7 },
		{ 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 1 },
	};

	for (size_t i = 0; i < 2; i++) {
		struct gw_error err = { 0 };
		struct record_head head;

		CHECK_EQ(record_read_head(first[i], 0, &head, &err), -1);
		CHECK_STR(err.text, "these are the bytes of a QEMU, not of a godwit");
	}
}

TEST(a_wrong_checksum_is_shown_with_the_right_one)
{
	uint8_t bytes[SESSION_HEAD_BYTES];
	struct gw_error err = { 0 };
	char text[96];

	record_write_head(bytes, SESSION_END, 17, NULL, 0);
	snprintf(text, sizeof(text),
		 "record 17: checksum 0x0000000000000001, computed 0x%016" PRIx64,
		 load_be64(bytes + 16));
	store_be64(bytes + 16, 1);
	CHECK_EQ(record_check(bytes, NULL, 0, &err), -1);
	CHECK_STR(err.text, text);
	CHECK_EQ(err.kind, GW_PEER);
}

TEST(an_acknowledgement_is_read_as_it_was_written)
{
	struct session_ack ack = { .page_bytes = UINT64_MAX, .stream_bytes = 1 }, again;
	uint8_t bytes[SESSION_ACK_BYTES_MAX];
	struct gw_error err = { 0 };

	for (uint32_t i = 0; i < SESSION_CONNECTIONS_MAX; i++)
		ack.expected[i] = UINT64_C(1) << i % 64;
	for (ack.connection_count = 0; ack.connection_count <= SESSION_CONNECTIONS_MAX;
	     ack.connection_count += SESSION_CONNECTIONS_MAX) {
		uint32_t length = session_ack_write(bytes, &ack);

		CHECK_EQ(length, 16 + 8 * ack.connection_count);
		memset(&again, 0xff, sizeof(again));
		CHECK_OK(session_ack_read(bytes, length, &again, &err), &err);
		CHECK(again.page_bytes == ack.page_bytes);
		CHECK_EQ(again.stream_bytes, 1);
		CHECK_EQ(again.connection_count, ack.connection_count);
		for (uint32_t i = 0; i < ack.connection_count; i++)
			CHECK(again.expected[i] == ack.expected[i]);
	}
}

TEST(an_acknowledgement_of_another_length_is_refused)
{
	static const uint32_t lengths[] = {
		0, 8, 15, 17, 23, SESSION_ACK_BYTES_MAX - 1, SESSION_ACK_BYTES_MAX + 8
	};
	static uint8_t bytes[SESSION_ACK_BYTES_MAX + 8];
	struct session_ack ack;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct gw_error err = { 0 };
		char text[128];

		CHECK_EQ(session_ack_read(bytes, lengths[i], &ack, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		snprintf(text, sizeof(text),
			 "acknowledgement of %u bytes: multiples of 8 from 16 to 2072 "
			 "are allowed",
			 lengths[i]);
		CHECK_STR(err.text, text);
	}
}

TEST_MAIN(TEST_OF(a_row_is_read_as_it_was_written),
	  TEST_OF(a_flip_of_any_bit_is_refused_where_it_is),
	  TEST_OF(a_row_cut_anywhere_but_between_records_is_refused),
	  TEST_OF(a_record_that_is_missing_is_noticed),
	  TEST_OF(a_record_that_comes_twice_is_refused),
	  TEST_OF(a_head_is_laid_out_as_described), TEST_OF(each_type_has_its_bounds),
	  TEST_OF(flags_and_reserved_bytes_are_zero),
	  TEST_OF(the_number_has_to_be_the_next), TEST_OF(an_unknown_type_is_unsupported),
	  TEST_OF(a_qemu_is_told_by_its_first_bytes),
	  TEST_OF(a_wrong_checksum_is_shown_with_the_right_one),
	  TEST_OF(an_acknowledgement_is_read_as_it_was_written),
	  TEST_OF(an_acknowledgement_of_another_length_is_refused))
