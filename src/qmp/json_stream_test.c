/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json_stream_test.c - values are cut, read and refused as QEMU 7.2 does it.
 *
 * What is expected of odd input was recorded from QEMU 7.2.22; tests/interop asks it again. */
#include "qmp/json_stream.h"

#include <stdio.h>
#include <string.h>

#include "tests/check.h"

#define LIMIT 4096u
#define TOLD_BYTES (LIMIT + 1024u)

/* Appends what the stream says to `told`: values as text, errors as "!text", a line each. */
static void tell(struct json_stream *stream, char *told)
{
	struct gw_error err;
	json_t *value;
	int found;

	while ((found = json_stream_next(stream, &value, &err)) != 0) {
		size_t used = strlen(told);

		if (found < 0) {
			CHECK_EQ(err.kind, GW_PEER);
			snprintf(told + used, TOLD_BYTES - used, "!%s\n", err.text);
		} else {
			char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

			snprintf(told + used, TOLD_BYTES - used, "%s\n", text);
			free(text);
			json_decref(value);
		}
	}
}

static void read_bytes(const char *bytes, size_t length, size_t step, char *told)
{
	struct gw_error err;
	OWNED(json_stream) struct json_stream *stream = json_stream_new(LIMIT, &err);

	CHECK(stream);
	*told = '\0';
	for (size_t at = 0; at < length; at += step) {
		json_stream_feed(stream, bytes + at,
				 length - at < step ? length - at : step);
		tell(stream, told);
	}
}

/* The same whether it comes at once, in bytes, or in two parts cut anywhere. */
static void check_told(const char *input, const char *expected)
{
	size_t length = strlen(input);
	char told[TOLD_BYTES];

	read_bytes(input, length, length, told);
	CHECK_STR(told, expected);
	for (size_t step = 1; step < length; step++) {
		read_bytes(input, length, step, told);
		CHECK_STR(told, expected);
	}
}

static void values_are_cut_where_they_end(void)
{
	check_told("{}", "{}\n");
	check_told("{}{\"a\":[1,{\"b\":null}]}[true,false]", "{}\n"
							     "{\"a\":[1,{\"b\":null}]}\n"
							     "[true,false]\n");
	check_told(" \r\n\t{ \"a\" :\n1 }\r\n", "{\"a\":1}\n");
	check_told("1 \"x\"null -5,", "1\n\"x\"\nnull\n-5\n!JSON parse error, "
				      "expecting value\n");
	check_told("[[]", "");
	check_told("12", "");
	check_told("tru", "");
}

static void strings_hide_brackets_and_quotes(void)
{
	check_told("{\"}]\":\"{\\\"[\\\\\"}[]", "{\"}]\":\"{\\\"[\\\\\"}\n[]\n");
	check_told("{'a\"':'\\'}'}", "{\"a\\\"\":\"'}\"}\n");
	check_told("[\"\\b\\f\\n\\r\\t\\/\"]", "[\"\\b\\f\\n\\r\\t/\"]\n");
	check_told("[\"\\u00e9\\u20AC\\ud83d\\ude00\"]", "[\"é€😀\"]\n");
	check_told("[\"é€😀\x7f%s\"]", "[\"é€😀\x7f%s\"]\n");
}

static void numbers_keep_what_they_can(void)
{
	check_told("[0,-0,1.5,1e2,1E+2,9223372036854775807,-9223372036854775808]",
		   "[0,0,1.5,100.0,100.0,9223372036854775807,-9223372036854775808]\n");
	check_told("[18446744073709551616]", "[1.8446744073709552e19]\n");
	check_told("[1e400]", "!JSON parse error, number '1e400' is too large\n");
}

