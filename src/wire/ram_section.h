/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ram_section.h - bodies of the "ram" section: the block list, page records, barriers.
 *
 * A body is a row of records, each a be64 word of offset and flags, up to an EOS.  Source: QEMU
 * migration/ram.c. */
#ifndef WIRE_RAM_SECTION_H
#define WIRE_RAM_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/pages.h"
#include "base/writer.h"
#include "wire/wire_name.h"

#define LAYOUT_BLOCKS_MAX 4096u
#define LAYOUT_NAME_MAX WIRE_NAME_MAX

/* The block list as the peer announced it; offsets are checked against it. */
struct layout_block {
	char name[LAYOUT_NAME_MAX + 1]; /* a peer's: print with wire_name_shown() */
	uint64_t length_bytes;
};

struct layout {
	struct layout_block *blocks; /* the caller's memory */
	uint32_t capacity;	     /* of `blocks`, at most LAYOUT_BLOCKS_MAX */
	uint32_t block_count;
	uint64_t limit_bytes; /* all blocks together, the caller's bound */
};

/* Index of the block, or -1. */
int layout_find(const struct layout *layout, const char *name, size_t name_length);

enum ram_record_type {
	RAM_ZERO,   /* block, offset */
	RAM_PAGE,   /* block, offset; PAGE_BYTES of contents follow, not consumed */
	RAM_BLOCKS, /* the whole list was read into the layout */
	RAM_FLUSH,  /* a barrier in per-round mode */
	RAM_EOS,    /* the body ends */
};

struct ram_record {
	enum ram_record_type type;
	uint32_t block;
	uint64_t offset;
};

/* State of one reader (or writer): which block CONTINUE means.  -1: none yet. */
struct ram_section_state {
	int block;
};

struct ram_reader_options {
	bool ignore_shared; /* block entries carry a gpa */
};

/* Enforced: exactly one kind a word, known flags only, block known, offset aligned and inside,
 * no CONTINUE first and only on pages, ZERO fills with zero; one list in all, of at most
 * `capacity` blocks and `limit_bytes`, lengths that sum up exactly, > 0 and multiples of the page
 * size, names unique, 1 to LAYOUT_NAME_MAX bytes and without NUL.  Refused by name: XBZRLE, HOOK
 * (RDMA), COMPRESS_PAGE.
 *
 * The layout gets its block_count with the last block, so a list that breaks off leaves it
 * empty; after that it does not change. */
int ram_section_read(struct cursor *in, const struct ram_reader_options *options,
		     struct layout *layout, struct ram_section_state *state,
		     struct ram_record *record, struct gw_error *err);

void ram_section_write_blocks(struct writer *out, const struct layout *layout);
void ram_section_write_flush(struct writer *out);
void ram_section_write_eos(struct writer *out);

/* ZERO record; names the block only when it differs from the state's. */
void ram_section_write_zero(struct writer *out, struct ram_section_state *state,
			    const struct layout *layout, uint32_t block, uint64_t offset);

/* The head of a PAGE record, likewise; the page's bytes come right after it. */
void ram_section_write_page(struct writer *out, struct ram_section_state *state,
			    const struct layout *layout, uint32_t block, uint64_t offset);

/* Longest that the two above write. */
#define RAM_ZERO_RECORD_BYTES_MAX (8u + 1u + LAYOUT_NAME_MAX + 1u)

#endif
