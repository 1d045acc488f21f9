/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor_line.c - a line of the human monitor as words. */
#include "vm/monitor_line.h"

#include <stdbool.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Tabs are blanks; bytes past ASCII may be in a path. */
static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

static int refuse_escape(char c, struct gw_error *err)
{
	char shown[8];

	return fail(err, GW_USAGE, "unsupported escape code: '\\%s'",
		    printable(shown, sizeof(shown), &c, 1));
}

/* One word at *at, without its quotes, to *to. */
static int take_word(const char **at, const char *end, char **to, struct gw_error *err)
{
	const char *in = *at;
	char *out = *to;
	bool quoted = *in == '"';

	if (quoted)
		in++;
	for (;; in++) {
		if (in == end && quoted)
			return fail(err, GW_USAGE, "unterminated string");
		if (in == end || (quoted ? *in == '"' : is_blank(*in)))
			break;
		if (quoted && *in == '\\') {
			if (++in == end)
				return fail(err, GW_USAGE, "unterminated string");
			if (*in != '"' && *in != '\\' && *in != '\'')
				return refuse_escape(*in, err);
		}
		*out++ = *in;
	}
	if (quoted)
		in++;
	*out++ = '\0';
	*at = in;
	*to = out;
	return 0;
}

int monitor_line_parse(struct monitor_line *line, const char *text, size_t length,
		       struct gw_error *err)
{
	const char *at = text, *end = text + length;
	char *to = line->text;

	line->count = 0;
	if (length > MONITOR_LINE_BYTES_MAX)
		return fail(err, GW_USAGE, "a line of %zu bytes, at most %u", length,
			    MONITOR_LINE_BYTES_MAX);
	for (const char *c = text; c < end; c++)
		if (is_control(*c))
			return fail(err, GW_USAGE, "a line with control characters");
	for (;;) {
		while (at < end && is_blank(*at))
			at++;
		if (at == end)
			return 0;
		if (line->count == MONITOR_WORDS_MAX)
			return fail(err, GW_USAGE, "more than %u words",
				    MONITOR_WORDS_MAX);
		line->words[line->count++] = to;
		if (take_word(&at, end, &to, err) < 0)
			return -1;
	}
}
