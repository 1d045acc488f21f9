/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire_name.c - names as they travel on main. */
#include "wire/wire_name.h"

#include <inttypes.h>
#include <string.h>

int wire_name_take(struct cursor *in, uint32_t length, char name[WIRE_NAME_MAX + 1],
		   const char *what, struct gw_error *err)
{
	if (length == 0 || length > WIRE_NAME_MAX)
		return fail(err, GW_PEER, "%s of %" PRIu32 " bytes, 1 to %u are allowed",
			    what, length, WIRE_NAME_MAX);
	cursor_copy(in, name, length);
	name[length] = '\0';
	if (in->overrun)
		return cursor_fail(in, err, what);
	if (strlen(name) != length)
		return fail(err, GW_PEER, "%s with a NUL at byte %zu of %" PRIu32, what,
			    strlen(name), length);
	return 0;
}

int wire_name_read(struct cursor *in, char name[WIRE_NAME_MAX + 1], const char *what,
		   struct gw_error *err)
{
	uint8_t length = cursor_u8(in);

	if (in->overrun)
		return cursor_fail(in, err, what);
	return wire_name_take(in, length, name, what, err);
}

const char *wire_name_shown(char out[WIRE_NAME_SHOWN_MAX], const char *name)
{
	return printable(out, WIRE_NAME_SHOWN_MAX, name, (unsigned)strlen(name));
}
