/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_scan_test.c - what is seen of main's way back, in whatever pieces it comes. */
#include "relay/return_scan.h"

#include "base/writer.h"
#include "tests/check.h"
#include "wire/return_path.h"

#define END_MARK UINT64_C(0x0123456789abcdef)

static uint8_t bytes[8192];
static struct writer out;
static struct return_scan scan;

static void fresh(void)
{
	out = writer_over(bytes, sizeof(bytes));
}

static void message(enum return_path_type type, uint16_t length)
{
	writer_be16(&out, (uint16_t)type);
	writer_be16(&out, length);
}

static void number(enum return_path_type type, uint32_t value)
{
	message(type, 4);
	writer_be32(&out, value);
}

static void bitmap(const char *block, uint64_t size, uint64_t mark)
{
	message(RETURN_RECV_BITMAP, (uint16_t)(1 + strlen(block)));
	writer_str8(&out, block);
	writer_be64(&out, size);
	/* Not one of them is to be taken for a message. */
	for (uint64_t i = 0; i < size; i++)
		writer_u8(&out, i % 8 == 1 || i % 8 == 7 ? 1 : i % 8 == 3 ? 4 : 0);
	writer_be64(&out, mark);
}

/* Scans what was written in pieces of `piece` bytes, each exactly as large as its memory. */
static void scan_pieces(size_t piece)
{
	CHECK(!out.overrun);
	return_scan_init(&scan);
	for (size_t at = 0; at < out.used; at += piece) {
		size_t some = piece < out.used - at ? piece : out.used - at;
		uint8_t *copy = malloc(some);

		CHECK(copy);
		memcpy(copy, bytes + at, some);
		return_scan_feed(&scan, copy, some);
		free(copy);
	}
}

static void check_seen(uint64_t messages, bool lost)
{
	static const size_t pieces[] = { sizeof(bytes), 1, 2, 3, 5, 7, 64 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		scan_pieces(pieces[i]);
		CHECK_EQ(scan.messages, messages);
		CHECK_EQ(scan.lost, lost);
		CHECK(!scan.shut);
	}
}

static void check_shut(uint64_t messages, uint32_t value)
{
	static const size_t pieces[] = { sizeof(bytes), 1, 2, 3, 5, 7, 64 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		scan_pieces(pieces[i]);
		CHECK_EQ(scan.messages, messages);
		CHECK(scan.shut && !scan.lost);
		CHECK_EQ(scan.shut_value, value);
	}
}

TEST(nothing_is_no_message)
{
	fresh();
	return_scan_init(&scan);
	return_scan_feed(&scan, NULL, 0);
	CHECK_EQ(scan.messages, 0);
	CHECK(!scan.shut && !scan.lost);
}

TEST(a_plain_migration_ends_with_its_value)
{
	for (uint32_t value = 0; value < 2; value++) {
		fresh();
		message(RETURN_SWITCHOVER_ACK, 0);
		number(RETURN_PONG, 1);
		number(RETURN_SHUT, value == 0 ? 0 : 0xfedcba98);
		check_shut(3, value == 0 ? 0 : 0xfedcba98);
	}
}

TEST(without_shut_there_is_no_value)
{
	fresh();
	number(RETURN_PONG, 1);
	message(RETURN_SHUT, 4);
	writer_be16(&out, 0);
	writer_u8(&out, 0);
	check_seen(2, false);
	writer_u8(&out, 0);
	check_shut(2, 0);
}

TEST(what_follows_shut_does_not_count)
{
	fresh();
	number(RETURN_SHUT, 1);
	number(RETURN_SHUT, 0);
	writer_be64(&out, UINT64_MAX);
	check_shut(1, 1);
}

TEST(requests_of_post_copy_are_passed_over)
{
	static char name[256];

	memset(name, 'n', 255);
	fresh();
	number(RETURN_PONG, 4);
	for (unsigned i = 0; i < 2; i++) {
		const char *block = i == 0 ? "a" : name;

		message(RETURN_REQ_PAGES_ID, (uint16_t)(13 + strlen(block)));
		writer_be64(&out, 0x3e000);
		writer_be32(&out, 0x1000);
		writer_str8(&out, block);
	}
	message(RETURN_REQ_PAGES, 12);
	writer_be64(&out, UINT64_C(0x0001000400000000)); /* like a SHUT */
	writer_be32(&out, 0x1000);
	number(RETURN_SHUT, 0);
	check_shut(5, 0);
}

TEST(the_bitmap_behind_its_message_is_passed_over)
{
	fresh();
	bitmap("pc.ram", 2048, END_MARK);
	bitmap("b", 0, END_MARK);
	number(RETURN_RESUME_ACK, 1);
	number(RETURN_SHUT, 7);
	check_shut(4, 7);
}

TEST(a_bitmap_without_its_mark_is_where_we_lose_it)
{
	fresh();
	bitmap("pc.ram", 8, END_MARK + 1);
	number(RETURN_SHUT, 0);
	check_seen(1, true);
}

TEST(a_bitmap_may_claim_any_size)
{
	fresh();
	message(RETURN_RECV_BITMAP, 2);
	writer_str8(&out, "a");
	writer_be64(&out, UINT64_MAX);
	for (unsigned i = 0; i < 100; i++)
		number(RETURN_SHUT, 0);
	check_seen(1, false);
}

TEST(nonsense_is_no_longer_followed)
{
	static const struct {
		uint16_t type, length;
	} bad[] = {
		{ 0, 0 },
		{ 8, 0 },
		{ 0xffff, 4 },
		{ RETURN_SHUT, 3 },
		{ RETURN_SHUT, 5 },
		{ RETURN_PONG, 0 },
		{ RETURN_PONG, 5 },
		{ RETURN_PONG, 3 },
		{ RETURN_REQ_PAGES, 11 },
		{ RETURN_REQ_PAGES, 13 },
		{ RETURN_REQ_PAGES_ID, 13 },
		{ RETURN_REQ_PAGES_ID, 269 },
		{ RETURN_RECV_BITMAP, 1 },
		{ RETURN_RECV_BITMAP, 257 },
		{ RETURN_RESUME_ACK, 0 },
		{ RETURN_RESUME_ACK, 5 },
		{ RETURN_SWITCHOVER_ACK, 1 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fresh();
		number(RETURN_PONG, 1);
		message((enum return_path_type)bad[i].type, bad[i].length);
		writer_zeros(&out, bad[i].length > 300 ? 0 : bad[i].length);
		number(RETURN_SHUT, 0);
		check_seen(1, true);
	}
}

TEST_MAIN(TEST_OF(nothing_is_no_message), TEST_OF(a_plain_migration_ends_with_its_value),
	  TEST_OF(without_shut_there_is_no_value),
	  TEST_OF(what_follows_shut_does_not_count),
	  TEST_OF(requests_of_post_copy_are_passed_over),
	  TEST_OF(the_bitmap_behind_its_message_is_passed_over),
	  TEST_OF(a_bitmap_without_its_mark_is_where_we_lose_it),
	  TEST_OF(a_bitmap_may_claim_any_size), TEST_OF(nonsense_is_no_longer_followed))
