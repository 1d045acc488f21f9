/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder_test.c - what each coder makes, and that each of the others reads it. */
#include "tests/check.h"

#include "codec/coder_test.h"

#include <zlib.h>

#include "codec/deflate_walk_for_tests.h"

static struct gw_error err;
static uint8_t *pages, *coded, *landed;

static void need_memory(void)
{
	if (pages)
		return;
	pages = guarded(UNIT_BYTES_MAX);
	coded = guarded(CODED_BYTES_MAX);
	landed = guarded(UNIT_BYTES_MAX);
}

/* The last `length` bytes before a guard. */
static struct span pages_end(size_t length)
{
	return (struct span){ pages + UNIT_BYTES_MAX - length, length };
}

static struct room coded_end(size_t length)
{
	return (struct room){ coded + CODED_BYTES_MAX - length, length };
}

static struct room landed_end(size_t length)
{
	return (struct room){ landed + UNIT_BYTES_MAX - length, length };
}

static bool form_is_of_pages(enum unit_form form)
{
	return form == UNIT_DEFLATE || form == UNIT_ZLIB;
}

/* Moves what an encoder made to the guard, where decoders may not read past it. */
static struct span coded_moved(struct room room, size_t length)
{
	struct room end = coded_end(length);

	memmove(end.bytes, room.bytes, length);
	return (struct span){ end.bytes, length };
}

static void check_decoders(enum unit_form form, struct span source, struct span expected)
{
	unsigned decoders = 0;

	for (size_t i = 0; i < CODERS; i++) {
		void *state = coders[i]->open(form, DECODE, 0, &err);
		struct room room = landed_end(expected.length);
		struct unit unit;

		if (!state) {
			CHECK_EQ(err.kind, GW_UNSUPPORTED);
			continue;
		}
		decoders++;
		memset(room.bytes, 0xa5, room.length);
		unit = run_unit(coders[i], state, source, room);
		if (unit.answer != UNIT_DONE)
			CHECK_FAIL("form %d, %s: %s, %d", form, coders[i]->name, unit.why,
				   unit.code);
		CHECK_EQ(unit.produced, expected.length);
		CHECK(memcmp(room.bytes, expected.bytes, expected.length) == 0);
		coders[i]->close(state);
	}
	CHECK_EQ(decoders, form == UNIT_BLOCKS ? 2 : 3);
}

/* All contents through one encoder's state. */
static void check_encoder(const struct coder *coder, enum unit_form form, int level)
{
	static const size_t counts[] = { 1, 17, 2, 16, 40, 128 };
	size_t different = form_is_of_pages(form) ? 1 : level == 1 ? 6 : 2;
	void *state = coder->open(form, ENCODE, level, &err);
	uint64_t random = 1;

	if (!state)
		CHECK_FAIL("%s: %s", coder->name, err.text);
	for (enum content content = ZEROS; content < CONTENTS; content++) {
		for (size_t i = 0; i < different; i++) {
			struct span source = pages_end(counts[i] * PAGE_BYTES);
			struct room room =
				coded_end(source.length + source.length / 8 + 64);
			struct unit unit;

			fill_unit(&random, content, (uint8_t *)source.bytes, counts[i]);
			unit = run_unit(coder, state, source, room);
			CHECK_EQ(unit.answer, UNIT_DONE);
			check_decoders(form, coded_moved(room, unit.produced), source);
		}
	}
	coder->close(state);
}

TEST(every_decoder_reads_every_encoder)
{
	unsigned encoders = 0;

	need_memory();
	for (size_t i = 0; i < CODERS; i++) {
		for (unsigned form = 0; form < UNIT_FORMS; form++) {
			for (int level = 0; level <= 9; level++) {
				void *state = coders[i]->open(form, ENCODE, level, &err);

				if (!state) {
					CHECK_EQ(err.kind, GW_UNSUPPORTED);
					continue;
				}
				coders[i]->close(state);
				check_encoder(coders[i], form, level);
				encoders++;
			}
		}
	}
	/* isal 2 + 3 + 3, libdeflate 1 + 9, zlib 2 + 9 + 9 */
	CHECK_EQ(encoders, 8 + 10 + 20);
}

