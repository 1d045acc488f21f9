/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ram_section_test.c - bodies of the ram section. */
#include "wire/ram_section.h"

#include "tests/check.h"

#define PAGE ((uint64_t)PAGE_BYTES)
#define BIG_CAPACITY LAYOUT_BLOCKS_MAX

static struct layout_block storage[BIG_CAPACITY];
static uint8_t bytes[BIG_CAPACITY * 32];

/* Two blocks, as most tests want them. */
static struct layout two_blocks(void)
{
	struct layout layout = { storage, 8, 2, UINT64_MAX };

	storage[0] = (struct layout_block){ "pc.ram", 4 * PAGE };
	storage[1] = (struct layout_block){ "vga.vram", PAGE };
	return layout;
}

static struct layout empty_layout(uint32_t capacity, uint64_t limit_bytes)
{
	return (struct layout){ storage, capacity, 0, limit_bytes };
}

static int read_with(struct writer *out, const struct ram_reader_options *options,
		     struct layout *layout, struct ram_section_state *state,
		     struct ram_record *record, struct gw_error *err)
{
	struct cursor in = cursor_over(out->start, out->used);

	return ram_section_read(&in, options, layout, state, record, err);
}

static int read_one(struct writer *out, struct layout *layout, struct ram_record *record,
		    struct gw_error *err)
{
	struct ram_section_state state = { -1 };
	struct ram_reader_options options = { 0 };

	return read_with(out, &options, layout, &state, record, err);
}

static struct writer fresh(void)
{
	return writer_over(bytes, sizeof(bytes));
}

static void put_entry(struct writer *out, const char *name, uint64_t length_bytes)
{
	writer_str8(out, name);
	writer_be64(out, length_bytes);
}

#define CHECK_REFUSED(out_, layout_, kind_, text_)                        \
	do {                                                              \
		struct gw_error err__ = { 0 };                            \
		struct ram_record record__;                               \
		CHECK_EQ(read_one(out_, layout_, &record__, &err__), -1); \
		CHECK_EQ(err__.kind, kind_);                              \
		CHECK_STR(err__.text, text_);                             \
	} while (0)

/* ---- the block list ---- */

TEST(block_list_survives_a_round_trip)
{
	struct layout sent = two_blocks(), got;
	struct layout_block got_blocks[2];
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;

	ram_section_write_blocks(&out, &sent);
	got = (struct layout){ got_blocks, 2, 0, 5 * PAGE };
	CHECK_OK(read_one(&out, &got, &record, &err), &err);
	CHECK_EQ(record.type, RAM_BLOCKS);
	CHECK_EQ(got.block_count, 2);
	CHECK_STR(got_blocks[0].name, "pc.ram");
	CHECK_EQ(got_blocks[0].length_bytes, 4 * PAGE);
	CHECK_STR(got_blocks[1].name, "vga.vram");
	CHECK_EQ(got_blocks[1].length_bytes, PAGE);
	CHECK_EQ(layout_find(&got, "vga.vram", 8), 1);
	CHECK_EQ(layout_find(&got, "vga.vra", 7), -1);
	CHECK_EQ(layout_find(&got, "vga.vram2", 9), -1);
	CHECK_EQ(layout_find(&got, "", 0), -1);
}

TEST(block_list_carries_addresses_with_ignore_shared)
{
	struct layout layout = empty_layout(2, UINT64_MAX);
	struct ram_reader_options options = { .ignore_shared = true };
	struct ram_section_state state = { -1 };
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;

	writer_be64(&out, 3 * PAGE | 4);
	put_entry(&out, "a", PAGE);
	writer_be64(&out, 0x100000000);
	put_entry(&out, "b", 2 * PAGE);
	writer_be64(&out, 0xfffc0000);
	CHECK_OK(read_with(&out, &options, &layout, &state, &record, &err), &err);
	CHECK_EQ(layout.block_count, 2);
	CHECK_EQ(storage[1].length_bytes, 2 * PAGE);
}

TEST(total_is_bounded_and_not_zero)
{
	struct layout layout = empty_layout(8, 3 * PAGE);
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;

	writer_be64(&out, 3 * PAGE | 4);
	put_entry(&out, "a", 3 * PAGE);
	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	layout = empty_layout(8, 3 * PAGE);
	out = fresh();
	writer_be64(&out, 4 * PAGE | 4);
	put_entry(&out, "a", 4 * PAGE);
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: 16384 bytes announced, at most 12288");
	out = fresh();
	writer_be64(&out, 4);
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: an empty block list");
}