static void mistakes_have_qemus_texts(void)
{
	static const struct {
		const char *input, *text;
	} cases[] = {
		{ "foo\n", "invalid keyword 'foo'" },
		{ "{\"a\":foo,\"b\" 1}", "invalid keyword 'foo'" },
		{ "{\"a\" 1}", "missing : in object pair" },
		{ "{\"a\"}", "missing : in object pair" },
		{ "{\"a\":1 \"b\":2}", "expected separator in dict" },
		{ "{\"a\":1]", "expected separator in dict" },
		{ "[1 2]", "expected separator in list" },
		{ "[1}", "expected separator in list" },
		{ "{1:2}", "key is not a string in object" },
		{ "{{}}", "key is not a string in object" },
		{ "{null:1}", "key is not a string in object" },
		{ "{\"a\":1,\"a\":2}", "duplicate key" },
		{ "{\"a\":1,\"a\":foo}", "invalid keyword 'foo'" },
		{ "{\"a\":1,}", "expecting value" },
		{ "{\"a\":}", "expecting value" },
		{ "{,}", "expecting value" },
		{ "[,]", "expecting value" },
		{ "[1,]", "expecting value" },
		{ "[1,,2]", "expecting value" },
		{ "[{]}", "expecting value" },
		{ "}", "expecting value" },
		{ "]", "expecting value" },
		{ ":", "expecting value" },
		{ "[\"\\q\"]", "invalid escape sequence in string" },
		{ "[\"\\u12\"]", "\\u12\" is not a valid Unicode character" },
		{ "[\"\\u12g4\"]", "\\u12g4 is not a valid Unicode character" },
		{ "[\"\\ud800x\"]", "\\ud800 is not a valid Unicode character" },
		{ "[\"\\ud800\\u0041\"]", "\\ud800 is not a valid Unicode character" },
		{ "[\"\\udc00\"]", "\\udc00 is not a valid Unicode character" },
		{ "[\"\\ufffe\"]", "\\ufffe is not a valid Unicode character" },
		{ "[\"\\ufdd0\"]", "\\ufdd0 is not a valid Unicode character" },
		/* QEMU's strings hold it; ours end there. */
		{ "[\"\\u0000\"]", "\\u0000 is not a valid Unicode character" },
		{ "[\"\xc3(\"]", "invalid UTF-8 sequence in string" },
		{ "[\"\xed\xa0\x80\"]", "invalid UTF-8 sequence in string" },
		{ "@ x", "stray '@'" },
		{ "F", "stray 'F'" },
		{ "01", "stray '01'" },
		{ "-x", "stray '-x'" },
		{ "1.]", "stray '1.]'" },
		{ "1e+ ", "stray '1e+ '" },
		{ "+1", "stray '+'" },
		{ "\xff", "stray '\xef\xbf\xbd'" },
		{ "\"abc\ndef\"\n", "stray '\"abc\n'" },
		{ "\"a\\\n", "stray '\"a\\\n'" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char input[128], expected[192];

		/* Reading goes on with whatever follows. */
		snprintf(input, sizeof(input), "%s\n{\"next\":1}", cases[i].input);
		snprintf(expected, sizeof(expected),
			 "!JSON parse error, %s\n{\"next\":1}\n", cases[i].text);
		check_told(input, expected);
	}
}

static void reading_goes_on_behind_a_mistake(void)
{
#define EXPECTING "!JSON parse error, expecting value\n"
	check_told("}{\"a\":1}", EXPECTING "{\"a\":1}\n");
	check_told("{},{}", "{}\n" EXPECTING "{}\n");
	check_told("[1,2\n{\n]\n}{}",
		   "!JSON parse error, expected separator in list\n{}\n");
	check_told("{\"a\":%d}{}", "!JSON parse error, stray '%'\n" EXPECTING "{}\n");
	check_told("[\"\x01\"]{}",
		   "!JSON parse error, stray '\"\x01'\n" EXPECTING "{}\n");
	check_told("[@,2]\n", "!JSON parse error, stray '@'\n" EXPECTING "2\n" EXPECTING);
	check_told("nul1 ", "!JSON parse error, invalid keyword 'nul'\n1\n");
	/* Not all that was opened has been closed. */
	check_told("{\"a\":[1}", "");
	check_told("{\"a\":[1}]{}",
		   "!JSON parse error, expected separator in list\n{}\n");
#undef EXPECTING
}

static void told_of_nesting(unsigned depth, const char *end, char *told)
{
	static char input[2 * JSON_STREAM_DEPTH_MAX + 64];
	size_t used = 0;

	for (unsigned i = 0; i < depth; i++)
		input[used++] = '[';
	for (unsigned i = 0; i < depth; i++)
		input[used++] = ']';
	strcpy(input + used, end);
	read_bytes(input, strlen(input), 7, told);
}

static void depth_is_bounded(void)
{
	char told[TOLD_BYTES];

	told_of_nesting(JSON_STREAM_DEPTH_MAX, "{}", told);
	CHECK_CONTAINS(told, "[]");
	CHECK_CONTAINS(told, "\n{}\n");
	told_of_nesting(JSON_STREAM_DEPTH_MAX + 1, "{}\n{\"a\":1}", told);
	CHECK_STR(told, "!JSON nesting depth limit exceeded\n{\"a\":1}\n");
}

static void told_of_length(size_t length, char *told)
{
	char input[LIMIT + 64];

	memset(input, 'x', sizeof(input));
	input[0] = '"';
	strcpy(input + length - 1, "\"\n[]");
	read_bytes(input, strlen(input), 100, told);
}

static void length_is_bounded(void)
{
	static const char text[] = "                [1,23,4]\n[1,23,45]\n7 ";
	struct gw_error err;
	OWNED(json_stream) struct json_stream *stream = json_stream_new(8, &err);
	char told[TOLD_BYTES] = "";

	CHECK(stream);
	/* Blanks between values are no part of them. */
	json_stream_feed(stream, text, strlen(text));
	tell(stream, told);
	CHECK_STR(told, "[1,23,4]\n!JSON token size limit exceeded\n7\n");
	CHECK_EQ(json_stream_value_bytes(stream), 1);
	told_of_length(LIMIT, told);
	CHECK(told[0] == '"' && strstr(told, "\n[]\n"));
	told_of_length(LIMIT + 1, told);
	CHECK_STR(told, "!JSON token size limit exceeded\n[]\n");
}

static void tokens_are_bounded(void)
{
	struct gw_error err;
	OWNED(json_stream)
	struct json_stream *stream = json_stream_new((size_t)1 << 20, &err);
	char told[TOLD_BYTES] = "";

	CHECK(stream);
	json_stream_feed(stream, "[1", 2);
	tell(stream, told);
	/* '[', '1', then two a time: the limit less the bracket at the end. */
	for (unsigned tokens = 2; tokens < JSON_STREAM_TOKENS_MAX; tokens += 2) {
		json_stream_feed(stream, ",1", 2);
		tell(stream, told);
	}
	CHECK_STR(told, "");
	json_stream_feed(stream, "]\n{}", 4);
	tell(stream, told);
	CHECK_STR(told, "!JSON token count limit exceeded\n{}\n");
}

static void what_is_unfinished_is_freed(void)
{
	static const char *const inputs[] = { "{\"a\":[{\"b\":", "{\"a\"", "\"abc", "12",
					      "[1 2" };

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		check_told(inputs[i], "");
}

TEST_MAIN({ "values_are_cut_where_they_end", values_are_cut_where_they_end },
	  { "strings_hide_brackets_and_quotes", strings_hide_brackets_and_quotes },
	  { "numbers_keep_what_they_can", numbers_keep_what_they_can },
	  { "mistakes_have_qemus_texts", mistakes_have_qemus_texts },
	  { "reading_goes_on_behind_a_mistake", reading_goes_on_behind_a_mistake },
	  { "depth_is_bounded", depth_is_bounded },
	  { "length_is_bounded", length_is_bounded },
	  { "tokens_are_bounded", tokens_are_bounded },
	  { "what_is_unfinished_is_freed", what_is_unfinished_is_freed })
