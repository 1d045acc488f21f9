/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* channel.c - read and write in full, whatever carries the bytes. */
#include "channel/channel.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/deadline.h"
#include "channel/throttle.h"

#define PATIENCE_MS 30000
#define REST_NAP_NS (2 * NS_PER_MS)

struct channel {
	const struct channel_ops *ops;
	void *state;
	int read_patience_ms;
	int write_patience_ms;
	struct throttle *throttle;
	const struct interrupt *throttle_interrupt;
	uint64_t bytes_read; /* one writer each: the thread of that direction */
	uint64_t bytes_written;
	uint64_t throttled_ns; /* the writer's */
};

int channel_fail_stalled(struct gw_error *err, bool on_write, int timeout_ms)
{
	return fail(err, GW_PEER, "the other side %s nothing for %d ms",
		    on_write ? "took" : "sent", timeout_ms);
}

int channel_fail_closed(struct gw_error *err)
{
	return fail(err, GW_PEER, "the other side closed the connection");
}

struct channel *channel_new(const struct channel_ops *ops, void *state,
			    struct gw_error *err)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel) {
		ops->close(state);
		fail_sys(err, ENOMEM, "channel");
		return NULL;
	}
	channel->ops = ops;
	channel->state = state;
	channel->read_patience_ms = PATIENCE_MS;
	channel->write_patience_ms = PATIENCE_MS;
	return channel;
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	channel->ops->close(channel->state);
	free(channel);
}

void channel_set_read_patience(struct channel *channel, int timeout_ms)
{
	channel->read_patience_ms = timeout_ms;
}

void channel_set_write_patience(struct channel *channel, int timeout_ms)
{
	channel->write_patience_ms = timeout_ms;
}

void channel_set_interrupt(struct channel *channel, const struct interrupt *interrupt)
{
	channel->throttle_interrupt = interrupt;
	channel->ops->set_interrupt(channel->state, interrupt);
}

void channel_set_throttle(struct channel *channel, struct throttle *throttle,
			  const struct interrupt *interrupt)
{
	channel->throttle = throttle;
	channel->throttle_interrupt = interrupt;
}

uint64_t channel_bytes_read(const struct channel *channel)
{
	return counter_read(&channel->bytes_read);
}

uint64_t channel_bytes_written(const struct channel *channel)
{
	return counter_read(&channel->bytes_written);
}

uint64_t channel_throttled_ns(const struct channel *channel)
{
	return counter_read(&channel->throttled_ns);
}

static size_t total_bytes(const struct iovec *iov, int count)
{
	size_t total = 0;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	return total;
}

/* Passes over `length` bytes and every iovec that is empty then. */
static void advance(struct iovec **iov, int *count, size_t length)
{
	while (*count > 0 && (*iov)->iov_len <= length) {
		length -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (length > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + length;
		(*iov)->iov_len -= length;
	}
}

/* How many iovecs the first `limit` bytes take; *hidden is what the last of them was shortened
 * by for it. */
static int clip(struct iovec *iov, int count, size_t limit, size_t *hidden)
{
	*hidden = 0;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len >= limit) {
			*hidden = iov[i].iov_len - limit;
			iov[i].iov_len = limit;
			return i + 1;
		}
		limit -= iov[i].iov_len;
	}
	return count;
}

ptrdiff_t channel_read_some(struct channel *channel, void *into, size_t room,
			    struct gw_error *err)
{
	struct iovec iov = { .iov_base = into, .iov_len = room };
	ptrdiff_t got;

	assert(room > 0); /* else 0 would read as the end */
	got = channel->ops->read(channel->state, &iov, 1, channel->read_patience_ms, err);
	if (got > 0)
		counter_add(&channel->bytes_read, (size_t)got);
	return got;
}

int channel_read_full(struct channel *channel, struct iovec *into, int count,
		      struct gw_error *err)
{
	size_t wanted = total_bytes(into, count);
	size_t done = 0;

	for (advance(&into, &count, 0); count > 0;) {
		ptrdiff_t got = channel->ops->read(channel->state, into, count,
						   channel->read_patience_ms, err);

		if (got < 0)
			return -1;
		if (got == 0 && done == 0)
			return 0;
		if (got == 0)
			return fail(err, GW_PEER, "closed after %zu of %zu bytes", done,
				    wanted);
		counter_add(&channel->bytes_read, (size_t)got);
		done += (size_t)got;
		advance(&into, &count, (size_t)got);
	}
	return 1;
}

int channel_read_all(struct channel *channel, void *into, size_t length,
		     struct gw_error *err)
{
	struct iovec iov = { .iov_base = into, .iov_len = length };

	return channel_read_full(channel, &iov, 1, err);
}

int channel_read_exactly(struct channel *channel, void *into, size_t length,
			 struct gw_error *err)
{
	switch (channel_read_all(channel, into, length, err)) {
	case 1:
		return 0;
	case 0:
		return fail(err, GW_PEER, "closed after 0 of %zu bytes", length);
	default:
		return -1;
	}
}

int channel_wait(struct channel *channel, int timeout_ms, struct gw_error *err)
{
	return channel->ops->wait(channel->state, timeout_ms, err);
}

/* Writes the first `limit` bytes. */
static int write_slice(struct channel *channel, struct iovec **from, int *count,
		       size_t limit, struct gw_error *err)
{
	while (*count > 0 && limit > 0) {
		size_t hidden;
		int taking = clip(*from, *count, limit, &hidden);
		ptrdiff_t put = channel->ops->write(channel->state, *from, taking,
						    channel->write_patience_ms, err);

		(*from)[taking - 1].iov_len += hidden;
		if (put < 0)
			return -1;
		assert(put > 0 && (size_t)put <= limit);
		counter_add(&channel->bytes_written, (size_t)put);
		limit -= (size_t)put;
		advance(from, count, (size_t)put);
	}
	return 0;
}

int channel_write_full(struct channel *channel, struct iovec *from, int count,
		       struct gw_error *err)
{
	struct throttle *throttle = channel->throttle;

	for (advance(&from, &count, 0); count > 0;) {
		size_t limit = total_bytes(from, count);

		if (throttle) {
			uint64_t start_ns = clock_now_ns();

			limit = throttle_slice(throttle, limit);
			if (!throttle_take(throttle, limit, channel->throttle_interrupt))
				return fail(err, GW_CANCELLED, "cancelled");
			counter_add(&channel->throttled_ns, clock_now_ns() - start_ns);
		}
		if (write_slice(channel, &from, &count, limit, err) < 0)
			return -1;
	}
	return 0;
}

int channel_write_rest(struct channel *channel, struct iovec *whole, int count,
		       uint64_t put, int timeout_ms, struct gw_error *err)
{
	struct deadline deadline = deadline_in(timeout_ms);

	channel_set_throttle(channel, NULL, NULL);
	advance(&whole, &count, put);
	/* A write that would wait sees the interrupt: it is tried again. */
	while (count > 0 &&
	       write_slice(channel, &whole, &count, total_bytes(whole, count), err) < 0) {
		if (err->kind != GW_CANCELLED || deadline_left_ms(&deadline) == 0)
			return -1;
		interrupt_sleep(NULL, REST_NAP_NS);
	}
	return 0;
}

int channel_write_bytes(struct channel *channel, const void *bytes, size_t length,
			struct gw_error *err)
{
	/* Only read from: iovec has no const form. */
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = length };

	return channel_write_full(channel, &iov, 1, err);
}

void channel_finish(struct channel *channel)
{
	channel->ops->finish(channel->state);
}

void channel_cut(struct channel *channel)
{
	channel->ops->cut(channel->state);
}
