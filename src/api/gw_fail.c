/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_fail.c - an error, set by a callback. */
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

int gw_fail(struct gw_error *err, enum gw_error_kind kind, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return fail(err, kind, "%s", text);
}
