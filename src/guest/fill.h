/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fill.h - what a guest's RAM holds before it runs.
 *
 *	zeros			nothing; pages that were never touched stay so
 *	random			will not shrink
 *	PATH			a file's bytes, or those of all files under a folder (tree.h)
 *	zeros:30,random:10,/usr/lib:60
 *				a mix: percent of each, 100 in all
 *
 * A mix alternates in stretches of 64 pages, by a seeded choice that keeps the percentages exact
 * over each hundred stretches.  The same spec, files, seed and RAM give the same bytes, whatever
 * the number of threads.  A path with a comma in it, or one called "zeros", has to be given
 * another way ("./zeros"). */
#ifndef GUEST_FILL_H
#define GUEST_FILL_H

#include "base/own.h"
#include "ram/block.h"

#define FILL_PARTS_MAX 16u
#define FILL_THREADS_MAX 64u

struct fill;

/* GW_USAGE: the part that is wrong, and what is; GW_SYSTEM: a path that is not there. */
struct fill *fill_new(const char *spec, struct gw_error *err);
void fill_free(struct fill *fill); /* NULL is fine */
DEFINE_OWNED(fill)

/* Returns when all of RAM is filled, by `threads` threads (1 to FILL_THREADS_MAX).  Errors name
 * the path. */
int fill_ram(const struct fill *fill, const struct ram *ram, uint64_t seed,
	     uint32_t threads, struct gw_error *err);

#endif