TEST(what_a_coder_does_not_have_is_refused)
{
	CHECK(!coder_isal.open(UNIT_MEMBERS, ENCODE, 4, &err));
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "isal: level 4: it has 1 to 3");
	CHECK(!coder_isal.open(UNIT_BLOCKS, ENCODE, 0, &err));
	CHECK_STR(err.text, "isal: level 0: it has 1 to 3");
	CHECK(!coder_zlib.open(UNIT_ZLIB, ENCODE, 1, &err));
	CHECK_STR(err.text, "zlib: level 1: it has 0 to 0");
	CHECK(!coder_libdeflate.open(UNIT_DEFLATE, ENCODE, 0, &err));
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "libdeflate: an IAA cannot decode all that it makes");
	CHECK(!coder_libdeflate.open(UNIT_BLOCKS, DECODE, 0, &err));
	CHECK_STR(err.text, "libdeflate: blocks of a stream cannot be coded alone");
	for (size_t i = 0; i < CODERS; i++) {
		CHECK_OK(coders[i]->probe(&err), &err);
		coders[i]->close(NULL);
	}
}

/* Rooms up to the one that is just large enough, and what comes after one too small. */
static void check_rooms(const struct coder *coder, enum unit_form form, size_t count)
{
	int level = form_is_of_pages(form) ? 0 : 1;
	void *state = coder->open(form, ENCODE, level, &err);
	struct span source = pages_end(count * PAGE_BYTES);
	size_t step = count * 37, enough = 0;

	if (!state)
		return;
	for (size_t length = 0; length < source.length + source.length / 8;
	     length += step) {
		struct room room = coded_end(length);
		struct unit unit = run_unit(coder, state, source, room);

		CHECK(unit.answer == UNIT_DONE || unit.answer == UNIT_FULL);
		if (unit.answer == UNIT_FULL)
			continue;
		enough += 1;
		check_decoders(form, coded_moved(room, unit.produced), source);
	}
	CHECK(enough > 0);
	coder->close(state);
}

TEST(a_room_too_small_is_full_and_nothing_else)
{
	uint64_t random = 3;

	need_memory();
	for (enum content content = ZEROS; content < CONTENTS; content++) {
		fill_unit(&random, content, pages, UNIT_PAGES_MAX);
		for (size_t i = 0; i < CODERS; i++) {
			check_rooms(coders[i], UNIT_DEFLATE, 1);
			check_rooms(coders[i], UNIT_ZLIB, 1);
			check_rooms(coders[i], UNIT_MEMBERS, 18);
			check_rooms(coders[i], UNIT_BLOCKS, 3);
		}
	}
}

static void check_walk(const struct coder *coder, void *state, struct span source)
{
	struct room room = coded_end(PAGE_BYTES - 1);
	struct unit unit = run_unit(coder, state, source, room);
	struct deflate_walk walk;

	if (unit.answer == UNIT_FULL)
		return;
	CHECK(deflate_walk(&walk, room.bytes, unit.produced));
	CHECK_EQ(walk.made, PAGE_BYTES);
	if (!deflate_walk_suits_iaa(&walk))
		CHECK_FAIL("%s: stored %u fixed %u dynamic %u final %d, crossing %u, "
			   "starts with "
			   "a run %u, incomplete %u, too many %u, distance %u",
			   coder->name, walk.stored, walk.fixed, walk.dynamic, walk.final,
			   walk.crossing, walk.starts_with_run, walk.incomplete,
			   walk.too_many, walk.distance_max);
}

/* Also pages of a file of real memory, if GODWIT_MEMORY names one. */
TEST(an_iaa_takes_each_page_of_deflate)
{
	const char *path = getenv("GODWIT_MEMORY");
	FILE *memory = path ? fopen(path, "rb") : NULL;
	struct span source;
	uint64_t random = 5;

	need_memory();
	source = pages_end(PAGE_BYTES);
	CHECK(!path || memory);
	for (size_t i = 0; i < CODERS; i++) {
		void *state = coders[i]->open(UNIT_DEFLATE, ENCODE, 0, &err);

		if (!state)
			continue;
		for (unsigned page = 0; page < 700; page++) {
			fill_page(&random, page % CONTENTS, (uint8_t *)source.bytes);
			check_walk(coders[i], state, source);
		}
		/* One byte repeated, which some encoders have a way of their own for. */
		for (int byte = 0; byte < 256; byte++) {
			memset((uint8_t *)source.bytes, byte, PAGE_BYTES);
			check_walk(coders[i], state, source);
		}
		for (bool more = memory; more;) {
			more = fread((uint8_t *)source.bytes, PAGE_BYTES, 1, memory) == 1;
			if (more)
				check_walk(coders[i], state, source);
		}
		if (memory)
			rewind(memory);
		coders[i]->close(state);
	}
	if (memory)
		fclose(memory);
}

