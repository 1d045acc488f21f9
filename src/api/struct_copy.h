/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* struct_copy.h - structs of callers that were built with another version of godwit.h.
 *
 * Each begins with a size_t, its size as the caller knows it.  One that is shorter than ours leaves
 * the rest zero, which is the default; one that is longer may be so where that is zero. */
#ifndef API_STRUCT_COPY_H
#define API_STRUCT_COPY_H

#include <stddef.h>

#include "base/error.h"

/* `to` has room for `size` bytes; `from` may be NULL: all defaults.  `what` begins the error.
 * GW_USAGE: no size is set.  GW_UNSUPPORTED: it uses what this version does not know. */
int struct_copy(void *to, size_t size, const void *from, const char *what,
		struct gw_error *err);

#endif
