/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receiver_test.c - what a receiver takes, from every QEMU there is. */
/* Before the headers below, which use it. */
#include "tests/check.h"

#include "migrate/composer_for_tests.h"
#include "migrate/receive_input_for_tests.h"
#include "migrate/reception_for_tests.h"

static struct composer c;

/* Receives, sees it arrive whole, and clears away; what is left is the report. */
static struct reception arrive(struct reception rec)
{
	reception_run(&rec, &c);
	reception_check_arrived(&rec, &c);
	reception_clear(&rec);
	composer_clear(&c);
	return rec;
}

/* A PART with its barrier, what is in it having been sent before. */
static void part(void)
{
	composer_sync(&c);
	composer_section(&c, RECORD_SECTION_PART);
}

/* ---- barriers ---- */

TEST(a_barrier_once_a_section_is_known_from_the_setup)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 2, "qemu-7.2", "pc-q35-7.2");
	composer_data(&c, 0, CODEC_NONE, 0, 0, 3, 1);
	composer_data(&c, 1, CODEC_NONE, 1, 0, 4, 1);
	part();
	composer_data(&c, 1, CODEC_NONE, 0, 0, 3, 2);
	part();
	composer_finish(&c);
	rec = arrive(rec);
	CHECK(rec.report.barrier_per_section);
	CHECK_EQ(rec.report.barriers, 4);
	CHECK_STR(rec.report.dialect->name, "qemu-7.2");
}

TEST(a_barrier_once_a_round_is_known_from_the_setup)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 2, "qemu-10.0", "pc-q35-10.0");
	composer_data(&c, 0, CODEC_NONE, 0, 0, 3, 1);
	/* Half a round: a section without a barrier. */
	composer_begin(&c, RECORD_SECTION_PART);
	ram_section_write_eos(&c.main);
	stream_write_footer(&c.main, RAM_ID);
	part();
	composer_data(&c, 1, CODEC_NONE, 0, 0, 3, 2);
	/* Two rounds in one section. */
	composer_sync(&c);
	composer_begin(&c, RECORD_SECTION_PART);
	ram_section_write_flush(&c.main);
	composer_data(&c, 0, CODEC_NONE, 0, 1, 1, 3);
	composer_sync(&c);
	composer_end_section(&c);
	composer_finish(&c);
	rec = arrive(rec);
	CHECK(!rec.report.barrier_per_section);
	CHECK_EQ(rec.report.barriers, 5);
	CHECK_EQ(rec.report.parts, 4);
}

TEST(what_is_sent_counts_where_the_machine_type_says_otherwise)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 1, "qemu-7.2", "pc-q35-10.0");
	composer_data(&c, 0, CODEC_NONE, 0, 0, 1, 1);
	part();
	composer_finish(&c);
	rec = arrive(rec);
	CHECK(rec.report.barrier_per_section);
	CHECK_STR(rec.report.dialect->name, "qemu-10.0");
}

/* QEMU from 8.1 on takes a FLUSH for a barrier in either mode. */
TEST(a_flush_is_a_barrier_also_where_each_section_has_one)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 2, "qemu-8.0", "pc-q35-8.0");
	composer_data(&c, 0, CODEC_NONE, 0, 0, 2, 1);
	composer_sync(&c);
	composer_begin(&c, RECORD_SECTION_PART);
	ram_section_write_flush(&c.main);
	composer_data(&c, 1, CODEC_NONE, 0, 0, 2, 2);
	composer_sync(&c);
	composer_end_section(&c);
	composer_finish(&c);
	rec = arrive(rec);
	CHECK(rec.report.barrier_per_section);
	CHECK_EQ(rec.report.barriers, 4);
}

/* Version 2 of a page waits for the barrier; the other channel is long done with version 1. */
TEST(data_behind_a_sync_waits_for_the_barrier)
{
	for (unsigned first = 0; first < 2; first++) {
		struct reception rec = { .inspect = false };

		composer_start(&c, 2, "qemu-9.0", "pc-q35-9.0");
		for (uint8_t version = 1; version < 9; version++) {
			composer_data(&c, (first + version) % 2, CODEC_ZLIB, 0, 0, 4,
				      version);
			part();
		}
		composer_finish(&c);
		arrive(rec);
	}
}

/* QEMU 9.1 and 9.2 end with a SYNC that no FLUSH asks for. */
TEST(an_unmatched_last_sync_is_left_where_it_is)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 2, "qemu-9.2", "pc-q35-9.2");
	composer_data(&c, 0, CODEC_ZSTD, 0, 0, 8, 1);
	part();
	composer_finish(&c);
	composer_sync(&c);
	rec = arrive(rec);
	CHECK_EQ(rec.report.barriers, 3);
}

