/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receive_input_for_tests.h - an input of the receive fuzz target: a whole stream, received.
 *
 * u8 how many page channels (0 to 3, and 0x80: with a guest), then for each connection, main
 * first, be16 length and that many bytes; the last one takes what is left.  Everything is there
 * before the receiver starts, then every connection ends; what the receiver answers, nobody
 * reads. */
#ifndef MIGRATE_RECEIVE_INPUT_FOR_TESTS_H
#define MIGRATE_RECEIVE_INPUT_FOR_TESTS_H

#include "migrate/receiver.h"

#define INPUT_CHANNELS_MAX 3u
#define INPUT_GUEST 0x80u
#define INPUT_MEMORY_MAX (UINT64_C(4) << 20)
#define INPUT_BYTES_MAX 60000u /* of one connection: what a socket holds unread */
#define INPUT_PATIENCE_MS 100

struct received_input {
	int result;
	struct gw_error err;
	bool has_guest;
	bool started;
	uint64_t memory_bytes;
	struct receiver_report report;
};

static inline struct channel *input_connect(struct cursor *in, bool last,
					    struct channel **far)
{
	size_t length = cursor_be16(in), left = (size_t)(in->end - in->at);
	struct channel *ends[2];
	const uint8_t *bytes;
	struct gw_error err;

	if (last || length > left)
		length = left;
	if (length > INPUT_BYTES_MAX)
		length = INPUT_BYTES_MAX;
	bytes = cursor_take(in, length);
	/* A socket has room for that much. */
	if (channel_pair(ends, NULL, &err) < 0 ||
	    channel_write_bytes(ends[0], bytes, length, &err) < 0)
		abort();
	channel_finish(ends[0]);
	*far = ends[0];
	return ends[1];
}

/* A device is as long as its name and version say. */
static inline int input_load(void *state, const char *name, uint32_t instance,
			     uint32_t version, bool early, struct cursor *in,
			     struct gw_error *err)
{
	(void)state;
	(void)early;
	(void)instance;
	(void)err;
	cursor_skip(in, strlen(name) + version % 64);
	return 0;
}

static inline int input_start(void *state, struct gw_error *err)
{
	(void)err;
	*(bool *)state = true;
	return 0;
}

static inline void receive_input(const uint8_t *data, size_t size,
				 struct received_input *out)
{
	struct cursor in = cursor_over(data, size);
	const struct destination_machine guest = { &out->started, input_load,
						   input_start };
	uint8_t choice = cursor_u8(&in);
	struct receiver_options options = {
		.channel_count = choice % (INPUT_CHANNELS_MAX + 1),
		.adopt_blocks = true,
		.memory_limit_bytes = INPUT_MEMORY_MAX,
		.guest = choice & INPUT_GUEST ? &guest : NULL,
		.patience_ms = INPUT_PATIENCE_MS,
	};
	struct channel *far[1 + INPUT_CHANNELS_MAX] = { NULL };
	struct arrivals arrivals = { 0 };
	struct receiver *receiver;
	struct ram ram;

	*out = (struct received_input){ .has_guest = options.guest };
	ram_init(&ram);
	arrivals.main = input_connect(&in, options.channel_count == 0, &far[0]);
	for (uint32_t i = 0; i < options.channel_count; i++)
		arrivals.pages[i] =
			input_connect(&in, i + 1 == options.channel_count, &far[1 + i]);
	receiver = receiver_new(&options, &ram, &out->err);
	if (!receiver)
		abort();
	out->result = receiver_run(receiver, &arrivals, &out->report, &out->err);
	out->memory_bytes = ram_total_bytes(&ram);
	receiver_free(receiver);
	for (uint32_t i = 0; i <= options.channel_count; i++)
		channel_free(far[i]);
	ram_deinit(&ram);
}

#endif
