/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip_member_test.c - the members that coders write, and those that others do. */
#include "tests/check.h"

#include "codec/coder_test.h"

#include <zlib.h>

#include "codec/gzip_member.h"

#define SOURCE_BYTES (UNIT_PAGES_MAX * PAGE_BYTES)

static struct gw_error err;
static uint8_t *pages, *coded, *landed;

static void need_memory(void)
{
	if (pages)
		return;
	pages = guarded(SOURCE_BYTES);
	coded = guarded(CODED_BYTES_MAX);
	landed = guarded(SOURCE_BYTES);
}

static size_t encode(const struct coder *coder, int level, size_t bytes)
{
	void *state = coder->open(UNIT_MEMBERS, ENCODE, level, &err);
	struct unit unit;

	if (!state)
		CHECK_FAIL("%s", err.text);
	unit = run_unit(coder, state,
			(struct span){ pages + SOURCE_BYTES - bytes, bytes },
			(struct room){ coded, CODED_BYTES_MAX });
	coder->close(state);
	CHECK_EQ(unit.answer, UNIT_DONE);
	return unit.produced;
}

static uint32_t le32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/* What QATzip looks at before it gives a member to its device (1.3.1, qzDecompress and
 * isQATProcessable); all else goes to its software, and the rest of the call with it.  Returns the
 * member's length. */
static size_t check_member(const uint8_t *at, size_t left, int level, size_t bytes)
{
	uint32_t source, deflate;

	CHECK(left > 24 + 8);
	CHECK(memcmp(at, "\x1f\x8b\x08\x04\x00\x00\x00\x00", 8) == 0);
	CHECK_EQ(at[8], level == 1 ? 4 : level == 9 ? 2 : 0);
	CHECK(memcmp(at + 9, "\xff\x0c\x00QZ\x08\x00", 7) == 0);
	source = le32(at + 16);
	deflate = le32(at + 20);
	CHECK_EQ(source, bytes);
	CHECK(source >= 1024 && source <= 64 * 1024);
	CHECK(deflate <= source / 8 * 9 + 1024);
	CHECK(deflate <= left - 24 - 8);
	CHECK_EQ(le32(at + 24 + deflate + 4), source);
	return 24 + (size_t)deflate + 8;
}

/* zlib's own calls: a member at `at`.  Returns how much of it was read. */
static size_t gunzip(const uint8_t *at, size_t left, struct room room)
{
	z_stream stream = { .next_in = (uint8_t *)at,
			    .avail_in = (uInt)left,
			    .next_out = room.bytes,
			    .avail_out = (uInt)room.length };

	CHECK_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
	CHECK_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
	CHECK_EQ(stream.avail_out, 0);
	inflateEnd(&stream);
	return left - stream.avail_in;
}

static void check_members(const struct coder *coder, int level, size_t bytes)
{
	size_t length = encode(coder, level, bytes), at = 0, done = 0;

	CHECK(gzip_members_are_for_qat((struct span){ coded, length }));
	while (at < length) {
		size_t piece = bytes - done < 65536 ? bytes - done : 65536;
		size_t member = check_member(coded + at, length - at, level, piece);

		CHECK_EQ(gunzip(coded + at, length - at,
				(struct room){ landed + done, piece }),
			 member);
		at += member;
		done += piece;
	}
	CHECK_EQ(done, bytes);
	CHECK(memcmp(landed, pages + SOURCE_BYTES - bytes, bytes) == 0);
}

TEST(each_member_is_one_that_a_qat_device_takes)
{
	static const size_t counts[] = { 1, 15, 16, 17, 33, 128 };
	uint64_t random = 19;

	need_memory();
	for (enum content content = ZEROS; content < CONTENTS; content++) {
		fill_unit(&random, content, pages, UNIT_PAGES_MAX);
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			size_t bytes = counts[i] * PAGE_BYTES;

			for (int level = 1; level <= 3; level++)
				check_members(&coder_isal, level, bytes);
			check_members(&coder_libdeflate, 1, bytes);
			check_members(&coder_libdeflate, 4, bytes);
			check_members(&coder_libdeflate, 9, bytes);
			check_members(&coder_zlib, 1, bytes);
			check_members(&coder_zlib, 9, bytes);
		}
	}
}

