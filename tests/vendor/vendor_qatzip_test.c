/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor_qatzip_test.c - packets between QATzip's software and ours, and our code for QATzip. */
#include "codec/gzip_member.h"
#include "codec/vendor_for_tests.h"
#include "tests/vendor/drive.h"

#define PACKETS_MAX 16u

static uint8_t coded[PACKETS_MAX][CODED_BYTES];
static uint8_t decoded[PACKETS_MAX][PACKET_BYTES];
static struct unit units[PACKETS_MAX];

static uint32_t packets(void)
{
	return corpus_get()->pages / PACKET_PAGES;
}

static struct span packet(uint32_t index)
{
	return (struct span){ corpus_get()->bytes + index * PACKET_BYTES, PACKET_BYTES };
}

/* ---- the format ---- */

static void check_qatzip_decodes(const struct coder *coder, int level, void *state,
				 struct span pages)
{
	struct unit unit = { .source = pages, .room = { coded[0], CODED_BYTES } };

	memset(decoded[0], 0xa5, pages.length);
	CHECK_EQ(coder->run(state, &unit), UNIT_DONE);
	if (!qatzip_decompress((struct span){ coded[0], unit.produced },
			       (struct room){ decoded[0], pages.length }))
		CHECK_FAIL("%s level %d: qzDecompress does not take it", coder->name,
			   level);
	CHECK(memcmp(decoded[0], pages.bytes, pages.length) == 0);
}

/* Every level that the coder has: one page, a member and a page, packets. */
static int check_levels(const struct coder *coder)
{
	struct gw_error err;
	int level = 1;
	void *state;

	for (; (state = coder->open(UNIT_MEMBERS, ENCODE, level, &err)); level++) {
		for (uint32_t i = 0; i < packets(); i++) {
			struct span pages = packet(i);

			check_qatzip_decodes(coder, level, state, pages);
			pages.length = PAGE_BYTES;
			check_qatzip_decodes(coder, level, state, pages);
			pages.length = UNIT_MEMBER_BYTES + PAGE_BYTES;
			check_qatzip_decodes(coder, level, state, pages);
		}
		coder->close(state);
	}
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	return level - 1;
}

TEST(qatzip_decodes_isal)
{
	CHECK_EQ(check_levels(&coder_isal), 3);
}

TEST(qatzip_decodes_libdeflate)
{
	CHECK(check_levels(&coder_libdeflate) >= 9);
}

TEST(qatzip_decodes_zlib)
{
	CHECK_EQ(check_levels(&coder_zlib), 9);
}

static void check_coders_decode(struct span pages)
{
	size_t length = qatzip_compress(pages, (struct room){ coded[0], CODED_BYTES });

	for (size_t c = 0; c < CODERS; c++) {
		void *state = coder_open(coders[c], UNIT_MEMBERS, DECODE, 0);
		struct unit unit = {
			.source = { coded[0], length },
			.room = { decoded[0], pages.length },
		};

		memset(decoded[0], 0xa5, pages.length);
		if (coders[c]->run(state, &unit) != UNIT_DONE)
			CHECK_FAIL("%zu bytes of pages: %s says %s", pages.length,
				   coders[c]->name, unit.why);
		CHECK(memcmp(decoded[0], pages.bytes, pages.length) == 0);
		coders[c]->close(state);
	}
}

TEST(coders_decode_qatzip)
{
	for (uint32_t i = 0; i < packets(); i++) {
		struct span pages = packet(i);

		check_coders_decode(pages);
		pages.length = PAGE_BYTES;
		check_coders_decode(pages);
	}
}

/* ---- the device's code ---- */

/* Its calls use up keys too. */
static void drive_keys(void *state, uint32_t jobs, uint32_t count)
{
	unsigned keys = keys_begin();

	drive(&device_qatzip, state, jobs, units, count);
	keys_end(keys);
}

static void *open_keys(enum unit_form form, enum direction direction, int level,
		       uint32_t jobs)
{
	unsigned keys = keys_begin();
	void *state = device_open(&device_qatzip, form, direction, level, jobs);

	keys_end(keys);
	return state;
}

static void plan_encode(size_t bytes, size_t room)
{
	for (uint32_t i = 0; i < packets(); i++)
		units[i] = (struct unit){
			.source = { packet(i).bytes, bytes },
			.room = { coded[i], room },
		};
}

static void plan_decode(size_t bytes)
{
	for (uint32_t i = 0; i < packets(); i++) {
		units[i] = (struct unit){
			.source = { coded[i], units[i].produced },
			.room = { decoded[i], bytes },
		};
		memset(decoded[i], 0xa5, bytes);
	}
}

static void check_decoded(size_t bytes)
{
	for (uint32_t i = 0; i < packets(); i++) {
		CHECK_EQ(units[i].answer, UNIT_DONE);
		CHECK_EQ(units[i].produced, bytes);
		CHECK(memcmp(decoded[i], packet(i).bytes, bytes) == 0);
	}
}

static void there_and_back(void *encoder, void *decoder, size_t bytes)
{
	plan_encode(bytes, CODED_BYTES);
	drive_keys(encoder, 4, packets());
	for (uint32_t i = 0; i < packets(); i++)
		CHECK_EQ(units[i].answer, UNIT_DONE);
	plan_decode(bytes);
	drive_keys(decoder, 4, packets());
	check_decoded(bytes);
}

