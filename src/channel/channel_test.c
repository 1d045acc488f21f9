/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* channel_test.c - bytes in full over every kind of descriptor, and how each wait ends. */
#include "channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "channel/throttle.h"
#include "tests/check.h"

#define MIB (1u << 20)

static void fill(uint8_t *bytes, size_t length, uint64_t seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(check_random(&seed) >> 32);
}

static void make_pair(struct channel *ends[2], const struct interrupt *interrupt)
{
	struct gw_error err = { 0 };

	CHECK_OK(channel_pair(ends, interrupt, &err), &err);
}

static void free_pair(struct channel *ends[2])
{
	channel_free(ends[0]);
	channel_free(ends[1]);
}

static struct channel *open_channel(int fd)
{
	struct gw_error err = { 0 };
	struct channel *channel = channel_from_fd(fd, NULL, &err);

	if (!channel)
		CHECK_FAIL("%s", err.text);
	return channel;
}

/* A thread that writes, reads or waits once, and how it ended. */
struct worker {
	pthread_t thread;
	struct channel *channel;
	uint8_t *bytes;
	size_t length;
	int status;
	struct gw_error err;
};

static void *write_all(void *opaque)
{
	struct worker *worker = opaque;

	worker->status = channel_write_bytes(worker->channel, worker->bytes,
					     worker->length, &worker->err);
	channel_finish(worker->channel);
	return NULL;
}

static void *read_all(void *opaque)
{
	struct worker *worker = opaque;

	worker->status = channel_read_all(worker->channel, worker->bytes, worker->length,
					  &worker->err);
	return NULL;
}

static void start(struct worker *worker, void *(*run)(void *))
{
	CHECK_EQ(pthread_create(&worker->thread, NULL, run, worker), 0);
}

/* Sends 4 MiB from one channel to another, in iovecs of odd lengths on the reading side. */
static void check_transfer(struct channel *from, struct channel *to)
{
	enum { LENGTH = 4 * MIB };
	struct worker worker = { .channel = from, .length = LENGTH };
	OWNED_MEMORY uint8_t *sent = malloc(LENGTH);
	OWNED_MEMORY uint8_t *got = calloc(1, LENGTH);
	struct gw_error err = { 0 };
	struct iovec into[3];
	char byte;

	CHECK(sent && got);
	fill(sent, LENGTH, 1);
	worker.bytes = sent;
	start(&worker, write_all);
	into[0] = (struct iovec){ got, 1 };
	into[1] = (struct iovec){ got + 1, 4095 };
	into[2] = (struct iovec){ got + 4096, LENGTH - 4096 };
	CHECK_EQ(channel_read_full(to, into, 3, &err), 1);
	pthread_join(worker.thread, NULL);
	CHECK_OK(worker.status, &worker.err);
	CHECK(memcmp(sent, got, LENGTH) == 0);
	CHECK_EQ(channel_bytes_written(from), LENGTH);
	CHECK_EQ(channel_bytes_read(to), LENGTH);
	channel_free(from);
	/* The end comes once, and again. */
	CHECK_EQ(channel_read_some(to, &byte, 1, &err), 0);
	CHECK_EQ(channel_read_all(to, &byte, 1, &err), 0);
	CHECK_EQ(channel_wait(to, 0, &err), 1);
	channel_free(to);
}

TEST(pair_carries_all_bytes)
{
	struct channel *ends[2];

	make_pair(ends, NULL);
	check_transfer(ends[0], ends[1]);
}

TEST(pipe_carries_all_bytes)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	check_transfer(open_channel(fds[1]), open_channel(fds[0]));
}

