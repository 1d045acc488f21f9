/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_stream_fuzz.c - any bytes, cut anywhere, say the same as in one piece.
 *
 * The first byte seeds where the rest is cut. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "qmp/json_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 2048u

/* Of all that was told: values and texts of errors. */
struct told {
	unsigned values;
	unsigned errors;
	uint64_t sum;
};

static int add_to_sum(const char *bytes, size_t length, void *state)
{
	struct told *told = state;

	for (size_t i = 0; i < length; i++)
		told->sum = told->sum * 31 + (uint8_t)bytes[i];
	return 0;
}

static void tell(struct json_stream *stream, struct told *told)
{
	struct gw_error err = { 0 };
	json_t *value;
	int found;

	while ((found = json_stream_next(stream, &value, &err)) != 0) {
		if (found > 0) {
			assert(json_stream_value_bytes(stream) > 0 &&
			       json_stream_value_bytes(stream) <= LIMIT);
			/* What was read can be written. */
			assert(json_dump_callback(value, add_to_sum, told,
						  JSON_ENCODE_ANY | JSON_ENSURE_ASCII) ==
			       0);
			json_decref(value);
			told->values++;
		} else {
			assert(err.kind == GW_PEER);
			assert(memchr(err.text, '\0', sizeof(err.text)) && *err.text);
			add_to_sum(err.text, strlen(err.text), told);
			told->errors++;
		}
	}
}

static struct told read_in_pieces(const uint8_t *data, size_t size, unsigned seed)
{
	struct gw_error err;
	OWNED(json_stream) struct json_stream *stream = json_stream_new(LIMIT, &err);
	struct told told = { 0 };

	assert(stream);
	while (size > 0) {
		/* Without a seed, all at once. */
		size_t piece =
			seed ? 1 + (seed = seed * 1103515245u + 12345u) / 65536 % 13
			     : size;

		if (piece > size)
			piece = size;
		json_stream_feed(stream, data, piece);
		tell(stream, &told);
		data += piece;
		size -= piece;
	}
	return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told whole, pieces;

	if (size == 0)
		return 0;
	whole = read_in_pieces(data + 1, size - 1, 0);
	pieces = read_in_pieces(data + 1, size - 1, data[0] + 1u);
	assert(whole.values == pieces.values && whole.errors == pieces.errors &&
	       whole.sum == pieces.sum);
	return 0;
}