/* 8.1.0 writes FLUSH also when multifd is off. */
TEST(a_flush_without_multifd_means_nothing)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 0, "qemu-8.1", "pc-q35-8.1");
	composer_begin(&c, RECORD_SECTION_PART);
	composer_main_page(&c, 0, 3, 1);
	ram_section_write_flush(&c.main);
	composer_main_page(&c, 1, 1, 1);
	composer_end_section(&c);
	composer_finish(&c);
	rec = arrive(rec);
	CHECK_EQ(rec.report.barriers, 0);
	CHECK_EQ(rec.report.main_normal_pages, 2);
}

/* ---- packets ---- */

/* As QEMU 7.2 was recorded doing it. */
TEST(a_sync_on_a_data_packet_and_the_stray_packet_after_it_are_taken)
{
	struct reception rec = { .inspect = false };
	uint8_t *merged, *stray, *plain;

	composer_start(&c, 2, "qemu-7.2", "pc-q35-7.2");
	merged = composer_data(&c, 0, CODEC_ZLIB, 0, 0, 2, 1);
	store_be32(merged + 8, MULTIFD_ZLIB | MULTIFD_FLAG_SYNC);
	/* No flags, no pages, but size and number of the packet before. */
	stray = composer_sync_one(&c, 0);
	memcpy(stray, merged, MULTIFD_PACKET_BYTES);
	store_be32(stray + 8, 0);
	store_be32(stray + 16, 0);
	CHECK(load_be32(stray + 20) > 0);
	/* The other one says SYNC by itself, with what is left of an older packet. */
	plain = composer_sync_one(&c, 1);
	store_be32(plain + 20, 4096);
	memcpy(plain + 64, "gone.ram", 9);
	store_be64(plain + 320, 0x123456789);
	composer_section(&c, RECORD_SECTION_PART);
	composer_data(&c, 0, CODEC_ZLIB, 0, 1, 2, 2);
	composer_finish(&c);
	rec = arrive(rec);
	CHECK_EQ(rec.report.counters.syncs, 6);
	/* Setup, data with SYNC, stray, data, END; and three times SYNC. */
	CHECK_EQ(rec.report.counters.packets, 5 + 3);
	CHECK_EQ(rec.report.counters.normal_pages, 4);
}

TEST(each_packet_is_taken_for_what_its_own_flags_say)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 2, "qemu-10.0", "pc-q35-10.0");
	for (uint32_t i = 0; i < 12; i++)
		composer_data(&c, i / 6 % 2, (enum codec_id)(i % CODEC_COUNT), 0, i, 1,
			      1);
	part();
	for (uint32_t i = 0; i < 6; i++)
		composer_data(&c, i % 2, (enum codec_id)((i + 1) % CODEC_COUNT), 0, 2 * i,
			      2, (uint8_t)(2 + i));
	composer_finish(&c);
	rec = arrive(rec);
	for (unsigned id = 0; id < CODEC_COUNT; id++) {
		CHECK_EQ(rec.report.counters.methods[id].packets, 2 + 1);
		CHECK_EQ(rec.report.counters.methods[id].pages, 2 + 2);
	}
	CHECK_EQ(rec.report.counters.methods[CODEC_NONE].payload_bytes, 4 * PAGE_BYTES);
}

TEST(a_zero_page_clears_what_arrived_before_and_touches_nothing_else)
{
	struct reception rec = { .inspect = false };
	struct multifd_packet both = { .method = MULTIFD_NONE,
				       .normal_pages = 1,
				       .zero_pages = 2,
				       .payload_bytes = PAGE_BYTES,
				       .block = 0,
				       .offsets = { 7 * PAGE_BYTES, 8 * PAGE_BYTES, 0 } };

	composer_start(&c, 2, "qemu-9.0", "pc-q35-9.0");
	composer_zeros(&c, 0, 0, 0, 6); /* before any data: untouched */
	composer_data(&c, 1, CODEC_NONE, 0, 8, 4, 1);
	composer_data(&c, 1, CODEC_NONE, 1, 0, 1, 1);
	part();
	composer_data(&c, 0, CODEC_NONE, 0, 0, 2, 2); /* data after zero */
	composer_zeros(&c, 1, 0, 9, 2);		      /* zero after data */
	part();
	/* Data and zeros in one packet, not in the order of their offsets. */
	composer_fill(&c, 0, 7, 3);
	composer_packet(&c, 0, &both, c.memory[0] + 7 * PAGE_BYTES);
	memset(c.memory[0] + 8 * PAGE_BYTES, 0, PAGE_BYTES);
	memset(c.memory[0], 0, PAGE_BYTES);
	/* ZERO on main behind the barrier, of received pages and of others. */
	composer_sync(&c);
	composer_begin(&c, RECORD_SECTION_PART);
	ram_section_write_flush(&c.main);
	composer_main_zero(&c, 1, 0);
	composer_main_zero(&c, 1, 1);
	composer_main_zero(&c, 0, 11);
	ram_section_write_eos(&c.main);
	stream_write_footer(&c.main, RAM_ID);
	composer_finish(&c);
	CHECK_EQ(c.memory[0][PAGE_BYTES * 2], COMPOSER_UNTOUCHED);
	CHECK_EQ(c.memory[1][PAGE_BYTES], COMPOSER_UNTOUCHED);
	rec = arrive(rec);
	CHECK_EQ(rec.report.counters.zero_pages, 6 + 2 + 2);
	CHECK_EQ(rec.report.main_zero_pages, 3);
}

