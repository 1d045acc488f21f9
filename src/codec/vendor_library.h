/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor_library.h - a device's library, looked for when the program runs.
 *
 * One binary serves hosts with and without it.  A library that was found stays: some of them
 * have threads and exit handlers of their own. */
#ifndef CODEC_VENDOR_LIBRARY_H
#define CODEC_VENDOR_LIBRARY_H

#include <stdint.h>

#include "base/error.h"

struct vendor_symbol {
	const char *name;
	void *function; /* address of the function pointer to set */
};

/* Sets them all, or none: GW_UNSUPPORTED with what is missing and `source`, which says where it
 * comes from: "Debian: libqpl1". */
int vendor_library_load(const char *soname, const char *source,
			const struct vendor_symbol *symbols, uint32_t count,
			struct gw_error *err);

#endif