TEST(file_carries_all_bytes_and_is_read_by_its_address)
{
	char path[] = "/tmp/channel_test.XXXXXX", uri[64];
	int fd = mkstemp(path);
	OWNED(channel) struct channel *out = NULL;
	OWNED(channel) struct channel *in = NULL;
	struct address address;
	struct gw_error err = { 0 };
	static uint8_t sent[100000], got[100000];

	CHECK(fd >= 0);
	out = open_channel(fd);
	fill(sent, sizeof(sent), 2);
	CHECK_OK(channel_write_bytes(out, sent, sizeof(sent), &err), &err);
	snprintf(uri, sizeof(uri), "file:%s", path);
	CHECK_OK(address_parse(&address, uri, &err), &err);
	in = channel_connect(&address, NULL, -1, &err);
	unlink(path);
	if (!in)
		CHECK_FAIL("%s", err.text);
	CHECK_EQ(channel_wait(in, 0, &err), 1);
	CHECK_EQ(channel_read_all(in, got, sizeof(got), &err), 1);
	CHECK(memcmp(sent, got, sizeof(sent)) == 0);
	CHECK_EQ(channel_read_all(in, got, 1, &err), 0);
}

TEST(more_iovecs_than_one_call_takes_arrive_in_order)
{
	enum { COUNT = 3000 };
	static struct iovec from[COUNT], into[COUNT];
	static uint8_t sent[COUNT * 7], got[COUNT * 7];
	struct channel *ends[2];
	struct gw_error err = { 0 };
	size_t at = 0;

	make_pair(ends, NULL);
	fill(sent, sizeof(sent), 3);
	for (int i = 0; i < COUNT; i++) {
		size_t length = (size_t)i % 8; /* some are empty */

		from[i] = (struct iovec){ sent + at, length };
		into[COUNT - 1 - i] = (struct iovec){ NULL, length };
		at += length;
	}
	for (size_t i = 0, to = 0; i < COUNT; i++) {
		into[i].iov_base = got + to;
		to += into[i].iov_len;
	}
	CHECK_OK(channel_write_full(ends[0], from, COUNT, &err), &err);
	CHECK_EQ(channel_read_full(ends[1], into, COUNT, &err), 1);
	CHECK(memcmp(sent, got, at) == 0);
	free_pair(ends);
}

TEST(nothing_to_move_is_done_at_once)
{
	struct channel *ends[2];
	struct gw_error err = { 0 };
	struct iovec empty[2] = { { NULL, 0 }, { NULL, 0 } };

	make_pair(ends, NULL);
	CHECK_EQ(channel_write_bytes(ends[0], NULL, 0, &err), 0);
	CHECK_EQ(channel_write_full(ends[0], empty, 2, &err), 0);
	CHECK_EQ(channel_read_all(ends[0], NULL, 0, &err), 1);
	CHECK_EQ(channel_read_full(ends[0], empty, 2, &err), 1);
	CHECK_EQ(channel_wait(ends[1], 0, &err), 0);
	free_pair(ends);
}

