/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session_record_fuzz.c - any bytes as what the other side of a connection says.
 *
 * The first byte says how the others are taken: with bit 0 the records' numbers and checksums are
 * made right first, which no fuzzer would find; bit 1 reads by the two steps, else within a time.
 * Whatever comes, each call ends, and what was read is within its bounds. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/codec.h"
#include "session/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPAIR 1u
#define TWO_STEPS 2u
#define INPUT_BYTES_MAX (2u << 20)

/* ---- a channel over the input ---- */

struct input {
	const uint8_t *at;
	size_t left;
	size_t turn;
};

static ptrdiff_t input_read(void *state, const struct iovec *into, int count,
			    int timeout_ms, struct gw_error *err)
{
	struct input *input = state;
	size_t piece = 1 + input->turn++ * 7 % 61;

	if (piece > into->iov_len)
		piece = into->iov_len;
	if (piece > input->left)
		piece = input->left;
	if (piece > 0)
		memcpy(into->iov_base, input->at, piece);
	input->at += piece;
	input->left -= piece;
	return (ptrdiff_t)piece;
}

static ptrdiff_t input_write(void *state, const struct iovec *from, int count,
			     int timeout_ms, struct gw_error *err)
{
	return fail(err, GW_PEER, "nobody reads");
}

/* Every other time there is nothing yet. */
static int input_wait(void *state, int timeout_ms, struct gw_error *err)
{
	struct input *input = state;

	return input->turn++ % 2 == 0;
}

static void input_nothing(void *state)
{
}

static void input_set_interrupt(void *state, const struct interrupt *interrupt)
{
}

static const struct channel_ops input_ops = {
	.name = "input",
	.read = input_read,
	.write = input_write,
	.wait = input_wait,
	.finish = input_nothing,
	.cut = input_nothing,
	.set_interrupt = input_set_interrupt,
	.close = input_nothing,
};

/* ---- */

static void check_error(const struct gw_error *err)
{
	assert(err->kind == GW_PEER || err->kind == GW_UNSUPPORTED);
	assert(memchr(err->text, '\0', sizeof(err->text)) && *err->text);
	for (const char *at = err->text; *at; at++)
		assert(*at >= ' ' && *at < 0x7f);
}

/* Numbers and checksums as they have to be, for as far as there are whole records. */
static void repair(uint8_t *bytes, size_t length)
{
	for (uint64_t number = 0; length >= SESSION_HEAD_BYTES; number++) {
		uint8_t type = bytes[0];
		uint32_t body_bytes = load_be32(bytes + 4);
		struct iovec body = { bytes + SESSION_HEAD_BYTES, body_bytes };
		uint8_t head[SESSION_HEAD_BYTES];

		if (type < SESSION_HELLO || type > SESSION_END ||
		    !record_length_fits((enum session_record)type, body_bytes) ||
		    body_bytes > length - SESSION_HEAD_BYTES)
			return;
		record_write_head(head, (enum session_record)type, number, &body, 1);
		memcpy(bytes + 8, head + 8, 16);
		bytes += SESSION_HEAD_BYTES + body_bytes;
		length -= SESSION_HEAD_BYTES + body_bytes;
	}
}

static void look_at_hello(const uint8_t *text, uint32_t length)
{
	struct gw_error err = { 0 };
	struct hello hello;

	if (hello_parse(text, length, &hello, &err) < 0) {
		check_error(&err);
		return;
	}
	assert(hello.protocol >= SESSION_PROTOCOL_OLDEST &&
	       hello.protocol <= SESSION_PROTOCOL_NEWEST);
	assert(hello.formats < 1u << CODEC_COUNT);
	assert(hello.role <= LINK_PREEMPT);
	assert(!hello.about || hello.role == LINK_MAIN);
	for (const char *at = hello.version; *at; at++)
		assert(*at >= ' ' && *at < 0x7f);
	hello_deinit(&hello);
}

static void look_at_ack(const uint8_t *bytes, uint32_t length)
{
	struct gw_error err = { 0 };
	struct session_ack ack;
	uint8_t again[SESSION_ACK_BYTES_MAX];

	if (session_ack_read(bytes, length, &ack, &err) < 0) {
		check_error(&err);
		return;
	}
	assert(ack.connection_count <= SESSION_CONNECTIONS_MAX);
	assert(session_ack_write(again, &ack) == length);
	assert(memcmp(again, bytes, length) == 0);
}

static void look_at(const struct record_head *head, const uint8_t *body)
{
	assert(record_length_fits(head->type, head->length));
	if (head->type == SESSION_HELLO)
		look_at_hello(body, head->length);
	else if (head->type == SESSION_ACK)
		look_at_ack(body, head->length);
}

static bool read_words(struct session_link *link, const struct record_head *head)
{
	struct gw_error err = { 0 };
	uint64_t before = session_link_expected(link);
	json_t *message = control_read(link, head, &err);

	if (message)
		assert(json_is_object(message) && control_word(message));
	else
		check_error(&err);
	json_decref(message);
	return session_link_expected(link) > before;
}

/* Head, then the body in two pieces; false at the end. */
static bool read_in_steps(struct session_link *link, uint8_t *body)
{
	struct gw_error err = { 0 };
	struct record_head head;
	struct iovec into[2];
	int got = session_link_read_head(link, &head, &err);

	if (got < 0)
		check_error(&err);
	if (got <= 0)
		return false;
	if (head.type == SESSION_CONTROL)
		return read_words(link, &head);
	into[0] = (struct iovec){ body, head.length / 3 };
	into[1] = (struct iovec){ body + head.length / 3, head.length - head.length / 3 };
	if (session_link_read_body(link, into, 2, &err) < 0) {
		check_error(&err);
		return false;
	}
	look_at(&head, body);
	return true;
}

static bool read_within(struct session_link *link, uint8_t *body)
{
	struct gw_error err = { 0 };
	struct record_head head;
	int got;

	do
		got = session_link_read_within(link, 0, body, SESSION_PACKET_BYTES_MAX,
					       &head, &err);
	while (got == 0);
	if (got < 0) {
		check_error(&err);
		return false;
	}
	look_at(&head, body);
	return true;
}

static void read_all(uint8_t how, const uint8_t *bytes, size_t length)
{
	static uint8_t body[SESSION_PACKET_BYTES_MAX];
	struct input input = { .at = bytes, .left = length };
	struct gw_error err;
	struct session_link *link =
		session_link_new(channel_new(&input_ops, &input, &err), &err);
	uint64_t records = 0;

	assert(link);
	while (how & TWO_STEPS ? read_in_steps(link, body) : read_within(link, body))
		records++;
	assert(session_link_expected(link) == records);
	session_link_free(link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;

	if (size < 1 || size > INPUT_BYTES_MAX)
		return 0;
	bytes = malloc(size);
	assert(bytes);
	memcpy(bytes, data, size);
	if (bytes[0] & REPAIR)
		repair(bytes + 1, size - 1);
	read_all(bytes[0], bytes + 1, size - 1);
	free(bytes);
	return 0;
}
