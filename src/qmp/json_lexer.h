/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json_lexer.h - bytes to JSON tokens, cut where QEMU 7.2 cuts them.
 *
 * A state machine that is given a byte at a time, so that it does not matter how bytes arrive.
 * It does not bound a token's length: whoever feeds it does.  Owned and used by one thread. */
#ifndef QMP_JSON_LEXER_H
#define QMP_JSON_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum json_token_kind {
	JSON_TOKEN_NONE,
	JSON_TOKEN_OPEN_OBJECT,
	JSON_TOKEN_CLOSE_OBJECT,
	JSON_TOKEN_OPEN_ARRAY,
	JSON_TOKEN_CLOSE_ARRAY,
	JSON_TOKEN_COLON,
	JSON_TOKEN_COMMA,
	JSON_TOKEN_STRING, /* with its quotes, single or double, and its escapes */
	JSON_TOKEN_INTEGER,
	JSON_TOKEN_REAL,
	JSON_TOKEN_KEYWORD, /* small letters; not all such words mean something */
	JSON_TOKEN_STRAY,   /* no token begins or goes on like this */
};

struct json_token {
	enum json_token_kind kind;
	const char *text; /* ends with NUL; good until the next byte is pushed */
	size_t length;
};

struct json_lexer {
	int state; /* json_lexer.c's */
	char quote;
	char *text; /* of the token under way */
	size_t used;
	size_t room;
};

/* In the caller's memory. */
void json_lexer_init(struct json_lexer *lexer);
void json_lexer_deinit(struct json_lexer *lexer);

/* Forgets the token under way. */
void json_lexer_reset(struct json_lexer *lexer);

/* token->kind is JSON_TOKEN_NONE while none is complete.  *taken is false when `byte` showed that
 * the token before it had ended: then it is pushed once more.  -1: no memory. */
int json_lexer_push(struct json_lexer *lexer, char byte, struct json_token *token,
		    bool *taken, struct gw_error *err);

/* Between tokens. */
bool json_lexer_is_idle(const struct json_lexer *lexer);

#endif
