/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cursor_test.c - bytes read and written within their bounds, over memory and over a stream. */
#include "base/cursor.h"

#include "base/writer.h"
#include "tests/check.h"

/* Delivers `length` bytes, in pieces of one to `piece`, then ends or fails. */
struct source {
	const uint8_t *bytes;
	size_t length;
	size_t at;
	size_t piece;
	bool fails;
	unsigned calls_after_end;
	bool over;
};

static ptrdiff_t deliver(void *state, void *into, size_t room, struct gw_error *err)
{
	struct source *source = state;
	size_t left = source->length - source->at;
	size_t count = source->piece;

	if (source->over)
		source->calls_after_end++;
	if (left == 0) {
		source->over = true;
		return source->fails ? fail(err, GW_PEER, "the line went dead") : 0;
	}
	if (count > left)
		count = left;
	if (count > room)
		count = room;
	memcpy(into, source->bytes + source->at, count);
	source->at += count;
	return (ptrdiff_t)count;
}

static const uint8_t fifteen[15] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
				     0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0xff };

static void check_integers(struct cursor *in)
{
	CHECK_EQ(cursor_u8(in), 0x01);
	CHECK_EQ(cursor_be16(in), 0x0203);
	CHECK_EQ(cursor_be32(in), 0x04050607);
	CHECK_EQ(cursor_offset(in), 7);
	CHECK(cursor_be64(in) == UINT64_C(0x08090a0b0c0d0eff));
	CHECK(!in->overrun);
	CHECK_EQ(cursor_offset(in), 15);
	CHECK(cursor_at_end(in));
	CHECK(!in->overrun);
}

TEST(integers_are_big_endian_and_memory_has_an_end)
{
	struct cursor in = cursor_over(fifteen, sizeof(fifteen));
	struct gw_error err = { 0 };

	check_integers(&in);
	CHECK_EQ(cursor_u8(&in), 0);
	CHECK(in.overrun);
	CHECK_EQ(cursor_fail(&in, &err, "header"), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "header: cut short at byte 15");
}

TEST(each_integer_one_byte_short_is_zero_and_overruns)
{
	for (int kind = 0; kind < 4; kind++) {
		const size_t width = (size_t)1 << kind;
		struct cursor in = cursor_over(fifteen + 7, width - 1);
		uint64_t value = kind == 0   ? cursor_u8(&in)
				 : kind == 1 ? cursor_be16(&in)
				 : kind == 2 ? cursor_be32(&in)
					     : cursor_be64(&in);

		CHECK(value == 0);
		CHECK(in.overrun);
		/* Nothing that is left can be taken for something else. */
		CHECK_EQ(cursor_u8(&in), 0);
	}
}

TEST(nothing_at_all_is_an_end)
{
	struct cursor in = cursor_over(NULL, 0);

	CHECK(cursor_at_end(&in));
	CHECK(cursor_take(&in, 0));
	CHECK(!in.overrun);
	CHECK_EQ(cursor_offset(&in), 0);
	CHECK_EQ(cursor_be32(&in), 0);
	CHECK(in.overrun);
}

TEST(take_gives_one_piece_or_nothing)
{
	struct cursor in = cursor_over(fifteen, sizeof(fifteen));

	CHECK(cursor_take(&in, 0) == fifteen);
	CHECK(cursor_take(&in, 14) == fifteen);
	CHECK(cursor_take(&in, 1) == fifteen + 14);
	CHECK(!in.overrun);
	CHECK(cursor_take(&in, 0));
	CHECK(!in.overrun);
	CHECK(!cursor_take(&in, 1));
	CHECK(in.overrun);
	in = cursor_over(fifteen, sizeof(fifteen));
	CHECK(!cursor_take(&in, 16));
	CHECK(in.overrun);
	in = cursor_over(fifteen, sizeof(fifteen));
	CHECK(!cursor_take(&in, SIZE_MAX));
	CHECK(in.overrun);
}

TEST(copy_zeros_what_is_missing)
{
	struct cursor in = cursor_over(fifteen, 3);
	uint8_t out[6] = { 9, 9, 9, 9, 9, 9 };

	cursor_copy(&in, out, 5);
	CHECK(memcmp(out, "\1\2\3\0\0\x09", 6) == 0);
	CHECK(in.overrun);
}

