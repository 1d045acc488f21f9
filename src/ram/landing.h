/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* landing.h - the receiver's memory: pages prepared ahead of their arrival, and known by whether
 * anything was written to them.
 *
 * A fault a page is what makes a naive receiver slow.  Memory is populated in stretches of
 * 2 MiB (MADV_POPULATE_WRITE, so one huge page where the kernel gives one): by a thread that
 * runs some stretches ahead of what arrives, and by a channel itself when it gets there first.
 * Stretches that receive no data are not touched, save for that short lead.
 *
 * landing_prepare() and landing_zero() may be called by every channel thread at once, for
 * different pages between two barriers. */
#ifndef RAM_LANDING_H
#define RAM_LANDING_H

#include "ram/block.h"

struct landing;

/* `ahead`: run the thread.  The memory of `ram` must be fresh: private, zero, untouched.  Memory
 * that somebody else made and may have written (fresh == false) gets its zero pages written. */
struct landing *landing_new(const struct ram *ram, bool ahead, bool fresh,
			    struct gw_error *err);
void landing_free(struct landing *landing); /* joins the thread */
DEFINE_OWNED(landing)

/* Before writing page `index` of the block: it is populated, and marked as received. */
void landing_prepare(struct landing *landing, uint32_t block_index, size_t first,
		     size_t count);

/* The page is zero at the source: cleared when it ever received data, else left untouched. */
void landing_zero(struct landing *landing, uint32_t block_index, size_t page);

#endif
