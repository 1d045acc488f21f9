/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listener.c - where connections arrive. */
#include "channel/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/deadline.h"
#include "channel/socket.h"

struct listener {
	int fd;
	const struct interrupt *interrupt;
	struct address at;
	char uri[sizeof(((struct address *)0)->uri)];
	bool owns_path; /* at.path is our socket file, which is this inode */
	dev_t device;
	ino_t inode;
};

/* "tcp:HOST:PORT" with the port that the system chose, or -1. */
static int describe_tcp(struct listener *listener, const char *host)
{
	struct sockaddr_storage own = { 0 };
	socklen_t length = sizeof(own);
	char numeric[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(listener->fd, (struct sockaddr *)&own, &length) < 0 ||
	    (own.ss_family != AF_INET && own.ss_family != AF_INET6) ||
	    getnameinfo((struct sockaddr *)&own, length, numeric, sizeof(numeric), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -1;
	if (!host)
		host = strcmp(numeric, "::") == 0 || strcmp(numeric, "0.0.0.0") == 0
			       ? ""
			       : numeric;
	snprintf(listener->uri, sizeof(listener->uri),
		 strchr(host, ':') ? "tcp:[%.255s]:%s" : "tcp:%.255s:%s", host, port);
	return 0;
}

/* The path of an inherited unix socket, when it has one. */
static int describe_unix(struct listener *listener)
{
	struct sockaddr_un own = { 0 };
	socklen_t length = sizeof(own);

	if (getsockname(listener->fd, (struct sockaddr *)&own, &length) < 0 ||
	    own.sun_family != AF_UNIX || own.sun_path[0] == '\0')
		return -1;
	snprintf(listener->uri, sizeof(listener->uri), "unix:%.*s",
		 (int)sizeof(own.sun_path), own.sun_path);
	return 0;
}

static int listen_on(struct listener *listener, const struct addrinfo *one, int backlog,
		     struct gw_error *err)
{
	const int on = 1, off = 0;

	listener->fd =
		socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return fail_errno(err, errno);
	setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (one->ai_family == AF_INET6 && listener->at.host[0] == '\0')
		setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	socket_tune(listener->fd);
	if (bind(listener->fd, one->ai_addr, one->ai_addrlen) < 0 ||
	    listen(listener->fd, backlog) < 0)
		fail_errno(err, errno);
	else if (describe_tcp(listener, listener->at.host) < 0)
		fail(err, GW_SYSTEM, "the port it got cannot be told");
	else
		return 0;
	close(listener->fd);
	listener->fd = -1;
	return -1;
}

static int listen_family(struct listener *listener, int family, int backlog,
			 struct gw_error *err)
{
	struct addrinfo *list = socket_resolve(&listener->at, family, true, err);
	int status = -1;

	for (const struct addrinfo *one = list; one && status < 0; one = one->ai_next)
		status = listen_on(listener, one, backlog, err);
	if (list)
		freeaddrinfo(list);
	return status;
}

static int open_tcp(struct listener *listener, int backlog, struct gw_error *err)
{
	if (listener->at.host[0] != '\0')
		return listen_family(listener, AF_UNSPEC, backlog, err);
	/* Both families at once, or IPv4 where the host has no other. */
	if (listen_family(listener, AF_INET6, backlog, err) == 0)
		return 0;
	if (err->sys == EADDRINUSE || err->sys == EACCES)
		return -1;
	return listen_family(listener, AF_INET, backlog, err);
}

/* Removes a socket file that nobody listens on; refuses anything else. */
static int remove_stale(const struct address *at, const struct sockaddr_un *name,
			struct gw_error *err)
{
	struct stat stat;
	int status, sys;
	int probe;

	if (lstat(at->path, &stat) < 0)
		return errno == ENOENT ? 0 : fail_errno(err, errno);
	if (!S_ISSOCK(stat.st_mode))
		return fail(err, GW_USAGE, "exists and is not a socket");
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return fail_errno(err, errno);
	status = connect(probe, (const struct sockaddr *)name, sizeof(*name));
	sys = errno;
	close(probe);
	if (status < 0 && sys == EACCES)
		return fail_errno(err, sys);
	if (status == 0 || sys != ECONNREFUSED) {
		fail(err, GW_SYSTEM, "somebody listens there already");
		err->sys = EADDRINUSE;
		return -1;
	}
	if (unlink(at->path) < 0 && errno != ENOENT)
		return fail_errno(err, errno);
	return 0;
}

static int open_unix(struct listener *listener, int backlog, struct gw_error *err)
{
	struct sockaddr_un name = socket_unix_address(&listener->at);
	struct stat stat;
	int status;

	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Before it has a name, so that at no time anybody else may connect, and that no other
	 * file can have taken the name; the umask belongs to all threads of the process. */
	if (listener->fd < 0 || fchmod(listener->fd, S_IRUSR | S_IWUSR) < 0)
		return fail_errno(err, errno);
	status = bind(listener->fd, (const struct sockaddr *)&name, sizeof(name));
	if (status < 0 && errno == EADDRINUSE) {
		if (remove_stale(&listener->at, &name, err) < 0)
			return -1;
		status = bind(listener->fd, (const struct sockaddr *)&name, sizeof(name));
	}
	if (status < 0 || lstat(listener->at.path, &stat) < 0)
		return fail_errno(err, errno);
	listener->owns_path = true;
	listener->device = stat.st_dev;
	listener->inode = stat.st_ino;
	return listen(listener->fd, backlog) < 0 ? fail_errno(err, errno) : 0;
}

static int open_inherited(struct listener *listener, struct gw_error *err)
{
	bool is_listening;

	if (socket_inherit(&listener->at, &is_listening, err) < 0)
		return -1;
	if (!is_listening)
		return fail(err, GW_USAGE, "not a listening socket");
	if (socket_make_non_blocking(listener->at.fd, err) < 0)
		return -1;
	listener->fd = listener->at.fd;
	socket_tune(listener->fd);
	/* Without a name that can be connected to it keeps the one it was given by. */
	if (describe_tcp(listener, NULL) < 0)
		describe_unix(listener);
	return 0;
}

struct listener *listener_open(const struct address *at, int backlog,
			       const struct interrupt *interrupt, struct gw_error *err)
{
	OWNED(listener) struct listener *listener = calloc(1, sizeof(*listener));
	int status = -1;

	if (!listener) {
		fail_sys(err, ENOMEM, "listener");
		return NULL;
	}
	listener->fd = -1;
	listener->interrupt = interrupt;
	listener->at = *at;
	memcpy(listener->uri, at->uri, sizeof(listener->uri));
	switch (at->kind) {
	case ADDRESS_TCP:
		status = open_tcp(listener, backlog, err);
		break;
	case ADDRESS_UNIX:
		status = open_unix(listener, backlog, err);
		break;
	case ADDRESS_FD:
		status = open_inherited(listener, err);
		break;
	case ADDRESS_FILE:
		status = fail(err, GW_USAGE, "nobody can connect to a file");
		break;
	}
	if (status < 0) {
		socket_fail_in(err, at);
		return NULL;
	}
	return MOVE(listener);
}

void listener_stop(struct listener *listener)
{
	struct stat stat;

	/* The name may have passed to a successor. */
	if (listener->owns_path && lstat(listener->at.path, &stat) == 0 &&
	    stat.st_dev == listener->device && stat.st_ino == listener->inode)
		unlink(listener->at.path);
	listener->owns_path = false;
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	listener_stop(listener);
	free(listener);
}

const char *listener_uri(const struct listener *listener)
{
	return listener->uri;
}

int listener_fd(const struct listener *listener)
{
	return listener->fd;
}

/* accept(2): errors that are pending on the new connection, or of one that left again. */
static bool is_passing(int sys)
{
	switch (sys) {
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENOPROTOOPT:
	case EPERM:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

int listener_accept(struct listener *listener, int timeout_ms, struct gw_error *err)
{
	struct deadline deadline = deadline_in(timeout_ms);

	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		int ready;

		if (fd >= 0)
			return fd;
		if (!is_passing(errno)) {
			fail_errno(err, errno);
			return socket_fail_in(err, &listener->at);
		}
		ready = interrupt_poll(listener->interrupt, listener->fd, POLLIN,
				       deadline_left_ms(&deadline), err);
		if (ready == 0)
			return -2;
		if (ready < 0)
			return socket_fail_in(err, &listener->at);
	}
}
