/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_scan_test.c - main channels that QEMUs wrote and ones made by hand, followed and edited. */
#include "tests/golden/golden.h"

#include "relay/scan_for_tests.h"

static void load(const char *name)
{
	in = writer_over(in_bytes, sizeof(in_bytes));
	in.used = golden_load(name, in_bytes);
	want = writer_over(want_bytes, sizeof(want_bytes));
}

/* ---- recorded streams ---- */

/* By the pull parsers: where an edit has to be, up to what they cannot follow. */
static void want_edited(const struct main_scan_edits *edits)
{
	static struct walk walk;
	struct cursor at = cursor_over(in.start, in.used);
	struct ram_reader_options options;
	struct stream_record record;
	struct ram_record ram;
	size_t done = 0;

	walk_init(&walk);
	CHECK_OK(stream_read_header(&at, &walk.header, &err), &err);
	options = (struct ram_reader_options){ walk.header.ignore_shared };
	for (;;) {
		uint64_t begin = cursor_offset(&at);

		CHECK_OK(stream_read_record(&at, &walk.sections, &record, &err), &err);
		if (record.type == RECORD_COMMAND) {
			if (record.command == COMMAND_SWITCHOVER_START &&
			    edits->drop_switchover_start) {
				writer_bytes(&want, in.start + done, begin - done);
				done = cursor_offset(&at);
			}
			continue;
		}
		if (strcmp(record.name, RAM_SECTION_NAME) != 0)
			break;
		do {
			begin = cursor_offset(&at);
			CHECK_OK(ram_section_read(&at, &options, &walk.layout,
						  &walk.state, &ram, &err),
				 &err);
		} while (ram.type != RAM_EOS);
		if (edits->flush_before_eos) {
			writer_bytes(&want, in.start + done, begin - done);
			ram_section_write_flush(&want);
			done = begin;
		}
		CHECK_OK(stream_read_footer(&at, record.section_id, &err), &err);
	}
	writer_bytes(&want, in.start + done, in.used - done);
}

struct recording {
	const char *name, *machine;
	uint64_t ram_bytes;
	bool flushed;
	uint32_t switchover_starts;
};

static const struct recording recordings[] = {
	{ "qemu-7.2-none.main", "none", 1 << 20, false, 0 },
	{ "qemu-11.1-none.main", "none", 1 << 20, false, 1 },
	{ "qemu-7.2-none-announced.main", "none", 1 << 20, false, 0 },
	{ "qemu-11.1-none-announced.main", "none", 1 << 20, false, 1 },
	{ "qemu-7.2-none-multifd.main", "none", 1 << 20, false, 0 },
	{ "qemu-11.1-none-multifd.main", "none", 1 << 20, true, 1 },
	{ "qemu-7.2-q35.main", "pc-q35-7.2", 0, false, 0 },
	{ "qemu-11.1-q35.main", "pc-q35-11.1", 0, true, 1 },
};

#define RECORDING_COUNT (sizeof(recordings) / sizeof(recordings[0]))

static void check_recording_seen(const struct recording *recording)
{
	const struct main_seen *seen = &scan.seen;

	CHECK(seen->header && seen->configured);
	CHECK_STR(seen->machine, recording->machine);
	CHECK(seen->setup_ended && seen->ram_ended && seen->lost);
	CHECK_EQ(seen->setup_flushed, recording->flushed);
	if (recording->ram_bytes > 0)
		CHECK_EQ(seen->ram_bytes, recording->ram_bytes);
	else
		CHECK(seen->ram_bytes > 16 << 20);
	CHECK_EQ(seen->switchover_starts, recording->switchover_starts);
	CHECK(!seen->postcopy_advised && !seen->postcopy_running);
}

TEST(recorded_streams_pass_unchanged_without_edits)
{
	for (size_t i = 0; i < RECORDING_COUNT; i++) {
		load(recordings[i].name);
		writer_bytes(&want, in.start, in.used);
		check_scan(&none);
		check_recording_seen(&recordings[i]);
		CHECK_EQ(scan.seen.flushes_added, 0);
	}
}