TEST(skip_passes_over_and_stops_at_the_end)
{
	struct cursor in = cursor_over(fifteen, sizeof(fifteen));

	cursor_skip(&in, 15);
	CHECK(!in.overrun);
	CHECK(cursor_at_end(&in));
	in = cursor_over(fifteen, sizeof(fifteen));
	cursor_skip(&in, UINT64_MAX);
	CHECK(in.overrun);
	CHECK_EQ(cursor_offset(&in), 15);
}

TEST(a_stream_in_any_pieces_reads_as_memory_does)
{
	for (size_t piece = 1; piece <= 16; piece++) {
		struct source source = {
			fifteen, sizeof(fifteen), 0, piece, false, 0, 0
		};
		uint8_t buffer[512];
		struct cursor in = cursor_from(buffer, sizeof(buffer), deliver, &source);

		CHECK(!cursor_at_end(&in));
		check_integers(&in);
	}
}

TEST(a_stream_that_ends_is_not_asked_again)
{
	struct source source = { fifteen, 3, 0, 2, false, 0, 0 };
	uint8_t buffer[512], out[4];
	struct cursor in = cursor_from(buffer, sizeof(buffer), deliver, &source);
	struct gw_error err = { 0 };

	CHECK_EQ(cursor_be32(&in), 0);
	CHECK(in.overrun);
	CHECK(cursor_at_end(&in));
	cursor_skip(&in, 1);
	cursor_copy(&in, out, sizeof(out));
	CHECK_EQ(source.calls_after_end, 0);
	cursor_fail(&in, &err, "section");
	CHECK_STR(err.text, "section: cut short at byte 3");
}

TEST(a_stream_that_fails_says_its_own_reason)
{
	struct source source = { fifteen, 3, 0, 2, true, 0, 0 };
	uint8_t buffer[512];
	struct cursor in = cursor_from(buffer, sizeof(buffer), deliver, &source);
	struct gw_error err = { 0 };

	CHECK_EQ(cursor_be32(&in), 0);
	CHECK(in.overrun && in.failed);
	CHECK_EQ(cursor_u8(&in), 0);
	CHECK_EQ(source.calls_after_end, 0);
	CHECK_EQ(cursor_fail(&in, &err, "section"), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "the line went dead");
}

TEST(a_take_may_be_as_long_as_the_buffer)
{
	static uint8_t bytes[1200];
	struct source source = { bytes, sizeof(bytes), 0, 100, false, 0, 0 };
	uint8_t buffer[512];
	struct cursor in = cursor_from(buffer, sizeof(buffer), deliver, &source);
	const uint8_t *taken;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31);
	cursor_skip(&in, 37);
	taken = cursor_take(&in, sizeof(buffer));
	CHECK(taken && memcmp(taken, bytes + 37, sizeof(buffer)) == 0);
	CHECK_EQ(cursor_offset(&in), 37 + sizeof(buffer));
}

/* The same random walk over memory and over a stream must see the same bytes. */
TEST(stream_and_memory_agree_on_any_walk)
{
	static uint8_t bytes[5000];

	for (uint64_t seed = 1; seed <= 200; seed++) {
		uint64_t state = seed;
		struct source source = { bytes, sizeof(bytes), 0, 0, false, 0, 0 };
		uint8_t buffer[512], left[700], right[700];
		struct cursor stream =
			cursor_from(buffer, sizeof(buffer), deliver, &source);
		struct cursor memory = cursor_over(bytes, sizeof(bytes));
		bool agree = true;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)check_random(&state);
		while (!memory.overrun && agree) {
			size_t length = check_random(&state) % 700;
			const uint8_t *one, *other;

			source.piece = check_random(&state) % 600 + 1;
			switch (check_random(&state) % 4) {
			case 0:
				agree = cursor_be64(&memory) == cursor_be64(&stream);
				break;
			case 1:
				cursor_copy(&memory, left, length);
				cursor_copy(&stream, right, length);
				agree = memcmp(left, right, length) == 0;
				break;
			case 2:
				cursor_skip(&memory, length);
				cursor_skip(&stream, length);
				break;
			default:
				length %= sizeof(buffer) + 1;
				one = cursor_take(&memory, length);
				other = cursor_take(&stream, length);
				agree = !one == !other &&
					(!one || memcmp(one, other, length) == 0);
			}
			agree = agree && memory.overrun == stream.overrun &&
				cursor_offset(&memory) == cursor_offset(&stream);
		}
		if (!agree)
			CHECK_FAIL("seed %" PRIu64 ": stream and memory differ at byte "
				   "%" PRIu64,
				   seed, cursor_offset(&memory));
	}
}

