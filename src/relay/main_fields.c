/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_fields.c - what main consists of: which field comes next, and what each one says. */
#include "relay/main_fields.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/pages.h"
#include "wire/ram_section.h"
#include "wire/stream.h"

#define ADVISE_RAM_BYTES 16u
#define SUBSECTION_VERSION 1u

static void expect(struct main_scan *scan, enum main_field field, uint32_t bytes)
{
	assert(bytes > 0 && bytes <= sizeof(scan->field));
	scan->state = field;
	scan->field_bytes = bytes;
	scan->field_count = 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written to */
static void note(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static void lose(struct main_scan *scan)
{
	note(&scan->seen.lost);
}

static bool field_is(const struct main_scan *scan, const char *name, uint32_t length)
{
	return strlen(name) == length && memcmp(scan->field, name, length) == 0;
}

/* ---- header and configuration ---- */

static void take_header(struct main_scan *scan)
{
	if (load_be32(scan->field) != STREAM_MAGIC ||
	    load_be32(scan->field + 4) != STREAM_VERSION) {
		lose(scan);
		return;
	}
	note(&scan->seen.header);
	expect(scan, FIELD_CONFIGURATION, 5);
}

static void take_configuration(struct main_scan *scan)
{
	uint32_t length = load_be32(scan->field + 1);

	if (scan->field[0] != RECORD_CONFIGURATION || length == 0 ||
	    length > STREAM_NAME_MAX)
		lose(scan);
	else
		expect(scan, FIELD_MACHINE, length);
}

static void take_machine(struct main_scan *scan)
{
	uint32_t length = scan->field_bytes;

	if (memchr(scan->field, '\0', length)) {
		lose(scan);
		return;
	}
	memcpy(scan->seen.machine, scan->field, length);
	scan->seen.machine[length] = '\0';
	note(&scan->seen.configured);
	scan->in_configuration = true;
	expect(scan, FIELD_RECORD, 1);
}

/* A name's length, where `more` bytes belong to the field behind it. */
static void expect_name(struct main_scan *scan, uint8_t length, enum main_field field,
			uint32_t more)
{
	if (length == 0)
		lose(scan);
	else
		expect(scan, field, length + more);
}

static void take_subsection_length(struct main_scan *scan)
{
	expect_name(scan, scan->field[0], FIELD_SUBSECTION, 4);
}

static void take_subsection(struct main_scan *scan)
{
	uint32_t length = scan->field_bytes - 4;
	bool known = load_be32(scan->field + length) == SUBSECTION_VERSION;

	if (known && field_is(scan, "configuration/target-page-bits", length)) {
		expect(scan, FIELD_PAGE_BITS, 4);
	} else if (known && field_is(scan, "configuration/capabilities", length)) {
		expect(scan, FIELD_CAPABILITIES, 4);
	} else if (known && field_is(scan, "configuration/uuid", length)) {
		scan->skip = 16;
		expect(scan, FIELD_RECORD, 1);
	} else {
		lose(scan);
	}
}

static void take_page_bits(struct main_scan *scan)
{
	if (load_be32(scan->field) != PAGE_BITS)
		lose(scan);
	else
		expect(scan, FIELD_RECORD, 1);
}

static void expect_capability(struct main_scan *scan)
{
	if (scan->capabilities_left == 0) {
		expect(scan, FIELD_RECORD, 1);
		return;
	}
	scan->capabilities_left--;
	expect(scan, FIELD_CAPABILITY_LENGTH, 1);
}

static void take_capabilities(struct main_scan *scan)
{
	scan->capabilities_left = load_be32(scan->field);
	if (scan->capabilities_left > STREAM_CAPABILITIES_MAX)
		lose(scan);
	else
		expect_capability(scan);
}

static void take_capability_length(struct main_scan *scan)
{
	expect_name(scan, scan->field[0], FIELD_CAPABILITY, 0);
}

/* Others may change what a block list looks like, as mapped-ram does. */
static void take_capability(struct main_scan *scan)
{
	if (!field_is(scan, "x-ignore-shared", scan->field_bytes)) {
		lose(scan);
		return;
	}
	scan->ignore_shared = true;
	expect_capability(scan);
}

/* ---- records ---- */

static void take_record(struct main_scan *scan)
{
	uint8_t type = scan->field[0];

	if (type == RECORD_SUBSECTION && scan->in_configuration) {
		expect(scan, FIELD_SUBSECTION_LENGTH, 1);
		return;
	}
	scan->in_configuration = false;
	scan->section_type = type;
	if (type == RECORD_COMMAND) {
		scan->state = FIELD_COMMAND;
		scan->field_bytes = COMMAND_BYTES;
	} else if (type == RECORD_SECTION_START && !scan->started) {
		expect(scan, FIELD_SECTION, 5);
	} else if ((type == RECORD_SECTION_PART || type == RECORD_SECTION_END) &&
		   scan->started) {
		expect(scan, FIELD_SECTION_AGAIN, 4);
	} else {
		lose(scan);
	}
}

static void take_command(struct main_scan *scan)
{
	uint16_t command = load_be16(scan->field + 1);
	uint16_t length = load_be16(scan->field + 3);

	scan->seen.switchover_starts += command == COMMAND_SWITCHOVER_START;
	if (command == COMMAND_POSTCOPY_ADVISE && length == ADVISE_RAM_BYTES)
		note(&scan->seen.postcopy_advised);
	if (command == COMMAND_POSTCOPY_RAM_DISCARD ||
	    command == COMMAND_POSTCOPY_LISTEN || command == COMMAND_POSTCOPY_RUN ||
	    command == COMMAND_PACKAGED)
		note(&scan->seen.postcopy_running);
	if (command != COMMAND_PACKAGED) {
		scan->skip = length;
		expect(scan, FIELD_RECORD, 1);
	} else if (length == 4) {
		expect(scan, FIELD_PACKAGE, 4);
	} else {
		lose(scan);
	}
}

static void take_package(struct main_scan *scan)
{
	scan->skip = load_be32(scan->field);
	expect(scan, FIELD_RECORD, 1);
}

static void take_section(struct main_scan *scan)
{
	scan->section_id = load_be32(scan->field);
	expect_name(scan, scan->field[4], FIELD_SECTION_NAME, 8);
}

static void take_section_name(struct main_scan *scan)
{
	uint32_t length = scan->field_bytes - 8;

	if (!field_is(scan, RAM_SECTION_NAME, length) ||
	    load_be32(scan->field + length) != 0 ||
	    load_be32(scan->field + length + 4) != RAM_SECTION_VERSION) {
		lose(scan);
		return;
	}
	scan->started = true;
	expect(scan, FIELD_WORD, WORD_BYTES);
}

static void take_section_again(struct main_scan *scan)
{
	if (load_be32(scan->field) != scan->section_id)
		lose(scan);
	else
		expect(scan, FIELD_WORD, WORD_BYTES);
}

static void take_footer(struct main_scan *scan)
{
	if (scan->field[0] != RECORD_FOOTER ||
	    load_be32(scan->field + 1) != scan->section_id)
		lose(scan);
	else
		expect(scan, FIELD_RECORD, 1);
}

/* ---- the block list ---- */

static void expect_block(struct main_scan *scan)
{
	if (scan->left_bytes > 0)
		expect(scan, FIELD_BLOCK_LENGTH, 1);
	else
		expect(scan, FIELD_WORD, WORD_BYTES);
}

static void take_list(struct main_scan *scan, uint64_t total_bytes)
{
	if (scan->list_seen) {
		lose(scan);
		return;
	}
	scan->list_seen = true;
	scan->seen.ram_bytes = total_bytes;
	scan->left_bytes = total_bytes;
	expect_block(scan);
}

/* Of a page size that is there or not, the first byte is 0, and that of a name is not. */
static void take_block_length(struct main_scan *scan)
{
	bool page_size = scan->field[0] == 0 && scan->page_size_may_follow;

	scan->page_size_may_follow = false;
	if (page_size) {
		scan->skip = 7;
		expect(scan, FIELD_BLOCK_LENGTH, 1);
	} else {
		expect_name(scan, scan->field[0], FIELD_BLOCK, 8);
	}
}

static void take_block(struct main_scan *scan)
{
	uint64_t length_bytes = load_be64(scan->field + scan->field_bytes - 8);

	if (length_bytes == 0 || length_bytes > scan->left_bytes) {
		lose(scan);
		return;
	}
	scan->left_bytes -= length_bytes;
	if (scan->ignore_shared)
		scan->skip = 8; /* the guest-physical address */
	else
		scan->page_size_may_follow = scan->seen.postcopy_advised;
	expect_block(scan);
}

/* ---- ram records ---- */

static void end_body(struct main_scan *scan)
{
	scan->seen.body_ends += !scan->seen.postcopy_running;
	if (scan->section_type == RECORD_SECTION_START)
		note(&scan->seen.setup_ended);
	if (scan->section_type == RECORD_SECTION_END)
		note(&scan->seen.ram_ended);
	expect(scan, FIELD_FOOTER, 5);
}

/* What comes behind a page record's block, which takes `name_bytes` that have yet to come. */
static void expect_page(struct main_scan *scan, uint8_t name_bytes)
{
	scan->skip = name_bytes;
	switch (scan->page_kind) {
	case WORD_XBZRLE:
		expect(scan, FIELD_XBZRLE, 3);
		return;
	case WORD_COMPRESS_PAGE:
		expect(scan, FIELD_COMPRESSED, 4);
		return;
	default:
		scan->skip += scan->page_kind == WORD_ZERO ? 1 : PAGE_BYTES;
		expect(scan, FIELD_WORD, WORD_BYTES);
	}
}

static void take_page(struct main_scan *scan, uint32_t flags)
{
	scan->page_kind = (uint16_t)(flags & ~(uint32_t)WORD_CONTINUE);
	if (flags & WORD_CONTINUE)
		expect_page(scan, 0);
	else
		expect(scan, FIELD_PAGE_BLOCK, 1);
}

static void take_page_block(struct main_scan *scan)
{
	if (scan->field[0] == 0)
		lose(scan);
	else
		expect_page(scan, scan->field[0]);
}

static void pass_flush(struct main_scan *scan)
{
	scan->seen.flushes += !scan->seen.postcopy_running;
	if (scan->section_type == RECORD_SECTION_START)
		note(&scan->seen.setup_flushed);
	expect(scan, FIELD_WORD, WORD_BYTES);
}

static void take_word(struct main_scan *scan)
{
	uint64_t word = load_be64(scan->field);
	uint32_t flags = (uint32_t)(word & (PAGE_BYTES - 1));
	/* Each word has a flag, the page size of the last block has none. */
	bool page_size = flags == 0 && scan->page_size_may_follow;

	scan->page_size_may_follow = false;
	switch (flags & ~(uint32_t)WORD_CONTINUE) {
	case WORD_ZERO:
	case WORD_PAGE:
	case WORD_XBZRLE:
	case WORD_COMPRESS_PAGE:
		take_page(scan, flags);
		return;
	}
	if (flags == WORD_MEM_SIZE) {
		take_list(scan, word - flags);
	} else if (word == WORD_EOS) {
		end_body(scan);
	} else if (word == WORD_FLUSH) {
		pass_flush(scan);
	} else if (page_size) {
		expect(scan, FIELD_WORD, WORD_BYTES);
	} else {
		lose(scan);
	}
}

static void take_xbzrle(struct main_scan *scan)
{
	scan->skip = load_be16(scan->field + 1);
	expect(scan, FIELD_WORD, WORD_BYTES);
}

static void take_compressed(struct main_scan *scan)
{
	scan->skip = load_be32(scan->field);
	expect(scan, FIELD_WORD, WORD_BYTES);
}

static void (*const take_field[])(struct main_scan *scan) = {
	[FIELD_HEADER] = take_header,
	[FIELD_CONFIGURATION] = take_configuration,
	[FIELD_MACHINE] = take_machine,
	[FIELD_SUBSECTION_LENGTH] = take_subsection_length,
	[FIELD_SUBSECTION] = take_subsection,
	[FIELD_PAGE_BITS] = take_page_bits,
	[FIELD_CAPABILITIES] = take_capabilities,
	[FIELD_CAPABILITY_LENGTH] = take_capability_length,
	[FIELD_CAPABILITY] = take_capability,
	[FIELD_RECORD] = take_record,
	[FIELD_COMMAND] = take_command,
	[FIELD_PACKAGE] = take_package,
	[FIELD_SECTION] = take_section,
	[FIELD_SECTION_NAME] = take_section_name,
	[FIELD_SECTION_AGAIN] = take_section_again,
	[FIELD_WORD] = take_word,
	[FIELD_BLOCK_LENGTH] = take_block_length,
	[FIELD_BLOCK] = take_block,
	[FIELD_PAGE_BLOCK] = take_page_block,
	[FIELD_XBZRLE] = take_xbzrle,
	[FIELD_COMPRESSED] = take_compressed,
	[FIELD_FOOTER] = take_footer,
};
static_assert(sizeof(take_field) / sizeof(take_field[0]) == FIELD_COUNT,
	      "a function a field");

void main_fields_begin(struct main_scan *scan)
{
	expect(scan, FIELD_HEADER, 8);
}

void main_fields_take(struct main_scan *scan)
{
	take_field[scan->state](scan);
}
