/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json_stream.c - JSON values out of a byte stream, as they become complete.
 *
 *	bytes ──▶ json_lexer ──▶ tokens ──▶ frames: a container each, the innermost on top
 *
 * A value is built while its bytes arrive.  After the first mistake in it nothing is built any
 * more, but its brackets are counted to their end, where the mistake is told: braces and brackets
 * apart, until neither is open or one was closed too often, as QEMU counts them. */
#include "qmp/json_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "qmp/json_lexer.h"
#include "qmp/json_scalar.h"

enum expected {
	EXPECT_ITEM_OR_END,
	EXPECT_ITEM,
	EXPECT_COMMA_OR_END_OF_ARRAY,
	EXPECT_KEY_OR_END,
	EXPECT_KEY,
	EXPECT_COLON,
	EXPECT_MEMBER,
	EXPECT_COMMA_OR_END_OF_OBJECT,
};

struct frame {
	json_t *container;
	json_t *key; /* of the member under way */
	enum expected expected;
};

struct json_stream {
	struct json_lexer lexer;
	const char *at; /* not ours */
	const char *end;
	size_t max_bytes;
	size_t used_bytes; /* by the value under way */
	size_t value_bytes;
	uint32_t token_count;
	int open_braces;
	int open_brackets;
	bool passing_line; /* everything up to a newline is passed over */
	bool mistaken;
	struct gw_error mistake; /* the first one of the value under way */
	json_t *value;		 /* complete */
	uint32_t depth;
	struct frame frames[JSON_STREAM_DEPTH_MAX];
};

struct json_stream *json_stream_new(size_t max_bytes, struct gw_error *err)
{
	struct json_stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		fail_sys(err, ENOMEM, "JSON stream");
		return NULL;
	}
	json_lexer_init(&stream->lexer);
	stream->max_bytes = max_bytes;
	return stream;
}

/* NULL outside of all brackets. */
static struct frame *innermost(struct json_stream *stream)
{
	return stream->depth > 0 ? &stream->frames[stream->depth - 1] : NULL;
}

static void drop_frames(struct json_stream *stream)
{
	while (stream->depth > 0) {
		struct frame *top = &stream->frames[--stream->depth];

		json_decref(top->container);
		json_decref(top->key);
	}
}

void json_stream_free(struct json_stream *stream)
{
	if (!stream)
		return;
	drop_frames(stream);
	json_lexer_deinit(&stream->lexer);
	free(stream);
}

void json_stream_feed(struct json_stream *stream, const void *bytes, size_t length)
{
	assert(stream->at == stream->end);
	stream->at = bytes;
	stream->end = stream->at + length;
}

size_t json_stream_value_bytes(const struct json_stream *stream)
{
	return stream->value_bytes;
}

/* The value under way is over, whatever became of it. */
static void begin_value(struct json_stream *stream)
{
	drop_frames(stream);
	stream->value_bytes = stream->used_bytes;
	stream->used_bytes = 0;
	stream->token_count = 0;
	stream->open_braces = 0;
	stream->open_brackets = 0;
	stream->mistaken = false;
}

/* Keeps the first one. */
static void mistake(struct json_stream *stream, const char *what)
{
	if (!stream->mistaken)
		fail(&stream->mistake, GW_PEER, "JSON parse error, %s", what);
	stream->mistaken = true;
}

static void out_of_memory(struct json_stream *stream)
{
	fail_sys(&stream->mistake, ENOMEM, "JSON value");
	stream->mistaken = true;
}

static void put_member(struct json_stream *stream, struct frame *top, json_t *value)
{
	const char *key = json_string_value(top->key);

	if (json_object_get(top->container, key)) {
		json_decref(value);
		mistake(stream, "duplicate key");
		return;
	}
	if (json_object_set_new(top->container, key, value) < 0)
		out_of_memory(stream);
	json_decref(top->key);
	top->key = NULL;
	top->expected = EXPECT_COMMA_OR_END_OF_OBJECT;
}