TEST(recorded_streams_get_a_flush_before_each_eos)
{
	for (size_t i = 0; i < RECORDING_COUNT; i++) {
		load(recordings[i].name);
		want_edited(&flush);
		check_scan(&flush);
		check_recording_seen(&recordings[i]);
		CHECK_EQ(out.used, in.used + 8 * scan.seen.flushes_added);
		CHECK(scan.seen.flushes_added >= 3);
	}
}

/* What a receiver sees of it. */
static void check_walked(uint32_t flushes, uint32_t bodies, uint32_t zeros)
{
	static struct walk walk;
	struct cursor over = cursor_over(out.start, out.used);

	walk_init(&walk);
	CHECK_OK(walk_main(&walk, &over, &err), &err);
	CHECK_EQ(walk.flush_count, flushes);
	CHECK_EQ(walk.body_count, bodies);
	CHECK_EQ(walk.zero_count, zeros);
	CHECK(walk.ram_ended);
}

TEST(a_barrier_a_section_becomes_one_a_round)
{
	load("qemu-7.2-none-multifd.main");
	scan_pieces(&flush, 0, 0);
	CHECK_EQ(scan.seen.flushes_added, 3);
	CHECK_EQ(out.used, in.used + 3 * 8);
	check_walked(3, 3, 252);
}

TEST(switchover_start_alone_is_left_out)
{
	for (size_t i = 0; i < RECORDING_COUNT; i++) {
		load(recordings[i].name);
		want_edited(&drop);
		check_scan(&drop);
		check_recording_seen(&recordings[i]);
		CHECK_EQ(out.used, in.used - 5 * recordings[i].switchover_starts);
	}
}

TEST(both_edits_at_once)
{
	for (size_t i = 0; i < RECORDING_COUNT; i++) {
		load(recordings[i].name);
		want_edited(&both);
		check_scan(&both);
		check_recording_seen(&recordings[i]);
	}
}

/* Ends what is to be followed to its end, and proves that it was. */
static void check_followed(const struct main_scan_edits *edits, bool flushed)
{
	again(RECORD_SECTION_END);
	eos(flushed);
	u8(RECORD_EOF);
	check_scan(edits);
	CHECK(scan.seen.ram_ended && scan.seen.lost);
}

TEST(all_page_records_are_passed_over)
{
	header();
	setup(true);
	again(RECORD_SECTION_PART);
	be64(0x002);
	str8("a");
	u8(0);
	be64(0x1000 | 0x022); /* ZERO|CONTINUE */
	u8(0);
	be64(0x008);
	str8("b");
	bait(PAGE_BYTES);
	be64(0x1000 | 0x028);
	bait(PAGE_BYTES);
	be64(0x040);
	str8("a");
	u8(1);
	be16(300);
	bait(300);
	be64(0x060);
	u8(1);
	be16(0);
	be64(0x100);
	str8("b");
	be32(70000);
	bait(70000);
	be64(0x1000 | 0x120);
	be32(0);
	be64(0x200);
	be64(0x022);
	u8(0);
	eos(true);
	check_followed(&flush, true);
	CHECK_EQ(scan.seen.flushes_added, 3);
	CHECK(!scan.seen.setup_flushed);
}

TEST(a_flush_in_the_setup_is_seen_there_only)
{
	header();
	start();
	be64(0x1000 | 0x4);
	block("a", 0x1000);
	be64(0x200);
	eos(false);
	check_followed(&none, false);
	CHECK(scan.seen.setup_flushed);

	header();
	setup(false);
	again(RECORD_SECTION_PART);
	be64(0x200);
	eos(false);
	check_followed(&none, false);
	CHECK(!scan.seen.setup_flushed);
}

TEST(names_are_as_long_as_they_may_be)
{
	static char name[256];

	memset(name, 'x', 255);
	fresh();
	stream_write_header(&in, name);
	stream_write_header(&want, name);
	start();
	be64(0x1000 | 0x4);
	block(name, 0x1000);
	eos(true);
	again(RECORD_SECTION_PART);
	be64(0x008);
	str8(name);
	bait(PAGE_BYTES);
	eos(true);
	check_followed(&flush, true);
	CHECK_STR(scan.seen.machine, name);
}

/* ---- configuration ---- */