TEST(pages_on_main_are_taken_beside_page_channels)
{
	struct reception rec = { .inspect = false };

	composer_start(&c, 2, "qemu-8.2", "pc-q35-8.2");
	composer_data(&c, 0, CODEC_NONE, 0, 0, 4, 1);
	composer_data(&c, 1, CODEC_NONE, 1, 0, 1, 1);
	composer_sync(&c);
	composer_begin(&c, RECORD_SECTION_PART);
	ram_section_write_flush(&c.main);
	composer_main_page(&c, 0, 2, 2);
	composer_main_zero(&c, 0, 1); /* CONTINUE after a page */
	composer_main_page(&c, 1, 3, 2);
	ram_section_write_eos(&c.main);
	stream_write_footer(&c.main, RAM_ID);
	composer_finish(&c);
	rec = arrive(rec);
	CHECK_EQ(rec.report.main_normal_pages, 2);
}

/* ---- the whole report ---- */

TEST(what_is_reported_is_exact)
{
	struct reception rec = { .machine = "pc-q35-10.0" };
	size_t wire_bytes = 0, main_bytes;

	/* The source's name may be shorter. */
	composer_start(&c, 3, "qemu-10.0", "pc-q35-10");
	stream_write_ping(&c.main, 77);
	composer_data(&c, 0, CODEC_ZSTD, 0, 0, 16, 1);
	composer_zeros(&c, 1, 1, 0, 1);
	part();
	stream_write_command(&c.main, COMMAND_SWITCHOVER_START);
	composer_finish(&c);
	main_bytes = c.main.used;
	for (uint32_t i = 0; i < 3; i++)
		wire_bytes += c.pages[i].used + MULTIFD_INIT_BYTES;
	reception_run(&rec, &c);
	CHECK_OK(rec.result, &rec.err);
	CHECK_STR(rec.report.machine, "pc-q35-10");
	CHECK(!rec.report.dialect);
	CHECK(rec.report.return_path);
	CHECK(rec.report.switchover_start);
	CHECK_EQ(rec.report.block_count, 2);
	CHECK_EQ(rec.report.parts, 2);
	CHECK_EQ(rec.report.barriers, 3);
	CHECK_EQ(rec.report.main_bytes, main_bytes);
	CHECK_EQ(rec.report.wire_bytes, main_bytes + wire_bytes);
	CHECK_EQ(rec.report.counters.packets, 3 * 3 + 2);
	CHECK_EQ(rec.report.counters.syncs, 3 * 3);
	CHECK_EQ(rec.report.counters.normal_pages, 16);
	CHECK_EQ(rec.report.counters.zero_pages, 1);
	CHECK_EQ(rec.report.counters.methods[CODEC_ZSTD].packets, 1);
	CHECK_EQ(rec.report.counters.methods[CODEC_ZSTD].pages, 16);
	CHECK_EQ(rec.loaded, 1);
	/* Each PING in its turn, and the answer last. */
	CHECK_EQ(rec.said_count, 3);
	CHECK_EQ(rec.said[0].type, RETURN_PONG);
	CHECK_EQ(rec.said[0].value, 1);
	CHECK_EQ(rec.said[1].value, 77);
	CHECK_EQ(rec.said[2].type, RETURN_SHUT);
	reception_clear(&rec);
	composer_clear(&c);
}

/* ---- the end ---- */

static void compose_undescribed(bool return_path)
{
	composer_init(&c, 1, "qemu-9.0");
	composer_block(&c, "pc.ram", 4);
	composer_open(&c, "pc-q35-9.0", return_path);
	composer_begin(&c, RECORD_SECTION_START);
	ram_section_write_blocks(&c.main, &c.layout);
	composer_sync(&c);
	composer_end_section(&c);
	composer_data(&c, 0, CODEC_NONE, 0, 1, 2, 1);
	composer_sync(&c);
	composer_section(&c, RECORD_SECTION_END);
	composer_device(&c, "timer");
	stream_write_eof(&c.main);
}

