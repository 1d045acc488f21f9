/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire_name.h - names as they travel on main: machines, sections, capabilities, RAM blocks.
 *
 * Opaque bytes: 1 to WIRE_NAME_MAX of them, none NUL.  Compare them, never print them raw. */
#ifndef WIRE_WIRE_NAME_H
#define WIRE_WIRE_NAME_H

#include <stdint.h>

#include "base/cursor.h"

#define WIRE_NAME_MAX 255u

/* u8 length, then the name, which gets a NUL behind it.  `what` begins the error
 * ("section name"). */
int wire_name_read(struct cursor *in, char name[WIRE_NAME_MAX + 1], const char *what,
		   struct gw_error *err);

/* The same behind a length that was read already. */
int wire_name_take(struct cursor *in, uint32_t length, char name[WIRE_NAME_MAX + 1],
		   const char *what, struct gw_error *err);

/* For an error: printable, and cut where it would fill the text.  Returns `out`. */
#define WIRE_NAME_SHOWN_MAX 100u
const char *wire_name_shown(char out[WIRE_NAME_SHOWN_MAX], const char *name);

#endif