TEST(an_end_within_a_record_is_not_a_clean_end)
{
	struct channel *ends[2];
	struct gw_error err = { 0 };
	uint8_t bytes[10] = { 0 };

	make_pair(ends, NULL);
	CHECK_OK(channel_write_bytes(ends[0], bytes, 9, &err), &err);
	channel_finish(ends[0]);
	CHECK_EQ(channel_read_all(ends[1], bytes, 10, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "closed after 9 of 10 bytes");
	/* Half closed: the way back is open. */
	CHECK_OK(channel_write_bytes(ends[1], bytes, 3, &err), &err);
	CHECK_EQ(channel_read_all(ends[0], bytes, 3, &err), 1);
	free_pair(ends);
}

TEST(read_exactly_takes_no_end_for_an_answer)
{
	struct channel *ends[2];
	struct gw_error err = { 0 };
	char word[3] = "";

	make_pair(ends, NULL);
	CHECK_OK(channel_write_bytes(ends[0], "abc", 3, &err), &err);
	channel_finish(ends[0]);
	CHECK_EQ(channel_read_exactly(ends[1], word, 3, &err), 0);
	CHECK(memcmp(word, "abc", 3) == 0);
	CHECK_EQ(channel_read_exactly(ends[1], word, 3, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "closed after 0 of 3 bytes");
	free_pair(ends);
}

TEST(writing_to_a_closed_side_is_an_error_not_a_signal)
{
	struct channel *ends[2];
	struct gw_error err = { 0 };

	make_pair(ends, NULL);
	channel_free(ends[1]);
	CHECK_EQ(channel_write_bytes(ends[0], "x", 1, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "the other side closed the connection");
	channel_free(ends[0]);
}

TEST(writing_to_a_closed_pipe_is_an_error_and_leaves_signals_as_they_were)
{
	int fds[2];
	OWNED(channel) struct channel *channel = NULL;
	struct gw_error err = { 0 };
	sigset_t signals;

	CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	CHECK_EQ(pipe(fds), 0);
	channel = open_channel(fds[1]);
	close(fds[0]);
	CHECK_EQ(channel_write_bytes(channel, "x", 1, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "the other side closed the connection");
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &signals), 0);
	CHECK_EQ(sigismember(&signals, SIGPIPE), 0);
	CHECK_EQ(sigpending(&signals), 0);
	CHECK_EQ(sigismember(&signals, SIGPIPE), 0);
}

TEST(a_sigpipe_of_somebody_else_stays_pending)
{
	int fds[2];
	OWNED(channel) struct channel *channel = NULL;
	struct gw_error err = { 0 };
	sigset_t sigpipe, pending;
	const struct timespec at_once = { 0 };

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL), 0);
	pthread_kill(pthread_self(), SIGPIPE);
	CHECK_EQ(pipe(fds), 0);
	channel = open_channel(fds[1]);
	close(fds[0]);
	CHECK_EQ(channel_write_bytes(channel, "x", 1, &err), -1);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK_EQ(sigismember(&pending, SIGPIPE), 1);
	CHECK_EQ(sigtimedwait(&sigpipe, NULL, &at_once), SIGPIPE);
	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL), 0);
}

