/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ram_section.c - bodies of the "ram" section: the block list, page records, barriers. */
#include "wire/ram_section.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/ckd.h"

/* The low bits of each word; the others are an offset (of MEM_SIZE: the total). */
enum ram_flag {
	FLAG_ZERO = 0x002,
	FLAG_MEM_SIZE = 0x004,
	FLAG_PAGE = 0x008,
	FLAG_EOS = 0x010,
	FLAG_CONTINUE = 0x020,
	FLAG_XBZRLE = 0x040,
	FLAG_HOOK = 0x080,
	FLAG_COMPRESS_PAGE = 0x100,
	FLAG_MULTIFD_FLUSH = 0x200,
};

#define FLAGS_MASK (PAGE_BYTES - 1)

int layout_find(const struct layout *layout, const char *name, size_t name_length)
{
	if (name_length == 0 || name_length > LAYOUT_NAME_MAX)
		return -1;
	for (uint32_t i = 0; i < layout->block_count; i++)
		if (strncmp(layout->blocks[i].name, name, name_length) == 0 &&
		    layout->blocks[i].name[name_length] == '\0')
			return (int)i;
	return -1;
}

/* ---- the block list ---- */

/* One entry, which may take `left` bytes of the total, into the place after the last. */
static int read_block(struct cursor *in, const struct ram_reader_options *options,
		      struct layout *layout, uint64_t left, struct gw_error *err)
{
	struct layout_block *block = &layout->blocks[layout->block_count];
	char out[WIRE_NAME_SHOWN_MAX];

	if (wire_name_read(in, block->name, "ram: block name", err) < 0)
		return -1;
	block->length_bytes = cursor_be64(in);
	if (options->ignore_shared)
		cursor_be64(in); /* the guest-physical address, which placing needs not */
	if (in->overrun)
		return cursor_fail(in, err, "ram: block list");
	wire_name_shown(out, block->name);
	if (layout_find(layout, block->name, strlen(block->name)) >= 0)
		return fail(err, GW_PEER, "ram: block \"%s\" is listed twice", out);
	if (block->length_bytes == 0 || block->length_bytes % PAGE_BYTES != 0)
		return fail(err, GW_PEER,
			    "ram: block \"%s\" of %" PRIu64
			    " bytes, expected a multiple of %" PRIu64,
			    out, block->length_bytes, PAGE_BYTES);
	if (block->length_bytes > left)
		return fail(err, GW_PEER,
			    "ram: block \"%s\" of %" PRIu64 " bytes, %" PRIu64
			    " are left of the total",
			    out, block->length_bytes, left);
	return 0;
}

static int read_entries(struct cursor *in, const struct ram_reader_options *options,
			struct layout *layout, uint64_t total_bytes, struct gw_error *err)
{
	uint64_t left = total_bytes;

	while (left > 0) {
		if (layout->block_count == layout->capacity)
			return fail(err, GW_PEER, "ram: more than %" PRIu32 " blocks",
				    layout->capacity);
		if (read_block(in, options, layout, left, err) < 0)
			return -1;
		left -= layout->blocks[layout->block_count++].length_bytes;
	}
	return 0;
}

static int read_blocks(struct cursor *in, const struct ram_reader_options *options,
		       struct layout *layout, uint64_t total_bytes, struct gw_error *err)
{
	assert(layout->capacity <= LAYOUT_BLOCKS_MAX);
	/* Offsets were, and are, checked against the first list. */
	if (layout->block_count > 0)
		return fail(err, GW_PEER, "ram: a second block list");
	if (total_bytes == 0)
		return fail(err, GW_PEER, "ram: an empty block list");
	if (total_bytes > layout->limit_bytes)
		return fail(err, GW_PEER,
			    "ram: %" PRIu64 " bytes announced, at most %" PRIu64,
			    total_bytes, layout->limit_bytes);
	if (read_entries(in, options, layout, total_bytes, err) < 0) {
		layout->block_count = 0;
		return -1;
	}
	return 0;
}

/* ---- page records ---- */

/* Which block a page record means, into the state. */
static int read_page_block(struct cursor *in, const struct layout *layout,
			   bool same_block, struct ram_section_state *state,
			   struct gw_error *err)
{
	char name[LAYOUT_NAME_MAX + 1], out[WIRE_NAME_SHOWN_MAX];
	int block;

	if (same_block && state->block < 0)
		return fail(err, GW_PEER, "ram: the first page continues a block");
	if (same_block)
		return 0;
	if (wire_name_read(in, name, "ram: block name", err) < 0)
		return -1;
	block = layout_find(layout, name, strlen(name));
	if (block < 0)
		return fail(err, GW_PEER,
			    "ram: page of block \"%s\", which is not listed",
			    wire_name_shown(out, name));
	state->block = block;
	return 0;
}