TEST(writer_appends_in_wire_order)
{
	static const uint8_t expected[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
					    0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
					    0x0d, 0x0e, 0xff, 'a',  'b',  0,
					    0,	  2,	'h',  'i' };
	uint8_t bytes[sizeof(expected)];
	struct writer out = writer_over(bytes, sizeof(bytes));

	writer_u8(&out, 0x01);
	writer_be16(&out, 0x0203);
	writer_be32(&out, 0x04050607);
	writer_be64(&out, UINT64_C(0x08090a0b0c0d0eff));
	writer_bytes(&out, "ab", 2);
	writer_bytes(&out, NULL, 0);
	writer_zeros(&out, 2);
	writer_str8(&out, "hi");
	CHECK(!out.overrun);
	CHECK_EQ(out.used, sizeof(expected));
	CHECK(memcmp(bytes, expected, sizeof(expected)) == 0);
	writer_u8(&out, 1);
	CHECK(out.overrun);
	CHECK_EQ(out.used, sizeof(expected));
}

TEST(writer_drops_what_does_not_fit_whole)
{
	uint8_t bytes[8];
	struct writer out;

	memset(bytes, 0x5a, sizeof(bytes));
	out = writer_over(bytes, 7);
	writer_be64(&out, UINT64_MAX);
	CHECK(out.overrun);
	CHECK_EQ(out.used, 0);
	writer_zeros(&out, SIZE_MAX);
	CHECK(!writer_reserve(&out, 8));
	for (size_t i = 0; i < sizeof(bytes); i++)
		CHECK_EQ(bytes[i], 0x5a);
	CHECK(writer_reserve(&out, 7) == bytes);
	CHECK_EQ(out.used, 7);
}

TEST(writer_strings_take_255_bytes_and_no_more)
{
	char text[257];
	uint8_t bytes[300];
	struct writer out = writer_over(bytes, sizeof(bytes));

	memset(text, 't', 256);
	text[256] = '\0';
	writer_str8(&out, text);
	CHECK(out.overrun);
	CHECK_EQ(out.used, 0);
	out = writer_over(bytes, sizeof(bytes));
	text[255] = '\0';
	writer_str8(&out, text);
	CHECK(!out.overrun);
	CHECK_EQ(out.used, 256);
	CHECK_EQ(bytes[0], 255);
	CHECK_EQ(bytes[255], 't');
	out = writer_over(bytes, sizeof(bytes));
	writer_str8(&out, "");
	CHECK_EQ(out.used, 1);
	CHECK_EQ(bytes[0], 0);
}

TEST_MAIN(TEST_OF(integers_are_big_endian_and_memory_has_an_end),
	  TEST_OF(each_integer_one_byte_short_is_zero_and_overruns),
	  TEST_OF(nothing_at_all_is_an_end), TEST_OF(take_gives_one_piece_or_nothing),
	  TEST_OF(copy_zeros_what_is_missing),
	  TEST_OF(skip_passes_over_and_stops_at_the_end),
	  TEST_OF(a_stream_in_any_pieces_reads_as_memory_does),
	  TEST_OF(a_stream_that_ends_is_not_asked_again),
	  TEST_OF(a_stream_that_fails_says_its_own_reason),
	  TEST_OF(a_take_may_be_as_long_as_the_buffer),
	  TEST_OF(stream_and_memory_agree_on_any_walk),
	  TEST_OF(writer_appends_in_wire_order),
	  TEST_OF(writer_drops_what_does_not_fit_whole),
	  TEST_OF(writer_strings_take_255_bytes_and_no_more))
