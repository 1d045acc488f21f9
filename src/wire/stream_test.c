/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream_test.c - the records of the main channel. */
#include "wire/stream.h"

#include <errno.h>

#include "tests/check.h"

static uint8_t bytes[4096];
static struct section_map sections;
static struct stream_record record;

static struct writer fresh(void)
{
	sections.count = 0;
	return writer_over(bytes, sizeof(bytes));
}

static int read_it(const struct writer *out, struct gw_error *err)
{
	struct cursor in = cursor_over(out->start, out->used);

	return stream_read_record(&in, &sections, &record, err);
}

#define CHECK_READ(out_)                                 \
	do {                                             \
		struct gw_error err__;                   \
		CHECK_OK(read_it(out_, &err__), &err__); \
	} while (0)

#define CHECK_REFUSED(out_, kind_, text_)            \
	do {                                         \
		struct gw_error err__ = { 0 };       \
		CHECK(!(out_)->overrun);             \
		CHECK_EQ(read_it(out_, &err__), -1); \
		CHECK_EQ(err__.kind, kind_);         \
		CHECK_STR(err__.text, text_);        \
	} while (0)

/* ---- round trips ---- */

TEST(a_whole_stream_survives_a_round_trip)
{
	struct writer out = fresh();
	struct gw_error err;
	struct cursor in;

	stream_write_command(&out, COMMAND_OPEN_RETURN_PATH);
	stream_write_ping(&out, 0xfffefdfc);
	stream_write_section(&out, RECORD_SECTION_START, 7, "ram", 0, 4);
	stream_write_footer(&out, 7);
	stream_write_section_again(&out, RECORD_SECTION_PART, 7);
	stream_write_footer(&out, 7);
	stream_write_command(&out, COMMAND_SWITCHOVER_START);
	stream_write_section_again(&out, RECORD_SECTION_END, 7);
	stream_write_footer(&out, 7);
	stream_write_section(&out, RECORD_SECTION_FULL, 9, "timer", 5, 2);
	stream_write_footer(&out, 9);
	stream_write_eof(&out);
	stream_write_vmdesc(&out, "{}", 2);
	CHECK(!out.overrun);

	in = cursor_over(bytes, out.used);
#define NEXT() CHECK_OK(stream_read_record(&in, &sections, &record, &err), &err)
#define FOOTER(id_) CHECK_OK(stream_read_footer(&in, id_, &err), &err)
	NEXT();
	CHECK_EQ(record.type, RECORD_COMMAND);
	CHECK_EQ(record.command, COMMAND_OPEN_RETURN_PATH);
	NEXT();
	CHECK_EQ(record.command, COMMAND_PING);
	CHECK_EQ(record.ping, 0xfffefdfc);
	NEXT();
	CHECK_EQ(record.type, RECORD_SECTION_START);
	CHECK_EQ(record.section_id, 7);
	CHECK_STR(record.name, "ram");
	CHECK_EQ(record.version, 4);
	FOOTER(7);
	NEXT();
	CHECK_EQ(record.type, RECORD_SECTION_PART);
	CHECK_STR(record.name, "ram");
	CHECK_EQ(record.section_id, 7);
	FOOTER(7);
	NEXT();
	CHECK_EQ(record.command, COMMAND_SWITCHOVER_START);
	NEXT();
	CHECK_EQ(record.type, RECORD_SECTION_END);
	CHECK_STR(record.name, "ram");
	FOOTER(7);
	NEXT();
	CHECK_EQ(record.type, RECORD_SECTION_FULL);
	CHECK_STR(record.name, "timer");
	CHECK_EQ(record.instance, 5);
	CHECK_EQ(record.version, 2);
	CHECK_EQ(sections.count, 1);
	FOOTER(9);
	NEXT();
	CHECK_EQ(record.type, RECORD_EOF);
	NEXT();
	CHECK_EQ(record.type, RECORD_VMDESCRIPTION);
	CHECK_EQ(record.vmdesc_bytes, 2);
	CHECK(memcmp(cursor_take(&in, 2), "{}", 2) == 0);
	CHECK(cursor_at_end(&in));
}

