/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder_refuses_test.c - sources that are not what they should be. */
#include "tests/check.h"

#include "codec/coder_test.h"

#include <zlib.h>

static struct gw_error err;
static uint8_t *page, *coded, *landed;

#define PAGES 3u
#define PAGES_BYTES (PAGES * PAGE_BYTES)

static void need_memory(void)
{
	uint64_t random = 13;

	if (page)
		return;
	page = guarded(PAGES_BYTES);
	coded = guarded(CODED_BYTES_MAX);
	landed = guarded(PAGES_BYTES + PAGE_BYTES);
	fill_page(&random, SPARSE, page);
	fill_page(&random, TEXT, page + PAGE_BYTES);
	fill_page(&random, RANDOM, page + 2 * PAGE_BYTES);
	/* Short enough to be cut and bent at every bit. */
	memset(page + 2 * PAGE_BYTES + 100, 'z', PAGE_BYTES - 100);
}

/* The source before a guard, the room too. */
static struct unit decode(const struct coder *coder, void *state, const void *bytes,
			  size_t length, size_t room)
{
	uint8_t *at = coded + CODED_BYTES_MAX - length;

	memcpy(at, bytes, length);
	return run_unit(coder, state, (struct span){ at, length },
			(struct room){ landed + PAGES_BYTES + PAGE_BYTES - room, room });
}

static struct unit decode_fresh(const struct coder *coder, enum unit_form form,
				const void *bytes, size_t length, size_t room)
{
	void *state = coder->open(form, DECODE, 0, &err);
	struct unit unit;

	CHECK(state);
	unit = decode(coder, state, bytes, length, room);
	coder->close(state);
	return unit;
}

static bool landed_is(const uint8_t *expected, size_t length)
{
	return memcmp(landed + PAGES_BYTES + PAGE_BYTES - length, expected, length) == 0;
}

/* By zlib's coder. */
static size_t encode(enum unit_form form, const uint8_t *bytes, size_t length,
		     struct room room)
{
	int level = form == UNIT_DEFLATE || form == UNIT_ZLIB ? 0 : 1;
	void *state = coder_zlib.open(form, ENCODE, level, &err);
	struct unit unit = { .source = { bytes, length }, .room = room };

	CHECK(state);
	CHECK_EQ(coder_zlib.run(state, &unit), UNIT_DONE);
	coder_zlib.close(state);
	return unit.produced;
}

/* fn(coder, form, state, good bytes, their length, of how many bytes) */
typedef void check_bad(const struct coder *, enum unit_form, void *, const uint8_t *,
		       size_t, size_t);

static void for_each_decoder(check_bad *check)
{
	static uint8_t good[3 * PAGES_BYTES];

	need_memory();
	for (unsigned form = 0; form < UNIT_FORMS; form++) {
		size_t bytes = form == UNIT_DEFLATE || form == UNIT_ZLIB ? PAGE_BYTES
									 : PAGES_BYTES;
		size_t length =
			encode(form, page, bytes, (struct room){ good, sizeof(good) });

		for (size_t i = 0; i < CODERS; i++) {
			void *state = coders[i]->open(form, DECODE, 0, &err);
			struct unit unit;

			if (!state)
				continue;
			check(coders[i], form, state, good, length, bytes);
			/* Whatever it saw, it is as good as new. */
			unit = decode(coders[i], state, good, length, bytes);
			CHECK_EQ(unit.answer, UNIT_DONE);
			CHECK(landed_is(page, bytes));
			coders[i]->close(state);
		}
	}
}

static void check_cut(const struct coder *coder, enum unit_form form, void *state,
		      const uint8_t *good, size_t length, size_t bytes)
{
	for (size_t cut = 0; cut < length; cut++) {
		struct unit unit = decode(coder, state, good, cut, bytes);

		if (form == UNIT_ZLIB && cut == length - 4)
			CHECK_EQ(unit.answer, UNIT_DONE);
		else
			CHECK_EQ(unit.answer, UNIT_FAILED);
	}
}

TEST(a_source_cut_anywhere_is_refused)
{
	for_each_decoder(check_cut);
}

