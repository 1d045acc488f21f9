/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec_test.c - names, levels and bounds of the codecs. */
#include "codec/codec.h"

#include "base/pages.h"
#include "tests/check.h"

TEST(names_and_ids_lead_to_the_same_codec)
{
	static const char *const names[] = { "none", "zlib", "zstd",
					     "qpl",  "uadk", "qatzip" };
	struct gw_error err;

	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct codec *codec = codec_by_name(names[i], &err);

		CHECK(codec);
		CHECK_EQ(codec->id, i);
		CHECK(codec == codec_by_id(i));
		CHECK_STR(codec->name, names[i]);
	}
}

TEST(unknown_name_is_refused_with_those_there_are)
{
	struct gw_error err;

	CHECK(!codec_by_name("lz4", &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "codec \"lz4\": there are none, zlib, zstd, qpl, uadk, qatzip");
	CHECK(!codec_by_name("ZLIB", &err));
	CHECK(!codec_by_name("", &err));
	CHECK(!codec_by_name("z\033[m", &err));
	CHECK_CONTAINS(err.text, "z\\x1b[m");
}

TEST(levels_are_refused_one_past_each_end)
{
	static const int least[] = { 0, 0, 0, 0, 0, 1 }, most[] = { 0, 9, 20, 0, 0, 9 };
	struct gw_error err;

	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct codec *codec = codec_by_id(i);

		CHECK_OK(codec_check_level(codec, least[i], &err), &err);
		CHECK_OK(codec_check_level(codec, most[i], &err), &err);
		CHECK_OK(codec_check_level(codec, codec->level_default, &err), &err);
		CHECK_EQ(codec_check_level(codec, least[i] - 1, &err), -1);
		CHECK_EQ(codec_check_level(codec, most[i] + 1, &err), -1);
		CHECK_EQ(err.kind, GW_USAGE);
	}
	CHECK_EQ(codec_check_level(codec_by_id(CODEC_ZLIB), 11, &err), -1);
	CHECK_STR(err.text, "zlib level 11: 0 to 9 are allowed");
}

TEST(streams_have_1_byte_to_1_mib)
{
	struct gw_error err;

	for (unsigned i = CODEC_ZLIB; i <= CODEC_ZSTD; i++) {
		const struct codec *codec = codec_by_id(i);

		CHECK_OK(codec_check_payload(codec, 128, 1, &err), &err);
		CHECK_OK(codec_check_payload(codec, 1, 1u << 20, &err), &err);
		CHECK_EQ(codec_check_payload(codec, 3, 0, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "payload of 0 bytes for 3 pages: 1 to 1048576");
		CHECK_EQ(codec_check_payload(codec, 1, (1u << 20) + 1, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "payload of 1048577 bytes");
	}
}

TEST(none_is_as_long_as_its_pages)
{
	const struct codec *none = codec_by_id(CODEC_NONE);
	struct gw_error err;

	for (uint32_t pages = 1; pages <= 128; pages *= 2) {
		CHECK_OK(codec_check_payload(none, pages, pages * PAGE_BYTES, &err),
			 &err);
		CHECK_EQ(codec_check_payload(none, pages, pages * PAGE_BYTES - 1, &err),
			 -1);
		CHECK_EQ(codec_check_payload(none, pages, pages * PAGE_BYTES + 1, &err),
			 -1);
		CHECK_EQ(err.kind, GW_PEER);
	}
	CHECK_CONTAINS(err.text,
		       "none payload of 524289 bytes for 128 pages: 524288 to 524288");
}

TEST(pages_with_lengths_have_a_byte_to_a_page_each)
{
	struct gw_error err;

	for (unsigned i = CODEC_QPL; i <= CODEC_UADK; i++) {
		const struct codec *codec = codec_by_id(i);

		for (uint32_t pages = 1; pages <= 128; pages *= 2) {
			const uint32_t least = pages * 5, most = pages * 4100;

			CHECK_OK(codec_check_payload(codec, pages, least, &err), &err);
			CHECK_OK(codec_check_payload(codec, pages, most, &err), &err);
			CHECK_EQ(codec_check_payload(codec, pages, least - 1, &err), -1);
			CHECK_EQ(err.kind, GW_PEER);
			CHECK_EQ(codec_check_payload(codec, pages, most + 1, &err), -1);
			CHECK_EQ(err.kind, GW_PEER);
		}
		CHECK_CONTAINS(err.text, codec->name);
		CHECK_CONTAINS(err.text, "payload of 524801 bytes for 128 pages");
	}
}

TEST(members_have_20_bytes_to_1_mib)
{
	const struct codec *qatzip = codec_by_id(CODEC_QATZIP);
	struct gw_error err;

	CHECK_OK(codec_check_payload(qatzip, 128, 20, &err), &err);
	CHECK_OK(codec_check_payload(qatzip, 1, 1u << 20, &err), &err);
	CHECK_EQ(codec_check_payload(qatzip, 1, 19, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_EQ(codec_check_payload(qatzip, 128, (1u << 20) + 1, &err), -1);
	CHECK_CONTAINS(err.text, "qatzip payload of 1048577 bytes for 128 pages: 20 to");
}

TEST(no_pages_have_no_payload)
{
	struct gw_error err;

	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		CHECK_OK(codec_check_payload(codec_by_id(i), 0, 0, &err), &err);
		CHECK_EQ(codec_check_payload(codec_by_id(i), 0, 1, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
	}
}

TEST_MAIN(TEST_OF(names_and_ids_lead_to_the_same_codec),
	  TEST_OF(unknown_name_is_refused_with_those_there_are),
	  TEST_OF(levels_are_refused_one_past_each_end),
	  TEST_OF(streams_have_1_byte_to_1_mib), TEST_OF(none_is_as_long_as_its_pages),
	  TEST_OF(pages_with_lengths_have_a_byte_to_a_page_each),
	  TEST_OF(members_have_20_bytes_to_1_mib), TEST_OF(no_pages_have_no_payload))
