/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_isal_test.c - what ISA-L writes as codec zlib. */
#include "tests/check.h"

#include "codec/engine_test.h"

static const struct engine *isal_encoder(void)
{
	return engine_named(CODEC_ZLIB, ENCODE, "isal");
}

TEST(isal_header_is_zlibs_and_comes_once)
{
	const struct engine *isal = isal_encoder();
	uint64_t random = 1;

	for (int level = isal->level_min; level <= isal->level_max; level++) {
		void *state = open_engine(isal, ENCODE, level);

		for (int packet = 0; packet < 20; packet++) {
			uint32_t count = 1 + (uint32_t)packet % 7;
			size_t length;

			fill_pages(&random, count);
			length = encode_pages(isal, state, count);
			CHECK_EQ(memcmp(payload, "\x78\x01", 2) == 0, packet == 0);
			/* Whatever the last page is like. */
			CHECK(memcmp(payload + length - 4, "\x00\x00\xff\xff", 4) == 0);
		}
		isal->close(state);
	}
}

TEST(isal_refuses_levels_that_it_does_not_have)
{
	const struct engine *isal = isal_encoder();
	static const int levels[] = { 0, 4, 9 };

	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct engine_options options = { .direction = ENCODE,
						  .level = levels[i] };

		CHECK(!isal->open(isal, &options, &err));
		CHECK_EQ(err.kind, GW_USAGE);
		CHECK_CONTAINS(err.text, ": 1 to 3 are allowed");
	}
}

/* Bytes of many packets of pages with structure: records of words and numbers. */
static uint64_t bytes_at_level(int level)
{
	const struct engine *engine =
		engine_choose(CODEC_ZLIB, ENCODE, level, ACCELERATOR_NONE, &err);
	uint64_t random = 2, bytes = 0;
	void *state;

	CHECK(engine);
	CHECK_STR(engine->name, level >= 1 && level <= 3 ? "isal" : "zlib");
	state = open_engine(engine, ENCODE, level);
	for (int packet = 0; packet < 8; packet++) {
		for (size_t at = 0; at < PACKET_BYTES; at += 32) {
			uint64_t value = check_random(&random);
			char record[40];

			snprintf(record, sizeof(record), "%-8.8s%04x:%03d=%-8.8s%08x",
				 &"usernamepasswordaddressesnumbersof"[value % 26],
				 (unsigned)(value >> 8) & 0xff, packet,
				 &"trueorfalsewhoknowsitanywayinthis"[value >> 16 & 15],
				 (unsigned)(value >> 32) & 0xfff);
			memcpy(pages + at, record, 32);
		}
		bytes += encode_pages(engine, state, PAGES_MAX);
	}
	engine->close(state);
	return bytes;
}

TEST(bytes_fall_or_stay_as_levels_rise)
{
	uint64_t before = bytes_at_level(0);

	for (int level = 1; level <= 9; level++) {
		uint64_t bytes = bytes_at_level(level);

		if (bytes > before)
			CHECK_FAIL("level %d: %" PRIu64 " bytes, level %d: %" PRIu64,
				   level, bytes, level - 1, before);
		before = bytes;
	}
}

TEST(isal_copies_pages_that_will_not_shrink)
{
	const struct engine *isal = isal_encoder();
	const struct engine *zlib = engine_named(CODEC_ZLIB, DECODE, "zlib");
	struct engine_counters counters = { 0 };
	struct engine_options options = { .direction = ENCODE,
					  .level = 1,
					  .counters = &counters };
	void *sender = isal->open(isal, &options, &err);
	void *receiver = open_engine(zlib, DECODE, 0);
	uint64_t random = 3;
	uint32_t raw = 0;

	CHECK(sender);
	/* Runs of each length, with one page of text between them. */
	for (uint32_t run = 1; run <= PAGES_MAX; run += run < 40 ? 1 : 22) {
		size_t length;

		fill_random(&random, pages, PACKET_BYTES);
		for (uint32_t page = run; page < PAGES_MAX; page += run + 1) {
			memset(pages + page * PAGE_BYTES, (int)run, PAGE_BYTES);
			raw--;
		}
		raw += PAGES_MAX;
		length = encode_pages(isal, sender, PAGES_MAX);
		/* 5 bytes a block, and some for each page of text. */
		CHECK(length <= PACKET_BYTES + PACKET_BYTES / 256);
		CHECK_OK(decode_pages(zlib, receiver, payload, length, PAGES_MAX), &err);
		CHECK(memcmp(landed, pages, PACKET_BYTES) == 0);
		/* It is a guess: a few it holds for better than they are. */
		CHECK(counters.raw_pages <= raw && counters.raw_pages >= raw - raw / 8);
	}
	isal->close(sender);
	zlib->close(receiver);
}

/* ISA-L counts in 32 bits: with GODWIT_TEST_LONG set, beyond that. */
static void far(const struct engine *encoder, const struct engine *decoder)
{
	uint64_t most =
		getenv("GODWIT_TEST_LONG") ? UINT64_C(5) << 30 : UINT64_C(64) << 20;
	void *sender = open_engine(encoder, ENCODE, 1);
	void *receiver = open_engine(decoder, DECODE, 0);
	uint64_t random = 5;

	fill_pages(&random, PAGES_MAX);
	for (uint64_t sent = 0; sent < most; sent += PACKET_BYTES) {
		size_t length;

		fill_pages(&random, 1);
		length = encode_pages(encoder, sender, PAGES_MAX);
		CHECK_OK(decode_pages(decoder, receiver, payload, length, PAGES_MAX),
			 &err);
		if (memcmp(landed, pages, PACKET_BYTES) != 0)
			CHECK_FAIL("%s to %s: other pages after %" PRIu64 " bytes",
				   encoder->name, decoder->name, sent);
	}
	encoder->close(sender);
	decoder->close(receiver);
}

TEST(isal_streams_go_on_and_on)
{
	far(isal_encoder(), engine_named(CODEC_ZLIB, DECODE, "zlib"));
	far(isal_encoder(), engine_named(CODEC_ZLIB, DECODE, "isal"));
	far(engine_named(CODEC_ZLIB, ENCODE, "zlib"),
	    engine_named(CODEC_ZLIB, DECODE, "isal"));
}

TEST_MAIN(TEST_OF(isal_header_is_zlibs_and_comes_once),
	  TEST_OF(isal_refuses_levels_that_it_does_not_have),
	  TEST_OF(bytes_fall_or_stay_as_levels_rise),
	  TEST_OF(isal_copies_pages_that_will_not_shrink),
	  TEST_OF(isal_streams_go_on_and_on))