static size_t put_bits(uint8_t *at, size_t bit, unsigned value, unsigned count)
{
	for (unsigned i = 0; i < count; i++, bit++)
		at[bit / 8] |= (uint8_t)((value >> i & 1) << bit % 8);
	return bit;
}

/* A final dynamic block of nothing: HLIT, HDIST, and behind 1, 18, 18 the rest of the lengths, in
 * which 1, 2, 16 and 18 are 00, 01, 10 and 11, first bit first. */
static struct deflate_walk walk_header(unsigned literals, unsigned distances,
				       const char *rest)
{
	/* 16, 17, 18 and so on to 2, 14 and 1. */
	static const uint8_t given[18] = { 2, 0, 2, 0, 0, 0, 0, 0, 0,
					   0, 0, 0, 0, 0, 0, 2, 0, 2 };
	uint8_t bytes[64] = { 0 };
	struct deflate_walk walk;
	size_t bit = put_bits(bytes, 0, 5, 3);

	bit = put_bits(bytes, bit, literals - 257, 5);
	bit = put_bits(bytes, bit, distances - 1, 5);
	bit = put_bits(bytes, bit, sizeof(given) - 4, 4);
	for (size_t i = 0; i < sizeof(given); i++)
		bit = put_bits(bytes, bit, given[i], 3);
	/* 1, zeros for 1 to 255. */
	bit = put_bits(bytes, bit, 0, 2);
	bit = put_bits(bytes, put_bits(bytes, bit, 3, 2), 138 - 11, 7);
	bit = put_bits(bytes, put_bits(bytes, bit, 3, 2), 117 - 11, 7);
	for (; *rest; rest++)
		bit = put_bits(bytes, bit, *rest == '1', 1);
	CHECK(deflate_walk(&walk, bytes, (bit + 7) / 8));
	return walk;
}

TEST(the_walker_finds_what_an_iaa_refuses)
{
	/* A fixed block of "a"; without, and with, its final bit. */
	static const uint8_t open[] = { 0x4a, 0x04, 0x00 },
			     closed[] = { 0x4b, 0x04, 0x00 };
	struct deflate_walk walk;

	CHECK(deflate_walk(&walk, closed, sizeof(closed)));
	CHECK(deflate_walk_suits_iaa(&walk));
	CHECK(!deflate_walk(&walk, open, sizeof(open)) || !walk.final);
	CHECK(!deflate_walk_suits_iaa(&walk));
	/* The end of a block is 10 in these; lengths of 256 and 257 are 2 and 2. */
	walk = walk_header(258, 4,
			   "01"
			   "01"
			   "01"
			   "01"
			   "01"
			   "01"
			   "10");
	CHECK(deflate_walk_suits_iaa(&walk));
	walk = walk_header(258, 3,
			   "01"
			   "01"
			   "01"
			   "01"
			   "01"
			   "10");
	CHECK_EQ(walk.incomplete, 1);
	CHECK(!deflate_walk_suits_iaa(&walk));
	walk = walk_header(258, 4,
			   "01"
			   "01"
			   "10"
			   "10"
			   "10");
	CHECK_EQ(walk.starts_with_run, 1);
	CHECK_EQ(walk.crossing + walk.incomplete, 0);
	CHECK(!deflate_walk_suits_iaa(&walk));
	walk = walk_header(258, 4,
			   "01"
			   "10"
			   "01"
			   "10");
	CHECK_EQ(walk.crossing, 1);
	CHECK_EQ(walk.starts_with_run + walk.incomplete, 0);
	CHECK(!deflate_walk_suits_iaa(&walk));
	walk = walk_header(258, 31,
			   "01"
			   "01"
			   "01"
			   "01"
			   "01"
			   "01"
			   "11"
			   "0000100"
			   "10");
	CHECK_EQ(walk.too_many, 1);
	CHECK(!deflate_walk_suits_iaa(&walk));
}