TEST(members_that_qat_would_not_take_are_told)
{
	size_t length;

	need_memory();
	memset(pages, 'q', SOURCE_BYTES);
	length = encode(&coder_isal, 1, 32 * PAGE_BYTES);
	CHECK(gzip_members_are_for_qat((struct span){ coded, length }));
	CHECK(!gzip_members_are_for_qat((struct span){ coded, length - 1 }));
	CHECK(!gzip_members_are_for_qat((struct span){ coded, 23 }));
	/* FLG, OS, the extra field's name, more pages than 64 KiB. */
	for (size_t at = 3; at < 20; at += at == 3 ? 6 : at == 9 ? 3 : 6) {
		coded[at] ^= 2;
		CHECK(!gzip_members_are_for_qat((struct span){ coded, length }));
		coded[at] ^= 2;
	}
	CHECK(gzip_members_are_for_qat((struct span){ coded, length }));
}

TEST(random_pages_cost_a_copy_and_a_few_bytes)
{
	uint64_t random = 23;
	size_t length;

	need_memory();
	fill_unit(&random, RANDOM, pages, UNIT_PAGES_MAX);
	length = encode(&coder_isal, 1, SOURCE_BYTES);
	/* Two stored blocks a member, header and trailer. */
	CHECK(length <= SOURCE_BYTES + 8 * (24 + 10 + 8) + 64);
	/* A single page among others: nothing of it is told by what was before. */
	fill_unit(&random, TEXT, pages, UNIT_PAGES_MAX);
	memcpy(pages + 5 * PAGE_BYTES, pages + 4 * PAGE_BYTES, PAGE_BYTES);
	fill_page(&random, RANDOM, pages + 4 * PAGE_BYTES);
	fill_page(&random, RANDOM, pages);
	fill_page(&random, RANDOM, pages + SOURCE_BYTES - PAGE_BYTES);
	for (int level = 1; level <= 3; level++)
		check_members(&coder_isal, level, SOURCE_BYTES);
}

/* A member of the pages at `from` behind the header given. */
static size_t put_member(uint8_t *at, const void *header, size_t header_bytes,
			 const uint8_t *from, size_t bytes)
{
	z_stream stream = { .next_in = (uint8_t *)from,
			    .avail_in = (uInt)bytes,
			    .next_out = at + header_bytes,
			    .avail_out = (uInt)bytes + 100 };
	size_t made;

	memcpy(at, header, header_bytes);
	CHECK_EQ(deflateInit2(&stream, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	CHECK_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
	made = bytes + 100 - stream.avail_out;
	deflateEnd(&stream);
	gzip_member_put_trailer(at + header_bytes + made,
				(uint32_t)crc32(0, from, (uInt)bytes), (uint32_t)bytes);
	return header_bytes + made + GZIP_MEMBER_TRAILER_BYTES;
}

static struct unit decode(const struct coder *coder, size_t length, size_t bytes)
{
	void *state = coder->open(UNIT_MEMBERS, DECODE, 0, &err);
	uint8_t *end = coded + CODED_BYTES_MAX - length;
	struct unit unit;

	memmove(end, coded, length);
	unit = run_unit(coder, state, (struct span){ end, length },
			(struct room){ landed + SOURCE_BYTES - bytes, bytes });
	coder->close(state);
	return unit;
}

struct header {
	const char *bytes;
	size_t length;
	const char *why; /* NULL: it is good */
};
#define HEADER(bytes_, why_)                     \
	{                                        \
		bytes_, sizeof(bytes_) - 1, why_ \
	}

static const struct header headers[] = {
	HEADER("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", NULL),
	HEADER("\x1f\x8b\x08\x01\x11\x22\x33\x44\x02\x00", NULL),
	HEADER("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name\0", NULL),
	HEADER("\x1f\x8b\x08\x10\x00\x00\x00\x00\x00\x03said\0", NULL),
	HEADER("\x1f\x8b\x08\x02\x00\x00\x00\x00\x00\x03\xa7\x77", NULL),
	HEADER("\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\x03\x00\x00", NULL),
	HEADER("\x1f\x8b\x08\x1c\x00\x00\x00\x00\x00\x03\x03\x00xyz\0\0", NULL),
	/* QATzip's field with sizes that are not so. */
	HEADER("\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x0c\x00QZ\x08\x00\xff\xff\xff"
	       "\xff"
	       "\x00\x00\x00\x00",
	       NULL),
	HEADER("\x1f\x8c\x08\x00\x00\x00\x00\x00\x00\x03",
	       "not a gzip member of deflate data"),
	HEADER("\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x03",
	       "not a gzip member of deflate data"),
	HEADER("\x1f\x8b\x08\x20\x00\x00\x00\x00\x00\x03",
	       "gzip header has reserved flags"),
	HEADER("\x1f\x8b\x08\x80\x00\x00\x00\x00\x00\x03",
	       "gzip header has reserved flags"),
	HEADER("\x1f\x8b\x08\x02\x00\x00\x00\x00\x00\x03\xa7\x78",
	       "gzip header's CRC-16 is wrong"),
	HEADER("\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\x03\xff\xff",
	       "gzip header is cut short"),
};

TEST(members_of_any_header_are_read)
{
	uint64_t random = 29;

	need_memory();
	fill_unit(&random, TEXT, pages + SOURCE_BYTES - PAGE_BYTES, 1);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const struct header *header = &headers[i];

		for (size_t k = 0; k < CODERS; k++) {
			size_t length =
				put_member(coded, header->bytes, header->length,
					   pages + SOURCE_BYTES - PAGE_BYTES, PAGE_BYTES);
			struct unit unit = decode(coders[k], length, PAGE_BYTES);

			if (header->why) {
				CHECK_EQ(unit.answer, UNIT_FAILED);
				CHECK_STR(unit.why, header->why);
			} else {
				CHECK_EQ(unit.answer, UNIT_DONE);
			}
		}
	}
}

/* Every way to end too early, also inside of names. */
TEST(a_header_cut_anywhere_is_cut_short)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct span source = { (const uint8_t *)headers[i].bytes,
				       headers[i].length };

		if (headers[i].why)
			continue;
		CHECK(!gzip_member_take_header(&source));
		CHECK_EQ(source.length, 0);
		for (size_t cut = 0; cut < headers[i].length; cut++) {
			uint8_t *end;

			need_memory();
			end = coded + CODED_BYTES_MAX - cut;
			memcpy(end, headers[i].bytes, cut);
			source = (struct span){ end, cut };
			CHECK_STR(gzip_member_take_header(&source),
				  "gzip header is cut short");
		}
	}
}