static void check_more(const struct coder *coder, enum unit_form form, void *state,
		       const uint8_t *good, size_t length, size_t bytes)
{
	static uint8_t more[4 * PAGES_BYTES];

	for (size_t extra = 1; extra < 40; extra++) {
		memcpy(more, good, length);
		memset(more + length, extra % 2 ? 0 : 0xff, extra);
		CHECK_EQ(decode(coder, state, more, length + extra, bytes).answer,
			 UNIT_FAILED);
	}
}

TEST(bytes_after_the_end_are_refused)
{
	for_each_decoder(check_more);
}

static void check_room(const struct coder *coder, enum unit_form form, void *state,
		       const uint8_t *good, size_t length, size_t bytes)
{
	static const int off[] = { 1, 2, 7, 300, 4000 };

	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		CHECK_EQ(decode(coder, state, good, length, bytes - off[i]).answer,
			 UNIT_FAILED);
		CHECK_EQ(decode(coder, state, good, length, bytes + off[i]).answer,
			 UNIT_FAILED);
	}
}

TEST(a_room_of_another_size_is_refused)
{
	for_each_decoder(check_room);
}

/* Where there is a checksum, what is accepted is right; without one it must stay within bounds,
 * which the guards see to. */
static void check_bent(const struct coder *coder, enum unit_form form, void *state,
		       const uint8_t *good, size_t length, size_t bytes)
{
	static uint8_t bent[3 * PAGES_BYTES];
	bool summed = form == UNIT_ZLIB || form == UNIT_MEMBERS;
	size_t wrong = 0;

	memcpy(bent, good, length);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		struct unit unit;

		bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
		unit = decode(coder, state, bent, length, bytes);
		bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(unit.answer != UNIT_FULL);
		if (unit.answer == UNIT_DONE && summed)
			CHECK(landed_is(page, bytes));
		wrong += unit.answer == UNIT_FAILED;
	}
	CHECK(wrong > 0);
}

TEST(a_bent_bit_is_refused_or_makes_no_difference)
{
	for_each_decoder(check_bent);
}

static void check_noise(const struct coder *coder, enum unit_form form, void *state,
			const uint8_t *good, size_t length, size_t bytes)
{
	static uint8_t noise[3 * PAGES_BYTES];
	uint64_t random = 17;

	for (unsigned i = 0; i < 3000; i++) {
		size_t from = check_random(&random) % length,
		       count = check_random(&random) % 200;

		memcpy(noise, good, length);
		for (size_t at = from; at < length && at < from + count; at++)
			noise[at] = (uint8_t)check_random(&random);
		decode(coder, state, noise, length, bytes);
	}
}

TEST(noise_stays_within_bounds)
{
	for_each_decoder(check_noise);
}

TEST(pages_of_zlib_need_a_header_of_sense_and_a_whole_adler_32)
{
	static const struct {
		const char *bytes;
		const char *why;
	} headers[] = {
		{ "\x78\x9d", "zlib header's check is wrong" },
		{ "\x79\x9c", "not a zlib stream of deflate data" },
		{ "\x88\x1c", "not a zlib stream of deflate data" },
		{ "\x78\xbb", "zlib header wants a dictionary" },
	};
	uint8_t good[PAGE_BYTES];
	size_t length;

	need_memory();
	length = encode(UNIT_ZLIB, page, PAGE_BYTES, (struct room){ good, sizeof(good) });
	for (size_t i = 0; i < CODERS; i++) {
		struct unit unit;

		for (size_t k = 0; k < sizeof(headers) / sizeof(headers[0]); k++) {
			memcpy(good, headers[k].bytes, 2);
			unit = decode_fresh(coders[i], UNIT_ZLIB, good, length,
					    PAGE_BYTES);
			CHECK_EQ(unit.answer, UNIT_FAILED);
			CHECK_STR(unit.why, headers[k].why);
		}
		/* A window of 4 KiB, as a device may announce it; the fastest level. */
		memcpy(good, "\x48\x0d", 2);
		unit = decode_fresh(coders[i], UNIT_ZLIB, good, length, PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_DONE);
		for (size_t missing = 1; missing < 4; missing++) {
			unit = decode_fresh(coders[i], UNIT_ZLIB, good, length - missing,
					    PAGE_BYTES);
			CHECK_STR(unit.why, "Adler-32 is cut short");
		}
		unit = decode_fresh(coders[i], UNIT_ZLIB, good, length - 4, PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_DONE);
		good[length - 1] ^= 1;
		unit = decode_fresh(coders[i], UNIT_ZLIB, good, length, PAGE_BYTES);
		CHECK_STR(unit.why, "Adler-32 is wrong");
		good[length - 1] ^= 1;
	}
}

