/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream_fuzz.c - any bytes as a main channel.
 *
 * Walked twice, from memory and from a stream that delivers little at a time: both must see the
 * same. */
#include <stdlib.h>

#include "base/ckd.h"
#include "wire/vmdesc.h"
#include "wire/walk_for_tests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

struct drip {
	const uint8_t *data;
	size_t left;
	size_t turn;
};

static ptrdiff_t drip(void *state, void *into, size_t room, struct gw_error *err)
{
	struct drip *source = state;
	size_t piece = 1 + source->turn++ * 7 % 61;

	if (piece > room)
		piece = room;
	if (piece > source->left)
		piece = source->left;
	memcpy(into, source->data, piece);
	source->data += piece;
	source->left -= piece;
	return (ptrdiff_t)piece;
}

static void check_layout(const struct layout *layout)
{
	uint64_t total_bytes = 0;

	REQUIRE(layout->block_count <= layout->capacity);
	for (uint32_t i = 0; i < layout->block_count; i++) {
		const struct layout_block *block = &layout->blocks[i];
		size_t length = strnlen(block->name, sizeof(block->name));

		REQUIRE(length >= 1 && length <= LAYOUT_NAME_MAX);
		REQUIRE(layout_find(layout, block->name, length) == (int)i);
		REQUIRE(block->length_bytes > 0 && block->length_bytes % PAGE_BYTES == 0);
		REQUIRE(!ckd_add(&total_bytes, total_bytes, block->length_bytes));
	}
	REQUIRE(total_bytes <= layout->limit_bytes);
}

/* What comes after the walk, record by record, as if bodies were empty. */
static void read_on(struct section_map *sections, struct span tail)
{
	struct cursor in = cursor_over(tail.bytes, tail.length);
	struct stream_record record;
	struct gw_error err;

	while (stream_read_record(&in, sections, &record, &err) == 0) {
		REQUIRE(sections->count <= STREAM_SECTIONS_MAX);
		if (record.type == RECORD_VMDESCRIPTION) {
			REQUIRE(record.vmdesc_bytes <= STREAM_VMDESC_BYTES_MAX);
			cursor_skip(&in, record.vmdesc_bytes);
		} else if (record.type != RECORD_COMMAND && record.type != RECORD_EOF &&
			   stream_read_footer(&in, record.section_id, &err) < 0) {
			return;
		}
	}
	REQUIRE(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct walk walk, again;
	static struct vmdesc desc;
	struct drip source = { data, size, 0 };
	uint8_t buffer[512];
	struct cursor in = cursor_over(data, size);
	struct cursor slow = cursor_from(buffer, sizeof(buffer), drip, &source);
	struct gw_error err = { 0 }, err_again = { 0 };
	struct span tail;
	int result;

	walk_init(&walk);
	walk_init(&again);
	result = walk_main(&walk, &in, &err);
	REQUIRE(walk_main(&again, &slow, &err_again) == result);
	REQUIRE(err.kind == err_again.kind);
	REQUIRE(walk.record_count == again.record_count);
	REQUIRE(walk.zero_count == again.zero_count);
	REQUIRE(walk.page_count == again.page_count);
	REQUIRE(walk.tail_offset == again.tail_offset);
	REQUIRE(walk.layout.block_count == again.layout.block_count);
	check_layout(&walk.layout);
	if (result < 0) {
		REQUIRE(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
		REQUIRE(err.text[0] != '\0');
		return 0;
	}
	REQUIRE(walk.tail_offset < size);
	tail = (struct span){ data + walk.tail_offset, size - walk.tail_offset };
	if (vmdesc_find_end(tail, &desc))
		REQUIRE(desc.device_count <= VMDESC_DEVICES_MAX);
	read_on(&walk.sections, tail);
	return 0;
}
