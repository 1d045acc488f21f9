/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json_lexer.c - bytes to JSON tokens, cut where QEMU 7.2 cuts them.
 *
 * Found out by asking it: strings may have single quotes; bytes below 0x20, 0xfe and 0xff end
 * them, and what else is wrong within them is for whoever decodes them; words are small letters
 * alone.  After bytes that are no token everything is passed over up to the next punctuation or
 * the end of the line. */
#include "qmp/json_lexer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_ROOM_MIN 128u

enum lexer_state {
	LEX_START,
	LEX_STRING,
	LEX_ESCAPE,
	LEX_KEYWORD,
	LEX_MINUS,
	LEX_ZERO,
	LEX_DIGITS,
	LEX_POINT,
	LEX_FRACTION,
	LEX_EXPONENT,
	LEX_EXPONENT_SIGN,
	LEX_EXPONENT_DIGITS,
	LEX_LOST,
};

void json_lexer_init(struct json_lexer *lexer)
{
	*lexer = (struct json_lexer){ .state = LEX_START };
}

void json_lexer_deinit(struct json_lexer *lexer)
{
	free(lexer->text);
}

void json_lexer_reset(struct json_lexer *lexer)
{
	lexer->state = LEX_START;
	lexer->used = 0;
}

bool json_lexer_is_idle(const struct json_lexer *lexer)
{
	return lexer->state == LEX_START || lexer->state == LEX_LOST;
}

static int text_add(struct json_lexer *lexer, char byte, struct gw_error *err)
{
	/* One more than there are, for the NUL. */
	if (lexer->used + 1 >= lexer->room) {
		size_t room = lexer->room ? 2 * lexer->room : TEXT_ROOM_MIN;
		char *text = realloc(lexer->text, room);

		if (!text)
			return fail_sys(err, ENOMEM, "JSON token of %zu bytes", room);
		lexer->text = text;
		lexer->room = room;
	}
	lexer->text[lexer->used++] = byte;
	return 0;
}

static void emit(struct json_lexer *lexer, enum json_token_kind kind,
		 struct json_token *token)
{
	lexer->text[lexer->used] = '\0';
	*token = (struct json_token){ kind, lexer->text, lexer->used };
	lexer->used = 0;
	lexer->state = kind == JSON_TOKEN_STRAY ? LEX_LOST : LEX_START;
}

static enum json_token_kind punctuation(char byte)
{
	switch (byte) {
	case '{':
		return JSON_TOKEN_OPEN_OBJECT;
	case '}':
		return JSON_TOKEN_CLOSE_OBJECT;
	case '[':
		return JSON_TOKEN_OPEN_ARRAY;
	case ']':
		return JSON_TOKEN_CLOSE_ARRAY;
	case ':':
		return JSON_TOKEN_COLON;
	case ',':
		return JSON_TOKEN_COMMA;
	default:
		return JSON_TOKEN_NONE;
	}
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_small_letter(char byte)
{
	return byte >= 'a' && byte <= 'z';
}

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool ends_string(char byte)
{
	unsigned char value = (unsigned char)byte;

	return value < 0x20 || value >= 0xfe;
}

/* The state after the first byte of a token that is no punctuation; LEX_LOST: there is none. */
static enum lexer_state begin(char byte)
{
	if (byte == '"' || byte == '\'')
		return LEX_STRING;
	if (byte == '-')
		return LEX_MINUS;
	if (byte == '0')
		return LEX_ZERO;
	if (is_digit(byte))
		return LEX_DIGITS;
	return is_small_letter(byte) ? LEX_KEYWORD : LEX_LOST;
}

/* The state after one more byte of a number.  LEX_START: it ended before; LEX_LOST: it cannot
 * go on like this, nor end here. */
static enum lexer_state number_step(enum lexer_state state, char byte)
{
	bool is_exponent = byte == 'e' || byte == 'E';