static void put_key(struct json_stream *stream, struct frame *top, json_t *value)
{
	if (!json_is_string(value)) {
		json_decref(value);
		mistake(stream, "key is not a string in object");
		return;
	}
	top->key = value;
	top->expected = EXPECT_COLON;
}

/* Takes over `value`. */
static void put_value(struct json_stream *stream, json_t *value)
{
	struct frame *top = innermost(stream);

	if (!top) {
		stream->value = value;
	} else if (top->expected == EXPECT_MEMBER) {
		put_member(stream, top, value);
	} else if (top->expected == EXPECT_KEY || top->expected == EXPECT_KEY_OR_END) {
		put_key(stream, top, value);
	} else {
		if (json_array_append_new(top->container, value) < 0)
			out_of_memory(stream);
		top->expected = EXPECT_COMMA_OR_END_OF_ARRAY;
	}
}

static void open_container(struct json_stream *stream, json_t *container,
			   enum expected expected)
{
	if (!container) {
		out_of_memory(stream);
		return;
	}
	/* take_token() saw to the limit. */
	assert(stream->depth < JSON_STREAM_DEPTH_MAX);
	stream->frames[stream->depth++] =
		(struct frame){ .container = container, .expected = expected };
}

static void close_container(struct json_stream *stream)
{
	struct frame *closed = &stream->frames[--stream->depth];

	put_value(stream, closed->container);
}

static void take_value(struct json_stream *stream, const struct json_token *token)
{
	json_t *scalar;

	switch (token->kind) {
	case JSON_TOKEN_OPEN_OBJECT:
		open_container(stream, json_object(), EXPECT_KEY_OR_END);
		return;
	case JSON_TOKEN_OPEN_ARRAY:
		open_container(stream, json_array(), EXPECT_ITEM_OR_END);
		return;
	case JSON_TOKEN_STRING:
	case JSON_TOKEN_INTEGER:
	case JSON_TOKEN_REAL:
	case JSON_TOKEN_KEYWORD:
		scalar = json_scalar_read(token, &stream->mistake);
		if (scalar)
			put_value(stream, scalar);
		else
			stream->mistaken = true;
		return;
	default:
		mistake(stream, "expecting value");
	}
}

static void take_separator(struct json_stream *stream, struct frame *top,
			   const struct json_token *token, enum json_token_kind end,
			   enum expected next, const char *otherwise)
{
	if (token->kind == end)
		close_container(stream);
	else if (token->kind == JSON_TOKEN_COMMA)
		top->expected = next;
	else
		mistake(stream, otherwise);
}

static void build(struct json_stream *stream, const struct json_token *token)
{
	struct frame *top = innermost(stream);

	if (!top) {
		take_value(stream, token);
		return;
	}
	switch (top->expected) {
	case EXPECT_COMMA_OR_END_OF_ARRAY:
		take_separator(stream, top, token, JSON_TOKEN_CLOSE_ARRAY, EXPECT_ITEM,
			       "expected separator in list");
		return;
	case EXPECT_COMMA_OR_END_OF_OBJECT:
		take_separator(stream, top, token, JSON_TOKEN_CLOSE_OBJECT, EXPECT_KEY,
			       "expected separator in dict");
		return;
	case EXPECT_COLON:
		if (token->kind == JSON_TOKEN_COLON)
			top->expected = EXPECT_MEMBER;
		else
			mistake(stream, "missing : in object pair");
		return;
	case EXPECT_ITEM_OR_END:
	case EXPECT_KEY_OR_END:
		if (token->kind == (top->expected == EXPECT_KEY_OR_END
					    ? JSON_TOKEN_CLOSE_OBJECT
					    : JSON_TOKEN_CLOSE_ARRAY)) {
			close_container(stream);
			return;
		}
		break;
	default:
		break;
	}
	take_value(stream, token);
}

