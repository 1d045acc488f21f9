/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block.h - named ranges of guest RAM.
 *
 * A `struct ram` is the list of them.  It is filled before a migration starts and does not
 * change while one runs, so any thread may read it.  Memory is borrowed unless ram_allocate()
 * made it. */
#ifndef RAM_BLOCK_H
#define RAM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/pages.h"

#define RAM_BLOCKS_MAX 4096u
#define RAM_NAME_MAX 255u

struct ram_block {
	char name[RAM_NAME_MAX + 1];
	uint8_t *host;	       /* page aligned */
	uint64_t length_bytes; /* a multiple of PAGE_BYTES, > 0 */
	size_t page_count;
	uint32_t index; /* place in the list */
	bool allocated; /* by ram_allocate() */
};

struct ram {
	struct ram_block **blocks; /* pointers are stable while blocks are added */
	uint32_t block_count;
};

void ram_init(struct ram *ram);
void ram_deinit(struct ram *ram); /* unmaps what ram_allocate() made */

/* Adds memory of the caller's, no part of which is in another block.  GW_USAGE: alignment,
 * length, name, duplicate, overlap, too many. */
int ram_add(struct ram *ram, const char *name, void *host, uint64_t length_bytes,
	    struct gw_error *err);

/* Adds fresh zero memory: private, anonymous, not reserved, on a huge page's boundary and of huge
 * pages where the kernel gives them. */
int ram_allocate(struct ram *ram, const char *name, uint64_t length_bytes,
		 struct gw_error *err);

/* By name; NULL when there is none.  `name` need not end with NUL. */
struct ram_block *ram_find(const struct ram *ram, const char *name, size_t name_length);

uint64_t ram_total_bytes(const struct ram *ram);
size_t ram_total_pages(const struct ram *ram);

#endif
