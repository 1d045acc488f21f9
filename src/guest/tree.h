/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tree.h - the bytes of a file, or of all files under a folder, as one endless stream.
 *
 * Regular files in sorted order, one after the other, and again from the start.  The path itself
 * may be a symbolic link; below it links, special files and other file systems are passed over,
 * and so is what may not be read.  The list is made once; whoever made it owns it, any thread may
 * read through a reader of its own. */
#ifndef GUEST_TREE_H
#define GUEST_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct tree;

/* Lists files until they have `enough_bytes`.  Errors name the path: GW_SYSTEM, or GW_USAGE when
 * there is not one byte to be had. */
struct tree *tree_new(const char *path, uint64_t enough_bytes, struct gw_error *err);
void tree_free(struct tree *tree); /* NULL is fine */
DEFINE_OWNED(tree)

/* Of what was listed: at most what was enough. */
uint64_t tree_bytes(const struct tree *tree);

/* The file it read last stays open.  Start with { .fd = -1 }, close the descriptor at the end
 * (OWNED_FD does not reach into structs). */
struct tree_reader {
	int fd;
	size_t file;
};

int tree_read(const struct tree *tree, struct tree_reader *reader, uint64_t offset,
	      void *into, size_t length, struct gw_error *err);

#endif