TEST(a_whole_configuration_is_passed_over)
{
	header();
	subsection("configuration/target-page-bits", 1);
	be32(12);
	subsection("configuration/capabilities", 1);
	be32(0);
	subsection("configuration/uuid", 1);
	for (unsigned i = 0; i < 16; i++)
		u8(RECORD_SUBSECTION);
	setup(true);
	check_followed(&flush, true);
}

TEST(a_block_has_an_address_when_shared_ones_are_ignored)
{
	header();
	subsection("configuration/capabilities", 1);
	be32(STREAM_CAPABILITIES_MAX);
	for (uint32_t i = 0; i < STREAM_CAPABILITIES_MAX; i++)
		str8("x-ignore-shared");
	start();
	be64(0x3000 | 0x4);
	block("a", 0x1000);
	be64(0);
	block("b", 0x2000);
	be64(0x10); /* looks like an EOS */
	eos(true);
	check_followed(&flush, true);
	CHECK_EQ(scan.seen.flushes_added, 2);
	CHECK_EQ(scan.seen.ram_bytes, 0x3000);
}

/* ---- commands ---- */

TEST(commands_are_passed_over_by_their_length)
{
	header();
	command(COMMAND_OPEN_RETURN_PATH, 0);
	command(COMMAND_PING, 4);
	be32(0x08000b00);
	command(COMMAND_POSTCOPY_ADVISE, 0);
	command(COMMAND_ENABLE_COLO, 0);
	command(COMMAND_RECV_BITMAP, 256);
	bait(256);
	command((enum stream_command)99, 65535);
	bait(65535);
	command(COMMAND_SWITCHOVER_START, 1); /* not the one we know */
	u8(0);
	setup(true);
	check_followed(&both, true);
	CHECK(!scan.seen.postcopy_advised && !scan.seen.postcopy_running);
}

TEST(switchover_start_is_left_out_wherever_a_command_may_be)
{
	header();
	writer_be32(&in, 0x08000b00);
	writer_u8(&in, 0);
	command(COMMAND_PING, 4);
	be32(1);
	setup(false);
	for (unsigned i = 0; i < 2; i++) {
		writer_be32(&in, 0x08000b00);
		writer_u8(&in, 0);
	}
	check_followed(&drop, false);
	CHECK_EQ(scan.seen.switchover_starts, 3);
}

static void package(uint32_t length)
{
	command(COMMAND_PACKAGED, 4);
	be32(length);
	bait(length);
}

/* A block list in whose entries huge pages have a size behind them; `ends` or not with one. */
static void huge_setup(bool ends)
{
	start();
	be64(0x800000 | 0x4);
	block("huge", 0x200000);
	be64(0x200000);
	block("small", 0x200000);
	block("other", 0x200000);
	be64(0x10000);
	block("last", 0x200000);
	if (ends)
		be64(0x200000);
	eos(true);
}

TEST(in_post_copy_nothing_is_flushed)
{
	header();
	advise();
	huge_setup(true);
	again(RECORD_SECTION_PART);
	be64(0x002);
	str8("huge");
	u8(0);
	eos(true);
	command(COMMAND_POSTCOPY_RAM_DISCARD, 23);
	u8(0);
	str8("huge");
	u8(0);
	bait(16);
	command(COMMAND_PING, 4);
	be32(2);
	package(1000);
	command(COMMAND_PING, 4);
	be32(4);
	again(RECORD_SECTION_PART);
	be64(0x1000 | 0x022);
	u8(0);
	be64(0x008);
	str8("small");
	bait(PAGE_BYTES);
	eos(false);
	check_followed(&flush, false);
	CHECK_EQ(scan.seen.flushes_added, 2);
	CHECK(scan.seen.postcopy_advised && scan.seen.postcopy_running);
	CHECK_EQ(scan.seen.ram_bytes, 0x800000);
}

TEST(each_command_of_post_copy_ends_the_flushes)
{
	static const enum stream_command commands[] = {
		COMMAND_POSTCOPY_RAM_DISCARD,
		COMMAND_POSTCOPY_LISTEN,
		COMMAND_POSTCOPY_RUN,
		COMMAND_PACKAGED,
	};

	for (size_t i = 0; i < 4; i++) {
		header();
		advise();
		huge_setup(false);
		if (commands[i] == COMMAND_PACKAGED)
			package(0);
		else
			command(commands[i], 0);
		check_followed(&flush, false);
		CHECK_EQ(scan.seen.flushes_added, 1);
		CHECK(scan.seen.postcopy_running);
	}
}

