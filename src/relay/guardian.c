/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guardian.c - a small process beside ours, which cleans up when ours is gone, however it went. */
#include "relay/guardian.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/deadline.h"
#include "base/interrupt.h"
#include "wire/multifd_init.h"
#include "wire/multifd_packet.h"

/* Until an answer: an abort takes the guardian's patience at most. */
#define ANSWER_MS (GUARDIAN_PATIENCE_MS + 5000)

/* SYNCs of one write. */
#define PIECE_PACKETS 24u

/* Where the guardian has its end of the socket, and no other descriptor above. */
#define OWN_FD 3

enum order {
	ORDER_REMOVE,	 /* and a path */
	ORDER_HOLD_MAIN, /* and a descriptor */
	ORDER_HOLD_PAGE, /* likewise */
	ORDER_RELEASE,
	ORDER_ABORT,
};

#define PATH_ROOM 512

struct message {
	enum order order;
	char path[PATH_ROOM];
};

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

/* ---- the guardian's process ---- */

struct held {
	int fd;
	size_t sent; /* of the packet that is being written */
};

/* What is to be removed: what is open, and nothing that has its name later.  Nor can a successor get
 * its inode's number before it is closed. */
struct keepsake {
	int fd; /* O_PATH */
	char path[PATH_ROOM];
};

struct ward {
	int main;
	uint32_t page_count;
	struct held pages[MULTIFD_CHANNELS_MAX];
	uint32_t removal_count;
	struct keepsake removals[GUARDIAN_REMOVALS_MAX];
	uint8_t piece[PIECE_PACKETS * MULTIFD_PACKET_BYTES];
};

static void close_page(struct ward *ward, uint32_t i)
{
	close(ward->pages[i].fd);
	ward->pages[i] = ward->pages[--ward->page_count];
}

static void let_go(struct ward *ward)
{
	while (ward->page_count > 0)
		close_page(ward, 0);
	if (ward->main >= 0)
		close(ward->main);
	ward->main = -1;
}

