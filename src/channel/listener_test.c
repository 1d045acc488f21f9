/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listener_test.c - who may connect, what is left behind, and what is not replaced. */
#include "channel/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "tests/check.h"

static struct address parse(const char *uri)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_OK(address_parse(&address, uri, &err), &err);
	return address;
}

static struct listener *open_listener(const char *uri)
{
	struct address at = parse(uri);
	struct gw_error err = { 0 };
	struct listener *listener = listener_open(&at, 4, NULL, &err);

	if (!listener)
		CHECK_FAIL("%s", err.text);
	return listener;
}

static void check_not_opened(const char *uri, enum gw_error_kind kind, int sys,
			     const char *text)
{
	struct address at = parse(uri);
	struct gw_error err = { 0 };

	CHECK(!listener_open(&at, 4, NULL, &err));
	CHECK_STR(err.text, text);
	CHECK_EQ(err.kind, kind);
	CHECK_EQ(err.sys, sys);
}

/* Connects to the listener's own idea of its address and passes a byte each way. */
static void check_reachable(struct listener *listener, const char *uri)
{
	struct address to = parse(uri);
	struct gw_error err = { 0 };
	OWNED(channel) struct channel *near = channel_connect(&to, NULL, 5000, &err);
	OWNED(channel) struct channel *far = NULL;
	char byte = 0;
	int fd;

	if (!near)
		CHECK_FAIL("%s", err.text);
	fd = listener_accept(listener, 5000, &err);
	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	far = channel_from_fd(fd, NULL, &err);
	CHECK(far);
	CHECK_OK(channel_write_bytes(near, "a", 1, &err), &err);
	CHECK_EQ(channel_read_all(far, &byte, 1, &err), 1);
	CHECK_EQ(byte, 'a');
	CHECK_OK(channel_write_bytes(far, "b", 1, &err), &err);
	CHECK_EQ(channel_read_all(near, &byte, 1, &err), 1);
	CHECK_EQ(byte, 'b');
}

struct place {
	char folder[32];
	char path[64];
	char uri[80];
};

static struct place make_place(void)
{
	struct place place = { .folder = "/tmp/listener_test.XXXXXX" };

	CHECK(mkdtemp(place.folder));
	snprintf(place.path, sizeof(place.path), "%s/socket", place.folder);
	snprintf(place.uri, sizeof(place.uri), "unix:%s", place.path);
	return place;
}

/* Nothing may be left in it. */
static void remove_place(const struct place *place)
{
	CHECK_EQ(rmdir(place->folder), 0);
}

TEST(tcp_reports_the_port_it_was_given)
{
	OWNED(listener) struct listener *listener = open_listener("tcp:127.0.0.1:0");
	struct address chosen = parse(listener_uri(listener));

	CHECK_STR(chosen.host, "127.0.0.1");
	CHECK(strcmp(chosen.port, "0") != 0);
	check_reachable(listener, listener_uri(listener));
}

TEST(tcp_on_every_address_is_reached_by_each)
{
	OWNED(listener) struct listener *listener = open_listener("tcp::0");
	struct address chosen = parse(listener_uri(listener));
	struct sockaddr_storage own = { 0 };
	socklen_t length = sizeof(own);
	char uri[64];

	CHECK_STR(chosen.host, "");
	check_reachable(listener, listener_uri(listener));
	snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%s", chosen.port);
	check_reachable(listener, uri);
	CHECK_EQ(getsockname(listener_fd(listener), (struct sockaddr *)&own, &length), 0);
	if (own.ss_family == AF_INET6) { /* else this host has none */
		snprintf(uri, sizeof(uri), "tcp:[::1]:%s", chosen.port);
		check_reachable(listener, uri);
	}
}

TEST(a_host_name_is_tried_at_every_address)
{
	struct addrinfo *found;
	OWNED(listener) struct listener *listener = open_listener("tcp:127.0.0.1:0");
	char uri[64];

	if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
		SKIP("localhost does not resolve");
	freeaddrinfo(found);
	/* localhost may be ::1 first, where nobody listens. */
	snprintf(uri, sizeof(uri), "tcp:localhost:%s",
		 strrchr(listener_uri(listener), ':') + 1);
	check_reachable(listener, uri);
}

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	CHECK_EQ(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

TEST(tcp_connections_do_not_delay_and_are_kept_alive)
{
	OWNED(listener) struct listener *listener = open_listener("tcp:127.0.0.1:0");
	struct address to = parse(listener_uri(listener));
	struct gw_error err = { 0 };
	OWNED(channel) struct channel *near = channel_connect(&to, NULL, 5000, &err);
	OWNED_FD int fd = listener_accept(listener, 5000, &err);

	CHECK(near && fd >= 0);
	CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
	CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 15);
	CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 7);
	CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 120000);
	CHECK_EQ(option_of(listener_fd(listener), SOL_SOCKET, SO_REUSEADDR), 1);
}