TEST(advice_alone_is_still_precopy)
{
	header();
	advise();
	setup(true);
	check_followed(&flush, true);
	CHECK(scan.seen.postcopy_advised && !scan.seen.postcopy_running);
	/* Small blocks have no page size, also behind the last one. */
	CHECK_EQ(scan.seen.flushes_added, 2);
}

TEST(switchover_start_is_left_out_before_post_copy)
{
	header();
	advise();
	setup(true);
	writer_be32(&in, 0x08000b00);
	writer_u8(&in, 0);
	package(500);
	check_followed(&both, false);
	CHECK_EQ(scan.seen.switchover_starts, 1);
}

TEST(a_package_may_claim_any_size)
{
	header();
	setup(true);
	command(COMMAND_PACKAGED, 4);
	be32(UINT32_MAX);
	bait(5000);
	check_scan(&both);
	CHECK(!scan.seen.lost && scan.seen.postcopy_running);
}

/* ---- held back ---- */

/* The next byte, after which `held` are not out. */
static void check_held(uint8_t byte, size_t held)
{
	size_t before = in.used;

	writer_u8(&in, byte);
	feed(in.start + before, 1);
	CHECK_EQ(in.used + 8 * scan.seen.flushes_added - out.used, held);
	CHECK_EQ(scan.held_count, held);
}

static void feed_so_far(const struct main_scan_edits *edits)
{
	main_scan_init(&scan, edits);
	out = writer_over(out_bytes, sizeof(out_bytes));
	feed(in.start, in.used);
	CHECK_EQ(in.used + 8 * scan.seen.flushes_added, out.used);
}

TEST(without_edits_nothing_is_held)
{
	header();
	advise();
	huge_setup(true);
	command(COMMAND_SWITCHOVER_START, 0);
	package(30);
	again(RECORD_SECTION_PART);
	eos(false);
	main_scan_init(&scan, &none);
	out = writer_over(out_bytes, sizeof(out_bytes));
	for (size_t at = 0; at < in.used; at++) {
		feed(in.start + at, 1);
		CHECK_EQ(out.used, at + 1);
	}
	CHECK(scan.seen.postcopy_running && !scan.seen.lost);
}

TEST(what_may_be_an_eos_is_held_until_it_is_not)
{
	header();
	setup(true);
	again(RECORD_SECTION_PART);
	feed_so_far(&flush);
	for (size_t i = 1; i <= 6; i++)
		check_held(0, i);
	check_held(0x02, 0); /* FLUSH */
	check_held(0, 0);
	for (size_t i = 1; i <= 7; i++)
		check_held(0, i);
	check_held(0x02, 0); /* ZERO */
	check_held(1, 0);
	check_held('b', 0);
	check_held(0, 0);
	check_held(0x01, 0); /* a large offset, with what an EOS has behind it */
	for (size_t i = 1; i <= 6; i++)
		check_held(0, 0);
	check_held(0x22, 0);
	check_held(0, 0);
	for (size_t i = 1; i <= 7; i++)
		check_held(0, i);
	check_held(0x10, 0); /* EOS */
	CHECK_EQ(scan.seen.flushes_added, 2);
	check_held(RECORD_FOOTER, 0);
	check_held(0, 0);
}

TEST(what_may_be_a_switchover_start_is_held_until_it_is_not)
{
	header();
	feed_so_far(&drop);
	check_held(RECORD_COMMAND, 1);
	check_held(0, 2);
	check_held(COMMAND_PING, 0);
	check_held(0, 0);
	check_held(0, 0);
	check_held(RECORD_COMMAND, 1);
	check_held(0, 2);
	check_held(COMMAND_SWITCHOVER_START, 3);
	check_held(0, 4);
	check_held(1, 0);
	check_held(0, 0);
	check_held(RECORD_SECTION_START, 0);
}

