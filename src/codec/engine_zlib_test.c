/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_zlib_test.c - payloads that other encoders of zlib make. */
#include "tests/check.h"

#include "codec/engine_test.h"

#include <zlib.h>

/* zlib's own calls, as another encoder would make a payload.  Returns its length. */
static size_t deflate_page(int window_bits, int flush)
{
	z_stream stream = { 0 };
	size_t length;

	CHECK_EQ(deflateInit2(&stream, 1, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
		 Z_OK);
	stream.next_in = pages;
	stream.avail_in = PAGE_BYTES;
	stream.next_out = payload;
	stream.avail_out = CODEC_PAYLOAD_MAX;
	deflate(&stream, flush);
	length = CODEC_PAYLOAD_MAX - stream.avail_out;
	deflateEnd(&stream);
	return length;
}

TEST(zlib_stream_that_ends_is_refused)
{
	const struct engine *zlib = engine_choose(CODEC_ZLIB, &err);
	uint64_t random = 5;
	size_t length;

	CHECK(zlib);
	fill_pages(&random, 1);
	length = deflate_page(15, Z_FINISH);
	CHECK_EQ(decode_fresh(zlib, payload, length, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "zlib: stream ended after 4096 of 4096 bytes");
	CHECK_CONTAINS(err.text, "Z_STREAM_END");
}

TEST(zlib_blocks_without_history_are_accepted)
{
	const struct engine *zlib = engine_choose(CODEC_ZLIB, &err);
	uint64_t random = 17;
	void *state;

	CHECK(zlib);
	state = zlib->open(DECODE, 0, &err);
	CHECK(state);
	/* Raw deflate per packet; the zlib header goes in front of the first alone. */
	for (int packet = 0; packet < 20; packet++) {
		size_t length;

		fill_pages(&random, 1);
		length = deflate_page(-15, Z_SYNC_FLUSH);
		if (packet == 0) {
			memmove(payload + 2, payload, length);
			memcpy(payload, "\x78\x01", 2);
			length += 2;
		}
		CHECK_OK(decode_pages(zlib, state, payload, length, 1), &err);
		CHECK(memcmp(landed, pages, PAGE_BYTES) == 0);
	}
	zlib->close(state);
}

TEST(zlib_stored_blocks_and_empty_ones_are_accepted)
{
	const struct engine *zlib = engine_choose(CODEC_ZLIB, &err);
	uint8_t *at = payload;

	CHECK(zlib);
	memset(pages, 'g', PAGE_BYTES);
	at = mempcpy(at, "\x78\x01\x00\x00\x10\xff\xef", 7);
	at = mempcpy(at, pages, PAGE_BYTES);
	for (int i = 0; i < 3; i++)
		at = mempcpy(at, "\x00\x00\x00\xff\xff", 5);
	CHECK_OK(decode_fresh(zlib, payload, (size_t)(at - payload), 1), &err);
	CHECK(memcmp(landed, pages, PAGE_BYTES) == 0);
}

TEST(zlib_preset_dictionary_is_refused)
{
	const struct engine *zlib = engine_choose(CODEC_ZLIB, &err);

	CHECK(zlib);
	CHECK_EQ(decode_fresh(zlib, "\x78\x20\x00\x00\x00\x01\x00", 7, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "Z_NEED_DICT");
}

TEST_MAIN(TEST_OF(zlib_stream_that_ends_is_refused),
	  TEST_OF(zlib_blocks_without_history_are_accepted),
	  TEST_OF(zlib_stored_blocks_and_empty_ones_are_accepted),
	  TEST_OF(zlib_preset_dictionary_is_refused))