static int read_page(struct cursor *in, const struct layout *layout, uint64_t flags,
		     struct ram_section_state *state, struct ram_record *record,
		     struct gw_error *err)
{
	const struct layout_block *block;
	char out[WIRE_NAME_SHOWN_MAX];
	uint8_t fill;

	if (read_page_block(in, layout, flags & FLAG_CONTINUE, state, err) < 0)
		return -1;
	assert((uint32_t)state->block < layout->block_count);
	block = &layout->blocks[state->block];
	record->block = (uint32_t)state->block;
	/* Both are multiples of the page, so the whole page is inside. */
	if (record->offset >= block->length_bytes)
		return fail(err, GW_PEER,
			    "ram: offset 0x%" PRIx64 " in block \"%s\" of 0x%" PRIx64
			    " bytes",
			    record->offset, wire_name_shown(out, block->name),
			    block->length_bytes);
	record->type = RAM_PAGE;
	if (flags & FLAG_PAGE)
		return 0;
	fill = cursor_u8(in);
	if (in->overrun)
		return cursor_fail(in, err, "ram: zero page");
	if (fill != 0)
		return fail(err, GW_PEER, "ram: zero page filled with 0x%02x, expected 0",
			    fill);
	record->type = RAM_ZERO;
	return 0;
}

/* ---- reading ---- */

int ram_section_read(struct cursor *in, const struct ram_reader_options *options,
		     struct layout *layout, struct ram_section_state *state,
		     struct ram_record *record, struct gw_error *err)
{
	uint64_t at = cursor_offset(in), word = cursor_be64(in);
	uint64_t flags = word & FLAGS_MASK, offset = word & ~FLAGS_MASK;
	uint64_t kind = flags & ~(uint64_t)FLAG_CONTINUE;

	*record = (struct ram_record){ .offset = offset };
	if (in->overrun)
		return cursor_fail(in, err, "ram");
	switch (kind) {
	case FLAG_ZERO:
	case FLAG_PAGE:
		return read_page(in, layout, flags, state, record, err);
	case FLAG_XBZRLE:
		return fail(err, GW_UNSUPPORTED, "ram: XBZRLE records are not supported");
	case FLAG_HOOK:
		return fail(err, GW_UNSUPPORTED,
			    "ram: HOOK records (RDMA) are not supported");
	case FLAG_COMPRESS_PAGE:
		return fail(err, GW_UNSUPPORTED,
			    "ram: COMPRESS_PAGE records are not supported");
	}
	if (flags == FLAG_MEM_SIZE) {
		record->type = RAM_BLOCKS;
		return read_blocks(in, options, layout, offset, err);
	}
	if (flags == FLAG_EOS && offset == 0) {
		record->type = RAM_EOS;
		return 0;
	}
	if (flags == FLAG_MULTIFD_FLUSH && offset == 0) {
		record->type = RAM_FLUSH;
		return 0;
	}
	return fail(err, GW_PEER,
		    "ram: word 0x%016" PRIx64 " at byte %" PRIu64 " is no record", word,
		    at);
}

/* ---- writing ---- */

void ram_section_write_blocks(struct writer *out, const struct layout *layout)
{
	uint64_t total_bytes = 0;

	for (uint32_t i = 0; i < layout->block_count; i++) {
		bool overflow = ckd_add(&total_bytes, total_bytes,
					layout->blocks[i].length_bytes);

		assert(!overflow && layout->blocks[i].length_bytes % PAGE_BYTES == 0);
	}
	writer_be64(out, total_bytes | FLAG_MEM_SIZE);
	for (uint32_t i = 0; i < layout->block_count; i++) {
		writer_str8(out, layout->blocks[i].name);
		writer_be64(out, layout->blocks[i].length_bytes);
	}
}

void ram_section_write_flush(struct writer *out)
{
	writer_be64(out, FLAG_MULTIFD_FLUSH);
}

void ram_section_write_eos(struct writer *out)
{
	writer_be64(out, FLAG_EOS);
}

static void write_page_word(struct writer *out, struct ram_section_state *state,
			    const struct layout *layout, uint32_t block, uint64_t offset,
			    uint64_t flag)
{
	assert(block < layout->block_count && offset % PAGE_BYTES == 0);
	assert(offset < layout->blocks[block].length_bytes);
	if (state->block == (int)block) {
		writer_be64(out, offset | flag | FLAG_CONTINUE);
	} else {
		writer_be64(out, offset | flag);
		writer_str8(out, layout->blocks[block].name);
		state->block = (int)block;
	}
}

void ram_section_write_zero(struct writer *out, struct ram_section_state *state,
			    const struct layout *layout, uint32_t block, uint64_t offset)
{
	write_page_word(out, state, layout, block, offset, FLAG_ZERO);
	writer_u8(out, 0);
}

void ram_section_write_page(struct writer *out, struct ram_section_state *state,
			    const struct layout *layout, uint32_t block, uint64_t offset)
{
	write_page_word(out, state, layout, block, offset, FLAG_PAGE);
}
