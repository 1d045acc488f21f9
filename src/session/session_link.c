/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session_link.c - one connection of a session: records over a channel, counted and checked. */
#include "session/session_link.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/deadline.h"

/* So long an interrupted record may take to be finished. */
#define LAST_MS 1000

/* The record that is being read; the reader's alone. */
struct reading {
	uint8_t head_bytes[SESSION_HEAD_BYTES];
	uint32_t head_have; /* by session_link_read_within() */
	struct record_head head;
	bool has_head;
	uint32_t body_have; /* likewise */
	bool broken;
};

struct session_link {
	struct channel *channel;
	pthread_mutex_t write_lock; /* over the writes below and the channel's */
	uint64_t written;	    /* records */
	bool write_broken;
	struct gw_error write_error; /* why */
	struct reading in;
	uint64_t expected; /* written by the reader */
};

struct session_link *session_link_new(struct channel *channel, struct gw_error *err)
{
	struct session_link *link = calloc(1, sizeof(*link));

	if (!link) {
		channel_free(channel);
		fail_sys(err, ENOMEM, "session link");
		return NULL;
	}
	link->channel = channel;
	pthread_mutex_init(&link->write_lock, NULL);
	return link;
}

void session_link_free(struct session_link *link)
{
	if (!link)
		return;
	channel_free(link->channel);
	pthread_mutex_destroy(&link->write_lock);
	free(link);
}

struct channel *session_link_channel(const struct session_link *link)
{
	return link->channel;
}

uint64_t session_link_expected(const struct session_link *link)
{
	return counter_read(&link->expected);
}

/* ---- writing ---- */

static int write_record(struct session_link *link, enum session_record type,
			const struct iovec *body, int count, struct gw_error *err)
{
	uint8_t head[SESSION_HEAD_BYTES];
	struct iovec all[1 + SESSION_IOVECS_MAX], used[1 + SESSION_IOVECS_MAX];
	uint64_t before = channel_bytes_written(link->channel), put;
	struct gw_error why;

	if (link->write_broken) {
		*err = link->write_error;
		return fail_in(err, "an earlier record could not be written");
	}
	record_write_head(head, type, link->written, body, count);
	all[0] = (struct iovec){ .iov_base = head, .iov_len = sizeof(head) };
	for (int i = 0; i < count; i++)
		all[1 + i] = body[i];
	memcpy(used, all, (size_t)(1 + count) * sizeof(all[0]));
	if (channel_write_full(link->channel, used, 1 + count, &why) == 0) {
		link->written++;
		return 0;
	}
	put = channel_bytes_written(link->channel) - before;
	if (why.kind == GW_CANCELLED && put == 0 && type != SESSION_CONTROL) {
		*err = why;
		return -1;
	}
	/* Behind a record that breaks off nothing can be said, and there are last words to say. */
	if (why.kind == GW_CANCELLED &&
	    channel_write_rest(link->channel, all, 1 + count, put, LAST_MS, &why) == 0) {
		link->written++;
		if (type == SESSION_CONTROL)
			return 0;
		return fail(err, GW_CANCELLED, "cancelled");
	}
	*err = why;
	link->write_broken = true;
	link->write_error = why;
	return -1;
}

int session_link_write(struct session_link *link, enum session_record type,
		       struct iovec *body, int count, struct gw_error *err)
{
	int status;

	assert(count >= 0 && count <= SESSION_IOVECS_MAX);
	pthread_mutex_lock(&link->write_lock);
	status = write_record(link, type, body, count, err);
	pthread_mutex_unlock(&link->write_lock);
	return status;
}

int session_link_write_bytes(struct session_link *link, enum session_record type,
			     const void *body, size_t length, struct gw_error *err)
{
	/* Only read from: iovec has no const form. */
	struct iovec iov = { .iov_base = (void *)body, .iov_len = length };

	return session_link_write(link, type, &iov, 1, err);
}

/* ---- reading ---- */

static int fail_reading(struct session_link *link)
{
	link->in.broken = true;
	return -1;
}

static int fail_in_record(struct session_link *link, struct gw_error *err)
{
	fail_in(err, "record %" PRIu64, link->expected);
	return fail_reading(link);
}

