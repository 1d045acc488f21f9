/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* socket.c - what connecting, listening and reading share. */
#include "channel/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* A peer whose kernel is silent for two minutes is gone, however patient the channel: idle
 * connections find out by keep-alive (15 + 7 * 15 s), those with data on the way by the user
 * time-out, which otherwise takes a quarter of an hour.  It also ends connections whose receiver
 * keeps its window shut that long; the source loses nothing by it.
 *
 * Buffers stay as the kernel makes them.  Measured with 512 KiB packets of 128 iovecs over
 * loopback, two cores, mean of six runs of 1 GiB, in GiB/s and CPU seconds a GiB of both ends:
 *
 *	SO_SNDBUF, SO_RCVBUF	default		512 KiB		1 MiB		4 MiB
 *	tcp			4.35 0.343	4.76 0.326	4.61 0.328	4.36 0.349
 *	unix			3.41 0.469	3.47 0.466	3.36 0.475	3.36 0.470
 *
 * which is within the spread of the runs.  A fixed size would end TCP's own tuning to the link,
 * and a relay wants little on the way.  SO_RCVLOWAT gained nothing either. */
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES 7
#define USER_TIMEOUT_MS 120000

static int socket_option(int fd, int level, int name, int unknown)
{
	int value = unknown;
	socklen_t length = sizeof(value);

	return getsockopt(fd, level, name, &value, &length) < 0 ? unknown : value;
}

void socket_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS },
	};

	if (socket_option(fd, SOL_SOCKET, SO_PROTOCOL, 0) != IPPROTO_TCP)
		return;
	/* A connection without them is slower to notice or to answer, but it works. */
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			   sizeof(options[i].value));
}

int socket_make_non_blocking(int fd, struct gw_error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fail_sys(err, errno, "descriptor %d", fd);
	return 0;
}

int socket_fail_in(struct gw_error *err, const struct address *at)
{
	char shown[132];

	printable(shown, sizeof(shown), at->uri, (unsigned)strlen(at->uri));
	return fail_in(err, "%s", shown);
}

struct addrinfo *socket_resolve(const struct address *at, int family, bool passive,
				struct gw_error *err)
{
	/* Without AI_ADDRCONFIG, which on a host without a network hides its loopback. */
	const struct addrinfo hints = {
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0),
	};
	struct addrinfo *found = NULL;
	int status = getaddrinfo(*at->host ? at->host : NULL, at->port, &hints, &found);

	if (status == EAI_SYSTEM) {
		fail_errno(err, errno);
		return NULL;
	}
	if (status != 0) {
		fail(err, GW_SYSTEM, "host \"%.64s\" not found: %s", at->host,
		     gai_strerror(status));
		return NULL;
	}
	return found;
}

struct sockaddr_un socket_unix_address(const struct address *at)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	/* address_parse() saw to it that path and NUL fit. */
	memcpy(name.sun_path, at->path, strnlen(at->path, sizeof(name.sun_path) - 1));
	return name;
}

int socket_inherit(const struct address *at, bool *is_listening, struct gw_error *err)
{
	int flags = fcntl(at->fd, F_GETFD);
	int type = socket_option(at->fd, SOL_SOCKET, SO_TYPE, SOCK_STREAM);

	if (type != SOCK_STREAM)
		return fail(err, GW_USAGE, "a socket, but not of a stream");
	if (flags < 0 || fcntl(at->fd, F_SETFD, flags | FD_CLOEXEC) < 0)
		return fail(err, GW_USAGE, "not an open descriptor");
	*is_listening = socket_option(at->fd, SOL_SOCKET, SO_ACCEPTCONN, 0) != 0;
	return 0;
}
