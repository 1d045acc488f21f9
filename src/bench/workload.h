/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* workload.h - a file's or a tree's bytes as packets of pages, the way a migration forms them.
 *
 * The bytes are an image of a guest's memory.  Each packet is the next so many pages of it
 * without those that are zero, which are told and not encoded. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/own.h"

struct workload_packet {
	uint32_t first_run; /* of workload.runs and .rooms */
	uint32_t run_count;
	uint32_t page_count;
};

struct workload {
	size_t image_bytes;
	uint8_t *image;
	uint8_t *landing; /* where decoders write, laid out as the image is */
	struct span *runs;
	struct room *rooms; /* what runs are, in the landing */
	uint32_t packet_count;
	struct workload_packet *packets; /* each has at least a page */
	uint64_t normal_pages;
	uint64_t zero_pages;
};

/* At most `limit_bytes` of what `path` has, in packets of `packet_pages`.  GW_USAGE when all of
 * it is zero; errors name the path. */
struct workload *workload_new(const char *path, uint64_t limit_bytes,
			      uint32_t packet_pages, struct gw_error *err);
void workload_free(struct workload *workload); /* NULL is fine */
DEFINE_OWNED(workload)

uint64_t workload_normal_bytes(const struct workload *workload);

#endif
