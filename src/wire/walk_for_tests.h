/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* walk_for_tests.h - reads a main channel as a receiver would, and counts.
 *
 * For tests and fuzz targets only: everything up to where lengths end, which is the first
 * section that is not "ram", or EOF. */
#ifndef WIRE_WALK_FOR_TESTS_H
#define WIRE_WALK_FOR_TESTS_H

#include "wire/ram_section.h"
#include "wire/stream.h"

#define WALK_BLOCKS_MAX 32u

struct walk {
	struct stream_header header;
	struct section_map sections;
	struct layout_block blocks[WALK_BLOCKS_MAX];
	struct layout layout;
	struct ram_section_state state;
	uint32_t record_count;
	uint32_t page_count;
	uint32_t zero_count;
	uint32_t flush_count;
	uint32_t body_count; /* ram sections: START, PARTs, END */
	uint32_t ping_sum;
	bool return_path;
	bool switchover_start;
	bool ram_ended;
	uint64_t tail_offset; /* where the walk stopped */
};

static inline void walk_init(struct walk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->layout =
		(struct layout){ walk->blocks, WALK_BLOCKS_MAX, 0, UINT64_C(1) << 40 };
	walk->state.block = -1;
}

static inline int walk_ram(struct walk *walk, struct cursor *in, struct gw_error *err)
{
	struct ram_reader_options options = { walk->header.ignore_shared };
	struct ram_record record;

	walk->body_count++;
	do {
		if (ram_section_read(in, &options, &walk->layout, &walk->state, &record,
				     err) < 0)
			return -1;
		walk->flush_count += record.type == RAM_FLUSH;
		walk->zero_count += record.type == RAM_ZERO;
		walk->page_count += record.type == RAM_PAGE;
		if (record.type == RAM_PAGE)
			cursor_skip(in, PAGE_BYTES);
		if (in->overrun)
			return cursor_fail(in, err, "ram: page");
	} while (record.type != RAM_EOS);
	return 0;
}

static inline void walk_command(struct walk *walk, const struct stream_record *record)
{
	walk->return_path |= record->command == COMMAND_OPEN_RETURN_PATH;
	walk->switchover_start |= record->command == COMMAND_SWITCHOVER_START;
	walk->ping_sum += record->ping;
}

static inline int walk_main(struct walk *walk, struct cursor *in, struct gw_error *err)
{
	struct stream_record record;

	if (stream_read_header(in, &walk->header, err) < 0)
		return -1;
	for (;; walk->record_count++) {
		walk->tail_offset = cursor_offset(in);
		if (stream_read_record(in, &walk->sections, &record, err) < 0)
			return -1;
		if (record.type == RECORD_COMMAND) {
			walk_command(walk, &record);
			continue;
		}
		if (record.type == RECORD_EOF || record.type == RECORD_VMDESCRIPTION ||
		    strcmp(record.name, RAM_SECTION_NAME) != 0)
			return 0;
		walk->ram_ended |= record.type == RECORD_SECTION_END;
		if (walk_ram(walk, in, err) < 0 ||
		    stream_read_footer(in, record.section_id, err) < 0)
			return -1;
	}
}

#endif
