/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_zlib_test.c - payloads that other encoders of zlib make, to both decoders. */
#include "tests/check.h"

#include "codec/engine_test.h"

#include <zlib.h>

static void each_decoder(void (*check)(const struct engine *zlib))
{
	check(engine_named(CODEC_ZLIB, DECODE, "zlib"));
	check(engine_named(CODEC_ZLIB, DECODE, "isal"));
}

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

static void finished_stream(const struct engine *zlib)
{
	uint64_t random = 5;
	size_t length;

	fill_pages(&random, 1);
	length = deflate_page(15, Z_FINISH);
	CHECK_EQ(decode_fresh(zlib, payload, length, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, zlib->name);
	CHECK_CONTAINS(err.text,
		       ": stream ended after 4096 of 4096 bytes in a payload of");
	CHECK_EQ(decode_fresh(zlib, payload, length, 2), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text,
		       ": stream ended after 4096 of 8192 bytes in a payload of");
}

TEST(zlib_stream_that_ends_is_refused)
{
	each_decoder(finished_stream);
}

static void without_history(const struct engine *zlib)
{
	uint64_t random = 17;
	void *state = open_engine(zlib, DECODE, 0);

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

TEST(zlib_blocks_without_history_are_accepted)
{
	each_decoder(without_history);
}

/* A zlib header and a page in a stored block. */
static size_t stored_page(uint8_t first, uint8_t second)
{
	uint8_t *at = payload;

	*at++ = first;
	*at++ = second;
	at = mempcpy(at, "\x00\x00\x10\xff\xef", 5);
	at = mempcpy(at, pages, PAGE_BYTES);
	return (size_t)(at - payload);
}

static void stored_blocks(const struct engine *zlib)
{
	uint8_t *at;

	memset(pages, 'g', PAGE_BYTES);
	at = payload + stored_page(0x78, 0x01);
	for (int i = 0; i < 3; i++)
		at = mempcpy(at, "\x00\x00\x00\xff\xff", 5);
	CHECK_OK(decode_fresh(zlib, payload, (size_t)(at - payload), 1), &err);
	CHECK(memcmp(landed, pages, PAGE_BYTES) == 0);
}

TEST(zlib_stored_blocks_and_empty_ones_are_accepted)
{
	each_decoder(stored_blocks);
}

/* RFC 1950: method 8, window of 256 bytes to 32 KiB, no dictionary, a multiple of 31. */
static bool header_is_allowed(unsigned first, unsigned second)
{
	return (first & 15) == 8 && first >> 4 <= 7 && !(second & 0x20) &&
	       (first * 256 + second) % 31 == 0;
}

static void headers(const struct engine *zlib)
{
	uint32_t accepted = 0;

	for (unsigned first = 0; first < 256; first++) {
		/* Those that are a multiple of 31, and their neighbours. */
		for (unsigned second = 0; second < 256; second++) {
			size_t length = stored_page((uint8_t)first, (uint8_t)second);
			bool allowed = header_is_allowed(first, second);

			if ((first * 256 + second) % 31 > 1)
				continue;
			if ((decode_fresh(zlib, payload, length, 1) == 0) != allowed)
				CHECK_FAIL("%s: header %02x %02x", zlib->name, first,
					   second);
			accepted += allowed;
		}
	}
	/* For each of 8 windows, 4 levels. */
	CHECK_EQ(accepted, 32);
	CHECK_EQ(decode_fresh(zlib, "\x78\x20\x00\x00\x00\x01\x00", 7, 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "0 of 4096 bytes in a payload of 7");
	CHECK_EQ(decode_fresh(zlib, "\x78", 1, 1), -1);
	CHECK_CONTAINS(err.text, "payload of 1 bytes ends after 0 of 4096 bytes");
}

TEST(zlib_headers_of_rfc_1950_are_accepted_and_no_others)
{
	each_decoder(headers);
}

/* All pages are there before the flush is: the rest of it may come with the next packet. */
static void late_flush(const struct engine *zlib)
{
	static uint8_t stream[4 * PAGE_BYTES];
	uint64_t random = 19;

	for (int round = 0; round < 40; round++) {
		const struct engine *encoder = engine_named(CODEC_ZLIB, ENCODE, "zlib");
		void *sender = open_engine(encoder, ENCODE, 1 + round % 9);
		size_t first, both;

		fill_pages(&random, 1);
		first = encode_pages(encoder, sender, 1);
		memcpy(stream, payload, first);
		both = first + encode_pages(encoder, sender, 1);
		memcpy(stream + first, payload, both - first);
		encoder->close(sender);
		for (size_t rest = 0; rest < 5; rest++) {
			void *state = open_engine(zlib, DECODE, 0);

			CHECK_OK(decode_pages(zlib, state, stream, first - rest, 1),
				 &err);
			CHECK_OK(decode_pages(zlib, state, stream + first - rest,
					      both - first + rest, 1),
				 &err);
			CHECK(memcmp(landed, pages, PAGE_BYTES) == 0);
			zlib->close(state);
		}
	}
}

TEST(zlib_flush_may_be_completed_by_the_next_packet)
{
	each_decoder(late_flush);
}

/* Other strategies and flushes than QEMU's, in rooms of one page. */
static void other_encoders(const struct engine *zlib)
{
	static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY,
					  Z_RLE, Z_FIXED };
	uint64_t random = 23;

	for (unsigned i = 0; i < 40; i++) {
		z_stream stream = { 0 };
		void *state = open_engine(zlib, DECODE, 0);
		struct room rooms[16];

		CHECK_EQ(deflateInit2(&stream, (int)(i % 10), Z_DEFLATED, 15,
				      1 + (int)i % 9, strategies[i % 5]),
			 Z_OK);
		for (unsigned page = 0; page < 16; page++)
			rooms[page] =
				(struct room){ landed + page * PAGE_BYTES, PAGE_BYTES };
		for (int packet = 0; packet < 10; packet++) {
			fill_pages(&random, 16);
			stream.next_in = pages;
			stream.avail_in = 16 * PAGE_BYTES;
			stream.next_out = payload;
			stream.avail_out = CODEC_PAYLOAD_MAX;
			CHECK_EQ(deflate(&stream,
					 packet % 2 ? Z_FULL_FLUSH : Z_SYNC_FLUSH),
				 Z_OK);
			memset(landed, 0, 16 * PAGE_BYTES);
			CHECK_OK(decode_runs(zlib, state, payload,
					     CODEC_PAYLOAD_MAX - stream.avail_out, rooms,
					     16),
				 &err);
			CHECK(memcmp(landed, pages, 16 * PAGE_BYTES) == 0);
		}
		deflateEnd(&stream);
		zlib->close(state);
	}
}

TEST(zlib_of_any_strategy_and_flush_is_accepted)
{
	each_decoder(other_encoders);
}

TEST_MAIN(TEST_OF(zlib_stream_that_ends_is_refused),
	  TEST_OF(zlib_blocks_without_history_are_accepted),
	  TEST_OF(zlib_stored_blocks_and_empty_ones_are_accepted),
	  TEST_OF(zlib_headers_of_rfc_1950_are_accepted_and_no_others),
	  TEST_OF(zlib_flush_may_be_completed_by_the_next_packet),
	  TEST_OF(zlib_of_any_strategy_and_flush_is_accepted))
