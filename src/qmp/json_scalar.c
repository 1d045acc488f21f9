/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json_scalar.c - what a string, number or keyword token says. */
#include "qmp/json_scalar.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

#define UNICODE_ESCAPE_CHARS 6 /* \u1234 */

/* Decoded text grows from the left while its escapes are read from the right: it never grows
 * longer than they are. */
struct unescape {
	const char *at;
	const char *end; /* the closing quote */
	char *out;
	size_t used;
};

static json_t *read_keyword(const struct json_token *token, struct gw_error *err)
{
	if (strcmp(token->text, "true") == 0)
		return json_true();
	if (strcmp(token->text, "false") == 0)
		return json_false();
	if (strcmp(token->text, "null") == 0)
		return json_null();
	fail(err, GW_PEER, "JSON parse error, invalid keyword '%s'", token->text);
	return NULL;
}

static json_t *read_number(const struct json_token *token, struct gw_error *err)
{
	json_t *value = json_loadb(token->text, token->length, JSON_DECODE_ANY, NULL);

	if (!value && token->kind == JSON_TOKEN_INTEGER)
		value = json_loadb(token->text, token->length,
				   JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
	if (!value)
		fail(err, GW_PEER, "JSON parse error, number '%.40s' is too large",
		     token->text);
	return value;
}

/* The four digits of the escape that begins at `at`, or -1. */
static int32_t hex_escape(const char *at, const char *end)
{
	int32_t value = 0;

	if (end - at < UNICODE_ESCAPE_CHARS || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < UNICODE_ESCAPE_CHARS; i++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *digit = memchr(digits, at[i], sizeof(digits) - 1);

		if (!digit)
			return -1;
		value = 16 * value + (int32_t)((digit - digits) % 16);
	}
	return value;
}

static bool is_character(int32_t code)
{
	bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
	bool is_never_one =
		(code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;

	return code > 0 && !is_surrogate && !is_never_one;
}

static void put_utf8(struct unescape *text, int32_t code)
{
	char *out = text->out + text->used;

	if (code < 0x80) {
		out[0] = (char)code;
		text->used += 1;
	} else if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		text->used += 2;
	} else if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		text->used += 3;
	} else {
		out[0] = (char)(0xf0 | code >> 18);
		out[1] = (char)(0x80 | (code >> 12 & 0x3f));
		out[2] = (char)(0x80 | (code >> 6 & 0x3f));
		out[3] = (char)(0x80 | (code & 0x3f));
		text->used += 4;
	}
}

static int unescape_unicode(struct unescape *text, struct gw_error *err)
{
	int32_t code = hex_escape(text->at, text->end);
	const char *after = text->at + UNICODE_ESCAPE_CHARS;

	if (code >= 0xd800 && code <= 0xdbff) {
		int32_t low = hex_escape(after, text->end);

		if (low >= 0xdc00 && low <= 0xdfff) {
			code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
			after += UNICODE_ESCAPE_CHARS;
		}
	}
	if (!is_character(code)) {
		/* The closing quote is shown as well when there are too few digits. */
		int shown = text->end - text->at < UNICODE_ESCAPE_CHARS
				    ? (int)(text->end - text->at) + 1
				    : UNICODE_ESCAPE_CHARS;

		return fail(err, GW_PEER,
			    "JSON parse error, %.*s is not a valid Unicode character",
			    shown, text->at);
	}
	put_utf8(text, code);
	text->at = after;
	return 0;
}

static int unescape_one(struct unescape *text, struct gw_error *err)
{
	static const char names[] = "\"'\\/bfnrt";
	static const char meant[] = "\"'\\/\b\f\n\r\t";
	const char *name = memchr(names, text->at[1], sizeof(names) - 1);

	if (text->at[1] == 'u')
		return unescape_unicode(text, err);
	if (!name)
		return fail(err, GW_PEER,
			    "JSON parse error, invalid escape sequence in string");
	text->out[text->used++] = meant[name - names];
	text->at += 2;
	return 0;
}

static json_t *read_string(const struct json_token *token, struct gw_error *err)
{
	OWNED_MEMORY char *out = malloc(token->length);
	struct unescape text = {
		.at = token->text + 1,
		.end = token->text + token->length - 1,
		.out = out,
	};
	json_t *value;

	if (!out) {
		fail_sys(err, ENOMEM, "JSON string of %zu bytes", token->length);
		return NULL;
	}
	while (text.at < text.end) {
		if (*text.at != '\\')
			out[text.used++] = *text.at++;
		else if (unescape_one(&text, err) < 0)
			return NULL;
	}
	/* Checks UTF-8. */
	value = json_stringn(out, text.used);
	if (!value)
		fail(err, GW_PEER, "JSON parse error, invalid UTF-8 sequence in string");
	return value;
}

json_t *json_scalar_read(const struct json_token *token, struct gw_error *err)
{
	switch (token->kind) {
	case JSON_TOKEN_STRING:
		return read_string(token, err);
	case JSON_TOKEN_KEYWORD:
		return read_keyword(token, err);
	default:
		return read_number(token, err);
	}
}