static void count(struct json_stream *stream, enum json_token_kind kind)
{
	stream->token_count++;
	stream->open_braces +=
		(kind == JSON_TOKEN_OPEN_OBJECT) - (kind == JSON_TOKEN_CLOSE_OBJECT);
	stream->open_brackets +=
		(kind == JSON_TOKEN_OPEN_ARRAY) - (kind == JSON_TOKEN_CLOSE_ARRAY);
}

static bool is_over(const struct json_stream *stream)
{
	return stream->open_braces < 0 || stream->open_brackets < 0 ||
	       (stream->open_braces == 0 && stream->open_brackets == 0);
}

static void pass_line(struct json_stream *stream)
{
	begin_value(stream);
	json_lexer_reset(&stream->lexer);
	stream->passing_line = true;
}

static int exceed(struct json_stream *stream, const char *what, struct gw_error *err)
{
	pass_line(stream);
	return fail(err, GW_PEER, "JSON %s limit exceeded", what);
}

/* Bytes that are no UTF-8 become U+FFFD, as QEMU shows them. */
static int fail_stray(struct gw_error *err, const struct json_token *token)
{
	static const char unknown[] = "\xef\xbf\xbd";
	/* What an error's text has room for, at most three bytes for one. */
	char text[3 * 64 + 1];
	size_t used = 0;

	for (size_t i = 0; i < token->length && used < sizeof(text) - 3; i++) {
		if ((unsigned char)token->text[i] < 0x80) {
			text[used++] = token->text[i];
		} else {
			memcpy(text + used, unknown, 3);
			used += 3;
		}
	}
	text[used] = '\0';
	return fail(err, GW_PEER, "JSON parse error, stray '%s'", text);
}

/* As json_stream_next(). */
static int take_token(struct json_stream *stream, const struct json_token *token,
		      json_t **value, struct gw_error *err)
{
	if (token->kind == JSON_TOKEN_STRAY) {
		begin_value(stream);
		return fail_stray(err, token);
	}
	count(stream, token->kind);
	if (stream->open_braces + stream->open_brackets > (int)JSON_STREAM_DEPTH_MAX)
		return exceed(stream, "nesting depth", err);
	if (stream->token_count > JSON_STREAM_TOKENS_MAX)
		return exceed(stream, "token count", err);
	if (!stream->mistaken)
		build(stream, token);
	if (stream->mistaken)
		drop_frames(stream);
	if (!is_over(stream))
		return 0;
	if (stream->mistaken) {
		*err = stream->mistake;
		begin_value(stream);
		return -1;
	}
	/* Without a mistake, brackets were closed in the order in which they were opened. */
	assert(stream->depth == 0 && stream->value);
	begin_value(stream);
	*value = MOVE(stream->value);
	return 1;
}

static void find_next_line(struct json_stream *stream)
{
	const char *newline =
		memchr(stream->at, '\n', (size_t)(stream->end - stream->at));

	stream->at = newline ? newline + 1 : stream->end;
	stream->passing_line = !newline;
}

int json_stream_next(struct json_stream *stream, json_t **value, struct gw_error *err)
{
	while (stream->at < stream->end) {
		struct json_token token;
		bool taken;

		if (stream->passing_line) {
			find_next_line(stream);
			continue;
		}
		if (json_lexer_push(&stream->lexer, *stream->at, &token, &taken, err) <
		    0) {
			pass_line(stream);
			return -1;
		}
		stream->at += taken;
		stream->used_bytes += taken;
		if (stream->used_bytes > stream->max_bytes)
			return exceed(stream, "token size", err);
		if (token.kind != JSON_TOKEN_NONE) {
			int status = take_token(stream, &token, value, err);

			if (status != 0)
				return status;
		} else if (stream->open_braces == 0 && stream->open_brackets == 0 &&
			   json_lexer_is_idle(&stream->lexer)) {
			stream->used_bytes = 0; /* blanks between values */
		}
	}
	return 0;
}