TEST(written_as_documented)
{
	static const uint8_t expected[] = { 8,	 0,   1,   0, 0, 8, 0,	  2,   0,  4,
					    0,	 0,   0,   1, 1, 0, 0,	  0,   2,  3,
					    'r', 'a', 'm', 0, 0, 0, 0,	  0,   0,  0,
					    4,	 2,   0,   0, 0, 2, 0x7e, 0,   0,  0,
					    2,	 0,   6,   0, 0, 0, 2,	  '{', '}' };
	struct writer out = fresh();

	stream_write_command(&out, COMMAND_OPEN_RETURN_PATH);
	stream_write_ping(&out, 1);
	stream_write_section(&out, RECORD_SECTION_START, 2, "ram", 0, 4);
	stream_write_section_again(&out, RECORD_SECTION_PART, 2);
	stream_write_footer(&out, 2);
	stream_write_eof(&out);
	stream_write_vmdesc(&out, "{}", 2);
	CHECK_EQ(out.used, sizeof(expected));
	CHECK(memcmp(bytes, expected, sizeof(expected)) == 0);
}

/* ---- sections ---- */

TEST(parts_carry_name_and_instance_of_their_start)
{
	struct writer out = fresh();

	stream_write_section(&out, RECORD_SECTION_START, 11, "dirty-bitmap", 3, 1);
	CHECK_READ(&out);
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_START, 12, "dirty-bitmap", 4, 1);
	CHECK_READ(&out);
	out.used = 0;
	stream_write_section_again(&out, RECORD_SECTION_PART, 11);
	CHECK_READ(&out);
	CHECK_STR(record.name, "dirty-bitmap");
	CHECK_EQ(record.instance, 3);
	out.used = 0;
	stream_write_section_again(&out, RECORD_SECTION_END, 12);
	CHECK_READ(&out);
	CHECK_EQ(record.instance, 4);
}

TEST(what_never_started_has_no_parts)
{
	struct writer out = fresh();

	stream_write_section_again(&out, RECORD_SECTION_PART, 5);
	CHECK_REFUSED(&out, GW_PEER, "section 5: PART, but it never started");
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_FULL, 5, "timer", 0, 2);
	CHECK_READ(&out);
	out.used = 0;
	stream_write_section_again(&out, RECORD_SECTION_END, 5);
	CHECK_REFUSED(&out, GW_PEER, "section 5: END, but it never started");
}

TEST(nothing_starts_twice)
{
	struct writer out = fresh();

	stream_write_section(&out, RECORD_SECTION_START, 1, "ram", 0, 4);
	CHECK_READ(&out);
	CHECK_REFUSED(&out, GW_PEER, "section 1 \"ram\" instance 0: started twice");
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_START, 2, "ram", 0, 4);
	CHECK_REFUSED(&out, GW_PEER, "section 2 \"ram\" instance 0: started twice");
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_START, 1, "htab", 0, 1);
	CHECK_REFUSED(&out, GW_PEER, "section 1 \"htab\" instance 0: started twice");
	CHECK_EQ(sections.count, 1);
}

TEST(started_sections_are_counted)
{
	struct writer out = fresh();

	for (uint32_t i = 0; i < STREAM_SECTIONS_MAX; i++) {
		out.used = 0;
		stream_write_section(&out, RECORD_SECTION_START, i * 1000, "vfio", i, 1);
		CHECK_READ(&out);
	}
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_START, 1, "vfio", 64, 1);
	CHECK_REFUSED(&out, GW_PEER, "section 1 \"vfio\": more than 64 started");
	out.used = 0;
	stream_write_section_again(&out, RECORD_SECTION_PART, 63000);
	CHECK_READ(&out);
	CHECK_EQ(record.instance, 63);
}

TEST(ram_is_what_we_can_read)
{
	struct writer out = fresh();

	stream_write_section(&out, RECORD_SECTION_START, 1, "ram", 0, 3);
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "section \"ram\": version 3, only 4 is supported");
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_START, 1, "ram", 0, 5);
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "section \"ram\": version 5, only 4 is supported");
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_START, 1, "ram", 1, 4);
	CHECK_REFUSED(&out, GW_PEER, "section \"ram\": instance 1, expected 0");
	out.used = 0;
	stream_write_section(&out, RECORD_SECTION_FULL, 1, "ram", 0, 4);
	CHECK_REFUSED(&out, GW_PEER, "section \"ram\" as FULL, expected START");
	CHECK_EQ(sections.count, 0);
}

