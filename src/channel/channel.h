/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* channel.h - one byte stream of a migration.
 *
 * A channel belongs to whoever opened it, and only the owner closes it.  One thread may read
 * while another writes (the return path of main); neither direction is otherwise shared.
 * Descriptors are non-blocking; every wait also watches the migration's interrupt and gives up
 * after the channel's patience without a single byte of progress.  What need not wait does not
 * look at the interrupt, so that a last word can still be said; loops over files, which never
 * wait, look for themselves.
 *
 * Errors: GW_PEER when the other side left or stalled, GW_CANCELLED when interrupted, GW_SYSTEM
 * otherwise.  Messages do not name the channel; callers add it with fail_in().  A side that is
 * gone is always an error and never a SIGPIPE. */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/own.h"
#include "channel/address.h"

struct channel;
struct throttle;

/* What a kind of channel supplies; layers (faults, TLS) wrap another channel. */
struct channel_ops {
	const char *name;
	/* At least one byte unless the stream ended (0); -1 with *err. timeout_ms < 0: for ever. */
	ptrdiff_t (*read)(void *state, const struct iovec *into, int count,
			  int timeout_ms, struct gw_error *err);
	/* At least one byte; -1 with *err. */
	ptrdiff_t (*write)(void *state, const struct iovec *from, int count,
			   int timeout_ms, struct gw_error *err);
	/* 1 when a read would not wait, 0 after timeout_ms, -1 with *err. */
	int (*wait)(void *state, int timeout_ms, struct gw_error *err);
	/* Nothing more will be written; the other side reads the end. */
	void (*finish)(void *state);
	/* Both directions end, from any thread; what waits in read or write returns. */
	void (*cut)(void *state);
	/* What ends every later wait; NULL: nothing but time. */
	void (*set_interrupt)(void *state, const struct interrupt *interrupt);
	void (*close)(void *state);
};

/* For ops whose wait took longer than `timeout_ms`: GW_PEER that says so.  Returns -1. */
int channel_fail_stalled(struct gw_error *err, bool on_write, int timeout_ms);

/* For ops that find the other side gone: GW_PEER "the other side closed the connection". */
int channel_fail_closed(struct gw_error *err);

/* Takes over `state` (also on failure). */
struct channel *channel_new(const struct channel_ops *ops, void *state,
			    struct gw_error *err);

/* Takes over `fd` (also on failure) and makes it non-blocking: a socket, a pipe, a file, opened
 * for what will be done with it.  `interrupt` is borrowed and may be NULL. */
struct channel *channel_from_fd(int fd, const struct interrupt *interrupt,
				struct gw_error *err);

/* Opens a connection, within timeout_ms (< 0: for as long as the system tries) over all addresses
 * of a host.  The look-up of a name is the resolver's and can be neither timed nor interrupted.
 * Errors begin with the address: "tcp:127.0.0.1:4444: connection refused"; nobody there is
 * GW_SYSTEM with errno in `sys`, so that a caller can try again.  ADDRESS_FILE opens for reading;
 * ADDRESS_FD takes the descriptor over once it is known to be a connection. */
struct channel *channel_connect(const struct address *to,
				const struct interrupt *interrupt, int timeout_ms,
				struct gw_error *err);

/* The same as a descriptor, which the caller owns. */
int channel_connect_fd(const struct address *to, const struct interrupt *interrupt,
		       int timeout_ms, struct gw_error *err);

/* Two ends of one connection in this process. */
int channel_pair(struct channel *ends[2], const struct interrupt *interrupt,
		 struct gw_error *err);

/* Closes; NULL is fine.  TCP: closing with bytes unread resets the connection, and what the other
 * side has not read yet may be lost; to part in peace, finish and read up to the end first. */
void channel_free(struct channel *channel);
DEFINE_OWNED(channel)

/* Longest wait without a byte of progress, in ms; < 0 for ever.  Defaults to 30000 each. */
void channel_set_read_patience(struct channel *channel, int timeout_ms);
void channel_set_write_patience(struct channel *channel, int timeout_ms);

/* Replaces the interrupt that the channel was opened with (borrowed; NULL: none).  Not while
 * another thread reads or writes. */
void channel_set_interrupt(struct channel *channel, const struct interrupt *interrupt);

/* Every write from now on takes its bytes from `throttle` (borrowed, shared) in slices. */
void channel_set_throttle(struct channel *channel, struct throttle *throttle,
			  const struct interrupt *interrupt);

/* Some bytes: 0 at the end of the stream. */
ptrdiff_t channel_read_some(struct channel *channel, void *into, size_t room,
			    struct gw_error *err);

/* All of it.  Return: 1 done, 0 the stream ended before the first byte, -1 error, which an end
 * in between is ("closed after N of M bytes").  The iovecs are used up: contents change. */
int channel_read_full(struct channel *channel, struct iovec *into, int count,
		      struct gw_error *err);
int channel_read_all(struct channel *channel, void *into, size_t length,
		     struct gw_error *err);

/* The same where the stream must not end: 0, or -1 also when it ends before the first byte. */
int channel_read_exactly(struct channel *channel, void *into, size_t length,
			 struct gw_error *err);

/* 1 when there is something to read (or the end), 0 after timeout_ms, -1 error. */
int channel_wait(struct channel *channel, int timeout_ms, struct gw_error *err);

/* All of it or an error.  The iovecs are used up: contents change. */
int channel_write_full(struct channel *channel, struct iovec *from, int count,
		       struct gw_error *err);
int channel_write_bytes(struct channel *channel, const void *bytes, size_t length,
			struct gw_error *err);

/* After an interrupt has ended a write in the middle: what is missing of `whole`, a copy that is used
 * up, of which `put` bytes are written.  Without throttle and whatever the interrupt says, as fast as
 * the other side takes it, within timeout_ms; GW_CANCELLED when that is over. */
int channel_write_rest(struct channel *channel, struct iovec *whole, int count,
		       uint64_t put, int timeout_ms, struct gw_error *err);

/* Half-close: the other side reads the end, this side may still read.  A pipe or a file ends
 * only when it is closed. */
void channel_finish(struct channel *channel);

/* For whoever wants the owner's threads back: sockets end both ways at once, without being
 * closed; a thread that waits in read sees the end, one in write GW_PEER.  Any thread. */
void channel_cut(struct channel *channel);

/* Progress so far, readable from any thread. */
uint64_t channel_bytes_read(const struct channel *channel);
uint64_t channel_bytes_written(const struct channel *channel);

/* How long writes have waited for their turn under a throttle; likewise. */
uint64_t channel_throttled_ns(const struct channel *channel);

#endif
