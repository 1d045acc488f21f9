/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* connect.c - opens the channel that an address leads to. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/deadline.h"
#include "channel/channel.h"
#include "channel/socket.h"

/* A unix listener whose backlog is full answers EAGAIN and has nothing to poll for. */
#define FULL_BACKLOG_NAP_NS (10 * NS_PER_MS)

/* A connection attempt to a port of the local ephemeral range, while nobody listens there, can
 * be given that very port as its own and meet itself. */
static bool met_itself(int fd)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t own_length = sizeof(own), peer_length = sizeof(peer);

	return getsockname(fd, (struct sockaddr *)&own, &own_length) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0 &&
	       own.ss_family != AF_UNIX && own_length == peer_length &&
	       memcmp(&own, &peer, own_length) == 0;
}

static int fail_timed_out(struct gw_error *err, int timeout_ms)
{
	fail(err, GW_SYSTEM, "no answer within %d ms", timeout_ms);
	err->sys = ETIMEDOUT;
	return -1;
}

/* Waits for a connection on its way; `allowed_ms` of which there are `left_ms` is for the error. */
static int finish_connect(int fd, const struct interrupt *interrupt, int left_ms,
			  int allowed_ms, struct gw_error *err)
{
	int sys = 0;
	socklen_t length = sizeof(sys);
	int ready = interrupt_poll(interrupt, fd, POLLOUT, left_ms, err);

	if (ready < 0)
		return -1;
	if (ready == 0)
		return fail_timed_out(err, allowed_ms);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &length) < 0)
		sys = errno;
	return sys == 0 ? 0 : fail_errno(err, sys);
}

/* Return: a connected descriptor, or -1 with an error that does not name the address. */
static int connect_one(const struct sockaddr *to, socklen_t length,
		       const struct interrupt *interrupt, int timeout_ms,
		       struct gw_error *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	OWNED_FD int fd =
		socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int connected;

	if (fd < 0)
		return fail_errno(err, errno);
	socket_tune(fd);
	while (connect(fd, to, length) < 0) {
		int sys = errno;
		int left_ms = deadline_left_ms(&deadline);

		if (sys == EINPROGRESS || sys == EINTR) {
			if (finish_connect(fd, interrupt, left_ms, timeout_ms, err) < 0)
				return -1;
			break;
		}
		if (sys != EAGAIN)
			return fail_errno(err, sys);
		if (left_ms == 0)
			return fail_timed_out(err, timeout_ms);
		if (!interrupt_sleep(interrupt, FULL_BACKLOG_NAP_NS))
			return fail(err, GW_CANCELLED, "cancelled");
	}
	if (met_itself(fd))
		return fail_errno(err, ECONNREFUSED);
	connected = fd;
	fd = -1;
	return connected;
}

static int connect_tcp(const struct address *to, const struct interrupt *interrupt,
		       int timeout_ms, struct gw_error *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	struct addrinfo *list;
	int fd = -1, tried = 0, left = 0;

	if (strcmp(to->port, "0") == 0)
		return fail(err, GW_USAGE, "port 0 is for listening only");
	list = socket_resolve(to, AF_UNSPEC, false, err);
	if (!list)
		return -1;
	for (const struct addrinfo *one = list; one; one = one->ai_next)
		left++;
	for (const struct addrinfo *one = list; one && fd < 0; one = one->ai_next) {
		/* An equal share each: one that swallows packets must not cost the others
		 * their chance. */
		int left_ms = deadline_left_ms(&deadline);

		fd = connect_one(one->ai_addr, one->ai_addrlen, interrupt,
				 left_ms < 0 ? -1 : left_ms / left, err);
		tried++;
		left--;
		if (fd < 0 && err->kind == GW_CANCELLED)
			break;
	}
	freeaddrinfo(list);
	if (fd < 0 && tried > 1 && err->kind != GW_CANCELLED)
		return fail_in(err, "none of %d addresses answered, the last", tried);
	return fd;
}

static int connect_unix(const struct address *to, const struct interrupt *interrupt,
			int timeout_ms, struct gw_error *err)
{
	struct sockaddr_un name = socket_unix_address(to);

	return connect_one((const struct sockaddr *)&name, sizeof(name), interrupt,
			   timeout_ms, err);
}

static int open_fd(const struct address *to, struct gw_error *err)
{
	bool is_listening;

	if (socket_inherit(to, &is_listening, err) < 0)
		return -1;
	if (is_listening)
		return fail(err, GW_USAGE, "is a listening socket, not a connection");
	return to->fd;
}

static int open_file(const struct address *to, struct gw_error *err)
{
	/* Non-blocking, so that a fifo or a device is refused rather than waited for. */
	OWNED_FD int fd = open(to->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat stat;
	int opened;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return fail_errno(err, errno);
	if (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))
		return fail(err, GW_USAGE,
			    "neither a file nor a block device, a pipe is fd:N");
	opened = fd;
	fd = -1;
	return opened;
}

int channel_connect_fd(const struct address *to, const struct interrupt *interrupt,
		       int timeout_ms, struct gw_error *err)
{
	int fd = -1;

	switch (to->kind) {
	case ADDRESS_TCP:
		fd = connect_tcp(to, interrupt, timeout_ms, err);
		break;
	case ADDRESS_UNIX:
		fd = connect_unix(to, interrupt, timeout_ms, err);
		break;
	case ADDRESS_FD:
		fd = open_fd(to, err);
		break;
	case ADDRESS_FILE:
		fd = open_file(to, err);
		break;
	}
	return fd >= 0 ? fd : socket_fail_in(err, to);
}

struct channel *channel_connect(const struct address *to,
				const struct interrupt *interrupt, int timeout_ms,
				struct gw_error *err)
{
	int fd = channel_connect_fd(to, interrupt, timeout_ms, err);
	struct channel *channel;

	if (fd < 0)
		return NULL;
	channel = channel_from_fd(fd, interrupt, err);
	if (!channel)
		socket_fail_in(err, to);
	return channel;
}