TEST(block_lengths_are_pages_and_sum_up)
{
	static const struct {
		uint64_t length_bytes;
		const char *text;
	} rows[] = {
		{ 0, "ram: block \"a\" of 0 bytes, expected a multiple of 4096" },
		{ 1, "ram: block \"a\" of 1 bytes, expected a multiple of 4096" },
		{ 4095, "ram: block \"a\" of 4095 bytes, expected a multiple of 4096" },
		{ 12288, "ram: block \"a\" of 12288 bytes, 8192 are left of the total" },
		{ UINT64_MAX - 4095,
		  "ram: block \"a\" of 18446744073709547520 bytes, 8192 are "
		  "left of the total" },
	};
	struct layout layout = empty_layout(8, UINT64_MAX);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct writer out = fresh();

		writer_be64(&out, 2 * PAGE | 4);
		put_entry(&out, "a", rows[i].length_bytes);
		CHECK_REFUSED(&out, &layout, GW_PEER, rows[i].text);
		CHECK_EQ(layout.block_count, 0);
	}
}

TEST(a_broken_list_leaves_the_layout_empty)
{
	struct layout layout = empty_layout(8, UINT64_MAX);
	struct writer out = fresh();

	writer_be64(&out, 2 * PAGE | 4);
	put_entry(&out, "a", PAGE);
	put_entry(&out, "a", PAGE);
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: block \"a\" is listed twice");
	CHECK_EQ(layout.block_count, 0);
	out.used -= 3;
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: block list: cut short at byte 25");
	CHECK_EQ(layout.block_count, 0);
}

TEST(block_names_have_1_to_255_bytes_without_nul)
{
	struct layout layout = empty_layout(8, UINT64_MAX);
	char name[LAYOUT_NAME_MAX + 1];
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;

	memset(name, 'n', sizeof(name));
	name[LAYOUT_NAME_MAX] = '\0';
	writer_be64(&out, PAGE | 4);
	put_entry(&out, name, PAGE);
	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	CHECK_STR(storage[0].name, name);
	layout = empty_layout(8, UINT64_MAX);
	out = fresh();
	writer_be64(&out, PAGE | 4);
	put_entry(&out, "", PAGE);
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: block name of 0 bytes, 1 to 255 are allowed");
	out = fresh();
	writer_be64(&out, PAGE | 4);
	writer_u8(&out, 3);
	writer_bytes(&out, "a\0b", 3);
	writer_be64(&out, PAGE);
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: block name with a NUL at byte 1 of 3");
}

static struct writer many_blocks(uint32_t count)
{
	struct writer out = fresh();

	writer_be64(&out, count * PAGE | 4);
	for (uint32_t i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "block%u", i);
		put_entry(&out, name, PAGE);
	}
	CHECK(!out.overrun);
	return out;
}

TEST(block_count_is_bounded)
{
	struct layout layout = empty_layout(LAYOUT_BLOCKS_MAX, UINT64_MAX);
	struct writer out = many_blocks(LAYOUT_BLOCKS_MAX);
	struct ram_record record;
	struct gw_error err;

	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	CHECK_EQ(layout.block_count, LAYOUT_BLOCKS_MAX);
	layout = empty_layout(LAYOUT_BLOCKS_MAX, UINT64_MAX);
	out = many_blocks(LAYOUT_BLOCKS_MAX + 1);
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: more than 4096 blocks");
	layout = empty_layout(2, UINT64_MAX);
	out = many_blocks(2);
	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	layout = empty_layout(2, UINT64_MAX);
	out = many_blocks(3);
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: more than 2 blocks");
}

TEST(a_second_list_is_refused)
{
	struct layout layout = empty_layout(8, UINT64_MAX);
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;

	writer_be64(&out, PAGE | 4);
	put_entry(&out, "a", PAGE);
	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: a second block list");
	CHECK_EQ(layout.block_count, 1);
}

/* ---- page records ---- */

