/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor_line.h - a line of the human monitor as words.
 *
 * Words are separated by blanks; one in double quotes may hold some, and \" \\ \' there, as
 * QEMU's.  A pure function of hostile bytes; the words are a copy within the value. */
#ifndef VM_MONITOR_LINE_H
#define VM_MONITOR_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MONITOR_LINE_BYTES_MAX 4095u
#define MONITOR_WORDS_MAX 16u

struct monitor_line {
	uint32_t count;
	const char *words[MONITOR_WORDS_MAX]; /* into `text` */
	char text[MONITOR_LINE_BYTES_MAX + 1];
};

/* GW_USAGE: too long, too many words, a quote without its end, a control character. */
int monitor_line_parse(struct monitor_line *line, const char *text, size_t length,
		       struct gw_error *err);

#endif
