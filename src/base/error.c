/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c - why a call failed. */
#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int fail(struct gw_error *err, enum gw_error_kind kind, const char *format, ...)
{
	va_list args;

	err->kind = kind;
	err->sys = 0;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -1;
}

int fail_errno(struct gw_error *err, int sys)
{
	char why[96];
	const char *text = strerror_r(sys, why, sizeof(why));
	char first = *text;

	/* "Connection refused", but not "RPC ..." and the like. */
	if (first >= 'A' && first <= 'Z' && text[1] >= 'a')
		first = (char)(first - 'A' + 'a');
	fail(err, GW_SYSTEM, "%c%s", first, first ? text + 1 : "");
	err->sys = sys;
	return -1;
}

int fail_sys(struct gw_error *err, int sys, const char *format, ...)
{
	struct gw_error why;
	va_list args;
	size_t used;

	fail_errno(&why, sys);
	err->kind = GW_SYSTEM;
	err->sys = sys;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", why.text);
	return -1;
}

int fail_in(struct gw_error *err, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;
	size_t used;

	memcpy(text, err->text, sizeof(text));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", text);
	return -1;
}

const char *printable(char *out, unsigned room, const void *bytes, unsigned length)
{
	const unsigned char *in = bytes;
	unsigned used = 0;

	for (unsigned i = 0; i < length; i++) {
		bool plain = in[i] >= ' ' && in[i] < 0x7f && in[i] != '\\';

		if (room - used < (plain ? 2u : 5u))
			break;
		if (plain)
			out[used++] = (char)in[i];
		else
			used += (unsigned)snprintf(out + used, room - used, "\\x%02x",
						   in[i]);
	}
	out[used] = '\0';
	return out;
}