TEST(blocks_must_not_be_final_and_end_with_an_empty_one)
{
	const struct coder *const able[] = { &coder_isal, &coder_zlib };
	static uint8_t good[2 * PAGES_BYTES];
	size_t length;

	need_memory();
	for (size_t i = 0; i < 2; i++) {
		struct unit unit;

		/* A final block before the empty one, and as the empty one. */
		length = encode(UNIT_DEFLATE, page, PAGE_BYTES,
				(struct room){ good, sizeof(good) });
		memcpy(good + length, "\x00\x00\x00\xff\xff", 5);
		unit = decode_fresh(able[i], UNIT_BLOCKS, good, length + 5, PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_FAILED);
		memcpy(good, "\x00\x00\x10\xff\xef", 5);
		memcpy(good + 5, page, PAGE_BYTES);
		length = 5 + PAGE_BYTES;
		memcpy(good + length, "\x01\x00\x00\xff\xff", 5);
		unit = decode_fresh(able[i], UNIT_BLOCKS, good, length + 5, PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_FAILED);
		good[length] = 0;
		unit = decode_fresh(able[i], UNIT_BLOCKS, good, length + 5, PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_DONE);
		unit = decode_fresh(able[i], UNIT_BLOCKS, good, length, PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_FAILED);
		CHECK_STR(unit.why, "it does not end with an empty stored block");
		/* A block begins behind the empty one. */
		good[length + 5] = 0;
		unit = decode_fresh(able[i], UNIT_BLOCKS, good, length + 6, PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_FAILED);
	}
}

TEST(nothing_is_copied_from_before_the_room)
{
	uint8_t good[PAGE_BYTES], *both = coded;
	z_stream stream = { 0 };
	size_t length;

	need_memory();
	/* The second page is told by the first, which is in another unit. */
	CHECK_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	CHECK_EQ(deflateSetDictionary(&stream, page + PAGE_BYTES, PAGE_BYTES), Z_OK);
	stream.next_in = page + PAGE_BYTES;
	stream.avail_in = PAGE_BYTES;
	stream.next_out = good;
	stream.avail_out = sizeof(good);
	CHECK_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
	length = sizeof(good) - stream.avail_out;
	deflateEnd(&stream);
	CHECK(length < 100);
	for (size_t i = 0; i < CODERS; i++) {
		struct unit unit =
			decode_fresh(coders[i], UNIT_DEFLATE, good, length, PAGE_BYTES);
		size_t first = encode(UNIT_MEMBERS, page + PAGE_BYTES, PAGE_BYTES,
				      (struct room){ both, CODED_BYTES_MAX });
		uint8_t *at = both + first;

		CHECK_EQ(unit.answer, UNIT_FAILED);
		/* A member must not look into the one before it. */
		memcpy(at, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
		memcpy(at + 10, good, length);
		memcpy(at + 10 + length, at - 8, 8);
		unit = decode_fresh(coders[i], UNIT_MEMBERS, both, first + length + 18,
				    2 * PAGE_BYTES);
		CHECK_EQ(unit.answer, UNIT_FAILED);
	}
}

TEST_MAIN(TEST_OF(a_source_cut_anywhere_is_refused),
	  TEST_OF(bytes_after_the_end_are_refused),
	  TEST_OF(a_room_of_another_size_is_refused),
	  TEST_OF(a_bent_bit_is_refused_or_makes_no_difference),
	  TEST_OF(noise_stays_within_bounds),
	  TEST_OF(pages_of_zlib_need_a_header_of_sense_and_a_whole_adler_32),
	  TEST_OF(blocks_must_not_be_final_and_end_with_an_empty_one),
	  TEST_OF(nothing_is_copied_from_before_the_room))