TEST(in_post_copy_nothing_is_held)
{
	header();
	setup(true);
	package(10);
	again(RECORD_SECTION_PART);
	feed_so_far(&flush);
	for (size_t i = 1; i <= 7; i++)
		check_held(0, 0);
	check_held(0x10, 0);
}

TEST(the_end_lets_go_what_is_held)
{
	header();
	start();
	be32(0);
	check_scan(&flush);
	header();
	be32(0x08000b00);
	check_scan(&drop);
	CHECK_EQ(scan.seen.switchover_starts, 0);
}

TEST(nothing_fed_is_nothing_done)
{
	header();
	start();
	be32(0);
	feed_so_far(&none);
	main_scan_init(&scan, &flush);
	out = writer_over(out_bytes, sizeof(out_bytes));
	feed(in.start, in.used);
	CHECK_OK(main_scan_feed(&scan, NULL, 0, emit, &out, &err), &err);
	CHECK_EQ(scan.held_count, 4);
	CHECK_EQ(out.used, in.used - 4);
}

/* ---- a writer that waits at barriers ---- */

#define BARRIERS_MAX 16u

/* Where barriers of what is wanted end, by the pull parsers: FLUSH and EOS alike. */
static struct {
	uint32_t count;
	uint64_t ends[BARRIERS_MAX + 1];
} barriers;

static void find_barriers(void)
{
	static struct walk walk;
	struct cursor at = cursor_over(want.start, want.used);
	const struct ram_reader_options options = { false };
	struct stream_record record;
	struct ram_record ram;

	walk_init(&walk);
	barriers.count = 0;
	CHECK_OK(stream_read_header(&at, &walk.header, &err), &err);
	while (stream_read_record(&at, &walk.sections, &record, &err) == 0 &&
	       (record.type == RECORD_COMMAND || record.type < RECORD_SECTION_FULL)) {
		if (record.type == RECORD_COMMAND)
			continue;
		do {
			CHECK_OK(ram_section_read(&at, &options, &walk.layout,
						  &walk.state, &ram, &err),
				 &err);
			if (ram.type != RAM_FLUSH && ram.type != RAM_EOS)
				continue;
			CHECK(barriers.count < BARRIERS_MAX);
			barriers.ends[barriers.count++] = cursor_offset(&at);
		} while (ram.type != RAM_EOS);
		CHECK_OK(stream_read_footer(&at, record.section_id, &err), &err);
	}
	barriers.ends[barriers.count] = want.used;
}

/* All that is counted is out, and this ends before the next. */
static int emit_at_barriers(void *state, const void *bytes, size_t length,
			    struct gw_error *error)
{
	uint32_t passed = scan.seen.flushes + scan.seen.body_ends;

	CHECK(passed <= barriers.count);
	if (passed > 0)
		CHECK(out.used >= barriers.ends[passed - 1]);
	CHECK(out.used + length <= barriers.ends[passed]);
	writer_bytes(&out, bytes, length);
	return 0;
}

static void check_barriers(const struct main_scan_edits *edits, uint32_t flushes,
			   uint32_t body_ends)
{
	find_barriers();
	CHECK_EQ(barriers.count, flushes + body_ends);
	for (size_t piece = 1; piece < in.used; piece += 1 + piece * 2) {
		main_scan_init(&scan, edits);
		out = writer_over(out_bytes, sizeof(out_bytes));
		for (size_t at = 0; at < in.used; at += piece)
			CHECK_OK(main_scan_feed(&scan, in.start + at,
						piece < in.used - at ? piece
								     : in.used - at,
						emit_at_barriers, NULL, &err),
				 &err);
		check_bytes("at barriers", piece);
		CHECK_EQ(scan.seen.flushes, flushes);
		CHECK_EQ(scan.seen.body_ends, body_ends);
	}
}

TEST(no_write_reaches_across_a_barrier)
{
	load("qemu-11.1-none-multifd.main");
	want_edited(&drop);
	check_barriers(&drop, 3, 3);
	load("qemu-7.2-none-multifd.main");
	want_edited(&both);
	check_barriers(&both, 3, 3);
	load("qemu-7.2-none-multifd.main");
	want_edited(&none);
	check_barriers(&none, 0, 3);
}

static int count_calls(void *state, const void *bytes, size_t length,
		       struct gw_error *error)
{
	++*(uint32_t *)state;
	return 0;
}