TEST(members_of_no_bytes_are_passed_over)
{
	static const char plain[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
	size_t length = 0;

	need_memory();
	for (size_t k = 0; k < CODERS; k++) {
		length = 0;
		for (unsigned i = 0; i < 1000; i++)
			length += put_member(coded + length, plain, 10, pages, 0);
		length += put_member(coded + length, plain, 10, pages, PAGE_BYTES);
		length += put_member(coded + length, plain, 10, pages, 0);
		CHECK_EQ(decode(coders[k], length, PAGE_BYTES).answer, UNIT_DONE);
		/* Nothing but these. */
		length = put_member(coded, plain, 10, pages, 0);
		CHECK_STR(decode(coders[k], length, PAGE_BYTES).why,
			  "it ends before all bytes are there");
	}
}

TEST(checksum_and_size_are_believed_of_no_member)
{
	static const char plain[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
	uint64_t random = 31;

	need_memory();
	fill_unit(&random, TEXT, pages, 2);
	for (size_t k = 0; k < CODERS; k++) {
		for (size_t bent = 0; bent < 8; bent++) {
			size_t first = put_member(coded, plain, 10, pages, PAGE_BYTES);
			size_t length =
				first + put_member(coded + first, plain, 10,
						   pages + PAGE_BYTES, PAGE_BYTES);
			struct unit unit;

			coded[first - 8 + bent] ^= 0x40;
			unit = decode(coders[k], length, 2 * PAGE_BYTES);
			CHECK(unit.why);
			CHECK_STR(unit.why, bent < 4 ? "CRC-32 is wrong"
						     : "gzip trailer's size is wrong");
		}
	}
}

TEST_MAIN(TEST_OF(each_member_is_one_that_a_qat_device_takes),
	  TEST_OF(members_that_qat_would_not_take_are_told),
	  TEST_OF(random_pages_cost_a_copy_and_a_few_bytes),
	  TEST_OF(members_of_any_header_are_read),
	  TEST_OF(a_header_cut_anywhere_is_cut_short),
	  TEST_OF(members_of_no_bytes_are_passed_over),
	  TEST_OF(checksum_and_size_are_believed_of_no_member))