TEST(zero_records_name_their_block_once)
{
	struct layout layout = two_blocks();
	struct ram_section_state writing = { -1 }, reading = { -1 };
	struct ram_reader_options options = { 0 };
	static const struct {
		uint32_t block;
		uint64_t offset;
		size_t bytes;
	} rows[] = {
		{ 0, 0, 8 + 1 + 6 + 1 },
		{ 0, 3 * PAGE, 8 + 1 },
		{ 1, 0, 8 + 1 + 8 + 1 },
		{ 0, PAGE, 8 + 1 + 6 + 1 },
	};
	struct writer out = fresh();
	struct cursor in;
	struct ram_record record;
	struct gw_error err;

	for (size_t i = 0; i < 4; i++) {
		size_t before = out.used;

		ram_section_write_zero(&out, &writing, &layout, rows[i].block,
				       rows[i].offset);
		CHECK_EQ(out.used - before, rows[i].bytes);
	}
	in = cursor_over(bytes, out.used);
	for (size_t i = 0; i < 4; i++) {
		CHECK_OK(ram_section_read(&in, &options, &layout, &reading, &record,
					  &err),
			 &err);
		CHECK_EQ(record.type, RAM_ZERO);
		CHECK_EQ(record.block, rows[i].block);
		CHECK_EQ(record.offset, rows[i].offset);
	}
	CHECK(cursor_at_end(&in));
}

TEST(longest_zero_record_fits_its_bound)
{
	struct layout layout = two_blocks();
	struct ram_section_state state = { -1 };
	struct writer out = writer_over(bytes, RAM_ZERO_RECORD_BYTES_MAX);

	memset(storage[0].name, 'n', LAYOUT_NAME_MAX);
	storage[0].name[LAYOUT_NAME_MAX] = '\0';
	ram_section_write_zero(&out, &state, &layout, 0, 0);
	CHECK(!out.overrun);
	CHECK_EQ(out.used, RAM_ZERO_RECORD_BYTES_MAX);
}

TEST(page_contents_are_left_for_the_caller)
{
	struct layout layout = two_blocks();
	struct ram_section_state state = { -1 };
	struct ram_reader_options options = { 0 };
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;
	struct cursor in;

	writer_be64(&out, 2 * PAGE | 8);
	writer_str8(&out, "pc.ram");
	writer_zeros(&out, PAGE);
	writer_be64(&out, 3 * PAGE | 8 | 0x20);
	writer_zeros(&out, PAGE);
	in = cursor_over(bytes, out.used);
	CHECK_OK(ram_section_read(&in, &options, &layout, &state, &record, &err), &err);
	CHECK_EQ(record.type, RAM_PAGE);
	CHECK_EQ(record.block, 0);
	CHECK_EQ(record.offset, 2 * PAGE);
	CHECK_EQ(cursor_offset(&in), 8 + 1 + 6);
	cursor_skip(&in, PAGE);
	CHECK_OK(ram_section_read(&in, &options, &layout, &state, &record, &err), &err);
	CHECK_EQ(record.type, RAM_PAGE);
	CHECK_EQ(record.offset, 3 * PAGE);
	cursor_skip(&in, PAGE);
	CHECK(cursor_at_end(&in));
}

TEST(offsets_stay_inside_their_block)
{
	struct layout layout = two_blocks();
	struct ram_section_state state = { -1 };
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;

	ram_section_write_zero(&out, &state, &layout, 0, 3 * PAGE);
	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	out = fresh();
	writer_be64(&out, 4 * PAGE | 2);
	writer_str8(&out, "pc.ram");
	writer_u8(&out, 0);
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: offset 0x4000 in block \"pc.ram\" of 0x4000 bytes");
	out = fresh();
	writer_be64(&out, ~(PAGE - 1) | 8);
	writer_str8(&out, "vga.vram");
	CHECK_REFUSED(
		&out, &layout, GW_PEER,
		"ram: offset 0xfffffffffffff000 in block \"vga.vram\" of 0x1000 bytes");
}

TEST(unknown_blocks_are_refused_printably)
{
	struct layout layout = two_blocks();
	struct writer out = fresh();

	writer_be64(&out, 8);
	writer_str8(&out, "pc.ra\033");
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: page of block \"pc.ra\\x1b\", which is not listed");
	layout.block_count = 0;
	out = fresh();
	writer_be64(&out, 8);
	writer_str8(&out, "pc.ram");
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: page of block \"pc.ram\", which is not listed");
}

TEST(continue_needs_a_block_before_it)
{
	struct layout layout = two_blocks();
	struct writer out = fresh();

	writer_be64(&out, 8 | 0x20);
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: the first page continues a block");
}