/* As much as goes in one piece.  False when QEMU has closed the channel. */
static bool fill(const struct ward *ward, struct held *page)
{
	ssize_t put = send(page->fd, ward->piece + page->sent,
			   sizeof(ward->piece) - page->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (put < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
		       errno == ENOMEM;
	page->sent = (page->sent + (size_t)put) % MULTIFD_PACKET_BYTES;
	return true;
}

static void abort_held(struct ward *ward)
{
	const struct deadline deadline = deadline_in(GUARDIAN_PATIENCE_MS);
	struct pollfd fds[MULTIFD_CHANNELS_MAX];
	int left_ms;

	if (ward->main >= 0)
		shutdown(ward->main, SHUT_RDWR);
	while (ward->page_count > 0 && (left_ms = deadline_left_ms(&deadline)) > 0) {
		uint32_t count = ward->page_count;

		for (uint32_t i = 0; i < count; i++)
			fds[i] = (struct pollfd){ .fd = ward->pages[i].fd,
						  .events = POLLOUT };
		if (poll(fds, count, left_ms) < 0 && errno != EINTR)
			break;
		/* From the last, so that one that is closed takes no other one's place. */
		for (uint32_t i = count; i-- > 0;)
			if (fds[i].revents && !fill(ward, &ward->pages[i]))
				close_page(ward, i);
	}
	let_go(ward);
}

/* `path_fd` is an O_PATH. */
static void empty_directory(int path_fd)
{
	int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!directory) {
		if (fd >= 0)
			close(fd);
		return;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while ((entry = readdir(directory))) {
		struct stat stat;

		if (fstatat(fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (S_ISSOCK(stat.st_mode) || S_ISREG(stat.st_mode)))
			unlinkat(fd, entry->d_name, 0);
	}
	closedir(directory);
}

static void remove_keepsake(const struct keepsake *keepsake)
{
	struct stat kept, now;

	if (fstat(keepsake->fd, &kept) < 0)
		return;
	if (S_ISDIR(kept.st_mode))
		empty_directory(keepsake->fd);
	if (lstat(keepsake->path, &now) < 0 || now.st_dev != kept.st_dev ||
	    now.st_ino != kept.st_ino)
		return;
	if (S_ISDIR(kept.st_mode))
		rmdir(keepsake->path);
	else if (S_ISSOCK(kept.st_mode))
		unlink(keepsake->path);
}

/* Return: 0, or an errno value. */
static int keep(struct ward *ward, const char *path)
{
	struct keepsake *keepsake = &ward->removals[ward->removal_count];

	if (ward->removal_count == GUARDIAN_REMOVALS_MAX)
		return ENOSPC;
	keepsake->fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (keepsake->fd < 0)
		return errno;
	memcpy(keepsake->path, path, sizeof(keepsake->path));
	ward->removal_count++;
	return 0;
}

/* Likewise. */
static int hold(struct ward *ward, enum order order, int fd)
{
	if (fd < 0)
		return EMFILE; /* it could not be taken in */
	if (order == ORDER_HOLD_MAIN) {
		if (ward->main >= 0)
			close(ward->main);
		ward->main = fd;
		return 0;
	}
	if (ward->page_count == MULTIFD_CHANNELS_MAX) {
		close(fd);
		return ENOSPC;
	}
	ward->pages[ward->page_count++] = (struct held){ .fd = fd };
	return 0;
}

/* Likewise. */
static int obey(struct ward *ward, const struct message *message, int fd)
{
	switch (message->order) {
	case ORDER_REMOVE:
		return keep(ward, message->path);
	case ORDER_HOLD_MAIN:
	case ORDER_HOLD_PAGE:
		return hold(ward, message->order, fd);
	case ORDER_RELEASE:
		let_go(ward);
		return 0;
	case ORDER_ABORT:
		abort_held(ward);
		return 0;
	}
	return EINVAL;
}

/* False when the process that is guarded has gone. */
static bool take_order(struct message *message, int *fd)
{
	struct iovec into = { .iov_base = message, .iov_len = sizeof(*message) };
	union control control;
	struct msghdr packet = {
		.msg_iov = &into,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *header;
	ssize_t got;

	do
		got = recvmsg(OWN_FD, &packet, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got != sizeof(*message))
		return false;
	header = CMSG_FIRSTHDR(&packet);
	*fd = -1;
	if (header && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	return true;
}

static void write_piece(struct ward *ward)
{
	/* Every QEMU takes a SYNC that has no room for pages. */
	const struct multifd_packet sync = { .sync = true, .block = -1 };

	for (uint32_t i = 0; i < PIECE_PACKETS; i++)
		multifd_packet_write(ward->piece + (size_t)i * MULTIFD_PACKET_BYTES,
				     dialect_newest(), NULL, &sync);
}

/* Nothing of the process that is guarded may stay open because of us: neither its end of our
 * socket, which tells of its death, nor what its own callers wait to see closed. */
static int keep_only(int socket)
{
	int null;

	if (socket != OWN_FD && dup2(socket, OWN_FD) < 0)
		return -1;
	closefrom(OWN_FD + 1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	if (null > OWN_FD)
		close(null);
	return 0;
}

static void guard(int socket)
{
	static const int meant_for_others[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
						SIGPIPE };
	static struct ward ward = { .main = -1 };
	struct message message;
	int fd;

	for (size_t i = 0; i < sizeof(meant_for_others) / sizeof(int); i++)
		signal(meant_for_others[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "godwit-guard");
	if (keep_only(socket) < 0)
		_exit(1);
	write_piece(&ward);
	while (take_order(&message, &fd)) {
		int sys = obey(&ward, &message, fd);

		/* Who does not hear it is gone, as the next order will tell. */
		send(OWN_FD, &sys, sizeof(sys), MSG_NOSIGNAL);
	}
	abort_held(&ward);
	for (uint32_t i = 0; i < ward.removal_count; i++)
		remove_keepsake(&ward.removals[i]);
	_exit(0);
}

/* ---- the process that is guarded ---- */

struct guardian {
	pid_t process;
	int socket;
	bool silent; /* an answer is overdue: what comes now would be taken for another one */
	bool alone; /* nobody waits for it any more */
};

struct guardian *guardian_start(struct gw_error *err)
{
	OWNED_MEMORY struct guardian *guardian = calloc(1, sizeof(*guardian));
	int ends[2];

	if (!guardian) {
		fail_sys(err, ENOMEM, "guardian");
		return NULL;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		fail_sys(err, errno, "guardian");
		return NULL;
	}
	guardian->socket = ends[0];
	guardian->process = fork();
	if (guardian->process == 0)
		guard(ends[1]);
	close(ends[1]);
	if (guardian->process < 0) {
		fail_sys(err, errno, "guardian");
		close(ends[0]);
		return NULL;
	}
	return MOVE(guardian);
}

/* The guardian's word on an order. */
static int answer(struct guardian *guardian, const struct interrupt *leave,
		  struct gw_error *err)
{
	int waited = interrupt_poll(leave, guardian->socket, POLLIN, ANSWER_MS, err);
	ssize_t got;
	int sys;

	if (waited != 1) {
		guardian->silent = true;
		guardian->alone = waited < 0 && err->kind == GW_CANCELLED;
		return fail(err, GW_SYSTEM, "guardian: no answer within %d ms",
			    ANSWER_MS);
	}
	got = recv(guardian->socket, &sys, sizeof(sys), MSG_DONTWAIT);
	if (got != sizeof(sys))
		return fail(err, GW_SYSTEM, "guardian: its process is gone");
	return sys == 0 ? 0 : fail_sys(err, sys, "guardian");
}

/* `leave`, where there is one, is no common interrupt: clean-up is due also when all else has been
 * told to end. */
static int ask(struct guardian *guardian, const struct message *message, int fd,
	       const struct interrupt *leave, struct gw_error *err)
{
	struct iovec from = { .iov_base = (void *)message, /* only read from */
			      .iov_len = sizeof(*message) };
	union control control = { 0 };
	struct msghdr packet = { .msg_iov = &from, .msg_iovlen = 1 };
	ssize_t put;

	if (guardian->silent)
		return fail(err, GW_SYSTEM, "guardian: it answers no more");
	if (fd >= 0) {
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(fd)),
		};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	/* One order at a time: there is always room for it. */
	do
		put = sendmsg(guardian->socket, &packet, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return fail_sys(err, errno, "guardian");
	return answer(guardian, leave, err);
}

int guardian_remove(struct guardian *guardian, const char *path, struct gw_error *err)
{
	struct message message = { .order = ORDER_REMOVE };
	struct stat stat;

	if (strlen(path) >= sizeof(message.path))
		return fail(err, GW_USAGE, "guardian: path of %zu bytes, at most %zu",
			    strlen(path), sizeof(message.path) - 1);
	if (lstat(path, &stat) < 0)
		return fail_sys(err, errno, "guardian: %s", path);
	if (!S_ISDIR(stat.st_mode) && !S_ISSOCK(stat.st_mode))
		return fail(err, GW_USAGE,
			    "guardian: %s is neither a directory nor a socket", path);
	memcpy(message.path, path, strlen(path));
	return ask(guardian, &message, -1, NULL, err);
}

int guardian_hold_main(struct guardian *guardian, int fd, struct gw_error *err)
{
	return ask(guardian, &(struct message){ .order = ORDER_HOLD_MAIN }, fd, NULL,
		   err);
}

int guardian_hold_page(struct guardian *guardian, int fd, struct gw_error *err)
{
	return ask(guardian, &(struct message){ .order = ORDER_HOLD_PAGE }, fd, NULL,
		   err);
}

void guardian_release(struct guardian *guardian)
{
	struct gw_error err;

	ask(guardian, &(struct message){ .order = ORDER_RELEASE }, -1, NULL, &err);
}

void guardian_abort(struct guardian *guardian, const struct interrupt *leave)
{
	struct gw_error err;

	ask(guardian, &(struct message){ .order = ORDER_ABORT }, -1, leave, &err);
}

void guardian_free(struct guardian *guardian)
{
	struct gw_error err;

	if (!guardian)
		return;
	/* Seen there as our death; its own is the end of the stream here. */
	shutdown(guardian->socket, SHUT_WR);
	if (!guardian->alone &&
	    (guardian->silent ||
	     interrupt_poll(NULL, guardian->socket, POLLIN, ANSWER_MS, &err) != 1))
		kill(guardian->process, SIGKILL);
	while (!guardian->alone && waitpid(guardian->process, NULL, 0) < 0 &&
	       errno == EINTR)
		;
	close(guardian->socket);
	free(guardian);
}