TEST(writes_are_as_few_as_can_be)
{
	static const char *const names[] = { "qemu-7.2-none-multifd.main",
					     "qemu-11.1-none-multifd.main" };

	for (uint32_t i = 0; i < 2; i++) {
		uint32_t calls = 0;

		load(names[i]);
		main_scan_init(&scan, &none);
		CHECK_OK(main_scan_feed(&scan, in.start, in.used, count_calls, &calls,
					&err),
			 &err);
		CHECK_EQ(calls, scan.seen.flushes + scan.seen.body_ends + 1);
	}
}

TEST(post_copy_has_no_barriers)
{
	header();
	setup(true);
	package(10);
	again(RECORD_SECTION_PART);
	be64(0x200); /* of QEMU up to 9.2 */
	eos(false);
	check_followed(&flush, false);
	CHECK_EQ(scan.seen.flushes, 1);
	CHECK_EQ(scan.seen.body_ends, 1);
}

/* ---- a writer that fails ---- */

static int failing_emit(void *state, const void *bytes, size_t length,
			struct gw_error *error)
{
	unsigned *left = state;

	if (*left == 0)
		return fail(error, GW_CANCELLED, "cancelled");
	--*left;
	return 0;
}

static int scan_failing(unsigned calls, size_t piece)
{
	main_scan_init(&scan, &both);
	for (size_t at = 0; at < in.used; at += piece)
		if (main_scan_feed(&scan, in.start + at,
				   piece < in.used - at ? piece : in.used - at,
				   failing_emit, &calls, &err) < 0)
			return -1;
	return main_scan_end(&scan, failing_emit, &calls, &err);
}

TEST(a_failure_to_write_is_told_at_once)
{
	unsigned calls = 0;

	for (size_t piece = 1; piece < 200; piece += 3) {
		header();
		command(COMMAND_SWITCHOVER_START, 0);
		setup(true);
		be32(0x08000b00);
		for (calls = 0; scan_failing(calls, piece) < 0; calls++) {
			CHECK_EQ(err.kind, GW_CANCELLED);
			CHECK_STR(err.text, "cancelled");
			err.text[0] = '\0';
			CHECK(calls < 200);
		}
		/* Before the command, before the EOS, FLUSH, EOS and on, the rest. */
		CHECK(calls >= 4);
	}
}

TEST_MAIN(TEST_OF(recorded_streams_pass_unchanged_without_edits),
	  TEST_OF(recorded_streams_get_a_flush_before_each_eos),
	  TEST_OF(a_barrier_a_section_becomes_one_a_round),
	  TEST_OF(switchover_start_alone_is_left_out), TEST_OF(both_edits_at_once),
	  TEST_OF(all_page_records_are_passed_over),
	  TEST_OF(a_flush_in_the_setup_is_seen_there_only),
	  TEST_OF(names_are_as_long_as_they_may_be),
	  TEST_OF(a_whole_configuration_is_passed_over),
	  TEST_OF(a_block_has_an_address_when_shared_ones_are_ignored),
	  TEST_OF(commands_are_passed_over_by_their_length),
	  TEST_OF(switchover_start_is_left_out_wherever_a_command_may_be),
	  TEST_OF(in_post_copy_nothing_is_flushed),
	  TEST_OF(each_command_of_post_copy_ends_the_flushes),
	  TEST_OF(advice_alone_is_still_precopy),
	  TEST_OF(switchover_start_is_left_out_before_post_copy),
	  TEST_OF(a_package_may_claim_any_size), TEST_OF(without_edits_nothing_is_held),
	  TEST_OF(what_may_be_an_eos_is_held_until_it_is_not),
	  TEST_OF(what_may_be_a_switchover_start_is_held_until_it_is_not),
	  TEST_OF(in_post_copy_nothing_is_held), TEST_OF(the_end_lets_go_what_is_held),
	  TEST_OF(nothing_fed_is_nothing_done),
	  TEST_OF(no_write_reaches_across_a_barrier),
	  TEST_OF(writes_are_as_few_as_can_be), TEST_OF(post_copy_has_no_barriers),
	  TEST_OF(a_failure_to_write_is_told_at_once))
