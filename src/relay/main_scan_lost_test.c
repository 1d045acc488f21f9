/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_scan_lost_test.c - where a main channel cannot be followed, and is only copied. */
#include "tests/golden/golden.h"

#include "relay/scan_for_tests.h"

/* Lost with the last byte so far, and not before; whatever comes is only copied. */
static void check_lost_here(const char *what)
{
	size_t used = in.used;

	main_scan_init(&scan, &both);
	out = writer_over(out_bytes, sizeof(out_bytes));
	for (size_t at = 0; at < used; at++) {
		if (scan.seen.lost)
			CHECK_FAIL("%s: lost at %zu, expected %zu", what, at, used);
		feed(in.start + at, 1);
	}
	if (!scan.seen.lost)
		CHECK_FAIL("%s: not lost", what);
	be64(0x10);
	footer();
	command(COMMAND_SWITCHOVER_START, 0);
	bait(100);
	check_scan(&both);
}

TEST(what_is_no_header_is_only_copied)
{
	fresh();
	be32(STREAM_MAGIC + 1);
	be32(STREAM_VERSION);
	check_lost_here("magic");
	CHECK(!scan.seen.header);
	fresh();
	be32(STREAM_MAGIC);
	be32(2);
	check_lost_here("version");
	CHECK(!scan.seen.header);
	/* As post-copy's recovery begins. */
	fresh();
	command(COMMAND_RECV_BITMAP, 7);
	bait(3);
	check_lost_here("recovery");
}

static void machine_length(uint8_t type, uint32_t length)
{
	fresh();
	be32(STREAM_MAGIC);
	be32(STREAM_VERSION);
	u8(type);
	be32(length);
}

TEST(what_is_no_configuration_is_only_copied)
{
	machine_length(RECORD_SECTION_START, 4);
	check_lost_here("type");
	CHECK(scan.seen.header && !scan.seen.configured);
	machine_length(RECORD_CONFIGURATION, 0);
	check_lost_here("empty");
	machine_length(RECORD_CONFIGURATION, 256);
	check_lost_here("too long");
	machine_length(RECORD_CONFIGURATION, UINT32_MAX);
	check_lost_here("far too long");
	machine_length(RECORD_CONFIGURATION, 4);
	be32(0x70006300);
	check_lost_here("NUL");
	CHECK(!scan.seen.configured);
	CHECK_STR(scan.seen.machine, "");
}

TEST(what_is_unknown_in_the_configuration_is_only_copied)
{
	header();
	subsection("configuration/uuid2", 1);
	check_lost_here("unknown");
	CHECK(scan.seen.configured);
	header();
	subsection("configuration/uui", 1);
	check_lost_here("shorter");
	header();
	subsection("configuration/uuid", 2);
	check_lost_here("version");
	header();
	u8(RECORD_SUBSECTION);
	u8(0);
	check_lost_here("no name");
	header();
	subsection("configuration/target-page-bits", 1);
	be32(13);
	check_lost_here("page bits");
	header();
	subsection("configuration/capabilities", 1);
	be32(STREAM_CAPABILITIES_MAX + 1);
	check_lost_here("capabilities");
	header();
	subsection("configuration/capabilities", 1);
	be32(2);
	str8("x-ignore-shared");
	str8("mapped-ram");
	check_lost_here("capability");
	header();
	subsection("configuration/capabilities", 1);
	be32(1);
	u8(0);
	check_lost_here("capability without name");
}

TEST(other_sections_are_where_it_ends)
{
	header();
	start_as(3, "dirty-bitmap", 0, 1);
	check_lost_here("iterable");
	header();
	start_as(3, "ram2", 0, 4);
	check_lost_here("longer name");
	header();
	start_as(3, "ra", 0, 4);
	check_lost_here("shorter name");
	header();
	start_as(3, "ram", 1, 4);
	check_lost_here("instance");
	header();
	start_as(3, "ram", 0, 5);
	check_lost_here("version");
	header();
	u8(RECORD_SECTION_START);
	be32(2);
	u8(0);
	check_lost_here("no name");
	header();
	u8(RECORD_SECTION_FULL);
	check_lost_here("early");
	CHECK(!scan.seen.setup_ended);
}

