/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor_line_test.c - words, quotes, and the limits of a line. */
#include "vm/monitor_line.h"

#include "tests/check.h"

static struct monitor_line line;

static int parse(const char *text, struct gw_error *err)
{
	return monitor_line_parse(&line, text, strlen(text), err);
}

/* The words with a bar between two. */
static const char *words_of(const char *text)
{
	static char joined[sizeof(line.text) + MONITOR_WORDS_MAX];
	struct gw_error err;
	size_t used = 0;

	joined[0] = '\0';
	if (parse(text, &err) < 0)
		CHECK_FAIL("%s: %s", text, err.text);
	for (uint32_t i = 0; i < line.count; i++)
		used += (size_t)snprintf(joined + used, sizeof(joined) - used, "%s%s",
					 i > 0 ? "|" : "", line.words[i]);
	return joined;
}

TEST(words_are_separated_by_blanks)
{
	CHECK_STR(words_of("info status"), "info|status");
	CHECK_STR(words_of("  info\t\tstatus "), "info|status");
	CHECK_STR(words_of("migrate -d unix:/tmp/\xc3\xa4"),
		  "migrate|-d|unix:/tmp/\xc3\xa4");
	CHECK_STR(words_of(""), "");
	CHECK_STR(words_of(" \t "), "");
}

TEST(quotes_hold_blanks_together)
{
	CHECK_STR(words_of("migrate \"unix:/a b\""), "migrate|unix:/a b");
	CHECK_STR(words_of("\"a\"\"b\""), "a|b");
	CHECK_STR(words_of("\"\""), "");
	CHECK_EQ(line.count, 1);
	CHECK_STR(words_of("a\"b c\""), "a\"b|c\"");
	CHECK_STR(words_of("\"a\\\"b\\\\c\\'d\""), "a\"b\\c'd");
}

static void refuses(const char *text, const char *why)
{
	struct gw_error err = { 0 };

	CHECK_EQ(parse(text, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, why);
}

TEST(broken_quotes_are_refused)
{
	refuses("\"", "unterminated string");
	refuses("a \"b c", "unterminated string");
	refuses("\"a\\", "unterminated string");
	refuses("\"a\\x\"", "unsupported escape code: '\\x'");
	refuses("\"a\\\xff\"", "unsupported escape code: '\\\\xff'");
}

TEST(control_characters_are_refused)
{
	struct gw_error err = { 0 };

	refuses("stop\r", "a line with control characters");
	refuses("\x1b[A", "a line with control characters");
	refuses("\x7f", "a line with control characters");
	CHECK_EQ(monitor_line_parse(&line, "stop\0quit", 9, &err), -1);
	CHECK_STR(err.text, "a line with control characters");
}

TEST(a_line_has_room_for_so_much)
{
	static char text[MONITOR_LINE_BYTES_MAX + 2];
	struct gw_error err = { 0 };

	memset(text, 'x', MONITOR_LINE_BYTES_MAX);
	CHECK_EQ(parse(text, &err), 0);
	CHECK_EQ(line.count, 1);
	CHECK_STR(line.words[0], text);
	text[MONITOR_LINE_BYTES_MAX] = 'x';
	refuses(text, "a line of 4096 bytes, at most 4095");
}

TEST(a_line_has_so_many_words)
{
	char text[2 * MONITOR_WORDS_MAX + 2] = "";

	for (uint32_t i = 0; i < MONITOR_WORDS_MAX; i++)
		memcpy(text + (size_t)2 * i, "x ", 3);
	words_of(text);
	CHECK_EQ(line.count, MONITOR_WORDS_MAX);
	memcpy(text + (size_t)2 * MONITOR_WORDS_MAX, "x", 2);
	refuses(text, "more than 16 words");
}

TEST_MAIN(TEST_OF(words_are_separated_by_blanks), TEST_OF(quotes_hold_blanks_together),
	  TEST_OF(broken_quotes_are_refused), TEST_OF(control_characters_are_refused),
	  TEST_OF(a_line_has_room_for_so_much), TEST_OF(a_line_has_so_many_words))