TEST(device_members_there_and_back)
{
	void *decoder = open_keys(UNIT_MEMBERS, DECODE, 0, 4);

	for (int level = 1; level <= 9; level++) {
		void *encoder = open_keys(UNIT_MEMBERS, ENCODE, level, 4);

		there_and_back(encoder, decoder, PACKET_BYTES);
		there_and_back(encoder, decoder, PAGE_BYTES);
		CHECK(device_qatzip.close(encoder));
	}
	CHECK(device_qatzip.close(decoder));
}

TEST(device_refuses_level)
{
	struct gw_error err;

	CHECK(!device_qatzip.open(UNIT_MEMBERS, ENCODE, 13, 1, &err));
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, "-1");
}

/* Each packet for itself, and all one after the other: blocks without history. */
TEST(device_blocks_decode)
{
	void *encoder = open_keys(UNIT_BLOCKS, ENCODE, 1, 4);
	void *decoder = coder_open(&coder_zlib, UNIT_BLOCKS, DECODE, 0);

	for (size_t bytes = PAGE_BYTES; bytes <= PACKET_BYTES; bytes *= 8) {
		plan_encode(bytes, CODED_BYTES);
		drive_keys(encoder, 4, packets());
		for (uint32_t i = 0; i < packets(); i++) {
			const uint8_t *end = coded[i] + units[i].produced;

			CHECK_EQ(units[i].answer, UNIT_DONE);
			CHECK(memcmp(end - 4, "\0\0\xff\xff", 4) == 0);
		}
		plan_decode(bytes);
		for (uint32_t i = 0; i < packets(); i++)
			if (coder_zlib.run(decoder, &units[i]) != UNIT_DONE)
				CHECK_FAIL("packet %u: %s", i, units[i].why);
		check_decoded(bytes);
	}
	coder_zlib.close(decoder);
	CHECK(device_qatzip.close(encoder));
}

/* What does not fit is no answer "done", and the session goes on. */
TEST(device_room_too_small)
{
	void *encoder = open_keys(UNIT_MEMBERS, ENCODE, 1, 4);

	plan_encode(PACKET_BYTES, PAGE_BYTES);
	drive_keys(encoder, 4, packets());
	for (uint32_t i = 1; i < packets(); i++)
		CHECK(units[i].answer == UNIT_FULL || units[i].answer == UNIT_FAILED);
	plan_encode(PACKET_BYTES, CODED_BYTES);
	drive_keys(encoder, 4, packets());
	for (uint32_t i = 0; i < packets(); i++)
		CHECK_EQ(units[i].answer, UNIT_DONE);
	CHECK(device_qatzip.close(encoder));
}

/* Members damaged everywhere: never "done" with other pages, which QATzip itself would say; and
 * what comes next is decoded. */
TEST(device_decodes_damaged_members)
{
	uint64_t random = 7;
	void *encoder = open_keys(UNIT_MEMBERS, ENCODE, 1, 4);
	void *decoder = open_keys(UNIT_MEMBERS, DECODE, 0, 4);
	uint32_t failed = 0, tries = 0;

	plan_encode(PACKET_BYTES, CODED_BYTES);
	drive_keys(encoder, 4, packets());
	for (uint32_t i = 2; i < packets(); i++) {
		size_t length = units[i].produced;

		for (uint32_t try = 0; try < 40; try++, tries++) {
			uint8_t *hit = coded[i] + check_random(&random) % length;
			struct unit unit = {
				.source = { coded[i], length },
				.room = { decoded[0], PACKET_BYTES },
			};
			unsigned keys = keys_begin();

			if (try % 2 == 0)
				*hit = (uint8_t)(*hit ^ 1u << try % 8);
			else
				unit.source.length = (size_t)(hit - coded[i]);
			drive(&device_qatzip, decoder, 4, &unit, 1);
			keys_end(keys);
			if (unit.answer == UNIT_DONE)
				CHECK(memcmp(decoded[0], packet(i).bytes, PACKET_BYTES) ==
				      0);
			else
				failed++;
			if (try % 2 == 0)
				*hit = (uint8_t)(*hit ^ 1u << try % 8);
		}
	}
	/* All but those that hit what no one looks at: time, system, QATzip's own lengths. */
	CHECK(failed > tries * 9 / 10);
	plan_decode(PACKET_BYTES);
	drive_keys(decoder, 4, packets());
	check_decoded(PACKET_BYTES);
	CHECK(device_qatzip.close(encoder));
	CHECK(device_qatzip.close(decoder));
}

/* QATzip would read the header that is not there. */
TEST(device_refuses_what_is_too_short)
{
	void *decoder = open_keys(UNIT_MEMBERS, DECODE, 0, 1);
	uint8_t *few = malloc(GZIP_MEMBER_HEADER_BYTES);
	struct unit unit = {
		.source = { few, 3 },
		.room = { decoded[0], PACKET_BYTES },
	};

	memcpy(few, "\x1f\x8b\x08", 3);
	drive(&device_qatzip, decoder, 1, &unit, 1);
	CHECK_EQ(unit.answer, UNIT_FAILED);
	CHECK_STR(unit.why, "too short for a member");
	CHECK(device_qatzip.close(decoder));
	free(few);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		TEST_OF(qatzip_decodes_isal),
		TEST_OF(qatzip_decodes_libdeflate),
		TEST_OF(qatzip_decodes_zlib),
		TEST_OF(coders_decode_qatzip),
		TEST_OF(device_members_there_and_back),
		TEST_OF(device_refuses_level),
		TEST_OF(device_blocks_decode),
		TEST_OF(device_room_too_small),
		TEST_OF(device_decodes_damaged_members),
		TEST_OF(device_refuses_what_is_too_short),
	};

	device_qatzip_compute_in_software();
	return check_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
