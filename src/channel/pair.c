/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pair.c - two ends of one connection in this process. */
#include <errno.h>
#include <sys/socket.h>

#include "channel/channel.h"

int channel_pair(struct channel *ends[2], const struct interrupt *interrupt,
		 struct gw_error *err)
{
	OWNED(channel) struct channel *first = NULL;
	int fds[2];

	/* A socket pair rather than a ring in memory: waits, half-close, time-outs and the
	 * kernel's own buffering are then those of the real thing. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return fail_sys(err, errno, "socketpair");
	first = channel_from_fd(fds[0], interrupt, err);
	if (!first) {
		close(fds[1]);
		return -1;
	}
	ends[1] = channel_from_fd(fds[1], interrupt, err);
	if (!ends[1])
		return -1;
	ends[0] = MOVE(first);
	return 0;
}
