/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batch.h - up to one packet's worth of pages from one RAM block.
 *
 * Owned by one channel thread, reused for every packet.  Pages are kept as runs so that
 * contiguous memory stays one iovec all the way to the socket. */
#ifndef RAM_BATCH_H
#define RAM_BATCH_H

#include "base/bytes.h"
#include "ram/block.h"

/* QEMU: MULTIFD_PACKET_SIZE, 512 KiB of pages. */
#define BATCH_PAGES_MAX 128u

/* Contiguous pages of one block. */
struct page_run {
	const struct ram_block *block;
	size_t first;
	size_t count;
};

struct batch {
	const struct ram_block *block; /* NULL when empty */
	uint32_t normal_count;
	uint32_t zero_count;
	uint32_t run_count; /* of normal pages */
	/* Spent on finding dirty pages, and on finding out which are zero. */
	uint64_t scan_ns;
	uint64_t zero_ns;
	struct span runs[BATCH_PAGES_MAX];
	uint64_t normal_offsets[BATCH_PAGES_MAX];
	uint64_t zero_offsets[BATCH_PAGES_MAX];
};

static inline uint32_t batch_count(const struct batch *batch)
{
	return batch->normal_count + batch->zero_count;
}

void batch_reset(struct batch *batch);

/* Adds a run of the batch's block (or of any, when empty) page by page, zero pages apart when
 * `find_zeros`.  The run must fit: batch_count() + count <= BATCH_PAGES_MAX. */
void batch_add(struct batch *batch, const struct page_run *run, bool find_zeros);

#endif
