/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json_stream.h - JSON values out of a byte stream, as they become complete.
 *
 * QMP puts no separator between messages: a value ends where it ends.  Bytes are hostile: length,
 * depth and the number of tokens are bounded as they come.  Owned and used by one thread.
 *
 * Reads what QEMU 7.2 reads (strings in single quotes, too), refuses in its words and goes on
 * where it goes on: behind the brackets that were opened, or behind what was no token.  Beyond a
 * limit QEMU goes on at the next token; this goes on at the next line. */
#ifndef QMP_JSON_STREAM_H
#define QMP_JSON_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

#define JSON_STREAM_DEPTH_MAX 1024u /* QEMU's own */
/* Bounds the memory of a value that is all brackets to some 20 MiB; five times what the largest
 * answer of QEMU 7.2 has (query-qmp-schema). */
#define JSON_STREAM_TOKENS_MAX (1u << 18)

struct json_stream;

/* A value of more than `max_bytes` is refused. */
struct json_stream *json_stream_new(size_t max_bytes, struct gw_error *err);
void json_stream_free(struct json_stream *stream); /* NULL is fine */
DEFINE_OWNED(json_stream)

/* The next bytes as they came, borrowed until json_stream_next() has said 0.  Not before it has
 * said so of those before. */
void json_stream_feed(struct json_stream *stream, const void *bytes, size_t length);

/* 1: *value is the next one and the caller's; 0: more bytes are needed; -1 with GW_PEER: no JSON;
 * the text may quote any UTF-8.  -1 with GW_SYSTEM: no memory for it.  After -1 there may be
 * more. */
int json_stream_next(struct json_stream *stream, json_t **value, struct gw_error *err);

/* How many bytes the last value took. */
size_t json_stream_value_bytes(const struct json_stream *stream);

#endif