TEST(a_port_in_use_is_refused_with_its_address)
{
	OWNED(listener) struct listener *listener = open_listener("tcp:127.0.0.1:0");
	char text[128];

	snprintf(text, sizeof(text), "%s: address already in use",
		 listener_uri(listener));
	check_not_opened(listener_uri(listener), GW_SYSTEM, EADDRINUSE, text);
}

TEST(a_port_in_use_on_every_address_is_not_taken_by_half)
{
	OWNED(listener) struct listener *listener = open_listener("tcp::0");
	char text[128];

	snprintf(text, sizeof(text), "%s: address already in use",
		 listener_uri(listener));
	check_not_opened(listener_uri(listener), GW_SYSTEM, EADDRINUSE, text);
}

TEST(unix_socket_is_for_its_owner_and_goes_with_the_listener)
{
	struct place place = make_place();
	mode_t before = umask(0);
	struct listener *listener = open_listener(place.uri);
	struct stat stat;

	umask(before);
	CHECK_STR(listener_uri(listener), place.uri);
	CHECK_EQ(lstat(place.path, &stat), 0);
	CHECK(S_ISSOCK(stat.st_mode));
	CHECK_EQ(stat.st_mode & 07777, 0600);
	check_reachable(listener, place.uri);
	listener_free(listener);
	CHECK_EQ(lstat(place.path, &stat), -1);
	CHECK_EQ(errno, ENOENT);
	remove_place(&place);
}