TEST(section_names_have_1_to_255_bytes_without_nul)
{
	char name[STREAM_NAME_MAX + 1];
	struct writer out = fresh();

	memset(name, 's', sizeof(name));
	name[STREAM_NAME_MAX] = '\0';
	stream_write_section(&out, RECORD_SECTION_FULL, 1, name, 0, 1);
	CHECK_READ(&out);
	CHECK_STR(record.name, name);
	out = fresh();
	writer_bytes(&out, "\4\0\0\0\1\0\0\0\0\0\0\0\0\0", 14);
	CHECK_REFUSED(&out, GW_PEER, "section name of 0 bytes, 1 to 255 are allowed");
	out = fresh();
	writer_bytes(&out, "\4\0\0\0\1\2\0x\0\0\0\0\0\0\0\0", 16);
	CHECK_REFUSED(&out, GW_PEER, "section name with a NUL at byte 0 of 2");
}

TEST(a_footer_closes_its_own_section)
{
	struct writer out = fresh();
	struct gw_error err;
	struct cursor in;

	stream_write_footer(&out, 3);
	in = cursor_over(bytes, out.used);
	CHECK_OK(stream_read_footer(&in, 3, &err), &err);
	in = cursor_over(bytes, out.used);
	CHECK_EQ(stream_read_footer(&in, 4, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "section 4: footer of section 3");
	bytes[0] = 4;
	in = cursor_over(bytes, out.used);
	CHECK_EQ(stream_read_footer(&in, 3, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "section 3: 0x04 at byte 0, expected a footer (0x7e)");
}

/* ---- commands ---- */

TEST(command_lengths_are_fixed)
{
	static const struct {
		uint16_t command, length;
		const char *text;
	} rows[] = {
		{ 1, 1, "command OPEN_RETURN_PATH: 1 bytes of data, expected 0" },
		{ 2, 3, "command PING: 3 bytes of data, expected 4" },
		{ 2, 5, "command PING: 5 bytes of data, expected 4" },
		{ 11, 65535,
		  "command SWITCHOVER_START: 65535 bytes of data, expected 0" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct writer out = fresh();

		writer_u8(&out, RECORD_COMMAND);
		writer_be16(&out, rows[i].command);
		writer_be16(&out, rows[i].length);
		writer_zeros(&out, 8);
		CHECK_REFUSED(&out, GW_PEER, rows[i].text);
	}
}

TEST(commands_run_from_1_to_11)
{
	static const uint16_t numbers[] = { 0, 12, 65535 };
	char text[64];

	for (size_t i = 0; i < 3; i++) {
		struct writer out = fresh();

		writer_u8(&out, RECORD_COMMAND);
		writer_be16(&out, numbers[i]);
		writer_be16(&out, 0);
		snprintf(text, sizeof(text), "command %u, 1 to 11 are known", numbers[i]);
		CHECK_REFUSED(&out, GW_PEER, text);
	}
}

TEST(post_copy_and_colo_are_refused_by_name)
{
	static const char *const names[] = {
		[3] = "POSTCOPY_ADVISE", [4] = "POSTCOPY_LISTEN",
		[5] = "POSTCOPY_RUN",	 [6] = "POSTCOPY_RAM_DISCARD",
		[7] = "PACKAGED",	 [8] = "ENABLE_COLO",
		[9] = "POSTCOPY_RESUME", [10] = "RECV_BITMAP",
	};
	char text[64];

	for (uint16_t command = 3; command <= 10; command++) {
		struct writer out = fresh();

		writer_u8(&out, RECORD_COMMAND);
		writer_be16(&out, command);
		writer_be16(&out, 16);
		snprintf(text, sizeof(text), "command %s is not supported",
			 names[command]);
		CHECK_REFUSED(&out, GW_UNSUPPORTED, text);
		CHECK_STR(stream_command_name((enum stream_command)command),
			  names[command]);
	}
	CHECK_STR(stream_command_name((enum stream_command)0), "unknown");
	CHECK_STR(stream_command_name((enum stream_command)12), "unknown");
}

/* ---- the rest ---- */

TEST(descriptions_are_bounded)
{
	struct writer out = fresh();

	writer_u8(&out, RECORD_VMDESCRIPTION);
	writer_be32(&out, STREAM_VMDESC_BYTES_MAX);
	CHECK_READ(&out);
	CHECK_EQ(record.vmdesc_bytes, 16777216);
	store_be32(bytes + 1, STREAM_VMDESC_BYTES_MAX + 1);
	CHECK_REFUSED(&out, GW_PEER, "description of 16777217 bytes, at most 16777216");
}

TEST(every_other_type_is_refused)
{
	static const char *const named[] = {
		[5] = "record type 0x05 at byte 0 (subsection) outside a section",
		[7] = "record type 0x07 at byte 0 (configuration) after the header",
		[0x7e] = "record type 0x7e at byte 0 (footer) without a section",
	};
	char text[64];

	for (unsigned type = 0; type < 256; type++) {
		struct writer out = fresh();

		if (type <= 4 || type == 6 || type == 8)
			continue;
		writer_u8(&out, (uint8_t)type);
		writer_zeros(&out, 32);
		snprintf(text, sizeof(text),
			 "record type 0x%02x at byte 0, which is unknown", type);
		CHECK_REFUSED(&out, GW_PEER,
			      type <= 0x7e && named[type] ? named[type] : text);
	}
}

TEST(every_cut_is_told)
{
	static const enum record_type types[] = { RECORD_SECTION_FULL, RECORD_COMMAND,
						  RECORD_VMDESCRIPTION, RECORD_FOOTER,
						  RECORD_SECTION_PART };

	for (size_t i = 0; i < 5; i++) {
		struct writer out = fresh();
		struct gw_error err;

		if (types[i] == RECORD_SECTION_FULL)
			stream_write_section(&out, types[i], 1, "timer", 0, 2);
		else if (types[i] == RECORD_COMMAND)
			stream_write_ping(&out, 1);
		else if (types[i] == RECORD_VMDESCRIPTION)
			stream_write_vmdesc(&out, "", 0);
		else if (types[i] == RECORD_FOOTER)
			stream_write_footer(&out, 1);
		else
			stream_write_section_again(&out, types[i], 1);
		for (size_t length = 0; length < out.used; length++) {
			struct cursor in = cursor_over(bytes, length);
			int got = types[i] == RECORD_FOOTER
					  ? stream_read_footer(&in, 1, &err)
					  : stream_read_record(&in, &sections, &record,
							       &err);

			CHECK_EQ(got, -1);
			CHECK_EQ(err.kind, GW_PEER);
			CHECK_CONTAINS(err.text, "cut short at byte ");
		}
	}
}

static ptrdiff_t refuse(void *state, void *into, size_t room, struct gw_error *err)
{
	return fail_sys(err, ECONNRESET, "read");
}

TEST(a_failing_channel_is_not_called_cut_short)
{
	uint8_t buffer[512];
	struct cursor in = cursor_from(buffer, sizeof(buffer), refuse, NULL);
	struct gw_error err;

	CHECK_EQ(stream_read_record(&in, &sections, &record, &err), -1);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, ECONNRESET);
}

TEST_MAIN(TEST_OF(a_whole_stream_survives_a_round_trip), TEST_OF(written_as_documented),
	  TEST_OF(parts_carry_name_and_instance_of_their_start),
	  TEST_OF(what_never_started_has_no_parts), TEST_OF(nothing_starts_twice),
	  TEST_OF(started_sections_are_counted), TEST_OF(ram_is_what_we_can_read),
	  TEST_OF(section_names_have_1_to_255_bytes_without_nul),
	  TEST_OF(a_footer_closes_its_own_section), TEST_OF(command_lengths_are_fixed),
	  TEST_OF(commands_run_from_1_to_11),
	  TEST_OF(post_copy_and_colo_are_refused_by_name),
	  TEST_OF(descriptions_are_bounded), TEST_OF(every_other_type_is_refused),
	  TEST_OF(every_cut_is_told), TEST_OF(a_failing_channel_is_not_called_cut_short))
