/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* struct_copy.c - structs of callers that were built with another version of godwit.h. */
#include "api/struct_copy.h"

#include <string.h>

int struct_copy(void *to, size_t size, const void *from, const char *what,
		struct gw_error *err)
{
	const char *bytes = from;
	size_t given = size;

	memset(to, 0, size);
	if (!from)
		return 0;
	memcpy(&given, from, sizeof(given));
	if (given < sizeof(given))
		return fail(err, GW_USAGE,
			    "%s: struct_size is %zu, it has to be the struct's sizeof",
			    what, given);
	for (size_t i = size; i < given; i++) {
		if (bytes[i] != 0)
			return fail(err, GW_UNSUPPORTED,
				    "%s: byte %zu is set, this version of the library "
				    "knows %zu",
				    what, i, size);
	}
	memcpy(to, from, given < size ? given : size);
	return 0;
}
