/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_zstd_test.c - payloads that other encoders of zstd make. */
#include "tests/check.h"

#include "codec/engine_test.h"

#include <zstd.h>

TEST(zstd_frame_per_packet_is_accepted)
{
	const struct engine *zstd = engine_named(CODEC_ZSTD, DECODE, "zstd");
	ZSTD_CCtx *context = ZSTD_createCCtx();
	uint64_t random = 19;
	void *state;

	CHECK(context);
	state = open_engine(zstd, DECODE, 0);
	for (int packet = 0; packet < 20; packet++) {
		uint32_t count = 1 + (uint32_t)packet % 5;
		size_t length;

		fill_pages(&random, count);
		ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, packet % 2);
		length = ZSTD_compress2(context, payload, CODEC_PAYLOAD_MAX, pages,
					count * PAGE_BYTES);
		CHECK(!ZSTD_isError(length));
		CHECK_OK(decode_pages(zstd, state, payload, length, count), &err);
		CHECK(memcmp(landed, pages, count * PAGE_BYTES) == 0);
	}
	zstd->close(state);
	ZSTD_freeCCtx(context);
}

TEST(zstd_frames_in_a_row_and_bytes_after_the_last_are_accepted)
{
	const struct engine *zstd = engine_named(CODEC_ZSTD, DECODE, "zstd");
	uint64_t random = 23;
	size_t length = 0;
	void *state;

	state = open_engine(zstd, DECODE, 0);
	fill_pages(&random, 3);
	for (int packet = 0; packet < 2; packet++) {
		length = 0;
		for (size_t page = 0; page < 3; page++)
			length += ZSTD_compress(payload + length,
						CODEC_PAYLOAD_MAX - length,
						pages + page * PAGE_BYTES, PAGE_BYTES, 1);
		memset(payload + length, 'x', 9);
		CHECK_OK(decode_pages(zstd, state, payload, length + 9, 3), &err);
		CHECK(memcmp(landed, pages, 3 * PAGE_BYTES) == 0);
	}
	zstd->close(state);
}

/* A frame's header with a window of 2^log bytes, and one page in a raw block. */
static size_t frame_with_window(unsigned log)
{
	uint8_t *at = payload;

	at = mempcpy(at, "\x28\xb5\x2f\xfd\x00", 5);
	*at++ = (uint8_t)((log - 10) << 3);
	at = mempcpy(at, "\x00\x80\x00", 3);
	at = mempcpy(at, pages, PAGE_BYTES);
	return (size_t)(at - payload);
}

TEST(zstd_window_past_128_mib_is_refused)
{
	const struct engine *zstd = engine_named(CODEC_ZSTD, DECODE, "zstd");

	memset(pages, 'w', PAGE_BYTES);
	CHECK_OK(decode_fresh(zstd, payload, frame_with_window(27), 1), &err);
	CHECK(memcmp(landed, pages, PAGE_BYTES) == 0);
	CHECK_EQ(decode_fresh(zstd, payload, frame_with_window(28), 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "too much memory");
}

TEST_MAIN(TEST_OF(zstd_frame_per_packet_is_accepted),
	  TEST_OF(zstd_frames_in_a_row_and_bytes_after_the_last_are_accepted),
	  TEST_OF(zstd_window_past_128_mib_is_refused))