TEST(records_out_of_place_are_where_it_ends)
{
	static const uint8_t types[] = { RECORD_EOF,
					 RECORD_SECTION_START,
					 RECORD_SECTION_FULL,
					 RECORD_SUBSECTION,
					 RECORD_VMDESCRIPTION,
					 RECORD_CONFIGURATION,
					 RECORD_FOOTER,
					 0x09,
					 0xff };

	for (size_t i = 0; i < sizeof(types); i++) {
		header();
		setup(true);
		u8(types[i]);
		check_lost_here("after the setup");
		CHECK(scan.seen.setup_ended && !scan.seen.ram_ended);
	}
	header();
	u8(RECORD_SECTION_PART);
	check_lost_here("PART before START");
	header();
	u8(RECORD_SECTION_END);
	check_lost_here("END before START");
	header();
	command(COMMAND_OPEN_RETURN_PATH, 0);
	u8(RECORD_SUBSECTION);
	check_lost_here("subsection after a record");
	header();
	setup(true);
	u8(RECORD_SECTION_PART);
	be32(3);
	check_lost_here("id");
	header();
	command(COMMAND_PACKAGED, 3);
	check_lost_here("package");
}

static void setup_and_word(uint64_t word)
{
	header();
	setup(true);
	again(RECORD_SECTION_PART);
	be64(word);
}

TEST(words_that_are_no_record_are_where_it_ends)
{
	static const uint64_t words[] = {
		0,
		0x1000,
		0x001,
		0x020,
		0x080,
		0x00a,
		0x003,
		0x030,
		0x024,
		0x220,
		0x400,
		0x800,
		0x210,
		0x012,
		0x140,
		0x1010,
		0x1200,
		0xffffffffffffffff,
		0x0100000000000010,
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		setup_and_word(words[i]);
		check_lost_here("word");
		CHECK_EQ(scan.seen.flushes_added, 1);
	}
	setup_and_word(0x1004);
	check_lost_here("a second list");
	setup_and_word(0x008);
	u8(0);
	check_lost_here("page without a block's name");
}

TEST(wrong_footers_are_where_it_ends)
{
	header();
	start();
	ram_section_write_flush(&want);
	be64(0x10);
	u8(RECORD_SECTION_PART);
	be32(2);
	check_lost_here("type");
	header();
	start();
	ram_section_write_flush(&want);
	be64(0x10);
	u8(RECORD_FOOTER);
	be32(0x02000002);
	check_lost_here("id");
}

static void list(uint64_t total_bytes)
{
	header();
	start();
	be64(total_bytes | 0x4);
}

TEST(block_lists_that_do_not_add_up_are_where_it_ends)
{
	list(0x3000);
	block("a", 0);
	check_lost_here("empty");
	list(0x3000);
	block("a", 0x4000);
	check_lost_here("too large");
	list(0x3000);
	block("a", 0x1000);
	block("b", UINT64_MAX);
	check_lost_here("wraps");
	list(0x3000);
	block("a", 0x1000);
	u8(0);
	check_lost_here("no name, or a page size without advice");
	CHECK_EQ(scan.seen.ram_bytes, 0x3000);

	header();
	command(COMMAND_POSTCOPY_ADVISE, 0);
	start();
	be64(0x1004);
	block("a", 0x1000);
	be64(0x200000);
	check_lost_here("page size after an advice without any");
}

TEST(a_block_has_one_page_size_at_most)
{
	header();
	advise();
	start();
	be64(0x3004);
	u8(0);
	check_lost_here("before the first");
	header();
	advise();
	start();
	be64(0x3004);
	block("a", 0x1000);
	be64(0x200000);
	u8(0);
	check_lost_here("two between blocks");
	header();
	advise();
	start();
	be64(0x1004);
	block("a", 0x1000);
	be64(0x200000);
	be64(0x200000);
	check_lost_here("two at the end");
	header();
	advise();
	start();
	be64(0x1004);
	block("a", 0x1000);
	be64(0x200); /* a record ends the list */
	be64(0x200000);
	check_lost_here("after a record");
}

TEST_MAIN(TEST_OF(what_is_no_header_is_only_copied),
	  TEST_OF(what_is_no_configuration_is_only_copied),
	  TEST_OF(what_is_unknown_in_the_configuration_is_only_copied),
	  TEST_OF(other_sections_are_where_it_ends),
	  TEST_OF(records_out_of_place_are_where_it_ends),
	  TEST_OF(words_that_are_no_record_are_where_it_ends),
	  TEST_OF(wrong_footers_are_where_it_ends),
	  TEST_OF(block_lists_that_do_not_add_up_are_where_it_ends),
	  TEST_OF(a_block_has_one_page_size_at_most))
