/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c - what the library has to say, handed to whoever runs it. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void log_line(const struct log *log, enum log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!log || level > log->level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log->line(log->state, level, text);
}
