/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_reader.c - a thread that reads the return path and tells the migration thread. */
#include "migrate/return_reader.h"

#include <errno.h>
#include <pthread.h>

struct return_reader {
	struct channel *channel;
	struct queue *inbox;
	struct outcome *outcome;
	pthread_t thread;
	bool joined;
	/* Once joined: what it heard last, for nobody may have taken it from the inbox. */
	bool lost; /* what came was no return path, and what follows means nothing */
	bool shut_seen;
	uint32_t shut_value;
	struct cursor in;
	struct sender_event event;
	uint8_t buffer[2 * RETURN_PATH_MESSAGE_BYTES_MAX];
};

static ptrdiff_t refill(void *state, void *into, size_t room, struct gw_error *err)
{
	return channel_read_some(state, into, room, err);
}

static void *run(void *state)
{
	struct return_reader *reader = state;
	struct gw_error error;
	int got;

	/* The destination has nothing to say for as long as the migration takes. */
	channel_set_read_patience(reader->channel, -1);
	while ((got = return_path_read(&reader->in, &reader->event.message, &error)) >
	       0) {
		reader->event.type = EVENT_RETURN;
		if (reader->event.message.type == RETURN_SHUT) {
			reader->shut_seen = true;
			reader->shut_value = reader->event.message.value;
		}
		if (!queue_give(reader->inbox, &reader->event))
			return NULL;
		/* Nothing follows a SHUT. */
		if (reader->shut_seen)
			return NULL;
	}
	reader->lost = got < 0 && !reader->in.failed;
	if (reader->in.failed)
		fail_in(&error, "return path");
	if (got < 0)
		outcome_fail(reader->outcome, &error);
	reader->event.type = EVENT_RETURN_ENDED;
	queue_give(reader->inbox, &reader->event);
	return NULL;
}

struct return_reader *return_reader_start(struct channel *channel, struct queue *inbox,
					  struct outcome *outcome, struct gw_error *err)
{
	struct return_reader *reader = calloc(1, sizeof(*reader));
	int failed;

	if (!reader) {
		fail_sys(err, ENOMEM, "return path");
		return NULL;
	}
	reader->channel = channel;
	reader->inbox = inbox;
	reader->outcome = outcome;
	reader->in = cursor_from(reader->buffer, sizeof(reader->buffer), refill, channel);
	failed = pthread_create(&reader->thread, NULL, run, reader);
	if (failed) {
		fail_sys(err, failed, "return path: thread");
		free(reader);
		return NULL;
	}
	return reader;
}

static void join(struct return_reader *reader)
{
	if (!reader->joined)
		pthread_join(reader->thread, NULL);
	reader->joined = true;
}

bool return_reader_last_words(struct return_reader *reader, int patience_ms,
			      uint32_t *value)
{
	struct return_path_message message;
	struct gw_error ignored;

	join(reader);
	*value = reader->shut_value;
	if (reader->shut_seen || reader->lost)
		return reader->shut_seen;
	channel_set_interrupt(reader->channel, NULL);
	channel_set_read_patience(reader->channel, patience_ms);
	reader->in.failed = false;
	reader->in.overrun = false;
	while (return_path_read(&reader->in, &message, &ignored) > 0) {
		if (message.type == RETURN_SHUT) {
			*value = message.value;
			return true;
		}
	}
	return false;
}

void return_reader_stop(struct return_reader *reader)
{
	if (!reader)
		return;
	join(reader);
	free(reader);
}