static int check_readable(const struct session_link *link, struct gw_error *err)
{
	if (!link->in.broken)
		return 0;
	return fail(err, GW_PEER, "an earlier record could not be read");
}

/* Also where a body was left unread: whoever did not want it has said so, and nothing follows. */
static int check_at_head(struct session_link *link, struct gw_error *err)
{
	link->in.broken = link->in.broken || link->in.has_head || link->in.head_have > 0;
	return check_readable(link, err);
}

static int take_head(struct session_link *link, struct gw_error *err)
{
	struct reading *in = &link->in;

	if (record_read_head(in->head_bytes, link->expected, &in->head, err) < 0)
		return fail_reading(link);
	in->has_head = true;
	in->body_have = 0;
	return 0;
}

/* The body is there, all of it. */
static int conclude(struct session_link *link, const struct iovec *body, int count,
		    struct gw_error *err)
{
	struct reading *in = &link->in;

	if (record_check(in->head_bytes, body, count, err) < 0)
		return fail_reading(link);
	in->has_head = false;
	in->head_have = 0;
	counter_add(&link->expected, 1);
	return 0;
}

int session_link_read_head(struct session_link *link, struct record_head *head,
			   struct gw_error *err)
{
	struct reading *in = &link->in;
	int got;

	if (check_at_head(link, err) < 0)
		return -1;
	got = channel_read_all(link->channel, in->head_bytes, sizeof(in->head_bytes),
			       err);
	if (got < 0)
		return fail_in_record(link, err);
	if (got == 0)
		return 0;
	if (take_head(link, err) < 0)
		return -1;
	*head = in->head;
	return 1;
}

int session_link_read_body(struct session_link *link, struct iovec *body, int count,
			   struct gw_error *err)
{
	struct reading *in = &link->in;
	struct iovec whole[SESSION_IOVECS_MAX];
	size_t length = 0;
	int got;

	assert(count >= 0 && count <= SESSION_IOVECS_MAX);
	if (check_readable(link, err) < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		whole[i] = body[i];
		length += body[i].iov_len;
	}
	assert(in->has_head && length == in->head.length);
	got = length > 0 ? channel_read_full(link->channel, body, count, err) : 1;
	if (got == 0)
		fail(err, GW_PEER, "closed after 0 of %zu bytes", length);
	if (got <= 0)
		return fail_in_record(link, err);
	return conclude(link, whole, count, err);
}

/* Some more of `length` bytes, of which *have are there: 1 when all are, 0 when the time is over. */
static int read_some(struct session_link *link, const struct deadline *deadline,
		     uint8_t *into, uint32_t length, uint32_t *have, struct gw_error *err)
{
	while (*have < length) {
		ptrdiff_t got =
			channel_wait(link->channel, deadline_left_ms(deadline), err);

		if (got == 0)
			return 0;
		if (got > 0)
			got = channel_read_some(link->channel, into + *have,
						length - *have, err);
		if (got == 0)
			channel_fail_closed(err);
		if (got <= 0)
			return fail_in_record(link, err);
		*have += (uint32_t)got;
	}
	return 1;
}

int session_link_read_within(struct session_link *link, int timeout_ms, void *body,
			     uint32_t room, struct record_head *head,
			     struct gw_error *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	struct reading *in = &link->in;
	struct iovec whole;
	int got;

	if (check_readable(link, err) < 0)
		return -1;
	if (!in->has_head) {
		got = read_some(link, &deadline, in->head_bytes, SESSION_HEAD_BYTES,
				&in->head_have, err);
		if (got <= 0)
			return got;
		if (take_head(link, err) < 0)
			return -1;
	}
	if (in->head.length > room) {
		fail(err, GW_PEER, "%u bytes, at most %u are allowed here",
		     in->head.length, room);
		return fail_in_record(link, err);
	}
	got = read_some(link, &deadline, body, in->head.length, &in->body_have, err);
	if (got <= 0)
		return got;
	whole = (struct iovec){ .iov_base = body, .iov_len = in->head.length };
	if (conclude(link, &whole, 1, err) < 0)
		return -1;
	*head = in->head;
	return 1;
}