TEST(a_side_that_sends_nothing_exhausts_patience)
{
	struct channel *ends[2];
	struct gw_error err = { 0 };
	char byte;

	make_pair(ends, NULL);
	channel_set_read_patience(ends[0], 20);
	CHECK_EQ(channel_read_some(ends[0], &byte, 1, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "the other side sent nothing for 20 ms");
	/* It can go on afterwards. */
	CHECK_OK(channel_write_bytes(ends[1], "y", 1, &err), &err);
	CHECK_EQ(channel_read_some(ends[0], &byte, 1, &err), 1);
	CHECK_EQ(byte, 'y');
	free_pair(ends);
}

TEST(a_side_that_takes_nothing_exhausts_patience)
{
	OWNED_MEMORY uint8_t *bytes = calloc(1, 16 * MIB);
	struct channel *ends[2];
	struct gw_error err = { 0 };

	CHECK(bytes);
	make_pair(ends, NULL);
	channel_set_write_patience(ends[0], 20);
	CHECK_EQ(channel_write_bytes(ends[0], bytes, 16 * MIB, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "the other side took nothing for 20 ms");
	CHECK(channel_bytes_written(ends[0]) > 0);
	CHECK(channel_bytes_written(ends[0]) < 16 * MIB);
	free_pair(ends);
}

TEST(wait_tells_silence_from_bytes)
{
	struct channel *ends[2];
	struct gw_error err = { 0 };

	make_pair(ends, NULL);
	CHECK_EQ(channel_wait(ends[0], 0, &err), 0);
	CHECK_EQ(channel_wait(ends[0], 5, &err), 0);
	CHECK_OK(channel_write_bytes(ends[1], "x", 1, &err), &err);
	CHECK_EQ(channel_wait(ends[0], -1, &err), 1);
	free_pair(ends);
}

TEST(an_interrupt_ends_waits_in_both_directions)
{
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	OWNED_MEMORY uint8_t *bytes = calloc(1, 16 * MIB);
	struct worker reader = { .length = 1 }, writer = { .length = 16 * MIB };
	struct channel *ends[2];
	uint8_t byte;

	CHECK(interrupt && bytes);
	make_pair(ends, interrupt);
	reader.channel = writer.channel = ends[0];
	reader.bytes = &byte;
	writer.bytes = bytes;
	channel_set_read_patience(ends[0], -1);
	channel_set_write_patience(ends[0], -1);
	start(&reader, read_all);
	start(&writer, write_all);
	interrupt_sleep(NULL, 20 * NS_PER_MS);
	interrupt_raise(interrupt);
	pthread_join(reader.thread, NULL);
	pthread_join(writer.thread, NULL);
	CHECK_EQ(reader.status, -1);
	CHECK_EQ(reader.err.kind, GW_CANCELLED);
	CHECK_STR(reader.err.text, "cancelled");
	CHECK_EQ(writer.status, -1);
	CHECK_EQ(writer.err.kind, GW_CANCELLED);
	CHECK_EQ(channel_wait(ends[0], -1, &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	free_pair(ends);
}

TEST(what_need_not_wait_goes_through_after_an_interrupt)
{
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct channel *ends[2];
	char word[3];

	CHECK(interrupt);
	make_pair(ends, interrupt);
	interrupt_raise(interrupt);
	CHECK_OK(channel_write_bytes(ends[0], "bye", 3, &err), &err);
	CHECK_EQ(channel_read_all(ends[1], word, 3, &err), 1);
	free_pair(ends);
}

TEST(a_cut_wakes_both_sides)
{
	struct worker near = { .length = 1 }, far = { .length = 1 };
	struct gw_error err = { 0 };
	struct channel *ends[2];
	uint8_t bytes[2];

	make_pair(ends, NULL);
	near.channel = ends[0];
	near.bytes = &bytes[0];
	far.channel = ends[1];
	far.bytes = &bytes[1];
	channel_set_read_patience(ends[0], -1);
	channel_set_read_patience(ends[1], -1);
	start(&near, read_all);
	start(&far, read_all);
	interrupt_sleep(NULL, 10 * NS_PER_MS);
	channel_cut(ends[0]);
	pthread_join(near.thread, NULL);
	pthread_join(far.thread, NULL);
	CHECK_EQ(near.status, 0);
	CHECK_EQ(far.status, 0);
	CHECK_EQ(channel_write_bytes(ends[0], "x", 1, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_EQ(channel_write_bytes(ends[1], "x", 1, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	free_pair(ends);
}

TEST(throttled_writes_arrive_whole_and_are_interrupted)
{
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	static uint8_t sent[300000], got[300000];
	struct worker reader = { .bytes = got, .length = sizeof(got) };
	struct throttle throttle;
	struct channel *ends[2];
	struct iovec from[3] = { { sent, 5 },
				 { sent + 5, 200000 },
				 { sent + 200005, 99995 } };

	CHECK(interrupt);
	make_pair(ends, NULL);
	throttle_init(&throttle, 10000000);
	channel_set_throttle(ends[0], &throttle, interrupt);
	fill(sent, sizeof(sent), 4);
	reader.channel = ends[1];
	start(&reader, read_all);
	CHECK_OK(channel_write_full(ends[0], from, 3, &err), &err);
	pthread_join(reader.thread, NULL);
	CHECK_EQ(reader.status, 1);
	CHECK(memcmp(sent, got, sizeof(sent)) == 0);

	throttle_set(&throttle, 1);
	interrupt_raise(interrupt);
	CHECK_EQ(channel_write_bytes(ends[0], sent, sizeof(sent), &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	free_pair(ends);
}

TEST(descriptors_that_cannot_be_are_refused)
{
	struct gw_error err = { 0 };

	CHECK(!channel_from_fd(-1, NULL, &err));
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, EBADF);
	CHECK_CONTAINS(err.text, "descriptor -1");
}

TEST(what_the_system_refuses_keeps_its_errno)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	OWNED(channel) struct channel *channel = NULL;
	struct gw_error err = { 0 };
	char byte;

	CHECK(fd >= 0);
	channel = open_channel(fd);
	CHECK_EQ(channel_write_bytes(channel, "x", 1, &err), -1);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, ENOSPC);
	CHECK_STR(err.text, "write: no space left on device");
	CHECK_EQ(channel_read_some(channel, &byte, 1, &err), -1);
	CHECK_EQ(err.sys, EBADF);
}

/* Ends in a reset rather than an end. */
static int open_resetting_pair(int *other)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(name);
	const struct linger reset = { .l_onoff = 1 };
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(listening >= 0 && fd >= 0);
	CHECK_EQ(bind(listening, (struct sockaddr *)&name, length), 0);
	CHECK_EQ(listen(listening, 1), 0);
	CHECK_EQ(getsockname(listening, (struct sockaddr *)&name, &length), 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&name, length), 0);
	*other = accept(listening, NULL, NULL);
	CHECK(*other >= 0);
	close(listening);
	CHECK_EQ(setsockopt(*other, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	return fd;
}

TEST(a_reset_is_the_other_side_closing)
{
	OWNED(channel) struct channel *channel = NULL;
	struct gw_error err = { 0 };
	int other, fd = open_resetting_pair(&other);
	int on = 0;
	socklen_t length = sizeof(on);
	char byte;

	channel = open_channel(fd);
	CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
	CHECK_EQ(on, 1);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(other);
	CHECK_EQ(channel_read_some(channel, &byte, 1, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "the other side closed the connection");
	CHECK_EQ(channel_write_bytes(channel, "x", 1, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "the other side closed the connection");
}

static void check_no_connection(const char *uri, enum gw_error_kind kind, int sys,
				const char *text)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_OK(address_parse(&address, uri, &err), &err);
	CHECK(!channel_connect(&address, NULL, 1000, &err));
	CHECK_STR(err.text, text);
	CHECK_EQ(err.kind, kind);
	CHECK_EQ(err.sys, sys);
}

/* A port that is bound, so that nobody else listens on it, and does not listen. */
static int bind_port(unsigned *port)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&name, length), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	*port = ntohs(name.sin_port);
	return fd;
}

TEST(connecting_to_nobody_names_the_address_and_the_reason)
{
	char uri[64], text[128];
	unsigned port;
	OWNED_FD int bound = bind_port(&port);

	CHECK(bound >= 0);
	snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%u", port);
	snprintf(text, sizeof(text), "%s: connection refused", uri);
	check_no_connection(uri, GW_SYSTEM, ECONNREFUSED, text);
	check_no_connection("unix:/nonexistent/socket", GW_SYSTEM, ENOENT,
			    "unix:/nonexistent/socket: no such file or directory");
	check_no_connection("file:/nonexistent/file", GW_SYSTEM, ENOENT,
			    "file:/nonexistent/file: no such file or directory");
	check_no_connection("file:/tmp", GW_USAGE, 0,
			    "file:/tmp: neither a file nor a block device, "
			    "a pipe is fd:N");
	check_no_connection("tcp:127.0.0.1:0", GW_USAGE, 0,
			    "tcp:127.0.0.1:0: port 0 is for listening only");
	check_no_connection("fd:1000000", GW_USAGE, 0,
			    "fd:1000000: not an open descriptor");
}

TEST(a_listening_descriptor_is_not_a_connection)
{
	char uri[32], text[96];
	unsigned port;
	OWNED_FD int fd = bind_port(&port);

	CHECK_EQ(listen(fd, 1), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fd);
	snprintf(text, sizeof(text), "%s: is a listening socket, not a connection", uri);
	check_no_connection(uri, GW_USAGE, 0, text);
	CHECK(fcntl(fd, F_GETFD) >= 0); /* still the caller's */
}

TEST(an_inherited_connection_is_used)
{
	struct channel *ends[2] = { NULL, NULL };
	struct address address;
	struct gw_error err = { 0 };
	char uri[32], word[2];
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	CHECK_OK(address_parse(&address, uri, &err), &err);
	ends[0] = channel_connect(&address, NULL, -1, &err);
	ends[1] = open_channel(fds[1]);
	CHECK(ends[0] && ends[1]);
	CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	CHECK_OK(channel_write_bytes(ends[0], "ab", 2, &err), &err);
	CHECK_EQ(channel_read_all(ends[1], word, 2, &err), 1);
	free_pair(ends);
}

/* A unix listener whose backlog is full keeps connections waiting. */
static int open_full_listener(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	strcpy(name.sun_path, path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	CHECK_EQ(listen(fd, 0), 0);
	return fd;
}

TEST(connecting_to_a_busy_listener_ends_by_timeout_or_interrupt)
{
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	OWNED(channel) struct channel *first = NULL;
	char folder[] = "/tmp/channel_test.XXXXXX", path[64], uri[80];
	struct address address;
	OWNED_FD int listening = -1;

	CHECK(interrupt && mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(uri, sizeof(uri), "unix:%s", path);
	listening = open_full_listener(path);
	CHECK_OK(address_parse(&address, uri, &err), &err);
	first = channel_connect(&address, NULL, 1000, &err);
	CHECK(first);
	CHECK(!channel_connect(&address, NULL, 30, &err));
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, ETIMEDOUT);
	CHECK_CONTAINS(err.text, "/s: no answer within 30 ms");
	interrupt_raise(interrupt);
	CHECK(!channel_connect(&address, interrupt, -1, &err));
	CHECK_EQ(err.kind, GW_CANCELLED);
	CHECK_CONTAINS(err.text, "/s: cancelled");
	unlink(path);
	rmdir(folder);
}

TEST_MAIN(TEST_OF(pair_carries_all_bytes), TEST_OF(pipe_carries_all_bytes),
	  TEST_OF(file_carries_all_bytes_and_is_read_by_its_address),
	  TEST_OF(more_iovecs_than_one_call_takes_arrive_in_order),
	  TEST_OF(nothing_to_move_is_done_at_once),
	  TEST_OF(an_end_within_a_record_is_not_a_clean_end),
	  TEST_OF(read_exactly_takes_no_end_for_an_answer),
	  TEST_OF(writing_to_a_closed_side_is_an_error_not_a_signal),
	  TEST_OF(writing_to_a_closed_pipe_is_an_error_and_leaves_signals_as_they_were),
	  TEST_OF(a_sigpipe_of_somebody_else_stays_pending),
	  TEST_OF(a_side_that_sends_nothing_exhausts_patience),
	  TEST_OF(a_side_that_takes_nothing_exhausts_patience),
	  TEST_OF(wait_tells_silence_from_bytes),
	  TEST_OF(an_interrupt_ends_waits_in_both_directions),
	  TEST_OF(what_need_not_wait_goes_through_after_an_interrupt),
	  TEST_OF(a_cut_wakes_both_sides),
	  TEST_OF(throttled_writes_arrive_whole_and_are_interrupted),
	  TEST_OF(descriptors_that_cannot_be_are_refused),
	  TEST_OF(what_the_system_refuses_keeps_its_errno),
	  TEST_OF(a_reset_is_the_other_side_closing),
	  TEST_OF(connecting_to_nobody_names_the_address_and_the_reason),
	  TEST_OF(a_listening_descriptor_is_not_a_connection),
	  TEST_OF(an_inherited_connection_is_used),
	  TEST_OF(connecting_to_a_busy_listener_ends_by_timeout_or_interrupt))