TEST(pages_of_zlib_have_the_driver_s_header_and_an_adler_32)
{
	uint64_t random = 7;

	need_memory();
	for (size_t i = 0; i < CODERS; i++) {
		void *state = coders[i]->open(UNIT_ZLIB, ENCODE, 0, &err);
		struct span source = pages_end(PAGE_BYTES);
		struct room room = coded_end(PAGE_BYTES);
		uLongf length = PAGE_BYTES;
		struct unit unit;

		fill_page(&random, TEXT, (uint8_t *)source.bytes);
		unit = run_unit(coders[i], state, source, room);
		CHECK_EQ(unit.answer, UNIT_DONE);
		CHECK(memcmp(room.bytes, "\x78\x9c", 2) == 0);
		CHECK_EQ(load_be32(room.bytes + unit.produced - 4),
			 adler32(1, source.bytes, PAGE_BYTES));
		CHECK_EQ(uncompress(landed, &length, room.bytes, unit.produced), Z_OK);
		CHECK(memcmp(landed, source.bytes, PAGE_BYTES) == 0);
		coders[i]->close(state);
	}
}

/* As QEMU's receiver does: one stream a channel, page by page, what is left is thrown away. */
static void check_blocks(const struct coder *coder, int level)
{
	void *state = coder->open(UNIT_BLOCKS, ENCODE, level, &err);
	z_stream stream = { 0 };
	uint64_t random = 9;

	CHECK_EQ(inflateInit2(&stream, -15), Z_OK);
	for (unsigned packet = 0; packet < 12; packet++) {
		struct span source = pages_end((1 + packet * 11) * PAGE_BYTES);
		struct room room = coded_end(CODED_BYTES_MAX);
		struct unit unit;

		fill_unit(&random, packet % CONTENTS, (uint8_t *)source.bytes,
			  1 + packet * 11);
		unit = run_unit(coder, state, source, room);
		CHECK_EQ(unit.answer, UNIT_DONE);
		CHECK(memcmp(room.bytes + unit.produced - 4, "\x00\x00\xff\xff", 4) == 0);
		stream.next_in = room.bytes;
		stream.avail_in = (uInt)unit.produced;
		for (size_t at = 0; at < source.length; at += PAGE_BYTES) {
			stream.next_out = landed;
			stream.avail_out = PAGE_BYTES;
			CHECK_EQ(inflate(&stream, Z_SYNC_FLUSH), Z_OK);
			CHECK_EQ(stream.avail_out, 0);
			CHECK(memcmp(landed, source.bytes + at, PAGE_BYTES) == 0);
		}
	}
	inflateEnd(&stream);
	coder->close(state);
}

TEST(blocks_feed_a_stream_that_never_ends)
{
	need_memory();
	for (int level = 1; level <= 3; level++)
		check_blocks(&coder_isal, level);
	check_blocks(&coder_zlib, 1);
	check_blocks(&coder_zlib, 9);
}

TEST(each_level_takes_no_more_bytes_than_the_one_below)
{
	FILE *program = fopen("/proc/self/exe", "rb");
	size_t length;

	need_memory();
	CHECK(program);
	/* Real bytes; made-up ones have nothing for a level to find. */
	length = fread(pages, 1, UNIT_BYTES_MAX, program) / PAGE_BYTES * PAGE_BYTES;
	fclose(program);
	for (size_t i = 0; i < CODERS; i++) {
		const struct span source = { pages, length };
		size_t least = SIZE_MAX;

		for (int level = 1; level <= 9; level++) {
			void *state = coders[i]->open(UNIT_MEMBERS, ENCODE, level, &err);
			struct unit unit;

			if (!state)
				continue;
			unit = run_unit(coders[i], state, source,
					coded_end(CODED_BYTES_MAX));
			CHECK_EQ(unit.answer, UNIT_DONE);
			/* Of what makes no difference to a level, a hair more. */
			CHECK(unit.produced <= least + least / 500);
			least = unit.produced;
			coders[i]->close(state);
		}
	}
}

TEST_MAIN(TEST_OF(every_decoder_reads_every_encoder),
	  TEST_OF(what_a_coder_does_not_have_is_refused),
	  TEST_OF(a_room_too_small_is_full_and_nothing_else),
	  TEST_OF(an_iaa_takes_each_page_of_deflate),
	  TEST_OF(the_walker_finds_what_an_iaa_refuses),
	  TEST_OF(pages_of_zlib_have_the_driver_s_header_and_an_adler_32),
	  TEST_OF(blocks_feed_a_stream_that_never_ends),
	  TEST_OF(each_level_takes_no_more_bytes_than_the_one_below))
