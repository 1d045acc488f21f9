/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fd.c - a channel over any descriptor: a socket, a pipe, a file. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/deadline.h"
#include "channel/channel.h"
#include "channel/socket.h"

enum fd_kind {
	FD_SOCKET,
	FD_FILE,  /* regular: always ready, never a SIGPIPE */
	FD_OTHER, /* a pipe, a terminal, a device */
};

struct fd_state {
	int fd;
	enum fd_kind kind;
	const struct interrupt *interrupt;
};

/* What ends a connection is the other side's doing, not the system's. */
static int fail_io(struct gw_error *err, int sys, const char *what)
{
	switch (sys) {
	case ECONNRESET:
	case EPIPE:
		return channel_fail_closed(err);
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case ENETRESET:
		fail_errno(err, sys);
		err->kind = GW_PEER;
		err->sys = 0;
		return fail_in(err, "the other side can no longer be reached");
	default:
		fail_errno(err, sys);
		return fail_in(err, "%s", what);
	}
}

static int await(const struct fd_state *state, short events,
		 const struct deadline *deadline, int timeout_ms, struct gw_error *err)
{
	int ready = interrupt_poll(state->interrupt, state->fd, events,
				   deadline_left_ms(deadline), err);

	if (ready == 0)
		return channel_fail_stalled(err, events == POLLOUT, timeout_ms);
	return ready < 0 ? -1 : 0;
}

/* Clamped: the rest is for the next call. */
static int iov_count(int count)
{
	return count < IOV_MAX ? count : IOV_MAX;
}

static ptrdiff_t fd_read(void *opaque, const struct iovec *into, int count,
			 int timeout_ms, struct gw_error *err)
{
	const struct fd_state *state = opaque;
	struct deadline deadline;
	bool waited = false;

	for (;;) {
		ssize_t got = readv(state->fd, into, iov_count(count));

		if (got >= 0)
			return got;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail_io(err, errno, "read");
		/* No clock is read by who need not wait. */
		if (!waited)
			deadline = deadline_in(timeout_ms);
		waited = true;
		if (await(state, POLLIN, &deadline, timeout_ms, err) < 0)
			return -1;
	}
}

/* A write to a pipe that nobody reads raises SIGPIPE, which a library must neither let through
 * nor ignore for the whole process. */
static ssize_t write_without_signal(int fd, const struct iovec *from, int count)
{
	const struct timespec at_once = { 0 };
	sigset_t sigpipe, before, pending;
	ssize_t put;
	int sys;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
	sigpending(&pending);
	put = writev(fd, from, count);
	sys = errno;
	/* Ours, unless one was pending already: then that one stays. */
	if (put < 0 && sys == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&sigpipe, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = sys;
	return put;
}

static ssize_t write_once(const struct fd_state *state, const struct iovec *from,
			  int count)
{
	switch (state->kind) {
	case FD_SOCKET: {
		const struct msghdr message = {
			.msg_iov = (struct iovec *)from, /* only read from */
			.msg_iovlen = (size_t)count,
		};

		return sendmsg(state->fd, &message, MSG_NOSIGNAL);
	}
	case FD_FILE:
		return writev(state->fd, from, count);
	case FD_OTHER:
		break;
	}
	return write_without_signal(state->fd, from, count);
}

static ptrdiff_t fd_write(void *opaque, const struct iovec *from, int count,
			  int timeout_ms, struct gw_error *err)
{
	const struct fd_state *state = opaque;
	struct deadline deadline;
	bool waited = false;

	for (;;) {
		ssize_t put = write_once(state, from, iov_count(count));

		if (put > 0)
			return put;
		if (put == 0)
			return fail_io(err, EIO, "write");
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail_io(err, errno, "write");
		if (!waited)
			deadline = deadline_in(timeout_ms);
		waited = true;
		if (await(state, POLLOUT, &deadline, timeout_ms, err) < 0)
			return -1;
	}
}

static int fd_wait(void *opaque, int timeout_ms, struct gw_error *err)
{
	const struct fd_state *state = opaque;

	return interrupt_poll(state->interrupt, state->fd, POLLIN, timeout_ms, err);
}

static void fd_finish(void *opaque)
{
	const struct fd_state *state = opaque;

	if (state->kind == FD_SOCKET)
		shutdown(state->fd, SHUT_WR);
}

static void fd_set_interrupt(void *opaque, const struct interrupt *interrupt)
{
	((struct fd_state *)opaque)->interrupt = interrupt;
}

static void fd_cut(void *opaque)
{
	const struct fd_state *state = opaque;

	if (state->kind == FD_SOCKET)
		shutdown(state->fd, SHUT_RDWR);
}

static void fd_close(void *opaque)
{
	struct fd_state *state = opaque;

	close(state->fd);
	free(state);
}

static const struct channel_ops fd_ops = {
	.name = "fd",
	.read = fd_read,
	.write = fd_write,
	.wait = fd_wait,
	.finish = fd_finish,
	.set_interrupt = fd_set_interrupt,
	.cut = fd_cut,
	.close = fd_close,
};

struct channel *channel_from_fd(int fd, const struct interrupt *interrupt,
				struct gw_error *err)
{
	OWNED_FD int held = fd;
	struct fd_state *state;
	struct stat stat;

	if (fstat(fd, &stat) < 0) {
		if (errno == EBADF)
			held = -1; /* the number is not ours to close */
		fail_sys(err, errno, "descriptor %d", fd);
		return NULL;
	}
	if (socket_make_non_blocking(fd, err) < 0)
		return NULL;
	state = calloc(1, sizeof(*state));
	if (!state) {
		fail_sys(err, ENOMEM, "channel");
		return NULL;
	}
	state->fd = fd;
	state->interrupt = interrupt;
	state->kind = S_ISSOCK(stat.st_mode)  ? FD_SOCKET
		      : S_ISREG(stat.st_mode) ? FD_FILE
					      : FD_OTHER;
	socket_tune(fd);
	held = -1;
	return channel_new(&fd_ops, state, err);
}