TEST(a_stream_may_end_without_a_description)
{
	for (unsigned inspect = 0; inspect < 2; inspect++)
		for (unsigned return_path = 0; return_path < 2; return_path++) {
			struct reception rec = { .inspect = inspect };

			compose_undescribed(return_path);
			rec = arrive(rec);
			CHECK(!rec.report.devices_known);
		}
}

/* -machine suppress-vmdesc=on, and a source that waits for the answer. */
TEST(who_waits_for_an_answer_gets_it_without_a_description_too)
{
	for (unsigned inspect = 0; inspect < 2; inspect++) {
		struct reception rec = { .inspect = inspect,
					 .silent = 1,
					 .patience_ms = 200 };

		compose_undescribed(true);
		arrive(rec);
	}
}

TEST(without_a_guest_the_description_ends_the_stream)
{
	struct reception rec = { .inspect = true, .silent = 1 };

	composer_start(&c, 1, "qemu-10.0", "pc-q35-10.0");
	composer_data(&c, 0, CODEC_NONE, 0, 0, 2, 1);
	composer_sync(&c);
	composer_section(&c, RECORD_SECTION_END);
	composer_device(&c, "timer");
	composer_device(&c, "globalstate");
	stream_write_eof(&c.main);
	composer_describe(&c);
	rec = arrive(rec);
	CHECK(rec.report.devices_known);
	CHECK_EQ(rec.report.vmdesc.device_count, 2);
	CHECK_STR(rec.report.vmdesc.devices[1].name, "globalstate");
}

TEST(without_a_return_path_nothing_is_said)
{
	struct reception rec = { .inspect = false };

	compose_undescribed(false);
	composer_describe(&c);
	rec = arrive(rec);
	CHECK_EQ(rec.said_count, 0);
}

/* ---- the seeds of the fuzz target ---- */

/* A seed that is refused early leads nowhere. */
TEST(each_seed_of_the_fuzz_target_arrives)
{
	static const struct {
		const char *name;
		uint32_t blocks, barriers, pages;
	} seeds[] = {
		{ "per-section-guest", 1, 3, 3 }, { "per-section-tail", 1, 3, 3 },
		{ "per-round-guest", 1, 3, 1 },	  { "per-round-tail", 1, 3, 1 },
		{ "several-blocks", 3, 2, 7 },	  { "pages-on-main", 1, 0, 1 },
		{ "every-method", 1, 3, 5 },
	};
	static struct received_input in;
	static uint8_t bytes[65536];

	for (unsigned i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		char path[512];
		size_t length;
		FILE *file;

		snprintf(path, sizeof(path), "%s/corpus/receive/%s", TESTS_DIR,
			 seeds[i].name);
		file = fopen(path, "rb");
		if (!file)
			CHECK_FAIL("%s is missing", path);
		length = fread(bytes, 1, sizeof(bytes), file);
		fclose(file);
		receive_input(bytes, length, &in);
		if (in.result < 0)
			CHECK_FAIL("%s: %s", seeds[i].name, in.err.text);
		CHECK_EQ(in.report.block_count, seeds[i].blocks);
		CHECK_EQ(in.report.barriers, seeds[i].barriers);
		CHECK_EQ(in.report.counters.normal_pages + in.report.main_normal_pages,
			 seeds[i].pages);
		CHECK_EQ(in.started, in.has_guest);
		CHECK(in.has_guest || in.report.devices_known);
	}
}

TEST_MAIN(TEST_OF(a_barrier_once_a_section_is_known_from_the_setup),
	  TEST_OF(a_barrier_once_a_round_is_known_from_the_setup),
	  TEST_OF(what_is_sent_counts_where_the_machine_type_says_otherwise),
	  TEST_OF(a_flush_is_a_barrier_also_where_each_section_has_one),
	  TEST_OF(data_behind_a_sync_waits_for_the_barrier),
	  TEST_OF(an_unmatched_last_sync_is_left_where_it_is),
	  TEST_OF(a_flush_without_multifd_means_nothing),
	  TEST_OF(a_sync_on_a_data_packet_and_the_stray_packet_after_it_are_taken),
	  TEST_OF(each_packet_is_taken_for_what_its_own_flags_say),
	  TEST_OF(a_zero_page_clears_what_arrived_before_and_touches_nothing_else),
	  TEST_OF(pages_on_main_are_taken_beside_page_channels),
	  TEST_OF(what_is_reported_is_exact),
	  TEST_OF(a_stream_may_end_without_a_description),
	  TEST_OF(who_waits_for_an_answer_gets_it_without_a_description_too),
	  TEST_OF(without_a_guest_the_description_ends_the_stream),
	  TEST_OF(without_a_return_path_nothing_is_said),
	  TEST_OF(each_seed_of_the_fuzz_target_arrives))
