/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_path_test.c - messages of the way back. */
#include "wire/return_path.h"

#include <errno.h>

#include "tests/check.h"

static int read_bytes(const void *bytes, size_t length,
		      struct return_path_message *message, struct gw_error *err)
{
	struct cursor in = cursor_over(bytes, length);

	return return_path_read(&in, message, err);
}

TEST(a_recorded_row_is_read_and_written_alike)
{
	/* SWITCHOVER_ACK, PONG 1, SHUT 0, as QEMU 10.2.50 answered. */
	static const uint8_t bytes[] = { 0, 7, 0, 0, 0, 2, 0, 4, 0, 0,
					 0, 1, 0, 1, 0, 4, 0, 0, 0, 0 };
	static const struct return_path_message expected[] = {
		{ RETURN_SWITCHOVER_ACK, 0 },
		{ RETURN_PONG, 1 },
		{ RETURN_SHUT, 0 },
	};
	struct cursor in = cursor_over(bytes, sizeof(bytes));
	struct return_path_message message;
	uint8_t written[sizeof(bytes)];
	struct writer out = writer_over(written, sizeof(written));
	struct gw_error err;

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(return_path_read(&in, &message, &err), 1);
		CHECK_EQ(message.type, expected[i].type);
		CHECK_EQ(message.value, expected[i].value);
		return_path_write(&out, &message);
	}
	CHECK_EQ(return_path_read(&in, &message, &err), 0);
	CHECK(!out.overrun);
	CHECK_EQ(out.used, sizeof(bytes));
	CHECK(memcmp(written, bytes, sizeof(bytes)) == 0);
}

TEST(values_are_kept_whole)
{
	static const uint8_t bytes[] = { 0, 1, 0, 4, 0xff, 0xfe, 0xfd, 0xfc };
	struct return_path_message message;
	struct gw_error err;

	CHECK_EQ(read_bytes(bytes, sizeof(bytes), &message, &err), 1);
	CHECK_EQ(message.value, 0xfffefdfc);
}

TEST(a_cut_message_is_no_end)
{
	static const uint8_t bytes[] = { 0, 2, 0, 4, 0, 0, 0, 1 };
	struct return_path_message message;
	struct gw_error err;

	CHECK_EQ(read_bytes(bytes, 0, &message, &err), 0);
	for (size_t length = 1; length < sizeof(bytes); length++) {
		CHECK_EQ(read_bytes(bytes, length, &message, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "return path: cut short at byte ");
	}
}

static ptrdiff_t refuse(void *state, void *into, size_t room, struct gw_error *err)
{
	return fail_sys(err, ECONNRESET, "read");
}

TEST(a_failing_channel_is_no_end_either)
{
	uint8_t buffer[512];
	struct cursor in = cursor_from(buffer, sizeof(buffer), refuse, NULL);
	struct return_path_message message;
	struct gw_error err;

	CHECK_EQ(return_path_read(&in, &message, &err), -1);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, ECONNRESET);
}

TEST(types_run_from_1_to_7)
{
	static const uint8_t none[] = { 0, 0, 0, 0 }, last[] = { 0, 7, 0, 0 },
			     beyond[] = { 0, 8, 0, 0 }, far[] = { 0xff, 0xff, 0, 0 };
	struct return_path_message message;
	struct gw_error err;

	CHECK_EQ(read_bytes(none, sizeof(none), &message, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "return path: message type 0, 1 to 7 are known");
	CHECK_EQ(read_bytes(last, sizeof(last), &message, &err), 1);
	CHECK_EQ(read_bytes(beyond, sizeof(beyond), &message, &err), -1);
	CHECK_STR(err.text, "return path: message type 8, 1 to 7 are known");
	CHECK_EQ(read_bytes(far, sizeof(far), &message, &err), -1);
	CHECK_STR(err.text, "return path: message type 65535, 1 to 7 are known");
}

TEST(lengths_are_fixed)
{
	static const struct {
		uint8_t bytes[9];
		const char *text;
	} rows[] = {
		{ { 0, 1, 0, 3 }, "return path: SHUT of 3 bytes, expected 4" },
		{ { 0, 1, 0, 5 }, "return path: SHUT of 5 bytes, expected 4" },
		{ { 0, 2, 0, 0 }, "return path: PONG of 0 bytes, expected 4" },
		{ { 0, 2, 0, 5 }, "return path: PONG of 5 bytes, expected 4" },
		{ { 0, 7, 0, 1 }, "return path: SWITCHOVER_ACK of 1 bytes, expected 0" },
	};
	struct return_path_message message;
	struct gw_error err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_EQ(read_bytes(rows[i].bytes, 9, &message, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_STR(err.text, rows[i].text);
	}
}

TEST(data_is_512_bytes_at_most)
{
	static const uint8_t limit[] = { 0, 3, 2, 0 }, past[] = { 0, 3, 2, 1 };
	struct return_path_message message;
	struct gw_error err;

	CHECK_EQ(read_bytes(limit, sizeof(limit), &message, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_EQ(read_bytes(past, sizeof(past), &message, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "return path: 513 bytes of data, at most 512");
}

TEST(post_copy_is_refused_by_name)
{
	static const char *const names[] = { [3] = "REQ_PAGES_ID",
					     [4] = "REQ_PAGES",
					     [5] = "RECV_BITMAP",
					     [6] = "RESUME_ACK" };
	struct return_path_message message;
	struct gw_error err;

	for (uint8_t type = 3; type <= 6; type++) {
		uint8_t bytes[] = { 0, type, 0, 4, 0, 0, 0, 1 };

		CHECK_EQ(read_bytes(bytes, sizeof(bytes), &message, &err), -1);
		CHECK_EQ(err.kind, GW_UNSUPPORTED);
		CHECK_CONTAINS(err.text, names[type]);
		CHECK_CONTAINS(err.text, "is not supported");
	}
}

TEST_MAIN(TEST_OF(a_recorded_row_is_read_and_written_alike),
	  TEST_OF(values_are_kept_whole), TEST_OF(a_cut_message_is_no_end),
	  TEST_OF(a_failing_channel_is_no_end_either), TEST_OF(types_run_from_1_to_7),
	  TEST_OF(lengths_are_fixed), TEST_OF(data_is_512_bytes_at_most),
	  TEST_OF(post_copy_is_refused_by_name))