TEST(zero_pages_are_filled_with_zero)
{
	struct layout layout = two_blocks();
	struct writer out = fresh();

	writer_be64(&out, 2);
	writer_str8(&out, "pc.ram");
	writer_u8(&out, 1);
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: zero page filled with 0x01, expected 0");
	out.used--;
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: zero page: cut short at byte 15");
}

/* ---- barriers, ends, and what is no record ---- */

TEST(barriers_and_ends_are_bare_words)
{
	struct layout layout = two_blocks();
	struct writer out = fresh();
	struct ram_record record;
	struct gw_error err;

	ram_section_write_flush(&out);
	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	CHECK_EQ(record.type, RAM_FLUSH);
	out = fresh();
	ram_section_write_eos(&out);
	CHECK_OK(read_one(&out, &layout, &record, &err), &err);
	CHECK_EQ(record.type, RAM_EOS);
	out.used--;
	CHECK_REFUSED(&out, &layout, GW_PEER, "ram: cut short at byte 7");
}

TEST(every_other_word_is_refused)
{
	struct layout layout = two_blocks();
	uint32_t accepted = 0;

	for (uint32_t flags = 0; flags < PAGE; flags++) {
		struct writer out = fresh();
		struct gw_error err = { 0 };
		struct ram_record record;

		writer_be64(&out, flags);
		writer_str8(&out, "pc.ram");
		writer_u8(&out, 0);
		if (read_one(&out, &layout, &record, &err) == 0) {
			CHECK(flags == 2 || flags == 8 || flags == 0x10 ||
			      flags == 0x200);
			accepted++;
		} else if ((flags & ~0x20u) == 0x40 || (flags & ~0x20u) == 0x80 ||
			   (flags & ~0x20u) == 0x100) {
			CHECK_EQ(err.kind, GW_UNSUPPORTED);
		} else {
			CHECK_EQ(err.kind, GW_PEER);
		}
	}
	CHECK_EQ(accepted, 4);
}

TEST(offsets_on_words_without_a_page_are_refused)
{
	struct layout layout = two_blocks();
	struct writer out = fresh();

	writer_be64(&out, PAGE | 0x10);
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: word 0x0000000000001010 at byte 0 is no record");
	out = fresh();
	writer_be64(&out, PAGE | 0x200);
	CHECK_REFUSED(&out, &layout, GW_PEER,
		      "ram: word 0x0000000000001200 at byte 0 is no record");
}

TEST(methods_on_main_are_refused_by_name)
{
	static const struct {
		uint64_t flag;
		const char *text;
	} rows[] = {
		{ 0x40, "ram: XBZRLE records are not supported" },
		{ 0x80, "ram: HOOK records (RDMA) are not supported" },
		{ 0x100, "ram: COMPRESS_PAGE records are not supported" },
	};
	struct layout layout = two_blocks();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct writer out = fresh();

		writer_be64(&out, rows[i].flag);
		CHECK_REFUSED(&out, &layout, GW_UNSUPPORTED, rows[i].text);
	}
}

TEST_MAIN(TEST_OF(block_list_survives_a_round_trip),
	  TEST_OF(block_list_carries_addresses_with_ignore_shared),
	  TEST_OF(total_is_bounded_and_not_zero),
	  TEST_OF(block_lengths_are_pages_and_sum_up),
	  TEST_OF(a_broken_list_leaves_the_layout_empty),
	  TEST_OF(block_names_have_1_to_255_bytes_without_nul),
	  TEST_OF(block_count_is_bounded), TEST_OF(a_second_list_is_refused),
	  TEST_OF(zero_records_name_their_block_once),
	  TEST_OF(longest_zero_record_fits_its_bound),
	  TEST_OF(page_contents_are_left_for_the_caller),
	  TEST_OF(offsets_stay_inside_their_block),
	  TEST_OF(unknown_blocks_are_refused_printably),
	  TEST_OF(continue_needs_a_block_before_it),
	  TEST_OF(zero_pages_are_filled_with_zero),
	  TEST_OF(barriers_and_ends_are_bare_words), TEST_OF(every_other_word_is_refused),
	  TEST_OF(offsets_on_words_without_a_page_are_refused),
	  TEST_OF(methods_on_main_are_refused_by_name))