	switch (state) {
	case LEX_MINUS:
		return byte == '0' ? LEX_ZERO : is_digit(byte) ? LEX_DIGITS : LEX_LOST;
	case LEX_ZERO:
	case LEX_DIGITS:
		if (is_digit(byte))
			return state == LEX_ZERO ? LEX_LOST : LEX_DIGITS;
		return byte == '.' ? LEX_POINT : is_exponent ? LEX_EXPONENT : LEX_START;
	case LEX_POINT:
		return is_digit(byte) ? LEX_FRACTION : LEX_LOST;
	case LEX_FRACTION:
		if (is_digit(byte))
			return LEX_FRACTION;
		return is_exponent ? LEX_EXPONENT : LEX_START;
	case LEX_EXPONENT:
		if (byte == '+' || byte == '-')
			return LEX_EXPONENT_SIGN;
		return is_digit(byte) ? LEX_EXPONENT_DIGITS : LEX_LOST;
	case LEX_EXPONENT_SIGN:
		return is_digit(byte) ? LEX_EXPONENT_DIGITS : LEX_LOST;
	default: /* LEX_EXPONENT_DIGITS */
		return is_digit(byte) ? LEX_EXPONENT_DIGITS : LEX_START;
	}
}

static int push_first(struct json_lexer *lexer, char byte, struct json_token *token,
		      struct gw_error *err)
{
	enum json_token_kind kind = punctuation(byte);

	if (is_space(byte))
		return 0;
	if (text_add(lexer, byte, err) < 0)
		return -1;
	if (kind != JSON_TOKEN_NONE) {
		emit(lexer, kind, token);
		return 0;
	}
	lexer->state = begin(byte);
	lexer->quote = byte;
	if (lexer->state == LEX_LOST)
		emit(lexer, JSON_TOKEN_STRAY, token);
	return 0;
}

static int push_string(struct json_lexer *lexer, char byte, struct json_token *token,
		       struct gw_error *err)
{
	bool escaped = lexer->state == LEX_ESCAPE;

	if (text_add(lexer, byte, err) < 0)
		return -1;
	if (ends_string(byte))
		emit(lexer, JSON_TOKEN_STRAY, token);
	else if (escaped)
		lexer->state = LEX_STRING;
	else if (byte == '\\')
		lexer->state = LEX_ESCAPE;
	else if (byte == lexer->quote)
		emit(lexer, JSON_TOKEN_STRING, token);
	return 0;
}

static int push_number(struct json_lexer *lexer, char byte, struct json_token *token,
		       bool *taken, struct gw_error *err)
{
	enum lexer_state before = (enum lexer_state)lexer->state;
	enum lexer_state after = number_step(before, byte);
	bool is_integer = before == LEX_ZERO || before == LEX_DIGITS;

	if (after == LEX_START) {
		*taken = false;
		emit(lexer, is_integer ? JSON_TOKEN_INTEGER : JSON_TOKEN_REAL, token);
		return 0;
	}
	if (text_add(lexer, byte, err) < 0)
		return -1;
	lexer->state = after;
	if (after == LEX_LOST)
		emit(lexer, JSON_TOKEN_STRAY, token);
	return 0;
}

int json_lexer_push(struct json_lexer *lexer, char byte, struct json_token *token,
		    bool *taken, struct gw_error *err)
{
	*taken = true;
	token->kind = JSON_TOKEN_NONE;
	switch (lexer->state) {
	case LEX_LOST:
		if (byte == '\n' || byte == '\r')
			lexer->state = LEX_START;
		return punctuation(byte) == JSON_TOKEN_NONE
			       ? 0
			       : push_first(lexer, byte, token, err);
	case LEX_START:
		return push_first(lexer, byte, token, err);
	case LEX_STRING:
	case LEX_ESCAPE:
		return push_string(lexer, byte, token, err);
	case LEX_KEYWORD:
		if (is_small_letter(byte))
			return text_add(lexer, byte, err);
		*taken = false;
		emit(lexer, JSON_TOKEN_KEYWORD, token);
		return 0;
	default:
		return push_number(lexer, byte, token, taken, err);
	}
}