/* What a killed process leaves. */
static void leave_stale_socket(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	strcpy(name.sun_path, path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	close(fd);
}

TEST(a_stale_unix_socket_is_replaced)
{
	struct place place = make_place();
	struct listener *listener;

	leave_stale_socket(place.path);
	listener = open_listener(place.uri);
	check_reachable(listener, place.uri);
	listener_free(listener);
	remove_place(&place);
}

TEST(a_unix_socket_in_use_is_not_replaced)
{
	struct place place = make_place();
	struct listener *listener = open_listener(place.uri);
	char text[128];
	struct gw_error err = { 0 };

	snprintf(text, sizeof(text), "%s: somebody listens there already", place.uri);
	check_not_opened(place.uri, GW_SYSTEM, EADDRINUSE, text);
	/* The probe was a connection that left again. */
	close(listener_accept(listener, 1000, &err));
	check_reachable(listener, place.uri);
	listener_free(listener);
	remove_place(&place);
}

TEST(a_file_is_not_replaced_by_a_unix_socket)
{
	struct place place = make_place();
	int fd = open(place.path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	char text[128];

	CHECK(fd >= 0);
	close(fd);
	snprintf(text, sizeof(text), "%s: exists and is not a socket", place.uri);
	check_not_opened(place.uri, GW_USAGE, 0, text);
	CHECK_EQ(unlink(place.path), 0);
	remove_place(&place);
}

TEST(a_symbolic_link_is_not_followed_to_replace_a_socket)
{
	struct place place = make_place();
	char target[64], text[128];

	snprintf(target, sizeof(target), "%s/target", place.folder);
	leave_stale_socket(target);
	CHECK_EQ(symlink(target, place.path), 0);
	snprintf(text, sizeof(text), "%s: exists and is not a socket", place.uri);
	check_not_opened(place.uri, GW_USAGE, 0, text);
	CHECK_EQ(unlink(place.path), 0);
	CHECK_EQ(unlink(target), 0);
	remove_place(&place);
}

TEST(a_successor_on_the_same_path_is_not_removed)
{
	struct place place = make_place();
	struct listener *first = open_listener(place.uri), *second;

	CHECK_EQ(unlink(place.path), 0);
	second = open_listener(place.uri);
	listener_free(first);
	check_reachable(second, place.uri);
	listener_free(second);
	remove_place(&place);
}

TEST(a_folder_that_is_not_there_is_named)
{
	check_not_opened("unix:/nonexistent/socket", GW_SYSTEM, ENOENT,
			 "unix:/nonexistent/socket: no such file or directory");
}

TEST(nobody_connects_to_a_file)
{
	check_not_opened("file:/tmp/x", GW_USAGE, 0,
			 "file:/tmp/x: nobody can connect to a file");
}

TEST(an_inherited_unix_socket_is_used_and_left_on_disk)
{
	struct place place = make_place();
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct listener *listener;
	struct stat stat;
	char uri[32];

	CHECK(fd >= 0);
	strcpy(name.sun_path, place.path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	CHECK_EQ(listen(fd, 4), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fd);
	listener = open_listener(uri);
	CHECK_EQ(listener_fd(listener), fd);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_STR(listener_uri(listener), place.uri);
	check_reachable(listener, listener_uri(listener));
	listener_free(listener);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
	CHECK_EQ(lstat(place.path, &stat), 0);
	CHECK_EQ(unlink(place.path), 0);
	remove_place(&place);
}

TEST(an_inherited_tcp_socket_is_used)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	OWNED(listener) struct listener *listener = NULL;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char uri[32];

	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	CHECK_EQ(listen(fd, 4), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fd);
	listener = open_listener(uri);
	CHECK_CONTAINS(listener_uri(listener), "tcp:127.0.0.1:");
	check_reachable(listener, listener_uri(listener));
}

TEST(an_inherited_descriptor_must_listen)
{
	char uri[32], text[96];
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	snprintf(text, sizeof(text), "%s: not a listening socket", uri);
	check_not_opened(uri, GW_USAGE, 0, text);
	CHECK(fcntl(fds[0], F_GETFD) >= 0); /* still the caller's */
	close(fds[0]);
	close(fds[1]);
	check_not_opened("fd:1000000", GW_USAGE, 0, "fd:1000000: not an open descriptor");
}

TEST(accept_gives_up_after_its_timeout)
{
	OWNED(listener) struct listener *listener = open_listener("tcp:127.0.0.1:0");
	struct gw_error err = { 0 };

	CHECK_EQ(listener_accept(listener, 0, &err), -2);
	CHECK_EQ(listener_accept(listener, 10, &err), -2);
	check_reachable(listener, listener_uri(listener));
}

struct acceptor {
	pthread_t thread;
	struct listener *listener;
	int status;
	struct gw_error err;
};

static void *accept_one(void *opaque)
{
	struct acceptor *acceptor = opaque;

	acceptor->status = listener_accept(acceptor->listener, -1, &acceptor->err);
	return NULL;
}

TEST(accept_is_interrupted)
{
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct address at = parse("tcp:127.0.0.1:0");
	OWNED(listener) struct listener *listener = NULL;
	struct acceptor acceptor = { 0 };

	CHECK(interrupt);
	listener = listener_open(&at, 1, interrupt, &err);
	CHECK(listener);
	acceptor.listener = listener;
	CHECK_EQ(pthread_create(&acceptor.thread, NULL, accept_one, &acceptor), 0);
	interrupt_sleep(NULL, 10 * NS_PER_MS);
	interrupt_raise(interrupt);
	pthread_join(acceptor.thread, NULL);
	CHECK_EQ(acceptor.status, -1);
	CHECK_EQ(acceptor.err.kind, GW_CANCELLED);
	CHECK_STR(acceptor.err.text, "tcp:127.0.0.1:0: cancelled");
}

TEST_MAIN(TEST_OF(tcp_reports_the_port_it_was_given),
	  TEST_OF(tcp_on_every_address_is_reached_by_each),
	  TEST_OF(a_host_name_is_tried_at_every_address),
	  TEST_OF(tcp_connections_do_not_delay_and_are_kept_alive),
	  TEST_OF(a_port_in_use_is_refused_with_its_address),
	  TEST_OF(a_port_in_use_on_every_address_is_not_taken_by_half),
	  TEST_OF(unix_socket_is_for_its_owner_and_goes_with_the_listener),
	  TEST_OF(a_stale_unix_socket_is_replaced),
	  TEST_OF(a_unix_socket_in_use_is_not_replaced),
	  TEST_OF(a_file_is_not_replaced_by_a_unix_socket),
	  TEST_OF(a_symbolic_link_is_not_followed_to_replace_a_socket),
	  TEST_OF(a_successor_on_the_same_path_is_not_removed),
	  TEST_OF(a_folder_that_is_not_there_is_named),
	  TEST_OF(nobody_connects_to_a_file),
	  TEST_OF(an_inherited_unix_socket_is_used_and_left_on_disk),
	  TEST_OF(an_inherited_tcp_socket_is_used),
	  TEST_OF(an_inherited_descriptor_must_listen),
	  TEST_OF(accept_gives_up_after_its_timeout), TEST_OF(accept_is_interrupted))
